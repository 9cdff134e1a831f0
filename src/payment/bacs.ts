/**
 * The file that tells an organisation's bank whom to pay: one 100-character line for each payment, one for the
 * organisation's own account, and a line of totals. `docs/formats/bacs.md` has the fields. Pure.
 */

export interface BankLine {
  accountName: string;
  /** Six digits. */
  sortCode: string;
  /** Eight digits. */
  accountNumber: string;
  pence: bigint;
  /** What the payee sees on the statement. */
  reference: string;
}

export interface BankRun {
  /** The day on which the money is to be in the accounts. */
  dueOn: string;
  organisationCode: string;
  lines: BankLine[];
}

export const lineLength = 100;
/** What eleven digits of pence can say. */
export const bankRunPenceMax = 99_999_999_999n;

/** The character set of Bacs: capital letters, digits and a few marks. Anything else would be refused, so it is blank. */
export const bankText = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toUpperCase()
    .replace(/[^A-Z0-9.&/ -]/g, ' ')
    // A spreadsheet would take these at the start for a formula.
    .replace(/^[-&/. ]+/, '');

const text = (value: string, length: number) => bankText(value).slice(0, length).padEnd(length);
const digits = (value: bigint | number | string, length: number) => String(value).padStart(length, '0');

/** Day of the year as Bacs writes it: a blank, two digits of the year, three of the day. */
function julian(day: string): string {
  const year = Number(day.slice(0, 4));
  const days = (Date.parse(`${day}T00:00:00Z`) - Date.UTC(year, 0, 1)) / 86_400_000 + 1;
  return ` ${day.slice(2, 4)}${digits(days, 3)}`;
}

// 99 is a credit to somebody's account, 17 the debit of the own one for all of them.
const credit = '99';
const contra = '17';

/**
 * @throws RangeError when an amount is not above zero or too long for its field, or an account is not made of digits
 */
export function bacsFile({ dueOn, organisationCode, lines }: BankRun): string {
  const sum = lines.reduce((total, { pence }) => total + pence, 0n);
  for (const { pence, sortCode, accountNumber } of lines) {
    if (pence <= 0n || pence > bankRunPenceMax) throw new RangeError('an amount does not fit the file');
    if (!/^\d{6}$/.test(sortCode) || !/^\d{8}$/.test(accountNumber))
      throw new RangeError('an account is not made of digits');
  }
  if (sum > bankRunPenceMax) throw new RangeError('the run does not fit the file');
  const day = julian(dueOn);
  const records = lines.map(
    ({ accountName, sortCode, accountNumber, pence, reference }) =>
      `${sortCode}${accountNumber}0${credit}${originator}    ${digits(pence, 11)}${text(organisationCode, 18)}${text(reference, 18)}${text(accountName, 18)}`,
  );
  // The own account is known to the bank by its mandate: it is filled in where the file is sent from.
  const own = `${originator}0${contra}${originator}    ${digits(sum, 11)}${text('CONTRA', 18)}${text('CONTRA', 18)}${text(organisationCode, 18)}`;
  const totals = `UTL1${digits(sum, 13)}${digits(sum, 13)}${digits(1, 7)}${digits(lines.length, 7)}${day}`;
  return [...records, own, totals].map((record) => `${record.padEnd(lineLength)}\r\n`).join('');
}

/** Sort code and account number of the own account, left for the bank's software to fill in. */
const originator = '0'.repeat(14);
