import { createHmac } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, coordinator, publicUrl, startTestHub, type TestHub } from './setup/hub.ts';
import { startIssuer } from './setup/issuer.ts';

const operation = { query: '{ me { name role } }' };
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe('a token that must not be believed', () => {
  let kit: TestHub;
  let other: Awaited<ReturnType<typeof startIssuer>>;
  let statements: pg.Client;

  beforeAll(async () => {
    kit = await startTestHub();
    other = await startIssuer();
    statements = new pg.Client({ connectionString: kit.database.url });
    await statements.connect();
    // What the hub does at its first request, such as opening connections, is not what is counted here.
    await kit.ask(operation.query);
  });
  afterAll(async () => {
    await statements.end();
    await other.close();
    await kit.close();
  });

  /** Statements this database has run so far, by anybody but this question itself. */
  async function statementsRun(): Promise<number> {
    const { rows } = await statements.query(
      `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements(false) s
        where dbid = (select oid from pg_database where datname = current_database())`,
    );
    return rows[0].calls;
  }

  const forged: [string, () => Promise<string | null>][] = [
    ['none at all', async () => null],
    ['words', async () => 'let me in'],
    [
      'alg none',
      async () =>
        `${base64url({ alg: 'none' })}.${base64url({ ...coordinator, iss: kit.issuer.url, aud: 'tandem', exp: inSeconds(60) })}.`,
    ],
    [
      'signed with the public key as a shared secret',
      async () => {
        const signed = `${base64url({ alg: 'HS256', kid: kit.issuer.publicKey().kid })}.${base64url({ ...coordinator, iss: kit.issuer.url, aud: 'tandem', exp: inSeconds(60) })}`;
        const secret = JSON.stringify(kit.issuer.publicKey());
        return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
      },
    ],
    ['of another issuer', () => other.token(coordinator)],
    ['of another issuer that names ours', () => other.token(coordinator, { iss: kit.issuer.url })],
    ['of the hub itself, by another key', () => other.token(coordinator, { iss: publicUrl })],
    ['of nobody', () => kit.issuer.token({ ...coordinator, sub: '' })],
    ['for another service', () => kit.issuer.token(coordinator, { aud: 'another' })],
    ['expired', () => kit.issuer.token(coordinator, { exp: inSeconds(-60) })],
    ['that never expires', () => kit.issuer.token(coordinator, { exp: undefined as never })],
    ['not valid yet', () => kit.issuer.token(coordinator, { nbf: inSeconds(120) })],
    ['with an unknown key id', () => kit.issuer.token(coordinator, {}, { kid: 'unknown' })],
    ['without a role', () => kit.issuer.token({ sub: 'x' })],
    ['with a role that does not exist', () => kit.issuer.token({ ...coordinator, tandem_role: 'SUPERUSER' })],
    [
      'of staff without an organisation',
      () => kit.issuer.token({ sub: 'x', tandem_role: 'CARE_COORDINATOR' }),
    ],
    ['of a person without an NHS number', () => kit.issuer.token({ sub: 'x', tandem_role: 'PERSON' })],
    [
      'whose content was changed',
      async () => {
        const [head, , signature] = (await kit.issuer.token(coordinator)).split('.');
        return `${head}.${base64url({ ...coordinator, iss: kit.issuer.url, aud: 'tandem', exp: inSeconds(60), organisation: '999' })}.${signature}`;
      },
    ],
  ];

  test.each(forged)('%s: 401, and the database never hears of it', async (_name, make) => {
    const token = await make();
    const before = await statementsRun();
    const response = await kit.send(operation, token === null ? {} : { authorization: `Bearer ${token}` });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    const { errors } = (await response.json()) as Answer;
    expect(errors).toEqual([
      {
        message: expect.stringContaining('Sign in'),
        extensions: {
          code: 'UNAUTHENTICATED',
          retryable: false,
          requestId: response.headers.get('x-request-id'),
        },
      },
    ]);
    // The question itself is one statement more, once it has been asked before.
    expect((await statementsRun()) - before).toBe(1);
  });

  test('what is counted there moves when a good token asks', async () => {
    const before = await statementsRun();
    expect((await kit.ask(operation.query)).data.me.role).toBe('CARE_COORDINATOR');
    expect((await statementsRun()) - before).toBeGreaterThan(1);
  });
});

describe("the issuer's keys", () => {
  test('a new key is picked up without a restart, and the old one is no longer good', async () => {
    let seconds = 0;
    const kit = await startTestHub({ askAgainAfterMs: 0, now: () => new Date(Date.now() + seconds * 1000) });
    try {
      const old = await kit.issuer.token(coordinator, { exp: inSeconds(3600) });
      expect((await kit.send(operation, { authorization: `Bearer ${old}` })).status).toBe(200);
      await kit.issuer.rotate();
      expect((await kit.ask(operation.query)).data.me.name).toBe('Nadia');
      // A checked token is remembered for half a minute; after that it is checked against the keys of now.
      seconds = 60;
      expect((await kit.send(operation, { authorization: `Bearer ${old}` })).status).toBe(401);
    } finally {
      await kit.close();
    }
  });

  test('while the issuer is down known keys serve until their time is up, then nobody comes in', async () => {
    let seconds = 0;
    const kit = await startTestHub({
      keysForMs: 1_000,
      askAgainAfterMs: 0,
      now: () => new Date(Date.now() + seconds * 1000),
    });
    try {
      expect((await kit.ask(operation.query)).data.me.name).toBe('Nadia');
      kit.issuer.setDown(true);
      expect((await kit.ask(operation.query)).data.me.name).toBe('Nadia');
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      seconds = 60;
      const response = await kit.send(operation, {
        authorization: `Bearer ${await kit.issuer.token(coordinator, { exp: inSeconds(3600) })}`,
      });
      expect(response.status).toBe(503);
      expect(((await response.json()) as Answer).errors![0]!.extensions).toMatchObject({
        code: 'SIGN_IN_UNAVAILABLE',
        retryable: true,
      });
    } finally {
      await kit.close();
    }
  });
});
