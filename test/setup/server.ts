import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../prisma/migrate.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded.ts';
import { folderVariable, foundVariable, lookThrough } from './byproduct.ts';
import { fillWithDemo } from './demo.ts';
import { startRedis } from './redis-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server, and the start of the name of every database this run makes on it. */
    postgres: { url: string; prefix: string };
    /** Empty where there is no Redis. */
    redisUrl: string;
  }
}

/**
 * One PostgreSQL and one Redis for the whole run, and a migrated database to copy. `TEST_DATABASE_URL` and `REDIS_URL`
 * name servers to use instead; the first needs a role that may make databases and roles.
 */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-test-'));
  await chmod(folder, 0o711);
  const byproducts = join(folder, 'byproducts');
  await mkdir(byproducts);
  // Whatever process the tests start finds it too.
  process.env[folderVariable] = byproducts;
  const given = process.env.TEST_DATABASE_URL;
  const server = given
    ? { url: given, stop: async () => {} }
    : await startEmbeddedPostgres({ dataDir: folder, settings: fast });
  const prefix = `tandem_test_${randomBytes(4).toString('hex')}_`;
  const template = new URL(server.url);
  template.pathname = `${prefix}template`;
  await onServer(server.url, (client) => client.query(`create database ${prefix}template`));
  await migrate(template.href);
  const demo = new URL(server.url);
  demo.pathname = `${prefix}demo`;
  await onServer(server.url, (client) =>
    client.query(`create database ${prefix}demo template ${prefix}template`),
  );
  await fillWithDemo(demo.href);

  const redis = process.env.REDIS_URL
    ? { url: process.env.REDIS_URL, stop: async () => {} }
    : await startRedis();
  if (!redis)
    console.log('No REDIS_URL, redis-server or valkey-server here: the tests that need Redis are not run.');

  project.provide('postgres', { url: server.url, prefix });
  project.provide('redisUrl', redis?.url ?? '');

  return async () => {
    await redis?.stop();
    if (given) await onServer(given, (client) => dropDatabases(client, prefix));
    await server.stop();
    if (!given) await copyFile(join(folder, 'postgres', 'server.log'), join(byproducts, 'postgres.txt'));
    const startedAt = performance.now();
    const { found, lines } = await lookThrough(byproducts);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(
      `By-products: ${lines} lines looked through in ${seconds} s, ${found.length} with anything personal`,
    );
    if (found.length === 0) return rm(folder, { recursive: true, force: true });
    process.env[foundVariable] = String(found.length);
    throw new Error(
      `By-products hold what is personal; they are kept in ${byproducts}:\n${found.slice(0, 50).join('\n')}`,
    );
  };
}

/** What a database that will be thrown away can do without. */
const fast = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

async function onServer(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await work(client).finally(() => client.end());
}

async function dropDatabases(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query('select datname from pg_database where starts_with(datname, $1)', [
    prefix,
  ]);
  for (const { datname } of rows) await client.query(`drop database ${datname} with (force)`);
}
