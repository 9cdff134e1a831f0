/**
 * The money of a budget and the terms on which it is spent, read under the lock of the budget. An integrated budget may
 * have parts that two systems keep: what is agreed stands with the whole, and the money is in the parts.
 */

import type { BudgetStatus, FundingSource } from '../generated/prisma/enums.ts';
import { lockBudget } from '../ledger/post.ts';
import { dayOf } from '../platform/day.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import type { Earlier, KnownPayee, Pot, Terms } from './rules.ts';
import { termsOf } from './terms.ts';

type Tx = CommandContext['tx'];

export interface Purse {
  personId: string;
  budgetId: string;
  /** `to` is the first day on which it is no longer in force. */
  budget: { status: BudgetStatus; from: string; to: string | null };
  /** The budget and its parts: where its money may be. */
  budgetIds: string[];
  portions: { id: string; budgetId: string; replacesId: string | null }[];
  pots: Pot[];
  earlier: Earlier[];
  payees: KnownPayee[];
  /** On one of the days that it was opened for. */
  terms: (day: string) => Terms;
}

const potRows = `
select budget_id::text as "budgetId", portion_id::text as "portionId", source::text as source,
       sum(in_pence - out_pence)::bigint as left
  from ledger_account where budget_id = any($1::uuid[]) and kind = 'HELD' group by 1, 2, 3 order by 3, 1`;

const earlierRows = `
select s.line_key as "lineKey", s.spent_on::text as "spentOn",
       sum(s.pence - coalesce((
         select sum(case when t.reverses_id is null then t.pence else -t.pence end) from ledger_transfer t
          where t.external_id = 'spend/' || s.id and t.kind = 'REFUNDED'), 0))::bigint as pence
  from spend s
 where s.person_id = $1::uuid and s.line_key is not null and s.state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED')
   and s.budget_id = any($2::uuid[])
 group by 1, 2`;

const payeeRows = `
select distinct line_key as "lineKey", payee from spend
 where person_id = $1::uuid and line_key is not null and state in ('INSIDE_PLAN', 'ACCEPTED')
   and budget_id = any($2::uuid[])`;

/** Locks a budget with its parts, always in this order, until the transaction ends. Gives their ids, its own first. */
export async function lockParts(tx: Tx, personId: string, budgetId: string): Promise<string[]> {
  await lockBudget(tx, budgetId);
  const parts = await tx.$queryRawUnsafe<{ id: string }[]>(
    `select id::text as id from budget where part_of_id = $1::uuid and person_id = $2::uuid order by id for update`,
    budgetId,
    personId,
  );
  return [budgetId, ...parts.map(({ id }) => id)];
}

/** What is left in each place of the budgets. */
export const potsOf = (tx: Tx, budgetIds: string[]): Promise<Pot[]> =>
  tx.$queryRawUnsafe<Pot[]>(potRows, budgetIds);

/**
 * @param days those on which something was bought
 * @throws UserFault WRONG_STAGE where the budget was never released
 */
export async function openPurse(tx: Tx, personId: string, budgetId: string, days: string[]): Promise<Purse> {
  const budgetIds = await lockParts(tx, personId, budgetId);
  const budget = await tx.budget.findUniqueOrThrow({ where: { id_personId: { id: budgetId, personId } } });
  const { status, validFrom, validTo, partOfId } = budget;
  if (status === 'INDICATIVE' || status === 'PROPOSED' || status === 'SIGNED_OFF') {
    const message = `The budget is ${status}. Its money can be spent once it is released.`;
    throw new UserFault('WRONG_STAGE', message, 'budgetId');
  }
  const agreedIn = partOfId === null ? budgetIds : [...budgetIds, partOfId];
  const portions = await tx.portion.findMany({
    where: { personId, budgetId: { in: agreedIn } },
    select: { id: true, budgetId: true, replacesId: true },
  });
  return {
    personId,
    budgetId,
    budget: { status, from: dayOf(validFrom), to: validTo === null ? null : dayOf(validTo) },
    budgetIds,
    portions,
    pots: await potsOf(tx, budgetIds),
    earlier: await tx.$queryRawUnsafe<Earlier[]>(earlierRows, personId, agreedIn),
    payees: await tx.$queryRawUnsafe<KnownPayee[]>(payeeRows, personId, agreedIn),
    terms: await termsOf(tx, personId, agreedIn, days),
  };
}

/** The portion that took the place of one, and of that, to the last. */
export function currentPortion(portions: Purse['portions'], id: string): string {
  const next = portions.find(({ replacesId }) => replacesId === id);
  return next === undefined ? id : currentPortion(portions, next.id);
}

/**
 * Where the money of a portion is: in the portion, or where nothing is there in the budget as a whole, for a source
 * system that pays does not say into which portion.
 */
export function potsFor(pots: Pot[], portionId: string | null, source: FundingSource | null = null): Pot[] {
  const ofSource = pots.filter((pot) => source === null || pot.source === source);
  const inPortion = ofSource.filter((pot) => portionId !== null && pot.portionId === portionId);
  return inPortion.some(({ left }) => left > 0n)
    ? inPortion
    : ofSource.filter((pot) => pot.portionId === null);
}
