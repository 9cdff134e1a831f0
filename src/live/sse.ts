/** Server-sent events on a response: framed by graphql-sse, each sent when the one before it is taken. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult, FormattedExecutionResult } from 'graphql';
import { createHandler } from 'graphql-sse';
import type { Stream } from './stream.ts';

/** An answer and the cursor of its change; null for the last words. */
export interface Told {
  id: string | null;
  result: FormattedExecutionResult;
}

/** So long may the last words take to be taken. */
const farewellMs = 2_000;

const frame = createHandler<null, { results: AsyncIterable<ExecutionResult> }>({
  // Without a token of its own a stream is one connection, and one operation.
  authenticate: () => null,
  onSubscribe: ({ context }) => context.results,
});

/** Resolves when the stream is over, whoever ended it. */
export async function sendEvents(
  req: IncomingMessage,
  res: ServerResponse,
  stream: Stream,
  told: AsyncIterable<Told>,
): Promise<void> {
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
