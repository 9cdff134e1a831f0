/** Follows what happens, and goes on behind the last it has dealt with, whatever broke meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'graphql-sse';
import {
  ChangesDocument,
  type ChangesSubscription,
  FollowBulkDocument,
  type FollowBulkSubscription,
} from './generated.ts';
import type { Hub } from './hub.ts';

export type Change = ChangesSubscription['changes'];
export type BulkFile = FollowBulkSubscription['bulkFile']['file'];

interface FollowOptions {
  /** The id of the last change that was dealt with; null to begin now. */
  after: string | null;
  /** Deals with a change, and keeps its id: the next `after`. */
  onChange: (change: Change) => Promise<void>;
  signal: AbortSignal;
}

const pauseMs = 1_000;

const clientOf = (hub: Hub) =>
  createClient({
    url: `${hub.url}/graphql`,
    headers: async () => ({ authorization: `Bearer ${await hub.token()}` }),
    // By itself it would ask again with the old `after`.
    retryAttempts: 0,
  });

/** Ends where the signal says so. @throws Error where the hub keeps no changes so long ago: read all again */
export async function follow(hub: Hub, { after, onChange, signal }: FollowOptions): Promise<void> {
  const client = clientOf(hub);
  signal.addEventListener('abort', () => client.dispose());
  for (let last = after; !signal.aborted; ) {
    try {
      const events = client.iterate<ChangesSubscription>({
        query: ChangesDocument.toString(),
        variables: { after: last },
      });
      for await (const { data, errors } of events) {
        // The last event: a token that is over, a hub that stops. Each time the same: open it again.
        if (errors !== undefined || data == null) break;
        await onChange(data.changes);
        last = data.changes.id;
      }
    } catch (error) {
      if (statusOf(error) === 410) {
        throw new Error('Changes so long ago are not kept: read the work list again.');
      }
    }
    await pause(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** Follows a bulk file until nobody is at work on it, and gives how it stands then. @throws Error where it is not ours */
export async function followFile(
  hub: Hub,
  id: string,
  onProgress: (file: BulkFile) => void,
): Promise<BulkFile> {
  const client = clientOf(hub);
  let last: FollowBulkSubscription['bulkFile'] | undefined;
  for (;;) {
    try {
      const variables = { id, after: last?.id ?? null };
      const events = client.iterate<FollowBulkSubscription>({
        query: FollowBulkDocument.toString(),
        variables,
      });
      let isBroken = false;
      for await (const { data, errors } of events) {
        isBroken = errors !== undefined || data == null;
        if (data == null) break;
        last = data.bulkFile;
        onProgress(last.file);
      }
      // It is complete: what was told last is how it stands.
      if (!isBroken && last !== undefined) return last.file;
    } catch (error) {
      if (statusOf(error) === 404) throw new Error('There is no such file, or it is not ours.');
    }
    await pause(pauseMs);
  }
}

/** Of the answer that there was instead of a stream. */
const statusOf = (error: unknown): number | undefined =>
  typeof error === 'object' && error !== null && 'response' in error
    ? (error.response as Response).status
    : undefined;
