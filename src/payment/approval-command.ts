/** Letting payments go, or holding them back, before they are sent. */
import { idOf } from '../platform/id.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { isSameHuman } from '../write/human.ts';
import { announce, expectVersion, reasonOf, stale } from '../write/subject.ts';
import { paymentChanged } from './store.ts';
import {
  expectPayer,
  instructionPrefix,
  instructionResult,
  openInstruction,
  openInstructions,
} from './subject.ts';

interface Versioned {
  idempotencyKey: string;
  instructionId: string;
  expectedVersion: number;
}

const approvedAtOnceMax = 100;

export const approvePaymentsCommand: Command<
  { idempotencyKey: string; payments: { id: string; expectedVersion: number }[] },
  { instructionIds: string[] }
> = {
  name: 'approvePayments',
  run: async (context, { payments }) => {
    const { tx, viewer, now } = context;
    if (payments.length === 0 || payments.length > approvedAtOnceMax)
      throw new UserFault('TOO_MANY', `Send 1 to ${approvedAtOnceMax} payments.`, 'payments');
    const opened = await openInstructions(
      context,
      payments.map(({ id }) => id),
      (n) => `payments.${n}.id`,
    );
    const own = await expectPayer(
      context,
      opened.map(({ organisationId }) => organisationId),
      'payments',
    );
    const faults: UserFault[] = [];
    for (const [n, one] of opened.entries()) {
      const at = `payments.${n}`;
      const { expectedVersion } = payments[n]!;
      if (one.organisationId !== own.id)
        faults.push(
          new UserFault('NOT_YOURS', 'Only the organisation whose money it is may do this.', `${at}.id`),
        );
      else if (one.version !== expectedVersion)
        faults.push(stale(one.version, expectedVersion, `${at}.expectedVersion`));
      else if (one.status !== 'DRAFT')
        faults.push(
          new UserFault('WRONG_STAGE', `The payment is ${one.status}: only a draft is approved.`, `${at}.id`),
        );
      else if (isSameHuman({ subject: one.createdBy, name: one.createdByName }, viewer))
        faults.push(
          new UserFault(
            'SECOND_PERSON_NEEDED',
            'You caused this payment: somebody else must approve it.',
            `${at}.id`,
          ),
        );
    }
    const result = { instructionIds: opened.map(({ id }) => idOf(instructionPrefix, id)) };
    if (faults.length > 0) throw new Refused(faults, result);
    const ids = opened.map(({ id }) => id);
    await tx.paymentInstruction.updateMany({
      where: { id: { in: ids } },
      data: {
        status: 'APPROVED',
        approvedBy: viewer.subject,
        approvedAt: now,
        version: { increment: 1 },
      },
    });
    const personIds = [...new Set(opened.map(({ personId }) => personId))];
    await announce(context, paymentChanged, personIds);
    return { result, personIds };
  },
};

export const holdPaymentCommand: Command<Versioned & { reason: string }, { instructionId: string }> = {
  name: 'holdPayment',
  run: async (context, input) => {
    const one = await openInstruction(context, input.instructionId);
    const reason = reasonOf(input.reason);
    const result = instructionResult(one.id);
    expectVersion(one.version, input.expectedVersion, result);
    if (one.status !== 'DRAFT' && one.status !== 'APPROVED') {
      const message = `The payment is ${one.status}: only what was not sent yet is held.`;
      throw new Refused([new UserFault('WRONG_STAGE', message, 'instructionId')], result);
    }
    await context.tx.paymentInstruction.updateMany({
      where: { id: one.id },
      data: {
        status: 'HELD',
        heldFor: reason,
        approvedBy: null,
        approvedAt: null,
        version: { increment: 1 },
      },
    });
    await announce(context, paymentChanged, [one.personId]);
    return { result, personIds: [one.personId], reason };
  },
};

export const unholdPaymentCommand: Command<Versioned, { instructionId: string }> = {
  name: 'unholdPayment',
  run: async (context, input) => {
    const one = await openInstruction(context, input.instructionId);
    const result = instructionResult(one.id);
    expectVersion(one.version, input.expectedVersion, result);
    if (one.status !== 'HELD') {
      const message = `The payment is ${one.status}: it is not held.`;
      throw new Refused([new UserFault('WRONG_STAGE', message, 'instructionId')], result);
    }
    // There was a reason to hold it, whatever its amount: somebody approves it.
    await context.tx.paymentInstruction.updateMany({
      where: { id: one.id },
      data: { status: 'DRAFT', heldFor: null, version: { increment: 1 } },
    });
    await announce(context, paymentChanged, [one.personId]);
    return { result, personIds: [one.personId] };
  },
};
