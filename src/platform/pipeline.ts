/**
 * For the hot path: single prepared statements, pipelined on a few long-lived connections, so that each costs one round
 * trip and none waits for a free connection. Each statement is a transaction of its own (pg sends a Sync behind each,
 * pipelined or not), so what it sets for its transaction, such as its viewer, is never there for another.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { type Deadline, inTime, tooLate } from './deadline.ts';
import { Fault } from './fault.ts';

export interface Statement {
  /** Unique for its text: it names the prepared statement. */
  name: string;
  text: string;
}

export interface Pipeline {
  /**
   * The rows as arrays, in the order of the select list. When the deadline passes it fails at once with DEADLINE, and
   * the statement is cancelled in the database.
   */
  run(statement: Statement, values: unknown[], deadline?: Deadline): Promise<unknown[][]>;
  /** Statements sent since the start. */
  sent(): number;
  close(): Promise<void>;
}

interface Lane {
  client: pg.Client;
  ready: Promise<unknown>;
  inFlight: number;
  names: Set<string>;
  /** What is sent in one turn of the event loop goes out in one write: writing costs more than most of what is written. */
  held: boolean;
  /** What was sent and is not answered, in its order: the database is at work on the first. */
  sent: Sent[];
  /** Cancels that came too late for the statement they were meant for, and may hit the one behind it. */
  strays: number;
  cancelling: boolean;
}

interface Sent {
  /** Whoever asked no longer waits. */
  isOver: () => boolean;
  /** A cancel is on its way to it. */
  isCancelled: boolean;
}

/** More in flight on one connection wait behind each other and only lengthen the slowest answers. */
const maxInFlight = 4;
/** A connection keeps every statement it prepared; past this many it is replaced, so that odd queries leave no trace. */
const maxPrepared = 500;
const maxWaiting = 2_000;
/** Whoever has gone is given this long before their statement is cancelled: nearly all are done by then. */
const cancelAfterMs = 50;

const settings = [
  'statement_timeout=10s',
  // A cached plan is worth more than a perfect one: planning a record anew takes longer than running it.
  'plan_cache_mode=force_generic_plan',
  // Every statement here reads a few rows by index. What pays off for many rows only costs its start, and a bitmap
  // reads all transfers of a budget where the index has the last ten at its front.
  'jit=off',
  'enable_bitmapscan=off',
  'enable_hashjoin=off',
  // A plan that is made while a table is small, and kept, would still read all of it when it is large.
  'enable_seqscan=off',
  'enable_incremental_sort=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

const cancelled = '57014';
const notPrepared = '26000';
/** So often is a statement sent again that somebody else's cancel hit. */
const maxTries = 4;

const busy = () => new Fault('BUSY', 'Too many requests at once. Try again.', { retryable: true });

export function openPipeline(
  config: pg.ClientConfig,
  { lanes, readOnly }: { lanes: number; readOnly: boolean },
): Pipeline {
  const options = `${config.options ?? ''} ${settings} -c default_transaction_read_only=${readOnly ? 'on' : 'off'}`;
  const open: Lane[] = [];
  const waiting: (() => void)[] = [];
  let sent = 0;
  let closed = false;

  function openLane(): Lane {
    const client = new pg.Client({ ...config, pipeline: true, options, keepAlive: true });
    const lane: Lane = {
      client,
      ready: client.connect(),
      inFlight: 0,
      names: new Set(),
      held: false,
      sent: [],
      strays: 0,
      cancelling: false,
    };
    const drop = () => {
      const index = open.indexOf(lane);
      if (index >= 0) open.splice(index, 1);
    };
    client.on('error', drop);
    client.on('end', drop);
    lane.ready.catch(drop);
    open.push(lane);
    return lane;
  }

  // pg has no way to say so from outside: this reaches for the socket of its connection.
  function holdWrites(lane: Lane) {
    if (lane.held) return;
    const { stream } = (lane.client as unknown as { connection: { stream: Socket } }).connection;
    lane.held = true;
    stream.cork();
    setImmediate(() => {
      lane.held = false;
      stream.uncork();
    });
  }

  function freeLane(): Lane | null {
    let best: Lane | null = null;
    for (const lane of open) if (best === null || lane.inFlight < best.inFlight) best = lane;
    if (best !== null && best.inFlight === 0) return best;
    if (open.length < lanes) return openLane();
    return best !== null && best.inFlight < maxInFlight ? best : null;
  }

  function retireWhenFull(lane: Lane) {
    if (lane.names.size < maxPrepared) return;
    const index = open.indexOf(lane);
    if (index < 0) return;
    open.splice(index, 1);
    // In pipeline mode `end` lets what is already sent be answered first.
    void lane.client.end();
  }

  /**
   * Ends the statement that the lane is at work on, if whoever asked no longer waits. A cancel names a connection and
   * no statement: should it arrive when the next is at work, that one is sent again.
   */
  async function cancelFirst(lane: Lane): Promise<void> {
    const [first] = lane.sent;
    if (first === undefined || !first.isOver() || first.isCancelled || lane.cancelling) return;
    lane.cancelling = true;
    // As the login itself: the roles that the hub takes may not cancel what a connection of the login is at.
    const other = new pg.Client({ ...config, options: undefined });
    try {
      await other.connect();
      const { processID } = lane.client as unknown as { processID: number };
      if (lane.sent[0] !== first) return;
      first.isCancelled = true;
      await other.query('select pg_cancel_backend($1)', [processID]);
    } catch {
      // Its own timeout ends it.
    } finally {
      lane.cancelling = false;
      await other.end().catch(() => {});
      if (lane.sent[0]?.isOver()) lookLater(lane);
    }
  }

  const lookLater = (lane: Lane) => void setTimeout(() => void cancelFirst(lane), cancelAfterMs).unref();

  /** Sends it, and gives the answer. */
  async function send(lane: Lane, statement: Statement, values: unknown[], isOver: () => boolean) {
    const entry: Sent = { isOver, isCancelled: false };
    let failure: { code?: unknown } | undefined;
    lane.inFlight += 1;
    lane.names.add(statement.name);
    sent += 1;
    try {
      await lane.ready;
      holdWrites(lane);
      lane.sent.push(entry);
      const { rows } = await lane.client.query<unknown[]>({ ...statement, values, rowMode: 'array' });
      return rows;
    } catch (error) {
      failure = error as { code?: unknown };
      throw error;
    } finally {
      if (entry.isCancelled && failure?.code !== cancelled) lane.strays += 1;
      const index = lane.sent.indexOf(entry);
      if (index >= 0) lane.sent.splice(index, 1);
      if (lane.sent[0]?.isOver()) lookLater(lane);
      lane.inFlight -= 1;
      retireWhenFull(lane);
      waiting.shift()?.();
    }
  }

  /** Waits for a lane with room. */
  async function nextLane(deadline: Deadline | undefined): Promise<Lane> {
    for (;;) {
      if (waiting.length >= maxWaiting) throw busy();
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        deadline?.whenOver(() => {
          const index = waiting.indexOf(resolve);
          if (index >= 0) waiting.splice(index, 1);
          resolve();
        });
      });
      if (deadline?.isOver()) {
        // It may have been woken for a place that it no longer wants.
        waiting.shift()?.();
        throw tooLate();
      }
      const lane = freeLane();
      if (lane !== null) return lane;
    }
  }

  return {
    async run(statement, values, deadline) {
      const isOver = deadline?.isOver ?? (() => false);
      for (let tries = 1; ; tries++) {
        const lane = freeLane() ?? (await nextLane(deadline));
        if (closed) throw busy();
        const answer = send(lane, statement, values, isOver);
        try {
          return await (deadline === undefined ? answer : inTime(answer, deadline, () => lookLater(lane)));
        } catch (error) {
          const { code } = error as { code?: unknown };
          if (isOver() || tries === maxTries) throw error;
          // Somebody else's cancel hit it, or hit the one before it, that was to prepare the statement of both.
          if (code === cancelled && lane.strays > 0) lane.strays -= 1;
          else if (code !== notPrepared) throw error;
        }
      }
    },
    sent: () => sent,
    async close() {
      closed = true;
      for (const wake of waiting.splice(0)) wake();
      await Promise.all(
        open.splice(0).map((lane) => lane.ready.then(() => lane.client.end()).catch(() => {})),
      );
    },
  };
}
