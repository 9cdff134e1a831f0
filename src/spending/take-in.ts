/** What becomes of a statement's lines: which are new, what they show, and what they record. */
import { addDays } from '../platform/day.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { type Candidate, type Match, matchLines, matchWithinDays } from './match.ts';
import type { Purse } from './purse.ts';
import { type Decided, decideSpend, payableLines, writeSpends } from './record.ts';
import type { AgreedLine } from './rules.ts';
import { lineRefs, type StatementLine } from './statement-line.ts';

type Tx = CommandContext['tx'];

/** So many rows are written by one statement. */
const setSize = 1_000;

function* setsOf<T>(all: T[]): Generator<T[]> {
  for (let from = 0; from < all.length; from += setSize) yield all.slice(from, from + setSize);
}

interface FreshLine extends StatementLine {
  ref: string;
  position: number;
}

/** The lines that no statement of this budget brought before. */
export async function newLines(tx: Tx, budgetId: string, lines: StatementLine[]): Promise<FreshLine[]> {
  const refs = lineRefs(lines);
  const rows = await tx.$queryRawUnsafe<{ ref: string }[]>(
    `select l.line_ref as ref from bank_statement s
       join bank_line l on l.statement_id = s.id and l.person_id = s.person_id
      where s.budget_id = $1::uuid and l.line_ref = any($2::text[])`,
    budgetId,
    refs,
  );
  const known = new Set(rows.map(({ ref }) => ref));
  return lines
    .map((line, index) => ({ ...line, ref: refs[index]!, position: index + 1 }))
    .filter(({ ref }) => !known.has(ref));
}

// A payment that a source system reports has no spend of the hub's own, and can be shown by a line all the same.
// What was paid from an account that somebody else operates is on their statements.
const candidateRows = `
with shown as (
  select l.transfer_id from bank_statement s join bank_line l on l.statement_id = s.id and l.person_id = s.person_id
   where s.budget_id = any($1::uuid[]) and l.transfer_id is not null
)
select 'SPEND' as kind, s.id::text as id, s.spent_on::text as "on", -s.pence as pence, s.payee
  from spend s
 where s.budget_id = any($1::uuid[]) and s.bank_line_id is null
   and s.state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED') and s.spent_on between $2::date and $3::date
   and ($4::uuid is null or s.portion_id is null or
        (select account_operator_id from portion where id = s.portion_id and person_id = s.person_id)
        is not distinct from (select account_operator_id from portion where id = $4::uuid))
union all
select 'TRANSFER', t.id::text, t.effective_on::text,
       case when t.kind in ('PAID_IN', 'REFUNDED') then t.pence else -t.pence end,
       case when t.kind = 'SPENT' then coalesce(t.description, '') end
  from ledger_transfer t
 where t.budget_id = any($1::uuid[]) and t.effective_on between $2::date and $3::date and t.reverses_id is null
   and t.kind in ('PAID_IN', 'REFUNDED', 'REPAID', 'RECLAIMED', 'SPENT')
   and not (t.kind = 'SPENT' and t.external_id like 'spend/%')
   and not exists (select from ledger_transfer r where r.reverses_id = t.id)
   and t.id not in (select transfer_id from shown)`;

const insertLines = `
insert into bank_line (id, statement_id, person_id, line_ref, position, booked_on, pence, party, reference, state, spend_id,
                       transfer_id, note)
select r.id, $1::uuid, $2::uuid, r.ref, r.position, r."bookedOn", r.pence, r.party, r.reference, r.state, r."spendId",
       r."transferId", r.note
  from json_to_recordset($3::json) as r(
         id uuid, ref text, position int, "bookedOn" date, pence bigint, party text, reference text,
         state bank_line_state, "spendId" uuid, "transferId" uuid, note text)`;

/** Matches the lines, records what the plan names a provider for, and writes them all. */
export async function takeIn(
  context: CommandContext,
  purse: Purse,
  { statementId, portionId }: { statementId: string; portionId: string | null },
  lines: FreshLine[],
): Promise<void> {
  if (lines.length === 0) return;
  const { tx } = context;
  const days = lines.map(({ bookedOn }) => bookedOn).sort();
  const candidates = await tx.$queryRawUnsafe<Candidate[]>(
    candidateRows,
    purse.budgetIds,
    addDays(days[0]!, -matchWithinDays),
    addDays(days.at(-1)!, matchWithinDays),
    portionId,
  );
  const known = new Map<string, AgreedLine[]>();
  const linesOn = (day: string) => {
    const found = known.get(day) ?? payableLines(purse, purse.terms(day), portionId);
    known.set(day, found);
    return found;
  };
  const matches = matchLines(lines, candidates, linesOn);
  const ids = await tx.$queryRawUnsafe<{ id: string }[]>(
    'select new_id()::text as id from generate_series(1, $1::int)',
    lines.length,
  );
  const rows = lines.map((line, index) => ({
    id: ids[index]!.id,
    line,
    ...outcomeOf(context, purse, { line, portionId, id: ids[index]!.id, match: matches[index]! }),
  }));
  const recorded = rows.flatMap(({ id, decided }) => (decided === null ? [] : [{ id, decided }]));
  const spendOf = new Map<string, string>();
  for (const set of setsOf(recorded)) {
    const decided = set.map((one) => one.decided);
    const spendIds = await writeSpends(context, purse, decided);
    for (const [index, { id }] of set.entries()) spendOf.set(id, spendIds![index]!);
  }
  for (const set of setsOf(rows)) {
    const kept = set.map(({ id, line, match, note }) => {
      const spendId = match?.kind === 'SPEND' ? match.id : (spendOf.get(id) ?? null);
      const transferId = match?.kind === 'TRANSFER' ? match.id : null;
      const state = spendId === null && transferId === null ? 'UNMATCHED' : 'MATCHED';
      return { ...line, pence: String(line.pence), id, spendId, transferId, state, note };
    });
    await tx.$executeRawUnsafe(insertLines, statementId, purse.personId, JSON.stringify(kept));
  }
  await tx.$executeRawUnsafe(
    `update spend s set bank_line_id = l.id from bank_line l
      where l.statement_id = $1::uuid and l.person_id = $2::uuid and s.id = l.spend_id and s.person_id = l.person_id
        and s.bank_line_id is null`,
    statementId,
    purse.personId,
  );
}

/** What becomes of one line. What the rules would refuse is recorded by nobody: the line waits, and says why. */
function outcomeOf(
  { viewer, today }: CommandContext,
  purse: Purse,
  { line, portionId, id, match }: { line: FreshLine; portionId: string | null; id: string; match: Match },
): { match: Match; decided: Decided | null; note: string | null } {
  if (match?.kind !== 'LINE') return { match, decided: null, note: null };
  try {
    const decided = decideSpend(
      purse,
      {
        portionId,
        lineKey: match.line.key,
        pence: -line.pence,
        spentOn: line.bookedOn,
        payee: line.party,
        what: match.line.what.slice(0, 200),
        category: '',
        clientId: viewer.subject,
        externalRef: null,
        bankLineId: id,
      },
      today,
    );
    if (decided.state !== 'REFUSED') return { match, decided, note: null };
    return { match: null, decided: null, note: 'EXCLUDED_ITEM' };
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
    return { match: null, decided: null, note: error.code };
  }
}
