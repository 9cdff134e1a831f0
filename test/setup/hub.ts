import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express } from 'express';
import type { JWTPayload } from 'jose';
import { type Issuer, openSignIn, soleIssuer } from '../../src/access/sign-in.ts';
import { openTokens } from '../../src/access/token.ts';
import type { LimitOptions } from '../../src/limit/limit.ts';
import type { LiveLimits } from '../../src/live/live.ts';
import { type Database, openDatabase } from '../../src/platform/database.ts';
import { type FilesSettings, openFiles } from '../../src/platform/file.ts';
import { openLog } from '../../src/platform/log.ts';
import { openMetrics } from '../../src/platform/metric.ts';
import { type Hub, startHub, type Tls } from '../../src/server.ts';
import { keep, keepFaults, keptLog } from './byproduct.ts';
import { makeDatabase } from './database.ts';
import { audience, startIssuer, type TestIssuer } from './issuer.ts';

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  data?: any;
  errors?: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[];
}

export interface TestHub {
  hub: Hub;
  database: Database;
  issuer: TestIssuer;
  /** Asks as whoever the claims describe, who signed in just now, over HTTP like everybody else. */
  ask(operation: string, variables?: Record<string, unknown>, claims?: JWTPayload): Promise<Answer>;
  /** The same, with the HTTP answer. */
  send(body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

interface Options {
  now?: () => Date;
  /** How long the issuer's keys are trusted. */
  keysForMs?: number;
  askAgainAfterMs?: number;
  database?: { url: string; drop: () => Promise<void> };
  log?: NodeJS.WritableStream;
  /** Where files are kept, if not in a folder of their own for this hub. */
  files?: FilesSettings;
  live?: Partial<LiveLimits>;
  /** More whose tokens are accepted. */
  issuers?: Issuer[];
  /** More routes. */
  extend?: (app: Express) => void;
  limit?: LimitOptions;
  cursorSecret?: Buffer;
  /** The issuer of another hub; one of its own without it. */
  issuer?: TestIssuer;
  tls?: Tls;
  /** How long a command may take. */
  commandMs?: number;
}

/** Where every test hub says it is found from outside, so that two of them are one. */
export const publicUrl = 'https://hub.test';

/** So that only the tests of limits meet one. */
export const generous = { pointsPerMinute: 1e9, lookupsPerMinute: 1e6, maxCost: 1e9 };

export const coordinator = {
  sub: 'nadia',
  name: 'Nadia',
  tandem_role: 'CARE_COORDINATOR',
  organisation: 'QWN',
};
export const socialWorker = { sub: 'tom', tandem_role: 'SOCIAL_WORKER', organisation: '999' };
export const provider = { sub: 'bev', tandem_role: 'PROVIDER', organisation: 'D9H01' };
export const admin = { sub: 'sam', tandem_role: 'ADMIN' };

/** A hub on a database of its own, with an issuer of its own. No worker. */
export async function startTestHub(options: Options = {}): Promise<TestHub> {
  const { now = () => new Date(), keysForMs, askAgainAfterMs } = options;
  const made = options.database ?? (await makeDatabase());
  const database = openDatabase(
    made.url,
    options.commandMs === undefined ? {} : { commandMs: options.commandMs },
  );
  const issuer = options.issuer ?? (await startIssuer());
  const folder = await mkdtemp(join(tmpdir(), 'tandem-files-'));
  const tokens = await openTokens({ pool: database.pool, publicUrl, audience, now });
  const metrics = openMetrics({ statementsSent: database.reader.sent });
  const hub = await startHub(
    {
      database,
      signIn: openSignIn({
        issuers: [soleIssuer(issuer.url, audience), tokens.issuer, ...(options.issuers ?? [])],
        now,
        ...(keysForMs === undefined ? {} : { keysForMs }),
        ...(askAgainAfterMs === undefined ? {} : { askAgainAfterMs }),
      }),
      log: openLog('trace', keptLog(options.log)),
      metrics,
      now,
      tools: { prisma: database.prisma, pool: database.pool, files: openFiles(options.files ?? { folder }) },
      limit: { ...options.limit, limits: { ...generous, ...options.limit?.limits } },
      cursorSecret: options.cursorSecret,
      ...(options.live === undefined ? {} : { live: options.live }),
      extend(app, audit) {
        tokens.addRoute(app, audit);
        options.extend?.(app);
      },
    },
    { host: '127.0.0.1', port: 0, tls: options.tls },
  );
  const send: TestHub['send'] = (body, headers = {}) =>
    fetch(`http://127.0.0.1:${hub.port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    hub,
    database,
    issuer,
    send,
    async ask(query, variables = {}, claims = coordinator) {
      const auth_time = Math.floor(now().getTime() / 1000);
      const authorization = `Bearer ${await issuer.token({ auth_time, ...claims })}`;
      const response = await send({ query, variables }, { authorization });
      const answer = (await response.json()) as Answer;
      keepFaults(answer);
      return answer;
    },
    async close() {
      keep('metrics', await metrics.registry.metrics());
      await hub.close();
      if (options.issuer === undefined) await issuer.close();
      await database.close();
      await made.drop();
      await rm(folder, { recursive: true });
    },
  };
}
