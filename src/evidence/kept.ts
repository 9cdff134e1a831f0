/** The documents that an organisation must keep with an account that it operated. */
import { keeps } from '../access/policy.ts';
import { parametersOf } from '../access/scope.ts';
import type { Viewer } from '../access/viewer.ts';

/** SQL: what was bought from the account of the kept record `k` while it was theirs to operate. */
export const keptSpends = (k: string): string => `
  select s.* from spend s
   where s.budget_id = ${k}.budget_id and s.person_id = ${k}.person_id and s.portion_id = ${k}.id and ${isOfTime('s.spent_on', k)}`;

/** SQL: the bank statements of the account that have a line of that time. */
export const keptStatements = (k: string): string => `
  select b.* from bank_statement b
   where b.budget_id = ${k}.budget_id and b.person_id = ${k}.person_id and b.portion_id = ${k}.id and exists (
     select from bank_line l
      where l.statement_id = b.id and l.person_id = b.person_id and ${isOfTime('l.booked_on', k)})`;

/** SQL: the day is one on which they operated the account. */
export const isOfTime = (day: string, k: string): string =>
  `(${day} < ${k}.valid_to and (${k}.valid_from is null or ${day} >= ${k}.valid_from))`;

/** SQL: the document `e` proves what was bought, or is a statement. */
const isKeptEvidence = (e: string, k: string): string => `(
  exists (select from (${keptSpends(k)}) s join spend_evidence u on u.spend_id = s.id and u.person_id = s.person_id
           where u.evidence_id = ${e}.id)
  or exists (select from (${keptStatements(k)}) b where b.evidence_id = ${e}.id))`;

/** A statement that gives a row if the document is one that the viewer's organisation must keep. */
export function keptDocument(viewer: Viewer, today: string, id: string): { text: string; values: unknown[] } {
  const values: unknown[] = [id];
  const kept = keeps(viewer.role, 'k', parametersOf(viewer, today, values));
  const text = `select e.id from evidence e join kept_record k on k.person_id = e.person_id
    where e.id = $1 and ${kept} and ${isKeptEvidence('e', 'k')} limit 1`;
  return { text, values };
}
