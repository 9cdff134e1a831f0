/** Which line of a statement is which thing that the hub knows of. What is not certain waits for somebody to look. */
import { daysBetween } from '../platform/day.ts';
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

function mayShow(words: Set<string>, { payee }: Candidate): boolean {
  if (payee === null) return true;
  return inCommon(wordsOf(payee), words) > 0;
}

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
  const byAmount = new Map<bigint, Candidate[]>();
  for (const candidate of candidates) {
    const same = byAmount.get(candidate.pence);
    if (same === undefined) byAmount.set(candidate.pence, [candidate]);
    else same.push(candidate);
  }
  const words = lines.map(said);
  const pairs = lines.flatMap((line, index) =>
    (byAmount.get(line.pence) ?? []).flatMap((candidate) => {
      const apart = Math.abs(daysBetween(candidate.on, line.bookedOn));
      return apart <= matchWithinDays && mayShow(words[index]!, candidate)
        ? [{ index, candidate, apart }]
        : [];
    }),
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
      allWithin(wordsOf(providerName), words[index]!),
    );
    return provided.length === 1 ? { kind: 'LINE', line: provided[0]! } : null;
  });
}
