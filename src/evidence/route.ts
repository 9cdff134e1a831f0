/** The two ways of a file over plain HTTP: in, at a signed address; out, with the token of whoever reads it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Express } from 'express';
import { readAs } from '../access/holder.ts';
import { readsPart } from '../access/policy.ts';
import { visibleRows } from '../access/scope.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import { accountForFile } from '../audit/file.ts';
import { type Audit, correlationIdOf } from '../audit/store.ts';
import { transaction } from '../platform/database.ts';
import { londonDay } from '../platform/day.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import { evidencePrefix } from '../spending/prefix.ts';
import { keptDocument } from './kept.ts';
import { takeUpload, type UploadTools } from './upload.ts';

export interface EvidenceRoutes extends UploadTools {
  signIn: SignIn;
  audit: Audit;
}

/** Files that come in at the same time, in this process. Who comes later is asked to try again. */
const maxUploads = 16;
/** Longer than a file of 20 MB takes on a poor telephone line (1.5 Mbit/s). */
const uploadDeadlineMs = 120_000;

const requestIdOf = (res: ServerResponse) => String(res.getHeader('x-request-id'));

/** Nothing of what is kept may run, be guessed at, or stay behind in a cache. */
const sealed = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'cache-control': 'private, no-store',
  'referrer-policy': 'no-referrer',
};

export function addEvidenceRoutes(app: Express, options: EvidenceRoutes): void {
  let uploads = 0;

  async function upload(req: IncomingMessage & { originalUrl: string }, res: ServerResponse): Promise<void> {
    if (/^(multipart|application\/x-www-form-urlencoded)/i.test(req.headers['content-type'] ?? '')) {
      throw new Fault('EVIDENCE_TYPE', 'Send the file itself as the body, not a form.');
    }
    if (uploads >= maxUploads) {
      throw new Fault('BUSY', 'Too many files are coming in. Try again in a moment.', { retryable: true });
    }
    uploads += 1;
    const late = setTimeout(() => req.destroy(), uploadDeadlineMs);
    try {
      const url = new URL(req.originalUrl, 'http://hub');
      const taken = await takeUpload(options, {
        url,
        body: req,
        requestId: requestIdOf(res),
        correlationId: correlationIdOf(req.headers),
      });
      res.writeHead(201, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
      res.end(JSON.stringify(taken));
    } finally {
      clearTimeout(late);
      uploads -= 1;
    }
  }

  app.put('/evidence/upload/:id', upload);
  app.post('/evidence/upload/:id', upload);
  app.get('/evidence/:id', async (req, res) => {
    const viewer = await options.signIn.viewerFrom(req.headers.authorization);
    const { hash, size, mediaType, fileName } = await accountForFile(
      { ...options, req, res, viewer, object: 'evidence' },
      await find(options, viewer, uuidOf(evidencePrefix, req.params.id)),
      ({ personId }) => [personId],
    );
    const content = await options.files.read(hash, size);
    res.writeHead(200, {
      ...sealed,
      'content-type': mediaType,
      'content-length': size,
      'content-disposition': attachment(fileName),
    });
    // Once it has begun, all that can be said of a failure is that the file is not whole.
    await pipeline(content, res).catch(() => void res.destroy());
  });
}

/** RFC 6266: the name in every script, and in plain letters for who knows no better. */
function attachment(fileName: string): string {
  const plain = fileName.replace(/[^\w.() -]/g, '_');
  const encoded = encodeURIComponent(fileName).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** The document, if it is the viewer's to see today, or to keep of an account that was theirs to operate. */
async function find({ pool, now }: UploadTools, viewer: Viewer, id: string | null) {
  if (id === null) return null;
  const row = await transaction(pool, async (sql) => {
    const today = londonDay(now());
    const mayKeep = readsPart(viewer.role, 'KEPT') !== false;
    await readAs(sql, viewer, today, mayKeep);
    const { rows } = await sql.query(
      'select person_id, hash, size_bytes, media_type, file_name from evidence where id = $1',
      [id],
    );
    if (rows.length === 0) return undefined;
    for (const { text, values } of [
      visibleRows(viewer, today, 'evidence', [id]),
      ...(mayKeep ? [keptDocument(viewer, today, id)] : []),
    ]) {
      if ((await sql.query(text, values)).rows.length > 0) return rows[0];
    }
    return undefined;
  });
  if (row === undefined) return null;
  return {
    personId: row.person_id as string,
    hash: row.hash as Buffer,
    size: Number(row.size_bytes),
    mediaType: row.media_type as string,
    fileName: row.file_name as string,
  };
}
