/**
 * When each duty to review is due next, by the law, the guidance and the commissioner's own policy, and because of
 * what. Pure: `facts` is what is known, `day` the day that is looked at.
 */
import type { ReturnFrequency, ReviewDuty, Side } from '../generated/prisma/client.ts';
import { addDays, addMonths } from '../platform/day.ts';
import { dutiesMet, dutyWords, reviewDuties, sideOf } from './duty.ts';
import type { ReviewFacts } from './facts.ts';
import {
  chcRule,
  councilPaymentRule,
  councilPlanRule,
  dayWords,
  firstReviews,
  nhsPlanRule,
  nhsRule,
  policyWords,
  type Requirement,
  type Rule,
  type RuleBasis,
  repeatReviews,
} from './interval.ts';
import { chcReason, paidSince, planReason, policiesOf } from './reason.ts';

/** A duty and when it is due. */
export interface Clock {
  duty: ReviewDuty;
  /** The first day on which a review meets it, and the last on which it does in time. */
  opensOn: string;
  dueOn: string;
  overdue: boolean;
  lastHeldOn: string | null;
  because: string;
  rule: string;
  basis: RuleBasis;
}

/** The days of the reviews that met a duty, from one day to another, the latest first. */
const heldFrom = (since: string, day: string, duty: ReviewDuty, { reviews }: ReviewFacts): string[] =>
  reviews
    .filter((review) => review.heldOn >= since && review.heldOn <= day && dutiesMet(review).includes(duty))
    .map(({ heldOn }) => heldOn)
    .sort()
    .reverse();

/** The clock of a duty: of several requirements the one that is due first. */
function clockOf(
  duty: ReviewDuty,
  day: string,
  lastHeldOn: string | null,
  requirements: Requirement[],
): Clock {
  const { opensOn, dueOn, within, rule, basis } = requirements.reduce((first, each) =>
    each.dueOn < first.dueOn ? each : first,
  );
  const because = `${dutyWords[duty]}: ${within}`;
  // A day that was set by hand may lie before the window.
  const opens = [opensOn, dueOn].sort()[0]!;
  return { duty, opensOn: opens, dueOn, overdue: dueOn < day, lastHeldOn, because, rule, basis };
}

/** A duty with a first review and a yearly one. A review before the first one's window is no such review. */
function regular(
  duty: ReviewDuty,
  rule: Rule,
  reason: { since: string; startedOn: string; event: string },
  facts: ReviewFacts,
  day: string,
): Clock {
  const policies = policiesOf(sideOf(duty), facts, day);
  const held = heldFrom(reason.since, day, duty, facts);
  const next = held.slice(0, 1).flatMap((last) => repeatReviews(rule, last, policies));
  const first = firstReviews(rule, reason.startedOn, reason.event, policies).filter(
    ({ opensOn }) => !held.some((on) => on >= opensOn),
  );
  return clockOf(duty, day, held[0] ?? null, [...next, ...first]);
}

function paymentClock(side: Side, rule: Rule, facts: ReviewFacts, day: string): Clock | null {
  const paidOn = paidSince(side, facts, day);
  if (paidOn === null) return null;
  const reason = { since: paidOn, startedOn: paidOn, event: 'the first payment' };
  return regular(`${side}_DIRECT_PAYMENT`, rule, reason, facts, day);
}

function planClock(side: Side, rule: Rule, facts: ReviewFacts, day: string): Clock | null {
  const reason = planReason(side, facts, day);
  return reason === null ? null : regular(`${side}_CARE_PLAN`, rule, reason, facts, day);
}

function chcClock(facts: ReviewFacts, day: string): Clock | null {
  const reason = chcReason(facts, day);
  if (reason === null) return null;
  const { from, decidedOn, reviewDueOn } = reason;
  const held = heldFrom([from, decidedOn].sort()[0]!, day, 'CHC_ELIGIBILITY', facts);
  const last = held[0] ?? null;
  const requirements = last === null ? [] : repeatReviews(chcRule, last, []);
  const [first] = firstReviews(chcRule, decidedOn, 'the decision', []) as [Requirement];
  // The review that led to the decision is not the one that it asks for.
  if (reviewDueOn !== null && (last === null || last <= decidedOn)) {
    const within = `on the day set with the decision of ${dayWords(decidedOn)}, ${chcRule.citation}`;
    requirements.push({ ...first, dueOn: reviewDueOn, within });
  } else if (last === null) requirements.push(first);
  return clockOf('CHC_ELIGIBILITY', day, last, requirements);
}

const monthsOf: Record<ReturnFrequency, number> = { MONTHLY: 1, QUARTERLY: 3, HALF_YEARLY: 6, YEARLY: 12 };

/** An audit is due as often as the commissioner asks for returns; the law sets no day of its own. */
function auditClock(side: Side, facts: ReviewFacts, day: string): Clock | null {
  const paidOn = paidSince(side, facts, day);
  const [policy] = policiesOf(side, facts, day)
    .filter(({ returnFrequency }) => returnFrequency !== null)
    .sort((a, b) => monthsOf[a.returnFrequency!] - monthsOf[b.returnFrequency!]);
  if (paidOn === null || policy === undefined) return null;
  const duty = `${side}_AUDIT` as const;
  const last = heldFrom(paidOn, day, duty, facts)[0] ?? null;
  const months = monthsOf[policy.returnFrequency!];
  const event = last === null ? 'first payment' : 'audit';
  const rule = policyWords(policy);
  const span = months === 1 ? '1 month' : `${months} months`;
  const requirement: Requirement = {
    opensOn: addDays(last ?? paidOn, 1),
    dueOn: addMonths(last ?? paidOn, months),
    within: `within ${span} of the ${event} on ${dayWords(last ?? paidOn)}, ${rule}`,
    rule,
    basis: 'POLICY',
  };
  return clockOf(duty, day, last, [requirement]);
}

/**
 * All duties that exist on a day, each with when it is due. Who has died is not reviewed any more; what was paid is
 * still audited.
 */
export function clocksOn(facts: ReviewFacts, day: string): Clock[] {
  const audits = [auditClock('NHS', facts, day), auditClock('COUNCIL', facts, day)];
  const hasDied = facts.diedOn !== null && facts.diedOn <= day;
  const reviews = hasDied
    ? []
    : [
        planClock('NHS', paidSince('NHS', facts, day) === null ? nhsPlanRule : nhsRule, facts, day),
        paymentClock('NHS', nhsRule, facts, day),
        planClock('COUNCIL', councilPlanRule, facts, day),
        paymentClock('COUNCIL', councilPaymentRule, facts, day),
        chcClock(facts, day),
      ];
  const clocks = [...reviews, ...audits].filter((clock) => clock !== null);
  return reviewDuties.flatMap((duty) => clocks.find((clock) => clock.duty === duty) ?? []);
}
