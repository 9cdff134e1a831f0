/** Raises the payments that fall due, for all schedules there are, in batches that each stand on their own. */
import type pg from 'pg';
import { z } from 'zod';
import { jobRan } from '../src/audit/store.ts';
import { raiseDue } from '../src/payment/store.ts';
import { type Database, transaction } from '../src/platform/database.ts';
import { londonDay } from '../src/platform/day.ts';
import { lowestId } from '../src/platform/id.ts';
import type { Log } from '../src/platform/log.ts';
import { defineJob } from './queue.ts';

export const paymentDue = defineJob({
  name: 'payment.due',
  input: z.object({}),
  output: z.object({ instructions: z.number() }),
});

/** Once a day; a day that was missed is made up by the next. */
export const paymentDueSeconds = 86_400;

/** Schedules to a transaction: a second's work, which is all that a kill undoes. */
const batchSize = 500;

interface Raising {
  pool: pg.Pool;
  now: () => Date;
  stopping: AbortSignal;
  size?: number;
}

/**
 * What a batch raised is committed with the mark of how far its schedules are raised, so whoever comes next, after the
 * end or after a kill, finds nothing of it left to do.
 */
export async function raiseAllDue({ pool, now, stopping, size = batchSize }: Raising): Promise<number> {
  const at = now();
  const today = londonDay(at);
  let instructions = 0;
  for (let after: string | null = lowestId; after !== null && !stopping.aborted; ) {
    const from: string = after;
    const batch = await transaction(pool, (sql) =>
      raiseDue(async (text, values) => (await sql.query<{ row: string }>(text, values)).rows, {
        after: from,
        size,
        today,
        now: at,
      }),
    );
    instructions += batch.instructions;
    after = batch.after;
  }
  return instructions;
}

export const paymentDueHandler =
  ({
    database,
    log,
    now,
    stopping,
  }: { database: Pick<Database, 'pool'>; log: Log } & Omit<Raising, 'pool'>) =>
  async (): Promise<{ instructions: number }> => {
    const startedAt = performance.now();
    const instructions = await raiseAllDue({ pool: database.pool, now, stopping });
    await database.pool.query(jobRan(paymentDue.name, now()));
    log.info({ instructions, durationMs: Math.round(performance.now() - startedAt) }, 'payments raised');
    return { instructions };
  };
