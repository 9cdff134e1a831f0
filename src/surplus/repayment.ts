/** Taking in money that was asked back: all of it, or in parts. */

import { post } from '../ledger/post.ts';
import { dayOf } from '../platform/day.ts';
import { moneyOf } from '../platform/money.ts';
import { amountOf } from '../spending/input.ts';
import { lockParts, potsOf } from '../spending/purse.ts';
import { shareOut } from '../spending/rules.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { announce, type MoneyGiven } from '../write/subject.ts';
import {
  change,
  lockReclaim,
  mustBeFunder,
  mustNotBe,
  noticedBy,
  type Result,
  type Versioned,
} from './reclaim.ts';
import { repaymentOf } from './rules.ts';

export const recordRepaymentCommand: Command<
  Versioned & { paidOn: string; amount?: MoneyGiven | null },
  Result
> = {
  name: 'recordRepayment',
  run: async (context, input) => {
    const { tx, today } = context;
    const stages = ['NOTICED', 'CONFIRMED', 'PART_REPAID'] as const;
    const { reclaim, shown, inStage } = await lockReclaim(context, input, [...stages]);
    const { id, personId, budgetId, source } = reclaim;
    await mustBeFunder(context, reclaim);
    inStage();
    mustNotBe(noticedBy(reclaim), context, 'You gave the notice');
    const { paidOn } = input;
    if (paidOn > today || paidOn < dayOf(reclaim.noticeOn)) {
      const message = 'It was repaid between the day of the notice and today.';
      throw new UserFault('DAY_INVALID', message, 'paidOn');
    }
    const demanded = { pence: reclaim.pence, repaidPence: reclaim.repaidPence };
    const outstanding = reclaim.pence - reclaim.repaidPence;
    const pence = input.amount == null ? outstanding : amountOf(input.amount);
    const next = repaymentOf(demanded, pence);
    if (next === null) {
      const message = `Of what was asked back ${moneyOf(outstanding).formatted} is outstanding, which is less. Nothing was moved.`;
      throw new Refused([new UserFault('REPAYMENT_TOO_LARGE', message, 'amount')], shown);
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
    for (const { pot, pence: part } of shares) {
      await post(tx, { personId, budgetId: pot.budgetId }, [
        {
          kind: 'RECLAIMED',
          source,
          pence: part,
          effectiveOn: paidOn,
          portionId: pot.portionId,
          description: null,
          cause: `reclaim/${id}`,
        },
      ]);
    }
    await change(context, reclaim, next);
    await announce(context, 'money.changed', [personId]);
    return { result: shown, personIds: [personId] };
  },
};
