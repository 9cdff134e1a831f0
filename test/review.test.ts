import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { addDays, addMonths, weekday } from '../src/platform/day.ts';
import { reviewFacts } from '../src/review/facts.ts';
import { dayWords } from '../src/review/interval.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { today as placeDay } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today: placeDay });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const notional = place.people[founding.notionalOnly]!;

/** Iris's two budgets began on one day, and were paid on it. */
const begun = iris.nhs!.budget!.from;
let today = addDays(begun, 20);
let kit: TestHub;
const ids: Record<string, string> = {};

beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: () => new Date(`${today}T12:00:00Z`) });
  const { pool } = kit.database;
  for (const [name, { nhsNumber }] of Object.entries({ iris, daniel, notional })) {
    const { rows } = await pool.query('select person_id as id from person_identifier where value = $1', [
      nhsNumber,
    ]);
    ids[name] = rows[0].id;
  }
  // What is tested here is told here.
  for (const table of ['review', 'eligibility']) {
    await pool.query(`delete from ${table} where person_id = any($1::uuid[])`, [Object.values(ids)]);
  }
  await pool.query('delete from commissioner_policy');
});
afterAll(() => kit.close());

const next = `nextReviews { duties { duty dueOn opensOn overdue lastHeldOn because rule basis }
  joint { on notAfter duties leftOut because } apart }`;
const globalId = (uuid: string) => `per_${uuid.replaceAll('-', '')}`;
const nextOf = async (name: string, claims: JWTPayload = coordinator) => {
  const { data } = await kit.ask(
    `query ($id: ID!) { person(id: $id) { ${next} } }`,
    { id: globalId(ids[name]!) },
    claims,
  );
  return data.person.nextReviews;
};
const dueOf = async (name: string) =>
  Object.fromEntries((await nextOf(name)).duties.map(({ duty, dueOn }: never) => [duty, dueOn]));

const holdReview = `mutation ($input: HoldReviewInput!) { holdReview(input: $input) {
  review { id kind duties side source startedOn heldOn reason method outcome outcomesAchieved }
  person { ${next} } userErrors { code message field } } }`;
async function hold(name: string, input: object, claims: JWTPayload = coordinator) {
  const personId = name in ids ? globalId(ids[name]!) : name;
  const whole = { idempotencyKey: crypto.randomUUID(), personId, outcome: 'Goes on as it is', ...input };
  const answer = await kit.ask(holdReview, { input: whole }, claims);
  return answer.data?.holdReview ?? answer;
}
const refusal = async (...asked: Parameters<typeof hold>) =>
  (await hold(...asked)).userErrors?.map(({ code, field }: never) => [code, field]);
const rowsOf = async (name: string): Promise<number> =>
  (await kit.database.pool.query('select count(*)::int as n from review where person_id = $1', [ids[name]]))
    .rows[0].n;

const all = ['NHS_CARE_PLAN', 'NHS_DIRECT_PAYMENT', 'COUNCIL_CARE_PLAN', 'COUNCIL_DIRECT_PAYMENT'];
const workingDayBy = (day: string): string => (weekday(day) <= 5 ? day : workingDayBy(addDays(day, -1)));
const jointDay = workingDayBy(addDays(begun, 56));

describe('what is to be reviewed next', () => {
  test('is each duty with its day and why, and one day for all, in one statement', async () => {
    const before = kit.database.reader.sent();
    const { duties, joint, apart } = await nextOf('iris');
    expect(kit.database.reader.sent() - before).toBe(1);
    const since = `of the first payment on ${dayWords(begun)}`;
    expect(duties).toMatchObject([
      { duty: 'NHS_CARE_PLAN', dueOn: addMonths(begun, 3), basis: 'LAW' },
      {
        duty: 'NHS_DIRECT_PAYMENT',
        opensOn: begun,
        dueOn: addMonths(begun, 3),
        overdue: false,
        lastHeldOn: null,
        because: `NHS direct payment: within 3 months ${since}, NHS (Direct Payments) Regulations 2013, regulation 14`,
        rule: 'NHS (Direct Payments) Regulations 2013, regulation 14',
      },
      {
        duty: 'COUNCIL_CARE_PLAN',
        opensOn: addDays(begun, 42),
        dueOn: addDays(begun, 56),
        basis: 'GUIDANCE',
      },
      {
        duty: 'COUNCIL_DIRECT_PAYMENT',
        dueOn: addMonths(begun, 6),
        because: `council direct payment: within 6 months ${since}, Care and Support (Direct Payments) Regulations 2014, regulation 7`,
      },
    ]);
    expect(joint).toMatchObject({ on: jointDay, notAfter: addDays(begun, 56), duties: all, leftOut: [] });
    expect(apart).toEqual([]);
  });

  test('is the same for both sides, and for the person', async () => {
    const himself = { sub: 'iris', tandem_role: 'PERSON', nhs_number: iris.nhsNumber };
    for (const claims of [socialWorker, himself])
      expect(await nextOf('iris', claims)).toEqual(await nextOf('iris'));
  });

  test('for a notional budget is the plan alone', async () => {
    today = notional.nhs!.budget!.from;
    expect(await nextOf('notional')).toMatchObject({
      duties: [{ duty: 'NHS_CARE_PLAN', basis: 'GUIDANCE' }],
      joint: null,
      apart: [],
    });
    today = addDays(begun, 20);
  });

  test('counts a direct payment from the first money that was its own, and that stayed', async () => {
    const { pool } = kit.database;
    today = placeDay;
    const budget = `select b.id from budget b where b.person_id = '${ids.daniel}' and b.kind = 'PERSONAL_BUDGET'`;
    const { rows } = await pool.query(
      `select id, effective_on as "on" from ledger_transfer where budget_id = (${budget}) and kind = 'PAID_IN' and source = 'COUNCIL'
        order by effective_on limit 3`,
    );
    const [first, second, third] = rows;
    expect((await dueOf('daniel')).COUNCIL_DIRECT_PAYMENT).toBe(addMonths(first.on, 6));
    await pool.query(
      `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on, reverses_id, external_id)
       select person_id, budget_id, to_account_id, from_account_id, kind, source, pence, effective_on, id, external_id
         from ledger_transfer where id = $1`,
      [first.id],
    );
    expect((await dueOf('daniel')).COUNCIL_DIRECT_PAYMENT).toBe(addMonths(second.on, 6));
    await pool.query(`update portion set valid_from = $1 where budget_id = (${budget})`, [
      addDays(second.on, 1),
    ]);
    expect((await dueOf('daniel')).COUNCIL_DIRECT_PAYMENT).toBe(addMonths(third.on, 6));
    await pool.query(`update portion set valid_from = null where budget_id = (${budget})`);
    today = addDays(begun, 20);
  });

  test('takes no scan of a table that grows', async () => {
    const sql = await kit.database.pool.connect();
    await sql.query('begin; set local enable_seqscan = off');
    const { rows } = await sql.query(
      `explain select ${reviewFacts(`'${ids.iris}'::uuid`, `'${today}'::date`)}`,
    );
    await sql.query('rollback');
    sql.release();
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('ledger_transfer_page');
    expect(plan.match(/Seq Scan on (?!commissioner_policy|organisation|source_system)\w+/g)).toBeNull();
  });
});

describe('a review', () => {
  test('joint, is recorded once for both sides, and restarts every clock it satisfied', async () => {
    today = addDays(jointDay, 3);
    const idempotencyKey = crypto.randomUUID();
    const told = {
      idempotencyKey,
      kind: 'JOINT',
      heldOn: jointDay,
      startedOn: addDays(jointDay, -1),
      reason: 'Planned',
      method: 'At home, with Carol',
      outcome: ' Goes on as it is ',
      outcomesAchieved: 'Two of three',
    };
    const done = await hold('iris', told);
    expect(done.userErrors).toEqual([]);
    expect(done.review).toEqual({
      id: expect.stringMatching(/^rev_/),
      kind: 'JOINT',
      duties: all,
      side: null,
      source: null,
      startedOn: told.startedOn,
      heldOn: jointDay,
      reason: told.reason,
      method: told.method,
      outcome: 'Goes on as it is',
      outcomesAchieved: told.outcomesAchieved,
    });
    expect(await hold('iris', told)).toEqual(done);
    expect(await rowsOf('iris')).toBe(1);
    const { duties, joint } = done.person.nextReviews;
    const dueOn = addMonths(jointDay, 12);
    expect(duties).toMatchObject(all.map((duty) => ({ duty, dueOn, lastHeldOn: jointDay, overdue: false })));
    expect(joint).toMatchObject({ on: workingDayBy(dueOn), duties: all });
    expect(await nextOf('iris', socialWorker)).toEqual(done.person.nextReviews);
    const { rows } = await kit.database.pool.query(`select payload from outbox where topic = 'review.held'`);
    expect(rows.map(({ payload }) => payload)).toEqual([{ personIds: [ids.iris] }]);
  });

  test('is recorded once however many tell of it', async () => {
    expect(await refusal('iris', { kind: 'JOINT', heldOn: jointDay }, socialWorker)).toEqual([
      ['ALREADY_HELD', 'heldOn'],
    ]);
    const heldOn = addDays(jointDay, 1);
    // They wait where all may be seen to wait, so that none is done before the others have begun.
    const { pool } = kit.database;
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('select from person where id = $1 for update', [ids.iris]);
    const asked = Promise.all(
      [coordinator, socialWorker, coordinator, socialWorker].map((claims) =>
        hold('iris', { kind: 'JOINT', heldOn, duties: all.slice(0, 3) }, claims),
      ),
    );
    const waiting = `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await asOwner(kit.database.url, waiting)).rows[0].n < 4)
      await new Promise((done) => setTimeout(done, 10));
    await holder.query('commit');
    holder.release();
    const answers = await asked;
    const codes = answers.flatMap(({ userErrors }) => userErrors.map(({ code }: never) => code));
    expect(codes).toEqual(['ALREADY_HELD', 'ALREADY_HELD', 'ALREADY_HELD']);
    expect(await dueOf('iris')).toMatchObject({
      NHS_CARE_PLAN: addMonths(heldOn, 12),
      COUNCIL_DIRECT_PAYMENT: addMonths(jointDay, 12),
    });
  });

  test('of a side is of that side alone, and restarts its one clock', async () => {
    const heldOn = addDays(jointDay, 2);
    const before = await dueOf('iris');
    const done = await hold('iris', { kind: 'DIRECT_PAYMENT', heldOn }, socialWorker);
    expect(done).toMatchObject({
      review: {
        kind: 'DIRECT_PAYMENT',
        duties: ['COUNCIL_DIRECT_PAYMENT'],
        side: 'COUNCIL',
        source: null,
        startedOn: heldOn,
      },
      userErrors: [],
    });
    expect(await dueOf('iris')).toEqual({ ...before, COUNCIL_DIRECT_PAYMENT: addMonths(heldOn, 12) });
    // The NHS may review its own on the same day.
    expect(await refusal('iris', { kind: 'DIRECT_PAYMENT', heldOn })).toEqual([]);
  });

  test('of eligibility, and an audit, are kept apart from all others', async () => {
    const { pool } = kit.database;
    await pool.query(
      `insert into eligibility (person_id, scheme, status, decided_on, valid_from) values ($1, 'CHC_STANDARD', 'ELIGIBLE', $2, $2)`,
      [ids.iris, begun],
    );
    for (const [code, source] of [
      ['QWN', 'ICB'],
      ['999', 'COUNCIL'],
    ]) {
      await pool.query(
        `insert into commissioner_policy (organisation_id, source, effective_from, return_frequency, review_max_months, citation)
         select id, $2::funding_source, $3, 'QUARTERLY', case when $2 = 'COUNCIL' then 6 end, 'wenshire.example/policy' from organisation where ods_code = $1`,
        [code, source, begun],
      );
    }
    const { duties, apart } = await nextOf('iris');
    expect(apart).toEqual(['CHC_ELIGIBILITY', 'NHS_AUDIT', 'COUNCIL_AUDIT']);
    expect(duties.slice(2)).toMatchObject([
      {
        duty: 'COUNCIL_CARE_PLAN',
        dueOn: addMonths(addDays(jointDay, 1), 6),
        basis: 'POLICY',
        rule: 'policy of Wenshire County Council (wenshire.example/policy)',
      },
      { duty: 'COUNCIL_DIRECT_PAYMENT', dueOn: addMonths(addDays(jointDay, 2), 6) },
      { duty: 'CHC_ELIGIBILITY', dueOn: addMonths(begun, 3), basis: 'GUIDANCE' },
      { duty: 'NHS_AUDIT', dueOn: addMonths(begun, 3), basis: 'POLICY' },
      { duty: 'COUNCIL_AUDIT', dueOn: addMonths(begun, 3) },
    ]);

    const apartOnes = [['KEEP_APART', 'heldOn']];
    expect(await refusal('iris', { kind: 'CHC_ELIGIBILITY', heldOn: jointDay })).toEqual(apartOnes);
    expect(await refusal('iris', { kind: 'AUDIT', heldOn: jointDay }, socialWorker)).toEqual(apartOnes);
    const [chcDay, auditDay] = [addDays(jointDay, -3), addDays(jointDay, -4)];
    expect(await refusal('iris', { kind: 'CHC_ELIGIBILITY', heldOn: chcDay })).toEqual([]);
    expect(await refusal('iris', { kind: 'AUDIT', heldOn: chcDay })).toEqual(apartOnes);
    expect(await refusal('iris', { kind: 'JOINT', heldOn: chcDay })).toEqual(apartOnes);
    expect(await refusal('iris', { kind: 'CARE_PLAN', heldOn: chcDay }, socialWorker)).toEqual(apartOnes);
    expect(await refusal('iris', { kind: 'SHORT_TERM_SUPPORT', heldOn: chcDay }, socialWorker)).toEqual(
      apartOnes,
    );
    expect(await refusal('iris', { kind: 'AUDIT', heldOn: auditDay })).toEqual([]);
    expect(await refusal('iris', { kind: 'CHC_ELIGIBILITY', heldOn: auditDay })).toEqual(apartOnes);
    expect(await refusal('iris', { kind: 'AUDIT', heldOn: auditDay })).toEqual([['ALREADY_HELD', 'heldOn']]);
    // One account, looked at once by both.
    expect(await refusal('iris', { kind: 'AUDIT', heldOn: auditDay }, socialWorker)).toEqual([]);
    expect(await dueOf('iris')).toMatchObject({
      CHC_ELIGIBILITY: addMonths(chcDay, 12),
      NHS_AUDIT: addMonths(auditDay, 3),
      COUNCIL_AUDIT: addMonths(auditDay, 3),
    });
    await pool.query('delete from commissioner_policy');
  });

  test('that cannot be as it is told is refused on its field, and nothing is written', async () => {
    const before = [await rowsOf('iris'), await rowsOf('notional')];
    const heldOn = addDays(jointDay, -10);
    const cases: [Parameters<typeof hold>, [string, string | null][]][] = [
      [['iris', { kind: 'JOINT', heldOn: addDays(today, 1) }], [['DAY_INVALID', 'heldOn']]],
      [['iris', { kind: 'JOINT', heldOn, startedOn: addDays(heldOn, 1) }], [['DAY_INVALID', 'startedOn']]],
      [
        ['iris', { kind: 'JOINT', heldOn: addDays(today, 1), startedOn: addDays(today, 2) }],
        [
          ['DAY_INVALID', 'heldOn'],
          ['DAY_INVALID', 'startedOn'],
        ],
      ],
      [['iris', { kind: 'JOINT', heldOn, outcome: '  ' }], [['TEXT_INVALID', 'outcome']]],
      [['iris', { kind: 'JOINT', heldOn, reason: 'x'.repeat(1_001) }], [['TEXT_INVALID', 'reason']]],
      [['iris', { kind: 'JOINT', heldOn, duties: ['NHS_CARE_PLAN'] }], [['NOTHING_TO_JOIN', 'duties']]],
      [
        ['iris', { kind: 'JOINT', heldOn, duties: ['NHS_CARE_PLAN', 'NHS_CARE_PLAN'] }],
        [['NOTHING_TO_JOIN', 'duties']],
      ],
      [
        ['iris', { kind: 'JOINT', heldOn, duties: ['NHS_CARE_PLAN', 'COUNCIL_AUDIT'] }],
        [['DUTY_NOT_OF_KIND', 'duties.1']],
      ],
      [
        ['iris', { kind: 'CARE_PLAN', heldOn, duties: ['NHS_DIRECT_PAYMENT'] }],
        [['DUTY_NOT_OF_KIND', 'duties.0']],
      ],
      [
        ['iris', { kind: 'CARE_PLAN', heldOn, duties: ['NHS_CARE_PLAN'] }, socialWorker],
        [['NOT_YOURS', 'duties.0']],
      ],
      [['iris', { kind: 'CHC_ELIGIBILITY', heldOn }, socialWorker], [['NOT_YOURS', 'kind']]],
      [
        ['iris', { kind: 'JOINT', heldOn }, { ...coordinator, organisation: provider.organisation }],
        [['NOT_YOURS', 'kind']],
      ],
      // Before there was anything.
      [['iris', { kind: 'CARE_PLAN', heldOn: addDays(begun, -1) }], [['DUTY_NOT_HELD', 'kind']]],
      [['notional', { kind: 'DIRECT_PAYMENT', heldOn }], [['DUTY_NOT_HELD', 'kind']]],
      [['notional', { kind: 'AUDIT', heldOn }], [['DUTY_NOT_HELD', 'kind']]],
      [['notional', { kind: 'CHC_ELIGIBILITY', heldOn }], [['DUTY_NOT_HELD', 'kind']]],
      [['notional', { kind: 'JOINT', heldOn }], [['NOTHING_TO_JOIN', 'kind']]],
      [['notional', { kind: 'CARE_PLAN', heldOn }, socialWorker], [['PERSON_NOT_FOUND', 'personId']]],
      [['nobody', { kind: 'CARE_PLAN', heldOn }], [['PERSON_NOT_FOUND', 'personId']]],
    ];
    for (const [asked, faults] of cases) expect([asked, await refusal(...asked)]).toEqual([asked, faults]);
    expect([await rowsOf('iris'), await rowsOf('notional')]).toEqual(before);
    const { errors } = await hold('iris', { kind: 'JOINT', heldOn }, provider);
    expect(errors[0].extensions.code).toBe('FORBIDDEN');
  });

  test('that a system told of names its side, its system and the duty that follows', async () => {
    const { pool } = kit.database;
    await pool.query(
      `insert into review (person_id, link_id, external_id, kind, started_on, held_on)
       select k.person_id, k.id, 'told', 'CARE_PLAN', $2, $2 from person_link k join source_system s on s.id = k.source_id
        where k.person_id = $1 and s.side = 'COUNCIL'`,
      [ids.daniel, addDays(placeDay, -30)],
    );
    const { data } = await kit.ask(
      'query ($id: ID!) { person(id: $id) { reviews { kind duties side source } } }',
      {
        id: globalId(ids.daniel!),
      },
    );
    expect(data.person.reviews).toEqual([
      { kind: 'CARE_PLAN', duties: ['COUNCIL_CARE_PLAN'], side: 'COUNCIL', source: expect.any(String) },
    ]);
    today = placeDay;
    expect((await dueOf('daniel')).COUNCIL_CARE_PLAN).toBe(addMonths(addDays(placeDay, -30), 12));
  });
});

test('an integrated budget carries on the clocks of its parts', async () => {
  const { pool } = kit.database;
  today = placeDay;
  const before = await dueOf('daniel');
  const since = addDays(placeDay, -60);
  const { rows } = await pool.query(
    `insert into budget (person_id, kind, status, valid_from, agreed_pence) values ($1, 'INTEGRATED', 'ACTIVE', $2, 100) returning id`,
    [ids.daniel, since],
  );
  await pool.query(
    `insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
     select $1, $2, s.source, null, 50 from unnest('{ICB,COUNCIL}'::funding_source[]) as s(source)`,
    [rows[0].id, ids.daniel],
  );
  await pool.query(
    `insert into portion (budget_id, person_id, position, management, recurring, amount_pence, funds_holder, account_operator, legal_employer, purchase_decider)
     values ($1, $2, 1, 'DIRECT_PAYMENT', true, 100, 'PERSON', 'PERSON', 'PERSON', 'PERSON')`,
    [rows[0].id, ids.daniel],
  );
  await pool.query(`update budget set part_of_id = $1 where person_id = $2 and id <> $1`, [
    rows[0].id,
    ids.daniel,
  ]);
  expect(await dueOf('daniel')).toEqual(before);
  // Where the parts were held by somebody else before, it is the payments since that are the person's own.
  await pool.query(`update portion set management = 'THIRD_PARTY' where person_id = $2 and budget_id <> $1`, [
    rows[0].id,
    ids.daniel,
  ]);
  const paid = await pool.query(
    `select source, min(effective_on) as "on" from ledger_transfer
      where person_id = $1 and kind = 'PAID_IN' and source in ('ICB', 'COUNCIL') and effective_on >= $2 group by 1 order by 1`,
    [ids.daniel, since],
  );
  const [byNhs, byCouncil] = paid.rows;
  expect(await dueOf('daniel')).toEqual({
    ...before,
    NHS_DIRECT_PAYMENT: addMonths(byNhs.on, 3),
    COUNCIL_DIRECT_PAYMENT: addMonths(byCouncil.on, 6),
  });
  await pool.query(`update portion set management = 'NOTIONAL' where budget_id = $1`, [rows[0].id]);
  expect(Object.keys(await dueOf('daniel'))).toEqual(['NHS_CARE_PLAN', 'COUNCIL_CARE_PLAN']);
});
