/** Changing what a line of the agreed plan is made of: drafted, asked for, agreed, refused or taken back. */
import { laterOf } from '../budget/subject.ts';
import type { PackageChange, PlanLine } from '../generated/prisma/client.ts';
import type { CostFrequency, PackageChangeKind, PackageChangeStatus } from '../generated/prisma/enums.ts';
import { isQuantity, weeklyPence } from '../plan/rules.ts';
import { planPrefix } from '../plan/view.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { penceOfDecimal } from '../platform/money.ts';
import { currentPortion } from '../spending/purse.ts';
import { mustPay, type Place } from '../spending/subject.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { isSameHuman } from '../write/human.ts';
import {
  actingOrganisation,
  announce,
  expectVersion,
  lockVisible,
  type MoneyGiven,
  notFound,
  penceOf,
  reasonOf,
  textOf,
} from '../write/subject.ts';
import { type EffectFacts, effectFacts, effectOf } from './effect.ts';
import { deciderOf, fundersOf } from './funder.ts';
import { mustAgree } from './rules.ts';
import { packageChangePrefix } from './view.ts';

type Result = { packageChangeId: string };

export interface Versioned {
  idempotencyKey: string;
  packageChangeId: string;
  expectedVersion: number;
}

interface DraftInput {
  idempotencyKey: string;
  planId: string;
  lineKey: string;
  kind: PackageChangeKind;
  quantity?: string | null;
  unitCost?: MoneyGiven | null;
  frequency?: CostFrequency | null;
  providerName?: string | null;
  from: string;
  to?: string | null;
  reason: string;
}

/**
 * The line of the joint plan, locked with its plan, and the account that pays it.
 *
 * @throws UserFault NOT_FOUND, WRONG_STAGE where the plan is not in force, LINE_NOT_IN_PLAN, LINE_NOT_MANAGED, NOT_YOURS
 */
async function lockLine(context: CommandContext, planId: string | null, key: string) {
  const { tx, today } = context;
  const personId = await lockVisible(context, 'plan', planId, 'planId');
  const plan = await tx.plan.findFirstOrThrow({ where: { id: planId!, personId } });
  if (plan.number === null) throw notFound('planId');
  if (plan.status !== 'AGREED' || (plan.validTo !== null && dayOf(plan.validTo) < today)) {
    throw new UserFault('WRONG_STAGE', 'Only the plan in force can be changed like this.', 'planId');
  }
  const line = await tx.planLine.findFirst({ where: { planId: plan.id, personId, key } });
  if (line === null)
    throw new UserFault('LINE_NOT_IN_PLAN', 'The plan has no line with this key.', 'lineKey');
  if (line.portionId === null || line.weeklyPence === null) {
    const message =
      'Only what is paid week by week, from an account, can be changed here. Draft a plan for anything else.';
    throw new UserFault('LINE_NOT_MANAGED', message, 'lineKey');
  }
  const place = await placeOf(context, personId, line.portionId);
  return { plan, line: { ...line, weeklyPence: line.weeklyPence }, place };
}

/** The account that pays a line today: that of the portion it names, or of the one that took its place. */
async function placeOf({ tx }: CommandContext, personId: string, named: string): Promise<Place> {
  const portions = await tx.portion.findMany({ where: { personId } });
  const portionId = currentPortion(portions, named);
  const { budgetId } = portions.find(({ id }) => id === portionId)!;
  return { personId, budgetId, portionId };
}

/** What the line is to be made of, and what it costs a week then. */
function termsOf({ kind, ...input }: DraftInput, line: PlanLine) {
  const nothing = { quantity: null, unitCostPence: null, frequency: null, providerName: null };
  if (kind !== 'TERMS') {
    const given = input.quantity ?? input.unitCost ?? input.frequency ?? input.providerName;
    if (given == null) return { ...nothing, weeklyPence: 0n };
    throw new UserFault(
      'NOTHING_CHANGES',
      'What rests or ends has no quantity, price, frequency or provider: leave them out.',
      'kind',
    );
  }
  const hundredths = penceOfDecimal(input.quantity ?? line.quantity.toString());
  if (!isQuantity(hundredths)) {
    throw new UserFault('QUANTITY_INVALID', 'A quantity is above 0 and at most 10000.', 'quantity');
  }
  const unitCostPence = input.unitCost == null ? null : penceOf(input.unitCost, 'unitCost');
  const providerName = input.providerName == null ? null : textOf(input.providerName, 'providerName', 200);
  const frequency = input.frequency ?? null;
  if (input.quantity == null && unitCostPence === null && frequency === null && providerName === null) {
    throw new UserFault(
      'NOTHING_CHANGES',
      'Say what is to change: quantity, unitCost, frequency or providerName.',
      'kind',
    );
  }
  const weekly = weeklyPence(unitCostPence ?? line.unitCostPence, frequency ?? line.frequency, hundredths);
  if (weekly === null) {
    const message = 'What comes once has no cost a week. Draft a plan for it.';
    throw new UserFault('LINE_NOT_MANAGED', message, 'frequency');
  }
  return { quantity: input.quantity ?? null, unitCostPence, frequency, providerName, weeklyPence: weekly };
}

export const draftPackageChangeCommand: Command<DraftInput, Result> = {
  name: 'draftPackageChange',
  run: async (context, input) => {
    const { plan, line, place } = await lockLine(context, uuidOf(planPrefix, input.planId), input.lineKey);
    await mustPay(context, place, 'planId');
    const { from, to = null } = input;
    const begin = plan.validFrom === null ? from : dayOf(plan.validFrom);
    if (from < begin) throw new UserFault('DAY_INVALID', 'The plan had not begun on that day.', 'from');
    if (to !== null && to <= from)
      throw new UserFault('DAY_INVALID', 'It must end after its first day.', 'to');
    const terms = termsOf(input, line);
    const reason = reasonOf(input.reason);
    const organisation = await actingOrganisation(context);
    const { id } = await context.tx.packageChange.create({
      data: {
        personId: place.personId,
        planId: plan.id,
        lineKey: line.key,
        kind: input.kind,
        ...terms,
        validFrom: new Date(from),
        validTo: to === null ? null : new Date(to),
        reason,
        organisationId: organisation?.id ?? null,
        draftedBy: context.viewer.subject,
        draftedByName: context.viewer.name,
      },
      select: { id: true },
    });
    announce(context, 'plan.changed', [place.personId]);
    return {
      result: { packageChangeId: idOf(packageChangePrefix, id) },
      personIds: [place.personId],
      reason,
    };
  },
};

/**
 * A change that the viewer sees, locked, so that of two who decide the second finds what the first did.
 *
 * @throws UserFault NOT_FOUND; Refused CONFLICT, WRONG_STAGE with the change as it is
 */
async function lockChange(context: CommandContext, input: Versioned, stages: PackageChangeStatus[]) {
  const id = uuidOf(packageChangePrefix, input.packageChangeId);
  const personId = await lockVisible(context, 'package_change', id, 'packageChangeId');
  const change = await context.tx.packageChange.findFirstOrThrow({
    where: { id: id!, personId },
    include: { agreements: true },
  });
  const shown: Result = { packageChangeId: input.packageChangeId };
  expectVersion(change.version, input.expectedVersion, shown, `it is ${change.status}`);
  if (!stages.includes(change.status)) {
    throw new Refused(
      [new UserFault('WRONG_STAGE', `The change is ${change.status}.`, 'packageChangeId')],
      shown,
    );
  }
  return { change, shown };
}

async function set(
  context: CommandContext,
  { id, personId }: PackageChange,
  data: Omit<Partial<PackageChange>, 'quantity'>,
): Promise<void> {
  await context.tx.packageChange.update({
    where: { id_personId: { id, personId } },
    data: { ...data, version: { increment: 1 } },
    select: { id: true },
  });
  announce(context, 'plan.changed', [personId]);
  // What goes out a week is another now, and so may be what the forecast says.
  if ('agreedAt' in data || 'refusedAt' in data) announce(context, 'budget.changed', [personId]);
}

/** Whoever spends from the account that pays the line, whatever became of the plan since. @throws UserFault NOT_YOURS */
async function mustSpend(
  context: CommandContext,
  { personId, planId, lineKey }: PackageChange,
): Promise<void> {
  const where = { planId, personId, key: lineKey };
  const { portionId } = await context.tx.planLine.findFirstOrThrow({ where, select: { portionId: true } });
  await mustPay(context, await placeOf(context, personId, portionId!), 'packageChangeId');
}

async function effectNow({ tx, today }: CommandContext, { id, personId }: PackageChange) {
  const [row] = await tx.$queryRawUnsafe<{ facts: string | null }[]>(
    `select ${effectFacts('c', '$3::date')}::text as facts from package_change c
      where c.id = $1::uuid and c.person_id = $2::uuid`,
    id,
    personId,
    today,
  );
  const facts: EffectFacts | null = JSON.parse(row?.facts ?? 'null');
  return facts === null ? null : effectOf(facts);
}

export const submitPackageChangeCommand: Command<Versioned, Result> = {
  name: 'submitPackageChange',
  run: async (context, input) => {
    const { change, shown } = await lockChange(context, input, ['DRAFT']);
    const { line, place } = await lockLine(context, change.planId, change.lineKey);
    await mustPay(context, place, 'packageChangeId');
    const effect = await effectNow(context, change);
    const funders = await fundersOf(context, place, line.source, dayOf(change.validFrom));
    const asked = mustAgree(funders, {
      planned: line.weeklyPence,
      weekly: change.weeklyPence,
      leftAfter: effect?.left?.after ?? null,
    });
    const { now: submittedAt } = context;
    if (asked.length === 0) {
      await set(context, change, { status: 'AGREED', submittedAt, agreedAt: submittedAt });
    } else {
      await context.tx.packageChangeAgreement.createMany({
        data: asked.map(({ organisationId, decider }) => ({
          changeId: change.id,
          personId: change.personId,
          organisationId,
          decider,
        })),
      });
      await set(context, change, { status: 'PROPOSED', submittedAt });
    }
    return { result: shown, personIds: [change.personId], reason: change.reason };
  },
};

export const agreePackageChangeCommand: Command<Versioned, Result> = {
  name: 'agreePackageChange',
  run: async (context, input) => {
    const { change, shown } = await lockChange(context, input, ['PROPOSED']);
    const own = await deciderOf(context, change.agreements, 'packageChangeId');
    if (isSameHuman({ subject: change.draftedBy, name: change.draftedByName }, context.viewer)) {
      const message = 'You drafted this change. A colleague must agree to it.';
      throw new Refused([new UserFault('SECOND_PERSON_NEEDED', message, 'packageChangeId')], shown);
    }
    // Of a plan that was replaced meanwhile nothing is agreed any more.
    await lockLine(context, change.planId, change.lineKey);
    const { viewer, now: agreedAt, tx } = context;
    await tx.packageChangeAgreement.update({
      where: {
        changeId_personId_organisationId: {
          changeId: change.id,
          personId: change.personId,
          organisationId: own.organisationId,
        },
      },
      data: { agreedBy: viewer.subject, agreedByName: viewer.name, agreedAt },
    });
    const waiting = change.agreements.some((one) => one.agreedAt === null && one !== own);
    await set(context, change, waiting ? {} : { status: 'AGREED', agreedAt });
    return { result: shown, personIds: [change.personId] };
  },
};

export const refusePackageChangeCommand: Command<Versioned & { reason: string }, Result> = {
  name: 'refusePackageChange',
  run: async (context, input) => {
    const { viewer, today } = context;
    const isFamily = viewer.role === 'PERSON' || viewer.role === 'REPRESENTATIVE';
    const stages: PackageChangeStatus[] = isFamily ? ['PROPOSED', 'AGREED'] : ['PROPOSED'];
    const { change, shown } = await lockChange(context, input, stages);
    const { personId, validFrom, validTo } = change;
    if (isFamily) await mustSpend(context, change);
    else await deciderOf(context, change.agreements, 'packageChangeId');
    const refusal = reasonOf(input.reason);
    // What was agreed held until now; what had not begun never does.
    const ends = laterOf(dayOf(validFrom), today);
    const isOver = validTo !== null && dayOf(validTo) <= ends;
    await set(context, change, {
      status: 'REFUSED',
      refusedAt: context.now,
      refusedBy: viewer.subject,
      refusedByName: viewer.name,
      refusal,
      ...(change.status === 'AGREED' && !isOver ? { validTo: new Date(ends) } : {}),
    });
    return { result: shown, personIds: [personId], reason: refusal };
  },
};

export const withdrawPackageChangeCommand: Command<Versioned, Result> = {
  name: 'withdrawPackageChange',
  run: async (context, input) => {
    const { change, shown } = await lockChange(context, input, ['DRAFT', 'PROPOSED']);
    await mustSpend(context, change);
    await set(context, change, { status: 'WITHDRAWN' });
    return { result: shown, personIds: [change.personId] };
  },
};
