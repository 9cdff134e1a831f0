/** When a budget's money runs out, or how much of it piles up. */
import { addDays, daysBetween } from '../platform/day.ts';
import { tenthsOfWeeks } from './rules.ts';

export interface Outlook {
  today: string;
  /** First day on which the budget is no longer in force; null when it is open. */
  end: string | null;
  /** In the account: neither spent nor set aside. */
  left: bigint;
  weeklyIn: bigint;
  /** Null where nobody planned anything and nothing was spent yet. */
  weeklyOut: bigint | null;
}

export interface Forecast {
  /** The first day whose care the money no longer covers; null when it lasts to the end, or for ever. */
  runsOutOn: string | null;
  /** What is left on the last day; null without an end, or where nothing is known of spending. */
  leftAtEnd: bigint | null;
  /** That, in tenths of a week's cost. */
  tenthsOfWeeksAtEnd: bigint | null;
}

/** Money comes and goes evenly: what is paid every four weeks is a seventh of a twenty-eighth a day. */
export function forecast({ today, end, left, weeklyIn, weeklyOut }: Outlook): Forecast {
  if (weeklyOut === null) return { runsOutOn: null, leftAtEnd: null, tenthsOfWeeksAtEnd: null };
  const drain = weeklyOut - weeklyIn;
  const daysLeft = end === null ? null : Math.max(0, daysBetween(today, end));
  const coveredDays = left < 0n ? 0n : drain > 0n ? (left * 7n) / drain : null;
  const runsOutOn =
    coveredDays === null || coveredDays > maxDays || (daysLeft !== null && coveredDays >= BigInt(daysLeft))
      ? null
      : addDays(today, Number(coveredDays));
  if (daysLeft === null) return { runsOutOn, leftAtEnd: null, tenthsOfWeeksAtEnd: null };
  const leftAtEnd = left - (drain * BigInt(daysLeft)) / 7n;
  return { runsOutOn, leftAtEnd, tenthsOfWeeksAtEnd: tenthsOfWeeks(leftAtEnd, weeklyOut) };
}

/** What is further away than a hundred years is not told by a day. */
const maxDays = 36_525n;

/** RUNS_OUT_SOON, OVER_THRESHOLD and PILING_UP, as the SDL describes them. */
export type AlertCode = 'RUNS_OUT_SOON' | 'OVER_THRESHOLD' | 'PILING_UP';

export interface Thresholds {
  /** The weeks of cost that a funder lets be held in reserve. */
  contingencyWeeks: number | null;
  surplusThresholdWeeks: number | null;
}

/**
 * Which of the funders' thresholds the outlook crosses. Each funder's own threshold counts: the widest reserve, the
 * narrowest limit. A funder that has said nothing gives no alert.
 *
 * @param tenths how many tenths of a week the money of each source lasts, beside its funder's threshold
 */
export function alertsOf(
  { today }: Pick<Outlook, 'today'>,
  { runsOutOn, tenthsOfWeeksAtEnd }: Forecast,
  policies: Thresholds[],
  tenths: { tenthsOfWeeks: bigint | null; thresholdWeeks: number | null }[],
): AlertCode[] {
  const said = (pick: (policy: Thresholds) => number | null) =>
    policies.map(pick).filter((weeks) => weeks !== null);
  const reserves = said((policy) => policy.contingencyWeeks);
  const limits = said((policy) => policy.surplusThresholdWeeks);
  const alerts: AlertCode[] = [];
  if (runsOutOn !== null && reserves.length > 0 && daysBetween(today, runsOutOn) <= 7 * Math.max(...reserves))
    alerts.push('RUNS_OUT_SOON');
  if (
    tenths.some(({ tenthsOfWeeks: t, thresholdWeeks: w }) => t !== null && w !== null && t > BigInt(w) * 10n)
  ) {
    alerts.push('OVER_THRESHOLD');
  }
  if (
    tenthsOfWeeksAtEnd !== null &&
    limits.length > 0 &&
    tenthsOfWeeksAtEnd > BigInt(Math.min(...limits)) * 10n
  ) {
    alerts.push('PILING_UP');
  }
  return alerts;
}
