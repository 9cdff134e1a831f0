/** Whether a review may be recorded as it is told, and which duties it met. */
import type { ReviewDuty, ReviewKind, Side } from '../generated/prisma/client.ts';
import { clocksOn } from './clock.ts';
import { dutiesMet, dutyOf, dutyWords, isKeptApart, joinable } from './duty.ts';
import type { ReviewFacts } from './facts.ts';
import { wasPaid } from './reason.ts';

interface Told {
  kind: ReviewKind;
  /** Of who records it. */
  side: Side;
  startedOn: string;
  heldOn: string;
  /** Empty where it was left to the kind. */
  duties: ReviewDuty[];
}

interface Fault {
  code: string;
  message: string;
  field: string;
}

const fault = (code: string, field: string, message: string): Fault => ({ code, message, field });

/**
 * @param facts as on the day on which it was held
 * @returns the duties to record, or why it cannot be recorded
 */
export function decideReview(
  told: Told,
  facts: ReviewFacts,
  today: string,
): { duties: ReviewDuty[]; faults: Fault[] } {
  const faults: Fault[] = [];
  if (told.heldOn > today)
    faults.push(fault('DAY_INVALID', 'heldOn', 'A review is recorded once it was held.'));
  if (told.startedOn > told.heldOn) {
    faults.push(fault('DAY_INVALID', 'startedOn', 'A review begins on or before the day it is completed.'));
  }
  // What comes after rests on the days.
  if (faults.length > 0) return { duties: [], faults };
  const { duties, fault: unfit } = dutiesOf(told, facts);
  const first = unfit ?? clashOf(told, duties, facts);
  return { duties, faults: first === null ? [] : [first] };
}

/** What exists for the person on the day of the review. What was paid can be audited also after it ended. */
function existing({ heldOn }: Told, facts: ReviewFacts): ReviewDuty[] {
  const clocks = clocksOn(facts, heldOn).map(({ duty }) => duty);
  const duties: ReviewDuty[] = clocks.filter((duty) => duty !== 'NHS_AUDIT' && duty !== 'COUNCIL_AUDIT');
  if (wasPaid('NHS', facts, heldOn)) duties.push('NHS_AUDIT');
  if (wasPaid('COUNCIL', facts, heldOn)) duties.push('COUNCIL_AUDIT');
  return duties;
}

function dutiesOf(told: Told, facts: ReviewFacts): { duties: ReviewDuty[]; fault: Fault | null } {
  const { kind, side } = told;
  const exist = existing(told, facts);
  const own = dutyOf(kind, side);
  if (kind === 'CHC_ELIGIBILITY' && own === null) {
    const message = 'Eligibility for NHS continuing healthcare is reviewed by the NHS.';
    return { duties: [], fault: fault('NOT_YOURS', 'kind', message) };
  }
  const isSaid = told.duties.length > 0;
  const may = kind === 'JOINT' ? joinable : own === null ? [] : [own];
  const duties = isSaid
    ? told.duties
    : kind === 'JOINT'
      ? joinable.filter((duty) => exist.includes(duty))
      : may;
  for (const [i, duty] of duties.entries()) {
    const field = isSaid ? `duties.${i}` : 'kind';
    if (!may.includes(duty)) {
      const isTheirs = kind !== 'JOINT' && dutyOf(kind, side === 'NHS' ? 'COUNCIL' : 'NHS') === duty;
      const wrong = isTheirs
        ? fault('NOT_YOURS', field, `The ${dutyWords[duty]} review is for the other side to record.`)
        : fault(
            'DUTY_NOT_OF_KIND',
            field,
            `A review of this kind does not meet the ${dutyWords[duty]} duty.`,
          );
      return { duties: [], fault: wrong };
    }
    if (!exist.includes(duty)) {
      const message = `There was no ${dutyWords[duty]} to review for this person on that day.`;
      return { duties: [], fault: fault('DUTY_NOT_HELD', field, message) };
    }
  }
  const distinct = joinable.filter((duty) => duties.includes(duty));
  if (kind === 'JOINT' && distinct.length < 2) {
    const message = 'A joint review meets two duties or more. Record a review of one kind instead.';
    return { duties: [], fault: fault('NOTHING_TO_JOIN', isSaid ? 'duties' : 'kind', message) };
  }
  return { duties: kind === 'JOINT' ? distinct : may, fault: null };
}

/**
 * The same review twice, or two on one day that must be apart. Audits of both sides may share a day: they look at one
 * account.
 */
function clashOf({ kind, heldOn }: Told, duties: ReviewDuty[], facts: ReviewFacts): Fault | null {
  const sameDay = facts.reviews.filter((review) => review.heldOn === heldOn);
  const isSame = (review: (typeof sameDay)[0]) =>
    review.kind === kind && (kind === 'JOINT' || duties.every((duty) => dutiesMet(review).includes(duty)));
  if (sameDay.some(isSame)) {
    return fault('ALREADY_HELD', 'heldOn', 'This review was recorded already for that day.');
  }
  const other = sameDay.find(
    (review) => (isKeptApart(kind) || isKeptApart(review.kind)) && review.kind !== kind,
  );
  if (other === undefined) return null;
  const message =
    'The review of continuing healthcare eligibility and the audit are not held on the day of another review. Another was held on this day.';
  return fault('KEEP_APART', 'heldOn', message);
}
