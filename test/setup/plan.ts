import type { JWTPayload } from 'jose';
import { founding, makePlace } from '../../src/demo/place.ts';
import { portionPrefix } from '../../src/plan/view.ts';
import { idOf } from '../../src/platform/id.ts';
import { today } from './demo.ts';
import { coordinator, socialWorker, type TestHub } from './hub.ts';

const place = makePlace({ today });
export const iris = place.people[founding.irisHolloway]!;
export const daniel = place.people[founding.danielOkafor]!;

/** Iris's daughter, her attorney for health and welfare as for money. */
export const carol = {
  sub: 'carol',
  name: 'Carol Holloway',
  tandem_role: 'REPRESENTATIVE',
  nhs_number: iris.nhs!.related.find(({ nhsNumber }) => nhsNumber !== null)!.nhsNumber!,
};

export const allTests = [
  'NEEDS_MET',
  'AMOUNT_COVERS_FULL_COST',
  'REVIEWABLE',
  'RISKS_MANAGED',
  'SAFEGUARDING_AND_CAPACITY',
];

/** What a test sees of a plan after each command. */
const shown = 'id number version status missingSignatures';

const capital = (name: string) => name[0]!.toUpperCase() + name.slice(1);

/** Gives a command of the plan, under a key of its own unless the input has one. */
export async function give(
  kit: TestHub,
  command: string,
  input: Record<string, unknown>,
  claims: JWTPayload = coordinator,
  plan = shown,
) {
  const { data, errors } = await kit.ask(
    `mutation ($input: ${capital(command)}Input!) {
      ${command}(input: $input) { plan { ${plan} } userErrors { code message field } } }`,
    { input: { idempotencyKey: crypto.randomUUID(), ...input } },
    claims,
  );
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data[command];
}

/** The same, for a step that must be done. */
export async function done(...given: Parameters<typeof give>) {
  const { plan, userErrors } = await give(...given);
  if (userErrors.length > 0) throw new Error(`${given[1]}: ${JSON.stringify(userErrors)}`);
  return plan;
}

export async function personIdOf(kit: TestHub, nhsNumber: string): Promise<string> {
  const { data } = await kit.ask('query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }', { n: nhsNumber });
  return data.person.id;
}

export interface TestPortion {
  id: string;
  kind: string;
  recurring: boolean;
  amountPence: number;
}

/** The portions of somebody's budgets that are in force, those of the NHS first. */
export async function portionsOf(kit: TestHub, nhsNumber: string): Promise<TestPortion[]> {
  const { rows } = await kit.database.pool.query(
    `select q.id, b.kind, q.recurring, q.amount_pence::int as pence
       from portion q join budget b on b.id = q.budget_id join person_identifier i on i.person_id = b.person_id
      where i.system = 'NHS_NUMBER' and i.value = $1 and b.status = 'ACTIVE' and q.valid_to is null
      order by b.kind, q.position`,
    [nhsNumber],
  );
  return rows.map(({ id, kind, recurring, pence }) => ({
    id: idOf(portionPrefix, id),
    kind,
    recurring,
    amountPence: pence,
  }));
}

export const gbp = (amount: string) => ({ amount, currency: 'GBP' });

/** All that a plan must say before it is proposed, with a line for the NHS and one for the council. */
export function contentFor(portions: TestPortion[]) {
  const paying = (kind: string) => portions.find((p) => p.kind === kind && p.recurring)?.id;
  return {
    aboutMe: 'I taught music for forty years.',
    whatMatters: 'The same faces each morning.',
    coordinatorName: 'Ruth Ellery',
    coordinatorOrganisation: 'QWN',
    needs: [{ key: 'n1', text: 'Help with washing and dressing' }],
    outcomes: [{ key: 'o1', text: 'Stay at home', status: 'ACTIVE' }],
    risks: [
      { kind: 'HEALTH', what: 'Falls at night', procedure: 'A sensor rings the carer', agreedWith: 'Carol' },
    ],
    lines: [
      {
        key: 'l1',
        kind: 'SERVICE',
        what: 'Personal assistants',
        quantity: '14',
        unitCost: gbp('18.50'),
        frequency: 'HOURLY',
        outcomeKeys: ['o1'],
        needKeys: ['n1'],
        portionId: paying('PERSONAL_HEALTH_BUDGET'),
      },
      {
        key: 'l2',
        kind: 'ACTIVITY',
        what: 'Choir',
        quantity: '1',
        unitCost: gbp('40.00'),
        frequency: 'MONTHLY',
        outcomeKeys: ['o1'],
        portionId: paying('PERSONAL_BUDGET'),
        reason: 'Singing calms her more than medicine did.',
      },
    ],
  };
}

export interface TestPlan {
  id: string;
  version: number;
}

/** A version of Iris's plan, drafted, filled and put to everybody. `more` takes the place of parts of the content. */
export async function proposeIrisPlan(kit: TestHub, more: Record<string, unknown> = {}): Promise<TestPlan> {
  const personId = await personIdOf(kit, iris.nhsNumber);
  const draft = await done(kit, 'draftPlan', { personId, title: 'My life at home' });
  const content = { ...contentFor(await portionsOf(kit, iris.nhsNumber)), ...more };
  const filled = await done(kit, 'editPlan', {
    planId: draft.id,
    expectedVersion: draft.version,
    ...content,
  });
  return done(kit, 'proposePlan', { planId: filled.id, expectedVersion: filled.version });
}

/** The same, agreed by Carol, the board and the council. */
export async function agreeIrisPlan(kit: TestHub, more: Record<string, unknown> = {}): Promise<TestPlan> {
  let plan = await proposeIrisPlan(kit, more);
  for (const [claims, tests] of [
    [carol, []],
    [coordinator, allTests],
    [socialWorker, allTests],
  ] as const) {
    plan = await done(kit, 'agreePlan', { planId: plan.id, expectedVersion: plan.version, tests }, claims);
  }
  return plan;
}
