import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { verifyLedger } from '../src/ledger/verify.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { coordinator, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import {
  exclude,
  finance,
  herself,
  makeBudget,
  type OwnBudget,
  payIn,
  pounds,
  send,
} from './setup/spending.ts';

let kit: TestHub;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await kit.database.pool.query('delete from commissioner_policy');
  await exclude(kit, '999', 'COUNCIL', ['Alcohol']);
});
afterAll(() => kit.close());
beforeEach(async () => {
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 5_000n });
});

const agreement = `agreement { id source amount { amount } until reason agreedBy { code } budget { id } }
  budget { overspendAgreements { id } }`;
const agree = (changes: object = {}, claims: object = finance) =>
  send(
    kit,
    'agreeOverspend',
    {
      budgetId: budget.id,
      source: 'COUNCIL',
      amount: pounds('30.00'),
      until: '2026-12-31',
      reason: 'Until the next payment',
      ...changes,
    },
    agreement,
    claims as never,
  );

const balances = `spend { state paidBy { source amount { amount } } } budget { balances { source left { amount } } }`;
const buy = (amount: string, changes: object = {}) =>
  send(
    kit,
    'recordSpend',
    {
      budgetId: budget.id,
      amount: pounds(amount),
      spentOn: '2026-11-20',
      payee: 'Harbour Leisure',
      what: 'Swimming',
      ...changes,
    },
    balances,
    herself as never,
  );

test('what is left may be passed as far as the funder agreed, with its own money', async () => {
  const refused = await buy('80.00');
  expect(refused.userErrors).toMatchObject([
    { code: 'INSUFFICIENT_BALANCE', message: expect.stringMatching(/^£50\.00 is left/) },
  ]);
  const { agreement: made, userErrors, budget: shown } = await agree();
  expect(userErrors).toEqual([]);
  expect(made).toEqual({
    id: expect.stringMatching(/^ovs_/),
    source: 'COUNCIL',
    amount: { amount: '30.00' },
    until: '2026-12-31',
    reason: 'Until the next payment',
    agreedBy: { code: '999' },
    budget: { id: budget.id },
  });
  expect(shown.overspendAgreements).toEqual([{ id: made.id }]);

  const { spend, budget: after } = await buy('80.00');
  expect(spend.paidBy).toEqual([
    { source: 'ICB', amount: { amount: '50.00' } },
    { source: 'COUNCIL', amount: { amount: '30.00' } },
  ]);
  expect(after.balances).toMatchObject([
    { source: 'ICB', left: { amount: '0.00' } },
    { source: 'COUNCIL', left: { amount: '-30.00' } },
  ]);
  expect((await buy('0.01')).userErrors[0]).toMatchObject({ code: 'INSUFFICIENT_BALANCE' });
  // What is paid in makes good what was overdrawn first.
  await payIn(kit, budget, { source: 'COUNCIL', pence: 1_000n });
  expect((await buy('10.01')).userErrors[0]?.code).toBe('INSUFFICIENT_BALANCE');
  expect((await buy('10.00')).userErrors).toEqual([]);
  expect((await verifyLedger(kit.database.pool)).fault).toBeNull();
});

test('is for whose money it is, for a day to come, an amount and a reason', async () => {
  const code = async (changes: object, claims?: object) => (await agree(changes, claims)).userErrors[0]?.code;
  expect(await code({}, coordinator)).toBe('NOT_YOURS');
  expect(await code({ source: 'ICB' })).toBe('NOT_YOURS');
  expect(await code({ source: 'ICB' }, coordinator)).toBeUndefined();
  expect(await code({}, socialWorker)).toBeUndefined();
  expect(await code({ until: '2026-11-20' })).toBe('DAY_INVALID');
  expect(await code({ amount: pounds('0.00') })).toBe('AMOUNT_INVALID');
  expect(await code({ reason: ' ' })).toBe('REASON_NEEDED');
  expect(await code({ budgetId: 'bud_00000000000000000000000000000000' })).toBe('NOT_FOUND');
  await expect(agree({}, herself)).rejects.toThrow('FORBIDDEN');
});

test('ends with its day, and what its money may not buy it does not buy', async () => {
  await agree({ until: '2026-11-21' });
  const { spend } = await buy('60.00', { what: 'Alcohol' });
  expect(spend.state).toBe('REFUSED');
  await kit.database.pool.query(`update overspend_agreement set until = '2026-11-19' where budget_id = $1`, [
    budget.uuid,
  ]);
  expect((await buy('60.00')).userErrors[0]?.code).toBe('INSUFFICIENT_BALANCE');
  expect((await buy('60.00', { spentOn: '2026-11-19' })).userErrors).toEqual([]);
});

test('of many at once no more is spent than is there and was agreed', async () => {
  await agree();
  const answers = await Promise.all(Array.from({ length: 30 }, () => buy('7.00')));
  expect(answers.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(11);
  for (const { userErrors } of answers)
    expect(userErrors.every(({ code }: { code: string }) => code === 'INSUFFICIENT_BALANCE')).toBe(true);
});

test('who waits for the lock while it is agreed may spend by it', async () => {
  const client = await kit.database.pool.connect();
  try {
    await client.query('begin');
    await client.query('select from budget where id = $1 for update', [budget.uuid]);
    const waiting = buy('80.00');
    for (let blocked = 0; blocked === 0; ) {
      const { rows } = await asOwner(
        kit.database.url,
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      blocked = rows[0].n;
    }
    await client.query(
      `insert into overspend_agreement (person_id, budget_id, source, organisation_id, pence, until, reason, agreed_by)
       select $1, $2, 'COUNCIL', id, 3000, '2026-12-31', 'x', 'x' from organisation where ods_code = '999'`,
      [budget.personId, budget.uuid],
    );
    await client.query('commit');
    expect((await waiting).userErrors).toEqual([]);
  } finally {
    client.release();
  }
});
