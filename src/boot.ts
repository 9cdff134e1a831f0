/** Puts a running hub together, part by part, and takes it down in the opposite order. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Express } from 'express';
import { createLocalJWKSet } from 'jose';
import { startWorker } from '../jobs/worker.ts';
import { migrate } from '../prisma/migrate.ts';
import { loadOrganisations } from '../prisma/reference.ts';
import { watchDocumentsOnly } from './access/client.ts';
import { type Issuer, openSignIn, soleIssuer } from './access/sign-in.ts';
import { readSignInFile } from './access/sign-in-file.ts';
import { openTokens } from './access/token.ts';
import { openAnchor } from './audit/anchor.ts';
import { openCatalogue } from './catalogue.ts';
import { loadPolicy } from './commissioner/load.ts';
import { startDemo } from './demo/demo.ts';
import { demoIssuerUrl, demoPublicKeys, openDemoKey } from './demo/issuer.ts';
import { personas } from './demo/persona.ts';
import type { Place } from './demo/place.ts';
import { addDemoSignIn } from './demo/sign-in.ts';
import { askForSync } from './intake/request.ts';
import { hasRealSources, putOrganisation, putSource } from './intake/source.ts';
import { readTrusted } from './limit/document.ts';
import type { LimitOptions } from './limit/limit.ts';
import { usualLimits } from './limit/rules.ts';
import { type Database, openDatabase } from './platform/database.ts';
import { londonDay } from './platform/day.ts';
import { freePort, startEmbeddedPostgres } from './platform/embedded.ts';
import { type Environment, isDemo } from './platform/environment.ts';
import { Fault } from './platform/fault.ts';
import { openFiles } from './platform/file.ts';
import { type Log, openLog } from './platform/log.ts';
import { openMetrics } from './platform/metric.ts';
import { startHub, type Tls } from './server.ts';

/** Which parts this process runs. `npm start` runs all. */
export interface Parts {
  api: boolean;
  worker: boolean;
}

export interface Running {
  url: string | null;
  port: number;
  database: Database;
  demo: Awaited<ReturnType<typeof startDemo>> | null;
  close(): Promise<void>;
}

export async function boot(
  environment: Environment,
  parts: Parts,
  say: (line: string) => void,
  log: Log = openLog(environment.logLevel, process.stderr),
): Promise<Running> {
  const { host, dataDir, redisUrl, oidcAudience: audience, stepUpMinutes } = environment;
  const port = environment.port === 0 ? await freePort() : environment.port;
  const now = () => new Date();
  const opened: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const part of opened.splice(0).reverse()) await part();
  };

  try {
    let url = environment.databaseUrl;
    if (url === undefined) {
      say('Starting the embedded PostgreSQL');
      const embedded = await startEmbeddedPostgres({ dataDir, log: say });
      opened.push(embedded.stop);
      url = embedded.url;
    }
    await migrate(url, say);
    const database = openDatabase(url);
    opened.push(database.close);
    await loadOrganisations(database.pool);
    await loadPolicy(database.pool, shipped('../prisma/reference/policy/'), { keep: true });

    if (isDemo(environment) && (await hasRealSources(database.pool))) {
      throw new Fault(
        'DEMO_REFUSED',
        'This database holds records of real systems. Set OIDC_ISSUER or SIGN_IN_FILE: the demo sign-in must not open them.',
      );
    }

    const files = openFiles(environment.evidence);
    const metrics = openMetrics({ statementsSent: database.reader.sent });
    // Hub and worker at once: nobody is sent here any more, and nothing more is begun, while what is begun is finished.
    const working: (() => Promise<void>)[] = [];
    opened.push(async () => void (await Promise.all(working.map((stop) => stop()))));
    let hubUrl: string | null = null;
    let demo: Running['demo'] = null;
    if (isDemo(environment) && parts.api) {
      say('Starting the demo place: two source systems that speak the real formats');
      const ports = environment.port === 0 ? { nhs: 0, council: 0 } : { nhs: port + 1, council: port + 2 };
      demo = await startDemo({ today: await firstDay(dataDir, now()), now, ports });
      opened.push(demo.close);
      for (const organisation of demo.organisations) await putOrganisation(database.pool, organisation);
      await loadPolicy(database.pool, shipped('demo/policy/'), { keep: true });
      for (const source of demo.sources) await putSource(database.pool, source);
      await askForSync(database.pool, []);
    }
    if (parts.api) {
      const publicUrl = environment.publicUrl ?? `http://localhost:${port}`;
      const tokens = await openTokens({ pool: database.pool, publicUrl, audience, now });
      const local =
        demo === null
          ? null
          : await demoSignIn({ issuer: demoIssuerUrl(port), audience, dataDir }, demo.place);
      const issuers = local === null ? await issuersOf(environment) : [local.issuer];
      const hub = await startHub(
        {
          database,
          signIn: openSignIn({ issuers: [...issuers, tokens.issuer], now }),
          log,
          metrics,
          now,
          limit: await limitOf(environment, database.pool),
          cursorSecret: await cursorSecret(environment),
          tools: { prisma: database.prisma, pool: database.pool, files, stepUpMinutes },
          extend(app, audit) {
            tokens.addRoute(app, audit);
            local?.addRoutes(app);
          },
        },
        { host, port, tls: await tlsOf(environment) },
      );
      working.push(hub.close);
      hubUrl = hub.url;
    }
    if (parts.worker) {
      const anchor = await openAnchor({ ...environment.audit, dataDir });
      const worker = await startWorker({
        database,
        files,
        redisUrl,
        privacyAlertUrl: environment.privacyAlertUrl,
        log,
        now,
        registry: metrics.registry,
        anchor,
      });
      working.push(worker.close);
    }
    return { url: hubUrl, port, database, demo, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What callers may ask of this hub. @throws Fault DOCUMENTS_INVALID */
async function limitOf(environment: Environment, pool: Database['pool']): Promise<LimitOptions> {
  const { limit, redisUrl } = environment;
  const { pointsPerMinute, trustedDocuments, documentsOnlyClients } = limit;
  const registered = await watchDocumentsOnly(pool);
  return {
    limits: pointsPerMinute === undefined ? {} : { pointsPerMinute },
    redisUrl,
    introspection: limit.introspection ?? (isDemo(environment) ? 'on' : 'admin'),
    documentsOnly: ({ client }) =>
      client !== null && (documentsOnlyClients.includes(client) || registered(client)),
    ...(trustedDocuments === undefined
      ? {}
      : { trusted: await readTrusted(trustedDocuments, openCatalogue().schema, usualLimits) }),
  };
}

/** @throws Fault TLS_FILE where a file cannot be read */
async function tlsOf({ tls }: Environment): Promise<Tls | undefined> {
  if (tls === undefined) return undefined;
  const contentOf = (file: string, name: string) =>
    readFile(file).catch(() => {
      throw new Fault('TLS_FILE', `${name}: the file cannot be read.`);
    });
  return {
    cert: await contentOf(tls.certFile, 'TLS_CERT_FILE'),
    key: await contentOf(tls.keyFile, 'TLS_KEY_FILE'),
    clientCa:
      tls.clientCaFile === undefined ? undefined : await contentOf(tls.clientCaFile, 'TLS_CLIENT_CA_FILE'),
  };
}

/** The one that was set, or that of the last start. */
async function cursorSecret({ cursorKey, dataDir }: Environment): Promise<Buffer> {
  if (cursorKey !== undefined) return Buffer.from(cursorKey);
  const file = join(dataDir, 'cursor.key');
  await mkdir(dataDir, { recursive: true });
  // Of two that start at once the second finds the key of the first.
  await writeFile(file, randomBytes(32).toString('base64'), { flag: 'wx', mode: 0o600 }).catch(() => {});
  return Buffer.from(await readFile(file, 'utf8'), 'base64');
}

/** A folder that comes with the hub. */
const shipped = (folder: string) => fileURLToPath(new URL(folder, import.meta.url));

/** The day of the demo's first start: its past is told from there, so that a later start finds the same past. */
async function firstDay(dataDir: string, now: Date): Promise<string> {
  const file = join(dataDir, 'demo-day');
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return known;
  const today = londonDay(now);
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, today);
  return today;
}

/** Whose tokens the hub accepts outside the demo. @throws Fault where the sign-in file is not right */
async function issuersOf({ oidcIssuer, oidcAudience, signInFile }: Environment): Promise<Issuer[]> {
  if (signInFile === undefined) return [soleIssuer(oidcIssuer!, oidcAudience)];
  const { issuers, problems } = await readSignInFile(signInFile);
  if (issuers === undefined) throw new Fault('SIGN_IN_FILE', problems.join('\n'));
  return issuers;
}

/** The sign-in of the made-up place, at the hub's own address. */
async function demoSignIn(
  { issuer, audience, dataDir }: { issuer: string; audience: string; dataDir: string },
  place: Place,
): Promise<{ issuer: Issuer; addRoutes: (app: Express) => void }> {
  const key = await openDemoKey(dataDir);
  return {
    issuer: { ...soleIssuer(issuer, audience), keys: createLocalJWKSet(demoPublicKeys(key)) },
    addRoutes: (app) => addDemoSignIn(app, { issuer, audience, key, personas: personas(place) }),
  };
}
