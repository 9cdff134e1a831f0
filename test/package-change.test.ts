/** A package is changed: its cost seen first, in force at once within what the policies allow, agreed or refused beyond. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mustAgree } from '../src/package-change/rules.ts';
import { extraPence, type LineChange, weeklyOn } from '../src/plan/line-change.ts';
import { addDays, daysBetween } from '../src/platform/day.ts';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import {
  agreePlan,
  daughter,
  finance,
  herself,
  makeBudget,
  type OwnBudget,
  payIn,
  pounds,
} from './setup/spending.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

const begin = '2026-04-01';
const day = fc.nat(700).map((days) => addDays(begin, days));
const change: fc.Arbitrary<LineChange> = fc
  .record({ from: day, days: fc.option(fc.nat(400)), weeklyPence: fc.bigInt(0n, 100_000n) })
  .map(({ from, days, weeklyPence }) => ({
    from,
    to: days === null ? null : addDays(from, days),
    weeklyPence,
  }));
const changes = fc.array(change, { maxLength: 5 });
const planned = fc.bigInt(0n, 100_000n);

describe('what changes cost', () => {
  test('is the sum of what each day costs more than planned, rounded once', () => {
    fc.assert(
      fc.property(planned, changes, day, fc.nat(500), (plan, made, from, days) => {
        const to = addDays(from, days);
        let sevenths = 0n;
        for (let n = 0; n < days; n++) sevenths += weeklyOn(plan, made, addDays(from, n)) - plan;
        const exact = Number(sevenths) / 7;
        const extra = Number(extraPence(plan, made, { from, to }));
        expect(Math.abs(extra - exact)).toBeLessThanOrEqual(0.5);
        expect(daysBetween(from, to)).toBe(days);
      }),
    );
  });

  test('the one agreed last counts, and nothing before its first day or after its end', () => {
    const made = [
      { from: '2026-05-01', to: null, weeklyPence: 200n },
      { from: '2026-06-01', to: '2026-06-08', weeklyPence: 0n },
    ];
    const on = (at: string) => weeklyOn(100n, made, at);
    expect(['2026-04-30', '2026-05-01', '2026-06-01', '2026-06-07', '2026-06-08'].map(on)).toEqual([
      100n,
      200n,
      0n,
      0n,
      200n,
    ]);
  });

  test('asks the funders whose limit it passes, and all of them when the money would not last', () => {
    const funders = fc.array(fc.record({ organisationId: fc.uuid(), percent: fc.option(fc.nat(100)) }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(
        funders,
        planned,
        planned,
        fc.option(fc.bigInt(-5n, 5n)),
        (all, plan, weekly, leftAfter) => {
          const asked = mustAgree(all, { planned: plan, weekly, leftAfter });
          for (const funder of all) {
            const allowed =
              funder.percent !== null && Number(weekly) <= Number(plan) * (1 + funder.percent / 100) + 1e-9;
            const isAsked = weekly > plan && ((leftAfter !== null && leftAfter < 0n) || !allowed);
            expect(asked.includes(funder)).toBe(isAsked);
          }
        },
      ),
    );
  });
});

let kit: TestHub;
let budget: OwnBudget;
let planId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  const { pool } = kit.database;
  await pool.query('delete from commissioner_policy');
  await pool.query(
    `insert into commissioner_policy (organisation_id, source, effective_from, change_limit_percent, change_decider, citation)
     select id, case ods_code when '999' then 'COUNCIL' else 'ICB' end::funding_source, '2020-01-01',
            case ods_code when '999' then 20 else 10 end,
            case ods_code when '999' then 'FINANCE' end::change_decider, 'its page'
       from organisation where ods_code in ('QWN', '999')`,
  );
});
afterAll(() => kit.close());
beforeEach(async () => {
  const { pool } = kit.database;
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 900_000n });
  await agreePlan(kit, budget, [
    { key: 'pa', what: 'Personal assistant', yearlyPence: 780_000, portion: 'managed' },
  ]);
  const { rows } = await pool.query(
    `update plan_line set frequency = 'HOURLY', quantity = 10, unit_cost_pence = 1500, weekly_pence = 15000
      where person_id = $1 and key = 'pa' returning plan_id`,
    [budget.personId],
  );
  planId = idOf('pln', rows[0].plan_id);
});

const shown = `id version status kind quantity frequency unitCost { amount } weeklyCost { amount } plannedWeeklyCost { amount } from to reason
  draftedBy organisation { code } submittedAt agreedAt refusedAt refusal
  agreements { organisation { code } decider agreedBy agreedAt }
  effect { until extraCost { amount } leftBefore { amount } leftAfter { amount } }`;

async function give(command: string, input: object, claims: JWTPayload): Promise<Any> {
  const type =
    command === 'draftPackageChange' || command === 'refusePackageChange'
      ? `${command[0]!.toUpperCase()}${command.slice(1)}Input`
      : 'PackageChangeInput';
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${command}(input: $input) { packageChange { ${shown} } userErrors { code field message } } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
    claims,
  );
  return errors === undefined ? data[command] : { userErrors: errors.map(({ extensions }) => extensions) };
}

const draft = async (more: object, claims: JWTPayload = provider) =>
  give(
    'draftPackageChange',
    { planId, lineKey: 'pa', kind: 'TERMS', from: today, reason: 'More nights', ...more },
    claims,
  );
const step = (command: string, { id, version }: Any, claims: JWTPayload, more: object = {}) =>
  give(command, { packageChangeId: id, expectedVersion: version, ...more }, claims);
const codes = ({ userErrors }: Any) => userErrors.map(({ code }: Any) => code);

async function submitted(more: object) {
  const { packageChange, userErrors } = await draft(more);
  expect(userErrors).toEqual([]);
  const done = await step('submitPackageChange', packageChange, provider);
  expect(done.userErrors).toEqual([]);
  return done.packageChange;
}

async function spend(amount: string): Promise<Any> {
  const { data } = await kit.ask(
    `mutation ($input: RecordSpendInput!) { recordSpend(input: $input) { spend { state findings { code } } userErrors { code } } }`,
    {
      input: {
        idempotencyKey: randomUUID(),
        budgetId: budget.id,
        portionId: budget.managed,
        lineKey: 'pa',
        amount: pounds(amount),
        spentOn: today,
        payee: 'Jo Marsh',
        what: 'Wages',
      },
    },
    provider,
  );
  return data.recordSpend;
}

const weeklyOut = async () =>
  (
    await kit.ask(
      'query ($id: ID!) { node(id: $id) { ... on Budget { forecast { weeklyOut { amount } } } } }',
      { id: budget.id },
    )
  ).data.node.forecast.weeklyOut.amount;

const toYearEnd = daysBetween(today, '2027-04-01');

describe('a change of a package', () => {
  test('is seen with its cost before anybody is asked', async () => {
    const { packageChange } = await draft({ quantity: '12' });
    const extra = (3_000 * toYearEnd) / 700;
    expect(packageChange).toMatchObject({
      status: 'DRAFT',
      quantity: '12.00',
      unitCost: null,
      weeklyCost: { amount: '180.00' },
      plannedWeeklyCost: { amount: '150.00' },
      organisation: { code: 'D9H01' },
      agreements: [],
      effect: { until: '2027-04-01', extraCost: { amount: extra.toFixed(2) } },
    });
    const { leftBefore, leftAfter } = packageChange.effect;
    expect(Number(leftBefore.amount) - Number(leftAfter.amount)).toBeCloseTo(extra, 1);
    // Nothing goes by a draft.
    expect(await weeklyOut()).toBe('150.00');
    const paused = (await draft({ kind: 'PAUSE', to: addDays(today, 14), reason: 'In hospital' }))
      .packageChange;
    expect(paused).toMatchObject({
      weeklyCost: { amount: '0.00' },
      effect: { extraCost: { amount: '-300.00' } },
    });
  });

  test('within every limit holds at once, and everything goes by it', async () => {
    expect((await spend('7801.00')).spend).toMatchObject({ findings: [{ code: 'LINE_OVERSPENT' }] });
    const agreed = await submitted({ quantity: '11', from: begin });
    expect(agreed).toMatchObject({ status: 'AGREED', agreements: [], effect: null });
    expect(agreed.agreedAt).not.toBeNull();
    expect(await weeklyOut()).toBe('165.00');
    // Fifteen pounds a week more for a year.
    const { data } = await kit.ask(
      `query ($id: ID!) { node(id: $id) { ... on Plan { lines { key weeklyCost { amount } packageChanges { id status } } } } }`,
      { id: planId },
      herself,
    );
    expect(data.node.lines[0]).toMatchObject({
      key: 'pa',
      packageChanges: [{ id: agreed.id, status: 'AGREED' }],
    });
    await kit.database.pool.query('delete from spend_evidence; update spend set state = $$UNDONE$$');
    expect((await spend('782.00')).spend.findings).toEqual([]);
  });

  test('beyond a limit waits for each funder that it passes, by whom its policy names', async () => {
    // Eighteen percent above: past the board's ten, within the council's twenty.
    const board = await submitted({ quantity: '11.8' });
    expect(board).toMatchObject({
      status: 'PROPOSED',
      agreedAt: null,
      agreements: [{ organisation: { code: 'QWN' }, decider: 'CARE_TEAM', agreedBy: null }],
    });
    expect(await weeklyOut()).toBe('150.00');
    expect(codes(await step('agreePackageChange', board, { ...finance, organisation: 'QWN' }))).toEqual([
      'NOT_YOURS',
    ]);
    expect(codes(await step('agreePackageChange', board, socialWorker))).toEqual(['NOT_YOURS']);
    expect(codes(await step('agreePackageChange', board, provider))).toEqual(['FORBIDDEN']);

    const both = await submitted({ unitCost: pounds('18.50') });
    expect(both.agreements.map(({ organisation }: Any) => organisation.code).sort()).toEqual(['999', 'QWN']);
    const onList = async (claims: JWTPayload) =>
      (
        await kit.ask(
          '{ workList(first: 100, kinds: [PACKAGE_CHANGE]) { nodes { dueOn change { id } } } }',
          {},
          claims,
        )
      ).data.workList.nodes.map(({ change }: Any) => change.id);
    expect(await onList(coordinator)).toEqual(expect.arrayContaining([board.id, both.id]));
    expect(await onList(finance)).toContain(both.id);
    expect(await onList(finance)).not.toContain(board.id);

    const first = (await step('agreePackageChange', both, coordinator)).packageChange;
    expect(first).toMatchObject({ status: 'PROPOSED', agreedAt: null });
    expect(codes(await step('agreePackageChange', first, coordinator))).toEqual(['NOT_YOURS']);
    expect(await onList(coordinator)).not.toContain(both.id);
    const second = (await step('agreePackageChange', first, finance)).packageChange;
    expect(second).toMatchObject({ status: 'AGREED', effect: null });
    expect(await weeklyOut()).toBe('185.00');
    expect(await onList(finance)).not.toContain(both.id);
  });

  test('asks everybody who pays when the money would not last to the year’s end', async () => {
    const { pool } = kit.database;
    await pool.query(`update funding_line set amount_pence = 100 where person_id = $1`, [budget.personId]);
    const poor = await makeBudget(kit);
    const { rows } = await pool.query(`select id from portion where budget_id = $1 and position = 1`, [
      poor.uuid,
    ]);
    await pool.query(`update plan_line set portion_id = $1 where person_id = $2 and key = 'pa'`, [
      rows[0].id,
      poor.personId,
    ]);
    await pool.query(`update funding_line set amount_pence = 100 where budget_id = $1`, [poor.uuid]);
    const change = await submitted({ quantity: '10.5' });
    expect(change.status).toBe('PROPOSED');
    expect(change.agreements).toHaveLength(2);
    expect(Number(change.effect.leftAfter.amount)).toBeLessThan(0);
  });

  test('is refused by the family, and what had begun ends that day', async () => {
    const agreed = await submitted({ quantity: '11', from: begin });
    expect(codes(await step('refusePackageChange', agreed, coordinator, { reason: 'No' }))).toEqual([
      'WRONG_STAGE',
    ]);
    const refused = await step('refusePackageChange', agreed, daughter, {
      reason: 'Mum wants the old hours',
    });
    expect(refused.userErrors).toEqual([]);
    expect(refused.packageChange).toMatchObject({
      status: 'REFUSED',
      from: begin,
      to: today,
      refusal: 'Mum wants the old hours',
    });
    expect(await weeklyOut()).toBe('150.00');
    const proposed = await submitted({ quantity: '20' });
    expect(
      (await step('refusePackageChange', proposed, herself, { reason: 'No' })).packageChange,
    ).toMatchObject({
      status: 'REFUSED',
      agreedAt: null,
    });
    expect(
      codes(await step('agreePackageChange', { ...proposed, version: proposed.version + 1 }, coordinator)),
    ).toEqual(['WRONG_STAGE']);
    const taken = await submitted({ quantity: '20' });
    expect((await step('withdrawPackageChange', taken, provider)).packageChange.status).toBe('WITHDRAWN');
  });

  test('is decided once, whoever decides at the same time, and the second is told', async () => {
    const proposed = await submitted({ quantity: '11.8' });
    const [agree, refuse] = await Promise.all([
      step('agreePackageChange', proposed, coordinator),
      step('refusePackageChange', proposed, herself, { reason: 'No' }),
    ]);
    const told = [...codes(agree), ...codes(refuse)];
    expect(told).toEqual(['CONFLICT']);
    const drafted = (await draft({ quantity: '11' })).packageChange;
    const answers = await Promise.all([1, 2, 3].map(() => step('submitPackageChange', drafted, provider)));
    expect(answers.filter((answer) => codes(answer).length === 0)).toHaveLength(1);
    const { rows } = await kit.database.pool.query(
      `select count(*)::int as n from package_change where replace(id::text, '-', '') = $1 and version = 2`,
      [drafted.id.slice(4)],
    );
    expect(rows[0].n).toBe(1);
  });

  test('of how often it comes: what it costs a week follows, and holds like any other', async () => {
    const { packageChange, userErrors } = await draft({ frequency: 'FORTNIGHTLY', quantity: '8' });
    expect(userErrors).toEqual([]);
    // 8 units of 15.00 every other week, where 10 a week were planned.
    expect(packageChange).toMatchObject({
      frequency: 'FORTNIGHTLY',
      weeklyCost: { amount: '60.00' },
      plannedWeeklyCost: { amount: '150.00' },
    });
    expect((await step('submitPackageChange', packageChange, provider)).packageChange.status).toBe('AGREED');
  });

  test('of nothing, of what no account pays, by somebody else: each is told what to mend', async () => {
    expect(codes(await draft({}))).toEqual(['NOTHING_CHANGES']);
    expect(codes(await draft({ kind: 'END', quantity: '2' }))).toEqual(['NOTHING_CHANGES']);
    expect(codes(await draft({ kind: 'PAUSE', frequency: 'WEEKLY' }))).toEqual(['NOTHING_CHANGES']);
    expect(codes(await draft({ frequency: 'ONE_OFF' }))).toEqual(['LINE_NOT_MANAGED']);
    expect(codes(await draft({ quantity: '0' }))).toEqual(['QUANTITY_INVALID']);
    expect(codes(await draft({ quantity: '11', from: '2026-03-31' }))).toEqual(['DAY_INVALID']);
    expect(codes(await draft({ quantity: '11', to: today }))).toEqual(['DAY_INVALID']);
    expect(codes(await draft({ quantity: '11', reason: ' ' }))).toEqual(['REASON_NEEDED']);
    expect(codes(await draft({ quantity: '11', lineKey: 'other' }))).toEqual(['LINE_NOT_IN_PLAN']);
    expect(codes(await draft({ quantity: '11', planId: budget.id }))).toEqual(['NOT_FOUND']);
    expect(codes(await draft({ quantity: '11' }, { ...provider, organisation: 'QWE' }))).toEqual([
      'NOT_FOUND',
    ]);
    await kit.database.pool.query(`update plan_line set portion_id = null where person_id = $1`, [
      budget.personId,
    ]);
    expect(codes(await draft({ quantity: '11' }))).toEqual(['LINE_NOT_MANAGED']);
  });
});
