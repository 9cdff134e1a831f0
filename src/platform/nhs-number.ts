/**
 * NHS numbers: ten digits, the last a modulus 11 check digit (NHS Data Dictionary, NHS NUMBER). People write them
 * 943 476 5919, so spaces are allowed in; ten digits come out.
 */

/** The tenth digit for the first nine; null where the remainder would be 10, a number that is never issued. */
export function nhsNumberCheckDigit(nineDigits: string): number | null {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += Number(nineDigits[i]) * (10 - i);
  const check = 11 - (sum % 11);
  return check === 10 ? null : check % 11;
}

/** What is wrong with it, as a class that may be logged and never the value; null when it is sound. */
export function nhsNumberFault(text: string): string | null {
  const digits = text.replaceAll(' ', '');
  if (digits === '') return 'blank';
  if (!/^[0-9]+$/.test(digits)) return 'not digits';
  if (digits.length !== 10) return `${digits.length} digits`;
  // 1111111111 satisfies the modulus, and is what people type to get past a form.
  if (/^(.)\1+$/.test(digits)) return '10 digits, all the same';
  return nhsNumberCheckDigit(digits) === Number(digits[9]) ? null : '10 digits, wrong check digit';
}

/** The ten digits, or null where it is no NHS number. */
export function parseNhsNumber(text: string): string | null {
  return nhsNumberFault(text) === null ? text.replaceAll(' ', '') : null;
}
