/** The policy's conditions for a command, which asks for a few people by id in its own transaction. */
import { authoritiesOver, maySeePerson, type PolicyParameters } from './policy.ts';
import type { Part } from './table.ts';
import type { Viewer } from './viewer.ts';

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

/** A statement that gives the ids, of those in `personIds`, of the people of whom the viewer may see this part. */
export function visiblePeople(
  viewer: Viewer,
  today: string,
  personIds: string[],
  part: Part = 'IDENTITY',
): Statement {
  const values: unknown[] = [personIds];
  const condition = maySeePerson(viewer.role, 'p.id', parametersOf(viewer, today, values), part);
  return { text: `select p.id from person p where p.id = any($1::uuid[]) and ${condition}`, values };
}

/** A statement that gives the parts (`role`) by which the viewer represents a person today. */
export function authorities(viewer: Viewer, today: string, personId: string): Statement {
  const values: unknown[] = [personId];
  return { text: authoritiesOver('$1::uuid', parametersOf(viewer, today, values)), values };
}
