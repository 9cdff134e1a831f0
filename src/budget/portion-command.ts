/** Changing the way a portion is managed, from a day on. */

import { portionPrefix } from '../plan/view.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { reasonOf } from '../write/subject.ts';
import { holdsOn } from './split-rules.ts';
import {
  type BudgetResult,
  faultOf,
  keepBudget,
  laterOf,
  linesOn,
  openBudget,
  periodOf,
  refuseIfAny,
  resultOf,
} from './subject.ts';
import {
  judgeAuthorisations,
  judgeManaged,
  type ManagementInput,
  organisationsOf,
  readManagement,
} from './terms.ts';

interface ChangeInput extends ManagementInput {
  idempotencyKey: string;
  portionId: string;
  expectedVersion: number;
  from: string;
  reason: string;
}

export const changePortionManagementCommand: Command<ChangeInput, BudgetResult & { portionId: string }> = {
  name: 'changePortionManagement',
  run: async (context, input) => {
    const { tx } = context;
    const id = uuidOf(portionPrefix, input.portionId);
    const named =
      id === null ? null : await tx.portion.findFirst({ where: { id }, select: { budgetId: true } });
    const budget = await openBudget(
      context,
      'changePortionManagement',
      named?.budgetId ?? null,
      input.expectedVersion,
      'portionId',
    );
    const { id: budgetId, personId } = budget;
    const shown = resultOf(budget);
    const reason = reasonOf(input.reason);
    const before = budget.portions.find((portion) => portion.id === id)!;
    if (budget.portions.some(({ replacesId }) => replacesId === id)) {
      const message = 'Another portion has taken its place. Change that one: `Portion.replacedBy` names it.';
      throw new Refused([new UserFault('WRONG_STAGE', message, 'portionId')], shown);
    }
    if (!holdsOn(periodOf(budget), input.from) || !holdsOn(periodOf(before), input.from)) {
      const message =
        'A portion is managed in another way from one of its own days on, which is one of the budget’s.';
      throw new Refused([new UserFault('DAY_INVALID', message, 'from')], shown);
    }

    const after = readManagement(input, await organisationsOf(tx, [input.operatorCode]));
    const lines = linesOn(budget, input.from);
    const sources = lines.map(({ source }) => source);
    const findings = [
      ...judgeManaged(after, sources, ''),
      ...(await judgeAuthorisations(context, lines, [after], input.from, () => '')),
    ];
    refuseIfAny(findings.map(faultOf), shown);

    const { management, channel, operator, duties } = after;
    // A change from a portion's first day on leaves it no day of its own.
    const end = new Date(laterOf(input.from, dayOf(before.validFrom ?? budget.validFrom)));
    await tx.portion.update({ where: { id_personId: { id: before.id, personId } }, data: { validTo: end } });
    const portion = await tx.portion.create({
      data: {
        budgetId,
        personId,
        position: Math.max(...budget.portions.map(({ position }) => position)) + 1,
        recurring: before.recurring,
        amountPence: before.amountPence,
        management,
        channel,
        accountOperatorId: operator?.id ?? null,
        ...duties,
        validFrom: new Date(input.from),
        validTo: before.validTo,
        replacesId: before.id,
        reason,
      },
      select: { id: true },
    });
    await keepBudget(context, budget);
    return {
      result: { ...shown, portionId: idOf(portionPrefix, portion.id) },
      personIds: [personId],
      reason,
    };
  },
};
