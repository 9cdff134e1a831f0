/** The privacy officer is told of every record opened in an emergency, whatever is away meanwhile, and of nobody by name. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startWorker } from '../jobs/worker.ts';
import { openLog } from '../src/platform/log.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { closedPort, place } from './setup/evidence.ts';
import { socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import { startHubProcess } from './setup/hub-process.ts';
import { type RedisServer, startRedis } from './setup/redis-server.ts';
import { until } from './setup/until.ts';

let kit: TestHub;
let redis: RedisServer | undefined;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // Nothing is due but what these tests bring about.
  await kit.database.pool.query('update source_system set every_seconds = 86400');
  redis = await startRedis();
});
afterAll(async () => {
  await kit.close();
  await redis?.stop();
});
beforeEach(() => kit.database.pool.query(`delete from emergency_access; delete from outbox`));

const strangers = place.people.filter(({ nhs, council }) => nhs !== null && council === null).slice(11, 16);
const words = 'Found on the floor by a neighbour, cannot speak, which medicines?';

async function open(stranger: (typeof strangers)[number]): Promise<void> {
  const { data } = await kit.ask(
    `mutation ($input: OpenEmergencyAccessInput!) { openEmergencyAccess(input: $input) { userErrors { code } } }`,
    {
      input: {
        idempotencyKey: crypto.randomUUID(),
        nhsNumber: stranger.nhsNumber,
        reason: 'LIFE_AT_RISK',
        words,
      },
    },
    socialWorker,
  );
  expect(data.openEmergencyAccess.userErrors).toEqual([]);
}

const accesses = async () =>
  (await kit.database.pool.query('select id, alerted_at from emergency_access order by id')).rows;
const allTold = async () => (await accesses()).every(({ alerted_at }) => alerted_at !== null);

/** As an alarm reads it. */
async function waiting(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${kit.hub.port}/metrics`)).text();
  return Number(/^tandem_privacy_alerts_waiting (\S+)$/m.exec(text)![1]);
}

interface Receiver {
  url: string;
  /** What was posted, and to where, whatever it answered. */
  posts: { path: string; method: string; body: string }[];
  /** The statuses of the answers to come; 204 after them. */
  answers: number[];
}

async function startReceiver(answers: number[] = []): Promise<Receiver> {
  const posts: Receiver['posts'] = [];
  const server: Server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    posts.push({ path: req.url!, method: req.method!, body: Buffer.concat(chunks).toString() });
    const status = answers.shift() ?? 204;
    res.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`, posts, answers };
}

/** A worker of this process, and what it says. */
async function work(privacyAlertUrl?: string): Promise<string[]> {
  const lines: string[] = [];
  const nothing = {
    name: 'nothing',
    fetch: async () => ({ rows: [], cursor: {}, done: true, total: null }),
  };
  const worker = await startWorker({
    database: kit.database,
    files: { remove: async () => {}, read: () => Promise.reject(new Error('no file is kept')) },
    redisUrl: undefined,
    privacyAlertUrl,
    connectors: { NHS_FHIR: [nothing], COUNCIL: [nothing] },
    log: openLog('trace', {
      write: (line: string) => lines.push(line),
    } as unknown as NodeJS.WritableStream),
    now: noon,
  });
  onTestFinished(() => worker.close());
  return lines;
}

describe('with the queue on Redis', () => {
  beforeEach((context) => {
    if (!redis && process.env.CI !== 'true') context.skip('no redis-server or valkey-server on the path');
  });

  test('the queue is away when a record is opened: it opens, is kept account of, and is told of later', async () => {
    const receiver = await startReceiver([500, 302]);
    const hub = await startHubProcess(kit, { redisUrl: redis?.url, privacyAlertUrl: receiver.url });
    onTestFinished(hub.kill);
    const { port, stop } = redis!;
    await stop();
    redis = undefined;

    await open(strangers[0]!);
    const { rows } = await kit.database.pool.query(
      `select outcome, role, organisation, cardinality(person_ids) as people from audit_event
        where object = 'openEmergencyAccess' order by id desc limit 1`,
    );
    expect(rows).toEqual([{ outcome: 'DONE', role: 'SOCIAL_WORKER', organisation: '999', people: 1 }]);
    expect(await waiting()).toBe(1);
    expect(receiver.posts).toEqual([]);

    redis = await startRedis(port);
    await until(allTold);
    // It failed once and was sent elsewhere once, where it did not go.
    expect(receiver.posts.map(({ method, path }) => `${method} ${path}`)).toEqual(
      Array(3).fill('POST /alerts'),
    );
    expect(new Set(receiver.posts.map(({ body }) => body)).size).toBe(1);
    expect(await waiting()).toBe(0);
    const { rows: audited } = await kit.database.pool.query(
      `select object, role, cardinality(person_ids) as people from audit_event where object = 'privacy.officer.told'`,
    );
    expect(audited).toEqual([{ object: 'privacy.officer.told', role: 'SYSTEM', people: 1 }]);
  }, 60_000);
});

test('an alert is no more than where to look', async () => {
  const receiver = await startReceiver();
  await work(receiver.url);
  await open(strangers[1]!);
  await until(allTold);
  const [{ id }] = await accesses();
  expect(receiver.posts.map(({ body }) => JSON.parse(body))).toEqual([
    {
      emergencyId: `emn_${id.replaceAll('-', '')}`,
      openedAt: '2026-11-21T12:00:00.000Z',
      organisation: '999',
      role: 'SOCIAL_WORKER',
      reason: 'LIFE_AT_RISK',
    },
  ]);
});

test('each is told once, whoever asks again; one that is refused holds no other up', async () => {
  for (const stranger of strangers) await open(stranger);
  const receiver = await startReceiver([400]);
  await work(receiver.url);
  await until(allTold);
  // The announcements come again, as after a worker's death.
  await kit.database.pool.query('update outbox set relayed_at = null');
  await until(async () => {
    const { rows } = await kit.database.pool.query('select from outbox where relayed_at is null');
    return rows.length === 0;
  });
  await open(strangers[1]!);
  await until(allTold);
  const told = receiver.posts.map(({ body }) => JSON.parse(body).emergencyId);
  expect(new Set(told).size).toBe(strangers.length + 1);
  expect(told).toHaveLength(strangers.length + 2);
});

test('with nobody to post to, the log says so, once, and of nobody', async () => {
  await open(strangers[2]!);
  const lines = await work();
  await until(allTold);
  const said = lines.filter((line) => line.includes('privacy-alert')).map((line) => JSON.parse(line));
  expect(said).toEqual([
    {
      level: 'warn',
      time: expect.any(String),
      event: 'privacy-alert',
      emergencyId: expect.stringMatching(/^emn_/),
      organisation: '999',
      role: 'SOCIAL_WORKER',
      reason: 'LIFE_AT_RISK',
      msg: 'a record was opened in an emergency',
    },
  ]);
  for (const personal of [strangers[2]!.familyName, strangers[2]!.nhsNumber, words, 'tom'])
    expect(lines.join('')).not.toContain(personal);
});

test('a receiver that is not there is not named in the log, and the alert waits', async () => {
  await open(strangers[3]!);
  const port = await closedPort();
  const lines = await work(`http://127.0.0.1:${port}/secret-hook`);
  await until(() => lines.some((line) => line.includes('does not answer')));
  expect(lines.join('')).not.toContain('secret-hook');
  expect(await waiting()).toBe(1);
});
