/** Deciding that two records are one person, and that they are not after all. */
import { mayMerge } from '../access/policy.ts';
import { visiblePeople } from '../access/scope.ts';
import { idOf, uuidOf } from '../read/id.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { type MergeRefusal, mergePeople, unmergePeople } from './merge.ts';
import { linkPrefix, personPrefix } from './view.ts';

interface MergeInput {
  idempotencyKey: string;
  fromId: string;
  intoId: string;
  reason: string;
}

interface UnmergeInput {
  idempotencyKey: string;
  personSourceId: string;
  reason: string;
}

const refusals: Record<MergeRefusal, { message: string; field: string }> = {
  SAME_PERSON: { message: 'These are one record already.', field: 'intoId' },
  PERSON_NOT_FOUND: { message: 'There is no such person, or they are not yours to see.', field: 'fromId' },
  RECORD_EMPTY: { message: 'One of the records holds nothing: it was merged before.', field: 'fromId' },
  HOLDS_MERGED_RECORD: {
    message: 'Another record was merged into this one. Undo that first, or merge the other way round.',
    field: 'fromId',
  },
};

const maxReason = 1_000;

function checkReason(reason: string): string {
  const words = reason.trim();
  if (words.length > 0 && words.length <= maxReason) return words;
  throw new UserFault('REASON_NEEDED', `Say why, in 1 to ${maxReason} characters.`, 'reason');
}

async function isVisible({ tx, viewer, today }: CommandContext, personId: string): Promise<boolean> {
  const { text, values } = visiblePeople(viewer, today, [personId]);
  return (await tx.$queryRawUnsafe<unknown[]>(text, ...values)).length === 1;
}

async function visiblePerson(context: CommandContext, id: string, field: string): Promise<string> {
  const uuid = uuidOf(personPrefix, id);
  if (uuid !== null && (await isVisible(context, uuid))) return uuid;
  throw new UserFault('PERSON_NOT_FOUND', refusals.PERSON_NOT_FOUND.message, field);
}

export const mergePeopleCommand: Command<MergeInput, { personId: string }> = {
  name: 'mergePeople',
  may: mayMerge,
  run: async (context, input) => {
    const reason = checkReason(input.reason);
    const fromPersonId = await visiblePerson(context, input.fromId, 'fromId');
    const intoPersonId = await visiblePerson(context, input.intoId, 'intoId');
    const merged = await mergePeople(context.tx, { fromPersonId, intoPersonId });
    if (!merged.done) {
      const { message, field } = refusals[merged.code];
      throw new UserFault(merged.code, message, field);
    }
    const personIds = [intoPersonId, fromPersonId];
    return { result: { personId: idOf(personPrefix, intoPersonId) }, personIds, reason };
  },
};

export const unmergePeopleCommand: Command<UnmergeInput, { personId: string }> = {
  name: 'unmergePeople',
  may: mayMerge,
  run: async (context, input) => {
    const reason = checkReason(input.reason);
    const notMerged = new UserFault(
      'NOT_MERGED',
      'No merge brought this record to the person, or it is not yours to see.',
      'personSourceId',
    );
    const linkId = uuidOf(linkPrefix, input.personSourceId);
    const link = linkId === null ? null : await context.tx.personLink.findFirst({ where: { id: linkId } });
    if (linkId === null || link === null || !(await isVisible(context, link.personId))) throw notMerged;
    const unmerged = await unmergePeople(context.tx, { linkId });
    if (!unmerged.done) throw notMerged;
    const personIds = [unmerged.personId, unmerged.fromPersonId];
    return { result: { personId: idOf(personPrefix, unmerged.fromPersonId) }, personIds, reason };
  },
};
