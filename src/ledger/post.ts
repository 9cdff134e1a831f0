/**
 * Moves money: the only way into the ledger but for what sources report. In the transaction of whoever calls, under the
 * lock of the budget, so that of two who spend the same money the second sees what the first has left.
 */
import type { FundingSource } from '../generated/prisma/enums.ts';
import type { CommandContext } from '../write/command.ts';
import { type AccountKind, legs, type TransferKind } from './rules.ts';

type Tx = Pick<CommandContext['tx'], '$queryRawUnsafe' | '$executeRawUnsafe'>;

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

/** Locks the budget for money, until the transaction ends. Whoever moves money in a budget has done this first. */
export async function lockBudget(tx: Tx, budgetId: string): Promise<void> {
  await tx.$queryRawUnsafe(`select id from budget where id = $1::uuid for update`, budgetId);
}

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

const openAccounts = `
insert into ledger_account (person_id, budget_id, source, kind, portion_id, category, organisation_id)
select distinct $1::uuid, $2::uuid, row.source, leg.kind, leg.portion, leg.category,
       case when leg.kind in ('FUNDER', 'ALLOTMENT') then (
         select organisation_id from funding_line f
          where f.budget_id = $2::uuid and f.person_id = $1::uuid and f.source = row.source
          order by organisation_id limit 1) end
  from json_to_recordset($3::json) as row(
         source funding_source, "fromKind" ledger_account_kind, "toKind" ledger_account_kind,
         "fromPortion" uuid, "toPortion" uuid, "fromCategory" text, "toCategory" text)
 cross join lateral (values (row."fromKind", row."fromPortion", row."fromCategory"),
                            (row."toKind", row."toPortion", row."toCategory")) as leg(kind, portion, category)
on conflict (budget_id, source, kind, portion_id, category) do nothing`;

const postTransfers = `
insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                             description, external_id)
select $1::uuid, $2::uuid, a.id, b.id, row.kind, row.source, row.pence, row."effectiveOn", row.description, row.cause
  from json_to_recordset($3::json) as row(
         n int, source funding_source, "fromKind" ledger_account_kind, "toKind" ledger_account_kind, "fromPortion" uuid,
         "toPortion" uuid, "fromCategory" text, "toCategory" text, kind transfer_kind, pence bigint,
         "effectiveOn" date, description text, cause text)
  join ledger_account a on a.budget_id = $2::uuid and a.source = row.source and a.kind = row."fromKind"
                       and a.portion_id is not distinct from row."fromPortion" and a.category = row."fromCategory"
  join ledger_account b on b.budget_id = $2::uuid and b.source = row.source and b.kind = row."toKind"
                       and b.portion_id is not distinct from row."toPortion" and b.category = row."toCategory"
 order by row.n
returning id::text as id`;

/** Where an account stands: only what was spent is told apart by category, only money in the budget by portion. */
function place(kind: AccountKind, portionId: string | null, category: string) {
  return {
    portion: kind === 'FUNDER' || kind === 'ALLOTMENT' ? null : portionId,
    category: kind === 'SPENT' ? category : '',
  };
}

/**
 * Writes the movements as transfers of one budget, in their order, and gives their ids. Whether there is money enough is
 * for the caller to ask, under the lock.
 */
export async function post(
  tx: Tx,
  { personId, budgetId }: { personId: string; budgetId: string },
  movements: Movement[],
): Promise<string[]> {
  if (movements.length === 0) return [];
  const rows = JSON.stringify(
    movements.map(({ portionId, toPortionId, category = '', pence, ...movement }, n) => {
      const { from, to } = legs[movement.kind];
      const source = place(from, portionId, category);
      const target = place(to, movement.kind === 'MOVED' ? (toPortionId ?? null) : portionId, category);
      return {
        ...movement,
        n,
        pence: String(pence),
        fromKind: from,
        toKind: to,
        fromPortion: source.portion,
        toPortion: target.portion,
        fromCategory: source.category,
        toCategory: target.category,
      };
    }),
  );
  await tx.$executeRawUnsafe(openAccounts, personId, budgetId, rows);
  const posted = await tx.$queryRawUnsafe<{ id: string }[]>(postTransfers, personId, budgetId, rows);
  if (posted.length !== movements.length) throw new Error('not every movement was posted');
  return posted.map(({ id }) => id);
}

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
