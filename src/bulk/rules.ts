/** What a row of a bulk file says, and what it comes to. Nothing here touches a database. */
import { createHash } from 'node:crypto';
import { budgetPrefix } from '../budget/view.ts';
import type { BudgetKind, BulkKind } from '../generated/prisma/enums.ts';
import { portionPrefix } from '../plan/view.ts';
import { uuidOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import { parseNhsNumber } from '../platform/nhs-number.ts';
import { dayOfText, penceOfText } from '../spending/csv.ts';
import { lineOf } from '../spending/input.ts';
import type { Purchase } from '../spending/rules.ts';
import { UserFault } from '../write/command.ts';

export const maxRows = 50_000;

/** Whose money it is: the budget by its id, or the person by their number and which budget of theirs. */
const whose = ['budget', 'nhs_number', 'budget_kind'] as const;

/** The columns that a file of a kind has, by their headings: those that must be there, and those that may. */
export const columns: Record<BulkKind, { needed: readonly string[]; optional: readonly string[] }> = {
  SPENDING: {
    needed: ['spent_on', 'amount', 'payee', 'what'],
    optional: ['category', 'reference', 'portion', 'line'],
  },
  INVOICE: {
    needed: ['invoice_number', 'paid_on', 'amount', 'supplier', 'what'],
    optional: ['category', 'portion', 'line'],
  },
  TIMESHEET: {
    needed: ['worker', 'week_ending', 'hours', 'rate'],
    optional: ['what', 'category', 'reference', 'portion', 'line'],
  },
};

/** What the file of bad rows has beside them: it is passed over when such a file is mended and sent. */
export const reasonColumns = ['problem_code', 'problem'] as const;

const all = (kind: BulkKind): string[] => [...whose, ...columns[kind].needed, ...columns[kind].optional];
const passedOver: readonly string[] = reasonColumns;

export const plainHeading = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_');

/** What is wrong with the columns of a file, in words that list what is wanted; null where nothing is. */
export function headingsProblem(kind: BulkKind, headings: string[]): string | null {
  const known = all(kind);
  const missing = columns[kind].needed.filter((name) => !headings.includes(name));
  const namesWhose =
    headings.includes('budget') || (headings.includes('nhs_number') && headings.includes('budget_kind'));
  // By their place and not by their name, for where headings are missing these are somebody's data.
  const strange = headings.flatMap((name, index) => {
    const isKnown = known.includes(name) || passedOver.includes(name);
    return isKnown && headings.indexOf(name) === index ? [] : [index + 1];
  });
  if (missing.length === 0 && namesWhose && strange.length === 0) return null;
  return [
    missing.length > 0 && `Missing: ${missing.join(', ')}.`,
    !namesWhose && 'Missing: budget, or nhs_number and budget_kind.',
    strange.length > 0 && `Not known, or there twice: column ${strange.join(', ')}.`,
    `A file of ${kind} has these columns: budget, or nhs_number and budget_kind; ${columns[kind].needed.join(', ')};`,
    `and it may have: ${columns[kind].optional.join(', ')}.`,
  ]
    .filter(Boolean)
    .join(' ');
}

export interface Named {
  /** Of a budget; null where the person is named. */
  budgetId: string | null;
  nhsNumber: string | null;
  budgetKind: BudgetKind | null;
  portionId: string | null;
}

/** A row as it was understood. */
export interface GoodRow extends Named, Purchase {
  /** The row's own number of it, else what makes it the same in another file. */
  reference: string;
}

export interface RowProblem {
  code: string;
  /** Repeats nothing of the row. */
  message: string;
}

export const isProblem = (row: GoodRow | RowProblem): row is RowProblem => 'code' in row;

/** A row about a record that is not there, or that is not the sender's to pay for: nobody can tell which. */
export const notTheirs: RowProblem = {
  code: 'NOT_FOUND',
  message: 'There is no such budget, or its money is not yours to spend. Look at the number or the id.',
};

const budgetKinds: readonly string[] = ['PERSONAL_HEALTH_BUDGET', 'PERSONAL_BUDGET', 'INTEGRATED'];

/** Nobody works longer in a week. */
const maxHundredthsOfHours = 168n * 100n;

class Wrong extends Error {}

/**
 * What a row says.
 *
 * @param cell the text under a heading; empty where there is none
 * @param seen what rows without a number of their own were seen in this file before, and how often; this adds to it
 */
export function rowOf(
  kind: BulkKind,
  cell: (heading: string) => string,
  seen: Map<string, number>,
): GoodRow | RowProblem {
  try {
    const named = namedIn(cell);
    const bought = { ...boughtIn[kind](cell), lineKey: optional(cell, 'line', 60) };
    const own = kind === 'INVOICE' ? text(cell, 'invoice_number', 100) : optional(cell, 'reference', 100);
    return { ...named, ...bought, reference: own ?? likeness({ ...named, ...bought }, seen) };
  } catch (error) {
    if (error instanceof Wrong) return { code: 'ROW_INVALID', message: error.message };
    throw error;
  }
}

type Cell = (heading: string) => string;

function namedIn(cell: Cell): Named {
  const [budget, nhs, kind, portion] = [
    cell('budget'),
    cell('nhs_number'),
    cell('budget_kind'),
    cell('portion'),
  ];
  const portionId = portion === '' ? null : uuidOf(portionPrefix, portion);
  if (portion !== '' && portionId === null) throw new Wrong('portion: no id of a portion.');
  if (budget !== '') {
    if (nhs !== '' || kind !== '') throw new Wrong('Name the budget, or the person and the kind: not both.');
    const budgetId = uuidOf(budgetPrefix, budget);
    if (budgetId === null) throw new Wrong('budget: no id of a budget.');
    return { budgetId, nhsNumber: null, budgetKind: null, portionId };
  }
  const nhsNumber = parseNhsNumber(nhs);
  if (nhsNumber === null) throw new Wrong('nhs_number: not ten digits with the right check digit.');
  const budgetKind = plainHeading(kind).toUpperCase();
  if (!budgetKinds.includes(budgetKind)) throw new Wrong(`budget_kind: one of ${budgetKinds.join(', ')}.`);
  return { budgetId: null, nhsNumber, budgetKind: budgetKind as BudgetKind, portionId };
}

type Bought = Pick<GoodRow, 'pence' | 'spentOn' | 'payee' | 'what' | 'category'>;

const boughtIn: Record<BulkKind, (cell: Cell) => Bought> = {
  SPENDING: (cell) => ({
    pence: pence(cell, 'amount'),
    spentOn: day(cell, 'spent_on'),
    payee: text(cell, 'payee', 200),
    what: text(cell, 'what', 200),
    category: optional(cell, 'category', 60) ?? '',
  }),
  INVOICE: (cell) => ({
    pence: pence(cell, 'amount'),
    spentOn: day(cell, 'paid_on'),
    payee: text(cell, 'supplier', 200),
    what: text(cell, 'what', 200),
    category: optional(cell, 'category', 60) ?? '',
  }),
  TIMESHEET: (cell) => {
    const hours = hundredths(cell, 'hours');
    if (hours > maxHundredthsOfHours) throw new Wrong('hours: a week has 168.');
    const rate = pence(cell, 'rate');
    const worked = `${hours / 100n}.${String(hours % 100n).padStart(2, '0')}`;
    return {
      pence: costOf(hours, rate),
      spentOn: day(cell, 'week_ending'),
      payee: text(cell, 'worker', 200),
      what: optional(cell, 'what', 200) ?? `Wages, ${worked} hours at ${moneyOf(rate).formatted}`,
      category: optional(cell, 'category', 60) ?? 'wages',
    };
  },
};

/** Hundredths of hours at a rate, to the nearest penny; a half goes up. */
export const costOf = (hundredthsOfHours: bigint, ratePence: bigint): bigint => {
  const cost = (hundredthsOfHours * ratePence + 50n) / 100n;
  if (cost === 0n) throw new Wrong('hours and rate: they come to less than a penny.');
  return cost;
};

/** What turns the direction of text makes it read other than it is. */
const turning = /[\u202a-\u202e\u2066-\u2069]/;

function optional(cell: Cell, heading: string, maxLength: number): string | null {
  const given = cell(heading);
  if (given === '') return null;
  if (turning.test(given))
    throw new Wrong(`${heading}: it holds characters that turn the direction of text.`);
  try {
    return lineOf(given, heading, maxLength);
  } catch (error) {
    if (error instanceof UserFault) throw new Wrong(`${heading}: say it in 1 to ${maxLength} characters.`);
    throw error;
  }
}

function text(cell: Cell, heading: string, maxLength: number): string {
  const found = optional(cell, heading, maxLength);
  if (found === null) throw new Wrong(`${heading}: it is empty.`);
  return found;
}

function pence(cell: Cell, heading: string): bigint {
  const found = penceOfText(cell(heading));
  if (found === null) throw new Wrong(`${heading}: an amount such as 1234.56.`);
  if (found <= 0n || found > 99_999_999_999n) throw new Wrong(`${heading}: from 0.01 to 999999999.99.`);
  return found;
}

function hundredths(cell: Cell, heading: string): bigint {
  const given = cell(heading).trim();
  const found = /^\d{1,3}(\.\d{1,2})?$/.test(given) ? penceOfText(given) : null;
  if (found === null || found === 0n) throw new Wrong(`${heading}: a number of hours such as 37.5.`);
  return found;
}

/** As ISO 8601 or as British spreadsheets write it. That it has been is for the rules of spending to say. */
function day(cell: Cell, heading: string): string {
  const given = cell(heading);
  const found = dayOfText(given, 'YYYY_MM_DD') ?? dayOfText(given, 'DD_MM_YYYY');
  if (found === null || found < '2000-01-01')
    throw new Wrong(`${heading}: a day such as 2026-11-21 or 21/11/2026.`);
  return found;
}

const plain = (words: string) => words.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();

/** What makes a row without a number the same in another file: all it says, and its place among those that are equal. */
function likeness(
  { budgetId, nhsNumber, budgetKind, ...row }: Omit<GoodRow, 'reference'>,
  seen: Map<string, number>,
) {
  const { pence, spentOn, payee, what, category, lineKey, portionId } = row;
  const said = [pence, spentOn, plain(payee), plain(what), plain(category), lineKey, portionId].join('\n');
  const whole = digest(`${budgetId} ${nhsNumber} ${budgetKind}\n${said}`);
  const place = (seen.get(whole) ?? 0) + 1;
  seen.set(whole, place);
  return `row:${digest(`${said}\n${place}`)}`;
}

const digest = (words: string) => createHash('sha256').update(words).digest('base64url').slice(0, 22);

/**
 * Under which client a row's reference stands, for ever: an organisation's own numbers, told apart by kind and by
 * budget, for one invoice may be for several families; and an invoice's number is its supplier's.
 */
export function clientOf(
  organisation: string,
  kind: BulkKind,
  { budgetId, payee }: { budgetId: string; payee: string },
): string {
  const parts = ['bulk', organisation, kind, budgetId];
  return (kind === 'INVOICE' ? [...parts, plain(payee)] : parts).join('/');
}
