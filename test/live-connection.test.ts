/** A connection by WebSocket: who may open it, what it speaks, and what is refused on it. */
import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { documentIdOf } from '../src/limit/document.ts';
import { idOf } from '../src/platform/id.ts';
import { coordinator } from './setup/hub.ts';
import { addressOf, changeOf, codeOf, following, openBare, socketsAt, streamsAt } from './setup/socket.ts';
import { all, bare, twoHubs } from './setup/stream.ts';
import { until } from './setup/until.ts';

const hubs = twoHubs();
const open = socketsAt(hubs);
/** As UUIDs. */
let people: string[];
beforeAll(async () => {
  people = await hubs.caseload(coordinator);
});

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
  ['a message that is too long', JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(300_000) } }), 1009],
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
  send({ type: 'connection_init', payload: await authorized() });
  await until(() => messages.length === 1);
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
  await until(() => messages.length === 1 + count);
  socket.terminate();
});
