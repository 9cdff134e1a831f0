/** Money is exact: on the way in, when it is shared out, and in the words that people read. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { apportion, moneyOf, penceOfDecimal } from '../src/platform/money.ts';
import { scalars } from '../src/read/scalar.ts';
import { moneyView } from '../src/read/view.ts';
import { penceOf } from '../src/write/subject.ts';
import { makeDatabase } from './setup/database.ts';

describe('an amount on the way in', () => {
  const read = (amount: unknown) =>
    penceOf({ amount: scalars.Decimal.parseValue(amount) as string, currency: 'GBP' }, 'amount');

  test.each([
    '1e21',
    '0x10',
    '1,000',
    '٣',
    '-0',
    '-1.00',
    'NaN',
    'Infinity',
    '1.999',
    '.5',
    '5.',
    ' 1',
    '1 ',
    '+1',
    '',
    '1000000000.00',
    '9007199254740993',
    '99999999999999999999999999',
    1.9,
    1,
    2 ** 53,
    null,
    true,
  ])('%s is refused', (amount) => {
    expect(() => read(amount)).toThrow();
  });

  test.each([
    ['0', 0n],
    ['1.9', 190n],
    ['1.90', 190n],
    ['007.05', 705n],
    ['999999999.99', 99_999_999_999n],
  ])('%s is %s pence', (amount, pence) => {
    expect(read(amount)).toBe(pence);
  });

  test('in another currency is refused on its field', () => {
    expect(() => penceOf({ amount: '1.00', currency: 'EUR' }, 'lines.2.unitCost')).toThrow(
      expect.objectContaining({ code: 'CURRENCY_NOT_GBP', field: 'lines.2.unitCost.currency' }),
    );
  });
});

describe('shares of an amount', () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
  const parties = fc
    .uniqueArray(fc.record({ key: fc.string(), weight: fc.bigInt({ min: 0n, max: 10n ** 6n }) }), {
      minLength: 1,
      maxLength: 8,
      selector: ({ key }) => key,
    })
    .filter((list) => list.some(({ weight }) => weight > 0n));

  test('always add up to it, and none is a penny away from its exact share', () => {
    fc.assert(
      fc.property(amount, parties, (pence, list) => {
        const shares = apportion(pence, list);
        const whole = list.reduce((sum, { weight }) => sum + weight, 0n);
        expect(shares.reduce((sum, share) => sum + share, 0n)).toBe(pence);
        shares.forEach((share, index) => {
          const away = share * whole - pence * list[index]!.weight;
          expect(away < whole && away > -whole).toBe(true);
        });
      }),
    );
  });

  test('do not depend on the order in which the parties stand', () => {
    fc.assert(
      fc.property(amount, parties, fc.infiniteStream(fc.nat()), (pence, list, dice) => {
        const shuffled = list
          .map((party) => ({ party, at: dice.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ party }) => party);
        const shareOf = (of: typeof list) => {
          const shares = apportion(pence, of);
          return new Map(of.map(({ key }, index) => [key, shares[index]]));
        };
        expect(shareOf(shuffled)).toEqual(new Map([...shareOf(list)]));
      }),
    );
  });

  test('of a pound among three are 34, 33 and 33 pence', () => {
    const thirds = ['b', 'a', 'c'].map((key) => ({ key, weight: 1n }));
    expect(apportion(100n, thirds)).toEqual([33n, 34n, 33n]);
  });

  test.each([
    [-1n, [1n]],
    [1n, [-1n, 2n]],
    [1n, [0n]],
    [1n, []],
  ])('of %s by %s are refused', (pence, weights) => {
    expect(() =>
      apportion(
        pence,
        weights.map((weight, index) => ({ key: String(index), weight })),
      ),
    ).toThrow(RangeError);
  });
});

describe('an amount as people read it', () => {
  let database: Database;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const made = await makeDatabase();
    drop = made.drop;
    database = openDatabase(made.url);
  });
  afterAll(async () => {
    await database.close();
    await drop();
  });

  test('is the same text whether PostgreSQL or the hub writes it', async () => {
    const pence = fc.sample(fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n }), 300);
    pence.push(0n, 1n, -1n, 99n, -99n, 100n, 123_456n, -100_000n, 99_999n);
    const sql = (name: string) => {
      const field = moneyView.fields[name]!;
      if (field.is !== 'value') throw new Error('money is made of values');
      return field.sql({ parent: 'p' } as never);
    };
    const { rows } = await database.pool.query(
      `select ${sql('amount')} as amount, ${sql('currency')} as currency, ${sql('formatted')} as formatted
         from unnest($1::bigint[]) with ordinality as x(p, n) order by n`,
      [pence.map(String)],
    );
    expect(rows).toEqual(pence.map(moneyOf));
    for (const one of pence) expect(penceOfDecimal(moneyOf(one).amount)).toBe(one);
  });
});
