/**
 * The account of who read and changed what. A change is recorded in its own transaction (`eventsStatement`); reads are
 * written together, many requests in one insert, and each answer waits until its own is durable.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import type { Pipeline } from '../platform/pipeline.ts';

/** Whoever did it. What is not known of them is left out. */
export interface Actor
  extends Pick<Viewer, 'subject' | 'organisation'>,
    Partial<Pick<Viewer, 'name' | 'client' | 'purpose'>> {
  role: Viewer['role'] | 'SYSTEM';
}

/** The hub itself, in what it does unasked. */
export const system: Actor = { subject: 'system', role: 'SYSTEM', organisation: null };

export interface AuditEvent {
  at: Date;
  requestId: string;
  /** What the caller calls several requests that belong together. */
  correlationId: string | null;
  viewer: Actor;
  action: 'READ' | 'CHANGE' | 'EXPORT' | 'DENY' | 'JOB' | 'BREAK_GLASS';
  /** What was asked for, such as `person,caseload`, or the command, or the job. Never a value of the request. */
  object: string;
  /** Of a read: the types of which something was shown, such as `Person,Plan`. Never a value. */
  parts?: string;
  outcome: 'FOUND' | 'NOTHING' | 'DONE' | 'REFUSED' | 'FAILED';
  /** Why, in the words of whoever did it, where they were asked. */
  reason?: string;
  /** The people whose records were touched. */
  personIds: string[];
}

export interface Audit {
  /** Resolves once the event is durable. Fails with a retryable Fault when it cannot be. */
  record(event: AuditEvent): Promise<void>;
}

/** Past this many waiting, reading is refused rather than unaudited. */
const maxWaiting = 10_000;

const columns = {
  at: 'timestamptz',
  request_id: 'uuid',
  correlation_id: 'uuid',
  subject: 'text',
  name: 'text',
  role: 'text',
  organisation: 'text',
  client: 'text',
  purpose: 'text',
  action: 'text',
  object: 'text',
  parts: 'text',
  outcome: 'text',
  reason: 'text',
  person_ids: 'uuid[]',
};
const names = Object.keys(columns).join(', ');
const typed = Object.entries(columns).map(([name, type]) => `${name} ${type}`);

const insert = `insert into audit_event (${names})
  select ${names} from json_to_recordset($1::json) as e(${typed.join(', ')})`;

/** The statement that inserts events, and its one parameter: for a command's own transaction, or the batch of reads. */
export function eventsStatement(events: AuditEvent[]): { text: string; values: [string] } {
  const rows = events.map((event) => ({
    at: event.at,
    request_id: event.requestId,
    correlation_id: event.correlationId ?? undefined,
    subject: event.viewer.subject,
    name: event.viewer.name ?? undefined,
    role: event.viewer.role,
    organisation: event.viewer.organisation,
    client: event.viewer.client ?? undefined,
    purpose: event.viewer.purpose,
    action: event.action,
    object: event.object,
    parts: event.parts,
    outcome: event.outcome,
    reason: event.reason,
    person_ids: event.personIds,
  }));
  return { text: insert, values: [JSON.stringify(rows)] };
}

/**
 * SQL: inserts the event of what a job did, within the statement that does it; none where it touched nobody's record.
 * `object`, `personIds` (an array) and `requestId` are SQL too.
 */
export const jobEvent = (object: string, personIds: string, requestId = 'gen_random_uuid()'): string => `
  insert into audit_event (at, request_id, subject, role, action, object, outcome, person_ids)
  select now(), ${requestId}, '${system.subject}', '${system.role}', 'JOB', ${object}, 'DONE', touched
    from (select ${personIds} as touched) job where cardinality(touched) > 0`;

/** The event of a job that ran, whether it found anything to do or not. */
export const jobRan = (object: string, at: Date, outcome: 'DONE' | 'FAILED' = 'DONE') =>
  eventsStatement([
    {
      at,
      requestId: randomUUID(),
      correlationId: null,
      viewer: system,
      action: 'JOB',
      object,
      outcome,
      personIds: [],
    },
  ]);

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** The caller's own id for what several requests belong to: the header `x-correlation-id`, where it is a UUID. */
export function correlationIdOf(headers: IncomingHttpHeaders): string | null {
  const given = headers['x-correlation-id'];
  return typeof given === 'string' && uuid.test(given) ? given : null;
}

/** Batches by itself: whatever arrives in one turn of the event loop, or while one insert is on its way, goes into the next. */
export function openAudit(recorder: Pipeline): Audit {
  let waiting: { event: AuditEvent; done: () => void; failed: (error: unknown) => void }[] = [];
  let writing = false;

  async function drain() {
    writing = true;
    while (waiting.length > 0) {
      await nextTurn();
      const batch = waiting;
      waiting = [];
      try {
        const { text, values } = eventsStatement(batch.map(({ event }) => event));
        await recorder.run({ name: 'audit-events', text }, values);
        for (const { done } of batch) done();
      } catch (cause) {
        const fault = new Fault(
          'AUDIT_UNAVAILABLE',
          'The record of this access cannot be kept now, so nothing is shown.',
          {
            retryable: true,
            cause,
          },
        );
        for (const { failed } of batch) failed(fault);
      }
    }
    writing = false;
  }

  return {
    record(event) {
      if (waiting.length >= maxWaiting) {
        return Promise.reject(
          new Fault('AUDIT_UNAVAILABLE', 'Too many accesses wait to be recorded.', { retryable: true }),
        );
      }
      return new Promise((done, failed) => {
        waiting.push({ event, done, failed });
        if (!writing) void drain();
      });
    },
  };
}
