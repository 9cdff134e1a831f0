/** The ways to PostgreSQL: a pool for transactions, and pipelined connections for single statements. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

export type Sql = pg.PoolClient;

export interface Database {
  url: string;
  pool: pg.Pool;
  prisma: PrismaClient;
  /** For what a viewer reads, under row security: two or three lanes are the fastest on two cores. */
  reader: Pipeline;
  /** For questions about many viewers at once, which row security cannot answer for one of them. */
  watcher: Pipeline;
  /** For the audit of reads, whose inserts follow each other. */
  recorder: Pipeline;
  close(): Promise<void>;
}

/**
 * The options of a connection that takes one of the two roles the migrations make: the worker writes and sees all, the
 * reader sees whom its viewer sees. Whoever signs in needs only the right to take them, and need not own a table.
 */
export const asRole = (role: 'tandem_worker' | 'tandem_reader'): string => `-c role=${role} -c timezone=UTC`;

// Days and instants stay text, as PostgreSQL writes them; sums of pence stay exact.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.DATE, (text) => text);
types.setTypeParser(pg.types.builtins.INT8, (text) => BigInt(text));
types.setTypeParser(pg.types.builtins.JSON, (text) => text);

/**
 * `poolSize` connections for transactions, of which Prisma may use as many again. About two connections a core are
 * the fastest; more only queue inside PostgreSQL. A command has `commandMs`, and so has each of its statements: without
 * that, one that waits for a lock would keep its connection long after nobody waits for it.
 */
export function openDatabase(url: string, { poolSize = 8, commandMs = 10_000 } = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    types,
    options: `${asRole('tandem_worker')} -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s`,
  });
  // An idle connection that breaks is replaced by the pool; the next query tells whoever needs to know.
  pool.on('error', () => {});
  const prisma = new PrismaClient({
    adapter: new PrismaPg(
      {
        connectionString: url,
        max: poolSize,
        options: `${asRole('tandem_worker')} -c statement_timeout=${commandMs}`,
      },
      { onPoolError: () => {} },
    ),
    transactionOptions: { maxWait: commandMs / 2, timeout: commandMs },
  });
  const config = { connectionString: url, types };
  const [reading, working] = [asRole('tandem_reader'), asRole('tandem_worker')];
  const reader = openPipeline({ ...config, options: reading }, { lanes: 3, readOnly: true });
  const watcher = openPipeline({ ...config, options: working }, { lanes: 1, readOnly: true });
  const recorder = openPipeline({ ...config, options: working }, { lanes: 1, readOnly: false });
  return {
    url,
    pool,
    prisma,
    reader,
    watcher,
    recorder,
    close: async () => {
      const pipelines = [reader, watcher, recorder].map((pipeline) => pipeline.close());
      await Promise.all([pool.end(), prisma.$disconnect(), ...pipelines]);
    },
  };
}

/** Runs `work` in one READ COMMITTED transaction on one connection, and rolls back when it throws. */
export async function transaction<T>(
  pool: pg.Pool,
  work: (sql: Sql) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  const sql = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks between two statements says so to nobody else, and unheard it would end the process.
  const onError = (error: Error) => {
    broken = error;
  };
  sql.on('error', onError);
  try {
    await sql.query(begin);
    const result = await work(sql);
    await sql.query('commit');
    return result;
  } catch (error) {
    await sql.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    sql.off('error', onError);
    sql.release(broken);
  }
}
