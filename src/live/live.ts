/**
 * Live changes: who may hear them, and since when. How they are told is in `sse.ts` and `socket.ts`. The token is checked as
 * long as a stream lasts.
 */
import type { HTTPGraphQLHead } from '@apollo/server';
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from 'graphql';
import { Gauge } from 'prom-client';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import type { Audit } from '../audit/store.ts';
import { type Limit, withoutSuggestion } from '../limit/limit.ts';
import type { Database } from '../platform/database.ts';
import { londonDay } from '../platform/day.ts';
import { Fault } from '../platform/fault.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metric.ts';
import { errorFor, isUnexpected } from '../read/error.ts';
import type { Executor, ReadContext } from '../read/execute.ts';
import type { CommandTools } from '../write/command.ts';
import { type FileAsked, fileStreams } from './bulk-file.ts';
import { type Asked, changeStreams } from './changes.ts';
import { type Event, type Stream, tooSlow } from './flow.ts';
import { openGate } from './gate.ts';
import { type Operation, operationIn } from './operation.ts';
import type { LiveContext } from './resolvers.ts';
import { openTail } from './tail.ts';

export interface LiveLimits {
  /** Streams that this process holds open. */
  maxStreams: number;
  /** Announcements that wait in memory for one of them. */
  maxQueued: number;
  /** How long a reader may take nothing of what waits for it: the place could be somebody else's. */
  blockedMs: number;
}

export interface LiveOptions {
  database: Database;
  signIn: SignIn;
  log: Log;
  metrics: Metrics;
  now: () => Date;
  tools: CommandTools;
  audit: Audit;
  schema: GraphQLSchema;
  executor: Executor;
  limit: Pick<Limit, 'limits' | 'guard' | 'mayIntrospect'>;
  limits?: Partial<LiveLimits> | undefined;
}

/** Who asks for a stream, and how. */
export interface Asking {
  authorization: string | undefined;
  requestId: string;
  correlationId: string | null;
  /** The id of the last change they had, where the subscription itself does not say it. */
  lastId: string | null;
  /** What was sent, with the text of its document. @throws Fault where that is not for the viewer to send */
  body: (viewer: Viewer) => Promise<unknown> | unknown;
}

/** An answer and the cursor of its change; null for the last words, which are errors. */
export interface Told {
  id: string | null;
  result: FormattedExecutionResult;
}

export interface Begun {
  stream: Stream;
  told: AsyncIterable<Told>;
  /** To be called when the reader has all of it, or is gone: until then the stream counts among those that are open. */
  over(): void;
}

export interface Refused {
  errors: GraphQLFormattedError[];
  /** Status and headers, for who answers by HTTP. */
  http: Partial<HTTPGraphQLHead>;
}

/** The streams of this process, however they are told. */
export interface Live {
  /** @throws Fault and whatever else stands in the way */
  begin(asking: Asking): Promise<Begun | Refused>;
  maxStreams: number;
  /** Ends all streams; resolves when that was told. */
  close(): Promise<void>;
}

const usual: LiveLimits = { maxStreams: 2_000, maxQueued: 1_000, blockedMs: 30_000 };

/** How often every stream's token, and its right to what it is about, are looked at without a change. */
const sweepMs = 2_000;

export const busy = () =>
  new Fault('BUSY', 'Too many streams are open. Try again in a moment.', { retryable: true });
export const stopping = () =>
  new Fault('UNAVAILABLE', 'The hub stops. Open the stream again, with `after`.', { retryable: true });

export function openLive(options: LiveOptions): Live {
  const { database, signIn, log, metrics, now, tools, audit, schema, executor, limit } = options;
  const { maxStreams, maxQueued, blockedMs } = { ...usual, ...options.limits };
  const tail = openTail({ url: database.url, log });
  const gate = openGate(database.watcher, now);
  const openChanges = changeStreams({ pool: database.pool, tail, gate, audit, maxQueued });
  const openFile = fileStreams({ reader: database.watcher, tail, gate, audit });
  const streams = new Set<Stream>();
  /** One for each stream, from when it is asked for until its reader has its last words. */
  const places = new Set<Promise<void>>();
  let closing = false;

  new Gauge({
    name: 'tandem_live_streams',
    help: 'Streams of changes that are open',
    registers: [metrics.registry],
    collect() {
      this.set(streams.size);
    },
  });

  const sweep = setInterval(() => {
    for (const stream of streams) void look(stream);
  }, sweepMs).unref();

  async function look(stream: Stream): Promise<void> {
    const since = stream.blockedSince();
    if (since !== null && Date.now() - since > blockedMs) stream.end(tooSlow());
    try {
      await stream.confirm();
      // The database may be away for a while: nothing is told then, and the stream waits.
      const reason = await stream.lost().catch(() => null);
      if (reason !== null) stream.end(reason);
    } catch (error) {
      stream.end(error as Fault);
    }
  }

  /** The end of the hub finds those that are held. */
  async function held<One extends Event>(opening: Promise<Stream<One>>): Promise<Stream<One>> {
    const stream = await opening;
    if (closing) {
      stream.end(null);
      throw stopping();
    }
    streams.add(stream);
    stream.onEnd(() => streams.delete(stream));
    return stream;
  }

  /** What the reader is told. Whatever cannot be told ends the stream before it, to be taken up there. */
  async function* answers(
    stream: Stream,
    source: AsyncIterable<Event>,
    operation: Operation,
    context: () => ReadContext,
  ): AsyncGenerator<Told> {
    const { requestId } = context();
    function last(errors: readonly unknown[]): Told {
      for (const error of errors) {
        if (isUnexpected(located(error))) log.error({ err: error, requestId }, 'A stream failed');
      }
      return { id: null, result: toldOf(errors, requestId) };
    }
    try {
      for await (const change of source) {
        const about = context();
        const tell = () => executor.run(operation, about, change);
        const { errors, data } = await limit.guard.run(operation, about, tell);
        if (change.lost) continue;
        if (errors !== undefined) return void (yield last(errors));
        stream.sent();
        yield { id: change.id, result: { data: data! } };
      }
      const reason = stream.reason();
      if (reason !== null) yield last([reason]);
    } catch (error) {
      yield last([error]);
    }
  }

  async function begun({ authorization, requestId, correlationId, lastId, body }: Asking) {
    const confirm = () => signIn.viewerFrom(authorization);
    const viewer = await confirm();
    const operation = operationIn(await body(viewer), schema, limit.limits.maxTokens);
    if ('errors' in operation) {
      const { errors } = toldOf(operation.errors, requestId);
      return { errors: limit.mayIntrospect(viewer) ? errors : errors.map(plainly), http: {} };
    }

    const context = () => {
      const today = londonDay(now());
      const { reader } = database;
      return executor.withLoader({ viewer, requestId, correlationId, now, today, reader, audit, tools });
    };
    let stream: Stream | undefined;
    async function eventsOf<One extends Event>(opened: Promise<Stream<One>>) {
      const own = await held(opened);
      stream = own;
      return own.events();
    }
    const opening: LiveContext = Object.assign(context(), {
      changes: (asked: Asked) =>
        eventsOf(openChanges({ ...asked, after: asked.after ?? lastId }, opening, confirm)),
      bulkFile: (asked: FileAsked) =>
        eventsOf(openFile({ ...asked, after: asked.after ?? lastId }, opening, confirm)),
    });
    const refused = await limit.guard.refusalOf(operation, opening);
    if (refused !== null) return refusalOf([refused], requestId);
    const source = await executor.events(operation, opening);
    if (!(Symbol.asyncIterator in source)) {
      const errors = source.errors ?? [];
      for (const { originalError } of errors) if (originalError !== undefined) throw originalError;
      return refusalOf(errors, requestId);
    }
    return {
      stream: stream!,
      told: answers(stream!, source as AsyncIterable<Event>, operation, context),
    };
  }

  async function begin(asking: Asking): Promise<Begun | Refused> {
    if (closing) throw stopping();
    if (places.size >= maxStreams) throw busy();
    let over!: () => void;
    const place = new Promise<void>((resolve) => {
      over = () => {
        places.delete(place);
        resolve();
      };
    });
    places.add(place);
    try {
      const answer = await begun(asking);
      if ('told' in answer) return { ...answer, over };
      over();
      return answer;
    } catch (error) {
      over();
      throw error;
    }
  }

  return {
    begin,
    maxStreams,
    async close() {
      closing = true;
      clearInterval(sweep);
      for (const stream of streams) stream.end(stopping());
      await Promise.all(places);
      await tail.close();
    },
  };
}

const located = (error: unknown) =>
  error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error });

/** Errors in the words of an answer. */
export function toldOf(errors: readonly unknown[], requestId: string) {
  return {
    errors: errors.map((error) => {
      const told = errorFor(error);
      return { ...told, extensions: { ...told.extensions, requestId } };
    }),
  };
}

const refusalOf = (errors: readonly GraphQLError[], requestId: string): Refused => ({
  ...toldOf(errors, requestId),
  http: (errors[0]?.extensions.http ?? {}) as HTTPGraphQLHead,
});

const plainly = (error: GraphQLFormattedError) => ({ ...error, message: withoutSuggestion(error.message) });
