/** Deciding that two records are one person, and that they are not after all. */
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, UserFault } from '../write/command.ts';
import { isVisible, reasonOf, visiblePerson } from '../write/subject.ts';
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
  HOLDS_OWN_RECORDS: {
    message: 'A plan, budget or other thing was agreed here on this record. Merge the other way round.',
    field: 'fromId',
  },
};

export const mergePeopleCommand: Command<MergeInput, { personId: string }> = {
  name: 'mergePeople',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const fromPersonId = await visiblePerson(context, uuidOf(personPrefix, input.fromId), 'fromId');
    const intoPersonId = await visiblePerson(context, uuidOf(personPrefix, input.intoId), 'intoId');
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
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const notMerged = new UserFault(
      'NOT_MERGED',
      'No merge brought this record to the person, or it is not yours to see.',
      'personSourceId',
    );
    const linkId = uuidOf(linkPrefix, input.personSourceId);
    const link = linkId === null ? null : await context.tx.personLink.findFirst({ where: { id: linkId } });
    if (linkId === null || link === null || !(await isVisible(context, link.personId))) throw notMerged;
    const unmerged = await unmergePeople(context.tx, { linkId });
    if (!unmerged.done) {
      throw unmerged.code === 'NOT_MERGED'
        ? notMerged
        : new UserFault(
            'BUILT_UPON',
            'A plan or an integrated budget stands on what the merge brought. End that first.',
            'personSourceId',
          );
    }
    const personIds = [unmerged.personId, unmerged.fromPersonId];
    return { result: { personId: idOf(personPrefix, unmerged.fromPersonId) }, personIds, reason };
  },
};
