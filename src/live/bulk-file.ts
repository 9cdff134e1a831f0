/**
 * Following one bulk file: how it stands at first, then whenever it moved, until nobody is at work on it. Whatever moved
 * while the reader was busy comes as one, for the file is read when it is told; so nothing has to wait in memory, and
 * where to go on is how the file stood, not a place in the table of what was announced.
 */
import type { Viewer } from '../access/viewer.ts';
import type { Audit } from '../audit/store.ts';
import { type AskStanding, isMark, openStandings } from '../bulk/standing.ts';
import { bulkFilePrefix } from '../bulk/store.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import type { Pipeline } from '../platform/pipeline.ts';
import type { ReadContext } from '../read/execute.ts';
import { type Event, noLongerAtWork, notAnId, openFlow, type Stream } from './flow.ts';
import type { Gate } from './gate.ts';
import type { Tail } from './tail.ts';

/** The arguments of `bulkFile`. */
export interface FileAsked {
  id: string;
  after?: string | null;
}

/** Its `id` is how the file stood at least: when it is read it may be further. */
export interface FileChange extends Event {
  fileId: string;
}

interface FollowTools extends Pick<Stream, 'confirm' | 'lost'> {
  tail: Pick<Tail, 'listen'>;
  standingOf: AskStanding;
}

const noSuchFile = () => new Fault('NOT_FOUND', 'There is no such file, or it is not yours to see.');

function follow(
  viewer: Viewer,
  { fileId, after }: { fileId: string; after: string | null },
  { tail, standingOf, confirm, lost }: FollowTools,
): Stream<FileChange> {
  const flow = openFlow();
  /** It may stand otherwise than it was looked at last. */
  let moved = true;
  const leave = tail.listen((row) => {
    if (row.fileId !== fileId) return;
    moved = true;
    flow.wake();
  });
  flow.onEnd(leave);

  async function* events(): AsyncGenerator<FileChange> {
    for (let told = after; ; ) {
      while (!moved && !flow.hasEnded()) await flow.change();
      await flow.room();
      if (flow.hasEnded()) return;
      moved = false;
      await confirm();
      const standing = await standingOf(viewer, fileId);
      if (standing === null) return flow.end((await lost()) ?? noSuchFile());
      if (standing.mark !== told) {
        told = standing.mark;
        // It may have moved on before it was read: only one that still stands so when it was told is over.
        moved ||= standing.rests;
        yield { id: told, fileId };
      } else if (standing.rests) return flow.end(null);
    }
  }

  return { ...flow, viewer, events, confirm, lost };
}

interface Options {
  reader: Pipeline;
  tail: Tail;
  gate: Pick<Gate, 'isAtWork'>;
  audit: Audit;
}

/** Opens streams of bulk files. */
export function fileStreams({ reader, tail, gate, audit }: Options) {
  const standingOf = openStandings(reader);

  /** @throws Fault NOT_FOUND, CURSOR_INVALID */
  return async (
    asked: FileAsked,
    { viewer, requestId, correlationId, now }: ReadContext,
    confirm: Stream['confirm'],
  ): Promise<Stream<FileChange>> => {
    const fileId = uuidOf(bulkFilePrefix, asked.id);
    const isVisible = fileId !== null && (await standingOf(viewer, fileId)) !== null;
    await audit.record({
      at: now(),
      requestId,
      correlationId,
      viewer,
      action: 'READ',
      object: 'bulkFile',
      outcome: isVisible ? 'FOUND' : 'NOTHING',
      personIds: [],
    });
    if (!isVisible) throw noSuchFile();
    const after = asked.after ?? null;
    if (after !== null && !isMark(after)) throw notAnId();
    await tail.start();
    return follow(
      viewer,
      { fileId, after },
      {
        tail,
        standingOf,
        confirm,
        async lost() {
          if ((await standingOf(viewer, fileId)) !== null) return null;
          return (await gate.isAtWork(viewer)) ? noSuchFile() : noLongerAtWork();
        },
      },
    );
  };
}
