import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { admin, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

const requestSync = `mutation ($key: UUID!, $code: String!) {
  requestSync(input: { idempotencyKey: $key, sourceCode: $code }) { again: source { id code } userErrors { code message field } } }`;

async function asked(): Promise<number> {
  const { rows } = await kit.database.pool.query(
    `select count(*)::int as n from outbox where topic = 'sync.requested'`,
  );
  return rows[0].n;
}

describe('a command', () => {
  const code = 'wenshire-nhs';

  test('is carried out once for its key, however often and however quickly it is sent', async () => {
    const before = await asked();
    const key = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => kit.ask(requestSync, { key, code }, admin)),
    );
    const first = answers[0]!.data.requestSync;
    expect(first).toEqual({ again: { id: expect.stringMatching(/^src_/), code }, userErrors: [] });
    for (const { data, errors } of answers) {
      expect(errors).toBeUndefined();
      expect(data.requestSync).toEqual(first);
    }
    expect((await asked()) - before).toBe(1);
  });

  test('refuses a key that was used for something else; another client may use the same', async () => {
    const key = crypto.randomUUID();
    await kit.ask(requestSync, { key, code }, admin);
    const { data } = await kit.ask(requestSync, { key, code: 'wenshire-council' }, admin);
    expect(data.requestSync).toEqual({
      again: null,
      userErrors: [{ code: 'IDEMPOTENCY_KEY_REUSED', message: expect.any(String), field: 'idempotencyKey' }],
    });
    const other = await kit.ask(requestSync, { key, code: 'wenshire-council' }, { ...admin, sub: 'another' });
    expect(other.data.requestSync.userErrors).toEqual([]);
  });

  test('that the caller can mend says how, writes nothing, and leaves the key free', async () => {
    const before = await asked();
    const key = crypto.randomUUID();
    const { data } = await kit.ask(requestSync, { key, code: 'nowhere' }, admin);
    expect(data.requestSync.userErrors).toEqual([
      { code: 'SOURCE_NOT_KNOWN', message: expect.stringContaining('no source'), field: 'sourceCode' },
    ]);
    expect(await asked()).toBe(before);
    expect((await kit.ask(requestSync, { key, code }, admin)).data.requestSync.userErrors).toEqual([]);
  });

  test('is for whom the policy names, and a refusal is accounted for', async () => {
    const { data, errors } = await kit.ask(requestSync, { key: crypto.randomUUID(), code }, provider);
    expect(data ?? null).toBeNull();
    expect(errors![0]!.extensions).toMatchObject({ code: 'FORBIDDEN', retryable: false });
    const { rows } = await kit.database.pool.query('select * from audit_event order by id desc limit 1');
    expect(rows[0]).toMatchObject({
      action: 'DENY',
      object: 'requestSync',
      outcome: 'REFUSED',
      role: 'PROVIDER',
    });
  });
});

describe('two records of one person', () => {
  const record = `id familyName identifiers { value status } sources { id side availability } differences { field }
    plan { title } budgets { id transfers(first: 20) { nodes { id amount { amount } } } } combined { spent { amount } }`;
  const merge = `mutation ($key: UUID!, $from: ID!, $into: ID!, $reason: String!) {
    mergePeople(input: { idempotencyKey: $key, fromId: $from, intoId: $into, reason: $reason }) { person { ${record} } userErrors { code field } } }`;
  const unmerge = `mutation ($key: UUID!, $source: ID!) {
    unmergePeople(input: { idempotencyKey: $key, personSourceId: $source, reason: "Two people after all" }) { person { ${record} } userErrors { code field } } }`;
  const key = () => crypto.randomUUID();
  const people = place.people.filter(
    ({ nhs, council }) => nhs?.budget?.payments.length && !nhs.restricted && council === null,
  );
  const read = async (nhsNumber: string, claims: object = coordinator) =>
    (await kit.ask(`{ person(nhsNumber: "${nhsNumber}") { ${record} } }`, {}, { ...claims })).data.person;

  test('become one by a decision, and two again by another: nothing is lost either way', async () => {
    const [one, two] = people as [(typeof people)[0], (typeof people)[0]];
    const from = await read(one.nhsNumber);
    const into = await read(two.nhsNumber);
    const reason = 'The same address and the same daughter';
    const { data } = await kit.ask(merge, { key: key(), from: from.id, into: into.id, reason });
    expect(data.mergePeople.userErrors).toEqual([]);
    const { person } = data.mergePeople;
    expect(person.id).toBe(into.id);
    const ids = (budgets: { id: string }[]) => budgets.map(({ id }) => id).sort();
    expect(ids(person.budgets)).toEqual(ids([...from.budgets, ...into.budgets]));
    expect(person.sources.filter(({ side }: never) => side === 'NHS')).toHaveLength(2);
    // The old number leads to the one record there is now.
    expect((await read(one.nhsNumber)).id).toBe(into.id);
    expect((await kit.ask(`{ node(id: "${from.id}") { id } }`)).data.node).toBeNull();

    const { rows } = await kit.database.pool.query(
      `select reason, cardinality(person_ids) as people from audit_event where object = 'mergePeople'`,
    );
    expect(rows).toEqual([{ reason, people: 2 }]);

    const source = person.sources.find(({ id }: never) => id === from.sources[0].id).id;
    const undone = await kit.ask(unmerge, { key: key(), source });
    expect(undone.data.unmergePeople).toEqual({ person: from, userErrors: [] });
    expect(await read(two.nhsNumber)).toEqual(into);
    expect((await kit.ask(unmerge, { key: key(), source })).data.unmergePeople).toEqual({
      person: null,
      userErrors: [{ code: 'NOT_MERGED', field: 'personSourceId' }],
    });
  });

  test('cannot be merged by who does not see both, and one that is not seen looks absent', async () => {
    const mine = await read(place.people[founding.irisHolloway]!.nhsNumber, socialWorker);
    const nhsOnly = await read(people[0]!.nhsNumber);
    const notFound = { person: null, userErrors: [{ code: 'PERSON_NOT_FOUND', field: 'intoId' }] };
    for (const into of [nhsOnly.id, `per_${'0'.repeat(32)}`, 'nonsense']) {
      const { data } = await kit.ask(merge, { key: key(), from: mine.id, into, reason: 'x' }, socialWorker);
      expect(data.mergePeople).toEqual(notFound);
    }
    const { errors } = await kit.ask(
      merge,
      { key: key(), from: mine.id, into: nhsOnly.id, reason: 'x' },
      provider,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
  });

  test('need a reason, and must be two', async () => {
    const { id } = await read(people[0]!.nhsNumber);
    const ask = async (from: string, into: string, reason: string) =>
      (await kit.ask(merge, { key: key(), from, into, reason })).data.mergePeople.userErrors;
    expect(await ask(id, id, 'x')).toEqual([{ code: 'SAME_PERSON', field: 'intoId' }]);
    expect(await ask(id, id, '  ')).toEqual([{ code: 'REASON_NEEDED', field: 'reason' }]);
  });
});
