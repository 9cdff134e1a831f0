/** Live changes over WebSocket: the same streams as by server-sent events, on a connection of the protocol's own. */
import { beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider } from './setup/hub.ts';
import { leaveNoHub, startHubProcess } from './setup/hub-process.ts';
import { addressOf, changeOf, codeOf, following, openBare, socketsAt, streamsAt } from './setup/socket.ts';
import { all, bare, twoHubs } from './setup/stream.ts';
import { until } from './setup/until.ts';

leaveNoHub();
const hubs = twoHubs();
const open = socketsAt(hubs);
/** As UUIDs. */
let people: string[];
let providers: string[];
beforeAll(async () => {
  people = await hubs.caseload(coordinator);
  providers = await hubs.caseload(provider);
});

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
    // Nor does the connection begin another, whether it is still open or closed already.
    const refused = codeOf(socket.subscribe(all)).catch(({ reason }: { reason: string }) => reason);
    expect(await refused).toBe('UNAUTHENTICATED');
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
