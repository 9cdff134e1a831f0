/** The demo's story, told at the door as `npm start` tells it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Ask } from '../src/demo/give.ts';
import { type PersonaName, personas } from '../src/demo/persona.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { tellStory } from '../src/demo/story.ts';
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

test('its money is set to be paid, spent and looked at, shown by the bank, and asked for once by both funders', async () => {
  const { person } = (await ask(
    'care-coordinator',
    `query ($n: NHSNumber!) { person(nhsNumber: $n) {
      budgets { kind
        payeeAccounts { status portion { management } }
        paymentSchedules { source frequency grossOrNet inAdvanceDays status from
          instructions(first: 5) { nodes { from status amount { amount } contribution { amount } } } }
        spends(first: 10) { nodes { what state findings { code source citation } paidBy { source } words } } }
      bankStatements(first: 5) { nodes { matched unmatched difference { amount }
        lines(first: 5, state: UNMATCHED) { nodes { amount { amount } } } } }
      returns(first: 5) { nodes { status dueOn receivers { organisation { code } } statement { total { spent { amount } } } } } } }`,
    { n: place.people[founding.irisHolloway]!.nhsNumber },
    // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asked for
  )) as any;
  const integrated = person.budgets.find(({ kind }: { kind: string }) => kind === 'INTEGRATED');
  expect(integrated.payeeAccounts).toEqual([
    { status: 'WAITING', portion: { management: 'MANAGED_ACCOUNT' } },
  ]);
  // Each funder pays as its own policy says; what the adult contributes is never set against NHS money.
  const [council, nhs] = ['COUNCIL', 'ICB'].map((of) =>
    integrated.paymentSchedules.find(({ source }: { source: string }) => source === of),
  );
  expect(council).toMatchObject({ frequency: 'FOUR_WEEKLY', grossOrNet: 'NET', inAdvanceDays: 14 });
  expect(council.instructions.nodes[0]).toMatchObject({ status: 'APPROVED' });
  expect(Number(council.instructions.nodes[0].contribution.amount)).toBeGreaterThan(0);
  expect(nhs).toMatchObject({ frequency: 'MONTHLY', grossOrNet: 'GROSS', inAdvanceDays: 0 });
  expect(nhs.instructions.nodes.at(-1)).toMatchObject({
    status: 'APPROVED',
    contribution: { amount: '0.00' },
  });
  expect(nhs.from > today).toBe(true);

  const byState = Object.fromEntries(
    integrated.spends.nodes.map((spend: { state: string }) => [spend.state, spend]),
  );
  expect(Object.keys(byState).sort()).toEqual(['ACCEPTED', 'INSIDE_PLAN', 'REFUSED']);
  expect(byState.INSIDE_PLAN).toMatchObject({ findings: [] });
  expect(byState.INSIDE_PLAN.paidBy.map(({ source }: { source: string }) => source).sort()).toEqual([
    'CLIENT_CONTRIBUTION',
    'COUNCIL',
    'ICB',
  ]);
  expect(byState.ACCEPTED).toMatchObject({ findings: [{ code: 'NOT_IN_PLAN' }] });
  expect(byState.REFUSED).toMatchObject({ findings: [{ code: 'EXCLUDED_ITEM', source: 'ICB' }], paidBy: [] });

  // What the bank has and the ledger has not is the one line that waits.
  expect(person.bankStatements.nodes).toEqual([
    {
      matched: 2,
      unmatched: 1,
      difference: { amount: '-11.20' },
      lines: { nodes: [{ amount: { amount: '-11.20' } }] },
    },
  ]);
  expect(person.returns.nodes).toHaveLength(1);
  const [due] = person.returns.nodes;
  expect(due).toMatchObject({ status: 'DUE' });
  expect(
    due.receivers.map(({ organisation }: { organisation: { code: string } }) => organisation.code).sort(),
  ).toEqual(['999', 'QWN']);
  expect(Number(due.statement.total.spent.amount)).toBeGreaterThan(0);
});
