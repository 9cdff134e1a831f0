/** Days are London's, at the door: a night of 25 hours, the last and first day of a financial year, a leap day. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeDemoDatabase } from './setup/database.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { herself, makeBudget, type OwnBudget, payIn, pounds, send } from './setup/spending.ts';

let kit: TestHub;
let budget: OwnBudget;
let clock: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: () => new Date(clock) });
});
afterAll(() => kit.close());
beforeEach(async () => {
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 100_000n, effectiveOn: '2026-04-01' });
});

/** Signed in whatever the clock says. */
const iris = { ...herself, exp: Date.parse('2100-01-01') / 1_000 };

async function spend(at: string, spentOn: string) {
  clock = at;
  const input = { budgetId: budget.id, amount: pounds('10.00'), spentOn, payee: 'Pool', what: 'Swimming' };
  const { userErrors } = await send(kit, 'recordSpend', input, 'spend { id }', iris);
  return userErrors.map(({ code, field }: { code: string; field: string }) => `${code} ${field}`);
}

async function statement(from: string, to: string, knownAt: string | null = null) {
  const { data, errors } = await kit.ask(
    `query ($id: ID!, $from: LocalDate!, $to: LocalDate!, $at: DateTime) { node(id: $id) { ... on Budget {
       statement(from: $from, to: $to, knownAt: $at) { total { opening { amount } spent { amount } closing { amount } } } } } }`,
    { id: budget.id, from, to, at: knownAt },
    iris,
  );
  expect(errors).toBeUndefined();
  const { opening, spent, closing } = data.node.statement.total;
  return [opening.amount, spent.amount, closing.amount];
}

test('25 October 2026 begins at 23:00 UTC and has 25 hours; what was known is told by the instant', async () => {
  expect(await spend('2026-10-24T22:59:59Z', '2026-10-25')).toEqual(['DAY_INVALID spentOn']);
  expect(await spend('2026-10-24T23:00:00Z', '2026-10-25')).toEqual([]);
  // Half past one comes twice.
  expect(await spend('2026-10-25T00:30:00Z', '2026-10-25')).toEqual([]);
  expect(await spend('2026-10-25T01:30:00Z', '2026-10-25')).toEqual([]);
  expect(await spend('2026-10-25T23:59:59Z', '2026-10-26')).toEqual(['DAY_INVALID spentOn']);
  expect(await spend('2026-10-26T00:00:00Z', '2026-10-26')).toEqual([]);
  expect(await statement('2026-10-25', '2026-10-25')).toEqual(['1000.00', '30.00', '970.00']);
  expect(await statement('2026-10-26', '2026-10-26')).toEqual(['970.00', '10.00', '960.00']);
});

test('of two entries at half past one and half past one, an hour apart, the first was known between them', async () => {
  for (const at of ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z']) {
    await kit.database.pool.query(
      `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on, recorded_at, external_id)
       select a.person_id, a.budget_id, a.id, b.id, 'PAID_IN', a.source, 1000, '2026-10-20', $2, 'test'
         from ledger_account a join ledger_account b on b.budget_id = a.budget_id and b.source = a.source and b.kind = 'HELD'
        where a.budget_id = $1 and a.kind = 'FUNDER'`,
      [budget.uuid, at],
    );
  }
  clock = '2026-11-21T12:00:00Z';
  const known = async (at: string) => (await statement('2026-10-01', '2026-10-31', at)).at(-1);
  expect(await known('2026-10-25T01:29:00+01:00')).toBe('0.00');
  expect(await known('2026-10-25T01:45:00+01:00')).toBe('10.00');
  expect(await known('2026-10-25T01:45:00+00:00')).toBe('20.00');
});

test('31 March is of the old year and 1 April of the new, also in the hour in which UTC still says March', async () => {
  expect(await spend('2027-03-31T22:30:00Z', '2027-04-01')).toEqual(['DAY_INVALID spentOn']);
  expect(await spend('2027-03-31T22:30:00Z', '2027-03-31')).toEqual([]);
  expect(await spend('2027-03-31T23:30:00Z', '2027-04-01')).toEqual([]);
  expect(await statement('2026-04-01', '2027-03-31')).toEqual(['0.00', '10.00', '990.00']);
  expect(await statement('2027-04-01', '2028-03-31')).toEqual(['990.00', '10.00', '980.00']);
});

test('29 February is a day in 2028, and none in 2027', async () => {
  await expect(spend('2027-03-01T12:00:00Z', '2027-02-29')).rejects.toThrow('BAD_USER_INPUT');
  expect(await spend('2028-02-29T12:00:00Z', '2028-02-29')).toEqual([]);
  expect(await statement('2028-02-29', '2028-02-29')).toEqual(['1000.00', '10.00', '990.00']);
  expect(await statement('2028-02-01', '2028-02-28')).toEqual(['1000.00', '0.00', '1000.00']);
});
