/**
 * A made-up population, written by set-based SQL: everybody has a personal health budget and a plan, two in three are
 * also known to the council with packages and reviews, three in five have a personal budget too (1.6 budgets a person),
 * and each budget has 30 transfers. Transfers lie in the order of time, as feeds bring them, so that those of one
 * budget are scattered over the table.
 */
import type pg from 'pg';

export const icb = 'BENCHICB';
const council = 'BENCHCNCL';
export const charity = 'BENCHCHAR';
/** Of how many people the charity manages the account. */
const charityPeople = 80;

export async function makePeople(
  client: pg.Client,
  people: number,
  { transfersEach = 30 } = {},
): Promise<void> {
  await client.query('begin');
  await client.query(`set local work_mem = '256MB'; set local maintenance_work_mem = '512MB'`);
  await makeSources(client);
  // Each row would be checked and each transfer indexed and posted by itself: keys and indexes are taken off and put
  // back, which checks all, and the balances are summed at the end, as the trigger would have.
  const { rows: taken } = await client.query<{ off: string; back: string }>(takenOff);
  for (const { off } of taken) await client.query(off);
  await client.query(cast, [people]);
  for (const statement of [...records, ...budgets]) await client.query(statement);
  await client.query('alter table ledger_transfer disable trigger ledger_transfer_posted');
  await client.query('alter table ledger_account disable trigger ledger_account_balance_kept');
  await client.query(transfers, [transfersEach]);
  await client.query(balances);
  await client.query('alter table ledger_account enable trigger ledger_account_balance_kept');
  await client.query('alter table ledger_transfer enable trigger ledger_transfer_posted');
  for (const { back } of taken) await client.query(back);
  await client.query('drop table cast_member, cast_budget');
  await client.query('commit');
  await client.query('vacuum (analyze)');
  await checkBalances(client);
}

/** The organisations and their two systems; gives the id of the NHS one. */
export async function makeSources(client: pg.Client | pg.Pool): Promise<string> {
  for (const statement of organisations) await client.query(statement);
  const { rows } = await client.query<{ id: string }>(
    `select id from source_system where code = 'bench-nhs'`,
  );
  return rows[0]!.id;
}

/** How many people the database holds already. */
export async function countPeople(client: pg.Client): Promise<number> {
  return Number((await client.query('select count(*) from person')).rows[0].count);
}

/** The kept balances are what the transfers sum up to, in all and for each kind of account. */
async function checkBalances(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ wrong: string; accounts: string }>(`
    select count(*) filter (where (a.in_pence, a.out_pence) is distinct from
                                  (coalesce(i.pence, 0), coalesce(o.pence, 0))) as wrong, count(*) as accounts
      from ledger_account a
      left join (select to_account_id, sum(pence) as pence from ledger_transfer group by 1) i on i.to_account_id = a.id
      left join (select from_account_id, sum(pence) as pence from ledger_transfer group by 1) o
             on o.from_account_id = a.id`);
  const { wrong, accounts } = rows[0]!;
  if (wrong !== '0' || accounts === '0') throw new Error(`${wrong} of ${accounts} balances are wrong`);
}

const organisations = [
  `insert into organisation (kind, name, ods_code) values
     ('ICB', 'Bench Integrated Care Board', '${icb}'), ('COUNCIL', 'Bench Council', '${council}'),
     ('PROVIDER', 'Bench Carers Charity', '${charity}')`,
  `insert into source_system (code, name, kind, side, organisation_id, base_url, last_succeeded_at)
   select s.code, s.name, s.kind::source_kind, s.side::side, o.id, 'http://localhost', '2026-11-01T06:00Z'
     from (values ('bench-nhs', 'Bench NHS', 'NHS_FHIR', 'NHS', '${icb}'),
                  ('bench-council', 'Bench Council', 'COUNCIL', 'COUNCIL', '${council}')) as s(code, name, kind, side, ods)
     join organisation o on o.ods_code = s.ods`,
];

/** Valid NHS numbers only: nine digits in a row of which every eleventh or so has no check digit. */
const cast = `
create temp table cast_member on commit drop as
select n, new_id() as id, new_id() as nhs_link, case when n % 3 <> 0 then new_id() end as council_link,
       new_id() as plan, nhs_number, family, given, lower(family || ', ' || given) as sort_name,
       date '1930-01-01' + (n * 7919 % 30000)::int as born
  from (select row_number() over (order by base) as n, base::text || mod(11 - s % 11, 11) as nhs_number
          from generate_series(900000000, 900000000 + $1::int * 5 / 4 + 100) as base
         cross join lateral (select sum(substr(base::text, i, 1)::int * (11 - i)) as s
                               from generate_series(1, 9) as i) digits
         where 11 - s % 11 <> 10) as numbered
 cross join lateral (select
       (array['Ahmed','Baker','Clarke','Davies','Evans','Fletcher','Green','Hughes','Iqbal','Jones','Khan','Lewis',
              'Morris','Nowak','Owen','Patel','Quinn','Roberts','Smith','Taylor'])[1 + n * 13 % 20] || n % 997 as family,
       (array['Amina','Brian','Carol','David','Ewa','Farah','George','Helen','Imran','Jean'])[1 + n * 7 % 10] as given
     ) as named
 where n <= $1::int`;

const records = [
  `insert into person (id, family_name, given_name, birth_date, gender, postcode, sort_name)
   select id, family, given, born, (array['FEMALE', 'MALE'])[1 + n % 2]::gender, 'ZZ99 3VZ', sort_name
     from cast_member order by n`,
  `insert into person_identifier (system, value, person_id)
   select 'NHS_NUMBER', nhs_number, id from cast_member order by n`,
  `insert into person_identifier (system, issuer, value, person_id)
   select 'COUNCIL_ID', '${council}', 'C' || n, id from cast_member where council_link is not null order by n`,
  `insert into person_link (id, person_id, source_id, external_id, method, nhs_number, family_name, given_name,
                            birth_date, gender, postcode, restricted, received_at)
   select l.link, c.id, s.id, l.code || n, l.method::match_method, nhs_number, family, given, born,
          (array['FEMALE', 'MALE'])[1 + n % 2]::gender, 'ZZ99 3VZ', false, '2026-10-30T06:00Z'
     from cast_member c
    cross join lateral (values ('bench-nhs', nhs_link, 'N', 'NEW'), ('bench-council', council_link, 'C', 'NHS_NUMBER'))
            as l(source, link, code, method)
     join source_system s on s.code = l.source
    where l.link is not null order by n`,
  `insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
   select c.id, r.link, r.id, r.role::role_kind, o.id, sort_name
     from cast_member c
    cross join lateral (values ('${icb}', nhs_link, '#holder', 'COMMISSIONER'),
                               ('${council}', council_link, '#holder', 'COMMISSIONER'),
                               ('${charity}', case when n <= ${charityPeople} then nhs_link end, 'charity',
                                'MANAGED_ACCOUNT_PROVIDER')) as r(ods, link, id, role)
     join organisation o on o.ods_code = r.ods
    where r.link is not null order by n`,
  `insert into plan (id, person_id, link_id, external_id, title, status, what_matters, coordinator_name, valid_from)
   select plan, id, nhs_link, 'plan', 'Care and support plan', 'AGREED',
          'To stay in my own home, to see my grandchildren and to get out to the garden.', 'Sam Carter', '2025-04-01'
     from cast_member order by n`,
  `insert into need (plan_id, person_id, position, text)
   select plan, id, i, (array['Help with washing and dressing', 'Support to manage breathing at night',
                              'Someone to drive to the day centre'])[i]
     from cast_member, generate_series(1, 3) as i order by n, i`,
  `insert into outcome (person_id, link_id, external_id, plan_id, text, status, target_on)
   select id, nhs_link, 'outcome' || i, plan, (array['Walks to the shop twice a week', 'Sleeps through the night',
          'Meets friends every week'])[i], 'ACTIVE', date '2026-12-01' + i
     from cast_member, generate_series(1, 3) as i order by n, i`,
  `create temp table made_package on commit drop as
   select n, i, new_id() as id, id as person_id, council_link
     from cast_member, generate_series(1, 2) as i where council_link is not null`,
  `insert into package (id, person_id, link_id, external_id, service_type, component, delivery_mechanism,
                        provider_name, valid_from)
   select id, person_id, council_link, 'service' || i, 'Long term support: Community',
          (array['Home support', 'Direct payment'])[i], (array['CASSR managed personal budget', 'Direct payment'])[i],
          (array['Bench Home Care', null])[i], date '2025-04-01' + i
     from made_package order by n, i`,
  `insert into service_line (package_id, person_id, position, unit_cost_pence, cost_frequency, planned_units_per_week)
   select id, person_id, 1, 2150 + n % 400, 'Hourly', 7 + n % 20 from made_package order by n, i`,
  `insert into review (person_id, link_id, external_id, kind, started_on, held_on, reason, method, outcome,
                       outcomes_achieved)
   select id, council_link, 'review' || i, 'CARE_PLAN', date '2025-07-01' + 365 * (i - 1) - 7,
          date '2025-07-01' + 365 * (i - 1), 'Planned', 'Face to face', 'No change in package', 'Partially'
     from cast_member, generate_series(1, 2) as i where council_link is not null order by n, i`,
];

/** Every source of money of every budget, with its four accounts' ids. The first tells the budget as well. */
const budgets = [
  `create temp table cast_budget on commit drop as
   select n, id as person_id, b.link, b.kind, b.sources, new_id() as id, 800000 + n % 700 * 1000 as pence
     from cast_member
    cross join lateral (values (nhs_link, 'PERSONAL_HEALTH_BUDGET', array['ICB']),
            (case when n % 30 > 2 then council_link end, 'PERSONAL_BUDGET', array['COUNCIL', 'CLIENT_CONTRIBUTION']))
            as b(link, kind, sources)
    where b.link is not null`,
  `insert into budget (id, person_id, link_id, external_id, kind, status, valid_from, agreed_pence,
                       reported_balance_pence, reported_balance_on)
   select id, person_id, link, 'budget', kind::budget_kind, 'ACTIVE', '2025-04-01', pence * cardinality(sources),
          pence / 4, '2026-10-31'
     from cast_budget order by n`,
  `insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
   select b.id, person_id, s::funding_source, o.id, pence
     from cast_budget b cross join unnest(sources) as s
     left join organisation o on o.ods_code = case s when 'ICB' then '${icb}' when 'COUNCIL' then '${council}' end
    order by n`,
  `insert into portion (budget_id, person_id, position, management, recurring, amount_pence, funds_holder,
                        account_operator, legal_employer, purchase_decider)
   select id, person_id, 1, 'DIRECT_PAYMENT', true, pence * cardinality(sources), 'PERSON', 'PERSON', 'PERSON', 'PERSON'
     from cast_budget order by n`,
  `insert into ledger_account (person_id, budget_id, source, kind, organisation_id)
   select b.person_id, b.id, f.source, k.kind, case when k.kind = 'FUNDER' then f.organisation_id end
     from cast_budget b join funding_line f on f.budget_id = b.id
    cross join unnest('{FUNDER, HELD, COMMITTED, SPENT}'::ledger_account_kind[]) as k(kind) order by n`,
];

/**
 * Of each six transfers three pay in and two or three spend; the last is set aside. Where the person contributes, every
 * third is of their money.
 */
const transfers = `
insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                             recorded_at, description, external_id)
select t.person_id, t.budget_id, a.id, z.id, t.kind::transfer_kind, t.source, t.pence, t.effective_on,
       t.effective_on + time '06:00', t.description, t.external_id
  from (select b.n, k, b.person_id, b.id as budget_id, m.*, sources[1 + (k % 3 = 0 and cardinality(sources) > 1)::int]
                 ::funding_source as source,
               case when m.kind = 'PAID_IN' then 60000 else 20000 + n * k % 30000 end as pence,
               date '2025-04-05' + k * 18 + (n % 18)::int as effective_on, 't' || k as external_id
          from cast_budget b cross join generate_series(1, $1::int) as k
         cross join lateral (values (k % 2 = 1, 'PAID_IN', 'FUNDER', 'HELD', 'Four-weekly payment'),
                                    (k % 2 = 0 and k < 30, 'SPENT', 'HELD', 'SPENT', 'Wages of personal assistant'),
                                    (k = 30, 'COMMITTED', 'HELD', 'COMMITTED', 'Payroll due'))
                 as m(applies, kind, debit, credit, description)
         where m.applies) t
  join ledger_account a on a.budget_id = t.budget_id and a.source = t.source and a.kind = t.debit::ledger_account_kind
  join ledger_account z on z.budget_id = t.budget_id and z.source = t.source and z.kind = t.credit::ledger_account_kind
 order by t.k, t.n`;

const takenOff = `
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as off,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as back
  from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
union all
select format('drop index %I', indexname), indexdef
  from pg_indexes where tablename = 'ledger_transfer' and indexname <> 'ledger_transfer_pkey'`;

const balances = `
update ledger_account a
   set in_pence = moved.in_pence, out_pence = moved.out_pence
  from (select account_id, sum(in_pence)::bigint as in_pence, sum(out_pence)::bigint as out_pence
          from (select to_account_id as account_id, pence as in_pence, 0 as out_pence from ledger_transfer
                union all
                select from_account_id, 0, pence from ledger_transfer) leg
         group by account_id) moved
 where a.id = moved.account_id`;
