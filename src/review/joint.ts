/** The one day on which as many duties as possible can be met together. */
import type { ReviewDuty } from '../generated/prisma/client.ts';
import { addDays, weekday } from '../platform/day.ts';
import { type Clock, clocksOn } from './clock.ts';
import { dutyWords, isKeptApart, joinable } from './duty.ts';
import type { ReviewFacts } from './facts.ts';
import { dayWords } from './interval.ts';

export interface Joint {
  on: string;
  notAfter: string;
  duties: ReviewDuty[];
  leftOut: ReviewDuty[];
  because: string;
}

const isWorkingDay = (day: string) => weekday(day) <= 5;

const listed = (duties: ReviewDuty[]) =>
  duties
    .map((duty) => dutyWords[duty])
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1');

/**
 * The joint review to propose on a day; null where no two duties can share one. Only the regular reviews of plan and
 * direct payment are joined, inside the window of each, on the latest working day (Monday to Friday) on which the most
 * of them are met, and never on one of `apartOn`. Of days that meet as many, the earliest. What is overdue is held on
 * the next working day.
 */
function proposeJoint(clocks: Clock[], apartOn: string[], today: string): Joint | null {
  const isFree = (day: string) => !apartOn.includes(day);
  const nextFree = (after: string): string => {
    const day = addDays(after, 1);
    return isWorkingDay(day) && isFree(day) ? day : nextFree(day);
  };

  /** The best day for one duty alone. */
  function bestFor({ overdue, opensOn, dueOn }: Clock): string {
    if (overdue) return nextFree(today);
    const first = opensOn > today ? opensOn : today;
    let free: string | undefined;
    for (let day = dueOn; day >= first; day = addDays(day, -1)) {
      if (!isFree(day)) continue;
      if (isWorkingDay(day)) return day;
      free ??= day;
    }
    // In time on a weekend is better than late; late is better than on a day that must stay apart.
    return free ?? nextFree(dueOn);
  }

  const candidates = clocks
    .filter(({ duty }) => joinable.includes(duty))
    .map((clock) => ({ clock, best: bestFor(clock) }));
  const isMet = ({ clock, best }: (typeof candidates)[0], day: string) =>
    clock.opensOn <= day && (day <= clock.dueOn || day <= best);
  const days = candidates.map(({ best }) => best).sort();
  const metOn = (day: string) => candidates.filter((candidate) => isMet(candidate, day));
  const on = days.reduce(
    (best, day) => (metOn(day).length > metOn(best).length ? day : best),
    days[0] ?? today,
  );
  const met = metOn(on).map(({ clock }) => clock);
  if (met.length < 2) return null;

  const [earliest] = met.toSorted((a, b) => (a.dueOn < b.dueOn ? -1 : 1)) as [Clock];
  const left = candidates.map(({ clock }) => clock).filter((clock) => !met.includes(clock));
  const duties = met.map(({ duty }) => duty);
  const why = earliest.overdue
    ? `the next working day, because the ${dutyWords[earliest.duty]} review was due by ${dayWords(earliest.dueOn)}`
    : `the last ${isWorkingDay(on) ? 'working day' : 'day'} that can be used before the ${dutyWords[earliest.duty]} review is overdue after ${dayWords(earliest.dueOn)}`;
  const without = left.map(({ duty, opensOn, dueOn }) =>
    opensOn > on
      ? ` The ${dutyWords[duty]} review is left out: it counts only from ${dayWords(opensOn)}.`
      : ` The ${dutyWords[duty]} review is left out: it is due by ${dayWords(dueOn)}.`,
  );
  return {
    on,
    notAfter: earliest.dueOn,
    duties,
    leftOut: left.map(({ duty }) => duty),
    because: `One day for ${listed(duties)}: ${why}.${without.join('')}`,
  };
}

/** All that is due next for a person, as `Person.nextReviews` shows it. */
export function nextReviews(facts: ReviewFacts, today: string) {
  const duties = clocksOn(facts, today);
  const apart = duties.filter(({ duty }) => !joinable.includes(duty));
  const apartHeld = facts.reviews.filter(({ kind }) => isKeptApart(kind)).map(({ heldOn }) => heldOn);
  const apartOn = [...apart.map(({ dueOn }) => dueOn), ...apartHeld];
  return { duties, joint: proposeJoint(duties, apartOn, today), apart: apart.map(({ duty }) => duty) };
}
