/** What a provider may still read of an account that it no longer operates: of its own time, to the day, and nothing else. */
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { pdf } from './setup/document.ts';
import { evidenceKit } from './setup/evidence.ts';
import { coordinator, provider, startTestHub, type TestHub } from './setup/hub.ts';
import { gbp } from './setup/plan.ts';
import { agreePlan, herself, key, makeBudget, type OwnBudget, payIn } from './setup/spending.ts';
import { sayPolicies } from './setup/surplus.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

const bookkeeper = { sub: 'greg', tandem_role: 'PROVIDER_FINANCE', organisation: 'D9H01' };
const visitor = { sub: 'joy', tandem_role: 'PROVIDER_WORKER', organisation: 'D9H01' };
const ended = '2026-12-01';

let kit: TestHub;
let day = '2026-11-21';
let budget: OwnBudget;
let personId: string;
let spendId: string;
let proof: string;
let other: string;

/** Asks with a token of that day. */
const ask = (operation: string, variables: Record<string, unknown>, claims: JWTPayload) =>
  kit.ask(operation, variables, dated(claims));

function dated(claims: JWTPayload): JWTPayload {
  const auth_time = Math.floor(Date.parse(`${day}T12:00:00Z`) / 1000);
  return { auth_time, iat: auth_time, exp: auth_time + 600, ...claims };
}

async function command(name: string, input: object, claims: JWTPayload, payload: string): Promise<Any> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const { data, errors } = await ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { ${payload} userErrors { code message field } } }`,
    { input: { idempotencyKey: key(), ...input } },
    claims,
  );
  expect(errors).toBeUndefined();
  expect(data[name].userErrors).toEqual([]);
  return data[name];
}

const buy = async (portionId: string, spentOn: string, what: string, claims: JWTPayload = provider) =>
  (
    await command(
      'recordSpend',
      { budgetId: budget.id, portionId, amount: gbp('10.00'), spentOn, payee: 'Harbour Leisure', what },
      claims,
      'spend { id }',
    )
  ).spend.id;

const kept = `nodes {
  personId from to keepUntil budgetKind management identifiers { system value }
  spends(first: 10) { nodes { id spentOn what amount { amount } refunded { amount } paidBy { source amount { amount } }
    evidence { fileName downloadUrl } } }
  transfers(first: 10) { nodes { kind effectiveOn } }
  statements(first: 10) { nodes { fileName opening { amount } closing { amount } evidence { id }
    lines(first: 10) { nodes { bookedOn party amount { amount } } } } }
  workers { name payrollRef contracts { from to hourlyRate { amount } } weeks(first: 10) { nodes { weekBegins worked } } } }`;

/** What the provider keeps, in one statement. */
async function keeps(claims: JWTPayload = provider): Promise<Any[]> {
  const before = kit.database.reader.sent();
  const { data, errors } = await ask(
    `query ($id: ID) { keptRecords(first: 10, personId: $id) { ${kept} } }`,
    { id: personId },
    claims,
  );
  expect(errors).toBeUndefined();
  expect(kit.database.reader.sent() - before).toBe(1);
  return data.keptRecords.nodes;
}

async function download(path: string, claims: JWTPayload = provider): Promise<number> {
  const authorization = `Bearer ${await kit.issuer.token(dated(claims))}`;
  const answer = await fetch(`http://127.0.0.1:${kit.hub.port}${path}`, { headers: { authorization } });
  await answer.arrayBuffer();
  return answer.status;
}

const query = (sql: string, values: unknown[] = []) => kit.database.pool.query(sql, values);

beforeAll(async () => {
  kit = await startTestHub({
    database: await makeDemoDatabase(),
    now: () => new Date(`${day}T12:00:00Z`),
  });
  await query('delete from commissioner_policy');
  budget = await makeBudget(kit);
  personId = idOf('per', budget.personId);
  await agreePlan(kit, budget, [{ key: 'swim', what: 'Swimming', yearlyPence: 900_000 }]);
  await payIn(kit, budget, { pence: 50_000n, portionId: budget.managedUuid });
  await payIn(kit, budget, { pence: 50_000n, cause: 'own' });
  spendId = await buy(budget.managed, '2026-11-20', 'Swimming');
  const own = evidenceKit(kit);
  const files: string[] = [];
  for (const [name, spend] of [
    ['proof.pdf', spendId],
    ['other.pdf', await buy(budget.own, '2026-11-20', 'A walk', herself)],
  ] as const) {
    const { answer } = await own.upload(personId, name, pdf(name));
    await command(
      'attachEvidence',
      { spendId: spend, evidenceIds: [answer.evidenceId] },
      coordinator,
      'spend { id }',
    );
    files.push(`/evidence/${answer.evidenceId}`);
  }
  [proof, other] = files as [string, string];
  await query(
    `with s as (
       insert into bank_statement (person_id, budget_id, portion_id, format, hash, file_name, opening_pence, closing_pence, imported_by)
       select person_id, budget_id, id, 'CSV', name::bytea, name, 100, 200, 'x'
         from portion, (values ('november.csv'), ('december.csv')) f(name) where id = $1 returning id, person_id, file_name)
     insert into bank_line (statement_id, person_id, line_ref, position, booked_on, pence, party, reference, state)
     select s.id, s.person_id, day, n, day::date, 100, 'Bank', 'x', 'UNMATCHED'
       from s, (values (1, '2026-11-20', true), (2, '2026-11-30', true), (3, '2026-12-01', false)) l(n, day, early)
      where s.file_name = 'december.csv' or early`,
    [budget.managedUuid],
  );
  await query(
    `with w as (
       insert into worker (person_id, name, payroll_ref, portion_id)
       select person_id, name, ref, id from portion, (values ('Ade Bello', 'PA1'), ('Cy Dunn', 'PA2')) f(name, ref) where id = $1
       returning id, person_id, payroll_ref),
     c as (
       insert into contract (worker_id, person_id, number, valid_from, valid_to, minutes_per_week, hourly_pence, pay_frequency, irregular, pension, agreed_by)
       select id, person_id, n, f::date, t::date, 840, 1300 + n, 'WEEKLY', false, false, 'x'
         from w join (values ('PA1', 1, '2026-04-06', '2026-10-05'), ('PA1', 2, '2026-10-05', '2026-12-14'),
                             ('PA1', 3, '2026-12-14', null), ('PA2', 1, '2026-12-07', null)) k(ref, n, f, t) on k.ref = payroll_ref),
     s as (
       insert into timesheet (worker_id, person_id, week_begins, version, recorded_by)
       select id, person_id, m::date, 1, 'x' from w, (values ('2026-11-30'), ('2026-12-07')) k(m) where payroll_ref = 'PA1'
       returning id, person_id, week_begins)
     insert into worked_day (timesheet_id, person_id, day, minutes)
     select id, person_id, week_begins + n, 60 from s, generate_series(0, 1) n`,
    [budget.managedUuid],
  );
  // What the council's system says of the charity ends too.
  await query(
    `update role_on_record set valid_to = $2
      where person_id = $1 and link_id is not null and organisation_id = (select id from organisation where ods_code = 'D9H01')`,
    [budget.personId, ended],
  );
});
afterAll(() => kit.close());

describe('while the account is theirs', () => {
  test('nothing is kept apart from the record', async () => {
    expect(await keeps()).toEqual([]);
    const { data } = await ask('query ($id: ID!) { person(id: $id) { id } }', { id: personId }, provider);
    expect(data.person).toEqual({ id: personId });
  });
});

describe('when it is no longer theirs', () => {
  beforeAll(async () => {
    const { data } = await ask(
      'query ($id: ID!) { node(id: $id) { ... on Budget { version } } }',
      { id: budget.id },
      coordinator,
    );
    await command(
      'changePortionManagement',
      {
        portionId: budget.managed,
        expectedVersion: data.node.version,
        from: ended,
        management: 'DIRECT_PAYMENT',
        channel: 'BANK',
        reason: 'The family runs it themselves from December',
      },
      coordinator,
      'budget { id }',
    );
  });
  beforeEach(() => {
    day = ended;
  });

  test('the record ends with the day, and what is of their time begins', async () => {
    day = '2026-11-30';
    const look = (claims: JWTPayload) =>
      ask(
        'query ($id: ID!, $spend: ID!) { person(id: $id) { id } node(id: $spend) { id } }',
        { id: personId, spend: spendId },
        claims,
      );
    expect((await look(provider)).data).toEqual({ person: { id: personId }, node: { id: spendId } });
    expect(await keeps()).toEqual([]);
    day = ended;
    expect((await look(provider)).data).toEqual({ person: null, node: null });
    expect(await keeps()).toHaveLength(1);
  });

  test('what was bought, proved, booked and worked in that time is there, and nothing that came after', async () => {
    // Found late, of a day on which somebody else ran the account.
    await query(
      `insert into spend (person_id, budget_id, portion_id, pence, spent_on, payee, what, state, client_id, recorded_by)
       select person_id, budget_id, id, 1, $2, 'x', 'Afterwards', 'INSIDE_PLAN', 'x', 'x' from portion where id = $1`,
      [budget.managedUuid, ended],
    );
    expect(await keeps()).toEqual([
      {
        personId,
        from: '2026-04-01',
        to: ended,
        keepUntil: '2033-04-01',
        budgetKind: 'INTEGRATED',
        management: 'MANAGED_ACCOUNT',
        identifiers: expect.arrayContaining([{ system: 'NHS_NUMBER', value: herself.nhs_number }]),
        spends: {
          nodes: [
            {
              id: spendId,
              spentOn: '2026-11-20',
              what: 'Swimming',
              amount: { amount: '10.00' },
              refunded: { amount: '0.00' },
              paidBy: [{ source: 'ICB', amount: { amount: '10.00' } }],
              evidence: [{ fileName: 'proof.pdf', downloadUrl: proof }],
            },
          ],
        },
        transfers: {
          nodes: [
            { kind: 'SPENT', effectiveOn: '2026-11-20' },
            { kind: 'PAID_IN', effectiveOn: '2026-11-02' },
          ],
        },
        statements: {
          nodes: expect.arrayContaining([
            {
              fileName: 'december.csv',
              opening: { amount: '1.00' },
              closing: null,
              evidence: null,
              lines: {
                nodes: ['2026-11-20', '2026-11-30'].map((bookedOn) => ({
                  bookedOn,
                  party: 'Bank',
                  amount: { amount: '1.00' },
                })),
              },
            },
            expect.objectContaining({ fileName: 'november.csv', closing: { amount: '2.00' } }),
          ]),
        },
        workers: [
          {
            name: 'Ade Bello',
            payrollRef: 'PA1',
            contracts: [
              { from: '2026-04-06', to: '2026-10-04', hourlyRate: { amount: '13.01' } },
              { from: '2026-10-05', to: null, hourlyRate: { amount: '13.02' } },
            ],
            weeks: { nodes: [{ weekBegins: '2026-11-30', worked: 60 }] },
          },
        ],
      },
    ]);
  });

  test('their documents can be fetched, and no other of the person', async () => {
    expect(await download(proof)).toBe(200);
    expect(await download(other)).toBe(404);
    expect(await download(proof, bookkeeper)).toBe(200);
    expect(await download(proof, visitor)).toBe(404);
    expect(await download(proof, { ...provider, organisation: 'D9H02' })).toBe(404);
  });

  test('nothing can be changed any more', async () => {
    const { data } = await ask(
      `mutation ($input: UndoSpendInput!) { undoSpend(input: $input) { userErrors { code } } }`,
      { input: { idempotencyKey: key(), spendId, expectedVersion: 1, reason: 'x' } },
      provider,
    );
    expect(data.undoSpend.userErrors).toEqual([{ code: 'NOT_FOUND' }]);
  });

  test('it ends to the day, by both locks', async () => {
    const seenBy = async (holders: string) => {
      const sql = await kit.database.pool.connect();
      try {
        await sql.query('begin');
        await sql.query('set local role tandem_reader');
        await sql.query(
          `select set_config('tandem.holders', $1, true), set_config('tandem.today', $2, true)`,
          [holders, day],
        );
        const { rows } = await sql.query('select from spend where id = $1', [`${spendId.slice(4)}`]);
        return rows.length;
      } finally {
        await sql.query('rollback');
        sql.release();
      }
    };
    day = '2033-03-31';
    expect(await keeps()).toHaveLength(1);
    expect(await download(proof)).toBe(200);
    expect(await seenBy('{ods:D9H01}')).toBe(0);
    expect(await seenBy('{kept:D9H01}')).toBe(1);
    day = '2033-04-01';
    expect(await keeps()).toEqual([]);
    expect(await download(proof)).toBe(404);
    expect(await seenBy('{kept:D9H01}')).toBe(0);
  });

  test('those of the provider who read money read it, and nobody else', async () => {
    expect(await keeps(bookkeeper)).toHaveLength(1);
    for (const nobody of [visitor, herself, coordinator, { ...provider, organisation: 'QWN' }])
      expect(await keeps(nobody)).toEqual([]);
  });

  test('how long it is kept the longest policy of its last day says, also one that comes late', async () => {
    await sayPolicies(kit, { record_retention_years: 3 });
    expect((await keeps())[0].keepUntil).toBe('2030-04-01');
    await query(
      `update commissioner_policy set record_retention_years = 8 where source = 'COUNCIL';
       update commissioner_policy set effective_to = '${ended}' where source = 'COUNCIL'`,
    );
    expect((await keeps())[0].keepUntil).toBe('2035-04-01');
    await query(`update commissioner_policy set effective_to = '2026-11-30' where source = 'COUNCIL'`);
    expect((await keeps())[0].keepUntil).toBe('2030-04-01');
    await query('delete from commissioner_policy');
    expect((await keeps())[0].keepUntil).toBe('2033-04-01');
  });

  test('who read it is told to the person', async () => {
    await keeps();
    const { rows } = await query(
      `select role, outcome, object from audit_event where $1 = any(person_ids) order by id desc limit 1`,
      [budget.personId],
    );
    expect(rows).toEqual([{ role: 'PROVIDER', outcome: 'FOUND', object: 'keptRecords' }]);
  });

  test('nobody whose role was suspended, or who has left, reads it', async () => {
    await query(
      `insert into employment_end (organisation_id, subject, ended_at, ended_by, reason)
       select id, $1, now(), 'x', 'x' from organisation where ods_code = 'D9H01'`,
      [`${kit.issuer.url}#${bookkeeper.sub}`],
    );
    expect(await keeps(bookkeeper)).toEqual([]);
    expect(await keeps()).toHaveLength(1);
    await query('update role_on_record set suspended_at = now() where id = $1', [budget.managedUuid]);
    expect(await keeps()).toEqual([]);
    expect(await download(proof)).toBe(404);
    await query('update role_on_record set suspended_at = null where id = $1', [budget.managedUuid]);
    expect(await keeps()).toHaveLength(1);
  });

  test('what is kept follows from the portions, the budgets and the policies alone', async () => {
    const differs = async () =>
      (
        await query(
          `(table kept_record except table kept_record_source) union all (table kept_record_source except table kept_record)`,
        )
      ).rows;
    expect(await differs()).toEqual([]);
    // The budget ended before: so did their time.
    await query(`update budget set valid_to = '2026-11-15', status = 'ENDED' where id = $1`, [budget.uuid]);
    expect(await differs()).toEqual([]);
    expect((await keeps())[0]).toMatchObject({ to: '2026-11-15', spends: { nodes: [] } });
  });
});

test.each([
  ['2026-04-01', 6, '2032-04-01'],
  ['2026-04-02', 6, '2033-04-01'],
  ['2026-12-31', 6, '2033-04-01'],
  ['2027-01-01', 0, '2027-04-01'],
  ['2028-02-29', 6, '2034-04-01'],
])(
  'of what ended on %s, kept for the year and %i more, the last is the day before %s',
  async (day, years, until) => {
    const { rows } = await query('select kept_until($1, $2)::text as until', [day, years]);
    expect(rows).toEqual([{ until }]);
  },
);
