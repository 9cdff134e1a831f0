/** Asking money back of a budget, by written notice. */

import { budgetPrefix } from '../budget/view.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { FundingSource, ReclaimGround } from '../generated/prisma/enums.ts';
import { addDays } from '../platform/day.ts';
import { uuidOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import { amountOf } from '../spending/input.ts';
import { lockParts } from '../spending/purse.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { actingOrganisation, lockVisible, type MoneyGiven, textOf } from '../write/subject.ts';
import { type SourceSurplus, type SurplusFacts, surplusFacts, surplusOf } from './facts.ts';
import { type Result, resultOf, tellOf } from './reclaim.ts';
import { isByThreshold } from './rules.ts';

async function surplusIn({ tx, today }: CommandContext, budgetId: string, source: FundingSource) {
  const [row] = await tx.$queryRawUnsafe<{ facts: SurplusFacts }[]>(
    `select ${surplusFacts('b', '$2::date')} as facts from budget b where b.id = $1::uuid`,
    budgetId,
    today,
  );
  return {
    found: surplusOf(row!.facts).find((of) => of.source === source),
    funder: row!.facts.funding.find((of) => of.source === source),
  };
}

/** What may be asked back on this ground, before other notices. @throws UserFault THRESHOLD_NOT_KNOWN */
function limitOf(ground: ReclaimGround, found: SourceSurplus | undefined): bigint {
  if (found === undefined) return 0n;
  if (!isByThreshold(ground)) return found.surplus;
  if (found.reclaimable !== null) return found.reclaimable;
  const message =
    'Nothing says how many weeks of money may be held: the policy of this funder has no threshold today, or the budget no weekly cost. Load the policy first.';
  throw new UserFault('THRESHOLD_NOT_KNOWN', message, 'ground');
}

const isOpen: Prisma.ReclaimWhereInput = {
  status: { in: ['NOTICED', 'PART_REPAID', 'RECONSIDERING', 'CONFIRMED'] },
};

export const noticeReclaimCommand: Command<
  {
    idempotencyKey: string;
    budgetId: string;
    source: FundingSource;
    ground: ReclaimGround;
    reasons: string;
    amount: MoneyGiven;
    payer: string;
    payBy?: string | null;
  },
  Result
> = {
  name: 'noticeReclaim',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const budgetId = uuidOf(budgetPrefix, input.budgetId);
    const personId = await lockVisible(context, 'budget', budgetId, 'budgetId');
    await lockParts(tx, budgetId!);
    const organisation = await actingOrganisation(context);
    const { found, funder } = await surplusIn(context, budgetId!, input.source);
    if (organisation === null || funder?.organisationId !== organisation.id) {
      const message = 'Money is asked back by the organisation that gives it, and by no other.';
      throw new UserFault('NOT_YOURS', message, 'source');
    }
    const reasons = textOf(input.reasons, 'reasons');
    const payer = textOf(input.payer, 'payer', 200);
    const pence = amountOf(input.amount);
    const payBy =
      input.payBy ?? (funder.repayWithinDays === null ? null : addDays(today, funder.repayWithinDays));
    if (payBy === null || payBy < today) {
      const message = 'Say by when it must be repaid, today or later: the policy gives no time.';
      throw new UserFault('DAY_INVALID', message, 'payBy');
    }
    const asked = await tx.reclaim.aggregate({
      where: { budgetId: budgetId!, personId, source: input.source, ...isOpen },
      _sum: { pence: true, repaidPence: true },
    });
    // What was repaid has left the balance already.
    const outstanding = (asked._sum.pence ?? 0n) - (asked._sum.repaidPence ?? 0n);
    const rest = limitOf(input.ground, found) - outstanding;
    if (pence > rest) {
      const most = moneyOf(rest > 0n ? rest : 0n).formatted;
      throw new UserFault('RECLAIM_TOO_LARGE', `At most ${most} may be asked back on this ground.`, 'amount');
    }
    const made = await tx.reclaim.create({
      data: {
        personId,
        budgetId: budgetId!,
        source: input.source,
        organisationId: organisation.id,
        ground: input.ground,
        reasons,
        pence,
        noticeOn: new Date(today),
        payBy: new Date(payBy),
        payer,
        createdBy: viewer.subject,
        createdByName: viewer.name,
      },
    });
    await tellOf(context, personId);
    return { result: resultOf(made), personIds: [personId] };
  },
};
