/** The applications that are registered with the hub, by the operator. */
import { exportJWK, importSPKI, type JSONWebKeySet, type JWK } from 'jose';
import type pg from 'pg';
import { z } from 'zod';
import { Fault } from '../platform/fault.ts';
import { type ViewerRole, viewerRoles } from './viewer.ts';

type Pool = Pick<pg.Pool, 'query'>;

/** What an application that signs in for itself may be. People sign in with their own name. */
export const clientRoles = viewerRoles.filter((role) => role !== 'PERSON' && role !== 'REPRESENTATIVE');

/** The only algorithm of a client's assertion, as NHS England asks of those who call its interfaces. */
export const assertionAlgorithm = 'RS512';

export interface ClientApplication {
  /** As it calls itself: `client_id`, or `azp` of the tokens that people get through it. */
  id: string;
  name: string;
  /** ODS code of the organisation it acts for. */
  organisation: string | null;
  /** Null for one that only carries the tokens of people. */
  role: ViewerRole | null;
  /** Public keys. Null for one that never signs in for itself. */
  jwks: JSONWebKeySet | null;
  enabled: boolean;
  /** It may send nothing but documents that are known. */
  documentsOnly: boolean;
}

const columns = `c.id, c.name, o.ods_code as organisation, c.role, c.jwks, c.enabled, c.documents_only as "documentsOnly"`;
const from = 'client_application c left join organisation o on o.id = c.organisation_id';

/** Registers an application, or brings it up to date, and enables it. @throws Fault USAGE */
export async function putClient(pool: Pool, client: Omit<ClientApplication, 'enabled'>): Promise<void> {
  const { id, name, organisation, role, jwks, documentsOnly } = client;
  if (!/^[\w.:-]{1,200}$/.test(id))
    throw new Fault('USAGE', 'An id has 1 to 200 letters, digits and . _ : -, and no spaces.');
  if ((role === null) !== (jwks === null))
    throw new Fault('USAGE', 'Who signs in for itself needs both a role and a key; others need neither.');
  const { rowCount } = await pool.query(
    `insert into client_application (id, name, organisation_id, role, jwks, documents_only)
     select $1, $2, o.id, $4, $5, $6 from (select) as nothing left join organisation o on o.ods_code = $3
      where $3::text is null or o.id is not null
     on conflict (id) do update set name = excluded.name, organisation_id = excluded.organisation_id,
       role = excluded.role, jwks = excluded.jwks, documents_only = excluded.documents_only, enabled = true`,
    [id, name, organisation, role, jwks === null ? null : JSON.stringify(jwks), documentsOnly],
  );
  if (rowCount === 0)
    throw new Fault('USAGE', 'The hub knows no such organisation. Add it first: organisation add');
}

export async function listClients(pool: Pool): Promise<ClientApplication[]> {
  return (await pool.query(`select ${columns} from ${from} order by c.id`)).rows;
}

/** Null where there is none, and where it was disabled. */
export async function enabledClient(pool: Pool, id: string): Promise<ClientApplication | null> {
  const { rows } = await pool.query(`select ${columns} from ${from} where c.id = $1 and c.enabled`, [id]);
  return rows[0] ?? null;
}

/** False where there is none. Tokens it has are good for their last minutes. */
export async function disableClient(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query('update client_application set enabled = false where id = $1', [id]);
  return rowCount === 1;
}

const rsaKey = z.object({ kty: z.literal('RSA'), n: z.string().min(342), e: z.string() });

/** Public keys of a PEM file, a JWK or a set of them. @throws Fault USAGE, also for a private key */
export async function readPublicKeys(text: string): Promise<JSONWebKeySet> {
  const keys = await keysIn(text);
  for (const key of keys) {
    if ('d' in key) throw new Fault('USAGE', 'That is a private key. Keep it; register the public one.');
    if (!rsaKey.safeParse(key).success) throw noKeys();
  }
  if (keys.length === 0) throw noKeys();
  return { keys };
}

async function keysIn(text: string): Promise<JWK[]> {
  if (text.includes('PRIVATE KEY')) return [{ kty: 'RSA', d: '' }];
  try {
    if (text.includes('BEGIN PUBLIC KEY')) {
      return [await exportJWK(await importSPKI(text, assertionAlgorithm, { extractable: true }))];
    }
    const found = JSON.parse(text);
    return Array.isArray(found.keys) ? found.keys : [found];
  } catch {
    throw noKeys();
  }
}

const noKeys = () =>
  new Fault('USAGE', 'The key is an RSA public key of 2048 bits or more, as PEM, JWK or JWKS.');

/** How long another process may not have heard yet what an operator changed. */
const lookAgainMs = 30_000;

/** Tells of an application whether it may send nothing but documents that are known: asked of memory, kept up to date. */
export async function watchDocumentsOnly(pool: Pool): Promise<(id: string) => boolean> {
  let known = new Set<string>();
  const look = async () => {
    const { rows } = await pool.query<{ id: string }>(
      'select id from client_application where documents_only',
    );
    known = new Set(rows.map(({ id }) => id));
  };
  await look();
  // What was known holds while the database does not answer.
  setInterval(() => void look().catch(() => {}), lookAgainMs).unref();
  return (id) => known.has(id);
}
