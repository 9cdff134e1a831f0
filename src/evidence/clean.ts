/** Removes the addresses of uploads whose time is over, and content that came to one of them and became nothing. */
import type pg from 'pg';
import { transaction } from '../platform/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Files } from '../platform/file.ts';
import { lowestId } from '../platform/id.ts';
import { lockContent } from './upload.ts';

/** A file that began to arrive in time has long been there, or never will be. */
const afterMs = 24 * 3_600_000;
const batch = 500;

const over = `select id::text as id, hash, evidence_id is null as open from evidence_upload
  where expires_at < $1 and id > $2::uuid order by id limit ${batch}`;

const isOthers = `select exists (select from evidence where hash = $1) or exists (select from bulk_file where hash = $1)
       or exists (select from evidence_upload where hash = $1 and id <> $2::uuid) as yes`;

interface Cleaned {
  uploads: number;
  /** Of them those whose content was removed from the store. */
  contents: number;
}

/**
 * A day after an address expired nothing is left of it, used or not: what came of it is evidence, with all that is known
 * of it. Content whose process died before the evidence was recorded, and a bulk file that nobody took up, goes too,
 * unless it is evidence of somebody, or a bulk file, or is just arriving again. Where the store does not answer, it is left for the next night.
 */
export async function cleanUploads(
  { pool, files }: { pool: pg.Pool; files: Pick<Files, 'remove'> },
  now: Date,
  stopping: AbortSignal,
): Promise<Cleaned> {
  const before = new Date(now.getTime() - afterMs).toISOString();
  const cleaned = { uploads: 0, contents: 0 };
  for (let after: string = lowestId; !stopping.aborted; ) {
    const { rows } = await pool.query<{ id: string; hash: Buffer | null; open: boolean }>(over, [
      before,
      after,
    ]);
    const done = rows.filter(({ hash, open }) => hash === null || !open).map(({ id }) => id);
    await pool.query('delete from evidence_upload where id = any($1::uuid[])', [done]);
    cleaned.uploads += done.length;
    for (const { id, hash, open } of rows) {
      if (hash === null || !open) continue;
      const what = await remove({ pool, files }, id, hash);
      if (what === null) return cleaned;
      cleaned.uploads += 1;
      cleaned.contents += what;
    }
    if (rows.length < batch) break;
    after = rows.at(-1)!.id;
  }
  return cleaned;
}

/** How many contents were removed with the address, none or one; null where the store does not answer. */
async function remove(
  { pool, files }: { pool: pg.Pool; files: Pick<Files, 'remove'> },
  id: string,
  hash: Buffer,
): Promise<0 | 1 | null> {
  try {
    return await transaction(pool, async (sql) => {
      await sql.query(`select ${lockContent('$1::bytea')}`, [hash]);
      const { rows } = await sql.query<{ yes: boolean }>(isOthers, [hash, id]);
      const isKept = rows[0]!.yes;
      if (!isKept) await files.remove(hash);
      await sql.query('delete from evidence_upload where id = $1', [id]);
      return isKept ? 0 : 1;
    });
  } catch (error) {
    if (error instanceof Fault && error.code === 'FILE_STORE_UNAVAILABLE') return null;
    throw error;
  }
}
