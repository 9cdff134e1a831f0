import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDays, addMonths, daysBetween, londonDay, weekday } from '../src/platform/day.ts';

const base = '1996-01-01';
/** Over a century change, with 29 February 2000 and without that of 2100. */
const day = fc.integer({ min: 0, max: 42_000 }).map((days) => addDays(base, days));
const days = fc.integer({ min: -20_000, max: 20_000 });
const months = fc.integer({ min: -600, max: 600 });
const partsOf = (text: string) => text.split('-').map(Number) as [number, number, number];
const lastOf = (year: number, month: number) => {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]!;
};

describe('days', () => {
  test('are counted as a calendar counts them, one after the other', () => {
    let [year, month, date] = [1996, 1, 1];
    for (let n = 0; n < 42_000; n += 1) {
      const text = `${year}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`;
      if (addDays(base, n) !== text) expect(addDays(base, n)).toBe(text);
      date += 1;
      if (date > lastOf(year, month)) [month, date] = [month + 1, 1];
      if (month > 12) [year, month] = [year + 1, 1];
    }
  });

  test('added and taken away again leave the day, and are what lies between', () => {
    fc.assert(
      fc.property(day, days, (from, count) => {
        const to = addDays(from, count);
        expect(addDays(to, -count)).toBe(from);
        expect(daysBetween(from, to)).toBe(count);
        expect(to > from).toBe(count > 0);
      }),
    );
  });

  test('of the week follow each other', () => {
    expect(weekday('2026-11-23')).toBe(1);
    expect(weekday('2026-11-22')).toBe(7);
    fc.assert(
      fc.property(day, (from) => {
        expect(weekday(addDays(from, 1))).toBe((weekday(from) % 7) + 1);
      }),
    );
  });
});

describe('months', () => {
  test('lead to the same day, or to the last of a shorter month', () => {
    fc.assert(
      fc.property(day, months, (from, count) => {
        const [year, month, date] = partsOf(from);
        const [toYear, toMonth, toDate] = partsOf(addMonths(from, count));
        expect(toYear * 12 + toMonth).toBe(year * 12 + month + count);
        expect(toDate).toBe(Math.min(date, lastOf(toYear, toMonth)));
      }),
    );
  });

  test('keep the order of days, and a year of them is never longer than a year', () => {
    fc.assert(
      fc.property(day, day, months, (a, b, count) => {
        const [near, far] = [a, b].sort() as [string, string];
        expect(addMonths(near, count) <= addMonths(far, count)).toBe(true);
        expect([365, 366]).toContain(daysBetween(near, addMonths(near, 12)));
      }),
    );
  });

  test.each([
    ['2028-02-29', 12, '2029-02-28'],
    ['2027-02-28', 12, '2028-02-28'],
    ['2028-02-29', 48, '2032-02-29'],
    ['2026-08-31', 6, '2027-02-28'],
    ['2027-08-31', 6, '2028-02-29'],
    ['2026-11-30', 3, '2027-02-28'],
    ['2026-03-31', -1, '2026-02-28'],
    ['2026-12-31', 2, '2027-02-28'],
    ['2099-11-30', 3, '2100-02-28'],
  ])('%s and %i is %s', (from, count, to) => {
    expect(addMonths(from, count)).toBe(to);
  });
});

describe('the day in London', () => {
  test.each([
    // Clocks go forward at 01:00 UTC on 29 March 2026 and back at 01:00 UTC on 25 October.
    ['2026-03-28T23:59:59.999Z', '2026-03-28'],
    ['2026-03-29T00:59:59Z', '2026-03-29'],
    ['2026-03-29T22:59:59.999Z', '2026-03-29'],
    ['2026-03-29T23:00:00Z', '2026-03-30'],
    ['2026-10-24T22:59:59Z', '2026-10-24'],
    ['2026-10-24T23:00:00Z', '2026-10-25'],
    ['2026-10-25T23:59:59Z', '2026-10-25'],
    ['2026-10-26T00:00:00Z', '2026-10-26'],
    ['2028-02-29T23:59:59Z', '2028-02-29'],
    ['2026-12-31T23:59:59Z', '2026-12-31'],
    ['2027-01-01T00:00:00Z', '2027-01-01'],
  ])('at %s is %s', (instant, expected) => {
    expect(londonDay(new Date(instant))).toBe(expected);
  });

  test('is that of UTC or the next, never goes back, and is the same whatever was asked before', () => {
    const instant = fc.date({
      min: new Date('2020-01-01'),
      max: new Date('2060-01-01'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        const [early, late] = a < b ? [a, b] : [b, a];
        const utc = early.toISOString().slice(0, 10);
        expect([utc, addDays(utc, 1)]).toContain(londonDay(early));
        expect(londonDay(early) <= londonDay(late)).toBe(true);
        const first = londonDay(early);
        londonDay(late);
        expect(londonDay(early)).toBe(first);
      }),
    );
  });

  test('begins where a day of 23 or 25 hours begins, and the days on both sides are neighbours', () => {
    for (const [change, hours] of [
      ['2026-03-29', 23],
      ['2026-10-25', 25],
    ] as const) {
      const instants = Array.from(
        { length: 72 },
        (_, hour) => new Date(Date.parse(`${addDays(change, -1)}T00:00:00Z`) + hour * 3_600_000),
      );
      expect(instants.filter((instant) => londonDay(instant) === change)).toHaveLength(hours);
      expect(daysBetween(addDays(change, -1), addDays(change, 1))).toBe(2);
    }
  });
});
