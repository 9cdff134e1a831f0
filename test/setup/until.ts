import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';

/** Looks again and again until there is something, and gives it. */
export async function until<T>(look: () => T | Promise<T>, timeoutMs = 30_000): Promise<NonNullable<T>> {
  for (const end = Date.now() + timeoutMs; ; ) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error('waited in vain');
    await delay(20);
  }
}

/** Whether a statement with this text waits for a lock in this database. */
export async function isWaitingIn(pool: pg.Pool, text: string): Promise<boolean> {
  const { rows } = await pool.query(
    `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like $1`,
    [`%${text}%`],
  );
  return rows.length > 0;
}
