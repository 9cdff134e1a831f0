/** What is over, whose it is, when it runs out: the rules alone. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FundingSource } from '../src/generated/prisma/enums.ts';
import { addDays } from '../src/platform/day.ts';
import { alertsOf, forecast } from '../src/surplus/forecast.ts';
import {
  reclaimable,
  repaymentOf,
  surplusShares,
  tenthsOfWeeks,
  weeklyBySource,
} from '../src/surplus/rules.ts';

const council: FundingSource[] = ['COUNCIL', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP'];
const others: FundingSource[] = ['ICB', 'S75_POOL', 'EHC', 'OTHER_PUBLIC'];
const pence = fc.bigInt({ min: 0n, max: 10n ** 11n });
const money = fc
  .uniqueArray(fc.record({ source: fc.constantFrom(...council, ...others), paidIn: pence, spent: pence }), {
    selector: ({ source }) => source,
    maxLength: 7,
  })
  .map((rows) => rows as { source: FundingSource; paidIn: bigint; spent: bigint }[]);
const total = (amounts: bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
const max0 = (amount: bigint) => (amount > 0n ? amount : 0n);

describe('a reclaim', () => {
  test('repaid in any parts comes to just what was asked back, and no part goes beyond', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 10n ** 11n }),
        fc.array(fc.bigInt({ min: -1n, max: 10n ** 10n })),
        (asked, parts) => {
          let repaidPence = 0n;
          for (const part of parts) {
            const next = repaymentOf({ pence: asked, repaidPence }, part);
            expect(next === null).toBe(part <= 0n || part > asked - repaidPence);
            if (next === null) continue;
            expect(next.repaidPence).toBe(repaidPence + part);
            expect(next.status).toBe(next.repaidPence === asked ? 'REPAID' : 'PART_REPAID');
            repaidPence = next.repaidPence;
          }
          if (repaidPence < asked)
            expect(repaymentOf({ pence: asked, repaidPence }, asked - repaidPence)?.status).toBe('REPAID');
        },
      ),
    );
  });
});

describe('surplus', () => {
  test('is to the penny what is there, side by side, and never more than a source has left', () => {
    fc.assert(
      fc.property(money, (rows) => {
        const shares = surplusShares(rows);
        for (const side of [council, others]) {
          const of = rows
            .map((row, n) => ({ ...row, share: shares[n]! }))
            .filter((r) => side.includes(r.source));
          expect(total(of.map(({ share }) => share))).toBe(max0(total(of.map((r) => r.paidIn - r.spent))));
          for (const { share, paidIn, spent } of of) {
            expect(share).toBeGreaterThanOrEqual(0n);
            expect(share).toBeLessThanOrEqual(max0(paidIn - spent));
          }
          if (of.every((r) => r.paidIn >= r.spent))
            for (const r of of) expect(r.share).toBe(r.paidIn - r.spent);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('does not depend on the order in which the sources are told', () => {
    fc.assert(
      fc.property(money, (rows) => {
        const shares = surplusShares(rows);
        expect(surplusShares([...rows].reverse()).reverse()).toEqual(shares);
      }),
    );
  });

  test('of NHS money bears nothing of what the council or the person has overdrawn', () => {
    const rows = [
      { source: 'ICB', paidIn: 30_000n, spent: 10_000n },
      { source: 'COUNCIL', paidIn: 20_000n, spent: 15_000n },
      { source: 'CLIENT_CONTRIBUTION', paidIn: 1_000n, spent: 4_000n },
    ] as const;
    expect(surplusShares([...rows])).toEqual([20_000n, 2_000n, 0n]);
  });

  test('that two share is split by the largest remainder', () => {
    const rows = [
      { source: 'ICB', paidIn: 200n, spent: 0n },
      { source: 'S75_POOL', paidIn: 100n, spent: 0n },
      { source: 'EHC', paidIn: 0n, spent: 100n },
    ] as const;
    // 200 for two thirds and one third: 133⅓ and 66⅔.
    expect(surplusShares([...rows])).toEqual([133n, 67n, 0n]);
  });
});

describe('what may be asked back', () => {
  test('by the published thresholds: St Helens above 8 weeks, Dorset above 4', () => {
    const of = { weekly: 25_000n, committed: 14_000n };
    expect(reclaimable(260_000n, of, 8)).toBe(46_000n);
    expect(reclaimable(200_000n, of, 8)).toBe(0n);
    expect(reclaimable(114_001n, of, 4)).toBe(1n);
  });

  test('is not known without a threshold, or for money that has no weekly cost', () => {
    expect(reclaimable(260_000n, { weekly: 25_000n, committed: 0n }, null)).toBeNull();
    expect(reclaimable(260_000n, { weekly: null, committed: 0n }, 8)).toBeNull();
    expect(reclaimable(260_000n, { weekly: 0n, committed: 0n }, 8)).toBeNull();
  });

  test('never touches what is set aside or inside the threshold', () => {
    fc.assert(
      fc.property(pence, pence, pence, fc.nat(104), (balance, weekly, committed, weeks) => {
        const back = reclaimable(balance, { weekly, committed }, weeks);
        expect(back === null).toBe(weekly === 0n);
        if (back === null) return;
        expect(back).toBeGreaterThanOrEqual(0n);
        if (back > 0n) expect(balance - back).toBe(BigInt(weeks) * weekly + committed);
        else expect(balance).toBeLessThanOrEqual(BigInt(weeks) * weekly + committed);
      }),
    );
  });

  test('weeks are told in tenths, rounded down', () => {
    expect(tenthsOfWeeks(205_999n, 25_000n)).toBe(82n);
    expect(tenthsOfWeeks(-5n, 25_000n)).toBe(0n);
    expect(tenthsOfWeeks(5n, null)).toBeNull();
  });
});

describe('a weekly cost', () => {
  const funding = [
    { source: 'ICB' as const, yearly: 104_000n },
    { source: 'COUNCIL' as const, yearly: 52_000n },
  ];

  test('is what the plan says, its shared lines by share of the funding', () => {
    const lines = [
      { source: 'ICB' as const, pence: 5_000n },
      { source: null, pence: 1_000n },
    ];
    expect([...weeklyBySource(lines, funding)]).toEqual([
      ['ICB', 5_667n],
      ['COUNCIL', 333n],
    ]);
  });

  test('is a week of the yearly funding where there is no plan', () => {
    expect([...weeklyBySource([], funding)]).toEqual([
      ['ICB', 2_000n],
      ['COUNCIL', 1_000n],
    ]);
  });

  test('adds up to the lines, whatever they are', () => {
    const line = fc.record({ source: fc.constantFrom('ICB' as const, 'COUNCIL' as const, null), pence });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 9 }), (lines) => {
        expect(total([...weeklyBySource(lines, funding).values()])).toBe(total(lines.map((l) => l.pence)));
      }),
    );
  });
});

describe('a forecast', () => {
  const today = '2026-03-25';

  test('runs out on the first day that is not covered, clock change or not', () => {
    const at = { today, end: '2026-12-31', weeklyIn: 0n, weeklyOut: 7_000n };
    expect(forecast({ ...at, left: 10_000n }).runsOutOn).toBe('2026-04-04');
    expect(forecast({ ...at, left: 9_999n }).runsOutOn).toBe('2026-04-03');
    expect(forecast({ ...at, left: 0n }).runsOutOn).toBe(today);
    expect(forecast({ ...at, left: -1n, weeklyIn: 9_000n }).runsOutOn).toBe(today);
  });

  test('that lasts to the end tells what is left then', () => {
    const told = forecast({
      today,
      end: addDays(today, 70),
      left: 50_000n,
      weeklyIn: 8_000n,
      weeklyOut: 7_000n,
    });
    expect(told).toEqual({ runsOutOn: null, leftAtEnd: 60_000n, tenthsOfWeeksAtEnd: 85n });
  });

  test('of an open budget knows no end, and without any cost knows nothing', () => {
    const open = { today, end: null, left: 50_000n, weeklyIn: 8_000n };
    expect(forecast({ ...open, weeklyOut: 7_000n })).toEqual({
      runsOutOn: null,
      leftAtEnd: null,
      tenthsOfWeeksAtEnd: null,
    });
    expect(forecast({ ...open, weeklyOut: null }).runsOutOn).toBeNull();
  });

  test('runs out exactly where the money for the days has gone, by counting days', () => {
    const few = fc.bigInt({ min: 0n, max: 200_000n });
    fc.assert(
      fc.property(few, few, few, fc.nat(400), (left, weeklyIn, weeklyOut, days) => {
        const { runsOutOn } = forecast({ today, end: addDays(today, days), left, weeklyIn, weeklyOut });
        let covered = 0;
        while (covered < days && left * 7n >= (weeklyOut - weeklyIn) * BigInt(covered + 1)) covered += 1;
        expect(runsOutOn).toBe(covered === days ? null : addDays(today, covered));
      }),
    );
  });

  test('alerts at the thresholds of the policies, and says nothing without any', () => {
    const thresholds = { contingencyWeeks: 4, surplusThresholdWeeks: 8 };
    const none = { runsOutOn: null, leftAtEnd: null, tenthsOfWeeksAtEnd: null };
    const soon = { ...none, runsOutOn: addDays(today, 28) };
    expect(alertsOf({ today }, soon, [thresholds], [])).toEqual(['RUNS_OUT_SOON']);
    expect(alertsOf({ today }, { ...soon, runsOutOn: addDays(today, 29) }, [thresholds], [])).toEqual([]);
    const piling = { ...none, leftAtEnd: 1n, tenthsOfWeeksAtEnd: 81n };
    expect(alertsOf({ today }, piling, [thresholds], [])).toEqual(['PILING_UP']);
    const over = [{ tenthsOfWeeks: 81n, thresholdWeeks: 8 }];
    expect(alertsOf({ today }, none, [thresholds], over)).toEqual(['OVER_THRESHOLD']);
    expect(alertsOf({ today }, none, [thresholds], [{ tenthsOfWeeks: 80n, thresholdWeeks: 8 }])).toEqual([]);
    const silent = { contingencyWeeks: null, surplusThresholdWeeks: null };
    expect(alertsOf({ today }, { ...soon, tenthsOfWeeksAtEnd: 999n }, [silent], [])).toEqual([]);
  });
});
