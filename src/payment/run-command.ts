/** Telling the bank to pay, and what became of it. */
import { lockBudget, lockBudgets, postAll, reverse } from '../ledger/post.ts';
import { addDays, weekday } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, announce, expectVersion, notFound, reasonOf } from '../write/subject.ts';
import { bankRunPenceMax } from './bacs.ts';
import { lockSums, markFailed, markPaid, type Sum, sendDue } from './run.ts';
import { paymentChanged } from './store.ts';
import {
  expectPayer,
  instructionPrefix,
  instructionResult,
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

/**
 * How many sums one command says something of: a second's work, for which their budgets are locked, and a list of them
 * is well within what a request may be.
 */
const atOnceMax = 2_000;

/** A run of the viewer's organisation, locked: of two who say what became of it, the second sees what the first said. */
async function openRun(context: CommandContext, runId: string) {
  const own = await actingOrganisation(context);
  const [run] = await context.tx.$queryRawUnsafe<{ id: string; dueOn: string }[]>(
    `select id::text as id, due_on::text as "dueOn" from payment_run
      where id = $1::uuid and organisation_id = $2::uuid for update`,
    uuidOf(paymentRunPrefix, runId),
    own?.id ?? null,
  );
  if (run === undefined) throw notFound('runId');
  return run;
}

/** The sums of these payments of the run that are still SENT, with their schedules locked. */
async function openSums(context: CommandContext, runId: string, ids: string[] | null): Promise<Sum[]> {
  if (ids !== null && (ids.length === 0 || ids.length > atOnceMax))
    throw new UserFault('TOO_MANY', `Send 1 to ${atOnceMax} payments.`, 'instructionIds');
  const uuids = ids?.map((id) => uuidOf(instructionPrefix, id)) ?? null;
  const found = await lockSums(context.tx, runId, {
    instructionIds: uuids?.filter((id) => id !== null) ?? null,
    limit: atOnceMax,
  });
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
    const paidOn = input.paidOn ?? run.dueOn;
    if (paidOn > today || paidOn < addDays(run.dueOn, -aheadDaysMax)) {
      const message = 'Give the day on which it was paid: today at the latest.';
      throw new Refused([new UserFault('DAY_INVALID', message, 'paidOn')], runResult(run.id));
    }
    const found = await openSums(context, run.id, input.instructionIds ?? null);
    await lockBudgets(
      tx,
      found.map(({ budgetId }) => budgetId),
    );
    const transferIds = await postAll(
      tx,
      found.map(({ personId, budgetId, portionId, source, pence, scheduleId }) => ({
        kind: 'PAID_IN',
        personId,
        budgetId,
        portionId,
        source,
        pence,
        effectiveOn: paidOn,
        description: null,
        cause: `payment/${run.id}/${scheduleId}`,
      })),
    );
    const paid = found.map(({ scheduleId }, n) => ({ scheduleId, transferId: transferIds[n]! }));
    await markPaid(tx, run.id, paid);
    return said(context, run.id, found);
  },
};

/** What became of payments is told to the people they are for. */
async function said(context: CommandContext, runId: string, sums: Sum[]) {
  const personIds = [...new Set(sums.map(({ personId }) => personId))];
  await announce(context, paymentChanged, personIds);
  return { result: runResult(runId), personIds };
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
    const scheduleIds = found.map(({ scheduleId }) => scheduleId);
    await markFailed(context.tx, run.id, scheduleIds, reason);
    await raiseFor(context, scheduleIds);
    return { ...(await said(context, run.id, found)), reason };
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
