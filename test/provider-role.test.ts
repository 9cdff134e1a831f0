/** What each of a provider's people may do: who runs it, who works with the families, who keeps its accounts. */
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { provider, startTestHub, type TestHub } from './setup/hub.ts';
import { gbp } from './setup/plan.ts';
import { key, makeBudget, type OwnBudget, payIn } from './setup/spending.ts';
import { tellAll } from './setup/told.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

const worker = { sub: 'joy', tandem_role: 'PROVIDER_WORKER', organisation: 'D9H01' };
const bookkeeper = { sub: 'greg', tandem_role: 'PROVIDER_FINANCE', organisation: 'D9H01' };

let kit: TestHub;
let budget: OwnBudget;
let personId: string;
let planId: string;
let workerId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await tellAll(kit);
  budget = await makeBudget(kit);
  personId = idOf('per', budget.personId);
  await payIn(kit, budget, { pence: 100_000n, portionId: budget.managedUuid });
  const { data } = await read('plan { id } team { id }', provider);
  planId = data.person.plan.id;
  workerId = data.person.team[0].id;
});
afterAll(() => kit.close());

const read = (selection: string, claims: JWTPayload): Promise<Any> =>
  kit.ask(`query ($id: ID!) { person(id: $id) { ${selection} } }`, { id: personId }, claims);

/** What comes of a command: its codes, or none. */
async function give(command: string, input: object, claims: JWTPayload): Promise<string[]> {
  const type = `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${command}(input: $input) { userErrors { code field } } }`,
    { input: { idempotencyKey: key(), ...input } },
    claims,
  );
  if (errors !== undefined) return errors.map(({ extensions }) => String(extensions.code));
  return data[command].userErrors.map(({ code, field }: Any) => `${code} ${field}`);
}

const commands: Record<string, () => object> = {
  recordSpend: () => ({
    budgetId: budget.id,
    portionId: budget.managed,
    amount: gbp('5.00'),
    spentOn: '2026-11-20',
    payee: 'Harbour Leisure',
    what: 'Swimming',
  }),
  draftPackageChange: () => ({
    planId,
    lineKey: 'pa',
    kind: 'TERMS',
    quantity: '2',
    from: '2026-12-01',
    reason: 'She needs more',
  }),
  requestBulkUpload: () => ({ fileName: 'november.csv' }),
  planWeek: () => ({ personId, weekBegins: '2026-11-30', expectedVersion: 0, shifts: [] }),
  recordHours: () => ({
    workerId,
    weekBegins: '2026-11-09',
    expectedVersion: 0,
    days: [{ day: '2026-11-09', minutes: 120 }],
  }),
  setContract: () => ({
    workerId,
    expectedVersion: 1,
    from: '2026-12-07',
    minutesPerWeek: 600,
    hourlyRate: gbp('13.50'),
    payFrequency: 'WEEKLY',
    irregularHours: false,
    pensionEnrolled: false,
  }),
};

test('a worker sees who comes and what was planned, and no money', async () => {
  const { data, extensions } = await read(
    `postcode people { role } plan { lines { what } } team { name timesheets(first: 1) { nodes { worked } } contracts { number } }
     budgets { id } combined { left { amount } } withheld { part reason }`,
    worker,
  );
  const { person } = data;
  expect(person.plan.lines).toContainEqual({ what: expect.any(String) });
  expect(person.team[0]).toMatchObject({
    timesheets: { nodes: [{ worked: expect.any(Number) }] },
    contracts: null,
  });
  expect(person).toMatchObject({
    postcode: expect.any(String),
    people: expect.any(Array),
    budgets: null,
    combined: null,
  });
  expect(extensions.restricted).toEqual(['person.team.contracts', 'person.budgets', 'person.combined']);
  expect(person.withheld).toEqual(
    expect.arrayContaining([
      { part: 'MONEY', reason: 'ROLE' },
      { part: 'WAGES', reason: 'ROLE' },
      { part: 'CARE', reason: 'ROLE' },
    ]),
  );
});

test('those of finance see the money and the pay, and neither where somebody lives nor who stands by them', async () => {
  const { data } = await read(
    'postcode people { role } budgets { id } team { name contracts { number } } plan { lines { what } whatMatters }',
    bookkeeper,
  );
  expect(data.person).toMatchObject({
    postcode: null,
    people: null,
    budgets: expect.arrayContaining([{ id: budget.id }]),
    team: expect.arrayContaining([{ name: expect.any(String), contracts: expect.any(Array) }]),
    plan: { lines: expect.any(Array), whatMatters: null },
  });
});

test.each([
  ['recordSpend', true, false, true],
  ['draftPackageChange', true, false, false],
  ['requestBulkUpload', true, false, true],
  ['planWeek', true, true, false],
  ['recordHours', true, true, true],
  ['setContract', true, false, false],
])('%s is for an administrator: %s, a worker: %s, finance: %s', async (command, ...may) => {
  for (const [n, claims] of [provider, worker, bookkeeper].entries()) {
    const codes = await give(command, commands[command]!(), claims);
    if (may[n]) expect(codes).not.toContain('FORBIDDEN');
    else expect(codes).toEqual(['FORBIDDEN']);
  }
});

test('what they may do, they can', async () => {
  const asked = {
    ...commands.recordHours!(),
    weekBegins: '2026-11-02',
    days: [{ day: '2026-11-02', minutes: 60 }],
  };
  expect(await give('recordHours', asked, worker)).toEqual([]);
  expect(await give('planWeek', { ...commands.planWeek!(), weekBegins: '2026-12-07' }, worker)).toEqual([]);
  expect(await give('recordSpend', commands.recordSpend!(), bookkeeper)).toEqual([]);
  expect(await give('requestBulkUpload', commands.requestBulkUpload!(), bookkeeper)).toEqual([]);
});

test('the work list has what each reads anything of, and counts no more', async () => {
  const listed = async (claims: JWTPayload) => {
    const { data, errors } = await kit.ask(
      `query ($id: ID) { workList(first: 100, personId: $id) { nodes { kind } }
        managedPackages(first: 100) { nodes { person { id } openWork portions { id } lines { what } } } }`,
      { id: personId },
      claims,
    );
    expect(errors).toBeUndefined();
    const own = data.managedPackages.nodes.find(({ person }: Any) => person.id === personId);
    const kinds: string[] = data.workList.nodes.map(({ kind }: Any) => kind);
    expect(own.openWork).toBe(kinds.length);
    return { kinds: [...new Set(kinds)].sort(), own };
  };
  const [all, some, money] = [await listed(provider), await listed(worker), await listed(bookkeeper)];
  expect(all.kinds).toContain('EVIDENCE');
  expect(some.kinds).toContain('COMPETENCY');
  expect(some.kinds).toEqual(
    all.kinds.filter((kind) =>
      ['PLAN_REVIEW', 'PACKAGE_CHANGE', 'COMPETENCY', 'WORKER_DOCUMENT'].includes(kind),
    ),
  );
  expect(some.own).toMatchObject({ portions: null, lines: all.own.lines });
  expect(money.kinds).toEqual(all.kinds);
});

test('payroll is taken away by who reads wages', async () => {
  const status = async (claims: JWTPayload) => {
    const auth_time = Math.floor(noon().getTime() / 1000);
    const authorization = `Bearer ${await kit.issuer.token({ auth_time, ...claims })}`;
    const url = `http://127.0.0.1:${kit.hub.port}/export/payroll.csv?person=${personId}&from=2026-11-16&frequency=WEEKLY`;
    const answer = await fetch(url, { headers: { authorization } });
    await answer.arrayBuffer();
    return answer.status;
  };
  expect(await status(provider)).toBe(200);
  expect(await status(bookkeeper)).toBe(200);
  expect(await status(worker)).toBe(404);
});
