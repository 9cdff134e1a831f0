/**
 * A file arrives at the address that `requestEvidenceUpload` or `requestBulkUpload` gave. The address is the authority: signed, for a quarter
 * of an hour, for one file. Nothing of a file that is refused is kept, and then the address may be used again.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Readable } from 'node:stream';
import type pg from 'pg';
import type { Viewer, ViewerRole } from '../access/viewer.ts';
import { viewerRoles } from '../access/viewer.ts';
import { type AuditEvent, eventsStatement } from '../audit/store.ts';
import { type Sql, transaction } from '../platform/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Arrived, Files } from '../platform/file.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { evidencePrefix } from '../spending/prefix.ts';
import { documents, mediaTypeOf, tables } from './type.ts';

export const uploadPrefix = 'upl';

/** Long enough to take a photograph; short enough that a forgotten address is worth nothing. */
export const uploadForMs = 15 * 60_000;

const maxFileBytes = 20 * 2 ** 20;

export interface Upload {
  id: string;
  expiresAt: Date;
}

type Asker = Pick<Viewer, 'subject' | 'role' | 'organisation'>;

const signed = (upload: Upload, as: string) =>
  `evidence-upload ${upload.id} ${upload.expiresAt.getTime()} ${as}`;

/** The address, from the hub's own. It names nobody: `as` is the role and organisation the audit will name. */
export async function uploadUrl(
  files: Pick<Files, 'sign'>,
  upload: Upload,
  { role, organisation }: Pick<Viewer, 'role' | 'organisation'>,
): Promise<string> {
  const as = organisation === null ? role : `${role}.${organisation}`;
  const signature = await files.sign(signed(upload, as));
  const query = new URLSearchParams({ expires: String(upload.expiresAt.getTime()), as, signature });
  return `/evidence/upload/${idOf(uploadPrefix, upload.id)}?${query}`;
}

const notValid = () =>
  new Fault('UPLOAD_NOT_VALID', 'This is no address that the hub gave. Ask for a new upload.');

/** @throws Fault UPLOAD_NOT_VALID where the hub never gave this address */
async function readUrl(files: Pick<Files, 'sign'>, { pathname, searchParams }: URL) {
  const id = uuidOf(uploadPrefix, pathname.slice('/evidence/upload/'.length));
  const as = searchParams.get('as') ?? '';
  const expiresAt = new Date(Number(searchParams.get('expires')));
  if (id === null || Number.isNaN(expiresAt.getTime())) throw notValid();
  const wanted = Buffer.from(await files.sign(signed({ id, expiresAt }, as)));
  const given = Buffer.from(searchParams.get('signature') ?? '');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw notValid();
  const [role, organisation = null] = as.split('.');
  return { id, expiresAt, role: viewerRoles.find((known) => known === role) as ViewerRole, organisation };
}

export interface UploadTools {
  pool: pg.Pool;
  files: Files;
  now: () => Date;
}

interface Ticket {
  /** Whose document it is; null for a bulk file, which is an organisation's. */
  person_id: string | null;
  kind: string | null;
  file_name: string;
  dated: string | null;
  subject: string;
}

/**
 * Takes the file in, once.
 *
 * @throws Fault UPLOAD_NOT_VALID, UPLOAD_EXPIRED, UPLOAD_USED, EVIDENCE_TOO_LARGE, EVIDENCE_EMPTY, EVIDENCE_TYPE,
 *   EVIDENCE_INFECTED, or SCANNER_UNAVAILABLE and FILE_STORE_UNAVAILABLE, after which it can be sent again
 */
export async function takeUpload(
  tools: UploadTools,
  {
    url,
    body,
    requestId,
    correlationId,
  }: { url: URL; body: Readable } & Pick<AuditEvent, 'requestId' | 'correlationId'>,
): Promise<{ evidenceId: string; alreadyKept: boolean } | { uploadId: string }> {
  const { pool, files, now } = tools;
  const { id, expiresAt, role, organisation } = await readUrl(files, url);
  const ticket = await claim(tools, { id, expiresAt });
  const asker = { subject: ticket.subject, role, organisation };
  const event = (outcome: AuditEvent['outcome'], reason?: string): AuditEvent => ({
    at: now(),
    requestId,
    correlationId,
    viewer: asker,
    action: 'CHANGE',
    object: ticket.person_id === null ? 'uploadBulkFile' : 'uploadEvidence',
    outcome,
    ...(reason === undefined ? {} : { reason }),
    personIds: ticket.person_id === null ? [] : [ticket.person_id],
  });
  let arrived: Arrived | undefined;
  try {
    arrived = await files.receive(body, { maxBytes: maxFileBytes, tooLarge });
    const checked = await check(files, arrived, ticket);
    await note(pool, id, arrived.hash);
    await files.keep(arrived);
    return await transaction(pool, async (sql) => {
      await write(sql, event('DONE'));
      if (ticket.person_id === null) return recordFile(sql, id, arrived!);
      const kept = await record(sql, { id, ticket, asker, arrived: arrived!, ...checked, at: now() });
      return { evidenceId: idOf(evidencePrefix, kept.id), alreadyKept: !kept.is_new };
    });
  } catch (error) {
    const infected = error instanceof Fault && error.code === 'EVIDENCE_INFECTED';
    await pool.query('update evidence_upload set used_at = null where id = $1 and evidence_id is null', [id]);
    await write(pool, event(infected ? 'REFUSED' : 'FAILED', infected ? 'A virus was found.' : undefined));
    throw error;
  } finally {
    if (arrived !== undefined) await files.discard(arrived);
  }
}

/** SQL: nobody else keeps or removes content of this hash until the transaction ends. */
export const lockContent = (hash: string) =>
  `pg_advisory_xact_lock(hashtextextended(encode(${hash}, 'hex'), 0))`;

/**
 * Notes what is about to be kept, so that it is found again if the process dies before its evidence is recorded. Whoever
 * removes such content has done so before, or sees this note.
 */
async function note(pool: pg.Pool, id: string, hash: Buffer): Promise<void> {
  await pool.query(
    `with locked as (select ${lockContent('$2::bytea')})
     update evidence_upload set hash = $2 from locked where id = $1`,
    [id, hash],
  );
}

const tooLarge = new Fault('EVIDENCE_TOO_LARGE', `The file is larger than ${maxFileBytes / 2 ** 20} MB.`);

/**
 * Marks the ticket as used before the file is read: of two at once one gets it, and no connection is held while a file
 * comes in slowly. Who fails gives it back; a process that dies in between does not, and a new one must be asked for.
 */
async function claim({ pool, now }: UploadTools, { id, expiresAt }: Upload): Promise<Ticket> {
  const at = now().toISOString();
  const { rows } = await pool.query<Ticket>(
    `update evidence_upload set used_at = $2 where id = $1 and used_at is null and expires_at > $2
     returning person_id, kind::text as kind, file_name, dated, subject`,
    [id, at],
  );
  if (rows[0] !== undefined) return rows[0];
  const known = await pool.query('select used_at from evidence_upload where id = $1', [id]);
  // The night removes what was not used in time.
  if (known.rows.length === 0 && expiresAt > now()) throw notValid();
  if (known.rows.length > 0 && known.rows[0].used_at !== null) {
    throw new Fault(
      'UPLOAD_USED',
      'A file came to this address before, or is coming. Ask for a new upload for another.',
    );
  }
  throw new Fault('UPLOAD_EXPIRED', 'This address is no longer valid. Ask for a new upload.');
}

/** @throws Fault EVIDENCE_EMPTY, EVIDENCE_TYPE, EVIDENCE_INFECTED, SCANNER_UNAVAILABLE */
async function check({ scanner }: Files, { path, size }: Arrived, { person_id, file_name }: Ticket) {
  if (size === 0) throw new Fault('EVIDENCE_EMPTY', 'The file is empty.');
  const mediaType = await mediaTypeOf(path, file_name, person_id === null ? tables : documents);
  const scan = scanner === null ? 'NOT_SCANNED' : await scanner(path);
  if (scan === 'INFECTED')
    throw new Fault('EVIDENCE_INFECTED', 'A virus was found in the file. Nothing was kept.');
  return { mediaType, scan };
}

interface Checked {
  id: string;
  ticket: Ticket;
  asker: Asker;
  arrived: Arrived;
  mediaType: string;
  scan: string;
  at: Date;
}

/** A bulk file is there, for `importBulkFile` to take up. */
async function recordFile(sql: Sql, id: string, { size }: Arrived): Promise<{ uploadId: string }> {
  await sql.query('update evidence_upload set size_bytes = $2 where id = $1', [id, size]);
  return { uploadId: idOf(uploadPrefix, id) };
}

async function record(sql: Sql, { id, ticket, asker, arrived, mediaType, scan, at }: Checked) {
  // The same content is the same evidence; a scan that was made since is news all the same.
  const { rows } = await sql.query<{ id: string; is_new: boolean }>(
    `insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, dated, scan, uploaded_by, recorded_at)
     values ($1, $2::evidence_kind, $3, $4, $5, $6, $7, $8::scan_state, $9, $10)
     on conflict (person_id, hash) do update
       set scan = case when excluded.scan = 'CLEAN' then excluded.scan else evidence.scan end
     returning id, (xmax = 0) as is_new`,
    [
      ticket.person_id,
      ticket.kind,
      arrived.hash,
      mediaType,
      arrived.size,
      ticket.file_name,
      ticket.dated,
      scan,
      asker.subject,
      at.toISOString(),
    ],
  );
  const evidence = rows[0]!;
  await sql.query('update evidence_upload set evidence_id = $2 where id = $1', [id, evidence.id]);
  await sql.query(`insert into outbox (topic, payload) values ('evidence.changed', $1)`, [
    JSON.stringify({ personIds: [ticket.person_id] }),
  ]);
  return evidence;
}

async function write(sql: Pick<Sql, 'query'>, event: AuditEvent): Promise<void> {
  const { text, values } = eventsStatement([event]);
  await sql.query(text, values);
}
