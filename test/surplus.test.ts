/** What is over of a budget, asking it back, and what it will be, at the door. */
import { randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { post } from '../src/ledger/post.ts';
import { uuidOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { carolForIris, iris } from './setup/evidence.ts';
import { coordinator, provider, startTestHub, type TestHub } from './setup/hub.ts';
import {
  councilFinance,
  councilFinanceToo,
  nhsFinance,
  nhsFinanceToo,
  pence,
  sayPolicies,
} from './setup/surplus.ts';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
});
afterAll(() => kit.close());

const surplus = `surplus { source organisationCode organisationName balance { amount } surplus { amount } committed { amount }
  weekly { amount } weeklyFrom weeks thresholdWeeks reclaimable { amount } citation }`;
const reclaim = `reclaim { id version status ground law reasons amount { amount } noticeOn payBy payer source organisation { code }
  reconsiderUnder mayAskForReconsideration appealRoute reconsiderationWords reconsiderationReasons
  repaid { amount } outstanding { amount } repayments { id kind source amount { amount } effectiveOn } budget { id } }
  userErrors { code field message }`;

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

async function budget(kind: string, selection: string): Promise<Any> {
  const before = kit.database.reader.sent();
  const { data, errors } = await kit.ask(
    `query ($n: NHSNumber!) { person(nhsNumber: $n) { budgets { id kind ${selection} } } }`,
    { n: iris.nhsNumber },
  );
  expect(errors).toBeUndefined();
  expect(kit.database.reader.sent() - before).toBe(1);
  return data.person.budgets.find((b: Any) => b.kind === kind);
}

async function command(name: string, input: object, claims: JWTPayload): Promise<Any> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { ${reclaim} } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
    claims,
  );
  if (errors !== undefined) return { errors };
  return data[name];
}

const codes = ({ userErrors }: Any) => userErrors.map(({ code, field }: Any) => [code, field]);

async function payIn(budgetId: string, source: 'ICB' | 'COUNCIL', amount: bigint) {
  const id = uuidOf('bud', budgetId)!;
  const { rows } = await kit.database.pool.query('select person_id from budget where id = $1', [id]);
  await kit.database.prisma.$transaction((tx) =>
    post(tx, { personId: rows[0].person_id, budgetId: id }, [
      {
        kind: 'PAID_IN',
        source,
        pence: amount,
        effectiveOn: today,
        portionId: null,
        description: null,
        cause: `test/${randomUUID()}`,
      },
    ]),
  );
}

describe('surplus', () => {
  test('without a policy is told, and nobody claims to know what may be asked back', async () => {
    const { surplus: told } = await budget('PERSONAL_HEALTH_BUDGET', surplus);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      source: 'ICB',
      organisationCode: 'QWN',
      weeklyFrom: 'FUNDING',
      thresholdWeeks: null,
      reclaimable: null,
      citation: null,
    });
  });

  test('by the policy of the day: above the threshold and what is set aside', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 2, contingency_weeks: 4 });
    for (const kind of ['PERSONAL_HEALTH_BUDGET', 'PERSONAL_BUDGET']) {
      const of = await budget(
        kind,
        `${surplus} fundingLines { source amount { amount } } balances { source left { amount } committed { amount } }`,
      );
      for (const told of of.surplus) {
        const { left, committed } = of.balances.find(({ source }: Any) => source === told.source);
        expect(pence(told.balance)).toBe(pence(left) + pence(committed));
        expect(told.committed).toEqual(committed);
        const isOwn = told.source === 'CLIENT_CONTRIBUTION';
        if (isOwn)
          expect(told).toMatchObject({ organisationCode: null, thresholdWeeks: null, reclaimable: null });
        else {
          const { amount } = of.fundingLines.find(({ source }: Any) => source === told.source);
          const weekly = pence(amount) / 52n;
          const back = pence(told.surplus) - 2n * weekly - pence(committed);
          expect(pence(told.weekly)).toBe(weekly);
          expect(pence(told.reclaimable)).toBe(back > 0n ? back : 0n);
          expect(told).toMatchObject({ thresholdWeeks: 2, citation: 'wenshire.example/policy' });
          expect(Number(told.weeks)).toBeCloseTo(
            Math.floor(Number((pence(told.surplus) * 10n) / weekly)) / 10,
            5,
          );
        }
      }
    }
  });

  test('of another day is what was there then', async () => {
    const { early, now, statement } = await budget(
      'PERSONAL_HEALTH_BUDGET',
      `early: surplus(on: "2026-06-30") { source balance { amount } } now: surplus { balance { amount } }
       statement(from: "2000-01-01", to: "2026-06-30") { total { closing { amount } } }`,
    );
    expect(early[0].balance).toEqual(statement.total.closing);
    expect(early[0].balance).not.toEqual(now[0].balance);
  });
});

describe('a reclaim', () => {
  const notice = (budgetId: string, more: object = {}) => ({
    budgetId,
    source: 'ICB',
    ground: 'SUBSTANTIAL_UNUSED_ACCUMULATION',
    reasons: 'More than two weeks of money has stood in the account since summer.',
    amount: { amount: '100.00' },
    payer: 'Harbour Carers Trust',
    ...more,
  });

  test('is noticed, reconsidered once, confirmed by a colleague, repaid: and the money is with its funder', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 2, repay_within_days: 14 });
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    await payIn(id, 'ICB', 1_000_000n);
    const given = await command('noticeReclaim', notice(id), nhsFinance);
    expect(given.userErrors).toEqual([]);
    expect(given.reclaim).toMatchObject({
      status: 'NOTICED',
      ground: 'SUBSTANTIAL_UNUSED_ACCUMULATION',
      law: expect.stringContaining('SI 2013/1617, regulation 15'),
      reconsiderUnder: expect.stringContaining('regulation 15'),
      mayAskForReconsideration: true,
      amount: { amount: '100.00' },
      noticeOn: today,
      payBy: '2026-12-05',
      payer: 'Harbour Carers Trust',
      organisation: { code: 'QWN' },
      repayments: [],
      version: 1,
    });
    const at = (version: number) => ({ reclaimId: given.reclaim.id, expectedVersion: version });

    const asked = await command(
      'requestReclaimReconsideration',
      { ...at(1), words: 'It is for the winter.' },
      carolForIris,
    );
    expect(asked.reclaim).toMatchObject({
      status: 'RECONSIDERING',
      reconsiderationWords: 'It is for the winter.',
      version: 2,
    });
    // Nothing goes on until it is decided.
    expect(codes(await command('recordRepayment', { ...at(2), paidOn: today }, nhsFinanceToo))).toEqual([
      ['WRONG_STAGE', 'reclaimId'],
    ]);
    const decide = { ...at(2), outcome: 'CONFIRMED', reasons: 'Winter is in the plan already.' };
    expect(codes(await command('decideReclaimReconsideration', decide, nhsFinance))).toEqual([
      ['SECOND_PERSON_NEEDED', 'reclaimId'],
    ]);
    expect(codes(await command('decideReclaimReconsideration', decide, councilFinance))).toEqual([
      ['NOT_YOURS', 'reclaimId'],
    ]);
    expect(
      codes(await command('decideReclaimReconsideration', { ...decide, expectedVersion: 1 }, nhsFinanceToo)),
    ).toEqual([['CONFLICT', 'expectedVersion']]);
    const decided = await command('decideReclaimReconsideration', decide, nhsFinanceToo);
    expect(decided.reclaim).toMatchObject({
      status: 'CONFIRMED',
      reconsiderationReasons: 'Winter is in the plan already.',
      mayAskForReconsideration: false,
    });
    expect(
      codes(await command('requestReclaimReconsideration', { ...at(3), words: 'Again' }, carolForIris)),
    ).toEqual([['RECONSIDERED_ONCE', 'reclaimId']]);

    const before = await budget('PERSONAL_HEALTH_BUDGET', 'balances { paidIn { amount } left { amount } }');
    expect(codes(await command('recordRepayment', { ...at(3), paidOn: today }, nhsFinance))).toEqual([
      ['SECOND_PERSON_NEEDED', 'reclaimId'],
    ]);
    expect(
      codes(await command('recordRepayment', { ...at(3), paidOn: '2026-11-22' }, nhsFinanceToo)),
    ).toEqual([['DAY_INVALID', 'paidOn']]);
    const repaid = await command('recordRepayment', { ...at(3), paidOn: today }, nhsFinanceToo);
    expect(repaid.reclaim).toMatchObject({
      status: 'REPAID',
      repayments: [{ kind: 'RECLAIMED', source: 'ICB', amount: { amount: '100.00' }, effectiveOn: today }],
    });
    const after = await budget(
      'PERSONAL_HEALTH_BUDGET',
      'balances { paidIn { amount } left { amount } } reclaims { id }',
    );
    expect(pence(before.balances[0].paidIn) - pence(after.balances[0].paidIn)).toBe(10_000n);
    expect(pence(before.balances[0].left) - pence(after.balances[0].left)).toBe(10_000n);
    expect(after.reclaims).toEqual([{ id: given.reclaim.id }]);
    expect(codes(await command('recordRepayment', { ...at(4), paidOn: today }, nhsFinanceToo))).toEqual([
      ['WRONG_STAGE', 'reclaimId'],
    ]);
  });

  test('asks for no more than the policy lets, all open notices together, and for no more than there is', async () => {
    const { id, surplus: told } = await budget('PERSONAL_HEALTH_BUDGET', surplus);
    const { amount: most } = told[0].reclaimable;
    const more = `${(pence(told[0].reclaimable) + 1n).toString().replace(/(..)$/, '.$1')}`;
    const tooMuch = await command('noticeReclaim', notice(id, { amount: { amount: more } }), nhsFinance);
    expect(codes(tooMuch)).toEqual([['RECLAIM_TOO_LARGE', 'amount']]);
    const all = await command('noticeReclaim', notice(id, { amount: { amount: most } }), nhsFinance);
    expect(all.userErrors).toEqual([]);
    expect(
      codes(await command('noticeReclaim', notice(id, { amount: { amount: '0.01' } }), nhsFinance)),
    ).toEqual([['RECLAIM_TOO_LARGE', 'amount']]);
    // Another ground reaches into the weeks that may be held.
    const misused = notice(id, { ground: 'USED_OTHERWISE_THAN_PLAN', amount: { amount: '1.00' } });
    expect((await command('noticeReclaim', misused, nhsFinance)).userErrors).toEqual([]);
  });

  test('of two at once, only what is there is asked back', async () => {
    const { id, surplus: told } = await budget('PERSONAL_BUDGET', surplus);
    await payIn(id, 'COUNCIL', 500_000n);
    const most = pence(told.find(({ source }: Any) => source === 'COUNCIL').surplus) + 500_000n;
    const amount = `${most / 100n}.${String(most % 100n).padStart(2, '0')}`;
    const input = notice(id, { source: 'COUNCIL', ground: 'CIRCUMSTANCES_CHANGED', amount: { amount } });
    const answers = await Promise.all([1, 2, 3].map(() => command('noticeReclaim', input, councilFinance)));
    expect(answers.flatMap(codes).map(([code]: [string]) => code)).toEqual([
      'RECLAIM_TOO_LARGE',
      'RECLAIM_TOO_LARGE',
    ]);
    // A council need not decide again, and says where to turn.
    const { reclaim: made } = answers.find(({ userErrors }) => userErrors.length === 0);
    expect(made).toMatchObject({ law: null, reconsiderUnder: null, mayAskForReconsideration: false });
    const asked = await command(
      'requestReclaimReconsideration',
      { reclaimId: made.id, expectedVersion: 1, words: 'Why?' },
      carolForIris,
    );
    expect(codes(asked)).toEqual([['RECONSIDERATION_NOT_DUE', 'reclaimId']]);
    expect(asked.userErrors[0].message).toContain('Local Government and Social Care Ombudsman');
    expect(asked.reclaim.id).toBe(made.id);
    // It was spent meanwhile: nothing is half repaid.
    await kit.database.prisma.$transaction(async (tx) => {
      const budgetId = uuidOf('bud', id)!;
      const { personId } = await tx.budget.findFirstOrThrow({ where: { id: budgetId } });
      await post(tx, { personId, budgetId }, [
        {
          kind: 'SPENT',
          source: 'COUNCIL',
          pence: 1n,
          effectiveOn: today,
          portionId: null,
          description: null,
          cause: 'test/late',
        },
      ]);
    });
    const short = await command(
      'recordRepayment',
      { reclaimId: made.id, expectedVersion: 1, paidOn: today },
      councilFinanceToo,
    );
    expect(codes(short)).toEqual([['INSUFFICIENT_BALANCE', 'reclaimId']]);
  });

  test('is repaid in parts, to the penny and never more, and can still be decided again', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 0, repay_within_days: 14 });
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    await payIn(id, 'ICB', 1_000_000n);
    const most = { ...notice(id), amount: { amount: '100.00' } };
    const { reclaim: made } = await command('noticeReclaim', most, nhsFinance);
    const repay = (version: number, amount?: string) =>
      command(
        'recordRepayment',
        {
          reclaimId: made.id,
          expectedVersion: version,
          paidOn: today,
          ...(amount === undefined ? {} : { amount: { amount } }),
        },
        nhsFinanceToo,
      );
    expect(made).toMatchObject({ repaid: { amount: '0.00' }, outstanding: { amount: '100.00' } });
    const tooMuch = await repay(1, '100.01');
    expect(codes(tooMuch)).toEqual([['REPAYMENT_TOO_LARGE', 'amount']]);
    expect(tooMuch.userErrors[0].message).toContain('£100.00');
    expect(tooMuch.reclaim).toMatchObject({ id: made.id, version: 1 });
    expect(codes(await repay(1, '0.00'))).toEqual([['AMOUNT_INVALID', 'amount.amount']]);
    expect((await repay(1, '30.00')).reclaim).toMatchObject({
      status: 'PART_REPAID',
      repaid: { amount: '30.00' },
      outstanding: { amount: '70.00' },
      mayAskForReconsideration: true,
    });
    // What was repaid may be asked back again only as far as it is in the account: the rest is asked back already.
    const balance = async () => pence((await budget('PERSONAL_HEALTH_BUDGET', surplus)).surplus[0].balance);
    const left = await balance();
    expect(codes(await repay(2, '70.01'))).toEqual([['REPAYMENT_TOO_LARGE', 'amount']]);
    expect(await balance()).toBe(left);
    const asked = await command(
      'requestReclaimReconsideration',
      { reclaimId: made.id, expectedVersion: 2, words: 'The rest is for the winter.' },
      carolForIris,
    );
    expect(asked.reclaim).toMatchObject({ status: 'RECONSIDERING' });
    expect(codes(await repay(3, '1.00'))).toEqual([['WRONG_STAGE', 'reclaimId']]);
    const decide = { reclaimId: made.id, expectedVersion: 3, outcome: 'CONFIRMED', reasons: 'It stands.' };
    expect((await command('decideReclaimReconsideration', decide, nhsFinanceToo)).reclaim.status).toBe(
      'CONFIRMED',
    );
    expect((await repay(4, '20.00')).reclaim).toMatchObject({ status: 'PART_REPAID' });
    const done = await repay(5);
    expect(done.reclaim).toMatchObject({
      status: 'REPAID',
      repaid: { amount: '100.00' },
      outstanding: { amount: '0.00' },
    });
    expect(done.reclaim.repayments.map((one: Any) => one.amount.amount)).toEqual(['30.00', '20.00', '50.00']);
    expect(await balance()).toBe(left - 7_000n);
    expect(codes(await repay(6, '0.01'))).toEqual([['WRONG_STAGE', 'reclaimId']]);
  });

  test('is given by the organisation whose money it is, and by nobody else', async () => {
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    const other = await budget('PERSONAL_BUDGET', '');
    expect(codes(await command('noticeReclaim', notice(id), councilFinance))).toEqual([
      ['NOT_YOURS', 'source'],
    ]);
    const own = notice(other.id, { source: 'CLIENT_CONTRIBUTION', ground: 'CIRCUMSTANCES_CHANGED' });
    expect(codes(await command('noticeReclaim', own, councilFinance))).toEqual([['NOT_YOURS', 'source']]);
    const { errors } = await command('noticeReclaim', notice(id), provider);
    expect(errors[0].extensions.code).toBe('FORBIDDEN');
    const stranger = { ...nhsFinance, organisation: 'QWE' };
    expect(codes(await command('noticeReclaim', notice(id), stranger))).toEqual([['NOT_FOUND', 'budgetId']]);
  });

  test('is asked about by who may speak for the money, and decided by somebody else than asked', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 0, repay_within_days: 14 });
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    await payIn(id, 'ICB', 1_000_000n);
    const { reclaim: made } = await command('noticeReclaim', notice(id), nhsFinance);
    const at = (version: number) => ({ reclaimId: made.id, expectedVersion: version });
    const elsewhere = { ...provider, organisation: 'D9H02' };
    const ask = { ...at(1), words: 'She asked me to say that it is for the winter.' };
    expect(codes(await command('requestReclaimReconsideration', ask, elsewhere))).toEqual([
      ['NOT_FOUND', 'reclaimId'],
    ]);
    // Of the provider only while it operates the account.
    const operates = (yes: boolean) =>
      kit.database.pool.query(
        `update portion set account_operator_id = case when $2 then (select id from organisation where ods_code = 'D9H01') end
          where person_id = (select person_id from budget where id = $1)`,
        [uuidOf('bud', id), yes],
      );
    await operates(false);
    expect(codes(await command('requestReclaimReconsideration', ask, provider))).toEqual([
      ['NOT_YOURS', 'reclaimId'],
    ]);
    await operates(true);
    // The same sign-in with another part: whoever asked does not decide.
    const both = { ...provider, sub: 'both' };
    expect((await command('requestReclaimReconsideration', ask, both)).userErrors).toEqual([]);
    const decide = { ...at(2), outcome: 'WITHDRAWN', reasons: 'It is for the winter indeed.' };
    const sameHuman = { ...nhsFinanceToo, sub: 'both' };
    expect(codes(await command('decideReclaimReconsideration', decide, sameHuman))).toEqual([
      ['SECOND_PERSON_NEEDED', 'reclaimId'],
    ]);
    // And whoever gave the notice does not, by another sign-in of theirs.
    const again = { ...nhsFinance, sub: 'fay-2' };
    expect(codes(await command('decideReclaimReconsideration', decide, again))).toEqual([
      ['SECOND_PERSON_NEEDED', 'reclaimId'],
    ]);
    const done = await command('decideReclaimReconsideration', decide, nhsFinanceToo);
    expect(done.reclaim).toMatchObject({
      status: 'WITHDRAWN',
      outstanding: { amount: '0.00' },
      repayments: [],
    });
    expect(codes(await command('recordRepayment', { ...at(3), paidOn: today }, nhsFinanceToo))).toEqual([
      ['WRONG_STAGE', 'reclaimId'],
    ]);
  });

  test('needs words, an amount and a day that make sense', async () => {
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    const refused = async (more: object) =>
      codes(await command('noticeReclaim', notice(id, more), nhsFinance));
    expect(await refused({ reasons: ' ' })).toEqual([['TEXT_INVALID', 'reasons']]);
    expect(await refused({ payer: '' })).toEqual([['TEXT_INVALID', 'payer']]);
    expect(await refused({ amount: { amount: '0.00' } })).toEqual([['AMOUNT_INVALID', 'amount.amount']]);
    expect(await refused({ payBy: '2026-11-20' })).toEqual([['DAY_INVALID', 'payBy']]);
    await sayPolicies(kit, { surplus_threshold_weeks: null, repay_within_days: null });
    expect(await refused({})).toEqual([['DAY_INVALID', 'payBy']]);
    expect(await refused({ payBy: '2026-12-31' })).toEqual([['THRESHOLD_NOT_KNOWN', 'ground']]);
  });
});

describe('a forecast', () => {
  test('goes by recent spending where no joint plan says what care costs, and crosses the thresholds that are said', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 1, contingency_weeks: 4 });
    const { forecast, balances, fundingLines } = await budget(
      'PERSONAL_HEALTH_BUDGET',
      `forecast { left { amount } weeklyIn { amount } weeklyOut { amount } weeklyOutFrom runsOutOn endsOn leftAtEnd { amount } weeksAtEnd alerts }
       balances { left { amount } } fundingLines { amount { amount } }`,
    );
    expect(forecast.left).toEqual(balances[0].left);
    expect(pence(forecast.weeklyIn)).toBe(pence(fundingLines[0].amount) / 52n);
    expect(forecast.weeklyOutFrom).toBe('RECENT_SPENDING');
    expect(pence(forecast.weeklyOut) > 0n).toBe(true);
    expect(forecast.alerts).toContain('OVER_THRESHOLD');
    await sayPolicies(kit, { surplus_threshold_weeks: null, contingency_weeks: null });
    const { forecast: silent } = await budget('PERSONAL_HEALTH_BUDGET', 'forecast { alerts }');
    expect(silent.alerts).toEqual([]);
  });

  test('goes by the joint plan and the schedules where there are any: it runs out, and says so in time', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 8, contingency_weeks: 4 });
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    const { pool } = kit.database;
    const budgetId = uuidOf('bud', id)!;
    const { rows } = await pool.query('select person_id from budget where id = $1', [budgetId]);
    const { person_id } = rows[0];
    const before = await budget('PERSONAL_HEALTH_BUDGET', 'forecast { left { amount } }');
    // The money there is lasts three weeks of it.
    const weekly = pence(before.forecast.left) / 3n;
    await pool.query(
      `with p as (insert into plan (person_id, number, title, status, valid_from) values ($1, 1, 'Plan', 'AGREED', '2026-11-01') returning id)
       insert into plan_line (plan_id, person_id, position, key, kind, what, outcome_keys, need_keys, quantity, unit_cost_pence,
                              frequency, weekly_pence, yearly_pence, source)
       select p.id, $1, l.position, l.key, 'SERVICE', 'Care', '{}', '{}', 1, 1, l.frequency::cost_frequency, l.weekly, 1, l.source::funding_source
         from p, (values (1, 'a', 'WEEKLY', $2::bigint, 'ICB'), (2, 'b', 'ONE_OFF', null, 'ICB'), (3, 'c', 'WEEKLY', 777, 'COUNCIL'),
                         (4, 'd', 'WEEKLY', 999, null)) as l(position, key, frequency, weekly, source)`,
      [person_id, String(weekly + 5_000n)],
    );
    const schedule = (frequency: string, status: string, pay: number) =>
      pool.query(
        `with s as (insert into payment_schedule (person_id, budget_id, source, organisation_id, frequency, pay_when, gross_or_net, status, valid_from)
           select $1, $2, 'ICB', id, $3::payment_frequency, 'IN_ADVANCE', 'GROSS', $4::schedule_status, '2026-04-01' from organisation where ods_code = 'QWN'
           returning id)
         insert into schedule_rate (schedule_id, person_id, valid_from, weekly_pence)
         select s.id, $1, r.from, r.pence from s, (values ('2026-04-01'::date, 1), ('2026-10-01', $5::int), ('2027-04-01', 9)) as r("from", pence)`,
        [person_id, budgetId, frequency, status, pay],
      );
    await schedule('FOUR_WEEKLY', 'ACTIVE', 5_000);
    await schedule('WEEKLY', 'ENDED', 70_000);
    await schedule('ONE_OFF', 'ACTIVE', 80_000);
    const { forecast, surplus: told } = await budget(
      'PERSONAL_HEALTH_BUDGET',
      `${surplus} forecast { weeklyIn { amount } weeklyOut { amount } weeklyOutFrom runsOutOn alerts }`,
    );
    expect(pence(forecast.weeklyOut)).toBe(weekly + 5_000n);
    expect(pence(forecast.weeklyIn)).toBe(5_000n);
    expect(forecast).toMatchObject({
      weeklyOutFrom: 'PLAN',
      runsOutOn: '2026-12-12',
      alerts: ['RUNS_OUT_SOON'],
    });
    expect(told[0].weeklyFrom).toBe('PLAN');
    expect(pence(told[0].weekly)).toBe(weekly + 5_000n);
    // Before the plan was in force nothing of it counts.
    const { surplus: earlier } = await budget(
      'PERSONAL_HEALTH_BUDGET',
      surplus.replace('surplus {', 'surplus(on: "2026-10-31") {'),
    );
    expect(earlier[0].weeklyFrom).toBe('FUNDING');
  });

  test('is for whoever sees the budget, and for nobody else', async () => {
    const stranger = { ...coordinator, organisation: 'QWE' };
    const { id } = await budget('PERSONAL_HEALTH_BUDGET', '');
    const { data } = await kit.ask(
      `{ node(id: "${id}") { ... on Budget { forecast { alerts } } } }`,
      {},
      stranger,
    );
    expect(data.node).toBeNull();
  });
});
