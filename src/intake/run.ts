/**
 * Bookkeeping of runs: one pass over all feeds of a source. All of it stands in PostgreSQL, whose clock is the one that
 * all workers share, so a run that was interrupted goes on where its cursors stand, whoever takes it up.
 */
import pg from 'pg';
import { system } from '../audit/store.ts';
import { asRole, transaction } from '../platform/database.ts';

const sourceLocks = 7_262_002;

export interface SourceLock {
  /** Aborted when the session that holds the lock is lost: somebody else may be at the source now. */
  lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * Claims a source for this process, or gives null when somebody else is at it. The claim is a lock of a session of its
 * own, so it ends with the process, however that ends.
 */
export async function lockSource(databaseUrl: string, sourceId: string): Promise<SourceLock | null> {
  const session = new pg.Client({
    connectionString: databaseUrl,
    keepAlive: true,
    options: asRole('tandem_worker'),
  });
  const lost = new AbortController();
  session.on('error', () => lost.abort());
  await session.connect();
  const { rows } = await session.query<{ locked: boolean }>(
    'select pg_try_advisory_lock($1, hashtext($2)) as locked',
    [sourceLocks, sourceId],
  );
  if (rows[0]?.locked) return { lost: lost.signal, release: () => session.end() };
  await session.end();
  return null;
}

/**
 * Sources with a run that nobody is at: its worker is dead. One that waits for its source to recover has an error and
 * is somebody's, unless `evenFailing`.
 */
export async function abandonedSources(
  pool: pg.Pool,
  { evenFailing }: { evenFailing: boolean },
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select source_id as id from sync_run
      where status = 'RUNNING' and ($2 or error_code is null) and not exists (
        select from pg_locks
         where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
           and classid = $1::bigint::oid and objid = (hashtext(source_id::text)::bigint & 4294967295)::oid
           and objsubid = 2)`,
    [sourceLocks, evenFailing],
  );
  return rows.map((row) => row.id);
}

export interface SyncSource {
  id: string;
  code: string;
  kind: 'NHS_FHIR' | 'COUNCIL';
  baseUrl: string;
  organisationCode: string;
  everySeconds: number;
  /** When it is to be read next; null when it never was. */
  dueAt: Date | null;
}

/** The sources, or the one with this id or code. */
export async function findSources(pool: pg.Pool, idOrCode: string | null = null): Promise<SyncSource[]> {
  const { rows } = await pool.query<SyncSource>(
    `select s.id, s.code, s.kind, s.base_url as "baseUrl", s.every_seconds as "everySeconds",
            o.ods_code as "organisationCode",
            (select max(started_at) from sync_run where source_id = s.id) + s.every_seconds * interval '1 second' as "dueAt"
       from source_system s join organisation o on o.id = s.organisation_id
      where $1::text is null or s.code = $1 or s.id::text = $1
      order by s.code`,
    [idOrCode],
  );
  return rows;
}

export interface Run {
  id: string;
  /** The feed it stands in; null when all feeds are done. */
  feed: string | null;
  received: number;
}

/**
 * The run to go on with: the one that was interrupted, else a new one. Null when a run that began after `askedAt` has
 * succeeded already, so that a request that comes a second time, as after a crash, causes no second run.
 */
export async function openRun(
  pool: pg.Pool,
  sourceId: string,
  feeds: readonly string[],
  askedAt: Date,
): Promise<Run | null> {
  return transaction(pool, async (sql) => {
    await sql.query(
      'insert into sync_cursor (source_id, feed) select $1, unnest($2::text[]) on conflict do nothing',
      [sourceId, feeds],
    );
    const running = await sql.query<Run>(
      `select id, feed, received from sync_run where source_id = $1 and status = 'RUNNING'`,
      [sourceId],
    );
    if (running.rows[0]) return running.rows[0];
    const begun = await sql.query<Run>(
      `insert into sync_run (source_id, feed, waiting)
       select $1, $2, (select count(*) from source_row where source_id = $1 and state = 'WAITING')
        where not exists (select from sync_run
                           where source_id = $1 and status = 'SUCCEEDED' and started_at >= $3)
       returning id, feed, received`,
      [sourceId, feeds[0], askedAt],
    );
    return begun.rows[0] ?? null;
  });
}

export async function readCursor(
  pool: pg.Pool,
  sourceId: string,
  feed: string,
): Promise<{ cursor: unknown; moves: number }> {
  const { rows } = await pool.query<{ cursor: unknown; moves: number }>(
    'select cursor, moves from sync_cursor where source_id = $1 and feed = $2',
    [sourceId, feed],
  );
  return rows[0]!;
}

/** SQL: inserts the event of the run that the statement ended. What its pages changed is told with each. */
const ranOf = (outcome: 'DONE' | 'FAILED') => `
  insert into audit_event (at, request_id, subject, role, action, object, outcome, person_ids)
  select now(), run.id, '${system.subject}', '${system.role}', 'JOB', s.code, '${outcome}', '{}'
    from run join source_system s on s.id = run.source_id`;

export async function succeedRun(pool: pg.Pool, run: Run): Promise<void> {
  await pool.query(
    `with run as (
       update sync_run set status = 'SUCCEEDED', finished_at = now(), expected = received,
              waiting = (select count(*) from source_row w where w.source_id = sync_run.source_id and state = 'WAITING')
        where id = $1 and status = 'RUNNING' returning id, source_id
     ), audited as (${ranOf('DONE')})
     update source_system s set last_succeeded_at = now() from run where s.id = run.source_id`,
    [run.id],
  );
}

/** Shows what went wrong on the run. It goes on, and is tried again, unless that was the `last` try. */
export async function faultRun(
  pool: pg.Pool,
  runId: string,
  fault: { code: string; message: string },
  { last }: { last: boolean },
): Promise<void> {
  await pool.query(
    `with run as (
       update sync_run
          set error_code = $2, error = $3, finished_at = case when $4 then now() end,
              status = case when $4 then 'FAILED' else status end
        where id = $1 and status = 'RUNNING' returning id, source_id
     ), audited as (${ranOf('FAILED')} where $4)
     update source_system s set last_failed_at = now() from run where s.id = run.source_id`,
    [runId, fault.code, fault.message, last],
  );
}
