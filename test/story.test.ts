/** The demo's story, told at the door as `npm start` tells it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PersonaName } from '../src/demo/persona.ts';
import { personas } from '../src/demo/persona.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { type Ask, tellStory } from '../src/demo/story.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });

let kit: TestHub;
let ask: Ask;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  ask = async (as: PersonaName, operation, variables) => {
    const { data, errors } = await kit.ask(operation, variables, { ...personas(place)[as] });
    expect(errors).toBeUndefined();
    return data;
  };
});
afterAll(() => kit.close());

test('the county agrees one plan, one budget, one split and one review, and no second start tells it again', async () => {
  expect(await tellStory({ ask, place, today })).toBe(true);
  const { person } = (await ask(
    'representative',
    `query ($n: NHSNumber!) { person(nhsNumber: $n) {
      plan { number status origin missingSignatures concerns { text answer } lines { key weeklyCost { amount } portion { management } } }
      budgets { kind status statementS26 { costToCouncil { amount } adultPays { amount } councilPays { amount } }
        fundingSplits { status panel } fundingLines { source sharePercent amount { amount } } }
      combined { agreed { amount } }
      reviews { kind heldOn duties }
      nextReviews { duties { duty dueOn because } joint { on duties } } } }`,
    { n: place.people[founding.irisHolloway]!.nhsNumber },
    // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asked for
  )) as any;
  expect(person.plan).toMatchObject({ number: 1, status: 'AGREED', origin: 'JOINT', missingSignatures: [] });
  expect(person.plan.concerns).toHaveLength(1);
  const integrated = person.budgets.find(({ kind }: { kind: string }) => kind === 'INTEGRATED');
  expect(integrated).toMatchObject({
    status: 'ACTIVE',
    fundingSplits: [{ status: 'INTERIM_WITHOUT_PREJUDICE' }],
  });
  // What is agreed is agreed once: the integrated budget's lines, and not those of its parts beside them.
  const agreed = integrated.fundingLines.reduce(
    (sum: number, line: { amount: { amount: string } }) => sum + Number(line.amount.amount),
    0,
  );
  expect(Number(person.combined.agreed.amount)).toBeCloseTo(agreed, 2);
  expect(person.reviews[0]).toMatchObject({ kind: 'JOINT', heldOn: today });
  expect(person.nextReviews.joint).not.toBeNull();
  for (const { because } of person.nextReviews.duties) expect(because).toMatch(/\d{4}/);
  expect(await tellStory({ ask, place, today })).toBe(false);
});
