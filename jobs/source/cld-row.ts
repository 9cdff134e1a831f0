/** What one row of a Client Level Data file says, in the hub's words. Pure: a row that waited is read again from `raw`. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Gender, Problem, Submission } from '../../src/intake/submission.ts';
import { nhsNumberFault, parseNhsNumber } from '../../src/platform/nhs-number.ts';
import { cldDateHeadings, cldHeadings, cldListHeadings, cldPersonHeadings, cldValueOf } from './cld-value.ts';

/** Cells by published heading, as received; a heading that is not there counts as blank. */
export type CldCells = Record<string, string>;

export interface CldContext {
  /** The council whose file it is. */
  laCode: string;
  file: string;
  line: number;
  /** Other rows of the file show that its slashed dates begin with the day. */
  dayFirst: boolean;
}

/** Never in the row's own words: these texts are shown, logged and counted. */
const advice = {
  BLANK_MANDATORY: 'Fill in this column and send the file again.',
  COST_INVALID: 'Give the amount in pounds and pence, such as 1234.56, without signs or words.',
  DATE_AMBIGUOUS: 'Send dates as YYYY-MM-DD: day and month cannot be told apart in this file.',
  DATE_INVALID: 'Correct the date. Dates are YYYY-MM-DD or DD/MM/YYYY.',
  END_BEFORE_START: 'Correct whichever of the two dates is wrong.',
  LINKED_TO_SELF: 'Give the person whom the unpaid carer cares for, not the carer.',
  NHS_NUMBER_INVALID: 'Trace the person and correct the NHS number, or leave it blank.',
  TEXT_UNREADABLE: 'Save the file as UTF-8 and send it again.',
  UNITS_INVALID: 'Give the number of units a week, such as 10.50, or leave it blank.',
  VALUE_NOT_MAPPED: 'Use a value from the Client Level Data specification, Release 2.',
  WRONG_COUNCIL: 'Remove rows of other councils from this file.',
} as const;

interface Fault {
  code: keyof typeof advice;
  column: string;
  found: string;
}

/** Columns without which an event cannot be placed, or its person not be told from another. */
const mandatory = [
  'LA Code',
  'LA Person Unique Identifier',
  'Last Name',
  'Date of Birth',
  'Client Type',
  'Event Type',
  'Event Start Date',
] as const;

/**
 * The columns that tell one event from another, by event type: rule 4 of the national de-duplication. A service's end
 * and its price are left out, because both change while the service stays the same.
 */
const keyColumns: Record<string, string[]> = {
  Request: ['Event Start Date', 'Event End Date', 'Client Type', 'Request: Route of Access'],
  Assessment: ['Event Start Date', 'Event End Date', 'Client Type', 'Assessment Type'],
  Service: ['Event Start Date', 'Client Type', 'Service Type', 'Service Component', 'Delivery Mechanism'],
  Review: ['Event Start Date', 'Event End Date', 'Client Type'],
};

const genders = new Map<string, Gender>([
  ['Female', 'FEMALE'],
  ['Male', 'MALE'],
  ['Other', 'OTHER'],
]);

export function toSubmissions(cells: CldCells, context: CldContext): (Submission | Problem)[] {
  const { received, values, faults } = readCells(cells, context);
  const value = (column: string): string | null => values[column] ?? null;
  const fault = (code: Fault['code'], column: string, found: string) =>
    void faults.push({ code, column, found });

  const eventType = value('Event Type');
  const last = eventType === 'Service' ? 'Service Type' : 'Event End Date';
  for (const column of [...mandatory, last])
    if (!(column in received)) fault('BLANK_MANDATORY', column, 'blank');
  if (value('LA Code') !== null && value('LA Code') !== context.laCode)
    fault('WRONG_COUNCIL', 'LA Code', 'code of another council');
  const nhsNumber = parseNhsNumber(value('NHS Number') ?? '');
  const nhsFault = nhsNumberFault(value('NHS Number') ?? '');
  if (value('NHS Number') !== null && nhsFault !== null) fault('NHS_NUMBER_INVALID', 'NHS Number', nhsFault);

  const start = value('Event Start Date') ?? '';
  const end = value('Event End Date');
  const deathDate = value('Date of Death');
  if (end !== null && end < start) fault('END_BEFORE_START', 'Event End Date', 'day before the start');
  else if (deathDate !== null && deathDate < start)
    fault('END_BEFORE_START', 'Date of Death', 'day before the start of the event');
  // Rule 2 of the national corrections. An open service of somebody who died ended then as well.
  const endedOn = deathDate !== null && (end === null || deathDate < end) ? deathDate : end;

  const unitCost = decimalOf(value('Unit Cost'));
  if (unitCost === undefined) fault('COST_INVALID', 'Unit Cost', classOf(value('Unit Cost')));
  const units = decimalOf(value('Planned units per week'));
  if (units === undefined || units?.negative)
    fault('UNITS_INVALID', 'Planned units per week', classOf(value('Planned units per week')));

  const personId = value('LA Person Unique Identifier') ?? '';
  const isCarer = value('Client Type')?.startsWith('Unpaid carer') === true;
  const linkedColumns = isCarer ? linkColumns.filter((column) => column in values) : [];
  for (const column of linkedColumns)
    if (values[column] === personId) fault('LINKED_TO_SELF', column, 'the id of the carer');

  const key = eventKey(values, context.laCode, faults);
  const row = { version: context.file, place: `line ${context.line} of ${context.file}` };
  const [first] = faults;
  if (first) {
    const { code, column, found } = first;
    const externalId = key ?? digestOf(JSON.stringify(received));
    const raw = { cells: received, context };
    return [{ kind: 'problem', ...row, externalId, code, column, found, advice: advice[code], raw }];
  }

  const givenName = value('First Name') ?? '';
  const familyName = value('Last Name') ?? '';
  const personRaw: CldCells = {};
  const eventRaw: CldCells = {};
  for (const column in received) {
    const cell = received[column] ?? '';
    if (personColumns.has(column)) personRaw[column] = cell;
    if (!personColumns.has(column) || column === 'LA Person Unique Identifier') eventRaw[column] = cell;
  }
  const submissions: Submission[] = [
    {
      kind: 'person',
      ...row,
      externalId: personId,
      personId,
      raw: personRaw,
      facts: {
        nhsNumber,
        supersededNhsNumbers: [],
        familyName,
        givenName,
        birthDate: value('Date of Birth'),
        deathDate,
        gender: genders.get(value('Gender') ?? '') ?? 'UNKNOWN',
        postcode: value('Postcode'),
        restricted: false,
      },
    },
  ];
  for (const caredFor of new Set(linkedColumns.map((column) => value(column) ?? ''))) {
    submissions.push({
      kind: 'role',
      ...row,
      externalId: `${personId} cares for ${caredFor}`,
      personId: caredFor,
      raw: personRaw,
      facts: {
        role: 'CARER',
        organisationCode: null,
        individual: { name: `${givenName} ${familyName}`.trim(), nhsNumber, relationship: null },
        from: null,
        to: deathDate,
      },
    });
  }
  const event = { ...row, externalId: key!, personId, raw: eventRaw };
  if (eventType === 'Service') {
    submissions.push({
      kind: 'service',
      ...event,
      facts: {
        serviceType: value('Service Type') ?? '',
        component: value('Service Component'),
        deliveryMechanism: value('Delivery Mechanism'),
        providerName: value('Provider CQC Location Name'),
        providerCqcLocationId: value('Provider CQC Location ID'),
        from: start,
        to: endedOn,
        // Rule 8: a negative cost is meant as its amount.
        unitCostPence: unitCost ? unitCost.hundredths : null,
        costFrequency: value('Cost Frequency (Unit Type)'),
        plannedUnitsPerWeek: units ? units.text : null,
      },
    });
  } else if (eventType === 'Review') {
    const reason = value('Review Reason');
    submissions.push({
      kind: 'review',
      ...event,
      facts: {
        kind: reason === 'Review of short term support' ? 'SHORT_TERM_SUPPORT' : 'CARE_PLAN',
        startedOn: start,
        heldOn: endedOn ?? start,
        reason,
        method: value('Method of Review'),
        outcome: value('Event Outcome'),
        outcomesAchieved: value('Review Outcomes Achieved'),
      },
    });
  } else {
    const isRequest = eventType === 'Request';
    submissions.push({
      kind: 'contact',
      ...event,
      facts: {
        kind: isRequest ? 'REQUEST' : 'ASSESSMENT',
        type: value(isRequest ? 'Request: Route of Access' : 'Assessment Type'),
        from: start,
        to: endedOn ?? start,
        outcome: value('Event Outcome'),
      },
    });
  }
  return submissions;
}

const personColumns = new Set(cldPersonHeadings);
const linkColumns = [1, 2, 3].map((n) => `Adult ${n} Linked Person_ID`);

interface ReadCells {
  /** Cells that are not blank, as received. */
  received: CldCells;
  /** The same, trimmed; dates as days, list values of Release 2. What is blank or at fault is not there. */
  values: CldCells;
  faults: Fault[];
}

function readCells(cells: CldCells, context: CldContext): ReadCells {
  const received: CldCells = {};
  const values: CldCells = {};
  const faults: Fault[] = [];
  for (const column of cldHeadings) {
    const cell = cells[column];
    const text = cell?.trim();
    // Databases export NULL as a word.
    if (cell === undefined || !text || text === 'NULL' || text === 'null') continue;
    received[column] = cell;
    if (isUnreadable(text)) {
      faults.push({ code: 'TEXT_UNREADABLE', column, found: 'characters lost in conversion' });
    } else if (dateColumns.has(column)) {
      const read = readDay(text, context.dayFirst);
      if (typeof read === 'string') values[column] = read;
      else faults.push({ ...read, column });
    } else if (listColumns.has(column)) {
      const value = cldValueOf(column, text);
      if (value === undefined)
        faults.push({ code: 'VALUE_NOT_MAPPED', column, found: `${classOf(text)}, not in the list` });
      else if (value !== null) values[column] = value;
    } else values[column] = text;
  }
  return { received, values, faults };
}

const dateColumns = new Set(cldDateHeadings);
const listColumns = new Set(cldListHeadings);

const rawRow = z.object({
  cells: z.record(z.string(), z.string()),
  context: z.object({ laCode: z.string(), file: z.string(), line: z.number(), dayFirst: z.boolean() }),
});

/** Reads a waiting row again from its Problem's `raw`; null where only the council can mend it. */
export function retryCldRow(raw: unknown): (Submission | Problem)[] | null {
  const parsed = rawRow.safeParse(raw);
  return parsed.success ? toSubmissions(parsed.data.cells, parsed.data.context) : null;
}

export const digestOf = (text: string | Buffer): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 32);

/** Stable over files: a later file that ends or corrects the event has the same key. Null where part of it is not known. */
function eventKey(values: CldCells, laCode: string, faults: Fault[]): string | null {
  const eventType = values['Event Type'] ?? '';
  const columns = keyColumns[eventType];
  if (!columns) return null;
  const own = ['LA Code', 'LA Person Unique Identifier', ...columns];
  if (faults.some(({ column, code }) => code !== 'END_BEFORE_START' && own.includes(column))) return null;
  return digestOf(
    JSON.stringify([laCode, eventType, ...own.slice(1).map((column) => values[column] ?? null)]),
  );
}

/** Neither NUL nor half a surrogate pair can be stored; a replacement character stands where a name lost a letter. */
const isUnreadable = (text: string) => text.includes('\0') || /[\uFFFD\p{Cs}]/u.test(text);

const classOf = (text: string | null) => {
  const length = text?.length ?? 0;
  return `${/^[0-9]+$/.test(text ?? '') ? 'digits' : 'text'}, ${length} character${length === 1 ? '' : 's'}`;
};

const slashed = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/;
/** Spreadsheets and databases put an empty time behind a day. */
const withoutTime = (text: string) => text.replace(/[T ]00:00(:00(\.0+)?)?Z?$/, '');

function readDay(cell: string, dayFirst: boolean): string | Omit<Fault, 'column'> {
  const text = withoutTime(cell);
  const [parts, first = '', second = '', year = ''] = slashed.exec(text) ?? [];
  const day = parts ? `${year}-${second.padStart(2, '0')}-${first.padStart(2, '0')}` : text;
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day))
    return { code: 'DATE_INVALID', found: `${classOf(cell)}, not a date` };
  if (!isDay(day)) return { code: 'DATE_INVALID', found: 'a day that does not exist' };
  if (parts && !dayFirst && Number(first) <= 12 && Number(first) !== Number(second))
    return { code: 'DATE_AMBIGUOUS', found: 'day and month could change places' };
  return day;
}

/** Real, and of a year in which somebody alive, or anything of theirs, can lie. */
function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number);
  if (year < 1850 || year >= 2200 || month < 1 || month > 12) return false;
  return day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Whether a cell shows its file to begin slashed dates with the day, or with the month; null where it tells nothing. */
export function dateStyleOf(cell: string): 'DAY_FIRST' | 'MONTH_FIRST' | null {
  const [, first, second] = slashed.exec(withoutTime(cell.trim())) ?? [];
  if (Number(first) > 12 && Number(second) <= 12) return 'DAY_FIRST';
  return Number(first) <= 12 && Number(second) > 12 ? 'MONTH_FIRST' : null;
}

/** numeric(18,2); null where blank, undefined where it is no such number. */
function decimalOf(
  text: string | null,
): { hundredths: bigint; negative: boolean; text: string } | null | undefined {
  if (text === null) return null;
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d{1,16})(?:\.(\d{1,2})0*)?$/.exec(text) ?? [];
  if (whole === '') return undefined;
  const hundredths = BigInt(whole + fraction.padEnd(2, '0'));
  return { hundredths, negative: sign === '-', text: `${BigInt(whole)}.${fraction.padEnd(2, '0')}` };
}
