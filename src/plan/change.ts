/** How every change of the joint plan begins and ends: at the version its author saw, noted, and told to others. */
import type { Prisma } from '../generated/prisma/client.ts';
import type { PlanStatus } from '../generated/prisma/enums.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { announce, expectVersion, lockVisible } from '../write/subject.ts';
import { planPrefix } from './view.ts';

/** What a plan's payload shows. */
export interface PlanResult {
  planId: string;
}

/** A version of the plan with all it says. */
export type WholePlan = Awaited<ReturnType<typeof wholePlan>>;

export async function wholePlan(tx: Prisma.TransactionClient, planId: string) {
  const plan = await tx.plan.findFirstOrThrow({ where: { id: planId } });
  // One after the other: a transaction has one connection.
  const where = { planId, personId: plan.personId };
  const needs = await tx.need.findMany({ where, orderBy: { position: 'asc' } });
  const outcomes = await tx.outcome.findMany({ where, orderBy: [{ targetOn: 'asc' }, { id: 'asc' }] });
  const items = await tx.planItem.findMany({ where, orderBy: [{ section: 'asc' }, { position: 'asc' }] });
  const lines = await tx.planLine.findMany({ where, orderBy: { position: 'asc' } });
  return { ...plan, needs, outcomes, items, lines };
}

/** Enough of a plan to change it. */
export type ChangedPlan = Pick<WholePlan, 'id' | 'personId' | 'version'>;

interface Wanted {
  planId: string;
  /** Left out by who only adds to the plan, and overwrites nothing. */
  expectedVersion?: number;
  /** The stages at which it may be done. */
  at: PlanStatus[];
}

/**
 * Locks a version of the joint plan and gives it as it is.
 *
 * @throws UserFault NOT_FOUND, KEPT_BY_SOURCE, WRONG_STAGE
 * @throws Refused CONFLICT, showing the plan as it is now
 */
export async function takePlan(context: CommandContext, wanted: Wanted): Promise<WholePlan> {
  const planId = uuidOf(planPrefix, wanted.planId);
  await lockVisible(context, 'plan', planId, 'planId');
  const plan = await wholePlan(context.tx, planId!);
  if (plan.number === null) {
    throw new UserFault(
      'KEPT_BY_SOURCE',
      'This plan is kept by a system of one of the two sides: change it there, or draft the joint plan from it.',
      'planId',
    );
  }
  if (wanted.expectedVersion !== undefined && wanted.expectedVersion !== plan.version) {
    const shown: PlanResult = { planId: wanted.planId };
    expectVersion(
      plan.version,
      wanted.expectedVersion,
      shown,
      await changesSince(context, plan.id, wanted.expectedVersion),
    );
  }
  if (!wanted.at.includes(plan.status)) {
    throw new UserFault(
      'WRONG_STAGE',
      `The plan is at the stage ${plan.status}; this is done at ${wanted.at.join(' or ')}.`,
      'planId',
    );
  }
  return plan;
}

const inWords = (value: string) => value.toLowerCase().replaceAll('_', ' ');

/** Which parts were changed after a version, by which role of which organisation: never by whom, and no words of the plan. */
async function changesSince({ tx }: CommandContext, planId: string, version: number): Promise<string> {
  const changes = await tx.planChange.findMany({
    where: { planId, version: { gt: version } },
    orderBy: { version: 'asc' },
  });
  return changes
    .map(({ what, role, organisation }) => {
      const of = organisation === null ? '' : ` of ${organisation}`;
      return `${what.map(inWords).join(', ')} by ${inWords(role)}${of}`;
    })
    .join('; ');
}

/**
 * Notes the change under the plan's next version, and writes what of the plan's own row it changes.
 *
 * @param what values of the API's `PlanChangeKind`
 */
export async function changePlan(
  context: CommandContext,
  plan: ChangedPlan,
  what: string[],
  data: Prisma.PlanUncheckedUpdateManyInput = {},
): Promise<void> {
  const { id: planId, personId } = plan;
  const version = plan.version + 1;
  await context.tx.plan.update({
    where: { id_personId: { id: planId, personId } },
    data: { ...data, version },
  });
  await noteChange(context, { planId, personId, version }, what);
}

export async function noteChange(
  { tx, viewer, now }: CommandContext,
  changed: { planId: string; personId: string; version: number },
  what: string[],
): Promise<void> {
  const { role, organisation } = viewer;
  await tx.planChange.create({ data: { ...changed, what, role, organisation, at: now } });
}

/** Tells whoever listens, and gives what the command answers. */
export async function planChanged(
  context: CommandContext,
  { id, personId }: { id: string; personId: string },
) {
  await announce(context, 'plan.changed', [personId]);
  return { result: { planId: idOf(planPrefix, id) }, personIds: [personId] };
}
