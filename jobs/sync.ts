/** Reads all feeds of a source and applies what is new, page by page. */
import type pg from 'pg';
import { z } from 'zod';
import {
  faultRun,
  findSources,
  lockSource,
  openRun,
  type Run,
  readCursor,
  type SyncSource,
  succeedRun,
} from '../src/intake/run.ts';
import { applyPage, retryWaiting } from '../src/intake/store.ts';
import type { Database } from '../src/platform/database.ts';
import type { Log } from '../src/platform/log.ts';
import type { Connectors, Feed } from './connector.ts';
import { type Attempt, ComeBackLater, defineJob, JobFault } from './queue.ts';
import { SourceFault } from './source/page.ts';

export const sync = defineJob({
  name: 'sync',
  input: z.object({ sourceId: z.uuid() }),
  /** LEFT: somebody else is at it, or has done it. STOPPED: this process ends; the run goes on in another. */
  output: z.object({ outcome: z.enum(['DONE', 'LEFT', 'STOPPED']) }),
});

type Outcome = z.infer<typeof sync.output>['outcome'];

export interface Syncing {
  database: Pick<Database, 'url' | 'pool'>;
  connectors: Connectors;
  log: Log;
  now: () => Date;
  /** Aborted when this process is to end: the page at hand is finished, the run is not. */
  stopping: AbortSignal;
}

/** A source that says nothing of when to come back is asked again after this. */
const busyMs = 60_000;
const busyMsMax = 3_600_000;

export function syncHandler({ database, connectors, log, now, stopping }: Syncing) {
  const { pool } = database;
  /** Until when a source asked to be left alone; other jobs for it leave too. */
  const quietUntil = new Map<string, number>();

  return async ({ sourceId }: { sourceId: string }, attempt: Attempt): Promise<{ outcome: Outcome }> => {
    const [source] = await findSources(pool, sourceId);
    if (!source || now().getTime() < (quietUntil.get(sourceId) ?? 0)) return { outcome: 'LEFT' };
    const lock = await lockSource(database.url, sourceId);
    if (!lock) return { outcome: 'LEFT' };
    try {
      const feeds = connectors[source.kind];
      const run = await openRun(
        pool,
        sourceId,
        feeds.map(({ name }) => name),
        attempt.askedAt,
      );
      if (!run) return { outcome: 'LEFT' };
      const startedAt = performance.now();
      try {
        const outcome = await readFeeds(
          pool,
          source,
          feeds,
          run,
          now,
          AbortSignal.any([stopping, lock.lost]),
        );
        log.info(
          {
            source: source.code,
            run: run.id,
            outcome,
            durationMs: Math.round(performance.now() - startedAt),
          },
          'sync',
        );
        return { outcome };
      } catch (error) {
        await fault(source, run, error, attempt);
        throw error;
      }
    } finally {
      await lock.release().catch(() => {});
    }
  };

  async function fault(source: SyncSource, run: Run, error: unknown, { last }: Attempt): Promise<void> {
    const about = { source: source.code, run: run.id };
    if (!(error instanceof SourceFault)) {
      await faultRun(
        pool,
        run.id,
        { code: 'UNEXPECTED', message: 'The log of the worker says more.' },
        { last },
      ).catch(() => log.error(about, 'the fault could not be shown on the run'));
      return;
    }
    const { code, message, retryAfterMs } = error;
    const busy = code === 'SOURCE_BUSY';
    await faultRun(pool, run.id, { code, message }, { last: last && !busy });
    log.warn({ ...about, code }, 'sync interrupted by the source');
    if (!busy) throw new JobFault(`${code}: ${message}`);
    const afterMs = Math.min(retryAfterMs ?? busyMs, busyMsMax);
    quietUntil.set(source.id, now().getTime() + afterMs);
    throw new ComeBackLater(afterMs);
  }
}

async function readFeeds(
  pool: pg.Pool,
  source: SyncSource,
  feeds: Feed[],
  run: Run,
  now: () => Date,
  stop: AbortSignal,
): Promise<Outcome> {
  let received = run.received;
  const names = feeds.map(({ name }) => name);
  // A run of an older version may stand in a feed that is no more; reading a feed twice changes nothing.
  const first = run.feed === null ? feeds.length : Math.max(0, names.indexOf(run.feed));
  for (const [index, feed] of feeds.entries()) {
    if (index < first) continue;
    const before = received;
    let { cursor, moves } = await readCursor(pool, source.id, feed.name);
    for (let done = false; !done; moves += 1) {
      if (stop.aborted) return 'STOPPED';
      const page = await feed.fetch(source, cursor, now);
      const result = await applyPage(pool, {
        sourceId: source.id,
        feed: feed.name,
        runId: run.id,
        rows: page.rows,
        cursor: page.cursor,
        expectedMoves: moves,
        nextFeed: page.done ? (names[index + 1] ?? null) : feed.name,
        expected: page.total === null ? null : before + page.total,
        ...(page.endsFile === undefined ? {} : { endsFile: page.endsFile }),
      });
      if (!result.applied) return 'LEFT';
      received += page.rows.length;
      cursor = page.cursor;
      done = page.done;
    }
  }
  if (stop.aborted) return 'STOPPED';
  await retryWaiting(pool, source.id, run.id);
  await succeedRun(pool, run);
  return 'DONE';
}
