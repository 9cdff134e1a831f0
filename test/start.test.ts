/** What a newcomer meets: `npm start` in an empty folder, the tokens, the operations it prints, and how it stops. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keep } from './setup/byproduct.ts';

const exec = promisify(execFile);
const node = ['--import', 'tsx'];

let dataDir: string;
let port: number;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tandem-start-'));
  await chmod(dataDir, 0o711);
  port = await threeFreePorts();
});
afterAll(async () => {
  for (const { child } of all)
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
  await rm(dataDir, { recursive: true, force: true });
});

const environment = (more: Record<string, string> = {}) => ({
  ...process.env,
  DATABASE_URL: '',
  REDIS_URL: '',
  DATA_DIR: dataDir,
  PORT: String(port),
  ...more,
});

/** The demo's two systems take the ports after the hub's. */
async function threeFreePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all([first, first + 1, first + 2].map(isFree));
    if (free.every(Boolean)) return first;
  }
}

const isFree = (candidate: number) =>
  new Promise<boolean>((resolve) => {
    const probe = createServer()
      .once('error', () => resolve(false))
      .listen(candidate, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

interface Started {
  child: ChildProcess;
  output: () => string;
  /** Without what it logs, which may come in the middle of a line. */
  screen: () => string;
  said(words: string): Promise<void>;
}

const all: Started[] = [];

/** As from a prompt: a group of processes of its own. */
function start(program: string, ...words: string[]): Started {
  const child = spawn(program, words, { env: environment(), detached: true });
  let text = '';
  let screen = '';
  const waiting: { words: string; done: () => void; failed: (error: Error) => void }[] = [];
  const hear = (chunk: Buffer) => {
    text += chunk;
    for (const { words, done } of waiting) if (text.includes(words)) done();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk;
    hear(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    keep('log', String(chunk));
    hear(chunk);
  });
  child.on('exit', () => {
    for (const { words, failed } of waiting) failed(new Error(`ended without saying "${words}":\n${text}`));
  });
  const started: Started = {
    child,
    output: () => text,
    screen: () => screen,
    said: (words) =>
      text.includes(words)
        ? Promise.resolve()
        : new Promise((done, failed) => void waiting.push({ words, done, failed })),
  };
  all.push(started);
  return started;
}

async function stop({ child, said }: Started, pid: number, isTwice: boolean): Promise<number | null> {
  const gone = once(child, 'exit');
  process.kill(pid, 'SIGINT');
  await said('Stopping');
  if (isTwice) process.kill(pid, 'SIGINT');
  await said('Stopped');
  return (await gone)[0] as number | null;
}

const hub = (...words: string[]) =>
  exec(process.execPath, [...node, 'src/hub.ts', ...words], { env: environment() });

async function ask(token: string, query: string) {
  const response = await fetch(`http://localhost:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return response.json() as Promise<{ data: Record<string, never>; errors?: unknown[] }>;
}

test('starts with nothing, says what to try, and all of it works; a second start takes the data up', async () => {
  const first = start('npm', '--silent', 'start');
  await first.said('Ctrl-C stops everything');
  const text = first.output();
  for (const words of [
    'Starting the embedded PostgreSQL',
    'Applied migration',
    'Ready after',
    'In sync after',
  ]) {
    expect(text).toContain(words);
  }
  expect(text).toContain(`http://localhost:${port}/graphql`);
  expect(text).toContain(`http://localhost:${port}/explorer/`);

  // Each of the printed operations answers for the printed token of the care co-ordinator.
  const token = /care-coordinator \([^)]*\)\s+(\S+)/.exec(text)![1]!;
  const operations = text
    .split(/\n {2}# [^\n]*\n/)
    .slice(1)
    .map((part) => part.split('\n\n')[0]!);
  expect(operations).toHaveLength(3);
  for (const operation of operations) {
    const { data, errors } = await ask(token, operation);
    expect(errors).toBeUndefined();
    expect(JSON.stringify(data).length).toBeGreaterThan(200);
  }

  // Everybody there is has a token on the screen, and it is of their role.
  const tokens = [...text.matchAll(/^ {2}([a-z-]+) \([^)]*\)\s+(\S+)$/gm)].map(
    ([, name, printed]) => [name!, printed!] as const,
  );
  expect(tokens.map(([name]) => name)).toEqual([
    'care-coordinator',
    'social-worker',
    'provider',
    'provider-worker',
    'provider-finance',
    'person',
    'representative',
    'finance',
    'auditor',
    'privacy-officer',
    'admin',
  ]);
  const isOf = async (name: string, printed: string) => {
    const { data } = await ask(printed, '{ me { role } }');
    expect(data.me).toEqual({ role: name.toUpperCase().replace('-', '_') });
  };
  for (const [name, printed] of tokens) await isOf(name, printed);
  // And the command line prints a token and nothing else.
  for (const name of ['representative', 'provider-finance', 'admin']) {
    const { stdout } = await hub('token', name);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    await isOf(name, stdout.trim());
  }

  const signInPage = await fetch(
    `http://localhost:${port}/demo/auth?${new URLSearchParams({
      client_id: 'tandem-demo',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: `http://localhost:${port}/signed-in`,
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    })}`,
    { redirect: 'manual' },
  );
  expect(signInPage.headers.get('location')).toMatch(/^\/demo\/sign-in\//);
  // In the demo's story a record is opened in an emergency, and with nobody to be told the log says so.
  const alerts = first.output().match(/^.*"event":"privacy-alert".*$/gm) ?? [];
  expect(alerts).toHaveLength(1);
  expect(first.output().replace(alerts[0]!, '')).not.toMatch(/warn/i);

  const explorer = await fetch(`http://localhost:${port}/explorer/`);
  expect(explorer.status).toBe(200);
  expect(explorer.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await (await fetch(`http://localhost:${port}/readyz`)).text()).toBe('ready\n');
  expect(await (await fetch(`http://localhost:${port}/metrics`)).text()).toContain(
    'tandem_sql_statements_total',
  );

  const { stdout: synced } = await hub('sync', 'wenshire-nhs');
  expect(synced).toMatch(/wenshire-nhs nothing new in \d+ rows/);

  // Ctrl-C: a terminal sends it to the whole group.
  await stop(first, -first.child.pid!, false);
  await expect(ask(token, '{ me { role } }')).rejects.toThrow();

  const second = start(process.execPath, ...node, 'src/main.ts');
  await second.said('Ctrl-C stops everything');
  expect(second.output()).not.toContain('Applied migration');
  expect(second.output()).toMatch(/wenshire-council nothing new/);
  expect(second.output()).toMatch(/wenshire-nhs nothing new/);
  expect((await ask(token, '{ me { role } }')).errors).toBeUndefined();
  // Where npm's shell makes room for the hub, the hub hears it from the terminal and from npm.
  expect(await stop(second, second.child.pid!, true)).toBe(0);
}, 120_000);

describe('what cannot start says why in a line each, and ends with 1', () => {
  async function fails(more: Record<string, string>, program = 'src/main.ts', ...words: string[]) {
    try {
      await exec(process.execPath, [...node, program, ...words], { env: environment(more) });
    } catch (error) {
      const { code, stderr, stdout } = error as { code: number; stderr: string; stdout: string };
      expect(code).toBe(1);
      expect(stdout).toBe('');
      return stderr.trim().split('\n');
    }
    throw new Error('it started');
  }

  test('wrong values, all at once', async () => {
    const lines = await fails({ PORT: 'x', DATABASE_URL: 'hello', LOG_LEVEL: 'loud', OIDC_ISSUER: 'nobody' });
    expect(lines[0]).toBe('Tandem cannot start:');
    expect(
      lines
        .slice(1)
        .map((line) => line.trim().split(':')[0])
        .sort(),
    ).toEqual(['DATABASE_URL', 'LOG_LEVEL', 'OIDC_ISSUER', 'PORT']);
  });

  test('a taken port, a database and a Redis that do not answer, all at once', async () => {
    const taken = createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    const nobody = 'postgresql://nobody:secret@127.0.0.1:1/none';
    const lines = await fails({ DATABASE_URL: nobody, REDIS_URL: 'redis://127.0.0.1:1' });
    taken.close();
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain(`port ${port} is taken`);
    expect(lines[2]).toContain('DATABASE_URL: the PostgreSQL server does not answer (connection refused)');
    expect(lines[3]).toContain('REDIS_URL: the Redis server does not answer');
    expect(lines.join()).not.toContain('secret');
  });

  test('a sign-in file that is not right, beside what else is wrong', async () => {
    const file = join(dataDir, 'sign-in.json');
    await writeFile(file, JSON.stringify({ issuers: [{ url: 'http://elsewhere.test' }] }));
    const lines = await fails({ SIGN_IN_FILE: file, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' });
    expect(lines.join()).toContain('DATABASE_URL: ');
    expect(lines.join()).toContain('SIGN_IN_FILE: issuers[0].url: ');
    expect(lines.join()).toContain('SIGN_IN_FILE: issuers[0].claims: ');
    const [refused] = await fails({ SIGN_IN_FILE: file }, 'src/hub.ts', 'token', 'person');
    expect(refused).toContain('SIGN_IN_FILE is set');
  });

  test('a part that does not exist, a token for nobody', async () => {
    expect((await fails({}, 'src/main.ts', 'everything'))[1]).toContain('There is no part "everything"');
    expect((await fails({}, 'src/hub.ts', 'token', 'nobody'))[0]).toMatch(/^Say who: care-coordinator, /);
  });
});
