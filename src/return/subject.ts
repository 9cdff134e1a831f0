/** A return as its commands find it: locked, at the stage that is expected, and settled after. */
import { idOf } from '../platform/id.ts';
import { type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, announce, lockVisible } from '../write/subject.ts';
import { statusOf } from './rules.ts';
import { returnPrefix } from './view.ts';

export interface Result {
  returnId: string;
}

async function load({ tx }: CommandContext, id: { id: string; personId: string }) {
  return tx.financialReturn.findUniqueOrThrow({
    where: { id_personId: id },
    include: { receivers: true, queries: { where: { answeredAt: null } } },
  });
}

type Return = Awaited<ReturnType<typeof load>>;

export const resultOf = ({ id }: { id: string }): Result => ({ returnId: idOf(returnPrefix, id) });

/** The return of somebody the viewer may see, locked until the transaction ends. */
export async function lockReturn(
  context: CommandContext,
  id: string | null,
  field = 'returnId',
): Promise<Return> {
  const personId = await lockVisible(context, 'financial_return', id, field);
  return load(context, { id: id!, personId });
}

export function mustBe(theReturn: Return, stages: Return['status'][]): void {
  if (stages.includes(theReturn.status)) return;
  const message = `The return is ${theReturn.status}; this needs one that is ${stages.join(' or ')}.`;
  throw new Refused([new UserFault('WRONG_STAGE', message, 'returnId')], resultOf(theReturn));
}

/** Whose place among the receivers the viewer has. @throws UserFault NOT_YOURS */
export async function ownPlace(context: CommandContext, theReturn: Return) {
  const organisation = await actingOrganisation(context);
  const place = theReturn.receivers.find(({ organisationId }) => organisationId === organisation?.id);
  if (place === undefined)
    throw new UserFault('NOT_YOURS', 'This is for an organisation that receives the return.', 'returnId');
  return place;
}

/** What changed is seen by whoever looks again: the stage it is at now, and one version more. */
export async function settle(
  context: CommandContext,
  { id, personId, status: before }: Return,
): Promise<void> {
  const { receivers, queries } = await load(context, { id, personId });
  const status =
    before === 'DUE'
      ? before
      : statusOf(
          receivers.map(({ acceptedAt }) => ({ accepted: acceptedAt !== null })),
          queries.length,
        );
  await context.tx.financialReturn.update({
    where: { id_personId: { id, personId } },
    data: { status, version: { increment: 1 } },
  });
  await announce(context, 'return.changed', [personId]);
}
