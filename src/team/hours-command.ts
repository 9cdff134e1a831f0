/** What somebody worked in a week: their timesheet. That it is not what was planned is shown, and no fault. */
import { daysBetween } from '../platform/day.ts';
import { idOf } from '../platform/id.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { announce, expectVersion } from '../write/subject.ts';
import { mondayOf } from './rota-command.ts';
import { dayFault, openWorker } from './subject.ts';
import { timesheetPrefix } from './view.ts';

interface HoursInput {
  idempotencyKey: string;
  workerId: string;
  weekBegins: string;
  expectedVersion: number;
  days: { day: string; minutes: number }[];
}

const dayMinutes = 1440;

/** The days of the input, each once, of that week, and none that has not come. @throws UserFault DAY_INVALID, TIME_INVALID */
function readDays({ days, weekBegins }: HoursInput, today: string) {
  const seen = new Set<string>();
  return days.map(({ day, minutes }, n) => {
    const passed = daysBetween(weekBegins, day);
    if (passed < 0 || passed > 6 || day > today || seen.has(day))
      throw dayFault('Name each day of the week once, and none that has not come.', `days.${n}.day`);
    seen.add(day);
    if (minutes < 1 || minutes > dayMinutes)
      throw new UserFault(
        'TIME_INVALID',
        `A day has 1 to ${dayMinutes} minutes of work.`,
        `days.${n}.minutes`,
      );
    return { day: new Date(day), minutes };
  });
}

export const recordHoursCommand: Command<HoursInput, { timesheetId: string }> = {
  name: 'recordHours',
  run: async (context, input) => {
    const { tx, viewer, today, now } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId } = worker;
    const week = { workerId, personId, weekBegins: new Date(mondayOf(input.weekBegins)) };
    const before = await tx.timesheet.findFirst({ where: week });
    const shown: Partial<{ timesheetId: string }> =
      before === null ? {} : { timesheetId: idOf(timesheetPrefix, before.id) };
    expectVersion(before?.version ?? 0, input.expectedVersion, shown);
    const days = readDays(input, today);
    const unpaid = days.findIndex(
      ({ day }) =>
        !worker.contracts.some(
          ({ validFrom, validTo }) => validFrom <= day && (validTo === null || day < validTo),
        ),
    );
    if (unpaid >= 0) {
      const message = 'They had no contract on that day: agree one by setContract first.';
      throw new Refused([new UserFault('NO_CONTRACT', message, `days.${unpaid}.day`)], shown);
    }
    const recorded = { recordedBy: viewer.subject, recordedAt: now, version: input.expectedVersion + 1 };
    const { id: timesheetId } =
      before === null
        ? await tx.timesheet.create({ data: { ...week, ...recorded } })
        : await tx.timesheet.update({ where: { id_personId: { id: before.id, personId } }, data: recorded });
    await tx.workedDay.deleteMany({ where: { timesheetId, personId } });
    await tx.workedDay.createMany({ data: days.map((day) => ({ ...day, timesheetId, personId })) });
    announce(context, 'team.changed', [personId]);
    return { result: { timesheetId: idOf(timesheetPrefix, timesheetId) }, personIds: [personId] };
  },
};
