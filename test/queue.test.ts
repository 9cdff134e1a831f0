import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Connectors } from '../jobs/connector.ts';
import { ComeBackLater, defineJob, handleJob, type JobQueue, openJobQueue } from '../jobs/queue.ts';
import { relayAll } from '../jobs/relay.ts';
import { SourceFault } from '../jobs/source/page.ts';
import { syncHandler } from '../jobs/sync.ts';
import { startWorker } from '../jobs/worker.ts';
import { askForSync } from '../src/intake/request.ts';
import { lockSource } from '../src/intake/run.ts';
import { putOrganisation, putSource } from '../src/intake/source.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { openLog } from '../src/platform/log.ts';
import { keptLog } from './setup/byproduct.ts';
import { asOwner, makeDatabase } from './setup/database.ts';
import { startRedis } from './setup/redis-server.ts';
import { until } from './setup/until.ts';

const log = openLog('trace', keptLog());
let redis: Awaited<ReturnType<typeof startRedis>>;
let made: Awaited<ReturnType<typeof makeDatabase>>;
let database: Database;

beforeAll(async () => {
  redis = await startRedis();
  made = await makeDatabase();
  database = openDatabase(made.url);
});
afterAll(async () => {
  await database.close();
  await Promise.all([made.drop(), redis?.stop()]);
});

/** Loses all that Redis holds. */
async function empty(): Promise<void> {
  if (!redis) return;
  const client = new Redis(redis.url);
  await client.flushall();
  await client.quit();
}

const count = defineJob({
  name: 'count',
  input: z.object({ id: z.string() }),
  output: z.object({ done: z.boolean() }),
});

describe.each(['PostgreSQL', 'Redis'])('a queue on %s', (kind) => {
  let queue: JobQueue;
  const open = () =>
    openJobQueue({ databaseUrl: made.url, redisUrl: kind === 'Redis' ? redis?.url : undefined });
  beforeEach(async (context) => {
    if (kind === 'Redis' && !redis && process.env.CI !== 'true')
      context.skip('no redis-server or valkey-server on the path');
    queue = await open();
    return () => queue.close();
  });

  test('parks a poison job with its reason, and the others flow', async () => {
    const handled: string[] = [];
    const working = await queue.work(
      [
        handleJob(count, async ({ id }) => {
          handled.push(id);
          return { done: true };
        }),
      ],
      log,
    );
    const raw = { ...count, input: z.unknown() };
    await queue.add(raw, { id: 17 });
    await queue.add({ ...raw, name: 'nobody-handles-this' }, {});
    await queue.add(count, { id: 'good' });
    await until(() => handled.includes('good'));
    await until(async () => (await queue.parked()).length === 2);
    expect((await queue.parked()).map(({ name, reason }) => [name, reason]).sort()).toEqual([
      ['count', 'JOB_DATA_INVALID'],
      ['nobody-handles-this', 'JOB_UNKNOWN'],
    ]);
    await expect(queue.add(count, { id: 17 } as never)).rejects.toThrow();
    await working.close();
  });

  test('tries a failed job again, tells which try is the last, and keeps no message of an error', async () => {
    const tries: boolean[] = [];
    const job = { ...count, name: 'fails' };
    const working = await queue.work(
      [
        handleJob(job, async (_, { last }) => {
          tries.push(last);
          throw new Error('Iris Holloway 9990000018');
        }),
      ],
      log,
    );
    await queue.add(job, { id: 'x' }, { attempts: 2, backoffMs: 10 });
    const parked = await until(async () => (await queue.parked()).find(({ name }) => name === 'fails'));
    expect(tries).toEqual([false, true]);
    expect(parked.reason).toBe('UNEXPECTED');
    expect(JSON.stringify(parked)).not.toContain('Holloway');
    await working.close();
  });

  test('puts a job off without counting the try', async () => {
    const tries: [number, boolean][] = [];
    const job = { ...count, name: 'later' };
    const working = await queue.work(
      [
        handleJob(job, async (_, { last }) => {
          tries.push([Date.now(), last]);
          if (tries.length < 3) throw new ComeBackLater(150);
          return { done: true };
        }),
      ],
      log,
    );
    await queue.add(job, { id: 'x' }, { attempts: 2, backoffMs: 10 });
    await until(() => tries.length === 3);
    expect(tries.map(([, last]) => last)).toEqual([false, false, false]);
    expect(tries[2]![0] - tries[0]![0]).toBeGreaterThanOrEqual(300);
    await working.close();
  });
});

describe('the sync of a source', () => {
  let sourceId: string;
  let answers: (() => Promise<{ rows: []; cursor: unknown; done: boolean; total: null }>)[];
  let asked: number[];
  const page = { rows: [] as [], cursor: { at: 1 }, done: true, total: null };
  const feed = {
    name: 'feed',
    fetch: async () => {
      asked.push(Date.now());
      return (answers.shift() ?? (async () => page))();
    },
  };
  const connectors: Connectors = { NHS_FHIR: [feed], COUNCIL: [] };
  const fails =
    (...fault: ConstructorParameters<typeof SourceFault>) =>
    async () => {
      throw new SourceFault(...fault);
    };
  const files = { remove: async () => {}, read: () => Promise.reject(new Error('no file is kept')) };
  const start = (redisUrl?: string) => startWorker({ database, files, redisUrl, connectors, log });
  const runs = async () =>
    (await database.pool.query('select status, error_code from sync_run order by started_at')).rows;

  beforeEach(async () => {
    await database.pool.query('delete from sync_cursor; delete from sync_run; delete from source_system');
    await asOwner(database.url, 'drop schema if exists bullmq cascade');
    await empty();
    await putOrganisation(database.pool, { kind: 'ICB', code: 'QWN', name: 'Board' });
    sourceId = await putSource(database.pool, {
      code: 'nhs',
      name: 'nhs',
      kind: 'NHS_FHIR',
      organisationCode: 'QWN',
      baseUrl: 'http://127.0.0.1:9/',
      everySeconds: 86_400,
      demo: true,
    });
    asked = [];
    answers = [];
  });

  test('is tried again when the source is down, and shows so meanwhile', async () => {
    answers = [fails('SOURCE_DOWN', 'Answer has status 500')];
    const worker = await start();
    await until(async () => (await runs())[0]?.error_code === 'SOURCE_DOWN');
    expect(await runs()).toEqual([{ status: 'RUNNING', error_code: 'SOURCE_DOWN' }]);
    await until(async () => (await runs())[0]?.status === 'SUCCEEDED');
    expect(await runs()).toEqual([{ status: 'SUCCEEDED', error_code: null }]);
    const { rows } = await database.pool.query(
      'select last_failed_at < last_succeeded_at as mended from source_system',
    );
    expect(rows).toEqual([{ mended: true }]);
    await worker.close();
  });

  test('fails when the last try fails, and a bug shows no more than that it is one', async () => {
    const stopping = new AbortController().signal;
    const handle = syncHandler({ database, connectors, log, now: () => new Date(), stopping });
    answers = [fails('SOURCE_DOWN', 'No answer'), () => Promise.reject(new Error('Iris Holloway'))];
    const attempt = { askedAt: new Date(), last: true };
    await expect(handle({ sourceId }, attempt)).rejects.toThrow('SOURCE_DOWN: No answer');
    await expect(handle({ sourceId }, attempt)).rejects.toThrow();
    const { rows } = await database.pool.query(
      'select status, error_code, error, finished_at is not null as over from sync_run order by started_at',
    );
    expect(rows).toEqual([
      { status: 'FAILED', error_code: 'SOURCE_DOWN', error: 'No answer', over: true },
      { status: 'FAILED', error_code: 'UNEXPECTED', error: 'The log of the worker says more.', over: true },
    ]);
    // The next run goes on, and a request that was made before it began is thereby answered.
    expect(await handle({ sourceId }, { askedAt: new Date(0), last: false })).toEqual({ outcome: 'DONE' });
    expect(await handle({ sourceId }, { askedAt: new Date(0), last: false })).toEqual({ outcome: 'LEFT' });
    expect(await runs()).toHaveLength(3);
  });

  test('comes back when a busy source says, and no sooner, whoever asks', async () => {
    answers = [fails('SOURCE_BUSY', 'Answer has status 429', 800)];
    const worker = await start();
    const queue = await openJobQueue({ databaseUrl: made.url, redisUrl: undefined });
    await until(async () => (await runs())[0]?.error_code === 'SOURCE_BUSY');
    expect(await askForSync(database.pool, ['nhs', 'unknown'])).toEqual(['nhs']);
    await relayAll(database.pool, queue);
    await relayAll(database.pool, queue);
    await until(async () => (await runs())[0]?.status === 'SUCCEEDED');
    expect(asked).toHaveLength(2);
    expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(800);
    await queue.close();
    await worker.close();
  });

  test('leaves a source alone that somebody else is at', async () => {
    const lock = await lockSource(made.url, sourceId);
    const worker = await start();
    await delay(400);
    expect(await runs()).toEqual([]);
    await lock!.release();
    await worker.close();
    expect(await lockSource(made.url, sourceId).then(async (again) => again?.release())).toBeUndefined();
  });

  test('is scheduled anew after the queue was emptied, when it is due and not before', async (context) => {
    if (!redis && process.env.CI !== 'true')
      return context.skip('no redis-server or valkey-server on the path');
    const worker = await start(redis!.url);
    await until(async () => (await runs())[0]?.status === 'SUCCEEDED');
    await worker.close();
    await empty();
    const second = await start(redis!.url);
    await delay(400);
    expect(await runs()).toHaveLength(1);
    await second.close();
    // A day later.
    await database.pool.query(`update sync_run set started_at = started_at - interval '1 day'`);
    await empty();
    const third = await start(redis!.url);
    await until(async () => (await runs()).length === 2);
    await third.close();
  });
});
