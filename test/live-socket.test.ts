/** Live changes over WebSocket: the same streams as by server-sent events, on a connection of the protocol's own. */
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { documentIdOf } from '../src/limit/document.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, type TestHub } from './setup/hub.ts';
import { leaveNoHub, startHubProcess } from './setup/hub-process.ts';
import { addressOf, openBare, openSocket, type Subscription, type TestSocket } from './setup/socket.ts';
import { all, bare, twoHubs } from './setup/stream.ts';
import { until } from './setup/until.ts';

leaveNoHub();
const hubs = twoHubs();
/** As UUIDs. */
let people: string[];
let providers: string[];
beforeAll(async () => {
  people = await hubs.caseload(coordinator);
  providers = await hubs.caseload(provider);
});

const opened: TestSocket[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.leave();
  for (const kit of [hubs.here, hubs.there]) await until(async () => (await streamsAt(kit)) === 0);
});

async function open(kit: Parameters<typeof openSocket>[0], opening: Parameters<typeof openSocket>[1] = {}) {
  const socket = await openSocket(kit, opening);
  opened.push(socket);
  return socket;
}

/** Streams that are open at a hub. */
const streamsAt = async ({ hub }: TestHub): Promise<number> =>
  Number(/^tandem_live_streams (\d+)$/m.exec(await (await fetch(`${hub.url}/metrics`)).text())![1]);

/** Subscribes, and waits until the hub tells what happens from then on. */
async function following(
  kit: TestHub,
  socket: TestSocket,
  query: string,
  variables = {},
): Promise<Subscription> {
  const before = await streamsAt(kit);
  const subscription = socket.subscribe(query, variables);
  const first = subscription.next();
  await until(async () => (await streamsAt(kit)) > before);
  let waiting: typeof first | null = first;
  return {
    next() {
      const told = waiting ?? subscription.next();
      waiting = null;
      return told;
    },
    leave: subscription.leave,
  };
}

const changeOf = async (subscription: Subscription) => (await subscription.next())!.data.changes;
const codeOf = async (subscription: Subscription) => (await subscription.next())!.errors![0]!.extensions.code;

describe('a subscription', () => {
  test('tells at one hub what is done at the other, beside others on its connection', async () => {
    const socket = await open(hubs.here);
    const every = await following(hubs.here, socket, all);
    const reviews = await following(hubs.here, socket, all, { topics: ['REVIEW_HELD'] });
    await hubs.there.database.pool.query(
      `insert into outbox (topic, payload) values ('plan.changed', jsonb_build_object('personIds', $1::uuid[]))`,
      [people.slice(0, 2)],
    );
    await hubs.announce('review.held', [people[2]!]);
    for (const [topic, person] of [
      ['PLAN_CHANGED', people[0]],
      ['PLAN_CHANGED', people[1]],
      ['REVIEW_HELD', people[2]],
    ]) {
      const change = await changeOf(every);
      expect(change).toMatchObject({ topic, person: { id: idOf('per', person!) } });
    }
    expect(await changeOf(reviews)).toMatchObject({ topic: 'REVIEW_HELD' });
    // One that leaves does not disturb the other.
    await every.leave();
    await until(async () => (await streamsAt(hubs.here)) === 1);
    await hubs.announce('review.held', [people[3]!]);
    expect(uuidOf('per', (await changeOf(reviews)).person.id)).toBe(people[3]);
  });

  test('is audited as who asks, with the id its caller gave the connection', async () => {
    const correlationId = crypto.randomUUID();
    const socket = await open(hubs.here, { headers: { 'x-correlation-id': correlationId } });
    await following(hubs.here, socket, bare, { personId: idOf('per', people[0]!) });
    const { rows } = await hubs.here.database.pool.query(
      `select subject, object, outcome, person_ids from audit_event where correlation_id = $1`,
      [correlationId],
    );
    expect(rows).toEqual([
      {
        subject: expect.stringMatching(/nadia$/),
        object: 'changes',
        outcome: 'FOUND',
        person_ids: [people[0]],
      },
    ]);
  });

  test('is taken up anywhere behind its last change, with no gap and nothing twice', async () => {
    const first = await following(hubs.here, await open(hubs.here), all);
    await hubs.announce('person.changed', people.slice(0, 4));
    await hubs.announce('plan.changed', [people[4]!]);
    const told = [];
    for (let n = 0; n < 5; n += 1) told.push(await changeOf(first));
    for (const [index, { id: after }] of told.entries()) {
      const again = (await open(hubs.there)).subscribe(all, { after });
      await hubs.announce('review.held', [people[index]!]);
      for (const change of told.slice(index + 1)) expect(await changeOf(again)).toEqual(change);
      while ((await changeOf(again)).topic !== 'REVIEW_HELD');
    }
  });
});

describe('it ends', () => {
  const soon = () => noon().getTime() / 1000 + 60;

  test('with its token, and can be taken up with another', async () => {
    const token = await hubs.here.issuer.token(coordinator, { exp: soon() });
    const socket = await open(hubs.here, { token });
    const subscription = await following(hubs.here, socket, all);
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = await changeOf(subscription);
    hubs.clock = new Date(noon().getTime() + 61_000);
    expect(await subscription.next()).toEqual({
      errors: [
        {
          message: expect.any(String),
          extensions: { code: 'UNAUTHENTICATED', retryable: false, requestId: expect.any(String) },
        },
      ],
    });
    expect(await subscription.next()).toBeNull();
    // Nor does the connection begin another.
    expect(await codeOf(socket.subscribe(all))).toBe('UNAUTHENTICATED');
    await hubs.announce('plan.changed', [people[1]!]);
    const again = await open(hubs.here, {
      token: await hubs.here.issuer.token(coordinator, { exp: soon() + 600 }),
    });
    expect(uuidOf('per', (await changeOf(again.subscribe(all, { after }))).person.id)).toBe(people[1]);
  });

  test('so does the connection itself', async () => {
    const token = await hubs.here.issuer.token(coordinator, { exp: soon() });
    const { socket, closed, messages, send } = await openBare(addressOf(hubs.here));
    send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    await until(() => messages.some(({ type }) => type === 'connection_ack'));
    hubs.clock = new Date(noon().getTime() + 61_000);
    expect(await closed).toEqual({ code: 4403, reason: 'UNAUTHENTICATED' });
    socket.terminate();
  });

  test('when its one person is no longer theirs to see; the connection’s others go on', async () => {
    const [mine, next] = providers as [string, string];
    const socket = await open(hubs.here, { claims: provider });
    const ofMine = await following(hubs.here, socket, bare, { personId: idOf('per', mine) });
    const every = await following(hubs.here, socket, all);
    const end = `update role_on_record set valid_to = $2 where person_id = $1
      and organisation_id = (select id from organisation where ods_code = 'D9H01')`;
    await hubs.here.database.pool.query(end, [mine, '2026-11-21']);
    try {
      expect(await codeOf(ofMine)).toBe('PERSON_NOT_FOUND');
      expect(await ofMine.next()).toBeNull();
      await hubs.announce('plan.changed', [mine, next]);
      expect(uuidOf('per', (await changeOf(every)).person.id)).toBe(next);
    } finally {
      await hubs.here.database.pool.query(end, [mine, null]);
    }
  });

  test('when the hub stops: it says so, and the next hub goes on', async () => {
    const stopping = await hubs.another();
    const socket = await open(stopping);
    const subscription = await following(stopping, socket, all);
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = await changeOf(subscription);
    const closing = stopping.close();
    expect(await codeOf(subscription)).toBe('UNAVAILABLE');
    expect(await socket.closed).toMatchObject({ code: 1001, reason: 'UNAVAILABLE' });
    await closing;
    await hubs.announce('plan.changed', [people[1]!]);
    const again = (await open(hubs.here)).subscribe(all, { after });
    expect(uuidOf('per', (await changeOf(again)).person.id)).toBe(people[1]);
  });

  test('when the hub is killed: another goes on behind the last change', async () => {
    const killed = await startHubProcess(hubs.here);
    const socket = await open({ hub: killed, issuer: hubs.here.issuer });
    const subscription = socket.subscribe(all);
    const first = subscription.next();
    await until(async () => /^tandem_live_streams 1$/m.test(await killed.metrics()));
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = (await first)!.data.changes;
    await killed.kill();
    await expect(subscription.next()).rejects.toMatchObject({ code: 1006 });
    await hubs.announce('plan.changed', [people[1]!]);
    const again = (await open(hubs.here)).subscribe(all, { after });
    expect(uuidOf('per', (await changeOf(again)).person.id)).toBe(people[1]);
  }, 60_000);

  test('when its reader does not take what comes; who comes back misses nothing', async () => {
    const small = await hubs.another({ live: { maxQueued: 20, maxStreams: 1 } });
    try {
      const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;
      const { data } = await hubs.here.ask(`{ person(nhsNumber: "${nhsNumber}") { id } }`);
      const iris = uuidOf('per', data.person.id)!;
      const page =
        'transfers(first: 100) { nodes { id kind source description recordedAt amount { formatted } } }';
      const wide = `subscription { changes { id person { budgets {
        ${Array.from({ length: 10 }, (_, n) => `t${n}: ${page}`).join(' ')} } } } }`;
      const { socket, messages, closed, send } = await openBare(addressOf(small));
      send({
        type: 'connection_init',
        payload: { authorization: `Bearer ${await small.issuer.token(coordinator)}` },
      });
      await until(() => messages.length > 0);
      send({ type: 'subscribe', id: 'wide', payload: { query: wide } });
      await until(async () => (await streamsAt(small)) === 1);
      socket.pause();
      for (let n = 0; (await streamsAt(small)) > 0; n += 1) {
        expect(n).toBeLessThan(1_000);
        for (let m = 0; m < 3; m += 1) await hubs.announce('plan.changed', [iris]);
      }
      // It does not take its last words either: then the only connection there may be is broken off.
      await until(() =>
        openBare(addressOf(small)).then(
          (other) => other.socket.terminate() === undefined,
          () => false,
        ),
      );
      socket.resume();
      await closed;
      const ids = messages.flatMap(({ type, payload }) =>
        type === 'next' ? [(payload as { data: { changes: { id: string } } }).data.changes.id] : [],
      );
      expect(ids.length).toBeGreaterThan(3);
      const { rows } = await hubs.here.database.pool.query(
        `select count(*)::int as missed from outbox where id > $1 and topic = 'plan.changed'`,
        [Number(Buffer.from(ids.at(-1)!, 'base64url').toString().split('.')[0])],
      );
      expect(rows[0].missed).toBeGreaterThan(0);
      const again = (await open(small)).subscribe(bare, { after: ids.at(-1) });
      for (let n = 0; n < rows[0].missed; n += 1) ids.push((await changeOf(again)).id);
      expect(new Set(ids).size).toBe(ids.length);
    } finally {
      await small.close();
    }
  });
});

describe('the connection', () => {
  const authorized = async () => ({ authorization: `Bearer ${await hubs.here.issuer.token(coordinator)}` });

  test.each([
    ['no token', async () => ({})],
    ['a token that is none', async () => ({ authorization: 'Bearer x' })],
    ['a token in another shape', async () => ({ authorization: { Bearer: 'x' } })],
  ])('%s closes it', async (_name, payload) => {
    const { closed, messages, send } = await openBare(addressOf(hubs.here));
    send({ type: 'connection_init', payload: await payload() });
    expect(await closed).toEqual({ code: 4403, reason: 'UNAUTHENTICATED' });
    expect(messages).toEqual([]);
  });

  test('a token in its address is no token', async () => {
    const token = await hubs.here.issuer.token(coordinator);
    const address = `${addressOf(hubs.here)}?authorization=Bearer%20${token}&access_token=${token}`;
    const { closed, send } = await openBare(address);
    send({ type: 'connection_init' });
    expect(await closed).toEqual({ code: 4403, reason: 'UNAUTHENTICATED' });
  });

  test('nothing is answered before it is said who asks', async () => {
    const { closed, messages, send } = await openBare(addressOf(hubs.here));
    send({ type: 'subscribe', id: 'early', payload: { query: bare } });
    expect((await closed).code).toBe(4401);
    expect(messages).toEqual([]);
  });

  test('a subprotocol that is not spoken here, and none', async () => {
    expect((await (await openBare(addressOf(hubs.here), [])).closed).code).toBe(4406);
    await expect(openBare(addressOf(hubs.here), 'graphql-ws')).rejects.toThrow('subprotocol');
    const both = await openBare(addressOf(hubs.here), ['graphql-ws', 'graphql-transport-ws']);
    expect(both.socket.protocol).toBe('graphql-transport-ws');
    both.socket.terminate();
  });

  test.each([
    ['no JSON', '{', 4400],
    ['half of a character', JSON.stringify({ type: 'ping', payload: { x: '\ud800' } }), 4400],
    [
      'a message that is too long',
      JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(300_000) } }),
      1009,
    ],
  ])('%s closes it', async (_name, message, code) => {
    const { socket, closed } = await openBare(addressOf(hubs.here));
    socket.send(message);
    expect((await closed).code).toBe(code);
  });

  test('another address, and an offer of another protocol', async () => {
    await expect(openBare(addressOf(hubs.here).replace('/graphql', '/other'))).rejects.toThrow('404');
    // As Java's HTTP client asks: for HTTP/2, if that is spoken here. It is not, and the request is answered.
    const body = JSON.stringify({ query: '{ me { name } }' });
    const { authorization } = await authorized();
    const lines = [
      'POST /graphql HTTP/1.1',
      'host: localhost',
      'connection: Upgrade, HTTP2-Settings',
      'upgrade: h2c',
      'http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'content-type: application/json',
      `authorization: ${authorization}`,
      `content-length: ${body.length}`,
    ];
    const request = `${lines.join('\r\n')}\r\n\r\n${body}`;
    const socket = connect(hubs.here.hub.port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    // The head first, then the body; and once more on the same connection.
    socket.write(request.slice(0, -10));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write(request.slice(-10));
    await until(() => text.includes('{"me":{"name":"Nadia"}}'));
    socket.write(request);
    await until(() => text.split('HTTP/1.1 200').length === 3 && text.split('"Nadia"').length === 3);
    socket.destroy();
  });

  test.each([
    ['a query', '{ me { name } }', {}, 'BAD_REQUEST'],
    ['a command', 'mutation { requestSync { source { name } } }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['a document that cannot be read', 'subscription { changes {', {}, 'GRAPHQL_PARSE_FAILED'],
    ['no document', '', {}, 'BAD_REQUEST'],
    ['a wrong variable', all, { topics: ['943 476 5918'] }, 'BAD_USER_INPUT'],
    ['a place that is none', all, { after: 'nonsense' }, 'CURSOR_INVALID'],
    [
      'a place that is no longer kept',
      all,
      { after: Buffer.from('999999999.0').toString('base64url') },
      'CHANGE_NOT_KEPT',
    ],
    ['somebody who is not there', all, { personId: idOf('per', crypto.randomUUID()) }, 'PERSON_NOT_FOUND'],
  ])('%s is told in one message, and the connection stays', async (_name, query, variables, code) => {
    const socket = await open(hubs.here);
    const subscription = socket.subscribe(query, variables);
    const told = await subscription.next();
    expect(told).toMatchObject({ errors: [{ extensions: { code, requestId: expect.any(String) } }] });
    expect(JSON.stringify(told)).not.toContain('943');
    expect(await subscription.next()).toBeNull();
    const good = await following(hubs.here, socket, bare);
    await hubs.announce('plan.changed', [people[0]!]);
    expect(await changeOf(good)).toMatchObject({ topic: 'PLAN_CHANGED' });
  });

  test('streams count together however they are opened, and so many connections are held', async () => {
    const small = await hubs.another({ live: { maxStreams: 2 } });
    try {
      const socket = await open(small);
      await following(small, socket, bare);
      const events = await hubs.open(small, bare);
      expect(events.status).toBe(200);
      expect(await codeOf(socket.subscribe(bare))).toBe('BUSY');
      expect((await hubs.open(small, bare)).status).toBe(503);
      await events.leave();
      await until(async () => (await streamsAt(small)) === 1);
      await following(small, socket, bare);
      const other = await openBare(addressOf(small));
      await expect(openBare(addressOf(small))).rejects.toThrow('503');
      other.socket.terminate();
    } finally {
      await small.close();
    }
  });

  test('a trusted document is sent by its id', async () => {
    const documentId = documentIdOf(bare);
    const strict = await hubs.another({
      limit: { trusted: new Map([[documentId, bare]]), documentsOnly: () => true },
    });
    try {
      const { messages, socket, send } = await openBare(addressOf(strict));
      send({
        type: 'connection_init',
        payload: { authorization: `Bearer ${await strict.issuer.token(coordinator)}` },
      });
      send({ type: 'ping' });
      await until(() => messages.length >= 2);
      send({ type: 'subscribe', id: 'own', payload: { query: bare } });
      await until(() => messages.some(({ id }) => id === 'own'));
      expect(messages.at(-1)).toMatchObject({
        type: 'error',
        id: 'own',
        payload: [{ extensions: { code: 'DOCUMENTS_ONLY' } }],
      });
      send({ type: 'subscribe', id: 'known', payload: { query: '', documentId } });
      await until(async () => (await streamsAt(strict)) === 1);
      await hubs.announce('plan.changed', [people[0]!]);
      await until(() => messages.some(({ id, type }) => id === 'known' && type === 'next'));
      socket.terminate();
    } finally {
      await strict.close();
    }
  });

  test('who asks and asks and does not read the answers is not read either, until they do', async () => {
    const { socket, messages, send } = await openBare(addressOf(hubs.here));
    socket.pause();
    const count = 300;
    for (let n = 0; n < count; n += 1) send({ type: 'ping', payload: { n, x: 'x'.repeat(100_000) } });
    // Whatever the system's own buffers hold has gone; the rest waits at its sender.
    let waiting = socket.bufferedAmount;
    await until(async () => {
      const before = waiting;
      await new Promise((resolve) => setTimeout(resolve, 200));
      waiting = socket.bufferedAmount;
      return waiting === before;
    });
    expect(waiting).toBeGreaterThan(5_000_000);
    socket.resume();
    await until(() => messages.length === count);
    socket.terminate();
  });
});
