/** Opening a stream of changes: about whom, and since when. */
import type { Audit } from '../audit/store.ts';
import { personPrefix } from '../person/view.ts';
import type { Database } from '../platform/database.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import type { ReadContext } from '../read/execute.ts';
import { noLongerAtWork, notAnId, type Stream } from './flow.ts';
import type { Gate } from './gate.ts';
import { type Announced, type Place, placeOf, topics, type Wanted, wholeRow } from './rules.ts';
import { type Change, openStream } from './stream.ts';
import { columns, type Tail, toAnnounced } from './tail.ts';

/** The arguments of `changes`. Topics as the outbox calls them. */
export interface Asked {
  topics?: string[] | null;
  personId?: string | null;
  after?: string | null;
}

interface Options {
  pool: Database['pool'];
  tail: Tail;
  gate: Gate;
  audit: Audit;
  maxQueued: number;
}

const noSuchPerson = () =>
  new Fault('PERSON_NOT_FOUND', 'There is no such person, or they are not yours to see.');

/** Rows that are read from the table at a time, and the ids that are looked through for them. */
const pageRows = 100;
const pageIds = 10_000;

const pageText = `
select ${columns} from outbox
 where id > $1 and id <= $2 and topic = any($3::text[]) and ($4::text is null or payload -> 'personIds' ? $4)
 order by id limit ${pageRows}`;

/** Opens streams of changes. */
export function changeStreams({ pool, tail, gate, audit, maxQueued }: Options) {
  async function page({ topics, personId }: Wanted, from: number, upTo: number) {
    const end = Math.min(upTo, from + pageIds);
    const { rows } = await pool.query(pageText, [from, end, [...topics], personId]);
    const read: Announced[] = rows.map(toAnnounced);
    return { rows: read, to: read.length < pageRows ? end : read.at(-1)!.id };
  }

  /** @throws Fault CURSOR_INVALID, CHANGE_NOT_KEPT */
  async function placeBehind(after: string | null): Promise<Place> {
    if (after === null) {
      await tail.catchUp();
      return { id: tail.position(), index: wholeRow };
    }
    const place = placeOf(after);
    if (place === null) throw notAnId();
    const { rows } = await pool.query('select from outbox where id = $1', [place.id]);
    if (rows.length > 0) return place;
    throw new Fault(
      'CHANGE_NOT_KEPT',
      'The change to go on behind is no longer kept. Read again all that you show, and open the stream without `after`.',
    );
  }

  /** @throws Fault PERSON_NOT_FOUND, FORBIDDEN, CURSOR_INVALID, CHANGE_NOT_KEPT */
  return async (
    asked: Asked,
    { viewer, requestId, correlationId, now }: ReadContext,
    confirm: Stream['confirm'],
  ): Promise<Stream<Change>> => {
    const personId = asked.personId == null ? null : uuidOf(personPrefix, asked.personId);
    const isVisible =
      asked.personId == null || (personId !== null && (await gate.maySee(viewer, personId, 'IDENTITY')));
    await audit.record({
      at: now(),
      requestId,
      correlationId,
      viewer,
      action: 'READ',
      object: 'changes',
      outcome: isVisible ? 'FOUND' : 'NOTHING',
      personIds: isVisible && personId !== null ? [personId] : [],
    });
    if (!isVisible) throw noSuchPerson();
    if (!(await gate.isAtWork(viewer))) throw noLongerAtWork();
    await tail.start();
    const wanted: Wanted = {
      topics: new Set(asked.topics ?? Object.values(topics)),
      personId,
      after: await placeBehind(asked.after ?? null),
    };
    const lost = async () => {
      if (personId === null) return (await gate.isAtWork(viewer)) ? null : noLongerAtWork();
      return (await gate.maySee(viewer, personId, 'IDENTITY')) ? null : noSuchPerson();
    };
    return openStream(viewer, wanted, { tail, gate, page, confirm, lost, maxQueued });
  };
}
