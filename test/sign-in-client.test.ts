/** Systems sign in with a JWT that they sign themselves: once, for this hub, with their own key, and for minutes. */
import { spawn } from 'node:child_process';
import { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CryptoKey,
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  disableClient,
  enabledClient,
  listClients,
  putClient,
  readPublicKeys,
} from '../src/access/client.ts';
import { putOrganisation } from '../src/intake/source.ts';
import { makeDatabase } from './setup/database.ts';
import { publicUrl, startTestHub, type TestHub } from './setup/hub.ts';

const endpoint = `${publicUrl}/oauth/token`;
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

let kit: TestHub;
let own: CryptoKey;
let another: CryptoKey;
beforeAll(async () => {
  kit = await startTestHub();
  const { pool } = kit.database;
  await putOrganisation(pool, { kind: 'COUNCIL', code: '999', name: 'Wenshire Council' });
  const register = async (id: string) => {
    const { publicKey, privateKey } = await generateKeyPair('RS512', { extractable: true });
    const jwks = await readPublicKeys(await exportSPKI(publicKey));
    const client = {
      id,
      name: `System ${id}`,
      organisation: '999',
      role: 'FINANCE',
      documentsOnly: false,
    } as const;
    await putClient(pool, { ...client, jwks });
    return privateKey;
  };
  own = await register('ledger');
  another = await register('other');
});
afterAll(() => kit.close());

interface Made {
  key?: CryptoKey | KeyObject;
  alg?: string;
  claims?: JWTPayload;
}

const assertion = ({ key = own, alg = 'RS512', claims = {} }: Made = {}) =>
  new SignJWT({
    iss: 'ledger',
    sub: 'ledger',
    aud: endpoint,
    jti: crypto.randomUUID(),
    exp: inSeconds(240),
    ...claims,
  })
    .setProtectedHeader({ alg })
    .sign(key);

const post = (form: Record<string, string> | string, base = `http://127.0.0.1:${kit.hub.port}`) =>
  fetch(`${base}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: typeof form === 'string' ? form : new URLSearchParams(form),
  });

const exchange = (signed: string, base?: string) =>
  post(
    {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: signed,
    },
    base,
  );

async function lastEvent() {
  const { rows } = await kit.database.pool.query(
    `select subject, role, organisation, object, outcome, reason from audit_event order by id desc limit 1`,
  );
  return rows[0];
}

describe('an assertion', () => {
  test('gives a token for minutes, with which the system is who it is registered as', async () => {
    const response = await exchange(await assertion());
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const answer = (await response.json()) as { access_token: string };
    expect(answer).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 300 });
    expect(await lastEvent()).toEqual({
      subject: `${publicUrl}#ledger`,
      role: 'FINANCE',
      organisation: '999',
      object: 'token',
      outcome: 'DONE',
      reason: null,
    });
    const me = await kit.send(
      { query: '{ me { name role organisation { code } } }' },
      { authorization: `Bearer ${answer.access_token}` },
    );
    expect(await me.json()).toMatchObject({
      data: { me: { name: 'System ledger', role: 'FINANCE', organisation: { code: '999' } } },
    });
  });

  test('is good once, also when it is sent many times at the same moment', async () => {
    const signed = await assertion();
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await exchange(signed)).status),
    );
    expect(statuses.sort()).toEqual([200, ...Array(7).fill(401)]);
    expect((await exchange(signed)).status).toBe(401);
    expect(await lastEvent()).toMatchObject({ outcome: 'REFUSED', reason: 'ASSERTION_REUSED' });
  });

  const jti = { jti: undefined as never };
  test.each<[string, () => Promise<string>, string]>([
    ['that ends in six minutes', () => assertion({ claims: { exp: inSeconds(360) } }), 'ASSERTION_TOO_LONG'],
    [
      'for another service',
      () => assertion({ claims: { aud: `${endpoint}/` } }),
      'ERR_JWT_CLAIM_VALIDATION_FAILED',
    ],
    [
      'for several services',
      () => assertion({ claims: { aud: [endpoint, 'https://another.test'] } }),
      'ASSERTION_AUDIENCE',
    ],
    [
      'with the key of another client',
      () => assertion({ key: another }),
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ],
    [
      'with a weaker algorithm',
      () => assertion({ key: KeyObject.from(own), alg: 'RS256' }),
      'ERR_JOSE_ALG_NOT_ALLOWED',
    ],
    ['that has expired', () => assertion({ claims: { exp: inSeconds(-1) } }), 'ERR_JWT_EXPIRED'],
    [
      'without an end',
      () => assertion({ claims: { exp: undefined as never } }),
      'ERR_JWT_CLAIM_VALIDATION_FAILED',
    ],
    ['not valid yet', () => assertion({ claims: { nbf: inSeconds(60) } }), 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['without an id', () => assertion({ claims: jti }), 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['with an empty id', () => assertion({ claims: { jti: '' } }), 'ASSERTION_ID'],
  ])('%s is refused, and an account of it is kept', async (_name, make, reason) => {
    const response = await exchange(await make());
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: 'invalid_client' });
    expect(await lastEvent()).toMatchObject({
      subject: `${publicUrl}#ledger`,
      object: 'token',
      outcome: 'REFUSED',
      reason,
    });
  });

  test('of nobody, of somebody for another, or of one that was disabled is refused', async () => {
    const unknown = { iss: 'nobody', sub: 'nobody' };
    expect((await exchange(await assertion({ claims: unknown }))).status).toBe(401);
    expect((await exchange(await assertion({ claims: { sub: 'other' } }))).status).toBe(401);
    expect((await exchange('let.me.in')).status).toBe(401);
    await putClient(kit.database.pool, {
      id: 'portal',
      name: 'Portal',
      organisation: null,
      role: null,
      jwks: null,
      documentsOnly: true,
    });
    expect((await exchange(await assertion({ claims: { iss: 'portal', sub: 'portal' } }))).status).toBe(401);
    const others = await assertion({ key: another, claims: { iss: 'other', sub: 'other' } });
    expect(await disableClient(kit.database.pool, 'other')).toBe(true);
    expect((await exchange(others)).status).toBe(401);
  });

  test('that has long expired is not kept', async () => {
    const { pool } = kit.database;
    await pool.query(
      `insert into client_assertion values ('ledger', 'old', now() - interval '1 hour'), ('ledger', 'recent', now() - interval '1 minute')`,
    );
    await exchange(await assertion());
    const { rows } = await pool.query(`select jti from client_assertion where jti in ('old', 'recent')`);
    expect(rows).toEqual([{ jti: 'recent' }]);
  });

  test('without its form, or with another, is no request', async () => {
    for (const form of ['', 'grant_type=password', 'grant_type=client_credentials', 'x'.repeat(20_000)]) {
      const response = await post(form);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: expect.stringMatching(/^(unsupported|invalid)_/),
      });
    }
  });
});

test('a registered application is as it was last said, and its key is a public one', async () => {
  const { pool } = kit.database;
  const { publicKey, privateKey } = await generateKeyPair('RS512', { extractable: true });
  const client = { id: 'kept', name: 'Kept', organisation: '999', documentsOnly: false };
  const jwks = await readPublicKeys(JSON.stringify({ keys: [await exportJWK(publicKey)] }));
  await putClient(pool, { ...client, role: 'PROVIDER', jwks });
  await disableClient(pool, 'kept');
  expect(await enabledClient(pool, 'kept')).toBeNull();
  await putClient(pool, { ...client, name: 'Kept anew', role: 'FINANCE', jwks, documentsOnly: true });
  expect((await listClients(pool)).find(({ id }) => id === 'kept')).toEqual({
    ...client,
    name: 'Kept anew',
    role: 'FINANCE',
    jwks,
    enabled: true,
    documentsOnly: true,
  });
  await expect(putClient(pool, { ...client, role: null, jwks })).rejects.toThrow('both a role and a key');
  await expect(putClient(pool, { ...client, organisation: '998', role: null, jwks: null })).rejects.toThrow(
    'no such organisation',
  );
  await expect(readPublicKeys(await exportPKCS8(privateKey))).rejects.toThrow('private key');
  await expect(readPublicKeys(JSON.stringify(await exportJWK(privateKey)))).rejects.toThrow('private key');
  await expect(readPublicKeys('{"keys":[]}')).rejects.toThrow('RSA public key');
});

describe('two processes of one hub', () => {
  let database: Awaited<ReturnType<typeof makeDatabase>>;
  let folder: string;
  const running: { url: string; stop: () => Promise<unknown> }[] = [];

  async function startProcess() {
    const env = {
      ...process.env,
      DATABASE_URL: database.url,
      REDIS_URL: '',
      DATA_DIR: folder,
      PORT: '0',
      PUBLIC_URL: publicUrl,
      OIDC_ISSUER: 'http://127.0.0.1:1',
      LOG_LEVEL: 'silent',
    };
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'api'], { env });
    const gone = once(child, 'exit');
    let said = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        said += chunk;
        const found = /Ready after .*: (\S+)\/graphql/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      child.on('exit', () => reject(new Error(said)));
    });
    running.push({
      url,
      async stop() {
        child.kill('SIGTERM');
        await gone;
      },
    });
  }

  beforeAll(async () => {
    database = await makeDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tandem-client-'));
    await Promise.all([startProcess(), startProcess()]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(running.map(({ stop }) => stop()));
    await database.drop();
    await rm(folder, { recursive: true });
  });

  test('take an assertion once between them, and accept the tokens of each other', async () => {
    const pool = new pg.Pool({ connectionString: database.url });
    const { publicKey, privateKey } = await generateKeyPair('RS512', { extractable: true });
    await putOrganisation(pool, { kind: 'COUNCIL', code: '999', name: 'Wenshire Council' });
    await putClient(pool, {
      id: 'ledger',
      name: 'Ledger',
      organisation: '999',
      role: 'FINANCE',
      jwks: await readPublicKeys(await exportSPKI(publicKey)),
      documentsOnly: false,
    });
    await pool.end();

    const [one, other] = [running[0]!, running[1]!];
    const signed = await assertion({ key: privateKey });
    const first = await exchange(signed, one.url);
    expect(first.status).toBe(200);
    expect((await exchange(signed, other.url)).status).toBe(401);
    expect((await exchange(await assertion({ key: privateKey }), other.url)).status).toBe(200);

    const { access_token } = (await first.json()) as { access_token: string };
    const me = await fetch(`${other.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${access_token}` },
      body: JSON.stringify({ query: '{ me { role } }' }),
    });
    expect(await me.json()).toMatchObject({ data: { me: { role: 'FINANCE' } } });
  });
});
