/** Looks, before anything is started, whether it can be: every problem at once, each in one line with what to do. */
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';
import { readSignInFile } from './access/sign-in-file.ts';
import type { Parts } from './boot.ts';
import { type Environment, isDemo } from './platform/environment.ts';

const oldest = 15;
const newest = 18;
const timeoutMs = 5_000;

/** The problems, in words for whoever starts the hub. */
export async function preflight(environment: Environment, parts: Parts): Promise<string[]> {
  const { host, port, databaseUrl, redisUrl, signInFile } = environment;
  const ports = !parts.api || port === 0 ? [] : isDemo(environment) ? [port, port + 1, port + 2] : [port];
  const checks = [
    portProblem(host, ports),
    databaseUrl === undefined ? null : databaseProblem(databaseUrl),
    redisUrl === undefined ? null : redisProblem(redisUrl),
  ];
  const { problems = [] } = signInFile === undefined ? {} : await readSignInFile(signInFile);
  return [...(await Promise.all(checks)).filter((problem) => problem !== null), ...problems];
}

async function portProblem(host: string, ports: number[]): Promise<string | null> {
  const taken = [];
  for (const port of ports) {
    const why = await whyNotListen(host, port);
    if (why === 'EADDRINUSE') taken.push(port);
    else if (why !== null)
      return `PORT: port ${port} of ${host} cannot be used (${why}). Choose another PORT or HOST.`;
  }
  if (taken.length === 0) return null;
  const which = taken.length === 1 ? `port ${taken[0]} is` : `ports ${taken.join(', ')} are`;
  const others = ports.length > 1 ? " (the demo's two systems take the two ports after the hub's)" : '';
  return `PORT: ${which} taken${others}. Stop what uses them, or choose another: PORT=${ports[0]! + 100} npm start`;
}

/** The code of the error when the port cannot be listened on; null when it can. */
async function whyNotListen(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return null;
  } catch (error) {
    return codeOf(error);
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

async function databaseProblem(connectionString: string): Promise<string | null> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: timeoutMs });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number }>(
      `select current_setting('server_version_num')::int / 10000 as version`,
    );
    const version = rows[0]!.version;
    if (version >= oldest && version <= newest) return null;
    return `DATABASE_URL: the server is PostgreSQL ${version}; ${oldest} to ${newest} are supported.`;
  } catch (error) {
    const why: Record<string, string> = {
      '28P01': 'refuses the user or password',
      '28000': 'refuses the user',
      '3D000': 'has no database of that name',
      ECONNREFUSED: 'does not answer (connection refused)',
      ENOTFOUND: 'cannot be found (no such host)',
    };
    const reason = why[codeOf(error)] ?? `does not answer (${codeOf(error)})`;
    return `DATABASE_URL: the PostgreSQL server ${reason}. Mend the address, or unset it to use the embedded one.`;
  } finally {
    await client.end().catch(() => {});
  }
}

async function redisProblem(url: string): Promise<string | null> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    const [, policy] = (await redis.config('GET', 'maxmemory-policy').catch(() => [])) as string[];
    if (policy === undefined || policy === 'noeviction') return null;
    return `REDIS_URL: the server's maxmemory-policy is ${policy}; it must be noeviction, or jobs may vanish.`;
  } catch (error) {
    return `REDIS_URL: the Redis server does not answer (${codeOf(error)}). Mend the address, or unset it to queue in PostgreSQL.`;
  } finally {
    redis.disconnect();
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time';
