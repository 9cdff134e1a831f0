/** Asks a source over HTTP and sorts what goes wrong into the three faults that the worker knows. */
import { SourceFault } from './page.ts';

interface Asking {
  /** Media type that the answer must have; it is also what we ask for. */
  accept: string;
  headers?: Record<string, string>;
  timeoutMs?: number | undefined;
  now?: (() => Date) | undefined;
}

const defaultTimeoutMs = 30_000;

/** An answer of the right kind with a 2xx status; its body is still to be read, under the same time limit. */
export async function ask(url: URL, asking: Asking): Promise<Response> {
  const signal = AbortSignal.timeout(asking.timeoutMs ?? defaultTimeoutMs);
  const headers = { Accept: asking.accept, ...asking.headers };
  const answer = await arriving(fetch(url, { signal, headers, redirect: 'error' }));
  const { status } = answer;
  if (answer.ok && answer.headers.get('content-type')?.split(';')[0]?.trim() === asking.accept) return answer;
  await answer.body?.cancel().catch(() => {});
  if (answer.ok) throw new SourceFault('SOURCE_ANSWER_INVALID', `Answer is not ${asking.accept}`);
  const retryAfterMs = retryAfter(answer.headers.get('retry-after'), asking.now?.() ?? new Date());
  if (status === 429 || (status === 503 && retryAfterMs !== null))
    throw new SourceFault('SOURCE_BUSY', `Answer has status ${status}`, retryAfterMs);
  throw new SourceFault(
    status >= 500 ? 'SOURCE_DOWN' : 'SOURCE_ANSWER_INVALID',
    `Answer has status ${status}`,
  );
}

export async function askJson(url: URL, asking: Omit<Asking, 'accept'>): Promise<unknown> {
  const text = await arriving((await ask(url, { ...asking, accept: 'application/json' })).text());
  try {
    return JSON.parse(storable(text));
  } catch {
    throw new SourceFault('SOURCE_ANSWER_INVALID', 'Answer is not whole JSON');
  }
}

/** Servers answer any of these for the mark of a page that they no longer keep. */
export const isPageGone = (error: unknown): boolean =>
  error instanceof SourceFault && /status (400|404|410)$/.test(error.message);

/** PostgreSQL stores neither NUL nor half a surrogate pair: in JSON text both come as escapes, and become U+FFFD. */
function storable(json: string): string {
  const escaped = /\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|ud[89a-f][0-9a-f]{2}|u0000|.)/gi;
  return json.replace(escaped, (found) => (found.length === 6 ? '\\ufffd' : found));
}

/** Whatever breaks on the way, before or within the body, is the source being out of reach. */
export async function arriving<T>(something: Promise<T>): Promise<T> {
  try {
    return await something;
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new SourceFault('SOURCE_DOWN', late ? 'No answer in time' : 'No answer');
  }
}

/** RFC 9110, 10.2.3: seconds or an HTTP date. */
function retryAfter(value: string | null, now: Date): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}
