/**
 * For the hot path: single prepared statements, pipelined on a few long-lived connections, so that each costs one round
 * trip and none waits for a free connection. Each statement is a transaction of its own (pg sends a Sync behind each,
 * pipelined or not), so what it sets for its transaction, such as its viewer, is never there for another.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { Fault } from './fault.ts';

export interface Statement {
  /** Unique for its text: it names the prepared statement. */
  name: string;
  text: string;
}

export interface Pipeline {
  /** The rows as arrays, in the order of the select list. */
  run(statement: Statement, values: unknown[]): Promise<unknown[][]>;
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
}

/** More in flight on one connection wait behind each other and only lengthen the slowest answers. */
const maxInFlight = 4;
/** A connection keeps every statement it prepared; past this many it is replaced, so that odd queries leave no trace. */
const maxPrepared = 500;
const maxWaiting = 2_000;

const settings = [
  'statement_timeout=10s',
  // A cached plan is worth more than a perfect one: planning a record anew takes longer than running it.
  'plan_cache_mode=force_generic_plan',
  // Every statement here reads a few rows by index. What pays off for many rows only costs its start, and a bitmap
  // reads all transfers of a budget where the index has the last ten at its front.
  'jit=off',
  'enable_bitmapscan=off',
  'enable_hashjoin=off',
  'enable_incremental_sort=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

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
    const lane: Lane = { client, ready: client.connect(), inFlight: 0, names: new Set(), held: false };
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

  return {
    async run(statement, values) {
      let lane = freeLane();
      while (lane === null) {
        if (waiting.length >= maxWaiting) throw busy();
        await new Promise<void>((resolve) => waiting.push(resolve));
        lane = freeLane();
      }
      if (closed) throw busy();
      lane.inFlight += 1;
      lane.names.add(statement.name);
      sent += 1;
      try {
        await lane.ready;
        holdWrites(lane);
        const { rows } = await lane.client.query<unknown[]>({ ...statement, values, rowMode: 'array' });
        return rows;
      } finally {
        lane.inFlight -= 1;
        retireWhenFull(lane);
        waiting.shift()?.();
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
