import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as schemaEngine from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { Fault } from '../src/platform/fault.ts';

const folderOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const committed = folderOf('migrations');

/** One number for every Tandem, so that two that start at once take turns. */
const migrationLock = 7_261_863_314_902_115n;

/**
 * Applies what is missing of `migrations/` and returns the names applied. Each `migration.sql` runs as one
 * transaction, so it may hold no `begin`, `commit` or `create index concurrently`; one that fails leaves nothing
 * behind and is tried again at the next start.
 *
 * @throws Fault SCHEMA_NEWER, ROLES_MISSING, SCHEMA_EDITED or MIGRATION_FAILED, whose messages are for the operator.
 */
export async function migrate(
  databaseUrl: string,
  log?: (message: string) => void,
  migrations = committed,
): Promise<string[]> {
  const lock = new pg.Client({ connectionString: databaseUrl });
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [migrationLock]);
    const list = await readMigrations(migrations);
    await assertRoles(lock);
    await assertSchemaNotNewer(lock, list);
    const { engine, failure, close } = await openEngine(databaseUrl);
    try {
      const history = await engine.diagnoseMigrationHistory({
        migrationsList: list,
        optInToShadowDatabase: false,
        filters,
      });
      const changed = history.editedMigrationNames.filter(
        (name) => !history.failedMigrationNames.includes(name),
      );
      if (changed.length > 0) throw edited(changed);
      // A process killed amid a migration leaves its row unfinished; the transaction is rolled back by PostgreSQL.
      for (const migrationName of history.failedMigrationNames)
        await engine.markMigrationRolledBack({ migrationName });
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList: list, filters });
      for (const name of appliedMigrationNames) log?.(`Applied migration ${name}`);
      return appliedMigrationNames;
    } catch (error) {
      throw failure() ? await failed(lock, failure()) : error;
    } finally {
      await close();
    }
  } finally {
    await lock.end();
  }
}

/** Refuses a database that holds a finished migration which this build does not know. */
async function assertSchemaNotNewer(client: pg.Client, list: schemaEngine.MigrationList): Promise<void> {
  const { rows: tables } = await client.query(
    `select to_regclass('_prisma_migrations') is not null as present`,
  );
  if (!tables[0].present) return;
  const known = list.migrationDirectories.map(({ path }) => path);
  const { rows } = await client.query(
    `select migration_name from _prisma_migrations
     where finished_at is not null and rolled_back_at is null and migration_name <> all ($1) order by 1`,
    [known],
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => row.migration_name).join(', ');
  throw new Fault(
    'SCHEMA_NEWER',
    `This database was last migrated by a newer Tandem (${names}). Start that version, or restore a backup from before it.`,
  );
}

/** The hub takes two roles to work in: they must be this login's to take, or to make. */
async function assertRoles(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; login: string }>(`
    select name, current_user as login
      from unnest('{tandem_worker, tandem_reader}'::text[]) as name
      join pg_roles me on me.rolname = current_user
      left join pg_roles r on r.rolname = name
     where not me.rolsuper and not coalesce(pg_has_role(r.oid, 'member'), me.rolcreaterole)`);
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(' and ');
  throw new Fault(
    'ROLES_MISSING',
    `The database user ${rows[0]!.login} may neither take nor make ${names}. Let an administrator of the server run: ` +
      'create role tandem_worker; create role tandem_reader; (where they are not there) ' +
      `grant tandem_worker, tandem_reader to "${rows[0]!.login}";`,
  );
}

const edited = (names: string[]) =>
  new Fault(
    'SCHEMA_EDITED',
    `The text of a migration this database already has was changed since (${names.join(', ')}). Put the text back and ` +
      'write the change as a new migration; a database with nothing to lose can be dropped instead.',
  );

/** PostgreSQL's own message can quote a row's values, so only its code is passed on, and kept in the table. */
async function failed(client: pg.Client, error: unknown): Promise<Fault> {
  const code = (error as { code?: string }).code ?? 'connection lost';
  const { rows } = await client.query(
    `update _prisma_migrations set rolled_back_at = now(), logs = $1
     where finished_at is null and rolled_back_at is null returning migration_name`,
    [`SQLSTATE ${code}`],
  );
  const names = rows.map((row) => row.migration_name).join(', ');
  return new Fault(
    'MIGRATION_FAILED',
    `Migration ${names} failed in PostgreSQL (${code}) and left nothing behind. The version before still runs on this ` +
      'database. What PostgreSQL said stands in the log of the server.',
  );
}

/** Indexes that `schema.prisma` cannot describe: with INCLUDE. */
const handMade = ['ledger_transfer_page'];

const withoutDropping = (indexes: string[], script: string) =>
  indexes.reduce((rest, name) => rest.replace(`-- DropIndex\nDROP INDEX "${name}";`, '').trim(), script);

/**
 * Writes `migrations/<timestamp>_<name>/migration.sql` with what `schema.prisma` has and the migrations do not, and
 * returns its path; null when nothing differs. Works in a database of its own on the given server, dropped after.
 * Functions, triggers, checks, policies, views and partial or expression indexes are left alone; a table, a column or
 * a plain index made by hand is proposed for dropping unless `schema.prisma` or `handMade` names it, so the file wants
 * reading.
 */
export async function newMigration(
  serverUrl: string,
  name: string,
  now: Date,
  { migrations = committed, schema = folderOf('schema.prisma') } = {},
): Promise<string | null> {
  if (!/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name)) {
    throw new Fault(
      'BAD_NAME',
      'A migration is named in lower-case words joined by underscores, such as add_surplus_weeks',
    );
  }
  const { engine, failure, close } = await openEngine(serverUrl);
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'migrations', ...(await readMigrations(migrations)) },
      to: { tag: 'schemaDatamodel', files: [{ path: schema, content: await readFile(schema, 'utf8') }] },
      script: true,
      exitCode: null,
      filters,
    });
    const script = withoutDropping(handMade, stdout ?? '');
    if (script === '' || script.startsWith('-- This is an empty migration')) return null;
    const stamp = now.toISOString().replace(/\D/g, '').slice(0, 14);
    const folder = join(migrations, `${stamp}_${name}`);
    await mkdir(folder);
    await writeFile(join(folder, 'migration.sql'), `${script}\n`);
    return join(folder, 'migration.sql');
  } catch (error) {
    throw failure() ?? error;
  } finally {
    await close();
  }
}

// TypeScript has these only in its browser library.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
};

const filters: schemaEngine.SchemaFilter = { externalTables: [], externalEnums: [] };

async function readMigrations(baseDir: string): Promise<schemaEngine.MigrationList> {
  const entries = await readdir(baseDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const directories = names.sort().map(async (path) => ({
    path,
    migrationFile: {
      path: 'migration.sql',
      content: { tag: 'ok' as const, value: await readFile(join(baseDir, path, 'migration.sql'), 'utf8') },
    },
  }));
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(directories),
  };
}

/** Prisma's schema engine as WebAssembly: its native form is a download that closed networks refuse. */
async function instantiateEngine(): Promise<void> {
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const module = new WebAssembly.Module(await readFile(script.replace(/js$/, 'wasm')));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': schemaEngine as never });
  schemaEngine.__wbg_set_wasm(exports);
  // Where the engine reports a bug of its own.
  const panics = {
    set_message: (message: string) => {
      throw new Error(message);
    },
  };
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: panics });
  (exports.__wbindgen_start as () => void)();
}

/** Once in a process: the bindings keep views of one instance's memory. */
let instantiated: Promise<void> | undefined;

async function openEngine(databaseUrl: string) {
  instantiated ??= instantiateEngine();
  await instantiated;
  const scripts = wholeScripts(databaseUrl);
  const adapter = bindMigrationAwareSqlAdapterFactory(scripts.factory);
  const engine = await schemaEngine.SchemaEngine.new({ datamodels: undefined }, () => {}, adapter);
  return {
    engine,
    failure: scripts.failure,
    close: async () => {
      engine.free();
      await scripts.close();
    },
  };
}

/**
 * Prisma's adapter cuts scripts at every semicolon and sends the pieces one by one. Sent whole, a function's body
 * stays whole too, and PostgreSQL runs the script as one transaction. It also opens its shadow database with the
 * address of the real one, so that is done here.
 */
function wholeScripts(databaseUrl: string) {
  const opened: SqlDriverAdapter[] = [];
  let failure: unknown;
  const open = async (url: string): Promise<SqlDriverAdapter> => {
    const adapter = await new PrismaPg({ connectionString: url, max: 1 }).connect();
    opened.push(adapter);
    const pool = adapter.underlyingDriver();
    const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryResult>;
    // The adapter does not know the catalogue's one-letter columns ("char", 18): read them as text (25), hand them on
    // as letters. The engine sends one query at a time.
    const letters = new Set<number>();
    pool.query = (async (...args: unknown[]) => {
      const result = await query(...args);
      for (const [index, field] of (result.fields ?? []).entries()) {
        if (field.dataTypeID !== 18) continue;
        field.dataTypeID = 25;
        letters.add(index);
      }
      return result;
    }) as typeof pool.query;
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (sql) => {
      letters.clear();
      const result = await queryRaw(sql);
      for (const index of letters) result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    };
    adapter.executeScript = async (script) => {
      await query(script).catch((error) => {
        failure = error;
        throw error;
      });
    };
    return adapter;
  };
  const connectToShadowDb = async () => {
    const name = `tandem_shadow_${randomUUID().replaceAll('-', '')}`;
    await execute(databaseUrl, `create database ${name}`);
    const url = new URL(databaseUrl);
    url.pathname = name;
    const shadow = await open(url.href);
    const dispose = shadow.dispose.bind(shadow);
    let dropped = false;
    shadow.dispose = async () => {
      if (dropped) return;
      dropped = true;
      await dispose();
      await execute(databaseUrl, `drop database ${name} with (force)`);
    };
    return shadow;
  };
  const factory: SqlMigrationAwareDriverAdapterFactory = {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => open(databaseUrl),
    connectToShadowDb,
  };
  // The engine leaves its connections open, and with them its own advisory lock.
  const close = async () => void (await Promise.all(opened.map((adapter) => adapter.dispose())));
  return { factory, failure: () => failure, close };
}

async function execute(databaseUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
