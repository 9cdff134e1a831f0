import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coolingOffDays, isWithinThreshold } from '../src/payment/approval.ts';
import { bacsFile, bankText, lineLength } from '../src/payment/bacs.ts';
import {
  dayAfterDeath,
  dueOn,
  earliest,
  type Period,
  partsOf,
  periodsOf,
  priceOf,
  type Terms,
  withGap,
} from '../src/payment/rules.ts';
import { type Instructed, settle, sumOf } from '../src/payment/settle.ts';
import { addDays, daysBetween } from '../src/platform/day.ts';
import { isSameHuman } from '../src/write/human.ts';

const first = (terms: Pick<Terms, 'frequency' | 'from'>, count: number): Period[] => {
  const periods: Period[] = [];
  for (const period of periodsOf(terms)) {
    periods.push(period);
    if (periods.length === count) break;
  }
  return periods;
};

const plain: Terms = {
  frequency: 'FOUR_WEEKLY',
  payWhen: 'IN_ADVANCE',
  inAdvanceDays: 0,
  grossOrNet: 'GROSS',
  from: '2026-01-05',
  end: null,
  rates: [{ from: '2026-01-05', pence: 70_000n, contributionPence: 7_000n }],
};

const frequency = fc.constantFrom(
  'WEEKLY' as const,
  'FOUR_WEEKLY' as const,
  'MONTHLY' as const,
  'QUARTERLY' as const,
);
const day = fc.integer({ min: 0, max: 1_500 }).map((days) => addDays('2026-01-01', days));
const rate = fc.record({
  from: fc.integer({ min: 0, max: 400 }).map((days) => addDays('2026-01-01', days)),
  pence: fc.bigInt({ min: 0n, max: 999_999n }),
  contributionPence: fc.bigInt({ min: 0n, max: 99_999n }),
});

describe('the periods of a schedule', () => {
  test('four weeks are four weeks: over both clock changes and the year end', () => {
    const periods = first({ frequency: 'FOUR_WEEKLY', from: '2026-03-02' }, 13);
    expect(periods[0]).toEqual({ from: '2026-03-02', to: '2026-03-29' });
    expect(periods[1]).toEqual({ from: '2026-03-30', to: '2026-04-26' });
    expect(periods[8]).toEqual({ from: '2026-10-12', to: '2026-11-08' });
    expect(periods[10]).toEqual({ from: '2026-12-07', to: '2027-01-03' });
    expect(periods[12]!.to).toBe('2027-02-28');
  });

  test('months are of the calendar, with their leap day, and the first begins with the schedule', () => {
    expect(first({ frequency: 'MONTHLY', from: '2028-01-17' }, 3)).toEqual([
      { from: '2028-01-17', to: '2028-01-31' },
      { from: '2028-02-01', to: '2028-02-29' },
      { from: '2028-03-01', to: '2028-03-31' },
    ]);
  });

  test('quarters are those of the financial year', () => {
    expect(first({ frequency: 'QUARTERLY', from: '2026-03-31' }, 3)).toEqual([
      { from: '2026-03-31', to: '2026-03-31' },
      { from: '2026-04-01', to: '2026-06-30' },
      { from: '2026-07-01', to: '2026-09-30' },
    ]);
  });

  test('follow one another without a gap or an overlap, whatever day they begin on', () => {
    fc.assert(
      fc.property(frequency, day, (frequency, from) => {
        const periods = first({ frequency, from }, 30);
        expect(periods[0]!.from).toBe(from);
        for (const [index, period] of periods.slice(1).entries()) {
          expect(period.from).toBe(addDays(periods[index]!.to, 1));
        }
      }),
    );
  });

  test('from a day on are the same as from the first', () => {
    fc.assert(
      fc.property(frequency, day, fc.integer({ min: 0, max: 500 }), (frequency, from, days) => {
        const since = addDays(from, days);
        const all = first({ frequency, from }, 100).filter(({ to }) => to >= since);
        expect(periodsOf({ frequency, from }, since).next().value).toEqual(all[0]);
      }),
    );
  });

  test('a one-off payment has one', () => {
    expect(first({ frequency: 'ONE_OFF', from: '2026-05-01' }, 9)).toEqual([
      { from: '2026-05-01', to: '2026-05-01' },
    ]);
    expect([...periodsOf({ frequency: 'ONE_OFF', from: '2026-05-01' }, '2026-05-02')]).toEqual([]);
  });

  test('are due in advance of their first day, or on the day after their last', () => {
    const period = { from: '2026-10-19', to: '2026-11-15' };
    expect(dueOn({ ...plain, inAdvanceDays: 14 }, period)).toBe('2026-10-05');
    expect(dueOn({ ...plain, payWhen: 'IN_ARREARS' }, period)).toBe('2026-11-16');
  });
});

describe('the price of a period', () => {
  test('of whole weeks is so many weeks; net takes the contribution off, gross leaves it', () => {
    const period = first(plain, 1)[0]!;
    expect(priceOf(plain, period)).toEqual({ pence: 280_000n, contributionPence: 28_000n });
    expect(priceOf({ ...plain, grossOrNet: 'NET' }, period)).toEqual({
      pence: 252_000n,
      contributionPence: 28_000n,
    });
  });

  test.each([
    ['ends on a day', { end: '2026-01-12' }, 70_000n],
    ['ends before it begins', { end: '2026-01-05' }, 0n],
    [
      'changes its rate in the middle',
      { rates: [...plain.rates, { from: '2026-01-19', pence: 84_000n, contributionPence: 0n }] },
      308_000n,
    ],
    ['ends with a death on the third day, which is paid', { end: dayAfterDeath('2026-01-07') }, 30_000n],
  ])('that %s is by days', (_name, change, pence) => {
    expect(priceOf({ ...plain, ...change }, first(plain, 1)[0]!).pence).toBe(pence);
  });

  test('of a month that begins in the middle is its days, and 29 February is one of them', () => {
    const terms: Terms = {
      ...plain,
      frequency: 'MONTHLY',
      from: '2028-02-15',
      rates: [{ from: '2028-02-15', pence: 10_000n, contributionPence: 0n }],
    };
    // 15 days of 100.00 a week.
    expect(priceOf(terms, first(terms, 1)[0]!).pence).toBe(21_429n);
  });

  test('is what its parts add up to, to the penny, whatever the rates', () => {
    fc.assert(
      fc.property(
        frequency,
        day,
        fc.array(rate, { minLength: 1, maxLength: 6 }),
        fc.option(day),
        (frequency, from, rates, end) => {
          const terms: Terms = {
            ...plain,
            frequency,
            from,
            end,
            rates: rates.filter((r, i) => rates.findIndex((o) => o.from === r.from) === i),
          };
          for (const period of first(terms, 8)) {
            const parts = partsOf(terms, period);
            expect(parts.reduce((sum, part) => sum + part.pence, 0n)).toBe(priceOf(terms, period).pence);
            expect(parts.every(({ days, from, to }) => days === daysBetween(from, to) + 1 && days > 0)).toBe(
              true,
            );
          }
        },
      ),
    );
  });

  test('is never more than half a penny off the exact one', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 9_999_999n }), fc.integer({ min: 1, max: 28 }), (pence, days) => {
        const terms: Terms = {
          ...plain,
          end: addDays(plain.from, days),
          rates: [{ from: plain.from, pence, contributionPence: 0n }],
        };
        const off = 7n * priceOf(terms, first(terms, 1)[0]!).pence - pence * BigInt(days);
        expect(off < 4n && off > -4n).toBe(true);
      }),
    );
  });
});

/** What one person may let go. */
const threshold = 250_000n;

/** Instructions as the database keeps them, changed by what `settle` wants. */
function keeper(start: Terms) {
  let terms = start;
  let raisedTo: string | null = null;
  let ids = 0;
  const kept = new Map<string, Instructed & { periodTo: string; wasSent: string | null }>();
  return {
    kept,
    get terms() {
      return terms;
    },
    get raisedTo() {
      return raisedTo;
    },
    change(next: Partial<Terms>) {
      terms = { ...terms, ...next };
    },
    settle(dueBy: string) {
      const result = settle(terms, [...kept.values()], { dueBy, raisedTo }, threshold);
      raisedTo = result.raisedTo;
      for (const { id, period, pricing, effect, pence, contributionPence, status } of result.wanted) {
        const key = id ?? `i${ids++}`;
        kept.set(key, {
          id: key,
          periodFrom: period.from,
          periodTo: period.to,
          pricing,
          effect,
          pence,
          contributionPence,
          status,
          approvedBy: null,
          wasSent: null,
        });
      }
      return result.wanted;
    },
    become(status: Instructed['status'], choose: (one: Instructed) => boolean) {
      for (const one of kept.values()) {
        if (!choose(one)) continue;
        one.status = status;
        if (status === 'SENT') one.wasSent = JSON.stringify([one.effect, String(one.pence)]);
      }
    },
  };
}

describe('what remains to be instructed', () => {
  const opened = { ...plain, frequency: 'WEEKLY' as const };

  test('a change of rate in a week that was paid adds the difference, and leaves the payment alone', () => {
    const book = keeper(opened);
    book.settle('2026-01-12');
    book.become('PAID', () => true);
    book.change({
      rates: [...opened.rates, { from: '2026-01-08', pence: 77_000n, contributionPence: 7_000n }],
    });
    expect(book.settle('2026-01-12')).toMatchObject([
      { id: null, pricing: 2, effect: 'ADD', pence: 4_000n },
      { id: null, pricing: 2, effect: 'ADD', pence: 7_000n },
    ]);
    expect(book.settle('2026-01-12')).toEqual([]);
  });

  test('a death takes back the days after it, and ends all that was to come', () => {
    const book = keeper(opened);
    book.settle('2026-01-19');
    book.become('PAID', ({ periodFrom }) => periodFrom < '2026-01-19');
    book.change({ end: earliest([dayAfterDeath('2026-01-14'), null]) });
    expect(book.settle('2026-02-19')).toMatchObject([
      { pricing: 2, effect: 'SUBTRACT', pence: 40_000n },
      { id: 'i2', pricing: 1, effect: 'PAY', pence: 0n },
    ]);
    expect(book.settle('2026-03-19')).toEqual([]);
  });

  test('what is not sent yet is put right itself, and loses its approval', () => {
    const book = keeper({ ...opened, rates: [{ ...opened.rates[0]!, pence: threshold + 1n }] });
    expect(book.settle('2026-01-05')).toMatchObject([{ status: 'DRAFT' }]);
    book.become('APPROVED', () => true);
    for (const one of book.kept.values()) one.approvedBy = 'priya';
    book.change({ rates: opened.rates });
    expect(book.settle('2026-01-05')).toMatchObject([
      { id: 'i0', pricing: 1, pence: 70_000n, status: 'DRAFT' },
    ]);
  });

  test('what failed is instructed again, and waits for somebody to look', () => {
    const book = keeper(opened);
    expect(book.settle('2026-01-05')).toMatchObject([{ status: 'APPROVED' }]);
    book.become('FAILED', () => true);
    expect(book.settle('2026-01-05')).toMatchObject([
      { id: null, pricing: 2, effect: 'PAY', pence: 70_000n, status: 'DRAFT' },
    ]);
  });

  test('a held payment stays held when its amount changes', () => {
    const book = keeper(opened);
    book.settle('2026-01-05');
    book.become('HELD', () => true);
    book.change({ rates: [{ ...opened.rates[0]!, pence: 10_000n }] });
    expect(book.settle('2026-01-05')).toMatchObject([{ id: 'i0', status: 'HELD', pence: 10_000n }]);
  });

  test('nothing is raised for days after a suspension; when they are paid again the gap is not', () => {
    const book = keeper(opened);
    book.settle('2026-01-05');
    book.become('PAID', () => true);
    book.change({ end: '2026-01-09' });
    expect(book.settle('2026-02-02')).toMatchObject([{ effect: 'SUBTRACT', pence: 30_000n }]);
    book.change({
      end: null,
      rates: withGap(opened.rates, '2026-01-09', '2026-01-14'),
    });
    expect(book.settle('2026-01-12')).toMatchObject([{ effect: 'PAY', pence: 50_000n }]);
  });

  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ is: fc.constant('settle' as const), day: fc.integer({ min: 0, max: 500 }) }),
    },
    { weight: 3, arbitrary: fc.record({ is: fc.constant('rate' as const), rate }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('end' as const), end: fc.option(day) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constant('move' as const),
        to: fc.constantFrom(
          'APPROVED' as const,
          'SENT' as const,
          'PAID' as const,
          'HELD' as const,
          'FAILED' as const,
          'REVERSED' as const,
        ),
        which: fc.integer({ min: 0, max: 3 }),
      }),
    },
  );
  const from: Record<string, string[]> = {
    APPROVED: ['DRAFT'],
    SENT: ['APPROVED'],
    PAID: ['SENT'],
    HELD: ['DRAFT', 'APPROVED'],
    FAILED: ['SENT'],
    REVERSED: ['PAID'],
  };

  test('after any changes, what was instructed in all is what the rates now say, to the penny in each period', () => {
    fc.assert(
      fc.property(
        frequency,
        fc.constantFrom('GROSS' as const, 'NET' as const),
        fc.constantFrom('IN_ADVANCE' as const, 'IN_ARREARS' as const),
        fc.integer({ min: 0, max: 20 }).map((days) => addDays('2026-01-01', days)),
        fc.array(step, { maxLength: 25 }),
        (frequency, grossOrNet, payWhen, start, steps) => {
          const book = keeper({
            ...plain,
            frequency,
            grossOrNet,
            payWhen,
            from: start,
            rates: [{ from: start, pence: 12_345n, contributionPence: 1_001n }],
          });
          for (const one of steps) {
            if (one.is === 'settle') book.settle(addDays(start, one.day));
            if (one.is === 'rate')
              book.change({
                rates: [...book.terms.rates.filter(({ from }) => from !== one.rate.from), one.rate],
              });
            if (one.is === 'end') book.change({ end: one.end });
            if (one.is === 'move') {
              let index = 0;
              book.become(
                one.to,
                ({ status }) => from[one.to]!.includes(status) && index++ % 4 === one.which,
              );
            }
          }
          book.settle(addDays(start, 250));
          const all = [...book.kept.values()];
          for (const period of periodsOf(book.terms)) {
            if (book.raisedTo === null || period.from > book.raisedTo) break;
            const ofPeriod = all.filter(({ periodFrom }) => periodFrom === period.from);
            const price = priceOf(book.terms, period);
            expect(sumOf(ofPeriod)).toBe(price.pence);
            const live = ofPeriod.filter(({ status }) => status !== 'FAILED' && status !== 'REVERSED');
            const newest = live.sort((a, b) => b.pricing - a.pricing)[0];
            expect(newest?.contributionPence ?? 0n).toBe(price.contributionPence);
            expect(new Set(ofPeriod.map(({ pricing }) => pricing)).size).toBe(ofPeriod.length);
            expect(
              all.every(
                (one) =>
                  one.wasSent === null || one.wasSent === JSON.stringify([one.effect, String(one.pence)]),
              ),
            ).toBe(true);
          }
          // And settling again changes nothing.
          expect(book.settle(addDays(start, 250))).toEqual([]);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('two who signed in', () => {
  const priya = { subject: 'x#priya', name: 'Priya Nair' };
  test.each([
    ['one sign-in', { subject: 'x#priya', name: null }, true],
    ['one name under two sign-ins', { subject: 'x#priya2', name: ' priya  NAIR ' }, true],
    ['another human', { subject: 'x#femi', name: 'Femi Ade' }, false],
    ['a sign-in without a name', { subject: 'x#femi', name: null }, false],
    ['a sign-in with an empty name', { subject: 'x#femi', name: ' ' }, false],
  ])('as %s', (_name, other, same) => expect(isSameHuman(priya, other)).toBe(same));

  test('without names are one only under one sign-in', () =>
    expect(isSameHuman({ subject: 'a', name: null }, { subject: 'b', name: null })).toBe(false));
});

describe('what one person may decide', () => {
  test.each([
    [null, 1n, false],
    [0n, 1n, false],
    [0n, 0n, true],
    [250_000n, 250_000n, true],
    [250_000n, 250_001n, false],
  ])('by a threshold of %s a payment of %s: %s', (said, pence, isFree) =>
    expect(isWithinThreshold(pence, said)).toBe(isFree),
  );

  test.each([
    [[], 3],
    [[null, null], 3],
    [[1, null], 1],
    [[5, 10, null], 10],
  ])('a new account cools off by %j for %i days', (said, days) => expect(coolingOffDays(said)).toBe(days));
});

describe('the file for the bank', () => {
  const line = {
    accountName: 'Zoë O’Hara-Núñez',
    sortCode: '112233',
    accountNumber: '01234567',
    pence: 123_456n,
    reference: 'TANDEM 0A1B2C3D4E',
  };

  test('has a line of 100 characters for each payment, one against them, and their totals', () => {
    const file = bacsFile({
      dueOn: '2026-12-01',
      organisationCode: '999',
      lines: [line, { ...line, pence: 44n }],
    });
    const lines = file.split('\r\n');
    expect(lines.pop()).toBe('');
    expect(lines.map(({ length }) => length)).toEqual([lineLength, lineLength, lineLength, lineLength]);
    expect(lines[0]).toBe(
      `11223301234567099${'0'.repeat(14)}    00000123456${'999'.padEnd(18)}${'TANDEM 0A1B2C3D4E'.padEnd(18)}${'ZOE O HARA-NUNEZ'.padEnd(18)}`,
    );
    expect(lines[2]!.slice(14, 46)).toBe(`017${'0'.repeat(14)}    00000123500`);
    expect(lines[3]!.trimEnd()).toBe(`UTL10000000123500000000012350000000010000002 26335`);
  });

  test('holds nothing but the characters of Bacs, and no formula', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(bankText(name)).toMatch(/^([A-Z0-9][A-Z0-9.&/ -]*)?$/);
      }),
    );
    expect(bankText('=cmd|/c calc')).toBe('CMD /C CALC');
  });

  test.each([[0n], [-1n], [100_000_000_000n]])('takes no amount of %s pence', (pence) => {
    expect(() =>
      bacsFile({ dueOn: '2026-12-01', organisationCode: '999', lines: [{ ...line, pence }] }),
    ).toThrow(RangeError);
  });
});
