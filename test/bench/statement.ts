/** A long statement as a file and page by page through the hub, beside all its rows at once in plain SQL. */
import { setTimeout as delay } from 'node:timers/promises';
import { median, rounded } from './figure.ts';
import { type Bench, growTo, healthBudgets, type Pot } from './money.ts';

export interface StatementFigures {
  /** `/export/statement.csv`. */
  csvRowsPerS: number;
  /** `Statement.transfers`, a hundred a page. */
  pagedRowsPerS: number;
  sqlRowsPerS: number;
  vsSql: number;
  /** Of the hub's process: before the files of the rounds, at most while it made them, and after. */
  rssMbBefore: number;
  rssMbMost: number;
  rssMbAfter: number;
}

const transfersMost = 10_000;
const pageSize = 100;
const [from, to] = ['2025-04-01', '2027-03-31'];
/** Transfers for each of which a round has one file more: a single file is made before the memory has moved. */
const perFile = 500;

const query = `query ($id: ID!, $after: String) { node(id: $id) { ... on Budget {
  statement(from: "${from}", to: "${to}") {
    transfers(first: ${pageSize}, after: $after) {
      nodes { id kind source amount { amount } effectiveOn recordedAt description isReversal category }
      pageInfo { hasNextPage endCursor } } } } } }`;

const plain = `
select t.id, t.kind, t.source, t.pence, t.effective_on, t.recorded_at, t.description, t.reverses_id,
       (select max(category) from ledger_account where id in (t.from_account_id, t.to_account_id) and kind = 'SPENT')
  from ledger_transfer t
 where t.budget_id = $1 and t.person_id = $2 and t.effective_on between '${from}' and '${to}'
 order by t.effective_on, t.id`;

interface Page {
  node: {
    statement: { transfers: { nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } } };
  };
}

export async function measureStatement(bench: Bench): Promise<StatementFigures> {
  const { client, hub, people, rounds, tell } = bench;
  const transfers = Math.min(transfersMost, people * 10);
  const [budget] = (await healthBudgets(client, 1)) as [Pot];
  await growTo(client, budget, transfers);
  const readers = { csv: readCsv, paged: readPaged, sql: readSql };
  const names = ['csv', 'paged', 'sql'] as const;
  const measured: Record<(typeof names)[number], number[]> = { csv: [], paged: [], sql: [] };
  const rss = async () => (await hub.ask<{ rssMb: number }>({})).rssMb;

  const time = async (name: (typeof names)[number]): Promise<number> => {
    const begin = performance.now();
    const rows = await readers[name](bench, budget);
    if (rows !== transfers) throw new Error(`${name} reads ${rows} of ${transfers} transfers`);
    return (rows / (performance.now() - begin)) * 1000;
  };
  const files = async () => {
    const rates: number[] = [];
    for (let file = 0; file < transfers / perFile; file++) rates.push(await time('csv'));
    return median(rates);
  };

  for (const name of names) await (name === 'csv' ? files() : time(name));
  const before = await rss();
  let most = before;
  for (let round = 0; round < rounds; round++) {
    const watched = new AbortController();
    const watching = (async () => {
      for (; !watched.signal.aborted; await delay(20)) most = Math.max(most, await rss());
    })();
    measured.csv.push(await files());
    watched.abort();
    await watching;
    measured.paged.push(await time('paged'));
    measured.sql.push(await time('sql'));
    tell(
      `  statement rows/s: ${names.map((name) => `${name} ${measured[name].at(-1)!.toFixed(0)}`).join('  ')}`,
    );
  }
  return {
    csvRowsPerS: rounded(median(measured.csv)),
    pagedRowsPerS: rounded(median(measured.paged)),
    sqlRowsPerS: rounded(median(measured.sql)),
    vsSql: rounded(median(measured.csv) / median(measured.sql), 3),
    rssMbBefore: rounded(before),
    rssMbMost: rounded(most),
    rssMbAfter: rounded(await rss()),
  };
}

/** How many rows there were. */
async function readCsv({ hub, headers }: Bench, { id }: Pot): Promise<number> {
  const asked = new URLSearchParams({ budget: id, from, to });
  const response = await fetch(`http://127.0.0.1:${hub.hello.port}/export/statement.csv?${asked}`, {
    headers,
  });
  if (!response.ok) throw new Error(`the export answers ${response.status}`);
  let lines = 0;
  for await (const piece of response.body!) for (const byte of piece) if (byte === 10) lines += 1;
  return lines - 1;
}

async function readPaged({ ask }: Bench, { id }: Pot): Promise<number> {
  let rows = 0;
  for (let after: string | null = null; ; ) {
    const data: Page = await ask<Page>(query, { id, after });
    const { nodes, pageInfo } = data.node.statement.transfers;
    rows += nodes.length;
    if (!pageInfo.hasNextPage) return rows;
    after = pageInfo.endCursor;
  }
}

async function readSql({ client }: Bench, { uuid, personId }: Pot): Promise<number> {
  const { rows } = await client.query({ name: 'plain', text: plain, values: [uuid, personId] });
  return rows.length;
}
