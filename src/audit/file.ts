/** Accounting for files that somebody takes away. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import { type Audit, correlationIdOf } from './store.ts';

interface Taken {
  audit: Audit;
  now: () => Date;
  req: IncomingMessage;
  res: ServerResponse;
  viewer: Viewer;
  /** What kind of file, as the audit calls it. */
  object: string;
}

/**
 * Notes that a file was asked for, before any of it goes, and gives what was found. Somebody who may not see it and
 * somebody who asks for nothing leave the same trace.
 *
 * @param found null where there is nothing, or nothing of theirs to see
 * @param personIds the people in it
 * @throws Fault NOT_FOUND
 */
export async function accountForFile<Found>(
  { audit, now, req, res, viewer, object }: Taken,
  found: Found | null,
  personIds: (found: Found) => string[],
): Promise<Found> {
  await audit.record({
    at: now(),
    requestId: String(res.getHeader('x-request-id')),
    correlationId: correlationIdOf(req.headers),
    viewer,
    action: 'EXPORT',
    object,
    outcome: found === null ? 'NOTHING' : 'FOUND',
    personIds: found === null ? [] : personIds(found),
  });
  if (found === null) throw new Fault('NOT_FOUND', 'There is no such thing, or it is not yours to see.');
  return found;
}
