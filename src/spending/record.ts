/** Recording what was bought: one purchase or all that a statement brings, decided by the same rules, written at once. */
import type { FundingSource } from '../generated/prisma/enums.ts';
import { type Movement, postAll } from '../ledger/post.ts';
import { moneyOf } from '../platform/money.ts';
import type { CommandContext } from '../write/command.ts';
import { UserFault } from '../write/command.ts';
import type { Statements } from '../write/statements.ts';
import { currentPortion, type Purse, potsFor } from './purse.ts';
import {
  type AgreedLine,
  type Finding,
  fittingLine,
  judge,
  overspendRoom,
  type Pot,
  type Purchase,
  type Share,
  shareOutPast,
  type Terms,
  type Verdict,
} from './rules.ts';

export interface Asked extends Purchase {
  portionId: string | null;
  /** Whose reference it is. */
  clientId: string;
  externalRef: string | null;
  /** The line of a statement that shows it. */
  bankLineId: string | null;
  /** What had been set aside for it: this is spent first. */
  setAside?: { cause: string; shares: Share[] };
}

export interface Decided extends Asked, Verdict {
  shares: Share[];
}

/** What was found, as the row keeps it: the code, and of an exclusion whose list it is on and where. */
const findingText = ({ code, exclusion }: Finding) =>
  exclusion === undefined ? code : [code, exclusion.source, exclusion.position, exclusion.listId].join('\t');

/** The lines of the plan that a portion may pay. Where the money is in no portion of the plan's budget, all of them. */
export function payableLines({ portions }: Purse, terms: Terms, portionId: string | null): AgreedLine[] {
  const budgetOf = (id: string) => portions.find((portion) => portion.id === id)?.budgetId;
  return (terms.lines ?? []).filter((line) => {
    if (line.portionId === null || portionId === null) return true;
    if (budgetOf(line.portionId) !== budgetOf(portionId)) return true;
    return currentPortion(portions, line.portionId) === currentPortion(portions, portionId);
  });
}

/**
 * Decides about one purchase, and takes its money out of the purse's pots, so that the next sees what is left.
 *
 * @throws UserFault DAY_INVALID, LINE_NOT_IN_PLAN, INSUFFICIENT_BALANCE
 */
export function decideSpend(purse: Purse, asked: Asked, today: string): Decided {
  const { spentOn, pence } = asked;
  if (spentOn > today) {
    const message = 'That day is still to come. Set the money aside with commitMoney until then.';
    throw new UserFault('DAY_INVALID', message, 'spentOn');
  }
  const terms = purse.terms(spentOn);
  const lines = payableLines(purse, terms, asked.portionId);
  const line =
    asked.lineKey === null
      ? fittingLine(lines, asked)
      : (lines.find(({ key }) => key === asked.lineKey) ?? null);
  if (asked.lineKey !== null && terms.lines !== null && line === null) {
    const message = 'No line with this key in the plan agreed for that day is paid from this portion.';
    throw new UserFault('LINE_NOT_IN_PLAN', message, 'lineKey');
  }

  const portionId = asked.portionId ?? portionOf(purse, line);
  const pots = potsFor(purse.pots, portionId, line?.source ?? null);
  const setAside = asked.setAside?.shares ?? [];
  const released = setAside.reduce((sum, share) => sum + share.pence, 0n);
  const room = overspendRoom(
    purse.overspends.filter(({ source }) => line?.source == null || source === line.source),
    purse.pots,
    spentOn,
  );
  const { available, shares } = shareOutPast(pence - released, pots, room, (source) =>
    emptyPot(purse, source),
  );
  const payers = [...setAside, ...(shares ?? [])].map(({ pot }) => pot);
  payers.push(...pots.filter(({ left }) => left > 0n));
  const purchase: Purchase = {
    pence,
    spentOn,
    payee: asked.payee,
    what: asked.what,
    // Lower case, so that "Gym" and "gym" are one account.
    category: asked.category.toLowerCase() || (line === null ? '' : line.what.toLowerCase().slice(0, 60)),
    lineKey: line?.key ?? asked.lineKey,
  };
  const verdict = judge(
    { ...purchase, category: asked.category },
    {
      terms: { ...terms, lines: terms.lines === null ? null : lines },
      payers: [...new Set(payers.map(({ source }) => source))],
      earlier: purse.earlier,
      payees: purse.payees,
      budget: purse.budget,
      today,
    },
  );
  const decided = { ...asked, ...purchase, ...verdict, portionId };
  if (verdict.state === 'REFUSED') return { ...decided, shares: [] };

  if (shares === null) {
    const whose = line?.source ? ` of the money that pays this line (${line.source})` : '';
    const message = `${moneyOf(available + released).formatted} is left${whose}, which is less than this costs. Nothing was recorded.`;
    throw new UserFault('INSUFFICIENT_BALANCE', message, 'amount');
  }
  for (const { pot, pence: part } of shares) pot.left -= part;
  if (purchase.lineKey !== null) remember(purse, purchase, purchase.lineKey, verdict);
  return { ...decided, shares };
}

/** Where a source is overdrawn that has no money here: in the budget as a whole. */
function emptyPot({ pots, budgetId }: Purse, source: FundingSource): Pot {
  const pot: Pot = { budgetId, portionId: null, source, left: 0n };
  pots.push(pot);
  return pot;
}

/** For the next purchase of the same transaction. */
function remember(
  { earlier, payees }: Purse,
  { spentOn, pence, payee }: Purchase,
  lineKey: string,
  { state }: Verdict,
): void {
  const day = earlier.find((one) => one.lineKey === lineKey && one.spentOn === spentOn);
  if (day === undefined) earlier.push({ lineKey, spentOn, pence });
  else day.pence += pence;
  if (state === 'INSIDE_PLAN') payees.push({ lineKey, payee });
}

/** The portion that a line is paid from, where it is one of the purse's own. */
function portionOf({ portions, budgetId }: Purse, line: AgreedLine | null): string | null {
  if (line === null || line.portionId === null) return null;
  const id = currentPortion(portions, line.portionId);
  return portions.some((portion) => portion.id === id && portion.budgetId === budgetId) ? id : null;
}

export const causeOf = (spendId: string) => `spend/${spendId}`;

/** Where a share moves: in the budget whose money it is. */
const movedIn = (personId: string, { pot: { budgetId, source, portionId }, pence }: Share) => ({
  personId,
  budgetId,
  source,
  portionId,
  pence,
});

/** Posts movements of one cause or several into the budgets whose money they move. */
export async function postShares(
  tx: Statements,
  personId: string,
  movements: { share: Share; movement: Omit<Movement, 'source' | 'pence' | 'portionId'> }[],
): Promise<void> {
  await postAll(
    tx,
    movements.map(({ share, movement }) => ({ ...movement, ...movedIn(personId, share) })),
  );
}

const insertSpends = `
insert into spend (person_id, budget_id, portion_id, line_key, category, pence, spent_on, payee, what, state, findings,
                   client_id, external_ref, recorded_by, recorded_by_name, bank_line_id)
select row."personId", row."budgetId", row."portionId", row."lineKey", row.category, row.pence, row."spentOn", row.payee,
       row.what, row.state, row.findings, row."clientId", row."externalRef", $1, $2, row."bankLineId"
  from json_to_recordset($3::json) as row(
         n int, "personId" uuid, "budgetId" uuid, "portionId" uuid, "lineKey" text, category text, pence bigint, "spentOn" date, payee text, what text,
         state spend_state, findings text[], "clientId" text, "externalRef" text, "bankLineId" uuid)
 order by row.n
on conflict (client_id, external_ref) do nothing
returning id::text as id`;

/** What was decided about one purse. */
export interface PurseDecided {
  purse: Pick<Purse, 'personId' | 'budgetId'>;
  decided: Decided[];
}

/**
 * Writes what was decided, of one purse or of many, and its movements of money, and gives the ids in order. Null where
 * the client has used one of the references before: then nothing may be kept.
 */
export async function writeAllSpends(
  { tx, viewer }: Pick<CommandContext<Statements>, 'tx' | 'viewer'>,
  all: PurseDecided[],
): Promise<string[] | null> {
  const spends = all.flatMap(({ purse: { personId, budgetId }, decided }) =>
    decided.map((spend) => ({ ...spend, personId, budgetId })),
  );
  if (spends.length === 0) return [];
  const rows = spends.map(({ pence, findings, setAside, shares, ...spend }, n) => ({
    ...spend,
    n,
    pence: String(pence),
    findings: findings.map(findingText),
  }));
  const ids = await tx.$queryRawUnsafe<{ id: string }[]>(
    insertSpends,
    viewer.subject,
    viewer.name,
    JSON.stringify(rows),
  );
  if (ids.length < spends.length) return null;
  const movements = spends.flatMap((spend, index) => {
    if (spend.state === 'REFUSED') return [];
    const { personId, spentOn: effectiveOn, what: description, category, setAside } = spend;
    const cause = causeOf(ids[index]!.id);
    const releases = (setAside?.shares ?? []).map((share) => ({
      ...movedIn(personId, share),
      ...{ kind: 'RELEASED' as const, effectiveOn, description, cause: setAside!.cause },
    }));
    const payments = together([...(setAside?.shares ?? []), ...spend.shares]).map((share) => ({
      ...movedIn(personId, share),
      ...{ kind: 'SPENT' as const, effectiveOn, category, description, cause },
    }));
    return [...releases, ...payments];
  });
  await postAll(tx, movements);
  return ids.map(({ id }) => id);
}

export const writeSpends = (
  context: Pick<CommandContext<Statements>, 'tx' | 'viewer'>,
  purse: PurseDecided['purse'],
  decided: Decided[],
): Promise<string[] | null> => writeAllSpends(context, [{ purse, decided }]);

/** One share for each place, where two came from the same. */
function together(shares: Share[]): Share[] {
  const byPlace = new Map<string, Share>();
  for (const share of shares) {
    const { budgetId, portionId, source } = share.pot;
    const place = `${budgetId} ${portionId} ${source}`;
    const before = byPlace.get(place);
    byPlace.set(place, before === undefined ? share : { ...before, pence: before.pence + share.pence });
  }
  return [...byPlace.values()];
}
