/** How the team of carers, their rota and what they are paid are read. */
import { idOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import {
  type At,
  children,
  column,
  derived,
  type Field,
  instant,
  latestPage,
  many,
  money,
  ofEitherSide,
  ofPerson,
  one,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import { isCompetent, isContracted, payFacts, shiftsOf } from './facts.ts';
import { judgeRate, type PayFacts, payOfTeam, type WorkerPay } from './pay-rules.ts';
import { onCostRatesOn } from './rate.ts';

export const workerPrefix = 'wkr';
export const taskPrefix = 'dtk';
export const rotaPrefix = 'rta';
export const absencePrefix = 'abs';
export const timesheetPrefix = 'tms';

/** The row of `table` that a column of the parent names. */
const named = (type: string, table: string, id: string): Field =>
  one(
    type,
    ({ parent }) => `select * from ${table} where id = ${parent}.${id} and person_id = ${parent}.person_id`,
  );

/** The last day of something that is kept with the first on which it no longer holds. */
const lastDayOf = (name: string): Field => value(({ parent }) => `${parent}.${name} - 1`);

const rotas = latestPage(
  'RotaWeek',
  'week_begins',
  'date',
  ({ parent }) => `select * from rota_week where person_id = ${parent}.id`,
);

const timesheets = latestPage(
  'Timesheet',
  'week_begins',
  'date',
  ({ parent }) =>
    `select * from timesheet where worker_id = ${parent}.id and person_id = ${parent}.person_id`,
);

const shiftWarnings = value(
  ({ parent: s }) => `array_remove(array[
    case when ${s}.done_by_id is null then 'NEEDS_COVER' end,
    case when ${s}.done_by_id is not null and not ${isContracted(s)} then 'NO_CONTRACT' end,
    case when ${s}.done_by_id is not null and not ${isCompetent(s)} then 'NOT_COMPETENT' end], null)`,
);

/** SQL: what the rota has for whoever a timesheet is of, in its week: days and minutes. */
const plannedFor = (t: string) => `
  select e.day, sum(e.minutes)::int as minutes from (${shiftsOf(`${t}.person_id`)}) e
   where e.done_by_id = ${t}.worker_id and e.day >= ${t}.week_begins and e.day < ${t}.week_begins + 7 group by e.day`;

const workedBy = (t: string) =>
  `select day, minutes from worked_day where timesheet_id = ${t}.id and person_id = ${t}.person_id`;

const total = (rows: (t: string) => string): Field =>
  value(({ parent }) => `(select coalesce(sum(d.minutes), 0)::int from (${rows(parent)}) d)`);

const days = many(
  'TimesheetDay',
  ({ parent: t }) => `
    select coalesce(d.day, p.day) as day, coalesce(d.minutes, 0) as worked, coalesce(p.minutes, 0) as planned,
           ${t}.person_id
      from (${workedBy(t)}) d full join (${plannedFor(t)}) p on p.day = d.day order by 1`,
);

const later = (a: string, b: string) => (a < b ? b : a);

interface RateFacts {
  pence: string;
  birthDate: string | null;
  from: string;
}

const contractWarnings = derived<RateFacts>(
  ({ parent: k }: At) => `json_build_object('pence', ${k}.hourly_pence::text, 'from', ${k}.valid_from,
    'birthDate', (select w.birth_date from worker w where w.id = ${k}.worker_id and w.person_id = ${k}.person_id))`,
  ({ pence, birthDate, from }, { day }) => judgeRate(BigInt(pence), birthDate, later(from, day)),
);

const moneyOrNull = (pence: bigint | null) => (pence === null ? null : moneyOf(pence));

const shownPay = (pay: WorkerPay) => ({
  workerId: idOf(workerPrefix, pay.id),
  name: pay.name,
  payrollRef: pay.ref,
  lines: pay.lines.map(({ pence, ratePence, ...line }) => ({
    ...line,
    hourlyRate: moneyOf(ratePence),
    amount: moneyOrNull(pence),
  })),
  gross: moneyOf(pay.grossPence),
  employerNationalInsurance: moneyOrNull(pay.nationalInsurancePence),
  employerPension: moneyOrNull(pay.pensionPence),
  holidayAccruedMinutes: pay.holidayMinutes,
  warnings: pay.warnings,
});

function shownPeriod(facts: PayFacts) {
  const team = payOfTeam(facts);
  const { from, to, frequency } = facts;
  const rates = onCostRatesOn(to);
  const beside = team.reduce<bigint | null>(
    (sum, { nationalInsurancePence, pensionPence }) =>
      sum === null || nationalInsurancePence === null || pensionPence === null
        ? null
        : sum + nationalInsurancePence + pensionPence,
    0n,
  );
  return {
    from,
    to,
    frequency,
    workers: team.map(shownPay),
    gross: moneyOf(team.reduce((sum, { grossPence }) => sum + grossPence, 0n)),
    employerCosts: moneyOrNull(beside),
    employmentAllowance: moneyOrNull(rates?.employmentAllowance ?? null),
  };
}

const payPeriod = ofEitherSide(
  derived<PayFacts>(
    (at) =>
      payFacts({
        personId: `${at.parent}.id`,
        from: at.arg('date', ({ from }) => from),
        frequency: at.arg('text', ({ frequency }) => frequency),
      }),
    shownPeriod,
  ),
);

export const teamViews: Views = {
  Person: {
    fields: {
      team: ofEitherSide(ofPerson('Worker', 'worker', 'payroll_ref, id')),
      delegatedTasks: ofEitherSide(ofPerson('DelegatedTask', 'delegated_task', 'id')),
      rotas,
      payPeriod,
    },
  },
  Worker: personView(
    {
      name: column('name'),
      birthDate: ofEitherSide(column('birth_date')),
      payrollRef: ofEitherSide(column('payroll_ref')),
      employer: value(
        ({ parent }) => `coalesce((select p.legal_employer::text from portion p
          where p.id = ${parent}.portion_id and p.person_id = ${parent}.person_id), 'PERSON')`,
      ),
      portion: named('Portion', 'portion', 'portion_id'),
      contracts: ofEitherSide(children('Contract', 'contract', 'worker_id', 'number')),
      documents: children('WorkerDocument', 'worker_document', 'worker_id', 'seen_on, id'),
      competencies: children('Competency', 'competency', 'worker_id', 'signed_off_on, id'),
      absences: children('Absence', 'absence', 'worker_id', 'first_day, id'),
      timesheets,
      version: column('version'),
    },
    { prefix: workerPrefix, table: 'worker', side: 'EITHER' },
  ),
  Contract: personView({
    number: column('number'),
    from: column('valid_from'),
    to: lastDayOf('valid_to'),
    minutesPerWeek: column('minutes_per_week'),
    hourlyRate: money('hourly_pence'),
    payFrequency: column('pay_frequency'),
    lineKey: column('line_key'),
    irregularHours: column('irregular'),
    pensionEnrolled: column('pension'),
    warnings: contractWarnings,
  }),
  WorkerDocument: personView({
    kind: column('kind'),
    seenOn: column('seen_on'),
    expiresOn: column('expires_on'),
    evidence: ofEitherSide(named('Evidence', 'evidence', 'evidence_id')),
  }),
  DelegatedTask: personView(
    {
      what: column('what'),
      instructions: column('instructions'),
      delegatedBy: column('delegated_by'),
      recordedAt: instant('recorded_at'),
      competencies: children('Competency', 'competency', 'task_id', 'signed_off_on, id'),
    },
    { prefix: taskPrefix, table: 'delegated_task', side: 'EITHER' },
  ),
  Competency: personView({
    worker: named('Worker', 'worker', 'worker_id'),
    task: named('DelegatedTask', 'delegated_task', 'task_id'),
    clinician: column('clinician'),
    signedOffOn: column('signed_off_on'),
    expiresOn: column('expires_on'),
    withdrawnOn: column('withdrawn_on'),
  }),
  RotaWeek: personView(
    {
      weekBegins: column('week_begins'),
      shifts: many(
        'Shift',
        ({ parent }) => `
          select * from (${shiftsOf(`${parent}.person_id`)}) e
           where e.rota_id = ${parent}.id order by e.day, e.starts, e.position`,
      ),
      version: column('version'),
    },
    { prefix: rotaPrefix, table: 'rota_week', side: 'EITHER' },
  ),
  Shift: personView({
    day: column('day'),
    starts: value(({ parent }) => `to_char(${parent}.starts, 'HH24:MI')`),
    ends: value(({ parent }) => `to_char(${parent}.ends, 'HH24:MI')`),
    minutes: column('minutes'),
    task: column('task'),
    worker: named('Worker', 'worker', 'worker_id'),
    doneBy: named('Worker', 'worker', 'done_by_id'),
    fromContingency: column('from_contingency'),
    delegatedTasks: many(
      'DelegatedTask',
      ({ parent }) => `
        select * from delegated_task
         where id = any(${parent}.task_ids) and person_id = ${parent}.person_id order by id`,
    ),
    warnings: shiftWarnings,
  }),
  Absence: personView(
    {
      worker: named('Worker', 'worker', 'worker_id'),
      kind: ofEitherSide(column('kind')),
      from: column('first_day'),
      to: column('last_day'),
      cover: named('Worker', 'worker', 'cover_id'),
      fromContingency: column('from_contingency'),
      cancelledAt: instant('cancelled_at'),
    },
    { prefix: absencePrefix, table: 'absence', side: 'EITHER' },
  ),
  Timesheet: personView(
    {
      worker: ofEitherSide(named('Worker', 'worker', 'worker_id')),
      weekBegins: column('week_begins'),
      days,
      worked: total(workedBy),
      planned: total(plannedFor),
      version: column('version'),
    },
    { prefix: timesheetPrefix, table: 'timesheet', side: 'EITHER' },
  ),
  TimesheetDay: personView({
    day: column('day'),
    worked: column('worked'),
    planned: column('planned'),
    difference: value(({ parent }) => `${parent}.worked - ${parent}.planned`),
  }),
};
