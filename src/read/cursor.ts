/**
 * Cursors: the sort keys of a row, as base64 of a signature and a JSON array of texts. Opaque to callers, and good for
 * one viewer in one list: what was made for another is refused like what was never made here.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Fault } from '../platform/fault.ts';

const signatureBytes = 16;

/** The key of the cursors of one viewer in one list, such as `Budget.transfers`. */
export type CursorKeys = (subject: string, list: string) => Buffer;

/** Processes of the same secret take one another's cursors. */
export const cursorKeys =
  (secret: Buffer = randomBytes(32)): CursorKeys =>
  (subject, list) =>
    createHmac('sha256', secret)
      .update(JSON.stringify([subject, list]))
      .digest();

/** SQL: what of a row a cursor holds, as bytes. */
export const cursorKeysSql = (keys: string[]) =>
  `convert_to(json_build_array(${keys.map((k) => `${k}::text`).join(', ')})::text, 'UTF8')`;

/**
 * SQL: the cursor that holds these bytes. Two hashes, one around the other, for PostgreSQL has HMAC only as an
 * extension; nobody can go on from the inner one, which is never told.
 */
export const cursorSql = (held: string, key: string) =>
  `translate(encode(substr(sha256(${key} || sha256(${key} || ${held})), 1, ${signatureBytes}) || ${held}, 'base64'), E'\\n', '')`;

function signatureOf(held: Buffer, key: Buffer): Buffer {
  const inner = createHash('sha256').update(key).update(held).digest();
  return createHash('sha256').update(key).update(inner).digest().subarray(0, signatureBytes);
}

/** The sort keys in a cursor; null where there is no cursor, and then no key is made. @throws Fault CURSOR_INVALID */
export function afterOf(cursor: unknown, keys: number, key: () => Buffer): string[] | null {
  if (cursor === undefined || cursor === null) return null;
  const bytes = Buffer.from(String(cursor), 'base64');
  const held = bytes.subarray(signatureBytes);
  const isOurs =
    bytes.length > signatureBytes &&
    timingSafeEqual(bytes.subarray(0, signatureBytes), signatureOf(held, key()));
  const values: unknown = isOurs ? JSON.parse(held.toString('utf8')) : null;
  if (Array.isArray(values) && values.length === keys) return values;
  throw new Fault(
    'CURSOR_INVALID',
    '"after" is not a cursor of this list. Pass the endCursor of the page before, unchanged.',
  );
}
