/**
 * Follows the outbox: every committed row once, in the order of their ids, to all streams of this process.
 *
 * An id is drawn before its transaction commits, so a row may appear behind one with a higher id. What comes after an id
 * that is missing therefore waits until whoever might hold that id has committed or rolled back: every transaction that
 * writes to the outbox holds a lock on it, from before the id is drawn until its end.
 */
import pg from 'pg';
import { asRole } from '../platform/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Log } from '../platform/log.ts';
import type { Announced } from './rules.ts';

export interface Tail {
  /** Resolves once it follows; does nothing where it does already. Whatever is announced from then on will be told. */
  start(): Promise<void>;
  /** All rows up to this id have been told. */
  position(): number;
  /** Resolves when what was committed before has been told, so far as nothing holds it up. */
  catchUp(): Promise<void>;
  /** Gives the function that ends it. */
  listen(hear: (row: Announced) => void): () => void;
  close(): Promise<void>;
}

/** Rows read at a time. */
const batch = 1_000;
/** A missing id is looked after this soon, then half as often each time, up to the longest. */
const lookAgainMs = 10;
const lookAgainMsMax = 200;
const reconnectMs = 50;
const reconnectMsMax = 5_000;
/** How often it reads unasked: a connection that died silently is found out by a query that is not answered. */
const unaskedMs = 10_000;
const answerMs = 10_000;

export const toAnnounced = (row: {
  id: string | bigint;
  topic: string;
  person_ids: string[] | null;
  file_id: string | null;
  recorded_at: Date | string;
}): Announced => ({
  id: Number(row.id),
  topic: row.topic,
  personIds: row.person_ids ?? [],
  fileId: row.file_id,
  at: new Date(row.recorded_at),
});

export const columns = `id, topic, payload -> 'personIds' as person_ids, payload ->> 'fileId' as file_id, recorded_at`;

const readOn = `select ${columns} from outbox where id > $1 order by id limit ${batch}`;
const readTo = `select ${columns} from outbox where id > $1 and id <= $2 order by id`;

// Of this database: copies of one another have the same ids for their tables.
const writers = `
select virtualtransaction as writer from pg_locks
 where locktype = 'relation' and relation = 'outbox'::regclass and mode = 'RowExclusiveLock'
   and database = (select oid from pg_database where datname = current_database())`;

export function openTail({ url, log }: { url: string; log: Log }): Tail {
  const listeners = new Set<(row: Announced) => void>();
  let client: pg.Client | undefined;
  let position: number | undefined;
  /** Ids up to here are missing, and these transactions may hold them. */
  let gap: { upTo: number; suspects: Set<string>; waitMs: number } | undefined;
  let starting: Promise<void> | undefined;
  let reading: Promise<void> | undefined;
  let readAgain = false;
  let closed = false;
  let unasked: NodeJS.Timeout | undefined;
  /** What is to be done later, which the end brings forward. */
  const timers = new Map<NodeJS.Timeout, () => void>();

  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.set(timer, work);
  };
  const pause = (ms: number) => new Promise<void>((resolve) => later(ms, resolve));

  let connecting: Promise<void> | undefined;
  function connect(): Promise<void> {
    connecting ??= openClient().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  async function openClient(): Promise<void> {
    const opened = new pg.Client({
      connectionString: url,
      application_name: 'tandem-live',
      keepAlive: true,
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      options: `${asRole('tandem_worker')} -c default_transaction_read_only=on`,
    });
    opened.on('notification', wake);
    opened.on('error', () => lose(opened));
    opened.on('end', () => lose(opened));
    await opened.connect();
    await opened.query('listen outbox');
    if (closed) return opened.end();
    client = opened;
  }

  function lose(lost: pg.Client) {
    if (client !== lost) return;
    client = undefined;
    void lost.end().catch(() => {});
    if (closed) return;
    log.warn({ event: 'live' }, 'the connection that listens is gone');
    void reconnect();
  }

  async function reconnect(): Promise<void> {
    for (let ms = reconnectMs; !closed && client === undefined; ms = Math.min(ms * 2, reconnectMsMax)) {
      await pause(ms * (0.5 + Math.random()));
      await connect().catch(() => {});
    }
    // What was announced meanwhile stands in the table.
    if (!closed) wake();
  }

  async function query(text: string, values: unknown[] = []) {
    if (client === undefined) {
      throw new Fault('UNAVAILABLE', 'The hub cannot answer now. Try again.', { retryable: true });
    }
    return (await client.query(text, values)).rows;
  }

  const rowsOf = async (text: string, values: unknown[]) => (await query(text, values)).map(toAnnounced);

  const writersNow = async () => new Set<string>((await query(writers)).map(({ writer }) => writer));

  /** Those of the suspects that have not ended yet. */
  const stillWriting = async (suspects: Set<string>) => {
    const now = suspects.size === 0 ? suspects : await writersNow();
    return new Set([...suspects].filter((suspect) => now.has(suspect)));
  };

  function tell(rows: Announced[], upTo: number) {
    for (const row of rows) {
      position = row.id;
      for (const hear of [...listeners]) hear(row);
    }
    position = upTo;
  }

  async function read(): Promise<void> {
    for (;;) {
      if (gap !== undefined) {
        gap.suspects = await stillWriting(gap.suspects);
        if (gap.suspects.size > 0) {
          later(gap.waitMs, wake);
          gap.waitMs = Math.min(gap.waitMs * 2, lookAgainMsMax);
          return;
        }
        const { upTo } = gap;
        tell(await rowsOf(readTo, [position, upTo]), upTo);
        gap = undefined;
      }
      const rows = await rowsOf(readOn, [position]);
      let next = position! + 1;
      const missing = rows.findIndex(({ id }) => id !== next++);
      const whole = missing < 0 ? rows : rows.slice(0, missing);
      tell(whole, whole.at(-1)?.id ?? position!);
      // The lowest id that was drawn is not the only one that may be missing: all up to the highest are waited for.
      if (missing >= 0) gap = { upTo: rows.at(-1)!.id, suspects: await writersNow(), waitMs: lookAgainMs };
      else if (rows.length < batch) return;
    }
  }

  /** Reads what there is, once more if it is woken meanwhile. */
  function wake() {
    if (position === undefined || client === undefined || closed) return;
    if (reading !== undefined) {
      readAgain = true;
      return;
    }
    const reader = client;
    reading = read()
      // Whatever it was, a new connection reads on where this one was.
      .catch(() => lose(reader))
      .finally(() => {
        reading = undefined;
        if (!readAgain) return;
        readAgain = false;
        wake();
      });
  }

  async function begin(): Promise<void> {
    if (client === undefined) await connect();
    const [row] = await query('select coalesce(max(id), 0) as id from outbox');
    // What is being written now belongs to the time before, or has a higher id.
    let suspects = await writersNow();
    while (suspects.size > 0) {
      await pause(lookAgainMs);
      suspects = await stillWriting(suspects);
    }
    position = Number(row.id);
    wake();
    unasked = setInterval(wake, unaskedMs);
  }

  return {
    start() {
      starting ??= begin().catch((error) => {
        starting = undefined;
        throw error;
      });
      return starting;
    },
    position: () => position!,
    async catchUp() {
      wake();
      // What is being read may have begun before; the one after it has not.
      await reading;
      await reading;
    },
    listen(hear) {
      listeners.add(hear);
      return () => void listeners.delete(hear);
    },
    async close() {
      closed = true;
      clearInterval(unasked);
      const last = client;
      client = undefined;
      for (const [timer, work] of timers) {
        clearTimeout(timer);
        work();
      }
      await last?.end().catch(() => {});
    },
  };
}
