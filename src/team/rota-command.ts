/** Who comes when: a week's rota, and who comes instead of whoever is away. */
import type { AbsenceKind } from '../generated/prisma/enums.ts';
import { addDays, daysBetween, weekday } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { lineOf } from '../spending/input.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, expectVersion, notFound, noting } from '../write/subject.ts';
import { isCompetent, isContracted, shiftsOf } from './facts.ts';
import { isTime, judgeShifts, type PlannedShift } from './rules.ts';
import { dayFault, openAbsence, openTeam, openWorker, workerOf } from './subject.ts';
import { absencePrefix, rotaPrefix, taskPrefix, workerPrefix } from './view.ts';

interface ShiftInput {
  workerId: string;
  day: string;
  starts: string;
  ends: string;
  task: string;
  delegatedTaskIds?: string[] | null;
}

interface WeekInput {
  idempotencyKey: string;
  personId: string;
  weekBegins: string;
  expectedVersion: number;
  shifts: ShiftInput[];
}

const maxShifts = 200;
const maxTasks = 20;
const maxTask = 200;
/** A place in time, far enough for any rota and near enough for days to be counted. */
const firstDay = '2000-01-01';
const lastDay = '2200-01-01';

/** @throws UserFault DAY_INVALID */
export function mondayOf(day: string, field = 'weekBegins'): string {
  if (weekday(day) === 1 && day >= firstDay && day <= lastDay) return day;
  throw dayFault('A week begins on a Monday.', field);
}

/**
 * The shifts of some days as they will be worked, with those of the day before and after. `judged` is SQL: those that
 * are judged have a position.
 */
function plannedShifts(
  { tx }: CommandContext,
  personId: string,
  days: { from: string; to: string },
  judged: string,
  ...values: string[]
) {
  return tx.$queryRawUnsafe<PlannedShift[]>(
    `select e.id::text as id, case when ${judged} then e.position end as position, e.day::text as day,
            to_char(e.starts, 'HH24:MI') as starts, to_char(e.ends, 'HH24:MI') as ends,
            e.done_by_id::text as "doneById", ${isCompetent('e')} as competent, ${isContracted('e')} as contracted
       from (${shiftsOf('$1::uuid')}) e
      where e.day between $2::date - 1 and $3::date + 1 order by e.day, e.starts, e.id`,
    personId,
    days.from,
    days.to,
    ...values,
  );
}

/** Reads what a shift of the input says. */
function readShift(
  input: ShiftInput,
  weekBegins: string,
  known: { workers: Set<string>; tasks: Set<string> },
  at: string,
) {
  const workerId = uuidOf(workerPrefix, input.workerId);
  if (workerId === null || !known.workers.has(workerId)) throw notFound(`${at}.workerId`);
  const passed = daysBetween(weekBegins, input.day);
  if (passed < 0 || passed > 6) throw dayFault('A shift begins on a day of the week.', `${at}.day`);
  for (const name of ['starts', 'ends'] as const) {
    if (isTime(input[name])) continue;
    throw new UserFault('TIME_INVALID', 'A time is 00:00 to 23:59, such as "07:30".', `${at}.${name}`);
  }
  const asked = input.delegatedTaskIds ?? [];
  if (asked.length > maxTasks) {
    throw new UserFault('TOO_MANY', `A shift has at most ${maxTasks} tasks.`, `${at}.delegatedTaskIds`);
  }
  const taskIds = asked.map((id, n) => {
    const taskId = uuidOf(taskPrefix, id);
    if (taskId === null || !known.tasks.has(taskId)) throw notFound(`${at}.delegatedTaskIds.${n}`);
    return taskId;
  });
  const task = lineOf(input.task, `${at}.task`, maxTask);
  const [starts, ends] = [input.starts, input.ends].map((time) => new Date(`1970-01-01T${time}:00Z`));
  return { workerId, day: new Date(input.day), starts: starts!, ends: ends!, task, taskIds };
}

async function idsOf(context: CommandContext, personId: string) {
  const of = { where: { personId }, select: { id: true } } as const;
  const workers = await context.tx.worker.findMany(of);
  const tasks = await context.tx.delegatedTask.findMany(of);
  const set = (rows: { id: string }[]) => new Set(rows.map(({ id }) => id));
  return { workers: set(workers), tasks: set(tasks) };
}

export const planWeekCommand: Command<WeekInput, { rotaWeekId: string }> = {
  name: 'planWeek',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const personId = await openTeam(context, input.personId);
    const weekBegins = mondayOf(input.weekBegins);
    const { shifts, expectedVersion } = input;
    const week = { personId, weekBegins: new Date(weekBegins) };
    const before = await tx.rotaWeek.findFirst({ where: week });
    const shown: Partial<{ rotaWeekId: string }> =
      before === null ? {} : { rotaWeekId: idOf(rotaPrefix, before.id) };
    expectVersion(before?.version ?? 0, expectedVersion, shown);
    if (shifts.length > maxShifts)
      throw new UserFault('TOO_MANY', `A week has at most ${maxShifts} shifts.`, 'shifts');
    const known = await idsOf(context, personId);
    const faults: UserFault[] = [];
    const read = shifts.map((shift, n) =>
      noting(faults, () => readShift(shift, weekBegins, known, `shifts.${n}`)),
    );
    if (faults.length > 0) throw new Refused(faults, shown);

    const planned = { plannedBy: viewer.subject, recordedAt: now, version: expectedVersion + 1 };
    const { id: rotaId } =
      before === null
        ? await tx.rotaWeek.create({ data: { ...week, ...planned } })
        : await tx.rotaWeek.update({ where: { id_personId: { id: before.id, personId } }, data: planned });
    await tx.shift.deleteMany({ where: { rotaId, personId } });
    await tx.shift.createMany({
      data: read.map((shift, position) => ({ ...shift!, rotaId, personId, position })),
    });
    // Judged as they are now, beside those of the weeks around: the transaction takes all of it back where one may not be.
    const days = { from: weekBegins, to: addDays(weekBegins, 6) };
    const findings = judgeShifts(
      await plannedShifts(context, personId, days, 'e.rota_id = $4::uuid', rotaId),
    );
    if (findings.length > 0) {
      throw new Refused(
        findings.map(({ code, message, position }) => new UserFault(code, message, `shifts.${position}`)),
        shown,
      );
    }
    announce(context, 'team.changed', [personId]);
    return { result: { rotaWeekId: idOf(rotaPrefix, rotaId) }, personIds: [personId] };
  },
};

interface AbsenceInput {
  idempotencyKey: string;
  workerId: string;
  kind: AbsenceKind;
  from: string;
  to: string;
  coverId?: string | null;
  fromContingency: boolean;
}

const maxAbsenceDays = 366;

export const recordAbsenceCommand: Command<AbsenceInput, { absenceId: string }> = {
  name: 'recordAbsence',
  run: async (context, input) => {
    const { tx, viewer } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId } = worker;
    const { kind, from, to } = input;
    if (from < firstDay || to > lastDay || to < from || daysBetween(from, to) >= maxAbsenceDays)
      throw dayFault('An absence ends no earlier than it begins, and within a year.', 'to');
    const coverId =
      input.coverId == null ? null : (await workerOf(context, personId, input.coverId, 'coverId')).id;
    if (coverId === workerId)
      throw new UserFault('WORKER_AWAY', 'They are away themself: name somebody else.', 'coverId');
    const days = { firstDay: { lte: new Date(to) }, lastDay: { gte: new Date(from) } };
    const clash = await tx.absence.count({ where: { workerId, personId, cancelledAt: null, ...days } });
    if (clash > 0) {
      const message =
        'They are recorded as away on some of these days already: cancel that, or give other days.';
      throw new UserFault('WORKER_AWAY', message, 'from');
    }
    const absence = await tx.absence.create({
      data: {
        workerId,
        personId,
        kind,
        firstDay: new Date(from),
        lastDay: new Date(to),
        coverId,
        fromContingency: input.fromContingency && coverId !== null,
        recordedBy: viewer.subject,
      },
      select: { id: true },
    });
    const judged = 'e.worker_id = $4::uuid and e.day between $2::date and $3::date';
    const findings = judgeShifts(await plannedShifts(context, personId, { from, to }, judged, workerId));
    // One code each is enough: it is one person who covers, on however many shifts.
    const first = new Map(
      findings.map(({ code, message }) => [code, new UserFault(code, message, 'coverId')]),
    );
    if (first.size > 0) throw new Refused([...first.values()]);
    announce(context, 'team.changed', [personId]);
    return { result: { absenceId: idOf(absencePrefix, absence.id) }, personIds: [personId] };
  },
};

/** Whoever was to be away comes after all. What of the rota no longer fits says so there. */
export const cancelAbsenceCommand: Command<
  { idempotencyKey: string; absenceId: string },
  { absenceId: string }
> = {
  name: 'cancelAbsence',
  run: async (context, input) => {
    const { tx, now } = context;
    const absence = await openAbsence(context, uuidOf(absencePrefix, input.absenceId));
    const { id, personId } = absence;
    const result = { absenceId: idOf(absencePrefix, id) };
    if (absence.cancelledAt !== null)
      throw new Refused(
        [new UserFault('WRONG_STAGE', 'It has been cancelled already.', 'absenceId')],
        result,
      );
    await tx.absence.update({ where: { id_personId: { id, personId } }, data: { cancelledAt: now } });
    announce(context, 'team.changed', [personId]);
    return { result, personIds: [personId] };
  },
};
