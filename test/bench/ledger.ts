/**
 * Spends a second: `recordSpend` over HTTP, 16 at a time, beside the rows it writes as plain SQL, in a transaction each
 * and a hundred at once. The peers ask nothing: not who, not whether there is money, not whether the plan has it.
 */
import pg from 'pg';
import { londonDay } from '../../src/platform/day.ts';
import { median, rounded } from './figure.ts';
import { throughSql } from './ledger-sql.ts';
import type { Measured, Round, Target } from './load.ts';
import { type Bench, healthBudgets, ownUse, type Pot } from './money.ts';

export interface LedgerFigures {
  hubPerS: number;
  /** A transaction each. */
  sqlPerS: number;
  /** A hundred in a transaction. */
  batchPerS: number;
  vsSql: number;
  vsBatch: number;
  p50Ms: number;
  p99Ms: number;
  /** What one spend takes of the hub's process, which has one thread. */
  cpuMs: number;
}

const atOnce = 16;
/** Connections of the hub's own pool; more only queue in PostgreSQL. */
const poolSize = 8;
const batchSize = 100;
const batchLanes = 2;

const mutation = `mutation ($input: RecordSpendInput!) {
  recordSpend(input: $input) { userErrors { code } spend { id state } } }`;
const key = '$key';

export async function measureLedger(bench: Bench): Promise<LedgerFigures> {
  const { client, hub, load, headers, seconds, rounds, url, tell } = bench;
  const today = londonDay(new Date());
  // The hub looks at what was spent before on a budget, so the peers spend on others.
  const all = (await healthBudgets(client, 10_000)).slice(ownUse);
  const [budgets, peerBudgets] = [0, 1].map((n) => all.filter((_, index) => index % 2 === n)) as [
    Pot[],
    Pot[],
  ];
  const target: Target = {
    name: 'recordSpend',
    port: hub.hello.port,
    path: '/graphql',
    headers,
    body: { before: `{"query":${JSON.stringify(mutation)},"variables":{"input":`, after: '}}' },
    questions: budgets.map(({ id }) =>
      JSON.stringify({
        idempotencyKey: key,
        budgetId: id,
        lineKey: 'line2',
        amount: { amount: '1.00' },
        spentOn: today,
        payee: 'Harbour Leisure',
        what: 'Swimming',
      }),
    ),
    key,
    answer: '{"data":{"recordSpend":{"userErrors":[],',
  };
  await load.ask(target);
  const throughHub = async (length: number) => {
    const round: Round = { target: target.name, seconds: length, connections: atOnce };
    const measured = await load.ask<Measured>(round);
    if (measured.failures > 0) throw new Error(`${measured.failures} spends were refused`);
    return measured;
  };

  const cpu = async () => (await hub.ask<{ cpuMs: number }>({})).cpuMs;
  let cpuMs = 0;

  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  const plain = (length: number, size: number, lanes: number) =>
    throughSql(pool, { budgets: peerBudgets, today, seconds: length, size, lanes });
  try {
    await throughHub(seconds);
    await plain(seconds / 2, 1, atOnce);
    await plain(seconds / 2, batchSize, batchLanes);
    const before = await writtenBy(client, 'hub');
    const measured = { hub: [] as Measured[], sql: [] as number[], batch: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const cpuBefore = await cpu();
      const through = await throughHub(seconds);
      cpuMs += (await cpu()) - cpuBefore;
      const sql = await plain(seconds, 1, atOnce);
      const batch = await plain(seconds, batchSize, batchLanes);
      measured.hub.push(through);
      measured.sql.push(sql);
      measured.batch.push(batch);
      tell(
        `  recordSpend ${perSecond(through).toFixed(0).padStart(5)}/s  p50 ${through.p50Ms.toFixed(1)} ms  ` +
          `p99 ${through.p99Ms.toFixed(1)} ms  SQL ${sql.toFixed(0)}/s  SQL by ${batchSize} ${batch.toFixed(0)}/s`,
      );
    }
    const sent = measured.hub.reduce((sum, { requests }) => sum + requests, 0);
    const after = await writtenBy(client, 'hub');
    if (tables.some((table) => after[table] - before[table] !== sent))
      throw new Error(`${sent} spends are not as many rows: ${JSON.stringify({ before, after })}`);
    const peers = await writtenBy(client, 'peer');
    if (new Set(tables.map((table) => peers[table])).size !== 1)
      throw new Error(`the peers did not write the same rows everywhere: ${JSON.stringify(peers)}`);
    const hubPerS = median(measured.hub.map(perSecond));
    return {
      hubPerS: rounded(hubPerS),
      sqlPerS: rounded(median(measured.sql)),
      batchPerS: rounded(median(measured.batch)),
      vsSql: rounded(hubPerS / median(measured.sql), 3),
      vsBatch: rounded(hubPerS / median(measured.batch), 3),
      p50Ms: rounded(median(measured.hub.map(({ p50Ms }) => p50Ms)), 1),
      p99Ms: rounded(median(measured.hub.map(({ p99Ms }) => p99Ms)), 1),
      cpuMs: rounded(cpuMs / sent, 1),
    };
  } finally {
    await pool.end();
  }
}

const perSecond = ({ requests, seconds }: Measured) => requests / seconds;

const tables = ['receipt', 'spend', 'transfer', 'audit', 'outbox'] as const;

/** How much either wrote of everything that one spend writes, once each. A spend must be inside the plan. */
async function writtenBy(
  client: pg.Client,
  who: 'hub' | 'peer',
): Promise<Record<(typeof tables)[number], number>> {
  const { rows } = await client.query(
    `select (select count(*)::int from command_receipt where (client_id = 'peer') = ($1 = 'peer')) as receipt,
            (select count(*)::int from spend where (client_id = 'peer') = ($1 = 'peer') and state = 'INSIDE_PLAN') as spend,
            (select count(*)::int from ledger_transfer t join spend s on t.external_id = 'spend/' || s.id
              where (s.client_id = 'peer') = ($1 = 'peer')) as transfer,
            (select count(*)::int from audit_event where (subject = 'peer') = ($1 = 'peer') and action = 'CHANGE' and outcome = 'DONE') as audit,
            (select count(*)::int from outbox where topic = $2) as outbox`,
    [who, who === 'hub' ? 'money.changed' : 'peer'],
  );
  return rows[0];
}
