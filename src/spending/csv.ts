/** Reading a statement that a bank or a card's website gives as CSV. Whoever sends it says which column is what. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { penceOfDecimal } from '../platform/money.ts';
import {
  countProblem,
  dayProblem,
  invalid,
  type Problem,
  type Reading,
  realDay,
  repeatedRefs,
  type StatementLine,
  textIn,
  totalsProblem,
} from './statement-line.ts';

export type DateFormat = 'YYYY_MM_DD' | 'DD_MM_YYYY' | 'MM_DD_YYYY' | 'DD_MMM_YYYY';

/** Headings of the file's first line. Either `amount`, below zero for money out, or both `moneyIn` and `moneyOut`. */
export interface CsvMapping {
  date: string;
  amount?: string | null;
  moneyIn?: string | null;
  moneyOut?: string | null;
  party: string;
  reference?: string | null;
  /** The bank's own number of a line. */
  bankRef?: string | null;
  /** What is in the account after the line. */
  balance?: string | null;
  currency?: string | null;
  dateFormat: DateFormat;
  delimiter: string;
}

const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');

const dateShapes: Record<DateFormat, [RegExp, (found: string[]) => [string, string, string]]> = {
  YYYY_MM_DD: [/^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/, ([y, m, d]) => [y!, m!, d!]],
  DD_MM_YYYY: [/^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$/, ([d, m, y]) => [y!, m!, d!]],
  MM_DD_YYYY: [/^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$/, ([m, d, y]) => [y!, m!, d!]],
  DD_MMM_YYYY: [
    /^(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4})$/,
    ([d, m, y]) => [y!, String(months.indexOf(m!.toLowerCase()) + 1), d!],
  ],
};

/** @returns null where the text is no day in that form */
export function dayOfText(text: string, format: DateFormat): string | null {
  const [shape, order] = dateShapes[format];
  const found = shape.exec(text.trim());
  return found === null ? null : realDay(...order(found.slice(1)));
}

/**
 * Pence of an amount as British banks write it: "1234.56", "£1,234.56", "-12.5", "12". A comma stands between thousands
 * and only where pence follow, for elsewhere it may mean another thing: "1,000" is refused.
 *
 * @returns null for anything else
 */
export function penceOfText(text: string): bigint | null {
  const plain = text.trim().replace(/^([+-]?)£/, '$1');
  if (/^[+-]?\d{1,12}(\.\d{1,2})?$/.test(plain)) return penceOfDecimal(plain.replace('+', ''));
  if (/^[+-]?\d{1,3}(,\d{3}){1,3}\.\d{2}$/.test(plain)) return penceOfDecimal(plain.replace(/[+,]/g, ''));
  return null;
}

interface Row extends StatementLine {
  balancePence: bigint | null;
}

const refuse = (...problems: Problem[]): Reading => ({ statement: null, problems });

interface CsvRow {
  record: string[];
  info: { lines: number };
}

/** What stops the reading of a file, whatever else there is in it. */
class Stop extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/**
 * Reads a file as it comes: what is kept of it are its lines, of which there is a limit.
 *
 * @param content the text, whole or in pieces; what it fails with, this fails with
 * @param given what opened and closed the statement, where the file itself does not say it
 */
export async function readCsv(
  content: string | AsyncIterable<string>,
  mapping: CsvMapping,
  given: { openingPence: bigint | null; closingPence: bigint | null },
  today: string,
): Promise<Reading> {
  const problems: Problem[] = [];
  const rows: Row[] = [];
  let headings: string[] | null = null;
  const parser = parse({
    bom: true,
    delimiter: mapping.delimiter,
    info: true,
    trim: true,
    relax_column_count: true,
    skip_records_with_empty_values: true,
    max_record_size: 20_000,
  });
  try {
    await pipeline(Readable.from(content), parser, async (records: AsyncIterable<CsvRow>) => {
      for await (const { record, info } of records) {
        if (headings === null) {
          headings = headingsOf(record, mapping);
          continue;
        }
        const tooMany = countProblem(rows.length + 1);
        if (tooMany !== null) throw new Stop(tooMany);
        const at = { at: info.lines, today, problems, tooLong: record.length > headings.length };
        rows.push(rowOf(cellsOf(headings, record), mapping, at));
      }
      // A file with nothing in it has no headings either.
      headings ??= headingsOf([], mapping);
    });
  } catch (error) {
    if (error instanceof Stop) return refuse(error.problem);
    if (!(error instanceof CsvError)) throw error;
    return refuse(invalid(`Line ${error.lines}: quotation marks do not match, or the line is too long.`));
  }
  // Some list the latest first; the balances run the other way then.
  if (rows.length > 1 && rows[0]!.bookedOn > rows.at(-1)!.bookedOn) rows.reverse();
  problems.push(...repeatedRefs(rows));
  if (problems.length > 0) return refuse(...problems);

  const { openingPence, closingPence, problem } = balancesOf(rows, given);
  if (problem !== null) return refuse(problem);
  const lines = rows.map(({ balancePence: _, ...line }) => line);
  return { statement: { lines, openingPence, closingPence, account: null }, problems: [] };
}

function headingsOf(record: string[], mapping: CsvMapping): string[] {
  const headings = record.map(plain);
  const unknown = columnsOf(mapping).filter((name) => headings.filter((h) => h === plain(name)).length !== 1);
  if (unknown.length === 0) return headings;
  const columns = unknown.map((name) => `"${name}"`).join(', ');
  throw new Stop(invalid(`Line 1: there must be one column of each name. Not so: ${columns}.`));
}

const cellsOf = (headings: string[], record: string[]) => (name: string | null | undefined) =>
  name == null ? '' : (record[headings.indexOf(plain(name))] ?? '');

/** Headings are told apart by their words alone. */
const plain = (heading: string) => heading.trim().toLowerCase().replace(/\s+/g, ' ');

const columnsOf = ({ dateFormat: _, delimiter: __, ...columns }: CsvMapping): string[] =>
  Object.values(columns).filter((name): name is string => name != null);

function rowOf(
  cell: (name: string | null | undefined) => string,
  mapping: CsvMapping,
  { at, today, problems, tooLong }: { at: number; today: string; problems: Problem[]; tooLong: boolean },
): Row {
  const before = problems.length;
  const find = (message: string) => problems.push(invalid(`Line ${at}: ${message}`));
  if (tooLong)
    find('there are more fields than headings. A text with the delimiter in it stands in quotation marks.');
  const day = dayOfText(cell(mapping.date), mapping.dateFormat);
  const misdated = dayProblem(day, today, at);
  if (misdated !== null) problems.push(misdated);
  if (mapping.currency != null && cell(mapping.currency).toUpperCase() !== 'GBP')
    find('the currency is not GBP.');
  const amount = (name: string | null | undefined, signed: boolean): bigint => {
    const text = cell(name);
    if (text === '') return 0n;
    const pence = penceOfText(text);
    if (pence === null) find(`"${name}" is not an amount such as 1234.56.`);
    else if (pence < 0n && !signed) find(`"${name}" is below zero: money out stands in its own column.`);
    return pence ?? 0n;
  };
  const moneyIn = amount(mapping.moneyIn, false);
  const moneyOut = amount(mapping.moneyOut, false);
  const pence = mapping.amount == null ? moneyIn - moneyOut : amount(mapping.amount, true);
  if (moneyIn !== 0n && moneyOut !== 0n) find('money came in and went out in one line.');
  else if (pence === 0n && problems.length === before) find('no money moved.');
  return {
    at,
    bookedOn: day ?? '',
    pence,
    party: textIn(cell(mapping.party)) || 'Not named',
    reference: textIn(cell(mapping.reference)),
    bankRef: cell(mapping.bankRef) || null,
    balancePence: cell(mapping.balance) === '' ? null : amount(mapping.balance, true),
  };
}

/** The balances that the file or its sender names, where its lines bear them out, one by one. */
function balancesOf(
  rows: Row[],
  given: { openingPence: bigint | null; closingPence: bigint | null },
): { openingPence: bigint | null; closingPence: bigint | null; problem: Problem | null } {
  const first = rows.find(({ balancePence }) => balancePence !== null);
  const before = first === undefined ? [] : rows.slice(0, rows.indexOf(first) + 1);
  const running = before.reduce<bigint | null>(
    (sum, { pence }) => (sum === null ? null : sum - pence),
    first?.balancePence ?? null,
  );
  const openingPence = given.openingPence ?? running;
  const last = rows.findLast(({ balancePence }) => balancePence !== null);
  const after = last === undefined ? [] : rows.slice(rows.indexOf(last) + 1);
  const runningEnd =
    last === undefined ? null : after.reduce((sum, { pence }) => sum + pence, last.balancePence!);
  const closingPence = given.closingPence ?? runningEnd;
  let problem: Problem | null = null;
  if (openingPence !== null) {
    let left = openingPence;
    for (const row of rows) {
      left += row.pence;
      if (row.balancePence === null || row.balancePence === left) continue;
      const upTo = rows.slice(0, rows.indexOf(row) + 1);
      const disagree = totalsProblem(openingPence, upTo, row.balancePence)!;
      problem = { ...disagree, message: `Up to line ${row.at}: ${disagree.message}` };
      break;
    }
    if (problem === null && closingPence !== null) problem = totalsProblem(openingPence, rows, closingPence);
  }
  return { openingPence, closingPence, problem };
}
