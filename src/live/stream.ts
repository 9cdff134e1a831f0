/**
 * One viewer's stream of changes. It reads what it missed from the table, then hears what is told to all; when more comes
 * in than it gets through, it goes back to the table. So what it holds is bounded, and nothing is left out.
 */
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import type { Gate } from './gate.ts';
import { type Announced, cursorOf, partOfTopic, peopleOf, type Wanted, wholeRow } from './rules.ts';
import type { Tail } from './tail.ts';

export interface Change {
  /** The cursor. */
  id: string;
  topic: string;
  at: Date;
  personId: string;
  /** Set when the person turned out to be out of sight when they were read: then nothing is told. */
  lost?: true;
}

export interface Stream {
  viewer: Viewer;
  personId: string | null;
  changes(): AsyncGenerator<Change>;
  /** Counts what is on its way to the reader: while it is a few, the next waits. */
  sent(): void;
  taken(): void;
  /** Since when, in ms of `Date.now()`, the reader has taken nothing of what waits; null when nothing does. */
  blockedSince(): number | null;
  /** The first reason counts; null where the reader went away. */
  end(reason: Fault | null): void;
  reason(): Fault | null;
  /** Calls back when it ends, or at once if it has. */
  onEnd(call: () => void): void;
  /** @throws Fault when the viewer's token is no longer valid */
  confirm(): Promise<unknown>;
}

interface StreamTools {
  tail: Tail;
  gate: Gate;
  /** What was announced and is wanted, behind an id. `to` is how far it looked. */
  page(wanted: Wanted, from: number, upTo: number): Promise<{ rows: Announced[]; to: number }>;
  confirm: Stream['confirm'];
  /** Rows that may wait, and that a reader may take nothing of. */
  maxQueued: number;
}

/** As many may be on their way to the reader. */
const window = 4;
/** Who takes nothing for so long is not just busy with what came at once. */
const patienceMs = 1_000;
/** An answer of the gate older than this is asked again. */
const staleMs = 1_000;

export const tooSlow = () =>
  new Fault('STREAM_TOO_SLOW', 'You take the changes slower than they come. Go on with `after`.', {
    retryable: true,
  });

export function openStream(viewer: Viewer, wanted: Wanted, tools: StreamTools): Stream {
  const { tail, gate, page, confirm, maxQueued } = tools;
  const queue: Announced[] = [];
  /** All rows up to this id are dealt with, or in the queue. Of the one to go on behind there may be more people. */
  let at = wanted.after.index === wholeRow ? wanted.after.id : wanted.after.id - 1;
  /** It hears what is told to all; else it reads what was told from the table. */
  let isLive = false;
  let ended = false;
  let reason: Fault | null = null;
  let onTheWay = 0;
  let blockedSince: number | null = null;
  /** Rows that came while the reader took nothing. */
  let missed = 0;
  const waiting = new Set<() => void>();
  const whenEnded: (() => void)[] = [];

  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const change = () => new Promise<void>((resolve) => waiting.add(resolve));

  function end(why: Fault | null) {
    if (ended) return;
    ended = true;
    reason = why;
    leave();
    queue.length = 0;
    wake();
    for (const call of whenEnded.splice(0)) call();
  }

  const leave = tail.listen((row) => {
    if (peopleOf(row, wanted).length === 0) return;
    if (blockedSince !== null) {
      missed += 1;
      if (missed >= maxQueued && Date.now() - blockedSince > patienceMs) return end(tooSlow());
    }
    if (!isLive) return;
    if (queue.length < maxQueued) {
      queue.push(row);
      return wake();
    }
    // It is only busy: what it was told too early it will find in the table.
    isLive = false;
    at = queue[0]!.id - 1;
    queue.length = 0;
  });

  async function next(): Promise<Announced | null> {
    while (!ended) {
      const row = queue.shift();
      if (row !== undefined) return row;
      if (isLive) {
        await change();
      } else if (at >= tail.position()) {
        isLive = true;
      } else {
        const { rows, to } = await page(wanted, at, tail.position());
        queue.push(...rows);
        at = to;
      }
    }
    return null;
  }

  /** Waits until the reader has taken most of what it was sent. */
  async function room(): Promise<void> {
    while (onTheWay >= window && !ended) await change();
  }

  async function visible<Row extends { personId: string }>(topic: string, people: Row[]): Promise<Row[]> {
    await confirm();
    const part = partOfTopic(topic);
    const answers = await Promise.all(people.map(({ personId }) => gate.maySee(viewer, personId, part)));
    return people.filter((_, index) => answers[index]);
  }

  async function* changes(): AsyncGenerator<Change> {
    for (let row = await next(); row !== null; row = await next()) {
      const { id, topic, at: instant } = row;
      await room();
      let people = await visible(topic, peopleOf(row, wanted));
      let askedAt = Date.now();
      while (people.length > 0 && !ended) {
        const [{ index, personId }, ...rest] = people as [{ index: number; personId: string }];
        yield { id: cursorOf({ id, index }), topic, at: instant, personId };
        people = rest;
        await room();
        if (Date.now() - askedAt < staleMs) continue;
        people = await visible(topic, people);
        askedAt = Date.now();
      }
    }
  }

  return {
    viewer,
    personId: wanted.personId,
    changes,
    sent() {
      onTheWay += 1;
      blockedSince ??= Date.now();
    },
    taken() {
      onTheWay -= 1;
      // It takes, if slowly.
      blockedSince = onTheWay === 0 ? null : Date.now();
      missed = 0;
      wake();
    },
    blockedSince: () => blockedSince,
    end,
    reason: () => reason,
    onEnd(call) {
      if (ended) call();
      else whenEnded.push(call);
    },
    confirm,
  };
}
