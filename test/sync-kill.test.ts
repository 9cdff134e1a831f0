import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDemo } from '../src/demo/demo.ts';
import { putOrganisation, putSource } from '../src/intake/source.ts';
import { contentOf } from './setup/content.ts';
import { asOwner, makeDatabase } from './setup/database.ts';
import { type Demo, noon, today } from './setup/demo.ts';
import { startRedis } from './setup/redis-server.ts';

let demo: Demo;
let redis: Awaited<ReturnType<typeof startRedis>>;
let undisturbed: Awaited<ReturnType<typeof syncedWith>>;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  // Slow enough that a run has a middle to be killed in.
  const slow = () => [{ kind: 'slow', ms: 20 } as const];
  demo = await startDemo({
    today,
    now: noon,
    ports: { nhs: 0, council: 0 },
    size: 150,
    faults: { nhs: slow(), council: slow() },
  });
  redis = await startRedis();
  undisturbed = await syncedWith([], undefined);
}, 120_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([demo?.close(), redis?.stop()]);
});

function startWorkerProcess(url: string, redisUrl: string | undefined): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/fixture/worker.ts'], {
    env: { ...process.env, WORKER_DATABASE_URL: url, WORKER_REDIS_URL: redisUrl ?? '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

interface Progress {
  received: number;
  runs: number;
  /** How many sources were read to their end: one may be read again while another is read first. */
  succeeded: number;
}

async function until(
  pool: pg.Pool,
  reached: (progress: Progress) => boolean,
  timeoutMs = 40_000,
): Promise<Progress> {
  for (const end = Date.now() + timeoutMs; ; ) {
    const { rows } = await pool.query<Progress>(
      `select coalesce(sum(received), 0)::int as received, count(*)::int as runs,
              (count(distinct source_id) filter (where status = 'SUCCEEDED'))::int as succeeded from sync_run`,
    );
    if (reached(rows[0]!)) return rows[0]!;
    if (Date.now() > end) throw new Error(`the sync stands still: ${JSON.stringify(rows[0])}`);
    await delay(5);
  }
}

/**
 * What killed workers were at comes back in the queue after a while. If its run is over by then, the source is looked at
 * once more: never wrong, but one run more than there is without a kill.
 */
async function emptyQueue(databaseUrl: string, redisUrl: string | undefined): Promise<void> {
  await asOwner(databaseUrl, 'drop schema if exists bullmq cascade');
  if (redisUrl === undefined) return;
  const client = new Redis(redisUrl);
  await client.flushall();
  await client.quit();
}

/**
 * Syncs both sides of the place, one after the other, with a worker that is interrupted whenever it has received as
 * many rows as `interruptAt` says, and started again.
 */
async function syncedWith(
  interruptAt: number[],
  redisUrl: string | undefined,
  interrupt: (child: ChildProcess, time: number) => Promise<unknown> = kill,
) {
  const made = await makeDatabase();
  const pool = new pg.Pool({ connectionString: made.url, max: 2 });
  try {
    for (const organisation of demo.organisations) await putOrganisation(pool, organisation);
    const points = [...interruptAt];
    let interrupted = 0;
    let worker: ChildProcess | undefined;
    for (const [index, source] of demo.sources.entries()) {
      // A run of its own on a day of its own: nothing is scheduled while the test looks.
      await putSource(pool, { ...source, everySeconds: 86_400 });
      worker ??= startWorkerProcess(made.url, redisUrl);
      for (;;) {
        const point = points[0] ?? Number.POSITIVE_INFINITY;
        const { succeeded } = await until(pool, (now) => now.received >= point || now.succeeded > index);
        if (succeeded > index) break;
        points.shift();
        await interrupt(worker, interrupted++);
        worker = startWorkerProcess(made.url, redisUrl);
      }
      const gone = once(worker, 'exit');
      worker.kill('SIGTERM');
      expect(await gone).toEqual([0, null]);
      worker = undefined;
      await emptyQueue(made.url, redisUrl);
    }
    const { received, runs } = await until(pool, () => true);
    const content = await contentOf(pool);
    // How often a worker looks for due payments depends on how often it starts, and what is sealed on the clock.
    delete content.audit_event_person;
    delete content.audit_seal;
    content.audit_event = content.audit_event!.filter((row) => !row.includes('"object":"payment.due"'));
    return { content, received, runs, interrupted };
  } finally {
    await pool.end();
    await made.drop();
  }
}

const fiveTimes = () => [0.05, 0.2, 0.4, 0.6, 0.75].map((part) => Math.floor(undisturbed.received * part));

function expectUndisturbed(content: (typeof undisturbed)['content']) {
  for (const [table, rows] of Object.entries(undisturbed.content))
    expect([table, content[table]]).toEqual([table, rows]);
}

/** What no source sends: decided in the hub, loaded into it, or known before. */
const ownTables = new Set([
  'absence',
  'bank_line',
  'bank_statement',
  'budget_sign_off',
  'bulk_file',
  'bulk_row',
  'client_application',
  'client_assertion',
  'command_receipt',
  'commissioner_policy',
  'competency',
  'concern',
  'contract',
  'decision',
  'delegated_task',
  'emergency_access',
  'employment_end',
  'evidence',
  'evidence_upload',
  'exclusion',
  'financial_return',
  'funding_split',
  'organisation_authorisation',
  'organisation_succession',
  'overspend_agreement',
  'package_change',
  'package_change_agreement',
  'past',
  'payee_account',
  'payment_instruction',
  'payment_run',
  'payment_schedule',
  'plan_change',
  'plan_item',
  'plan_line',
  'rate_limit',
  'reclaim',
  'return_query',
  'return_receiver',
  'rota_week',
  'schedule_rate',
  'sharing_choice',
  'shift',
  'sign_off',
  'signing_key',
  'spend',
  'spend_evidence',
  'work_item',
  'timesheet',
  'worked_day',
  'worker',
  'worker_document',
]);

test('an undisturbed sync fills every table that sources fill', () => {
  const empty = Object.entries(undisturbed.content).flatMap(([table, rows]) =>
    rows.length === 0 && !ownTables.has(table) ? [table] : [],
  );
  expect(empty).toEqual([]);
});

describe('a worker that is killed in the middle of a sync, five times over', () => {
  test('leaves what an undisturbed one does, row for row, with the queue in PostgreSQL', async () => {
    const { content, interrupted } = await syncedWith(fiveTimes(), undefined);
    expect(interrupted).toBe(5);
    expectUndisturbed(content);
  }, 120_000);

  test('and with the queue in Redis, emptied on the way', async (context) => {
    if (!redis && process.env.CI !== 'true')
      return context.skip('no redis-server or valkey-server on the path');
    const client = new Redis(redis!.url);
    const { content, interrupted } = await syncedWith(fiveTimes(), redis!.url, async (child, time) => {
      await kill(child);
      if (time % 2 === 1) await client.flushall();
    });
    await client.quit();
    expect(interrupted).toBe(5);
    expectUndisturbed(content);
  }, 120_000);
});

test('a worker that is asked to end finishes its page, and the next goes on there', async () => {
  const { content, interrupted } = await syncedWith(fiveTimes().slice(1, 3), undefined, async (child) => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await gone).toEqual([0, null]);
  });
  expect(interrupted).toBe(2);
  expectUndisturbed(content);
}, 60_000);

test('a second worker takes up the run of a killed one by itself', async () => {
  const made = await makeDatabase();
  const pool = new pg.Pool({ connectionString: made.url, max: 2 });
  const workers: ChildProcess[] = [];
  try {
    for (const organisation of demo.organisations) await putOrganisation(pool, organisation);
    await putSource(pool, { ...demo.sources[0], everySeconds: 86_400 });
    workers.push(startWorkerProcess(made.url, undefined));
    await until(pool, ({ runs }) => runs > 0);
    workers.push(startWorkerProcess(made.url, undefined));
    await until(pool, ({ received }) => received >= 100);
    workers[0]!.kill('SIGKILL');
    const { runs } = await until(pool, ({ succeeded }) => succeeded === 1);
    expect(runs).toBe(1);
  } finally {
    for (const worker of workers) worker.kill('SIGKILL');
    await pool.end();
    await made.drop();
  }
}, 60_000);
