/**
 * Seals the audit: every few seconds a link is added to a chain of hashes, which holds whatever events are there and in
 * no link yet. Transactions commit in another order than their events are numbered, so a number that is not there is
 * awaited, and its event is sealed whenever it shows.
 */
import type pg from 'pg';
import { type Sql, transaction } from '../platform/database.ts';
import { beginning, canonical, digestOf, eventsIn, hashOf, type Seal } from './digest.ts';

/** So many events a link at most: what is held in memory at a time. */
const maxEvents = 5_000;

/** One process at a time: of two that come together the other has nothing to do. */
const sealLock = 7_262_043;

/**
 * A number is awaited for an hour at least, and until everything has ended that was under way when it was missed first:
 * after that nobody can still fill it. What a rollback left open would otherwise be carried along for ever.
 */
const awaitedFor = '1 hour';

export interface Sealed {
  number: bigint;
  hash: Buffer;
  at: Date;
  /** How many events it holds. */
  events: number;
}

/** Adds one link, of as many events as it may hold; null where there are none, or another process is at it. */
export const sealAudit = (pool: pg.Pool, at: Date, size = maxEvents): Promise<Sealed | null> =>
  transaction(pool, (sql) => sealNext(sql, at, size));

async function sealNext(sql: Sql, at: Date, size: number): Promise<Sealed | null> {
  const { rows: lock } = await sql.query('select pg_try_advisory_xact_lock($1) as mine', [sealLock]);
  if (!lock[0].mine) return null;
  const before = await latest(sql);
  const { rows: events } = await sql.query<{ id: string; line: string }>(unsealed, [
    before.top,
    before.awaited,
    size,
  ]);
  if (events.length === 0) return null;
  const ids = events.map(({ id }) => BigInt(id));
  const { rows } = await sql.query<Record<'events' | 'top' | 'awaited' | 'horizon', string>>(drawn, [
    ids.map(String),
    before.top,
    before.awaited,
    before.over,
    at.toISOString(),
  ]);
  const seal: Seal = {
    number: before.number + 1n,
    at,
    events: rows[0]!.events,
    digests: Buffer.concat(events.map(({ line }) => digestOf(line))),
    top: BigInt(rows[0]!.top),
    awaited: rows[0]!.awaited,
    horizon: BigInt(rows[0]!.horizon),
  };
  const hash = hashOf(before.hash, seal);
  await sql.query(insert, [
    seal.number,
    at.toISOString(),
    seal.events,
    seal.digests,
    seal.top,
    seal.awaited,
    seal.horizon,
    hash,
  ]);
  await sql.query(listPeople, [ids.map(String)]);
  return { number: seal.number, hash, at, events: events.length };
}

/** The last link, and the first transaction that may still be under way: of all before, this one sees the events. */
async function latest(sql: Sql) {
  const { rows } = await sql.query<
    Record<'number' | 'top' | 'awaited' | 'over', string> & { hash: Buffer | null }
  >(
    `select coalesce(s.number, 0)::text as number, coalesce(s.top, 0)::text as top,
            coalesce(s.awaited, '{}')::text as awaited, s.hash,
            pg_snapshot_xmin(pg_current_snapshot())::text as over
       from (select) one left join (select * from audit_seal order by number desc limit 1) s on true`,
  );
  const { number, top, awaited, hash, over } = rows[0]!;
  return { number: BigInt(number), top: BigInt(top), awaited, hash: hash ?? beginning, over };
}

const unsealed = `
select e.id::text as id, ${canonical} as line
  from ((select * from audit_event where id > $1::bigint order by id limit $3)
        union all
        select e.* from ${eventsIn('$2::int8multirange')}) e
 order by e.id`;

const drawn = `
select events::text as events, top::text as top, pg_snapshot_xmax(pg_current_snapshot())::text as horizon,
       ($3::int8multirange + int8multirange(int8range($2::bigint, top, '(]')) - events
        - coalesce((select s.awaited from audit_seal s
                     where s.at < $5::timestamptz - interval '${awaitedFor}' and s.horizon <= $4::bigint
                     order by s.number desc limit 1), '{}'))::text as awaited
  from (select range_agg(int8range(id, id, '[]')) as events, greatest(max(id), $2::bigint) as top
          from unnest($1::bigint[]) id) given`;

const insert = `
insert into audit_seal (number, at, events, digests, top, awaited, horizon, hash)
values ($1, $2, $3::int8multirange, $4, $5, $6::int8multirange, $7, $8)`;

// Found by person only now: in the insert of the events themselves it would make every read wait.
const listPeople = `
insert into audit_event_person (person_id, event_id)
select distinct p, e.id from unnest($1::bigint[]) i join audit_event e on e.id = i cross join lateral unnest(e.person_ids) p
 order by 1, 2
on conflict do nothing`;
