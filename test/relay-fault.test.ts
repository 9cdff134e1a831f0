/** What commands announced reaches the worker whatever dies in between, and what was rolled back never does. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { putOrganisation, putSource } from '../src/intake/source.ts';
import { asOwner, makeDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { admin, startTestHub, type TestHub } from './setup/hub.ts';
import { type HubProcess, startHubProcess } from './setup/hub-process.ts';
import { type RedisServer, startRedis } from './setup/redis-server.ts';
import { isWaitingIn, until } from './setup/until.ts';

let kit: TestHub;
let redis: RedisServer | undefined;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDatabase(), now: noon });
  redis = await startRedis();
});
afterAll(async () => {
  await kit.close();
  await redis?.stop();
});

const codes = ['one', 'two', 'three', 'rolled-back'];

/** Sources that are due tomorrow: today they are asked because somebody announced it, or not at all. */
beforeEach(async () => {
  const { pool, url } = kit.database;
  await asOwner(
    url,
    'delete from sync_cursor; delete from sync_run; delete from source_system; delete from outbox; drop schema if exists bullmq cascade',
  );
  await putOrganisation(pool, { kind: 'ICB', code: 'QWN', name: 'Board' });
  for (const code of codes) {
    const source = { code, name: code, kind: 'NHS_FHIR', organisationCode: 'QWN', demo: true } as const;
    await putSource(pool, { ...source, baseUrl: 'http://127.0.0.1:9/', everySeconds: 86_400 });
  }
  await pool.query(
    `insert into sync_run (source_id, feed, waiting, status, started_at, finished_at)
     select id, 'before', 0, 'SUCCEEDED', now() - interval '1 minute', now() - interval '1 minute' from source_system`,
  );
});

async function request(hub: HubProcess, sourceCode: string): Promise<void> {
  const { data } = await hub.ask(
    `mutation ($input: RequestSyncInput!) { requestSync(input: $input) { userErrors { code } } }`,
    { input: { idempotencyKey: crypto.randomUUID(), sourceCode } },
    admin,
  );
  expect(data.requestSync.userErrors).toEqual([]);
}

/** Which sources were asked, besides the once of the set-up. */
async function asked(): Promise<string[]> {
  const { rows } = await kit.database.pool.query(
    `select s.code from source_system s join sync_run r on r.source_id = s.id where r.feed is distinct from 'before' order by r.started_at`,
  );
  return rows.map(({ code }) => code);
}

const unrelayed = async () =>
  Number(
    (await kit.database.pool.query('select count(*)::int as n from outbox where relayed_at is null')).rows[0]
      .n,
  );

/** As an alarm reads it. */
async function lagSeconds(hub: HubProcess): Promise<number> {
  return Number(/^tandem_outbox_lag_seconds (\S+)$/m.exec(await hub.metrics())![1]);
}

async function start(redisUrl: string | undefined): Promise<HubProcess> {
  const hub = await startHubProcess(kit, { redisUrl });
  onTestFinished(hub.kill);
  return hub;
}

async function connect(): Promise<pg.Client> {
  const sql = new pg.Client({ connectionString: kit.database.url });
  sql.on('error', () => {});
  await sql.connect();
  onTestFinished(() => sql.end());
  return sql;
}

/** What a command does, as far as the outbox sees it. */
const announcement = `insert into outbox (topic, payload)
  select 'sync.requested', jsonb_build_object('sourceId', id) from source_system`;

/** A transaction of a hub that dies in it. */
async function announceAndRollBack(): Promise<void> {
  const sql = await connect();
  await sql.query('begin');
  await sql.query(`${announcement} where code = 'rolled-back'`);
  await sql.end();
}

const everything = ['one', 'three', 'two'];
const allAsked = async () => new Set(await asked()).size === everything.length;

describe.each(['PostgreSQL', 'Redis'])('with the queue on %s', (kind) => {
  beforeEach((context) => {
    if (kind === 'Redis' && !redis && process.env.CI !== 'true')
      context.skip('no redis-server or valkey-server on the path');
  });
  const redisUrl = () => (kind === 'Redis' ? redis?.url : undefined);

  /** Takes the queue away, and gives what brings it back: a Redis that restarts has lost all it held. */
  async function takeAway(): Promise<() => Promise<void>> {
    if (kind === 'Redis') {
      const { port, stop } = redis!;
      await stop();
      redis = undefined;
      return async () => {
        redis = await startRedis(port);
      };
    }
    const sql = await connect();
    const { rows } = await sql.query(
      `select string_agg(format('bullmq.%I', tablename), ', ') as tables from pg_tables where schemaname = 'bullmq'`,
    );
    await sql.query(`begin; lock table ${rows[0].tables} in access exclusive mode`);
    return () => sql.end();
  }

  test('a hub that is killed between COMMIT and the queue, and a queue that is away: all is delivered', async () => {
    const killed = await start(redisUrl());
    await request(killed, 'one');
    await until(async () => (await asked()).length === 1 && (await unrelayed()) === 0);
    expect(await lagSeconds(killed)).toBe(0);

    const bringBack = await takeAway();
    // Commands need no queue.
    await request(killed, 'two');
    await announceAndRollBack();
    await request(killed, 'three');
    await request(killed, 'two');
    await until(async () => (await lagSeconds(killed)) > 0.3);
    expect(await asked()).toEqual(['one']);
    await killed.kill();
    expect(await unrelayed()).toBe(3);
    await bringBack();

    const next = await start(redisUrl());
    await until(async () => (await allAsked()) && (await unrelayed()) === 0);
    expect(await lagSeconds(next)).toBe(0);

    const bringBackAgain = await takeAway();
    const so = (await asked()).length;
    await request(next, 'one');
    await until(async () => (await lagSeconds(next)) > 0.5);
    expect(await asked()).toHaveLength(so);
    await bringBackAgain();
    await until(async () => (await asked()).length > so && (await unrelayed()) === 0);
    expect(await asked()).not.toContain('rolled-back');
  }, 60_000);
});

test('a hub that is killed before it has noted what it delivered: it is delivered again', async () => {
  const killed = await start(undefined);
  const [command, holder] = [await connect(), await connect()];
  await command.query(`begin; ${announcement} where code = 'one'`);
  // It has the table as soon as the command is done: from then on nobody can note anything in it.
  const held = holder.query('begin; lock table outbox in share mode');
  await until(() => isWaitingIn(kit.database.pool, 'lock table outbox'));
  await command.query('commit');
  await held;
  await until(async () => (await asked()).length === 1);
  await killed.kill();
  expect(await unrelayed()).toBe(1);
  await holder.query('rollback');
  await start(undefined);
  await until(async () => (await unrelayed()) === 0);
  await until(async () => {
    const { rows } = await kit.database.pool.query(`select distinct status from sync_run`);
    return rows.length === 1 && rows[0].status === 'SUCCEEDED';
  });
}, 40_000);
