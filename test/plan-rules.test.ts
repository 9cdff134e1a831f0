import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CostFrequency, FundingSource, SignParty } from '../src/generated/prisma/enums.ts';
import {
  needsReason,
  requiredParties,
  requiredTests,
  type StandingSignature,
  signatureState,
  weeklyPence,
  yearlyPence,
} from '../src/plan/rules.ts';

const recurring: Exclude<CostFrequency, 'ONE_OFF'>[] = [
  'PER_SESSION',
  'HOURLY',
  'DAILY',
  'WEEKLY',
  'FORTNIGHTLY',
  'FOUR_WEEKLY',
  'MONTHLY',
  'QUARTERLY',
  'ANNUALLY',
];

const price = fc.bigInt({ min: 0n, max: 10_000_000n });
const quantity = fc.bigInt({ min: 1n, max: 100_000n });

describe('the weekly cost of a line', () => {
  // The factors of DHSC's own Client Level Data script; all of £520.00, one at a time.
  test.each([
    ['WEEKLY', 52_000n, 2_704_000n],
    ['FORTNIGHTLY', 26_000n, 1_352_000n],
    ['FOUR_WEEKLY', 13_000n, 676_000n],
    ['MONTHLY', 12_000n, 624_000n],
    ['QUARTERLY', 4_000n, 208_000n],
    ['ANNUALLY', 1_000n, 52_000n],
  ] as const)('%s', (frequency, week, year) => {
    expect(weeklyPence(52_000n, frequency, 100n)).toBe(week);
    expect(yearlyPence(52_000n, frequency, 100n)).toBe(year);
  });

  test.each(['PER_SESSION', 'HOURLY', 'DAILY'] as const)('%s is by the units of a week', (frequency) => {
    expect(weeklyPence(1_850n, frequency, 1_050n)).toBe(19_425n);
    expect(yearlyPence(1_850n, frequency, 1_050n)).toBe(1_010_100n);
  });

  test('there is none of what is paid once, which counts once in the year', () => {
    expect(weeklyPence(115_000n, 'ONE_OFF', 200n)).toBeNull();
    expect(yearlyPence(115_000n, 'ONE_OFF', 200n)).toBe(230_000n);
  });

  test('half a penny goes up, less goes down', () => {
    expect(weeklyPence(1n, 'FORTNIGHTLY', 100n)).toBe(1n);
    expect(weeklyPence(1n, 'FOUR_WEEKLY', 100n)).toBe(0n);
    expect(weeklyPence(3n, 'WEEKLY', 50n)).toBe(2n);
    expect(weeklyPence(3n, 'WEEKLY', 49n)).toBe(1n);
  });

  test('the year is made of the exact week, not of the rounded one', () => {
    expect(weeklyPence(10_000n, 'MONTHLY', 100n)).toBe(2_308n);
    expect(yearlyPence(10_000n, 'MONTHLY', 100n)).toBe(120_000n);
  });

  test('nothing is negative', () => {
    expect(() => weeklyPence(-1n, 'WEEKLY', 100n)).toThrow(RangeError);
    expect(() => yearlyPence(1n, 'ONE_OFF', -1n)).toThrow(RangeError);
  });

  test('is never more than half a penny from the exact one, nor the year from it', () => {
    const perYear = {
      PER_SESSION: 52n,
      HOURLY: 52n,
      DAILY: 52n,
      WEEKLY: 52n,
      FORTNIGHTLY: 26n,
      FOUR_WEEKLY: 13n,
      MONTHLY: 12n,
      QUARTERLY: 4n,
      ANNUALLY: 1n,
    };
    fc.assert(
      fc.property(price, fc.constantFrom(...recurring), quantity, (unit, frequency, units) => {
        // In parts of a penny: hundredths of a unit, 52nds of a year.
        const year = unit * units * perYear[frequency];
        const off = 2n * (yearlyPence(unit, frequency, units) * 100n - year);
        expect(off > -100n && off <= 100n).toBe(true);
        const weekOff = 2n * (weeklyPence(unit, frequency, units)! * 5_200n - year);
        expect(weekOff > -5_200n && weekOff <= 5_200n).toBe(true);
      }),
    );
  });

  test('a higher price or a larger quantity never costs less', () => {
    fc.assert(
      fc.property(price, price, quantity, fc.constantFrom(...recurring), (unit, more, units, frequency) => {
        const week = weeklyPence(unit, frequency, units)!;
        expect(weeklyPence(unit + more, frequency, units)! >= week).toBe(true);
        expect(weeklyPence(unit, frequency, units + more)! >= week).toBe(true);
      }),
    );
  });
});

const sources: FundingSource[] = [
  'ICB',
  'COUNCIL',
  'S75_POOL',
  'CLIENT_CONTRIBUTION',
  'CLIENT_TOP_UP',
  'EHC',
  'OTHER_PUBLIC',
];

describe('who must sign', () => {
  test.each([
    [[], ['PERSON']],
    [['ICB'], ['PERSON', 'NHS']],
    [['COUNCIL'], ['PERSON', 'COUNCIL']],
    [['S75_POOL'], ['PERSON', 'NHS', 'COUNCIL']],
    [['CLIENT_CONTRIBUTION'], ['PERSON', 'COUNCIL']],
    [['CLIENT_TOP_UP', 'EHC', 'OTHER_PUBLIC'], ['PERSON']],
    [
      ['ICB', 'COUNCIL', 'ICB'],
      ['PERSON', 'NHS', 'COUNCIL'],
    ],
  ] as [FundingSource[], SignParty[]][])('a plan paid by %j: %j', (paidBy, parties) => {
    expect(requiredParties(paidBy)).toEqual(parties);
  });

  test('the person always; more money never needs fewer signatures', () => {
    const some = fc.subarray(sources);
    fc.assert(
      fc.property(some, some, (a, b) => {
        const one = requiredParties(a);
        expect(one).toContain('PERSON');
        expect(requiredParties([...a, ...b])).toEqual(expect.arrayContaining(one));
      }),
    );
  });

  test('each side confirms all five tests, the person none', () => {
    expect(requiredTests('PERSON')).toEqual([]);
    for (const side of ['NHS', 'COUNCIL'] as const) {
      expect(requiredTests(side)).toEqual([
        'NEEDS_MET',
        'AMOUNT_COVERS_FULL_COST',
        'REVIEWABLE',
        'RISKS_MANAGED',
        'SAFEGUARDING_AND_CAPACITY',
      ]);
    }
  });

  test('what is no service needs a reason', () => {
    expect((['SERVICE', 'ACTIVITY', 'ITEM'] as const).map(needsReason)).toEqual([false, true, true]);
  });
});

describe('how signatures stand', () => {
  const by = (
    party: SignParty,
    agrees: boolean,
    actingAs: StandingSignature['actingAs'] = null,
  ): StandingSignature => ({ party, agrees, actingAs });
  const all: SignParty[] = ['PERSON', 'NHS', 'COUNCIL'];

  test('who agreed has signed, the others lack', () => {
    expect(signatureState(all, [by('NHS', true), by('COUNCIL', false)])).toEqual({
      signed: ['NHS'],
      missing: ['PERSON', 'COUNCIL'],
      representativesDisagree: false,
    });
  });

  test('of two representatives who disagree neither wins', () => {
    const two = [by('PERSON', true, 'LPA_HEALTH_AND_WELFARE'), by('PERSON', false, 'DEPUTY')];
    for (const signatures of [two, two.toReversed()]) {
      expect(signatureState(['PERSON'], signatures)).toEqual({
        signed: [],
        missing: ['PERSON'],
        representativesDisagree: true,
      });
    }
  });

  test('nobody has both signed and not; whatever is required is signed or lacks; the order does not matter', () => {
    const signature = fc.record({
      party: fc.constantFrom(...all),
      agrees: fc.boolean(),
      actingAs: fc.constantFrom(null, 'DEPUTY' as const),
    });
    fc.assert(
      fc.property(fc.subarray(all), fc.array(signature, { maxLength: 8 }), (required, signatures) => {
        const { signed, missing } = signatureState(required, signatures);
        expect(signed.filter((party) => missing.includes(party))).toEqual([]);
        expect([...signed, ...missing]).toEqual(expect.arrayContaining(required));
        expect(signatureState(required, signatures.toReversed())).toEqual(
          signatureState(required, signatures),
        );
        for (const party of signed) {
          expect(signatures.some((s) => s.party === party && !s.agrees)).toBe(false);
        }
      }),
    );
  });
});
