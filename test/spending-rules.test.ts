import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FundingSource } from '../src/generated/prisma/enums.ts';
import { addDays } from '../src/platform/day.ts';
import { type Candidate, matchLines, type OpenLine } from '../src/spending/match.ts';
import {
  type AgreedLine,
  budgetYear,
  type Exclusion,
  exclusionsMet,
  fittingLine,
  judge,
  overspendRoom,
  type Pot,
  type Purchase,
  shareOut,
  shareOutPast,
  spentOnLine,
} from '../src/spending/rules.ts';
import { allWithin, wordsOf } from '../src/spending/word.ts';

const line = (changes: Partial<AgreedLine> = {}): AgreedLine => ({
  key: 'swim',
  what: 'Swimming at the leisure centre',
  providerName: null,
  source: null,
  yearlyPence: 50_000n,
  frequency: 'WEEKLY',
  portionId: null,
  weeklyPence: 962n,
  changes: [],
  ...changes,
});
const purchase = (changes: Partial<Purchase> = {}): Purchase => ({
  pence: 1_000n,
  spentOn: '2026-11-01',
  payee: 'Harbour Leisure',
  what: 'Swimming',
  category: '',
  lineKey: 'swim',
  ...changes,
});
const exclusion = (what: string, source: FundingSource = 'ICB', position = 0): Exclusion => ({
  source,
  listId: 'list',
  position,
  what,
});
const year = { from: '2026-04-01', to: '2027-04-01' };
const asked = (changes: Partial<Parameters<typeof judge>[1]> = {}) => ({
  terms: { lines: [line()], exclusions: [] },
  payers: ['ICB', 'COUNCIL'] as FundingSource[],
  earlier: [],
  payees: [],
  budget: year,
  today: '2026-11-21',
  ...changes,
});
const codes = (bought: Purchase, changes: Partial<Parameters<typeof judge>[1]> = {}) => {
  const { state, findings } = judge(bought, asked(changes));
  return [state, ...findings.map(({ code }) => code)];
};

describe('words', () => {
  test('are whole, whatever their case, accents, plain plurals and invisible characters', () => {
    const same = ['Café costs', 'cafe\u0301 COST', 'CAFÉ—cost', 'caf\u200bé co\u202est'];
    for (const text of same) expect([...wordsOf(text)].sort()).toEqual(['cafe', 'cost']);
    expect(allWithin(wordsOf('ale'), wordsOf('A sale of pale ginger ales'))).toBe(true);
    expect(allWithin(wordsOf('ale'), wordsOf('A sale of pale ginger'))).toBe(false);
    expect(allWithin(wordsOf('the of'), wordsOf('the of'))).toBe(false);
  });
});

describe('a list of what may not be bought', () => {
  test.each([
    ['Alcohol', 'Two bottles of ALCOHOL', 'EXCLUDED_ITEM'],
    ['Alcohol', 'Non-alcoholic drinks', undefined],
    ['Repayment of debt', 'Debt repayments', 'EXCLUDED_ITEM'],
    ['Repayment of debt', 'Advice about debt', undefined],
    ['Permanent residential care', 'Residential care for a week', 'NEAR_EXCLUSION'],
    ['Health care that the NHS provides', 'Care at home', undefined],
    ['Health care that the NHS provides', 'NHS health care', 'NEAR_EXCLUSION'],
  ])('"%s" and "%s": %s', (what, bought, found) => {
    expect(exclusionsMet(wordsOf(bought), [exclusion(what)])[0]?.code).toBe(found);
  });

  test('counts for those whose money would pay, and the refusal names them alone', () => {
    const exclusions = [exclusion('Alcohol', 'ICB'), exclusion('Swimming', 'COUNCIL', 1)];
    const terms = { lines: [line()], exclusions };
    expect(codes(purchase(), { terms, payers: ['ICB'] })).toEqual(['INSIDE_PLAN']);
    const { state, findings } = judge(purchase(), asked({ terms }));
    expect({ state, findings }).toEqual({
      state: 'REFUSED',
      findings: [{ code: 'EXCLUDED_ITEM', exclusion: exclusions[1] }],
    });
    expect(judge(purchase({ what: 'A day out', category: 'swimming' }), asked({ terms })).state).toBe(
      'REFUSED',
    );
  });

  test('never refuses what has none of its words', () => {
    const word = fc.stringMatching(/^[b-d]{2,6}$/);
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1 }),
        fc.array(fc.stringMatching(/^[f-h]{2,6}$/)),
        (bought, listed) => {
          const exclusions = [exclusion(listed.join(' '))];
          const terms = { lines: null, exclusions };
          expect(judge(purchase({ what: bought.join(' ') }), asked({ terms })).state).toBe('NEEDS_LOOK');
          const both = purchase({ what: [...bought, ...listed].join(' ') });
          expect(judge(both, asked({ terms })).state).toBe(listed.length === 0 ? 'NEEDS_LOOK' : 'REFUSED');
        },
      ),
    );
  });
});

describe('a purchase', () => {
  test('is looked at for what nobody agreed', () => {
    expect(codes(purchase())).toEqual(['INSIDE_PLAN']);
    expect(codes(purchase(), { terms: { lines: null, exclusions: [] } })).toEqual(['NEEDS_LOOK', 'NO_PLAN']);
    expect(codes(purchase({ lineKey: null }))).toEqual(['NEEDS_LOOK', 'NOT_IN_PLAN']);
    expect(codes(purchase({ pence: 50_001n }))).toEqual(['NEEDS_LOOK', 'LINE_OVERSPENT']);
    expect(codes(purchase({ spentOn: '2026-03-31' }))).toEqual(['NEEDS_LOOK', 'OUTSIDE_BUDGET']);
    expect(codes(purchase({ spentOn: '2027-04-01' }), { today: '2027-04-01' })).toContain('OUTSIDE_BUDGET');
    expect(codes(purchase(), { today: '2027-11-02' })).toEqual(['INSIDE_PLAN']);
    expect(codes(purchase(), { today: '2027-11-03' })).toEqual(['NEEDS_LOOK', 'OLD_DATE']);
  });

  test('is looked at when somebody else was paid than the plan names, until somebody accepted that', () => {
    const terms = { lines: [line({ providerName: 'Seaside Pools' })], exclusions: [] };
    expect(codes(purchase({ payee: 'SEASIDE POOLS LTD 0012' }), { terms })).toEqual(['INSIDE_PLAN']);
    expect(codes(purchase(), { terms })).toEqual(['NEEDS_LOOK', 'PAYEE_DIFFERS']);
    const payees = [{ lineKey: 'swim', payee: 'Harbour Leisure, Wenport' }];
    expect(codes(purchase(), { terms, payees })).toEqual(['INSIDE_PLAN']);
    expect(codes(purchase({ payee: 'Harbour Bar' }), { terms, payees })).toContain('PAYEE_DIFFERS');
    expect(codes(purchase(), { terms, payees: [{ lineKey: 'gym', payee: 'Harbour Leisure' }] })).toContain(
      'PAYEE_DIFFERS',
    );
  });

  test('overspends its line exactly when the year comes to more than was agreed', () => {
    const pence = fc.bigInt({ min: 1n, max: 60_000n });
    const day = fc.integer({ min: -800, max: 800 }).map((days) => addDays('2026-11-01', days));
    fc.assert(
      fc.property(
        fc.array(fc.record({ pence, spentOn: day })),
        pence,
        day,
        fc.boolean(),
        (list, cost, on, once) => {
          const earlier = list.map((one) => ({ ...one, lineKey: 'swim' }));
          const agreed = line({ frequency: once ? 'ONE_OFF' : 'MONTHLY' });
          const { from, to } = budgetYear(year.from, on);
          expect(from <= on && on < to).toBe(true);
          const sameYear = list.filter(({ spentOn }) => once || (spentOn >= from && spentOn < to));
          const already = sameYear.reduce((sum, one) => sum + one.pence, 0n);
          expect(spentOnLine(agreed, earlier, year.from, on)).toBe(already);
          const found = codes(purchase({ pence: cost, spentOn: on }), {
            terms: { lines: [agreed], exclusions: [] },
            earlier,
            today: addDays(on, 1),
          });
          expect(found.includes('LINE_OVERSPENT')).toBe(already + cost > agreed.yearlyPence);
        },
      ),
    );
  });

  test('budget years begin on their day, and on 28 February where there is no 29th', () => {
    expect(budgetYear('2024-02-29', '2025-02-27')).toEqual({ from: '2024-02-29', to: '2025-02-28' });
    expect(budgetYear('2024-02-29', '2025-02-28')).toEqual({ from: '2025-02-28', to: '2026-02-28' });
    expect(budgetYear('2026-04-01', '2026-03-31')).toEqual({ from: '2025-04-01', to: '2026-04-01' });
  });

  test('finds its line by provider, else by words, and none where several fit', () => {
    const lines = [
      line(),
      line({ key: 'pa', what: 'Personal assistant', providerName: 'Okafor Payroll' }),
      line({ key: 'pa-2', what: 'Personal assistant at night', providerName: 'Night Care' }),
    ];
    const fits = (payee: string, what: string) => fittingLine(lines, purchase({ payee, what }))?.key;
    expect(fits('OKAFOR PAYROLL 11/26', 'Wages')).toBe('pa');
    expect(fits('Harbour', 'Swimming')).toBe('swim');
    expect(fits('Harbour', 'Personal assistant')).toBeUndefined();
    expect(fits('Night Care and Okafor Payroll', 'Wages')).toBeUndefined();
    expect(fits('Harbour', 'the of')).toBeUndefined();
  });
});

describe('whose money pays', () => {
  const sources: FundingSource[] = ['ICB', 'COUNCIL', 'CLIENT_CONTRIBUTION', 'S75_POOL'];
  const pots = fc.uniqueArray(
    fc.record({ source: fc.constantFrom(...sources), left: fc.bigInt({ min: -500n, max: 10n ** 13n }) }),
    { selector: ({ source }) => source },
  );

  test('shares add up to the amount, overdraw nobody, and do not depend on the order', () => {
    fc.assert(
      fc.property(pots, fc.bigInt({ min: 1n, max: 10n ** 11n }), (given, pence) => {
        const made: Pot[] = given.map((pot) => ({ budgetId: 'b', portionId: null, ...pot }));
        const { available, shares } = shareOut(pence, made);
        const positive = made.filter(({ left }) => left > 0n).reduce((sum, { left }) => sum + left, 0n);
        expect(available).toBe(positive);
        expect(shares === null).toBe(positive < pence);
        if (shares === null) return;
        expect(shares.reduce((sum, share) => sum + share.pence, 0n)).toBe(pence);
        for (const { pot, pence: part } of shares) expect(part > 0n && part <= pot.left).toBe(true);
        const other = shareOut(pence, made.toReversed()).shares!;
        const bySource = (list: typeof shares) =>
          list.map(({ pot, pence: part }) => `${pot.source} ${part}`).sort();
        expect(bySource(other)).toEqual(bySource(shares));
      }),
    );
  });

  test('no source is spent before another, nor the contribution instead of money of the NHS', () => {
    const amount = fc.bigInt({ min: 1n, max: 10n ** 9n });
    const left = fc.record({ ICB: amount, COUNCIL: amount, CLIENT_CONTRIBUTION: amount });
    fc.assert(
      fc.property(left, fc.bigInt({ min: 1n, max: 10n ** 9n }), (given, pence) => {
        const sources = Object.entries(given) as [FundingSource, bigint][];
        const made = sources.map(([source, left]): Pot => ({ budgetId: 'b', portionId: null, source, left }));
        const whole = sources.reduce((sum, [, of]) => sum + of, 0n);
        const { shares } = shareOut(pence, made);
        fc.pre(shares !== null);
        for (const [source, of] of sources) {
          const part = shares!.find(({ pot }) => pot.source === source)?.pence ?? 0n;
          const off = part * whole - pence * of;
          expect(off < whole && -off < whole).toBe(true);
        }
      }),
    );
  });

  test('no source goes further past what it has than was agreed, whatever is bought in whatever order', () => {
    const agreed = fc.array(
      fc.record({
        source: fc.constantFrom<FundingSource>('ICB', 'COUNCIL'),
        pence: fc.bigInt({ min: 1n, max: 5_000n }),
        until: fc.constantFrom('2026-10-31', '2026-11-30'),
      }),
      { maxLength: 4 },
    );
    const start = fc.record({
      ICB: fc.bigInt({ min: 0n, max: 5_000n }),
      COUNCIL: fc.bigInt({ min: 0n, max: 5_000n }),
    });
    const prices = fc.array(fc.bigInt({ min: 1n, max: 4_000n }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(agreed, start, prices, (overspends, had, bought) => {
        const purse: Pot[] =
          had.ICB === 0n ? [] : [{ budgetId: 'b', portionId: null, source: 'ICB', left: had.ICB }];
        purse.push({ budgetId: 'b', portionId: null, source: 'COUNCIL', left: had.COUNCIL });
        const most = (source: 'ICB' | 'COUNCIL') =>
          overspends
            .filter((one) => one.source === source && one.until >= '2026-11-15')
            .reduce((sum, one) => sum + one.pence, 0n);
        let paid = 0n;
        for (const pence of bought) {
          const room = overspendRoom(overspends, purse, '2026-11-15');
          const { available, shares } = shareOutPast(pence, purse, room, (source) => {
            const pot: Pot = { budgetId: 'b', portionId: null, source, left: 0n };
            purse.push(pot);
            return pot;
          });
          expect(available >= 0n).toBe(true);
          expect(shares === null).toBe(available < pence);
          for (const { pot, pence: part } of shares ?? []) {
            expect(part > 0n).toBe(true);
            pot.left -= part;
          }
          if (shares !== null) paid += pence;
        }
        const left = (source: FundingSource) =>
          purse.filter((pot) => pot.source === source).reduce((sum, pot) => sum + pot.left, 0n);
        for (const source of ['ICB', 'COUNCIL'] as const) expect(left(source) >= -most(source)).toBe(true);
        expect(left('ICB') + left('COUNCIL')).toBe(had.ICB + had.COUNCIL - paid);
      }),
    );
  });

  test('the penny left over goes to the largest remainder', () => {
    const pot = (source: FundingSource, left: bigint): Pot => ({
      budgetId: 'b',
      portionId: null,
      source,
      left,
    });
    const { shares } = shareOut(100n, [pot('ICB', 2_000n), pot('COUNCIL', 1_000n)]);
    expect(shares!.map(({ pence }) => pence)).toEqual([67n, 33n]);
  });
});

describe('lines of a statement', () => {
  const open = (changes: Partial<OpenLine> = {}): OpenLine => ({
    bookedOn: '2026-11-10',
    pence: -2_500n,
    party: 'HARBOUR LEISURE CARD 1234',
    reference: '',
    ...changes,
  });
  const spend = (changes: Partial<Candidate> = {}): Candidate => ({
    kind: 'SPEND',
    id: 'a',
    on: '2026-11-08',
    pence: -2_500n,
    payee: 'Harbour Leisure',
    ...changes,
  });
  const match = (lines: OpenLine[], candidates: Candidate[], agreed: AgreedLine[] = []) =>
    matchLines(lines, candidates, () => agreed).map((one) => (one?.kind === 'LINE' ? one.line.key : one?.id));

  test('match by amount, five days and a word of the party', () => {
    expect(match([open()], [spend()])).toEqual(['a']);
    expect(match([open()], [spend({ on: '2026-11-15' })])).toEqual(['a']);
    expect(match([open()], [spend({ on: '2026-11-16' })])).toEqual([undefined]);
    expect(match([open()], [spend({ pence: -2_501n })])).toEqual([undefined]);
    expect(match([open()], [spend({ pence: 2_500n })])).toEqual([undefined]);
    expect(match([open()], [spend({ payee: 'Somebody Else' })])).toEqual([undefined]);
    expect(match([open()], [spend({ kind: 'TRANSFER', payee: null })])).toEqual(['a']);
  });

  test('go to a provider whom one line of the plan names, and to nobody by guess', () => {
    const pool = line({ providerName: 'Harbour Leisure' });
    expect(match([open()], [], [pool])).toEqual(['swim']);
    expect(match([open()], [], [pool, line({ key: 'gym', providerName: 'Harbour Leisure' })])).toEqual([
      undefined,
    ]);
    expect(match([open({ pence: 2_500n })], [], [pool])).toEqual([undefined]);
    expect(match([open({ party: 'Harbour' })], [], [pool])).toEqual([undefined]);
    expect(match([open()], [spend()], [pool])).toEqual(['a']);
  });

  test('never share a candidate, and take the nearest', () => {
    const near = spend({ id: 'near', on: '2026-11-10' });
    expect(match([open()], [spend({ id: 'far', on: '2026-11-06' }), near])).toEqual(['near']);
    const days = fc.integer({ min: 0, max: 12 }).map((n) => addDays('2026-11-01', n));
    fc.assert(
      fc.property(fc.array(days), fc.array(days), (booked, spent) => {
        const found = match(
          booked.map((bookedOn) => open({ bookedOn })),
          spent.map((on, index) => spend({ id: String(index), on })),
        ).filter((id) => id !== undefined);
        expect(new Set(found).size).toBe(found.length);
      }),
    );
  });
});
