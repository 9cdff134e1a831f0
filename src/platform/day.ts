/** Days in Europe/London, as `YYYY-MM-DD`. */

const london = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/London', dateStyle: 'short' });

const minuteMs = 60_000;
let last = { minute: Number.NaN, day: '' };

/** The day it is in London at this instant. A day begins with a minute, so within one minute it is not worked out twice. */
export function londonDay(instant: Date): string {
  const minute = Math.floor(instant.getTime() / minuteMs);
  if (minute !== last.minute) last = { minute, day: london.format(instant) };
  return last.day;
}

const dayMs = 86_400_000;

/** Days are counted in UTC, where every day has 24 hours: London's clocks do not matter to a calendar. */
const at = (day: string) => Date.parse(`${day}T00:00:00Z`);
const dayAt = (ms: number) => dayOf(new Date(ms));
/** The day of a `date` column as Prisma gives it: midnight in UTC, whatever London's clocks say. */
export const dayOf = (date: Date): string => date.toISOString().slice(0, 10);

/**
 * SQL: the row `row` holds on the day `day`, which is SQL too. `valid_to` is the first day on which it no longer does;
 * null is without bound.
 */
export const holdsOn = (row: string, day: string): string =>
  `(${row}.valid_from is null or ${row}.valid_from <= ${day}) and (${row}.valid_to is null or ${row}.valid_to > ${day})`;

export const addDays = (day: string, days: number): string => dayAt(at(day) + days * dayMs);

/** How many days from one day to another; negative when the other is before. */
export const daysBetween = (from: string, to: string): number => (at(to) - at(from)) / dayMs;

/** The same day some months on, or the last of its month where that has no such day: 31 August and 6 months is 28 February. */
export function addMonths(day: string, months: number): string {
  const [year, month, date] = day.split('-').map(Number) as [number, number, number];
  const first = new Date(Date.UTC(year, month - 1 + months, 1));
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  return dayAt(first.getTime() + (Math.min(date, last) - 1) * dayMs);
}

/** 1 is Monday, 7 is Sunday. */
export const weekday = (day: string): number => new Date(at(day)).getUTCDay() || 7;
