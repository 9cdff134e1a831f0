/** Cursors: the sort keys of a row, as base64 of a JSON array of texts. Opaque to callers. */
import { Fault } from '../platform/fault.ts';

/** SQL of the cursor of a row with these sort keys. */
export const cursorSql = (keys: string[]) =>
  `translate(encode(convert_to(json_build_array(${keys.map((k) => `${k}::text`).join(', ')})::text, 'UTF8'), 'base64'), E'\\n', '')`;

/** The sort keys in a cursor; null where there is no cursor. */
export function afterOf(cursor: unknown, keys: number): string[] | null {
  if (cursor === undefined || cursor === null) return null;
  try {
    const values: unknown = JSON.parse(Buffer.from(String(cursor), 'base64').toString('utf8'));
    if (Array.isArray(values) && values.length === keys && values.every((v) => typeof v === 'string'))
      return values;
  } catch {
    // Not one of ours: told below.
  }
  throw new Fault(
    'CURSOR_INVALID',
    '"after" is not a cursor of this list. Pass the endCursor of the page before, unchanged.',
  );
}
