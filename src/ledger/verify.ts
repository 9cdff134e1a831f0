/** Recomputes the whole ledger and says where it does not fit. Reads only. */
import type pg from 'pg';

export interface Verification {
  transfers: bigint;
  accounts: bigint;
  /** The first row that does not fit, by table and id, and why; null when all do. Holds no personal data. */
  fault: string | null;
  /** Which row that is. */
  row: { table: string; id: string } | null;
}

interface Check {
  /** Gives at most one row: `id` and what is `wrong`, in words. */
  sql: string;
  table: string;
}

// In the order in which a reader would want to hear of them: a bad transfer explains a bad balance.
const checks: Check[] = [
  {
    table: 'ledger_transfer',
    sql: `select t.id, 'its accounts are not of its own budget, person and source of money' as wrong
            from ledger_transfer t
            join ledger_account a on a.id = t.from_account_id
            join ledger_account b on b.id = t.to_account_id
           where (a.person_id, a.budget_id, a.source) <> (t.person_id, t.budget_id, t.source)
              or (b.person_id, b.budget_id, b.source) <> (t.person_id, t.budget_id, t.source)
           order by t.id limit 1`,
  },
  {
    table: 'ledger_transfer',
    sql: `select t.id, 'an account it names is not there' as wrong from ledger_transfer t
           where not exists (select from ledger_account a where a.id = t.from_account_id)
              or not exists (select from ledger_account a where a.id = t.to_account_id)
           order by t.id limit 1`,
  },
  {
    table: 'ledger_transfer',
    sql: `select t.id, 'it moves no money, or moves it nowhere' as wrong from ledger_transfer t
           where t.pence <= 0 or t.from_account_id = t.to_account_id order by t.id limit 1`,
  },
  {
    table: 'ledger_transfer',
    sql: `select t.id, 'it reverses a transfer and is not its exact opposite' as wrong
            from ledger_transfer t left join ledger_transfer o on o.id = t.reverses_id
           where t.reverses_id is not null
             and (o.id is null or o.reverses_id is not null or o.pence <> t.pence or o.person_id <> t.person_id
                  or o.from_account_id <> t.to_account_id or o.to_account_id <> t.from_account_id)
           order by t.id limit 1`,
  },
  {
    table: 'ledger_account',
    sql: `select a.id, format('it says %s in and %s out, its transfers say %s and %s (pence)', a.in_pence, a.out_pence,
                              coalesce(m.in_pence, 0), coalesce(m.out_pence, 0)) as wrong
            from ledger_account a
            left join (select account_id, sum(in_pence) as in_pence, sum(out_pence) as out_pence
                         from (select to_account_id as account_id, pence as in_pence, 0 as out_pence
                                 from ledger_transfer
                               union all
                               select from_account_id, 0, pence from ledger_transfer) leg
                        group by account_id) m on m.account_id = a.id
           where (a.in_pence, a.out_pence) is distinct from (coalesce(m.in_pence, 0), coalesce(m.out_pence, 0))
           order by a.id limit 1`,
  },
];

/** All in one snapshot, so that money moving meanwhile fits too. */
export async function verifyLedger(pool: pg.Pool): Promise<Verification> {
  const client = await pool.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    // It reads everything: the usual deadline of a statement is not meant for it.
    await client.query('set local statement_timeout = 0');
    // And so are plans for a few rows, which is what stale statistics of a table that grew make believe.
    await client.query('set local enable_nestloop = off');
    let found: Pick<Verification, 'fault' | 'row'> = { fault: null, row: null };
    for (const { table, sql } of checks) {
      const { rows } = await client.query<{ id: string; wrong: string }>(sql);
      if (rows[0] !== undefined) {
        const { id, wrong } = rows[0];
        found = { fault: `${table} ${id}: ${wrong}`, row: { table, id } };
        break;
      }
    }
    const { rows } = await client.query(
      `select (select count(*) from ledger_transfer) as transfers, (select count(*) from ledger_account) as accounts`,
    );
    return { transfers: BigInt(rows[0].transfers), accounts: BigInt(rows[0].accounts), ...found };
  } finally {
    await client.query('rollback').catch(() => {});
    client.release();
  }
}
