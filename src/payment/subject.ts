/** What the commands of payments ask first: whose schedule or payment is it, and who pays. */

import { addDays, dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, isVisibleRow, notFound, visibleOf } from '../write/subject.ts';
import { type Ask, raise } from './store.ts';

export const schedulePrefix = 'sch';
export const instructionPrefix = 'pmt';
export const paymentRunPrefix = 'prn';
export const payeeAccountPrefix = 'pac';

const askIn =
  ({ tx }: Pick<CommandContext, 'tx'>): Ask =>
  (text, values) =>
    tx.$queryRawUnsafe(text, ...values);

/**
 * The organisation the viewer acts for, if it is the one that pays.
 *
 * @throws UserFault NOT_YOURS
 */
export async function expectPayer(context: CommandContext, organisationIds: string[], field: string | null) {
  const own = await actingOrganisation(context);
  if (own !== null && organisationIds.includes(own.id)) return own;
  throw new UserFault('NOT_YOURS', 'Only the organisation whose money it is may do this.', field);
}

/** The schedules' rows, locked in the one order in which everybody locks them. */
export async function lockSchedules({ tx }: CommandContext, ids: string[]): Promise<void> {
  await tx.$queryRawUnsafe(
    `select id from payment_schedule where id = any($1::uuid[]) order by id for update`,
    ids,
  );
}

/** A schedule of a person whom the viewer may see and whose funder they act for, locked. */
export async function openSchedule(context: CommandContext, scheduleId: string) {
  const id = uuidOf(schedulePrefix, scheduleId);
  if (id === null) throw notFound('scheduleId');
  await lockSchedules(context, [id]);
  const schedule = await context.tx.paymentSchedule.findFirst({ where: { id }, include: { rates: true } });
  if (schedule === null || !(await isVisibleRow(context, 'payment_schedule', id)))
    throw notFound('scheduleId');
  await expectPayer(context, [schedule.organisationId], 'scheduleId');
  return schedule;
}

/**
 * Payments of people whom the viewer may see, in the order asked for, each with its schedule, which is locked.
 *
 * @throws Refused NOT_FOUND for each that is none
 */
export async function openInstructions(context: CommandContext, ids: string[], field: (n: number) => string) {
  const { tx } = context;
  const uuids = ids.map((id) => uuidOf(instructionPrefix, id));
  const where = { id: { in: uuids.filter((id) => id !== null) } };
  const before = await tx.paymentInstruction.findMany({ where, select: { scheduleId: true } });
  await lockSchedules(
    context,
    before.map(({ scheduleId }) => scheduleId),
  );
  const found = await tx.paymentInstruction.findMany({ where, include: { schedule: true } });
  const seen = await visibleOf(
    context,
    'payment_instruction',
    found.map(({ id }) => id),
  );
  const byId = new Map(found.filter(({ id }) => seen.has(id)).map((one) => [one.id, one]));
  const missing: UserFault[] = [];
  const opened: (typeof found)[number][] = [];
  for (const [n, uuid] of uuids.entries()) {
    const one = byId.get(uuid ?? '');
    if (one !== undefined) opened.push(one);
    else missing.push(notFound(field(n)));
  }
  if (missing.length > 0) throw new Refused(missing);
  return opened;
}

/** One payment for whose payer the viewer acts, with its schedule locked. */
export async function openInstruction(context: CommandContext, instructionId: string) {
  const [instruction] = await openInstructions(context, [instructionId], () => 'instructionId');
  await expectPayer(context, [instruction!.organisationId], 'instructionId');
  return instruction!;
}

/** Brings schedules, whose rows are locked, to what they say, in the name of whoever gave the command. */
export async function raiseFor(
  context: CommandContext,
  scheduleIds: string[],
  covering?: string,
): Promise<void> {
  const { viewer, today, now } = context;
  await raise(askIn(context), scheduleIds, {
    today,
    now,
    setBy: viewer,
    ...(covering === undefined ? {} : { covering }),
  });
}

export const scheduleResult = (id: string) => ({ scheduleId: idOf(schedulePrefix, id) });
export const instructionResult = (id: string) => ({ instructionId: idOf(instructionPrefix, id) });

/** How far a schedule reaches: backdated no more than records are kept, and ahead no more than a year. */
const pastDaysMax = 6 * 366;
const aheadDaysMax = 366;

/** @throws UserFault DAY_INVALID */
export function expectNear(day: string, today: string, field: string): void {
  if (day >= addDays(today, -pastDaysMax) && day <= addDays(today, aheadDaysMax)) return;
  throw new UserFault('DAY_INVALID', 'Give a day in the last six years or the next.', field);
}

export const dayOrNull = (date: Date | null): string | null => (date === null ? null : dayOf(date));
