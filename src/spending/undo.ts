/** Taking back what a spend moved. Rows of the ledger stay: each is undone by one the other way, on its own day. */
import { reverse } from '../ledger/post.ts';
import type { CommandContext } from '../write/command.ts';
import { causeOf } from './record.ts';

type Tx = CommandContext['tx'];

/** Transfers of a cause that nothing has reversed. */
const standing = `
select t.id::text as id, t.effective_on::text as day from ledger_transfer t
 where t.external_id = $1 and t.reverses_id is null
   and not exists (select from ledger_transfer r where r.reverses_id = t.id)`;

/** Reverses all that stands of a spend, refunds too: its accounts are as if it had never been. */
export async function takeBack(tx: Tx, spendId: string, description: string): Promise<void> {
  const transfers = await tx.$queryRawUnsafe<{ id: string; day: string }[]>(standing, causeOf(spendId));
  for (const day of new Set(transfers.map((transfer) => transfer.day))) {
    const ids = transfers.filter((transfer) => transfer.day === day).map(({ id }) => id);
    await reverse(tx, ids, { effectiveOn: day, description });
  }
}

/** The line of a statement that showed it waits for a match again. */
export async function unmatchLine(
  tx: Tx,
  { personId, bankLineId }: { personId: string; bankLineId: string | null },
): Promise<void> {
  if (bankLineId === null) return;
  await tx.bankLine.update({
    where: { id_personId: { id: bankLineId, personId } },
    data: { state: 'UNMATCHED', spendId: null },
  });
}

/** What of a spend stands in each place, in pence: spent less refunded. */
export const netShares = `
select a.budget_id::text as "budgetId", a.portion_id::text as "portionId", t.source::text as source, a.category,
       sum(case when t.kind = 'SPENT' then t.pence else -t.pence end
           * case when t.reverses_id is null then 1 else -1 end)::bigint as left
  from ledger_transfer t
  join ledger_account a on a.person_id = t.person_id
                       and a.id in (t.from_account_id, t.to_account_id) and a.kind = 'SPENT'
 where t.external_id = $1
 group by 1, 2, 3, 4 having sum(case when t.kind = 'SPENT' then t.pence else -t.pence end
           * case when t.reverses_id is null then 1 else -1 end) > 0
 order by 3, 1`;
