/** Where a portion's money is paid: asked for by one person, approved by another, and not at once. */

import { budgetPrefix } from '../budget/view.ts';
import { portionPrefix } from '../plan/view.ts';
import { addDays, dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { isSameHuman } from '../write/human.ts';
import { announce, isVisibleRow, lockVisible, notFound, textOf } from '../write/subject.ts';
import { coolingOffDays } from './approval.ts';
import { budgetOf, coolingOffSaid, managementOf, payersOf } from './facts.ts';
import { paymentChanged } from './store.ts';
import { expectPayer, lockSchedules, payeeAccountPrefix } from './subject.ts';

interface SetInput {
  idempotencyKey: string;
  budgetId: string;
  portionId?: string | null;
  accountName: string;
  sortCode: string;
  accountNumber: string;
}

type Result = { accountId: string };

const accountNameMax = 70;

function accountOf(input: SetInput) {
  const accountName = textOf(input.accountName, 'accountName', accountNameMax);
  const sortCode = input.sortCode.trim();
  const accountNumber = input.accountNumber.trim();
  if (!/^[0-9]{2}-?[0-9]{2}-?[0-9]{2}$/.test(sortCode))
    throw new UserFault('ACCOUNT_INVALID', 'A sort code has six digits.', 'sortCode');
  if (!/^[0-9]{8}$/.test(accountNumber))
    throw new UserFault('ACCOUNT_INVALID', 'An account number has eight digits.', 'accountNumber');
  return { accountName, sortCode: sortCode.replaceAll('-', ''), accountNumber };
}

async function expectFunder(context: CommandContext, budgetId: string, field: string) {
  await expectPayer(context, await payersOf(context.tx, budgetId), field);
}

export const setPayeeAccountCommand: Command<SetInput, Result> = {
  name: 'setPayeeAccount',
  run: async (context, input) => {
    const { tx, viewer, today, now } = context;
    const budgetId = uuidOf(budgetPrefix, input.budgetId);
    const personId = await lockVisible(context, 'budget', budgetId, 'budgetId');
    await expectFunder(context, budgetId!, 'budgetId');
    const { isFromSource } = await budgetOf(tx, budgetId!);
    if (isFromSource) {
      const message = 'This budget is paid by the system that keeps it: change the account there.';
      throw new UserFault('KEPT_BY_SOURCE', message, 'budgetId');
    }
    const portionId = input.portionId == null ? null : uuidOf(portionPrefix, input.portionId);
    const isOfBudget =
      input.portionId == null ||
      (portionId !== null && (await managementOf(tx, { budgetId: budgetId!, portionId }, today)) !== null);
    if (!isOfBudget) throw new UserFault('NOT_FOUND', 'The budget has no such portion today.', 'portionId');
    const place = { budgetId: budgetId!, portionId };
    // Of two requests the later counts, and its days begin anew.
    await tx.payeeAccount.updateMany({
      where: { ...place, approvedBy: null, endedAt: null },
      data: { endedAt: now },
    });
    const account = await tx.payeeAccount.create({
      data: {
        personId,
        ...place,
        ...accountOf(input),
        usableFrom: new Date(addDays(today, coolingOffDays(await coolingOffSaid(tx, budgetId!, today)))),
        createdBy: viewer.subject,
        createdByName: viewer.name,
      },
    });
    await announce(context, paymentChanged, [personId]);
    return { result: { accountId: idOf(payeeAccountPrefix, account.id) }, personIds: [personId] };
  },
};

export const approvePayeeAccountCommand: Command<{ idempotencyKey: string; accountId: string }, Result> = {
  name: 'approvePayeeAccount',
  run: async (context, input) => {
    const { tx, viewer, today, now } = context;
    const id = uuidOf(payeeAccountPrefix, input.accountId);
    const known = id === null ? null : await tx.payeeAccount.findFirst({ where: { id } });
    if (known === null || !(await isVisibleRow(context, 'payee_account', id))) throw notFound('accountId');
    const { budgetId, portionId, personId } = known;
    // Schedules before budgets, like everybody.
    const paid = await tx.paymentSchedule.findMany({ where: { budgetId, portionId }, select: { id: true } });
    await lockSchedules(
      context,
      paid.map(({ id }) => id),
    );
    await lockVisible(context, 'budget', budgetId, 'accountId');
    await expectFunder(context, budgetId, 'accountId');
    const account = await tx.payeeAccount.findFirstOrThrow({ where: { id: known.id } });
    const result = { accountId: idOf(payeeAccountPrefix, account.id) };
    const refuse = (code: string, message: string) =>
      new Refused([new UserFault(code, message, 'accountId')], result);
    if (account.approvedBy !== null || account.endedAt !== null)
      throw refuse('WRONG_STAGE', 'The account waits for no approval.');
    if (isSameHuman({ subject: account.createdBy, name: account.createdByName }, viewer))
      throw refuse('SECOND_PERSON_NEEDED', 'You asked for this account: somebody else must approve it.');
    const usableFrom = dayOf(account.usableFrom);
    if (today < usableFrom)
      throw refuse('COOLING_OFF', `A new account cools off first: approve it on ${usableFrom} or later.`);
    await tx.payeeAccount.updateMany({
      where: { budgetId, portionId, approvedBy: { not: null }, endedAt: null },
      data: { endedAt: now },
    });
    await tx.payeeAccount.updateMany({
      where: { id: account.id },
      data: { approvedBy: viewer.subject },
    });
    // Who approved a payment approved it to the account before.
    await tx.$executeRawUnsafe(
      `update payment_instruction i set status = 'DRAFT', approved_by = null, approved_at = null, version = i.version + 1
         from payment_schedule s
        where s.id = i.schedule_id and s.person_id = i.person_id and s.budget_id = $1::uuid
          and s.portion_id is not distinct from $2::uuid and i.status = 'APPROVED' and i.approved_by is not null`,
      budgetId,
      portionId,
    );
    await announce(context, paymentChanged, [personId]);
    return { result, personIds: [personId] };
  },
};
