/**
 * What of the audit is sealed, and how. An event's digest is made of its own row alone, by the program and never by a
 * function that stands in the database it is to be proof against.
 */
import { createHash } from 'node:crypto';

/** An instant as text, the same whatever the session's settings. */
const instant = (column: string) =>
  `to_char(e.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/**
 * SQL: the text of the event `e` that its digest is made of: every column there is. What is null is left out, so that a
 * column which a later version adds leaves the texts of earlier events as they were.
 */
export const canonical = `json_strip_nulls(json_build_object(
  'id', e.id, 'at', ${instant('at')}, 'requestId', e.request_id, 'correlationId', e.correlation_id,
  'subject', e.subject, 'name', e.name, 'role', e.role, 'organisation', e.organisation, 'client', e.client,
  'purpose', e.purpose, 'action', e.action, 'object', e.object, 'parts', e.parts, 'outcome', e.outcome,
  'reason', e.reason, 'personIds', e.person_ids, 'recordedAt', ${instant('recorded_at')}))::text`;

/**
 * SQL: the events `e` whose ids are in the multirange `ids`. The order and the limit, which is beyond what a seal holds,
 * tell the planner to go by the ids: of a range it takes for granted that much of the table is in it.
 */
export const eventsIn = (ids: string): string => `
  unnest(${ids}) r cross join lateral (
    select * from audit_event where id >= lower(r) and id < upper(r) order by id limit 100000) e`;

/** In bytes. */
export const digestLength = 32;

export const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A link of the chain. Ids are in the text of PostgreSQL's own multiranges, such as `{[1,5),[7,8)}`. */
export interface Seal {
  number: bigint;
  at: Date;
  events: string;
  digests: Buffer;
  top: bigint;
  awaited: string;
  horizon: bigint;
}

/** What stands in for the hash before the first. */
export const beginning = Buffer.alloc(digestLength);

export const hashOf = (previous: Buffer, seal: Seal): Buffer => {
  const { number, at, events, digests, top, awaited, horizon } = seal;
  return createHash('sha256')
    .update(previous)
    .update(JSON.stringify([`${number}`, at.toISOString(), events, `${top}`, awaited, `${horizon}`]))
    .update(digests)
    .digest();
};
