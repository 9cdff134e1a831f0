/** The key with which the hub signs the tokens of systems: one for all processes on a database. */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type pg from 'pg';

type Pool = Pick<pg.Pool, 'query'>;

export const hubKeyAlgorithm = 'ES256';

const purpose = 'ACCESS_TOKEN';

/** The private key, made by whichever process comes first. */
export async function hubKey(pool: Pool): Promise<JWK> {
  const found = await read(pool);
  if (found !== null) return found;
  await pool.query('insert into signing_key (purpose, jwk) values ($1, $2) on conflict do nothing', [
    purpose,
    JSON.stringify(await newKey()),
  ]);
  return (await read(pool))!;
}

/** Replaces the key, at the loss of every token that is out. Processes take it up when they start. */
export async function replaceHubKey(pool: Pool): Promise<void> {
  await pool.query(
    `insert into signing_key (purpose, jwk) values ($1, $2)
     on conflict (purpose) do update set jwk = excluded.jwk, recorded_at = now()`,
    [purpose, JSON.stringify(await newKey())],
  );
}

async function read(pool: Pool): Promise<JWK | null> {
  const { rows } = await pool.query('select jwk from signing_key where purpose = $1', [purpose]);
  return rows[0]?.jwk ?? null;
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(hubKeyAlgorithm, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: hubKeyAlgorithm };
}
