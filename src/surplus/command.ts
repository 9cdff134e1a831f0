/** Deciding again about a notice when asked to, and taking the money in. */

import { post } from '../ledger/post.ts';
import { signatureOf } from '../payment/approval.ts';
import { dayOf } from '../platform/day.ts';
import { moneyOf } from '../platform/money.ts';
import { lockParts, potsOf } from '../spending/purse.ts';
import { shareOut } from '../spending/rules.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, textOf } from '../write/subject.ts';
import { change, lockReclaim, mustBeFunder, mustNotBe, type Result, type Versioned } from './reclaim.ts';
import { appealRoutes } from './rules.ts';
import { mustAnswerFor } from './subject.ts';

export const requestReclaimReconsiderationCommand: Command<Versioned & { words: string }, Result> = {
  name: 'requestReclaimReconsideration',
  run: async (context, input) => {
    const { reclaim, shown, inStage } = await lockReclaim(context, input, ['NOTICED']);
    const { personId, budgetId, budget } = reclaim;
    const end = budget.validTo === null ? context.today : dayOf(budget.validTo);
    const days = { from: dayOf(budget.validFrom), to: end };
    await mustAnswerFor(context, { personId, budgetId, days }, 'reclaimId');
    const words = textOf(input.words, 'words');
    const organisation = await context.tx.organisation.findUniqueOrThrow({
      where: { id: reclaim.organisationId },
    });
    if (organisation.kind !== 'ICB') {
      const message = `No law gives a right to have this decided again. ${appealRoutes.COUNCIL}`;
      throw new Refused([new UserFault('RECONSIDERATION_NOT_DUE', message, 'reclaimId')], shown);
    }
    if (reclaim.reconsiderationWords !== null) {
      const message = `It was asked for already, which can be done once. ${appealRoutes.NHS}`;
      throw new Refused([new UserFault('RECONSIDERED_ONCE', message, 'reclaimId')], shown);
    }
    inStage();
    await change(context, reclaim, { status: 'RECONSIDERING', reconsiderationWords: words });
    return { result: shown, personIds: [personId] };
  },
};

/** Whether this viewer asked for the reconsideration: the command's own receipt tells. */
async function askedFor({ tx, viewer }: CommandContext, reclaimId: string): Promise<boolean> {
  const asked = await tx.commandReceipt.findFirst({
    where: {
      clientId: viewer.subject,
      command: 'requestReclaimReconsideration',
      result: { path: ['reclaimId'], equals: reclaimId },
    },
    select: { command: true },
  });
  return asked !== null;
}

export const decideReclaimReconsiderationCommand: Command<
  Versioned & { outcome: 'CONFIRMED' | 'WITHDRAWN'; reasons: string },
  Result
> = {
  name: 'decideReclaimReconsideration',
  run: async (context, input) => {
    const { reclaim, shown, inStage } = await lockReclaim(context, input, ['RECONSIDERING']);
    await mustBeFunder(context, reclaim);
    inStage();
    mustNotBe(reclaim.createdBy, context, 'You gave the notice');
    if (await askedFor(context, shown.reclaimId))
      mustNotBe(signatureOf(context.viewer), context, 'You asked for it');
    const reasons = textOf(input.reasons, 'reasons');
    await change(context, reclaim, { status: input.outcome, reconsiderationReasons: reasons });
    return { result: shown, personIds: [reclaim.personId] };
  },
};

export const recordRepaymentCommand: Command<Versioned & { paidOn: string }, Result> = {
  name: 'recordRepayment',
  run: async (context, input) => {
    const { tx, today } = context;
    const { reclaim, shown, inStage } = await lockReclaim(context, input, ['NOTICED', 'CONFIRMED']);
    const { id, personId, budgetId, source, pence } = reclaim;
    await mustBeFunder(context, reclaim);
    inStage();
    mustNotBe(reclaim.createdBy, context, 'You gave the notice');
    const { paidOn } = input;
    if (paidOn > today || paidOn < dayOf(reclaim.noticeOn)) {
      const message = 'It was repaid between the day of the notice and today.';
      throw new UserFault('DAY_INVALID', message, 'paidOn');
    }
    const pots = await potsOf(tx, await lockParts(tx, budgetId));
    const { available, shares } = shareOut(
      pence,
      pots.filter((pot) => pot.source === source),
    );
    if (shares === null) {
      const message = `The ledger has ${moneyOf(available).formatted} of this money left, which is less. Nothing was moved.`;
      throw new UserFault('INSUFFICIENT_BALANCE', message, 'reclaimId');
    }
    const posted: string[] = [];
    for (const { pot, pence: part } of shares) {
      posted.push(
        ...(await post(tx, { personId, budgetId: pot.budgetId }, [
          {
            kind: 'RECLAIMED',
            source,
            pence: part,
            effectiveOn: paidOn,
            portionId: pot.portionId,
            description: null,
            cause: `reclaim/${id}`,
          },
        ])),
      );
    }
    await change(context, reclaim, { status: 'REPAID', transferId: posted[0]! });
    await announce(context, 'money.changed', [personId]);
    return { result: shown, personIds: [personId] };
  },
};
