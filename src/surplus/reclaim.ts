/** A reclaim as its commands find it: locked, at the version and stage that are expected, and for whom it is. */

import { budgetPrefix } from '../budget/view.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { ReclaimStatus } from '../generated/prisma/enums.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type CommandContext, Refused, UserFault } from '../write/command.ts';
import { type Human, isSameHuman } from '../write/human.ts';
import { actingOrganisation, announce, expectVersion, lockVisible } from '../write/subject.ts';
import { reclaimPrefix } from './view.ts';

export interface Result {
  reclaimId: string;
  budgetId: string;
}

export const resultOf = ({ id, budgetId }: { id: string; budgetId: string }): Result => ({
  reclaimId: idOf(reclaimPrefix, id),
  budgetId: idOf(budgetPrefix, budgetId),
});

export const tellOf = async (context: CommandContext, personId: string) =>
  announce(context, 'reclaim.changed', [personId]);

export interface Versioned {
  idempotencyKey: string;
  reclaimId: string;
  expectedVersion: number;
}

/** The reclaim of somebody the viewer may see, locked, at the version and at one of the stages that are expected. */
export async function lockReclaim(context: CommandContext, input: Versioned, stages: ReclaimStatus[]) {
  const id = uuidOf(reclaimPrefix, input.reclaimId);
  const personId = await lockVisible(context, 'reclaim', id, 'reclaimId');
  const reclaim = await context.tx.reclaim.findUniqueOrThrow({
    where: { id_personId: { id: id!, personId } },
    include: { budget: true },
  });
  const shown = resultOf(reclaim);
  expectVersion(reclaim.version, input.expectedVersion, shown);
  const inStage = () => {
    if (stages.includes(reclaim.status)) return;
    const message = `The reclaim is ${reclaim.status}; this needs one that is ${stages.join(' or ')}.`;
    throw new Refused([new UserFault('WRONG_STAGE', message, 'reclaimId')], shown);
  };
  return { reclaim, shown, inStage };
}

type Reclaim = Awaited<ReturnType<typeof lockReclaim>>['reclaim'];

export async function change(
  context: CommandContext,
  { id, personId }: Reclaim,
  data: Prisma.ReclaimUpdateInput,
) {
  await context.tx.reclaim.update({
    where: { id_personId: { id, personId } },
    data: { ...data, version: { increment: 1 } },
  });
  await tellOf(context, personId);
}

export async function mustBeFunder(context: CommandContext, { organisationId }: Reclaim): Promise<void> {
  if ((await actingOrganisation(context))?.id === organisationId) return;
  throw new UserFault('NOT_YOURS', 'This is for the organisation that gave the notice.', 'reclaimId');
}

/** @throws UserFault SECOND_PERSON_NEEDED */
export function mustNotBe(by: Human, { viewer }: CommandContext, whoThen: string): void {
  if (!isSameHuman(by, viewer)) return;
  throw new UserFault('SECOND_PERSON_NEEDED', `${whoThen}. A colleague must do this.`, 'reclaimId');
}

export const noticedBy = ({ createdBy, createdByName }: Reclaim): Human => ({
  subject: createdBy,
  name: createdByName,
});
