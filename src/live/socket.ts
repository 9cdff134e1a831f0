/**
 * Live changes over WebSocket, for machines: the protocol `graphql-transport-ws`, any number of subscriptions to a
 * connection. The token comes with `connection_init`, and each subscription is a stream like those of `sse.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  GraphQLSchema,
  parse,
} from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import { correlationIdOf } from '../audit/store.ts';
import { Fault } from '../platform/fault.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metric.ts';
import { errorFor, isUnexpected } from '../read/error.ts';
import { parseSafely } from '../read/text.ts';
import { type Begun, busy, type Live, stopping, toldOf } from './live.ts';
import { farewellMs } from './sse.ts';

interface SocketOptions {
  live: Live;
  signIn: SignIn;
  log: Log;
  metrics: Metrics;
  /** Of a message. */
  maxBytes: number;
  /** What was sent, with the text of its document. @throws Fault where that is not for the viewer to send */
  documentOf: (payload: unknown, viewer: Viewer) => unknown;
}

export interface Sockets {
  /** Takes the connection over. @throws Fault FORBIDDEN for a page's, BUSY or UNAVAILABLE */
  upgrade(req: IncomingMessage, connection: Duplex, head: Buffer): void;
  /** Closes all; to be called when their streams have ended. */
  close(): void;
}

interface Connection {
  authorization: string | undefined;
  correlationId: string | null;
  socket: WebSocket;
  /** The streams, by what asked for them. */
  begun: Map<unknown, Begun>;
  /** How often it was asked, since anything was heard of it, whether it is still there. */
  unheard: number;
}

/** How often each connection's token is looked at; and every so many times it is asked whether it is still there. */
const lookMs = 2_000;
const looksToAPing = 6;
/** A connection that has answered none of so many pings is gone. It takes longer than a stream may be blocked. */
const unheardMost = 3;
/** So much may wait for somebody, beside the changes, before no more of what they ask is read. */
const maxUnreadBytes = 256 * 1024;

const forMachines = () =>
  new Fault('FORBIDDEN', 'WebSocket is for machines. A page is told of changes by server-sent events.');

const goingAway = 1001;
const tryAgainLater = 1013;

/** What stands for every subscription, as the protocol's server wants one: ours is looked at where all streams begin. */
const placeholder = { schema: new GraphQLSchema({}), document: parse('subscription { changes { id } }') };

export function openSockets({ live, signIn, log, metrics, maxBytes, documentOf }: SocketOptions): Sockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxBytes,
    perMessageDeflate: false,
    handleProtocols: (protocols) => handleProtocols(protocols),
  });
  const connections = new Set<Connection>();
  let closing = false;

  const server = makeServer<Record<string, unknown>, Connection>({
    async onConnect({ connectionParams, extra }) {
      const { authorization } = connectionParams ?? {};
      if (typeof authorization === 'string') extra.authorization = authorization;
      await signIn.viewerFrom(extra.authorization);
    },

    async onSubscribe({ extra }, _id, payload) {
      const { authorization, correlationId, begun, socket } = extra;
      const requestId = randomUUID();
      try {
        const answer = await live.begin({
          authorization,
          requestId,
          correlationId,
          lastId: null,
          body: (viewer) => documentOf(withoutEmptyQuery(payload), viewer),
        });
        if ('errors' in answer) return answer.errors.map(asError);
        begun.set(payload, leaveLate(answer, socket));
        return { ...placeholder, contextValue: answer };
      } catch (error) {
        refused(error, requestId);
        return toldOf([error], requestId).errors.map(asError);
      }
    },
    subscribe: ({ contextValue }) => resultsOf(contextValue as Begun),
    onComplete({ extra: { begun } }, _id, payload) {
      begun.get(payload)?.over();
      begun.delete(payload);
    },
  });

  /** Counts it, and says in the log what nobody expected. Gives its code. */
  function refused(error: unknown, requestId: string): string {
    const code = String(errorFor(error).extensions!.code);
    metrics.refused.inc({ reason: code });
    if (isUnexpected(new GraphQLError('', { originalError: error as Error }))) {
      log.error({ err: error, requestId }, 'A subscription failed');
    }
    return code;
  }

  /** Closes a connection for what went wrong with it itself. The reason is the code, which says no more than it may. */
  function fail(socket: WebSocket, error: unknown) {
    const code = refused(error, randomUUID());
    const retryable = errorFor(error).extensions!.retryable === true;
    if (code === 'UNAUTHENTICATED') socket.close(CloseCode.Forbidden, code);
    else socket.close(retryable ? tryAgainLater : CloseCode.InternalServerError, code);
  }

  function serve(socket: WebSocket, req: IncomingMessage) {
    const connection: Connection = {
      authorization: undefined,
      correlationId: correlationIdOf(req.headers),
      socket,
      begun: new Map(),
      unheard: 0,
    };
    connections.add(connection);
    const heard = () => {
      connection.unheard = 0;
      mind(socket);
    };
    // What comes against the protocol of WebSocket, or is too long, closes the connection by itself.
    socket.on('error', () => {});
    socket.on('pong', heard);
    socket.on('ping', heard);
    const closed = server.opened(
      {
        protocol: socket.protocol,
        // Resolves when it is with the reader's connection, or that is gone: what is sent ends with its `close`.
        send: (text) =>
          new Promise((sent) => {
            if (socket.readyState !== socket.OPEN) return sent();
            socket.send(text, () => {
              mind(socket);
              sent();
            });
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (take) =>
          socket.on('message', (data) => {
            heard();
            const text = String(data);
            if (!isSafe(text)) return socket.close(CloseCode.BadRequest, 'Invalid message received');
            take(text).catch((error) => fail(socket, error));
          }),
      },
      connection,
    );
    socket.once('close', (code, reason) => {
      connections.delete(connection);
      void closed(code, String(reason));
    });
  }

  let looks = 0;
  const look = setInterval(() => {
    looks += 1;
    for (const connection of connections) {
      endWithToken(connection);
      mind(connection.socket);
      if (looks % looksToAPing === 0) ping(connection);
    }
  }, lookMs).unref();

  /** What streams there are have been told first. */
  function endWithToken({ socket, authorization, begun }: Connection) {
    if (authorization === undefined || begun.size > 0 || socket.readyState !== socket.OPEN) return;
    signIn.viewerFrom(authorization).catch((error: Fault) => {
      if (error.code === 'UNAUTHENTICATED') fail(socket, error);
    });
  }

  function ping(connection: Connection) {
    const { socket } = connection;
    if (connection.unheard >= unheardMost) return socket.terminate();
    connection.unheard += 1;
    if (socket.readyState === socket.OPEN) socket.ping();
  }

  return {
    upgrade(req, connection, head) {
      // Browsers ask no server whether a page may open a WebSocket to it: they say whose page it is, and leave the rest to it.
      if (req.headers.origin !== undefined) throw forMachines();
      if (closing) throw stopping();
      if (connections.size >= live.maxStreams) throw busy();
      sockets.handleUpgrade(req, connection, head, serve);
    },
    close() {
      closing = true;
      clearInterval(look);
      for (const { socket } of connections) {
        socket.close(goingAway, 'UNAVAILABLE');
        setTimeout(() => socket.terminate(), farewellMs).unref();
      }
    },
  };
}

/** Who does not read what they are sent is not read either. */
function mind(socket: WebSocket) {
  if (socket.bufferedAmount > maxUnreadBytes) socket.pause();
  else if (socket.isPaused) socket.resume();
}

/** Breaks the connection off where its reader does not take the last words of a stream. */
function leaveLate({ stream, told, over }: Begun, socket: WebSocket): Begun {
  let late: NodeJS.Timeout | undefined;
  stream.onEnd(() => {
    late = setTimeout(() => socket.terminate(), farewellMs);
  });
  return {
    stream,
    told,
    over() {
      stream.end(null);
      clearTimeout(late);
      over();
    },
  };
}

/** Each is asked for when the one before it is sent. What ends them is thrown, and told as the protocol tells errors. */
function resultsOf({ stream, told }: Begun): AsyncIterableIterator<ExecutionResult, void, undefined> {
  async function* each() {
    for await (const { id, result } of told) {
      if (id === null) throw asError(result.errors![0]!);
      yield result as ExecutionResult;
      stream.taken();
    }
  }
  const results = each();
  return {
    next: () => results.next(),
    return() {
      // It may be waiting for the next change, which nobody wants any more.
      stream.end(null);
      return results.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const asError = ({ message, path, extensions }: GraphQLFormattedError) =>
  new GraphQLError(message, { path: path ?? null, extensions: extensions ?? null });

/** The protocol wants a `query` also of who sends the id of a document. */
function withoutEmptyQuery({ query, ...rest }: { query: string }): unknown {
  return query === '' && 'documentId' in rest ? rest : { query, ...rest };
}

function isSafe(text: string): boolean {
  try {
    parseSafely(text, () => new Fault('BAD_REQUEST', ''));
    return true;
  } catch {
    return false;
  }
}
