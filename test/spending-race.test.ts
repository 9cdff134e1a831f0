import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { lockBudget, post } from '../src/ledger/post.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { finance, herself, key, makeBudget, type OwnBudget, payIn, pounds, send } from './setup/spending.ts';

let kit: TestHub;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
});
afterAll(() => kit.close());
beforeEach(async () => {
  budget = await makeBudget(kit);
});

const record = `mutation ($input: RecordSpendInput!) { recordSpend(input: $input) { spend { id state amount { amount } } userErrors { code message } } }`;
const bought = (amount: string, changes: object = {}) => ({
  idempotencyKey: key(),
  budgetId: budget.id,
  amount: pounds(amount),
  spentOn: '2026-11-20',
  payee: 'Harbour Leisure',
  what: 'Swimming',
  ...changes,
});

/** As clients do: what may be sent again, with the same key, is. */
async function ask(input: object, claims: object = herself) {
  for (let tries = 0; ; tries += 1) {
    const { data, errors } = await kit.ask(record, { input }, claims as never);
    if (errors === undefined) return data.recordSpend;
    if (tries === 20) throw new Error(JSON.stringify(errors));
  }
}

async function books() {
  const { rows } = await kit.database.pool.query(
    `select (select count(*)::int from spend where budget_id = $1) as spends,
            (select coalesce(sum(pence), 0)::int from ledger_transfer where budget_id = $1 and kind = 'SPENT') as spent,
            (select coalesce(sum(in_pence - out_pence), 0)::int from ledger_account where budget_id = $1 and kind = 'HELD') as held,
            (select min(in_pence - out_pence)::int from ledger_account where budget_id = $1 and kind = 'HELD') as least`,
    [budget.uuid],
  );
  return rows[0];
}

test('sent fifty times at once under one key, it is recorded once, and all get the one answer', async () => {
  await payIn(kit, budget, { pence: 100_000n });
  const input = bought('10.00');
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(input)));
  expect(answers[0].userErrors).toEqual([]);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(await books()).toMatchObject({ spends: 1, spent: 1_000 });
  const other = await ask({ ...input, what: 'Rowing' });
  expect(other.userErrors[0].code).toBe('IDEMPOTENCY_KEY_REUSED');
});

test('a reference is recorded once for ever, under whatever keys and however many at once', async () => {
  await payIn(kit, budget, { pence: 100_000n });
  const externalRef = key();
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(bought('10.00', { externalRef }))));
  const codes = answers.map(({ userErrors }) => userErrors[0]?.code);
  expect(codes.filter((code) => code === undefined)).toHaveLength(1);
  expect(codes.filter((code) => code === 'ALREADY_RECORDED')).toHaveLength(19);
  expect(new Set(answers.map(({ spend }) => spend.id)).size).toBe(1);
  expect(await books()).toMatchObject({ spends: 1, spent: 1_000 });
  // The key has long expired, and there is no money left: it is still the same spend.
  await kit.database.pool.query('delete from command_receipt');
  await ask(bought('990.00'));
  const late = await ask(bought('10.00', { externalRef }));
  expect([late.userErrors[0].code, late.spend.id]).toEqual(['ALREADY_RECORDED', answers[0].spend.id]);
  // Another client's references are its own.
  const theirs = await ask(bought('10.00', { externalRef }), finance);
  expect(theirs.userErrors[0].code).toBe('INSUFFICIENT_BALANCE');
});

test('the same reference at once from two budgets is one spend', async () => {
  const first = budget;
  await payIn(kit, first, { pence: 10_000n });
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 10_000n });
  const externalRef = key();
  const answers = await Promise.all(
    [first.id, budget.id, first.id, budget.id].map((budgetId) =>
      ask(bought('10.00', { externalRef, budgetId })),
    ),
  );
  expect(answers.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1);
  expect(new Set(answers.map(({ spend }) => spend.id)).size).toBe(1);
});

test('two hundred at once never spend more than there is', async () => {
  await payIn(kit, budget, { pence: 60_000n });
  await payIn(kit, budget, { source: 'COUNCIL', pence: 40_000n });
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(bought('7.00'))));
  const done = answers.filter(({ userErrors }) => userErrors.length === 0);
  expect(done).toHaveLength(142);
  for (const { userErrors } of answers.filter((answer) => !done.includes(answer))) {
    expect(userErrors).toEqual([
      { code: 'INSUFFICIENT_BALANCE', message: expect.stringMatching(/^£\d+\.\d\d is left/) },
    ]);
  }
  expect(await books()).toEqual({ spends: 142, spent: 99_400, held: 600, least: expect.any(Number) });
  expect((await books()).least).toBeGreaterThanOrEqual(0);
}, 60_000);

test('who waits for the lock sees what was spent before', async () => {
  await payIn(kit, budget, { pence: 10_000n });
  const { personId, uuid: budgetId } = budget;
  let waiting: Promise<{ userErrors: { code: string }[] }> | undefined;
  await kit.database.prisma.$transaction(async (tx) => {
    await lockBudget(tx, budgetId);
    let answered = false;
    waiting = ask(bought('60.00')).finally(() => {
      answered = true;
    });
    // The command is in PostgreSQL, and waits.
    for (let blocked = 0; blocked === 0; ) {
      const { rows } = await asOwner(
        kit.database.url,
        `select count(*)::int as n from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%from budget where id = %'`,
      );
      blocked = rows[0].n;
    }
    expect(answered).toBe(false);
    await post(tx, { personId, budgetId }, [
      {
        kind: 'SPENT',
        source: 'ICB',
        pence: 5_000n,
        effectiveOn: '2026-11-20',
        portionId: null,
        description: 'Before',
        cause: 'test',
      },
    ]);
  });
  expect((await waiting!).userErrors).toEqual([
    { code: 'INSUFFICIENT_BALANCE', message: expect.stringContaining('£50.00') },
  ]);
  expect(await books()).toMatchObject({ spent: 5_000, held: 5_000 });
});

test('of two who decide about one spend the second is told', async () => {
  await payIn(kit, budget, { pence: 10_000n });
  const { spend } = await ask(bought('10.00'));
  const input = { spendId: spend.id, expectedVersion: 1 };
  const [accepted, refused] = await Promise.all([
    send(kit, 'acceptSpend', input, 'spend { version state }', finance),
    send(kit, 'refuseSpend', { ...input, reason: 'No' }, 'spend { version state }', coordinator),
  ]);
  const codes = [accepted, refused].map(({ userErrors }) => userErrors[0]?.code);
  expect(codes.sort()).toEqual(['CONFLICT', undefined]);
  expect(accepted.spend.version).toBe(2);
  expect(refused.spend).toEqual(accepted.spend);
});
