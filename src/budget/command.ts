/** The life of a budget of the hub's own: signed off, released, held, ended. */

import { agreedPlan, missingSignatures, signaturesOf } from '../plan/agreed.ts';
import { requiredParties } from '../plan/rules.ts';
import { dayOf } from '../platform/day.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { reasonOf } from '../write/subject.ts';
import {
  type BudgetResult,
  budgetIdOf,
  dayThatCounts,
  expectFunder,
  faultOf,
  keepBudget,
  letPartsGo,
  linesOn,
  type OwnBudget,
  openBudget,
  portionsOn,
  refuseIfAny,
  resultOf,
  signatories,
  type Versioned,
} from './subject.ts';
import { judgeAuthorisations, portionTermsOf } from './terms.ts';

export const signOffBudgetCommand: Command<Versioned, BudgetResult> = {
  name: 'signOffBudget',
  run: async (context, input) => {
    const budget = await openBudget(context, 'signOffBudget', budgetIdOf(input), input.expectedVersion);
    const { id: budgetId, personId } = budget;
    const { tx, viewer, now } = context;
    const needed = signatories(linesOn(budget, dayThatCounts(budget, context)));
    const own = await expectFunder(context, budget, needed);
    const signed = budget.signOffs.map(({ organisationId }) => organisationId);
    if (signed.includes(own.id)) {
      const message = `${own.name} has signed it off already.`;
      throw new Refused([new UserFault('ALREADY_SIGNED', message, 'budgetId')], resultOf(budget));
    }
    await tx.budgetSignOff.create({
      data: {
        budgetId,
        personId,
        organisationId: own.id,
        subject: viewer.subject,
        name: viewer.name,
        signedAt: now,
      },
    });
    const isLast = needed.every((id) => id === own.id || signed.includes(id));
    await keepBudget(context, budget, isLast ? { status: 'SIGNED_OFF' } : {});
    return { result: resultOf(budget), personIds: [personId] };
  },
};

export const releaseBudgetCommand: Command<Versioned, BudgetResult> = {
  name: 'releaseBudget',
  run: async (context, input) => {
    const budget = await openBudget(context, 'releaseBudget', budgetIdOf(input), input.expectedVersion);
    const day = dayThatCounts(budget, context);
    const lines = linesOn(budget, day);
    await expectFunder(context, budget, signatories(lines));
    const lack = await signatureLacking(context, budget, day);
    if (lack !== null) throw new Refused([lack], resultOf(budget));
    const portions = portionsOn(budget, day).map(portionTermsOf);
    const findings = await judgeAuthorisations(context, lines, portions, day);
    refuseIfAny(
      findings.map((finding) => faultOf({ ...finding, field: 'budgetId' })),
      resultOf(budget),
    );
    await keepBudget(context, budget, { status: 'ACTIVE' });
    return { result: resultOf(budget), personIds: [budget.personId] };
  },
};

const names = { PERSON: 'the person, or who may decide for them', NHS: 'the NHS', COUNCIL: 'the council' };

/** Money may not be released on a plan that lacks a signature the law asks for: of the person, and of each side that pays. */
async function signatureLacking({ tx }: CommandContext, budget: OwnBudget, day: string) {
  const plan = await agreedPlan(tx, budget.personId, day);
  if (plan === null) {
    const inHand = (await missingSignatures(tx, budget.personId, day)) ?? [];
    const lacking = inHand.map((party) => names[party]).join('; ');
    const message =
      `No joint plan is agreed and in force on ${day}. ` +
      (lacking === ''
        ? 'Have one agreed by all of its parties first.'
        : `The one in hand lacks: ${lacking}.`);
    return new UserFault('PLAN_NOT_AGREED', message, 'budgetId');
  }
  const { signed } = await signaturesOf(tx, plan.id, day);
  const required = requiredParties(linesOn(budget, day).map(({ source }) => source));
  const missing = required.filter((party) => !signed.includes(party)).map((party) => names[party]);
  if (missing.length === 0) return null;
  const message = `The agreed plan lacks the signature of: ${missing.join('; ')}. Have it signed first.`;
  return new UserFault('SIGNATURE_MISSING', message, 'budgetId');
}

export const suspendBudgetCommand: Command<Versioned & { reason: string }, BudgetResult> = {
  name: 'suspendBudget',
  run: async (context, input) => {
    const budget = await openBudget(context, 'suspendBudget', budgetIdOf(input), input.expectedVersion);
    await expectFunder(context, budget, signatories(linesOn(budget, dayThatCounts(budget, context))));
    const reason = reasonOf(input.reason);
    await keepBudget(context, budget, { status: 'SUSPENDED' });
    return { result: resultOf(budget), personIds: [budget.personId], reason };
  },
};

export const endBudgetCommand: Command<Versioned & { on: string; reason: string }, BudgetResult> = {
  name: 'endBudget',
  run: async (context, input) => {
    const budget = await openBudget(context, 'endBudget', budgetIdOf(input), input.expectedVersion);
    await expectFunder(context, budget, signatories(linesOn(budget, dayThatCounts(budget, context))));
    const reason = reasonOf(input.reason);
    const wasReleased = budget.status === 'ACTIVE' || budget.status === 'SUSPENDED';
    const end = wasReleased ? input.on : dayOf(budget.validFrom);
    if (end < dayOf(budget.validFrom) || (budget.validTo !== null && end > dayOf(budget.validTo))) {
      const message =
        'A budget ends on one of its days: not before it begins, nor after the end that is set.';
      throw new Refused([new UserFault('DAY_INVALID', message, 'on')], resultOf(budget));
    }
    const isOver = !wasReleased || end <= context.today;
    if (isOver) await letPartsGo(context.tx, budget);
    await keepBudget(context, budget, { validTo: new Date(end), ...(isOver ? { status: 'ENDED' } : {}) });
    return { result: resultOf(budget), personIds: [budget.personId], reason };
  },
};
