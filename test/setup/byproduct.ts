/**
 * What a hub leaves behind beside its answers: logs, metrics, jobs, announcements, errors, addresses. Every test run
 * keeps all of it in one folder, and at its end looks in it for anything that tells of a person.
 */
import { appendFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { canary } from '../../src/demo/canary.ts';
import { parseNhsNumber } from '../../src/platform/nhs-number.ts';

/** Names the folder, for the processes that the tests start too. Not set: nothing is kept. */
export const folderVariable = 'TANDEM_TEST_BYPRODUCTS';

/** Tells the last line of the run's output how much was found. */
export const foundVariable = 'TANDEM_TEST_BYPRODUCTS_FOUND';

type Kind = 'log' | 'metrics' | 'job' | 'outbox' | 'error' | 'address';

export function keep(kind: Kind, text: string): void {
  const folder = process.env[folderVariable];
  if (folder && text !== '')
    appendFileSync(join(folder, `${kind}-${process.pid}.txt`), text.endsWith('\n') ? text : `${text}\n`);
}

/** A stream for a log of which every line is kept; `also` hears of those of these levels. */
export function keptLog(also?: NodeJS.WritableStream, levels = /./): NodeJS.WritableStream {
  const write = (line: string) => {
    keep('log', line);
    if (levels.test(line)) also?.write(line);
    return true;
  };
  return { write } as unknown as NodeJS.WritableStream;
}

/** For a process of its own, whose terminal is the test run's. */
export const warnings = /"level":"(warn|error|fatal)"/;

/** What an answer says of faults, wherever in it. */
export function keepFaults(answer: unknown): void {
  if (answer === null || typeof answer !== 'object') return;
  for (const [name, value] of Object.entries(answer)) {
    if (name === 'errors' || name === 'userErrors') keep('error', JSON.stringify(value));
    else keepFaults(value);
  }
}

/** Keeps each address that this process asks, and what it is told where that is refused. */
export function watchFetch(): void {
  const ask = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    keep('address', input instanceof Request ? input.url : String(input));
    const response = await ask(input, init);
    if (response.status >= 400) {
      keep('error', JSON.stringify([...response.headers]));
      // A body that never ends, or breaks off, is what some tests are about.
      response
        .clone()
        .text()
        .then((text) => keep('error', text))
        .catch(() => {});
    }
    return response;
  };
}

/** What was announced, and the jobs of a queue on PostgreSQL. */
export async function keepQueued(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string; bullmq: boolean }>(
      `select format('%I.%I', schemaname, tablename) as name, schemaname = 'bullmq' as bullmq from pg_tables
        where schemaname = 'bullmq' or (schemaname = 'public' and tablename = 'outbox')`,
    );
    for (const { name, bullmq } of tables) {
      const { rows } = await client.query<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`);
      keep(bullmq ? 'job' : 'outbox', rows.map(({ row }) => `${name} ${row}`).join('\n'));
    }
  } finally {
    await client.end();
  }
}

/** All that a Redis holds. */
export async function keepRedis(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ count: 1_000 })) {
      for (const key of keys as string[])
        keep('job', `${key} ${JSON.stringify(await contentOf(redis, key))}`);
    }
  } finally {
    redis.disconnect();
  }
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return null;
  }
}

/** What the tests of this run type in where the demo's people have nothing of the kind. */
export const typedIn = { fileName: 'canarynest.pdf', sortCode: '770204', accountNumber: '90277645' };

const plain = [...Object.values(canary), typedIn.fileName.replace('.pdf', '')];
const spaced = (text: string) => text.replaceAll(' ', '(?: |%20|\\+)?');
const words = new RegExp(plain.map(spaced).join('|'), 'i');
const bank = new RegExp(`(?<![\\w.])(?:${typedIn.accountNumber}|77-?02-?04)(?!\\w)`);
/** Of the range in which all of the demo's are. */
const nhsNumber = /(?<![\w.])999(?:[ -]|%20|\+)?\d{3}(?:[ -]|%20|\+)?\d{4}(?!\w)/g;
/** A token says who somebody is, and lets others be them. */
const token = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}/;

const kinds: [says: string, holds: (line: string) => boolean][] = [
  ['the words of a person', (line) => words.test(line)],
  ['a bank account', (line) => bank.test(line)],
  [
    'an NHS number',
    (line) =>
      [...line.matchAll(nhsNumber)].some(
        ([found]) => parseNhsNumber(found.replace(/%20|\+|-/g, ' ')) !== null,
      ),
  ],
  ['a token', (line) => token.test(line)],
];

/**
 * Where in a folder something personal stands: file, line and what it is, never the thing itself; and how many lines
 * were looked through.
 */
export async function lookThrough(folder: string): Promise<{ found: string[]; lines: number }> {
  const found: string[] = [];
  let count = 0;
  for (const file of (await readdir(folder)).sort()) {
    const lines = (await readFile(join(folder, file), 'utf8')).split('\n');
    count += lines.length;
    lines.forEach((line, index) => {
      for (const [says, holds] of kinds) if (holds(line)) found.push(`${file}:${index + 1} holds ${says}`);
    });
  }
  return { found, lines: count };
}
