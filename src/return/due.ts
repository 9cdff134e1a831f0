/** Opens the returns that the policies of funders ask for, of people who hold money in their own hands. */
import type pg from 'pg';
import { jobEvent } from '../audit/store.ts';
import { policyRows } from '../commissioner/policy.ts';
import { ReturnFrequency } from '../generated/prisma/enums.ts';
import { transaction } from '../platform/database.ts';
import { periodBefore } from './rules.ts';

/**
 * Who owes a return of a period, to whom: there was a direct payment or a managed account, and a funder of it asks for
 * returns this often. One who does not say by when is left out, for nobody can know the day.
 */
const owed = `
  select distinct b.person_id, f.organisation_id, p.evidence_due_days
    from budget b
    join portion q on q.budget_id = b.id and q.person_id = b.person_id
         and q.management in ('DIRECT_PAYMENT', 'MANAGED_ACCOUNT')
         and (q.valid_from is null or q.valid_from <= $3::date) and (q.valid_to is null or q.valid_to > $2::date)
    join funding_line f on f.budget_id = b.id and f.person_id = b.person_id and f.organisation_id is not null
         and (f.valid_from is null or f.valid_from <= $3::date) and (f.valid_to is null or f.valid_to > $2::date)
    join lateral (${policyRows('f.organisation_id', 'f.source', '$3::date')}) p on true
   where b.status in ('ACTIVE', 'SUSPENDED', 'ENDED') and b.valid_from <= $3::date
     and (b.valid_to is null or b.valid_to > $2::date)
     and p.return_frequency = $1::return_frequency and p.evidence_due_days is not null`;

const open = `
with made as (
  insert into financial_return (person_id, period_from, period_to, due_on)
  select person_id, $2::date, $3::date, $3::date + min(evidence_due_days) from (${owed}) o group by person_id
  on conflict (person_id, period_from, period_to) do nothing returning id, person_id),
audited as (${jobEvent(`'return.due'`, 'array(select person_id from made)')})
insert into outbox (topic, payload)
select 'return.due', json_build_object('personIds', json_build_array(person_id), 'returnId', id) from made`;

const address = `
insert into return_receiver (return_id, person_id, organisation_id)
select distinct r.id, r.person_id, o.organisation_id
  from (${owed}) o
  join financial_return r on r.person_id = o.person_id and r.period_from = $2::date and r.period_to = $3::date
 where r.status = 'DUE'
on conflict do nothing`;

/** Of each frequency, the last period that was over before today. Does nothing where that was done. Gives how many. */
export async function openDueReturns(pool: pg.Pool, today: string): Promise<number> {
  let count = 0;
  for (const frequency of Object.values(ReturnFrequency)) {
    const { from, to } = periodBefore(frequency, today);
    count += await transaction(pool, async (sql) => {
      const { rowCount } = await sql.query(open, [frequency, from, to]);
      await sql.query(address, [frequency, from, to]);
      return rowCount ?? 0;
    });
  }
  return count;
}
