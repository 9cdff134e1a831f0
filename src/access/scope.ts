/** The policy's conditions for a command, which asks for a few people by id in its own transaction. */
import { maySeePerson, type PolicyParameters } from './policy.ts';
import type { Viewer } from './viewer.ts';

/** A statement that gives the ids, of those in `personIds`, of the people the viewer may see. */
export function visiblePeople(
  viewer: Viewer,
  today: string,
  personIds: string[],
): { text: string; values: unknown[] } {
  const values: unknown[] = [personIds];
  const bind = (type: string, value: unknown) => `$${values.push(value)}::${type}`;
  const parameters: PolicyParameters = {
    viewer: (fact) => bind('text', viewer[fact]),
    today: () => bind('date', today),
  };
  const condition = maySeePerson(viewer.role, 'p.id', parameters);
  return { text: `select p.id from person p where p.id = any($1::uuid[]) and ${condition}`, values };
}
