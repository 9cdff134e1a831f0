/** Global ids: the prefix of a type and a UUID, such as `per_0199c1d2...`. Opaque to callers. */

const shape = /^([a-z]+)_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

export const idOf = (prefix: string, uuid: string) => `${prefix}_${uuid.replaceAll('-', '')}`;

/** The UUID in an id of this prefix; null where it is anything else, which then looks like something absent. */
export function uuidOf(prefix: string, id: unknown): string | null {
  const [, found, ...parts] = (typeof id === 'string' && shape.exec(id)) || [];
  return found === prefix ? parts.join('-') : null;
}

/** No row's id is before the one or behind the other: where a list in the order of ids begins. */
export const lowestId = '00000000-0000-0000-0000-000000000000';
export const highestId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
