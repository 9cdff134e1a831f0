/** What the rules of a team say: who may be put on a shift, and what somebody is paid. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PayFrequency } from '../src/generated/prisma/enums.ts';
import { addDays } from '../src/platform/day.ts';
import {
  holidayAccrued,
  judgeRate,
  type PayContract,
  type PayWorker,
  payOf,
  payOfTeam,
  wageOf,
} from '../src/team/pay-rules.ts';
import { ageOn, minimumWageOn, onCostRatesOn } from '../src/team/rate.ts';
import { isTime, judgeShifts, overlap, type PlannedShift } from '../src/team/rules.ts';

const shift = (more: Partial<PlannedShift> = {}): PlannedShift => ({
  id: 'a',
  position: 0,
  day: '2026-11-16',
  starts: '08:00',
  ends: '12:00',
  doneById: 'ade',
  competent: true,
  contracted: true,
  ...more,
});

const codes = (...shifts: PlannedShift[]) =>
  judgeShifts(shifts).map(({ code, position }) => `${code} ${position}`);

describe('a shift', () => {
  test('is refused to who has no contract, no sign-off, or another shift at that time', () => {
    expect(codes(shift())).toEqual([]);
    expect(codes(shift({ contracted: false, competent: false }))).toEqual([
      'NO_CONTRACT 0',
      'NOT_COMPETENT 0',
    ]);
    expect(codes(shift({ doneById: null, contracted: false, competent: false }))).toEqual([]);
    const other = shift({ id: 'b', position: null, starts: '11:59', ends: '12:30' });
    expect(codes(shift(), other)).toEqual(['SHIFTS_OVERLAP 0']);
    expect(codes(shift(), { ...other, doneById: 'bryn' })).toEqual([]);
    expect(codes(shift(), { ...other, starts: '12:00' })).toEqual([]);
  });

  test('that ends at or before its start goes on into the next day', () => {
    const night = shift({ starts: '22:00', ends: '06:00' });
    expect(overlap(night, shift({ day: '2026-11-17', starts: '05:59', ends: '07:00' }))).toBe(true);
    expect(overlap(night, shift({ day: '2026-11-17', starts: '06:00', ends: '07:00' }))).toBe(false);
    const round = shift({ starts: '08:00', ends: '08:00' });
    expect(overlap(round, shift({ day: '2026-11-17', starts: '07:00', ends: '07:30' }))).toBe(true);
    expect(['00:00', '23:59', '24:00', '7:30', '12:60', '12:00 '].map(isTime)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  const clock = fc
    .nat({ max: 1439 })
    .map((m) => `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`);
  const anyShift = fc
    .record({ days: fc.nat({ max: 3 }), starts: clock, ends: clock })
    .map(({ days, ...times }) => shift({ ...times, day: addDays('2026-11-16', days) }));

  test('overlaps another as that overlaps it, as minutes counted one by one say', () => {
    const minutes = ({ day, starts, ends }: PlannedShift) => {
      const at = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
      const midnight = (Number(day.slice(8)) - 16) * 1440;
      const length = ((at(ends) - at(starts) + 1440 - 1) % 1440) + 1;
      return new Set(Array.from({ length }, (_, n) => midnight + at(starts) + n));
    };
    fc.assert(
      fc.property(anyShift, anyShift, (one, other) => {
        const others = minutes(other);
        const shared = [...minutes(one)].some((minute) => others.has(minute));
        expect(overlap(one, other)).toBe(shared);
        expect(overlap(other, one)).toBe(shared);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the law’s figures', () => {
  test('are those of the first day of the pay period, by age', () => {
    expect(minimumWageOn('2026-03-31', '1990-01-01')).toBe(1221n);
    expect(minimumWageOn('2026-04-01', '1990-01-01')).toBe(1271n);
    expect(minimumWageOn('2026-11-16', '2005-11-17')).toBe(1085n);
    expect(minimumWageOn('2026-11-17', '2005-11-17')).toBe(1271n);
    expect(minimumWageOn('2026-11-17', '2009-01-01')).toBe(800n);
    expect(minimumWageOn('2027-04-01', '1990-01-01')).toBeNull();
    expect(onCostRatesOn('2027-04-06')).toBeNull();
    expect(ageOn('2008-02-29', '2026-02-28')).toBe(17);
    expect(ageOn('2008-02-29', '2026-03-01')).toBe(18);
  });

  test('say what is wrong with a rate, and that an age is not known only where it matters', () => {
    expect(judgeRate(1270n, '1990-01-01', '2026-11-16')).toEqual(['BELOW_MINIMUM_WAGE']);
    expect(judgeRate(1270n, null, '2026-11-16')).toEqual(['UNKNOWN_AGE']);
    expect(judgeRate(1271n, null, '2026-11-16')).toEqual([]);
    expect(judgeRate(1_00n, null, '2030-01-01')).toEqual(['RATE_NOT_KNOWN']);
  });
});

const contract = (more: Partial<PayContract> = {}): PayContract => ({
  from: '2026-04-06',
  to: null,
  ratePence: '1300',
  frequency: 'WEEKLY',
  irregular: true,
  pension: true,
  lineKey: 'pa',
  ...more,
});
const ade = (more: Partial<PayWorker> = {}): PayWorker => ({
  id: 'ade',
  name: 'Ade',
  ref: 'PA1',
  birthDate: '1990-05-05',
  contracts: [contract()],
  worked: [],
  covered: [],
  missed: [],
  ...more,
});
const week = { from: '2026-11-16', to: '2026-11-22', frequency: 'WEEKLY' as PayFrequency };

describe('pay', () => {
  test('of a week: hours, cover, holiday; sickness is for the payroll to say', () => {
    const pay = payOf(
      ade({
        worked: [
          { day: '2026-11-16', minutes: 600 },
          { day: '2026-11-17', minutes: 240 },
        ],
        covered: [{ day: '2026-11-16', minutes: 120 }],
        missed: [
          { day: '2026-11-18', minutes: 60, kind: 'HOLIDAY' },
          { day: '2026-11-19', minutes: 90, kind: 'SICKNESS' },
          { day: '2026-11-20', minutes: 90, kind: 'OTHER' },
        ],
      }),
      week,
    )!;
    expect(pay.lines.map(({ element, minutes, pence }) => [element, minutes, pence])).toEqual([
      ['BASIC', 720, 156_00n],
      ['COVER', 120, 26_00n],
      ['HOLIDAY', 60, 13_00n],
      ['SICKNESS', 90, null],
    ]);
    expect(pay.grossPence).toBe(195_00n);
    // 15 % of £99 above £96, and 3 % of £75 above £120.
    expect(pay.nationalInsurancePence).toBe(14_85n);
    expect(pay.pensionPence).toBe(2_25n);
    // 12.07 % of 14 hours is 1.69.
    expect(pay.holidayMinutes).toBe(120);
    expect(pay.warnings).toEqual([]);
  });

  test('costs no National Insurance below 21, no pension where they are in none, and is told only for who is paid so often', () => {
    const worked = [{ day: '2026-11-16', minutes: 1200 }];
    const young = payOf(
      ade({ worked, birthDate: '2006-01-01', contracts: [contract({ pension: false })] }),
      week,
    )!;
    expect([young.nationalInsurancePence, young.pensionPence]).toEqual([0n, 0n]);
    expect(payOf(ade({ worked, contracts: [contract({ frequency: 'MONTHLY' })] }), week)).toBeNull();
    expect(payOf(ade({ worked, contracts: [contract({ to: '2026-11-16' })] }), week)).toBeNull();
    const regular = payOf(ade({ worked, contracts: [contract({ irregular: false })] }), week)!;
    expect(regular.holidayMinutes).toBeNull();
    const later = payOf(ade({ worked, contracts: [contract({ from: '2026-11-17' })] }), week)!;
    expect([later.lines, later.warnings]).toEqual([[], ['HOURS_WITHOUT_CONTRACT']]);
    const unknown = payOf(ade(), { from: '2028-01-03', to: '2028-01-09', frequency: 'WEEKLY' })!;
    expect([unknown.nationalInsurancePence, unknown.warnings]).toEqual([null, ['RATE_NOT_KNOWN']]);
  });

  test('is rounded to the nearest penny, holiday to the nearest hour', () => {
    expect([wageOf(1, 1271n), wageOf(20, 1271n), wageOf(30, 1271n)]).toEqual([21n, 424n, 636n]);
    expect([0, 248, 249, 600, 60_000].map(holidayAccrued)).toEqual([0, 0, 60, 60, 7260]);
  });

  const minutes = fc.array(
    fc.record({ days: fc.nat({ max: 27 }), minutes: fc.integer({ min: 1, max: 1440 }) }),
    {
      maxLength: 12,
    },
  );
  const dated = (all: { days: number; minutes: number }[]) =>
    [...new Map(all.map((one) => [one.days, one])).values()].map((one) => ({
      day: addDays('2026-11-02', one.days),
      minutes: one.minutes,
    }));

  test('has each minute worked once, however contracts follow one another and periods are cut', () => {
    fc.assert(
      fc.property(
        minutes,
        minutes,
        fc.nat({ max: 27 }),
        fc.integer({ min: 1, max: 5_000 }),
        (work, cover, change, rate) => {
          const on = addDays('2026-11-02', change);
          const contracts = [contract({ to: on }), contract({ from: on, ratePence: String(rate) })];
          const worked = dated(work);
          const worker = ade({ contracts, worked, covered: dated(cover) });
          const weeks = [0, 7, 14, 21].map((passed) => {
            const [from, to] = [addDays('2026-11-02', passed), addDays('2026-11-02', passed + 6)];
            const within = ({ day }: { day: string }) => day >= from && day <= to;
            const facts = { from, to, frequency: 'WEEKLY' as const };
            return payOfTeam({
              ...facts,
              workers: [{ ...worker, worked: worked.filter(within), covered: worker.covered.filter(within) }],
            })[0]!;
          });
          const lines = weeks.flatMap((pay) => pay.lines);
          const total = worked.reduce((sum, one) => sum + one.minutes, 0);
          expect(lines.reduce((sum, line) => sum + line.minutes, 0)).toBe(total);
          for (const pay of weeks)
            expect(pay.grossPence).toBe(pay.lines.reduce((sum, { pence }) => sum + pence!, 0n));
          // Exact but for half a penny a line, by the rate of the day.
          const exact = worked.reduce((sum, one) => sum + one.minutes * (one.day < on ? 1300 : rate), 0) / 60;
          const gross = weeks.reduce((sum, pay) => sum + pay.grossPence, 0n);
          expect(Math.abs(Number(gross) - exact)).toBeLessThanOrEqual(lines.length / 2 + 1e-6);
        },
      ),
    );
  });

  test('never costs less for more hours', () => {
    const cost = (worked: number) => {
      const pay = payOf(ade({ worked: [{ day: '2026-11-16', minutes: worked }] }), week)!;
      return [pay.grossPence, pay.nationalInsurancePence!, pay.pensionPence!];
    };
    fc.assert(
      fc.property(fc.nat({ max: 10_000 }), fc.nat({ max: 10_000 }), (a, b) => {
        const [less, more] = [cost(Math.min(a, b)), cost(Math.max(a, b))];
        for (const [n, pence] of less.entries()) expect(pence <= more[n]!).toBe(true);
      }),
    );
  });
});
