/** Writes budgets with whose money they are made of and how it is managed, and the balances that sources report. */
import { type Apply, linkOfRow, ownOfRow, run, type Verdict } from '../person/store.ts';

/** SQL: the four duties as the way of managing gives them, where nobody said otherwise. */
const duties = (management: string) =>
  ['funds_holder', 'account_operator', 'legal_employer', 'purchase_decider']
    .map((duty) => `default_duty(${management}, '${duty}')`)
    .join(', ');

// A portion that the source no longer names ends and stays: a plan's lines may be paid from it. Of the lines of funding
// only those go that a source named, which are for as long as the budget and of no split.
//
// What a budget no longer has is looked up budget by budget (`offset 0` keeps it so), and deleted by where it stands:
// joined in any other way, a plan made when the tables were empty reads them whole for every page.
const writeBudgets = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, kind budget_kind, status budget_status, "from" date, "to" date,
    "indicativePence" bigint, "fundingLines" jsonb, portions jsonb)
), placed as (
  select row.*, l.id as link_id, l.person_id, coalesce(t.id, new_id()) as budget_id,
         (select coalesce(sum((f ->> 'amountPence')::bigint), 0)
            from jsonb_array_elements("fundingLines") as f) as agreed_pence,
         case when l.id is null then 'PERSON_NOT_KNOWN_YET'
              when exists (
                select from (select f ->> 'organisationCode' from jsonb_array_elements("fundingLines") as f
                             union all
                             select p ->> 'accountOperatorCode' from jsonb_array_elements(portions) as p) as named(code)
                 where code is not null and not exists (select from organisation o where o.ods_code = code))
              then 'ORGANISATION_NOT_KNOWN' end as waits
    from row${linkOfRow}${ownOfRow('budget')}
), known as (
  select * from placed where waits is null
), written as (
  insert into budget as b (id, person_id, link_id, external_id, kind, status, valid_from, valid_to, indicative_pence,
                           agreed_pence)
  select budget_id, person_id, link_id, "externalId", kind, status, "from", "to", "indicativePence", agreed_pence
    from known
  on conflict (link_id, external_id) do update
     set kind = excluded.kind, status = excluded.status, valid_from = excluded.valid_from,
         valid_to = excluded.valid_to, indicative_pence = excluded.indicative_pence,
         agreed_pence = excluded.agreed_pence, version = b.version + 1
   where (b.kind, b.status, b.valid_from, b.valid_to, b.indicative_pence, b.agreed_pence)
         is distinct from (excluded.kind, excluded.status, excluded.valid_from, excluded.valid_to,
                           excluded.indicative_pence, excluded.agreed_pence)
), funded as (
  insert into funding_line as x (budget_id, person_id, source, stream, organisation_id, amount_pence)
  select k.budget_id, k.person_id, f.source, coalesce(f.stream, ''),
         (select id from organisation where ods_code = min(f."organisationCode")), sum(f."amountPence")
    from known k
   cross join jsonb_to_recordset(k."fundingLines")
           as f(source funding_source, stream text, "organisationCode" text, "amountPence" bigint)
   group by k.budget_id, k.person_id, f.source, coalesce(f.stream, '')
  on conflict (budget_id, person_id, source, stream) where split_id is null and valid_from is null do update
     set organisation_id = excluded.organisation_id, amount_pence = excluded.amount_pence
   where (x.organisation_id, x.amount_pence) is distinct from (excluded.organisation_id, excluded.amount_pence)
), no_longer_funded as (
  delete from funding_line where ctid = any(array(
    select x.ctid from known k
     cross join lateral (select ctid, source, stream from funding_line
                          where budget_id = k.budget_id and person_id = k.person_id
                            and split_id is null and valid_from is null offset 0) x
     where not exists (select from jsonb_array_elements(k."fundingLines") as f
                        where f ->> 'source' = x.source::text and coalesce(f ->> 'stream', '') = x.stream)))
), managed as (
  insert into portion as x (budget_id, person_id, position, management, recurring, amount_pence, channel,
                            account_operator_id, funds_holder, account_operator, legal_employer, purchase_decider)
  select k.budget_id, k.person_id, p.position, p.management, p.recurring, p."amountPence", p.channel,
         (select id from organisation where ods_code = p."accountOperatorCode"), ${duties('p.management')}
    from known k
   cross join rows from (jsonb_to_recordset(k.portions)
           as (management management, recurring boolean, "amountPence" bigint, channel payment_channel,
               "accountOperatorCode" text))
           with ordinality as p(management, recurring, "amountPence", channel, "accountOperatorCode", position)
  on conflict (budget_id, person_id, position) do update
     set management = excluded.management, recurring = excluded.recurring, amount_pence = excluded.amount_pence,
         channel = excluded.channel, account_operator_id = excluded.account_operator_id, funds_holder = excluded.funds_holder,
         account_operator = excluded.account_operator, legal_employer = excluded.legal_employer,
         purchase_decider = excluded.purchase_decider, valid_to = null
   where (x.management, x.recurring, x.amount_pence, x.channel, x.account_operator_id, x.valid_to)
         is distinct from (excluded.management, excluded.recurring, excluded.amount_pence, excluded.channel,
                           excluded.account_operator_id, null)
), no_longer_managed as (
  update portion set valid_to = (now() at time zone 'Europe/London')::date where ctid = any(array(
    select x.ctid from known k
     cross join lateral (select ctid from portion where budget_id = k.budget_id and person_id = k.person_id
                            and position > jsonb_array_length(k.portions) and valid_to is null offset 0) x))
)
select n, person_id, waits from placed`;

// The ledger keeps every transfer, so a budget that was filed under the wrong person takes its ledger along.
const moveBudgets = `
update budget b set link_id = l.id, person_id = l.person_id
  from json_to_recordset($2::json) as row("externalId" text, "personId" text, "movedFrom" text)
  join person_link old on old.source_id = $1 and old.external_id = row."movedFrom"
  join person_link l on l.source_id = $1 and l.external_id = row."personId"
 where b.link_id = old.id and b.external_id = row."externalId"`;

export const applyBudgets: Apply = async (sql, source, rows) => {
  if (rows.includes('"movedFrom"')) {
    await sql.query('set constraints all deferred');
    await run(sql, 'move-budgets', moveBudgets, [source.id, rows]);
    await sql.query('set constraints all immediate');
  }
  return run<Verdict>(sql, 'write-budgets', writeBudgets, [source.id, rows]);
};

/** The budget that a row names, by the source's own id of it. */
export const budgetOfRow = `
  left join lateral (select id from budget where link_id = l.id and external_id = row."budgetId" offset 0) b on true`;

// Of two balances the later day counts, whichever arrives last.
const writeBalances = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "personId" text, "budgetId" text, "asAt" date, pence bigint)
), known as (
  select row.*, l.person_id, b.id as budget_id,
         case when l.id is null then 'PERSON_NOT_KNOWN_YET' when b.id is null then 'BUDGET_NOT_KNOWN_YET' end as waits
    from row${linkOfRow}${budgetOfRow}
), latest as (
  select distinct on (budget_id) * from known where waits is null order by budget_id, "asAt" desc, n desc
), written as (
  update budget b set reported_balance_pence = k.pence, reported_balance_on = k."asAt" from latest k
   where b.id = k.budget_id and b.person_id = k.person_id
     and (b.reported_balance_on is null or b.reported_balance_on <= k."asAt")
     and (b.reported_balance_pence, b.reported_balance_on) is distinct from (k.pence, k."asAt")
)
select n, person_id, waits from known`;

export const applyBalances: Apply = (sql, source, rows) =>
  run<Verdict>(sql, 'write-balances', writeBalances, [source.id, rows]);
