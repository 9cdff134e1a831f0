/** Which schemes there may be beside one another, and who may record them. */
import type { EligibilityScheme, EligibilityStatus } from '../generated/prisma/enums.ts';

/** What is said of a scheme, from one day to another: `to` is the first day on which it no longer holds. */
export interface Held {
  scheme: EligibilityScheme;
  status: EligibilityStatus;
  from: string;
  to: string | null;
}

export interface Asked extends Held {
  decidedOn: string | null;
  reviewer: string | null;
  reviewDueOn: string | null;
}

export interface Objection {
  code:
    | 'DAY_INVALID'
    | 'DECISION_DAY_NEEDED'
    | 'REVIEWER_NEEDED'
    | 'ELIGIBILITY_OVERLAPS'
    | 'ELIGIBILITY_EXCLUDES';
  message: string;
  field: string;
}

/** Schemes that one side alone decides; the others either may record. */
const recorders: Partial<Record<EligibilityScheme, 'NHS' | 'COUNCIL'>> = {
  CHC_STANDARD: 'NHS',
  CHC_FAST_TRACK: 'NHS',
  FNC: 'NHS',
  WHEELCHAIR: 'NHS',
  CYP_CONTINUING_CARE: 'NHS',
  LD_MH: 'NHS',
  CARE_ACT: 'COUNCIL',
  CARER_S10: 'COUNCIL',
};

export const mayRecord = (side: 'NHS' | 'COUNCIL' | null, scheme: EligibilityScheme): boolean =>
  side !== null && (recorders[scheme] ?? side) === side;

/**
 * Nobody is eligible for both on one day: somebody is on the standard route or the fast track, and NHS-funded nursing
 * care is for those not eligible for continuing healthcare (National Framework for NHS Continuing Healthcare).
 */
const excluding: Partial<Record<EligibilityScheme, EligibilityScheme[]>> = {
  CHC_STANDARD: ['CHC_FAST_TRACK', 'FNC'],
  CHC_FAST_TRACK: ['CHC_STANDARD', 'FNC'],
  FNC: ['CHC_STANDARD', 'CHC_FAST_TRACK'],
};

const isChc = (scheme: EligibilityScheme) => scheme === 'CHC_STANDARD' || scheme === 'CHC_FAST_TRACK';

/** Whether two spans share a day; a span ends before its `to`. */
export const overlap = (a: Pick<Held, 'from' | 'to'>, b: Pick<Held, 'from' | 'to'>): boolean =>
  (b.to === null || a.from < b.to) && (a.to === null || b.from < a.to);

/** All that speaks against recording it, given what is recorded of the person already. */
export function objections(asked: Asked, held: Held[], today: string): Objection[] {
  const found: Objection[] = [];
  const object = (code: Objection['code'], field: string, message: string) =>
    void found.push({ code, field, message });
  const { scheme, status, decidedOn } = asked;

  if (asked.to !== null && asked.to <= asked.from) {
    object('DAY_INVALID', 'to', 'It must end after its first day.');
  }
  if (asked.reviewDueOn !== null && asked.reviewDueOn <= asked.from) {
    object('DAY_INVALID', 'reviewDueOn', 'The review must be after the first day.');
  }
  if (decidedOn !== null && decidedOn > today) {
    object('DAY_INVALID', 'decidedOn', 'A decision is recorded when it was made: today at the latest.');
  }
  if ((decidedOn === null) !== (status === 'ASSESSING')) {
    const message =
      decidedOn === null ? 'Say on which day it was decided.' : 'What is being assessed was not decided.';
    object('DECISION_DAY_NEEDED', 'decidedOn', message);
  }
  if (isChc(scheme) && status !== 'ASSESSING' && asked.reviewer === null) {
    object('REVIEWER_NEEDED', 'reviewer', 'Say who reviewed the case.');
  }

  const meeting = held.filter((other) => overlap(asked, other));
  const same = meeting.find((other) => other.scheme === scheme);
  if (same !== undefined) {
    const span = `${same.from} to ${same.to ?? 'no known end'}`;
    object('ELIGIBILITY_OVERLAPS', 'from', `${scheme} is recorded from ${span}. End that first.`);
  }
  const other = meeting.find(
    (other) => other.status === 'ELIGIBLE' && excluding[scheme]?.includes(other.scheme),
  );
  if (status === 'ELIGIBLE' && other !== undefined) {
    const since = `the person is eligible for ${other.scheme} from ${other.from}`;
    object('ELIGIBILITY_EXCLUDES', 'scheme', `${scheme} cannot be held beside it: ${since}. End that first.`);
  }
  return found;
}
