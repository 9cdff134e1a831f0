/** The tables whose rows hold from one day to another: their columns, and what may not be. */
import {
  Activity,
  ChangeDecider,
  FundingSource,
  GrossOrNet,
  PaymentFrequency,
  ReturnFrequency,
} from '../generated/prisma/enums.ts';
import { type Column, day, type Line, needed, oneOf, pounds, text, wholeNumber } from './file.ts';

/** Rows with a first day and an end, of which no two of one subject may hold on one day. */
export interface Dated {
  file: string;
  table: string;
  columns: Column[];
  /** Columns of the subject, then of its days. */
  subject: [string, string];
  from: string;
  to: string;
}

export const policy: Dated = {
  file: 'policy.csv',
  table: 'commissioner_policy',
  columns: [
    needed(text('organisation', 'organisation', 'the ODS code of the organisation')),
    needed(oneOf('source', 'source', Object.values(FundingSource))),
    needed(day('effective from', 'effective_from')),
    day('effective to', 'effective_to'),
    oneOf('payment frequency', 'payment_frequency', Object.values(PaymentFrequency)),
    wholeNumber('paid in advance (days)', 'in_advance_days', [0, 366]),
    oneOf('gross or net', 'gross_or_net', Object.values(GrossOrNet)),
    wholeNumber('contingency (weeks)', 'contingency_weeks', [0, 104]),
    wholeNumber('surplus threshold (weeks)', 'surplus_threshold_weeks', [0, 104]),
    wholeNumber('surplus held at most (weeks)', 'surplus_hold_max_weeks', [0, 104]),
    wholeNumber('repay within (days)', 'repay_within_days', [1, 366]),
    oneOf('return frequency', 'return_frequency', Object.values(ReturnFrequency)),
    wholeNumber('evidence due within (days)', 'evidence_due_days', [1, 366]),
    wholeNumber('first review within (weeks)', 'first_review_weeks', [1, 104]),
    wholeNumber('later reviews within (months)', 'review_max_months', [1, 60]),
    wholeNumber('records kept (years)', 'record_retention_years', [0, 100]),
    pounds('second person above (pounds)', 'approval_threshold_pence'),
    wholeNumber('new account cools off (days)', 'account_cooling_off_days', [1, 60]),
    wholeNumber('change without asking up to (percent)', 'change_limit_percent', [0, 100]),
    oneOf('changes agreed by', 'change_decider', Object.values(ChangeDecider)),
    text('exclusion list', 'exclusion_list_id', 'the id of a list of exclusion.csv'),
    needed(text('citation', 'citation', 'where it is published')),
  ],
  subject: ['organisation', 'source'],
  from: 'effective_from',
  to: 'effective_to',
};

export const authorisation: Dated = {
  file: 'authorisation.csv',
  table: 'organisation_authorisation',
  columns: [
    needed(text('organisation', 'organisation', 'the ODS code of the organisation')),
    needed(oneOf('activity', 'activity', Object.values(Activity))),
    needed(day('from', 'valid_from')),
    day('to', 'valid_to'),
    needed(text('granted by', 'granted_by', 'who authorised it')),
  ],
  subject: ['organisation', 'activity'],
  from: 'valid_from',
  to: 'valid_to',
};

export type Row = Line['values'];
/** The rows there are already, by `keyOf`. */
export type Kept = Map<string, Row>;

export const keyOf = ({ subject: [a, b], from }: Dated, row: Row) => [row[a], row[b], row[from]].join(' ');
export const subjectOf = ({ subject: [a, b] }: Dated, row: Row) => `${row[a]} ${row[b]}`;

/** What is wrong with the days and the organisations of these lines, beside one another and beside what is kept. */
export function misdated(dated: Dated, lines: Line[], kept: Kept, codes: Set<string>): string[] {
  const problems: string[] = [];
  const at = ({ line }: Line) => `${dated.file}, line ${line}`;
  const byKey = new Map<string, Line>();
  for (const line of lines) {
    const { organisation, [dated.from]: from, [dated.to]: to } = line.values;
    if (organisation !== null && !codes.has(organisation as string)) {
      const message = `the hub knows no organisation "${organisation}". See: npm run hub -- organisation add`;
      problems.push(`${at(line)}, "organisation": ${message}`);
    }
    if (from !== null && to !== null && to! <= from!) {
      problems.push(`${at(line)}: it ends on ${to}, which must be after its first day, ${from}.`);
    }
    const before = byKey.get(keyOf(dated, line.values));
    if (before === undefined) byKey.set(keyOf(dated, line.values), line);
    else problems.push(`${at(line)}: line ${before.line} says the same. Take one of them out.`);
  }

  const spans = [...kept].filter(([key]) => !byKey.has(key)).map(([, values]) => ({ line: null, values }));
  const all = [...byKey.values(), ...spans].filter(({ values }) => values[dated.from] !== null);
  all.sort((a, b) => (keyOf(dated, a.values) < keyOf(dated, b.values) ? -1 : 1));
  for (const [index, next] of all.entries()) {
    const last = all[index - 1];
    if (last === undefined || subjectOf(dated, last.values) !== subjectOf(dated, next.values)) continue;
    const to = last.values[dated.to];
    if (to !== null && to! <= next.values[dated.from]!) continue;
    const [mine, other] = next.line === null ? [last, next] : [next, last];
    if (mine.line === null) continue;
    const place = other.line === null ? 'what the hub holds' : `line ${other.line}`;
    const span = `${other.values[dated.from]} to ${other.values[dated.to] ?? 'no end'}`;
    const message = `it overlaps ${place}, from ${span}. Let the earlier one end on the first day of the later.`;
    problems.push(`${dated.file}, line ${mine.line}: ${message}`);
  }
  return problems;
}

/** In words; null where the row says what is kept already. */
export function changeOf(dated: Dated, row: Row, kept: Kept): string | null {
  const name = `${dated.file} ${row[dated.subject[0]]} ${row[dated.subject[1]]} from ${row[dated.from]}`;
  const before = kept.get(keyOf(dated, row));
  if (before === undefined) return `${name}: added`;
  const changed = dated.columns.filter((column) => before[column.name] !== row[column.name]);
  if (changed.length === 0) return null;
  const said = (value: Row[string] | undefined, { show = String }: Column) =>
    value == null ? 'not said' : `"${show(value)}"`;
  const parts = changed.map((column) => {
    const { heading, name } = column;
    return `${heading} was ${said(before[name], column)}, is ${said(row[name], column)}`;
  });
  return `${name}: ${parts.join('; ')}`;
}

export function upsert({ table, columns, subject: [, kind], from }: Dated): string {
  const names = columns.map(({ name }) => name).filter((name) => name !== 'organisation');
  return `insert into ${table} (organisation_id, ${names.join(', ')})
    select o.id, ${names.map((name) => `t.${name}`).join(', ')}
      from json_array_elements($1::json) r
      join organisation o on o.ods_code = r ->> 'organisation'
     cross join lateral json_populate_record(null::${table}, r) t
    on conflict (organisation_id, ${kind}, ${from}) do update
       set ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`;
}
