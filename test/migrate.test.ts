import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate, newMigration } from '../prisma/migrate.ts';
import { PrismaClient } from '../src/generated/prisma/client.ts';
import { balancesIn, post } from '../src/ledger/post.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { makeEmptyDatabase } from './setup/database.ts';

const committed = fileURLToPath(new URL('../prisma', import.meta.url));

let database: Awaited<ReturnType<typeof makeEmptyDatabase>>;
let client: pg.Client;
/** A copy of the committed folder, to add to. */
let folder: string;
let migrations: string;
let schema: string;

beforeEach(async () => {
  database = await makeEmptyDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  folder = await mkdtemp(join(tmpdir(), 'tandem-migrate-'));
  await cp(committed, folder, { recursive: true });
  migrations = join(folder, 'migrations');
  schema = join(folder, 'schema.prisma');
});

afterEach(async () => {
  await client.end();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(migrations, name), { recursive: true });
  await writeFile(join(migrations, name, 'migration.sql'), sql);
}

async function exists(table: string): Promise<boolean> {
  const { rows } = await client.query('select to_regclass($1) is not null as present', [table]);
  return rows[0].present;
}

describe('migrating', () => {
  test('brings an empty database up to date, and finds nothing to do the second time', async () => {
    const applied = await migrate(database.url);
    expect(applied[0]).toMatch(/^\d{14}_\w+$/);
    expect(await exists('person')).toBe(true);
    expect(await migrate(database.url)).toEqual([]);
  });

  test('brings a database of the first version up to date with the money that is in it', async () => {
    const later = (await readdir(migrations))
      .filter((name) => /^\d/.test(name))
      .sort()
      .slice(1);
    expect(later.length).toBeGreaterThan(0);
    for (const name of later) await rm(join(migrations, name), { recursive: true });
    await migrate(database.url, undefined, migrations);
    await client.query(`
      with o as (insert into organisation (kind, name, ods_code) values ('ICB', 'Board', 'QWN') returning id),
        s as (insert into source_system (code, name, kind, side, organisation_id, base_url)
                select 'nhs', 'NHS', 'NHS_FHIR', 'NHS', id, 'http://127.0.0.1:9/' from o returning id),
        p as (insert into person (family_name, given_name, gender, sort_name)
                values ('Holloway', 'Iris', 'FEMALE', 'holloway iris') returning id),
        l as (insert into person_link (person_id, source_id, external_id, method, family_name, given_name, gender, restricted)
                select p.id, s.id, 'p1', 'NEW', 'Holloway', 'Iris', 'FEMALE', false from p, s returning id, person_id),
        b as (insert into budget (person_id, link_id, external_id, kind, status, valid_from, agreed_pence)
                select person_id, id, 'b1', 'PERSONAL_HEALTH_BUDGET', 'ACTIVE', '2026-04-01', 1000000 from l returning id, person_id)
      insert into ledger_account (person_id, budget_id, source, kind)
        select person_id, id, 'ICB', kind::ledger_account_kind from b, unnest(array['FUNDER', 'HELD', 'SPENT']) kind`);
    const move = (from: string, to: string, kind: string, pence: number) =>
      client.query(
        `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on, external_id)
         select a.person_id, a.budget_id, a.id, b.id, $3::transfer_kind, 'ICB', $4, '2026-10-25', $3
           from ledger_account a join ledger_account b on b.budget_id = a.budget_id
          where a.kind = $1::ledger_account_kind and b.kind = $2::ledger_account_kind`,
        [from, to, kind, pence],
      );
    await move('FUNDER', 'HELD', 'PAID_IN', 50_000);
    await move('HELD', 'SPENT', 'SPENT', 12_345);

    expect(await migrate(database.url)).toEqual(later);
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    try {
      expect(await verifyLedger(pool)).toEqual({ transfers: 2n, accounts: 3n, fault: null, row: null });
      const at = (await pool.query('select id as "budgetId", person_id as "personId" from budget')).rows[0];
      const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1 }) });
      const movement = { source: 'ICB', pence: 1_000n, effectiveOn: '2026-11-20', portionId: null } as const;
      await prisma.$transaction((tx) =>
        post(tx, at, [{ ...movement, kind: 'SPENT', description: null, cause: 'spend/1' }]),
      );
      const left = (await balancesIn(prisma, at.budgetId)).get('ICB')!.left;
      await prisma.$disconnect();
      expect(left).toBe(36_655n);
      expect((await verifyLedger(pool)).fault).toBeNull();
    } finally {
      await pool.end();
    }
  });

  test('two that start at once apply each migration once', async () => {
    const [one, other] = await Promise.all([migrate(database.url), migrate(database.url)]);
    const { rows } = await client.query('select migration_name from _prisma_migrations order by 1');
    expect([...one, ...other].sort()).toEqual(rows.map((row) => row.migration_name));
    expect(new Set([...one, ...other]).size).toBe(rows.length);
  });

  test('refuses a database that a newer Tandem has migrated', async () => {
    await write('20990101000000_later', 'create table later (id int)');
    await migrate(database.url, undefined, migrations);
    await expect(migrate(database.url)).rejects.toMatchObject({
      code: 'SCHEMA_NEWER',
      message:
        'This database was last migrated by a newer Tandem (20990101000000_later). Start that version, or restore a backup from before it.',
    });
  });

  test('refuses to go on when an applied migration was edited', async () => {
    await write('20990101000000_later', 'create table later (id int)');
    await migrate(database.url, undefined, migrations);
    await write('20990101000000_later', 'create table later (id bigint)');
    await expect(migrate(database.url, undefined, migrations)).rejects.toMatchObject({
      code: 'SCHEMA_EDITED',
    });
  });

  test('a failed migration leaves nothing behind, tells no value, and is tried again once mended', async () => {
    await write('20990101000000_broken', `create table half (id int); select 'Amina Yusuf'::int;`);
    const failure = await migrate(database.url, undefined, migrations).catch((error: Error) => error);
    expect(failure).toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(String(failure)).toContain('20990101000000_broken failed in PostgreSQL (22P02)');
    const { rows } = await client.query('select logs from _prisma_migrations where logs is not null');
    expect(JSON.stringify([failure, rows])).not.toContain('Amina');
    expect(await exists('half')).toBe(false);

    await write('20990101000000_broken', 'create table half (id int)');
    expect(await migrate(database.url, undefined, migrations)).toEqual(['20990101000000_broken']);
    expect(await exists('half')).toBe(true);
  });

  test('goes on where a process was killed amid a migration', async () => {
    await migrate(database.url);
    await write('20990101000000_later', 'create table later (id int)');
    await client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, started_at, applied_steps_count)
       values ('killed', '', '20990101000000_later', now(), 0)`,
    );
    expect(await migrate(database.url, undefined, migrations)).toEqual(['20990101000000_later']);
  });

  test('keeps a function whole whatever semicolons it holds', async () => {
    await write(
      '20990101000000_function',
      `create function doubled(n int) returns int language plpgsql as $$ begin n := n * 2; return n; end $$;`,
    );
    await migrate(database.url, undefined, migrations);
    const { rows } = await client.query('select doubled(21)');
    expect(rows).toEqual([{ doubled: 42 }]);
  });
});

describe('a new migration', () => {
  const now = new Date('2026-12-24T18:30:05Z');

  test('is not written while the schema and the migrations agree', async () => {
    expect(await newMigration(database.url, 'nothing', now, { migrations, schema })).toBeNull();
  });

  test('holds what the schema adds, and drops nothing that Prisma does not know', async () => {
    await write(
      '20990101000000_by_hand',
      `create function answer() returns int language sql as 'select 42';
       create function stay() returns trigger language plpgsql as $$ begin return new; end $$;
       create trigger stay before update on organisation for each row execute function stay();
       alter table organisation add constraint organisation_named check (name <> '');
       create index organisation_open on organisation (ods_code) where valid_to is null;
       create view open_organisation as select id from organisation where valid_to is null;`,
    );
    const text = await readFile(schema, 'utf8');
    await writeFile(schema, text.replace('model Organisation {', 'model Organisation {\n  motto String?'));
    const file = await newMigration(database.url, 'add_motto', now, { migrations, schema });
    expect(file).toBe(join(migrations, '20261224183005_add_motto', 'migration.sql'));
    expect(await readFile(file!, 'utf8')).toBe(
      '-- AlterTable\nALTER TABLE "organisation" ADD COLUMN     "motto" TEXT;\n',
    );
    expect(await exists('organisation')).toBe(false);
    const { rows } = await client.query(
      `select datname from pg_database where datname like 'tandem_shadow_%'`,
    );
    expect(rows).toEqual([]);
  });

  test('refuses a name that is no file name', async () => {
    await expect(newMigration(database.url, '../x', now, { migrations, schema })).rejects.toMatchObject({
      code: 'BAD_NAME',
    });
  });
});
