/** Money set aside for what is to come, let go again, and moved between two portions. */

import { budgetPrefix } from '../budget/view.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { post } from '../ledger/post.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import { type Command, UserFault } from '../write/command.ts';
import type { Statements } from '../write/statements.ts';
import { announce, isVisibleRow, type MoneyGiven, reasonOf } from '../write/subject.ts';
import { amountOf, lineOf, portionIn } from './input.ts';
import { commitmentPrefix } from './prefix.ts';
import { lockParts, openPurse, type Purse, potsFor } from './purse.ts';
import { postShares } from './record.ts';
import { type Pot, type Share, shareOut } from './rules.ts';
import { mustFund, mustLetGo, mustPay } from './subject.ts';

interface CommitmentResult {
  commitmentId: string;
  budgetId: string;
}

/** A commitment has no row: it is what its transfers say, and this is their cause. */
const commitmentCause = (id: string) => `commitment/${id}`;

/** What is still set aside by a cause, in each place. */
const setAsideRows = `
select t.budget_id::text as "budgetId", a.portion_id::text as "portionId", t.source::text as source,
       t.person_id::text as "personId",
       sum(case when t.kind = 'COMMITTED' then t.pence else -t.pence end
           * case when t.reverses_id is null then 1 else -1 end)::bigint as left
  from ledger_transfer t
  join ledger_account a on a.person_id = t.person_id
                       and a.id in (t.from_account_id, t.to_account_id) and a.kind = 'COMMITTED'
 where t.external_id = $1 group by 1, 2, 3, 4 order by 3, 1`;

const setAsideBy = (tx: Statements, id: string) =>
  tx.$queryRawUnsafe<(Pot & { personId: string })[]>(setAsideRows, commitmentCause(id));

const notFound = () =>
  new UserFault('NOT_FOUND', 'There is no such commitment, or it is not yours to see.', 'commitmentId');

/** As much of a commitment as a purchase costs, or all that is left of it. @throws UserFault NOT_FOUND */
export async function setAsideFor(
  tx: Statements,
  purse: Purse,
  commitmentId: string,
  pence: bigint,
): Promise<{ cause: string; shares: Share[] }> {
  const id = uuidOf(commitmentPrefix, commitmentId);
  const places = id === null ? [] : await setAsideBy(tx, id);
  const left = places.reduce((sum, place) => sum + place.left, 0n);
  if (places.length === 0 || places.some(({ budgetId }) => !purse.budgetIds.includes(budgetId)))
    throw notFound();
  const { shares } = shareOut(pence < left ? pence : left, places);
  return { cause: commitmentCause(id!), shares: shares! };
}

export const commitMoneyCommand: Command<
  {
    idempotencyKey: string;
    budgetId: string;
    portionId?: string | null;
    amount: MoneyGiven;
    source?: FundingSource | null;
    what: string;
  },
  CommitmentResult
> = {
  name: 'commitMoney',
  run: async (context, input) => {
    const { tx, today } = context;
    const purse = await openPurse(context, uuidOf(budgetPrefix, input.budgetId), { days: [] });
    const { personId, budgetId } = purse;
    const portionId = portionIn(purse, input.portionId);
    await mustPay(context, { personId, budgetId, portionId }, 'budgetId');
    const description = lineOf(input.what, 'what', 200);
    const pots = potsFor(purse.pots, portionId, input.source ?? null);
    const { available, shares } = shareOut(amountOf(input.amount), pots);
    if (shares === null) throw shortOf(available);
    const [made] = await tx.$queryRawUnsafe<{ id: string }[]>('select new_id()::text as id');
    const cause = commitmentCause(made!.id);
    await postShares(
      tx,
      personId,
      shares.map((share) => ({
        share,
        movement: { kind: 'COMMITTED', effectiveOn: today, description, cause },
      })),
    );
    announce(context, 'money.changed', [personId]);
    return { result: resultOf(made!.id, budgetId), personIds: [personId] };
  },
};

const shortOf = (available: bigint) =>
  new UserFault(
    'INSUFFICIENT_BALANCE',
    `${moneyOf(available).formatted} is left there, which is less. Nothing was moved.`,
    'amount',
  );

const resultOf = (id: string, budgetId: string): CommitmentResult => ({
  commitmentId: idOf(commitmentPrefix, id),
  budgetId: idOf(budgetPrefix, budgetId),
});

export const releaseCommitmentCommand: Command<
  { idempotencyKey: string; commitmentId: string; amount?: MoneyGiven | null; reason: string },
  CommitmentResult
> = {
  name: 'releaseCommitment',
  run: async (context, input) => {
    const { tx, today } = context;
    const reason = reasonOf(input.reason);
    const id = uuidOf(commitmentPrefix, input.commitmentId);
    const [seen] = id === null ? [] : await setAsideBy(tx, id);
    if (seen === undefined || !(await isVisibleRow(context, 'budget', seen.budgetId))) throw notFound();
    const { personId } = seen;
    const part = await tx.budget.findUniqueOrThrow({
      where: { id_personId: { id: seen.budgetId, personId } },
    });
    // The whole budget before its parts: the order in which everybody locks.
    await lockParts(tx, part.partOfId ?? part.id);
    const places = await setAsideBy(tx, id!);
    for (const { budgetId, portionId } of places) {
      await mustLetGo(context, { personId, budgetId, portionId }, 'commitmentId');
    }
    const all = places.reduce((sum, { left }) => sum + left, 0n);
    const pence = input.amount == null ? all : amountOf(input.amount);
    const { available, shares } = shareOut(pence, places);
    if (shares === null || pence === 0n) throw shortOf(available);
    await postShares(
      tx,
      personId,
      shares.map((share) => ({
        share,
        movement: { kind: 'RELEASED', effectiveOn: today, description: null, cause: commitmentCause(id!) },
      })),
    );
    announce(context, 'money.changed', [personId]);
    return { result: resultOf(id!, part.id), personIds: [personId], reason };
  },
};

export const moveBetweenPortionsCommand: Command<
  {
    idempotencyKey: string;
    budgetId: string;
    fromPortionId?: string | null;
    toPortionId?: string | null;
    source: FundingSource;
    amount: MoneyGiven;
    reason: string;
  },
  { budgetId: string }
> = {
  name: 'moveBetweenPortions',
  run: async (context, input) => {
    const { tx, today } = context;
    const reason = reasonOf(input.reason);
    const purse = await openPurse(context, uuidOf(budgetPrefix, input.budgetId), { days: [] });
    const { personId, budgetId } = purse;
    const portionId = portionIn(purse, input.fromPortionId, 'fromPortionId');
    const toPortionId = portionIn(purse, input.toPortionId, 'toPortionId');
    await mustFund(context, { personId, budgetId, portionId }, 'budgetId');
    if (portionId === toPortionId) {
      throw new UserFault('SAME_PORTION', 'Name two portions, or a portion and none.', 'toPortionId');
    }
    const pence = amountOf(input.amount);
    const { source } = input;
    const pot = purse.pots.find(
      (p) => p.budgetId === budgetId && p.portionId === portionId && p.source === source,
    );
    const left = pot === undefined || pot.left < 0n ? 0n : pot.left;
    if (left < pence) throw shortOf(left);
    const [made] = await tx.$queryRawUnsafe<{ id: string }[]>('select new_id()::text as id');
    await post(tx, { personId, budgetId }, [
      {
        kind: 'MOVED',
        source,
        pence,
        effectiveOn: today,
        portionId,
        toPortionId,
        description: null,
        cause: `move/${made!.id}`,
      },
    ]);
    announce(context, 'money.changed', [personId]);
    return { result: { budgetId: input.budgetId }, personIds: [personId], reason };
  },
};
