/** Whether something that was bought is inside the plan, and whose money pays it. */
import type { CostFrequency, FundingSource } from '../generated/prisma/enums.ts';
import { covers, extraPence, type LineChange } from '../plan/line-change.ts';
import { addMonths, daysBetween } from '../platform/day.ts';
import { apportion } from '../platform/money.ts';
import { allWithin, inCommon, wordsOf } from './word.ts';

/** A line of the agreed plan, as far as spending on it is concerned. */
export interface AgreedLine {
  key: string;
  what: string;
  providerName: string | null;
  /** Whose money alone pays it; null where all that is in the portion may. */
  source: FundingSource | null;
  /** What it may cost in a year, or once. */
  yearlyPence: bigint;
  frequency: CostFrequency;
  portionId: string | null;
  /** What it is planned to cost a week; null for a single sum. */
  weeklyPence: bigint | null;
  /** What was agreed since, in the order of agreement. */
  changes: AgreedChange[];
}

/** A change of a line, and who is paid while it holds, where that is another than planned. */
export interface AgreedChange extends LineChange {
  providerName: string | null;
}

/** An entry of a list of what a funder's money may not be spent on. */
export interface Exclusion {
  source: FundingSource;
  listId: string;
  position: number;
  what: string;
}

/** What the agreement says on one day. */
export interface Terms {
  /** Null where no plan was agreed for the day. */
  lines: AgreedLine[] | null;
  exclusions: Exclusion[];
}

/** What was bought on a line of the plan in one day. */
export interface Earlier {
  lineKey: string;
  spentOn: string;
  /** Less what came back. */
  pence: bigint;
}

/** Somebody who was paid on a line, and nobody had to look, or somebody did and accepted. */
export interface KnownPayee {
  lineKey: string;
  payee: string;
}

export interface Purchase {
  pence: bigint;
  spentOn: string;
  payee: string;
  what: string;
  category: string;
  lineKey: string | null;
}

export type FindingCode =
  | 'EXCLUDED_ITEM'
  | 'NEAR_EXCLUSION'
  | 'NO_PLAN'
  | 'NOT_IN_PLAN'
  | 'LINE_OVERSPENT'
  | 'PAYEE_DIFFERS'
  | 'OUTSIDE_BUDGET'
  | 'OLD_DATE';

export interface Finding {
  code: FindingCode;
  /** The entry of a list that it met. */
  exclusion?: Exclusion;
}

export interface Verdict {
  state: 'INSIDE_PLAN' | 'NEEDS_LOOK' | 'REFUSED';
  findings: Finding[];
}

/** What was bought longer ago than this is looked at, for the year's return may have been made without it. */
const oldAfterDays = 366;

/**
 * The line of the plan that a purchase belongs to where nobody named one: the only one whose provider was paid, else
 * the only one whose words are those of what was bought. Null where none fits, or several do.
 */
export function fittingLine(lines: AgreedLine[], purchase: Omit<Purchase, 'lineKey'>): AgreedLine | null {
  const payee = wordsOf(purchase.payee);
  const bought = wordsOf(purchase.what, purchase.category);
  const byWords = (line: AgreedLine) => {
    const words = wordsOf(line.what);
    return allWithin(words, bought) || allWithin(wordsOf(purchase.what), words);
  };
  const provided = lines.filter((line) => allWithin(wordsOf(line.providerName), payee));
  const described = (provided.length > 0 ? provided : lines).filter(byWords);
  for (const fitting of [provided, described]) if (fitting.length === 1) return fitting[0]!;
  return null;
}

/**
 * What of a list the words meet: an entry is met when every word of it was said, and nearly met by more than half.
 * The words are those of what was bought and of its category.
 */
export function exclusionsMet(said: Set<string>, exclusions: Exclusion[]): Finding[] {
  return exclusions.flatMap((exclusion): Finding[] => {
    const words = wordsOf(exclusion.what);
    if (allWithin(words, said)) return [{ code: 'EXCLUDED_ITEM', exclusion }];
    return 2 * inCommon(words, said) > words.size ? [{ code: 'NEAR_EXCLUSION', exclusion }] : [];
  });
}

/** The year of a budget that a day lies in: its first day, and the first of the next. */
export function budgetYear(budgetFrom: string, day: string): { from: string; to: string } {
  const yearsApart = Number(day.slice(0, 4)) - Number(budgetFrom.slice(0, 4));
  const startOf = (years: number) => addMonths(budgetFrom, 12 * years);
  const years = startOf(yearsApart) <= day ? yearsApart : yearsApart - 1;
  return { from: startOf(years), to: startOf(years + 1) };
}

/** What a line has paid already, of what it may in the year of `day`; a single sum has one year, for ever. */
export function spentOnLine(line: AgreedLine, earlier: Earlier[], budgetFrom: string, day: string): bigint {
  const { from, to } = budgetYear(budgetFrom, day);
  return earlier
    .filter(({ lineKey, spentOn }) => {
      const inYear = line.frequency === 'ONE_OFF' || (spentOn >= from && spentOn < to);
      return lineKey === line.key && inYear;
    })
    .reduce((sum, { pence }) => sum + pence, 0n);
}

/**
 * Inside the plan, for somebody to look at, or refused because the money of a funder who would pay may not be spent on
 * it. What nobody agreed to is looked at and not refused: almost anything can be agreed, also afterwards.
 *
 * @param payers whose money would pay
 */
export function judge(
  purchase: Purchase,
  {
    terms,
    payers,
    earlier,
    payees,
    budget,
    today,
  }: {
    terms: Terms;
    payers: FundingSource[];
    earlier: Earlier[];
    payees: KnownPayee[];
    budget: { from: string; to: string | null };
    today: string;
  },
): Verdict {
  const said = wordsOf(purchase.what, purchase.category);
  const met = exclusionsMet(
    said,
    terms.exclusions.filter(({ source }) => payers.includes(source)),
  );
  const excluded = met.filter(({ code }) => code === 'EXCLUDED_ITEM');
  if (excluded.length > 0) return { state: 'REFUSED', findings: excluded };

  const findings: Finding[] = met;
  const find = (code: FindingCode, is: boolean) => {
    if (is) findings.push({ code });
  };
  const { spentOn, pence } = purchase;
  const line = terms.lines?.find(({ key }) => key === purchase.lineKey);
  find('NO_PLAN', terms.lines === null);
  find('NOT_IN_PLAN', terms.lines !== null && line === undefined);
  if (line !== undefined) {
    const already = spentOnLine(line, earlier, budget.from, spentOn);
    find('LINE_OVERSPENT', already + pence > mayCost(line, budget.from, spentOn));
    find('PAYEE_DIFFERS', !isPayeeOf(line, purchase, payees));
  }
  find('OUTSIDE_BUDGET', spentOn < budget.from || (budget.to !== null && spentOn >= budget.to));
  find('OLD_DATE', daysBetween(spentOn, today) > oldAfterDays);
  return { state: findings.length === 0 ? 'INSIDE_PLAN' : 'NEEDS_LOOK', findings };
}

/** What a line may cost in the year of a day, with what was changed since it was planned. */
function mayCost({ yearlyPence, weeklyPence, changes }: AgreedLine, budgetFrom: string, day: string): bigint {
  if (weeklyPence === null || changes.length === 0) return yearlyPence;
  return yearlyPence + extraPence(weeklyPence, changes, budgetYear(budgetFrom, day));
}

/** The plan names nobody, or them, or they were paid on this line before and nobody minded. */
function isPayeeOf(
  line: AgreedLine,
  { payee, spentOn }: Pick<Purchase, 'payee' | 'spentOn'>,
  payees: KnownPayee[],
): boolean {
  const words = wordsOf(payee);
  const instead = line.changes.findLast((change) => change.providerName !== null && covers(change, spentOn));
  const named = wordsOf(instead?.providerName ?? line.providerName);
  if (named.size === 0 || inCommon(named, words) > 0) return true;
  return payees.some((known) => known.lineKey === line.key && allWithin(words, wordsOf(known.payee)));
}

/** Money of one source in one place. */
export interface Pot {
  budgetId: string;
  portionId: string | null;
  source: FundingSource;
  left: bigint;
}

export interface Share {
  pot: Pot;
  pence: bigint;
}

/** How far a funder lets its money be spent past what there is, for what is bought up to a day, that one too. */
export interface Overspend {
  source: FundingSource;
  pence: bigint;
  until: string;
}

/** How much further each source may be overdrawn on a day: what was agreed, less what it is overdrawn by already. */
export function overspendRoom(agreed: Overspend[], pots: Pot[], day: string): Map<FundingSource, bigint> {
  const room = new Map<FundingSource, bigint>();
  for (const { source, pence, until } of agreed)
    if (day <= until) room.set(source, (room.get(source) ?? 0n) + pence);
  for (const { source, left } of pots)
    if (left < 0n && room.has(source)) room.set(source, room.get(source)! + left);
  for (const [source, pence] of room) if (pence <= 0n) room.delete(source);
  return room;
}

/**
 * The same as `shareOut`, and where that is not enough what is missing comes from the sources that have room, in
 * proportion to it. `available` is all of it. A source without a pot here is overdrawn in one that `emptyPot` gives.
 */
export function shareOutPast(
  pence: bigint,
  pots: Pot[],
  room: Map<FundingSource, bigint>,
  emptyPot: (source: FundingSource) => Pot,
): ReturnType<typeof shareOut> {
  const inside = shareOut(pence, pots);
  if (inside.shares !== null || room.size === 0) return inside;
  const able = [...room].map(([source, more]) => ({
    pot: pots.find((pot) => pot.source === source) ?? emptyPot(source),
    key: source,
    weight: more,
  }));
  const available = able.reduce((sum, { weight }) => sum + weight, inside.available);
  if (available < pence) return { available, shares: null };
  const past = apportion(pence - inside.available, able);
  const shares = [
    ...pots.map((pot) => ({ pot, pence: pot.left > 0n ? pot.left : 0n })),
    ...able.map(({ pot }, index) => ({ pot, pence: past[index]! })),
  ];
  return { available, shares: shares.filter(({ pence: part }) => part > 0n) };
}

/**
 * What each pot pays: in proportion to what is left in it, by largest remainder, so that the parts add up to the amount
 * and none is overdrawn. No shares where there is not enough.
 *
 * So no money is spent first, neither a funder's nor the person's contribution, where nothing says whose money pays: no
 * line of the plan, or one that all pay. No law or guidance that we know of says an order; this is this project's
 * decision. It follows the rule for what is over at the end (each source's inflow less the eligible spending on it,
 * `surplusShares`), so that what is left stays as it was put together, and it never sets the person's contribution against
 * money of the NHS: each bears its own part alone.
 */
export function shareOut(pence: bigint, pots: Pot[]): { available: bigint; shares: Share[] | null } {
  const able = pots.filter(({ left }) => left > 0n);
  const available = able.reduce((sum, { left }) => sum + left, 0n);
  if (available < pence) return { available, shares: null };
  if (pence === 0n) return { available, shares: [] };
  const parts = apportion(
    pence,
    able.map(({ left, ...pot }) => ({
      key: `${pot.source} ${pot.budgetId} ${pot.portionId ?? ''}`,
      weight: left,
    })),
  );
  const shares = able.map((pot, index) => ({ pot, pence: parts[index]! }));
  return { available, shares: shares.filter(({ pence: part }) => part > 0n) };
}
