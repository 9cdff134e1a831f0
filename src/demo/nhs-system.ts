/** The made-up NHS system: FHIR R4 over plain HTTP, with the search the hub needs and no more. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { paydayUpTo } from './account.ts';
import { dayNumber } from './dice.ts';
import { type Faults, struck } from './fault.ts';
import { type NhsResourceType, nhsResourceTypes, type Resource, sketches } from './nhs-resource.ts';
import type { Place } from './place.ts';

export interface NhsSystem {
  /** The FHIR base, such as http://127.0.0.1:4101/fhir. */
  url: string;
  /** Writes a resource, new or anew: its version grows and it was last updated now. */
  upsert: (resource: Resource) => void;
  /** Takes a resource away: searches pass over it, and reading it gives 410. */
  remove: (type: NhsResourceType, id: string) => void;
  close: () => Promise<void>;
}

/** One resource in a feed. A removed one has no `render` and stands in no feed. */
interface Entry {
  id: string;
  /** Last updated, in milliseconds. */
  at: number;
  version: number;
  render: (() => Resource) | null;
}

interface Shelf {
  byId: Map<string, Entry>;
  /** By (last updated, id), which is the order of every search. */
  feed: Entry[];
}

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const pageSize = { usual: 100, most: 500 };
const spreadDays = 540;

export async function startNhsSystem({
  place,
  port,
  now,
  faults = [],
}: {
  place: Place;
  port: number;
  now: () => Date;
  faults?: Faults;
}): Promise<NhsSystem> {
  const startedAt = now().getTime();
  const payday = paydayUpTo(dayNumber(now().toISOString().slice(0, 10)));
  const shelves = new Map<NhsResourceType, Shelf>();

  /** Made when first asked for, so that a large place starts at once. */
  function shelfOf(type: NhsResourceType): Shelf {
    let shelf = shelves.get(type);
    if (!shelf) {
      const feed = Array.from(sketches(type, place.people), ({ id, changedOn, render }): Entry => {
        // Scattered over the day of the change, or where no day is known over a year and a half, by the id alone.
        const [from, days] = changedOn ? [dayNumber(changedOn), 1] : [payday - spreadDays, spreadDays];
        const at = Math.floor((from + fraction(id) * days) * 86_400_000);
        return { id, at: Math.min(at, startedAt), version: 1, render };
      });
      shelf = { byId: new Map(feed.map((entry) => [entry.id, entry])), feed: feed.sort(inOrder) };
      shelves.set(type, shelf);
    }
    return shelf;
  }

  function search(type: NhsResourceType, base: string, query: URLSearchParams, asked: Query): Resource {
    const { feed } = shelfOf(type);
    const first = firstFrom(feed, asked.since);
    const start = asked.after ? firstAfter(feed, asked.after) : first;
    const page = feed.slice(start, start + asked.count);
    const last = page.at(-1);
    const link = [{ relation: 'self', url: `${base}/${type}?${query}` }];
    if (last && start + page.length < feed.length) {
      const token = Buffer.from(JSON.stringify({ ...asked, after: { at: last.at, id: last.id } }));
      link.push({ relation: 'next', url: `${base}/${type}?_page=${token.toString('base64url')}` });
    }
    return {
      resourceType: 'Bundle',
      id: crypto.randomUUID(),
      type: 'searchset',
      timestamp: now().toISOString(),
      total: feed.length - first,
      link,
      entry: page.map((entry) => ({
        fullUrl: `${base}/${type}/${entry.id}`,
        resource: written(entry),
        search: { mode: 'match' },
      })),
    };
  }

  function answer(req: IncomingMessage): Answer {
    if (req.method !== 'GET') return refusal(405, 'not-supported', 'Only GET is supported');
    const base = `http://${req.headers.host}/fhir`;
    if (!URL.canParse(req.url ?? '/', base)) return refusal(400, 'invalid', 'The address cannot be read');
    const { pathname, searchParams } = new URL(req.url ?? '/', base);
    const [, root, typeName, id, ...rest] = pathname.split('/');
    const type = nhsResourceTypes.find((known) => known === typeName);
    if (root !== 'fhir' || !type || rest.length > 0)
      return refusal(404, 'not-found', 'No such resource type');
    if (id === undefined) {
      const query = readQuery(searchParams);
      return typeof query === 'string'
        ? refusal(400, 'invalid', query)
        : { status: 200, body: search(type, base, searchParams, query) };
    }
    const entry = shelfOf(type).byId.get(id);
    if (!entry) return refusal(404, 'not-found', 'No such resource');
    if (!entry.render) return refusal(410, 'deleted', 'The resource has been deleted');
    return { status: 200, body: written(entry), etag: `W/"${entry.version}"` };
  }

  /** Puts an entry where its new time belongs; null takes it out of the feed. */
  function shelve(type: NhsResourceType, id: string, render: Entry['render']): void {
    const { byId, feed } = shelfOf(type);
    const before = byId.get(id);
    const entry = { id, at: now().getTime(), version: (before?.version ?? 0) + 1, render };
    byId.set(id, entry);
    const at = before ? feed.indexOf(before) : -1;
    if (at >= 0) feed.splice(at, 1);
    if (render) feed.push(entry);
    feed.sort(inOrder);
  }

  const server = createServer(async (req, res) => {
    if (await struck(faults, req, res)) return;
    const requestId = req.headers['x-request-id'];
    const isNamed = typeof requestId === 'string' && uuid.test(requestId);
    const { status, body, etag } = isNamed
      ? answer(req)
      : refusal(400, 'required', 'X-Request-ID must be a UUID');
    if (isNamed) res.setHeader('X-Request-ID', requestId);
    if (etag) res.setHeader('ETag', etag);
    res
      .writeHead(status, { 'Content-Type': 'application/fhir+json; charset=utf-8' })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`,
    upsert(resource) {
      const type = nhsResourceTypes.find((known) => known === resource.resourceType);
      if (!type) throw new TypeError('The NHS system does not keep this resource type');
      shelve(type, resource.id, () => resource);
    },
    remove: (type, id) => shelve(type, id, null),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function written(entry: Entry): Resource {
  const resource = entry.render!();
  const meta = {
    ...(resource.meta as object),
    versionId: String(entry.version),
    lastUpdated: instant(entry.at),
  };
  return { ...resource, meta };
}

const instant = (at: number): string => new Date(at).toISOString();

type Position = Pick<Entry, 'at' | 'id'>;

const inOrder = (a: Position, b: Position): number => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const firstFrom = (feed: Entry[], since: number): number => firstWhere(feed, (entry) => entry.at >= since);
/** A page goes on after a position and not after a count, so that what changes meanwhile shifts nothing. */
const firstAfter = (feed: Entry[], after: Position): number =>
  firstWhere(feed, (entry) => inOrder(entry, after) > 0);

/** Where in a list that turns from no to yes once the first yes stands. */
function firstWhere(feed: Entry[], holds: (entry: Entry) => boolean): number {
  let low = 0;
  let high = feed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(feed[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface Query {
  since: number;
  count: number;
  after?: Position;
}

/** What was asked for, or what is wrong with the question. */
function readQuery(query: URLSearchParams): Query | string {
  const token = query.get('_page');
  if (token !== null) return readToken(token) ?? '_page is not a page token of this server';
  const lastUpdated = query.get('_lastUpdated');
  const since = lastUpdated === null ? 0 : Date.parse(lastUpdated.replace(/^ge/, ''));
  if (Number.isNaN(since) || lastUpdated?.startsWith('ge') === false)
    return '_lastUpdated must be ge and an instant';
  if ((query.get('_sort') ?? '_lastUpdated') !== '_lastUpdated') return '_sort must be _lastUpdated';
  const count = query.get('_count') ?? String(pageSize.usual);
  if (!/^[1-9]\d{0,5}$/.test(count)) return '_count must be a whole number above zero';
  return { since, count: Math.min(Number(count), pageSize.most) };
}

function readToken(token: string): Query | null {
  try {
    const { since, count, after } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Query;
    const isOurs = [since, count, after?.at].every(Number.isFinite) && typeof after?.id === 'string';
    return isOurs ? { since, count, after: after! } : null;
  } catch {
    return null;
  }
}

interface Answer {
  status: number;
  body: object;
  etag?: string;
}

const refusal = (status: number, code: string, diagnostics: string): Answer => ({
  status,
  body: { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] },
});

/** Below one, the same for the same text in every process, and even over many: FNV-1a. */
function fraction(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0) / 2 ** 32;
}
