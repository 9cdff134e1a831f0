/** A hub that does TLS itself, and lets in only whom its authority vouches for. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '../src/platform/environment.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

const folder = mkdtempSync(join(tmpdir(), 'tandem-tls-'));
const file = (name: string) => join(folder, name);
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** An authority of the test's own. */
function authority(name: string) {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.crt`),
  );
}

/** A certificate that it signed, for so many days from now: with none it is over at once. */
function certificate(name: string, by: string, days = 2) {
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.csr`),
  );
  openssl(
    'x509',
    '-req',
    '-in',
    file(`${name}.csr`),
    '-CA',
    file(`${by}.crt`),
    '-CAkey',
    file(`${by}.key`),
    '-CAcreateserial',
    '-copy_extensions',
    'copy',
    '-days',
    String(days),
    '-out',
    file(`${name}.crt`),
  );
}

const pem = (name: string, kind: 'crt' | 'key') => readFileSync(file(`${name}.${kind}`));

let kit: TestHub;
beforeAll(async () => {
  for (const name of ['ours', 'theirs']) authority(name);
  certificate('hub', 'ours');
  certificate('known', 'ours');
  certificate('over', 'ours', 0);
  certificate('stranger', 'theirs');
  kit = await startTestHub({
    tls: { cert: pem('hub', 'crt'), key: pem('hub', 'key'), clientCa: pem('ours', 'crt') },
  });
});
afterAll(async () => {
  await kit.close();
  rmSync(folder, { recursive: true });
});

/** The status, or the code of why there is no connection. */
async function ask(client: string | null, options: object = {}): Promise<unknown> {
  const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
  return new Promise((resolve) => {
    const req = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port: kit.hub.port,
        path: '/graphql',
        method: 'POST',
        agent: false,
        ca: pem('ours', 'crt'),
        headers: { 'content-type': 'application/json', authorization },
        ...(client === null ? {} : { cert: pem(client, 'crt'), key: pem(client, 'key') }),
        ...options,
      },
      (res) => {
        res.resume();
        resolve(res.statusCode);
      },
    );
    req.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    req.end(JSON.stringify({ query: '{ me { name } }' }));
  });
}

test('whom the authority vouches for is let in, and nobody else gets to say anything', async () => {
  const before = kit.database.reader.sent();
  expect(await ask(null)).toMatch(/SSL|ECONNRESET|EPIPE/);
  expect(await ask('stranger')).toMatch(/SSL|ECONNRESET|EPIPE/);
  expect(await ask('over')).toMatch(/SSL|ECONNRESET|EPIPE/);
  expect(kit.database.reader.sent()).toBe(before);
  expect(await ask('known')).toBe(200);
  // What is older than TLS 1.2 is not spoken.
  expect(await ask('known', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).toMatch(/SSL|ECONNRESET|EPROTO/);
});

test('plain HTTP is not answered', async () => {
  await expect(fetch(`http://127.0.0.1:${kit.hub.port}/healthz`)).rejects.toThrow();
});

test('a certificate without its key is told at the start', () => {
  expect(() => readEnvironment({ TLS_CERT_FILE: '/a' })).toThrow('TLS_KEY_FILE: missing');
  expect(() => readEnvironment({ TLS_CLIENT_CA_FILE: '/a' })).toThrow('TLS_CERT_FILE: missing');
  expect(readEnvironment({ TLS_CERT_FILE: '/a', TLS_KEY_FILE: '/b' }).tls).toEqual({
    certFile: '/a',
    keyFile: '/b',
    clientCaFile: undefined,
  });
});
