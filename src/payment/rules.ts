/** The periods a funder pays for, and what one of them costs. Days are days: no clock change makes one longer. */
import type { GrossOrNet, PaymentFrequency, PayWhen } from '../generated/prisma/enums.ts';
import { addDays, addMonths, daysBetween } from '../platform/day.ts';
import { apportion } from '../platform/money.ts';

export interface Rate {
  /** First day. It holds until the next one's. */
  from: string;
  /** For a week; of a one-off payment, the whole of it. */
  pence: bigint;
  /** What of it the person contributes. */
  contributionPence: bigint;
}

export interface Terms {
  frequency: PaymentFrequency;
  payWhen: PayWhen;
  inAdvanceDays: number;
  grossOrNet: GrossOrNet;
  from: string;
  /** First day not paid for: the end that was set, the budget's, the day after a death, a suspension; null for none. */
  end: string | null;
  rates: Rate[];
}

/** From the first to the last day, both paid for. */
export interface Period {
  from: string;
  to: string;
}

export interface Price {
  /** Paid out. */
  pence: bigint;
  /** What the person contributes: beside it when the whole is paid, out of it when that was taken off. */
  contributionPence: bigint;
}

const earlier = (a: string, b: string) => (a < b ? a : b);
const later = (a: string, b: string) => (a < b ? b : a);

/** The earliest of the days; null where none is known. */
export const earliest = (days: (string | null)[]): string | null =>
  days.reduce((first, day) => (first === null ? day : day === null ? first : earlier(first, day)), null);

/** The first day not paid for, by the day somebody died: that day itself is still paid. */
export const dayAfterDeath = (deathDate: string | null): string | null =>
  deathDate === null ? null : addDays(deathDate, 1);

/** First day of the calendar month or, of the financial year's quarters, the quarter that a day is in. */
function monthsStart(day: string, months: 1 | 3): string {
  const [year, month] = day.split('-').map(Number) as [number, number];
  const first = month - ((month - 1) % months);
  return `${year}-${String(first).padStart(2, '0')}-01`;
}

/**
 * The whole period of the cycle that a day is in. Weeks and four weeks are counted from the schedule's first day, so a
 * cycle runs on over clock changes and year ends; months are calendar months, quarters those that begin in April,
 * July, October and January.
 */
function cycleOf({ frequency, from }: Pick<Terms, 'frequency' | 'from'>, day: string): Period {
  switch (frequency) {
    case 'ONE_OFF':
      return { from, to: from };
    case 'WEEKLY':
    case 'FOUR_WEEKLY': {
      const length = frequency === 'WEEKLY' ? 7 : 28;
      const start = addDays(from, Math.floor(daysBetween(from, day) / length) * length);
      return { from: start, to: addDays(start, length - 1) };
    }
    case 'MONTHLY':
    case 'QUARTERLY': {
      const months = frequency === 'MONTHLY' ? 1 : 3;
      const start = monthsStart(day, months);
      return { from: start, to: addDays(addMonths(start, months), -1) };
    }
  }
}

/**
 * The periods from the one with a day on, or from the first, without end but that of a one-off payment. The first begins
 * with the schedule, in the middle of a month or quarter if need be; where the schedule ends none is cut.
 */
export function* periodsOf(terms: Pick<Terms, 'frequency' | 'from'>, since = terms.from): Generator<Period> {
  if (terms.frequency === 'ONE_OFF' && since > terms.from) return;
  for (let day = later(since, terms.from); ; ) {
    const cycle = cycleOf(terms, day);
    yield { from: later(cycle.from, terms.from), to: cycle.to };
    if (terms.frequency === 'ONE_OFF') return;
    day = addDays(cycle.to, 1);
  }
}

/** When a period is to be paid: so many days before it begins, or on the day after its last. */
export const dueOn = ({ payWhen, inAdvanceDays }: Terms, period: Period): string =>
  payWhen === 'IN_ADVANCE' ? addDays(period.from, -inAdvanceDays) : addDays(period.to, 1);

/** What of a period is paid for; null when nothing is. */
export function liveDays({ from, end }: Pick<Terms, 'from' | 'end'>, period: Period): Period | null {
  const live = {
    from: later(period.from, from),
    to: end === null ? period.to : earlier(period.to, addDays(end, -1)),
  };
  return live.to < live.from ? null : live;
}

export interface Part extends Period {
  days: number;
  /** For a week. */
  rate: Rate;
  pence: bigint;
}

/** The stretches of a period's live days with one rate each, and their days. */
function stretches(terms: Terms, period: Period): Omit<Part, 'pence'>[] {
  const live = liveDays(terms, period);
  if (live === null) return [];
  const rates = [...terms.rates].sort((a, b) => (a.from < b.from ? -1 : 1));
  return rates.flatMap((rate, index) => {
    const next = rates[index + 1]?.from;
    const from = later(rate.from, live.from);
    const to = next === undefined ? live.to : earlier(live.to, addDays(next, -1));
    return to < from ? [] : [{ from, to, days: daysBetween(from, to) + 1, rate }];
  });
}

/**
 * To the nearest penny. A week has seven days, and no number of sevenths is a half: there is nothing to round either
 * way.
 */
const ofWeeks = (pencePerWeekDays: bigint) => (2n * pencePerWeekDays + 7n) / 14n;

function total(parts: Omit<Part, 'pence'>[], penceOf: (rate: Rate) => bigint): bigint {
  return ofWeeks(parts.reduce((sum, { rate, days }) => sum + penceOf(rate) * BigInt(days), 0n));
}

/** Net of the contribution when that is taken off first; never less than nothing. */
function paidOut({ grossOrNet }: Pick<Terms, 'grossOrNet'>, { pence, contributionPence }: Rate): bigint {
  if (grossOrNet === 'GROSS') return pence;
  return pence > contributionPence ? pence - contributionPence : 0n;
}

/** The price of a period by the rates as they are now: by days, each a seventh of a week, to the nearest penny. */
export function priceOf(terms: Terms, period: Period): Price {
  const parts = stretches(terms, period);
  if (terms.frequency === 'ONE_OFF') {
    const [part] = parts;
    if (part === undefined) return { pence: 0n, contributionPence: 0n };
    return { pence: paidOut(terms, part.rate), contributionPence: part.rate.contributionPence };
  }
  return {
    pence: total(parts, (rate) => paidOut(terms, rate)),
    contributionPence: total(parts, (rate) => rate.contributionPence),
  };
}

/** How a period's price came about: its parts, one for each rate, which add up to it (by the largest remainder). */
export function partsOf(terms: Terms, period: Period): Part[] {
  const parts = stretches(terms, period);
  const { pence } = priceOf(terms, period);
  const weights = parts.map(({ from, rate, days }) => ({
    key: from,
    weight: paidOut(terms, rate) * BigInt(days),
  }));
  const shares = weights.some(({ weight }) => weight > 0n) ? apportion(pence, weights) : parts.map(() => 0n);
  return parts.map((part, index) => ({ ...part, pence: shares[index]! }));
}

/**
 * The rates when nothing is paid from one day on until another: a gap is a rate of nothing, and after it holds what
 * would have held without it.
 */
export function withGap(rates: Rate[], from: string, until: string): Rate[] {
  if (until <= from) return rates;
  const sorted = [...rates].sort((a, b) => (a.from < b.from ? -1 : 1));
  const after = sorted.findLast((rate) => rate.from <= until);
  return [
    ...sorted.filter((rate) => rate.from < from),
    { from, pence: 0n, contributionPence: 0n },
    ...(after === undefined ? [] : [{ ...after, from: until }]),
    ...sorted.filter((rate) => rate.from > until),
  ];
}
