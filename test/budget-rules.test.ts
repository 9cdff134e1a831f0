import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  activitiesOf,
  type Duties,
  dutiesOf,
  judgePortion,
  judgePortionSum,
} from '../src/budget/portion-rules.ts';
import {
  chargesOf,
  hasCouncilMoney,
  hasNhsMoney,
  isPublic,
  judgeFunding,
  judgeGiver,
  statementS26,
} from '../src/budget/rules.ts';
import {
  holdsOn,
  type Period,
  type Share,
  shareOut,
  type Whole,
  without,
} from '../src/budget/split-rules.ts';
import { judgeCharges } from '../src/eligibility/rules.ts';
import { BudgetKind, DutyHolder, FundingSource, Management } from '../src/generated/prisma/enums.ts';
import { addDays } from '../src/platform/day.ts';

const sources = Object.values(FundingSource);
const managements = Object.values(Management);
const anySource = fc.constantFrom(...sources);
const anyPence = fc.bigInt({ min: 0n, max: 99_999_999_999n });
const sum = (pence: bigint[]) => pence.reduce((total, each) => total + each, 0n);

describe('the statement of a personal budget (Care Act 2014 s26)', () => {
  const lines = fc.array(fc.record({ source: anySource, pence: anyPence }), { maxLength: 12 });

  test('what it costs the council is what the adult and the council pay, whatever stands beside', () => {
    fc.assert(
      fc.property(lines, (of) => {
        const s = statementS26(of);
        expect(s.costToCouncil).toBe(s.adultPays + s.councilPays);
        const whole = s.costToCouncil + s.topUps + sum(s.otherPublicMoney.map(({ pence }) => pence));
        expect(whole).toBe(sum(of.map(({ pence }) => pence)));
      }),
    );
  });

  test('of £400.00 a week of care, £60.00 of it the adult’s own, with NHS money and a top-up beside', () => {
    expect(
      statementS26([
        { source: 'COUNCIL', pence: 34_000n },
        { source: 'CLIENT_CONTRIBUTION', pence: 6_000n },
        { source: 'ICB', pence: 20_000n },
        { source: 'CLIENT_TOP_UP', pence: 1_500n },
      ]),
    ).toEqual({
      costToCouncil: 40_000n,
      adultPays: 6_000n,
      councilPays: 34_000n,
      otherPublicMoney: [{ source: 'ICB', pence: 20_000n }],
      topUps: 1_500n,
    });
  });
});

describe('whose money may be in a budget', () => {
  const icb = { code: 'QWN', kind: 'ICB', from: null, to: null } as const;
  const council = { code: '999', kind: 'COUNCIL', from: null, to: '2027-04-01' } as const;
  const day = '2026-11-21';
  const giverFor = (source: FundingSource) =>
    source === 'ICB' || source === 'S75_POOL' ? icb : source === 'COUNCIL' ? council : null;
  const line = (source: FundingSource, stream = '') => ({ source, stream, giver: giverFor(source) });

  test('a personal health budget is NHS money alone: a contribution never passes', () => {
    fc.assert(
      fc.property(fc.array(anySource, { maxLength: 6 }), (others) => {
        const given = others.map((source, i) => line(source, `s${i}`));
        const findings = judgeFunding('PERSONAL_HEALTH_BUDGET', given, day);
        expect(findings.length === 0).toBe(others.every((s) => s === 'ICB' || s === 'S75_POOL'));
        for (const [i, source] of others.entries()) {
          if (source !== 'CLIENT_CONTRIBUTION') continue;
          const field = `fundingLines.${i}.source`;
          expect(findings).toContainEqual(
            expect.objectContaining({ code: 'CONTRIBUTION_AGAINST_NHS', field }),
          );
        }
      }),
    );
  });

  test('no budget of any kind holds a contribution without council money beside or without being the council’s', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(BudgetKind)),
        fc.array(anySource, { maxLength: 6 }),
        (kind, of) => {
          const held = of.map((source, i) => line(source, `s${i}`));
          fc.pre(of.includes('CLIENT_CONTRIBUTION') && of.includes('ICB') && !hasCouncilMoney(of));
          expect(judgeFunding(kind, held, day)).not.toEqual([]);
        },
      ),
    );
  });

  test('an integrated budget has money of both sides, and a pool is of both', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anySource, { minLength: 1 }), (of) => {
        const found = judgeFunding(
          'INTEGRATED',
          of.map((source) => line(source)),
          day,
        );
        expect(found.length === 0).toBe(hasNhsMoney(of) && hasCouncilMoney(of));
      }),
    );
    expect(judgeFunding('INTEGRATED', [line('ICB')], day)).toMatchObject([{ code: 'BOTH_SIDES_NEEDED' }]);
  });

  test('the right organisation stands behind each source, on a day it exists', () => {
    expect(judgeGiver('ICB', icb, day)).toBeNull();
    expect(judgeGiver('ICB', council, day)).toContain('ICB');
    expect(judgeGiver('ICB', null, day)).toContain('Name');
    expect(judgeGiver('COUNCIL', icb, day)).toContain('COUNCIL');
    expect(judgeGiver('COUNCIL', undefined, day)).toContain('code');
    expect(judgeGiver('CLIENT_CONTRIBUTION', council, day)).toContain('own money');
    expect(judgeGiver('OTHER_PUBLIC', null, day)).toBeNull();
    expect(judgeGiver('COUNCIL', council, '2027-03-31')).toBeNull();
    expect(judgeGiver('COUNCIL', council, '2027-04-01')).toContain('2027-04-01');
  });

  test('one source twice needs two streams', () => {
    const twice = (a: string, b: string) =>
      judgeFunding('PERSONAL_HEALTH_BUDGET', [line('ICB', a), line('ICB', b)], day).map(({ code }) => code);
    expect(twice('CHC', 'Section 117')).toEqual([]);
    expect(twice('CHC', 'CHC')).toEqual(['LINE_TWICE']);
  });

  test('council money beside continuing healthcare needs another scheme to stand under', () => {
    const refusals = (eligible: Parameters<typeof judgeCharges>[0], of: FundingSource[]) =>
      judgeCharges(eligible, chargesOf(of, eligible)).refusals.map(({ code }) => code);
    expect(refusals(['CHC_STANDARD'], ['ICB'])).toEqual([]);
    expect(refusals(['CHC_STANDARD'], ['ICB', 'COUNCIL'])).toEqual(['CHC_NEED_CHARGED_TO_COUNCIL']);
    expect(refusals(['CHC_STANDARD', 'CARE_ACT'], ['ICB', 'COUNCIL'])).toEqual([]);
    expect(refusals([], ['ICB', 'COUNCIL', 'CLIENT_CONTRIBUTION'])).toEqual([]);
  });
});

describe('portions', () => {
  const duties: fc.Arbitrary<Duties> = fc.record({
    fundsHolder: fc.constantFrom(...Object.values(DutyHolder)),
    accountOperator: fc.constantFrom(...Object.values(DutyHolder)),
    legalEmployer: fc.constantFrom(...Object.values(DutyHolder)),
    purchaseDecider: fc.constantFrom(...Object.values(DutyHolder)),
  });
  const plan = { channel: null, operated: true };

  test.each(managements)('%s is possible with the duties it comes with', (management) => {
    const own = dutiesOf(management);
    const operated = activitiesOf[management].operator !== undefined;
    expect(
      judgePortion({ management, channel: null, operated, duties: own }, ['ICB', 'COUNCIL'], ''),
    ).toEqual([]);
    if (operated) {
      expect(
        judgePortion({ management, channel: null, operated: false, duties: own }, [], 'portions.0.'),
      ).toEqual([
        { code: 'OPERATOR_MISSING', message: expect.any(String), field: 'portions.0.operatorCode' },
      ]);
    }
  });

  test('whoever employs tells a managed account from a third-party budget', () => {
    fc.assert(
      fc.property(duties, (held) => {
        const isPossible = (management: Management) =>
          judgePortion({ management, ...plan, duties: held }, [], '').every(
            ({ code }) => code !== 'DUTIES_IMPOSSIBLE',
          );
        expect(isPossible('MANAGED_ACCOUNT') && isPossible('THIRD_PARTY')).toBe(false);
        if (held.legalEmployer === 'OPERATOR') expect(isPossible('MANAGED_ACCOUNT')).toBe(false);
        if (held.fundsHolder !== 'COMMISSIONER') {
          expect(isPossible('NOTIONAL') || isPossible('COUNCIL_MANAGED')).toBe(false);
        }
      }),
    );
    const third = { ...dutiesOf('MANAGED_ACCOUNT'), legalEmployer: 'OPERATOR' } as const;
    expect(
      judgePortion({ management: 'MANAGED_ACCOUNT', ...plan, duties: third }, ['ICB'], 'portions.1.'),
    ).toEqual([
      {
        code: 'DUTIES_IMPOSSIBLE',
        message: expect.stringContaining('third-party budget'),
        field: 'portions.1.duties.legalEmployer',
      },
    ]);
  });

  test('some ways are for one side’s money, and nothing is paid out where the funder holds it', () => {
    const codes = (management: Management, of: FundingSource[], channel: 'BANK' | null = null) =>
      judgePortion(
        {
          management,
          channel,
          operated: activitiesOf[management].operator !== undefined,
          duties: dutiesOf(management),
        },
        of,
        '',
      ).map(({ code }) => code);
    expect(codes('NOTIONAL', ['COUNCIL'])).toEqual(['MANAGEMENT_NOT_POSSIBLE']);
    expect(codes('THIRD_PARTY', ['COUNCIL'])).toEqual(['MANAGEMENT_NOT_POSSIBLE']);
    expect(codes('COUNCIL_MANAGED', ['ICB'])).toEqual(['MANAGEMENT_NOT_POSSIBLE']);
    expect(codes('INDIVIDUAL_SERVICE_FUND', ['ICB'])).toEqual(['MANAGEMENT_NOT_POSSIBLE']);
    expect(codes('INDIVIDUAL_SERVICE_FUND', ['S75_POOL'])).toEqual([]);
    expect(codes('NOTIONAL', ['ICB'], 'BANK')).toEqual(['CHANNEL_NOT_POSSIBLE']);
    expect(codes('DIRECT_PAYMENT', ['ICB'], 'BANK')).toEqual([]);
  });

  test('that pass come to no more than the budget, and one is named for every other', () => {
    fc.assert(
      fc.property(fc.array(anyPence, { maxLength: 8 }), anyPence, (portions, budget) => {
        const findings = judgePortionSum(portions, budget);
        expect(findings.length === 0).toBe(sum(portions) <= budget);
      }),
    );
    expect(judgePortionSum([60n, 40n], 100n)).toEqual([]);
    expect(judgePortionSum([60n, 40n, 1n], 100n)).toMatchObject([
      { code: 'PORTIONS_EXCEED_BUDGET', field: 'portions.2.amount' },
    ]);
  });
});

describe('a funding split', () => {
  const share = (of: Partial<Share> & Pick<Share, 'source'>): Share => ({
    organisationCode: null,
    basisPoints: null,
    pence: null,
    lineKey: null,
    ...of,
  });
  const whole = (of: Partial<Whole> = {}): Whole => ({
    publicPence: 100_000n,
    contributionPence: 0n,
    lines: new Map(),
    ...of,
  });
  const percents = (...of: [FundingSource, bigint][]) =>
    of.map(([source, basisPoints], i) => share({ source, organisationCode: `O${i}`, basisPoints }));

  /** Percents of any size that come to 100, of funders told apart. */
  const anyPercents = fc
    .uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 7 })
    .map((cuts) => [0, ...cuts.sort((a, b) => a - b), 10_000])
    .chain((cuts) =>
      fc
        .tuple(...cuts.slice(1).map(() => fc.constantFrom(...sources.filter(isPublic))))
        .map((of) =>
          percents(
            ...of.map((source, i): [FundingSource, bigint] => [source, BigInt(cuts[i + 1]! - cuts[i]!)]),
          ),
        ),
    );

  test('by percent adds up to the whole, to the penny, whatever the amount and the percents', () => {
    fc.assert(
      fc.property(anyPercents, anyPence, anyPence, (shares, publicPence, contributionPence) => {
        const { pence, findings } = shareOut('PERCENT', shares, whole({ publicPence, contributionPence }));
        if (pence === null) {
          expect(findings).toMatchObject([{ code: 'CONTRIBUTION_AGAINST_NHS', field: 'shares' }]);
          expect(contributionPence > 0n).toBe(true);
        } else {
          expect(sum(pence)).toBe(publicPence);
          expect(pence.every((each) => each >= 0n)).toBe(true);
        }
      }),
    );
  });

  test('by percent does not depend on the order of its shares', () => {
    fc.assert(
      fc.property(anyPercents, anyPence, fc.infiniteStream(fc.nat()), (shares, publicPence, dice) => {
        const shuffled = shares
          .map((of) => ({ of, by: dice.next().value as number }))
          .sort((a, b) => a.by - b.by)
          .map(({ of }) => of);
        const given = (of: Share[]) => {
          const { pence } = shareOut('PERCENT', of, whole({ publicPence }));
          return new Map(of.map(({ organisationCode }, i) => [organisationCode, pence![i]]));
        };
        expect(given(shuffled)).toEqual(given(shares));
      }),
    );
  });

  test('by percent takes what the adult pays off the council’s share: the NHS share never gets less', () => {
    const shares = percents(['ICB', 6_000n], ['COUNCIL', 4_000n]);
    const { pence } = shareOut('PERCENT', shares, whole({ publicPence: 95_000n, contributionPence: 5_000n }));
    expect(pence).toEqual([60_000n, 35_000n]);
    fc.assert(
      fc.property(anyPercents, anyPence, anyPence, (of, publicPence, contributionPence) => {
        const { pence } = shareOut('PERCENT', of, whole({ publicPence, contributionPence }));
        fc.pre(pence !== null);
        const cost = publicPence + contributionPence;
        for (const [i, { source, basisPoints }] of of.entries()) {
          if (source === 'ICB') expect(pence![i]! >= (cost * basisPoints!) / 10_000n).toBe(true);
        }
      }),
    );
    expect(
      shareOut('PERCENT', percents(['ICB', 10_000n]), whole({ contributionPence: 1n })).findings,
    ).toMatchObject([{ code: 'CONTRIBUTION_AGAINST_NHS' }]);
  });

  test('of a third each: the odd penny goes to one of them, always the same', () => {
    const thirds = percents(['ICB', 3_333n], ['COUNCIL', 3_333n], ['EHC', 3_334n]);
    expect(shareOut('PERCENT', thirds, whole({ publicPence: 100n })).pence).toEqual([33n, 33n, 34n]);
  });

  test.each([[[5_999n, 4_000n]], [[6_001n, 4_000n]], [[6_000n]]])(
    'by %s hundredths of a percent does not add up',
    (points) => {
      const shares = percents(...points.map((of, i): [FundingSource, bigint] => [i ? 'COUNCIL' : 'ICB', of]));
      expect(shareOut('PERCENT', shares, whole()).findings).toMatchObject([
        { code: 'SPLIT_DOES_NOT_ADD_UP', field: 'shares' },
      ]);
    },
  );

  test('by fixed amount adds up to the public money exactly, or is refused', () => {
    fc.assert(
      fc.property(anyPence, anyPence, fc.bigInt({ min: -2n, max: 2n }), (a, b, off) => {
        const shares = [share({ source: 'ICB', pence: a }), share({ source: 'COUNCIL', pence: b })];
        const { pence } = shareOut('FIXED_AMOUNT', shares, whole({ publicPence: a + b + off }));
        expect(pence).toEqual(off === 0n ? [a, b] : null);
      }),
    );
  });

  test('by line names every line once, and says who pays what no line uses', () => {
    const lines = new Map([
      ['l1', 60_000n],
      ['l2', 30_000n],
    ]);
    const one = share({ source: 'ICB', lineKey: 'l1' });
    const two = share({ source: 'COUNCIL', lineKey: 'l2' });
    const rest = share({ source: 'COUNCIL' });
    const out = (of: Share[], w: Partial<Whole> = {}) =>
      shareOut('PER_SERVICE_LINE', of, whole({ lines, ...w }));
    expect(out([one, two], { publicPence: 90_000n }).pence).toEqual([60_000n, 30_000n]);
    expect(out([one, two, rest]).pence).toEqual([60_000n, 30_000n, 10_000n]);
    expect(out([one, two], { publicPence: 85_000n, contributionPence: 5_000n }).pence).toEqual([
      60_000n,
      25_000n,
    ]);
    for (const of of [[one, two], [one, rest], [one]]) {
      expect(out(of).findings).toMatchObject([{ code: 'SPLIT_DOES_NOT_ADD_UP' }]);
    }
    expect(out([one, two], { publicPence: 80_000n }).findings).toMatchObject([
      { code: 'SPLIT_DOES_NOT_ADD_UP' },
    ]);
    expect(out([one, { ...two, lineKey: 'l1' }]).findings).toMatchObject([
      { code: 'LINE_TWICE', field: 'shares.1.lineKey' },
    ]);
    expect(out([one, { ...two, lineKey: 'l9' }]).findings).toMatchObject([
      { code: 'LINE_NOT_KNOWN', field: 'shares.1.lineKey' },
    ]);
  });

  test('says of each share what its basis asks for, and nothing else', () => {
    const fields = (basis: Parameters<typeof shareOut>[0], of: Share) =>
      shareOut(basis, [of], whole()).findings.map(({ code, field }) => `${code} ${field}`);
    expect(fields('PERCENT', share({ source: 'ICB' }))).toEqual(['SHARE_INVALID shares.0.percent']);
    expect(fields('PERCENT', share({ source: 'ICB', basisPoints: 10_001n }))).toEqual([
      'SHARE_INVALID shares.0.percent',
    ]);
    expect(fields('PERCENT', share({ source: 'ICB', basisPoints: 10_000n, pence: 1n }))).toEqual([
      'SHARE_INVALID shares.0.amount',
    ]);
    expect(fields('FIXED_AMOUNT', share({ source: 'ICB', pence: 100_000n, lineKey: 'l1' }))).toEqual([
      'SHARE_INVALID shares.0.lineKey',
    ]);
    expect(fields('FIXED_AMOUNT', share({ source: 'CLIENT_TOP_UP', pence: 100_000n }))).toEqual([
      'SHARE_INVALID shares.0.source',
    ]);
  });
});

describe('days taken out of a period', () => {
  const first = '2024-01-01';
  const day = fc.integer({ min: 0, max: 60 }).map((n) => addDays(first, n));
  const dayOrNone = fc.option(day, { nil: null });
  const period = fc.record({ from: dayOrNone, to: dayOrNone });
  const taken = fc.record({ from: day, to: dayOrNone }).filter(({ from, to }) => to === null || from < to);

  test('are gone, and every other day is left, in at most two periods that do not overlap', () => {
    fc.assert(
      fc.property(period, taken, (of: Period, out) => {
        const left = without(of, out);
        expect(left.length).toBeLessThanOrEqual(2);
        for (let n = -2; n <= 62; n++) {
          const on = addDays(first, n);
          const times = left.filter((part) => holdsOn(part, on)).length;
          expect(times).toBe(holdsOn(of, on) && !holdsOn(out, on) ? 1 : 0);
        }
      }),
    );
  });
});
