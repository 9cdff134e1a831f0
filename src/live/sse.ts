/**
 * Live changes over server-sent events: a subscription is POSTed like any operation, and answered with a stream in the
 * protocol of graphql-sse, distinct connections. Each event is sent when the one before it is taken.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import { createHandler } from 'graphql-sse';
import { correlationIdOf } from '../audit/store.ts';
import { Fault } from '../platform/fault.ts';
import type { Log } from '../platform/log.ts';
import type { Asking, Begun, Live, Refused } from './live.ts';

/** So long may the last words take to be taken. */
export const farewellMs = 2_000;

const frame = createHandler<null, { results: AsyncIterable<ExecutionResult> }>({
  // Without a token of its own a stream is one connection, and one operation.
  authenticate: () => null,
  onSubscribe: ({ context }) => context.results,
});

/** Answers a request with a stream; resolves when that is over. @throws Fault as long as nothing was sent */
export async function serveEvents(
  { live, log }: { live: Live; log: Log },
  req: IncomingMessage,
  res: ServerResponse,
  body: Asking['body'],
): Promise<void> {
  if (req.method !== 'POST') throw new Fault('METHOD_NOT_ALLOWED', 'POST the subscription.');
  const requestId = String(res.getHeader('x-request-id'));
  const begun = await live.begin({
    authorization: req.headers.authorization,
    requestId,
    correlationId: correlationIdOf(req.headers),
    lastId: lastEventId(req),
    body,
  });
  if ('errors' in begun) return refuse(res, begun);
  try {
    await sendEvents(req, res, begun);
  } catch (err) {
    // What has begun can only be broken off.
    log.error({ err, requestId }, 'A stream failed');
    res.destroy();
  } finally {
    begun.over();
  }
}

/** Resolves when the stream is over, whoever ended it. */
async function sendEvents(req: IncomingMessage, res: ServerResponse, { stream, told }: Begun): Promise<void> {
  // The protocol has no ids: they wait here for their frames, which come in the same order.
  const ids: (string | null)[] = [];
  async function* results() {
    for await (const { id, result } of told) {
      ids.push(id);
      // Errors are told in the words of ours, not as graphql-js has them.
      yield result as ExecutionResult;
    }
  }
  const [body, head] = await frame({
    method: 'POST',
    url: req.url ?? '',
    headers: { get: (name) => ({ accept: 'text/event-stream', 'content-type': 'application/json' })[name] },
    body: { query: 'subscription' },
    raw: null,
    context: { results: results() },
  });
  if (body === null || typeof body === 'string') throw new Error('graphql-sse did not open a stream');
  res.once('close', () => {
    stream.end(null);
    void body.return(undefined);
  });
  let late: NodeJS.Timeout | undefined;
  stream.onEnd(() => {
    late = setTimeout(() => res.destroy(), farewellMs);
  });
  try {
    res.writeHead(head.status, { ...head.headers, 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    for await (const text of body) {
      const isNext = text.startsWith('event: next');
      const id = isNext ? ids.shift() : null;
      if (!(await isWritten(res, id == null ? text : `id: ${id}\n${text}`))) break;
      if (isNext) stream.taken();
    }
    res.end();
    await new Promise<void>((resolve) => (res.closed ? resolve() : res.once('close', resolve)));
  } finally {
    stream.end(null);
    clearTimeout(late);
  }
}

/** Resolves when the text is with the reader's connection; false when that is gone. */
function isWritten(res: ServerResponse, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    if (res.destroyed) return resolve(false);
    const gone = () => resolve(false);
    res.once('close', gone);
    res.write(text, (error) => {
      res.off('close', gone);
      resolve(!error);
    });
  });
}

function refuse(res: ServerResponse, { errors, http: { status = 400, headers } }: Refused) {
  for (const [name, value] of headers ?? []) res.setHeader(name, value);
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  res.end(JSON.stringify({ errors }));
}

function lastEventId({ headers }: IncomingMessage): string | null {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}
