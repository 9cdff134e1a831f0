/** What changes of a line of the agreed plan cost, beside what was planned. Pence; days are first days, ends are excluded. */
import { daysBetween, holdsOn } from '../platform/day.ts';

/** A change that was agreed: from a day on, until another if it ends, the line costs this much a week. */
export interface LineChange {
  from: string;
  /** The first day on which it no longer holds; null while it goes on. */
  to: string | null;
  weeklyPence: bigint;
}

/** Whether a change holds on a day. */
export const covers = ({ from, to }: LineChange, day: string) => from <= day && (to === null || to > day);

/** What the line costs a week on a day. Of changes that cover the day the one agreed last counts: they come in that order. */
export const weeklyOn = (planned: bigint, changes: LineChange[], day: string): bigint =>
  changes.findLast((change) => covers(change, day))?.weeklyPence ?? planned;

/**
 * What the changes make the line cost in a period, beyond what was planned; below zero where they save. It is rounded
 * once, half away from zero: a day is a seventh of a week.
 */
export function extraPence(
  planned: bigint,
  changes: LineChange[],
  { from, to }: { from: string; to: string },
): bigint {
  const edges = [from, ...changes.flatMap((change) => [change.from, change.to ?? to]), to]
    .filter((day) => day >= from && day <= to)
    .sort();
  let sevenths = 0n;
  for (const [n, begin] of edges.slice(0, -1).entries()) {
    const days = BigInt(daysBetween(begin, edges[n + 1]!));
    if (days > 0n) sevenths += (weeklyOn(planned, changes, begin) - planned) * days;
  }
  const size = sevenths < 0n ? -sevenths : sevenths;
  const rounded = (2n * size + 7n) / 14n;
  return sevenths < 0n ? -rounded : rounded;
}

/** SQL: the changes `c` of a line that were agreed. */
const agreedOf = (line: string): string => `package_change c
    where c.plan_id = ${line}.plan_id and c.person_id = ${line}.person_id and c.line_key = ${line}.key and c.agreed_at is not null`;

/** SQL: what a line that is paid by the week costs a week on a day, as `weeklyOn` has it. */
export const weeklyPenceOn = (line: string, day: string): string => `
  coalesce((select c.weekly_pence from ${agreedOf(line)} and ${holdsOn('c', day)}
             order by c.agreed_at desc, c.id desc limit 1), ${line}.weekly_pence)`;

/** SQL: as a JSON list, a `LineChangeRow` of each change of a line that was agreed, in the order of agreement. */
export const agreedChanges = (line: string): string => `
  (select coalesce(json_agg(json_build_object('from', c.valid_from, 'to', c.valid_to, 'weeklyPence', c.weekly_pence::text,
                                              'providerName', c.provider_name) order by c.agreed_at, c.id), '[]')
     from ${agreedOf(line)} and (c.valid_to is null or c.valid_to > c.valid_from))`;

export interface LineChangeRow {
  from: string;
  to: string | null;
  weeklyPence: string;
  /** Null where the change leaves it as it is planned. */
  providerName: string | null;
}

export const lineChange = ({ weeklyPence, ...row }: LineChangeRow) => ({
  ...row,
  weeklyPence: BigInt(weeklyPence),
});
