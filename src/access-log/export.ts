/** The audit as a file for whoever keeps audits of many systems: FHIR, one event a line, oldest first. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Express } from 'express';
import type pg from 'pg';
import { oversight } from '../access/scope.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import { type Audit, correlationIdOf } from '../audit/store.ts';
import { personPrefix } from '../person/view.ts';
import { Fault } from '../platform/fault.ts';
import { type ExportedEvent, fhirOf } from './fhir.ts';

interface AuditExportOptions {
  pool: Pick<pg.Pool, 'query'>;
  signIn: SignIn;
  audit: Audit;
  now: () => Date;
}

/** So many events are in memory at a time. */
const batchSize = 1_000;

const instant = (column: string, digits: string) =>
  `to_char(e.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.${digits}"Z"')`;

// A page begins behind the last event of the one before, so that no transaction stands open while somebody reads slowly.
const page = `
select e.id::text as id, ${instant('at', 'MS')} as at, ${instant('at', 'US')} as place, e.request_id as "requestId",
       e.correlation_id as "correlationId", e.subject, e.name, e.role, e.organisation, e.client, e.purpose, e.action,
       e.object, e.parts, e.outcome, e.reason,
       (select o.name from organisation o where o.ods_code = e.organisation) as "organisationName",
       array(select '${personPrefix}_' || replace(p::text, '-', '') from unnest(e.person_ids) p) as "personIds"
  from audit_event e
 where (e.at, e.id) > ($1::timestamptz, $2::bigint) and e.at < $3::timestamptz
 order by e.at, e.id limit ${batchSize}`;

interface Period {
  /** The first instant that counts, and the first that no longer does. */
  from: string;
  to: string;
}

async function* auditLines(pool: AuditExportOptions['pool'], { from, to }: Period): AsyncGenerator<string> {
  for (let after = { place: from, id: '0' }; ; ) {
    const { rows } = await pool.query<ExportedEvent & { place: string }>(page, [after.place, after.id, to]);
    if (rows.length > 0) yield rows.map((event) => `${JSON.stringify(fhirOf(event))}\n`).join('');
    if (rows.length < batchSize) return;
    after = rows.at(-1)!;
  }
}

/** @throws Fault BAD_REQUEST */
function periodOf(asked: URLSearchParams): Period {
  const [from, to] = ['from', 'to'].map((name) => new Date(asked.get(name) ?? ''));
  const given = ['from', 'to'].every((name) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(asked.get(name) ?? ''));
  if (!given || Number.isNaN(from!.getTime()) || Number.isNaN(to!.getTime()) || to! <= from!)
    throw new Fault(
      'BAD_REQUEST',
      'Give "from" and "to" as instants such as 2026-11-01T00:00:00Z, "to" after "from".',
    );
  return { from: from!.toISOString(), to: to!.toISOString() };
}

async function mayOversee(pool: Pick<pg.Pool, 'query'>, viewer: Viewer): Promise<boolean> {
  const { text, values } = oversight(viewer);
  return (await pool.query(text, values)).rowCount === 1;
}

/** `/export/audit.ndjson?from=<instant>&to=<instant>`: for auditors and privacy officers. */
export function addAuditExport(app: Express, options: AuditExportOptions): void {
  app.get(
    '/export/audit.ndjson',
    async (req: IncomingMessage & { originalUrl: string }, res: ServerResponse) => {
      const viewer = await options.signIn.viewerFrom(req.headers.authorization);
      const allowed = await mayOversee(options.pool, viewer);
      const period = allowed ? periodOf(new URL(req.originalUrl, 'http://hub').searchParams) : null;
      await options.audit.record({
        at: options.now(),
        requestId: String(res.getHeader('x-request-id')),
        correlationId: correlationIdOf(req.headers),
        viewer,
        action: allowed ? 'EXPORT' : 'DENY',
        object: 'audit',
        outcome: allowed ? 'DONE' : 'REFUSED',
        personIds: [],
      });
      if (period === null) throw new Fault('FORBIDDEN', 'Your role may not do this.');
      res.writeHead(200, {
        'content-type': 'application/fhir+ndjson',
        'content-disposition': 'attachment; filename="audit.ndjson"',
        'x-content-type-options': 'nosniff',
        'cache-control': 'private, no-store',
      });
      // Once it has begun, all that can be said of a failure is that the file is not whole.
      await pipeline(Readable.from(auditLines(options.pool, period)), res).catch(() => void res.destroy());
    },
  );
}
