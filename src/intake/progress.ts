/** How far the sync runs are, for whoever watches them. */
import type pg from 'pg';

export interface Progress {
  source: string;
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  feed: string | null;
  received: number;
  expected: number;
  created: number;
  changed: number;
  unchanged: number;
  waiting: number;
  error: string | null;
}

/** The latest run of each source, of those that ended after `since` or go on still. */
export async function readProgress(pool: pg.Pool, since: Date): Promise<Progress[]> {
  const { rows } = await pool.query<Progress>(
    `select distinct on (s.code) s.code as source, r.status, r.feed, r.received, r.expected, r.created, r.changed,
            r.unchanged, r.waiting, r.error
       from sync_run r join source_system s on s.id = r.source_id
      where r.finished_at is null or r.finished_at >= $1
      order by s.code, r.started_at desc`,
    [since],
  );
  return rows;
}
