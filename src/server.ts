/** The hub's HTTP server: GraphQL, health, metrics, the explorer. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  ApolloServer,
  type ApolloServerOptionsWithGateway,
  type ApolloServerPlugin,
  type GraphQLRequestContextResponseForOperation,
  HeaderMap,
} from '@apollo/server';
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import {
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLSchema,
  OperationTypeNode,
} from 'graphql';
import type { SignIn } from './access/sign-in.ts';
import { addAuditExport } from './access-log/export.ts';
import { type Audit, correlationIdOf, openAudit } from './audit/store.ts';
import { addBulkExport } from './bulk/export.ts';
import { openCatalogue } from './catalogue.ts';
import { showUntoldAccesses } from './confidentiality/alert.ts';
import { addEvidenceRoutes } from './evidence/route.ts';
import { isGraphql, readRequest, wantsStream } from './graphql-request.ts';
import { type Limit, type LimitOptions, openLimit, withoutSuggestion } from './limit/limit.ts';
import { maxBodyBytes } from './limit/rules.ts';
import { type LiveLimits, openLive } from './live/live.ts';
import { openSockets } from './live/socket.ts';
import { serveEvents } from './live/sse.ts';
import type { Database } from './platform/database.ts';
import { londonDay } from './platform/day.ts';
import { type Deadline, openDeadlines, tooLate } from './platform/deadline.ts';
import { Fault } from './platform/fault.ts';
import type { Log } from './platform/log.ts';
import type { Metrics } from './platform/metric.ts';
import { cursorKeys } from './read/cursor.ts';
import { asGraphQLError, errorFor, isUnexpected } from './read/error.ts';
import { type Executor, JsonText, type ReadContext } from './read/execute.ts';
import { safeLiterals } from './read/text.ts';
import { addExportRoutes } from './return/export.ts';
import { addPayrollExport } from './return/payroll.ts';
import { lastResponse, wantsSocket, withoutUpgrade } from './upgrade.ts';
import type { CommandTools } from './write/command.ts';
import { showRelayLag } from './write/lag.ts';

export interface HubOptions {
  database: Database;
  signIn: SignIn;
  log: Log;
  metrics: Metrics;
  now: () => Date;
  tools: CommandTools;
  /** More routes, such as those of sign-in. */
  extend?: (app: Express, audit: Audit) => void;
  /** Of live changes, where the usual ones do not do. */
  live?: Partial<LiveLimits>;
  /** What callers may ask, where the usual limits do not do. */
  limit?: LimitOptions;
  /** Signs the cursors of lists; processes that share a load share it. One for this process where there is none. */
  cursorSecret?: Buffer | undefined;
}

export interface Hub {
  url: string;
  port: number;
  /** Answers 503 on /readyz, lets what is under way finish, then stops. */
  close(): Promise<void>;
}

/** All as PEM. With `clientCa` nobody connects whose certificate it has not signed, or whose is over. */
export interface Tls {
  cert: Buffer;
  key: Buffer;
  clientCa: Buffer | undefined;
}

/** Without `tls` it speaks plain HTTP, as behind a proxy that does TLS. */
export async function startHub(
  options: HubOptions,
  { host, port, tls }: { host: string; port: number; tls?: Tls | undefined },
): Promise<Hub> {
  const { database, signIn, log, metrics, now, tools } = options;
  const { schema, executor } = openCatalogue(cursorKeys(options.cursorSecret));
  const audit = openAudit(database.recorder);
  const limit = openLimit({ ...options.limit, schema, recorder: database.recorder, log, metrics });
  const apollo = await startApollo(schema, executor, limit, log);
  const live = openLive({ ...options, audit, schema, executor, limit, limits: options.live });
  const sockets = openSockets({
    ...options,
    live,
    maxBytes: maxBodyBytes,
    documentOf: (payload, viewer) => limit.documentOf({ method: 'POST', search: '', body: payload }, viewer),
  });
  showRelayLag(metrics.registry, database.pool);
  showUntoldAccesses(metrics.registry, database.pool);
  const deadlines = openDeadlines(limit.limits.deadlineMs);
  /** Operations that are not answered yet. */
  let underWay = 0;
  let whenNone = () => {};
  let closing = false;

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.disable('query parser');

  /** The hot path: node's own HTTP, for a request through Express takes a third longer. */
  async function graphql(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (closing) throw stops();
    const deadline = deadlines.start();
    deadline.whenOver(() => void (res.destroyed || fail(tooLate(), res)));
    underWay += 1;
    res.on('close', () => {
      underWay -= 1;
      if (underWay === 0) whenNone();
      deadline.pass();
    });
    try {
      await answer(req, res, deadline);
    } catch (error) {
      if (!deadline.isOver()) throw error;
    } finally {
      deadline.close();
    }
  }

  async function answer(req: IncomingMessage, res: ServerResponse, deadline: Deadline): Promise<void> {
    const viewer = await signIn.viewerFrom(req.headers.authorization);
    const request = await readRequest(req, maxBodyBytes);
    request.body = limit.documentOf(request, viewer);
    const context = {
      viewer,
      requestId: requestIdOf(res),
      correlationId: correlationIdOf(req.headers),
      now,
      today: londonDay(now()),
      reader: database.reader,
      audit,
      tools,
      deadline,
    };
    const { headers, status, body } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: request,
      context: async () => executor.withLoader(context),
    });
    if (deadline.isOver()) return;
    for (const [name, value] of headers) res.setHeader(name, value);
    res.statusCode = status ?? 200;
    // Nothing is deferred or streamed in parts, so an answer is always whole.
    res.end(body.kind === 'complete' ? body.string : undefined);
  }

  app.get('/livez', (_req, res) => void res.type('text').send('alive\n'));
  app.get('/readyz', async (_req, res) => {
    const ready =
      !closing &&
      (await database.pool.query('select 1').then(
        () => true,
        () => false,
      ));
    res
      .status(ready ? 200 : 503)
      .type('text')
      .send(ready ? 'ready\n' : 'not ready\n');
  });
  app.get('/metrics', async (_req, res) => {
    res.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  app.get('/', (_req, res) => res.redirect('/explorer/'));
  app.use(
    '/explorer',
    explorerHeaders,
    express.static(new URL('generated/explorer', import.meta.url).pathname),
  );
  addEvidenceRoutes(app, { pool: database.pool, files: tools.files, signIn, audit, now });
  addExportRoutes(app, { pool: database.pool, signIn, audit, now });
  addBulkExport(app, { pool: database.pool, files: tools.files, signIn, audit, now });
  addPayrollExport(app, { pool: database.pool, signIn, audit, now });
  addAuditExport(app, { pool: database.pool, signIn, audit, now });
  options.extend?.(app, audit);

  app.use((_req, res) => refuse(res, 404, nothingHere()));
  const fail = (error: unknown, res: ServerResponse) => {
    const fault = faultOf(error);
    metrics.refused.inc({ reason: fault.code });
    if (fault.code === internal) log.error({ err: error, requestId: requestIdOf(res) }, 'A request failed');
    refuse(res, statusOf[fault.code] ?? 500, fault);
  };
  app.use(((error, _req, res, _next) => fail(error, res)) satisfies ErrorRequestHandler);

  const serve = (req: IncomingMessage, res: ServerResponse) => {
    res.setHeader('x-request-id', randomUUID());
    if (!isGraphql(req)) return void app(req, res);
    const answered = wantsStream(req)
      ? serveEvents({ live, log }, req, res, async (viewer) =>
          limit.documentOf(await readRequest(req, maxBodyBytes), viewer),
        )
      : graphql(req, res);
    answered.catch((error: unknown) => fail(error, res));
  };
  const server = tls === undefined ? createServer(serve) : createSecureServer(secureOptions(tls), serve);
  server.on('upgrade', (req, connection, head) => {
    if (!wantsSocket(req)) return withoutUpgrade(server, req, connection, head);
    try {
      if (!isGraphql(req)) throw nothingHere();
      sockets.upgrade(req, connection, head);
    } catch (error) {
      const res = lastResponse(req, connection);
      res.setHeader('x-request-id', randomUUID());
      fail(error, res);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const actualPort = (server.address() as AddressInfo).port;
  return {
    port: actualPort,
    url: `${tls === undefined ? 'http' : 'https'}://localhost:${actualPort}`,
    async close() {
      closing = true;
      await live.close();
      sockets.close();
      // Until then it is still there to say that it is not ready.
      await new Promise<void>((resolve) => {
        whenNone = resolve;
        if (underWay === 0) resolve();
      });
      await apollo.stop();
      limit.close();
      deadlines.close();
      // A connection on which an answer is still on its way is idle in a moment.
      const idle = setInterval(() => server.closeIdleConnections(), idleMs);
      await new Promise((resolve) => server.close(resolve));
      clearInterval(idle);
    },
  };
}

const secureOptions = ({ cert, key, clientCa }: Tls) => ({
  cert,
  key,
  minVersion: 'TLSv1.2' as const,
  ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
});

/** Apollo parses, validates and speaks HTTP; the read compiler executes. */
async function startApollo(schema: GraphQLSchema, executor: Executor, limit: Limit, log: Log) {
  async function run({
    document,
    request,
    operation,
    operationName,
    contextValue,
  }: GraphQLRequestContextResponseForOperation<ReadContext>): Promise<ExecutionResult> {
    if (operation?.operation === OperationTypeNode.SUBSCRIPTION) return { errors: [notAStream()] };
    const asked = {
      document,
      operation,
      operationName: operationName ?? null,
      variables: request.variables ?? {},
    };
    const execute = () => executor.run(asked, contextValue);
    if (operation === undefined) return execute();
    return limit.guard.run({ ...asked, operation }, contextValue, execute);
  }

  /** What failed: Apollo tells of it. */
  const failed = new WeakMap<object, Promise<ExecutionResult>>();
  const answer: ApolloServerPlugin<ReadContext> = {
    requestDidStart: async () => ({
      // Here and not in the gateway's executor: what Apollo gives to that has accessors of its own for each request, and
      // those V8 keeps, and with them the whole request, until it next collects everything.
      responseForOperation: async (operation) => {
        const running = run(operation);
        const result = await running.catch(() => null);
        if (result !== null && result.errors === undefined) {
          const singleResult = result as FormattedExecutionResult;
          return {
            http: { headers: new HeaderMap() },
            body: { kind: 'single', singleResult },
          };
        }
        failed.set(operation.contextValue, running);
        return null;
      },
    }),
  };
  const gateway: ApolloServerOptionsWithGateway<ReadContext>['gateway'] = {
    load: async () => ({ executor: async ({ context }) => failed.get(context)! }),
    onSchemaLoadOrUpdate: (tell) => {
      tell({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => {};
    },
    stop: async () => {},
  };
  const apollo = new ApolloServer<ReadContext>({
    gateway,
    parseOptions: { maxTokens: limit.limits.maxTokens },
    validationRules: [safeLiterals],
    introspection: true,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    formatError: (_formatted, error) => errorFor(error),
    stringifyResult: ({ data, ...rest }) =>
      data instanceof JsonText
        ? `{"data":${data.text}${Object.values(rest).some((part) => part !== undefined) ? `,${JSON.stringify(rest).slice(1)}` : '}'}`
        : JSON.stringify({ errors: rest.errors, data, extensions: rest.extensions }),
    plugins: [ApolloServerPluginCacheControlDisabled(), tellRequest(log, limit), answer],
    logger: {
      debug() {},
      info() {},
      warn: () => log.warn('Apollo warned'),
      error: () => log.error('Apollo failed'),
    },
  });
  await apollo.start();
  return apollo;
}

/** How often is looked, as the hub stops, for connections with nothing on them. */
const idleMs = 50;

const stops = () =>
  new Fault('UNAVAILABLE', 'The hub stops. Send it again; a command with the same idempotencyKey.', {
    retryable: true,
  });

const nothingHere = () => new Fault('NOT_FOUND', 'There is nothing at this address.');

const notAStream = () =>
  asGraphQLError(
    new Fault(
      'BAD_REQUEST',
      'A subscription is answered with a stream: POST it with "Accept: text/event-stream", or open a WebSocket here.',
    ),
  );

/** Every error in an answer carries the request's id; one that nobody expected is logged under it. */
function tellRequest(log: Log, { mayIntrospect }: Limit): ApolloServerPlugin<ReadContext> {
  return {
    async requestDidStart({ contextValue: { requestId, viewer } }) {
      return {
        async didEncounterErrors({ errors }) {
          for (const error of errors) {
            if (isUnexpected(error))
              log.error({ err: error.originalError ?? error, requestId }, 'An operation failed');
          }
        },
        async willSendResponse({ response }) {
          if (response.body.kind !== 'single' || response.body.singleResult.errors === undefined) return;
          for (const error of response.body.singleResult.errors) {
            Object.assign((error as { extensions: object }).extensions, { requestId });
            if (!mayIntrospect(viewer)) Object.assign(error, { message: withoutSuggestion(error.message) });
          }
        },
      };
    },
  };
}

/** Nothing comes from, or goes to, another host. */
const explorerPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "worker-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const explorerHeaders: RequestHandler = (_req, res, next) => {
  res.setHeader('content-security-policy', explorerPolicy);
  res.setHeader('x-content-type-options', 'nosniff');
  res.setHeader('referrer-policy', 'no-referrer');
  next();
};

const statusOf: Record<string, number> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  PERSON_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CHANGE_NOT_KEPT: 410,
  CURSOR_INVALID: 400,
  BODY_TOO_LARGE: 413,
  BAD_REQUEST: 400,
  SIGN_IN_UNAVAILABLE: 503,
  AUDIT_UNAVAILABLE: 503,
  UNAVAILABLE: 503,
  BUSY: 503,
  DEADLINE: 503,
  DOCUMENTS_ONLY: 403,
  DOCUMENT_NOT_KNOWN: 400,
  DOCUMENT_TOO_LARGE: 400,
  NAME_RESERVED: 400,
  GRAPHQL_VALIDATION_FAILED: 400,
  GET_FOR_SCHEMA_ONLY: 405,
  NOT_ACCEPTABLE: 406,
  UPLOAD_NOT_VALID: 403,
  UPLOAD_USED: 409,
  UPLOAD_EXPIRED: 410,
  EVIDENCE_EMPTY: 400,
  EVIDENCE_TOO_LARGE: 413,
  EVIDENCE_TYPE: 415,
  EVIDENCE_INFECTED: 422,
  SCANNER_UNAVAILABLE: 503,
  FILE_STORE_UNAVAILABLE: 503,
};

const internal = 'INTERNAL_SERVER_ERROR';

/** What is no Fault is told as GraphQL tells it: the database does not answer, or a bug. */
function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { message, extensions } = errorFor(error);
  return new Fault(String(extensions!.code), message, { retryable: extensions!.retryable === true });
}

const requestIdOf = (res: ServerResponse) => String(res.getHeader('x-request-id'));

/** An answer in the shape of GraphQL's, for what never got as far as GraphQL. */
function refuse(res: ServerResponse, status: number, { code, message, retryable }: Fault) {
  if (status === 401) res.setHeader('www-authenticate', 'Bearer');
  if (status === 405) res.setHeader('allow', 'POST');
  if (status === 503) res.setHeader('retry-after', '5');
  const extensions = { code, retryable, requestId: requestIdOf(res) };
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.end(JSON.stringify({ errors: [{ message, extensions }] }));
}
