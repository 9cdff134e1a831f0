/**
 * The council's side of the made-up place, speaking what councils speak: a quarterly Client Level Data (CLD) file,
 * fetched from `/cld/` or dropped in a folder, and at `/finance/` what CLD does not hold: eligibilities, accounts,
 * payments, and reviews of how the money is used. The formats: `docs/formats/council-cld.md` and `docs/formats/council-finance.md`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cldLines, lastFourQuarters } from './council-cld.ts';
import {
  type Change,
  change,
  type FinanceAccount,
  type FinanceEligibility,
  type FinancePayment,
  type FinanceReview,
  feedPage,
  financeFeeds,
} from './council-finance.ts';
import { type Faults, struck } from './fault.ts';
import { type Place, wenshire } from './place.ts';

interface Options {
  place: Place;
  port: number;
  now: () => Date;
  faults: Faults;
  /** Folder to leave the CLD file in, for a hub that is given files and not an address. */
  dropDir?: string;
}

export interface CouncilSystem {
  url: string;
  /** Publishes a file anew, or another one, with this content. */
  putFile(name: string, content: string | Buffer): Promise<void>;
  upsertAccount(account: Change<FinanceAccount>): void;
  upsertPayment(payment: Change<FinancePayment>): void;
  upsertEligibility(eligibility: Change<FinanceEligibility>): void;
  upsertReview(review: Change<FinanceReview>): void;
  close(): Promise<void>;
}

export async function startCouncilSystem({
  place,
  port,
  now,
  faults,
  dropDir,
}: Options): Promise<CouncilSystem> {
  const startedAt = now();
  const folder = dropDir ?? (await mkdtemp(join(tmpdir(), 'council-')));
  await mkdir(folder, { recursive: true });
  const files = new Map<string, PublishedFile>();
  const publish = async (name: string, content: Iterable<string> | Buffer) =>
    files.set(name, {
      name,
      ...(await writeWhole(join(folder, name), content)),
      publishedAt: now().toISOString(),
    });
  const period = lastFourQuarters(startedAt);
  await publish(
    `CLD_${wenshire.council.code}_${period.to.slice(0, 4)}Q${Number(period.to.slice(5, 7)) / 3}.csv`,
    cldLines(place, period),
  );
  const feeds = financeFeeds(place, startedAt);

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://council');
    if (req.method !== 'GET') return problem(res, 405, 'Only GET is answered');
    if (url.pathname === '/cld/') return json(res, [...files.values()]);
    const file = files.get(url.pathname.replace(/^\/cld\//, ''));
    if (file) return sendFile(req, res, join(folder, file.name), file);
    const feed = url.pathname.replace(/^\/finance\//, '');
    if (feed === 'eligibilities')
      return sendPage(res, feedPage(feeds.eligibilities, url.searchParams, now()));
    if (feed === 'accounts') return sendPage(res, feedPage(feeds.accounts, url.searchParams, now()));
    if (feed === 'payments') return sendPage(res, feedPage(feeds.payments, url.searchParams, now()));
    if (feed === 'reviews') return sendPage(res, feedPage(feeds.reviews, url.searchParams, now()));
    problem(res, 404, 'Nothing is here');
  }

  const server = createServer(async (req, res) => {
    try {
      if (!(await struck(faults, req, res))) await answer(req, res);
    } catch {
      if (res.headersSent) res.destroy();
      else problem(res, 500, 'The council system failed');
    }
  });
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(port, '127.0.0.1', resolve),
  );
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    putFile: async (name, content) => {
      await publish(name, typeof content === 'string' ? [content] : content);
    },
    upsertAccount: (account) => change(feeds.accounts, account, now()),
    upsertPayment: (payment) => change(feeds.payments, payment, now()),
    upsertEligibility: (eligibility) => change(feeds.eligibilities, eligibility, now()),
    upsertReview: (review) => change(feeds.reviews, review, now()),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (!dropDir) await rm(folder, { recursive: true });
    },
  };
}

function sendPage(res: ServerResponse, page: ReturnType<typeof feedPage>): void {
  if (typeof page === 'string') problem(res, 400, page);
  else json(res, page);
}

function json(res: ServerResponse, body: unknown): void {
  send(res, 200, 'application/json', body);
}

function problem(res: ServerResponse, status: number, title: string): void {
  send(res, status, 'application/problem+json', { type: 'about:blank', status, title });
}

function send(res: ServerResponse, status: number, type: string, body: unknown): void {
  res.statusCode = status;
  res.setHeader('Content-Type', type);
  res.end(JSON.stringify(body));
}

interface PublishedFile {
  name: string;
  sha256: string;
  bytes: number;
  publishedAt: string;
}

/** Under another name first: whoever watches the folder never meets half a file. */
async function writeWhole(path: string, content: Iterable<string> | Buffer) {
  const hash = createHash('sha256');
  let bytes = 0;
  const parts = Buffer.isBuffer(content) ? [content] : content;
  function* counted() {
    for (const part of parts) {
      const chunk = Buffer.from(part);
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  await writeFile(`${path}.part`, counted());
  await rename(`${path}.part`, path);
  return { sha256: hash.digest('hex'), bytes };
}

/** Parts up to this size are sent in one piece, so that the switch for a truncated answer takes hold of them. */
const onePieceBytes = 2 ** 20;

async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  file: PublishedFile,
): Promise<void> {
  const asked = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '');
  const start = asked ? Number(asked[1]) : 0;
  const end = Math.min(asked?.[2] ? Number(asked[2]) : Number.POSITIVE_INFINITY, file.bytes - 1);
  if (asked && start > end) {
    res.setHeader('Content-Range', `bytes */${file.bytes}`);
    return problem(res, 416, 'The file ends before that');
  }
  const length = end - start + 1;
  res.statusCode = asked ? 206 : 200;
  res.setHeader('Content-Type', 'text/csv; charset=utf-8');
  res.setHeader('Accept-Ranges', 'bytes');
  res.setHeader('ETag', `"${file.sha256}"`);
  if (asked) res.setHeader('Content-Range', `bytes ${start}-${end}/${file.bytes}`);
  if (length > onePieceBytes) {
    res.setHeader('Content-Length', length);
    return pipeline(createReadStream(path, { start, end }), res);
  }
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
    res.end(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}
