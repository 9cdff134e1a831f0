/**
 * For the hot path: single prepared statements, pipelined on a few long-lived connections, so that each costs one round
 * trip and none waits for a free connection. Each statement is a transaction of its own (pg sends a Sync behind each,
 * pipelined or not), so what it sets for its transaction, such as its viewer, is never there for another.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { type Deadline, inTime } from './deadline.ts';
import { Fault } from './fault.ts';

export interface Statement {
  /** Unique for its text: it names the prepared statement. */
  name: string;
  text: string;
  /**
   * The values at these positions, counted from 0, are sent as arrays with an element for each run: what waits at the
   * same time, and has all other values the same, goes as one. It answers with a row for each, in their order. To start
   * a statement costs as much as a person's record does, so that many go much faster together than one by one.
   */
  each?: readonly number[];
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
  names: Set<string>;
  isReady: boolean;
  /** What was sent and is not answered, in its order: the database is at work on the first. */
  sent: Sent[];
  /** Cancels that came too late for the statement they were meant for, and may hit the one behind it. */
  strays: number;
  cancelling: boolean;
}

/** Runs that went as one. */
interface Sent {
  runs: Run[];
  alike: Alike;
  at: number;
  /** A cancel is on its way to it. */
  isCancelled: boolean;
}

interface Run {
  statement: Statement;
  values: unknown[];
  /** Whoever asked no longer waits. */
  isOver: () => boolean;
  tries: number;
  /** Where it was sent, while it is not answered. */
  lane: Lane | null;
  resolve(rows: unknown[][]): void;
  reject(error: unknown): void;
}

/** What must be the same for a run to go with others; of one that goes alone, itself. */
type Alike = string | Run;

/** More in flight on one connection wait behind each other and only lengthen the slowest answers. */
const maxInFlight = 4;
/** So many runs go as one at most. */
const maxTogether = 16;
/**
 * So long may runs that go as one take, as far as can be told: the first of them waits for the last. And as long does a
 * run wait for the same that is under way, to go with those that come meanwhile, unless that are as many as may go.
 */
const togetherMs = 20;
/**
 * The shortest that a run took tells its pace, since a busy process hears late of what was fast; each that takes longer
 * makes it longer by this much at most.
 */
const slowing = 1.2;
/** A connection keeps every statement it prepared; past this many it is replaced, so that odd queries leave no trace. */
const maxPrepared = 500;
const maxWaiting = 2_000;
/** Whoever has gone is given this long before their statement is cancelled: nearly all are done by then. */
const cancelAfterMs = 50;

const settings = [
  // Days go into the answer as PostgreSQL writes them.
  'datestyle=ISO',
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
  /** What is to be sent, in the order in which the first of each came. No Map: see `openDeadlines`. */
  let waiting: { alike: Alike; runs: Run[] }[] = [];
  let waits = 0;
  /** How long a run of a statement takes, in ms, where it may go with others. */
  const paces = new WeakMap<Statement, number>();
  let soon: NodeJS.Immediate | undefined;
  let later: NodeJS.Timeout | undefined;
  let sent = 0;
  let closed = false;

  function openLane(): Lane {
    const client = new pg.Client({ ...config, pipeline: true, options, keepAlive: true });
    const lane: Lane = {
      client,
      ready: client.connect(),
      names: new Set(),
      isReady: false,
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
    lane.ready.then(() => {
      lane.isReady = true;
    }, drop);
    open.push(lane);
    return lane;
  }

  // pg has no way to say so from outside: this reaches for the socket of its connection.
  const socketOf = ({ client }: Lane) =>
    (client as unknown as { connection: { stream: Socket } }).connection.stream;

  /** The lane with the least to do, of those that have room. */
  function freeLane(room: number): Lane | null {
    let best: Lane | null = null;
    for (const lane of open) if (best === null || lane.sent.length < best.sent.length) best = lane;
    if (best !== null && best.sent.length === 0) return best;
    if (open.length < lanes) return openLane();
    return best !== null && best.sent.length < room ? best : null;
  }

  function retireWhenFull(lane: Lane) {
    if (lane.names.size < maxPrepared) return;
    const index = open.indexOf(lane);
    if (index < 0) return;
    open.splice(index, 1);
    // In pipeline mode `end` lets what is already sent be answered first.
    void lane.client.end();
  }

  const nobodyWaits = ({ runs }: Sent) => runs.every(({ isOver }) => isOver());

  /**
   * Ends the statement that the lane is at work on, if whoever asked no longer waits. A cancel names a connection and
   * no statement: should it arrive when the next is at work, that one is sent again.
   */
  async function cancelFirst(lane: Lane): Promise<void> {
    const [first] = lane.sent;
    if (first === undefined || !nobodyWaits(first) || first.isCancelled || lane.cancelling) return;
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
      if (lane.sent[0] !== undefined && nobodyWaits(lane.sent[0])) lookLater(lane);
    }
  }

  const lookLater = (lane: Lane) => void setTimeout(() => void cancelFirst(lane), cancelAfterMs).unref();

  function enqueue(run: Run, alike: Alike) {
    const same = waiting.find((group) => group.alike === alike);
    if (same === undefined) waiting.push({ alike, runs: [run] });
    else same.runs.push(run);
    waits += 1;
    // Once all that comes in this turn of the event loop is there.
    soon ??= setImmediate(dispatch);
  }

  /** Whoever asked no longer waits, and it was not sent. */
  function forget(run: Run) {
    const group = waiting.find(({ runs }) => runs.includes(run));
    if (group === undefined) return;
    group.runs.splice(group.runs.indexOf(run), 1);
    waits -= 1;
    if (group.runs.length === 0) waiting.splice(waiting.indexOf(group), 1);
  }

  /** How long runs still wait for the same that is under way; nothing when they may go. */
  function toWait(alike: Alike): number {
    let newest = -Infinity;
    for (const { sent } of open)
      for (const entry of sent) if (entry.alike === alike) newest = Math.max(newest, entry.at);
    return Math.max(0, newest + togetherMs - performance.now());
  }

  /** Sends what waits, as far as there is room. */
  function dispatch() {
    clearImmediate(soon);
    clearTimeout(later);
    soon = later = undefined;
    const corked = new Set<Socket>();
    const queue = waiting;
    waiting = [];
    for (const group of queue) {
      const { alike, runs } = group;
      const isEach = typeof alike === 'string';
      // What could go together waits for others rather than behind them.
      const lane = freeLane(isEach ? 1 : maxInFlight);
      if (lane === null) {
        waiting.push(group);
        continue;
      }
      const most = isEach ? mostTogether(paces.get(runs[0]!.statement)) : 1;
      const left = isEach && runs.length < most ? toWait(alike) : 0;
      if (left > 0) {
        later ??= setTimeout(dispatch, left);
        waiting.push(group);
        continue;
      }
      // Writing costs more than most of what is written: all of a lane goes out at once.
      const socket = socketOf(lane);
      if (!corked.has(socket)) socket.cork();
      corked.add(socket);
      const together = runs.splice(0, most);
      waits -= together.length;
      void send(lane, together, alike);
      // Behind all others, so that nobody who asks for much keeps them waiting.
      if (runs.length > 0) queue.push(group);
    }
    for (const socket of corked) socket.uncork();
  }

  async function send(lane: Lane, runs: Run[], alike: Alike): Promise<void> {
    const [{ statement, values }] = runs as [Run];
    const { name, text, each } = statement;
    const entry: Sent = { runs, alike, at: performance.now(), isCancelled: false };
    lane.sent.push(entry);
    for (const run of runs) run.lane = lane;
    lane.names.add(name);
    sent += 1;
    let failure: { code?: unknown } | undefined;
    try {
      if (!lane.isReady) {
        await lane.ready;
        entry.at = performance.now();
      }
      const query = {
        name,
        text,
        values: each === undefined ? values : together(each, runs),
        rowMode: 'array' as const,
      };
      // With a callback, because what pg makes for a promise keeps the rows until V8 next collects everything.
      const { rows } = await new Promise<{ rows: unknown[][] }>((resolve, reject) =>
        lane.client.query(query, (error, result) => (error ? reject(error) : resolve(result))),
      );
      if (each === undefined) return runs[0]!.resolve(rows);
      if (rows.length !== runs.length)
        throw new Error(`${runs.length} runs were answered by ${rows.length} rows`);
      for (const [index, run] of runs.entries()) run.resolve([rows[index]!]);
      const pace = (performance.now() - entry.at) / runs.length;
      paces.set(statement, Math.min(pace, (paces.get(statement) ?? pace) * slowing));
    } catch (error) {
      failure = error as { code?: unknown };
    } finally {
      if (entry.isCancelled && failure?.code !== cancelled) lane.strays += 1;
      lane.sent.splice(lane.sent.indexOf(entry), 1);
      if (failure !== undefined) again(lane, runs, failure);
      if (lane.sent[0] !== undefined && nobodyWaits(lane.sent[0])) lookLater(lane);
      retireWhenFull(lane);
      // Before the answers are passed on, so that the database is not left idle meanwhile.
      dispatch();
    }
  }

  /** Sends what failed through no fault of its own once more; the rest hears why it failed. */
  function again(lane: Lane, runs: Run[], failure: { code?: unknown }) {
    // Somebody else's cancel hit it, or hit the one before it, that was to prepare the statement of both.
    const isStray = failure.code === cancelled && lane.strays > 0;
    if (isStray) lane.strays -= 1;
    for (const run of runs) {
      run.tries += 1;
      run.lane = null;
      // Of several that went as one, it may have been any: each is tried alone.
      const isBlameless = isStray || failure.code === notPrepared || runs.length > 1;
      if (run.isOver() || run.tries === maxTries || !isBlameless || closed) run.reject(failure);
      else enqueue(run, run);
    }
  }

  return {
    run(statement, values, deadline) {
      if (closed || waits >= maxWaiting) return Promise.reject(busy());
      const isOver = deadline?.isOver ?? (() => false);
      const run: Run = { statement, values, isOver, tries: 0, lane: null, resolve: ignore, reject: ignore };
      const alike = alikeOf(run);
      const answer = new Promise<unknown[][]>((resolve, reject) => Object.assign(run, { resolve, reject }));
      enqueue(run, alike);
      if (deadline === undefined) return answer;
      return inTime(answer, deadline, () => (run.lane === null ? forget(run) : lookLater(run.lane)));
    },
    sent: () => sent,
    async close() {
      closed = true;
      clearImmediate(soon);
      clearTimeout(later);
      for (const { reject } of waiting.flatMap(({ runs }) => runs)) reject(busy());
      waiting = [];
      await Promise.all(
        open.splice(0).map((lane) => lane.ready.then(() => lane.client.end()).catch(() => {})),
      );
    },
  };
}

const ignore = () => {};

/** The statement, and every value that is not each one's own. */
function alikeOf(run: Run): Alike {
  const { name, each } = run.statement;
  if (each === undefined) return run;
  return JSON.stringify([name, run.values.filter((_, index) => !each.includes(index))]);
}

const mostTogether = (pace = togetherMs) => Math.min(maxTogether, Math.max(1, Math.floor(togetherMs / pace)));

/** The values of runs that go as one. */
function together(each: readonly number[], runs: Run[]): unknown[] {
  const values: unknown[] = [...runs[0]!.values];
  for (const index of each) values[index] = runs.map((run) => run.values[index]);
  return values;
}
