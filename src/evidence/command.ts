/** Asking for a place to send a document to, and saying what a document shows. */
import { isOfProvider } from '../access/viewer.ts';
import type { EvidenceKind, SpendState } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { evidencePrefix, spendPrefix } from '../spending/prefix.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import {
  actingOrganisation,
  announce,
  isVisibleRow,
  mayDecideAboutMoney,
  notFound,
  visibleOf,
  visiblePerson,
} from '../write/subject.ts';
import { documents, fileNameOf } from './type.ts';
import { uploadForMs, uploadPrefix } from './upload.ts';

interface RequestInput {
  idempotencyKey: string;
  personId: string;
  kind: EvidenceKind;
  fileName: string;
  dated?: string | null;
}

interface AttachInput {
  idempotencyKey: string;
  spendId: string;
  evidenceIds: string[];
}

const maxAttached = 20;

function datedOf(dated: string | null | undefined, today: string): Date | null {
  if (dated == null) return null;
  if (dated <= today && dated >= '2000-01-01') return new Date(dated);
  throw new UserFault('DAY_INVALID', 'A document is of a day that has been, from 2000 on.', 'dated');
}

/** The portions that count for who operates the account: one, or all of the person, or of one budget of theirs. */
interface Money {
  personId: string;
  budgetId?: string;
  portionId?: string | null;
}

/**
 * Of those whom the policy lets, a representative must be one for money, and a provider operate the account.
 *
 * @throws UserFault NOT_YOURS
 */
async function mustHandle(context: CommandContext, { personId, budgetId, portionId }: Money): Promise<void> {
  const { tx, viewer, today } = context;
  if (viewer.role === 'REPRESENTATIVE') {
    if (await mayDecideAboutMoney(context, personId)) return;
    throw new UserFault('NOT_YOURS', 'Only who decides about their money may do this for somebody.');
  }
  if (!isOfProvider(viewer.role)) return;
  const organisation = await actingOrganisation(context);
  const day = new Date(today);
  const isOperated =
    organisation !== null &&
    (await tx.portion.count({
      where: {
        personId,
        accountOperatorId: organisation.id,
        ...(budgetId === undefined ? {} : { budgetId }),
        ...(portionId == null ? {} : { id: portionId }),
        AND: [
          { OR: [{ validFrom: null }, { validFrom: { lte: day } }] },
          { OR: [{ validTo: null }, { validTo: { gt: day } }] },
        ],
      },
    })) > 0;
  if (!isOperated)
    throw new UserFault('NOT_YOURS', 'Only the provider that operates the account may do this.');
}

export const requestEvidenceUploadCommand: Command<RequestInput, { uploadId: string; expiresAt: string }> = {
  name: 'requestEvidenceUpload',
  run: async (context, input) => {
    const { tx, viewer, now, today } = context;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId), 'personId', 'MONEY');
    await mustHandle(context, { personId });
    const upload = await tx.evidenceUpload.create({
      data: {
        personId,
        kind: input.kind,
        fileName: fileNameOf(input.fileName, documents),
        dated: datedOf(input.dated, today),
        subject: viewer.subject,
        expiresAt: new Date(now.getTime() + uploadForMs),
      },
    });
    const result = { uploadId: idOf(uploadPrefix, upload.id), expiresAt: upload.expiresAt.toISOString() };
    return { result, personIds: [personId] };
  },
};

/** The spend, locked, with the documents that are named, all of one person. */
async function lockSpend(context: CommandContext, input: AttachInput) {
  const { tx } = context;
  const count = input.evidenceIds.length;
  if (count < 1 || count > maxAttached) {
    throw new UserFault('TOO_MANY', `Name 1 to ${maxAttached} documents at a time.`, 'evidenceIds');
  }
  const [spend] = await tx.$queryRawUnsafe<
    { id: string; person_id: string; budget_id: string; portion_id: string | null; state: SpendState }[]
  >(
    'select id, person_id, budget_id, portion_id, state::text as state from spend where id = $1::uuid for update',
    uuidOf(spendPrefix, input.spendId),
  );
  if (spend === undefined || !(await isVisibleRow(context, 'spend', spend.id))) throw notFound('spendId');
  const { person_id: personId, budget_id: budgetId, portion_id: portionId } = spend;
  await mustHandle(context, { personId, budgetId, portionId });
  const named = input.evidenceIds.map((id) => uuidOf(evidencePrefix, id));
  const known = await tx.evidence.findMany({
    where: { personId, id: { in: named.filter((id) => id !== null) } },
    select: { id: true },
  });
  const ids = await visibleOf(
    context,
    'evidence',
    known.map(({ id }) => id),
  );
  const absent = named.findIndex((id) => id === null || !ids.has(id));
  if (absent >= 0) throw notFound(`evidenceIds.${absent}`);
  return { spend, personId, evidenceIds: [...ids] };
}

export const attachEvidenceCommand: Command<AttachInput, { spendId: string }> = {
  name: 'attachEvidence',
  run: async (context, input) => {
    const { spend, personId, evidenceIds } = await lockSpend(context, input);
    if (spend.state === 'UNDONE') {
      throw new UserFault('WRONG_STAGE', 'The spend was undone: there is nothing to show.', 'spendId');
    }
    await context.tx.spendEvidence.createMany({
      data: evidenceIds.map((evidenceId) => ({ spendId: spend.id, evidenceId, personId })),
      skipDuplicates: true,
    });
    await announce(context, 'evidence.changed', [personId]);
    return { result: { spendId: idOf(spendPrefix, spend.id) }, personIds: [personId] };
  },
};

export const detachEvidenceCommand: Command<AttachInput, { spendId: string }> = {
  name: 'detachEvidence',
  run: async (context, input) => {
    const { spend, personId, evidenceIds } = await lockSpend(context, input);
    await context.tx.spendEvidence.deleteMany({
      where: { spendId: spend.id, evidenceId: { in: evidenceIds } },
    });
    await announce(context, 'evidence.changed', [personId]);
    return { result: { spendId: idOf(spendPrefix, spend.id) }, personIds: [personId] };
  },
};
