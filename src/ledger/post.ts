/**
 * Moves money: the only way into the ledger but for what sources report. In the transaction of whoever calls, under the
 * lock of the budget, so that of two who spend the same money the second sees what the first has left.
 */
import type { FundingSource } from '../generated/prisma/enums.ts';
import type { CommandContext } from '../write/command.ts';
import { type AccountKind, legs, type TransferKind } from './rules.ts';

type Tx = Pick<CommandContext['tx'], '$queryRawUnsafe'>;

export interface Movement {
  kind: TransferKind;
  source: FundingSource;
  /** Above zero. */
  pence: bigint;
  effectiveOn: string;
  /** The portion that the money is in, or comes into; null for money of the budget as a whole. */
  portionId: string | null;
  /** For MOVED: the portion it goes to. */
  toPortionId?: string | null;
  /** What was bought, for SPENT and REFUNDED. */
  category?: string;
  description: string | null;
  /** What caused it, such as `spend/<uuid>`. */
  cause: string;
}

/** In pence, of one source of money. */
export interface Balance {
  allocated: bigint;
  /** Paid in less what went back to the funder. */
  paidIn: bigint;
  /** Neither spent nor set aside. */
  left: bigint;
  committed: bigint;
  spent: bigint;
}

/** The budget that money moves in, and whose it is. */
export interface Whose {
  personId: string;
  budgetId: string;
}

/**
 * Locks budgets for money, until the transaction ends. Whoever moves money in a budget has done this first, a budget
 * before its parts as everybody does.
 */
export async function lockBudgets(tx: Tx, budgetIds: string[]): Promise<void> {
  await tx.$queryRawUnsafe(
    `select id from budget where id = any($1::uuid[])
      order by coalesce(part_of_id, id), part_of_id is not null, id for update`,
    budgetIds,
  );
}

export const lockBudget = (tx: Tx, budgetId: string): Promise<void> => lockBudgets(tx, [budgetId]);

/** What is in a budget, or in one portion of it (null: in none), by source of money. Sources never seen are absent. */
export async function balancesIn(
  tx: Tx,
  budgetId: string,
  portionId?: string | null,
): Promise<Map<FundingSource, Balance>> {
  const rows = await tx.$queryRawUnsafe<{ source: FundingSource; kind: AccountKind; net: bigint }[]>(
    `select source::text as source, kind::text as kind, sum(in_pence - out_pence)::bigint as net from ledger_account
      where budget_id = $1::uuid and ($2 or portion_id is not distinct from $3::uuid) group by source, kind`,
    budgetId,
    portionId === undefined,
    portionId ?? null,
  );
  const balances = new Map<FundingSource, Balance>();
  for (const { source, kind, net } of rows) {
    const balance = balances.get(source) ?? { allocated: 0n, paidIn: 0n, left: 0n, committed: 0n, spent: 0n };
    balances.set(source, balance);
    if (kind === 'ALLOCATED') balance.allocated = net;
    if (kind === 'FUNDER') balance.paidIn = -net;
    if (kind === 'HELD') balance.left = net;
    if (kind === 'COMMITTED') balance.committed = net;
    if (kind === 'SPENT') balance.spent = net;
  }
  return balances;
}

/**
 * One statement, whatever the number of movements and budgets: finds the accounts, opens those that are not there, and
 * writes the transfers between them. Of an account that somebody without the lock opens meanwhile, the database refuses
 * the second, and nothing is posted.
 */
const postTransfers = `
with place as materialized (
  select p.n, coalesce(a.id, new_id()) as id, a.id is null as "isNew", p.person, p.budget, p.source, p.kind, p.portion,
         p.category
    from json_to_recordset($1::json) as p(
           n int, person uuid, budget uuid, source funding_source, kind ledger_account_kind, portion uuid, category text)
    left join ledger_account a on a.budget_id = p.budget and a.source = p.source and a.kind = p.kind
                              and a.portion_id is not distinct from p.portion and a.category = p.category),
opened as (
  insert into ledger_account (id, person_id, budget_id, source, kind, portion_id, category, organisation_id)
  select id, person, budget, source, kind, portion, category,
         case when kind in ('FUNDER', 'ALLOTMENT') then (
           select organisation_id from funding_line f
            where f.budget_id = place.budget and f.person_id = place.person and f.source = place.source
            order by organisation_id limit 1) end
    from place where "isNew")
insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                             description, external_id)
select f.person, f.budget, f.id, t.id, m.kind, f.source, m.pence, m."effectiveOn", m.description, m.cause
  from json_to_recordset($2::json) as m(
         n int, "from" int, "to" int, kind transfer_kind, pence bigint, "effectiveOn" date, description text, cause text)
  join place f on f.n = m."from"
  join place t on t.n = m."to"
 order by m.n
returning id::text as id`;

/** An account by what it is for. */
interface Place {
  person: string;
  budget: string;
  source: FundingSource;
  kind: AccountKind;
  portion: string | null;
  category: string;
}

/** Where a movement begins or ends: only what was spent is told apart by category, only money in the budget by portion. */
const placeOf = (
  kind: AccountKind,
  portionId: string | null,
  { personId, budgetId, source, category = '' }: Movement & Whose,
): Place => ({
  person: personId,
  budget: budgetId,
  source,
  kind,
  portion: kind === 'FUNDER' || kind === 'ALLOTMENT' ? null : portionId,
  category: kind === 'SPENT' ? category : '',
});

/**
 * Writes movements in any number of budgets as transfers, in their order, and gives their ids. Whether there is money
 * enough is for the caller to ask, under the lock.
 */
export async function postAll(tx: Tx, movements: (Movement & Whose)[]): Promise<string[]> {
  if (movements.length === 0) return [];
  const places = new Map<string, Place & { n: number }>();
  const numberOf = (place: Place): number => {
    const name = JSON.stringify(place);
    const known = places.get(name)?.n;
    if (known === undefined) places.set(name, { ...place, n: places.size });
    return known ?? places.size - 1;
  };
  const rows = movements.map((movement, n) => {
    const { kind, pence, effectiveOn, portionId, toPortionId = null, description, cause } = movement;
    const from = numberOf(placeOf(legs[kind].from, portionId, movement));
    const to = numberOf(placeOf(legs[kind].to, kind === 'MOVED' ? toPortionId : portionId, movement));
    return { n, from, to, kind, pence: String(pence), effectiveOn, description, cause };
  });
  const posted = await tx.$queryRawUnsafe<{ id: string }[]>(
    postTransfers,
    JSON.stringify([...places.values()]),
    JSON.stringify(rows),
  );
  if (posted.length !== movements.length) throw new Error('not every movement was posted');
  return posted.map(({ id }) => id);
}

/** The same in one budget. */
export const post = (tx: Tx, { personId, budgetId }: Whose, movements: Movement[]): Promise<string[]> =>
  postAll(
    tx,
    movements.map((movement) => ({ ...movement, personId, budgetId })),
  );

/** Undoes transfers, each by one the other way on `effectiveOn`. One that was undone before is refused by the database. */
export async function reverse(
  tx: Tx,
  transferIds: string[],
  { effectiveOn, description }: { effectiveOn: string; description: string },
): Promise<string[]> {
  const reversed = await tx.$queryRawUnsafe<{ id: string }[]>(
    `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence,
                                  effective_on, description, reverses_id, external_id)
     select person_id, budget_id, to_account_id, from_account_id, kind, source, pence, $2::date, $3, id, external_id
       from ledger_transfer where id = any($1::uuid[])
     returning id::text as id`,
    transferIds,
    effectiveOn,
    description,
  );
  return reversed.map(({ id }) => id);
}
