/**
 * The demo's own sign-in: an issuer at the hub's own address, for the people of the made-up place. Its key lies in
 * the data folder, so that the command line can sign for whoever may read that folder, and nobody else.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** Who can sign in to the demo, and with which claims. `wenshire` and the founding people are in `place.ts`. */
export interface Persona {
  sub: string;
  name: string;
  tandem_role: string;
  organisation?: string;
  nhs_number?: string;
}

interface Key {
  kid: string;
  jwk: JWK;
}

const algorithm = 'ES256';

export const demoIssuerUrl = (port: number) => `http://localhost:${port}/demo`;

const keyFile = (dataDir: string) => join(dataDir, 'demo-issuer.json');

/** The issuer's key in this data folder; null where the demo never ran. */
export async function readDemoKey(dataDir: string): Promise<Key | null> {
  try {
    return JSON.parse(await readFile(keyFile(dataDir), 'utf8')) as Key;
  } catch {
    return null;
  }
}

/** The issuer's key, made where there is none. */
export async function openDemoKey(dataDir: string): Promise<Key> {
  const found = await readDemoKey(dataDir);
  if (found !== null) return found;
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const key = { kid: crypto.randomUUID(), jwk: await exportJWK(privateKey) };
  await mkdir(dataDir, { recursive: true });
  await writeFile(keyFile(dataDir), JSON.stringify(key), { mode: 0o600 });
  return key;
}

/** What `/.well-known/openid-configuration` and `/jwks` answer. */
export function demoDocuments(issuer: string, { kid, jwk: { d: _private, ...jwk } }: Key) {
  return {
    configuration: {
      issuer,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [algorithm],
    },
    jwks: { keys: [{ ...jwk, kid, alg: algorithm, use: 'sig' }] },
  };
}

/** A token for one of the demo's people, good for a working day. */
export async function demoToken(
  persona: Persona,
  { issuer, audience, key, now }: { issuer: string; audience: string; key: Key; now: Date },
): Promise<string> {
  const { sub, ...claims } = persona;
  const issuedAt = Math.floor(now.getTime() / 1000);
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: algorithm, kid: key.kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + 8 * 3600)
    .sign(await importJWK(key.jwk, algorithm));
}
