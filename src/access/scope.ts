/** The policy's conditions for a command, which asks for a few people by id in its own transaction. */
import {
  authoritiesOver,
  employs,
  maySeeOversight,
  maySeePerson,
  type PolicyParameters,
  sharesWith,
} from './policy.ts';
import { type Guarded, guarded, sides } from './side.ts';
import type { Part } from './table.ts';
import type { Viewer, ViewerRole } from './viewer.ts';

interface Statement {
  text: string;
  values: unknown[];
}

/** The policy's parameters, each added to `values` when it is used. */
export function parametersOf(viewer: Viewer, today: string, values: unknown[]): PolicyParameters {
  const bind = (type: string, value: unknown) => `$${values.push(value)}::${type}`;
  // Nobody gives a command, or takes a file away, in an emergency: the instant is asked for in no condition of theirs.
  const now = () => bind('timestamptz', 'infinity');
  return { viewer: (fact) => bind('text', viewer[fact]), today: () => bind('date', today), now };
}

/** A statement that gives the ids, of those in `personIds`, of the people of whom the viewer may see this part, of either side. */
export function visiblePeople(
  viewer: Viewer,
  today: string,
  personIds: string[],
  part: Part = 'IDENTITY',
): Statement {
  const values: unknown[] = [personIds];
  const parameters = parametersOf(viewer, today, values);
  const may = maySeePerson(viewer.role, 'p.id', parameters, part);
  const shares = sharesWith(viewer.role, part, 'p.id', 'EITHER', parameters) ?? 'true';
  return { text: `select p.id from person p where p.id = any($1::uuid[]) and ${may} and ${shares}`, values };
}

/** A statement that gives the parts (`role`) by which the viewer represents a person today. */
export function authorities(viewer: Viewer, today: string, personId: string): Statement {
  const values: unknown[] = [personId];
  return { text: authoritiesOver('$1::uuid', parametersOf(viewer, today, values)), values };
}

/** SQL: the viewer may see this row of the table. */
export function maySeeRow(role: ViewerRole, table: Guarded, row: string, p: PolicyParameters): string {
  const { part, side } = guarded[table];
  const ofSide = side === 'EITHER' ? side : sides[side](row);
  const shares = sharesWith(role, part, `${row}.person_id`, ofSide, p) ?? 'true';
  return `${maySeePerson(role, `${row}.person_id`, p, part)} and ${shares}`;
}

/** A statement that gives the ids, of those in `ids`, of the rows that the viewer may see, as they would by reading. */
export function visibleRows(viewer: Viewer, today: string, table: Guarded, ids: string[]): Statement {
  const values: unknown[] = [ids];
  const parameters = parametersOf(viewer, today, values);
  const may = maySeeRow(viewer.role, table, 't', parameters);
  return { text: `select t.id from ${table} t where t.id = any($1::uuid[]) and ${may}`, values };
}

/** A statement that gives a row if the viewer may see the audit of everything. */
export function oversight(viewer: Viewer): Statement {
  const values: unknown[] = [];
  return { text: `select 1 where ${maySeeOversight(viewer.role, parametersOf(viewer, '', values))}`, values };
}

/** A statement that gives a row if the viewer's organisation still employs them, or they act for none. */
export function employment(viewer: Viewer): Statement {
  const values: unknown[] = [];
  return { text: `select 1 where ${employs(parametersOf(viewer, '', values))}`, values };
}
