/** Works a bulk file off: reads it in, decides on its rows, in pieces that each stand on their own. */
import { londonDay } from '../platform/day.ts';
import type { Files } from '../platform/file.ts';
import { statementsIn } from '../write/statements.ts';
import { type Deciding, decideNext } from './decide.ts';
import { cellOf, type FileRow, readRows, Unreadable } from './read.ts';
import { type GoodRow, isProblem, type Named, notTheirs, type RowProblem, rowOf } from './rules.ts';
import {
  type BulkFileRow,
  endReading,
  failReading,
  keepRows,
  lockFile,
  nameOf,
  type Place,
  placesOf,
  type Staged,
  unfinishedFile,
} from './store.ts';

export interface Working extends Deciding {
  files: Pick<Files, 'read'>;
  /** Aborted when this process is to end: the piece at hand is finished, the file is not. */
  stopping: AbortSignal;
}

/** LEFT: there is nothing to do, or somebody else is at it. STOPPED: another goes on. */
export type Worked = 'DONE' | 'LEFT' | 'STOPPED';

/** Rows that are read to a transaction. */
const pieceSize = 1_000;

/**
 * Goes on where the last who worked on it stopped, or was killed. Any number may be at it: each piece is done once.
 *
 * @throws Fault FILE_STORE_UNAVAILABLE
 */
export async function workOff(working: Working, fileId: string): Promise<Worked> {
  const file = await unfinishedFile(working.pool, fileId);
  if (file === null) return 'LEFT';
  if (!file.isRead) {
    const read = await readIn(working, file);
    if (read !== 'DONE') return read;
  }
  for (;;) {
    if (working.stopping.aborted) return 'STOPPED';
    const decided = await decideNext(working, fileId);
    if (decided !== 'MORE') return decided;
  }
}

async function readIn(
  { pool, files, now, stopping, size = pieceSize }: Working,
  file: BulkFileRow,
): Promise<Worked> {
  const places = new Map<string, Place[]>();
  const seen = new Map<string, number>();
  try {
    for await (const rows of piecesOf(readRows(files, file), size)) {
      const understood = rows.map((row) => ({ number: row.number, row: understand(file, row, seen) }));
      // What was read before a kill was kept; it is gone over for what it says of the rows behind it.
      if (rows.at(-1)!.number <= file.rows) continue;
      if (stopping.aborted) return 'STOPPED';
      const fresh = understood.filter(({ number }) => number > file.rows);
      const isKept = await statementsIn(pool, async (tx) => {
        const held = await lockFile(tx, file.id);
        if (held === null || held.isRead || held.rows !== fresh[0]!.number - 1) return false;
        const names = namesIn(fresh.map(({ row }) => row)).filter((named) => !places.has(nameOf(named)));
        if (names.length > 0) {
          const found = await placesOf(tx, file.viewer, londonDay(now()), names);
          for (const [name, place] of found) places.set(name, place);
        }
        await keepRows(
          tx,
          file.id,
          fresh.map(({ number, row }) => placed(number, row, places)),
        );
        return true;
      });
      if (!isKept) return 'LEFT';
    }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    await statementsIn(pool, async (tx) => {
      if ((await lockFile(tx, file.id)) !== null) await failReading(tx, file.id, error);
    });
    return 'LEFT';
  }
  await statementsIn(pool, async (tx) => {
    const held = await lockFile(tx, file.id);
    if (held !== null && !held.isRead) await endReading(tx, file.id);
  });
  return 'DONE';
}

async function* piecesOf(rows: AsyncIterable<FileRow>, size: number): AsyncGenerator<FileRow[]> {
  let piece: FileRow[] = [];
  for await (const row of rows) {
    piece.push(row);
    if (piece.length < size) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}

function understand({ kind }: BulkFileRow, row: FileRow, seen: Map<string, number>): GoodRow | RowProblem {
  if (row.problem !== null) return { code: 'ROW_INVALID', message: row.problem };
  return rowOf(kind, cellOf(row), seen);
}

/** Each name once. */
function namesIn(rows: (GoodRow | RowProblem)[]): Named[] {
  const named = new Map<string, Named>();
  for (const row of rows) if (!isProblem(row)) named.set(nameOf(row), row);
  return [...named.values()];
}

const unclear: RowProblem = {
  code: 'BUDGET_UNCLEAR',
  message:
    'Several budgets, or several portions of the budget, may be meant: name the budget, or the portion, by its id.',
};

function placed(number: number, row: GoodRow | RowProblem, places: Map<string, Place[]>): Staged {
  if (isProblem(row)) return { number, problem: row };
  const all = places.get(nameOf(row)) ?? [];
  const { budgetId, nhsNumber: _, budgetKind: __, portionId: ___, ...bought } = row;
  // Of a person's budgets of a kind the one of that day is meant.
  const meant =
    budgetId !== null
      ? all
      : all.filter(({ from, to }) => from <= row.spentOn && (to === null || row.spentOn < to));
  if (meant.length === 0) return { number, problem: notTheirs };
  if (meant.length > 1) return { number, problem: unclear };
  const [place] = meant as [Place];
  return { number, row: { ...bought, budgetId: place.budgetId, portionId: place.portionId } };
}
