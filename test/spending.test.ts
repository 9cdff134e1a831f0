import type { PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { admin, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import {
  agreePlan,
  daughter,
  exclude,
  finance,
  herself,
  key,
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
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  await exclude(kit, 'QWN', 'ICB', ['Alcohol', 'Gambling']);
  await exclude(kit, '999', 'COUNCIL', ['Permanent residential care']);
});
afterAll(() => kit.close());

beforeEach(async () => {
  budget = await makeBudget(kit);
  await agreePlan(kit, budget, [
    { key: 'swim', what: 'Swimming', yearlyPence: 30_000, portion: 'own' },
    { key: 'care', what: 'Personal assistants', providerName: 'Holloway Payroll', yearlyPence: 900_000 },
    { key: 'bed', what: 'Profiling bed', yearlyPence: 90_000, source: 'COUNCIL' },
  ]);
});

const shown = `spend { id state version lineKey category amount { amount } refunded { amount } findings { code source exclusion citation }
  paidBy { source amount { amount } } payee what spentOn words externalRef transfers { kind isReversal source amount { amount } }
  budget { id } portion { management } }
  budget { balances { source left { amount } spent { amount } committed { amount } } }`;

const swim = () => ({
  budgetId: budget.id,
  amount: pounds('10.00'),
  spentOn: '2026-11-20',
  payee: 'Harbour Leisure',
  what: 'Swimming',
});
const spend = (changes: object = {}, claims?: object) =>
  send(kit, 'recordSpend', { ...swim(), ...changes }, shown, claims as never);

const fund = async () => {
  await payIn(kit, budget, { pence: 20_000n });
  await payIn(kit, budget, { source: 'COUNCIL', pence: 10_000n });
};
const left = (payload: { budget: { balances: { source: string; left: { amount: string } }[] } }) =>
  Object.fromEntries(payload.budget.balances.map(({ source, left: { amount } }) => [source, amount]));

describe('a spend', () => {
  test('inside the plan is paid by its sources in proportion, to the penny', async () => {
    await fund();
    const payload = await spend({ lineKey: 'swim' }, herself);
    expect(payload.userErrors).toEqual([]);
    expect(payload.spend).toMatchObject({
      id: expect.stringMatching(/^spd_/),
      state: 'INSIDE_PLAN',
      lineKey: 'swim',
      category: 'swimming',
      amount: { amount: '10.00' },
      findings: [],
      paidBy: [
        { source: 'ICB', amount: { amount: '6.67' } },
        { source: 'COUNCIL', amount: { amount: '3.33' } },
      ],
      budget: { id: budget.id },
      portion: { management: 'DIRECT_PAYMENT' },
    });
    expect(left(payload)).toEqual({ ICB: '193.33', COUNCIL: '96.67' });
    const { data } = await kit.ask(
      `{ node(id: "${payload.spend.id}") { ... on Spend { what state } } }`,
      {},
      socialWorker,
    );
    expect(data.node).toEqual({ what: 'Swimming', state: 'INSIDE_PLAN' });
  });

  test('asks PostgreSQL as little as it can, whoever records it', async () => {
    await fund();
    const sent: string[] = [];
    const { pool } = kit.database;
    const watched = new Set<PoolClient>();
    pool.on('acquire', (client) => {
      if (watched.has(client)) return;
      watched.add(client);
      const query = client.query.bind(client) as (...all: unknown[]) => unknown;
      client.query = ((asked: string | { text: string }, ...rest: unknown[]) => {
        sent.push(typeof asked === 'string' ? asked : asked.text.trim());
        return query(asked, ...rest);
      }) as typeof client.query;
    });
    for (const who of [herself, daughter, coordinator, provider]) {
      const portionId = who === provider ? budget.managed : null;
      if (who === provider) await payIn(kit, budget, { pence: 5_000n, portionId: budget.managedUuid });
      sent.length = 0;
      const { userErrors } = await spend({ externalRef: key(), portionId, lineKey: 'care' }, who);
      expect(userErrors).toEqual([]);
      // The key, the lock, what there is, the spend, the ledger, and the answer with its audit and its event.
      expect(sent.map((text) => text.split(' ', 1)[0])).toEqual([
        'begin;',
        'insert',
        'select',
        'select',
        'insert',
        'with',
        'with',
        'commit',
      ]);
    }
  });

  test('goes by the portion first, and by the one source that a line names', async () => {
    await fund();
    await payIn(kit, budget, { pence: 5_000n, portionId: budget.managedUuid });
    const inPortion = await spend(
      { portionId: budget.managed, lineKey: 'care', payee: 'Holloway Payroll' },
      provider,
    );
    expect(inPortion.spend).toMatchObject({ state: 'INSIDE_PLAN', paidBy: [{ source: 'ICB' }] });
    const bed = await spend({ lineKey: 'bed', what: 'Profiling bed', amount: pounds('100.00') });
    expect(bed.spend).toMatchObject({
      state: 'INSIDE_PLAN',
      paidBy: [{ source: 'COUNCIL', amount: { amount: '100.00' } }],
    });
    const more = await spend({ lineKey: 'bed', what: 'Profiling bed' });
    expect(more.userErrors).toEqual([
      { code: 'INSUFFICIENT_BALANCE', message: expect.stringContaining('£0.00'), field: 'amount' },
    ]);
    const otherPortion = await spend({ portionId: budget.managed, lineKey: 'swim' });
    expect(otherPortion.userErrors[0]).toMatchObject({ code: 'LINE_NOT_IN_PLAN', field: 'lineKey' });
  });

  test('that nobody agreed moves the money and waits for a look', async () => {
    await fund();
    const { spend: made } = await spend({ what: 'A telescope', payee: 'Stars' }, herself);
    expect(made).toMatchObject({ state: 'NEEDS_LOOK', findings: [{ code: 'NOT_IN_PLAN' }] });
    const list = `{ spendsToLookAt(first: 50) { nodes { id } } }`;
    const waiting = async (claims: object) =>
      (await kit.ask(list, {}, claims as never)).data.spendsToLookAt.nodes.map(
        ({ id }: { id: string }) => id,
      );
    expect(await waiting(finance)).toContain(made.id);
    expect(await waiting({ ...finance, organisation: 'QOX' })).toEqual([]);
    expect(await waiting(admin)).toEqual([]);

    const accept = (claims: object, expectedVersion = 1) =>
      send(
        kit,
        'acceptSpend',
        { spendId: made.id, expectedVersion, words: 'She taught astronomy.' },
        shown,
        claims as never,
      );
    expect((await accept(finance, 2)).userErrors[0].code).toBe('CONFLICT');
    const accepted = await accept(finance);
    expect(accepted.spend).toMatchObject({ state: 'ACCEPTED', version: 2, words: 'She taught astronomy.' });
    expect((await accept(finance, 2)).userErrors[0].code).toBe('WRONG_STAGE');
    expect(await waiting(finance)).not.toContain(made.id);
  });

  test('is decided about by a funder, and not by whoever recorded it', async () => {
    await fund();
    const { spend: made } = await spend({ what: 'A telescope' }, finance);
    const input = { spendId: made.id, expectedVersion: 1, reason: 'Not for this' };
    // Another sign-in does not make another human.
    const again = { ...finance, sub: 'finn.2', name: ' finn  ADE' };
    for (const claims of [finance, { ...finance, name: 'Somebody Else' }, again])
      expect((await send(kit, 'refuseSpend', input, shown, claims)).userErrors[0].code).toBe('NOT_YOURS');
    const refused = await send(kit, 'refuseSpend', input, shown, socialWorker);
    expect(refused.spend).toMatchObject({ state: 'REFUSED', words: 'Not for this', paidBy: [] });
    expect(refused.spend.transfers.map(({ isReversal }: never) => isReversal)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(left(refused)).toEqual({ ICB: '200.00', COUNCIL: '100.00' });
  });

  test('on what a funder excludes is kept, moves nothing, and says whose rule it is', async () => {
    await fund();
    const refused = await spend({ what: 'Red wine and other ALCOHOL' }, daughter);
    expect(refused.userErrors).toEqual([]);
    expect(refused.spend).toMatchObject({
      state: 'REFUSED',
      findings: [{ code: 'EXCLUDED_ITEM', source: 'ICB', exclusion: 'Alcohol', citation: 'Policy, page 4' }],
      transfers: [],
    });
    expect(left(refused)).toEqual({ ICB: '200.00', COUNCIL: '100.00' });
    // The council's money alone pays the bed, and the council has no such rule.
    const bed = await spend({ lineKey: 'bed', what: 'Alcohol-proof profiling bed' });
    expect(bed.spend.state).toBe('INSIDE_PLAN');
  });

  test('goes by the list of whoever took over from the funder, from the day they did', async () => {
    await fund();
    const { pool } = kit.database;
    await pool.query(
      `insert into organisation (kind, ods_code, name) values ('ICB', 'QZZ', 'The new board')`,
    );
    await pool.query(
      `insert into organisation_succession (from_id, to_id, on_day)
       select f.id, t.id, '2026-11-10' from organisation f, organisation t where f.ods_code = 'QWN' and t.ods_code = 'QZZ'`,
    );
    const verdict = async (what: string, spentOn = '2026-11-20') => {
      const { state, findings } = (await spend({ what, spentOn }, herself)).spend;
      return state === 'REFUSED' ? findings[0].exclusion : null;
    };
    try {
      // It has said nothing yet: what the old board said holds on.
      expect(await verdict('Alcohol')).toBe('Alcohol');
      await exclude(kit, 'QZZ', 'ICB', ['A telescope']);
      expect(await verdict('A telescope')).toBe('A telescope');
      expect(await verdict('Alcohol')).toBeNull();
      expect(await verdict('A telescope', '2026-11-09')).toBeNull();
      expect(await verdict('Alcohol', '2026-11-09')).toBe('Alcohol');
      // What is agreed anew names the new board, and spending of before still goes by the old one's list.
      await pool.query(
        `update funding_line set organisation_id = (select id from organisation where ods_code = 'QZZ')
          where budget_id = $1 and source = 'ICB'`,
        [budget.uuid],
      );
      await pool.query(`update commissioner_policy set effective_from = '2026-11-15'
        where organisation_id = (select id from organisation where ods_code = 'QZZ')`);
      expect(await verdict('A telescope')).toBe('A telescope');
      expect(await verdict('Alcohol', '2026-11-12')).toBe('Alcohol');
    } finally {
      await pool.query(`delete from commissioner_policy where exclusion_list_id = 'QZZ-ICB'`);
      await pool.query(`delete from exclusion where list_id = 'QZZ-ICB'`);
      await pool.query('delete from organisation_succession where on_day = $1', ['2026-11-10']);
    }
  });

  test('of whose funder was divided goes by what was said before: whose it is now, nobody knows', async () => {
    await fund();
    const { pool } = kit.database;
    for (const code of ['QZ1', 'QZ2']) {
      await pool.query(`insert into organisation (kind, ods_code, name) values ('ICB', $1, 'A part')`, [
        code,
      ]);
      await pool.query(
        `insert into organisation_succession (from_id, to_id, on_day)
         select f.id, t.id, '2026-11-10' from organisation f, organisation t where f.ods_code = 'QWN' and t.ods_code = $1`,
        [code],
      );
    }
    await exclude(kit, 'QZ1', 'ICB', ['A telescope']);
    try {
      expect((await spend({ what: 'A telescope' })).spend.state).toBe('NEEDS_LOOK');
      expect((await spend({ what: 'Alcohol' })).spend.state).toBe('REFUSED');
    } finally {
      await pool.query(`delete from commissioner_policy where exclusion_list_id = 'QZ1-ICB'`);
      await pool.query('delete from organisation_succession where on_day = $1', ['2026-11-10']);
    }
  });

  test('overspends its line, lacks a plan, or lies outside of the budget: each is looked at', async () => {
    await payIn(kit, budget, { pence: 100_000n });
    const codes = async (changes: object) =>
      (await spend(changes)).spend.findings.map(({ code }: { code: string }) => code);
    expect(await codes({ lineKey: 'swim', amount: pounds('300.00') })).toEqual([]);
    expect(await codes({ lineKey: 'swim', amount: pounds('0.01') })).toEqual(['LINE_OVERSPENT']);
    expect(await codes({ lineKey: 'care', payee: 'Somebody' })).toEqual(['PAYEE_DIFFERS']);
    expect(await codes({ spentOn: '2026-03-31' })).toEqual(['NO_PLAN', 'OUTSIDE_BUDGET']);
    const { userErrors } = await spend({ spentOn: '2026-11-22' });
    expect(userErrors).toEqual([
      { code: 'DAY_INVALID', message: expect.stringContaining('commitMoney'), field: 'spentOn' },
    ]);
  });

  test('uses money that source systems paid in, of both halves of an integrated budget', async () => {
    const { pool } = kit.database;
    const { rows } = await pool.query(
      `select id, kind from budget where person_id = $1 and link_id is not null and status = 'ACTIVE'`,
      [budget.personId],
    );
    expect(rows.length).toBeGreaterThan(1);
    await pool.query('update budget set part_of_id = $1 where id = any($2)', [
      budget.uuid,
      rows.map(({ id }) => id),
    ]);
    try {
      const { spend: made, userErrors } = await spend({ lineKey: 'swim' }, herself);
      expect(userErrors).toEqual([]);
      expect(made.paidBy.map(({ source }: { source: string }) => source)).toEqual(
        expect.arrayContaining(['ICB', 'COUNCIL']),
      );
      const undone = await send(
        kit,
        'undoSpend',
        { spendId: made.id, expectedVersion: 1, reason: 'x' },
        shown,
      );
      expect(undone.spend).toMatchObject({ state: 'UNDONE', paidBy: [] });
    } finally {
      await pool.query('update budget set part_of_id = null where part_of_id = $1', [budget.uuid]);
    }
  });

  test('is for the person, their representative, the account operator and the funders', async () => {
    await fund();
    const code = async (claims: object, changes: object = {}) =>
      (await spend(changes, claims)).userErrors[0]?.code;
    expect(await code(herself)).toBeUndefined();
    expect(await code(daughter)).toBeUndefined();
    expect(await code(coordinator)).toBeUndefined();
    expect(await code(provider)).toBe('NOT_YOURS');
    expect(await code(provider, { portionId: budget.own })).toBe('NOT_YOURS');
    expect(await code(provider, { portionId: budget.managed })).toBeUndefined();
    expect(await code({ ...herself, nhs_number: '9000000009' })).toBe('NOT_FOUND');
    const { errors } = await kit.ask(
      `mutation { recordSpend(input: { idempotencyKey: "${key()}", budgetId: "${budget.id}", amount: { amount: "1" },
         spentOn: "2026-11-20", payee: "x", what: "x" }) { userErrors { code } } }`,
      {},
      admin,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    // Of their authorities only the one over money counts.
    await kit.database.pool.query(
      `update role_on_record set valid_to = '2026-01-01' where role = 'LPA_PROPERTY_AND_FINANCE'`,
    );
    // Nor is the budget hers to see then.
    expect(await code(daughter)).toBe('NOT_FOUND');
    await kit.database.pool.query(
      `update role_on_record set valid_to = null where role = 'LPA_PROPERTY_AND_FINANCE'`,
    );
  });

  test('keeps its words in one line each', async () => {
    await fund();
    const { spend: made } = await spend({ what: ' Swimming\n lesson ', payee: 'A\tB' });
    expect(made).toMatchObject({ what: 'Swimming lesson', payee: 'A B' });
    const code = async (changes: object) => (await spend(changes)).userErrors[0];
    expect(await code({ what: ' \n ' })).toMatchObject({ code: 'TEXT_INVALID', field: 'what' });
    expect(await code({ payee: 'x'.repeat(201) })).toMatchObject({ code: 'TEXT_INVALID', field: 'payee' });
    expect(await code({ externalRef: '' })).toMatchObject({ code: 'TEXT_INVALID', field: 'externalRef' });
  });

  test.each(['0', '0.00', '-0', '-1.00'])('of %s is refused', async (amount) => {
    await fund();
    expect((await spend({ amount: pounds(amount) })).userErrors).toEqual([
      { code: 'AMOUNT_INVALID', message: expect.any(String), field: 'amount.amount' },
    ]);
  });

  test.each(['1e21', '0x10', '1,000', '٣', 'NaN', '1.999', '9'.repeat(16), 1.9, 2 ** 53, null])(
    'of %j never reaches a command',
    async (amount) => {
      const { errors } = await kit.ask(
        `mutation ($input: RecordSpendInput!) { recordSpend(input: $input) { userErrors { code } } }`,
        { input: { idempotencyKey: key(), ...swim(), amount: { amount } } },
      );
      expect(errors![0]!.extensions.code).toBe('BAD_USER_INPUT');
    },
  );
});

describe('setting right', () => {
  test('undoes once, to the penny, and gives back', async () => {
    await fund();
    const { spend: made } = await spend({ lineKey: 'swim' });
    const input = { spendId: made.id, expectedVersion: 1 };
    const refund = await send(
      kit,
      'refundSpend',
      { ...input, amount: pounds('4.00'), on: '2026-11-21' },
      shown,
    );
    expect(refund.spend).toMatchObject({
      refunded: { amount: '4.00' },
      paidBy: [
        { source: 'ICB', amount: { amount: '4.00' } },
        { source: 'COUNCIL', amount: { amount: '2.00' } },
      ],
    });
    const more = { spendId: made.id, expectedVersion: 2, amount: pounds('6.01'), on: '2026-11-21' };
    expect((await send(kit, 'refundSpend', more, shown)).userErrors[0].code).toBe('REFUND_TOO_LARGE');
    expect((await send(kit, 'refundSpend', { ...more, on: '2026-11-19' }, shown)).userErrors[0].code).toBe(
      'DAY_INVALID',
    );
    const undo = { spendId: made.id, expectedVersion: 2, reason: 'Closed that day' };
    const undone = await send(kit, 'undoSpend', undo, shown);
    expect(undone.spend).toMatchObject({
      state: 'UNDONE',
      version: 3,
      refunded: { amount: '0.00' },
      paidBy: [],
    });
    expect(left(undone)).toEqual({ ICB: '200.00', COUNCIL: '100.00' });
    expect((await send(kit, 'undoSpend', { ...undo, expectedVersion: 3 }, shown)).userErrors[0].code).toBe(
      'WRONG_STAGE',
    );
  });

  test('corrects in one go: the reference leads to what took its place', async () => {
    await fund();
    const externalRef = key();
    const { spend: made } = await spend({ lineKey: 'swim', externalRef });
    const corrected = await send(
      kit,
      'correctSpend',
      {
        spendId: made.id,
        expectedVersion: 1,
        reason: 'The other pool',
        lineKey: 'swim',
        amount: pounds('12.00'),
        spentOn: '2026-11-19',
        payee: 'Seaside Pool',
        what: 'Swimming',
      },
      `${shown} corrected { id state words }`,
    );
    expect(corrected.spend).toMatchObject({ state: 'INSIDE_PLAN', amount: { amount: '12.00' }, externalRef });
    expect(corrected.corrected).toEqual({ id: made.id, state: 'UNDONE', words: 'The other pool' });
    expect(left(corrected)).toEqual({ ICB: '192.00', COUNCIL: '96.00' });
    const again = await spend({ lineKey: 'swim', externalRef });
    expect(again.userErrors[0].code).toBe('ALREADY_RECORDED');
    expect(again.spend.id).toBe(corrected.spend.id);
  });
});

describe('money set aside', () => {
  const shownCommitment = `commitment { id what amount { amount } left { amount } }
    budget { balances { source left { amount } committed { amount } } commitments { id left { amount } } }`;
  const commit = (changes: object = {}) =>
    send(
      kit,
      'commitMoney',
      { budgetId: budget.id, amount: pounds('100.00'), what: 'A new wheelchair', ...changes },
      shownCommitment,
    );

  test('cannot be spent on anything else, is spent on its own, and let go', async () => {
    await payIn(kit, budget, { pence: 10_000n });
    const { commitment, budget: after } = await commit();
    expect(commitment).toMatchObject({ what: 'A new wheelchair', left: { amount: '100.00' } });
    expect(after.balances).toEqual([
      { source: 'ICB', left: { amount: '0.00' }, committed: { amount: '100.00' } },
    ]);
    expect((await spend()).userErrors[0].code).toBe('INSUFFICIENT_BALANCE');
    expect((await commit()).userErrors[0].code).toBe('INSUFFICIENT_BALANCE');

    const bought = await spend({ amount: pounds('60.00'), commitmentId: commitment.id });
    expect(bought.userErrors).toEqual([]);
    const release = { commitmentId: commitment.id, reason: 'It was cheaper' };
    const released = await send(kit, 'releaseCommitment', release, shownCommitment);
    expect(released.commitment.left).toEqual({ amount: '0.00' });
    expect(released.budget).toEqual({
      balances: [{ source: 'ICB', left: { amount: '40.00' }, committed: { amount: '0.00' } }],
      commitments: [],
    });
    expect((await send(kit, 'releaseCommitment', release, shownCommitment)).userErrors[0].code).toBe(
      'INSUFFICIENT_BALANCE',
    );
  });

  test('of a budget as a whole is let go by any who operates an account of it, and by no other provider', async () => {
    await payIn(kit, budget, { pence: 10_000n });
    const set = { budgetId: budget.id, portionId: budget.managed, amount: pounds('100.00'), what: 'Respite' };
    const { commitment } = await send(kit, 'commitMoney', set, shownCommitment, provider);
    const release = { commitmentId: commitment.id, reason: 'Not needed' };
    const stranger = { ...provider, organisation: 'D9H02' };
    expect(
      (await send(kit, 'releaseCommitment', release, shownCommitment, stranger)).userErrors[0].code,
    ).toBe('NOT_FOUND');
    const released = await send(kit, 'releaseCommitment', release, shownCommitment, provider);
    expect(released.userErrors).toEqual([]);
    expect(released.commitment.left).toEqual({ amount: '0.00' });
  });

  test('moves between portions stay with their source, and are for funders', async () => {
    await fund();
    const move = (amount: string, claims: object = coordinator) =>
      send(
        kit,
        'moveBetweenPortions',
        {
          budgetId: budget.id,
          toPortionId: budget.managed,
          source: 'COUNCIL',
          amount: pounds(amount),
          reason: 'For wages',
        },
        'budget { balances { source left { amount } } }',
        claims as never,
      );
    expect((await move('100.01')).userErrors[0].code).toBe('INSUFFICIENT_BALANCE');
    expect(left(await move('60.00'))).toEqual({ ICB: '200.00', COUNCIL: '100.00' });
    const wages = { portionId: budget.managed, lineKey: 'care', payee: 'Holloway Payroll' };
    expect((await spend({ ...wages, amount: pounds('60.01') }, provider)).userErrors[0].code).toBe(
      'INSUFFICIENT_BALANCE',
    );
    expect((await spend({ ...wages, amount: pounds('60.00') }, provider)).spend.paidBy).toEqual([
      { source: 'COUNCIL', amount: { amount: '60.00' } },
    ]);
  });
});

test('a budget shows its spends in pages, in one statement whatever is asked', async () => {
  await fund();
  for (const spentOn of ['2026-11-18', '2026-11-20', '2026-11-19']) await spend({ spentOn });
  const days = async (args: string) => {
    const before = kit.database.reader.sent();
    const { data, errors } = await kit.ask(
      `{ node(id: "${budget.id}") { ... on Budget { spends(${args}) { nodes { spentOn state findings { code } paidBy { source }
           bankLine { id } transfers { id } budget { id } } pageInfo { hasNextPage endCursor } } commitments { id } } } }`,
    );
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    return data.node.spends;
  };
  const page = await days('first: 2');
  expect(page.nodes.map(({ spentOn }: never) => spentOn)).toEqual(['2026-11-20', '2026-11-19']);
  const rest = await days(`first: 2, after: "${page.pageInfo.endCursor}", states: [INSIDE_PLAN, NEEDS_LOOK]`);
  expect(rest.nodes.map(({ spentOn }: never) => spentOn)).toEqual(['2026-11-18']);
  expect((await days('first: 2, states: [UNDONE]')).nodes).toEqual([]);
});

test('ids of others look like nothing', async () => {
  await fund();
  const { spend: made } = await spend();
  const stranger = { ...finance, organisation: 'QOX' };
  const input = { expectedVersion: 1, reason: 'x' };
  for (const spendId of [made.id, idOf('spd', crypto.randomUUID()), idOf('per', uuidOf('spd', made.id)!)]) {
    const payload = await send(kit, 'undoSpend', { ...input, spendId }, 'spend { id }', stranger);
    expect(payload).toEqual({
      spend: null,
      userErrors: [{ code: 'NOT_FOUND', message: expect.any(String), field: 'spendId' }],
    });
  }
});
