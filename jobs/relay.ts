/** Brings what commands announced, in the order in which they did, to whoever must act on it. */
import type pg from 'pg';
import { z } from 'zod';
import { bulk } from './bulk.ts';
import { privacyAlert } from './privacy-alert.ts';
import type { JobQueue } from './queue.ts';
import { sync } from './sync.ts';

/** Topics that cause a job. What nobody waits for is passed over: its rows tell what happened, and stay. */
const routes: Record<string, (queue: JobQueue, payload: unknown) => Promise<void>> = {
  'sync.requested': (queue, payload) => queue.add(sync, z.object({ sourceId: z.uuid() }).parse(payload)),
  'bulk.requested': (queue, payload) => queue.add(bulk, z.object({ fileId: z.uuid() }).parse(payload)),
  'emergency.opened': (queue) => queue.add(privacyAlert, {}),
};

const batch = 100;

/**
 * Relays all that has been committed. A row is marked after its job is in the queue, so a process that dies in between
 * adds the job again: jobs may come twice.
 */
export async function relayAll(pool: pg.Pool, queue: JobQueue): Promise<void> {
  for (let relayed = batch; relayed === batch; ) relayed = await relay(pool, queue);
}

async function relay(pool: pg.Pool, queue: JobQueue): Promise<number> {
  const { rows } = await pool.query<{ id: bigint; topic: string; payload: unknown }>(
    'select id, topic, payload from outbox where relayed_at is null order by id limit $1',
    [batch],
  );
  if (rows.length === 0) return 0;
  for (const { topic, payload } of rows) await routes[topic]?.(queue, payload);
  await pool.query(
    'update outbox set relayed_at = now() where id = any($1::bigint[]) and relayed_at is null',
    [rows.map(({ id }) => String(id))],
  );
  return rows.length;
}
