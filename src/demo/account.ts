/** What passes through one made-up account: money in every four weeks, wages in arrears, now and then a purchase. */
import type { FundingSource } from '../intake/submission.ts';
import { type Dice, dayText } from './dice.ts';
import { purchases } from './name.ts';

/** Everybody in Wenshire is paid on the same Mondays, and the
 * place moves on with the payday: started anew within the same four weeks, the demo says the same. */
const firstPayday = 19_814; // 2024-04-01
export const cycleDays = 28;
/** A year of thirteen cycles. */
export const yearDays = 13 * cycleDays;

export const paydayUpTo = (day: number): number => day - ((day - firstPayday) % cycleDays);

/** Days of an account's life, all of them paydays. Money stops at `stopped` although the budget goes on. */
export interface Term {
  from: number;
  to: number | null;
  stopped: number | null;
}

export interface Line {
  kind: 'PAID_IN' | 'SPENT' | 'COMMITTED' | 'REPAID';
  source: FundingSource;
  pence: bigint;
  on: string;
  text: string;
}

/**
 * Each source of money is spent from what that source paid in, and never below nothing. Wages fall due on the next
 * payday, so an open account always has one payroll committed, and the money for it is there. What is left when a
 * budget has ended goes back.
 */
export function accountLines(
  dice: Dice,
  payday: number,
  term: Term,
  shares: { source: FundingSource; pence: bigint }[],
  text: { paidIn: string; wages: string; repaid: string },
): Line[] {
  const lines: Line[] = [];
  const lastDay = Math.min(payday, term.to ?? payday, term.stopped ?? payday);
  const isOpen = term.to === null && term.stopped === null;
  const wageShare = BigInt(dice.between(80, 96));
  for (const { source, pence } of shares) {
    const wages = (pence * wageShare) / 100n;
    let left = 0n;
    const add = (kind: Line['kind'], amount: bigint, day: number, words: string): void => {
      lines.push({ kind, source, pence: amount, on: dayText(day), text: words });
      if (kind === 'PAID_IN') left += amount;
      else if (kind !== 'COMMITTED') left -= amount;
    };
    let day = term.from;
    for (; isOpen ? day <= lastDay : day < lastDay; day += cycleDays) {
      add('PAID_IN', pence, day, text.paidIn);
      const purchaseDay = day + dice.between(3, 25);
      const spare = left - wages;
      if (spare > 1_000n && purchaseDay <= lastDay && dice.chance(0.4)) {
        add('SPENT', (spare * BigInt(dice.between(20, 80))) / 100n, purchaseDay, dice.pick(purchases));
      }
      if (day + cycleDays <= lastDay) add('SPENT', wages, day + cycleDays, text.wages);
    }
    if (isOpen) add('COMMITTED', wages, day, text.wages);
    if (term.to !== null && term.to <= payday && left > 0n) add('REPAID', left, term.to, text.repaid);
  }
  return lines;
}
