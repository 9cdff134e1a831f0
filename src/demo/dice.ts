/** Chance that repeats itself, and the days and numbers that the made-up place draws from it. */
import { nhsNumberCheckDigit } from '../platform/nhs-number.ts';

export interface Dice {
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** A whole number, both ends included. */
  between(low: number, high: number): number;
}

/** mulberry32: small, fast, and the same on every machine. */
export function makeDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    chance: (probability) => next() < probability,
    pick: (list) => list[between(0, list.length - 1)]!,
    between,
  };
}

/** Days as whole numbers since 1970-01-01, so that a period is an addition. */
export const dayNumber = (day: string): number => Date.parse(day) / 86_400_000;

/** The same few hundred days are written a million times in a large place. */
const texts = new Map<number, string>();
export function dayText(number: number): string {
  let text = texts.get(number);
  if (text === undefined) {
    text = new Date(number * 86_400_000).toISOString().slice(0, 10);
    texts.set(number, text);
  }
  return text;
}

/** The day itself, or the Monday after a weekend. The days count from a Thursday. */
export const workingDay = (day: number): number => day + [0, 0, 2, 1, 0, 0, 0][day % 7]!;

/** Sound NHS numbers, each once, from the range beginning 999 that is kept for tests and never issued. */
export function makeNhsNumbers(seed: number): () => string {
  const range = 1_000_000;
  let drawn = 0;
  return () => {
    while (drawn < range) {
      // The step shares no factor with the range, so every number comes once before any comes again.
      const middle = (seed + drawn++ * 617_371) % range;
      const nine = `999${String(middle).padStart(6, '0')}`;
      const check = nhsNumberCheckDigit(nine);
      // 9999999999 alone satisfies the modulus and is still no NHS number.
      if (check !== null && middle !== 999_999) return `${nine}${check}`;
    }
    throw new RangeError('The 999 test range holds no more NHS numbers');
  };
}
