import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nhsNumberCheckDigit, nhsNumberFault, parseNhsNumber } from '../src/platform/nhs-number.ts';

const nineDigits = fc.stringMatching(/^[0-9]{9}$/);
const sound = nineDigits
  .filter((nine) => nhsNumberCheckDigit(nine) !== null)
  .map((nine) => `${nine}${nhsNumberCheckDigit(nine)}`)
  .filter((number) => new Set(number).size > 1);

describe('NHS numbers', () => {
  test.each([
    ['9434765919', '9434765919'],
    ['943 476 5919', '9434765919'],
    ['9000000009', '9000000009'],
    ['9000000017', '9000000017'],
    ['9000000025', '9000000025'],
  ])('%s is sound', (text, digits) => {
    expect(parseNhsNumber(text)).toBe(digits);
    expect(nhsNumberFault(text)).toBeNull();
  });

  test.each([
    ['', 'blank'],
    ['   ', 'blank'],
    ['943476591', '9 digits'],
    ['94347659190', '11 digits'],
    ['9434765918', '10 digits, wrong check digit'],
    ['0000000000', '10 digits, all the same'],
    ['1111111111', '10 digits, all the same'],
    ['943476591X', 'not digits'],
    ['943-476-5919', 'not digits'],
    ['٩٤٣٤٧٦٥٩١٩', 'not digits'],
    ['9434765919\n', 'not digits'],
  ])('%j is refused: %s', (text, fault) => {
    expect(parseNhsNumber(text)).toBeNull();
    expect(nhsNumberFault(text)).toBe(fault);
  });

  test('a number whose remainder is 10 is never issued, whatever its last digit', () => {
    // 0 000 000 06?: 6 × 2 = 12, 12 mod 11 = 1, 11 − 1 = 10.
    expect(nhsNumberCheckDigit('000000006')).toBeNull();
    for (let last = 0; last < 10; last++) expect(parseNhsNumber(`000000006${last}`)).toBeNull();
  });

  test('of ten candidates for a last digit at most one is sound', () => {
    fc.assert(
      fc.property(nineDigits, (nine) => {
        const passing = [...'0123456789'].filter((last) => parseNhsNumber(nine + last) !== null);
        expect(passing.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('mistyping any one digit is noticed', () => {
    fc.assert(
      fc.property(sound, fc.nat(9), fc.integer({ min: 1, max: 9 }), (number, at, shift) => {
        const wrong = String((Number(number[at]) + shift) % 10);
        expect(parseNhsNumber(number.slice(0, at) + wrong + number.slice(at + 1))).toBeNull();
      }),
    );
  });

  test('swapping two different neighbours among the first nine is noticed', () => {
    fc.assert(
      fc.property(sound, fc.nat(7), (number, at) => {
        fc.pre(number[at] !== number[at + 1]);
        const swapped = number.slice(0, at) + number[at + 1] + number[at] + number.slice(at + 2);
        expect(parseNhsNumber(swapped)).toBeNull();
      }),
    );
  });

  test('spaces anywhere change nothing', () => {
    fc.assert(
      fc.property(sound, fc.array(fc.nat(10), { maxLength: 5 }), (number, gaps) => {
        const spaced = gaps.reduce((text, at) => `${text.slice(0, at)} ${text.slice(at)}`, number);
        expect(parseNhsNumber(spaced)).toBe(number);
      }),
    );
  });

  test('the fault never repeats the value', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{4,14}$/), (text) => {
        expect(nhsNumberFault(text) ?? '').not.toContain(text);
      }),
    );
  });
});
