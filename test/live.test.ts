import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { topics } from '../src/live/rules.ts';
import { idOf } from '../src/platform/id.ts';
import { asOwner } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { admin, coordinator, provider, socialWorker } from './setup/hub.ts';
import { all, announce, bare, personOf, take, twoHubs } from './setup/stream.ts';

const hubs = twoHubs();
/** As UUIDs. */
let people: string[];
let providers: string[];
beforeAll(async () => {
  people = await hubs.caseload(coordinator);
  providers = await hubs.caseload(provider);
});

describe('a stream of changes', () => {
  test('tells at one hub what is done at the other, with the person as they are now', async () => {
    const [personId] = people;
    const stream = await hubs.open(hubs.here, all, { variables: { personId: idOf('per', personId!) } });
    expect(stream.status).toBe(200);
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    await hubs.there.database.pool.query('delete from eligibility where person_id = $1', [personId]);
    const input = {
      idempotencyKey: crypto.randomUUID(),
      personId: idOf('per', personId!),
      scheme: 'CARE_ACT',
      status: 'ELIGIBLE',
      decidedOn: '2026-10-01',
      from: '2026-10-01',
    };
    const { data } = await hubs.there.ask(
      `mutation ($input: RecordEligibilityInput!) { recordEligibility(input: $input) { userErrors { code } } }`,
      { input },
      socialWorker,
    );
    expect(data.recordEligibility.userErrors).toEqual([]);
    const event = await stream.next();
    expect(event!.data!.changes).toEqual({
      id: event!.id,
      topic: 'ELIGIBILITY_CHANGED',
      at: expect.stringMatching(/Z$/),
      person: { id: idOf('per', personId!) },
    });
  });

  test('is read under whatever aliases, fragments and variables a client has, and the reading is audited', async () => {
    const stream = await hubs.open(
      hubs.here,
      `subscription ($with: Boolean!) { c: changes { ...F } }
       fragment F on Change { kind: topic who: person { surname: familyName plan @include(if: $with) { id } } __typename }`,
      { variables: { with: false } },
    );
    await hubs.announce('plan.changed', [people[1]!]);
    const { data } = (await stream.next())!;
    expect(data).toEqual({
      c: { kind: 'PLAN_CHANGED', who: { surname: expect.any(String) }, __typename: 'Change' },
    });
    const { rows } = await hubs.here.database.pool.query(
      `select object, person_ids from audit_event where request_id = $1 order by id`,
      [stream.headers.get('x-request-id')],
    );
    expect(rows).toEqual([
      { object: 'changes', person_ids: [] },
      { object: 'node', person_ids: [people[1]] },
    ]);
  });

  test('costs one statement for whom it may tell, and one for the person', async () => {
    const stream = await hubs.open(hubs.here, all);
    const { reader, watcher } = hubs.here.database;
    // Every two seconds all streams are looked at, with a statement of its own: one of three goes without.
    const sent: string[] = [];
    for (let n = 0; n < 3; n++) {
      const before = [watcher.sent(), reader.sent()];
      await hubs.announce('plan.changed', [people[1]!]);
      await stream.next();
      sent.push([watcher.sent() - before[0]!, reader.sent() - before[1]!].join());
    }
    expect(sent.sort()[0]).toBe('1,1');
  });

  test('keeps to the topics and the person that were asked for', async () => {
    const variables = { topics: ['BUDGET_ALERT', 'REVIEW_HELD'], personId: idOf('per', people[2]!) };
    const stream = await hubs.open(hubs.here, all, { variables });
    await hubs.announce('plan.changed', [people[2]!]);
    await hubs.announce('budget.alert', [people[3]!]);
    await hubs.announce('review.held', [people[3]!, people[2]!]);
    await hubs.announce('budget.alert', [people[2]!]);
    const events = await take(stream, 2);
    expect(events.map(({ data }) => data.changes.topic)).toEqual(['REVIEW_HELD', 'BUDGET_ALERT']);
  });

  test('knows every topic that is announced', () => {
    const source = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/^(generated|live)\//.test(file))
      .map((file) => readFileSync(`src/${file}`, 'utf8'))
      .join('\n');
    const announced = source.matchAll(/'([a-z]+\.(?:changed|held|due|alert|[a-z]+ed))'/g);
    const found = new Set([...announced].map(([, topic]) => topic!));
    // The hub's own business.
    found.delete('sync.requested');
    found.delete('emergency.opened');
    found.delete('bulk.requested');
    // Told to whoever follows the file, and nobody else.
    found.delete('bulk.moved');
    expect([...found].sort()).toEqual(Object.values(topics).sort());
  });
});

describe('no gap and nothing twice', () => {
  const connect = async () => {
    const client = new pg.Client({ connectionString: hubs.here.database.url });
    await client.connect();
    return client;
  };

  test('when transactions commit in another order than they began, and one rolls back', async () => {
    const streams = [await hubs.open(hubs.here, all), await hubs.open(hubs.there, all)];
    const [first, second, third] = await Promise.all([connect(), connect(), connect()]);
    try {
      for (const client of [first, second, third]) await client!.query('begin');
      await announce(first as never, 'plan.changed', [people[0]!]);
      await announce(second as never, 'plan.changed', [people[1]!]);
      await announce(third as never, 'plan.changed', [people[2]!]);
      await hubs.announce('plan.changed', [people[3]!]);
      await third!.query('commit');
      // Somebody comes in between.
      streams.push(await hubs.open(hubs.there, all, {}));
      await second!.query('rollback');
      await hubs.announce('plan.changed', [people[4]!]);
      await first!.query('commit');
      await hubs.announce('plan.changed', [people[5]!]);
      for (const stream of streams.slice(0, 2)) {
        expect((await take(stream, 5)).map(personOf)).toEqual([0, 2, 3, 4, 5].map((index) => people[index]));
      }
      // It began amid all this, and has what was committed since.
      const late = [];
      while (late.at(-1) !== people[5]) late.push(personOf(await streams[2]!.next()));
      expect(late).toEqual([0, 2, 3, 4, 5].map((index) => people[index]).slice(-late.length));
      expect(late).toEqual(expect.arrayContaining([people[0], people[4]]));
    } finally {
      for (const client of [first, second, third]) await client!.end();
    }
  });

  test('a first stream waits for what is being written, and then hears what is written after', async () => {
    const fresh = await hubs.another();
    const writer = await connect();
    try {
      await writer.query('begin');
      await announce(writer as never, 'plan.changed', [people[0]!]);
      await hubs.announce('plan.changed', [people[1]!]);
      const opening = hubs.open(fresh, all);
      await writer.query('commit');
      const stream = await opening;
      await hubs.announce('plan.changed', [people[2]!]);
      expect(personOf(await stream.next())).toBe(people[2]);
    } finally {
      await writer.end();
      await fresh.close();
    }
  });

  test('a stream that broke is taken up anywhere, even amid those whom one transaction touched', async () => {
    const stream = await hubs.open(hubs.here, all);
    await hubs.announce('person.changed', people.slice(0, 4));
    await hubs.announce('sync.requested', []);
    await hubs.announce('plan.changed', [people[4]!]);
    await hubs.announce('person.changed', people.slice(5, 7));
    const told = await take(stream, 7);
    expect(told.map(personOf)).toEqual(people.slice(0, 7));
    for (const [index, { id }] of told.entries()) {
      const rest = told.slice(index + 1);
      const byArgument = await hubs.open(hubs.there, all, { variables: { after: id } });
      const byHeader = await hubs.open(hubs.here, all, { headers: { 'last-event-id': id! } });
      await hubs.announce('review.held', [people[index]!]);
      for (const again of [byArgument, byHeader]) {
        expect(await take(again, rest.length)).toEqual(rest);
        expect((await again.next())!.data.changes.topic).toBe('REVIEW_HELD');
      }
    }
  });

  test('a long absence is made up for in pages, while more is happening', async () => {
    const stream = await hubs.open(hubs.here, bare);
    await hubs.announce('plan.changed', [people[0]!]);
    const { id: after } = (await stream.next())!;
    await hubs.here.database.pool.query(
      `insert into outbox (topic, payload)
       select 'money.changed', jsonb_build_object('personIds', array[$1::uuid]) from generate_series(1, 350)`,
      [people[0]],
    );
    const again = await hubs.open(hubs.there, bare, { variables: { after } });
    for (let n = 0; n < 20; n += 1) await hubs.announce('review.held', [people[0]!]);
    const ids = new Set<string>();
    const kinds = (await take(again, 370)).map(({ id, data }) => {
      ids.add(id!);
      return data.changes.topic;
    });
    expect(kinds).toEqual([...Array(350).fill('MONEY_CHANGED'), ...Array(20).fill('REVIEW_HELD')]);
    expect(ids.size).toBe(370);
  });

  test('the connection that listens is cut again and again', async () => {
    const streams = [await hubs.open(hubs.here, all), await hubs.open(hubs.there, all)];
    const listeners = `from pg_stat_activity where datname = current_database() and application_name = 'tandem-live'`;
    for (let n = 0; n < 6; n += 1) {
      await asOwner(hubs.here.database.url, `select pg_terminate_backend(pid) ${listeners}`);
      await hubs.announce('plan.changed', [people[n]!]);
      if (n % 2 === 0) continue;
      await expect
        .poll(async () => (await asOwner(hubs.here.database.url, `select ${listeners}`)).rowCount, {
          timeout: 10_000,
        })
        .toBe(2);
    }
    for (const stream of streams) expect((await take(stream, 6)).map(personOf)).toEqual(people.slice(0, 6));
  });

  test('a place that is none, and one that is kept no longer', async () => {
    for (const [after, status, code] of [
      ['nonsense', 400, 'CURSOR_INVALID'],
      [Buffer.from('1e3.0').toString('base64url'), 400, 'CURSOR_INVALID'],
      [Buffer.from('999999999.0').toString('base64url'), 410, 'CHANGE_NOT_KEPT'],
    ] as const) {
      const stream = await hubs.open(hubs.here, all, { variables: { after } });
      expect(stream.status).toBe(status);
      const answer = await hubs.refusal(all, { after });
      expect(answer.errors![0]!.extensions).toMatchObject({ code, requestId: expect.any(String) });
    }
  });
});

describe('whose records', () => {
  test('a provider hears of its own people alone, and of nobody once its part has ended', async () => {
    const other = people.find((id) => !providers.includes(id))!;
    const [mine, next] = providers as [string, string];
    const stream = await hubs.open(hubs.here, bare, { claims: provider });
    const ofMine = await hubs.open(hubs.here, bare, {
      claims: provider,
      variables: { personId: idOf('per', mine) },
    });
    await hubs.announce('plan.changed', [other]);
    await hubs.announce('budget.changed', [other, mine]);
    await hubs.announce('review.held', [mine]);
    expect((await take(stream, 2)).map(({ data }) => data.changes.topic)).toEqual([
      'BUDGET_CHANGED',
      'REVIEW_HELD',
    ]);
    await take(ofMine, 2);

    const end = `update role_on_record set valid_to = $2 where person_id = $1
      and organisation_id = (select id from organisation where ods_code = 'D9H01')`;
    await hubs.here.database.pool.query(end, [mine, '2026-11-21']);
    try {
      await hubs.announce('plan.changed', [mine]);
      await hubs.announce('money.changed', [mine, next]);
      await hubs.announce('review.held', [next]);
      const kinds = (await take(stream, 2)).map(({ data }) => data.changes.topic);
      expect(kinds).toEqual(['MONEY_CHANGED', 'REVIEW_HELD']);
      // The one about that person alone has nothing more to tell.
      const last = await ofMine.next();
      expect(last!.errors![0]!.extensions.code).toBe('PERSON_NOT_FOUND');
      expect(await ofMine.next()).toBeNull();
    } finally {
      await hubs.here.database.pool.query(end, [mine, null]);
    }
  });

  test('somebody else’s person and no person at all are refused alike', async () => {
    const other = people.find((id) => !providers.includes(id))!;
    const authorization = `Bearer ${await hubs.here.issuer.token(provider)}`;
    const answers = [];
    for (const personId of [idOf('per', other), idOf('per', crypto.randomUUID()), 'nonsense']) {
      const answer = await hubs.refusal(all, { personId }, { authorization });
      delete answer.errors![0]!.extensions.requestId;
      answers.push({ status: answer.status, errors: answer.errors });
    }
    expect(answers[0]).toMatchObject({ status: 404, errors: [{ extensions: { code: 'PERSON_NOT_FOUND' } }] });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test('the person hears of themself, whoever runs the hub of nobody', async () => {
    const { rows } = await hubs.here.database.pool.query(
      `select value from person_identifier where person_id = $1 and system = 'NHS_NUMBER' and status = 'CURRENT'`,
      [people[0]],
    );
    const self = { sub: 'self', tandem_role: 'PERSON', nhs_number: rows[0].value };
    const own = await hubs.open(hubs.here, all, { claims: self });
    const exp = noon().getTime() / 1000 + 60;
    const operators = await hubs.open(hubs.here, bare, {
      token: await hubs.here.issuer.token(admin, { exp }),
    });
    await hubs.announce('plan.changed', [people[1]!]);
    await hubs.announce('review.held', people.slice(0, 3));
    await hubs.announce('budget.changed', [people[0]!]);
    const events = await take(own, 2);
    expect(events.map(personOf)).toEqual([people[0], people[0]]);
    // The other has nothing to tell but that it ends.
    hubs.clock = new Date(noon().getTime() + 61_000);
    expect((await operators.next())!.errors![0]!.extensions.code).toBe('UNAUTHENTICATED');
  });
});
