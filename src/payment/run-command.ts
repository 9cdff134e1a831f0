/** Telling the bank to pay, and what became of it. */
import type { FundingSource } from '../generated/prisma/enums.ts';
import { lockBudget, post, reverse } from '../ledger/post.ts';
import { addDays, dayOf, weekday } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, announce, expectVersion, notFound, reasonOf } from '../write/subject.ts';
import { bankRunPenceMax } from './bacs.ts';
import { markPaid, type Sum, sendDue, sumsOf } from './run.ts';
import { paymentChanged } from './store.ts';
import {
  expectPayer,
  instructionPrefix,
  instructionResult,
  lockSchedules,
  openInstruction,
  paymentRunPrefix,
  raiseFor,
} from './subject.ts';

type RunResult = { runId: string };

const runResult = (id: string): RunResult => ({ runId: idOf(paymentRunPrefix, id) });
const aheadDaysMax = 30;
const saturday = 6;

export const createPaymentRunCommand: Command<
  { idempotencyKey: string; organisationCode: string; dueOn: string },
  RunResult
> = {
  name: 'createPaymentRun',
  run: async (context, { organisationCode, dueOn }) => {
    const { tx, viewer, today } = context;
    const own = await actingOrganisation(context);
    if (own === null || own.odsCode !== organisationCode) {
      const message = 'Only the finance team of who pays may send its money.';
      throw new UserFault('NOT_YOURS', message, 'organisationCode');
    }
    if (dueOn < today || dueOn > addDays(today, aheadDaysMax) || weekday(dueOn) >= saturday) {
      const message = `Give a working day of the bank, from today to ${aheadDaysMax} days ahead.`;
      throw new UserFault('DAY_INVALID', message, 'dueOn');
    }
    const run = await tx.paymentRun.create({
      data: {
        organisationId: own.id,
        dueOn: new Date(dueOn),
        count: 0,
        pence: 0n,
        createdBy: viewer.subject,
        recordedAt: context.now,
      },
    });
    const sent = await sendDue(tx, { organisationId: own.id, dueOn, runId: run.id });
    if (sent.count === 0) {
      const message =
        'Nothing goes out: nothing approved is due by that day, or none of it has an approved account, or more was overpaid than is due.';
      throw new UserFault('NOTHING_DUE', message, 'dueOn');
    }
    if (sent.pence > bankRunPenceMax)
      throw new UserFault(
        'TOO_MANY',
        'What is due comes to more than one file of the bank can say.',
        'dueOn',
      );
    await tx.paymentRun.update({
      where: { id: run.id },
      data: { count: sent.count, pence: sent.pence },
    });
    await announce(context, paymentChanged, sent.people);
    return { result: runResult(run.id), personIds: sent.people };
  },
};

/** How many sums one command says something of: a transaction of a second or two. */
const atOnceMax = 200;

async function openRun(context: CommandContext, runId: string) {
  const id = uuidOf(paymentRunPrefix, runId);
  const run = id === null ? null : await context.tx.paymentRun.findUnique({ where: { id } });
  const own = await actingOrganisation(context);
  if (run === null || run.organisationId !== own?.id) throw notFound('runId');
  return run;
}

/** The sums of these payments of the run that are still SENT, with their schedules locked. */
async function openSums(context: CommandContext, runId: string, ids: string[] | null): Promise<Sum[]> {
  if (ids !== null && (ids.length === 0 || ids.length > atOnceMax))
    throw new UserFault('TOO_MANY', `Send 1 to ${atOnceMax} payments.`, 'instructionIds');
  const uuids = ids?.map((id) => uuidOf(instructionPrefix, id)) ?? null;
  const asked = {
    status: 'SENT' as const,
    instructionIds: uuids?.filter((id) => id !== null) ?? null,
    limit: atOnceMax,
  };
  const seen = await sumsOf(context.tx, runId, asked);
  await lockSchedules(
    context,
    seen.map(({ scheduleId }) => scheduleId),
  );
  const found = await sumsOf(context.tx, runId, asked);
  const known = new Set(found.flatMap(({ instructionIds }) => instructionIds));
  const strange = (uuids ?? []).flatMap((id, n) =>
    id !== null && known.has(id)
      ? []
      : [new UserFault('NOT_IN_RUN', 'The payment is not SENT in this run.', `instructionIds.${n}`)],
  );
  if (strange.length > 0) throw new Refused(strange, runResult(runId));
  if (found.length === 0)
    throw new Refused(
      [new UserFault('NOTHING_DUE', 'Nothing of this run waits to be confirmed.', 'runId')],
      runResult(runId),
    );
  return found;
}

export const confirmPaymentsCommand: Command<
  { idempotencyKey: string; runId: string; instructionIds?: string[] | null; paidOn?: string | null },
  RunResult
> = {
  name: 'confirmPayments',
  run: async (context, input) => {
    const { tx, today } = context;
    const run = await openRun(context, input.runId);
    const paidOn = input.paidOn ?? dayOf(run.dueOn);
    if (paidOn > today || paidOn < addDays(dayOf(run.dueOn), -aheadDaysMax)) {
      const message = 'Give the day on which it was paid: today at the latest.';
      throw new Refused([new UserFault('DAY_INVALID', message, 'paidOn')], runResult(run.id));
    }
    const found = await openSums(context, run.id, input.instructionIds ?? null);
    const paid: { scheduleId: string; transferId: string }[] = [];
    for (const [budgetId, ofBudget] of byBudget(found)) {
      await lockBudget(tx, budgetId);
      const transferIds = await post(
        tx,
        { budgetId, personId: ofBudget[0]!.personId },
        ofBudget.map(({ scheduleId, source, pence, portionId }) => ({
          kind: 'PAID_IN' as const,
          source: source as FundingSource,
          pence,
          effectiveOn: paidOn,
          portionId,
          description: null,
          cause: `payment/${run.id}/${scheduleId}`,
        })),
      );
      for (const [n, { scheduleId }] of ofBudget.entries())
        paid.push({ scheduleId, transferId: transferIds[n]! });
    }
    await markPaid(tx, run.id, paid);
    const personIds = [...new Set(found.map(({ personId }) => personId))];
    await announce(context, paymentChanged, personIds);
    return { result: runResult(run.id), personIds };
  },
};

function byBudget(sums: Sum[]): Map<string, Sum[]> {
  const grouped = new Map<string, Sum[]>();
  for (const sum of sums) grouped.set(sum.budgetId, [...(grouped.get(sum.budgetId) ?? []), sum]);
  return grouped;
}

export const failPaymentsCommand: Command<
  { idempotencyKey: string; runId: string; instructionIds: string[]; reason: string },
  RunResult
> = {
  name: 'failPayments',
  run: async (context, input) => {
    const run = await openRun(context, input.runId);
    const reason = reasonOf(input.reason);
    const found = await openSums(context, run.id, input.instructionIds);
    await context.tx.paymentInstruction.updateMany({
      where: { id: { in: found.flatMap(({ instructionIds }) => instructionIds) } },
      data: { status: 'FAILED', heldFor: reason, version: { increment: 1 } },
    });
    await raiseFor(
      context,
      found.map(({ scheduleId }) => scheduleId),
    );
    const personIds = [...new Set(found.map(({ personId }) => personId))];
    await announce(context, paymentChanged, personIds);
    return { result: runResult(run.id), personIds, reason };
  },
};

export const reversePaymentCommand: Command<
  { idempotencyKey: string; instructionId: string; expectedVersion: number; reason: string },
  { instructionId: string }
> = {
  name: 'reversePayment',
  run: async (context, input) => {
    const { tx, today } = context;
    const one = await openInstruction(context, input.instructionId);
    const reason = reasonOf(input.reason);
    const result = instructionResult(one.id);
    expectVersion(one.version, input.expectedVersion, result);
    if (one.status !== 'PAID' || one.runId === null) {
      const message = `The payment is ${one.status}: only what was paid is undone.`;
      throw new Refused([new UserFault('WRONG_STAGE', message, 'instructionId')], result);
    }
    await expectPayer(context, [one.organisationId], 'instructionId');
    await lockBudget(tx, one.schedule.budgetId);
    // Money that came back came back, whatever was spent in the meantime: the balance may then be below nothing.
    if (one.transferId !== null) {
      await reverse(tx, [one.transferId], { effectiveOn: today, description: 'Payment undone' });
    }
    await tx.paymentInstruction.updateMany({
      where: { scheduleId: one.scheduleId, runId: one.runId, status: 'PAID' },
      data: { status: 'REVERSED', heldFor: reason, version: { increment: 1 } },
    });
    await raiseFor(context, [one.scheduleId]);
    await announce(context, paymentChanged, [one.personId]);
    return { result, personIds: [one.personId], reason };
  },
};
