/** A hub that is killed: what was carried out stays and is answered for, what was not leaves nothing. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { type HubProcess, leaveNoHub, startHubProcess } from './setup/hub-process.ts';
import { herself, key, makeBudget, type OwnBudget, payIn, pounds } from './setup/spending.ts';
import { announce, bare, openStream } from './setup/stream.ts';
import { isWaitingIn, until } from './setup/until.ts';

leaveNoHub();
let kit: TestHub;
/** The hub to which everybody goes on. */
let next: HubProcess;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  next = await startHubProcess(kit);
});
afterAll(async () => {
  await next.stop();
  await kit.close();
});
beforeEach(async () => {
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 10_000n });
});

const record = `mutation ($input: RecordSpendInput!) { recordSpend(input: $input) {
  spend { id state amount { amount } evidence { id } } userErrors { code } } }`;
const bought = () => ({
  idempotencyKey: key(),
  budgetId: budget.id,
  amount: pounds('10.00'),
  spentOn: '2026-11-20',
  payee: 'Harbour Leisure',
  what: 'Swimming',
});
type Bought = ReturnType<typeof bought>;

/** All that one request may leave behind. */
async function traces({ idempotencyKey }: Bought) {
  const { rows } = await kit.database.pool.query(
    `select (select count(*)::int from command_receipt where idempotency_key = $1) as receipts,
            (select count(*)::int from spend where budget_id = $2) as spends,
            (select coalesce(sum(pence), 0)::int from ledger_transfer where budget_id = $2 and kind = 'SPENT') as spent,
            (select count(*)::int from outbox o
              where o.topic = 'money.changed' and o.id > $3 and o.payload -> 'personIds' ? $4) as announced,
            (select count(*)::int from audit_event
              where object = 'recordSpend' and outcome = 'DONE' and id > $5) as audited`,
    [idempotencyKey, budget.uuid, before.outbox, budget.personId, before.audit],
  );
  return rows[0];
}
let before: { outbox: string; audit: string };
beforeEach(async () => {
  const { rows } = await kit.database.pool.query(
    `select (select coalesce(max(id), 0) from outbox) as outbox, (select coalesce(max(id), 0) from audit_event) as audit`,
  );
  before = rows[0];
});
const once = { receipts: 1, spends: 1, spent: 1_000, announced: 1, audited: 1 };
const never = { receipts: 0, spends: 0, spent: 0, announced: 0, audited: 0 };

/** A session of the test's own, in a transaction that holds something the hub needs. */
async function holding<T>(hold: (sql: pg.Client) => Promise<unknown>, work: () => Promise<T>): Promise<T> {
  const sql = new pg.Client({ connectionString: kit.database.url });
  await sql.connect();
  try {
    await sql.query('begin');
    await hold(sql);
    return await work();
  } finally {
    await sql.end();
  }
}

const waiting = (text: string) => isWaitingIn(kit.database.pool, text);

test('after its COMMIT and before its answer: the same request again is answered as it was, and nothing is doubled', async () => {
  const input = bought();
  const killed = await startHubProcess(kit);
  const stream = await openStream({ hub: killed, issuer: kit.issuer }, bare);
  await announce(kit.database.pool, 'plan.changed', [budget.personId]);
  const { id: after } = (await stream.next())!;
  // What the answer shows cannot be read, so the hub has committed and cannot answer yet.
  await holding(
    (sql) => sql.query('lock table evidence in access exclusive mode'),
    async () => {
      const answer = killed.ask(record, { input }, herself).catch((error: Error) => error);
      await until(async () => (await traces(input)).receipts === 1 && (await waiting('join evidence')));
      await killed.kill();
      expect(await answer).toBeInstanceOf(Error);
      await stream.leave();
    },
  );
  expect(await traces(input)).toEqual(once);
  const again = await Promise.all(Array.from({ length: 5 }, () => next.ask(record, { input }, herself)));
  const { rows } = await kit.database.pool.query('select id from spend where budget_id = $1', [budget.uuid]);
  for (const { data } of again) {
    expect(data.recordSpend).toMatchObject({
      spend: { id: idOf('spd', rows[0].id), amount: { amount: '10.00' } },
      userErrors: [],
    });
  }
  expect(await traces(input)).toEqual(once);
  // Whoever listened at the one that is gone hears of it from another.
  const on = await openStream({ hub: next, issuer: kit.issuer }, bare, { variables: { after } });
  expect((await on.next())!.data.changes.topic).toBe('MONEY_CHANGED');
  await on.leave();
}, 60_000);

test('before its COMMIT: nothing is left, not even the key, and the same request again is carried out', async () => {
  const input = bought();
  const killed = await startHubProcess(kit);
  let again: ReturnType<typeof next.ask> | undefined;
  await holding(
    (sql) => sql.query('select from budget where id = $1 for update', [budget.uuid]),
    async () => {
      const answer = killed.ask(record, { input }, herself).catch((error: Error) => error);
      await until(() => waiting('from budget where id ='));
      await killed.kill();
      expect(await answer).toBeInstanceOf(Error);
      expect(await traces(input)).toEqual(never);
      // The dead hub's transaction is still open in PostgreSQL: whoever asks again waits for how it ends.
      again = next.ask(record, { input }, herself);
      await until(() => waiting('command_receipt'));
    },
  );
  expect((await again!).data.recordSpend.userErrors).toEqual([]);
  expect(await traces(input)).toEqual(once);
}, 60_000);
