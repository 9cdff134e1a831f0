/**
 * What remains to be instructed, given what was. The past is never rewritten: what was sent stays as it was, and a
 * further instruction of the same period adds or subtracts the difference, as invoice items are re-priced in council
 * finance systems (a version of the price, and an effect). What was not sent yet is put right itself.
 */
import type { InstructionEffect, InstructionStatus } from '../generated/prisma/enums.ts';
import { isWithinThreshold } from './approval.ts';
import { dueOn, liveDays, type Period, type Price, periodsOf, priceOf, type Terms } from './rules.ts';

export interface Instructed {
  id: string;
  periodFrom: string;
  pricing: number;
  effect: InstructionEffect;
  pence: bigint;
  contributionPence: bigint;
  status: InstructionStatus;
  approvedBy: string | null;
}

/** An instruction to write: a new one, or, with an `id`, one that was not sent yet and changes. */
export interface Wanted extends Price {
  id: string | null;
  period: Period;
  pricing: number;
  effect: InstructionEffect;
  dueOn: string;
  status: InstructionStatus;
}

const dead = (status: InstructionStatus) => status === 'FAILED' || status === 'REVERSED';
const unsent = (status: InstructionStatus) =>
  status === 'DRAFT' || status === 'APPROVED' || status === 'HELD';

/** With its sign: what the instructions that count come to. */
export const sumOf = (instructions: Pick<Instructed, 'effect' | 'pence' | 'status'>[]): bigint =>
  instructions.reduce((sum, { effect, pence, status }) => {
    if (dead(status)) return sum;
    return effect === 'SUBTRACT' ? sum - pence : sum + pence;
  }, 0n);

export interface Reach {
  /** Periods due on or before this day. */
  dueBy: string;
  /** Periods up to the one with this day, whenever they are due. */
  covering?: string;
  /** Periods up to this day have been raised before. */
  raisedTo: string | null;
  /** The first period looked at is the one with this day: those before are as they should be. */
  since?: string;
}

/**
 * What is to be written so that each period within reach is instructed to its price, and the day up to which periods
 * are then raised; `complete` when no period is left to raise.
 *
 * @param approvalThresholdPence what the payer lets go without a second person; null where it lets nothing
 */
export function settle(
  terms: Terms,
  instructed: Instructed[],
  { dueBy, covering, raisedTo, since }: Reach,
  approvalThresholdPence: bigint | null,
): { wanted: Wanted[]; raisedTo: string | null; complete: boolean } {
  const byPeriod = new Map<string, Instructed[]>();
  for (const one of instructed) {
    byPeriod.set(one.periodFrom, [...(byPeriod.get(one.periodFrom) ?? []), one]);
  }
  const wanted: Wanted[] = [];
  let raised = raisedTo;
  let complete = true;
  for (const period of periodsOf(terms, since)) {
    const before = byPeriod.get(period.from) ?? [];
    const isRaised = raisedTo !== null && period.to <= raisedTo;
    const isWithin = dueOn(terms, period) <= dueBy || (covering !== undefined && period.from <= covering);
    // An end before what was raised already still leaves those periods to be looked at.
    const isOver = terms.end !== null && period.from >= terms.end;
    if (!isRaised && isOver && before.length === 0) break;
    if (!isRaised && !isWithin) {
      complete = false;
      break;
    }
    if (raised === null || period.to > raised) raised = period.to;
    const next = difference(terms, period, before, approvalThresholdPence);
    if (next !== null) wanted.push(next);
  }
  return { wanted, raisedTo: raised, complete };
}

function difference(
  terms: Terms,
  period: Period,
  before: Instructed[],
  approvalThresholdPence: bigint | null,
): Wanted | null {
  const price = priceOf(terms, period);
  const waiting = before.find(({ status }) => unsent(status));
  const standing = before.filter((instruction) => instruction !== waiting && !dead(instruction.status));
  const pence = price.pence - sumOf(standing);
  const effect: InstructionEffect = standing.length === 0 ? 'PAY' : pence < 0n ? 'SUBTRACT' : 'ADD';
  const size = pence < 0n ? -pence : pence;
  const last = standing.reduce<Instructed | null>(
    (latest, one) => (latest === null || one.pricing > latest.pricing ? one : latest),
    null,
  );
  const same = {
    effect,
    pence: size,
    contributionPence: price.contributionPence,
    dueOn: dueOn(terms, period),
  };
  const paidFor = { from: period.from, to: (liveDays(terms, period) ?? period).to };
  if (waiting !== undefined) {
    const stands =
      waiting.effect === effect &&
      waiting.pence === size &&
      waiting.contributionPence === price.contributionPence;
    if (stands) return null;
    // An approval was for another amount.
    const status: InstructionStatus =
      waiting.status === 'HELD'
        ? 'HELD'
        : waiting.status === 'APPROVED' &&
            waiting.approvedBy === null &&
            isWithinThreshold(size, approvalThresholdPence)
          ? 'APPROVED'
          : 'DRAFT';
    return { ...same, id: waiting.id, period: paidFor, pricing: waiting.pricing, status };
  }
  if (pence === 0n && (last?.contributionPence ?? 0n) === price.contributionPence) return null;
  // Where a payment failed or was undone, somebody looks before it is made again.
  const wasUndone = before.some(({ status }) => dead(status));
  return {
    ...same,
    id: null,
    period: paidFor,
    pricing: Math.max(0, ...before.map((one) => one.pricing)) + 1,
    status: isWithinThreshold(size, approvalThresholdPence) && !wasUndone ? 'APPROVED' : 'DRAFT',
  };
}
