/** Which line of a statement is which thing that the hub knows of. What is not certain waits for somebody to look. */
import { addDays, daysBetween } from '../platform/day.ts';
import type { AgreedLine } from './rules.ts';
import { allWithin, inCommon, wordsOf } from './word.ts';

/** A card is charged some days after it was shown, and a transfer on a Friday is booked after the weekend. */
export const matchWithinDays = 5;

export interface OpenLine {
  bookedOn: string;
  /** Above zero into the account, below zero out of it. */
  pence: bigint;
  party: string;
  reference: string;
}

/** Something that a line may show: a spend, or a transfer. */
export interface Candidate {
  kind: 'SPEND' | 'TRANSFER';
  id: string;
  on: string;
  /** As a line would show it. */
  pence: bigint;
  /** Words of which one at least is on the line; null where the amount and the day are enough. */
  payee: string | null;
}

export type Match = { kind: 'SPEND' | 'TRANSFER'; id: string } | { kind: 'LINE'; line: AgreedLine } | null;

const said = ({ party, reference }: OpenLine) => wordsOf(party, reference);

/** The words of each text, found once however often they are asked for. */
function remembered(): (text: string | null) => Set<string> {
  const known = new Map<string | null, Set<string>>();
  return (text) => {
    const words = known.get(text) ?? wordsOf(text);
    known.set(text, words);
    return words;
  };
}

/** The days on which something may have been that a line of that day shows. */
const daysAround = (day: string) =>
  Array.from({ length: 2 * matchWithinDays + 1 }, (_, n) => addDays(day, n - matchWithinDays));

/**
 * For each line what it shows, if that is certain: a spend or transfer of the same amount at most five days away that
 * names the same party, the nearest first and each once; else, where money went out to whom the plan names as the
 * provider of one line alone, that line.
 */
export function matchLines(
  lines: OpenLine[],
  candidates: Candidate[],
  linesOn: (day: string) => AgreedLine[],
): Match[] {
  const wordsIn = remembered();
  const keyOf = (pence: bigint, day: string) => `${pence} ${day}`;
  const byKey = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const key = keyOf(candidate.pence, candidate.on);
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [candidate]);
    else same.push(candidate);
  }
  const mayShow = (index: number, { payee }: Candidate) =>
    payee === null || inCommon(wordsIn(payee), words[index]!) > 0;
  const words = lines.map(said);
  const pairs = lines.flatMap((line, index) =>
    daysAround(line.bookedOn)
      .flatMap((day) => byKey.get(keyOf(line.pence, day)) ?? [])
      .filter((candidate) => mayShow(index, candidate))
      .map((candidate) => ({ index, candidate, apart: Math.abs(daysBetween(candidate.on, line.bookedOn)) })),
  );
  pairs.sort((a, b) => a.apart - b.apart || a.index - b.index || (a.candidate.id < b.candidate.id ? -1 : 1));
  const matches: Match[] = lines.map(() => null);
  const taken = new Set<string>();
  for (const { index, candidate } of pairs) {
    if (matches[index] !== null || taken.has(candidate.id)) continue;
    matches[index] = { kind: candidate.kind, id: candidate.id };
    taken.add(candidate.id);
  }
  return matches.map((match, index) => {
    const line = lines[index]!;
    if (match !== null || line.pence > 0n) return match;
    const provided = linesOn(line.bookedOn).filter(({ providerName }) =>
      allWithin(wordsIn(providerName), words[index]!),
    );
    return provided.length === 1 ? { kind: 'LINE', line: provided[0]! } : null;
  });
}
