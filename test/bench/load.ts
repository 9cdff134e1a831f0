/**
 * The load generator, a process of its own: keeps a number of connections busy, one request at a time on each, with a
 * random question every time. It speaks HTTP on bare sockets, so as to leave the machine to what is measured.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';

export interface Target {
  name: string;
  port: number;
  /** First line but for the question, and headers. A target without `body` is asked by GET, its question in the path. */
  path: string;
  headers: Record<string, string>;
  /** Of which one is picked for each request, where several ask. */
  authorizations?: string[];
  body: { before: string; after: string } | null;
  /** Of which one is picked for each request, as it stands in the path or in the body. */
  questions: string[];
  /** Stands in the question where each request has a key of its own. */
  key?: string;
  /** How an answer begins that is one; anything else counts as a failure. */
  answer: string;
}

export interface Round {
  target: string;
  seconds: number;
  connections: number;
}

export interface Measured {
  requests: number;
  failures: number;
  seconds: number;
  bytes: number;
  p50Ms: number;
  p99Ms: number;
}

const targets = new Map<string, Target>();

process.on('message', async (message: Target | Round) => {
  if ('target' in message) process.send?.(await run(targets.get(message.target)!, message));
  else {
    targets.set(message.name, message);
    process.send?.({});
  }
});
process.once('disconnect', () => process.exit());
process.send?.({});

async function run(target: Target, { seconds, connections }: Round): Promise<Measured> {
  const latencies: number[] = [];
  const total = { failures: 0, bytes: 0 };
  const begin = performance.now();
  const end = begin + seconds * 1000;
  await Promise.all(Array.from({ length: connections }, () => keepAsking(target, end, latencies, total)));
  const took = (performance.now() - begin) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor((latencies.length - 1) * q)] ?? 0;
  return { requests: latencies.length, seconds: took, ...total, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

const anyOf = (values: string[]) => values[Math.floor(Math.random() * values.length)]!;

function requestOf({ path, headers, authorizations, body, questions, key }: Target): string {
  const picked = anyOf(questions);
  const question = key === undefined ? picked : picked.replace(key, randomUUID());
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (authorizations !== undefined) head.push(`authorization: ${anyOf(authorizations)}\r\n`);
  if (body === null) return `GET ${path}${question} HTTP/1.1\r\nhost: localhost\r\n${head.join('')}\r\n`;
  const text = `${body.before}${question}${body.after}`;
  const length = `content-length: ${Buffer.byteLength(text)}\r\n`;
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${head.join('')}${length}\r\n${text}`;
}

/** Asks on one connection until `end`; what is under way then is still counted. */
function keepAsking(
  target: Target,
  end: number,
  latencies: number[],
  total: { failures: number; bytes: number },
): Promise<void> {
  return new Promise((done, failed) => {
    const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
    let sentAt = 0;
    let received: Buffer[] = [];
    let missing = Number.NaN;

    function ask() {
      received = [];
      missing = Number.NaN;
      sentAt = performance.now();
      socket.write(requestOf(target));
    }

    socket.on('connect', ask);
    socket.on('data', (chunk) => {
      received.push(chunk);
      if (Number.isNaN(missing)) {
        const head = Buffer.concat(received);
        const headEnd = head.indexOf('\r\n\r\n') + 4;
        if (headEnd < 4) return;
        const length = /^content-length: *(\d+)/im.exec(head.toString('latin1', 0, headEnd))?.[1];
        if (length === undefined) return socket.destroy(new Error(`${target.name} sent no content-length`));
        missing = headEnd + Number(length) - head.length;
        const isAnswer =
          head.toString('latin1', 0, 12) === 'HTTP/1.1 200' &&
          head.toString('latin1', headEnd, headEnd + target.answer.length) === target.answer;
        if (!isAnswer) total.failures += 1;
        total.bytes += Number(length);
      } else missing -= chunk.length;
      if (missing > 0) return;
      const now = performance.now();
      latencies.push(now - sentAt);
      if (now < end) ask();
      else socket.end();
    });
    socket.on('error', failed);
    socket.on('close', () => done());
  });
}
