/** Follows what happens, and goes on behind the last change it has dealt with, whatever broke meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'graphql-sse';
import { ChangesDocument, type ChangesSubscription } from './generated.ts';
import type { Hub } from './hub.ts';

export type Change = ChangesSubscription['changes'];

interface FollowOptions {
  /** The id of the last change that was dealt with; null to begin now. */
  after: string | null;
  /** Deals with a change, and keeps its id: the next `after`. */
  onChange: (change: Change) => Promise<void>;
  signal: AbortSignal;
}

const pauseMs = 1_000;

/** Ends where the signal says so. @throws Error where the hub keeps no changes so long ago: read all again */
export async function follow(hub: Hub, { after, onChange, signal }: FollowOptions): Promise<void> {
  const client = createClient({
    url: `${hub.url}/graphql`,
    headers: async () => ({ authorization: `Bearer ${await hub.token()}` }),
    // By itself it would ask again with the old `after`.
    retryAttempts: 0,
  });
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
      if (isGone(error)) throw new Error('Changes so long ago are not kept: read the work list again.');
    }
    await pause(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** The hub answered 410, CHANGE_NOT_KEPT. */
const isGone = (error: unknown) =>
  typeof error === 'object' &&
  error !== null &&
  'response' in error &&
  (error.response as Response).status === 410;
