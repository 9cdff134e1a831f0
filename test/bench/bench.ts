/**
 * `npm run bench`: the hub beside its peers, on one database, one machine, in one run. `docs/benchmark.md` says what is
 * measured and how to read it.
 *
 * --people N      how many people the database holds (100000)
 * --seconds S     how long a round takes (5)
 * --rounds N      rounds of each, alternating (5)
 * --only a,b      record, viewers, slim, caseload, sync, ledger, statement, balance, payrun, live, bulk, work
 * --streams N     how many streams are open at once (2000)
 * --schedules N   how many people a month's payments are made to (140000)
 * --keep DIR      makes the database there and leaves it, or takes the one that is there
 * --no-peer       without PostGraphile
 * --json          prints the figures alone, as JSON
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { migrate } from '../../prisma/migrate.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded.ts';
import { measureBulk } from './bulk.ts';
import { build } from './child.ts';
import { countPeople, makePeople } from './data.ts';
import { measureLive } from './live.ts';
import { measureMoney } from './money.ts';
import { measurePayrun } from './payrun.ts';
import { measureReads, type Question } from './reads.ts';
import { measureSync } from './sync.ts';
import { measureWork } from './work.ts';

const { values: given } = parseArgs({
  options: {
    people: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    only: {
      type: 'string',
      default: 'record,viewers,slim,caseload,sync,ledger,statement,balance,payrun,live,bulk,work',
    },
    schedules: { type: 'string', default: '140000' },
    streams: { type: 'string', default: '2000' },
    keep: { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const people = Number(given.people);
const only = given.only.split(',');
const tell = (line: string) => void (given.json || console.log(line));

const dataDir = given.keep ? resolve(given.keep) : await mkdtemp(join(tmpdir(), 'tandem-bench-'));
await mkdir(dataDir, { recursive: true });
await build();
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  await migrate(postgres.url);
  const client = new pg.Client({ connectionString: postgres.url });
  // What broke is told by whoever asked, and not by the server that ends after it.
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query('show server_version');
  tell(
    `${availableParallelism()} cores (${cpus()[0]?.model}), Node ${process.version}, PostgreSQL ${rows[0].server_version}`,
  );
  const questions = (['record', 'viewers', 'slim', 'caseload'] as const).filter((question: Question) =>
    only.includes(question),
  );
  const held = await countPeople(client);
  if (questions.length === 0)
    tell('Nobody is made here: the intake, the money and the streams have databases of their own');
  else if (held === 0) {
    const begin = performance.now();
    await makePeople(client, people);
    tell(`Made ${people} people in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  } else if (held !== people)
    throw new Error(`The database in ${dataDir} holds ${held} people, not ${people}`);
  await client.end();

  const measured = {
    url: postgres.url,
    dataDir,
    only,
    people,
    seconds: Number(given.seconds),
    rounds: Number(given.rounds),
    tell,
  };
  const results = {
    ...(questions.length > 0 &&
      (await measureReads({ ...measured, questions, withPeer: !given['no-peer'] }))),
    ...(only.includes('sync') && { sync: await measureSync(measured) }),
    ...(['ledger', 'statement', 'balance'].some((one) => only.includes(one)) &&
      (await measureMoney(measured))),
    ...(only.includes('payrun') && {
      payrun: await measurePayrun({ ...measured, schedules: Number(given.schedules) }),
    }),
    ...(only.includes('live') && {
      live: await measureLive({ ...measured, streams: Number(given.streams) }),
    }),
    ...(only.includes('work') && { work: await measureWork(measured) }),
    ...(only.includes('bulk') && { bulk: await measureBulk(measured) }),
  };
  if (given.json) console.log(JSON.stringify(results));
  else
    for (const [operation, figures] of Object.entries(results)) {
      console.log(operation);
      for (const [name, figure] of Object.entries(figures))
        console.log(`  ${name.padEnd(18)} ${figure ?? 'not measured'}`);
    }
} finally {
  await postgres.stop();
  if (!given.keep) await rm(dataDir, { recursive: true, force: true });
}
