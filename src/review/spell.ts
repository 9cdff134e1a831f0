/** Stretches of days. An end is the first day on which something no longer holds; null where none is known. */

export interface Stretch {
  from: string;
  to: string | null;
}

const never = '9999-12-31';
const earlier = (a: string | null, b: string | null) => ((a ?? never) < (b ?? never) ? a : b);

/** The days of both; null where they share none. */
export function overlap(a: Stretch, b: Stretch): Stretch | null {
  const [, from] = [a.from, b.from].sort() as [string, string];
  const to = earlier(a.to, b.to);
  return to !== null && to <= from ? null : { from, to };
}

/** The days of one that are not of the other. */
export function outside(whole: Stretch, hole: Stretch): Stretch[] {
  const before = overlap(whole, { from: '0001-01-01', to: hole.from });
  const after = hole.to === null ? null : overlap(whole, { from: hole.to, to: null });
  return [before, after].filter((part) => part !== null);
}

export const holds = ({ from, to }: Stretch, day: string): boolean =>
  from <= day && (to === null || to > day);

/**
 * Of stretches that follow each other without a gap, all that lead up to a day on which one of them holds: a budget or a plan that is renewed year by year is one, and its clocks do not begin anew. Empty where none
 * holds on that day.
 */
export function unbroken<T extends Stretch>(stretches: T[], day: string): T[] {
  const begun = stretches.filter(({ from }) => from <= day);
  let spell = begun.filter((stretch) => holds(stretch, day));
  while (spell.length > 0) {
    const start = firstOf(spell);
    const further = begun.filter(({ to }) => to === null || to >= start);
    // Each round reaches further back, until nothing joins the beginning any more.
    if (further.length === spell.length) break;
    spell = further;
  }
  return spell;
}

/** The day on which the first of them begins. */
export const firstOf = (spell: Stretch[]): string => spell.map(({ from }) => from).sort()[0]!;
