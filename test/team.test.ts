/** The team of carers at the door: who works, who may do what, who comes when, and what they are paid. */
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idOf } from '../src/platform/id.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import { gbp } from './setup/plan.ts';
import { agreePlan, daughter, finance, herself, key, makeBudget, type OwnBudget } from './setup/spending.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

let kit: TestHub;
let budget: OwnBudget;
let personId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  budget = await makeBudget(kit);
  personId = idOf('per', budget.personId);
  await agreePlan(kit, budget, [{ key: 'pa', what: 'Personal assistants', yearlyPence: 900_000 }]);
});
afterAll(() => kit.close());

const capital = (name: string) => name[0]!.toUpperCase() + name.slice(1);
const shownOf: Record<string, string> = {
  delegateTask: 'task { id }',
  planWeek:
    'rotaWeek { id version shifts { day starts ends minutes task fromContingency warnings worker { name } doneBy { name } delegatedTasks { what } } }',
  recordAbsence: 'absence { id kind from to fromContingency cover { name } }',
  cancelAbsence: 'absence { id cancelledAt }',
  recordHours: 'timesheet { id version worked planned days { day worked planned difference } }',
};
const worker = `worker { id name version employer birthDate payrollRef portion { id }
  contracts { number from to minutesPerWeek hourlyRate { amount } payFrequency lineKey warnings }
  documents { kind seenOn expiresOn } competencies { task { what } clinician signedOffOn expiresOn withdrawnOn } }`;

/** Gives a command and answers its payload. */
async function give(command: string, input: object, claims: JWTPayload = provider): Promise<Any> {
  const { data, errors } = await kit.ask(
    `mutation ($input: ${capital(command)}Input!) {
      ${command}(input: $input) { ${shownOf[command] ?? worker} userErrors { code field } } }`,
    { input: { idempotencyKey: key(), ...input } },
    claims,
  );
  if (errors !== undefined) return { error: errors[0]!.extensions.code };
  return data[command];
}

/** The same, for a step that must be done: its object. */
async function done(command: string, input: object, claims?: JWTPayload): Promise<Any> {
  const { userErrors, ...payload } = await give(command, input, claims);
  expect(userErrors).toEqual([]);
  return Object.values(payload)[0];
}

const refusal = async (command: string, input: object, claims?: JWTPayload) => {
  const { error, userErrors } = await give(command, input, claims);
  return error ?? userErrors.map(({ code, field }: Any) => `${code} ${field}`);
};

async function read(selection: string, claims: JWTPayload = coordinator): Promise<Any> {
  const before = kit.database.reader.sent();
  const { data, errors } = await kit.ask(
    `query ($id: ID!) { person(id: $id) { ${selection} } }`,
    { id: personId },
    claims,
  );
  expect(errors).toBeUndefined();
  expect(kit.database.reader.sent() - before).toBe(1);
  return data.person;
}

const terms = {
  from: '2026-04-06',
  minutesPerWeek: 840,
  hourlyRate: gbp('13.00'),
  payFrequency: 'WEEKLY',
  lineKey: 'pa',
  irregularHours: true,
  pensionEnrolled: true,
};

/** Somebody with a contract. */
async function hire(name: string, more: object = {}, contract: object = {}): Promise<Any> {
  const { id, version } = await done('addWorker', { personId, name, birthDate: '1990-05-05', ...more });
  return done('setContract', { workerId: id, expectedVersion: version, ...terms, ...contract });
}

let weeks = 0;
/** A Monday that no other test plans. */
const nextMonday = () => new Date(Date.UTC(2027, 0, 4 + 14 * weeks++)).toISOString().slice(0, 10);
const dayAfter = (monday: string, days: number) =>
  new Date(Date.parse(monday) + days * 86_400_000).toISOString().slice(0, 10);

const shift = (of: Any, day: string, more: object = {}) => ({
  workerId: of.id,
  day,
  starts: '08:00',
  ends: '12:00',
  task: 'The morning',
  ...more,
});
const week = (weekBegins: string, shifts: object[], expectedVersion = 0) => ({
  personId,
  weekBegins,
  expectedVersion,
  shifts,
});

describe('somebody who works for a person', () => {
  test('is employed by the person unless the portion says otherwise; another rate is another contract', async () => {
    const ade = await hire('Ade Bello', { portionId: budget.managed });
    expect(ade).toMatchObject({ name: 'Ade Bello', employer: 'PERSON', payrollRef: 'PA1', version: 2 });
    expect(ade.portion).toEqual({ id: budget.managed });
    const raised = await done('setContract', {
      ...terms,
      workerId: ade.id,
      expectedVersion: 2,
      from: '2026-10-01',
      hourlyRate: gbp('13.50'),
    });
    expect(raised.contracts).toMatchObject([
      { number: 1, from: '2026-04-06', to: '2026-09-30', hourlyRate: { amount: '13.00' }, warnings: [] },
      { number: 2, from: '2026-10-01', to: null, hourlyRate: { amount: '13.50' } },
    ]);
    const again = { ...terms, workerId: ade.id, expectedVersion: 2 };
    expect(await refusal('setContract', again)).toEqual(['CONFLICT expectedVersion']);
    const present = { ...again, expectedVersion: 3 };
    expect(await refusal('setContract', { ...present, from: '2026-09-30' })).toEqual(['DAY_INVALID from']);
    expect(await refusal('setContract', { ...present, lineKey: 'none' })).toEqual(['DAY_INVALID from']);
    const later = { ...present, from: '2026-12-01' };
    expect(await refusal('setContract', { ...later, lineKey: 'none' })).toEqual(['LINE_NOT_IN_PLAN lineKey']);
    expect(await refusal('setContract', { ...later, minutesPerWeek: 10_081 })).toEqual([
      'TIME_INVALID minutesPerWeek',
    ]);
    const ended = await done('endContract', { workerId: ade.id, expectedVersion: 3, lastDay: '2026-12-31' });
    expect(ended.contracts[1].to).toBe('2026-12-31');
    expect(
      await refusal('endContract', { workerId: ade.id, expectedVersion: 4, lastDay: '2027-01-31' }),
    ).toEqual(['WRONG_STAGE workerId']);
    await expect(
      asOwner(kit.database.pool.options.connectionString!, 'update contract set hourly_pence = 1'),
    ).rejects.toThrow(/another takes its place/);
  });

  test('is paid no less than the law says at their age, where that is known', async () => {
    const low = { ...terms, hourlyRate: gbp('12.70') };
    const young = await done('addWorker', { personId, name: 'Cai', birthDate: '2007-01-01' });
    const of = (w: Any) => ({ ...low, workerId: w.id, expectedVersion: w.version });
    expect((await done('setContract', of(young))).contracts[0].warnings).toEqual([]);
    const grown = await done('addWorker', { personId, name: 'Dee', birthDate: '2000-01-01' });
    expect(await refusal('setContract', of(grown))).toEqual(['WAGE_TOO_LOW hourlyRate.amount']);
    const ageless = await done('addWorker', { personId, name: 'Eve' });
    expect((await done('setContract', of(ageless))).contracts[0].warnings).toEqual(['UNKNOWN_AGE']);
    const told = { workerId: ageless.id, expectedVersion: 2, birthDate: '2000-01-01' };
    expect((await done('correctWorker', told)).contracts[0].warnings).toEqual(['BELOW_MINIMUM_WAGE']);
    expect(await refusal('correctWorker', told)).toEqual(['CONFLICT expectedVersion']);
  });

  test('has one reference in the payroll, and papers that run out as rows', async () => {
    await done('addWorker', { personId, name: 'Fay', payrollRef: 'F-1' });
    const { payrollRef } = await done('addWorker', { personId, name: 'Fred', payrollRef: 'PA7' });
    for (let n = 0; n < 3; n += 1) await done('addWorker', { personId, name: 'Flo' });
    const refs = (await read('team { payrollRef }')).team.map((of: Any) => of.payrollRef);
    expect([new Set(refs).size, refs.filter((ref: string) => ref === payrollRef)]).toEqual([
      refs.length,
      ['PA7'],
    ]);
    expect(await refusal('addWorker', { personId, name: 'Gus', payrollRef: 'F-1' })).toEqual([
      'PAYROLL_REF_TAKEN payrollRef',
    ]);
    const { id } = await hire('Hal');
    const paper = { workerId: id, kind: 'DBS', seenOn: '2026-11-01', expiresOn: '2029-11-01' };
    expect((await done('recordWorkerDocument', paper)).documents).toEqual([
      { kind: 'DBS', seenOn: '2026-11-01', expiresOn: '2029-11-01' },
    ]);
    expect(await refusal('recordWorkerDocument', { ...paper, seenOn: '2026-11-22' })).toEqual([
      'DAY_INVALID seenOn',
    ]);
    expect(await refusal('recordWorkerDocument', { ...paper, evidenceId: idOf('evi', budget.uuid) })).toEqual(
      ['NOT_FOUND evidenceId'],
    );
    const { rows } = await kit.database.pool.query(
      `select kind from worker_document where expires_on <= '2029-11-01' and worker_id = $1`,
      [id.slice(4)],
    );
    expect(rows).toEqual([{ kind: 'DBS' }]);
  });

  test('is taken on by the person, their attorney for money, or who operates their account; others are refused', async () => {
    const input = { personId, name: 'Ivy' };
    for (const claims of [herself, daughter, provider]) await done('addWorker', input, claims);
    for (const claims of [coordinator, finance])
      expect(await refusal('addWorker', input, claims)).toBe('FORBIDDEN');
    const task = { personId, what: 'x', instructions: 'x', delegatedBy: 'x' };
    for (const claims of [herself, provider])
      expect(await refusal('delegateTask', task, claims)).toBe('FORBIDDEN');
    const { pool } = kit.database;
    await pool.query(
      `update portion set valid_to = '2026-11-01' where account_operator_id is not null and valid_to is null`,
    );
    expect(await refusal('addWorker', input)).toEqual(['NOT_FOUND personId']);
    expect(await read('team { id } withheld { part reason }', provider)).toMatchObject({
      team: null,
      withheld: expect.arrayContaining([{ part: 'TEAM', reason: 'AUTHORITY' }]),
    });
    await pool.query(`update portion set valid_to = null where valid_to = '2026-11-01'`);
  });

  test('is seen by the family, the provider and the care teams, wages only with authority over money', async () => {
    const all =
      'team { name birthDate contracts { number } } payPeriod(from: "2026-11-16", frequency: WEEKLY) { gross { amount } }';
    const ofAde = (team: Any[]) => team.find(({ name }) => name === 'Ade Bello');
    for (const claims of [herself, daughter, provider, coordinator, socialWorker]) {
      const { team, payPeriod } = await read(all, claims);
      expect(ofAde(team)).toMatchObject({ name: 'Ade Bello', birthDate: '1990-05-05', contracts: [{}, {}] });
      expect(payPeriod).not.toBeNull();
    }
    expect(await read(all, finance)).toEqual({ team: null, payPeriod: null });
    const keep = (part: string, shares: boolean) =>
      done0('recordSharingChoice', {
        personId,
        side: 'NHS',
        part,
        shares,
        saidBy: 'PERSON',
        legalBasis: shares ? 'CONSENT' : 'OBJECTION',
        words: 'As she said on the telephone.',
      });
    await keep('MONEY', false);
    expect(ofAde((await read(all, socialWorker)).team)).toEqual({
      name: 'Ade Bello',
      birthDate: null,
      contracts: null,
    });
    expect((await read(all, socialWorker)).payPeriod).toBeNull();
    await keep('MONEY', true);
    await keep('CARE', false);
    expect((await read(all, socialWorker)).team).toBeNull();
    await keep('CARE', true);
  });
});

async function done0(command: string, input: object) {
  const { data, errors } = await kit.ask(
    `mutation ($input: ${capital(command)}Input!) { ${command}(input: $input) { userErrors { code field message } } }`,
    { input: { idempotencyKey: key(), ...input } },
    herself,
  );
  expect(errors).toBeUndefined();
  expect(data[command].userErrors).toEqual([]);
}

describe('a week', () => {
  let ade: Any;
  let bryn: Any;
  let taskId: string;
  beforeAll(async () => {
    ade = await hire('Ann');
    bryn = await hire('Bryn');
    taskId = (
      await done(
        'delegateTask',
        { personId, what: 'Gastrostomy feed', instructions: 'As taught.', delegatedBy: 'Sister Amin' },
        coordinator,
      )
    ).id;
  });
  const sign = (of: Any, expiresOn: string) =>
    done(
      'signOffCompetency',
      { workerId: of.id, taskId, clinician: 'Sister Amin', signedOffOn: today, expiresOn },
      coordinator,
    );

  test('has nobody do a delegated task without a sign-off that holds to the end of the shift', async () => {
    const monday = nextMonday();
    const sunday = dayAfter(monday, 6);
    const feed = (more: object = {}) => shift(ade, sunday, { delegatedTaskIds: [taskId], ...more });
    const night = feed({ starts: '22:00', ends: '06:00' });
    expect(await refusal('planWeek', week(monday, [shift(bryn, monday), feed()]))).toEqual([
      'NOT_COMPETENT shifts.1',
    ]);
    expect((await read('rotas(first: 1) { nodes { id } }')).rotas.nodes).toEqual([]);
    await sign(ade, sunday);
    expect(await refusal('planWeek', week(monday, [night]))).toEqual(['NOT_COMPETENT shifts.0']);
    const planned = await done('planWeek', week(monday, [feed()]));
    expect(planned).toMatchObject({
      version: 1,
      shifts: [
        {
          day: sunday,
          starts: '08:00',
          minutes: 240,
          delegatedTasks: [{ what: 'Gastrostomy feed' }],
          warnings: [],
        },
      ],
    });
    const withdrawn = await done(
      'withdrawCompetency',
      { workerId: ade.id, taskId, reason: 'The pump is another now.' },
      coordinator,
    );
    expect(withdrawn.competencies[0]).toMatchObject({ expiresOn: sunday, withdrawnOn: today });
    const { rotas } = await read('rotas(first: 1) { nodes { shifts { warnings } } }');
    expect(rotas.nodes[0].shifts).toEqual([{ warnings: ['NOT_COMPETENT'] }]);
    expect(await refusal('planWeek', week(monday, [feed()], 1))).toEqual(['NOT_COMPETENT shifts.0']);
    await sign(ade, '2028-01-01');
    expect((await done('planWeek', week(monday, [night], 1))).shifts).toMatchObject([{ minutes: 480 }]);
  });

  test('has nobody in two places, also across its ends, nor without a contract', async () => {
    const monday = nextMonday();
    const sunday = dayAfter(monday, 6);
    const next = dayAfter(monday, 7);
    await done('planWeek', week(monday, [shift(ade, sunday, { starts: '22:00', ends: '07:00' })]));
    expect(await refusal('planWeek', week(next, [shift(ade, next, { starts: '06:59' })]))).toEqual([
      'SHIFTS_OVERLAP shifts.0',
    ]);
    await done('planWeek', week(next, [shift(ade, next, { starts: '07:00' }), shift(bryn, next)]));
    const twice = [shift(ade, monday), shift(ade, monday, { starts: '11:00', ends: '13:00' })];
    expect(await refusal('planWeek', week(monday, twice, 1))).toEqual([
      'SHIFTS_OVERLAP shifts.0',
      'SHIFTS_OVERLAP shifts.1',
    ]);
    const idle = await done('addWorker', { personId, name: 'Kit' });
    expect(await refusal('planWeek', week(monday, [shift(idle, monday)], 1))).toEqual([
      'NO_CONTRACT shifts.0',
    ]);
    const wrong = [
      shift(ade, next),
      shift(ade, monday, { starts: '8:00' }),
      shift({ id: idOf('wkr', budget.uuid) }, monday),
      shift(ade, monday, { delegatedTaskIds: [idOf('dtk', budget.uuid)] }),
    ];
    expect(await refusal('planWeek', week(monday, wrong, 1))).toEqual([
      'DAY_INVALID shifts.0.day',
      'TIME_INVALID shifts.1.starts',
      'NOT_FOUND shifts.2.workerId',
      'NOT_FOUND shifts.3.delegatedTaskIds.0',
    ]);
    expect(await refusal('planWeek', week(sunday, []))).toEqual(['DAY_INVALID weekBegins']);
  });

  test('is planned by one of two at once; the other is told, and looks again', async () => {
    const monday = nextMonday();
    for (const version of [0, 1]) {
      const both = await Promise.all(
        [ade, bryn].map((of) => give('planWeek', week(monday, [shift(of, monday)], version))),
      );
      const lost = both.filter(({ userErrors }) => userErrors.length > 0);
      expect(lost.map(({ userErrors }) => userErrors[0].code)).toEqual(['CONFLICT']);
      if (version === 1) expect(lost[0].rotaWeek.version).toBe(2);
    }
  });

  test('counts the minutes that pass in the nights in which the clocks change', async () => {
    const night = { starts: '22:00', ends: '06:00' };
    const autumn = await done('planWeek', week('2026-10-19', [shift(ade, '2026-10-24', night)]));
    expect(autumn.shifts[0].minutes).toBe(540);
    const spring = await done('planWeek', week('2027-03-22', [shift(ade, '2027-03-27', night)]));
    expect(spring.shifts[0].minutes).toBe(420);
  });

  test('goes on when somebody is away: whoever covers is able and free, or the shift waits', async () => {
    const monday = nextMonday();
    const tuesday = dayAfter(monday, 1);
    const busy = await hire('Lou');
    const feed = { delegatedTaskIds: [taskId] };
    await done(
      'planWeek',
      week(monday, [
        shift(ade, monday, feed),
        shift(ade, tuesday),
        shift(busy, tuesday, { starts: '09:00' }),
      ]),
    );
    const away = { workerId: ade.id, kind: 'HOLIDAY', from: monday, to: tuesday, fromContingency: true };
    expect(await refusal('recordAbsence', { ...away, coverId: busy.id })).toEqual([
      'NOT_COMPETENT coverId',
      'SHIFTS_OVERLAP coverId',
    ]);
    expect(await refusal('recordAbsence', { ...away, coverId: ade.id })).toEqual(['WORKER_AWAY coverId']);
    expect(await refusal('recordAbsence', { ...away, to: dayAfter(monday, -1) })).toEqual(['DAY_INVALID to']);
    const open = await done('recordAbsence', away);
    expect(open.fromContingency).toBe(false);
    const shifts = async () =>
      (
        await read(
          `rotas(first: 100) { nodes { weekBegins shifts { doneBy { name } fromContingency warnings } } }`,
        )
      ).rotas.nodes.find(({ weekBegins }: Any) => weekBegins === monday).shifts;
    expect((await shifts())[0]).toEqual({ doneBy: null, fromContingency: false, warnings: ['NEEDS_COVER'] });
    expect(await refusal('recordAbsence', { ...away, coverId: bryn.id })).toEqual(['WORKER_AWAY from']);
    expect((await done('cancelAbsence', { absenceId: open.id })).cancelledAt).not.toBeNull();
    expect(await refusal('cancelAbsence', { absenceId: open.id })).toEqual(['WRONG_STAGE absenceId']);
    await sign(bryn, '2028-01-01');
    expect(await done('recordAbsence', { ...away, coverId: bryn.id })).toMatchObject({
      kind: 'HOLIDAY',
      cover: { name: 'Bryn' },
    });
    expect((await shifts()).slice(0, 2)).toEqual([
      { doneBy: { name: 'Bryn' }, fromContingency: true, warnings: [] },
      { doneBy: { name: 'Bryn' }, fromContingency: true, warnings: [] },
    ]);
    // What is planned behind the absence is covered too, and whoever covers is on it.
    expect(await refusal('planWeek', week(monday, [shift(ade, monday), shift(bryn, monday)], 1))).toEqual([
      'SHIFTS_OVERLAP shifts.0',
      'SHIFTS_OVERLAP shifts.1',
    ]);
    // Nobody covers for whoever covers.
    await done('recordAbsence', { workerId: bryn.id, kind: 'SICKNESS', from: monday, to: monday });
    expect((await shifts()).slice(0, 2)).toMatchObject([{ doneBy: null }, { doneBy: { name: 'Bryn' } }]);
  });
});

describe('hours and pay', () => {
  test('are shown beside what was planned, paid by the contract of the day, and cover from contingency', async () => {
    const monday = '2026-11-09';
    const [wednesday, friday] = [dayAfter(monday, 2), dayAfter(monday, 4)];
    const mo = await hire('=Mo', { payrollRef: 'M-1' }, { payFrequency: 'FOUR_WEEKLY' });
    const ned = await hire('Ned, "N"', { payrollRef: 'M-2' }, { payFrequency: 'FOUR_WEEKLY' });
    await done('setContract', {
      ...terms,
      payFrequency: 'FOUR_WEEKLY',
      workerId: mo.id,
      expectedVersion: 2,
      from: friday,
      hourlyRate: gbp('14.00'),
    });
    await done('planWeek', week(monday, [shift(mo, monday), shift(ned, wednesday), shift(mo, friday)]));
    await done('recordAbsence', {
      workerId: ned.id,
      kind: 'SICKNESS',
      from: wednesday,
      to: wednesday,
      coverId: mo.id,
      fromContingency: true,
    });
    const hours = (days: object[], expectedVersion = 0) => ({
      workerId: mo.id,
      weekBegins: monday,
      expectedVersion,
      days,
    });
    expect(await refusal('recordHours', hours([{ day: '2026-11-22', minutes: 60 }]))).toEqual([
      'DAY_INVALID days.0.day',
    ]);
    expect(await refusal('recordHours', hours([{ day: monday, minutes: 1441 }]))).toEqual([
      'TIME_INVALID days.0.minutes',
    ]);
    const before = { ...hours([{ day: '2026-03-31', minutes: 60 }]), weekBegins: '2026-03-30' };
    expect(await refusal('recordHours', before)).toEqual(['NO_CONTRACT days.0.day']);
    const worked = [
      { day: monday, minutes: 300 },
      { day: wednesday, minutes: 270 },
      { day: friday, minutes: 240 },
    ];
    expect(await done('recordHours', hours(worked.slice(0, 1)))).toMatchObject({
      version: 1,
      worked: 300,
      planned: 720,
    });
    expect(await refusal('recordHours', hours(worked))).toEqual(['CONFLICT expectedVersion']);
    expect(await done('recordHours', hours(worked, 1))).toEqual({
      id: expect.any(String),
      version: 2,
      worked: 810,
      planned: 720,
      days: [
        { day: monday, worked: 300, planned: 240, difference: 60 },
        { day: wednesday, worked: 270, planned: 240, difference: 30 },
        { day: friday, worked: 240, planned: 240, difference: 0 },
      ],
    });
    const { payPeriod } = await read(
      `payPeriod(from: "${monday}", frequency: FOUR_WEEKLY) {
        from to gross { amount } employerCosts { amount } employmentAllowance { amount }
        workers { name payrollRef gross { amount } holidayAccruedMinutes warnings
          employerNationalInsurance { amount } employerPension { amount }
          lines { element lineKey minutes hourlyRate { amount } amount { amount } } } }`,
      provider,
    );
    const line = (element: string, minutes: number, rate: string, amount: string | null) => ({
      element,
      lineKey: 'pa',
      minutes,
      hourlyRate: { amount: rate },
      amount: amount === null ? null : { amount },
    });
    expect(payPeriod).toMatchObject({
      from: monday,
      to: '2026-12-06',
      gross: { amount: '179.50' },
      employerCosts: { amount: '0.00' },
      employmentAllowance: { amount: '10500.00' },
    });
    expect(payPeriod.workers).toMatchObject([
      {
        name: '=Mo',
        gross: { amount: '179.50' },
        holidayAccruedMinutes: 120,
        warnings: [],
        lines: [
          line('BASIC', 330, '13.00', '71.50'),
          line('COVER', 240, '13.00', '52.00'),
          line('BASIC', 240, '14.00', '56.00'),
        ],
      },
      { payrollRef: 'M-2', gross: { amount: '0.00' }, lines: [line('SICKNESS', 240, '13.00', null)] },
    ]);
  });

  async function file(query: string, claims: JWTPayload) {
    const authorization = `Bearer ${await kit.issuer.token({ ...claims })}`;
    return fetch(`http://127.0.0.1:${kit.hub.port}/export/payroll.csv?${query}`, {
      headers: { authorization },
    });
  }

  test('go to the payroll as a file that no spreadsheet runs, for who reads wages, and it is written down', async () => {
    const query = `person=${personId}&from=2026-11-09&frequency=FOUR_WEEKLY`;
    const response = await file(query, provider);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toContain('payroll-2026-11-09-2026-12-06.csv');
    expect((await response.text()).split('\r\n')).toEqual([
      'employee ref,name,pay element,hours,rate,amount',
      "M-1,'=Mo,BASIC,5.5,13.00,71.50",
      "M-1,'=Mo,COVER,4,13.00,52.00",
      "M-1,'=Mo,BASIC,4,14.00,56.00",
      'M-2,"Ned, ""N""",SICKNESS,4,13.00,',
      '',
    ]);
    const { rows } = await kit.database.pool.query(
      `select outcome, role from audit_event where action = 'EXPORT' and object = 'payroll' order by id desc limit 1`,
    );
    expect(rows).toEqual([{ outcome: 'FOUND', role: 'PROVIDER' }]);
    expect((await file(query, finance)).status).toBe(404);
    expect((await file(query, { ...daughter, nhs_number: '9990000107' })).status).toBe(404);
    for (const wrong of ['from=2026-11-09', 'from=9&frequency=WEEKLY', 'from=2026-11-09&frequency=DAILY'])
      expect((await file(`person=${personId}&${wrong}`, provider)).status).toBe(400);
  });
});
