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
  /** For reads: two or three lanes are the fastest on two cores. */
  reader: Pipeline;
  /** For the audit of reads, whose inserts follow each other. */
  recorder: Pipeline;
  close(): Promise<void>;
}

// Days and instants stay text, as PostgreSQL writes them; sums of pence stay exact.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.DATE, (text) => text);
types.setTypeParser(pg.types.builtins.INT8, (text) => BigInt(text));
types.setTypeParser(pg.types.builtins.JSON, (text) => text);

/**
 * `poolSize` connections for transactions, of which Prisma may use as many again. About two connections a core are
 * the fastest; more only queue inside PostgreSQL.
 */
export function openDatabase(url: string, { poolSize = 8 } = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    types,
    options: '-c timezone=UTC -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s',
  });
  // An idle connection that breaks is replaced by the pool; the next query tells whoever needs to know.
  pool.on('error', () => {});
  const prisma = new PrismaClient({
    adapter: new PrismaPg({ connectionString: url, max: poolSize }, { onPoolError: () => {} }),
    transactionOptions: { maxWait: 5_000, timeout: 20_000 },
  });
  const reader = openPipeline({ connectionString: url, types }, { lanes: 3, readOnly: true });
  const recorder = openPipeline({ connectionString: url }, { lanes: 1, readOnly: false });
  return {
    url,
    pool,
    prisma,
    reader,
    recorder,
    close: async () => {
      await Promise.all([pool.end(), prisma.$disconnect(), reader.close(), recorder.close()]);
    },
  };
}

/** Runs `work` in one READ COMMITTED transaction on one connection, and rolls back when it throws. */
export async function transaction<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks between two statements says so to nobody else, and unheard it would end the process.
  const onError = (error: Error) => {
    broken = error;
  };
  sql.on('error', onError);
  try {
    await sql.query('begin');
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
