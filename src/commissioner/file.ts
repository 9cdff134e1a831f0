/** Reading the tables that a commissioner edits in a spreadsheet. Nothing here touches a database. */
import { CsvError, parse } from 'csv-parse/sync';
import { moneyOf, penceOfDecimal } from '../platform/money.ts';

export interface Column {
  /** As it stands in the first line. */
  heading: string;
  /** The column of the database. */
  name: string;
  required?: true;
  /** The value, or undefined where the text is not one. */
  read: (text: string) => string | number | undefined;
  /** The value as the table has it, where that is not how it is kept. */
  show?: (value: string | number) => string;
  /** What `read` takes, in words. */
  expected: string;
}

export interface Line {
  /** Counted from 1, the headings' line included. */
  line: number;
  values: Record<string, string | number | null>;
}

export interface Table {
  lines: Line[];
  /** Everything that is wrong with it: where, what, and what to do. */
  problems: string[];
}

/** Headings are told apart by their words alone, whatever a spreadsheet does to their case and spaces. */
const plain = (heading: string) => heading.trim().toLowerCase().replace(/\s+/g, ' ');

export function readTable(file: string, bytes: Buffer, columns: Column[]): Table {
  const problems: string[] = [];
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(bytes, {
      bom: true,
      info: true,
      trim: true,
      relax_column_count: true,
      skip_records_with_empty_values: true,
    }) as unknown as typeof records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { lines: [], problems: [`${file}, line ${error.lines}: quotation marks do not match.`] };
  }
  const [head, ...body] = records;
  const headings = (head?.record ?? []).map(plain);
  const known = new Set(columns.map(({ heading }) => heading));
  for (const heading of headings.filter((heading) => !known.has(heading))) {
    problems.push(`${file}, line 1: there is no column "${heading}". There are: ${[...known].join(', ')}.`);
  }
  for (const { heading } of columns.filter(({ heading }) => !headings.includes(heading))) {
    problems.push(`${file}, line 1: the column "${heading}" is missing. Add it; it may be empty.`);
  }
  if (problems.length > 0) return { lines: [], problems };

  const lines = body.map(({ record, info: { lines: line } }) => {
    const values: Line['values'] = {};
    for (const { heading, name, required, read, expected } of columns) {
      const text = record[headings.indexOf(heading)] ?? '';
      const value = text === '' ? undefined : read(text);
      values[name] = value ?? null;
      if (value !== undefined || (text === '' && !required)) continue;
      const what = text === '' ? 'it is empty' : `"${text}" is not that`;
      problems.push(`${file}, line ${line}, "${heading}": write ${expected}; ${what}.`);
    }
    if (record.length > headings.length) {
      const message = 'there are more fields than headings. Put a text with commas in quotation marks.';
      problems.push(`${file}, line ${line}: ${message}`);
    }
    return { line, values };
  });
  return { lines, problems };
}

export const text = (heading: string, name: string, expected = 'a text'): Column => ({
  heading,
  name,
  read: (given) => (given.length <= 500 ? given : undefined),
  expected: `${expected} of 500 characters at most`,
});

export const wholeNumber = (heading: string, name: string, [least, most]: [number, number]): Column => ({
  heading,
  name,
  read: (given) => {
    const number = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
    return number >= least && number <= most ? number : undefined;
  },
  expected: `a whole number from ${least} to ${most}, in digits`,
});

/** An amount such as `2500` or `2,500.00`, kept as pence. */
export const pounds = (heading: string, name: string): Column => ({
  heading,
  name,
  read: (given) => {
    const plain = given
      .replace(/^£/, '')
      .replace(/^(\d{1,3}(?:,\d{3})+)(?=\.|$)/, (whole) => whole.replaceAll(',', ''));
    return /^\d{1,9}(\.\d{1,2})?$/.test(plain) ? Number(penceOfDecimal(plain)) : undefined;
  },
  show: (pence) => moneyOf(BigInt(pence)).amount,
  expected: 'an amount in pounds such as 2500.00',
});

/** One of the values of an enum, in any case, its words apart or joined: `Four-weekly`. */
export const oneOf = (heading: string, name: string, values: string[]): Column => ({
  heading,
  name,
  read: (given) => values.find((value) => value === given.toUpperCase().replace(/[\s-]+/g, '_')),
  expected: `one of ${values.map((value) => value.toLowerCase().replaceAll('_', ' ')).join(', ')}`,
});

/** A day as `2024-04-01`, or as a British spreadsheet makes of it, `01/04/2024`. */
export const day = (heading: string, name: string): Column => ({
  heading,
  name,
  read: (given) => {
    const british = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(given);
    const iso = british
      ? `${british[3]}-${british[2]!.padStart(2, '0')}-${british[1]!.padStart(2, '0')}`
      : given;
    const ms = /^\d{4}-\d\d-\d\d$/.test(iso) ? Date.parse(`${iso}T00:00:00Z`) : Number.NaN;
    // The 31st of April is no day, though JavaScript takes it for the 1st of May.
    return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? iso : undefined;
  },
  expected: 'a day such as 2024-04-01',
});

export const needed = (column: Column): Column => ({ ...column, required: true });
