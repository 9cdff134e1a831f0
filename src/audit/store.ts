/**
 * The account of who read and changed what. A change is recorded in its own transaction (`eventsStatement`); reads are
 * written together, many requests in one insert, and each answer waits until its own is durable.
 */
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import type { Pipeline } from '../platform/pipeline.ts';

export interface AuditEvent {
  at: Date;
  requestId: string;
  viewer: Pick<Viewer, 'subject' | 'role' | 'organisation'>;
  action: 'READ' | 'CHANGE' | 'EXPORT';
  /** What was asked for, such as `person,caseload`, or the command. Never a value of the request. */
  object: string;
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

const insert = `
  insert into audit_event (at, request_id, subject, role, organisation, action, object, outcome, reason, person_ids)
  select at, request_id, subject, role, organisation, action, object, outcome, reason, person_ids
    from json_to_recordset($1::json) as e(at timestamptz, request_id uuid, subject text, role text, organisation text,
      action text, object text, outcome text, reason text, person_ids uuid[])`;

/** The statement that inserts events, and its one parameter: for a command's own transaction, or the batch of reads. */
export function eventsStatement(events: AuditEvent[]): { text: string; values: [string] } {
  const rows = events.map(({ viewer, requestId, personIds, ...rest }) => ({
    ...rest,
    request_id: requestId,
    subject: viewer.subject,
    role: viewer.role,
    organisation: viewer.organisation,
    person_ids: personIds,
  }));
  return { text: insert, values: [JSON.stringify(rows)] };
}

/** Batches by itself: whatever arrives while one insert is on its way goes into the next. */
export function openAudit(recorder: Pipeline): Audit {
  let waiting: { event: AuditEvent; done: () => void; failed: (error: unknown) => void }[] = [];
  let writing = false;

  async function drain() {
    writing = true;
    while (waiting.length > 0) {
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
