import type { JWTPayload } from 'jose';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { uuidOf } from '../../src/platform/id.ts';
import { makeDemoDatabase } from './database.ts';
import { noon } from './demo.ts';
import { type Answer, coordinator, startTestHub, type TestHub } from './hub.ts';

export interface Event extends Answer {
  /** Of the server-sent event. */
  id: string | null;
}

export interface TestStream {
  status: number;
  headers: Headers;
  /** The next event, or null when the stream has ended. */
  next(): Promise<Event | null>;
  /** Whether it ended as the protocol wants it. */
  isComplete(): boolean;
  /** Goes away without a word. */
  leave(): Promise<void>;
}

interface Opening {
  variables?: Record<string, unknown>;
  claims?: JWTPayload;
  token?: string;
  headers?: Record<string, string>;
}

/** Opens a stream as a portal does: by POST, over HTTP. */
export async function openStream(
  kit: { hub: { port: number }; issuer: TestHub['issuer'] },
  query: string,
  opening: Opening = {},
): Promise<TestStream> {
  const { variables = {}, claims = coordinator, headers = {} } = opening;
  const token = opening.token ?? (await kit.issuer.token(claims));
  const gone = new AbortController();
  const response = await fetch(`http://127.0.0.1:${kit.hub.port}/graphql`, {
    method: 'POST',
    signal: gone.signal,
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let isComplete = false;

  async function frame(): Promise<string | null> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const found = text.slice(0, end);
        text = text.slice(end + 2);
        return found;
      }
      const { value, done } = await reader.read();
      if (done) return null;
      text += value;
    }
  }

  return {
    status: response.status,
    headers: response.headers,
    async next() {
      for (;;) {
        const found = await frame();
        if (found === null) return null;
        const fields = Object.fromEntries(
          found.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]),
        );
        if (fields.event === 'complete') isComplete = true;
        if (fields.event === 'next') return { ...JSON.parse(fields.data!), id: fields.id ?? null };
      }
    },
    isComplete: () => isComplete,
    async leave() {
      gone.abort();
      await reader.cancel().catch(() => {});
    },
  };
}

export const all = `subscription ($topics: [ChangeTopic!], $personId: ID, $after: String) {
  changes(topics: $topics, personId: $personId, after: $after) { id topic at person { id } } }`;
export const bare = `subscription ($personId: ID, $after: String) {
  changes(personId: $personId, after: $after) { id topic } }`;

const insert = `insert into outbox (topic, payload) values ($1, jsonb_build_object('personIds', $2::uuid[]))`;

/** What a command does when it is done. */
export const announce = (sql: Pick<pg.Pool, 'query'>, topic: string, personIds: string[]) =>
  sql.query(insert, [topic, personIds]);

export const personOf = (event: Event | null) => uuidOf('per', event?.data?.changes.person.id);

export async function take(stream: TestStream, count: number): Promise<Event[]> {
  const taken: Event[] = [];
  for (let n = 0; n < count; n += 1) taken.push((await stream.next())!);
  return taken;
}

/** Two hubs on one database for the tests of a file; whatever a test opened is left when it is over. */
export function twoHubs(limits: Parameters<typeof startTestHub>[0] = {}) {
  const opened: TestStream[] = [];
  const hubs = {
    here: undefined as unknown as TestHub,
    there: undefined as unknown as TestHub,
    clock: noon(),
    /** Another hub on the same database. */
    another: (options: typeof limits = {}) =>
      startTestHub({
        now: noon,
        ...options,
        database: { url: hubs.here.database.url, drop: async () => {} },
      }),
    async open(kit: TestHub, query: string, opening: Opening = {}): Promise<TestStream> {
      const stream = await openStream(kit, query, opening);
      opened.push(stream);
      return stream;
    },
    announce: (topic: string, personIds: string[]) => announce(hubs.here.database.pool, topic, personIds),
    /** The people of somebody, as UUIDs. */
    async caseload(claims: JWTPayload): Promise<string[]> {
      const { data } = await hubs.here.ask('{ caseload(first: 100) { nodes { id } } }', {}, claims);
      return data.caseload.nodes.map(({ id }: { id: string }) => uuidOf('per', id));
    },
    /** What is said instead of a stream. */
    async refusal(query: string, variables: object = {}, headers: Record<string, string> = {}) {
      const authorization = `Bearer ${await hubs.here.issuer.token(coordinator)}`;
      const asked = { authorization, accept: 'text/event-stream', ...headers };
      const response = await hubs.here.send({ query, variables }, asked);
      const answer = (await response.json()) as Answer;
      return { ...answer, status: response.status, headers: response.headers };
    },
  };
  beforeAll(async () => {
    hubs.here = await startTestHub({ ...limits, database: await makeDemoDatabase(), now: () => hubs.clock });
    hubs.there = await hubs.another({ now: () => hubs.clock });
  });
  afterEach(async () => {
    hubs.clock = noon();
    for (const stream of opened.splice(0)) await stream.leave();
  });
  afterAll(async () => {
    await hubs.there.close();
    await hubs.here.close();
  });
  return hubs;
}
