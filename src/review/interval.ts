/** How long the law, the guidance and a commissioner's policy let a review wait. */
import { addDays, addMonths } from '../platform/day.ts';
import type { PolicyFacts } from './facts.ts';

export type RuleBasis = 'LAW' | 'GUIDANCE' | 'POLICY';

/** One reason for which a review is due. */
export interface Requirement {
  /** The first day on which a review meets it, and the last on which it does in time. */
  opensOn: string;
  dueOn: string;
  /** Within how long of what, by which rule, in words. */
  within: string;
  rule: string;
  basis: RuleBasis;
}

export interface Rule {
  /** How long after it began the first review is due, in words and as a day. */
  firstWords: string;
  first: (start: string) => string;
  /** The first day on which the first review is of use. */
  firstOpens: (start: string) => string;
  /** How many months after a review the next is due at the latest. */
  months: number;
  citation: string;
  basis: RuleBasis;
}

/**
 * NHS (Direct Payments) Regulations 2013 (SI 2013/1617), regulation 14, in the structure of regulation 17 of the 2010
 * regulations: within three months of the first payment, then at intervals of at most twelve months. The plan for a
 * personal health budget is reviewed at the same intervals.
 */
export const nhsRule: Rule = {
  firstWords: '3 months',
  first: (start) => addMonths(start, 3),
  firstOpens: (start) => start,
  months: 12,
  citation: 'NHS (Direct Payments) Regulations 2013, regulation 14',
  basis: 'LAW',
};

/** The regulations are about direct payments; where none is made, guidance asks for the same. */
export const nhsPlanRule: Rule = {
  ...nhsRule,
  citation: `NHS guidance on personal health budgets, at the intervals of the ${nhsRule.citation}`,
  basis: 'GUIDANCE',
};

/** Regulation 7: at least once within the first six months of the direct payment, then at most every twelve months. */
export const councilPaymentRule: Rule = {
  ...nhsRule,
  firstWords: '6 months',
  first: (start) => addMonths(start, 6),
  citation: 'Care and Support (Direct Payments) Regulations 2014, regulation 7',
};

/** Care and support statutory guidance: a light-touch review six to eight weeks after sign-off, then at least yearly. */
export const councilPlanRule: Rule = {
  firstWords: '8 weeks',
  first: (start) => addDays(start, 56),
  firstOpens: (start) => addDays(start, 42),
  months: 12,
  citation: 'Care and support statutory guidance, review of care and support plans',
  basis: 'GUIDANCE',
};

/** National Framework: three months after the decision, then at least yearly; a day set with the decision comes first. */
export const chcRule: Rule = {
  ...nhsRule,
  firstOpens: (start) => addDays(start, 1),
  citation: 'National Framework for NHS Continuing Healthcare and NHS-funded Nursing Care',
  basis: 'GUIDANCE',
};

/** "2026-03-03" as "3 March 2026". */
export function dayWords(day: string): string {
  return words.format(new Date(`${day}T00:00:00Z`));
}
const words = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });

export const policyWords = ({ organisation, citation }: PolicyFacts) =>
  `policy of ${organisation} (${citation})`;

/**
 * What asks for the first review: the rule, and whichever commissioner has a policy of its own. Each has its own
 * window, so that a review in that of a policy does not stand for the one that the rule asks for later.
 */
export function firstReviews(
  rule: Rule,
  start: string,
  event: string,
  policies: PolicyFacts[],
): Requirement[] {
  const after = `of ${event} on ${dayWords(start)}`;
  const opensOn = rule.firstOpens(start);
  const byRule: Requirement = {
    opensOn,
    dueOn: rule.first(start),
    within: `within ${rule.firstWords} ${after}, ${rule.citation}`,
    rule: rule.citation,
    basis: rule.basis,
  };
  const byPolicy = policies.flatMap((policy): Requirement[] => {
    const weeks = policy.firstReviewWeeks;
    if (weeks === null) return [];
    const dueOn = addDays(start, weeks * 7);
    const own = policyWords(policy);
    const within = `within ${weeks} weeks ${after}, ${own}; at most ${rule.firstWords} by ${rule.citation}`;
    // A window is two weeks at least, as far as there was anything to review.
    const opens = opensOn <= addDays(dueOn, -14) ? opensOn : [start, addDays(dueOn, -14)].sort()[1]!;
    return [{ opensOn: opens, dueOn, within, rule: own, basis: 'POLICY' }];
  });
  return [byRule, ...byPolicy];
}

/** What asks for another review after one that was held. */
export function repeatReviews(rule: Rule, last: string, policies: PolicyFacts[]): Requirement[] {
  const after = `of the review on ${dayWords(last)}`;
  const opensOn = addDays(last, 1);
  const byRule: Requirement = {
    opensOn,
    dueOn: addMonths(last, rule.months),
    within: `within ${rule.months} months ${after}, ${rule.citation}`,
    rule: rule.citation,
    basis: rule.basis,
  };
  const byPolicy = policies.flatMap((policy): Requirement[] => {
    const months = policy.reviewMaxMonths;
    if (months === null) return [];
    const own = policyWords(policy);
    const within = `within ${months} months ${after}, ${own}; at most ${rule.months} by ${rule.citation}`;
    return [{ opensOn, dueOn: addMonths(last, months), within, rule: own, basis: 'POLICY' }];
  });
  return [byRule, ...byPolicy];
}
