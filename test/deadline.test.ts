/** A request has its time, and nobody's statement outlives whoever asked for it. */
import { request } from 'node:http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDeadlines } from '../src/platform/deadline.ts';
import { openPipeline } from '../src/platform/pipeline.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { admin, coordinator, startTestHub, type TestHub } from './setup/hub.ts';

/** Short, so that nobody waits: what it is in use stands in the table of limits. */
const deadlineMs = 1_500;

let kit: TestHub;
let other: pg.Client;
/** What it sees of the others stays the same as long as its transaction, so it must have none. */
let watcher: pg.Client;
beforeAll(async () => {
  kit = await startTestHub({
    database: await makeDemoDatabase(),
    now: noon,
    limit: { limits: { deadlineMs } },
    commandMs: 2_000,
  });
  other = new pg.Client({ connectionString: kit.database.url });
  watcher = new pg.Client({ connectionString: kit.database.url });
  await Promise.all([other.connect(), watcher.connect()]);
  await kit.ask('{ caseload(first: 1) { nodes { familyName } } }');
});
afterAll(async () => {
  await Promise.all([other.end(), watcher.end()]);
  await kit.close();
});

/** What the hub's connections are at work on, or wait for. */
async function atWork(): Promise<string[]> {
  const { rows } = await watcher.query(
    `select left(query, 60) as query from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        and state = 'active'`,
  );
  return rows.map(({ query }) => query);
}

async function locked<T>(table: string, work: () => Promise<T>): Promise<T> {
  await other.query('begin');
  await other.query(`lock table ${table} in access exclusive mode`);
  try {
    return await work();
  } finally {
    await other.query('rollback');
  }
}

const slow = '{ caseload(first: 1) { nodes { familyName } } }';
const quick = '{ syncRuns(first: 1) { nodes { id } } }';

describe('a statement that does not come back', () => {
  test('fifty of them are told so in time, are cancelled in the database, and leave everything as it was', async () => {
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    await locked('role_on_record', async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const response = await kit.send({ query: slow }, { authorization });
          const { errors } = (await response.json()) as { errors: { extensions: object }[] };
          return [response.status, response.headers.get('retry-after'), errors[0]!.extensions];
        }),
      );
      for (const answer of answers) {
        expect(answer).toEqual([503, '5', expect.objectContaining({ code: 'DEADLINE', retryable: true })]);
      }
      // While the lock is still held: nothing waits for it any more.
      await expect.poll(atWork, { timeout: 5_000 }).toEqual([]);
      // And whoever asks for something else is answered.
      expect((await kit.ask(quick)).errors).toBeUndefined();
    });
    expect((await kit.ask(slow)).data.caseload.nodes).toHaveLength(1);
  });

  test('whoever goes away takes their statement with them', async () => {
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    await locked('role_on_record', async () => {
      const req = request(`http://127.0.0.1:${kit.hub.port}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
      });
      req.on('error', () => {});
      req.end(JSON.stringify({ query: slow }));
      await expect.poll(atWork, { interval: 10 }).toHaveLength(1);
      req.destroy();
      // Long before its own time is over, or the lock is.
      await expect.poll(atWork, { timeout: deadlineMs - 100, interval: 20 }).toEqual([]);
    });
  });

  test('a command that waits for a lock is told so, keeps no connection, and is done once when it is sent again', async () => {
    const input = { idempotencyKey: crypto.randomUUID(), sourceCode: 'wenshire-nhs' };
    const ask = () =>
      kit.ask(
        'mutation ($input: RequestSyncInput!) { requestSync(input: $input) { source { code } userErrors { code } } }',
        { input },
        admin,
      );
    await locked('outbox', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, ask));
      for (const { errors } of answers)
        expect(errors![0]!.extensions.code).toMatch(/^(DEADLINE|UNAVAILABLE)$/);
      const late = answers.filter(({ errors }) => errors![0]!.extensions.code === 'DEADLINE');
      for (const { errors } of late) expect(errors![0]!.message).toContain('idempotencyKey');
      await expect.poll(atWork, { timeout: 5_000 }).toEqual([]);
    });
    await expect.poll(async () => (await ask()).data?.requestSync.source.code).toBe('wenshire-nhs');
    const { rows } = await other.query(`select count(*)::int as n from command_receipt`);
    expect(rows[0].n).toBe(1);
  });

  test('a body that never ends is not waited for', async () => {
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    const status = await new Promise((resolve, reject) => {
      const req = request(
        `http://127.0.0.1:${kit.hub.port}/graphql`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': '100', authorization },
        },
        (res) => {
          resolve(res.statusCode);
          req.destroy();
        },
      );
      req.on('error', reject);
      req.write('{"query":');
    });
    expect(status).toBe(503);
  });
});

describe('cancelling on a connection that carries the statements of many', () => {
  const deadlines = openDeadlines(60_000);
  afterAll(() => deadlines.close());

  const sleep = { name: 'sleep', text: 'select pg_sleep(3)::text' };
  const answer = { name: 'answer', text: 'select $1::int * 2 as twice' };

  test('ends the one, and the others behind it are answered', async () => {
    const pipeline = openPipeline({ connectionString: kit.database.url }, { lanes: 1, readOnly: true });
    try {
      await pipeline.run(answer, [1]);
      for (let round = 0; round < 5; round++) {
        const deadline = deadlines.start();
        const stuck = pipeline.run(sleep, [], deadline).catch(({ code }) => code);
        const others = [2, 3, 4].map((n) => pipeline.run(answer, [n]));
        setTimeout(deadline.pass, 20);
        expect(await stuck).toBe('DEADLINE');
        expect(await Promise.all(others)).toEqual([[[4]], [[6]], [[8]]]);
      }
    } finally {
      await pipeline.close();
    }
  });

  test('a cancel that comes too late hurts nobody: what it hits is sent again', async () => {
    const pipeline = openPipeline({ connectionString: kit.database.url }, { lanes: 1, readOnly: true });
    const short = { name: 'short', text: 'select pg_sleep(0.05)::text' };
    const counted = { name: 'counted', text: 'select pg_sleep(0.004)::text, $1::int' };
    try {
      for (let round = 0; round < 10; round++) {
        const deadline = deadlines.start();
        const first = pipeline.run(short, [], deadline).catch(({ code }) => code);
        const others = Array.from({ length: 30 }, (_, n) => pipeline.run(counted, [n]));
        // The cancel arrives about when it is done by itself.
        setTimeout(deadline.pass, round);
        expect(await first).toBe('DEADLINE');
        expect((await Promise.all(others)).map(([row]) => row![1])).toEqual(others.map((_, n) => n));
      }
    } finally {
      await pipeline.close();
    }
  });
});
