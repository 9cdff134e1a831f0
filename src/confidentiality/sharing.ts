/** What the person lets the other side see, written down with who said it and on what legal ground. */

import { decidesAboutCare } from '../access/policy.ts';
import type { SharedPart, SharingBasis, Side } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, UserFault } from '../write/command.ts';
import { announce, authoritiesOf, reasonOf, textOf, visiblePerson } from '../write/subject.ts';

export const choicePrefix = 'shc';

interface ChoiceInput {
  idempotencyKey: string;
  personId: string;
  side: Side;
  part: SharedPart;
  shares: boolean;
  legalBasis: SharingBasis;
  saidBy: 'PERSON' | 'REPRESENTATIVE';
  words: string;
}

/** On what ground something is kept back, and on what it is shown again. */
const grounds: Record<'kept' | 'shown', readonly SharingBasis[]> = {
  kept: ['OBJECTION', 'NO_CONSENT', 'COMMON_LAW_DUTY'],
  shown: ['CONSENT', 'COURT_ORDER', 'COMMON_LAW_DUTY'],
};

export const recordSharingChoiceCommand: Command<ChoiceInput, { choiceId: string; personId: string }> = {
  name: 'recordSharingChoice',
  run: async (context, input) => {
    const { tx, viewer, today, now } = context;
    const { side, part, shares, legalBasis } = input;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    // Of two who write one down at once the second comes after the first.
    await tx.$queryRaw`select id from person where id = ${personId}::uuid for update`;
    if (viewer.role === 'REPRESENTATIVE') {
      const held = await authoritiesOf(context, personId);
      if (!held.some((authority) => (decidesAboutCare as readonly string[]).includes(authority))) {
        const message =
          'Your authority is over money. Who sees the record is for an authority over care to say.';
        throw new UserFault('NOT_YOURS', message, 'personId');
      }
    }
    const own = viewer.role === 'PERSON' || viewer.role === 'REPRESENTATIVE' ? viewer.role : null;
    if (own !== null && own !== input.saidBy) {
      throw new UserFault('NOT_YOURS', `You are signed in as the ${own.toLowerCase()}: say so.`, 'saidBy');
    }
    if (!grounds[shares ? 'shown' : 'kept'].includes(legalBasis)) {
      const message = `The ground to ${shares ? 'share' : 'keep back'} is one of ${grounds[shares ? 'shown' : 'kept'].join(', ')}.`;
      throw new UserFault('BASIS_INVALID', message, 'legalBasis');
    }
    const words = textOf(input.words, 'words', 1_000);
    await tx.sharingChoice.updateMany({
      where: { personId, side, part, validTo: null },
      data: { validTo: new Date(today) },
    });
    const choice = await tx.sharingChoice.create({
      data: {
        personId,
        side,
        part,
        shares,
        legalBasis,
        words,
        saidBy: input.saidBy,
        recordedBy: viewer.subject,
        recordedFor: viewer.organisation,
        recordedAt: now,
        validFrom: new Date(today),
      },
    });
    await announce(context, 'sharing.changed', [personId]);
    return {
      result: { choiceId: idOf(choicePrefix, choice.id), personId: idOf(personPrefix, personId) },
      personIds: [personId],
      reason: reasonOf(words),
    };
  },
};
