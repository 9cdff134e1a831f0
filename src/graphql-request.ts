/** Reads a GraphQL request off node's own HTTP, as Apollo wants it. */
import type { IncomingMessage } from 'node:http';
import { HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import { Fault } from './platform/fault.ts';
import { parseSafely, unsafeTextMessage } from './read/text.ts';

const path = '/graphql';

export const isGraphql = ({ url = '' }: IncomingMessage): boolean =>
  url === path || url.startsWith(`${path}?`);

/** Whoever would rather have a stream says so first: some clients name it, last, with every operation. */
export const wantsStream = ({ headers }: IncomingMessage): boolean =>
  /^\s*text\/event-stream\b/i.test(headers.accept ?? '');

/** What Apollo looks at: the rest of a request's headers is nobody's business behind this line. */
const read = ['content-type', 'accept', 'apollo-require-preflight', 'x-apollo-operation-name'] as const;

/** What may be sent back: nothing else is done for whoever takes neither. */
const isAccepted = (accept: string | undefined): boolean =>
  accept === undefined || /\*\/\*|\bapplication\/(\*|json|graphql-response\+json)/i.test(accept);

/** @throws Fault NOT_ACCEPTABLE, BODY_TOO_LARGE or BAD_REQUEST */
export async function readRequest(req: IncomingMessage, maxBytes: number): Promise<HTTPGraphQLRequest> {
  const headers = new HeaderMap();
  for (const name of read) {
    const value = req.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  const { method = 'GET', url = '' } = req;
  if (!wantsStream(req) && !isAccepted(req.headers.accept)) {
    throw new Fault('NOT_ACCEPTABLE', 'Accept application/graphql-response+json or application/json.');
  }
  const isJson = /^application\/json\b/i.test(headers.get('content-type') ?? '');
  const text = method === 'POST' ? await bodyOf(req, maxBytes) : '';
  return { method, headers, search: url.slice(path.length), body: isJson && text !== '' ? parse(text) : {} };
}

function bodyOf(req: IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // The rest is read and dropped, so that the answer can be heard.
      if (bytes <= maxBytes) chunks.push(chunk);
      else chunks.length = 0;
    });
    req.on('end', () => {
      if (bytes <= maxBytes) resolve(Buffer.concat(chunks, bytes).toString('utf8'));
      else reject(new Fault('BODY_TOO_LARGE', `The body is larger than ${maxBytes / 1024} kB.`));
    });
    req.on('error', reject);
    req.on('aborted', () => reject(new Fault('BAD_REQUEST', 'The body ended too soon.')));
  });
}

function parse(text: string): unknown {
  try {
    return parseSafely(text, () => new Fault('BAD_REQUEST', unsafeTextMessage));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('BAD_REQUEST', 'The body cannot be read as JSON.');
  }
}
