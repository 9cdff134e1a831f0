/** Changing what a funder pays: another rate, a suspension, an end; also of days that were paid already. */
import { dayOf } from '../platform/day.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, expectVersion, reasonOf } from '../write/subject.ts';
import { withGap } from './rules.ts';
import { type Money, ratePence } from './schedule-command.ts';
import { paymentChanged } from './store.ts';
import { dayOrNull, expectNear, openSchedule, raiseFor, scheduleResult } from './subject.ts';

interface Versioned {
  idempotencyKey: string;
  scheduleId: string;
  expectedVersion: number;
}

type Result = { scheduleId: string };

type Schedule = Awaited<ReturnType<typeof openSchedule>>;

/** Writes the change, brings the payments to it, and tells. */
async function keep(
  context: CommandContext,
  { id, personId }: Schedule,
  data: Parameters<CommandContext['tx']['paymentSchedule']['updateMany']>[0]['data'],
  covering?: string,
) {
  await context.tx.paymentSchedule.updateMany({
    where: { id },
    data: { ...data, version: { increment: 1 } },
  });
  await raiseFor(context, [id], covering);
  await announce(context, paymentChanged, [personId]);
  return { result: scheduleResult(id), personIds: [personId] };
}

function wrong(schedule: Schedule, code: string, message: string, field: string): Refused {
  return new Refused([new UserFault(code, message, field)], scheduleResult(schedule.id));
}

/** @throws Refused DAY_INVALID when it is not one of the schedule's days */
function expectWithin(context: CommandContext, schedule: Schedule, day: string, field: string): void {
  expectNear(day, context.today, field);
  const { validFrom, validTo } = schedule;
  if (day >= dayOf(validFrom) && (validTo === null || day < dayOf(validTo))) return;
  throw wrong(schedule, 'DAY_INVALID', 'Give one of the days of the schedule.', field);
}

export const changePaymentRateCommand: Command<
  Versioned & { from: string; amount: Money; contribution?: Money | null },
  Result
> = {
  name: 'changePaymentRate',
  run: async (context, input) => {
    const schedule = await openSchedule(context, input.scheduleId);
    expectVersion(schedule.version, input.expectedVersion, scheduleResult(schedule.id));
    const { from } = input;
    expectWithin(context, schedule, from, 'from');
    if (schedule.frequency === 'ONE_OFF' && from !== dayOf(schedule.validFrom))
      throw wrong(schedule, 'DAY_INVALID', 'A one-off payment has one day: give that.', 'from');
    const rate = ratePence(schedule.source, input.amount, input.contribution);
    const { id: scheduleId, personId } = schedule;
    const key = { scheduleId, personId, validFrom: new Date(from) };
    await context.tx.scheduleRate.upsert({
      where: { scheduleId_personId_validFrom: key },
      create: { ...key, ...rate },
      update: { ...rate, recordedAt: context.now },
    });
    return keep(context, schedule, {}, from);
  },
};

export const suspendPaymentsCommand: Command<Versioned & { from: string; reason: string }, Result> = {
  name: 'suspendPayments',
  run: async (context, input) => {
    const schedule = await openSchedule(context, input.scheduleId);
    const reason = reasonOf(input.reason);
    expectVersion(schedule.version, input.expectedVersion, scheduleResult(schedule.id));
    if (schedule.status !== 'ACTIVE')
      throw wrong(schedule, 'WRONG_STAGE', `The schedule is ${schedule.status}.`, 'scheduleId');
    expectWithin(context, schedule, input.from, 'from');
    const kept = await keep(context, schedule, { status: 'SUSPENDED', suspendedFrom: new Date(input.from) });
    return { ...kept, reason };
  },
};

export const resumePaymentsCommand: Command<Versioned & { from: string }, Result> = {
  name: 'resumePayments',
  run: async (context, input) => {
    const schedule = await openSchedule(context, input.scheduleId);
    expectVersion(schedule.version, input.expectedVersion, scheduleResult(schedule.id));
    const suspendedFrom = dayOrNull(schedule.suspendedFrom);
    if (schedule.status !== 'SUSPENDED' || suspendedFrom === null)
      throw wrong(schedule, 'WRONG_STAGE', `The schedule is ${schedule.status}.`, 'scheduleId');
    expectWithin(context, schedule, input.from, 'from');
    if (input.from < suspendedFrom)
      throw wrong(schedule, 'DAY_INVALID', `It was paid until ${suspendedFrom} anyway.`, 'from');
    const rates = schedule.rates.map(({ validFrom, weeklyPence, contributionPence }) => {
      return { from: dayOf(validFrom), pence: weeklyPence, contributionPence };
    });
    const { id: scheduleId, personId } = schedule;
    await context.tx.scheduleRate.deleteMany({ where: { scheduleId } });
    await context.tx.scheduleRate.createMany({
      data: withGap(rates, suspendedFrom, input.from).map(({ from, pence, contributionPence }) => {
        return { scheduleId, personId, validFrom: new Date(from), weeklyPence: pence, contributionPence };
      }),
    });
    return keep(context, schedule, { status: 'ACTIVE', suspendedFrom: null }, input.from);
  },
};

export const endPaymentsCommand: Command<Versioned & { to: string; reason: string }, Result> = {
  name: 'endPayments',
  run: async (context, input) => {
    const schedule = await openSchedule(context, input.scheduleId);
    const reason = reasonOf(input.reason);
    expectVersion(schedule.version, input.expectedVersion, scheduleResult(schedule.id));
    const { to } = input;
    expectNear(to, context.today, 'to');
    if (to <= dayOf(schedule.validFrom))
      throw wrong(schedule, 'DAY_INVALID', 'The end lies after the first day.', 'to');
    if (schedule.status === 'ENDED' && schedule.validTo !== null && to >= dayOf(schedule.validTo)) {
      const message = 'It is over. It can have ended earlier, but not go on: set another schedule.';
      throw wrong(schedule, 'WRONG_STAGE', message, 'to');
    }
    return { ...(await keep(context, schedule, { validTo: new Date(to) })), reason };
  },
};
