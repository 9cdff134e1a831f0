/** The policy's conditions for a command, which asks for a few people by id in its own transaction. */
import { authoritiesOver, employs, maySeePerson, type PolicyParameters, sharesWith } from './policy.ts';
import { type Guarded, guarded, sides } from './side.ts';
import type { Part } from './table.ts';
import type { Viewer } from './viewer.ts';

interface Statement {
  text: string;
  values: unknown[];
}

function asked(viewer: Viewer, today: string, personIds: string[]): [PolicyParameters, unknown[]] {
  const values: unknown[] = [personIds];
  const bind = (type: string, value: unknown) => `$${values.push(value)}::${type}`;
  // Nobody gives a command, or takes a file away, in an emergency: the instant is asked for in no condition of theirs.
  const now = () => bind('timestamptz', 'infinity');
  return [{ viewer: (fact) => bind('text', viewer[fact]), today: () => bind('date', today), now }, values];
}

/** A statement that gives the ids, of those in `personIds`, of the people of whom the viewer may see this part, of either side. */
export function visiblePeople(
  viewer: Viewer,
  today: string,
  personIds: string[],
  part: Part = 'IDENTITY',
): Statement {
  const [parameters, values] = asked(viewer, today, personIds);
  const may = maySeePerson(viewer.role, 'p.id', parameters, part);
  const shares = sharesWith(viewer.role, part, 'p.id', 'EITHER', parameters) ?? 'true';
  return { text: `select p.id from person p where p.id = any($1::uuid[]) and ${may} and ${shares}`, values };
}

/** A statement that gives the parts (`role`) by which the viewer represents a person today. */
export function authorities(viewer: Viewer, today: string, personId: string): Statement {
  const [parameters, values] = asked(viewer, today, [personId]);
  return { text: authoritiesOver('($1::uuid[])[1]', parameters), values };
}

/** A statement that gives the ids, of those in `ids`, of the rows that the viewer may see, as they would by reading. */
export function visibleRows(viewer: Viewer, today: string, table: Guarded, ids: string[]): Statement {
  const [parameters, values] = asked(viewer, today, ids);
  const { part, side } = guarded[table];
  const may = maySeePerson(viewer.role, 't.person_id', parameters, part);
  const ofSide = side === 'EITHER' ? side : sides[side]('t');
  const shares = sharesWith(viewer.role, part, 't.person_id', ofSide, parameters) ?? 'true';
  return {
    text: `select t.id from ${table} t where t.id = any($1::uuid[]) and ${may} and ${shares}`,
    values,
  };
}

/** A statement that gives a row if the viewer's organisation still employs them, or they act for none. */
export function employment(viewer: Viewer): Statement {
  const values: unknown[] = [];
  const text = (value: string | null) => `$${values.push(value)}::text`;
  const never = () => 'null';
  const condition = employs({ viewer: (fact) => text(viewer[fact]), today: never, now: never });
  return { text: `select 1 where ${condition}`, values };
}
