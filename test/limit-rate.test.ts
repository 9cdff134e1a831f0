/** How much may be asked in a minute: counted for all processes together, in PostgreSQL or Redis, and never without a limit. */
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { makePlace } from '../src/demo/place.ts';
import type { LimitOptions } from '../src/limit/limit.ts';
import { localShare } from '../src/limit/rules.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { type Answer, coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import type { TestIssuer } from './setup/issuer.ts';
import { startRedis } from './setup/redis-server.ts';

const place = makePlace({ today });
const redisUrl = inject('redisUrl');

let shared: Awaited<ReturnType<typeof makeDemoDatabase>>;
beforeAll(async () => {
  shared = await makeDemoDatabase();
});
afterAll(() => shared.drop());

const open: TestHub[] = [];
afterEach(async () => {
  for (const kit of open.splice(0)) await kit.close();
});

async function hub(limit: LimitOptions, log?: PassThrough, issuer?: TestIssuer): Promise<TestHub> {
  const kit = await startTestHub({
    // It is dropped once, at the end.
    database: { url: shared.url, drop: async () => {} },
    now: noon,
    limit,
    ...(log === undefined ? {} : { log }),
    ...(issuer === undefined ? {} : { issuer }),
  });
  open.push(kit);
  return kit;
}

type Told = Answer & { extensions?: { cost: Record<string, number> } };

/** Somebody whom no other test here is. */
const somebody = () => ({ ...coordinator, sub: randomBytes(6).toString('hex') });

async function ask(kit: TestHub, query: string, claims: JWTPayload, variables: object = {}) {
  const authorization = `Bearer ${await kit.issuer.token(claims)}`;
  const response = await kit.send({ query, variables }, { authorization });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Told };
}

const page = '{ caseload(first: 99) { nodes { id } } }';
const command = `mutation { requestSync(input: { idempotencyKey: "${crypto.randomUUID()}", sourceCode: "wenshire-nhs" }) { source { code } userErrors { code } } }`;

/** Asks for pages of a hundred objects, in turns, until nobody is answered; gives how many objects were. */
async function askUntilRefused(kits: TestHub[], claims: JWTPayload, most = 60) {
  let given = 0;
  let refused = 0;
  for (let n = 0; n < most && refused < 2 * kits.length; n++) {
    const { status, body } = await ask(kits[n % kits.length]!, page, claims);
    if (status === 200) given += body.extensions!.cost.actual!;
    else refused += 1;
  }
  return given;
}

const minute = { pointsPerMinute: 2_000 };

describe('points', () => {
  test('past the limit it is 429, when to come again, and nobody else is held up', async () => {
    const kit = await hub({ limits: minute });
    const claims = somebody();
    const given = await askUntilRefused([kit], claims);
    expect(given).toBeGreaterThan(1_700);
    expect(given).toBeLessThanOrEqual(2_000);
    const { status, headers, body } = await ask(kit, page, claims);
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(body.errors![0]).toMatchObject({ extensions: { code: 'RATE_LIMITED', retryable: true } });
    expect(body.errors![0]!.message).toContain('of 2000 a minute left');
    expect(body.extensions!.cost).toMatchObject({ requested: 100, actual: 0 });
    // Another person, and the same at another application.
    expect((await ask(kit, page, somebody())).status).toBe(200);
    expect((await ask(kit, page, { ...claims, azp: 'another' })).status).toBe(200);
  });

  test('what was asked for and not got is given back', async () => {
    const kit = await hub({ limits: minute });
    const claims = somebody();
    // Each asks for up to a thousand objects and gets but one.
    const query = `{ person(id: "per_${'0'.repeat(32)}") { budgets { transfers(first: 100) { nodes { amount { amount } } } } } }`;
    for (let n = 0; n < 20; n++) {
      const { status, body } = await ask(kit, query, claims);
      expect(body.errors).toBeUndefined();
      expect(status).toBe(200);
      expect(body.extensions!.cost.requested).toBeGreaterThan(1_000);
    }
  });

  test.each(redisUrl === '' ? ['PostgreSQL'] : ['PostgreSQL', 'Redis'])(
    'two processes share them, counted in %s',
    async (where) => {
      const limit = { limits: minute, ...(where === 'Redis' ? { redisUrl } : {}) };
      const here = await hub(limit);
      // Of one issuer, so that somebody is one subject at both.
      const there = await hub(limit, undefined, here.issuer);
      const given = await askUntilRefused([here, there], somebody());
      // A little may lie unused in the hand of either.
      expect(given).toBeGreaterThan(1_700);
      expect(given).toBeLessThanOrEqual(2_000);
    },
  );
});

describe('lookups by NHS number', () => {
  const numbers = place.people.slice(0, 60).map(({ nhsNumber }) => nhsNumber);
  const lookups = { limits: { lookupsPerMinute: 20 } };

  test('are counted as asked for, aliases included, and passing the limit raises an alert that names nobody', async () => {
    let written = '';
    const log = new PassThrough();
    log.on('data', (chunk) => {
      written += chunk;
    });
    const kit = await hub(lookups, log);
    const claims = somebody();
    const aliased = (from: number, n: number) =>
      `{ ${numbers
        .slice(from, from + n)
        .map((number, i) => `a${i}: person(nhsNumber: "${number}") { id }`)
        .join(' ')} }`;
    expect((await ask(kit, aliased(0, 15), claims)).status).toBe(200);
    const { status, headers, body } = await ask(kit, aliased(15, 15), claims);
    expect([status, body.errors![0]!.extensions.code]).toEqual([429, 'LOOKUP_LIMIT']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(body.data).toBeUndefined();
    // By variable and one at a time it is no other way: five are left.
    const one = 'query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }';
    const codes: number[] = [];
    for (const n of numbers.slice(30, 37)) codes.push((await ask(kit, one, claims, { n })).status);
    expect(codes).toEqual([200, 200, 200, 200, 200, 429, 429]);
    // By id, or without a number, it is no lookup.
    expect((await ask(kit, '{ person(id: "per_x") { id } me { name } }', claims)).status).toBe(200);

    const alerts = written.split('\n').filter((line) => line.includes('lookup-limit'));
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).not.toMatch(/\d{10}/);
    expect(alerts[0]).not.toContain(claims.sub);
    const { rows } = await kit.database.pool.query(
      `select count(*)::int as n from audit_event where object = 'lookup-limit' and outcome = 'REFUSED' and subject like '%' || $1`,
      [claims.sub],
    );
    expect(rows[0].n).toBe(1);
    const metrics = await (await fetch(`${kit.hub.url}/metrics`)).text();
    expect(metrics).toMatch(/tandem_lookups_refused_total 3/);
  });
});

describe.skipIf(redisUrl === '')('without the store', () => {
  test('a process counts by itself, and far more strictly: commands and reads alike', async () => {
    const redis = (await startRedis())!;
    const kit = await hub({ limits: minute, redisUrl: redis.url });
    const before = somebody();
    // Until it is there, nothing was counted in it.
    await expect.poll(async () => (await ask(kit, page, before)).status).toBe(200);
    await redis.stop();
    const given = await askUntilRefused([kit], somebody());
    expect(given).toBeGreaterThan(0);
    expect(given).toBeLessThanOrEqual(minute.pointsPerMinute * localShare);
    const claims = somebody();
    const statuses: number[] = [];
    for (let n = 0; n < 20; n++) statuses.push((await ask(kit, command, claims)).status);
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
    const metrics = await (await fetch(`${kit.hub.url}/metrics`)).text();
    expect(metrics).toMatch(/tandem_limit_store_failures_total [1-9]/);
  });
});
