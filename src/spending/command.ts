/** What was bought with the money of a budget: recording it, setting it right, and deciding about it. */

import { budgetPrefix } from '../budget/view.ts';
import { portionPrefix } from '../plan/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { isSameHuman } from '../write/human.ts';
import type { Statements } from '../write/statements.ts';
import { announce, expectVersion, type MoneyGiven, reasonOf, textOf } from '../write/subject.ts';
import { setAsideFor } from './commitment.ts';
import { amountOf, lineOf, portionIn } from './input.ts';
import { spendPrefix } from './prefix.ts';
import { lockParts, openPurse } from './purse.ts';
import { type Asked, causeOf, decideSpend, postShares, writeSpends } from './record.ts';
import { type Pot, shareOut } from './rules.ts';
import { mustFund, mustPay, notPayer, visibleSpend } from './subject.ts';
import { netShares, takeBack, unmatchLine } from './undo.ts';

interface SpendResult {
  spendId: string;
  budgetId: string;
}

interface Bought {
  lineKey?: string | null;
  amount: MoneyGiven;
  spentOn: string;
  payee: string;
  what: string;
  category?: string | null;
}

interface RecordInput extends Bought {
  idempotencyKey: string;
  budgetId: string;
  portionId?: string | null;
  externalRef?: string | null;
  commitmentId?: string | null;
}

interface OfSpend {
  idempotencyKey: string;
  spendId: string;
  expectedVersion: number;
}

const resultOf = ({ id, budgetId }: { id: string; budgetId: string }): SpendResult => ({
  spendId: idOf(spendPrefix, id),
  budgetId: idOf(budgetPrefix, budgetId),
});

const maxWords = 200;

function boughtOf(input: Bought): Omit<Asked, 'portionId' | 'clientId' | 'externalRef' | 'bankLineId'> {
  return {
    pence: amountOf(input.amount),
    spentOn: input.spentOn,
    payee: lineOf(input.payee, 'payee', maxWords),
    what: lineOf(input.what, 'what', maxWords),
    category: input.category == null ? '' : lineOf(input.category, 'category', 60),
    lineKey: input.lineKey ?? null,
  };
}

function recordedBefore(spend: { id: string; budgetId: string }) {
  const message = 'This reference of yours was recorded before. The payload shows what it stands for.';
  return new Refused<SpendResult>(
    [new UserFault('ALREADY_RECORDED', message, 'externalRef')],
    resultOf(spend),
  );
}

const recordedRow = `
select id::text as id, budget_id::text as "budgetId" from spend where client_id = $1 and external_ref = $2`;

/** A client's own reference stands for one spend, for ever. It was recorded in another budget at the same time. */
async function recordedBeside({ tx, viewer }: CommandContext<Statements>, externalRef: string | null) {
  const [before] = await tx.$queryRawUnsafe<{ id: string; budgetId: string }[]>(
    recordedRow,
    viewer.subject,
    externalRef,
  );
  return recordedBefore(before!);
}

export const recordSpendCommand: Command<RecordInput, SpendResult, Statements> = {
  name: 'recordSpend',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const externalRef = input.externalRef == null ? null : lineOf(input.externalRef, 'externalRef', 100);
    const purse = await openPurse(context, uuidOf(budgetPrefix, input.budgetId), {
      days: [input.spentOn],
      portionId: uuidOf(portionPrefix, input.portionId),
      externalRef,
    });
    const { personId, budgetId } = purse;
    if (purse.recorded !== null) throw recordedBefore(purse.recorded);
    const portionId = portionIn(purse, input.portionId);
    if (!purse.mayPay) throw notPayer(viewer.role, 'budgetId');
    const bought = boughtOf(input);
    const setAside =
      input.commitmentId == null ? undefined : await setAsideFor(tx, purse, input.commitmentId, bought.pence);
    for (const { pot } of setAside?.shares ?? []) {
      // What was set aside in an account is for who operates that one.
      if (pot.portionId === null || pot.portionId === portionId) continue;
      await mustPay(context, { personId, budgetId, portionId: pot.portionId }, 'commitmentId');
    }
    const asked = { ...bought, portionId, clientId: viewer.subject, externalRef, bankLineId: null };
    const decided = decideSpend(purse, setAside === undefined ? asked : { ...asked, setAside }, today);
    const ids = await writeSpends(context, purse, [decided]);
    if (ids === null) throw await recordedBeside(context, externalRef);
    announce(context, 'money.changed', [personId]);
    return { result: resultOf({ id: ids[0]!, budgetId }), personIds: [personId] };
  },
};

/**
 * A spend as it stands, with its budget locked. Whoever is beside it in time waits.
 *
 * @throws UserFault NOT_FOUND
 * @throws Refused CONFLICT, WRONG_STAGE, both showing it
 */
async function openSpend(context: CommandContext, input: OfSpend, states: string[]) {
  const seen = await visibleSpend(context, uuidOf(spendPrefix, input.spendId));
  const { personId, budgetId } = seen;
  const budgetIds = await lockParts(context.tx, budgetId);
  const spend = await context.tx.spend.findUniqueOrThrow({
    where: { id_personId: { id: seen.id, personId } },
  });
  expectVersion(spend.version, input.expectedVersion, resultOf(spend));
  if (!states.includes(spend.state)) {
    const message = `It is ${spend.state}. This is possible while it is ${states.join(' or ')}.`;
    throw new Refused([new UserFault('WRONG_STAGE', message, 'spendId')], resultOf(spend));
  }
  return { spend, budgetIds };
}

/** What moved money and can be set right. */
const moved = ['INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED'];

async function changeSpend(
  { tx }: CommandContext,
  { id, personId }: { id: string; personId: string },
  data: { state?: 'ACCEPTED' | 'REFUSED' | 'UNDONE'; words?: string; externalRef?: null },
): Promise<void> {
  await tx.spend.update({
    where: { id_personId: { id, personId } },
    data: { ...data, version: { increment: 1 } },
  });
}

export const undoSpendCommand: Command<OfSpend & { reason: string }, SpendResult> = {
  name: 'undoSpend',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const { spend } = await openSpend(context, input, moved);
    await mustPay(context, spend, 'spendId');
    await takeBack(context.tx, spend.id, 'Undone');
    await unmatchLine(context.tx, spend);
    await changeSpend(context, spend, { state: 'UNDONE', words: reason });
    announce(context, 'money.changed', [spend.personId]);
    return { result: resultOf(spend), personIds: [spend.personId], reason };
  },
};

export const correctSpendCommand: Command<
  OfSpend & Bought & { reason: string; portionId?: string | null },
  SpendResult & { correctedId: string }
> = {
  name: 'correctSpend',
  run: async (context, input) => {
    const { tx, today } = context;
    const reason = reasonOf(input.reason);
    const { spend } = await openSpend(context, input, moved);
    const { personId, budgetId } = spend;
    await mustPay(context, spend, 'spendId');
    await takeBack(tx, spend.id, 'Corrected');
    // The reference goes to what takes its place: sent again, it leads there.
    await changeSpend(context, spend, { state: 'UNDONE', words: reason, externalRef: null });
    const purse = await openPurse(context, budgetId, { days: [input.spentOn] });
    const portionId = input.portionId == null ? spend.portionId : portionIn(purse, input.portionId);
    if (portionId !== spend.portionId) await mustPay(context, { personId, budgetId, portionId }, 'portionId');
    const bought = boughtOf(input);
    const keepsLine = bought.pence === spend.pence;
    const decided = decideSpend(
      purse,
      {
        ...bought,
        portionId,
        clientId: spend.clientId,
        externalRef: spend.externalRef,
        bankLineId: keepsLine ? spend.bankLineId : null,
      },
      today,
    );
    const ids = await writeSpends(context, purse, [decided]);
    const id = ids![0]!;
    await tx.spendEvidence.updateMany({ where: { spendId: spend.id, personId }, data: { spendId: id } });
    if (keepsLine && decided.state !== 'REFUSED' && spend.bankLineId !== null) {
      const line = { id_personId: { id: spend.bankLineId, personId } };
      await tx.bankLine.update({ where: line, data: { spendId: id } });
    } else await unmatchLine(tx, spend);
    announce(context, 'money.changed', [personId]);
    return {
      result: { ...resultOf({ id, budgetId }), correctedId: idOf(spendPrefix, spend.id) },
      personIds: [personId],
      reason,
    };
  },
};

export const refundSpendCommand: Command<OfSpend & { amount: MoneyGiven; on: string }, SpendResult> = {
  name: 'refundSpend',
  run: async (context, input) => {
    const { tx, today } = context;
    const pence = amountOf(input.amount);
    const { spend } = await openSpend(context, input, moved);
    const { id, personId, spentOn } = spend;
    await mustPay(context, spend, 'spendId');
    if (input.on > today || new Date(input.on) < spentOn) {
      throw new UserFault('DAY_INVALID', 'Money comes back after it was spent, and by today.', 'on');
    }
    const spent = await tx.$queryRawUnsafe<(Pot & { category: string })[]>(netShares, causeOf(id));
    const { shares } = shareOut(pence, spent);
    if (shares === null) {
      throw new UserFault(
        'REFUND_TOO_LARGE',
        'More cannot come back than was spent and is not back yet.',
        'amount',
      );
    }
    await postShares(
      tx,
      personId,
      shares.map((share) => ({
        share,
        movement: {
          kind: 'REFUNDED',
          effectiveOn: input.on,
          category: (share.pot as (typeof spent)[0]).category,
          description: spend.what,
          cause: causeOf(id),
        },
      })),
    );
    await changeSpend(context, spend, {});
    announce(context, 'money.changed', [personId]);
    return { result: resultOf(spend), personIds: [personId] };
  },
};

/** Whoever recorded it does not decide about it. */
async function decideOn(context: CommandContext, input: OfSpend) {
  const { spend } = await openSpend(context, input, ['NEEDS_LOOK']);
  await mustFund(context, spend, 'spendId');
  if (!isSameHuman({ subject: spend.recordedBy, name: spend.recordedByName }, context.viewer)) return spend;
  throw new UserFault('NOT_YOURS', 'You recorded this: somebody else must decide about it.', 'spendId');
}

export const acceptSpendCommand: Command<OfSpend & { words?: string | null }, SpendResult> = {
  name: 'acceptSpend',
  run: async (context, input) => {
    const spend = await decideOn(context, input);
    const words = input.words == null ? {} : { words: textOf(input.words, 'words', 1_000) };
    await changeSpend(context, spend, { state: 'ACCEPTED', ...words });
    announce(context, 'money.changed', [spend.personId]);
    return { result: resultOf(spend), personIds: [spend.personId] };
  },
};

export const refuseSpendCommand: Command<OfSpend & { reason: string }, SpendResult> = {
  name: 'refuseSpend',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const spend = await decideOn(context, input);
    await takeBack(context.tx, spend.id, 'Refused');
    await unmatchLine(context.tx, spend);
    await changeSpend(context, spend, { state: 'REFUSED', words: reason });
    announce(context, 'money.changed', [spend.personId]);
    return { result: resultOf(spend), personIds: [spend.personId], reason };
  },
};
