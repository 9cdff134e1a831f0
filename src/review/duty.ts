/** The duties to review somebody's care and money: whose they are, which may share a day, which a review met. */
import type { ReviewDuty, ReviewKind, Side } from '../generated/prisma/client.ts';

/** In the order in which they are shown. */
export const reviewDuties: ReviewDuty[] = [
  'NHS_CARE_PLAN',
  'NHS_DIRECT_PAYMENT',
  'COUNCIL_CARE_PLAN',
  'COUNCIL_DIRECT_PAYMENT',
  'CHC_ELIGIBILITY',
  'NHS_AUDIT',
  'COUNCIL_AUDIT',
];

/**
 * The duties that one joint review may meet. The review of eligibility for NHS continuing healthcare and the audit of
 * a direct payment are kept apart from the review of plan and budget, and never on its day (NHS Continuing Healthcare
 * practice guidance on personal health budgets).
 */
export const joinable: ReviewDuty[] = reviewDuties.slice(0, 4);

/** As people say it, in the middle of a sentence. */
export const dutyWords: Record<ReviewDuty, string> = {
  NHS_CARE_PLAN: 'NHS care plan',
  NHS_DIRECT_PAYMENT: 'NHS direct payment',
  NHS_AUDIT: 'NHS audit',
  COUNCIL_CARE_PLAN: 'council care plan',
  COUNCIL_DIRECT_PAYMENT: 'council direct payment',
  COUNCIL_AUDIT: 'council audit',
  CHC_ELIGIBILITY: 'NHS continuing healthcare eligibility',
};

export const sideOf = (duty: ReviewDuty): Side => (duty.startsWith('COUNCIL_') ? 'COUNCIL' : 'NHS');

/** The duty that a review of this kind by this side meets; null where it meets none, or where that must be said. */
export function dutyOf(kind: ReviewKind, side: Side): ReviewDuty | null {
  switch (kind) {
    case 'CARE_PLAN':
    case 'DIRECT_PAYMENT':
    case 'AUDIT':
      return `${side}_${kind}`;
    case 'CHC_ELIGIBILITY':
      return side === 'NHS' ? kind : null;
    case 'SHORT_TERM_SUPPORT':
    case 'JOINT':
      return null;
  }
}

/** A review that was held, as it is kept. `side` is that of the source that told of it; null for the hub's own. */
export interface HeldReview {
  kind: ReviewKind;
  /** What it was said to have met; empty where a source said nothing of it. */
  duties: ReviewDuty[];
  side: Side | null;
  heldOn: string;
}

/** The duties that a review met: those that were said, else that of its kind and of the side that held it. */
export function dutiesMet({ kind, duties, side }: Omit<HeldReview, 'heldOn'>): ReviewDuty[] {
  if (duties.length > 0) return reviewDuties.filter((duty) => duties.includes(duty));
  const duty = side === null ? null : dutyOf(kind, side);
  return duty === null ? [] : [duty];
}

/** The side that held a review; null for one of both, or where it is not known. */
export function heldBy(review: Omit<HeldReview, 'heldOn'>): Side | null {
  if (review.side !== null) return review.side;
  const sides = new Set(dutiesMet(review).map(sideOf));
  return review.kind === 'JOINT' || sides.size !== 1 ? null : [...sides][0]!;
}

export const isKeptApart = (kind: ReviewKind): boolean => kind === 'CHC_ELIGIBILITY' || kind === 'AUDIT';
