/**
 * The whole database as a folder of files, and back: a file for each table, as COPY writes it, and a manifest. For the
 * embedded PostgreSQL, which comes without pg_dump; with a server of one's own pg_dump does the same, and more.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { z } from 'zod';
import { Fault } from '../src/platform/fault.ts';

const manifestFile = 'manifest.json';

const manifestShape = z.object({
  takenAt: z.string(),
  /** Of the database it was taken of: it goes back into one of the same. */
  migrations: z.array(z.string()),
  tables: z.array(
    z.object({
      name: z.string(),
      columns: z.array(z.string()),
      rows: z.number(),
      /** Of the rows as COPY wrote them. */
      sha256: z.string(),
    }),
  ),
  /** The number each sequence goes on from. */
  sequences: z.record(z.string(), z.string()),
});

export type Manifest = z.infer<typeof manifestShape>;
type Table = Manifest['tables'][number];

// What Prisma keeps of its migrations is made by migrating; what stands in other schemas is the queue's, and is made anew.
const tablesSql = `
select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
 where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> '_prisma_migrations'
 group by c.relname order by c.relname`;
const sequencesSql = `
select sequencename as name, last_value::text as last from pg_sequences where schemaname = 'public' and last_value is not null`;
const migrationsSql = `
select migration_name as name from _prisma_migrations
 where finished_at is not null and rolled_back_at is null order by migration_name`;
const foreignKeysSql = `
select conrelid::regclass::text as on, quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
  from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace and conparentid = 0
 order by conrelid::regclass::text, conname`;

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
const columnsOf = ({ columns }: Pick<Table, 'columns'>) => columns.map(quote).join(', ');
const fileOf = (folder: string, { name }: Pick<Table, 'name'>) => join(folder, `${name}.copy.gz`);

/** Lets everything through, and tells afterwards what it was. */
function measured() {
  const hash = createHash('sha256');
  const through = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { through, sha256: () => hash.digest('hex') };
}

/**
 * Writes all that the database holds at one instant into a new folder, while the hub goes on. Only its owner may read
 * it: it holds people's records. Documents are files of their own, and are not in it.
 *
 * @throws Fault BACKUP_FOLDER_TAKEN
 */
export async function backUp(databaseUrl: string, folder: string, now: Date): Promise<Manifest> {
  if ((await readdir(folder).catch(() => null)) !== null) {
    throw new Fault('BACKUP_FOLDER_TAKEN', 'That folder is there already. Name one that is not.');
  }
  // Written beside its place and moved there whole: a backup that was interrupted is not taken for one.
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  const client = await connect(databaseUrl);
  try {
    // Rather an error than a backup of those rows alone that a policy shows.
    await client.query('begin isolation level repeatable read read only');
    const tables: Table[] = [];
    for (const found of (await client.query<Pick<Table, 'name' | 'columns'>>(tablesSql)).rows) {
      const { through, sha256 } = measured();
      const copy = client.query(copyTo(`copy ${quote(found.name)} (${columnsOf(found)}) to stdout`));
      const file = createWriteStream(fileOf(draft, found), { mode: 0o600, flush: true });
      await pipeline(copy, through, createGzip(), file);
      tables.push({ ...found, rows: copy.rowCount, sha256: sha256() });
    }
    // Sequences know no snapshot: read last, they are past every number that was copied.
    const sequences = Object.fromEntries(
      (await client.query(sequencesSql)).rows.map(({ name, last }) => [name, last]),
    );
    const manifest = {
      takenAt: now.toISOString(),
      migrations: await migrationsOf(client),
      tables,
      sequences,
    };
    await writeFile(join(draft, manifestFile), JSON.stringify(manifest, null, 2), {
      mode: 0o600,
      flush: true,
    });
    await rename(draft, folder);
    await syncFolder(join(folder, '..'));
    return manifest;
  } finally {
    await client.end();
  }
}

/**
 * Puts a backup into a database that was migrated just now and holds nothing: all of it in one transaction, or none.
 * Keys between tables are checked once everything is there. Triggers stay silent meanwhile: what they would write is in
 * the backup.
 *
 * @throws Fault BACKUP_NOT_WHOLE, BACKUP_OTHER_VERSION, DATABASE_NOT_EMPTY
 */
export async function restore(databaseUrl: string, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const client = await connect(databaseUrl);
  try {
    await client.query('begin');
    await expectSameVersion(client, manifest);
    const { rows: present } = await client.query<Pick<Table, 'name' | 'columns'>>(tablesSql);
    await expectEmpty(client, present);
    const { rows: keys } = await client.query(foreignKeysSql);
    for (const key of keys) await client.query(`alter table ${key.on} drop constraint ${key.name}`);
    for (const { name } of present) await client.query(`alter table ${quote(name)} disable trigger user`);
    for (const table of manifest.tables) await load(client, folder, table);
    for (const { name } of present) await client.query(`alter table ${quote(name)} enable trigger user`);
    for (const key of keys) {
      await client.query(`alter table ${key.on} add constraint ${key.name} ${key.definition}`);
    }
    for (const [name, last] of Object.entries(manifest.sequences)) {
      await client.query('select setval($1::regclass, $2)', [quote(name), last]);
    }
    await client.query('commit');
    await client.query('analyze');
    return manifest;
  } finally {
    await client.end();
  }
}

async function load(client: pg.Client, folder: string, table: Table): Promise<void> {
  const { through, sha256 } = measured();
  const copy = client.query(copyFrom(`copy ${quote(table.name)} (${columnsOf(table)}) from stdin`));
  await pipeline(createReadStream(fileOf(folder, table)), createGunzip(), through, copy).catch((error) => {
    // PostgreSQL's own words may quote a row.
    throw (error as { code?: string }).code?.match(/^Z_|^ENOENT$/) ? notWhole(table.name) : error;
  });
  if (sha256() !== table.sha256 || copy.rowCount !== table.rows) throw notWhole(table.name);
}

const notWhole = (what: string) =>
  new Fault(
    'BACKUP_NOT_WHOLE',
    `The backup is not whole: ${what} is missing or was changed. Take another one.`,
  );

async function readManifest(folder: string): Promise<Manifest> {
  try {
    return manifestShape.parse(JSON.parse(await readFile(join(folder, manifestFile), 'utf8')));
  } catch {
    throw notWhole(manifestFile);
  }
}

async function expectSameVersion(client: pg.Client, manifest: Manifest): Promise<void> {
  const migrations = await migrationsOf(client);
  if (migrations.join() === manifest.migrations.join()) return;
  throw new Fault(
    'BACKUP_OTHER_VERSION',
    `The backup is of another version of Tandem (up to ${manifest.migrations.at(-1)}; this one is at ${migrations.at(-1)}). Restore it with that version, then start this one: it migrates.`,
  );
}

async function expectEmpty(client: pg.Client, tables: Pick<Table, 'name'>[]): Promise<void> {
  for (const { name } of tables) {
    const { rowCount } = await client.query(`select from ${quote(name)} limit 1`);
    if (rowCount === 0) continue;
    throw new Fault(
      'DATABASE_NOT_EMPTY',
      'The database holds records already. Restore into a new one: another DATA_DIR, or another DATABASE_URL.',
    );
  }
}

async function migrationsOf(client: pg.Client): Promise<string[]> {
  return (await client.query<{ name: string }>(migrationsSql)).rows.map(({ name }) => name);
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, options: '-c statement_timeout=0 -c timezone=UTC' });
  await client.connect();
  return client;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
