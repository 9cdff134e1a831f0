/** Makes rows of a page ready to be kept and applied, and says what rows wait for. */
import { hash } from 'node:crypto';
import type { Problem, Submission, SubmissionKind } from './submission.ts';

/** Why a row waits: what is shown to whoever must mend it. Never holds personal data. */
export interface Reason {
  code: string;
  field: string | null;
  found: string | null;
  advice: string;
}

/** A row as it goes to the database: JSON is written once, for the hash, the store and the statement alike. */
export interface Prepared {
  kind: SubmissionKind | 'problem';
  externalId: string;
  version: string;
  place: string;
  /** What was received, as JSON. */
  raw: string;
  /** `{ externalId, personId, ...facts }` as JSON, sums of pence as text; null for a problem. */
  body: string | null;
  personId: string | null;
  /** Of all that was said, but not of the version: a file that repeats a row says nothing new. */
  sha256: string;
  /** Set when the row cannot be applied, whatever else arrives. */
  reason: Reason | null;
}

/** What rows of good data may wait for; they are tried again after every run. */
const advice: Record<string, string> = {
  PERSON_NOT_KNOWN_YET:
    'Nothing to do if the person is sent later. If not, ask the source why it holds this without the person.',
  BUDGET_NOT_KNOWN_YET:
    'Nothing to do if the budget is sent later. If not, ask the source which budget this belongs to.',
  OUTCOME_NOT_KNOWN_YET:
    'The plan is shown without one of its outcomes. Ask the source for the outcome that the plan names.',
  ORGANISATION_NOT_KNOWN: 'Check the organisation code with the source, or add the organisation to the hub.',
  NHS_NUMBER_OF_ANOTHER:
    'The NHS number belongs to another record. Ask which of the two is right, or merge the records.',
  TWO_RECORDS:
    'The NHS numbers of this one person stand on two records. Compare them and, if they are one person, merge them.',
  DOUBTFUL_MATCH:
    'The NHS number is known, but family name and birth date are both different. Ask the source to check the NHS number.',
};

export function reasonToWait(code: string): Reason {
  return { code, field: null, found: null, advice: advice[code] ?? 'Ask whoever runs the hub.' };
}

/** A row that the database itself refuses, once all others of its page are applied without it. */
export const refusal: Reason = {
  code: 'ROW_REFUSED',
  field: null,
  found: 'a value that cannot be stored',
  advice:
    'Ask the source to correct the row: a number out of range, a character that no text may hold, or a value not listed.',
};

/** Rows as they are kept, in the order received; of several with one kind and external id the last counts. */
export function lastOfEach(rows: readonly Prepared[]): Prepared[] {
  const last = new Map<string, Prepared>();
  for (const row of rows) {
    const key = `${row.kind} ${row.externalId}`;
    // A row that is good again answers the problem before it; and what comes last stands last.
    if (row.kind !== 'problem') last.delete(`problem ${row.externalId}`);
    last.delete(key);
    last.set(key, row);
  }
  return [...last.values()];
}

export function prepare(rows: readonly (Submission | Problem)[]): Prepared[] {
  return lastOfEach(
    rows.map((row) => (row.kind === 'problem' ? prepareProblem(row) : prepareSubmission(row))),
  );
}

const holdsPence = new Set<SubmissionKind>(['budget', 'payment', 'balance', 'service']);

/** JSON numbers lose pence beyond 2^53, so sums travel as text, which PostgreSQL reads as they are. */
const penceAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);

function prepareSubmission({ kind, externalId, version, place, raw, personId, facts }: Submission): Prepared {
  const said = { externalId, personId, ...facts };
  const body = holdsPence.has(kind) ? JSON.stringify(said, penceAsText) : JSON.stringify(said);
  const received = JSON.stringify(raw) ?? 'null';
  const sha256 = hash('sha256', `${body}\n${received}`);
  return { kind, externalId, version, place, raw: received, body, personId, sha256, reason: null };
}

function prepareProblem({
  kind,
  externalId,
  version,
  place,
  raw,
  code,
  column,
  found,
  advice,
}: Problem): Prepared {
  const reason = { code, field: column, found, advice };
  const received = JSON.stringify(raw) ?? 'null';
  const sha256 = hash('sha256', `${JSON.stringify(reason)}\n${received}`);
  return { kind, externalId, version, place, raw: received, body: null, personId: null, sha256, reason };
}

/** The row as a problem, without the characters that PostgreSQL takes in no text, which may be what it refused. */
export function refused(row: Prepared): Prepared {
  return {
    ...row,
    kind: 'problem',
    externalId: JSON.parse(storable(JSON.stringify(row.externalId))),
    version: JSON.parse(storable(JSON.stringify(row.version))),
    raw: storable(row.raw),
    body: null,
    personId: null,
    reason: row.reason ?? refusal,
  };
}

/** Of JSON text: NUL and halves of characters become U+FFFD; an escaped backslash before a "u" is left alone. */
function storable(json: string): string {
  return json.replace(/\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/g, (found) =>
    found === '\\\\' ? found : '\ufffd',
  );
}
