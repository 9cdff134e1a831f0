/** Setting what a funder pays into a budget, and when. */

import { budgetPrefix } from '../budget/view.ts';
import { policyOn } from '../commissioner/policy.ts';
import type { FundingSource, GrossOrNet, PaymentFrequency, PayWhen } from '../generated/prisma/enums.ts';
import { portionPrefix } from '../plan/view.ts';
import { uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, lockVisible, penceOf } from '../write/subject.ts';
import { budgetOf, fundersOf, managementOf } from './facts.ts';
import { paymentChanged } from './store.ts';
import { expectNear, expectPayer, raiseFor, scheduleResult } from './subject.ts';

export interface Money {
  amount: string;
  currency: string;
}

interface SetInput {
  idempotencyKey: string;
  budgetId: string;
  portionId?: string | null;
  source: FundingSource;
  frequency?: PaymentFrequency | null;
  payWhen?: PayWhen | null;
  inAdvanceDays?: number | null;
  grossOrNet?: GrossOrNet | null;
  amount: Money;
  contribution?: Money | null;
  from: string;
  to?: string | null;
}

type Result = { scheduleId: string };

const ownMoney: FundingSource[] = ['CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP'];
/** As far as a policy can say. */
const advanceDaysMax = 366;

/**
 * NHS money is never charged for, and neither is money from which nobody can tell the NHS's part: a contribution stands
 * against council money (Care Act 2014, s26(1): what the adult must pay is a part of the cost to the council).
 */
export function ratePence(source: FundingSource, amount: Money, contribution: Money | null | undefined) {
  const pence = penceOf(amount, 'amount');
  const contributionPence = contribution ? penceOf(contribution, 'contribution') : 0n;
  if (contributionPence > 0n && (source !== 'COUNCIL' || contributionPence > pence)) {
    const message = 'A contribution stands against council money only, and is no more than the amount.';
    throw new UserFault('CONTRIBUTION_NOT_ALLOWED', message, 'contribution');
  }
  return { weeklyPence: pence, contributionPence };
}

/** What was not said is as the funder's policy has it on that day. */
async function termsOf(context: CommandContext, input: SetInput, organisationId: string, charged: boolean) {
  const policy = await policyOn(context.tx, organisationId, input.source, input.from);
  const missing = (field: string, what: string) =>
    new UserFault('TERM_MISSING', `Your organisation's policy does not say ${what}: say it here.`, field);
  const frequency = input.frequency ?? policy?.paymentFrequency;
  if (frequency == null) throw missing('frequency', 'how often it is paid');
  const grossOrNet = input.grossOrNet ?? policy?.grossOrNet;
  if (grossOrNet == null && charged)
    throw missing('grossOrNet', 'whether the contribution is taken off first');
  const payWhen = input.payWhen ?? 'IN_ADVANCE';
  const inAdvanceDays = payWhen === 'IN_ARREARS' ? 0 : (input.inAdvanceDays ?? policy?.inAdvanceDays ?? 0);
  if (inAdvanceDays < 0 || inAdvanceDays > advanceDaysMax) {
    throw new UserFault('DAY_INVALID', `Pay 0 to ${advanceDaysMax} days in advance.`, 'inAdvanceDays');
  }
  return { frequency, grossOrNet: grossOrNet ?? 'GROSS', payWhen, inAdvanceDays };
}

async function expectPaidOut(
  context: CommandContext,
  budgetId: string,
  portionId: string | null,
  day: string,
) {
  if (portionId === null) return;
  const management = await managementOf(context.tx, { budgetId, portionId }, day);
  if (management === null) {
    const message = 'The budget has no such portion on that day.';
    throw new UserFault('NOT_FOUND', message, 'portionId');
  }
  if (management === 'NOTIONAL' || management === 'COUNCIL_MANAGED') {
    const message =
      'This money is not paid out: who commissions the care buys it. Change how it is managed first.';
    throw new UserFault('PORTION_NOT_PAID', message, 'portionId');
  }
}

async function expectNoOther(
  { tx }: CommandContext,
  place: { budgetId: string; portionId: string | null; source: FundingSource },
  { from, to }: { from: string; to: string | null },
) {
  const other = await tx.paymentSchedule.findFirst({
    where: {
      ...place,
      frequency: { not: 'ONE_OFF' },
      ...(to === null ? {} : { validFrom: { lt: new Date(to) } }),
      OR: [{ validTo: null }, { validTo: { gt: new Date(from) } }],
    },
  });
  if (other === null) return;
  const message =
    'This money is paid by another schedule on some of these days. Change that one, or end it first.';
  throw new Refused([new UserFault('SCHEDULE_OVERLAPS', message, 'from')], scheduleResult(other.id));
}

export const setPaymentScheduleCommand: Command<SetInput, Result> = {
  name: 'setPaymentSchedule',
  run: async (context, input) => {
    const { tx, today } = context;
    const budgetId = uuidOf(budgetPrefix, input.budgetId);
    const personId = await lockVisible(context, 'budget', budgetId, 'budgetId');
    const portionId = input.portionId == null ? null : uuidOf(portionPrefix, input.portionId);
    if (input.portionId != null && portionId === null)
      throw new UserFault('NOT_FOUND', 'The budget has no such portion.', 'portionId');
    const { source, from, to = null } = input;
    const budget = await budgetOf(tx, budgetId!);
    if (budget.isFromSource) {
      const message = 'This budget is paid by the system that keeps it: change the payments there.';
      throw new UserFault('KEPT_BY_SOURCE', message, 'budgetId');
    }
    if (ownMoney.includes(source)) {
      throw new UserFault('SOURCE_NOT_PAID', "This is the person's own money: nobody pays it out.", 'source');
    }
    const funders = await fundersOf(tx, budgetId!, source, from);
    if (funders.length === 0) {
      const message = 'The budget names nobody who gives this money on that day.';
      throw new UserFault('FUNDER_MISSING', message, 'source');
    }
    const own = await expectPayer(
      context,
      funders.map(({ id }) => id),
      'source',
    );
    if (budget.status !== 'ACTIVE') {
      const message = `The budget is ${budget.status}: payments are set once it is released.`;
      throw new UserFault('WRONG_STAGE', message, 'budgetId');
    }
    expectNear(from, today, 'from');
    if (from < budget.from || (budget.to !== null && from >= budget.to))
      throw new UserFault('DAY_INVALID', 'The first day is one of the budget.', 'from');
    if (to !== null && to <= from)
      throw new UserFault('DAY_INVALID', 'The end lies after the first day.', 'to');
    await expectPaidOut(context, budgetId!, portionId, from);
    const rate = ratePence(source, input.amount, input.contribution);
    if (rate.weeklyPence === 0n)
      throw new UserFault('AMOUNT_INVALID', 'An amount must be above zero.', 'amount.amount');
    const terms = await termsOf(context, input, own.id, rate.contributionPence > 0n);
    const place = { budgetId: budgetId!, portionId, source };
    if (terms.frequency !== 'ONE_OFF') await expectNoOther(context, place, { from, to });

    const schedule = await tx.paymentSchedule.create({
      data: {
        personId,
        ...place,
        organisationId: own.id,
        ...terms,
        validFrom: new Date(from),
        validTo: to === null ? null : new Date(to),
      },
    });
    await tx.scheduleRate.create({
      data: { scheduleId: schedule.id, personId, validFrom: new Date(from), ...rate },
    });
    // The first period is raised at once, whenever it is due: it names who set the schedule, for whom the job acts.
    await raiseFor(context, [schedule.id], from);
    await announce(context, paymentChanged, [personId]);
    return { result: scheduleResult(schedule.id), personIds: [personId] };
  },
};
