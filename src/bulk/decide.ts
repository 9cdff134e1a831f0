/** What becomes of the rows of a file: decided budget by budget, by the rules of `recordSpend`, and written together. */
import type pg from 'pg';
import { eventsStatement } from '../audit/store.ts';
import { londonDay } from '../platform/day.ts';
import { unreleasedFault } from '../spending/purse.ts';
import { openPurses, type PurseOfSet } from '../spending/purse-set.ts';
import { type Decided, decideSpend, type PurseDecided, writeAllSpends } from '../spending/record.ts';
import { UserFault } from '../write/command.ts';
import { type Statements, statementsIn } from '../write/statements.ts';
import { clientOf, notTheirs, type RowProblem } from './rules.ts';
import {
  type BulkFileRow,
  endWork,
  forgetRows,
  isAtWork,
  lockFile,
  markRows,
  nextRows,
  type Recorded,
  recordedUnder,
  telling,
  type WaitingRow,
} from './store.ts';

type Outcome = WaitingRow & ({ decided: Decided } | { problem: RowProblem } | { isRecorded: true });

/** Rows to a transaction, and those of their last budget: half a second's work, which is all that a kill undoes. */
const batchSize = 1_000;

export interface Deciding {
  pool: pg.Pool;
  now: () => Date;
  size?: number;
}

/**
 * Decides on the rows of the next budgets, and where the file is being applied writes what goes in, all in one
 * transaction with the mark of how far it is. DONE where none were left, LEFT where somebody else has finished it.
 */
export function decideNext(
  { pool, now, size = batchSize }: Deciding,
  fileId: string,
): Promise<'MORE' | 'DONE' | 'LEFT'> {
  return statementsIn(pool, async (tx) => {
    const file = await lockFile(tx, fileId);
    if (file === null || !file.isRead) return 'LEFT';
    if (!(await isAtWork(tx, file.viewer))) {
      await endWork(tx, file.id);
      return 'DONE';
    }
    const rows = await nextRows(tx, file, size);
    if (rows.length === 0) {
      await finish(tx, file);
      return 'DONE';
    }
    const today = londonDay(now());
    const { outcomes, purses } = await decideAll({ tx, file, today }, rows);
    const isWriting = file.status === 'APPLYING';
    if (isWriting) await write(tx, file, outcomes, purses, now());
    else await account(tx, file, 'READ', [...purses.values()], now());
    await keepOutcomes(tx, file, outcomes, isWriting);
    return 'MORE';
  });
}

async function decideAll(
  { tx, file, today }: { tx: Statements; file: BulkFileRow; today: string },
  rows: WaitingRow[],
): Promise<{ outcomes: Outcome[]; purses: Map<string, PurseOfSet> }> {
  const byBudget = new Map<string, WaitingRow[]>();
  for (const row of rows) {
    const own = byBudget.get(row.budgetId);
    if (own === undefined) byBudget.set(row.budgetId, [row]);
    else own.push(row);
  }
  const purses = await openPurses(
    { tx, viewer: file.viewer, today },
    [...byBudget].map(([budgetId, own]) => ({
      budgetId,
      days: [...new Set(own.map(({ spentOn }) => spentOn))],
      portionIds: [...new Set(own.map(({ portionId }) => portionId))],
    })),
  );
  const named = rows.map((row) => ({
    clientId: clientOf(file.organisation, file.kind, row),
    reference: row.reference,
  }));
  const recorded = new Map((await recordedUnder(tx, named)).map((one) => [keyOf(one), one]));
  const outcomes = [...byBudget].flatMap(([budgetId, own]) =>
    decideRows(purses.get(budgetId), own, { file, recorded, today }),
  );
  return { outcomes, purses };
}

const keyOf = ({ clientId, reference }: { clientId: string; reference: string }) =>
  `${clientId}\n${reference}`;

const repeated: RowProblem = {
  code: 'REFERENCE_REPEATED',
  message: 'An earlier row of this file has this number, for the same budget. Give each its own.',
};

const otherwise: RowProblem = {
  code: 'REFERENCE_USED',
  message:
    'This number was recorded before for this budget, with another amount, day or payee. Correct that one, or give another number.',
};

const excluded: RowProblem = {
  code: 'EXCLUDED_ITEM',
  message: 'The money that would pay this may not be spent on it. Nothing was recorded.',
};

/** The rows of one budget, in the order of the file: each sees what those before it have left. */
function decideRows(
  purse: PurseOfSet | undefined,
  rows: WaitingRow[],
  { file, recorded, today }: { file: BulkFileRow; recorded: Map<string, Recorded>; today: string },
): Outcome[] {
  const seen = new Set<string>();
  return rows.map((row): Outcome => {
    const clientId = clientOf(file.organisation, file.kind, row);
    const key = keyOf({ clientId, reference: row.reference });
    if (purse === undefined || !isPayable(purse, row)) return { ...row, problem: notTheirs };
    if (seen.has(key)) return { ...row, problem: repeated };
    seen.add(key);
    const before = recorded.get(key);
    if (before !== undefined)
      return isSame(before, row) ? { ...row, isRecorded: true } : { ...row, problem: otherwise };
    const unreleased = unreleasedFault(purse.budget.status);
    if (unreleased !== null) return { ...row, problem: problemOf(unreleased) };
    try {
      const decided = decideSpend(purse, askedOf(row, clientId), today);
      return decided.state === 'REFUSED' ? { ...row, problem: excluded } : { ...row, decided };
    } catch (error) {
      if (error instanceof UserFault) return { ...row, problem: problemOf(error) };
      throw error;
    }
  });
}

const problemOf = ({ code, message }: UserFault): RowProblem => ({ code, message });

const isPayable = ({ payable, portions, budgetId }: PurseOfSet, { portionId }: WaitingRow): boolean =>
  payable.has(portionId) &&
  (portionId === null ||
    portions.some((portion) => portion.id === portionId && portion.budgetId === budgetId));

const isSame = (before: Recorded, { pence, spentOn, payee }: WaitingRow): boolean =>
  before.pence === pence && before.spentOn === spentOn && before.payee === payee;

const askedOf = ({ number: _, budgetId: __, reference, ...bought }: WaitingRow, clientId: string) => ({
  ...bought,
  clientId,
  externalRef: reference,
  bankLineId: null,
});

async function write(
  tx: Statements,
  file: BulkFileRow,
  outcomes: Outcome[],
  purses: Map<string, PurseOfSet>,
  at: Date,
): Promise<void> {
  const byBudget = new Map<string, PurseDecided>();
  for (const outcome of outcomes) {
    if (!('decided' in outcome)) continue;
    const { budgetId, decided } = outcome;
    const set = byBudget.get(budgetId) ?? { purse: purses.get(budgetId)!, decided: [] };
    byBudget.set(budgetId, set);
    set.decided.push(decided);
  }
  const written = [...byBudget.values()];
  if (written.length === 0) return;
  const ids = await writeAllSpends({ tx, viewer: file.viewer }, written);
  // Under the locks of the budgets nobody else records under a reference of theirs.
  if (ids === null) throw new Error('a reference was used meanwhile');
  const people = written.map(({ purse }) => purse);
  await account(tx, file, 'CHANGE', people, at);
  await tx.$executeRawUnsafe(
    `insert into outbox (topic, payload) values ('money.changed', $1::jsonb)`,
    JSON.stringify({ personIds: personIds(people) }),
  );
}

const personIds = (people: { personId: string }[]) => [...new Set(people.map(({ personId }) => personId))];

async function account(
  tx: Statements,
  { id, viewer }: BulkFileRow,
  action: 'READ' | 'CHANGE',
  people: { personId: string }[],
  at: Date,
): Promise<void> {
  const what =
    action === 'READ' ? { outcome: 'FOUND' as const, parts: 'Budget' } : { outcome: 'DONE' as const };
  const event = { at, requestId: id, correlationId: null, viewer, action, object: 'importBulkFile' };
  const { text, values } = eventsStatement([{ ...event, ...what, personIds: personIds(people) }]);
  await tx.$executeRawUnsafe(text, ...values);
}

/** What went in, or was in, is no longer kept here; what cannot go in says why; what would go in waits. */
async function keepOutcomes(
  tx: Statements,
  file: BulkFileRow,
  outcomes: Outcome[],
  isWriting: boolean,
): Promise<void> {
  const good = outcomes.filter((outcome) => 'decided' in outcome);
  const bad = outcomes.flatMap((outcome) =>
    'problem' in outcome ? [{ ...outcome.problem, number: outcome.number }] : [],
  );
  const known = outcomes.filter((outcome) => 'isRecorded' in outcome);
  const gone = isWriting ? [...good, ...known] : known;
  if (bad.length > 0) await markRows(tx, file.id, bad);
  if (gone.length > 0)
    await forgetRows(
      tx,
      file.id,
      gone.map(({ number }) => number),
    );
  await tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set good = good + $2, bad = bad + $3, unchanged = unchanged + $4, applied = applied + $5,
            pence = pence + $6::bigint, decided_to = $7::uuid, touched_at = now() where id = $1::uuid`,
    file.id,
    good.length,
    bad.length,
    known.length,
    isWriting ? good.length : 0,
    String(good.reduce((sum, { pence }) => sum + pence, 0n)),
    outcomes.at(-1)!.budgetId,
  );
}

const finish = (tx: Statements, { id, status }: BulkFileRow): Promise<number> =>
  tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set status = $2::bulk_status, finished_at = now(), touched_at = now(), decided_to = null
      where id = $1::uuid`,
    id,
    status === 'APPLYING' ? 'DONE' : 'CHECKED',
  );
