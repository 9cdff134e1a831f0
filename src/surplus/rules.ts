/** What is over of a budget's money, whose it is, and what of it its funder may ask back. */
import type { FundingSource, ReclaimGround } from '../generated/prisma/enums.ts';
import { apportion } from '../platform/money.ts';

/** What moved of one source of money, in pence. */
export interface SourceMoney {
  source: FundingSource;
  /** Less what went back to the funder. */
  paidIn: bigint;
  /** Less what came back of it. What a funder refused has moved no money. */
  spent: bigint;
  /** Set aside for payments that are due, such as payroll and tax. */
  committed: bigint;
}

const councilSide: readonly FundingSource[] = ['COUNCIL', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP'];

const sum = (amounts: bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const above = (pence: bigint) => (pence > 0n ? pence : 0n);

/**
 * Each source's share of what is in the account: in proportion to its inflow less the eligible spending on it, by
 * largest remainder. Where no source is overdrawn that is just what each has left. What one has overdrawn is borne by
 * the others of its own side: the person's contribution is never set against NHS money, nor NHS money against a
 * council's.
 */
export function surplusShares(money: Pick<SourceMoney, 'source' | 'paidIn' | 'spent'>[]): bigint[] {
  const shares = money.map(() => 0n);
  for (const isCouncil of [true, false]) {
    const side = money.flatMap(({ source, paidIn, spent }, index) =>
      councilSide.includes(source) === isCouncil ? [{ key: source, index, over: paidIn - spent }] : [],
    );
    const total = sum(side.map(({ over }) => over));
    if (total <= 0n) continue;
    const parts = apportion(
      total,
      side.map(({ key, over }) => ({ key, weight: above(over) })),
    );
    for (const [n, { index }] of side.entries()) shares[index] = parts[n]!;
  }
  return shares;
}

/** How many weeks an amount lasts, in tenths of a week, rounded down; null where there is no weekly cost to go by. */
export const tenthsOfWeeks = (pence: bigint, weekly: bigint | null): bigint | null =>
  weekly === null || weekly <= 0n ? null : (above(pence) * 10n) / weekly;

/**
 * `max(0, balance - threshold × weekly - committed)`, as councils publish it (St Helens asks back what is above 8
 * weeks, Dorset above 4). Null where the funder has said no threshold, or there is no weekly cost: then nobody knows.
 */
export function reclaimable(
  balance: bigint,
  { weekly, committed }: { weekly: bigint | null; committed: bigint },
  thresholdWeeks: number | null,
): bigint | null {
  if (thresholdWeeks === null || weekly === null || weekly <= 0n) return null;
  return above(balance - BigInt(thresholdWeeks) * weekly - committed);
}

/**
 * What a reclaim comes to when so much more of it is repaid; null where that is nothing, or more than is outstanding.
 */
export function repaymentOf(
  { pence, repaidPence }: { pence: bigint; repaidPence: bigint },
  now: bigint,
): { repaidPence: bigint; status: 'PART_REPAID' | 'REPAID' } | null {
  const repaid = repaidPence + now;
  if (now <= 0n || repaid > pence) return null;
  return { repaidPence: repaid, status: repaid === pence ? 'REPAID' : 'PART_REPAID' };
}

/** A weekly cost of the agreed plan. `source` is null where all funders of the budget pay it. */
export interface WeeklyLine {
  source: FundingSource | null;
  pence: bigint;
}

/** What a funder gives in a year, by source. */
export interface Funding {
  source: FundingSource;
  yearly: bigint;
}

const weeksOfYear = 52n;

/**
 * What each source plans to pay a week: its lines of the plan, and of those that all pay the share that is its part of
 * the year's funding. Without such lines what it gives in a year, by 52 weeks.
 */
export function weeklyBySource(lines: WeeklyLine[], funding: Funding[]): Map<FundingSource, bigint> {
  if (lines.length === 0) return new Map(funding.map(({ source, yearly }) => [source, yearly / weeksOfYear]));
  const weekly = new Map<FundingSource, bigint>();
  const add = (source: FundingSource, pence: bigint) =>
    weekly.set(source, (weekly.get(source) ?? 0n) + pence);
  for (const { source, pence } of lines) if (source !== null) add(source, pence);
  const shared = sum(lines.flatMap(({ source, pence }) => (source === null ? [pence] : [])));
  const payers = funding.map(({ source, yearly }) => ({ key: source, weight: yearly }));
  if (payers.some(({ weight }) => weight > 0n)) {
    for (const [n, pence] of apportion(shared, payers).entries()) add(funding[n]!.source, pence);
  }
  return weekly;
}

const nhsRegulations = 'National Health Service (Direct Payments) Regulations 2013, SI 2013/1617';

/** The NHS may ask money back on these grounds (regulation 15 of SI 2013/1617), and no others. */
export const lawOf: Record<ReclaimGround, string> = {
  PLAN_CHANGED_SUBSTANTIALLY: `${nhsRegulations}, regulation 15`,
  CIRCUMSTANCES_CHANGED: `${nhsRegulations}, regulation 15`,
  SUBSTANTIAL_UNUSED_ACCUMULATION: `${nhsRegulations}, regulation 15`,
  USED_OTHERWISE_THAN_PLAN: `${nhsRegulations}, regulations 15 and 17`,
  THEFT_FRAUD_OFFENCE: `${nhsRegulations}, regulations 15 and 17`,
  PATIENT_DIED: `${nhsRegulations}, regulation 15`,
};

/** The rule by which the NHS must decide again once when it is asked to. A council has no such duty. */
export const reconsiderUnder = `${nhsRegulations}, regulation 15`;

export const appealRoutes = {
  NHS: 'The complaints procedure of the integrated care board, then the Parliamentary and Health Service Ombudsman.',
  COUNCIL: "The council's complaints procedure, then the Local Government and Social Care Ombudsman.",
};

/** Whether a notice needs a threshold to go by; every other ground reaches all that is there. */
export const isByThreshold = (ground: ReclaimGround) => ground === 'SUBSTANTIAL_UNUSED_ACCUMULATION';
