/**
 * Switches by which a source system of the made-up place fails on purpose, so that a test, or a curious visitor,
 * can watch the hub bear it. Both servers call `struck` before they answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export type Fault = (
  | { kind: 'slow'; ms: number }
  | { kind: 'status'; status: 429 | 500 | 503; retryAfterS?: number }
  | { kind: 'truncated' }
  | { kind: 'wrong-content' }
) & {
  /** Only requests whose path and query contain this; without it every request. */
  path?: string;
  /** How many requests it strikes before it is spent; without it, until it is removed. */
  count?: number;
};

/** What is set now, changed at run time: `faults.push({ kind: 'truncated', count: 1 })`, `faults.length = 0`. */
export type Faults = Fault[];

/**
 * Applies the first fault that fits the request. Returns true when the request has been answered and the server
 * must not answer again. `slow` waits and `truncated` cuts the server's own answer short, so both return false.
 */
export async function struck(faults: Faults, req: IncomingMessage, res: ServerResponse): Promise<boolean> {
  const at = faults.findIndex((fault) => fault.path === undefined || req.url?.includes(fault.path));
  const fault = faults[at];
  if (!fault) return false;
  if (fault.count !== undefined && --fault.count <= 0) faults.splice(at, 1);
  switch (fault.kind) {
    case 'slow':
      await delay(fault.ms);
      return false;
    case 'status':
      if (fault.retryAfterS !== undefined) res.setHeader('Retry-After', fault.retryAfterS);
      res.writeHead(fault.status).end();
      return true;
    case 'truncated':
      cutShort(res);
      return false;
    case 'wrong-content':
      res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>');
      return true;
  }
}

/**
 * Sends the first half of whatever the server answers with as if it were whole, as a broken proxy does. The server
 * answers with one `res.end(body)` and leaves Content-Length to Node.
 */
function cutShort(res: ServerResponse): void {
  const end = res.end.bind(res) as (body: Buffer) => ServerResponse;
  res.end = ((body: string | Buffer = '') => {
    const whole = Buffer.from(body);
    return end(whole.subarray(0, Math.floor(whole.length / 2)));
  }) as ServerResponse['end'];
}
