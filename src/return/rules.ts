/** Which periods returns are made for, and how a return stands. */
import type { ReturnFrequency, ReturnStatus } from '../generated/prisma/enums.ts';
import { addDays, addMonths } from '../platform/day.ts';

/** Both days are in it. */
export interface Period {
  from: string;
  to: string;
}

const months: Record<ReturnFrequency, number> = { MONTHLY: 1, QUARTERLY: 3, HALF_YEARLY: 6, YEARLY: 12 };

/** The last period that was over before `today`. Periods of a financial year, which begins on 1 April. */
export function periodBefore(frequency: ReturnFrequency, today: string): Period {
  const [year, month] = today.split('-').map(Number) as [number, number];
  // Months since April of the calendar year, so January is -3.
  const length = months[frequency];
  const begun = Math.floor((month - 4) / length) * length;
  const start = addMonths(`${year}-04-01`, begun);
  return { from: addMonths(start, -length), to: addDays(start, -1) };
}

/** Accepted once every receiver has; queried while one of them waits for an answer. */
export function statusOf(receivers: { accepted: boolean }[], openQueries: number): ReturnStatus {
  if (receivers.every(({ accepted }) => accepted)) return 'ACCEPTED';
  return openQueries > 0 ? 'QUERIED' : 'SENT';
}
