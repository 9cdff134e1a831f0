/**
 * Opening a record that is not yours to see, because somebody may come to harm: read only, for an hour, never the
 * money. The privacy officer is told, and so is the person.
 */
import type { EmergencyReason } from '../generated/prisma/enums.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { parseNhsNumber } from '../platform/nhs-number.ts';
import { type Command, UserFault } from '../write/command.ts';
import { actingOrganisation, isVisible, notFound, textOf } from '../write/subject.ts';

export const emergencyPrefix = 'emg';
export const noticePrefix = 'emn';

/** How long a record stays open. It can be opened again, with words again. */
const emergencyMinutes = 60;

/** Fewer say nothing that a privacy officer could judge by. */
const wordsMin = 20;

export const openEmergencyAccessCommand: Command<
  { idempotencyKey: string; nhsNumber: string; reason: EmergencyReason; words: string },
  { emergencyId: string }
> = {
  name: 'openEmergencyAccess',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const words = textOf(input.words, 'words', 1_000);
    if (words.length < wordsMin) {
      throw new UserFault(
        'REASON_NEEDED',
        `Say in at least ${wordsMin} characters what is happening.`,
        'words',
      );
    }
    const nhsNumber = parseNhsNumber(input.nhsNumber);
    const own = await actingOrganisation(context);
    const found =
      nhsNumber === null
        ? null
        : await tx.personIdentifier.findUnique({
            where: { system_issuer_value: { system: 'NHS_NUMBER', issuer: '', value: nhsNumber } },
          });
    if (found === null || own === null) {
      throw new UserFault('PERSON_NOT_FOUND', 'There is nobody here with that NHS number.', 'nhsNumber');
    }
    const { personId } = found;
    if (await isVisible(context, personId)) {
      throw new UserFault('ALREADY_YOURS', 'You see this record as it is: look it up as usual.', 'nhsNumber');
    }
    const opened = await tx.emergencyAccess.create({
      data: {
        personId,
        subject: viewer.subject,
        name: viewer.name,
        role: viewer.role,
        organisationId: own.id,
        reason: input.reason,
        words,
        openedAt: now,
        closesAt: new Date(now.getTime() + emergencyMinutes * 60_000),
      },
    });
    await tx.outbox.create({ data: { topic: 'emergency.opened', payload: { emergencyId: opened.id } } });
    return {
      result: { emergencyId: idOf(emergencyPrefix, opened.id) },
      personIds: [personId],
      reason: `${input.reason}: ${words}`,
      action: 'BREAK_GLASS',
    };
  },
};

export const reviewEmergencyAccessCommand: Command<
  { idempotencyKey: string; emergencyId: string; words: string },
  { noticeId: string }
> = {
  name: 'reviewEmergencyAccess',
  run: async ({ tx, viewer, now }, input) => {
    const id = uuidOf(noticePrefix, input.emergencyId);
    const words = textOf(input.words, 'words', 1_000);
    const opened = id === null ? null : await tx.emergencyAccess.findUnique({ where: { id } });
    if (id === null || opened === null) throw notFound('emergencyId');
    const { count } = await tx.emergencyAccess.updateMany({
      where: { id, reviewedAt: null },
      data: { reviewedAt: now, reviewedBy: viewer.subject, reviewWords: words },
    });
    if (count === 0) throw new UserFault('WRONG_STAGE', 'Somebody has looked at it already.', 'emergencyId');
    return { result: { noticeId: idOf(noticePrefix, id) }, personIds: [opened.personId], reason: words };
  },
};
