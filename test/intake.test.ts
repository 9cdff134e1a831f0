import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyPage, type PageResult, retryWaiting } from '../src/intake/store.ts';
import type { PersonFacts, Problem, Submission } from '../src/intake/submission.ts';
import { mergePeople, unmergePeople } from '../src/person/merge.ts';
import { fold } from '../src/person/rules.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { contentOf, rowsOf } from './setup/content.ts';
import { asOwner, makeDatabase } from './setup/database.ts';

let made: Awaited<ReturnType<typeof makeDatabase>>;
let database: Database;
let sources: Record<'nhs' | 'council', { id: string; runId: string; moves: number }>;

beforeAll(async () => {
  made = await makeDatabase();
  database = openDatabase(made.url);
});
afterAll(async () => {
  await database.close();
  await made.drop();
});

const query = async <T>(text: string, values: unknown[] = []) =>
  (await database.pool.query(text, values)).rows as T[];

beforeEach(async () => {
  // What may never be deleted goes with its whole table.
  await asOwner(
    database.url,
    `alter table ledger_transfer disable trigger user; alter table audit_event disable trigger user;
    truncate person, source_system, organisation, outbox, audit_event cascade;
    alter table ledger_transfer enable trigger user; alter table audit_event enable trigger user`,
  );
  await query(`insert into organisation (kind, name, ods_code)
    values ('ICB', 'Board', 'QWN'), ('COUNCIL', 'Council', '999'), ('PROVIDER', 'Charity', 'D9H01')`);
  const add = async (code: string, kind: string, side: string, organisation: string) => {
    const [source] = await query<{ id: string; run: string }>(
      `with source as (
         insert into source_system (code, name, kind, side, organisation_id, base_url)
         select $1, $1, $2::source_kind, $3::side, id, '' from organisation where ods_code = $4 returning id
       ), run as (insert into sync_run (source_id) select id from source returning id)
       select source.id, run.id as run from source, run`,
      [code, kind, side, organisation],
    );
    await query(`insert into sync_cursor (source_id, feed) values ($1, 'feed')`, [source!.id]);
    return { id: source!.id, runId: source!.run, moves: 0 };
  };
  sources = {
    nhs: await add('nhs', 'NHS_FHIR', 'NHS', 'QWN'),
    council: await add('council', 'COUNCIL', 'COUNCIL', '999'),
  };
});

type Row = Submission | Problem;

async function send(side: 'nhs' | 'council', ...rows: Row[]): Promise<PageResult> {
  const source = sources[side];
  const result = await applyPage(database.pool, {
    sourceId: source.id,
    feed: 'feed',
    runId: source.runId,
    rows,
    cursor: { at: source.moves },
    expectedMoves: source.moves,
    nextFeed: 'feed',
    expected: null,
  });
  if (result.applied) source.moves += 1;
  return result;
}
const retry = (side: 'nhs' | 'council') => retryWaiting(database.pool, sources[side].id, sources[side].runId);
const waiting = () =>
  query<{ kind: string; id: string; code: string }>(
    `select kind, external_id as id, code from source_row where state = 'WAITING' order by kind, external_id`,
  );

const row = <K extends Submission['kind']>(
  kind: K,
  externalId: string,
  personId: string,
  facts: Extract<Submission, { kind: K }>['facts'],
) =>
  ({ kind, externalId, personId, facts, version: '1', raw: { externalId }, place: externalId }) as Submission;

const person = (id: string, facts: Partial<PersonFacts> = {}) =>
  row('person', id, id, {
    nhsNumber: '9990000018',
    supersededNhsNumbers: [],
    familyName: 'Holloway',
    givenName: 'Iris',
    birthDate: '1941-03-02',
    deathDate: null,
    gender: 'FEMALE',
    postcode: 'WN1 2AB',
    restricted: false,
    ...facts,
  });
const budget = (id: string, of: string, amountPence = 100_000n) =>
  row('budget', id, of, {
    kind: 'PERSONAL_HEALTH_BUDGET',
    status: 'ACTIVE',
    from: '2026-04-01',
    to: null,
    indicativePence: null,
    fundingLines: [{ source: 'ICB', stream: 'CHC', organisationCode: 'QWN', amountPence }],
    portions: [
      {
        management: 'MANAGED_ACCOUNT',
        recurring: true,
        amountPence,
        channel: 'BANK',
        accountOperatorCode: 'D9H01',
      },
    ],
  });
type Payment = Extract<Submission, { kind: 'payment' }>['facts'];
const payment = (id: string, of: string, facts: Partial<Payment> = {}) =>
  row('payment', id, of, {
    budgetId: 'b1',
    kind: 'PAID_IN',
    source: 'ICB',
    pence: 5_000n,
    effectiveOn: '2026-05-01',
    description: null,
    cancelled: false,
    ...facts,
  });
const problem = (externalId: string): Problem => ({
  kind: 'problem',
  externalId,
  version: '1',
  raw: { bad: true },
  place: externalId,
  code: 'NHS_NUMBER_INVALID',
  column: 'identifier',
  found: '9 digits',
  advice: 'Send ten.',
});

/** One row of every kind, about one person. */
const everything = (id = 'p1'): Submission[] => [
  person(id),
  row('role', 'r1', id, {
    role: 'LPA_HEALTH_AND_WELFARE',
    organisationCode: null,
    individual: { name: 'Carol Holloway', nhsNumber: '9990000026', relationship: 'daughter' },
    from: '2020-01-01',
    to: null,
  }),
  row('role', 'r2', id, {
    role: 'MANAGED_ACCOUNT_PROVIDER',
    organisationCode: 'D9H01',
    individual: null,
    from: null,
    to: null,
  }),
  row('eligibility', 'e1', id, {
    scheme: 'CHC_STANDARD',
    status: 'ELIGIBLE',
    decidedOn: '2026-03-20',
    decidedByCode: 'QWN',
    reviewer: 'Continuing healthcare team',
    reviewDueOn: '2026-06-20',
    from: '2026-03-20',
    to: null,
  }),
  row('outcome', 'o1', id, { text: 'Walk to the harbour', status: 'ACTIVE', targetOn: '2026-12-01' }),
  row('plan', 'pl1', id, {
    title: 'Plan',
    status: 'AGREED',
    whatMatters: 'The sea',
    from: '2026-04-01',
    to: null,
    needs: ['Memory', 'Balance'],
    outcomeIds: ['o1'],
    coordinatorName: 'Sam Reed',
  }),
  budget('b1', id),
  row('balance', 'bal1', id, { budgetId: 'b1', asAt: '2026-05-31', pence: 3_000n }),
  payment('in', id),
  payment('out', id, { kind: 'SPENT', pence: 2_000n }),
  row('service', 's1', id, {
    serviceType: 'Long Term Support: Community',
    component: 'Direct Payment',
    deliveryMechanism: null,
    providerName: null,
    providerCqcLocationId: null,
    from: '2026-04-01',
    to: null,
    unitCostPence: 9_007_199_254_740_993n,
    costFrequency: 'Weekly',
    plannedUnitsPerWeek: '10.50',
  }),
  row('review', 'rv1', id, {
    kind: 'CARE_PLAN',
    startedOn: '2026-05-01',
    heldOn: '2026-05-02',
    reason: null,
    method: null,
    outcome: 'No change',
    outcomesAchieved: null,
  }),
  row('contact', 'c1', id, {
    kind: 'REQUEST',
    type: null,
    from: '2026-03-01',
    to: '2026-03-02',
    outcome: null,
  }),
];

const balances = () =>
  query<{ source: string; kind: string; pence: bigint }>(
    `select source, kind, in_pence - out_pence as pence from ledger_account order by source, kind`,
  );

async function expectLedgerTrue() {
  const wrong = await query(
    `select a.id from ledger_account a where (a.in_pence, a.out_pence) is distinct from (
       (select coalesce(sum(pence), 0) from ledger_transfer where to_account_id = a.id),
       (select coalesce(sum(pence), 0) from ledger_transfer where from_account_id = a.id))`,
  );
  expect(wrong).toEqual([]);
}

describe('a page', () => {
  test('writes every kind of row, its account in the audit, and whom it changed, in one transaction', async () => {
    expect(await send('nhs', ...everything())).toEqual({
      applied: true,
      created: 13,
      changed: 0,
      unchanged: 0,
      waiting: 0,
    });
    expect(await waiting()).toEqual([]);
    expect(await query(`select family_name, sort_name, postcode from person`)).toEqual([
      { family_name: 'Holloway', sort_name: 'holloway, iris', postcode: 'WN1 2AB' },
    ]);
    expect(
      await query(`select role, individual_name, sort_name, ods_code from role_on_record r
                          left join organisation o on o.id = r.organisation_id order by role`),
    ).toEqual([
      { role: 'COMMISSIONER', individual_name: null, sort_name: 'holloway, iris', ods_code: 'QWN' },
      {
        role: 'MANAGED_ACCOUNT_PROVIDER',
        individual_name: null,
        sort_name: 'holloway, iris',
        ods_code: 'D9H01',
      },
      {
        role: 'LPA_HEALTH_AND_WELFARE',
        individual_name: 'Carol Holloway',
        sort_name: 'holloway, iris',
        ods_code: null,
      },
    ]);
    expect(
      await query(`select array_agg(n.text order by n.position) as needs, o.text, p.what_matters
                          from plan p join need n on n.plan_id = p.id join outcome o on o.plan_id = p.id
                         group by 2, 3`),
    ).toEqual([{ needs: ['Memory', 'Balance'], text: 'Walk to the harbour', what_matters: 'The sea' }]);
    expect(
      await query(`select agreed_pence, reported_balance_pence, f.amount_pence, management, o.ods_code
                          from budget b join funding_line f on f.budget_id = b.id join portion p on p.budget_id = b.id
                          join organisation o on o.id = p.account_operator_id`),
    ).toEqual([
      {
        agreed_pence: 100_000n,
        reported_balance_pence: 3_000n,
        amount_pence: 100_000n,
        management: 'MANAGED_ACCOUNT',
        ods_code: 'D9H01',
      },
    ]);
    expect(await balances()).toEqual([
      { source: 'ICB', kind: 'FUNDER', pence: -5_000n },
      { source: 'ICB', kind: 'HELD', pence: 3_000n },
      { source: 'ICB', kind: 'SPENT', pence: 2_000n },
    ]);
    expect(
      await query(`select unit_cost_pence, planned_units_per_week::text as units from service_line`),
    ).toEqual([{ unit_cost_pence: 9_007_199_254_740_993n, units: '10.50' }]);
    const [{ id } = { id: '' }] = await query<{ id: string }>('select id from person');
    expect(await query('select action, object, outcome, subject, role, person_ids from audit_event')).toEqual(
      [
        {
          action: 'JOB',
          object: 'nhs/feed',
          outcome: 'DONE',
          subject: 'system',
          role: 'SYSTEM',
          person_ids: [id],
        },
      ],
    );
    expect(await query('select topic, payload from outbox')).toEqual([
      { topic: 'person.changed', payload: { personIds: [id] } },
    ]);
    expect(await query('select received, created, unchanged from sync_run where received > 0')).toEqual([
      { received: 13, created: 13, unchanged: 0 },
    ]);
  });

  test('sent again writes nothing, and says so', async () => {
    await send('nhs', ...everything());
    const tuples = async () => {
      const tables = [...(await rowsOf(database.pool)).keys()].filter((name) => !/^sync_/.test(name));
      return Promise.all(
        tables.map((name) =>
          query(`select '${name}' as name, xmin::text, ctid::text from ${name} order by ctid`),
        ),
      );
    };
    const before = await tuples();
    const again = everything().map((sent) => ({ ...sent, version: 'another file' }));
    expect(await send('nhs', ...again)).toEqual({
      applied: true,
      created: 0,
      changed: 0,
      unchanged: 13,
      waiting: 0,
    });
    expect(await tuples()).toEqual(before);
  });

  test('is refused whole when somebody else has moved the cursor', async () => {
    await send('nhs', person('p1'));
    sources.nhs.moves -= 1;
    const before = await contentOf(database.pool);
    expect(await send('nhs', person('p2', { nhsNumber: null }))).toEqual({ applied: false });
    expect(await contentOf(database.pool)).toEqual(before);
  });

  test('takes the last of several rows with one id', async () => {
    await send('nhs', person('p1', { givenName: 'First' }), person('p1', { givenName: 'Last' }));
    expect(await query('select given_name from person')).toEqual([{ given_name: 'Last' }]);
  });

  test('corrects what it said: lines, portions, needs and outcomes that are gone are gone', async () => {
    await send('nhs', ...everything());
    const [plan, money] = [everything()[5], everything()[6]] as [
      Extract<Submission, { kind: 'plan' }>,
      Extract<Submission, { kind: 'budget' }>,
    ];
    await send(
      'nhs',
      { ...plan, facts: { ...plan.facts, needs: ['Balance'], outcomeIds: [] } },
      {
        ...money,
        facts: {
          ...money.facts,
          fundingLines: [{ source: 'S75_POOL', stream: '', organisationCode: null, amountPence: 7n }],
          portions: [],
        },
      },
    );
    expect(await query('select text from need')).toEqual([{ text: 'Balance' }]);
    expect(await query('select plan_id from outcome')).toEqual([{ plan_id: null }]);
    expect(await query('select source, amount_pence from funding_line')).toEqual([
      { source: 'S75_POOL', amount_pence: 7n },
    ]);
    expect(await query('select * from portion where valid_to is null')).toEqual([]);
    expect(await query('select agreed_pence from budget')).toEqual([{ agreed_pence: 7n }]);
  });

  test('corrects what it said of eligibility and reviews, and takes off what was recorded by mistake', async () => {
    await send('nhs', ...everything());
    const [held, review] = [everything()[3], everything().at(-2)] as [
      Extract<Submission, { kind: 'eligibility' }>,
      Extract<Submission, { kind: 'review' }>,
    ];
    await send('nhs', {
      ...held,
      facts: { ...held.facts, to: '2026-09-01', reviewDueOn: null },
    } as Submission);
    expect(
      await query(`select scheme, status, decided_on, o.ods_code, reviewer, review_due_on, e.valid_from, e.valid_to, version
                     from eligibility e join organisation o on o.id = e.decided_by_id`),
    ).toEqual([
      {
        scheme: 'CHC_STANDARD',
        status: 'ELIGIBLE',
        decided_on: '2026-03-20',
        ods_code: 'QWN',
        reviewer: 'Continuing healthcare team',
        review_due_on: null,
        valid_from: '2026-03-20',
        valid_to: '2026-09-01',
        version: 2,
      },
    ]);
    const withdrawn = { withdrawn: true } as const;
    const gone = [
      { ...held, facts: withdrawn },
      { ...review, facts: withdrawn },
    ];
    expect(await send('nhs', ...gone)).toMatchObject({ changed: 2, waiting: 0 });
    expect(await query('select id from eligibility union all select id from review')).toEqual([]);
    // What the record said before is kept for whoever asks what was known then.
    expect(
      await query(`select row ->> 'valid_to' as to from past where kind = 'eligibility' order by id`),
    ).toEqual([{ to: null }, { to: '2026-09-01' }]);
    await send('nhs', ...everything());
    expect(await query('select id from eligibility union all select id from review')).toHaveLength(2);
  });

  test('says the same in one page or in many', async () => {
    await send('nhs', ...everything());
    const names = [
      'person',
      'person_link',
      'role_on_record',
      'eligibility',
      'plan',
      'need',
      'outcome',
      'budget',
      'ledger_account',
      'ledger_transfer',
      'source_row',
    ];
    const pick = async () => {
      const content = await contentOf(database.pool);
      // A source is known by its runs here, and those do differ.
      return names.map((name) => content[name]!.map((text) => text.replace(/"(source|run)_id":"\w*"/g, '')));
    };
    const whole = await pick();
    const parts = everything('p1');
    await asOwner(
      database.url,
      `alter table ledger_transfer disable trigger user; truncate person, source_row cascade;
      alter table ledger_transfer enable trigger user`,
    );
    for (const part of parts) await send('nhs', part);
    expect(await pick()).toEqual(whole);
  });
});

describe('whose money a budget is made of', () => {
  type Line = Extract<Submission, { kind: 'budget' }>['facts']['fundingLines'][number];
  const line = (stream: string, amountPence: bigint, source: Line['source'] = 'ICB'): Line => ({
    source,
    stream,
    organisationCode: source === 'ICB' ? 'QWN' : null,
    amountPence,
  });
  const said = budget('b1', 'p1') as Extract<Submission, { kind: 'budget' }>;
  const sendLines = (...fundingLines: Line[]) =>
    send('nhs', person('p1'), { ...said, facts: { ...said.facts, fundingLines } });
  const lines = () =>
    query('select source, stream, amount_pence as pence from funding_line order by source, stream');

  test('is told by source and stream; lines alike in both are one', async () => {
    await sendLines(line('CHC', 5n), line('Wheelchair', 7n), line('CHC', 1n), line('CHC', 9n, 'S75_POOL'));
    expect(await lines()).toEqual([
      { source: 'ICB', stream: 'CHC', pence: 6n },
      { source: 'ICB', stream: 'Wheelchair', pence: 7n },
      { source: 'S75_POOL', stream: 'CHC', pence: 9n },
    ]);
    expect(await query('select agreed_pence from budget')).toEqual([{ agreed_pence: 22n }]);
    await sendLines(line('Wheelchair', 7n), line('', 2n));
    expect(await lines()).toEqual([
      { source: 'ICB', stream: '', pence: 2n },
      { source: 'ICB', stream: 'Wheelchair', pence: 7n },
    ]);
  });

  test('stays as it was shared out in the hub, whatever the source says anew', async () => {
    await sendLines(line('CHC', 5n));
    await query(`
      with split as (
        insert into funding_split (budget_id, person_id, basis, status, panel, decided_on, valid_from)
        select id, person_id, 'PERCENT', 'AGREED', 'Panel', '2026-05-01', '2026-05-01' from budget
        returning id, budget_id, person_id)
      insert into funding_line (budget_id, person_id, source, stream, amount_pence, valid_from, split_id)
      select budget_id, person_id, 'COUNCIL', '', 3, '2026-05-01', id from split`);
    await sendLines(line('CHC', 8n));
    expect(await lines()).toEqual([
      { source: 'ICB', stream: 'CHC', pence: 8n },
      { source: 'COUNCIL', stream: '', pence: 3n },
    ]);
  });

  test('comes with the stage it has reached, its first figure, and how it is paid out', async () => {
    for (const status of ['INDICATIVE', 'PROPOSED', 'SIGNED_OFF', 'ACTIVE', 'SUSPENDED', 'ENDED'] as const) {
      const [portion] = said.facts.portions;
      await send('nhs', person('p1'), {
        ...said,
        facts: {
          ...said.facts,
          status,
          indicativePence: 90_000n,
          portions: [{ ...portion!, channel: status === 'ACTIVE' ? 'WALLET' : 'PREPAID_CARD' }],
        },
      });
      expect(
        await query(
          `select status, indicative_pence, channel from budget b join portion p on p.budget_id = b.id`,
        ),
      ).toEqual([
        { status, indicative_pence: 90_000n, channel: status === 'ACTIVE' ? 'WALLET' : 'PREPAID_CARD' },
      ]);
    }
    // Each time it was another budget to whoever had it before their eyes.
    expect(await query('select version from budget')).toEqual([{ version: 6 }]);
  });
});

describe('a bad row', () => {
  test('waits with its reason, and the next good version of the same id answers it', async () => {
    await send('nhs', person('p1'), problem('p2'));
    expect(await waiting()).toEqual([{ kind: 'problem', id: 'p2', code: 'NHS_NUMBER_INVALID' }]);
    await send('nhs', person('p2', { nhsNumber: null }));
    expect(await waiting()).toEqual([]);
  });

  test('does not undo the last good version, which also answers it when it comes back', async () => {
    await send('nhs', person('p1'));
    await send('nhs', problem('p1'));
    expect(await query('select family_name from person')).toEqual([{ family_name: 'Holloway' }]);
    expect(await waiting()).toHaveLength(1);
    await send('nhs', person('p1'));
    expect(await waiting()).toEqual([]);
  });

  test('that the database refuses is set aside, and the others of its page are applied', async () => {
    const huge = payment('huge', 'p1', { pence: 2n ** 63n });
    // Characters that PostgreSQL stores in no text are no reason to refuse a row.
    const nul = {
      ...person('p\u0000x', { nhsNumber: null }),
      raw: { note: 'a\u0000b\ud800', path: 'c:\\u0000' },
    };
    const result = await send(
      'nhs',
      ...everything(),
      huge,
      payment('below', 'p1', { pence: -5n }),
      nul,
      problem('zz'),
    );
    expect(result).toEqual({ applied: true, created: 14, changed: 0, unchanged: 0, waiting: 3 });
    expect(await waiting()).toEqual([
      { kind: 'payment', id: 'below', code: 'ROW_REFUSED' },
      { kind: 'payment', id: 'huge', code: 'ROW_REFUSED' },
      { kind: 'problem', id: 'zz', code: 'NHS_NUMBER_INVALID' },
    ]);
    expect(await query(`select raw from source_row where external_id = 'p\ufffdx'`)).toEqual([
      { raw: { note: 'a\ufffdb\ufffd', path: 'c:\\u0000' } },
    ]);
  });

  test('among those that wait does not stop the others', async () => {
    await send('nhs', payment('below', 'p1', { pence: -5n }), payment('good', 'p1'));
    await send('nhs', person('p1'), budget('b1', 'p1'));
    await retry('nhs');
    expect(await waiting()).toEqual([{ kind: 'payment', id: 'below', code: 'ROW_REFUSED' }]);
    expect(await query('select external_id from ledger_transfer')).toEqual([{ external_id: 'good' }]);
  });
});

describe('a row that comes too early', () => {
  test('waits for its person, its budget, its outcome, and is applied once they are there', async () => {
    const [all, plan] = [everything(), everything()[5]!];
    const early = all.filter(({ kind }) => kind !== 'person' && kind !== 'budget');
    expect(await send('nhs', ...early)).toMatchObject({ created: 0, waiting: early.length });
    expect(new Set((await waiting()).map(({ code }) => code))).toEqual(new Set(['PERSON_NOT_KNOWN_YET']));
    await send('nhs', person('p1'));
    await retry('nhs');
    expect((await waiting()).map(({ id, code }) => [id, code])).toEqual([
      ['bal1', 'BUDGET_NOT_KNOWN_YET'],
      ['in', 'BUDGET_NOT_KNOWN_YET'],
      ['out', 'BUDGET_NOT_KNOWN_YET'],
    ]);
    await send('nhs', budget('b1', 'p1'));
    await retry('nhs');
    expect(await waiting()).toEqual([]);
    expect(await balances()).toHaveLength(3);
    await expectLedgerTrue();

    await send('nhs', {
      ...plan,
      externalId: 'pl2',
      facts: { ...plan.facts, outcomeIds: ['o9'] },
    } as Submission);
    expect(await waiting()).toEqual([{ kind: 'plan', id: 'pl2', code: 'OUTCOME_NOT_KNOWN_YET' }]);
    expect(await query(`select external_id from plan where external_id = 'pl2'`)).toHaveLength(1);
    await send('nhs', row('outcome', 'o9', 'p1', { text: 'Later', status: 'PROPOSED', targetOn: null }));
    await retry('nhs');
    expect(await waiting()).toEqual([]);
    expect(
      await query(
        `select p.external_id from outcome o join plan p on p.id = o.plan_id where o.external_id = 'o9'`,
      ),
    ).toEqual([{ external_id: 'pl2' }]);
  });

  test('that names an unknown organisation waits until it is added', async () => {
    await send(
      'nhs',
      person('p1'),
      row('role', 'r', 'p1', {
        role: 'MANAGED_ACCOUNT_PROVIDER',
        organisationCode: 'NEW01',
        individual: null,
        from: null,
        to: null,
      }),
    );
    expect(await waiting()).toEqual([{ kind: 'role', id: 'r', code: 'ORGANISATION_NOT_KNOWN' }]);
    await query(`insert into organisation (kind, name, ods_code) values ('PROVIDER', 'New', 'NEW01')`);
    await retry('nhs');
    expect(await waiting()).toEqual([]);
  });

  test('that was decided by an unknown organisation waits for it too', async () => {
    const held = everything()[3] as Extract<Submission, { kind: 'eligibility' }>;
    await send('nhs', person('p1'), {
      ...held,
      facts: { ...held.facts, decidedByCode: 'NEW01' },
    } as Submission);
    expect(await waiting()).toEqual([{ kind: 'eligibility', id: 'e1', code: 'ORGANISATION_NOT_KNOWN' }]);
    await query(`insert into organisation (kind, name, ods_code) values ('ICB', 'New', 'NEW01')`);
    await retry('nhs');
    expect(await waiting()).toEqual([]);
    expect(await query('select scheme from eligibility')).toEqual([{ scheme: 'CHC_STANDARD' }]);
  });

  test('and still waits is left as it is', async () => {
    await send('nhs', payment('x', 'p1'));
    const before = await query('select xmin::text, ctid::text from source_row');
    await retry('nhs');
    expect(await query('select xmin::text, ctid::text from source_row')).toEqual(before);
  });
});

describe('one person, two sides', () => {
  test('show the NHS facts, and where the sides disagree until they agree again', async () => {
    await send(
      'council',
      person('c1', {
        familyName: 'HOLLOWÁY',
        givenName: 'I',
        birthDate: '1941-02-03',
        postcode: 'wn12ab',
        gender: 'UNKNOWN',
      }),
    );
    await send('nhs', person('p1'));
    expect(await query('select given_name, birth_date, postcode from person')).toEqual([
      { given_name: 'Iris', birth_date: '1941-03-02', postcode: 'WN1 2AB' },
    ]);
    const differences = () => query('select field, nhs, council from difference order by field');
    expect(await differences()).toEqual([
      { field: 'GIVEN_NAME', nhs: 'Iris', council: 'I' },
      { field: 'BIRTH_DATE', nhs: '1941-03-02', council: '1941-02-03' },
    ]);
    await send('council', person('c1', { postcode: 'WN9 9ZZ' }));
    expect(await differences()).toEqual([{ field: 'POSTCODE', nhs: 'WN1 2AB', council: 'WN9 9ZZ' }]);
    // The NHS marks the record as sensitive: nobody's address is shown, not even as a difference.
    await send('nhs', person('p1', { restricted: true, postcode: null }));
    expect(await query('select restricted, postcode from person')).toEqual([
      { restricted: true, postcode: null },
    ]);
    expect(await differences()).toEqual([]);
    await send('council', person('c1', { deathDate: '2026-10-01' }));
    expect(await query('select death_date::text from person')).toEqual([{ death_date: '2026-10-01' }]);
    expect(
      await query(
        `select o.ods_code from role_on_record r join organisation o on o.id = r.organisation_id order by 1`,
      ),
    ).toEqual([{ ods_code: '999' }, { ods_code: 'QWN' }]);
  });

  test('are found by an NHS number that was replaced', async () => {
    await send('council', person('c1', { nhsNumber: '9990000026' }));
    await send('nhs', person('p1', { supersededNhsNumbers: ['9990000026'] }));
    expect(await query('select count(*)::int as people from person')).toEqual([{ people: 1 }]);
    expect(
      await query(`select system, issuer, value, status from person_identifier order by system, value`),
    ).toEqual([
      { system: 'NHS_NUMBER', issuer: '', value: '9990000018', status: 'CURRENT' },
      { system: 'NHS_NUMBER', issuer: '', value: '9990000026', status: 'SUPERSEDED' },
      { system: 'COUNCIL_ID', issuer: '999', value: 'c1', status: 'CURRENT' },
    ]);
    expect(await query('select field from difference')).toEqual([{ field: 'NHS_NUMBER' }]);
  });

  test('are not joined when name and birth date are both different', async () => {
    await send('nhs', person('p1'));
    await send(
      'council',
      person('c1', { familyName: 'Marsh', birthDate: '1960-01-01' }),
      row('contact', 'k', 'c1', {
        kind: 'REQUEST',
        type: null,
        from: '2026-01-01',
        to: '2026-01-02',
        outcome: null,
      }),
    );
    expect((await waiting()).map(({ code }) => code)).toEqual(['PERSON_NOT_KNOWN_YET', 'DOUBTFUL_MATCH']);
    const told = JSON.stringify(await query('select code, field, found, advice, place from source_row'));
    expect(told).not.toMatch(/Marsh|1960|9990000018/);
    // The council corrects the number: all that waited is applied.
    await send('council', person('c1', { familyName: 'Marsh', birthDate: '1960-01-01', nhsNumber: null }));
    await retry('council');
    expect(await waiting()).toEqual([]);
    expect(await query('select count(*)::int as people from person')).toEqual([{ people: 2 }]);
  });

  test('stay two when a correction would make them one', async () => {
    await send(
      'nhs',
      person('p1'),
      person('p2', { nhsNumber: '9990000026', familyName: 'Marsh', birthDate: '1960-01-01' }),
    );
    await send('nhs', person('p2', { familyName: 'Marsh', birthDate: '1960-01-01' }));
    expect(await waiting()).toEqual([{ kind: 'person', id: 'p2', code: 'NHS_NUMBER_OF_ANOTHER' }]);
    await send('nhs', person('p1', { supersededNhsNumbers: ['9990000026'] }));
    expect((await waiting()).map(({ code }) => code)).toEqual(['TWO_RECORDS', 'NHS_NUMBER_OF_ANOTHER']);
  });

  test('keep one number: a corrected one replaces the wrong one, which is free again', async () => {
    await send('nhs', person('p1'));
    await send('nhs', person('p1', { nhsNumber: '9990000034' }));
    expect(await query('select value, status from person_identifier')).toEqual([
      { value: '9990000034', status: 'CURRENT' },
    ]);
    await send('council', person('c1', { nhsNumber: '9990000034' }));
    await send('council', person('c1', { nhsNumber: '9990000018' }));
    expect(await query(`select value, status from person_identifier where system = 'NHS_NUMBER'`)).toEqual([
      { value: '9990000034', status: 'CURRENT' },
    ]);
    expect(await query('select field from difference')).toEqual([{ field: 'NHS_NUMBER' }]);
  });

  test('are one record when both sides send them at the same moment', async () => {
    const people = Array.from({ length: 40 }, (_, n) =>
      person(`p${n}`, { nhsNumber: String(9_990_000_000 + n) }),
    );
    await Promise.all([send('nhs', ...people), send('council', ...people)]);
    expect(
      await query(
        'select count(*)::int as people, (select count(*)::int from person_link) as links from person',
      ),
    ).toEqual([{ people: 40, links: 80 }]);
  });

  test('fold names in the database as in the rules', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(..."aÁçñÖ’'- ŚşzZO"), { maxLength: 8 }), async (letters) => {
        const name = letters.join('');
        const [found] = await query<{ folded: string }>(
          `select lower(regexp_replace(normalize($1, nfd), '[\\u0300-\\u036f''’ -]', '', 'g')) as folded`,
          [name],
        );
        expect(found!.folded).toBe(fold(name));
      }),
      { numRuns: 60 },
    );
  });
});

test('a part that an organisation played in a budget ends when a new version no longer brings it', async () => {
  const operator = row('role', 'b1#operator', 'p1', {
    role: 'MANAGED_ACCOUNT_PROVIDER',
    organisationCode: 'D9H01',
    individual: null,
    from: '2026-04-01',
    to: null,
  });
  const live = async () =>
    (
      await query(
        `select from role_on_record where external_id = 'b1#operator'
          and (valid_to is null or valid_to > (now() at time zone 'Europe/London')::date)`,
      )
    ).length;
  await send('nhs', person('p1'), operator, budget('b1', 'p1'));
  // A new version that brings it again, word for word, leaves it as it is.
  await send('nhs', operator, budget('b1', 'p1', 200_000n));
  expect(await live()).toBe(1);
  await send('nhs', budget('b1', 'p1', 300_000n));
  expect(await live()).toBe(0);
  await send('nhs', operator, budget('b1', 'p1', 400_000n));
  expect(await live()).toBe(1);
});

describe('the ledger', () => {
  const transfers = () =>
    query(
      `select kind, pence, effective_on as day, reverses_id is not null as reversal from ledger_transfer order by id`,
    );

  test('reverses a corrected payment and posts it anew; a cancelled one is only reversed', async () => {
    await send('nhs', person('p1'), budget('b1', 'p1'), payment('x', 'p1', { kind: 'COMMITTED' }));
    await send('nhs', payment('x', 'p1', { kind: 'SPENT', pence: 4_000n }));
    expect(await transfers()).toEqual([
      { kind: 'COMMITTED', pence: 5_000n, day: '2026-05-01', reversal: false },
      { kind: 'COMMITTED', pence: 5_000n, day: '2026-05-01', reversal: true },
      { kind: 'SPENT', pence: 4_000n, day: '2026-05-01', reversal: false },
    ]);
    expect(await balances()).toEqual([
      { source: 'ICB', kind: 'HELD', pence: -4_000n },
      { source: 'ICB', kind: 'COMMITTED', pence: 0n },
      { source: 'ICB', kind: 'SPENT', pence: 4_000n },
    ]);
    await send(
      'nhs',
      payment('x', 'p1', { kind: 'SPENT', pence: 4_000n, description: 'Another word for it' }),
    );
    expect(await transfers()).toHaveLength(3);
    await send('nhs', payment('x', 'p1', { kind: 'SPENT', pence: 4_000n, cancelled: true }));
    expect(await transfers()).toHaveLength(4);
    expect((await balances()).every(({ pence }) => pence === 0n)).toBe(true);
    await expectLedgerTrue();
  });

  test('follows a payment to another budget, and to another person', async () => {
    await send(
      'nhs',
      person('p1'),
      person('p2', { nhsNumber: '9990000026' }),
      budget('b1', 'p1'),
      budget('b2', 'p1'),
      budget('b3', 'p2'),
      payment('x', 'p1'),
    );
    await send('nhs', payment('x', 'p1', { budgetId: 'b2' }));
    await send('nhs', payment('x', 'p2', { budgetId: 'b3' }));
    expect(
      await query(`select b.external_id, sum(a.in_pence - a.out_pence) filter (where a.kind = 'HELD')::bigint as held
                          from ledger_account a join budget b on b.id = a.budget_id group by 1 order by 1`),
    ).toEqual([
      { external_id: 'b1', held: 0n },
      { external_id: 'b2', held: 0n },
      { external_id: 'b3', held: 5_000n },
    ]);
    await expectLedgerTrue();
  });

  test('says whose money the funder pays', async () => {
    await send(
      'nhs',
      person('p1'),
      budget('b1', 'p1'),
      payment('x', 'p1'),
      payment('y', 'p1', { source: 'EHC' }),
    );
    expect(
      await query(
        `select a.source, a.kind, o.ods_code from ledger_account a left join organisation o on o.id = a.organisation_id order by 1, 2`,
      ),
    ).toEqual([
      { source: 'ICB', kind: 'FUNDER', ods_code: 'QWN' },
      { source: 'ICB', kind: 'HELD', ods_code: null },
      { source: 'EHC', kind: 'FUNDER', ods_code: 'QWN' },
      { source: 'EHC', kind: 'HELD', ods_code: null },
    ]);
  });
});

test('what was filed under the wrong person leaves that record when it is corrected', async () => {
  await send('nhs', ...everything(), person('p2', { nhsNumber: '9990000026', familyName: 'Marsh' }));
  const moved = everything()
    .slice(1)
    .map((sent) => ({ ...sent, personId: 'p3' }) as Submission);
  await send('nhs', ...moved);
  // The right person is not known yet: the record is off the wrong one all the same, but for the money, which stays accounted for.
  expect(
    await query(
      'select (select count(*)::int from plan) as plans, (select count(*)::int from budget) as budgets',
    ),
  ).toEqual([{ plans: 0, budgets: 1 }]);
  await send('nhs', person('p3', { nhsNumber: '9990000034', familyName: 'Reed' }));
  await retry('nhs');
  expect(await waiting()).toEqual([]);
  const owners = [
    'eligibility',
    'plan',
    'need',
    'outcome',
    'budget',
    'funding_line',
    'ledger_transfer',
    'package',
    'service_line',
    'review',
    'contact',
  ];
  for (const table of owners) {
    expect([
      table,
      await query(`select distinct family_name from ${table} t join person p on p.id = t.person_id`),
    ]).toEqual([table, [{ family_name: 'Reed' }]]);
  }
  await expectLedgerTrue();
});

describe('a merge', () => {
  const merge = (fromPersonId: string, intoPersonId: string) =>
    database.prisma.$transaction((tx) => mergePeople(tx, { fromPersonId, intoPersonId }));
  const unmerge = (linkId: string) => database.prisma.$transaction((tx) => unmergePeople(tx, { linkId }));
  const idOf = async (externalId: string) =>
    (
      await query<{ id: string }>('select person_id as id from person_link where external_id = $1', [
        externalId,
      ])
    )[0]!.id;
  const kept = async () => {
    const all = await rowsOf(database.pool);
    // A merge and its undoing are themselves recorded, and leave a trace in the version of a record that changed.
    for (const name of ['outbox', 'audit_event', 'sync_run', 'sync_cursor', 'past']) all.delete(name);
    for (const one of all.get('person')!) for (const key of ['version', 'updated_at']) delete one[key];
    all.forEach((rows, table) => {
      if (table !== 'ledger_transfer') for (const one of rows) delete one.recorded_at;
    });
    for (const rows of all.values()) rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return all;
  };

  beforeEach(async () => {
    await send('nhs', ...everything());
    await send(
      'council',
      ...everything('c1').map((sent) =>
        sent.kind === 'person'
          ? person('c1', { nhsNumber: '9990000026', givenName: 'Aris', birthDate: '1950-01-01' })
          : sent,
      ),
    );
    await send(
      'nhs',
      person('p2', {
        nhsNumber: '9990000026',
        supersededNhsNumbers: ['9990000042'],
        givenName: 'Aris',
        birthDate: '1950-01-01',
        postcode: null,
      }),
    );
  });

  test('moves all of a record to another, and undone puts every row back', async () => {
    const [from, into] = [await idOf('c1'), await idOf('p1')];
    const before = await kept();
    const merged = await merge(from, into);
    expect(merged).toMatchObject({ done: true });
    for (const table of [
      'eligibility',
      'plan',
      'budget',
      'ledger_transfer',
      'outcome',
      'person_identifier',
      'role_on_record',
      'review',
    ]) {
      expect([table, await query(`select distinct person_id from ${table}`)]).toEqual([
        table,
        [{ person_id: into }],
      ]);
    }
    expect(
      await query(`select value, status from person_identifier where system = 'NHS_NUMBER' order by value`),
    ).toEqual([
      { value: '9990000018', status: 'CURRENT' },
      { value: '9990000026', status: 'SUPERSEDED' },
      { value: '9990000042', status: 'SUPERSEDED' },
    ]);
    expect(await query(`select given_name from person where id = $1`, [into])).toEqual([
      { given_name: 'Iris' },
    ]);
    expect(
      (await query('select field from difference where person_id = $1 order by field', [into])).length,
    ).toBeGreaterThan(0);
    await expectLedgerTrue();
    const linkId = merged.done ? merged.linkIds[0]! : '';
    expect(await unmerge(linkId)).toMatchObject({
      done: true,
      personId: into,
      fromPersonId: from,
    });
    const after = await kept();
    for (const [name, rows] of before) expect([name, after.get(name)]).toEqual([name, rows]);
    await expectLedgerTrue();
    expect(await unmerge(linkId)).toEqual({
      done: false,
      code: 'NOT_MERGED',
    });
  });

  test('keeps apart what arrived under the merged record meanwhile, for when it is undone', async () => {
    const [from, into] = [await idOf('c1'), await idOf('p1')];
    const merged = await merge(from, into);
    await send(
      'council',
      payment('late', 'c1'),
      person('c2', { nhsNumber: '9990000026', givenName: 'Aris', birthDate: '1950-01-01' }),
    );
    expect(await idOf('c2')).toBe(into);
    await unmerge(merged.done ? merged.linkIds[0]! : '');
    expect(await idOf('c2')).toBe(from);
    expect(await query(`select person_id from ledger_transfer where external_id = 'late'`)).toEqual([
      { person_id: from },
    ]);
    expect(
      await query(`select person_id from person_identifier where value in ('c1', 'c2', '9990000026')`),
    ).toEqual(Array(3).fill({ person_id: from }));
  });

  test('is refused where there is nothing to merge, or nothing could undo it', async () => {
    const [from, into] = [await idOf('c1'), await idOf('p1')];
    await send('nhs', person('p3', { nhsNumber: '9990000050' }));
    expect(await merge(into, into)).toEqual({ done: false, code: 'SAME_PERSON' });
    expect(await merge('018f0000-0000-7000-8000-000000000001', into)).toEqual({
      done: false,
      code: 'PERSON_NOT_FOUND',
    });
    expect(await merge(from, into)).toMatchObject({ done: true });
    expect(await merge(from, into)).toEqual({ done: false, code: 'RECORD_EMPTY' });
    expect(await merge(into, from)).toEqual({ done: false, code: 'RECORD_EMPTY' });
    expect(await merge(into, await idOf('p3'))).toEqual({ done: false, code: 'HOLDS_MERGED_RECORD' });
    expect(await merge(await idOf('p3'), into)).toMatchObject({ done: true });
  });
});
