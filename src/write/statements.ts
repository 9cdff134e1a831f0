/**
 * A transaction for a command that is given many times a second: on a connection of the pool, with statements that
 * PostgreSQL prepares once. A statement through Prisma takes ten times the processor of one through the pool, see
 * docs/adr/0009-statements-for-the-hot-command.md.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Prisma } from '../generated/prisma/client.ts';
import { transaction } from '../platform/database.ts';
import { Fault } from '../platform/fault.ts';

/**
 * What Prisma's transactions and these have in common. The two give a day and JSON differently, so a statement for
 * both casts them to text.
 */
export type Statements = Pick<Prisma.TransactionClient, '$queryRawUnsafe' | '$executeRawUnsafe'>;

/** More than wait for a connection in some seconds; who comes then is better told than kept waiting. */
const maxWaiting = 500;

/**
 * As in the pipeline: planning takes longer than running, so a plan is kept; and one that was made while a table was
 * small would read all of it when it is large.
 */
const byIndex = 'begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off';

const names = new Map<string, string>();

/** The name under which a connection keeps a statement prepared. Texts are the code's own and few. */
function nameOf(text: string): string {
  const name = names.get(text) ?? createHash('sha1').update(text).digest('base64url');
  names.set(text, name);
  return name;
}

export async function statementsIn<T>(pool: pg.Pool, work: (tx: Statements) => Promise<T>): Promise<T> {
  if (pool.waitingCount >= maxWaiting) {
    throw new Fault('BUSY', 'Too many requests at once. Try again.', { retryable: true });
  }
  return transaction(
    pool,
    (sql) => {
      const run = (text: string, values: unknown[]) => sql.query({ name: nameOf(text), text, values });
      // As in Prisma, what calls does not know that these are promises of its own kind.
      const tx = {
        $queryRawUnsafe: async (text: string, ...values: unknown[]) => (await run(text, values)).rows,
        $executeRawUnsafe: async (text: string, ...values: unknown[]) =>
          (await run(text, values)).rowCount ?? 0,
      };
      return work(tx as unknown as Statements);
    },
    byIndex,
  );
}
