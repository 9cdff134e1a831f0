/** What schedules need to know of budgets, funders and policies, in a command's transaction. */

import { policyRows } from '../commissioner/policy.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { BudgetStatus, FundingSource, Management } from '../generated/prisma/enums.ts';
import { dayOf, holdsOn } from '../platform/day.ts';

type Tx = Prisma.TransactionClient;

export interface PaidBudget {
  status: BudgetStatus;
  from: string;
  /** First day on which it is no longer in force. */
  to: string | null;
  /** Kept by a system of one of the two sides, which pays it itself. */
  isFromSource: boolean;
}

export async function budgetOf(tx: Tx, budgetId: string): Promise<PaidBudget> {
  const { status, validFrom, validTo, linkId } = await tx.budget.findFirstOrThrow({
    where: { id: budgetId },
  });
  return {
    status,
    from: dayOf(validFrom),
    to: validTo === null ? null : dayOf(validTo),
    isFromSource: linkId !== null,
  };
}

/** How a portion of this budget is managed on a day; null when it is none of this budget, or not on that day. */
export async function managementOf(
  tx: Tx,
  { budgetId, portionId }: { budgetId: string; portionId: string },
  day: string,
): Promise<Management | null> {
  const on = new Date(day);
  const portion = await tx.portion.findFirst({
    where: {
      id: portionId,
      budgetId,
      AND: [
        { OR: [{ validFrom: null }, { validFrom: { lte: on } }] },
        { OR: [{ validTo: null }, { validTo: { gt: on } }] },
      ],
    },
    select: { management: true },
  });
  return portion?.management ?? null;
}

/** Who gives the budget's money of this source on a day; several only where a budget names several. */
export async function fundersOf(
  tx: Tx,
  budgetId: string,
  source: FundingSource,
  day: string,
): Promise<{ id: string; code: string; name: string }[]> {
  return tx.$queryRawUnsafe(
    `select distinct o.id::text as id, o.ods_code as code, o.name
       from funding_line f join organisation o on o.id = f.organisation_id
      where f.budget_id = $1::uuid and f.source = $2::funding_source
        and ${holdsOn('f', '$3::date')}
      order by o.ods_code`,
    budgetId,
    source,
    day,
  );
}

/** Everybody who gives money to a budget, whenever. */
export async function payersOf(tx: Tx, budgetId: string): Promise<string[]> {
  const lines = await tx.fundingLine.findMany({ where: { budgetId }, select: { organisationId: true } });
  return lines.flatMap(({ organisationId }) => (organisationId === null ? [] : [organisationId]));
}

/** How long a new account cools off, by the policy of each that gives money to the budget on a day. */
export async function coolingOffSaid(tx: Tx, budgetId: string, day: string): Promise<(number | null)[]> {
  const rows = await tx.$queryRawUnsafe<{ days: number | null }[]>(
    `select p.account_cooling_off_days as days
       from funding_line f
       left join lateral (${policyRows('f.organisation_id', 'f.source', '$2::date')}) p on true
      where f.budget_id = $1::uuid and f.organisation_id is not null and ${holdsOn('f', '$2::date')}`,
    budgetId,
    day,
  );
  return rows.map(({ days }) => days);
}
