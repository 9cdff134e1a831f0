/**
 * The demo's own issuer, for the people of the made-up place. Its key lies in the data folder, so that the command line
 * can sign for whoever may read that folder, and nobody else. How a browser signs in is in `sign-in.ts`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK, SignJWT } from 'jose';

/** Who can sign in to the demo, and with which claims. `wenshire` and the founding people are in `place.ts`. */
export interface Persona {
  sub: string;
  name: string;
  tandem_role: string;
  organisation?: string;
  nhs_number?: string;
}

export interface DemoKey {
  kid: string;
  jwk: JWK;
}

export const demoAlgorithm = 'ES256';

export const demoIssuerUrl = (port: number) => `http://localhost:${port}/demo`;

const keyFile = (dataDir: string) => join(dataDir, 'demo-issuer.json');

/** The issuer's key in this data folder; null where the demo never ran. */
export async function readDemoKey(dataDir: string): Promise<DemoKey | null> {
  try {
    return JSON.parse(await readFile(keyFile(dataDir), 'utf8')) as DemoKey;
  } catch {
    return null;
  }
}

/** The issuer's key, made where there is none. */
export async function openDemoKey(dataDir: string): Promise<DemoKey> {
  const found = await readDemoKey(dataDir);
  if (found !== null) return found;
  const { privateKey } = await generateKeyPair(demoAlgorithm, { extractable: true });
  const key = { kid: crypto.randomUUID(), jwk: await exportJWK(privateKey) };
  await mkdir(dataDir, { recursive: true });
  await writeFile(keyFile(dataDir), JSON.stringify(key), { mode: 0o600 });
  return key;
}

/** The key that its tokens are checked with. The hub need not ask itself for it over HTTP. */
export const demoPublicKeys = ({ kid, jwk: { d: _private, ...jwk } }: DemoKey): JSONWebKeySet => ({
  keys: [{ ...jwk, kid, alg: demoAlgorithm, use: 'sig' }],
});

export const demoTokenSeconds = 8 * 3600;

/** A token for one of the demo's people, good for a working day. */
export async function demoToken(
  persona: Persona,
  { issuer, audience, key, now }: { issuer: string; audience: string; key: DemoKey; now: Date },
): Promise<string> {
  const { sub, ...claims } = persona;
  const issuedAt = Math.floor(now.getTime() / 1000);
  return new SignJWT({ ...claims, auth_time: issuedAt })
    .setProtectedHeader({ alg: demoAlgorithm, kid: key.kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + demoTokenSeconds)
    .sign(await importJWK(key.jwk, demoAlgorithm));
}
