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

/** A row that the database refuses, when all others of its page are applied without it. */
export const refusal: Reason = {
  code: 'ROW_REFUSED',
  field: null,
  found: 'a value that cannot be stored',
  advice: 'Ask the source to correct the row: a number is out of range, or a value is not one of its list.',
};

/** Rows in the order received; of several with one kind and external id the last counts. */
export function prepare(rows: readonly (Submission | Problem)[]): Prepared[] {
  const last = new Map<string, Prepared>();
  for (const row of rows.map((sent) =>
    sent.kind === 'problem' ? prepareProblem(sent) : prepareSubmission(sent),
  )) {
    const key = `${row.kind} ${row.externalId}`;
    // A row that is good again answers the problem before it; and what comes last stands last.
    if (row.kind !== 'problem') last.delete(`problem ${row.externalId}`);
    last.delete(key);
    last.set(key, row);
  }
  return [...last.values()];
}

const holdsPence = new Set<SubmissionKind>(['budget', 'payment', 'balance', 'service']);

/** JSON numbers lose pence beyond 2^53, so sums travel as text, which PostgreSQL reads as they are. */
const penceAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);

function prepareSubmission({ kind, version, place, raw, facts, ...ids }: Submission): Prepared {
  const [externalId, personId] = [plain(ids.externalId), plain(ids.personId)];
  const said = { externalId, personId, ...facts };
  const body = storable(holdsPence.has(kind) ? JSON.stringify(said, penceAsText) : JSON.stringify(said));
  const received = storable(JSON.stringify(raw) ?? 'null');
  const sha256 = hash('sha256', `${body}\n${received}`);
  return {
    kind,
    externalId,
    version: plain(version),
    place: plain(place),
    raw: received,
    body,
    personId,
    sha256,
    reason: null,
  };
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
  const received = storable(JSON.stringify(raw) ?? 'null');
  // The version too: a problem that is found again in a newer file is one of that file.
  const sha256 = hash('sha256', `${version}\n${JSON.stringify(reason)}\n${received}`);
  return {
    kind,
    externalId: plain(externalId),
    version: plain(version),
    place: plain(place),
    raw: received,
    body: null,
    personId: null,
    sha256,
    reason,
  };
}

/** JSON text without the characters that PostgreSQL takes in no text: NUL and halves of characters become U+FFFD. */
function storable(json: string): string {
  if (!/\\u(?:0000|d[89a-f])/.test(json)) return json;
  // An escaped backslash before a "u" is not the beginning of an escape.
  return json.replace(/\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/g, (found) =>
    found === '\\\\' ? found : '\ufffd',
  );
}

const plain = (text: string): string =>
  /[\0\ud800-\udfff]/.test(text) ? JSON.parse(storable(JSON.stringify(text))) : text;
