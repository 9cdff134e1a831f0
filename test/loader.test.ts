/** What graphql-js executes itself reads through a loader: one for each request, never shared between two viewers. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const nhsOnly = place.people[founding.notionalOnly]!;

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

/** Introspection beside the data makes graphql-js execute the operation, field by field. */
const query = `query ($a: NHSNumber!, $b: NHSNumber!) { __schema { queryType { name } } me { role }
  a: person(nhsNumber: $a) { familyName } b: person(nhsNumber: $b) { familyName }
  c: person(nhsNumber: $a) { familyName people { role } } }`;

test('viewers who load the same people at the same time each get their own view', async () => {
  const viewers = [
    { claims: coordinator, sees: [true, true] },
    { claims: socialWorker, sees: [true, false] },
    { claims: provider, sees: [true, false] },
    { claims: { sub: 'x', tandem_role: 'AUDITOR' }, sees: [false, false] },
  ];
  const asked = Array.from({ length: 60 }, (_, i) => viewers[i % viewers.length]!);
  const before = kit.database.reader.sent();
  const answers = await Promise.all(
    asked.map(({ claims }) => kit.ask(query, { a: iris.nhsNumber, b: nhsOnly.nhsNumber }, claims)),
  );
  for (const [i, { data }] of answers.entries()) {
    const { claims, sees } = asked[i]!;
    expect(data.me.role).toBe(claims.tandem_role);
    expect(data.a?.familyName ?? null).toBe(sees[0] ? iris.familyName : null);
    expect(data.b?.familyName ?? null).toBe(sees[1] ? nhsOnly.familyName : null);
    expect(data.c === null).toBe(data.a === null);
  }
  // Four fields that read, one statement: what one request asks for in one tick is read together.
  expect(kit.database.reader.sent() - before).toBe(asked.length);
});

test('answers come back to the fields that asked, absent ones as null', async () => {
  const people = place.people.slice(0, 12);
  const fields = people.map(({ nhsNumber }, i) => `p${i}: person(nhsNumber: "${nhsNumber}") { familyName }`);
  const { data } = await kit.ask(`{ __schema { queryType { name } } ${fields.join(' ')} }`);
  const alone = await Promise.all(
    people.map(({ nhsNumber }) => kit.ask(`{ person(nhsNumber: "${nhsNumber}") { familyName } }`)),
  );
  expect(people.map((_, i) => data[`p${i}`])).toEqual(alone.map((answer) => answer.data.person));
  expect(alone.some((answer) => answer.data.person === null)).toBe(true);
});
