/**
 * One viewer's stream of changes. It reads what it missed from the table, then hears what is told to all; when more comes
 * in than it gets through, it goes back to the table. So what it holds is bounded, and nothing is left out.
 */
import type { Viewer } from '../access/viewer.ts';
import { type Event, openFlow, type Stream, tooSlow } from './flow.ts';
import type { Gate } from './gate.ts';
import { type Announced, cursorOf, partOfTopic, peopleOf, type Wanted, wholeRow } from './rules.ts';
import type { Tail } from './tail.ts';

export interface Change extends Event {
  topic: string;
  at: Date;
  personId: string;
}

interface StreamTools extends Pick<Stream, 'confirm' | 'lost'> {
  tail: Tail;
  gate: Gate;
  /** What was announced and is wanted, behind an id. `to` is how far it looked. */
  page(wanted: Wanted, from: number, upTo: number): Promise<{ rows: Announced[]; to: number }>;
  /** Rows that may wait, and that a reader may take nothing of. */
  maxQueued: number;
}

/** Who takes nothing for so long is not just busy with what came at once. */
const patienceMs = 1_000;
/** An answer of the gate older than this is asked again. */
const staleMs = 1_000;

export function openStream(viewer: Viewer, wanted: Wanted, tools: StreamTools): Stream<Change> {
  const { tail, gate, page, confirm, lost, maxQueued } = tools;
  const flow = openFlow();
  const queue: Announced[] = [];
  /** All rows up to this id are dealt with, or in the queue. Of the one to go on behind there may be more people. */
  let at = wanted.after.index === wholeRow ? wanted.after.id : wanted.after.id - 1;
  /** It hears what is told to all; else it reads what was told from the table. */
  let isLive = false;
  /** Rows that came while the reader took nothing. */
  let missed = 0;

  const leave = tail.listen((row) => {
    if (peopleOf(row, wanted).length === 0) return;
    const since = flow.blockedSince();
    if (since !== null) {
      missed += 1;
      if (missed >= maxQueued && Date.now() - since > patienceMs) return flow.end(tooSlow());
    }
    if (!isLive) return;
    if (queue.length < maxQueued) {
      queue.push(row);
      return flow.wake();
    }
    // It is only busy: what it was told too early it will find in the table.
    isLive = false;
    at = queue[0]!.id - 1;
    queue.length = 0;
  });
  flow.onEnd(() => {
    leave();
    queue.length = 0;
  });

  async function next(): Promise<Announced | null> {
    while (!flow.hasEnded()) {
      const row = queue.shift();
      if (row !== undefined) return row;
      if (isLive) {
        await flow.change();
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

  async function visible<Row extends { personId: string }>(topic: string, people: Row[]): Promise<Row[]> {
    await confirm();
    const part = partOfTopic(topic);
    const answers = await Promise.all(people.map(({ personId }) => gate.maySee(viewer, personId, part)));
    return people.filter((_, index) => answers[index]);
  }

  async function* events(): AsyncGenerator<Change> {
    for (let row = await next(); row !== null; row = await next()) {
      const { id, topic, at: instant } = row;
      await flow.room();
      let people = await visible(topic, peopleOf(row, wanted));
      let askedAt = Date.now();
      while (people.length > 0 && !flow.hasEnded()) {
        const [{ index, personId }, ...rest] = people as [{ index: number; personId: string }];
        yield { id: cursorOf({ id, index }), topic, at: instant, personId };
        people = rest;
        await flow.room();
        if (Date.now() - askedAt < staleMs) continue;
        people = await visible(topic, people);
        askedAt = Date.now();
      }
    }
  }

  return {
    ...flow,
    viewer,
    events,
    taken() {
      missed = 0;
      flow.taken();
    },
    confirm,
    lost,
  };
}
