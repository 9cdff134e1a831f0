import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import { allTests, carol, contentFor, done as donePlan, portionsOf, proposeIrisPlan } from './setup/plan.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const finance = { sub: 'priya', name: 'Priya', tandem_role: 'FINANCE', organisation: 'QWN' };
const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };

let kit: TestHub;
let irisId: string;
let danielId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  const idOf = async (n: string) => (await kit.ask(`{ person(nhsNumber: "${n}") { id } }`)).data.person.id;
  irisId = await idOf(iris.nhsNumber);
  danielId = await idOf(daniel.nhsNumber);
  const { pool } = kit.database;
  await pool.query('delete from eligibility');
  await pool.query('delete from organisation_authorisation');
  await pool.query(`insert into organisation_authorisation (organisation_id, activity, valid_from, valid_to, granted_by)
    select o.id, a.activity::activity, a.since::date, a.till::date, 'test' from organisation o join (values
      ('QWN', 'MAKE_DIRECT_PAYMENTS', '2020-01-01', null), ('999', 'MAKE_DIRECT_PAYMENTS', '2020-01-01', null),
      ('D9H01', 'HOLD_MANAGED_ACCOUNT', '2020-01-01', '2027-04-01'), ('D9H02', 'HOLD_THIRD_PARTY_BUDGET', '2020-01-01', null)
    ) as a(code, activity, since, till) on a.code = o.ods_code`);
});
afterAll(() => kit.close());

const whole = `id kind status from to version keptBy agreed { amount } indicative { amount }
  partOf { id } parts { id }
  fundingLines { id source stream organisation { code } amount { amount } from to sharePercent lineKey }
  fundingSplits { id basis status panel decidedOn reviewDueOn from to note
    shares { source organisation { code } amount { amount } sharePercent lineKey } }
  portions { ...part } portionHistory { ...part }
  signOffs { name signedAt organisation { code } } awaitingSignOff { code }
  statementS26 { costToCouncil { amount } adultPays { amount } councilPays { amount } topUps { amount }
    otherPublicMoney { source organisationCode organisationName amount { amount } } }
  warnings { code message }`;
const part = `fragment part on Portion { id budget { id } management recurring amount { amount } channel from to reason
  accountOperator { code } replaces { id } replacedBy { id }
  duties { fundsHolder { holder organisation { code } } accountOperator { holder }
    legalEmployer { holder organisation { code } } purchaseDecider { holder } } }`;

const gbp = (amount: string) => ({ amount, currency: 'GBP' });
const icb = (amount: string) => ({ source: 'ICB', organisationCode: 'QWN', amount: gbp(amount) });
const council = (amount: string) => ({ source: 'COUNCIL', organisationCode: '999', amount: gbp(amount) });
const contribution = (amount: string) => ({ source: 'CLIENT_CONTRIBUTION', amount: gbp(amount) });
const managed = (amount: string, more = {}) => ({
  management: 'MANAGED_ACCOUNT',
  recurring: true,
  amount: gbp(amount),
  operatorCode: 'D9H01',
  ...more,
});

interface Asked {
  /** What else to ask of the payload, or of the budget alone. */
  extra?: string;
  of?: string;
  as?: object;
}

/** Gives a command and what came of it. */
async function give(
  command: string,
  input: object,
  { extra = '', of = whole, as = coordinator }: Asked = {},
) {
  const type = `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${command}(input: $input) { budget { ${of} } ${extra} userErrors { code message field } } } ${of === whole ? part : ''}`,
    { input: { idempotencyKey: crypto.randomUUID(), ...input } },
    { ...as },
  );
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data[command];
}

/** The same, of a command that is expected to succeed: the budget. */
async function done(command: string, input: object, asked: Asked = {}) {
  const answer = await give(command, input, asked);
  expect(answer.userErrors).toEqual([]);
  return answer.budget;
}

const faults = async (command: string, input: object, asked: Asked = {}) =>
  (await give(command, input, { of: 'id', ...asked })).userErrors.map(
    ({ code, field }: { code: string; field: string }) => `${code} ${field}`,
  );

const on = (budget: { id: string; version: number }) => ({
  budgetId: budget.id,
  expectedVersion: budget.version,
});

const integrated = (more = {}) => ({
  personId: irisId,
  kind: 'INTEGRATED',
  from: '2026-11-01',
  fundingLines: [icb('6000.00'), council('3500.00'), contribution('500.00')],
  portions: [managed('8000.00'), { management: 'NOTIONAL', recurring: false, amount: gbp('2000.00') }],
  ...more,
});

const read = async (budgetId: string) =>
  (
    await kit.ask(`query ($id: ID!) { node(id: $id) { ... on Budget { ${whole} } } } ${part}`, {
      id: budgetId,
    })
  ).data.node;

const count = async (table: string) =>
  Number((await kit.database.pool.query(`select count(*) from ${table}`)).rows[0].count);

const amounts = (lines: { source: string; amount: { amount: string } }[]) =>
  lines.map(({ source, amount }) => `${source} ${amount.amount}`);

/** Nobody has a joint plan. */
async function forgetPlans() {
  const joint = 'select id from plan where number is not null';
  await kit.database.pool.query(`delete from outcome where plan_id in (${joint})`);
  await kit.database.pool.query(`delete from plan where id in (${joint})`);
}

/** A joint plan in force, signed by these. */
async function agreePlan(personId: string, parties: string[]) {
  const { pool } = kit.database;
  const uuid = personId.slice(4);
  await forgetPlans();
  const { rows } = await pool.query(
    `insert into plan (person_id, number, title, status, valid_from, agreed_at)
     values ($1::uuid, 1, 'One plan', 'AGREED', '2026-11-01', now()) returning id`,
    [uuid],
  );
  for (const party of parties) {
    await pool.query(
      `insert into sign_off (plan_id, person_id, party, agrees, tests, subject, plan_version, signed_at)
       values ($1, $2::uuid, $3::sign_party, true, '{}', 'test', 1, now())`,
      [rows[0].id, uuid, party],
    );
  }
  return rows[0].id as string;
}

/** Lines `l1`, `l2` and so on of a plan, each costing so much a year. */
async function payFrom(planId: string, portionId: string, yearlyPence: number[]) {
  for (const [i, pence] of yearlyPence.entries()) {
    await kit.database.pool.query(
      `insert into plan_line (plan_id, person_id, position, key, kind, what, outcome_keys, need_keys, quantity, unit_cost_pence,
         frequency, weekly_pence, yearly_pence, portion_id)
       select id, person_id, $2::int, 'l' || $2::int, 'SERVICE', 'Care', '{}', '{}', 1, 1, 'WEEKLY', 1, $3, $4::uuid
         from plan where id = $1`,
      [planId, i + 1, pence, portionId.slice(4)],
    );
  }
}

const signOff = async (budget: { id: string; version: number }) => {
  const once = await done('signOffBudget', on(budget));
  return done('signOffBudget', on(once), { as: socialWorker });
};

const endAll = async (personId: string) => {
  await kit.database.pool.query(`update budget set part_of_id = null where person_id = $1::uuid`, [
    personId.slice(4),
  ]);
  await kit.database.pool.query(
    `update budget set status = 'ENDED', valid_to = valid_from where person_id = $1::uuid and link_id is null`,
    [personId.slice(4)],
  );
};

describe('a budget of the hub’s own', () => {
  test('is put to its funders: whose money, how it is managed, who does what', async () => {
    const budget = await done('proposeBudget', integrated({ to: '2027-11-01', indicative: gbp('9000.00') }));
    expect(budget).toMatchObject({
      kind: 'INTEGRATED',
      status: 'PROPOSED',
      from: '2026-11-01',
      to: '2027-11-01',
      version: 1,
      keptBy: null,
      agreed: { amount: '10000.00' },
      indicative: { amount: '9000.00' },
      signOffs: [],
      awaitingSignOff: [{ code: '999' }, { code: 'QWN' }],
      statementS26: {
        costToCouncil: { amount: '4000.00' },
        adultPays: { amount: '500.00' },
        councilPays: { amount: '3500.00' },
        topUps: { amount: '0.00' },
        otherPublicMoney: [{ source: 'ICB', organisationCode: 'QWN', amount: { amount: '6000.00' } }],
      },
      portions: [
        {
          management: 'MANAGED_ACCOUNT',
          amount: { amount: '8000.00' },
          accountOperator: { code: 'D9H01' },
          duties: {
            fundsHolder: { holder: 'OPERATOR', organisation: { code: 'D9H01' } },
            accountOperator: { holder: 'OPERATOR' },
            legalEmployer: { holder: 'PERSON', organisation: null },
            purchaseDecider: { holder: 'PERSON' },
          },
        },
        { management: 'NOTIONAL', recurring: false, duties: { fundsHolder: { holder: 'COMMISSIONER' } } },
      ],
    });
    expect(amounts(budget.fundingLines)).toEqual([
      'ICB 6000.00',
      'COUNCIL 3500.00',
      'CLIENT_CONTRIBUTION 500.00',
    ]);
    expect(budget.warnings.map(({ code }: { code: string }) => code).sort()).toEqual([
      'NO_COUNCIL_ELIGIBILITY',
      'NO_NHS_ELIGIBILITY',
    ]);
    expect(await read(budget.id)).toEqual(budget);
  });

  test('may begin as an early figure, and be proposed when the money is known', async () => {
    const input = integrated({ fundingLines: [], portions: [], indicative: gbp('9500.00') });
    const early = await done('proposeBudget', input);
    expect(early).toMatchObject({
      status: 'INDICATIVE',
      agreed: { amount: '0.00' },
      indicative: { amount: '9500.00' },
    });
    const revised = await done('reviseBudget', {
      ...on(early),
      to: '2027-10-01',
      fundingLines: [icb('5000.00'), council('4000.00')],
      portions: [managed('9000.00')],
    });
    expect(revised).toMatchObject({
      status: 'PROPOSED',
      version: 2,
      agreed: { amount: '9000.00' },
      to: '2027-10-01',
    });
    const open = await done('reviseBudget', {
      ...on(revised),
      to: null,
      portions: [managed('1.00'), managed('2.00')],
    });
    expect(open.to).toBeNull();
    expect(open.portions.map(({ id }: { id: string }) => id)[0]).toBe(revised.portions[0].id);
    expect(amounts(open.fundingLines)).toEqual(amounts(revised.fundingLines));

    // A line of the plan that is written meanwhile is paid from a portion, which then stays.
    const planId = await agreePlan(irisId, []);
    await payFrom(planId, open.portions[1].id, [1]);
    const fewer = { ...on(open), fundingLines: [icb('1.00'), council('1.00')], portions: [managed('1.00')] };
    expect(await faults('reviseBudget', fewer)).toEqual(['PORTION_IN_USE portions']);
    expect(await read(open.id)).toEqual(open);
    const many = { ...on(open), portions: Array(51).fill(managed('1.00')) };
    expect(await faults('reviseBudget', many)).toEqual(['TOO_MANY portions']);
  });

  test('that cannot be is refused, each thing on its field, and nothing is half-written', async () => {
    const before = [
      await count('budget'),
      await count('funding_line'),
      await count('portion'),
      await count('outbox'),
    ];
    expect(
      await faults('proposeBudget', {
        personId: irisId,
        kind: 'PERSONAL_HEALTH_BUDGET',
        from: '2026-11-01',
        to: '2026-11-01',
        fundingLines: [
          icb('100.00'),
          { ...icb('0.00'), stream: 'CHC', organisationCode: '999' },
          contribution('50.00'),
          { ...icb('1.00'), stream: 'x', amount: { amount: '1.00', currency: 'EUR' } },
          { ...icb('-1.00'), stream: 'y' },
        ],
        portions: [
          { management: 'MANAGED_ACCOUNT', recurring: true, amount: gbp('60.00') },
          managed('100.00', { duties: { legalEmployer: 'OPERATOR' } }),
          { management: 'COUNCIL_MANAGED', recurring: true, amount: gbp('1.00'), channel: 'BANK' },
        ],
      }),
    ).toEqual([
      'AMOUNT_INVALID fundingLines.1.amount.amount',
      'CURRENCY_NOT_GBP fundingLines.3.amount.currency',
      'AMOUNT_INVALID fundingLines.4.amount.amount',
      'DAY_INVALID to',
      'ORGANISATION_WRONG fundingLines.1.organisationCode',
      'CONTRIBUTION_AGAINST_NHS fundingLines.2.source',
      'OPERATOR_MISSING portions.0.operatorCode',
      'DUTIES_IMPOSSIBLE portions.1.duties.legalEmployer',
      'MANAGEMENT_NOT_POSSIBLE portions.2.management',
      'CHANNEL_NOT_POSSIBLE portions.2.channel',
      'PORTIONS_EXCEED_BUDGET portions.1.amount',
      'PORTIONS_EXCEED_BUDGET portions.2.amount',
    ]);
    expect(await faults('proposeBudget', integrated({ fundingLines: [] }))).toContain(
      'MONEY_MISSING fundingLines',
    );
    expect(await faults('proposeBudget', integrated({ fundingLines: [icb('1.00')], portions: [] }))).toEqual([
      'BOTH_SIDES_NEEDED fundingLines',
    ]);
    expect(await faults('proposeBudget', integrated({ partIds: ['nonsense'] }))).toEqual([
      'PART_NOT_POSSIBLE partIds.0',
    ]);
    expect(await faults('proposeBudget', integrated({ personId: 'per_x' }))).toEqual([
      'PERSON_NOT_FOUND personId',
    ]);
    const after = [
      await count('budget'),
      await count('funding_line'),
      await count('portion'),
      await count('outbox'),
    ];
    expect(after).toEqual(before);
  });

  test('of somebody with continuing healthcare holds no council money but for other needs', async () => {
    const { pool } = kit.database;
    const hold = (scheme: string) =>
      pool.query(
        `insert into eligibility (person_id, scheme, status, valid_from) values ($1::uuid, $2::eligibility_scheme, 'ELIGIBLE', '2026-01-01')`,
        [danielId.slice(4), scheme],
      );
    await hold('CHC_STANDARD');
    expect(await faults('proposeBudget', integrated({ personId: danielId }))).toEqual([
      'CHC_NEED_CHARGED_TO_COUNCIL fundingLines',
    ]);
    await hold('CARE_ACT');
    const budget = await done('proposeBudget', integrated({ personId: danielId }));
    expect(budget.warnings.map(({ code }: { code: string }) => code)).toEqual(['CHC_WITH_COUNCIL_BUDGET']);
    await pool.query('delete from eligibility');
  });

  test('is signed off by each funder, and by nobody else; a revision is signed anew', async () => {
    const budget = await done('proposeBudget', integrated());
    const once = await done('signOffBudget', on(budget));
    expect(once).toMatchObject({
      status: 'PROPOSED',
      version: 2,
      signOffs: [{ organisation: { code: 'QWN' }, name: 'Nadia', signedAt: '2026-11-21T12:00:00.000Z' }],
      awaitingSignOff: [{ code: '999' }],
    });
    expect(await faults('signOffBudget', on(once), { as: finance })).toEqual(['ALREADY_SIGNED budgetId']);
    const both = await done('signOffBudget', on(once), { as: socialWorker });
    expect(both).toMatchObject({ status: 'SIGNED_OFF', version: 3, awaitingSignOff: [] });
    expect(await faults('signOffBudget', on(both))).toEqual(['WRONG_STAGE budgetId']);
    expect(await faults('reviseBudget', { ...on(both), to: '2028-01-01' })).toEqual(['WRONG_STAGE budgetId']);

    const second = await done('signOffBudget', on(await done('proposeBudget', integrated())));
    const revised = await done('reviseBudget', {
      ...on(second),
      fundingLines: [icb('7000.00'), council('3000.00')],
    });
    expect(revised).toMatchObject({
      status: 'PROPOSED',
      signOffs: [],
      awaitingSignOff: [{ code: '999' }, { code: 'QWN' }],
    });

    const nhsOnly = {
      ...integrated({ kind: 'PERSONAL_HEALTH_BUDGET', fundingLines: [icb('9000.00')], portions: [] }),
    };
    const own = await done('proposeBudget', nhsOnly);
    expect(await faults('signOffBudget', on(own), { as: socialWorker })).toEqual(['NOT_YOURS null']);
    const { errors } = await kit.ask(
      `mutation ($input: SignOffBudgetInput!) { signOffBudget(input: $input) { budget { id } } }`,
      { input: { idempotencyKey: crypto.randomUUID(), ...on(own) } },
      provider,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
  });

  test('that changed since shows how it is now; of two who change it at once one wins', async () => {
    const budget = await done('proposeBudget', integrated());
    const answers = await Promise.all([
      give('signOffBudget', on(budget)),
      give('signOffBudget', on(budget), { as: socialWorker }),
    ]);
    const codes = answers.map(({ userErrors }) => userErrors.map(({ code }: { code: string }) => code));
    expect(codes.sort()).toEqual([[], ['CONFLICT']]);
    for (const { budget: shown } of answers) expect(shown.signOffs).toHaveLength(1);
    expect((await read(budget.id)).version).toBe(2);
  });

  test('is all that is changed here: what a system keeps is changed there', async () => {
    const { data } = await kit.ask(
      `query ($id: ID!) { person(id: $id) { budgets { id version kind keptBy portions { id } } } }`,
      { id: irisId },
    );
    const kept = data.person.budgets.find(({ keptBy }: { keptBy: string | null }) => keptBy !== null);
    const split = {
      basis: 'PERCENT',
      status: 'AGREED',
      panel: 'x',
      decidedOn: today,
      from: today,
      shares: [{ source: 'ICB', organisationCode: 'QWN', percent: '100' }],
    };
    const reason = 'x';
    for (const [command, input] of Object.entries({
      reviseBudget: {},
      signOffBudget: {},
      releaseBudget: {},
      suspendBudget: { reason },
      endBudget: { on: today, reason },
      decideFundingSplit: split,
    })) {
      const { userErrors } = await give(command, { ...on(kept), ...input });
      expect(userErrors).toEqual([
        { code: 'KEPT_BY_SOURCE', message: expect.stringContaining(kept.keptBy), field: 'budgetId' },
      ]);
    }
    const change = { expectedVersion: 1, from: today, management: 'NOTIONAL', reason };
    expect(await faults('changePortionManagement', { portionId: kept.portions[0].id, ...change })).toEqual([
      'KEPT_BY_SOURCE portionId',
    ]);
    expect(await faults('changePortionManagement', { portionId: 'por_x', ...change })).toEqual([
      'NOT_FOUND portionId',
    ]);
  });
});

describe('releasing money', () => {
  const combined = async (personId: string) => {
    const figures = 'agreed { amount } paidIn { amount } spent { amount }';
    const { data } = await kit.ask(
      `query ($id: ID!) { person(id: $id) { alone: combined { ${figures} }
          combined { ${figures} byFunder { source organisation { code } agreed { amount } paidIn { amount } } } } }`,
      { id: personId },
    );
    expect(data.person.combined).toMatchObject(data.person.alone);
    return data.person.combined;
  };
  const pence = ({ amount }: { amount: string }) => BigInt(amount.replace('.', ''));

  test('waits for the plan and the signatures the law asks for, and says whose lacks', async () => {
    await endAll(irisId);
    const budget = await signOff(await done('proposeBudget', integrated()));
    await forgetPlans();
    const refused = async () => {
      const answer = await give('releaseBudget', on(budget));
      expect(answer.budget.status).toBe('SIGNED_OFF');
      return answer.userErrors;
    };
    expect(await refused()).toMatchObject([{ code: 'PLAN_NOT_AGREED', field: 'budgetId' }]);
    await agreePlan(irisId, ['NHS']);
    const [lack] = await refused();
    expect(lack).toMatchObject({ code: 'SIGNATURE_MISSING' });
    expect(lack.message).toMatch(/the person.*the council/);
    expect(lack.message).not.toContain('NHS');
    await agreePlan(irisId, ['NHS', 'COUNCIL']);
    expect((await refused())[0].message).not.toContain('council');

    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    expect(await done('releaseBudget', on(budget))).toMatchObject({ status: 'ACTIVE', version: 4 });
  });

  test('goes by the plan as its parties agreed it, one after the other', async () => {
    await endAll(irisId);
    await forgetPlans();
    const budget = await signOff(await done('proposeBudget', integrated()));
    const { lines } = contentFor(await portionsOf(kit, iris.nhsNumber));
    const portionId = budget.portions[0].id;
    const own = { lines: lines.map((line) => ({ ...line, quantity: '1', portionId })) };
    let plan = await proposeIrisPlan(kit, own);
    const parties = [
      [carol, [], 'the NHS; the council'],
      [coordinator, allTests, 'the council'],
      [socialWorker, allTests, null],
    ] as const;
    for (const [claims, tests, lacking] of parties) {
      const input = { planId: plan.id, expectedVersion: plan.version, tests };
      plan = await donePlan(kit, 'agreePlan', input, claims);
      if (lacking === null) continue;
      const [refusal] = (await give('releaseBudget', on(budget))).userErrors;
      expect(refusal).toMatchObject({ code: 'PLAN_NOT_AGREED', field: 'budgetId' });
      expect(refusal.message).toContain(`The one in hand lacks: ${lacking}.`);
    }
    expect(await done('releaseBudget', on(budget))).toMatchObject({ status: 'ACTIVE' });
  });

  test('is not for an operator who may no longer hold it', async () => {
    await endAll(irisId);
    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    const budget = await signOff(await done('proposeBudget', integrated()));
    const { pool } = kit.database;
    const until = (day: string | null) =>
      pool.query(
        `update organisation_authorisation set valid_to = $1 where activity = 'HOLD_MANAGED_ACCOUNT'`,
        [day],
      );
    await until(today);
    const { userErrors } = await give('releaseBudget', on(budget));
    await until('2027-04-01');
    expect(userErrors).toEqual([
      { code: 'NOT_AUTHORISED', message: expect.stringContaining(today), field: 'budgetId' },
    ]);
  });

  test('is held, goes on, and ends; an integrated budget’s parts count for it while it is in force', async () => {
    await endAll(irisId);
    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    const before = await combined(irisId);
    const { data } = await kit.ask(
      `query ($id: ID!) { person(id: $id) { budgets { id status keptBy agreed { amount } } } }`,
      { id: irisId },
    );
    const parts = data.person.budgets.filter(
      ({ status, keptBy }: { status: string; keptBy: string | null }) =>
        keptBy !== null && status === 'ACTIVE',
    );
    const partIds = parts.map(({ id }: { id: string }) => id);
    expect(partIds.length).toBeGreaterThan(1);
    const proposed = await done('proposeBudget', integrated({ partIds }));
    expect(proposed.parts.map(({ id }: { id: string }) => id).sort()).toEqual([...partIds].sort());
    expect((await read(partIds[0])).partOf).toEqual({ id: proposed.id });
    expect(await faults('proposeBudget', integrated({ partIds: [partIds[0]] }))).toEqual([
      'PART_NOT_POSSIBLE partIds.0',
    ]);
    // Nothing is agreed but what was, until it is released.
    expect(await combined(irisId)).toEqual(before);

    const active = await done('releaseBudget', on(await signOff(proposed)));
    const as = await combined(irisId);
    expect(as.agreed).toEqual({ amount: '10000.00' });
    expect([as.paidIn, as.spent]).toEqual([before.paidIn, before.spent]);
    expect(
      as.byFunder.map(({ source, organisation }: never) => [
        source,
        (organisation as { code: string })?.code,
      ]),
    ).toEqual([
      ['ICB', 'QWN'],
      ['COUNCIL', '999'],
      ['CLIENT_CONTRIBUTION', undefined],
    ]);
    for (const [i, funder] of as.byFunder.entries()) expect(funder.paidIn).toEqual(before.byFunder[i].paidIn);
    expect(pence(as.byFunder[0].agreed)).toBe(600_000n);

    expect(await faults('suspendBudget', { ...on(active), reason: ' ' })).toEqual(['REASON_NEEDED reason']);
    const held = await done('suspendBudget', { ...on(active), reason: 'Statements are missing' });
    expect(held.status).toBe('SUSPENDED');
    const again = await done('releaseBudget', on(held));
    expect(again.status).toBe('ACTIVE');
    expect(await faults('endBudget', { ...on(again), on: '2026-10-31', reason: 'x' })).toEqual([
      'DAY_INVALID on',
    ]);
    const later = await done('endBudget', { ...on(again), on: '2026-12-31', reason: 'Moves away' });
    expect(later).toMatchObject({ status: 'ACTIVE', to: '2026-12-31' });
    const ended = await done('endBudget', { ...on(later), on: today, reason: 'Moved away' });
    expect(ended).toMatchObject({ status: 'ENDED', to: today, parts: [] });
    expect(await combined(irisId)).toEqual(before);
    expect(await faults('endBudget', { ...on(ended), on: today, reason: 'x' })).toEqual([
      'WRONG_STAGE budgetId',
    ]);
    const { rows } = await kit.database.pool.query(
      `select reason from audit_event where object = 'endBudget' and outcome = 'DONE' order by id`,
    );
    expect(rows.slice(-2)).toEqual([{ reason: 'Moves away' }, { reason: 'Moved away' }]);
  });

  test('of lines by stream and by split counts what moved once', async () => {
    const before = await combined(danielId);
    const { pool } = kit.database;
    const { rows } = await pool.query(
      `select id, person_id from budget where person_id = $1::uuid and kind = 'PERSONAL_HEALTH_BUDGET' and status = 'ACTIVE' limit 1`,
      [danielId.slice(4)],
    );
    const add = `insert into funding_line (budget_id, person_id, source, stream, organisation_id, amount_pence, valid_from, valid_to)
      select $1, $2, 'ICB', s.stream, o.id, 100, s.since::date, s.till::date from organisation o, (values
        ('Section 117', null, null), ('over', '2026-01-01', $3), ('to come', '2026-11-22', null)) as s(stream, since, till)
       where o.ods_code = 'QWN'`;
    await pool.query(add, [rows[0].id, rows[0].person_id, today]);
    const after = await combined(danielId);
    await pool.query(`delete from funding_line where budget_id = $1 and stream <> ''`, [rows[0].id]);
    expect([after.paidIn, after.spent]).toEqual([before.paidIn, before.spent]);
    expect(pence(after.agreed) - pence(before.agreed)).toBe(100n);
    expect(after.byFunder.length).toBe(before.byFunder.length);
  });
});

describe('a funding split', () => {
  const base = {
    basis: 'PERCENT',
    status: 'AGREED',
    panel: 'Wenshire joint funding panel',
    decidedOn: '2026-11-19',
    from: '2026-11-20',
  };
  const percents = (nhs: string, ours: string) => [
    { source: 'ICB', organisationCode: 'QWN', percent: nhs },
    { source: 'COUNCIL', organisationCode: '999', percent: ours },
  ];
  const active = async (more = {}) => {
    await endAll(irisId);
    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    return done('releaseBudget', on(await signOff(await done('proposeBudget', integrated(more)))));
  };
  const extra = 'split { id basis shares { source amount { amount } } }';

  test('by percent takes effect on its day; what the adult pays stays the council’s', async () => {
    const budget = await active();
    const shares = percents('50.00', '50.00');
    const answer = await give(
      'decideFundingSplit',
      { ...on(budget), ...base, shares, reviewDueOn: '2027-02-01' },
      { extra },
    );
    expect(answer.userErrors).toEqual([]);
    expect(answer.split).toMatchObject({ basis: 'PERCENT', id: expect.stringMatching(/^spl_/) });
    expect(answer.budget).toMatchObject({
      version: budget.version + 1,
      status: 'ACTIVE',
      agreed: { amount: '10000.00' },
      statementS26: {
        costToCouncil: { amount: '5000.00' },
        adultPays: { amount: '500.00' },
        councilPays: { amount: '4500.00' },
      },
      fundingSplits: [
        {
          panel: base.panel,
          decidedOn: '2026-11-19',
          from: '2026-11-20',
          to: null,
          reviewDueOn: '2027-02-01',
        },
      ],
    });
    expect(amounts(answer.budget.fundingLines)).toEqual([
      'ICB 5000.00',
      'COUNCIL 4500.00',
      'CLIENT_CONTRIBUTION 500.00',
    ]);
    expect(answer.budget.fundingLines[0]).toMatchObject({
      sharePercent: '50.00',
      from: '2026-11-20',
      to: null,
    });
    expect(answer.budget.fundingLines[2]).toMatchObject({ sharePercent: null, from: null });

    // The next one interrupts it for some days, in dispute, and is paid all the same.
    const next = await done('decideFundingSplit', {
      ...on(answer.budget),
      ...base,
      status: 'DISPUTED',
      from: '2026-11-21',
      to: '2026-12-01',
      shares: percents('33.33', '66.67'),
    });
    expect(amounts(next.fundingLines)).toEqual([
      'ICB 3333.00',
      'COUNCIL 6167.00',
      'CLIENT_CONTRIBUTION 500.00',
    ]);
    const lines = async (day: string) => {
      const { data } = await kit.ask(
        `query ($id: ID!, $day: LocalDate) { person(id: $id) { budgets(asAt: { day: $day }) { id fundingLines { source amount { amount } } statementS26 { councilPays { amount } } } } }`,
        { id: irisId, day },
      );
      const { fundingLines, statementS26 } = data.person.budgets.find(
        ({ id }: { id: string }) => id === budget.id,
      );
      expect(statementS26.councilPays).toEqual(fundingLines[1].amount);
      return amounts(fundingLines).slice(0, 2);
    };
    expect(await lines('2026-11-19')).toEqual(['ICB 6000.00', 'COUNCIL 3500.00']);
    expect(await lines('2026-11-20')).toEqual(['ICB 5000.00', 'COUNCIL 4500.00']);
    expect(await lines('2026-11-21')).toEqual(['ICB 3333.00', 'COUNCIL 6167.00']);
    expect(await lines('2026-12-01')).toEqual(['ICB 5000.00', 'COUNCIL 4500.00']);
    expect(
      next.fundingSplits.map(({ status, from, to, shares }: never) => [
        status,
        from,
        to,
        (shares as []).length,
      ]),
    ).toEqual([
      ['AGREED', '2026-11-20', null, 2],
      ['DISPUTED', '2026-11-21', '2026-12-01', 2],
    ]);

    // And one from before both takes the place of all that follows.
    const last = await done('decideFundingSplit', {
      ...on(next),
      ...base,
      from: '2026-11-10',
      shares: percents('60', '40'),
    });
    expect(amounts(last.fundingLines)).toEqual([
      'ICB 6000.00',
      'COUNCIL 3500.00',
      'CLIENT_CONTRIBUTION 500.00',
    ]);
    expect(await lines('2027-06-01')).toEqual(['ICB 6000.00', 'COUNCIL 3500.00']);
    expect(last.fundingSplits).toHaveLength(3);
  });

  test('that does not add up, or cannot be, is refused on its field and changes nothing', async () => {
    const budget = await active();
    const before = [await count('funding_split'), await count('funding_line')];
    const refused = (more: object) => faults('decideFundingSplit', { ...on(budget), ...base, ...more });
    expect(await refused({ shares: percents('59.99', '40.00') })).toEqual(['SPLIT_DOES_NOT_ADD_UP shares']);
    expect(await refused({ shares: percents('100.00', '0.00') })).toEqual([
      'CONTRIBUTION_AGAINST_NHS shares',
    ]);
    const fixed = (nhs: string, ours: string) => [icb(nhs), council(ours)];
    expect(await refused({ basis: 'FIXED_AMOUNT', shares: fixed('6000.00', '3500.01') })).toEqual([
      'SPLIT_DOES_NOT_ADD_UP shares',
    ]);
    expect(
      await refused({
        shares: percents('60', '40'),
        from: '2026-10-31',
        decidedOn: '2026-11-22',
        to: '2026-10-31',
        reviewDueOn: '2026-11-01',
      }),
    ).toEqual(['DAY_INVALID from', 'DAY_INVALID to', 'DAY_INVALID decidedOn', 'DAY_INVALID reviewDueOn']);
    expect(
      await refused({
        panel: ' ',
        shares: [
          { source: 'ICB', organisationCode: '999', percent: '60' },
          { source: 'COUNCIL', percent: '40' },
        ],
      }),
    ).toEqual([
      'TEXT_INVALID panel',
      'ORGANISATION_WRONG shares.0.organisationCode',
      'ORGANISATION_WRONG shares.1.organisationCode',
    ]);
    expect([await count('funding_split'), await count('funding_line')]).toEqual(before);
    const good = await done('decideFundingSplit', {
      ...on(budget),
      ...base,
      basis: 'FIXED_AMOUNT',
      status: 'INTERIM_WITHOUT_PREJUDICE',
      shares: fixed('9000.00', '500.00'),
    });
    expect(amounts(good.fundingLines)).toEqual([
      'ICB 9000.00',
      'COUNCIL 500.00',
      'CLIENT_CONTRIBUTION 500.00',
    ]);
  });

  test('by line follows the lines of the plan', async () => {
    const budget = await active();
    const planId = await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    await payFrom(planId, budget.portions[0].id, [620_000, 300_000]);
    const lines = (...keys: (string | undefined)[]) =>
      keys.map((lineKey, i) => ({
        source: i === 0 ? 'ICB' : 'COUNCIL',
        organisationCode: i === 0 ? 'QWN' : '999',
        lineKey,
      }));
    const refused = (shares: object[]) =>
      faults('decideFundingSplit', { ...on(budget), ...base, basis: 'PER_SERVICE_LINE', shares });
    expect(await refused(lines('l1', 'l3'))).toEqual(['LINE_NOT_KNOWN shares.1.lineKey']);
    expect(await refused(lines('l1', 'l2'))).toEqual(['SPLIT_DOES_NOT_ADD_UP shares']);
    const shares = lines('l1', 'l2', undefined);
    const split = await done('decideFundingSplit', {
      ...on(budget),
      ...base,
      basis: 'PER_SERVICE_LINE',
      shares,
    });
    const found = split.fundingLines.map(({ lineKey, amount }: never) => [
      lineKey,
      (amount as { amount: string }).amount,
    ]);
    expect(found).toEqual([
      ['l1', '6200.00'],
      ['l2', expect.any(String)],
      [null, expect.any(String)],
      [null, '500.00'],
    ]);
    expect(split.statementS26).toMatchObject({
      costToCouncil: { amount: '3800.00' },
      councilPays: { amount: '3300.00' },
    });
  });

  test('before release has its funders sign anew, and is not for who does not pay', async () => {
    await endAll(irisId);
    const signed = await signOff(await done('proposeBudget', integrated()));
    const split = await done('decideFundingSplit', { ...on(signed), ...base, shares: percents('60', '40') });
    expect(split).toMatchObject({ status: 'PROPOSED', signOffs: [] });
    // What is left out of a revision stays as it was divided.
    const revised = await done('reviseBudget', { ...on(split), portions: [managed('10000.00')] });
    expect(revised).toMatchObject({ fundingLines: split.fundingLines, agreed: { amount: '10000.00' } });
    const nhsOnly = integrated({
      kind: 'PERSONAL_HEALTH_BUDGET',
      fundingLines: [icb('9000.00')],
      portions: [],
    });
    const own = await done('proposeBudget', nhsOnly);
    const all = [{ source: 'ICB', organisationCode: 'QWN', percent: '100' }];
    expect(
      await faults('decideFundingSplit', { ...on(own), ...base, shares: all }, { as: socialWorker }),
    ).toEqual(['NOT_YOURS null']);
    expect(await faults('decideFundingSplit', { ...on(own), ...base, shares: percents('60', '40') })).toEqual(
      ['SOURCE_NOT_POSSIBLE shares.1.source'],
    );
  });
});

describe('the way a portion is managed', () => {
  const extra = 'portion { ...part }';
  const reason = 'Carol wants to run it herself';

  test('changes from a day on, and how it was stays on record', async () => {
    await endAll(irisId);
    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    const budget = await done('releaseBudget', on(await signOff(await done('proposeBudget', integrated()))));
    const [first] = budget.portions;
    const change = { portionId: first.id, expectedVersion: budget.version, reason };
    const answer = await give(
      'changePortionManagement',
      {
        ...change,
        from: '2026-12-01',
        management: 'DIRECT_PAYMENT',
        channel: 'PREPAID_CARD',
        duties: { accountOperator: 'REPRESENTATIVE' },
      },
      { extra },
    );
    expect(answer.userErrors).toEqual([]);
    expect(answer.portion).toMatchObject({
      management: 'DIRECT_PAYMENT',
      channel: 'PREPAID_CARD',
      amount: first.amount,
      from: '2026-12-01',
      to: null,
      reason,
      accountOperator: null,
      replaces: { id: first.id },
      duties: { accountOperator: { holder: 'REPRESENTATIVE' }, fundsHolder: { holder: 'PERSON' } },
    });
    // Until then it is as it was.
    expect(answer.budget.portions[0]).toMatchObject({
      id: first.id,
      to: '2026-12-01',
      replacedBy: { id: answer.portion.id },
    });
    expect(answer.budget.portionHistory).toHaveLength(3);
    const on1 = async (day: string) =>
      (
        await kit.ask(
          `query ($id: ID!, $day: LocalDate) { person(id: $id) { budgets(asAt: { day: $day }) { id portions { management } } } }`,
          { id: irisId, day },
        )
      ).data.person.budgets
        .find(({ id }: { id: string }) => id === budget.id)
        .portions.map(({ management }: { management: string }) => management);
    expect(await on1('2026-11-30')).toEqual(['MANAGED_ACCOUNT', 'NOTIONAL']);
    expect(await on1('2026-12-01')).toEqual(['NOTIONAL', 'DIRECT_PAYMENT']);

    const again = {
      ...change,
      expectedVersion: answer.budget.version,
      from: '2026-12-15',
      management: 'NOTIONAL',
    };
    expect(await faults('changePortionManagement', again)).toEqual(['WRONG_STAGE portionId']);
    const next = { ...again, portionId: answer.portion.id };
    expect(await faults('changePortionManagement', { ...next, from: '2026-11-30' })).toEqual([
      'DAY_INVALID from',
    ]);
    expect(await faults('changePortionManagement', { ...next, management: 'MANAGED_ACCOUNT' })).toEqual([
      'OPERATOR_MISSING operatorCode',
    ]);
    expect(await faults('changePortionManagement', { ...next, reason: '' })).toEqual([
      'REASON_NEEDED reason',
    ]);
    expect(
      await faults('changePortionManagement', { ...change, from: today, management: 'NOTIONAL' }),
    ).toEqual(['CONFLICT expectedVersion']);
  });

  test('is for organisations that are authorised on that very day', async () => {
    await endAll(irisId);
    await agreePlan(irisId, ['NHS', 'COUNCIL', 'PERSON']);
    const direct = { management: 'DIRECT_PAYMENT', recurring: true, amount: gbp('8000.00') };
    const budget = await done(
      'releaseBudget',
      on(await signOff(await done('proposeBudget', integrated({ portions: [direct] })))),
    );
    const change = { portionId: budget.portions[0].id, expectedVersion: budget.version, reason };
    const toCharity = { ...change, management: 'MANAGED_ACCOUNT', operatorCode: 'D9H01' };
    const { userErrors } = await give('changePortionManagement', { ...toCharity, from: '2027-04-01' });
    expect(userErrors).toEqual([
      { code: 'NOT_AUTHORISED', message: expect.stringContaining('2027-04-01'), field: 'operatorCode' },
    ]);
    const thirdParty = { ...toCharity, management: 'THIRD_PARTY', from: today };
    expect(await faults('changePortionManagement', thirdParty)).toEqual(['NOT_AUTHORISED operatorCode']);
    const changed = await done('changePortionManagement', { ...toCharity, from: '2027-03-31' });
    expect(changed.version).toBe(budget.version + 1);

    const { pool } = kit.database;
    await pool.query(
      `update organisation_authorisation set valid_to = $1 where organisation_id = (select id from organisation where ods_code = '999')`,
      [today],
    );
    expect(await faults('proposeBudget', integrated({ from: today, portions: [direct] }))).toEqual([
      'NOT_AUTHORISED portions.0.management',
    ]);
    await pool.query(
      `update organisation_authorisation set valid_to = null where granted_by = 'test' and valid_to = $1`,
      [today],
    );
  });
});

describe('budgets as at', () => {
  const asAt = `query ($id: ID!, $day: LocalDate, $knownAt: DateTime) {
    person(id: $id) { budgets(asAt: { day: $day, knownAt: $knownAt }) { id status from to agreed { amount } fundingLines { source amount { amount } } portions { id management } } } }`;
  const look = async (variables: object) =>
    (await kit.ask(asAt, { id: danielId, ...variables })).data.person.budgets as {
      id: string;
      status: string;
      from: string;
      agreed: object;
      portions: { id: string; management: string }[];
    }[];

  test('a past day are those that were in force then', async () => {
    const { data } = await kit.ask(`query ($id: ID!) { person(id: $id) { budgets { id status from to } } }`, {
      id: danielId,
    });
    const all: { id: string; status: string; from: string; to: string | null }[] = data.person.budgets;
    const days = all.flatMap(({ from, to }) => [from, to ?? today]);
    for (const day of [...days, today]) {
      const wanted = all.filter(
        ({ from, to, status }) =>
          ['ACTIVE', 'SUSPENDED', 'ENDED'].includes(status) && from <= day && (to === null || to > day),
      );
      const found = await look({ day });
      expect(found.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
      for (const { status } of found) expect(status).not.toBe('ENDED');
    }
    expect(await look({ day: '2010-01-01' })).toEqual([]);
  });

  test('a past instant are as they were known then: amount, and how a portion was managed', async () => {
    const { pool } = kit.database;
    const now = async () => (await pool.query<{ now: Date }>('select clock_timestamp() as now')).rows[0]!.now;
    const [budget] = await look({});
    const knownAt = (await now()).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const uuid = budget!.id.slice(4);
    await pool.query('update budget set agreed_pence = agreed_pence + 100 where id = $1::uuid', [uuid]);
    await pool.query(
      `update portion set management = 'NOTIONAL', funds_holder = 'COMMISSIONER' where budget_id = $1::uuid and position = 1`,
      [uuid],
    );
    const then = (await look({ knownAt }))[0]!;
    const since = (await look({}))[0]!;
    expect(then).toEqual(budget);
    expect(since.agreed).not.toEqual(budget!.agreed);
    expect(since.portions[0]).toEqual({ id: budget!.portions[0]!.id, management: 'NOTIONAL' });
    expect(budget!.portions[0]!.management).not.toBe('NOTIONAL');
    expect(await look({ knownAt: '2020-01-01T00:00:00.000Z' })).toEqual([]);
  });

  test('nothing: all there are, whatever their days', async () => {
    const ask = async (argument: string) =>
      (
        await kit.ask(
          `query ($id: ID!, $asAt: AsAt) { person(id: $id) { all: budgets { id } some: budgets(asAt: ${argument}) { id } } a: person(id: $id) { budgets(asAt: $asAt) { id } } }`,
          { id: irisId },
        )
      ).data;
    const { person, a } = await ask('{}');
    expect(person.all.length).toBeGreaterThan(person.some.length);
    expect(a.budgets).toEqual(person.all);
  });

  test('is read in one statement, whatever is asked of it, by those who see the person', async () => {
    const query = `query ($id: ID!) { person(id: $id) { budgets { ${whole} } then: budgets(asAt: { day: "2026-11-20", knownAt: "2030-01-01T00:00:00.000Z" }) { ${whole} } combined { agreed { amount } } } } ${part}`;
    const before = kit.database.reader.sent();
    const { data, errors } = await kit.ask(query, { id: danielId });
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    const ids = JSON.stringify(data)
      .match(/"(bud|por|fln|spl)_[0-9a-f]{32}"/g)!
      .map((id) => id.slice(1, -1));
    expect(new Set(ids.map((id) => id.slice(0, 3)))).toContain('por');
    for (const id of new Set(ids)) {
      const node = async (claims: object) =>
        (await kit.ask('query ($id: ID!) { node(id: $id) { id } }', { id }, { ...claims })).data.node;
      expect(await node(danielHimself)).toEqual({ id });
      expect(await node({ ...danielHimself, nhs_number: iris.nhsNumber })).toBeNull();
    }
  });
});
