/** The rows of a bulk file that could not go in, as they were, with the reason beside each: to be mended and sent again. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Express } from 'express';
import type pg from 'pg';
import { readAs } from '../access/holder.ts';
import { maySeeBulk, ownOrganisation } from '../access/policy.ts';
import { parametersOf } from '../access/scope.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import { accountForFile } from '../audit/file.ts';
import type { Audit } from '../audit/store.ts';
import { csvHeaders, csvLine } from '../platform/cell.ts';
import { transaction } from '../platform/database.ts';
import { londonDay } from '../platform/day.ts';
import type { Files } from '../platform/file.ts';
import { uuidOf } from '../platform/id.ts';
import { readRows, type StoredFile } from './read.ts';
import { reasonColumns } from './rules.ts';
import { bulkFilePrefix } from './store.ts';

interface ExportOptions {
  pool: pg.Pool;
  files: Pick<Files, 'read'>;
  signIn: SignIn;
  audit: Audit;
  now: () => Date;
}

interface Reason {
  number: number;
  code: string;
  message: string;
}

interface Found {
  file: StoredFile;
  reasons: Reason[];
  /** Those whose budgets the rows name. */
  personIds: string[];
}

/** The file, if it is of the viewer's organisation and nobody is at work on it; null otherwise. */
async function find({ pool, now }: ExportOptions, viewer: Viewer, id: string | null): Promise<Found | null> {
  if (id === null || !maySeeBulk(viewer.role)) return null;
  const today = londonDay(now());
  const seen = await transaction(pool, async (sql) => {
    await readAs(sql, viewer, today);
    const values: unknown[] = [id];
    const own = ownOrganisation(parametersOf(viewer, today, values));
    const text = `select kind, format, hash, size_bytes as size from bulk_file
      where id = $1::uuid and organisation_id = ${own} and status in ('CHECKED', 'DONE')`;
    const file = (await sql.query(text, values)).rows[0];
    const bad = `select number, code, message from bulk_row where file_id = $1 and code is not null order by number`;
    return file === undefined ? null : { file, reasons: (await sql.query<Reason>(bad, [id])).rows };
  });
  if (seen === null) return null;
  const people = await pool.query<{ person_id: string }>(
    `select distinct b.person_id from bulk_row r join budget b on b.id = r.budget_id
      where r.file_id = $1 and r.code is not null`,
    [id],
  );
  return {
    file: { ...seen.file, size: Number(seen.file.size) },
    reasons: seen.reasons,
    personIds: people.rows.map(({ person_id }) => person_id),
  };
}

async function* linesOf(files: Pick<Files, 'read'>, { file, reasons }: Found): AsyncGenerator<string> {
  const byNumber = new Map(reasons.map((reason) => [reason.number, reason]));
  const own: readonly string[] = reasonColumns;
  let isHeaded = false;
  for await (const { number, headings, cells } of readRows(files, file)) {
    const reason = byNumber.get(number);
    if (reason === undefined) continue;
    const kept = (all: string[]) =>
      headings.flatMap((name, at) => (own.includes(name) ? [] : [all[at] ?? '']));
    if (!isHeaded) yield csvLine([...kept(headings), ...own]);
    isHeaded = true;
    yield csvLine([...kept(cells), reason.code, reason.message]);
  }
}

/** `/export/bulk-problems.csv?file=<id>`. */
export function addBulkExport(app: Express, options: ExportOptions): void {
  app.get(
    '/export/bulk-problems.csv',
    async (req: IncomingMessage & { originalUrl: string }, res: ServerResponse) => {
      const viewer = await options.signIn.viewerFrom(req.headers.authorization);
      const asked = new URL(req.originalUrl, 'http://hub').searchParams;
      const found = await accountForFile(
        { ...options, req, res, viewer, object: 'bulkProblems' },
        await find(options, viewer, uuidOf(bulkFilePrefix, asked.get('file'))),
        ({ personIds }) => personIds,
      );
      res.writeHead(200, csvHeaders('problems.csv'));
      // Once it has begun, all that can be said of a failure is that the file is not whole.
      await pipeline(Readable.from(linesOf(options.files, found)), res).catch(() => void res.destroy());
    },
  );
}
