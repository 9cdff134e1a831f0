/** What every stream is, whatever it tells: who hears it, how much is on its way to them, and how it ends. */
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';

/** What is told, before it is read. */
export interface Event {
  /** The cursor. */
  id: string;
  /** Set when what it is about turned out to be out of sight when it was read: then nothing is told. */
  lost?: true;
}

export interface Stream<One extends Event = Event> {
  viewer: Viewer;
  events(): AsyncGenerator<One>;
  /** Counts what is on its way to the reader: while it is a few, the next waits. */
  sent(): void;
  taken(): void;
  /** Since when, in ms of `Date.now()`, the reader has taken nothing of what waits; null when nothing does. */
  blockedSince(): number | null;
  /** The first reason counts; null where the reader went away, or has all there is to tell. */
  end(reason: Fault | null): void;
  reason(): Fault | null;
  /** Calls back when it ends, or at once if it has. */
  onEnd(call: () => void): void;
  /** @throws Fault when the viewer's token is no longer valid */
  confirm(): Promise<unknown>;
  /** Why the viewer is to hear no more of it; null while they are. */
  lost(): Promise<Fault | null>;
}

/** The part of a stream that does not depend on what it tells. */
export interface Flow extends Pick<Stream, 'sent' | 'taken' | 'blockedSince' | 'end' | 'reason' | 'onEnd'> {
  hasEnded(): boolean;
  /** Something happened that whoever waits for a change is to look at. */
  wake(): void;
  change(): Promise<void>;
  /** Resolves when the reader has taken most of what it was sent. */
  room(): Promise<void>;
}

/** As many may be on their way to the reader. */
const window = 4;

export const tooSlow = () =>
  new Fault('STREAM_TOO_SLOW', 'You take the changes slower than they come. Go on with `after`.', {
    retryable: true,
  });

export const notAnId = () =>
  new Fault('CURSOR_INVALID', '"after" is not the id of a change. Pass the last one you got, unchanged.');

export const noLongerAtWork = () => new Fault('FORBIDDEN', 'Your work for this organisation has ended.');

export function openFlow(): Flow {
  let ended = false;
  let reason: Fault | null = null;
  let onTheWay = 0;
  let blockedSince: number | null = null;
  const waiting = new Set<() => void>();
  const whenEnded: (() => void)[] = [];

  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const change = () => new Promise<void>((resolve) => waiting.add(resolve));

  return {
    sent() {
      onTheWay += 1;
      blockedSince ??= Date.now();
    },
    taken() {
      onTheWay -= 1;
      // It takes, if slowly.
      blockedSince = onTheWay === 0 ? null : Date.now();
      wake();
    },
    blockedSince: () => blockedSince,
    end(why) {
      if (ended) return;
      ended = true;
      reason = why;
      for (const call of whenEnded.splice(0)) call();
      wake();
    },
    reason: () => reason,
    onEnd(call) {
      if (ended) call();
      else whenEnded.push(call);
    },
    hasEnded: () => ended,
    wake,
    change,
    async room() {
      while (onTheWay >= window && !ended) await change();
    },
  };
}
