/** A browser signs in to the demo as one of its people, and the hub knows them. No script is needed for it. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { soleIssuer } from '../src/access/sign-in.ts';
import { demoIssuerUrl, demoPublicKeys, openDemoKey } from '../src/demo/issuer.ts';
import { personas } from '../src/demo/persona.ts';
import { makePlace } from '../src/demo/place.ts';
import { addDemoSignIn, demoClient } from '../src/demo/sign-in.ts';
import { today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { audience } from './setup/issuer.ts';

const people = personas(makePlace({ today, size: 20 }));
const issuer = demoIssuerUrl(4000);
const redirect = 'http://localhost:4000/signed-in';

let folder: string;
let kit: TestHub;
let base: string;
const warned = vi.spyOn(console, 'warn');
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-demo-'));
  const key = await openDemoKey(folder);
  kit = await startTestHub({
    issuers: [{ ...soleIssuer(issuer, audience), keys: createLocalJWKSet(demoPublicKeys(key)) }],
    extend: (app) => addDemoSignIn(app, { issuer, audience, key, personas: people }),
  });
  base = `http://127.0.0.1:${kit.hub.port}`;
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true });
});

/** Keeps cookies, and shows where it is sent instead of going there. */
function openBrowser() {
  const cookies = new Map<string, string>();
  return async (path: string, form?: Record<string, string>) => {
    const response = await fetch(new URL(path, base), {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (value === '') cookies.delete(name!);
      else cookies.set(name!, value!);
    }
    return response;
  };
}

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');

const authorization = (changes: Record<string, string> = {}) =>
  `/demo/auth?${new URLSearchParams({
    client_id: demoClient.id,
    response_type: 'code',
    scope: 'openid profile',
    redirect_uri: redirect,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'xyz',
    ...changes,
  })}`;

const exchange = (code: string, code_verifier = verifier) =>
  fetch(`${base}/demo/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: demoClient.id,
      redirect_uri: redirect,
      code,
      code_verifier,
    }),
  });

async function signInAs(name: string) {
  const browser = openBrowser();
  const page = (await browser(authorization())).headers.get('location')!;
  const back = await browser(page, { name });
  const done = await browser(back.headers.get('location')!);
  return { browser, code: new URL(done.headers.get('location')!).searchParams.get('code')! };
}

test('everybody of the demo is on the page, which needs no script and lets none run', async () => {
  const browser = openBrowser();
  const start = await browser(authorization());
  expect(start.status).toBe(303);
  const page = await browser(start.headers.get('location')!);
  expect(page.status).toBe(200);
  const policy = page.headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const text = await page.text();
  for (const [name, { name: full }] of Object.entries(people)) {
    expect(text).toContain(`value="${name}"`);
    expect(text).toContain(full.replaceAll("'", '&#39;'));
  }
  expect(text).not.toContain('<script');
  const style = /<style>([\s\S]*)<\/style>/.exec(text)![1]!;
  expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
});

test('whoever is chosen comes back with a code, whose token the hub accepts', async () => {
  for (const name of ['care-coordinator', 'person'] as const) {
    const { code } = await signInAs(name);
    const { access_token } = (await (await exchange(code)).json()) as { access_token: string };
    expect(decodeJwt(access_token)).toMatchObject({
      iss: issuer,
      aud: audience,
      client_id: demoClient.id,
      auth_time: expect.any(Number),
      ...people[name],
    });
    const answer = await kit.send(
      { query: '{ me { name role } }' },
      { authorization: `Bearer ${access_token}` },
    );
    const { name: full, tandem_role: role } = people[name];
    expect(await answer.json()).toMatchObject({ data: { me: { name: full, role } } });
    // A code is good once.
    expect((await exchange(code)).status).toBe(400);
  }
  expect(warned).not.toHaveBeenCalled();
});

test('nobody comes in without choosing, with another verifier, to another address, or without a challenge', async () => {
  const { code } = await signInAs('person');
  expect((await exchange(code, randomBytes(32).toString('base64url'))).status).toBe(400);

  const browser = openBrowser();
  const page = (await browser(authorization())).headers.get('location')!;
  expect((await browser(page, { name: 'nobody' })).status).toBe(400);
  expect((await openBrowser()(page, { name: 'person' })).status).toBe(400);
  expect((await openBrowser()('/demo/sign-in/none')).status).toBe(400);

  const elsewhere = await browser(authorization({ redirect_uri: 'https://elsewhere.test/signed-in' }));
  expect(elsewhere.status).toBe(400);
  expect(elsewhere.headers.get('location')).toBeNull();
  const plain = await browser(authorization({ code_challenge: '', code_challenge_method: '' }));
  expect(new URL(plain.headers.get('location')!).searchParams.get('error')).toBe('invalid_request');
});

test('the next to sign in with the same browser says anew who they are', async () => {
  const { browser } = await signInAs('person');
  expect((await browser(authorization())).headers.get('location')).toContain('/demo/sign-in/');
});

test('its description is that of any issuer', async () => {
  const response = await fetch(`${base}/demo/.well-known/openid-configuration`);
  expect(await response.json()).toMatchObject({
    issuer,
    jwks_uri: `${base}/demo/jwks`,
    authorization_endpoint: `${base}/demo/auth`,
    token_endpoint: `${base}/demo/token`,
  });
});
