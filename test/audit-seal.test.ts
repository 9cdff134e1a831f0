/** The seal of the audit: whoever owns the database and changes, removes, reorders or adds something is found out. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sealAndAnchor } from '../jobs/seal.ts';
import { type Anchor, openAnchor } from '../src/audit/anchor.ts';
import { beginning, hashOf } from '../src/audit/digest.ts';
import { sealAudit } from '../src/audit/seal.ts';
import { eventsStatement } from '../src/audit/store.ts';
import { verifyAudit } from '../src/audit/verify.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { openLog } from '../src/platform/log.ts';
import { asOwner, makeDatabase } from './setup/database.ts';

const at = new Date('2026-11-21T12:00:00Z');
const later = (hours: number) => new Date(at.getTime() + hours * 3_600_000);

let made: { url: string; drop: () => Promise<void> };
let database: Database;
let pool: pg.Pool;
let folder: string;
let anchor: Anchor;
beforeEach(async () => {
  made = await makeDatabase();
  database = openDatabase(made.url);
  pool = database.pool;
  folder = await mkdtemp(join(tmpdir(), 'tandem-anchor-'));
  anchor = await openAnchor({ file: join(folder, 'anchor.jsonl'), dataDir: folder, key: undefined });
});
afterEach(async () => {
  await database.close();
  await made.drop();
  await rm(folder, { recursive: true });
});

const event = (n: number) =>
  eventsStatement([
    {
      at,
      requestId: crypto.randomUUID(),
      correlationId: n % 2 ? crypto.randomUUID() : null,
      viewer: { subject: `somebody ${n}`, role: 'SOCIAL_WORKER', organisation: '999' },
      action: 'READ',
      object: 'person',
      parts: 'Person,Plan',
      outcome: 'FOUND',
      personIds: [`00000000-0000-4000-8000-${String(n % 7).padStart(12, '0')}`],
    },
  ]);

async function happen(count: number, sql: Pick<pg.Pool, 'query'> = pool): Promise<void> {
  for (let n = 0; n < count; n++) await sql.query(event(n));
}

const seals = async () =>
  (await pool.query('select number::int, events::text, awaited::text from audit_seal order by number')).rows;

/** As the owner of the database, who can switch off what guards its tables. */
async function tamper(...statements: string[]): Promise<void> {
  const tables = ['audit_event', 'audit_seal', 'audit_event_person'];
  await asOwner(database.url, tables.map((table) => `alter table ${table} disable trigger user`).join(';'));
  for (const statement of statements) await asOwner(database.url, statement);
}

describe('an audit that was sealed', () => {
  beforeEach(async () => {
    for (let n = 0; n < 3; n++) {
      await happen(10);
      await sealAndAnchor({ pool, log: openLog('silent'), now: () => at, anchor });
    }
  });

  test('is found whole', async () => {
    expect(await verifyAudit(pool, anchor.read())).toEqual({
      seals: 3n,
      events: 30n,
      anchors: 3n,
      fault: null,
      row: null,
    });
  });

  test.each([
    ['changed', ["update audit_event set reason = 'none' where id = 17"], 'audit_event', '17'],
    [
      'said to be of somebody else',
      ["update audit_event set person_ids = '{}' where id = 5"],
      'audit_event',
      '5',
    ],
    ['removed', ['delete from audit_event where id = 12'], 'audit_event', '12'],
    [
      'put in another order',
      [
        'update audit_event set id = -1 where id = 8',
        'update audit_event set id = 8 where id = 9',
        'update audit_event set id = 9 where id = -1',
      ],
      'audit_event',
      '8',
    ],
    [
      'added',
      [
        `insert into audit_event (id, at, request_id, subject, role, action, object, outcome, person_ids)
         select 0, at, request_id, subject, role, action, object, outcome, person_ids from audit_event where id = 4`,
      ],
      'audit_event',
      '0',
    ],
    ['hidden from the person', ['delete from audit_event_person where event_id = 21'], 'audit_event', '21'],
    ['without a seal', ['delete from audit_seal where number = 2'], 'audit_seal', '2'],
    [
      'under a changed seal',
      ["update audit_seal set at = at - interval '1 day' where number = 3"],
      'audit_seal',
      '3',
    ],
    [
      'cut off at its end, seals and all',
      [
        'delete from audit_event where id > 20',
        'delete from audit_event_person where event_id > 20',
        'delete from audit_seal where number > 2',
      ],
      'audit_seal',
      '3',
    ],
    ['wiped', ['truncate audit_event, audit_event_person, audit_seal'], 'audit_seal', '1'],
  ])('and then is %s: the first bad row is named', async (_name, statements, table, id) => {
    await tamper(...statements);
    const { fault, row } = await verifyAudit(pool, anchor.read());
    expect(row).toEqual({ table, id });
    expect(fault).toContain(`${table} ${id}: `);
    expect(fault).not.toContain('somebody');
  });

  test('and was made anew to the end by somebody who knows how, is not what the anchor says', async () => {
    await tamper(
      "update audit_event set reason = 'none' where id = 17",
      'delete from audit_seal where number > 1',
    );
    while ((await sealAudit(pool, at, 10)) !== null) {
      // Link by link, as the hub would have.
    }
    expect((await verifyAudit(pool)).fault).toBeNull();
    expect((await verifyAudit(pool, anchor.read())).row).toEqual({ table: 'audit_seal', id: '2' });
  });

  test('has an anchor that nobody else can write', async () => {
    const file = join(folder, 'anchor.jsonl');
    const [first, second, third] = (await readFile(file, 'utf8')).trim().split('\n') as [
      string,
      string,
      string,
    ];
    const forged = JSON.stringify({ ...JSON.parse(second), hash: JSON.parse(third).hash });
    await writeFile(file, `${first}\n${forged}\n`);
    await expect(verifyAudit(pool, anchor.read())).rejects.toMatchObject({ code: 'ANCHOR_INVALID' });

    const other = await mkdtemp(join(tmpdir(), 'tandem-anchor-'));
    const foreign = await openAnchor({ file, dataDir: other, key: undefined });
    await expect(verifyAudit(pool, foreign.read())).rejects.toMatchObject({ code: 'ANCHOR_INVALID' });
    await rm(other, { recursive: true });
  });

  test('is gone through from the command line, which ends with 1 when something is wrong', async () => {
    const run = (...words: string[]) =>
      promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/hub.ts', 'audit', 'verify', ...words], {
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { ...process.env, DATABASE_URL: made.url, DATA_DIR: folder },
      });
    const file = ['--anchor', join(folder, 'anchor.jsonl')];
    expect((await run(...file)).stdout).toBe(
      '30 events in 3 seals, 3 of them anchored: everything is as it was sealed\n',
    );
    await expect(run()).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('No anchor') });
    await tamper('delete from audit_event where id = 12');
    await expect(run(...file)).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('audit_event 12: it is gone; seal 2 holds it'),
    });
  });

  test('cannot be changed as long as its guards stand', async () => {
    for (const table of ['audit_seal', 'audit_event_person', 'audit_event']) {
      for (const attack of [`delete from ${table}`, `truncate ${table}`])
        await expect(asOwner(database.url, attack)).rejects.toThrow('append-only');
    }
    const attack = 'update audit_seal set number = number + 1';
    await expect(asOwner(database.url, attack)).rejects.toThrow('append-only');
    // And the hub itself may not even try.
    await expect(pool.query(attack)).rejects.toThrow('permission denied');
  });
});

describe('what commits in another order than it began', () => {
  test('is awaited, and sealed when it shows', async () => {
    const slow = await pool.connect();
    await slow.query('begin');
    await happen(1, slow);
    await happen(2);
    await sealAudit(pool, at);
    expect(await seals()).toEqual([{ number: 1, events: '{[2,4)}', awaited: '{[1,2)}' }]);
    // However long it takes.
    await happen(1);
    await sealAudit(pool, later(5));
    await happen(1);
    await sealAudit(pool, later(10));
    expect((await seals()).at(-1)).toEqual({ number: 3, events: '{[5,6)}', awaited: '{[1,2)}' });
    await slow.query('commit');
    slow.release();
    await sealAudit(pool, later(11));
    expect((await seals()).at(-1)).toEqual({ number: 4, events: '{[1,2)}', awaited: '{}' });
    expect(await sealAudit(pool, later(12))).toBeNull();
    expect(await verifyAudit(pool)).toMatchObject({ seals: 4n, events: 5n, fault: null });
  });

  test('is given up once nobody can still bring it', async () => {
    const slow = await pool.connect();
    await slow.query('begin');
    await happen(1, slow);
    await happen(1);
    await sealAudit(pool, at);
    await slow.query('rollback');
    slow.release();
    await happen(1);
    await sealAudit(pool, at);
    expect((await seals()).at(-1)).toMatchObject({ awaited: '{[1,2)}' });
    // Whoever else is at work on this server may still bring it, as far as PostgreSQL tells; and a seal is of something new.
    let happened = 2n;
    const awaited = async () => {
      await happen(1);
      happened += 1n;
      await sealAudit(pool, later(2));
      return (await seals()).at(-1)!.awaited;
    };
    await expect.poll(awaited, { timeout: 45_000 }).toBe('{}');
    expect(await verifyAudit(pool)).toMatchObject({ events: happened, fault: null });
  }, 60_000);
});

test('two that seal while many write make one chain, with every event in it once', async () => {
  const other = openDatabase(made.url);
  let writing = true;
  async function keepSealing(its: pg.Pool) {
    while (writing) await sealAudit(its, at, 7);
  }
  const writers = Array.from({ length: 4 }, async (_, n) => {
    for (let turn = 0; turn < 15; turn++) {
      const sql = await pool.connect();
      await sql.query('begin');
      await happen(3, sql);
      await sql.query((turn + n) % 5 === 0 ? 'rollback' : 'commit');
      sql.release();
    }
  });
  const sealers = [keepSealing(pool), keepSealing(other.pool)];
  await Promise.all(writers);
  writing = false;
  await Promise.all(sealers);
  while ((await sealAudit(pool, at)) !== null) {
    // What came last.
  }
  await other.close();
  const { rows } = await pool.query('select count(*)::int as n from audit_event');
  expect(rows[0].n).toBe(144);
  expect(await verifyAudit(pool)).toMatchObject({ events: 144n, fault: null });
  expect((await seals()).length).toBeGreaterThan(3);
}, 30_000);

test('the hash of a seal covers all of it', () => {
  const seal = {
    number: 1n,
    at,
    events: '{[1,3)}',
    digests: Buffer.alloc(64, 1),
    top: 2n,
    awaited: '{}',
    horizon: 700n,
  };
  const changes = [
    { number: 2n },
    { at: later(1) },
    { events: '{[1,2)}' },
    { digests: Buffer.alloc(64, 2) },
    { top: 3n },
    { awaited: '{[1,2)}' },
    { horizon: 701n },
  ];
  const hashes = [{}, ...changes].map((change) => hashOf(beginning, { ...seal, ...change }).toString('hex'));
  hashes.push(hashOf(Buffer.alloc(32, 1), seal).toString('hex'));
  expect(new Set(hashes).size).toBe(hashes.length);
});
