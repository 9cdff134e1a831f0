/** `npm run hub -- COMMAND`: what an operator does from the command line. */

import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { printSchema } from 'graphql';
import pg from 'pg';
import { backUp, type Manifest, restore } from '../prisma/backup.ts';
import { migrate, newMigration } from '../prisma/migrate.ts';
import {
  type ClientApplication,
  clientRoles,
  disableClient,
  listClients,
  putClient,
  readPublicKeys,
} from './access/client.ts';
import { replaceHubKey } from './access/hub-key.ts';
import { openAnchor } from './audit/anchor.ts';
import { verifyAudit } from './audit/verify.ts';
import { openCatalogue } from './catalogue.ts';
import { loadPolicy } from './commissioner/load.ts';
import { demoIssuerUrl, demoToken, readDemoKey } from './demo/issuer.ts';
import { personas } from './demo/persona.ts';
import { makePlace } from './demo/place.ts';
import { askForSync } from './intake/request.ts';
import { putOrganisation, putSource } from './intake/source.ts';
import { verifyLedger } from './ledger/verify.ts';
import { manifestOf } from './limit/document.ts';
import { usualLimits } from './limit/rules.ts';
import { asRole } from './platform/database.ts';
import { londonDay } from './platform/day.ts';
import { startEmbeddedPostgres } from './platform/embedded.ts';
import { type Environment, EnvironmentError, isDemo, readEnvironment } from './platform/environment.ts';
import { Fault } from './platform/fault.ts';
import { watchSync } from './watch.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);

const demoPeople = () => personas(makePlace({ today: londonDay(new Date()), size: 20 }));

const help = () => `npm run hub -- COMMAND

  token NAME                     a demo token for ${Object.keys(demoPeople()).join(', ')}
  sync [SOURCE…]                 asks the sources for their news now, and shows how it goes on
  source list                    the systems the hub takes records from
  source add CODE --kind NHS_FHIR|COUNCIL --organisation ODS --url URL --name NAME [--every SECONDS]
  organisation add CODE --kind ICB|COUNCIL|PROVIDER|OTHER --name NAME
  client add ID --name NAME [--organisation ODS] [--role ROLE --key FILE] [--documents-only]
                                 an application that signs in with its own key (PEM or JWKS), or carries people's tokens
  client list                    the applications, and whether they may come in
  client disable ID              takes an application out; client add lets it in again
  client new-key                 a new key for the tokens of applications; restart the hub after it
  policy load FOLDER             takes up policy.csv, exclusion.csv and authorisation.csv of a commissioner
  audit verify [--anchor FILE]   looks whether the audit is as it was sealed, and names the first row that is not
  ledger verify                  recomputes every balance, and names the first row that does not fit
  backup FOLDER                  writes all that the database holds into a new folder, while the hub goes on
  restore FOLDER                 puts a backup into a database that holds nothing, and verifies its ledger
  schema                         the schema, for those who generate types from it
  documents FOLDER               writes FOLDER/documents.json: the trusted documents, one for each .graphql file
  migrate                        brings the database up to this version
  migrate new NAME               writes the SQL of a change of prisma/schema.prisma as a new migration`;

type Options = Record<string, string | undefined> & { 'documents-only'?: boolean };
type Run = (words: string[], options: Options, environment: Environment) => Promise<void>;

const commands: Record<string, Run> = {
  token: async ([name = ''], _options, environment) => {
    const { port, oidcAudience, dataDir } = environment;
    if (!isDemo(environment)) throw usage('OIDC_ISSUER or SIGN_IN_FILE is set: tokens come from there.');
    const everybody = Object.entries(demoPeople());
    const persona = everybody.find(([known]) => known === name)?.[1];
    if (persona === undefined) throw usage(`Say who: ${everybody.map(([known]) => known).join(', ')}.`);
    const key = await readDemoKey(dataDir);
    if (key === null) throw usage('The demo has not run yet with this DATA_DIR. Start it first: npm start');
    say(
      await demoToken(persona, { issuer: demoIssuerUrl(port), audience: oidcAudience, key, now: new Date() }),
    );
  },

  migrate: async ([word, name], _options, environment) => {
    await withDatabase(environment, async (url) => {
      if (word === undefined) {
        const applied = await migrate(url, say);
        if (applied.length === 0) say('The database is up to date.');
      } else if (word === 'new' && name !== undefined) {
        const file = await newMigration(url, name, new Date());
        say(
          file === null
            ? 'prisma/schema.prisma and the migrations agree: nothing to write.'
            : `Wrote ${file}: read it.`,
        );
      } else throw usage('Say: migrate, or migrate new NAME.');
    });
  },

  audit: async ([word], { anchor: file }, environment) => {
    if (word !== 'verify') throw usage('Say: audit verify, or audit verify --anchor FILE');
    const settings = { ...environment.audit, dataDir: environment.dataDir };
    const anchor = await openAnchor({ ...settings, file: file ?? settings.file });
    await withPool(environment, async (pool) => {
      const { seals, events, anchors, fault } = await verifyAudit(pool, anchor.read());
      const held = `${events} events in ${seals} seals, ${anchors} of them anchored`;
      say(`${held}: ${fault ?? 'everything is as it was sealed'}`);
      if (anchors === 0n && seals > 0n)
        say(
          'No anchor was found, so nobody can tell whether later seals are gone: name its file by --anchor.',
        );
      if (fault !== null || (anchors === 0n && seals > 0n)) process.exitCode = 1;
    });
  },

  ledger: async ([word], _options, environment) => {
    if (word !== 'verify') throw usage('Say: ledger verify');
    await withPool(environment, verify);
  },

  backup: async ([folder], _options, environment) => {
    if (!folder) throw usage('Say: backup FOLDER');
    await withDatabase(environment, async (url) => {
      say(`${rowsOf(await backUp(url, resolve(folder), new Date()))} are in ${folder}.`);
    });
    if (environment.evidence.s3 === undefined) {
      say(`Documents are files of their own: keep a copy of ${environment.evidence.folder} with it.`);
    }
  },

  restore: async ([folder], _options, environment) => {
    if (!folder) throw usage('Say: restore FOLDER');
    await withDatabase(environment, async (url) => {
      await migrate(url, say);
      const manifest = await restore(url, resolve(folder));
      say(`${rowsOf(manifest)} are back, as of ${manifest.takenAt}.`);
      await onPool(url, verify);
    });
  },

  sync: async (codes, _options, environment) => {
    await withPool(environment, async (pool) => {
      const since = new Date();
      const sources = await askForSync(pool, codes);
      if (sources.length === 0) throw usage('There is no such source. See: npm run hub -- source list');
      const runs = await watchSync(pool, { sources, since, say, timeoutMs: 600_000 });
      if (runs.length === 0) say('Nobody took it up: is a worker running?');
      if (runs.some(({ status }) => status !== 'SUCCEEDED') || runs.length === 0) process.exitCode = 1;
    });
  },

  source: async ([word, code], { kind, organisation, url, name, every }, environment) => {
    await withPool(environment, async (pool) => {
      if (word === 'list') {
        const { rows } = await pool.query(
          `select s.code, s.kind, o.ods_code, s.base_url from source_system s
             join organisation o on o.id = s.organisation_id order by s.code`,
        );
        for (const row of rows) say(`${row.code}  ${row.kind}  ${row.ods_code}  ${row.base_url}`);
        return;
      }
      if (
        word !== 'add' ||
        !code ||
        !organisation ||
        !url ||
        !name ||
        (kind !== 'NHS_FHIR' && kind !== 'COUNCIL')
      ) {
        throw usage('Say: source add CODE --kind NHS_FHIR|COUNCIL --organisation ODS --url URL --name NAME');
      }
      const everySeconds = Number(every ?? 300);
      if (!Number.isInteger(everySeconds) || everySeconds < 10)
        throw usage('--every is a whole number of seconds, 10 or more.');
      if (!URL.canParse(url))
        throw usage('--url must be an address such as https://fhir.example/R4 or file:///srv/cld');
      await putSource(pool, {
        code,
        kind,
        name,
        organisationCode: organisation,
        baseUrl: url,
        everySeconds,
        demo: false,
      });
      say(`Kept ${code}. The worker takes it up within a minute.`);
    });
  },

  organisation: async ([word, code], { kind, name }, environment) => {
    const kinds = ['ICB', 'COUNCIL', 'PROVIDER', 'OTHER'] as const;
    const known = kinds.find((k) => k === kind);
    if (word !== 'add' || !code || !name || known === undefined || !/^[A-Z0-9]{3,10}$/.test(code)) {
      throw usage(`Say: organisation add CODE --kind ${kinds.join('|')} --name NAME`);
    }
    await withPool(environment, async (pool) => {
      await putOrganisation(pool, { kind: known, code, name });
      say(`Kept ${code}.`);
    });
  },

  client: async ([word, id], options, environment) => {
    const { name, organisation = null, role = null, key, 'documents-only': documentsOnly } = options;
    await withPool(environment, async (pool) => {
      if (word === 'list') {
        for (const client of await listClients(pool)) say(lineOf(client));
      } else if (word === 'disable' && id) {
        if (!(await disableClient(pool, id))) throw usage('There is no such client. See: client list');
        say(`${id} gets no more tokens. Those it has end within five minutes.`);
      } else if (word === 'new-key') {
        await replaceHubKey(pool);
        say('Made a new key. Restart every process of the hub to take it up.');
      } else if (word === 'add' && id && name) {
        const known = clientRoles.find((one) => one === role) ?? null;
        if (role !== null && known === null) throw usage(`--role is one of ${clientRoles.join(', ')}.`);
        const jwks = key === undefined ? null : await readPublicKeys(await readFile(key, 'utf8'));
        const isOnly = documentsOnly === true;
        await putClient(pool, { id, name, organisation, role: known, jwks, documentsOnly: isOnly });
        say(`Kept ${id}.`);
      } else
        throw usage('Say: client add ID --name NAME …, client list, client disable ID, or client new-key');
    });
  },

  schema: async () => say(printSchema(openCatalogue().schema)),

  documents: async ([folder]) => {
    if (!folder) throw usage('Say: documents FOLDER');
    const manifest = await manifestOf(folder, openCatalogue().schema, usualLimits);
    const file = join(folder, 'documents.json');
    await writeFile(file, `${JSON.stringify(manifest, null, 2)}\n`);
    say(`Wrote ${Object.keys(manifest).length} documents to ${file}: set TRUSTED_DOCUMENTS to it.`);
  },

  policy: async ([word, folder], _options, environment) => {
    if (word !== 'load' || !folder) throw usage('Say: policy load FOLDER');
    await withPool(environment, async (pool) => {
      const changes = await loadPolicy(pool, folder);
      for (const change of changes) say(change);
      if (changes.length === 0) say('The hub knows all of that: nothing changed.');
    });
  },
};

async function verify(pool: pg.Pool): Promise<void> {
  const { transfers, accounts, fault } = await verifyLedger(pool);
  say(`${transfers} transfers in ${accounts} accounts: ${fault ?? 'everything fits'}`);
  if (fault !== null) process.exitCode = 1;
}

const rowsOf = ({ tables }: Manifest) =>
  `${tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${tables.length} tables`;
const lineOf = ({ id, name, role, organisation, enabled, documentsOnly }: ClientApplication) =>
  [id, role, organisation, !enabled && 'disabled', documentsOnly && 'documents only', name]
    .filter(Boolean)
    .join('  ');

const usage = (message: string) => new Fault('USAGE', message);

/** The database of the environment: the given one, or the embedded one, also while the hub runs on it. */
async function withDatabase(environment: Environment, work: (url: string) => Promise<void>): Promise<void> {
  if (environment.databaseUrl !== undefined) return work(environment.databaseUrl);
  const embedded = await startEmbeddedPostgres({ dataDir: environment.dataDir });
  try {
    await work(embedded.url);
  } finally {
    await embedded.stop();
  }
}

type OnPool = (pool: pg.Pool) => Promise<void>;

const withPool = (environment: Environment, work: OnPool): Promise<void> =>
  withDatabase(environment, (url) => onPool(url, work));

async function onPool(connectionString: string, work: OnPool): Promise<void> {
  const pool = new pg.Pool({ connectionString, max: 2, options: asRole('tandem_worker') });
  try {
    await work(pool);
  } finally {
    await pool.end();
  }
}

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      ...Object.fromEntries(
        ['kind', 'organisation', 'url', 'name', 'every', 'role', 'key', 'anchor'].map((option) => [
          option,
          { type: 'string' as const },
        ]),
      ),
      'documents-only': { type: 'boolean' },
    },
  });
  const [command = '', ...words] = positionals;
  const run = commands[command];
  if (run === undefined) {
    say(help());
    process.exitCode = command === '' || command === 'help' ? 0 : 1;
  } else await run(words, values as Options, readEnvironment(process.env));
} catch (error) {
  const isTold =
    error instanceof Fault ||
    error instanceof EnvironmentError ||
    String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${isTold ? (error as Error).message : `Failed: ${describe(error)}`}\n`);
  process.exitCode = 1;
}

/** A database's own words may hold what is stored: its code says enough. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason given';
  return 'code' in error ? `${error.name} ${String(error.code)}` : error.message;
}
