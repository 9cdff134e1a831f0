/** What becomes of many payments at once: a few statements whatever their number, and each once, whoever else is at it. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { raiseAllDue } from '../jobs/payment.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { leaveNoHub, startHubProcess } from './setup/hub-process.ts';

const dueOn = '2026-11-23';
const noon = `${dueOn}T12:00:00Z`;
const now = () => new Date(noon);
// Valid by this test's clock, and by that of another hub.
const until = { exp: Date.parse('2099-01-01') / 1_000 };
const priya = { sub: 'priya', tandem_role: 'FINANCE', organisation: 'QWN', ...until };
const key = () => crypto.randomUUID();

leaveNoHub();
let kit: TestHub;
let url: string;
beforeAll(async () => {
  const database = await makeDemoDatabase();
  url = database.url;
  kit = await startTestHub({ database, now });
});
afterAll(() => kit.close());

const query = async (text: string, values: unknown[] = []) =>
  (await kit.database.pool.query(text, values)).rows;

const operationOf = (command: string) =>
  `mutation ($input: ${command[0]!.toUpperCase()}${command.slice(1)}Input!) {
    ${command}(input: $input) { run { id count unconfirmed } userErrors { code field } } }`;

async function give(command: string, input: object) {
  const { data, errors } = await kit.ask(
    operationOf(command),
    { input: { idempotencyKey: key(), ...input } },
    priya,
  );
  expect(errors).toBeUndefined();
  return data[command];
}

/** A run of so many payments of £100, each into a budget of its own. */
async function sendRun(count: number) {
  await query(
    `with living as (select id, row_number() over (order by id) - 1 as k, count(*) over () as people
                       from person where death_date is null),
          made as (insert into budget (person_id, kind, status, valid_from, agreed_pence)
                   select living.id, 'INTEGRATED', 'ACTIVE', '2026-04-01', 0
                     from generate_series(1, $1::int) i join living on living.k = i % living.people
                   returning id, person_id),
          paid as (insert into payee_account (person_id, budget_id, account_name, sort_code, account_number, usable_from,
                                              created_by, approved_by)
                   select person_id, id, 'Somebody', '112233', '00112233', '2026-01-01', 'a', 'b' from made),
          scheduled as (
            insert into payment_schedule (person_id, budget_id, source, organisation_id, frequency, pay_when,
                                          gross_or_net, valid_from, valid_to)
            select person_id, id, 'ICB', (select id from organisation where ods_code = 'QWN'), 'WEEKLY', 'IN_ADVANCE',
                   'GROSS', '2026-11-23', '2026-11-30' from made
            returning id, person_id)
     insert into schedule_rate (schedule_id, person_id, valid_from, weekly_pence)
     select id, person_id, '2026-11-23', 10000 from scheduled`,
    [count],
  );
  await raiseAllDue({ pool: kit.database.pool, now, stopping: new AbortController().signal });
  const { run, userErrors } = await give('createPaymentRun', { organisationCode: 'QWN', dueOn });
  expect(userErrors).toEqual([]);
  expect(run).toMatchObject({ count, unconfirmed: count });
  return { runId: run.id as string, uuid: uuidOf('prn', run.id)! };
}

const instructionsOf = async (uuid: string, limit: number): Promise<string[]> =>
  (
    await query(
      `select id from payment_instruction where run_id = $1 and status = 'SENT' order by id limit $2`,
      [uuid, limit],
    )
  ).map(({ id }) => idOf('pmt', id));

/** What the ledger has of a run: payments, budgets that have just the one, and instructions that say they are paid. */
async function books(uuid: string) {
  const [row] = await query(
    `select (select count(*)::int from ledger_transfer where external_id like 'payment/' || $1 || '/%') as transfers,
            (select count(*)::int from payment_instruction i
               join payment_schedule s on s.id = i.schedule_id
               join ledger_account a on a.budget_id = s.budget_id and a.kind = 'HELD'
              where i.run_id = $1::uuid and a.in_pence = 10000 and a.out_pence = 0) as budgets,
            (select count(*)::int from payment_instruction i join ledger_transfer t on t.id = i.transfer_id
              where i.run_id = $1::uuid and i.status = 'PAID'
                and t.external_id = 'payment/' || i.run_id || '/' || i.schedule_id) as paid`,
    [uuid],
  );
  return row;
}
const all = (count: number) => ({ transfers: count, budgets: count, paid: count });

test('what is sent, confirmed or failed takes as many statements for three as for three hundred', async () => {
  const asked = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const statementsOf = async <T>(work: () => Promise<T>) => {
      const before = asked.mock.calls.length;
      await work();
      return asked.mock.calls.length - before;
    };
    const counts: number[][] = [];
    for (const count of [1, 3, 300]) {
      const { runId, uuid } = await sendRun(count * 2);
      const instructionIds = await instructionsOf(uuid, count);
      counts.push([
        await statementsOf(() => give('failPayments', { runId, instructionIds, reason: 'Account closed' })),
        await statementsOf(() => give('confirmPayments', { runId })),
      ]);
      expect(await books(uuid)).toEqual(all(count));
      await query(`update payment_instruction set status = 'APPROVED' where status = 'DRAFT'`);
      counts
        .at(-1)!
        .push(await statementsOf(() => give('createPaymentRun', { organisationCode: 'QWN', dueOn })));
      const [again] = await query('select count, id from payment_run order by id desc limit 1');
      expect(again.count).toBe(count);
      await give('confirmPayments', { runId: idOf('prn', again.id) });
    }
    const [, few, many] = counts;
    expect(many).toEqual(few);
    for (const statements of few!) expect(statements).toBeGreaterThan(8);
  } finally {
    asked.mockRestore();
  }
}, 60_000);

test('of many who confirm one run at once, each payment is paid by one of them', async () => {
  // More than one command says something of.
  const count = 2_010;
  const { runId, uuid } = await sendRun(count);
  const answers = await Promise.all(Array.from({ length: 5 }, () => give('confirmPayments', { runId })));
  const codes = answers.map(({ userErrors }) => userErrors[0]?.code);
  expect(codes.filter((code) => code === undefined)).toHaveLength(2);
  expect(codes.filter((code) => code === 'NOTHING_DUE')).toHaveLength(3);
  expect(await books(uuid)).toEqual(all(count));
}, 60_000);

test('of two who say what became of the same payment, the second is told', async () => {
  const { runId, uuid } = await sendRun(20);
  const instructionIds = await instructionsOf(uuid, 12);
  const answers = await Promise.all([
    give('confirmPayments', { runId, instructionIds }),
    give('confirmPayments', { runId, instructionIds: instructionIds.slice(4) }),
    give('failPayments', { runId, instructionIds: instructionIds.slice(8), reason: 'Account closed' }),
  ]);
  const refused = answers.flatMap(({ userErrors }) => userErrors);
  expect(answers.filter(({ userErrors }) => userErrors.length === 0).length).toBe(1);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['NOT_IN_RUN']));
  await give('confirmPayments', { runId });
  const failed = answers[2]!.userErrors.length === 0 ? 4 : 0;
  expect(await books(uuid)).toEqual(all(20 - failed));
});

test('a hub killed while it confirms has paid nobody; another goes on, and pays each once', async () => {
  const count = 60;
  const { runId, uuid } = await sendRun(count);
  await give('confirmPayments', { runId, instructionIds: await instructionsOf(uuid, 20) });
  const input = { idempotencyKey: key(), runId };
  const other = await startHubProcess(kit, null, noon);
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  try {
    // The money is in the ledger when the payments are marked; there it waits, and is killed.
    await holder.query('begin');
    await holder.query(
      `select id from payment_instruction where run_id = $1 and status = 'SENT' limit 1 for update`,
      [uuid],
    );
    const answer = other.ask(operationOf('confirmPayments'), { input }, priya).then(
      () => 'answered',
      () => 'broken off',
    );
    for (let marking = 0; marking === 0; await delay(10)) {
      const {
        rows: [row],
      } = await asOwner(
        url,
        `select count(*)::int as n from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and query like 'update payment_instruction%''PAID''%'`,
      );
      marking = row.n;
    }
    await other.kill();
    expect(await answer).toBe('broken off');
    expect(await books(uuid)).toEqual(all(20));
  } finally {
    await holder.end();
  }
  const confirmed = await give('confirmPayments', input);
  expect(confirmed).toMatchObject({ run: { unconfirmed: 0 }, userErrors: [] });
  expect(await give('confirmPayments', input)).toEqual(confirmed);
  expect(await books(uuid)).toEqual(all(count));
  expect((await verifyLedger(kit.database.pool)).fault).toBeNull();
}, 60_000);
