/** What the commands of this room are given, checked. */

import { portionPrefix } from '../plan/view.ts';
import { uuidOf } from '../platform/id.ts';
import { UserFault } from '../write/command.ts';
import { type MoneyGiven, penceOf, textOf } from '../write/subject.ts';
import type { Purse } from './purse.ts';

/** @throws UserFault AMOUNT_INVALID, CURRENCY_NOT_GBP */
export function amountOf(amount: MoneyGiven, field = 'amount'): bigint {
  const pence = penceOf(amount, field);
  if (pence > 0n) return pence;
  throw new UserFault('AMOUNT_INVALID', 'An amount is 0.01 to 999999999.99.', `${field}.amount`);
}

/** A portion of the purse's budget, by its global id. @throws UserFault NOT_FOUND */
export function portionIn(
  purse: Pick<Purse, 'portions' | 'budgetId'>,
  id: string | null | undefined,
  field = 'portionId',
): string | null {
  if (id == null) return null;
  const uuid = uuidOf(portionPrefix, id);
  if (uuid !== null && purse.portions.some((p) => p.id === uuid && p.budgetId === purse.budgetId))
    return uuid;
  throw new UserFault('NOT_FOUND', 'The budget has no such portion.', field);
}

/** A text in one line: what a person may type or paste, without the characters that no name or thing has. */
export function lineOf(text: string, field: string, maxLength: number): string {
  return textOf(text.replace(/[\s\p{Cc}\p{Cs}]+/gu, ' '), field, maxLength);
}
