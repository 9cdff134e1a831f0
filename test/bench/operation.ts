/**
 * What is asked of the hub and of each peer, so that all do the same work: a person's combined record, a slim part of
 * it (both budgets and the money in them), and a page of a caseload. The bench compares the answers of the hub and the floor before it takes any time.
 */
import { icb } from './data.ts';

const figures = 'paidIn { amount } spent { amount } committed { amount } left { amount }';

export const hubDocuments = {
  slim: `query Slim($nhsNumber: NHSNumber!) {
  person(nhsNumber: $nhsNumber) {
    familyName givenName birthDate
    budgets {
      kind status from agreed { amount }
      balances { source ${figures} }
      transfers(first: 10) { nodes { kind source amount { amount } effectiveOn } }
    }
  }
}`,
  record: `query Record($nhsNumber: NHSNumber!) {
  person(nhsNumber: $nhsNumber) {
    familyName givenName birthDate gender
    identifiers { system value issuer status }
    sources { side availability asAt system }
    plan { title status whatMatters coordinatorName from needs { text } outcomes { text status targetOn } }
    budgets {
      kind status from agreed { amount }
      fundingLines { source amount { amount } }
      balances { source ${figures} }
      transfers(first: 10) {
        nodes { kind source amount { amount } effectiveOn description isReversal }
        pageInfo { hasNextPage }
      }
    }
    combined {
      agreed { amount } ${figures}
      byFunder { source organisation { code name } agreed { amount } ${figures} }
    }
    packages {
      serviceType component deliveryMechanism providerName from
      lines { unitCost { amount } costFrequency plannedUnitsPerWeek }
    }
    reviews { kind heldOn reason outcome outcomesAchieved }
  }
}`,
  caseload: `query Caseload($after: String) {
  caseload(first: 50, after: $after) {
    nodes {
      familyName givenName birthDate
      identifiers { system value }
      budgets { kind status agreed { amount } }
      combined { agreed { amount } ${figures} }
    }
    pageInfo { hasNextPage }
  }
}`,
};

// ---------------------------------------------------------------- the floor

const amount = (pence: string) =>
  `(select row_to_json(m) from (select (${pence}::numeric / 100)::numeric(20, 2)::text as amount) m)`;

const floorFigures = ['paid_in "paidIn"', 'spent spent', 'committed committed', 'remaining "left"']
  .map((figure) => figure.split(' '))
  .map(([column, key]) => `${amount(column!)} as ${key}`)
  .join(', ');

const sums = `
  coalesce(sum(out_pence - in_pence) filter (where kind = 'FUNDER'), 0) as paid_in,
  coalesce(sum(in_pence - out_pence) filter (where kind = 'SPENT'), 0) as spent,
  coalesce(sum(in_pence - out_pence) filter (where kind = 'COMMITTED'), 0) as committed,
  coalesce(sum(in_pence - out_pence) filter (where kind = 'HELD'), 0) as remaining`;

/** The row of a budget, or of a funding line, is in force today; null is without bound. */
const inForce = (b: string) => `${b}.status in ('ACTIVE', 'SUSPENDED') and ${b}.valid_from <= current_date
  and (${b}.valid_to is null or ${b}.valid_to > current_date)`;
const holds = (l: string) => `(${l}.valid_from is null or ${l}.valid_from <= current_date)
  and (${l}.valid_to is null or ${l}.valid_to > current_date)`;

/** What is agreed for a budget that is part of another in force stands there. */
const standsAlone = (b: string) => `(${b}.part_of_id is null or not exists (
  select from budget w where w.id = ${b}.part_of_id and ${inForce('w')}))`;

/** One of the hub's own that was agreed is over when its days are. */
const status = `case when link_id is null and valid_to <= current_date and status in ('SIGNED_OFF', 'ACTIVE', 'SUSPENDED')
  then 'ENDED'::budget_status else status end as status`;

const list = (rows: string) => `(select coalesce(json_agg(row_to_json(o)), '[]') from (${rows}) o)`;

/** Each gives one column, the answer as text. Written by hand for just these questions; nobody is asked who they are. */
export const floorStatements = {
  slim: `
select row_to_json(o)::text from (
  select p.family_name as "familyName", p.given_name as "givenName", p.birth_date as "birthDate",
    ${list(`select kind, ${status}, valid_from as "from", ${amount('agreed_pence')} as agreed,
                   ${list(`select source, ${floorFigures}
                             from (select source, ${sums} from ledger_account where budget_id = b.id group by source) m
                            order by source`)} as balances,
                   (select row_to_json(o) from (
                      select ${list(`select t.kind, t.source, ${amount('t.pence')} as amount, effective_on as "effectiveOn"
                                       from (select * from ledger_transfer where budget_id = b.id
                                              order by effective_on desc, id desc limit 10) t`)} as nodes) o) as transfers
              from budget b where person_id = p.id order by valid_from desc, kind, id`)} as budgets
    from person_identifier i join person p on p.id = i.person_id
   where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = $1) o`,
  record: `
with p as materialized (
  select p.id, family_name, given_name, birth_date, gender
    from person_identifier i join person p on p.id = i.person_id
   where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = $1
), b as materialized (
  select id, kind, ${status}, valid_from, agreed_pence, ${inForce('budget')} as in_force, part_of_id
    from budget where person_id = (select id from p)
), balance as materialized (
  select b.id as budget_id, b.in_force, a.*
    from b cross join lateral (select source, ${sums} from ledger_account where budget_id = b.id group by source) a
), line as materialized (
  select b.id as budget_id, b.in_force, b.part_of_id, f.*
    from b cross join lateral (select id, source, stream, organisation_id, line_key, amount_pence, valid_from,
                                      ${holds('l')} as holds
                                 from funding_line l where budget_id = b.id) f
), total as materialized (
  select source, organisation_id, sum(agreed) as agreed, sum(paid_in) as paid_in, sum(spent) as spent,
         sum(committed) as committed, sum(remaining) as remaining
    from (select source, organisation_id, amount_pence as agreed, 0 as paid_in, 0 as spent, 0 as committed,
                 0 as remaining
            from line where in_force and holds and ${standsAlone('line')}
          union all
          select source, (select organisation_id from line
                           where budget_id = balance.budget_id and source = balance.source
                           order by valid_from desc nulls last, amount_pence desc, id limit 1),
                 0, paid_in, spent, committed, remaining
            from balance where in_force) f
   group by 1, 2
)
select row_to_json(o)::text from (
  select family_name as "familyName", given_name as "givenName", birth_date as "birthDate", gender,
    ${list(`select system, value, nullif(issuer, '') as issuer, status from person_identifier
             where person_id = p.id order by status, system, person_identifier.issuer, value`)} as identifiers,
    ${list(`select side.side,
                   case when s.id is null then 'NONE' when s.last_failed_at > s.last_succeeded_at then 'SOURCE_DOWN'
                        else 'AVAILABLE' end as availability,
                   to_char(greatest(s.last_succeeded_at, s.received_at) at time zone 'UTC',
                           'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "asAt", s.name as system
              from unnest(enum_range(null::side)) as side(side)
              left join (select s.*, l.received_at from person_link l join source_system s on s.id = l.source_id
                          where l.person_id = p.id) s on s.side = side.side
             order by side.side, s.name`)} as sources,
    (select row_to_json(o) from (
       select title, status, what_matters as "whatMatters", coordinator_name as "coordinatorName", valid_from as "from",
              ${list('select text from need where plan_id = plan.id and person_id = p.id order by position')} as needs,
              ${list(`select text, status, target_on as "targetOn" from outcome
                       where plan_id = plan.id and person_id = p.id order by target_on, id`)} as outcomes
         from plan
        where person_id = p.id and (status = 'AGREED' or (status = 'SUPERSEDED' and number is not null))
          and (valid_from is null or valid_from <= current_date) and (valid_to is null or valid_to >= current_date)
        order by number is null, number desc, valid_from desc nulls last, id desc limit 1) o) as plan,
    ${list(`select kind, status, valid_from as "from", ${amount('agreed_pence')} as agreed,
                   ${list(`select source, ${amount('amount_pence')} as amount from line
                            where budget_id = b.id and holds
                            order by source, stream, organisation_id, line_key, id`)} as "fundingLines",
                   ${list(`select source, ${floorFigures} from balance where budget_id = b.id
                            order by source`)} as balances,
                   (select row_to_json(o) from (
                      select coalesce(json_agg(j order by n) filter (where n <= 10), '[]') as nodes,
                             json_build_object('hasNextPage', count(*) > 10) as "pageInfo"
                        from (select row_number() over () as n,
                                     (select row_to_json(o) from (
                                        select t.kind, t.source, ${amount('t.pence')} as amount,
                                               effective_on as "effectiveOn", description,
                                               reverses_id is not null as "isReversal") o) as j
                                from (select * from ledger_transfer where budget_id = b.id
                                       order by effective_on desc, id desc limit 11) t) r) o) as transfers
              from b order by valid_from desc, kind, id`)} as budgets,
    (select row_to_json(o) from (
       select ${amount('agreed')} as agreed, ${floorFigures},
              ${list(`select t.source, (select row_to_json(o) from (select ods_code as code, name from organisation
                                         where id = t.organisation_id) o) as organisation,
                             ${amount('agreed')} as agreed, ${floorFigures}
                        from total t order by source, organisation_id`)} as "byFunder"
         from (select coalesce(sum(agreed), 0) as agreed, coalesce(sum(paid_in), 0) as paid_in,
                      coalesce(sum(spent), 0) as spent, coalesce(sum(committed), 0) as committed,
                      coalesce(sum(remaining), 0) as remaining from total) c) o) as combined,
    ${list(`select service_type as "serviceType", component, delivery_mechanism as "deliveryMechanism",
                   provider_name as "providerName", valid_from as "from",
                   ${list(`select (select row_to_json(o) from (
                                     select (unit_cost_pence::numeric / 100)::numeric(20, 2)::text as amount
                                      where unit_cost_pence is not null) o) as "unitCost",
                                  cost_frequency as "costFrequency",
                                  planned_units_per_week::text as "plannedUnitsPerWeek"
                             from service_line where package_id = package.id and person_id = p.id
                            order by position`)} as lines
              from package where person_id = p.id order by valid_from desc, id`)} as packages,
    ${list(`select kind, held_on as "heldOn", reason, outcome, outcomes_achieved as "outcomesAchieved"
              from review where person_id = p.id order by held_on desc, id`)} as reviews
    from p) o`,
  caseload: `
select row_to_json(o)::text from (
  select coalesce(json_agg(j order by n) filter (where n <= 50), '[]') as nodes,
         json_build_object('hasNextPage', count(*) > 50) as "pageInfo"
    from (
      select row_number() over () as n, (select row_to_json(o) from (
          select p.family_name as "familyName", p.given_name as "givenName", p.birth_date as "birthDate",
                 ${list(`select system, value from person_identifier
                          where person_id = p.id order by status, system, issuer, value`)} as identifiers,
                 ${list(`select kind, ${status}, ${amount('agreed_pence')} as agreed from budget
                          where person_id = p.id order by valid_from desc, kind, id`)} as budgets,
                 (select row_to_json(o) from (
                    select ${amount(`(select coalesce(sum(amount_pence), 0) from budget b
                                       join funding_line l on l.budget_id = b.id
                                      where b.person_id = p.id and ${inForce('b')} and ${holds('l')}
                                        and ${standsAlone('b')})`)} as agreed, ${floorFigures}
                      from (select ${sums} from (
                              select a.kind, a.in_pence, a.out_pence
                                from budget b join ledger_account a on a.budget_id = b.id
                               where b.person_id = p.id and ${inForce('b')}) a) m) o) as combined) o) as j
        from (select sort_name, person_id from role_on_record
               where organisation_id = (select id from organisation where ods_code = '${icb}')
                 and (sort_name, person_id) > ($1, $2::uuid)
                 and (valid_from is null or valid_from <= current_date)
                 and (valid_to is null or valid_to > current_date)
               order by sort_name, person_id limit 51) k
        join person p on p.id = k.person_id
       order by k.sort_name, k.person_id) r) o`,
};

// ---------------------------------------------------------------- PostGraphile

/**
 * The same tables and columns under PostGraphile's own names. It has no sums: it gives the accounts to add up, once a
 * budget, where the hub gives balances and the combined budget.
 */
export const peerDocuments = {
  slim: `query Slim($nhsNumber: String!) {
  personIdentifierBySystemAndIssuerAndValue(system: NHS_NUMBER, issuer: "", value: $nhsNumber) {
    personByPersonId {
      familyName givenName birthDate
      budgetsByPersonId(orderBy: [VALID_FROM_DESC, ROW_ID_ASC]) {
        nodes {
          kind status validFrom agreedPence
          ledgerAccountsByBudgetIdAndPersonId { nodes { source kind inPence outPence } }
          ledgerTransfersByBudgetIdAndPersonId(orderBy: [EFFECTIVE_ON_DESC, ROW_ID_DESC], first: 10) {
            nodes { kind source pence effectiveOn }
          }
        }
      }
    }
  }
}`,
  record: `query Record($nhsNumber: String!) {
  personIdentifierBySystemAndIssuerAndValue(system: NHS_NUMBER, issuer: "", value: $nhsNumber) {
    personByPersonId {
      familyName givenName birthDate gender
      personIdentifiersByPersonId(orderBy: [ISSUER_ASC, VALUE_ASC]) {
        nodes { system value issuer status }
      }
      personLinksByPersonId { nodes { receivedAt sourceSystemBySourceId { side name lastSucceededAt lastFailedAt } } }
      plansByPersonId(condition: { status: AGREED }, orderBy: [VALID_FROM_DESC, ROW_ID_DESC], first: 1) {
        nodes {
          title status whatMatters coordinatorName validFrom
          needsByPlanIdAndPersonId(orderBy: POSITION_ASC) { nodes { text } }
          outcomesByPlanIdAndPersonId(orderBy: [TARGET_ON_ASC, ROW_ID_ASC]) { nodes { text status targetOn } }
        }
      }
      budgetsByPersonId(orderBy: [VALID_FROM_DESC, ROW_ID_ASC]) {
        nodes {
          kind status validFrom agreedPence
          fundingLinesByBudgetIdAndPersonId {
            nodes { source amountPence organisationByOrganisationId { odsCode name } }
          }
          ledgerAccountsByBudgetIdAndPersonId { nodes { source kind inPence outPence } }
          ledgerTransfersByBudgetIdAndPersonId(orderBy: [EFFECTIVE_ON_DESC, ROW_ID_DESC], first: 10) {
            nodes { kind source pence effectiveOn description reversesId }
            pageInfo { hasNextPage }
          }
        }
      }
      packagesByPersonId(orderBy: [VALID_FROM_DESC, ROW_ID_ASC]) {
        nodes {
          serviceType component deliveryMechanism providerName validFrom
          serviceLinesByPackageIdAndPersonId(orderBy: POSITION_ASC) {
            nodes { unitCostPence costFrequency plannedUnitsPerWeek }
          }
        }
      }
      reviewsByPersonId(orderBy: [HELD_ON_DESC, ROW_ID_ASC]) { nodes { kind heldOn reason outcome outcomesAchieved } }
    }
  }
}`,
  caseload: `query Caseload($icb: UUID!, $after: Cursor) {
  allRoleOnRecords(
    condition: { organisationId: $icb }, orderBy: [SORT_NAME_ASC, PERSON_ID_ASC], first: 50, after: $after
  ) {
    nodes {
      personByPersonId {
        familyName givenName birthDate
        personIdentifiersByPersonId(orderBy: [ISSUER_ASC, VALUE_ASC]) { nodes { system value } }
        budgetsByPersonId(orderBy: [VALID_FROM_DESC, ROW_ID_ASC]) {
          nodes {
            kind status agreedPence
            ledgerAccountsByBudgetIdAndPersonId { nodes { kind inPence outPence } }
          }
        }
      }
    }
    pageInfo { hasNextPage }
  }
}`,
};

/** Where PostGraphile's cursor of the row at `offset` of the caseload is found. */
export const peerCursorDocument = `query Cursor($icb: UUID!, $offset: Int!) {
  allRoleOnRecords(
    condition: { organisationId: $icb }, orderBy: [SORT_NAME_ASC, PERSON_ID_ASC], first: 1, offset: $offset
  ) { pageInfo { endCursor } }
}`;
