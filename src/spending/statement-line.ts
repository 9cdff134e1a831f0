/** A statement as it was read, whatever its format, and what must hold of it. Nothing here touches a database. */
import { createHash } from 'node:crypto';
import { moneyOf } from '../platform/money.ts';

/** Nobody's year is longer, and each file is matched and written in one transaction. */
export const maxLines = 10_000;
/** Of a file that comes with the request itself. */
export const maxBytes = 200 * 1024;

export interface StatementLine {
  /** Where it stands in the file: the line of a CSV file, the number of the entry in camt.053. */
  at: number;
  bookedOn: string;
  /** Above zero into the account, below zero out of it. */
  pence: bigint;
  party: string;
  reference: string;
  /** The bank's own number of it, where it gives one. */
  bankRef: string | null;
}

export interface Problem {
  code: 'STATEMENT_INVALID' | 'STATEMENT_TOTALS_DISAGREE' | 'STATEMENT_TOO_LARGE';
  /** Never repeats what the file says of anybody. */
  message: string;
}

export interface ReadStatement {
  lines: StatementLine[];
  openingPence: bigint | null;
  closingPence: bigint | null;
  /** Digits of the account as the file names it; null where it names none. */
  account: string | null;
}

export type Reading = { statement: ReadStatement; problems: [] } | { statement: null; problems: Problem[] };

export const invalid = (message: string): Problem => ({ code: 'STATEMENT_INVALID', message });

const show = (pence: bigint) => moneyOf(pence).formatted;

/** What a statement opened with and its lines must come to what it closed with. */
export function totalsProblem(
  openingPence: bigint,
  lines: Pick<StatementLine, 'pence'>[],
  closingPence: bigint,
): Problem | null {
  const moved = lines.reduce((sum, { pence }) => sum + pence, 0n);
  if (openingPence + moved === closingPence) return null;
  const message =
    `Opening ${show(openingPence)} and lines ${show(moved)} come to ${show(openingPence + moved)}, but closing is ` +
    `${show(closingPence)}: ${show(closingPence - openingPence - moved)} is missing. Nothing was taken in.`;
  return { code: 'STATEMENT_TOTALS_DISAGREE', message };
}

/** Control characters that no statement has: what comes with them is a spreadsheet, an archive or worse. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const notText = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffd]/;

/** Half of a character: cut off, or never a whole. */
const halfPair = /\p{Cs}/u;

/** What keeps a file from being read at all. */
export function fileProblem(content: string): Problem | null {
  if (Buffer.byteLength(content) > maxBytes) {
    const message = `A statement is ${maxBytes / 1024} kB at most in a request. Upload a larger one with requestEvidenceUpload, and name its evidenceId here.`;
    return { code: 'STATEMENT_TOO_LARGE', message };
  }
  if (notText.test(content) || halfPair.test(content) || content.startsWith('PK')) return isNotText;
  return content.trim() === '' ? invalid('The file is empty.') : null;
}

const isNotText = invalid(
  'This is not text in UTF-8. Export the statement as CSV or as camt.053 and send that, unpacked.',
);

/** A file turned out not to be one of text while it was read. */
export class NotText extends Error {
  readonly problem = isNotText;
}

/** The text of a file as it comes, piece by piece. Fails with NotText. */
export async function* textOf(file: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let isFirst = true;
  const checked = (text: string) => {
    if (notText.test(text) || (isFirst && text.startsWith('PK'))) throw new NotText();
    isFirst = isFirst && text === '';
    return text;
  };
  for await (const bytes of file) yield checked(decoder.decode(bytes, { stream: true }));
  yield checked(decoder.decode());
}

/** Null where there are not too many lines. */
export function countProblem(lines: number): Problem | null {
  if (lines <= maxLines) return null;
  const message = `A statement has ${maxLines} lines at most. Send shorter periods one by one.`;
  return { code: 'STATEMENT_TOO_LARGE', message };
}

export const hashOf = (content: string) => createHash('sha256').update(content).digest();

const plain = (text: string) => text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();

/**
 * What makes a line the same in another file: the bank's own number of it, else its day, amount and text, and its place
 * among those that are equal in all of these.
 */
export function lineRefs(lines: StatementLine[]): string[] {
  const seen = new Map<string, number>();
  return lines.map(({ bankRef, bookedOn, pence, party, reference }) => {
    if (bankRef !== null) return `bank:${bankRef}`;
    const words = [bookedOn, pence, plain(party), plain(reference)].join('\n');
    const place = (seen.get(words) ?? 0) + 1;
    seen.set(words, place);
    return `text:${createHash('sha256').update(`${words}\n${place}`).digest('base64url')}`;
  });
}

/** A bank's number stands for one line: one that comes twice was sent twice. */
export function repeatedRefs(lines: StatementLine[]): Problem[] {
  const first = new Map<string, number>();
  return lines.flatMap(({ bankRef, at }) => {
    if (bankRef === null) return [];
    const before = first.get(bankRef);
    if (before !== undefined) return [invalid(`Line ${at} has the bank's number of line ${before} again.`)];
    first.set(bankRef, at);
    return [];
  });
}

/** The day, where it is one of the calendar and not after today. */
export function dayProblem(day: string | null, today: string, at: number): Problem | null {
  if (day === null)
    return invalid(`Line ${at}: the day is not one of the calendar, or not in the form you named.`);
  return day > today ? invalid(`Line ${at}: the day is still to come.`) : null;
}

/** A text of a statement in the space there is for it. */
export const textIn = (text: string): string =>
  text.replace(/\s+/g, ' ').trim().slice(0, 200).replace(halfPair, '');

/** `2026-02-30` is no day, though JavaScript takes it for one in March. */
export function realDay(year: string, month: string, day: string): string | null {
  const iso = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const ms = Date.parse(`${iso}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? iso : null;
}
