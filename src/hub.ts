/** `npm run hub -- COMMAND`: what an operator does from the command line. */
import { parseArgs } from 'node:util';
import pg from 'pg';
import { migrate, newMigration } from '../prisma/migrate.ts';
import { loadPolicy } from './commissioner/load.ts';
import { demoIssuerUrl, demoToken, readDemoKey } from './demo/issuer.ts';
import { personas } from './demo/persona.ts';
import { makePlace } from './demo/place.ts';
import { askForSync } from './intake/request.ts';
import { putOrganisation, putSource } from './intake/source.ts';
import { verifyLedger } from './ledger/verify.ts';
import { asRole } from './platform/database.ts';
import { londonDay } from './platform/day.ts';
import { startEmbeddedPostgres } from './platform/embedded.ts';
import { type Environment, EnvironmentError, readEnvironment } from './platform/environment.ts';
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
  policy load FOLDER             takes up policy.csv, exclusion.csv and authorisation.csv of a commissioner
  ledger verify                  recomputes every balance, and names the first row that does not fit
  migrate                        brings the database up to this version
  migrate new NAME               writes the SQL of a change of prisma/schema.prisma as a new migration`;

type Options = Record<string, string | undefined>;
type Run = (words: string[], options: Options, environment: Environment) => Promise<void>;

const commands: Record<string, Run> = {
  token: async ([name = ''], _options, { port, oidcAudience, oidcIssuer, dataDir }) => {
    if (oidcIssuer !== undefined)
      throw usage('OIDC_ISSUER is set: its sign-in gives the tokens, not the demo.');
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

  ledger: async ([word], _options, environment) => {
    if (word !== 'verify') throw usage('Say: ledger verify');
    await withPool(environment, async (pool) => {
      const { transfers, accounts, fault } = await verifyLedger(pool);
      say(`${transfers} transfers in ${accounts} accounts: ${fault ?? 'everything fits'}`);
      if (fault !== null) process.exitCode = 1;
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

  policy: async ([word, folder], _options, environment) => {
    if (word !== 'load' || !folder) throw usage('Say: policy load FOLDER');
    await withPool(environment, async (pool) => {
      const changes = await loadPolicy(pool, folder);
      for (const change of changes) say(change);
      if (changes.length === 0) say('The hub knows all of that: nothing changed.');
    });
  },
};

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

async function withPool(environment: Environment, work: (pool: pg.Pool) => Promise<void>): Promise<void> {
  await withDatabase(environment, async (connectionString) => {
    const pool = new pg.Pool({ connectionString, max: 2, options: asRole('tandem_worker') });
    try {
      await work(pool);
    } finally {
      await pool.end();
    }
  });
}

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(
      ['kind', 'organisation', 'url', 'name', 'every'].map((option) => [option, { type: 'string' as const }]),
    ),
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
