import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { raiseAllDue } from '../jobs/payment.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const carol = iris.nhs!.related[0]!;

const priya = { sub: 'priya', name: 'Priya Nair', tandem_role: 'FINANCE', organisation: 'QWN' };
const femi = { sub: 'femi', name: 'Femi Ade', tandem_role: 'FINANCE', organisation: 'QWN' };
const council = { sub: 'greta', name: 'Greta Holm', tandem_role: 'FINANCE', organisation: '999' };
const carolForIris = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: carol.nhsNumber };

let clock = today;
let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: () => new Date(`${clock}T12:00:00Z`) });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  await sayThreshold('QWN', '2025-01-01', 250_000);
});
afterAll(() => kit.close());
beforeEach(() => {
  clock = today;
});

const query = async (text: string, values: unknown[] = []) =>
  (await kit.database.pool.query(text, values)).rows;

/** What the NHS lets one person decide, from a day on. */
const sayThreshold = (code: string, from: string, pence: number | null) =>
  query(
    `insert into commissioner_policy (organisation_id, source, effective_from, approval_threshold_pence, citation)
     select id, 'ICB', $2, $3, 'Made up' from organisation where ods_code = $1`,
    [code, from, pence],
  );

async function personIdOf(nhsNumber: string): Promise<string> {
  const [row] = await query('select person_id from person_identifier where value = $1', [nhsNumber]);
  return row.person_id;
}

/** A budget of the hub's own, released, that the ICB and the council fund; one portion of it is paid out. */
async function releasedBudget(
  nhsNumber = iris.nhsNumber,
  { status = 'ACTIVE', management = 'DIRECT_PAYMENT' } = {},
) {
  const personId = await personIdOf(nhsNumber);
  const [budget] = await query(
    `insert into budget (person_id, kind, status, valid_from, agreed_pence) values ($1, 'INTEGRATED', $2, '2026-04-01', 5000000) returning id`,
    [personId, status],
  );
  for (const [source, code] of [
    ['ICB', 'QWN'],
    ['COUNCIL', '999'],
  ])
    await query(
      `insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
       select $1, $2, $3, id, 2500000 from organisation where ods_code = $4`,
      [budget.id, personId, source, code],
    );
  const [portion] = await query(
    `insert into portion (budget_id, person_id, position, management, recurring, amount_pence, funds_holder, account_operator, legal_employer, purchase_decider)
     values ($1, $2, 1, $3, true, 5000000, 'PERSON', 'PERSON', 'PERSON', 'PERSON') returning id`,
    [budget.id, personId, management],
  );
  return { personId, budgetId: idOf('bud', budget.id), portionId: idOf('por', portion.id), uuid: budget.id };
}

/** Signed in on the day that the hub believes it is. */
function signedIn(claims: object) {
  const iat = Date.parse(`${clock}T11:59:00Z`) / 1_000;
  return { ...claims, iat, exp: iat + 600 };
}

const ask = async (
  operation: string,
  variables: Record<string, unknown> = {},
  claims: object = coordinator,
) => kit.ask(operation, variables, signedIn(claims));

const money = (amount: string) => ({ amount });
const key = () => crypto.randomUUID();

const schedule = `schedule { id version status from to suspendedFrom raisedTo frequency payWhen inAdvanceDays grossOrNet
  rates { from amount { amount } contribution { amount } } toRecover { amount }
  instructions(first: 50) { nodes { id from to effect pricing amount { amount } contribution { amount } dueOn status version heldFor } } }`;
const shapes: Record<string, string> = {
  setPaymentSchedule: schedule,
  changePaymentRate: schedule,
  suspendPayments: schedule,
  resumePayments: schedule,
  endPayments: schedule,
  setPayeeAccount: 'account { id accountName sortCode accountNumber usableFrom status }',
  approvePayeeAccount: 'account { id status usableFrom }',
  approvePayments: 'instructions { id status version approvedAt }',
  holdPayment: 'instruction { id status version heldFor }',
  unholdPayment: 'instruction { id status version heldFor }',
  reversePayment:
    'instruction { id status version schedule { instructions(first: 9) { nodes { pricing effect status amount { amount } } } } }',
  createPaymentRun: 'run { id dueOn count amount { amount } unconfirmed file }',
  confirmPayments: 'run { id count unconfirmed }',
  failPayments: 'run { id unconfirmed }',
};

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
async function give(command: string, input: object, claims: object = priya): Promise<any> {
  const name = `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
  const { data, errors } = await ask(
    `mutation ($input: ${name}!) { ${command}(input: $input) { ${shapes[command]} userErrors { code field message } } }`,
    { input: { idempotencyKey: key(), ...input } },
    claims,
  );
  if (errors !== undefined) return { error: errors[0]!.extensions.code };
  return data[command];
}

const codes = (payload: { userErrors: { code: string; field: string }[] }) =>
  payload.userErrors.map(({ code, field }) => [code, field]);

const weekly = { source: 'ICB', frequency: 'WEEKLY', amount: money('700.00'), from: '2026-11-23' };

/** A schedule of a new budget, whose money has an approved account. */
async function paidInto(terms: object = {}, claims: object = priya) {
  const budget = await releasedBudget();
  const { budgetId, portionId } = budget;
  await usableAccount(budget);
  const set = await give('setPaymentSchedule', { budgetId, portionId, ...weekly, ...terms }, claims);
  expect(set.userErrors).toEqual([]);
  return { ...budget, schedule: set.schedule };
}

async function usableAccount({
  personId,
  uuid,
  portionId,
}: {
  personId: string;
  uuid: string;
  portionId: string;
}) {
  await query(
    `insert into payee_account (person_id, budget_id, portion_id, account_name, sort_code, account_number, usable_from, created_by, approved_by)
     values ($1, $2, $3, 'I Holloway', '112233', '00112233', '2026-01-01', 'a', 'b')`,
    [personId, uuid, portionId.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')],
  );
}

const raise = () =>
  raiseAllDue({
    pool: kit.database.pool,
    now: () => new Date(`${clock}T04:00:00Z`),
    stopping: new AbortController().signal,
  });

async function read(scheduleId: string, claims: object = priya) {
  const { data, errors } = await ask(
    `{ node(id: "${scheduleId}") { ... on PaymentSchedule { ${schedule.slice(11, -2)} } } }`,
    {},
    claims,
  );
  expect(errors).toBeUndefined();
  return data.node;
}

const brief = (one: {
  instructions: { nodes: { from: string; effect: string; amount: { amount: string }; status: string }[] };
}) => one.instructions.nodes.map(({ from, effect, amount, status }) => [from, effect, amount.amount, status]);

describe('setting what is paid', () => {
  test('takes its terms from the policy of the funder, and raises the first period', async () => {
    await query(
      `insert into commissioner_policy (organisation_id, source, effective_from, payment_frequency, in_advance_days, gross_or_net, approval_threshold_pence, citation)
       select id, 'COUNCIL', '2026-01-01', 'FOUR_WEEKLY', 14, 'NET', 250000, 'Made up' from organisation where ods_code = '999'`,
    );
    const { budgetId, portionId } = await releasedBudget();
    const set = await give(
      'setPaymentSchedule',
      {
        budgetId,
        portionId,
        source: 'COUNCIL',
        amount: money('300.00'),
        contribution: money('67.00'),
        from: '2026-11-30',
      },
      council,
    );
    expect(set).toMatchObject({
      schedule: {
        frequency: 'FOUR_WEEKLY',
        payWhen: 'IN_ADVANCE',
        inAdvanceDays: 14,
        grossOrNet: 'NET',
        status: 'ACTIVE',
        version: 1,
        raisedTo: '2026-12-27',
        instructions: {
          nodes: [
            {
              from: '2026-11-30',
              to: '2026-12-27',
              amount: { amount: '932.00' },
              contribution: { amount: '268.00' },
              dueOn: '2026-11-16',
              status: 'APPROVED',
              effect: 'PAY',
              pricing: 1,
            },
          ],
        },
      },
      userErrors: [],
    });
  });

  test.each([
    ['a budget that is not released', { status: 'SIGNED_OFF' }, {}, priya, ['WRONG_STAGE', 'budgetId']],
    ['a notional portion', { management: 'NOTIONAL' }, {}, priya, ['PORTION_NOT_PAID', 'portionId']],
    ['another funder', {}, {}, council, ['NOT_YOURS', 'source']],
    ['money of nobody', {}, { source: 'EHC' }, priya, ['FUNDER_MISSING', 'source']],
    ["the person's own money", {}, { source: 'CLIENT_CONTRIBUTION' }, priya, ['SOURCE_NOT_PAID', 'source']],
    [
      'a contribution to NHS money',
      {},
      { contribution: money('1.00') },
      priya,
      ['CONTRIBUTION_NOT_ALLOWED', 'contribution'],
    ],
    ['no word of how often', {}, { frequency: null }, priya, ['TERM_MISSING', 'frequency']],
    ['a day before the budget', {}, { from: '2026-03-31' }, priya, ['DAY_INVALID', 'from']],
    ['nothing', {}, { amount: money('0.00') }, priya, ['AMOUNT_INVALID', 'amount.amount']],
    ['an end before the start', {}, { to: '2026-11-23' }, priya, ['DAY_INVALID', 'to']],
    ['a day in another age', {}, { from: '1926-11-23' }, priya, ['DAY_INVALID', 'from']],
  ])('refuses %s', async (_name, made, terms, claims, fault) => {
    const { budgetId, portionId } = await releasedBudget(iris.nhsNumber, made);
    const set = await give('setPaymentSchedule', { budgetId, portionId, ...weekly, ...terms }, claims);
    expect(codes(set)).toEqual([fault]);
    expect(set.schedule).toBeNull();
  });

  test('refuses a budget that a source keeps, somebody out of sight, and whoever does not pay', async () => {
    const { data } = await ask(`{ person(nhsNumber: "${iris.nhsNumber}") { budgets { id kind } } }`);
    const kept = data.person.budgets.find(({ kind }: never) => kind === 'PERSONAL_HEALTH_BUDGET');
    expect(codes(await give('setPaymentSchedule', { budgetId: kept.id, ...weekly }))).toEqual([
      ['KEPT_BY_SOURCE', 'budgetId'],
    ]);
    const councilOnly = place.people[founding.commissionedOnly]!;
    const unseen = await releasedBudget(councilOnly.council!.nhsNumber!);
    expect(codes(await give('setPaymentSchedule', { ...weekly, budgetId: unseen.budgetId }))).toEqual([
      ['NOT_FOUND', 'budgetId'],
    ]);
    expect(await give('setPaymentSchedule', { ...weekly, budgetId: kept.id }, provider)).toEqual({
      error: 'FORBIDDEN',
    });
    expect(await give('setPaymentSchedule', { ...weekly, budgetId: kept.id }, carolForIris)).toEqual({
      error: 'FORBIDDEN',
    });
  });

  test('refuses a second schedule of the same money on the same days, and shows the first', async () => {
    const { budgetId, portionId, schedule: first } = await paidInto({ to: '2026-12-21' });
    const again = await give('setPaymentSchedule', { budgetId, portionId, ...weekly, from: '2026-12-20' });
    expect(codes(again)).toEqual([['SCHEDULE_OVERLAPS', 'from']]);
    expect(again.schedule.id).toBe(first.id);
    const next = await give('setPaymentSchedule', { budgetId, portionId, ...weekly, from: '2026-12-21' });
    expect(next.userErrors).toEqual([]);
    const once = await give('setPaymentSchedule', {
      budgetId,
      portionId,
      ...weekly,
      frequency: 'ONE_OFF',
      amount: money('1150.00'),
    });
    expect(brief(once.schedule)).toEqual([['2026-11-23', 'PAY', '1150.00', 'APPROVED']]);
  });
});

describe('changing what is paid', () => {
  test('re-prices what was paid by a further payment, and puts right what was not sent', async () => {
    const { schedule: first } = await paidInto({ from: '2026-11-09', to: '2026-11-30' });
    expect(brief(first)).toEqual([
      ['2026-11-23', 'PAY', '700.00', 'APPROVED'],
      ['2026-11-16', 'PAY', '700.00', 'APPROVED'],
      ['2026-11-09', 'PAY', '700.00', 'APPROVED'],
    ]);
    const run = await give('createPaymentRun', { organisationCode: 'QWN', dueOn: '2026-11-27' });
    expect(run.userErrors).toEqual([]);
    await query(
      `update payment_instruction set status = 'APPROVED', run_id = null where id in (select id from payment_instruction where period_from = '2026-11-23' and schedule_id = (select schedule_id from payment_instruction where id::text = $1))`,
      [first.instructions.nodes[0].id.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')],
    );
    const stale = await give('changePaymentRate', {
      scheduleId: first.id,
      expectedVersion: 7,
      from: '2026-11-12',
      amount: money('770.00'),
    });
    expect(codes(stale)).toEqual([['CONFLICT', 'expectedVersion']]);
    expect(stale.schedule.id).toBe(first.id);
    const changed = await give('changePaymentRate', {
      scheduleId: first.id,
      expectedVersion: 1,
      from: '2026-11-12',
      amount: money('770.00'),
    });
    expect(brief(changed.schedule)).toEqual([
      ['2026-11-23', 'PAY', '770.00', 'APPROVED'],
      ['2026-11-16', 'ADD', '70.00', 'APPROVED'],
      ['2026-11-16', 'PAY', '700.00', 'SENT'],
      ['2026-11-09', 'ADD', '40.00', 'APPROVED'],
      ['2026-11-09', 'PAY', '700.00', 'SENT'],
    ]);
    const { data } =
      await ask(`{ node(id: "${changed.schedule.instructions.nodes[4].id}") { ... on PaymentInstruction {
      parts { from to days weekly { amount } amount { amount } } } } }`);
    expect(data.node.parts).toEqual([
      {
        from: '2026-11-09',
        to: '2026-11-11',
        days: 3,
        weekly: { amount: '700.00' },
        amount: { amount: '300.00' },
      },
      {
        from: '2026-11-12',
        to: '2026-11-15',
        days: 4,
        weekly: { amount: '770.00' },
        amount: { amount: '440.00' },
      },
    ]);
  });

  test('suspends, resumes without the gap, and ends', async () => {
    const { schedule: first } = await paidInto();
    clock = '2026-11-25';
    const held = await give('suspendPayments', {
      scheduleId: first.id,
      expectedVersion: 1,
      from: '2026-11-26',
      reason: 'In hospital',
    });
    expect(held.schedule).toMatchObject({ status: 'SUSPENDED', suspendedFrom: '2026-11-26', version: 2 });
    expect(brief(held.schedule)).toEqual([
      ['2026-11-30', 'PAY', '0.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '300.00', 'APPROVED'],
    ]);
    clock = '2026-12-12';
    await raise();
    expect(brief(await read(first.id))).toEqual(brief(held.schedule));
    const again = await give('resumePayments', {
      scheduleId: first.id,
      expectedVersion: 2,
      from: '2026-12-10',
    });
    expect(again.schedule).toMatchObject({ status: 'ACTIVE', suspendedFrom: null, version: 3 });
    expect(brief(again.schedule)).toEqual([
      ['2026-12-21', 'PAY', '700.00', 'APPROVED'],
      ['2026-12-14', 'PAY', '700.00', 'APPROVED'],
      ['2026-12-07', 'PAY', '400.00', 'APPROVED'],
      ['2026-11-30', 'PAY', '0.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '300.00', 'APPROVED'],
    ]);
    const over = await give('endPayments', {
      scheduleId: first.id,
      expectedVersion: 3,
      to: '2026-12-12',
      reason: 'Moved away',
    });
    expect(over.schedule).toMatchObject({ status: 'ENDED', to: '2026-12-12' });
    expect(brief(over.schedule)).toEqual([
      ['2026-12-21', 'PAY', '0.00', 'APPROVED'],
      ['2026-12-14', 'PAY', '0.00', 'APPROVED'],
      ['2026-12-07', 'PAY', '200.00', 'APPROVED'],
      ['2026-11-30', 'PAY', '0.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '300.00', 'APPROVED'],
    ]);
    expect(
      codes(
        await give('suspendPayments', {
          scheduleId: first.id,
          expectedVersion: 4,
          from: '2026-12-10',
          reason: 'x',
        }),
      ),
    ).toEqual([['WRONG_STAGE', 'scheduleId']]);
  });
});

describe('an account to pay into', () => {
  const account = { accountName: 'Iris Holloway', sortCode: '11-22-33', accountNumber: '12345678' };

  test('cools off for three days, takes a second human, and shows its last digits only', async () => {
    const budget = await releasedBudget();
    const { budgetId, portionId } = budget;
    const asked = await give('setPayeeAccount', { budgetId, portionId, ...account }, priya);
    expect(asked.account).toMatchObject({
      sortCode: '****33',
      accountNumber: '****5678',
      usableFrom: '2026-11-24',
      status: 'WAITING',
    });
    const accountId = asked.account.id;
    expect(codes(await give('approvePayeeAccount', { accountId }, femi))).toEqual([
      ['COOLING_OFF', 'accountId'],
    ]);
    clock = '2026-11-24';
    expect(codes(await give('approvePayeeAccount', { accountId }, priya))).toEqual([
      ['SECOND_PERSON_NEEDED', 'accountId'],
    ]);
    const otherLogin = { ...priya, sub: 'priya.nair.2' };
    expect(codes(await give('approvePayeeAccount', { accountId }, otherLogin))).toEqual([
      ['SECOND_PERSON_NEEDED', 'accountId'],
    ]);
    for (const claims of [carolForIris, coordinator, socialWorker])
      expect(await give('approvePayeeAccount', { accountId }, claims)).toEqual({ error: 'FORBIDDEN' });
    expect((await give('approvePayeeAccount', { accountId }, femi)).account.status).toBe('IN_FORCE');
    expect(codes(await give('approvePayeeAccount', { accountId }, femi))).toEqual([
      ['WRONG_STAGE', 'accountId'],
    ]);
    const { data } = await ask(
      `{ node(id: "${budgetId}") { ... on Budget { payeeAccounts { id accountNumber status } } } }`,
    );
    expect(data.node.payeeAccounts).toEqual([
      { id: accountId, accountNumber: '****5678', status: 'IN_FORCE' },
    ]);
  });

  test('cools off as long as the most careful of its funders says', async () => {
    const { budgetId, portionId } = await releasedBudget();
    const usableFrom = async () =>
      (await give('setPayeeAccount', { budgetId, portionId, ...account })).account.usableFrom;
    const say = (days: number | null, source: string) =>
      query('update commissioner_policy set account_cooling_off_days = $1 where source = $2', [days, source]);
    expect(await usableFrom()).toBe('2026-11-24');
    await say(5, 'ICB');
    expect(await usableFrom()).toBe('2026-11-26');
    await query(
      `insert into commissioner_policy (organisation_id, source, effective_from, effective_to, account_cooling_off_days, citation)
       select id, 'COUNCIL', '2025-01-01', '2026-01-01', 10, 'Made up' from organisation where ods_code = '999'`,
    );
    expect(await usableFrom()).toBe('2026-11-26');
    await query("update commissioner_policy set account_cooling_off_days = 10 where source = 'COUNCIL'");
    expect(await usableFrom()).toBe('2026-12-01');
    await say(null, 'ICB');
    await say(null, 'COUNCIL');
  });

  test('that takes another one’s place leaves that in force until then, and undoes approvals of payments', async () => {
    const { budgetId, portionId, schedule: first } = await paidInto({ amount: money('3000.00') });
    const [one] = first.instructions.nodes;
    expect(one.status).toBe('DRAFT');
    await give('approvePayments', { payments: [{ id: one.id, expectedVersion: 1 }] }, femi);
    const { account: next } = await give('setPayeeAccount', { budgetId, portionId, ...account });
    const states = async () =>
      (
        await ask(`{ node(id: "${budgetId}") { ... on Budget { payeeAccounts { status } } } }`)
      ).data.node.payeeAccounts.map(({ status }: never) => status);
    expect(await states()).toEqual(['WAITING', 'IN_FORCE']);
    clock = '2026-11-24';
    await give('approvePayeeAccount', { accountId: next.id }, femi);
    expect(await states()).toEqual(['IN_FORCE', 'REPLACED']);
    expect((await read(first.id)).instructions.nodes[0]).toMatchObject({ status: 'DRAFT', version: 3 });
  });

  test.each([
    [{ sortCode: '11223' }, ['ACCOUNT_INVALID', 'sortCode']],
    [{ sortCode: '١١٢٢٣٣' }, ['ACCOUNT_INVALID', 'sortCode']],
    [{ accountNumber: '1234567' }, ['ACCOUNT_INVALID', 'accountNumber']],
    [{ accountName: ' ' }, ['TEXT_INVALID', 'accountName']],
  ])('must be one: %j', async (wrong, fault) => {
    const { budgetId, portionId } = await releasedBudget();
    expect(codes(await give('setPayeeAccount', { budgetId, portionId, ...account, ...wrong }))).toEqual([
      fault,
    ]);
  });
});

describe('a payment above the threshold', () => {
  test('goes only when somebody else than who caused it approves it, all or none', async () => {
    const { schedule: one } = await paidInto({ amount: money('2500.01') });
    const { schedule: two } = await paidInto({ amount: money('2500.00') }, femi);
    const [draft] = one.instructions.nodes;
    const [free] = two.instructions.nodes;
    expect([draft.status, free.status]).toEqual(['DRAFT', 'APPROVED']);
    const payments = [{ id: draft.id, expectedVersion: 1 }];
    expect(codes(await give('approvePayments', { payments }, priya))).toEqual([
      ['SECOND_PERSON_NEEDED', 'payments.0.id'],
    ]);
    expect(codes(await give('approvePayments', { payments }, council))).toEqual([['NOT_YOURS', 'payments']]);
    expect(await give('approvePayments', { payments }, coordinator)).toEqual({ error: 'FORBIDDEN' });
    expect(
      codes(await give('approvePayments', { payments: [{ id: draft.id, expectedVersion: 9 }] }, femi)),
    ).toEqual([['CONFLICT', 'payments.0.expectedVersion']]);
    const both = await give(
      'approvePayments',
      { payments: [...payments, { id: free.id, expectedVersion: 1 }] },
      femi,
    );
    expect(codes(both)).toEqual([['WRONG_STAGE', 'payments.1.id']]);
    expect(both.instructions[0].status).toBe('DRAFT');
    const done = await give('approvePayments', { payments }, femi);
    expect(done.instructions).toEqual([
      { id: draft.id, status: 'APPROVED', version: 2, approvedAt: `${today}T12:00:00.000Z` },
    ]);
    // What is approved and then changes waits anew.
    const changed = await give(
      'changePaymentRate',
      { scheduleId: one.id, expectedVersion: 1, from: '2026-11-23', amount: money('99.00') },
      femi,
    );
    expect(changed.schedule.instructions.nodes[0]).toMatchObject({
      status: 'DRAFT',
      version: 3,
      amount: { amount: '99.00' },
    });
    expect(
      codes(await give('approvePayments', { payments: [{ id: draft.id, expectedVersion: 3 }] }, femi)),
    ).toEqual([['SECOND_PERSON_NEEDED', 'payments.0.id']]);
    expect(
      (await give('approvePayments', { payments: [{ id: draft.id, expectedVersion: 3 }] }, priya)).userErrors,
    ).toEqual([]);
  });

  test('is one by the policy of the funder on the day it is raised, also by that of whom it took over from', async () => {
    const firstOf = async () =>
      (await paidInto({ amount: money('2500.00') })).schedule.instructions.nodes[0].status;
    const policies = await query(`delete from commissioner_policy where source = 'ICB' returning *`);
    // Nobody said what one person may decide: nothing.
    expect((await paidInto({ amount: money('0.01') })).schedule.instructions.nodes[0].status).toBe('DRAFT');
    await query(`insert into organisation (kind, name, ods_code) values ('ICB', 'NHS Before', 'QBF')`);
    await sayThreshold('QBF', '2020-01-01', 300_000);
    expect(await firstOf()).toBe('DRAFT');
    await query(
      `insert into organisation_succession (from_id, to_id, on_day)
       select f.id, t.id, '2024-01-01' from organisation f, organisation t where f.ods_code = 'QBF' and t.ods_code = 'QWN'`,
    );
    expect(await firstOf()).toBe('APPROVED');
    // Its own word counts from its first day on.
    await sayThreshold('QWN', '2026-12-01', 249_999);
    const { schedule: kept } = await paidInto({ amount: money('2500.00') });
    clock = '2026-12-01';
    await raise();
    expect(brief(await read(kept.id))).toEqual([
      ['2026-12-14', 'PAY', '2500.00', 'DRAFT'],
      ['2026-12-07', 'PAY', '2500.00', 'DRAFT'],
      ['2026-11-30', 'PAY', '2500.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '2500.00', 'APPROVED'],
    ]);
    await query(
      `delete from organisation_succession where to_id = (select id from organisation where ods_code = 'QWN')`,
    );
    await query(`delete from commissioner_policy where source = 'ICB'`);
    expect(policies).toHaveLength(1);
    await sayThreshold('QWN', '2025-01-01', 250_000);
  });

  test('and one that was held waits for approval when it is let go', async () => {
    const { schedule: first } = await paidInto();
    const [one] = first.instructions.nodes;
    const held = await give(
      'holdPayment',
      { instructionId: one.id, expectedVersion: 1, reason: 'Under inquiry' },
      coordinator,
    );
    expect(held.instruction).toEqual({ id: one.id, status: 'HELD', version: 2, heldFor: 'Under inquiry' });
    expect(
      codes(await give('holdPayment', { instructionId: one.id, expectedVersion: 2, reason: 'x' })),
    ).toEqual([['WRONG_STAGE', 'instructionId']]);
    const free = await give('unholdPayment', { instructionId: one.id, expectedVersion: 2 });
    expect(free.instruction).toMatchObject({ status: 'DRAFT', version: 3, heldFor: null });
  });
});

describe('a run', () => {
  const organisationCode = 'QWN';
  const dueOn = '2026-11-23';
  // What other tests left over stays out of the runs.
  beforeEach(() =>
    query(`update payment_instruction set status = 'HELD' where status in ('DRAFT', 'APPROVED', 'SENT')`),
  );
  const ledger = (budgetId: string) =>
    ask(`{ node(id: "${budgetId}") { ... on Budget { balances { source paidIn { amount } left { amount } }
      transfers(first: 9) { nodes { kind source amount { amount } effectiveOn isReversal } } } } }`).then(
      ({ data }) => data.node,
    );

  test('sends what is approved and due to accounts in force in one file; what is confirmed is in the ledger', async () => {
    const { budgetId, schedule: one } = await paidInto({ amount: money('123.45') });
    const { schedule: other } = await paidInto({ amount: money('1.00') });
    const { schedule: draft } = await paidInto({ amount: money('9999.99') });
    const { schedule: later } = await paidInto({ from: '2026-12-07' });
    const { schedule: theirs } = await paidInto({ source: 'COUNCIL' }, council);
    const withoutAccount = await releasedBudget();
    const none = await give('setPaymentSchedule', { ...weekly, budgetId: withoutAccount.budgetId });
    const made = await give('createPaymentRun', { organisationCode, dueOn });
    expect(made.userErrors).toEqual([]);
    const { run } = made;
    const lines = run.file.split('\r\n').slice(0, -1);
    expect(lines.every((line: string) => line.length === 100)).toBe(true);
    expect(lines).toHaveLength(run.count + 2);
    const mine = lines.find((line: string) => line.includes('00000012345'))!;
    expect(mine.slice(0, 17)).toBe('11223300112233099');
    expect(mine.slice(82)).toBe('I HOLLOWAY'.padEnd(18));
    const statuses = async (id: string, claims: object = priya) =>
      (await read(id, claims)).instructions.nodes.map(({ status }: never) => status);
    expect(await statuses(one.id)).toEqual(['APPROVED', 'SENT']);
    expect(await statuses(other.id)).toEqual(['APPROVED', 'SENT']);
    expect(await statuses(draft.id)).toEqual(['DRAFT', 'DRAFT']);
    expect(await statuses(later.id)).toEqual(['APPROVED']);
    expect(new Set(await statuses(theirs.id))).toEqual(new Set(['APPROVED']));
    expect(await statuses(none.schedule.id)).toEqual(['APPROVED', 'APPROVED']);
    // A second run finds nothing of it.
    expect(codes(await give('createPaymentRun', { organisationCode, dueOn }))).toEqual([
      ['NOTHING_DUE', 'dueOn'],
    ]);

    const early = await give('confirmPayments', {
      runId: run.id,
      instructionIds: [one.instructions.nodes.at(-1).id],
    });
    expect(codes(early)).toEqual([['DAY_INVALID', 'paidOn']]);
    clock = '2026-11-23';
    expect(
      codes(
        await give('confirmPayments', {
          runId: run.id,
          instructionIds: [draft.instructions.nodes.at(-1).id],
        }),
      ),
    ).toEqual([['NOT_IN_RUN', 'instructionIds.0']]);
    const input = {
      idempotencyKey: key(),
      runId: run.id,
      instructionIds: [one.instructions.nodes.at(-1).id],
    };
    const paid = await Promise.all(Array.from({ length: 8 }, () => give('confirmPayments', input)));
    for (const answer of paid)
      expect(answer).toMatchObject({ run: { unconfirmed: run.unconfirmed - 1 }, userErrors: [] });
    expect(await ledger(budgetId)).toEqual({
      balances: [{ source: 'ICB', paidIn: { amount: '123.45' }, left: { amount: '123.45' } }],
      transfers: {
        nodes: [
          {
            kind: 'PAID_IN',
            source: 'ICB',
            amount: { amount: '123.45' },
            effectiveOn: dueOn,
            isReversal: false,
          },
        ],
      },
    });
    expect(codes(await give('confirmPayments', { ...input, idempotencyKey: key() }))).toEqual([
      ['NOT_IN_RUN', 'instructionIds.0'],
    ]);

    // The rest, however many there are.
    const rest = await give('confirmPayments', { runId: run.id });
    expect(rest).toMatchObject({ run: { unconfirmed: 0 }, userErrors: [] });
    expect(codes(await give('confirmPayments', { runId: run.id }))).toEqual([['NOTHING_DUE', 'runId']]);
  });

  test('pays a schedule in one sum: what is due less what was overpaid, and waits while that is less', async () => {
    const { budgetId, schedule: first } = await paidInto({ from: '2026-11-02' });
    clock = '2026-11-23';
    const one = await give('createPaymentRun', { organisationCode, dueOn });
    await give('confirmPayments', { runId: one.run.id });
    const cut = await give('changePaymentRate', {
      scheduleId: first.id,
      expectedVersion: 1,
      from: '2026-11-16',
      amount: money('560.00'),
    });
    expect(brief(cut.schedule)).toEqual([
      ['2026-12-07', 'PAY', '560.00', 'APPROVED'],
      ['2026-11-30', 'PAY', '560.00', 'APPROVED'],
      ['2026-11-23', 'SUBTRACT', '140.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '700.00', 'PAID'],
      ['2026-11-16', 'SUBTRACT', '140.00', 'APPROVED'],
      ['2026-11-16', 'PAY', '700.00', 'PAID'],
      ['2026-11-09', 'PAY', '700.00', 'PAID'],
      ['2026-11-02', 'PAY', '700.00', 'PAID'],
    ]);
    expect(codes(await give('createPaymentRun', { organisationCode, dueOn }))).toEqual([
      ['NOTHING_DUE', 'dueOn'],
    ]);
    clock = '2026-11-30';
    const two = await give('createPaymentRun', { organisationCode, dueOn: '2026-11-30' });
    expect(two.run).toMatchObject({ count: 1, amount: { amount: '280.00' }, unconfirmed: 3 });
    await give('confirmPayments', { runId: two.run.id });
    const { balances, transfers } = await ledger(budgetId);
    expect(balances).toEqual([{ source: 'ICB', paidIn: { amount: '3080.00' }, left: { amount: '3080.00' } }]);
    expect(transfers.nodes.map(({ amount }: never) => (amount as { amount: string }).amount)).toEqual([
      '280.00',
      '2800.00',
    ]);
  });

  test('what the bank cannot pay, and what is undone, is raised anew and waits for somebody else', async () => {
    const { budgetId, schedule: first } = await paidInto();
    clock = '2026-11-23';
    const one = first.instructions.nodes.at(-1);
    const { run } = await give('createPaymentRun', { organisationCode, dueOn });
    const failed = await give('failPayments', {
      runId: run.id,
      instructionIds: [one.id],
      reason: 'Account closed',
    });
    expect(failed).toMatchObject({ run: { unconfirmed: run.unconfirmed - 1 }, userErrors: [] });
    const after = await read(first.id);
    const again = after.instructions.nodes.find(({ pricing }: never) => pricing === 2);
    expect(brief(after).slice(-2)).toEqual([
      ['2026-11-23', 'PAY', '700.00', 'DRAFT'],
      ['2026-11-23', 'PAY', '700.00', 'FAILED'],
    ]);
    const payments = [{ id: again.id, expectedVersion: 1 }];
    expect(codes(await give('approvePayments', { payments }, priya))).toEqual([
      ['SECOND_PERSON_NEEDED', 'payments.0.id'],
    ]);
    await give('approvePayments', { payments }, femi);
    const two = await give('createPaymentRun', { organisationCode, dueOn });
    await give('confirmPayments', { runId: two.run.id, instructionIds: [again.id] });
    const back = await give('reversePayment', {
      instructionId: again.id,
      expectedVersion: 4,
      reason: 'Came back',
    });
    expect(back.userErrors).toEqual([]);
    expect(back.instruction.status).toBe('REVERSED');
    const { balances, transfers } = await ledger(budgetId);
    expect(balances).toEqual([{ source: 'ICB', paidIn: { amount: '0.00' }, left: { amount: '0.00' } }]);
    expect(transfers.nodes.map(({ isReversal }: never) => isReversal).sort()).toEqual([false, true]);
    expect(brief(await read(first.id)).slice(-3)[0]).toEqual(['2026-11-23', 'PAY', '700.00', 'DRAFT']);
    expect(
      codes(await give('reversePayment', { instructionId: again.id, expectedVersion: 5, reason: 'x' })),
    ).toEqual([['WRONG_STAGE', 'instructionId']]);
  });

  test('is for the finance team of who pays: nobody else sees it or its file', async () => {
    await paidInto();
    const { run } = await give('createPaymentRun', { organisationCode, dueOn });
    const operation = `{ node(id: "${run.id}") { id } paymentRuns(first: 5) { nodes { id file } } }`;
    expect((await ask(operation, {}, femi)).data).toMatchObject({ node: { id: run.id } });
    expect((await ask(operation, {}, femi)).data.paymentRuns.nodes[0].id).toEqual(expect.any(String));
    for (const claims of [council, coordinator, socialWorker, provider, carolForIris]) {
      const { data, errors } = await ask(operation, {}, claims);
      expect(errors).toBeUndefined();
      expect(data.node).toBeNull();
      expect(data.paymentRuns.nodes.filter(({ id }: never) => id === run.id)).toEqual([]);
    }
    expect(codes(await give('createPaymentRun', { organisationCode, dueOn }, council))).toEqual([
      ['NOT_YOURS', 'organisationCode'],
    ]);
    expect(codes(await give('confirmPayments', { runId: run.id }, council))).toEqual([
      ['NOT_FOUND', 'runId'],
    ]);
    for (const day of ['2026-11-28', '2026-11-20', '2027-01-04'])
      expect(codes(await give('createPaymentRun', { organisationCode, dueOn: day }))).toEqual([
        ['DAY_INVALID', 'dueOn'],
      ]);
  });

  test('of several made at once, one has it', async () => {
    await paidInto();
    const made = await Promise.all(
      Array.from({ length: 6 }, () => give('createPaymentRun', { organisationCode, dueOn })),
    );
    expect(made.filter(({ run }) => run !== null)).toHaveLength(1);
    for (const { run, userErrors } of made.filter(({ run }) => run === null))
      expect([run, userErrors[0].code]).toEqual([null, 'NOTHING_DUE']);
  });

  test('cannot take back what was paid for days after a death: that is shown as to be recovered', async () => {
    const { personId, schedule: first } = await paidInto({ from: '2026-11-16' });
    clock = '2026-11-23';
    const { run } = await give('createPaymentRun', { organisationCode, dueOn });
    await give('confirmPayments', { runId: run.id });
    await query(`update person set death_date = '2026-11-18' where id = $1`, [personId]);
    try {
      const announced = async () =>
        (await query(`select count(*)::int as n from outbox where topic = 'payment.changed'`))[0].n;
      const before = await announced();
      await raise();
      expect(await announced()).toBe(before + 1);
      const after = await read(first.id);
      expect(after).toMatchObject({ status: 'ENDED', to: '2026-11-19', toRecover: { amount: '1100.00' } });
      expect(brief(after).filter(([, effect]) => effect === 'SUBTRACT')).toEqual([
        ['2026-11-23', 'SUBTRACT', '700.00', 'APPROVED'],
        ['2026-11-16', 'SUBTRACT', '400.00', 'APPROVED'],
      ]);
      expect(codes(await give('createPaymentRun', { organisationCode, dueOn }))).toEqual([
        ['NOTHING_DUE', 'dueOn'],
      ]);
    } finally {
      await query('update person set death_date = null where id = $1', [personId]);
    }
  });

  test('has no payment to somebody who died, for days after', async () => {
    const { personId, schedule: first } = await paidInto({}, priya);
    await query(`update person set death_date = '2026-11-20' where id = $1`, [personId]);
    try {
      const empty = await give('createPaymentRun', { organisationCode, dueOn });
      expect(codes(empty)).toEqual([['NOTHING_DUE', 'dueOn']]);
      clock = '2026-11-24';
      expect(await raise()).toBeGreaterThan(0);
      expect(await raise()).toBe(0);
      expect(await read(first.id)).toMatchObject({
        status: 'ENDED',
        to: '2026-11-24',
        instructions: { nodes: [{ amount: { amount: '0.00' } }, { amount: { amount: '0.00' } }] },
      });
    } finally {
      await query('update person set death_date = null where id = $1', [personId]);
    }
  });
});

describe('the job', () => {
  test('raises what falls due, once however often it runs, in the name of who set the schedule', async () => {
    const { schedule: one } = await paidInto({ amount: money('3000.00') });
    clock = '2026-12-01';
    expect(await raise()).toBeGreaterThan(0);
    expect(await raise()).toBe(0);
    const after = await read(one.id);
    expect(after).toMatchObject({ raisedTo: '2026-12-20', version: 1 });
    expect(brief(after)).toEqual([
      ['2026-12-14', 'PAY', '3000.00', 'DRAFT'],
      ['2026-12-07', 'PAY', '3000.00', 'DRAFT'],
      ['2026-11-30', 'PAY', '3000.00', 'DRAFT'],
      ['2026-11-23', 'PAY', '3000.00', 'DRAFT'],
    ]);
    const payments = [{ id: after.instructions.nodes[0].id, expectedVersion: 1 }];
    expect(codes(await give('approvePayments', { payments }, priya))).toEqual([
      ['SECOND_PERSON_NEEDED', 'payments.0.id'],
    ]);
  });

  test('raises nothing of a budget that is held, and makes it up when it is released again', async () => {
    const { uuid, schedule: one } = await paidInto();
    await query(`update budget set status = 'SUSPENDED' where id = $1`, [uuid]);
    clock = '2026-12-01';
    await raise();
    expect(brief(await read(one.id))).toHaveLength(2);
    await query(`update budget set status = 'ACTIVE' where id = $1`, [uuid]);
    await raise();
    expect(brief(await read(one.id))).toHaveLength(4);
    await query(`update budget set status = 'ENDED', valid_to = '2026-12-03' where id = $1`, [uuid]);
    clock = '2026-12-04';
    await raise();
    const over = await read(one.id);
    expect(over.status).toBe('ENDED');
    expect(brief(over)).toEqual([
      ['2026-12-14', 'PAY', '0.00', 'APPROVED'],
      ['2026-12-07', 'PAY', '0.00', 'APPROVED'],
      ['2026-11-30', 'PAY', '300.00', 'APPROVED'],
      ['2026-11-23', 'PAY', '700.00', 'APPROVED'],
    ]);
  });
});

describe('reading payments', () => {
  const list = `query ($filter: PaymentInstructionFilter, $after: String) { paymentInstructions(first: 3, after: $after, filter: $filter) {
    nodes { id dueOn status organisation { code } person { familyName } schedule { id budget { id } portion { management } } run { id } }
    pageInfo { hasNextPage endCursor } } }`;

  test('an organisation lists its own, of people it sees, page by page', async () => {
    await paidInto();
    await paidInto({ source: 'COUNCIL' }, council);
    const seen: { id: string; dueOn: string; organisation: { code: string } }[] = [];
    for (let after: string | null = null; ; ) {
      const { data, errors } = await ask(
        list,
        { after, filter: { status: 'APPROVED', dueBefore: '2026-12-31' } },
        priya,
      );
      expect(errors).toBeUndefined();
      seen.push(...data.paymentInstructions.nodes);
      after = data.paymentInstructions.pageInfo.endCursor;
      if (!data.paymentInstructions.pageInfo.hasNextPage) break;
    }
    const [{ n }] = await query(
      `select count(*)::int as n from payment_instruction i join organisation o on o.id = i.organisation_id where status = 'APPROVED' and o.ods_code = 'QWN'`,
    );
    expect(new Set(seen.map(({ id }) => id)).size).toBe(n);
    expect(seen.every(({ organisation }) => organisation.code === 'QWN')).toBe(true);
    expect(seen.map(({ dueOn }) => dueOn)).toEqual(seen.map(({ dueOn }) => dueOn).sort());
    for (const claims of [provider, carolForIris])
      expect((await ask(list, {}, claims)).data.paymentInstructions.nodes).toEqual([]);
  });

  test('the person and the provider see them on the record; all of it is one statement', async () => {
    const { budgetId, schedule: one } = await paidInto({ amount: money('456.00') });
    const operation = `{ node(id: "${budgetId}") { ... on Budget { payeeAccounts { id accountName sortCode accountNumber usableFrom status portion { management } }
      paymentSchedules { id organisation { code } ${schedule.slice(11, -2).replace('id version', 'version')} }
      } } paymentInstructions(first: 2) { nodes { id parts { days amount { amount } } run { id file } } } paymentRuns(first: 2) { nodes { id file unconfirmed instructions(first: 2) { nodes { id } } } } }`;
    const before = kit.database.reader.sent();
    const { data, errors } = await ask(operation, {}, priya);
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    expect(data.node.paymentSchedules[0].id).toBe(one.id);
    for (const claims of [carolForIris, provider])
      expect((await read(one.id, claims)).rates[0].amount.amount).toBe('456.00');
    const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
    expect((await ask(`{ node(id: "${one.id}") { id } }`, {}, danielHimself)).data.node).toBeNull();
  });
});
