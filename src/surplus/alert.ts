/** Tells of budgets that cross a threshold of their funders' policies: each crossing once, however often it is looked. */

import type pg from 'pg';
import { jobEvent } from '../audit/store.ts';
import { lowestId } from '../platform/id.ts';
import { alertsIn, type ForecastFacts, forecastFacts } from './facts.ts';
import type { AlertCode } from './forecast.ts';

/** So many budgets a statement: their facts are some kilobytes each. */
const batch = 500;

const inForce = `
select b.id::text as id, b.person_id::text as "personId", ${forecastFacts('b', '$2::date')} as facts
  from budget b
 where b.id > $1::uuid and b.status in ('ACTIVE', 'SUSPENDED') and b.part_of_id is null
   and b.valid_from <= $2::date and (b.valid_to is null or b.valid_to > $2::date)
 order by b.id limit $3`;

// What was told last of each budget and threshold: the outbox keeps what happened.
const told = `
select said."budgetId", said.code from (
  select distinct on (payload ->> 'budgetId', payload ->> 'code')
         payload ->> 'budgetId' as "budgetId", payload ->> 'code' as code, payload ->> 'state' as state
    from outbox where topic = 'budget.alert' order by payload ->> 'budgetId', payload ->> 'code', id desc) said
 where said.state = 'RAISED'`;

interface Alert {
  personIds: [string];
  budgetId: string;
  code: AlertCode;
  state: 'RAISED' | 'CLEARED';
}

/**
 * Announces `budget.alert` for every threshold that was crossed since it was looked last, in either direction: ids, a
 * code and RAISED or CLEARED. Gives how many. The caller sees to it that only one is at it.
 */
export async function raiseAlerts(pool: pg.Pool, today: string, stopping: AbortSignal): Promise<number> {
  const { rows: raised } = await pool.query<{ budgetId: string; code: AlertCode }>(told);
  const before = new Map<string, Set<AlertCode>>();
  for (const { budgetId, code } of raised) {
    before.set(budgetId, (before.get(budgetId) ?? new Set()).add(code));
  }
  let count = 0;
  for (let after: string = lowestId; !stopping.aborted; ) {
    const { rows } = await pool.query<{ id: string; personId: string; facts: ForecastFacts }>(inForce, [
      after,
      today,
      batch,
    ]);
    const alerts = rows.flatMap(({ id, personId, facts }) => {
      const was = before.get(id) ?? new Set<AlertCode>();
      const is = new Set(alertsIn(facts));
      const alert = (state: Alert['state']) => (code: AlertCode) =>
        ({ personIds: [personId], budgetId: id, code, state }) satisfies Alert;
      return [
        ...[...is].filter((code) => !was.has(code)).map(alert('RAISED')),
        ...[...was].filter((code) => !is.has(code)).map(alert('CLEARED')),
      ];
    });
    await announceAll(pool, alerts);
    count += alerts.length;
    if (rows.length < batch) break;
    after = rows.at(-1)!.id;
  }
  return count;
}

async function announceAll(pool: pg.Pool, alerts: Alert[]): Promise<void> {
  if (alerts.length === 0) return;
  await pool.query(
    `with announced as (insert into outbox (topic, payload) select 'budget.alert', a from json_array_elements($1::json) a)
     ${jobEvent(`'budget.alert'`, `array(select distinct (a -> 'personIds' ->> 0)::uuid from json_array_elements($1::json) a)`)}`,
    [JSON.stringify(alerts)],
  );
}
