/** When somebody may be put on a shift, and what is said where they may not. */

/** A shift as it will be worked: by whoever covers it, where the one it was planned for is away. */
export interface PlannedShift {
  id: string;
  /** Its place in the input, where it is one of those that are judged; null for one beside them. */
  position: number | null;
  day: string;
  /** `HH:MM`, of London's clocks. One that ends at or before its start goes on into the next day. */
  starts: string;
  ends: string;
  /** Null where nobody comes in place of whoever is away. */
  doneById: string | null;
  /** Has a sign-off in force, on all its days, for each delegated task. */
  competent: boolean;
  /** Has a contract in force. */
  contracted: boolean;
}

export interface ShiftFinding {
  code: 'NOT_COMPETENT' | 'NO_CONTRACT' | 'SHIFTS_OVERLAP';
  message: string;
  position: number;
}

const time = /^([01]\d|2[0-3]):[0-5]\d$/;

export const isTime = (text: string): boolean => time.test(text);

const minuteOf = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** From when to when it is on the clocks, in minutes; a day has 1440 here, for clocks that change change for both. */
function span({ day, starts, ends }: PlannedShift): [from: number, to: number] {
  const midnight = Date.parse(`${day}T00:00:00Z`) / 60_000;
  const [from, to] = [minuteOf(starts), minuteOf(ends)];
  return [midnight + from, midnight + to + (to <= from ? 1440 : 0)];
}

/** Whether two shifts have a minute in common. One may begin as the other ends. */
export function overlap(one: PlannedShift, other: PlannedShift): boolean {
  const [a, b] = [span(one), span(other)];
  return a[0] < b[1] && b[0] < a[1];
}

/**
 * What keeps these shifts from being planned. Only those with a position are judged, but against all of them: somebody
 * may come from a night shift of the week before. What nobody comes to is no fault: it waits for cover.
 */
export function judgeShifts(shifts: PlannedShift[]): ShiftFinding[] {
  const findings: ShiftFinding[] = [];
  for (const shift of shifts) {
    const { position, doneById } = shift;
    if (position === null || doneById === null) continue;
    if (!shift.contracted) {
      const message =
        'They have no contract on that day: agree one by setContract, or put somebody else there.';
      findings.push({ code: 'NO_CONTRACT', message, position });
    }
    if (!shift.competent) {
      const message =
        'No sign-off for a delegated task of this shift holds on that day. Let a clinician sign it off by signOffCompetency, put somebody there who has it, or take the task off.';
      findings.push({ code: 'NOT_COMPETENT', message, position });
    }
    const clash = shifts.some(
      (other) => other.id !== shift.id && other.doneById === doneById && overlap(shift, other),
    );
    if (clash) {
      const message = 'They are on another shift at that time. Change the times, or put somebody else there.';
      findings.push({ code: 'SHIFTS_OVERLAP', message, position });
    }
  }
  return findings;
}
