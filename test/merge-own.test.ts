/** What was agreed here stands on a record: merging and unmerging must neither lose it nor tear it apart. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlace, type PlacePerson } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { gbp } from './setup/plan.ts';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

/** Each is asked for once: a test has people of its own. */
const spare = makePlace({ today }).people.filter(
  ({ nhs, council, deathDate }, i) =>
    i > 20 &&
    council === null &&
    deathDate === null &&
    nhs?.plan &&
    !nhs.restricted &&
    nhs.budget?.stage === null &&
    nhs.budget.status === 'active',
);

const record = `id familyName identifiers { value status } sources { id side availability } plan { id origin }
  plans { id origin } budgets { id kind status portions { id } } eligibilities { id } reviews { id kind } decisions { id }`;

const ask = async (operation: string, variables: Record<string, unknown>) => {
  const { data, errors } = await kit.ask(operation, variables);
  expect(errors).toBeUndefined();
  return data;
};
const read = async ({ nhsNumber }: PlacePerson) =>
  (await ask(`query ($n: NHSNumber!) { person(nhsNumber: $n) { ${record} } }`, { n: nhsNumber })).person;

/** Two records of the board's own caseload, as they are read. */
async function twoRecords() {
  const [from, into] = spare.splice(0, 2) as [PlacePerson, PlacePerson];
  return { from, into, fromRecord: await read(from), intoRecord: await read(into) };
}

/** Gives a command of care co-ordinators; `shown` is what is asked of its payload. */
async function give(command: string, input: object, shown: string) {
  const type = `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
  const data = await ask(
    `mutation ($input: ${type}!) { ${command}(input: $input) { ${shown} userErrors { code field } } }`,
    { input: { idempotencyKey: crypto.randomUUID(), ...input } },
  );
  return data[command];
}
async function done(command: string, input: object, shown: string) {
  const answer = await give(command, input, shown);
  expect(answer.userErrors).toEqual([]);
  return answer;
}
const merge = (fromId: string, intoId: string) =>
  give('mergePeople', { fromId, intoId, reason: 'One person' }, `person { ${record} }`);
const unmerge = (personSourceId: string) =>
  give('unmergePeople', { personSourceId, reason: 'Two people after all' }, `person { ${record} }`);

describe('a record on which something was agreed here', () => {
  const agree: [string, (personId: string) => Promise<unknown>][] = [
    ['a draft of a plan', (personId) => done('draftPlan', { personId, title: 'Mine' }, 'plan { id }')],
    [
      'an early figure of a budget',
      (personId) =>
        done(
          'proposeBudget',
          { personId, kind: 'PERSONAL_HEALTH_BUDGET', from: today, indicative: gbp('5000.00') },
          'budget { id }',
        ),
    ],
    [
      'an eligibility',
      (personId) =>
        done(
          'recordEligibility',
          { personId, scheme: 'OTHER', status: 'ASSESSING', from: today },
          'eligibility { id }',
        ),
    ],
    [
      'a review',
      (personId) =>
        done(
          'holdReview',
          { personId, kind: 'CARE_PLAN', heldOn: today, outcome: 'All goes on' },
          'review { id }',
        ),
    ],
    [
      'a decision',
      (personId) =>
        done(
          'recordDecision',
          { personId, kind: 'REFUSED', what: 'A second bed', reasons: 'One is enough.', decidedOn: today },
          'decision { id }',
        ),
    ],
  ];

  test.each(agree)('(%s) is not merged away, but takes the other over', async (_what, agreeOn) => {
    const { from, into, fromRecord, intoRecord } = await twoRecords();
    await agreeOn(fromRecord.id);
    const before = [await read(from), await read(into)];
    expect(await merge(fromRecord.id, intoRecord.id)).toEqual({
      person: null,
      userErrors: [{ code: 'HOLDS_OWN_RECORDS', field: 'fromId' }],
    });
    expect([await read(from), await read(into)]).toEqual(before);

    const { person, userErrors } = await merge(intoRecord.id, fromRecord.id);
    expect(userErrors).toEqual([]);
    expect(person.id).toBe(fromRecord.id);
    for (const kind of ['plans', 'budgets', 'eligibilities', 'reviews', 'decisions'] as const) {
      const ids = (records: Record<string, { id: string }[]>[]) =>
        records.flatMap((one) => one[kind]!.map(({ id }) => id)).sort();
      expect(ids([person])).toEqual(ids(before));
    }
  });
});

describe('what a merge brought', () => {
  /** A record merged into another; `brought` is a budget that came with it, `sourceId` undoes it. */
  async function merged() {
    const two = await twoRecords();
    expect((await merge(two.fromRecord.id, two.intoRecord.id)).userErrors).toEqual([]);
    const [{ id: sourceId }] = two.fromRecord.sources;
    return { ...two, personId: two.intoRecord.id, sourceId, brought: two.fromRecord.budgets[0] };
  }
  type Merged = Awaited<ReturnType<typeof merged>>;

  async function expectBuiltUpon({ into, sourceId }: Merged) {
    const before = await read(into);
    expect(await unmerge(sourceId)).toEqual({
      person: null,
      userErrors: [{ code: 'BUILT_UPON', field: 'personSourceId' }],
    });
    expect(await read(into)).toEqual(before);
  }
  async function expectUndone({ from, fromRecord, sourceId }: Merged) {
    expect(await unmerge(sourceId)).toEqual({ person: fromRecord, userErrors: [] });
    expect(await read(from)).toEqual(fromRecord);
  }

  test('stays while a line of a plan is paid from it, and can be undone once none is', async () => {
    const one = await merged();
    const { plan } = await done('draftPlan', { personId: one.personId, title: 'One plan' }, 'plan { id }');
    const line = {
      key: 'l1',
      kind: 'SERVICE',
      what: 'Assistants',
      quantity: '2',
      unitCost: gbp('18.00'),
      frequency: 'HOURLY',
      outcomeKeys: ['o1'],
    };
    const edit = (expectedVersion: number, portionId: string) =>
      done(
        'editPlan',
        {
          planId: plan.id,
          expectedVersion,
          outcomes: [{ key: 'o1', text: 'Stay at home' }],
          lines: [{ ...line, portionId }],
        },
        'plan { version }',
      );
    await edit(1, one.brought.portions[0].id);
    await expectBuiltUpon(one);
    // A line that is paid from the record's own budget stands on nothing that came with the merge.
    await edit(2, one.intoRecord.budgets[0].portions[0].id);
    await expectUndone(one);
    expect((await read(one.into)).plans.map(({ id }: { id: string }) => id)).toContain(plan.id);
  });

  test('stays while a budget of it is part of an integrated one, and can be undone once that is over', async () => {
    const one = await merged();
    const { budget } = await done(
      'proposeBudget',
      {
        personId: one.personId,
        kind: 'INTEGRATED',
        from: today,
        fundingLines: [
          { source: 'ICB', organisationCode: 'QWN', amount: gbp('6000.00') },
          { source: 'COUNCIL', organisationCode: '999', amount: gbp('4000.00') },
        ],
        partIds: [one.brought.id],
      },
      'budget { id version }',
    );
    await expectBuiltUpon(one);
    const { id: budgetId, version: expectedVersion } = budget;
    await done(
      'endBudget',
      { budgetId, expectedVersion, on: today, reason: 'Not wanted' },
      'budget { status }',
    );
    await expectUndone(one);
  });

  test('goes back also when it was decided upon: the decision stays with its record, and shows nothing of another', async () => {
    const one = await merged();
    const about = 'id budget { id } plan { id }';
    const { decision } = await done(
      'recordDecision',
      {
        personId: one.personId,
        kind: 'STOPPED',
        what: 'The payments',
        reasons: 'The account is closed.',
        budgetId: one.brought.id,
        planId: one.fromRecord.plan.id,
        decidedOn: today,
      },
      `decision { ${about} }`,
    );
    expect(decision).toMatchObject({ budget: { id: one.brought.id }, plan: { id: one.fromRecord.plan.id } });
    await expectUndone(one);
    const { node } = await ask(`query ($id: ID!) { node(id: $id) { ... on Decision { ${about} } } }`, {
      id: decision.id,
    });
    expect(node).toEqual({ id: decision.id, budget: null, plan: null });
    expect((await read(one.into)).decisions).toEqual([{ id: decision.id }]);
  });
});
