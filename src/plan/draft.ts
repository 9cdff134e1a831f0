/** Beginning a version of the joint plan, and giving one up. */
import type { Prisma } from '../generated/prisma/client.ts';
import { personPrefix } from '../person/view.ts';
import { uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { lockVisible, reasonOf, textOf, visiblePerson } from '../write/subject.ts';
import {
  changePlan,
  noteChange,
  type PlanResult,
  planChanged,
  takePlan,
  type WholePlan,
  wholePlan,
} from './change.ts';
import { planPrefix } from './view.ts';

interface DraftInput {
  idempotencyKey: string;
  personId: string;
  basedOnPlanId?: string | null;
  title: string;
}

export const draftPlanCommand: Command<DraftInput, PlanResult> = {
  name: 'draftPlan',
  run: async (context, input) => {
    const { tx } = context;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    const title = textOf(input.title, 'title', 200);
    const base = await baseOf(context, personId, input.basedOnPlanId);
    // Of two drafts at once the second waits here, and finds the first in hand.
    await tx.$queryRawUnsafe('select from person where id = $1::uuid for no key update', personId);
    const joint = { personId, number: { not: null } };
    if ((await tx.plan.count({ where: { ...joint, status: { in: ['DRAFT', 'PROPOSED'] } } })) > 0) {
      throw new UserFault(
        'PLAN_IN_HAND',
        'A version of the plan is being written or agreed already: go on with that one, or discard it.',
        'personId',
      );
    }
    const { _max } = await tx.plan.aggregate({ where: joint, _max: { number: true } });
    const plan = await tx.plan.create({
      data: { personId, number: (_max.number ?? 0) + 1, title, status: 'DRAFT', ...(base && ownOf(base)) },
    });
    if (base !== null) await copyParts(tx, base, plan.id);
    await noteChange(context, { planId: plan.id, personId, version: plan.version }, ['DRAFTED']);
    return planChanged(context, plan);
  },
};

async function baseOf(context: CommandContext, personId: string, id: string | null | undefined) {
  if (id == null) return null;
  const baseId = uuidOf(planPrefix, id);
  const owner = await lockVisible(context, 'plan', baseId, 'basedOnPlanId');
  if (owner === personId) return wholePlan(context.tx, baseId!);
  throw new UserFault('NOT_FOUND', 'There is no such plan of this person.', 'basedOnPlanId');
}

/** What a new version takes over of the plan's own row: its words and its co-ordinator, not its days. */
const ownOf = ({ aboutMe, whatMatters, coordinatorName, coordinatorOrganisationId }: WholePlan) => ({
  aboutMe,
  whatMatters,
  coordinatorName,
  coordinatorOrganisationId,
});

/** A source's needs and outcomes have no keys, and get some: n1, n2 and o1, o2 in their order. */
async function copyParts(tx: Prisma.TransactionClient, base: WholePlan, planId: string): Promise<void> {
  const { personId } = base;
  const own = { planId, personId };
  await tx.need.createMany({
    data: base.needs.map(({ position, key, text, scheme }) => ({
      ...own,
      position,
      key: key ?? `n${position}`,
      text,
      scheme,
    })),
  });
  await tx.outcome.createMany({
    data: base.outcomes.map(({ key, text, status, targetOn }, i) => ({
      ...own,
      key: key ?? `o${i + 1}`,
      text,
      status,
      targetOn,
    })),
  });
  await tx.planItem.createMany({
    data: base.items.map(({ recordedAt, ...item }) => ({ ...item, ...own })),
  });
  await tx.planLine.createMany({
    data: base.lines.map(({ id, recordedAt, ...line }) => ({ ...line, ...own })),
  });
}

interface DiscardInput {
  idempotencyKey: string;
  planId: string;
  expectedVersion: number;
  reason: string;
}

export const discardPlanCommand: Command<DiscardInput, PlanResult> = {
  name: 'discardPlan',
  run: async (context, { planId, expectedVersion, ...input }) => {
    const plan = await takePlan(context, { planId, expectedVersion, at: ['DRAFT', 'PROPOSED'] });
    const reason = reasonOf(input.reason);
    await changePlan(context, plan, ['DISCARDED'], { status: 'ENDED' });
    return { ...(await planChanged(context, plan)), reason };
  },
};
