/** A bulk file whose worker is killed, that two work on at once, and that goes through the queue. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorker } from '../jobs/worker.ts';
import { bulkFilePrefix } from '../src/bulk/store.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { uuidOf } from '../src/platform/id.ts';
import { openLog } from '../src/platform/log.ts';
import { type BulkKit, csv, type Family, makeFamilies, spending, startBulkKit } from './setup/bulk.ts';
import { keptLog } from './setup/byproduct.ts';
import { noon } from './setup/demo.ts';
import { provider } from './setup/hub.ts';
import { startRedis } from './setup/redis-server.ts';
import { openStream } from './setup/stream.ts';

let own: BulkKit;
let families: Family[];
beforeAll(async () => {
  own = await startBulkKit();
  families = await makeFamilies(own.pool, 300, 10_000n);
});
afterAll(() => own.close());

const size = 60;
const perFamily = 20;

/** So many rows of each of 60 families, of which some are bad and the last go beyond what is left. */
const bodyOf = (some: Family[]) =>
  csv(
    spending,
    Array.from({ length: some.length * perFamily }, (_, n) => [
      some[n % some.length]!.budgetId,
      '2026-11-20',
      n % 37 === 0 ? 'x' : '6.00',
      'Harbour Leisure',
      'Swimming',
      '',
    ]),
  );

const figures = ({ rows, good, bad, applied, unchanged, amount }: Record<string, unknown>) => ({
  ...{ rows, good, bad, applied, unchanged, amount },
});

async function undisturbed() {
  const some = families.slice(0, size);
  const done = await own.run(bodyOf(some));
  expect(done.status).toBe('DONE');
  return { done: figures(done), spent: await own.spent(some) };
}
let wanted: Awaited<ReturnType<typeof undisturbed>>;
beforeAll(async () => {
  wanted = await undisturbed();
  expect(wanted.done).toMatchObject({ rows: size * perFamily, unchanged: 0 });
  expect(wanted.spent.spends).toBeLessThan(size * perFamily - 100);
});

/** The same came of it as of one that nobody disturbed, and each row once. */
async function expectSame(fileId: string, some: Family[]) {
  const done = await own.file(fileId);
  expect([done.status, figures(done)]).toEqual(['DONE', wanted.done]);
  const { spends, pence } = await own.spent(some);
  expect({ spends, pence }).toEqual({ spends: wanted.spent.spends, pence: wanted.spent.pence });
  expect((await verifyLedger(own.pool)).fault).toBeNull();
}

function startProcess(fileId: string) {
  return spawn(process.execPath, ['--import', 'tsx', 'test/fixture/bulk.ts'], {
    env: {
      ...process.env,
      BULK_DATABASE_URL: own.kit.database.url,
      BULK_FOLDER: own.folder,
      BULK_FILE: uuidOf(bulkFilePrefix, fileId)!,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

test('a worker that is killed while it reads and while it records leaves nothing twice and nothing out', async () => {
  const some = families.slice(size, 2 * size);
  const { file } = await own.importFile(bodyOf(some));
  const all = size * perFamily;
  const at = async () => {
    const { rows } = await own.pool.query(
      'select rows, good + bad + unchanged as decided from bulk_file where id = $1',
      [uuidOf(bulkFilePrefix, file.id)],
    );
    return rows[0].rows < all ? rows[0].rows / 2 : (all + rows[0].decided) / 2;
  };
  let kills = 0;
  for (const part of [0.2, 0.6, 0.8]) {
    const child = startProcess(file.id);
    const gone = once(child, 'exit');
    while ((await at()) < all * part && child.exitCode === null) await delay(2);
    child.kill('SIGKILL');
    if ((await gone)[1] === 'SIGKILL') kills += 1;
  }
  expect(kills).toBeGreaterThan(1);
  await own.work(file.id);
  await expectSame(file.id, some);
}, 60_000);

test('of two who work on it at once each piece is done by one', async () => {
  const some = families.slice(2 * size, 3 * size);
  const { file } = await own.importFile(bodyOf(some));
  const children = [startProcess(file.id), startProcess(file.id), own.work(file.id, 20)];
  await Promise.all(children.map((child) => (child instanceof Promise ? child : once(child, 'exit'))));
  await own.work(file.id);
  await expectSame(file.id, some);
}, 60_000);

test.each(['PostgreSQL', 'Redis'])(
  'a worker takes it up from the queue on %s, and tells how far it is',
  async (kind) => {
    const redis = kind === 'Redis' ? await startRedis() : undefined;
    if (kind === 'Redis' && !redis && process.env.CI !== 'true') return;
    const some = families.slice((kind === 'Redis' ? 4 : 3) * size, (kind === 'Redis' ? 5 : 4) * size);
    const { file } = await own.importFile(bodyOf(some));
    const worker = await startWorker({
      database: own.kit.database,
      files: own.files,
      redisUrl: redis?.url,
      log: openLog('trace', keptLog()),
      now: noon,
    });
    try {
      const query = 'subscription ($id: ID!) { bulkFile(id: $id) { file { status rows applied } } }';
      const stream = await openStream(own.kit, query, { variables: { id: file.id }, claims: provider });
      const told = [];
      for (let event = await stream.next(); event !== null; event = await stream.next())
        told.push(event.data.bulkFile.file);
      expect(told.at(-1)).toMatchObject({ status: 'DONE', rows: size * perFamily });
      for (const counted of ['rows', 'applied'] as const) {
        const counts = told.map((one) => one[counted]);
        expect(counts).toEqual([...counts].sort((a, b) => a - b));
      }
      await expectSame(file.id, some);
    } finally {
      await worker.close();
      await redis?.stop();
    }
  },
  60_000,
);
