/** Reading a bulk file as it comes, row by row, whatever its format. Says nothing of what the rows mean. */
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { z } from 'zod';
import type { BulkFormat, BulkKind } from '../generated/prisma/enums.ts';
import type { Files } from '../platform/file.ts';
import { columns, headingsProblem, maxRows, plainHeading } from './rules.ts';

export interface FileRow {
  /** From 1, without the line of headings. */
  number: number;
  /** Of the file, as they were understood. */
  headings: string[];
  /** As they stand in the file, in the order of the headings. */
  cells: string[];
  /** Why it cannot be understood; null where it can. */
  problem: string | null;
}

/** What keeps a file from being read at all. Its message repeats nothing of the file. */
export class Unreadable extends Error {
  readonly code: 'BULK_INVALID' | 'BULK_TOO_LARGE';
  constructor(message: string, code: Unreadable['code'] = 'BULK_INVALID') {
    super(message);
    this.code = code;
  }
}

const tooMany = new Unreadable(
  `A file has ${maxRows.toLocaleString('en-GB')} rows at most. Send it in parts.`,
  'BULK_TOO_LARGE',
);

export interface StoredFile {
  kind: BulkKind;
  format: BulkFormat;
  hash: Buffer;
  size: number;
}

/** The text of a row under a heading; empty where there is none. */
export const cellOf =
  ({ headings, cells }: Pick<FileRow, 'headings' | 'cells'>) =>
  (heading: string): string =>
    unguarded(cells[headings.indexOf(heading)] ?? '');

/** What the file of bad rows guards from being a formula comes back as it was. */
const unguarded = (cell: string) => (/^'\s*[=+\-@|]/.test(cell) ? cell.slice(1) : cell);

/**
 * The rows of a file that is kept.
 *
 * @throws Unreadable, and Fault FILE_STORE_UNAVAILABLE
 */
export async function* readRows(files: Pick<Files, 'read'>, file: StoredFile): AsyncGenerator<FileRow> {
  const open = () => files.read(file.hash, file.size);
  const encoding = await encodingOf(await open());
  const text = decoded(await open(), encoding);
  let rows = 0;
  for await (const row of file.format === 'CSV' ? csvRows(text, file.kind) : jsonRows(text, file.kind)) {
    rows += 1;
    if (rows > maxRows) throw tooMany;
    yield { number: rows, ...row };
  }
  if (rows === 0) throw new Unreadable('There is no row in the file.');
}

type Encoding = 'utf-8' | 'windows-1252';

/** What is not UTF-8 is what Excel on Windows saves as CSV. */
async function encodingOf(file: AsyncIterable<Uint8Array>): Promise<Encoding> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let isUtf8 = true;
  for await (const bytes of file) {
    if (!isUtf8) continue;
    try {
      decoder.decode(bytes, { stream: true });
    } catch {
      isUtf8 = false;
    }
  }
  try {
    decoder.decode();
  } catch {
    isUtf8 = false;
  }
  return isUtf8 ? 'utf-8' : 'windows-1252';
}

async function* decoded(file: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding);
  for await (const bytes of file) yield decoder.decode(bytes, { stream: true });
  yield decoder.decode();
}

const delimiters = [',', ';', '\t'];

/** That of the headings, which hold none of the three themselves. */
const delimiterOf = (line: string): string =>
  delimiters.toSorted((a, b) => line.split(b).length - line.split(a).length)[0]!;

/** As much as the line of headings may take. */
const maxHeadingLength = 2_000;

/** The text from its first line on, in which the delimiter is looked for before the rest is read. */
async function headed(text: AsyncGenerator<string>): Promise<{ line: string; whole: AsyncIterable<string> }> {
  let begin = '';
  while (!/[\r\n]/.test(begin.trimStart()) && begin.length < maxHeadingLength) {
    const { value, done } = await text.next();
    if (done) break;
    begin += value;
  }
  const whole = async function* () {
    yield begin;
    yield* text;
  };
  return { line: begin.trimStart().split(/[\r\n]/)[0]!, whole: whole() };
}

type Cells = Omit<FileRow, 'number'>;

async function* csvRows(text: AsyncGenerator<string>, kind: BulkKind): AsyncGenerator<Cells> {
  const { line, whole } = await headed(text);
  const parser = parse({
    bom: true,
    delimiter: delimiterOf(line),
    trim: true,
    relax_column_count: true,
    skip_records_with_empty_values: true,
    max_record_size: 20_000,
  });
  let headings: string[] | null = null;
  // What goes wrong in the text comes out of the parser; who stops reading needs to hear of nothing.
  pipeline(Readable.from(whole), parser, () => {});
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      if (headings === null) {
        headings = headingsOf(cells, kind);
        continue;
      }
      const isTooLong = cells.length > headings.length;
      const problem =
        'There are more fields than headings. A text with the delimiter in it stands in quotation marks.';
      yield { headings, cells, problem: isTooLong ? problem : null };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const message = `Line ${error.lines}: quotation marks do not match, or the line is too long. Nothing was taken in.`;
    throw new Unreadable(message);
  }
  if (headings === null) headingsOf([], kind);
}

function headingsOf(cells: string[], kind: BulkKind): string[] {
  const headings = cells.map(plainHeading);
  const problem = headingsProblem(kind, headings);
  if (problem !== null) throw new Unreadable(problem);
  return headings;
}

const jsonValue = z.union([z.string(), z.number(), z.null()]);
const jsonFile = z.array(z.unknown());

/** A list of objects, whose names are the headings. It is small enough to be read at once. */
async function* jsonRows(text: AsyncIterable<string>, kind: BulkKind): AsyncGenerator<Cells> {
  const pieces: string[] = [];
  for await (const piece of text) pieces.push(piece);
  const { success, data } = jsonFile.safeParse(jsonOf(pieces.join('').replace(/^\ufeff/, '')));
  if (!success) throw new Unreadable('This is no JSON list of objects, one for each row.');
  const headings = [
    'budget',
    'nhs_number',
    'budget_kind',
    ...columns[kind].needed,
    ...columns[kind].optional,
  ];
  const shape = z.strictObject(Object.fromEntries(headings.map((name) => [name, jsonValue.optional()])));
  for (const item of data) {
    const row = shape.safeParse(item);
    const known = row.success ? row.data : lenient(item, headings);
    const cells = headings.map((name) => textOf(known[name]));
    const problem = `It must be an object of texts or numbers, with no other names than: ${headings.join(', ')}.`;
    yield { headings, cells, problem: row.success ? null : problem };
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Of what is no row as it should be, what can be shown again. */
const lenient = (item: unknown, headings: string[]): Record<string, unknown> =>
  Object.fromEntries(headings.map((name) => [name, (item as Record<string, unknown> | null)?.[name]]));

const textOf = (value: unknown): string =>
  value == null
    ? ''
    : typeof value === 'string'
      ? value.trim()
      : typeof value === 'number'
        ? String(value)
        : '?';
