import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makePlace } from '../src/demo/place.ts';
import { missingSignatures } from '../src/plan/agreed.ts';
import { uuidOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import {
  agreeIrisPlan,
  allTests,
  carol,
  contentFor,
  daniel,
  done,
  gbp,
  give,
  iris,
  personIdOf,
  portionsOf,
  proposeIrisPlan,
  type TestPlan,
} from './setup/plan.ts';

const place = makePlace({ today });

let kit: TestHub;
/** The day it is for the hub; moves on where a test says so. */
let now = noon();
beforeAll(async () => {
  const hub = await startTestHub({ database: await makeDemoDatabase(), now: () => now });
  kit = {
    ...hub,
    ask(operation, variables, claims = coordinator) {
      // Whoever asks has signed in just now, whenever that is.
      return hub.ask(operation, variables, { exp: Math.floor(now.getTime() / 1_000) + 600, ...claims });
    },
  };
});
afterAll(() => kit.close());

const codes = ({ userErrors }: { userErrors: { code: string; field: string }[] }) =>
  userErrors.map(({ code, field }) => `${code} ${field}`);

const planOf = async (id: string, fields: string) =>
  (await kit.ask(`query ($id: ID!) { node(id: $id) { ... on Plan { ${fields} } } }`, { id })).data.node;

/** The UUID in a global id. */
const uuid = (id: string) => uuidOf(id.slice(0, 3), id)!;
const sql = async (text: string, values: unknown[] = []) =>
  (await kit.database.pool.query(text, values)).rows;

const content = `title aboutMe whatMatters strengths { what } needs { key text scheme } outcomes { id key text status targetOn }
  actions { what who dueOn } contingencies { what steps who } risks { kind what procedure agreedWith } training { what who dueOn }
  assets { kind what who } documents { title keptAt dated } legal { kind what who dated keptAt }
  coordinatorName coordinatorOrganisation { code } reviewOn from to
  lines { key kind what providerName quantity unitCost { amount } frequency weeklyCost { amount } yearlyCost { amount }
    outcomes { key } needs { key } portion { management } source reason }
  cost { weekly { amount } yearly { amount } once { amount } }`;

/** Nobody has a version in hand. */
const nothingInHand = () =>
  sql(`update plan set status = 'ENDED' where number is not null and status in ('DRAFT', 'PROPOSED')`);

describe('a draft', () => {
  const person = place.people.find(
    ({ nhs, council }, i) => i > 20 && nhs?.plan && !nhs.restricted && council?.nhsNumber,
  )!;

  test('is drafted from what a source holds, with keys of its own, once', async () => {
    const personId = await personIdOf(kit, person.nhsNumber);
    const { data } =
      await kit.ask(`{ person(id: "${personId}") { plan { id origin number whatMatters needs { text }
      outcomes { text } } } }`);
    const source = data.person.plan;
    expect(source).toMatchObject({ origin: 'NHS', number: null });
    const input = { personId, title: 'Mine', basedOnPlanId: source.id, idempotencyKey: crypto.randomUUID() };
    const first = await done(kit, 'draftPlan', input);
    expect(first).toMatchObject({ number: 1, version: 1, status: 'DRAFT' });
    expect(await done(kit, 'draftPlan', input)).toEqual(first);

    const draft = await planOf(first.id, `origin ${content}`);
    expect(draft).toMatchObject({ origin: 'JOINT', title: 'Mine', whatMatters: source.whatMatters });
    expect(draft.needs.map(({ key, text }: never) => ({ key, text }))).toEqual(
      source.needs.map(({ text }: never, i: number) => ({ key: `n${i + 1}`, text })),
    );
    expect(draft.outcomes.map(({ text }: never) => text).sort()).toEqual(
      source.outcomes.map(({ text }: never) => text).sort(),
    );
    expect(draft.outcomes.map(({ key }: never) => key).sort()).toEqual(
      source.outcomes.map((_: unknown, i: number) => `o${i + 1}`),
    );
    // What a source holds stays in force until something is agreed, and is not ours to change.
    const again = await kit.ask(`{ person(id: "${personId}") { plan { id } plans { origin status } } }`);
    expect(again.data.person).toEqual({
      plan: { id: source.id },
      plans: [
        { origin: 'JOINT', status: 'DRAFT' },
        ...again.data.person.plans.slice(1).filter(({ origin }: never) => origin !== 'JOINT'),
      ],
    });
    expect(codes(await give(kit, 'editPlan', { planId: source.id, expectedVersion: 1, title: 'x' }))).toEqual(
      ['KEPT_BY_SOURCE planId'],
    );
  });

  test('is the only one in hand, however quickly another is asked for', async () => {
    const personId = await personIdOf(kit, daniel.nhsNumber);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => give(kit, 'draftPlan', { personId, title: 'Mine' })),
    );
    expect(answers.flatMap(codes)).toEqual(Array(3).fill('PLAN_IN_HAND personId'));
    const { plan } = answers.find((answer) => answer.plan !== null)!;
    const discarded = await done(kit, 'discardPlan', {
      planId: plan.id,
      expectedVersion: 1,
      reason: 'Begun twice',
    });
    expect(discarded).toMatchObject({ status: 'ENDED', version: 2 });
    const [event] = await sql(`select reason from audit_event where object = 'discardPlan'`);
    expect(event.reason).toBe('Begun twice');
    const next = await done(kit, 'draftPlan', { personId, title: 'Mine' });
    expect(next).toMatchObject({ number: 2, status: 'DRAFT' });
  });

  test('is for those who may: out of sight looks absent', async () => {
    const personId = await personIdOf(kit, person.nhsNumber);
    const { errors } = await kit.ask(
      `mutation { draftPlan(input: { idempotencyKey: "${crypto.randomUUID()}", personId: "${personId}", title: "x" }) { userErrors { code } } }`,
      {},
      provider,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    const elsewhere = { ...socialWorker, organisation: '102' };
    expect(codes(await give(kit, 'draftPlan', { personId, title: 'x' }, elsewhere))).toEqual([
      'PERSON_NOT_FOUND personId',
    ]);
    const [{ id }] = await sql('select id from plan where number = 1 limit 1');
    const planId = `pln_${id.replaceAll('-', '')}`;
    for (const wanted of [planId, 'pln_x']) {
      expect(
        codes(await give(kit, 'editPlan', { planId: wanted, expectedVersion: 1, title: 'x' }, elsewhere)),
      ).toEqual(['NOT_FOUND planId']);
    }
  });
});

describe('an edit', () => {
  let plan: TestPlan;
  let personId: string;
  beforeAll(async () => {
    await nothingInHand();
    personId = await personIdOf(kit, daniel.nhsNumber);
    plan = await done(kit, 'draftPlan', { personId, title: 'Mine' });
  });
  const edit = async (parts: object) => {
    plan = await done(kit, 'editPlan', { planId: plan.id, expectedVersion: plan.version, ...parts });
  };
  const refused = async (parts: object) =>
    codes(await give(kit, 'editPlan', { planId: plan.id, expectedVersion: plan.version, ...parts }));

  const whole = {
    aboutMe: 'I work three days a week.',
    whatMatters: 'I choose my assistants.',
    strengths: [{ what: 'Organising' }, { what: 'Basketball' }],
    needs: [{ key: 'n1', text: 'Help to get up', scheme: 'CARE_ACT' }],
    outcomes: [
      { key: 'o1', text: 'Keep my work', status: 'ACTIVE', targetOn: '2027-01-31' },
      { key: 'o2', text: 'Play on Thursdays' },
    ],
    actions: [{ what: 'Advertise the post', who: 'Daniel', dueOn: '2026-12-01' }],
    contingencies: [{ what: 'An assistant is ill', steps: 'Ring the agency', who: 'Agency' }],
    risks: [{ kind: 'EMPLOYMENT', what: 'A claim', procedure: 'Insurance', agreedWith: 'Nadia' }],
    training: [{ what: 'Hoist', who: 'Assistants', dueOn: '2026-12-24' }],
    assets: [{ kind: 'COMMUNITY', what: 'The club', who: 'Team mates' }],
    documents: [{ title: 'Contract', keptAt: 'With Daniel', dated: '2026-02-02' }],
    legal: [{ kind: 'CAPACITY', what: 'Has capacity', who: 'Daniel', dated: '2026-02-02', keptAt: 'Notes' }],
    coordinatorName: 'Ruth Ellery',
    coordinatorOrganisation: 'QWN',
    reviewOn: '2027-02-01',
    from: '2026-12-01',
    to: '2027-11-30',
  };

  test('replaces the parts given, whole, and leaves the others', async () => {
    await edit(whole);
    const before = await planOf(plan.id, content);
    expect(before).toMatchObject({
      ...whole,
      coordinatorOrganisation: { code: 'QWN' },
      outcomes: [whole.outcomes[0], { ...whole.outcomes[1], status: 'PROPOSED', targetOn: null }],
      cost: { weekly: gbpOnly('0.00'), yearly: gbpOnly('0.00'), once: gbpOnly('0.00') },
    });
    const outcomes = [
      { key: 'o2', text: 'Play every Thursday', status: 'ACTIVE', targetOn: null },
      { key: 'o3', text: 'Travel', status: 'PROPOSED', targetOn: null },
    ];
    await edit({ outcomes, aboutMe: null, risks: [] });
    const after = await planOf(plan.id, content);
    // An outcome under the same key is the same outcome.
    const kept = before.outcomes.find(({ key }: never) => key === 'o2').id;
    expect(after).toEqual({
      ...before,
      aboutMe: null,
      risks: [],
      outcomes: [
        { ...outcomes[0], id: kept },
        { ...outcomes[1], id: expect.any(String) },
      ],
    });
    const { changes } = await planOf(
      plan.id,
      'changes(since: 2) { version what role organisation { code } at }',
    );
    expect(changes).toEqual([
      {
        version: 3,
        what: ['ABOUT_ME', 'OUTCOMES', 'RISKS'],
        role: 'CARE_COORDINATOR',
        organisation: { code: 'QWN' },
        at: `${today}T12:00:00.000Z`,
      },
    ]);
  });

  const gbpOnly = (amount: string) => ({ amount });

  test('works out what lines cost, by the week and the year', async () => {
    const portions = await portionsOf(kit, daniel.nhsNumber);
    const line = { kind: 'SERVICE', outcomeKeys: ['o2'], portionId: portions[0]!.id };
    await edit({
      lines: [
        {
          ...line,
          key: 'l1',
          what: 'Assistants',
          quantity: '10.5',
          unitCost: gbp('18.50'),
          frequency: 'HOURLY',
        },
        {
          ...line,
          key: 'l2',
          what: 'Gym',
          quantity: '1',
          unitCost: gbp('100.00'),
          frequency: 'MONTHLY',
          needKeys: ['n1'],
        },
        {
          ...line,
          key: 'l3',
          what: 'Chair',
          kind: 'ITEM',
          quantity: '2',
          unitCost: gbp('250'),
          frequency: 'ONE_OFF',
          reason: 'Sport',
          source: 'ICB',
        },
      ],
    });
    const { lines, cost } = await planOf(plan.id, content);
    expect(
      lines.map(({ quantity, weeklyCost, yearlyCost, outcomes, needs }: never) => [
        quantity,
        weeklyCost,
        yearlyCost,
        outcomes,
        needs,
      ]),
    ).toEqual([
      ['10.50', gbpOnly('194.25'), gbpOnly('10101.00'), [{ key: 'o2' }], []],
      ['1.00', gbpOnly('23.08'), gbpOnly('1200.00'), [{ key: 'o2' }], [{ key: 'n1' }]],
      ['2.00', null, gbpOnly('500.00'), [{ key: 'o2' }], []],
    ]);
    expect(lines[2]).toMatchObject({
      source: 'ICB',
      reason: 'Sport',
      portion: { management: 'DIRECT_PAYMENT' },
    });
    expect(cost).toEqual({ weekly: gbpOnly('217.33'), yearly: gbpOnly('11801.00'), once: gbpOnly('500.00') });
  });

  test('says all that is wrong at once, each on its field, and writes nothing', async () => {
    const before = await planOf(plan.id, `version ${content}`);
    const [foreign] = await portionsOf(kit, iris.nhsNumber);
    const line = { kind: 'SERVICE', what: 'x', quantity: '1', unitCost: gbp('1'), frequency: 'WEEKLY' };
    expect(
      await refused({
        title: ' ',
        aboutMe: 'x'.repeat(4_001),
        coordinatorOrganisation: 'XXXXX',
        from: '2027-01-02',
        to: '2027-01-01',
        reviewOn: '2026-12-31',
        strengths: [{ what: 'fine' }, { what: '' }],
        outcomes: [
          { key: 'o1', text: 'x' },
          { key: 'o1', text: 'x' },
          { key: 'Not this', text: 'x' },
        ],
        lines: [
          { ...line, key: 'l1', outcomeKeys: ['o1'], unitCost: { amount: '1', currency: 'EUR' } },
          { ...line, key: 'l2', outcomeKeys: [] },
          { ...line, key: 'l3', outcomeKeys: ['o1', 'o9'], needKeys: ['n9'] },
          { ...line, key: 'l4', outcomeKeys: ['o1'], quantity: '0', unitCost: gbp('-1') },
          { ...line, key: 'l5', outcomeKeys: ['o1'], portionId: foreign!.id },
          { ...line, key: 'l5', outcomeKeys: ['o1'], quantity: '10000', unitCost: gbp('999999999.99') },
        ],
      }),
    ).toEqual(
      expect.arrayContaining([
        'TEXT_INVALID title',
        'TEXT_INVALID aboutMe',
        'ORGANISATION_NOT_KNOWN coordinatorOrganisation',
        'DAY_INVALID to',
        'DAY_INVALID reviewOn',
        'TEXT_INVALID strengths.1.what',
        'KEY_INVALID outcomes.1.key',
        'KEY_INVALID outcomes.2.key',
        'KEY_INVALID lines.5.key',
        'NOT_FOUND lines.4.portionId',
        'CURRENCY_NOT_GBP lines.0.unitCost.currency',
        'QUANTITY_INVALID lines.3.quantity',
        'AMOUNT_INVALID lines.3.unitCost.amount',
        'AMOUNT_INVALID lines.5.unitCost.amount',
        'PLAN_LINE_WITHOUT_OUTCOME lines.1.outcomeKeys',
        'PLAN_LINE_WITHOUT_OUTCOME lines.2.outcomeKeys',
        'NEED_NOT_IN_PLAN lines.2.needKeys',
      ]),
    );
    // Taking an outcome away leaves its line without.
    expect(await refused({ outcomes: [{ key: 'o3', text: 'x' }] })).toEqual([
      'PLAN_LINE_WITHOUT_OUTCOME lines.0.outcomeKeys',
      'PLAN_LINE_WITHOUT_OUTCOME lines.1.outcomeKeys',
      'PLAN_LINE_WITHOUT_OUTCOME lines.2.outcomeKeys',
    ]);
    const many = (n: number, make: (i: number) => object) => Array.from({ length: n }, (_, i) => make(i));
    expect(await refused({ training: many(51, () => ({ what: 'x' })) })).toEqual(['TOO_MANY training']);
    expect(await refused({ needs: many(51, (i) => ({ key: `n${i}`, text: 'x' })) })).toContain(
      'TOO_MANY needs',
    );
    expect(
      await refused({ lines: many(101, (i) => ({ ...line, key: `l${i}`, outcomeKeys: ['o2'] })) }),
    ).toEqual(['TOO_MANY lines']);
    expect(await planOf(plan.id, `version ${content}`)).toEqual(before);
  });

  test('of a stale version is refused, says what changed since and shows the plan as it is', async () => {
    const stale = plan.version;
    await edit({ assets: [] });
    await give(
      kit,
      'editPlan',
      { planId: plan.id, expectedVersion: plan.version, legal: [], training: [] },
      socialWorker,
    );
    const answer = await give(kit, 'editPlan', { planId: plan.id, expectedVersion: stale, title: 'Over it' });
    expect(answer.userErrors).toEqual([
      {
        code: 'CONFLICT',
        field: 'expectedVersion',
        message: expect.stringContaining(
          'assets by care coordinator of QWN; training, legal by social worker of 999',
        ),
      },
    ]);
    expect(answer.plan).toMatchObject({ id: plan.id, version: stale + 2 });
    plan = answer.plan;
  });
});

describe('a proposal', () => {
  let plan: TestPlan;
  let filled: ReturnType<typeof contentFor>;
  beforeAll(async () => {
    await nothingInHand();
    const personId = await personIdOf(kit, iris.nhsNumber);
    plan = await done(kit, 'draftPlan', { personId, title: 'At home' });
    filled = contentFor(await portionsOf(kit, iris.nhsNumber));
  });
  const propose = async (parts: object) => {
    plan = await done(kit, 'editPlan', { planId: plan.id, expectedVersion: plan.version, ...parts });
    const answer = await give(kit, 'proposePlan', { planId: plan.id, expectedVersion: plan.version });
    plan = answer.plan;
    return codes(answer);
  };
  const nhs = () => filled.lines[0]!;
  const council = () => filled.lines[1]!;

  test('hears of everything that is lacking at once', async () => {
    expect(
      await propose({
        outcomes: filled.outcomes,
        risks: [filled.risks[0], { kind: 'OTHER', what: 'Something' }],
        to: '2026-11-20',
        lines: [
          { ...nhs(), kind: 'ITEM', needKeys: [] },
          { ...council(), reason: ' ', portionId: null },
          { ...council(), key: 'l3', source: 'ICB' },
        ],
      }),
    ).toEqual([
      'PLAN_INCOMPLETE coordinatorName',
      'PLAN_INCOMPLETE whatMatters',
      'PLAN_INCOMPLETE needs',
      'DAY_INVALID to',
      'RISK_WITHOUT_PROCEDURE risks.1.procedure',
      'REASON_NEEDED lines.0.reason',
      'REASON_NEEDED lines.1.reason',
      'LINE_WITHOUT_FUNDING lines.1.portionId',
      'SOURCE_NOT_IN_PORTION lines.2.source',
    ]);
    expect(plan).toMatchObject({ status: 'DRAFT' });
  });

  test('keeps within each portion to the penny', async () => {
    const [portion] = await portionsOf(kit, iris.nhsNumber);
    const pounds = (pence: number) => gbp((pence / 100).toFixed(2));
    const line = { ...nhs(), quantity: '1', frequency: 'ANNUALLY' };
    const two = (pence: number) => [
      { ...line, unitCost: pounds(portion!.amountPence - 100) },
      { ...line, key: 'l2', unitCost: pounds(pence) },
    ];
    expect(await propose({ ...filled, to: null, lines: two(101) })).toEqual([
      'LINES_EXCEED_PORTION lines.1.portionId',
    ]);
    expect(await propose({ lines: two(100) })).toEqual([]);
    expect(plan).toMatchObject({ status: 'PROPOSED', missingSignatures: ['PERSON', 'NHS'] });
  });

  test('is paid by portions that are in force when it begins', async () => {
    const portionId = nhs().portionId!;
    await sql(`update portion set valid_to = '2026-12-01' where id = $1`, [uuid(portionId)]);
    expect(await propose({ ...filled, from: '2026-12-01' })).toEqual([
      'PORTION_NOT_IN_FORCE lines.0.portionId',
    ]);
    expect(await propose({ from: '2026-11-30' })).toEqual([]);
    await sql('update portion set valid_to = null where id = $1', [uuid(portionId)]);
  });

  test('is refused where the one side would pay for what only the other may, and warns of the unusual', async () => {
    const personUuid = uuid(await personIdOf(kit, iris.nhsNumber));
    const nothingHeld = () => sql('delete from eligibility where person_id = $1', [personUuid]);
    const put = (scheme: string) =>
      sql(
        `insert into eligibility (person_id, scheme, status, valid_from) values ($1, $2, 'ELIGIBLE', '2026-01-01')`,
        [personUuid, scheme],
      );
    await nothingHeld();
    expect(await propose({ ...filled, from: null })).toEqual([]);
    const unusual = await planOf(plan.id, 'warnings { code lineKey message }');
    expect(unusual.warnings).toEqual([
      { code: 'NO_NHS_ELIGIBILITY', lineKey: 'l1', message: expect.any(String) },
      { code: 'NO_COUNCIL_ELIGIBILITY', lineKey: 'l2', message: expect.any(String) },
    ]);
    await put('CHC_STANDARD');
    expect(await propose({ needs: [{ key: 'n1', text: 'x', scheme: 'CHC_STANDARD' }] })).toEqual([
      'CHC_NEED_CHARGED_TO_COUNCIL lines.1',
    ]);
    const needs = [
      { key: 'n1', text: 'Health', scheme: 'CHC_STANDARD' },
      { key: 'n2', text: 'Company', scheme: 'CARE_ACT' },
    ];
    const lines = [nhs(), { ...council(), needKeys: ['n2'] }];
    expect(await propose({ needs, lines })).toEqual(['SCHEME_NOT_HELD lines.1']);
    await put('CARE_ACT');
    expect(await propose({ needs, lines })).toEqual([]);
    const { warnings } = await planOf(plan.id, 'warnings { code lineKey }');
    expect(warnings).toContainEqual({ code: 'CHC_WITH_COUNCIL_BUDGET', lineKey: 'l2' });
    await nothingHeld();
    expect(await propose({ needs: filled.needs, lines: filled.lines })).toEqual([]);
  });
});

describe('agreement', () => {
  beforeEach(nothingInHand);
  const signOffs =
    'signOffs { party agrees tests words name organisation { code } actingAs planVersion withdrawnAt }';
  const agree = (plan: TestPlan, claims: object, tests: string[] = allTests, more: object = {}) =>
    give(kit, 'agreePlan', { planId: plan.id, expectedVersion: plan.version, tests, ...more }, { ...claims });

  async function another(role: string, days: { from?: string; to?: string } = {}) {
    const nhsNumber = '9000000009';
    await sql(
      `insert into role_on_record (person_id, link_id, external_id, role, individual_name, individual_nhs_number, valid_from, valid_to, sort_name)
       select person_id, id, $2, $3::role_kind, 'Alan Holloway', $4, $5, $6, '' from person_link
        where nhs_number = $1 order by id limit 1`,
      [iris.nhsNumber, crypto.randomUUID(), role, nhsNumber, days.from ?? null, days.to ?? null],
    );
    return { sub: 'alan', name: 'Alan', tandem_role: 'REPRESENTATIVE', nhs_number: nhsNumber };
  }
  const noOther = () => sql(`delete from role_on_record where individual_name = 'Alan Holloway'`);

  test('wants all five tests of each side, none of the person, and each signs once', async () => {
    let plan = await proposeIrisPlan(kit);
    const few = await agree(plan, coordinator, ['NEEDS_MET', 'REVIEWABLE']);
    expect(codes(few)).toEqual(['TESTS_MISSING tests']);
    expect(few.userErrors[0].message).toContain(
      'AMOUNT_COVERS_FULL_COST, RISKS_MANAGED, SAFEGUARDING_AND_CAPACITY',
    );
    const first = await agree(plan, coordinator, allTests, { words: 'Well made' });
    expect(first).toMatchObject({
      plan: { version: plan.version + 1, status: 'PROPOSED', missingSignatures: ['PERSON', 'COUNCIL'] },
      userErrors: [],
    });
    plan = first.plan;
    expect(codes(await agree(plan, coordinator))).toEqual(['ALREADY_SIGNED planId']);
    plan = (await agree(plan, carol, [])).plan;
    expect((await planOf(plan.id, signOffs)).signOffs).toEqual([
      {
        party: 'NHS',
        agrees: true,
        tests: allTests,
        words: 'Well made',
        name: 'Nadia',
        organisation: { code: 'QWN' },
        actingAs: null,
        planVersion: plan.version - 2,
        withdrawnAt: null,
      },
      {
        party: 'PERSON',
        agrees: true,
        tests: [],
        words: null,
        name: 'Carol Holloway',
        organisation: null,
        actingAs: 'LPA_HEALTH_AND_WELFARE',
        planVersion: plan.version - 1,
        withdrawnAt: null,
      },
    ]);
    // An edit of what was signed withdraws what was signed.
    const edited = await done(kit, 'editPlan', {
      planId: plan.id,
      expectedVersion: plan.version,
      aboutMe: 'New',
    });
    expect(edited).toMatchObject({ status: 'DRAFT', missingSignatures: ['PERSON', 'NHS', 'COUNCIL'] });
    const withdrawn = await planOf(plan.id, `${signOffs} changes(since: ${plan.version}) { what }`);
    for (const { withdrawnAt } of withdrawn.signOffs) expect(withdrawnAt).toBe(now.toISOString());
    expect(withdrawn.changes).toEqual([{ what: ['ABOUT_ME', 'SIGNATURES_WITHDRAWN'] }]);
    expect(codes(await agree(edited, coordinator))).toEqual(['WRONG_STAGE planId']);
  });

  test('is for whoever has authority over care today', async () => {
    const plan = await proposeIrisPlan(kit);
    for (const [role, days] of [
      ['LPA_PROPERTY_AND_FINANCE', {}],
      ['NOMINEE', {}],
    ] as const) {
      const refused = await agree(plan, await another(role, days), []);
      expect(codes(refused)).toEqual(['NOT_YOURS planId']);
      expect(refused.userErrors[0].message).toContain('health and welfare');
      await noOther();
    }
    // Authority that is over lets nobody see the plan, let alone sign it.
    const over = await another('DEPUTY', { from: '2020-01-01', to: today });
    expect(codes(await agree(plan, over, []))).toEqual(['NOT_FOUND planId']);
    await noOther();
    const live = await another('DEPUTY', { from: today });
    expect(codes(await agree(plan, live, []))).toEqual([]);
    await noOther();
    const wrong = { ...coordinator, organisation: 'D9H01' };
    expect(codes(await agree({ ...plan, version: plan.version + 1 }, wrong))).toEqual(['NOT_YOURS planId']);
  });

  test('of two who speak for the person and differ, neither wins, until they agree', async () => {
    let plan = await proposeIrisPlan(kit);
    const alan = await another('REPRESENTATIVE');
    plan = (await agree(plan, carol, [])).plan;
    const declined = await give(
      kit,
      'declinePlan',
      { planId: plan.id, expectedVersion: plan.version, reason: 'Too few hours' },
      alan,
      'id version status missingSignatures representativesDisagree',
    );
    expect(declined).toMatchObject({
      plan: {
        status: 'PROPOSED',
        missingSignatures: ['PERSON', 'NHS', 'COUNCIL'],
        representativesDisagree: true,
      },
      userErrors: [],
    });
    plan = declined.plan;
    for (const claims of [coordinator, socialWorker]) plan = (await agree(plan, claims)).plan;
    expect(plan).toMatchObject({ status: 'PROPOSED', missingSignatures: ['PERSON'] });
    const settled = await agree(plan, alan, []);
    expect(settled.plan).toMatchObject({ status: 'AGREED', missingSignatures: [] });
    const said = await planOf(plan.id, `representativesDisagree ${signOffs}`);
    expect(said.representativesDisagree).toBe(false);
    expect(
      said.signOffs.map(({ name, agrees, words, withdrawnAt }: never) => [name, agrees, words, withdrawnAt]),
    ).toEqual([
      ['Carol Holloway', true, null, null],
      ['Alan', false, 'Too few hours', now.toISOString()],
      ['Nadia', true, null, null],
      [null, true, null, null],
      ['Alan', true, null, null],
    ]);
    await noOther();
    expect(codes(await agree(settled.plan, carol, []))).toEqual(['WRONG_STAGE planId']);
  });

  test('waits for the answer to every concern, which stays visible after', async () => {
    let plan = await proposeIrisPlan(kit);
    for (const claims of [carol, coordinator]) plan = (await agree(plan, claims)).plan;
    const raise = (input: object) =>
      kit.ask(
        `mutation ($i: RaiseConcernInput!) { raiseConcern(input: $i) { plan { version } concern { id lineKey text raisedBy answer } userErrors { code field } } }`,
        { i: { idempotencyKey: crypto.randomUUID(), planId: plan.id, ...input } },
      );
    expect((await raise({ text: 'x', lineKey: 'l9' })).data.raiseConcern.userErrors).toEqual([
      { code: 'LINE_NOT_IN_PLAN', field: 'lineKey' },
    ]);
    const { concern } = (await raise({ text: 'Not evidence based', lineKey: 'l2' })).data.raiseConcern;
    expect(concern).toEqual({
      id: expect.stringMatching(/^cnc_/),
      lineKey: 'l2',
      text: 'Not evidence based',
      raisedBy: 'Nadia (care coordinator, QWN)',
      answer: null,
    });
    // Whoever was about to sign learns of it first, and then cannot sign before it is answered.
    const stale = await agree(plan, socialWorker);
    expect(codes(stale)).toEqual(['CONFLICT expectedVersion']);
    expect(stale.userErrors[0].message).toContain('concern raised by care coordinator of QWN');
    plan = stale.plan;
    expect(codes(await agree(plan, socialWorker))).toEqual(['CONCERN_UNANSWERED planId']);

    const answer = `mutation ($i: AnswerConcernInput!) { answerConcern(input: $i) { plan { id version } concern { answer answeredBy } userErrors { code field } } }`;
    const input = { concernId: concern.id, answer: 'It did more than medicine' };
    const send = (claims: object) =>
      kit.ask(answer, { i: { ...input, idempotencyKey: crypto.randomUUID() } }, { ...claims });
    const elsewhere = { ...socialWorker, organisation: '102' };
    expect((await send(elsewhere)).data.answerConcern.userErrors).toEqual([
      { code: 'NOT_FOUND', field: 'concernId' },
    ]);
    const answered = (await send(socialWorker)).data.answerConcern;
    expect(answered.concern).toEqual({ answer: input.answer, answeredBy: 'social worker, 999' });
    expect((await send(coordinator)).data.answerConcern.userErrors).toEqual([
      { code: 'CONCERN_ANSWERED', field: 'concernId' },
    ]);
    const agreed = await agree(answered.plan, socialWorker);
    expect(agreed.plan).toMatchObject({ status: 'AGREED' });
    const after = await planOf(plan.id, 'status concerns { text answer } supersedes { number status }');
    expect(after).toEqual({
      status: 'AGREED',
      concerns: [{ text: 'Not evidence based', answer: input.answer }],
      supersedes: { number: expect.any(Number), status: 'SUPERSEDED' },
    });
  });

  test('of two at once one wins, and the other is shown what it was', async () => {
    const plan = await proposeIrisPlan(kit);
    const answers = await Promise.all([agree(plan, coordinator), agree(plan, socialWorker)]);
    expect(answers.map(({ userErrors }) => userErrors.length).sort()).toEqual([0, 1]);
    const lost = answers.find(({ userErrors }) => userErrors.length === 1)!;
    expect(codes(lost)).toEqual(['CONFLICT expectedVersion']);
    expect(lost.userErrors[0].message).toMatch(/agreement by (care coordinator of QWN|social worker of 999)/);
    expect(lost.plan.version).toBe(plan.version + 1);
  });

  test('is given for what holds still: a portion that ended since stops it', async () => {
    const plan = await proposeIrisPlan(kit);
    const [portion] = await portionsOf(kit, iris.nhsNumber);
    await sql('update portion set valid_to = $2 where id = $1', [uuid(portion!.id), today]);
    expect(codes(await agree(plan, carol, []))).toEqual(['PORTION_NOT_IN_FORCE lines.0.portionId']);
    await sql('update portion set valid_to = null where id = $1', [uuid(portion!.id)]);
  });
});

describe('the person', () => {
  const self = {
    sub: 'daniel',
    name: 'Daniel Okafor',
    tandem_role: 'PERSON',
    nhs_number: daniel.nhsNumber,
  };

  test('signs for himself, and nobody else need where no side pays; money waits for nobody then', async () => {
    await nothingInHand();
    const personId = await personIdOf(kit, daniel.nhsNumber);
    const lacking = () => missingSignatures(kit.database.prisma, uuid(personId), today);
    expect(await lacking()).toBeNull();

    let plan = await done(kit, 'draftPlan', { personId, title: 'School' });
    const filled = contentFor(await portionsOf(kit, daniel.nhsNumber));
    const [line] = filled.lines;
    plan = await done(kit, 'editPlan', {
      planId: plan.id,
      expectedVersion: plan.version,
      ...filled,
      lines: [{ ...line, portionId: null, source: 'EHC' }],
    });
    plan = await done(kit, 'proposePlan', { planId: plan.id, expectedVersion: plan.version });
    expect(await lacking()).toEqual(['PERSON']);
    const { version: expectedVersion, id: planId } = plan;
    const declined = await give(kit, 'declinePlan', { planId, expectedVersion, reason: ' ' }, self);
    expect(codes(declined)).toEqual(['REASON_NEEDED reason']);
    plan = await done(kit, 'agreePlan', { planId, expectedVersion }, self);
    expect(plan).toMatchObject({ status: 'AGREED', missingSignatures: [] });
    expect(await lacking()).toEqual([]);
    const { signOffs, to, agreedAt } = await planOf(plan.id, 'to agreedAt signOffs { party actingAs name }');
    expect(signOffs).toEqual([{ party: 'PERSON', actingAs: null, name: 'Daniel Okafor' }]);
    expect({ to, agreedAt }).toEqual({ to: null, agreedAt: now.toISOString() });

    // Money that a side gives for it later is a reason for that side to sign.
    await sql(`update plan_line set source = 'ICB' where plan_id = $1`, [uuid(plan.id)]);
    expect(await lacking()).toEqual(['NHS']);
    await sql('update plan set status = $2 where id = $1', [uuid(plan.id), 'ENDED']);
  });
});

describe('looking back', () => {
  beforeEach(nothingInHand);
  const inForce = (asAt: object | null, fields = 'number title from to', nhsNumber = iris.nhsNumber) =>
    kit.ask(`query ($n: NHSNumber!, $a: AsAt) { person(nhsNumber: $n) { plan(asAt: $a) { ${fields} } } }`, {
      n: nhsNumber,
      a: asAt,
    });

  test('shows the version in force on a day, also one that was superseded since', async () => {
    now = new Date('2026-12-01T12:00:00Z');
    const first = await agreeIrisPlan(kit, { title: 'The first' });
    now = new Date('2027-01-10T12:00:00Z');
    const second = await agreeIrisPlan(kit, { title: 'The second', from: '2027-02-01' });
    const { number } = await planOf(second.id, 'number');
    const on = async (day: string | null) => (await inForce(day === null ? null : { day })).data.person.plan;
    const one = { number: number - 1, title: 'The first', from: '2026-12-01', to: '2027-01-31' };
    const two = { number, title: 'The second', from: '2027-02-01', to: null };
    // Agreed in January, in force from February: until then the first is.
    expect(await on(null)).toEqual(one);
    for (const day of ['2026-12-01', '2027-01-31']) expect(await on(day)).toEqual(one);
    for (const day of ['2027-02-01', '2030-01-01']) expect(await on(day)).toEqual(two);
    expect((await on('2026-11-30')).title).not.toBe('The first');
    expect((await on('2026-11-01')).number).toBeNull();
    expect(await on('2020-01-01')).toBeNull();
    expect(await planOf(first.id, 'status')).toEqual({ status: 'SUPERSEDED' });
    now = noon();
  });

  test('shows what was known at an instant, before a source said otherwise', async () => {
    const [{ instant: before }] = await sql(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as instant`,
    );
    const fields = 'title needs { text } outcomes { text }';
    const known = (await inForce(null, fields, daniel.nhsNumber)).data.person.plan;
    const [{ id }] = await sql(
      `select p.id from plan p join person_identifier i on i.person_id = p.person_id where i.value = $1 and p.status = 'AGREED'`,
      [daniel.nhsNumber],
    );
    await sql('select pg_sleep(0.01)');
    await sql(`update need set text = 'Something else' where plan_id = $1 and position = 1`, [id]);
    await sql(
      `insert into need (plan_id, person_id, position, text) select id, person_id, 9, 'One more' from plan where id = $1`,
      [id],
    );
    await sql(`update plan set title = 'Another title' where id = $1`, [id]);
    const present = (await inForce(null, fields, daniel.nhsNumber)).data.person.plan;
    expect(present.title).toBe('Another title');
    expect(present.needs[0].text).toBe('Something else');
    expect(present.needs).toHaveLength(known.needs.length + 1);
    const then = await inForce({ knownAt: before, day: today }, fields, daniel.nhsNumber);
    expect(then.data.person.plan).toEqual(known);
    expect((await inForce({ day: today }, fields, daniel.nhsNumber)).data.person.plan).toEqual(present);
  });
});

test('everything about plans is read in one statement', async () => {
  const all = `id number version status origin ${content} proposedAt agreedAt supersedes { id } warnings { code message lineKey }
    concerns { id text } signOffs { party agrees tests } missingSignatures representativesDisagree changes { version what at }`;
  const before = kit.database.reader.sent();
  const { data, errors } = await kit.ask(
    `query ($n: NHSNumber!) { person(nhsNumber: $n) { plan { ${all} } plans { ${all} } then: plan(asAt: { day: "2026-12-05", knownAt: "2099-01-01T00:00:00Z" }) { ${all} } } }`,
    { n: iris.nhsNumber },
  );
  expect(errors).toBeUndefined();
  expect(kit.database.reader.sent() - before).toBe(1);
  expect(data.person.plans.length).toBeGreaterThan(5);
  expect(data.person.then.lines).toHaveLength(2);
  // An answer goes out as PostgreSQL made it: what a change is called is held by nothing else.
  const kinds = await kit.ask('{ __type(name: "PlanChangeKind") { enumValues { name } } }');
  const known = kinds.data.__type.enumValues.map(({ name }: never) => name);
  const noted = await sql('select distinct unnest(what) as what from plan_change');
  expect(known).toEqual(expect.arrayContaining(noted.map(({ what }) => what)));
  expect(noted.length).toBeGreaterThan(20);
});
