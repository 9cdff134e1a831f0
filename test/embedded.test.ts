import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../src/platform/embedded.ts';

let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tandem-embedded-'));
  // The server runs as another user when the tests run as root, and has to pass a folder that is closed to it.
  await chmod(dataDir, 0o700);
});

afterAll(() => rm(dataDir, { recursive: true, force: true }));

const settings = { fsync: 'off' };

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query({ text: sql, rowMode: 'array' }).finally(() => client.end());
  return rows[0]?.[0];
}

const serverPid = async () =>
  Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);

test('keeps its data from one start to the next, and is down once stopped', async () => {
  const first = await startEmbeddedPostgres({ dataDir, settings });
  await ask(first.url, 'create table kept as select 42 as answer');
  await first.stop();
  await expect(ask(first.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

  const second = await startEmbeddedPostgres({ dataDir, settings });
  expect(await ask(second.url, 'select answer from kept')).toBe(42);
  await second.stop();
});

test('signs in as no superuser, with a password that others cannot read', async () => {
  const server = await startEmbeddedPostgres({ dataDir, settings });
  expect(
    await ask(server.url, 'select rolsuper or rolbypassrls from pg_roles where rolname = current_user'),
  ).toBe(false);
  expect(await ask(server.url, 'select count(*) >= 0 from pg_stat_statements')).toBe(true);
  await expect(ask(server.url.replace(/:[0-9a-f]+@/, ':wrong@'), 'select 1')).rejects.toMatchObject({
    code: '28P01',
  });
  expect((await stat(join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
  await server.stop();
});

test('takes over the server of a hub that was killed', async () => {
  const module = fileURLToPath(new URL('../src/platform/embedded.ts', import.meta.url));
  const script = `const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, settings: { fsync: 'off' } });
    process.kill(process.pid, 'SIGKILL');`;
  const killed = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: 'inherit',
  });
  await once(killed, 'exit');
  const pid = await serverPid();
  process.kill(pid, 0);

  const owner = await startEmbeddedPostgres({ dataDir, settings });
  expect(await serverPid()).toBe(pid);
  expect(await ask(owner.url, 'select 1')).toBe(1);
  await owner.stop();
  await expect(ask(owner.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('is not fooled by the leftover of a server that was killed', async () => {
  // Our own number: alive, and no PostgreSQL.
  const leftover = `${process.pid}\n${dataDir}/postgres\n1700000000\n5999\n\n127.0.0.1\n`;
  await writeFile(join(dataDir, 'postgres/postmaster.pid'), leftover, { mode: 0o600 });
  const server = await startEmbeddedPostgres({ dataDir, settings });
  expect(await ask(server.url, 'select 1')).toBe(1);
  await server.stop();
});
