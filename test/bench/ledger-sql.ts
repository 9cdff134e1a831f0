/** Spends as plain SQL: the rows that `recordSpend` writes of each, and nothing is asked before. */
import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Pot } from './money.ts';

const row = `json_to_recordset($1::json) as r(key uuid, spend uuid, person uuid, budget uuid, day date, hash text, result json)`;

/** Whatever one spend writes, for as many as there are in $1. */
const inserts = [
  `insert into command_receipt (client_id, idempotency_key, command, input_hash, result)
   select 'peer', key, 'recordSpend', decode(hash, 'hex'), result from ${row}`,
  `insert into ledger_account (person_id, budget_id, source, kind, category)
   select distinct person, budget, 'ICB'::funding_source, 'SPENT'::ledger_account_kind, 'peer' from ${row}
   on conflict (budget_id, source, kind, portion_id, category) do nothing`,
  `insert into spend (id, person_id, budget_id, line_key, category, pence, spent_on, payee, what, state, findings,
                      client_id, recorded_by)
   select spend, person, budget, 'line2', 'peer', 100, day, 'Harbour Leisure', 'Swimming', 'INSIDE_PLAN', '{}', 'peer',
          'peer' from ${row}`,
  `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                                description, external_id)
   select r.person, r.budget, a.id, z.id, 'SPENT', 'ICB', 100, r.day, 'Swimming', 'spend/' || r.spend from ${row}
     join ledger_account a on a.budget_id = r.budget and a.source = 'ICB' and a.kind = 'HELD'
     join ledger_account z on z.budget_id = r.budget and z.source = 'ICB' and z.kind = 'SPENT' and z.category = 'peer'`,
  `insert into outbox (topic, payload) select 'peer', json_build_object('personIds', array[person]) from ${row}`,
  `insert into audit_event (at, request_id, subject, role, organisation, action, object, outcome, person_ids)
   select now(), key, 'peer', 'FINANCE', 'BENCHICB', 'CHANGE', 'recordSpend', 'DONE', array[person] from ${row}`,
];

interface Peer {
  budgets: Pot[];
  today: string;
  seconds: number;
  /** Spends to a transaction. */
  size: number;
  /** Transactions at once; each has budgets of its own, so that none waits for another's. */
  lanes: number;
}

/** Spends a second. */
export async function throughSql(
  pool: pg.Pool,
  { budgets, today, seconds, size, lanes }: Peer,
): Promise<number> {
  let written = 0;
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const lane = async (n: number) => {
    const own = budgets.filter((_, index) => index % lanes === n);
    while (performance.now() < end) {
      const spends = Array.from({ length: size }, () =>
        spendOf(own[Math.floor(Math.random() * own.length)]!, today),
      );
      const client = await pool.connect();
      try {
        await client.query('begin');
        for (const [index, text] of inserts.entries())
          await client.query({ name: `peer-${index}`, text, values: [JSON.stringify(spends)] });
        await client.query('commit');
      } finally {
        client.release();
      }
      written += size;
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, budgets.length) }, (_, n) => lane(n)));
  return (written / (performance.now() - begin)) * 1000;
}

const spendOf = ({ uuid: budget, personId: person }: Pot, day: string) => {
  const spend = randomUUID();
  return {
    key: randomUUID(),
    spend,
    person,
    budget,
    day,
    hash: randomBytes(32).toString('hex'),
    result: { spend },
  };
};
