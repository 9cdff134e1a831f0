/**
 * What many open streams cost one process of the hub, and how soon a change has been told to all of them: each of somebody
 * else of the board, so that each one's right is asked by itself.
 */
import { type ClientRequest, request } from 'node:http';
import pg from 'pg';
import { type Child, startChild } from './child.ts';
import { makePeople } from './data.ts';
import { withOwnDatabase } from './database.ts';
import { median, rounded } from './figure.ts';
import { audience, startIssuer } from './issuer.ts';

export interface LiveFigures {
  streams: number;
  /** Until all are open. */
  openS: number;
  /** From the announcement of one change until the last stream has its id and topic. */
  toldS: number;
  /** The same where each stream asks for the person too, who is then read, and the reading audited, for each. */
  toldWithPersonS: number;
  /** The hub's process before the first stream, and at most while all are open. */
  rssMbBefore: number;
  rssMb: number;
}

interface LiveOptions {
  url: string;
  dataDir: string;
  streams: number;
  rounds: number;
  tell: (line: string) => void;
}

type Hub = Child<{ port: number }>;

/** Of whom anybody may hear; a stream does not care how many more there are. */
const people = 200;
const atOnce = 50;

const bare = 'subscription { changes { id topic } }';
const withPerson = 'subscription { changes { id topic at person { id familyName givenName } } }';

export const measureLive = ({ url, dataDir, streams, rounds, tell }: LiveOptions): Promise<LiveFigures> =>
  withOwnDatabase(url, 'tandem_live', async (own) => {
    const client = new pg.Client({ connectionString: own });
    client.on('error', () => {});
    await client.connect();
    const signIn = await startIssuer(dataDir, 'CARE_COORDINATOR');
    let hub: Hub | undefined;
    try {
      await makePeople(client, people);
      hub = await startChild(new URL('./hub.ts', import.meta.url), [own, signIn.issuer, audience]);
      const tokens = await Promise.all(
        Array.from({ length: streams }, (_, n) => signIn.tokenOf(`listener-${n}`)),
      );
      const rss = async () => (await hub!.ask<{ rssMb: number }>({})).rssMb;
      const rssMbBefore = await rss();
      const most = { rssMb: 0 };
      const measure = async (query: string) => {
        const begin = performance.now();
        const open = await openAll(hub!, tokens, query);
        const openMs = performance.now() - begin;
        const took: number[] = [];
        for (let round = 0; round < rounds; round += 1) took.push(await announce(client, open));
        most.rssMb = Math.max(most.rssMb, await rss());
        for (const call of open.calls) call.destroy();
        await untilClosed(hub!);
        return { openMs, toldMs: median(took) };
      };
      const first = await measure(bare);
      const second = await measure(withPerson);
      tell(`Told one change to ${streams} streams, ${rounds} times each way`);
      return {
        streams,
        openS: rounded(first.openMs / 1000, 2),
        toldS: rounded(first.toldMs / 1000, 3),
        toldWithPersonS: rounded(second.toldMs / 1000, 3),
        rssMbBefore: rounded(rssMbBefore),
        rssMb: rounded(most.rssMb),
      };
    } finally {
      await hub?.stop();
      await signIn.stop();
      await client.end();
    }
  });

interface Open {
  calls: ClientRequest[];
  /** Resolves when each of them has had one change more; rejects when one of them has anything else. */
  allTold(): Promise<void>;
}

async function openAll(hub: Hub, tokens: string[], query: string): Promise<Open> {
  const calls: ClientRequest[] = [];
  let missing = 0;
  let done = () => {};
  let failed: (error: Error) => void = () => {};
  const hear = (text: string) => {
    if (!text.includes('"data":{')) return failed(new Error(`a stream was told: ${text}`));
    missing -= 1;
    if (missing === 0) done();
  };
  const waiting = tokens.entries();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      // All take from the same list.
      for (const [, token] of waiting) calls.push(await openOne(hub, token, query, hear));
    }),
  );
  return {
    calls,
    allTold: () =>
      new Promise((resolve, reject) => {
        missing = calls.length;
        done = resolve;
        failed = reject;
      }),
  };
}

function openOne(
  hub: Hub,
  token: string,
  query: string,
  hear: (event: string) => void,
): Promise<ClientRequest> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'text/event-stream',
      'content-type': 'application/json',
    };
    const call = request(
      { host: '127.0.0.1', port: hub.hello.port, path: '/graphql', method: 'POST', headers, agent: false },
      (response) => {
        if (response.statusCode !== 200) return reject(new Error(`a stream got ${response.statusCode}`));
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          const frames = text.split('\n\n');
          text = frames.pop()!;
          for (const frame of frames) if (/^event: (next|complete)$/m.test(frame)) hear(frame);
        });
        response.on('error', () => {});
        resolve(call);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify({ query }));
  });
}

const insert = `
insert into outbox (topic, payload)
select 'plan.changed', jsonb_build_object('personIds', array[id]) from person order by random() limit 1`;

async function announce(client: pg.Client, open: Open): Promise<number> {
  const told = open.allTold();
  const begin = performance.now();
  await client.query(insert);
  await told;
  return performance.now() - begin;
}

/** The hub has room for as many as before. */
async function untilClosed(hub: Hub): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${hub.hello.port}/metrics`)).text();
    if (/^tandem_live_streams 0$/m.test(metrics)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
