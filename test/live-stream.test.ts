import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { uuidOf } from '../src/platform/id.ts';
import { asOwner } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, type TestHub } from './setup/hub.ts';
import { all, bare, personOf, take, twoHubs } from './setup/stream.ts';

const hubs = twoHubs({ live: { maxStreams: 210 } });
/** As UUIDs. */
let people: string[];
let iris: string;
beforeAll(async () => {
  people = await hubs.caseload(coordinator);
  const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;
  const { data } = await hubs.here.ask(`{ person(nhsNumber: "${nhsNumber}") { id } }`);
  iris = uuidOf('per', data.person.id)!;
});

describe('a stream ends', () => {
  test('with its token, and can be taken up with another', async () => {
    const exp = noon().getTime() / 1000 + 60;
    const stream = await hubs.open(hubs.here, all, {
      token: await hubs.here.issuer.token(coordinator, { exp }),
    });
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = (await stream.next())!;
    hubs.clock = new Date(noon().getTime() + 61_000);
    await hubs.announce('plan.changed', [people[1]!]);
    const last = await stream.next();
    expect(last).toEqual({
      id: null,
      errors: [
        {
          message: expect.any(String),
          extensions: {
            code: 'UNAUTHENTICATED',
            retryable: false,
            requestId: stream.headers.get('x-request-id'),
          },
        },
      ],
    });
    expect(await stream.next()).toBeNull();
    expect(stream.isComplete()).toBe(true);
    const token = await hubs.here.issuer.token(coordinator, { exp: exp + 600 });
    const again = await hubs.open(hubs.here, all, { token, variables: { after } });
    expect(personOf(await again.next())).toBe(people[1]);
  });

  test('with its token also when nothing happens', async () => {
    const exp = noon().getTime() / 1000 + 60;
    const stream = await hubs.open(hubs.here, all, {
      token: await hubs.here.issuer.token(coordinator, { exp }),
    });
    hubs.clock = new Date(noon().getTime() + 61_000);
    expect((await stream.next())!.errors![0]!.extensions.code).toBe('UNAUTHENTICATED');
    expect(await stream.next()).toBeNull();
  });

  test('before a change that cannot be read, which comes again', async () => {
    const stream = await hubs.open(hubs.here, all);
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = (await stream.next())!;
    await asOwner(hubs.here.database.url, 'alter table audit_event rename to audit_event_away');
    try {
      await hubs.announce('plan.changed', [people[1]!]);
      const last = (await stream.next())!;
      expect(last).toMatchObject({ id: null, errors: [{ extensions: { code: 'AUDIT_UNAVAILABLE' } }] });
      expect(JSON.stringify(last)).not.toContain(people[1]!.replaceAll('-', ''));
    } finally {
      await asOwner(hubs.here.database.url, 'alter table audit_event_away rename to audit_event');
    }
    const again = await hubs.open(hubs.here, all, { variables: { after } });
    expect(personOf(await again.next())).toBe(people[1]);
  });

  test('when the hub stops: it says so, and the next hub goes on', async () => {
    const stopping = await hubs.another();
    const stream = await hubs.open(stopping, all);
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = (await stream.next())!;
    const closed = stopping.close();
    expect((await stream.next())!.errors![0]!.extensions).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    });
    expect(await stream.next()).toBeNull();
    await closed;
    await hubs.announce('plan.changed', [people[1]!]);
    const again = await hubs.open(hubs.here, all, { variables: { after } });
    expect(personOf(await again.next())).toBe(people[1]);
  });

  test('when its reader does not take what comes; who comes back misses nothing', async () => {
    const small = await hubs.another({ live: { maxQueued: 20 } });
    try {
      const page =
        'transfers(first: 100) { nodes { id kind source description recordedAt amount { formatted } } }';
      const wide = `subscription { changes { id person { budgets {
        ${Array.from({ length: 10 }, (_, n) => `t${n}: ${page}`).join(' ')} } } } }`;
      const { call, response } = await stuck(small, wide);
      const streams = async () =>
        Number(
          /^tandem_live_streams (\d+)$/m.exec(await (await fetch(`${small.hub.url}/metrics`)).text())![1],
        );
      expect(await streams()).toBe(1);
      for (let n = 0; (await streams()) > 0; n += 1) {
        expect(n).toBeLessThan(1_000);
        for (let m = 0; m < 3; m += 1) await hubs.announce('plan.changed', [iris]);
      }
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.resume();
      await new Promise((resolve) => response.once('close', resolve));
      call.destroy();
      const ids = [...text.matchAll(/^id: (\S+)\n.*\n.*\n\n/gm)].map(([, id]) => id!);
      expect(ids.length).toBeGreaterThan(3);
      const { rows } = await hubs.here.database.pool.query(
        `select count(*)::int as missed from outbox where id > $1 and topic = 'plan.changed'`,
        [Number(Buffer.from(ids.at(-1)!, 'base64url').toString().split('.')[0])],
      );
      expect(rows[0].missed).toBeGreaterThan(0);
      const again = await hubs.open(small, bare, { variables: { after: ids.at(-1) } });
      const rest = await take(again, rows[0].missed);
      expect(new Set([...ids, ...rest.map(({ id }) => id)]).size).toBe(ids.length + rest.length);
    } finally {
      await small.close();
    }
  });
});

/** Opens a stream and never reads it. */
async function stuck(
  kit: TestHub,
  query: string,
): Promise<{ call: ClientRequest; response: IncomingMessage }> {
  const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
  return new Promise((resolve, reject) => {
    const headers = { authorization, accept: 'text/event-stream', 'content-type': 'application/json' };
    const call = request({ port: kit.hub.port, path: '/graphql', method: 'POST', headers }, (response) => {
      response.pause();
      response.on('error', () => {});
      resolve({ call, response });
    });
    call.on('error', reject);
    call.end(JSON.stringify({ query }));
  });
}

describe('many', () => {
  test('two hundred streams have every change once, and one statement asks for all', async () => {
    const streams = await Promise.all(Array.from({ length: 200 }, () => hubs.open(hubs.here, bare)));
    const before = hubs.here.database.reader.sent();
    await hubs.announce('plan.changed', [people[0]!]);
    await hubs.announce('review.held', [people[1]!]);
    const told = await Promise.all(streams.map((stream) => take(stream, 2)));
    for (const events of told) {
      expect(events.map(({ data }) => data.changes.topic)).toEqual(['PLAN_CHANGED', 'REVIEW_HELD']);
    }
    expect(hubs.here.database.reader.sent() - before).toBeLessThanOrEqual(8);
  });

  test('one more than there may be is told to wait, until somebody leaves', async () => {
    const streams = await Promise.all(Array.from({ length: 210 }, () => hubs.open(hubs.here, bare)));
    expect(streams.every(({ status }) => status === 200)).toBe(true);
    const answer = await hubs.refusal(bare);
    expect(answer).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'BUSY', retryable: true } }],
    });
    expect(answer.headers.get('retry-after')).toBe('5');
    for (const stream of streams) await stream.leave();
    await expect.poll(async () => (await hubs.open(hubs.here, bare)).status, { timeout: 5_000 }).toBe(200);
  });
});

describe('the wire', () => {
  test('a token is wanted, and POST', async () => {
    const unsigned = await hubs.refusal(all, {}, { authorization: 'Bearer x' });
    expect(unsigned).toMatchObject({ status: 401, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    const authorization = `Bearer ${await hubs.here.issuer.token(coordinator)}`;
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const address = `http://127.0.0.1:${hubs.here.hub.port}/graphql?query=${encodeURIComponent(bare)}`;
      const response = await fetch(address, {
        method,
        headers: { authorization, accept: 'text/event-stream' },
      });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
    }
  });

  test.each([
    ['no document', '', 'BAD_REQUEST'],
    ['a document that cannot be read', 'subscription { changes { id ', 'GRAPHQL_PARSE_FAILED'],
    ['one that is too long', `subscription { changes { ${'id '.repeat(6_000)} } }`, 'GRAPHQL_PARSE_FAILED'],
    ['a field that is not there', 'subscription { changes { secret } }', 'GRAPHQL_VALIDATION_FAILED'],
    [
      'two subscriptions in one',
      'subscription { a: changes { id } b: changes { id } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'two operations and no name',
      `subscription A { changes { id } } subscription B { changes { id } }`,
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['a query', '{ me { name } }', 'BAD_REQUEST'],
  ])('%s is refused', async (_name, query, code) => {
    expect(await hubs.refusal(query)).toMatchObject({ status: 400, errors: [{ extensions: { code } }] });
  });

  test('a wrong variable is refused without its value', async () => {
    const answer = await hubs.refusal(all, { topics: ['943 476 5918'] });
    expect(answer).toMatchObject({ status: 400, errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    expect(JSON.stringify(answer)).not.toContain('943');
  });

  test('a body over the limit, a form and a sniffed token of the other mode', async () => {
    expect((await hubs.refusal(`# ${'x'.repeat(300_000)}`)).status).toBe(413);
    expect((await hubs.refusal(bare, {}, { 'content-type': 'text/plain' })).status).toBe(400);
    const stream = await hubs.open(hubs.here, bare, { headers: { 'x-graphql-event-stream-token': 'x' } });
    expect(stream.status).toBe(200);
  });

  test('without the header a subscription is told where to go; with it last, a query is still a query', async () => {
    const answer = await hubs.here.ask(bare);
    expect(answer.errors![0]).toMatchObject({
      message: expect.stringContaining('text/event-stream'),
      extensions: { code: 'BAD_REQUEST' },
    });
    const json = { accept: 'application/graphql-response+json, application/json, text/event-stream' };
    expect((await hubs.refusal('{ me { name } }', {}, json)).data).toEqual({ me: { name: 'Nadia' } });
  });
});
