/** Goes through the whole chain and says where it does not hold. Reads only, batch by batch: its memory stays the same. */
import type pg from 'pg';
import type { Anchored } from './anchor.ts';
import { beginning, canonical, digestLength, digestOf, eventsIn, hashOf, type Seal } from './digest.ts';

export interface AuditVerification {
  seals: bigint;
  /** Those that are sealed. */
  events: bigint;
  /** Seals that the anchor names. */
  anchors: bigint;
  /** The first row that is not as it was, and what became of it; null when all hold. Holds no personal data. */
  fault: string | null;
  /** Which row that is. */
  row: { table: 'audit_event' | 'audit_seal'; id: string } | null;
}

class Broken extends Error {
  readonly table: 'audit_event' | 'audit_seal';
  readonly id: bigint | string;
  constructor(table: 'audit_event' | 'audit_seal', id: bigint | string, wrong: string) {
    super(`${table} ${id}: ${wrong}`);
    this.table = table;
    this.id = id;
  }
}

/** Events looked at together, and so many more as the last seal of a batch holds. */
const batchSize = 20_000;
/** Seals fetched together: each holds up to some thousand digests. */
const sealsAtOnce = 50;
const anchorsAtOnce = 1_000;

interface Row extends Seal {
  hash: Buffer;
}

/**
 * Every event is as it was sealed, none is gone, none was put in after; every seal is as it was written, and none is
 * missing before the last. Whether the last ones are gone, or all were made anew, only `anchors` tells.
 */
export async function verifyAudit(
  pool: Pick<pg.Pool, 'query'>,
  anchors?: AsyncIterable<Anchored>,
): Promise<AuditVerification> {
  const told = { seals: 0n, events: 0n, anchors: 0n };
  try {
    await followChain(pool, told);
    if (anchors !== undefined) await holdAgainst(pool, anchors, told);
    return { ...told, fault: null, row: null };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { ...told, fault: error.message, row: { table: error.table, id: String(error.id) } };
  }
}

async function followChain(
  pool: Pick<pg.Pool, 'query'>,
  told: { seals: bigint; events: bigint },
): Promise<void> {
  let previous: Buffer = beginning;
  let sealed = '{}';
  let last: Row | null = null;
  for (;;) {
    const batch = await nextSeals(pool, told.seals);
    for (const seal of batch) {
      const expected = told.seals + 1n;
      if (seal.number !== expected)
        throw new Broken('audit_seal', expected, 'it is gone, and later ones are there');
      if (!hashOf(previous, seal).equals(seal.hash))
        throw new Broken('audit_seal', expected, 'it is not as it was written');
      previous = seal.hash;
      told.seals = expected;
      last = seal;
    }
    if (last === null || batch.length === 0) break;
    told.events += await holdEvents(pool, batch);
    const joined = await pool.query(
      'select (($1::int8multirange) + range_agg(m))::text as ids from unnest($2::int8multirange[]) m',
      [sealed, batch.map(({ events }) => events)],
    );
    sealed = joined.rows[0].ids;
  }
  await findAdded(pool, sealed, last);
}

/** The seals behind one: as many as hold a batch of events together, and at least one. */
async function nextSeals(pool: Pick<pg.Pool, 'query'>, after: bigint): Promise<Row[]> {
  const { rows } = await pool.query(
    `select number::text, at, events::text, digests, top::text, awaited::text, horizon::text, hash
       from (select *, sum(length(digests)) over (order by number) - length(digests) as before
               from (select * from audit_seal where number > $1 order by number limit $2) few) s
      where before < $3 order by s.number`,
    [String(after), sealsAtOnce, batchSize * digestLength],
  );
  return rows.map((row) => ({
    ...row,
    number: BigInt(row.number),
    top: BigInt(row.top),
    horizon: BigInt(row.horizon),
  }));
}

/** `{[1,3),[7,8)}` is 1, 2 and 7: as many as the seal has digests. */
function idsOf({ number, events, digests }: Row): string[] {
  const ids: string[] = [];
  const wrong = new Broken('audit_seal', number, 'it holds another number of digests than of events');
  for (const [, from, to] of events.matchAll(/\[(\d+),(\d+)\)/g)) {
    if (BigInt(to!) - BigInt(from!) > BigInt(digests.length)) throw wrong;
    for (let id = BigInt(from!); id < BigInt(to!); id++) ids.push(String(id));
  }
  if (ids.length * digestLength !== digests.length) throw wrong;
  return ids;
}

/** How many events there are in these seals, if all are as they were. */
async function holdEvents(pool: Pick<pg.Pool, 'query'>, seals: Row[]): Promise<bigint> {
  const { rows } = await pool.query<{ id: string; line: string; listed: boolean }>(
    `select e.id::text as id, ${canonical} as line,
            not exists (select from unnest(e.person_ids) p where not exists (
              select from audit_event_person a where a.person_id = p and a.event_id = e.id)) as listed
       from unnest($1::int8multirange[]) m cross join lateral ${eventsIn('m')}`,
    [seals.map(({ events }) => events)],
  );
  const found = new Map(rows.map(({ id, line, listed }) => [id, { digest: digestOf(line), listed }]));
  for (const seal of seals) {
    const { number, digests } = seal;
    for (const [place, id] of idsOf(seal).entries()) {
      const event = found.get(id);
      if (event === undefined) throw new Broken('audit_event', id, `it is gone; seal ${number} holds it`);
      const sealed = digests.subarray(place * digestLength, (place + 1) * digestLength);
      if (!event.digest.equals(sealed))
        throw new Broken('audit_event', id, `it is not what seal ${number} holds`);
      if (!event.listed)
        throw new Broken('audit_event', id, 'a person whose record it touched no longer finds it');
    }
  }
  return BigInt(found.size);
}

/** An event below the last seal that is in none was not there when it should have been. */
async function findAdded(pool: Pick<pg.Pool, 'query'>, sealed: string, last: Row | null): Promise<void> {
  if (last === null) return;
  const { rows } = await pool.query<{ id: string }>(
    `select id::text as id from audit_event
      where id <= $1 and not id <@ ($2::int8multirange + $3::int8multirange) order by id limit 1`,
    [String(last.top), sealed, last.awaited],
  );
  if (rows[0] !== undefined)
    throw new Broken(
      'audit_event',
      rows[0].id,
      'no seal holds it, though later events are sealed: it was put in after',
    );
}

async function holdAgainst(
  pool: Pick<pg.Pool, 'query'>,
  anchors: AsyncIterable<Anchored>,
  told: { anchors: bigint },
): Promise<void> {
  let batch: Anchored[] = [];
  async function compare() {
    const { rows } = await pool.query<{ number: string; hash: Buffer }>(
      'select number::text as number, hash from audit_seal where number = any($1::bigint[])',
      [batch.map(({ seal }) => seal)],
    );
    const found = new Map(rows.map(({ number, hash }) => [number, hash.toString('hex')]));
    for (const { seal, hash, at } of batch) {
      const there = found.get(seal);
      if (there === undefined)
        throw new Broken('audit_seal', seal, `it is gone; the anchor of ${at} names it`);
      if (there !== hash)
        throw new Broken('audit_seal', seal, `it is another than the anchor of ${at} names`);
      told.anchors += 1n;
    }
    batch = [];
  }
  for await (const anchor of anchors) if (batch.push(anchor) === anchorsAtOnce) await compare();
  await compare();
}
