import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { asOwner } from './database.ts';

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
  // As the owner: PostgreSQL shows the role of the hub nobody's statements.
  const { rows } = await asOwner(
    pool.options.connectionString!,
    `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%${text}%'`,
  );
  return rows.length > 0;
}
