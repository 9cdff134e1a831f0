/** Changing what a version of the joint plan says. */
import type { Prisma } from '../generated/prisma/client.ts';
import { uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused } from '../write/command.ts';
import { visibleOf } from '../write/subject.ts';
import { changePlan, type PlanResult, planChanged, takePlan, type WholePlan } from './change.ts';
import {
  checkTies,
  type Gathered,
  gather,
  itemsOf,
  linesOf,
  needsOf,
  outcomesOf,
  type PlanContent,
  wordsOf,
} from './content.ts';
import { sectionNames, sections } from './section.ts';
import { portionPrefix } from './view.ts';

interface EditInput extends PlanContent {
  idempotencyKey: string;
  planId: string;
  expectedVersion: number;
  coordinatorOrganisation?: string | null;
  reviewOn?: string | null;
  from?: string | null;
  to?: string | null;
}

export const editPlanCommand: Command<EditInput, PlanResult> = {
  name: 'editPlan',
  run: async (context, input) => {
    const { idempotencyKey, planId, expectedVersion, ...content } = input;
    const plan = await takePlan(context, { planId, expectedVersion, at: ['DRAFT', 'PROPOSED'] });
    const what = Object.keys(content).map((field) => field.replace(/[A-Z]/g, '_$&').toUpperCase());
    if (what.length === 0) return planChanged(context, plan);

    const gathered = gather();
    const words = { ...wordsOf(content, gathered), ...(await coordinatorOf(context, content, gathered)) };
    const days = daysOf(plan, content, gathered);
    const parts = await partsOf(context, plan, content, gathered);
    if (gathered.faults.length > 0) throw new Refused<PlanResult>(gathered.faults, { planId });

    const before = plan.status === 'PROPOSED' ? await withdrawSignatures(context, plan) : [];
    await replaceParts(context.tx, plan, content, parts);
    await changePlan(context, plan, [...what, ...before], {
      ...words,
      ...days,
      status: 'DRAFT',
      proposedAt: null,
    });
    return planChanged(context, plan);
  },
};

/** What was signed is the text as it was: whoever signed looks again. */
async function withdrawSignatures({ tx, now }: CommandContext, plan: WholePlan): Promise<string[]> {
  const { count } = await tx.signOff.updateMany({
    where: { planId: plan.id, withdrawnAt: null },
    data: { withdrawnAt: now },
  });
  return count > 0 ? ['SIGNATURES_WITHDRAWN'] : [];
}

async function coordinatorOf({ tx }: CommandContext, input: Partial<EditInput>, { refuse }: Gathered) {
  const odsCode = input.coordinatorOrganisation;
  if (odsCode === undefined) return {};
  if (odsCode === null) return { coordinatorOrganisationId: null };
  const found = await tx.organisation.findUnique({ where: { odsCode } });
  if (found === null) {
    refuse('ORGANISATION_NOT_KNOWN', 'There is no organisation of that code.', 'coordinatorOrganisation');
  }
  return { coordinatorOrganisationId: found?.id ?? null };
}

function daysOf(plan: WholePlan, input: Partial<EditInput>, { refuse }: Gathered) {
  const chosen = (given: string | null | undefined, present: Date | null) =>
    given === undefined ? present : given === null ? null : new Date(given);
  const validFrom = chosen(input.from, plan.validFrom);
  const validTo = chosen(input.to, plan.validTo);
  const reviewOn = chosen(input.reviewOn, plan.reviewOn);
  if (validFrom !== null && validTo !== null && validTo < validFrom) {
    refuse('DAY_INVALID', 'The last day cannot lie before the first.', input.to == null ? 'from' : 'to');
  }
  if (validFrom !== null && reviewOn !== null && reviewOn < validFrom) {
    refuse('DAY_INVALID', 'A plan is reviewed after it began.', 'reviewOn');
  }
  return { validFrom, validTo, reviewOn };
}

type Parts = Awaited<ReturnType<typeof partsOf>>;

async function partsOf(context: CommandContext, plan: WholePlan, content: PlanContent, gathered: Gathered) {
  const needs = content.needs === undefined ? null : needsOf(content.needs ?? [], gathered);
  const outcomes = content.outcomes === undefined ? null : outcomesOf(content.outcomes ?? [], gathered);
  const given = content.lines ?? [];
  const wanted = given.map(({ portionId }) => uuidOf(portionPrefix, portionId));
  const seen = await visibleOf(
    context,
    'portion',
    wanted.filter((id) => id !== null),
  );
  const own = await context.tx.portion.findMany({
    where: { personId: plan.personId, id: { in: [...seen] } },
    select: { id: true },
  });
  const isOwn = new Set(own.map(({ id }) => id));
  const portionIds = wanted.map((id) => (id !== null && isOwn.has(id) ? id : null));
  const lines = content.lines === undefined ? null : linesOf(given, portionIds, gathered);
  const items = itemsOf(content, gathered);
  // A line stays tied when it is the outcomes that change.
  checkTies(
    lines ?? plan.lines,
    { outcomes: outcomes ?? plan.outcomes, needs: needs ?? plan.needs },
    gathered,
  );
  return { needs, outcomes, lines, items };
}

async function replaceParts(
  tx: Prisma.TransactionClient,
  { id: planId, personId, outcomes: before }: WholePlan,
  content: PlanContent,
  { needs, outcomes, lines, items }: Parts,
): Promise<void> {
  const own = { planId, personId };
  if (needs !== null) {
    await tx.need.deleteMany({ where: own });
    await tx.need.createMany({ data: needs.map((need) => ({ ...need, ...own })) });
  }
  if (outcomes !== null) {
    // An outcome keeps its id as long as it keeps its key: what came of it is told by that.
    await tx.outcome.deleteMany({ where: { ...own, key: { notIn: outcomes.map(({ key }) => key) } } });
    const idOfKey = new Map(before.map(({ key, id }) => [key, id]));
    for (const { key, ...said } of outcomes.filter(({ key }) => idOfKey.has(key))) {
      await tx.outcome.update({ where: { id_personId: { id: idOfKey.get(key)!, personId } }, data: said });
    }
    await tx.outcome.createMany({
      data: outcomes.filter(({ key }) => !idOfKey.has(key)).map((outcome) => ({ ...outcome, ...own })),
    });
  }
  if (lines !== null) {
    await tx.planLine.deleteMany({ where: own });
    await tx.planLine.createMany({ data: lines.map((line) => ({ ...line, ...own })) });
  }
  const given = sectionNames
    .filter((name) => content[name] !== undefined)
    .map((name) => sections[name].section);
  await tx.planItem.deleteMany({ where: { ...own, section: { in: given } } });
  await tx.planItem.createMany({ data: items.map((item) => ({ ...item, ...own })) });
}
