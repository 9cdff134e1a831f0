/** Deciding again about a notice when asked to. */
import { dayOf } from '../platform/day.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { textOf } from '../write/subject.ts';
import {
  change,
  lockReclaim,
  mustBeFunder,
  mustNotBe,
  noticedBy,
  type Result,
  type Versioned,
} from './reclaim.ts';
import { appealRoutes } from './rules.ts';
import { mustAnswerFor } from './subject.ts';

export const requestReclaimReconsiderationCommand: Command<Versioned & { words: string }, Result> = {
  name: 'requestReclaimReconsideration',
  run: async (context, input) => {
    const { reclaim, shown, inStage } = await lockReclaim(context, input, ['NOTICED', 'PART_REPAID']);
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
    const { subject: reconsiderationBy, name: reconsiderationByName } = context.viewer;
    await change(context, reclaim, {
      status: 'RECONSIDERING',
      reconsiderationWords: words,
      reconsiderationBy,
      reconsiderationByName,
    });
    return { result: shown, personIds: [personId] };
  },
};

export const decideReclaimReconsiderationCommand: Command<
  Versioned & { outcome: 'CONFIRMED' | 'WITHDRAWN'; reasons: string },
  Result
> = {
  name: 'decideReclaimReconsideration',
  run: async (context, input) => {
    const { reclaim, shown, inStage } = await lockReclaim(context, input, ['RECONSIDERING']);
    await mustBeFunder(context, reclaim);
    inStage();
    mustNotBe(noticedBy(reclaim), context, 'You gave the notice');
    const { reconsiderationBy: subject, reconsiderationByName: name } = reclaim;
    if (subject !== null) mustNotBe({ subject, name }, context, 'You asked for it');
    const reasons = textOf(input.reasons, 'reasons');
    await change(context, reclaim, { status: input.outcome, reconsiderationReasons: reasons });
    return { result: shown, personIds: [reclaim.personId] };
  },
};
