/**
 * Bulk files as a process of its own: rows of what was bought for many families, through the job that takes them in,
 * beside COPY into a temporary table and a merge of as many rows of the same families into the same tables, in turns.
 *
 * Both write spends, accounts, transfers and, by the trigger, balances. The peer reads no file, looks for no budget,
 * asks nobody's rights, reads no plan, balance or exclusion, keeps no row that waits, counts, audits and announces nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { workOff } from '../../src/bulk/run.ts';
import { openDatabase, type Sql, transaction } from '../../src/platform/database.ts';
import { addDays, londonDay } from '../../src/platform/day.ts';
import { Fault } from '../../src/platform/fault.ts';
import { openFiles } from '../../src/platform/file.ts';
import { idOf } from '../../src/platform/id.ts';
import { charity } from './data.ts';

const [url, rounds, rowsEach] = process.argv.slice(2) as [string, string, string];

/** Rows that the peer writes to a transaction, as the job does. */
const pageRows = 1_000;
/** Rounds before the first that counts: they settle the plans. */
const warmUp = 1;

export interface BulkRounds {
  rows: number;
  families: number;
  /** Rows a second in each round: recorded, only looked at, and by COPY and merge. */
  applied: number[];
  looked: number[];
  copyMerge: number[];
  /** Of this process, after each round. */
  rssMb: number[];
}

const database = openDatabase(url);
const { pool } = database;
const folder = await mkdtemp(join(tmpdir(), 'tandem-bench-bulk-'));
const files = openFiles({ folder });
const today = londonDay(new Date());

const { rows: families } = await pool.query<{ budget: string; person: string; portion: string }>(
  `select b.id as budget, b.person_id as person, p.id as portion from budget b
     join portion p on p.budget_id = b.id and p.person_id = b.person_id
    where b.kind = 'PERSONAL_HEALTH_BUDGET' order by md5(b.id::text)`,
);

interface Row {
  budget: string;
  person: string;
  portion: string;
  day: string;
  reference: string;
}

/** A round's rows: each family has as many, days apart, as they come in the order of time. */
const rowsOf = (round: string): Row[] =>
  Array.from({ length: Number(rowsEach) * families.length }, (_, n) => ({
    ...families[n % families.length]!,
    day: addDays(today, Math.floor(n / families.length) - Number(rowsEach)),
    reference: `${round}-${n}`,
  }));

const csvOf = (rows: Row[]) =>
  [
    'budget,spent_on,amount,payee,what,reference',
    ...rows.map(({ budget, day, reference }) =>
      [idOf('bud', budget), day, '1.00', 'Harbour Leisure', 'Swimming lessons', reference].join(),
    ),
  ].join('\r\n');

/** As an upload would, and `importBulkFile` after it. */
async function send(rows: Row[], dryRun: boolean): Promise<string> {
  const tooLarge = new Fault('EVIDENCE_TOO_LARGE', 'The file is too large.');
  const arrived = await files.receive(Readable.from([Buffer.from(csvOf(rows))]), {
    maxBytes: 20 * 2 ** 20,
    tooLarge,
  });
  await files.keep(arrived);
  const { rows: made } = await pool.query(
    `insert into bulk_file (organisation_id, kind, format, file_name, hash, size_bytes, dry_run, sent_by, sent_by_role)
     select id, 'SPENDING', 'CSV', 'bench.csv', $1, $2, $3, 'bench', 'PROVIDER' from organisation where ods_code = $4
     returning id`,
    [arrived.hash, arrived.size, dryRun, charity],
  );
  return made[0].id;
}

async function throughHub(rows: Row[], dryRun: boolean): Promise<number> {
  const file = await send(rows, dryRun);
  const stopping = new AbortController().signal;
  const rate = await timed(rows.length, async () => {
    const outcome = await workOff({ pool, files, now: () => new Date(), stopping }, file);
    if (outcome !== 'DONE') throw new Error(`the file was ${outcome}`);
  });
  const { rows: seen } = await pool.query('select good, error from bulk_file where id = $1', [file]);
  if (seen[0].good !== rows.length) throw new Error(`${seen[0].good} of ${rows.length} rows were good`);
  return rate;
}

async function timed(rows: number, work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (rows / (performance.now() - begin)) * 1000;
}

const merges = [
  `insert into ledger_account (person_id, budget_id, source, kind, portion_id, category)
   select distinct person, budget, 'ICB'::funding_source, 'SPENT'::ledger_account_kind, null::uuid, 'peer' from given
   on conflict (budget_id, source, kind, portion_id, category) do nothing`,
  `with bought as (
     insert into spend (person_id, budget_id, portion_id, line_key, category, pence, spent_on, payee, what, state,
                        findings, client_id, external_ref, recorded_by)
     select person, budget, portion, 'line2', 'peer', 100, day, 'Harbour Leisure', 'Swimming lessons', 'INSIDE_PLAN', '{}',
            'peer', reference, 'peer' from given
     on conflict (client_id, external_ref) do nothing
     returning id, person_id, budget_id, spent_on)
   insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                                description, external_id)
   select s.person_id, s.budget_id, a.id, z.id, 'SPENT', 'ICB', 100, s.spent_on, 'Swimming lessons', 'spend/' || s.id
     from bought s
     join ledger_account a on a.budget_id = s.budget_id and a.source = 'ICB' and a.kind = 'HELD' and a.portion_id is null
     join ledger_account z on z.budget_id = s.budget_id and z.source = 'ICB' and z.kind = 'SPENT' and z.category = 'peer'`,
];

async function copyAndMerge(sql: Sql, page: Row[]): Promise<void> {
  await sql.query(
    'create temp table given (budget uuid, person uuid, portion uuid, day date, reference text) on commit drop',
  );
  const text = page.map((row) =>
    [row.budget, row.person, row.portion, row.day, row.reference].join('\t').concat('\n'),
  );
  await pipeline(Readable.from(text), sql.query(copyFrom('copy given from stdin')));
  await sql.query('analyze given');
  for (const merge of merges) await sql.query(merge);
}

const merged = (rows: Row[]) =>
  timed(rows.length, async () => {
    for (let at = 0; at < rows.length; at += pageRows)
      await transaction(pool, (sql) => copyAndMerge(sql, rows.slice(at, at + pageRows)));
  });

const figures: BulkRounds = {
  rows: Number(rowsEach) * families.length,
  families: families.length,
  ...{ applied: [], looked: [], copyMerge: [], rssMb: [] },
};
for (let round = 0; round < warmUp + Number(rounds); round++) {
  await pool.query('analyze');
  const applied = await throughHub(rowsOf(`hub${round}`), false);
  const copyMerge = await merged(rowsOf(`peer${round}`));
  const looked = await throughHub(rowsOf(`look${round}`), true);
  if (round < warmUp) continue;
  figures.applied.push(applied);
  figures.looked.push(looked);
  figures.copyMerge.push(copyMerge);
  figures.rssMb.push(process.memoryUsage.rss() / 2 ** 20);
}
await checkSame();
await database.close();
await rm(folder, { recursive: true });
process.send?.(figures);

/** Both wrote as much, and every spend of the hub is inside the plan and has its transfer. */
async function checkSame() {
  const { rows } = await pool.query(
    `select count(*) filter (where client_id = 'peer') as peer, count(*) filter (where client_id <> 'peer') as hub,
            count(*) filter (where state <> 'INSIDE_PLAN') as outside,
            (select count(*) from ledger_transfer where external_id like 'spend/%') as transfers from spend`,
  );
  const [{ peer, hub, outside, transfers }] = rows as [Record<string, bigint>];
  if (peer !== hub || outside !== 0n || transfers !== peer! + hub!)
    throw new Error(`the two did not write the same: ${JSON.stringify(rows[0], (_, v) => String(v))}`);
}
