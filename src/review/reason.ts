/** Why somebody must be reviewed at all: the plan, the direct payment and the eligibility that are in force on a day. */
import type { Side } from '../generated/prisma/client.ts';
import { addDays } from '../platform/day.ts';
import type { BudgetFacts, EligibilityFacts, PlanFacts, PolicyFacts, ReviewFacts } from './facts.ts';
import { firstOf, holds, outside, overlap, type Stretch, unbroken } from './spell.ts';

/** A plan, or a budget where there is no plan, of which a side must review how it works. */
export interface PlanReason {
  /** The first day of the support that goes on without a gap: reviews before it are of something else. */
  since: string;
  /** The day from which the first review is counted. */
  startedOn: string;
  /** What happened on that day, such as "the sign-off of the plan". */
  event: string;
}

/** Money pooled under section 75 of the NHS Act 2006 is both sides' money, so the rules of both hold. */
const isOf = (side: Side, source: string): boolean =>
  source === 'S75_POOL' || source === (side === 'NHS' ? 'ICB' : 'COUNCIL');

/**
 * The days on which a budget itself counts. Once it is a part of an integrated budget, it is that one which is agreed
 * and managed, and this only carries its money.
 */
function daysOf(budget: BudgetFacts, budgets: BudgetFacts[]): Stretch[] {
  const whole = budgets.find(({ id }) => id === budget.partOfId);
  return whole === undefined ? [budget] : outside(budget, whole);
}

interface Funded extends Stretch {
  budget: BudgetFacts;
  policy: PolicyFacts | null;
}

/** The stretches in which a budget holds money of this side. */
function funded(side: Side, budgets: BudgetFacts[]): Funded[] {
  return budgets.flatMap((budget) =>
    daysOf(budget, budgets).flatMap((days) =>
      budget.lines
        .filter(({ source }) => isOf(side, source))
        .flatMap(({ from, to, policy }) => {
          const shared = overlap(days, { from: from ?? budget.from, to });
          return shared === null ? [] : [{ ...shared, budget, policy }];
        }),
    ),
  );
}

/** The policies of those who pay this side's money on a day. */
export function policiesOf(side: Side, { budgets }: ReviewFacts, day: string): PolicyFacts[] {
  return funded(side, budgets)
    .filter((stretch) => holds(stretch, day))
    .flatMap(({ policy }) => policy ?? []);
}

/** The versions of the joint plan since it was last ended, the first first; none where none is in force on the day. */
function jointPlan(plans: PlanFacts[], day: string): PlanFacts[] {
  const numbered = plans
    .filter(({ number, agreedOn }) => number !== null && agreedOn !== null && agreedOn <= day)
    .sort((a, b) => a.number! - b.number!);
  const ended = numbered.findLastIndex(({ status, to }) => status === 'ENDED' && (to === null || to < day));
  const versions = numbered.slice(ended + 1);
  const last = versions.at(-1);
  return last === undefined || (last.to !== null && last.to < day) ? [] : versions;
}

/** The stretches of the plans that a system of this side holds. */
const plansOf = (side: Side, plans: PlanFacts[]): Stretch[] =>
  plans.flatMap((plan) => {
    const from = plan.from ?? plan.agreedOn;
    const isOpen = plan.status === 'AGREED' || plan.to !== null;
    return plan.side === side && plan.number === null && from !== null && isOpen
      ? [{ from, to: plan.to === null ? null : addDays(plan.to, 1) }]
      : [];
  });

const budgetWords: Record<Side, string> = { NHS: 'personal health budget', COUNCIL: 'personal budget' };

/**
 * What this side must review the plan for. The joint plan is signed off once for both; where there is none, it is the
 * side's own plan, else its budget that must be planned for.
 */
export function planReason(side: Side, { plans, budgets }: ReviewFacts, day: string): PlanReason | null {
  const joint = jointPlan(plans, day);
  const money = funded(side, budgets);
  const own = plansOf(side, plans);
  const isIn = money.some((stretch) => holds(stretch, day)) || joint.at(-1)?.signedBy.includes(side);
  const all = unbroken([...own, ...money], day);
  if (joint.length > 0 && isIn) {
    // A later version goes on where the one before it was, and so do its reviews.
    const startedOn = joint[0]!.agreedOn!;
    const since = all.length > 0 && firstOf(all) < startedOn ? firstOf(all) : startedOn;
    return { since, startedOn, event: 'the sign-off of the plan' };
  }
  if (all.length === 0) return null;
  const since = firstOf(all);
  const plan = unbroken(own, day);
  return plan.length > 0
    ? { since, startedOn: firstOf(plan), event: 'the start of the plan' }
    : { since, startedOn: since, event: `the start of the ${budgetWords[side]}` };
}

interface Paid extends Stretch {
  paidOn: string | null;
}

function directPayments(side: Side, { budgets }: ReviewFacts): Paid[] {
  return funded(side, budgets).flatMap((stretch) =>
    stretch.budget.payments.flatMap(({ from, to, nhsPaidOn, councilPaidOn }) => {
      const shared = overlap(stretch, { from: from ?? stretch.from, to });
      return shared === null ? [] : [{ ...shared, paidOn: side === 'NHS' ? nhsPaidOn : councilPaidOn }];
    }),
  );
}

const firstPaid = (payments: Paid[]): string | null =>
  payments.flatMap(({ paidOn }) => paidOn ?? []).sort()[0] ?? null;

/** The day on which the direct payments of this side that go on were first paid; null where none was yet. */
export function paidSince(side: Side, facts: ReviewFacts, day: string): string | null {
  const paidOn = firstPaid(unbroken(directPayments(side, facts), day));
  return paidOn !== null && paidOn <= day ? paidOn : null;
}

/** Whether there is anything to audit: direct payments of this side that were made, be it that they have ended. */
export function wasPaid(side: Side, facts: ReviewFacts, day: string): boolean {
  const paidOn = firstPaid(directPayments(side, facts));
  return paidOn !== null && paidOn <= day;
}

/** The eligibility for NHS continuing healthcare that is in force; the one decided last, if more than one is. */
export function chcReason(
  { eligibilities }: ReviewFacts,
  day: string,
): (EligibilityFacts & { decidedOn: string }) | null {
  const inForce = eligibilities
    .filter((eligibility) => holds(eligibility, day))
    .map((eligibility) => ({ ...eligibility, decidedOn: eligibility.decidedOn ?? eligibility.from }));
  return inForce.sort((a, b) => (a.decidedOn < b.decidedOn ? 1 : -1))[0] ?? null;
}
