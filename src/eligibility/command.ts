/** Recording what somebody is eligible for, and that it ended. */

import type { Prisma } from '../generated/prisma/client.ts';
import type { EligibilityScheme, EligibilityStatus } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import {
  actingOrganisation,
  announce,
  expectVersion,
  lockVisible,
  reasonOf,
  textOf,
  visiblePerson,
} from '../write/subject.ts';
import { mayRecord, objections } from './scheme.ts';
import { eligibilityPrefix } from './view.ts';

/** The schemes somebody is eligible for on a day, each once, by whichever source or decision here. */
export async function eligibleSchemes(
  tx: Prisma.TransactionClient,
  personId: string,
  day: string,
): Promise<EligibilityScheme[]> {
  const on = new Date(day);
  const rows = await tx.eligibility.findMany({
    where: {
      personId,
      status: 'ELIGIBLE',
      validFrom: { lte: on },
      OR: [{ validTo: null }, { validTo: { gt: on } }],
    },
    distinct: ['scheme'],
    select: { scheme: true },
    orderBy: { scheme: 'asc' },
  });
  return rows.map(({ scheme }) => scheme);
}

interface RecordInput {
  idempotencyKey: string;
  personId: string;
  scheme: EligibilityScheme;
  status: EligibilityStatus;
  decidedOn?: string | null;
  reviewer?: string | null;
  reviewDueOn?: string | null;
  from: string;
  to?: string | null;
}

export const recordEligibilityCommand: Command<RecordInput, { eligibilityId: string }> = {
  name: 'recordEligibility',
  run: async (context, input) => {
    const { tx, today } = context;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    const organisation = await recorderOf(context, input.scheme, 'scheme');
    const { scheme, status, from, to = null, decidedOn = null, reviewDueOn = null } = input;
    const reviewer = input.reviewer == null ? null : textOf(input.reviewer, 'reviewer', 200);

    // Of two who record at once, the second sees what the first recorded.
    await tx.$queryRawUnsafe('select from person where id = $1::uuid for no key update', personId);
    const rows = await tx.eligibility.findMany({ where: { personId }, orderBy: { validFrom: 'asc' } });
    const held = rows.map((row) => ({
      scheme: row.scheme,
      status: row.status,
      from: dayOf(row.validFrom),
      to: row.validTo && dayOf(row.validTo),
    }));
    const found = objections({ scheme, status, from, to, decidedOn, reviewer, reviewDueOn }, held, today);
    if (found.length > 0) {
      throw new Refused(found.map(({ code, message, field }) => new UserFault(code, message, field)));
    }
    const { id } = await tx.eligibility.create({
      data: {
        personId,
        scheme,
        status,
        reviewer,
        decidedOn: atOf(decidedOn),
        decidedById: status === 'ASSESSING' ? null : organisation.id,
        reviewDueOn: atOf(reviewDueOn),
        validFrom: new Date(from),
        validTo: atOf(to),
      },
    });
    await announce(context, 'eligibility.changed', [personId]);
    return { result: { eligibilityId: idOf(eligibilityPrefix, id) }, personIds: [personId] };
  },
};

interface EndInput {
  idempotencyKey: string;
  eligibilityId: string;
  expectedVersion: number;
  on: string;
  reason: string;
}

export const endEligibilityCommand: Command<EndInput, { eligibilityId: string }> = {
  name: 'endEligibility',
  run: async (context, input) => {
    const { tx } = context;
    const id = uuidOf(eligibilityPrefix, input.eligibilityId);
    const personId = await lockVisible(context, 'eligibility', id, 'eligibilityId');
    const row = await tx.eligibility.findUniqueOrThrow({ where: { id_personId: { id: id!, personId } } });
    const eligibilityId = idOf(eligibilityPrefix, row.id);
    expectVersion(row.version, input.expectedVersion, { eligibilityId });
    if (row.linkId !== null) {
      const message = 'This is kept by a system of one of the two sides: end it there.';
      throw new UserFault('KEPT_BY_SOURCE', message, 'eligibilityId');
    }
    await recorderOf(context, row.scheme, 'eligibilityId');
    const reason = reasonOf(input.reason);
    const until = row.validTo && dayOf(row.validTo);
    if (input.on <= dayOf(row.validFrom) || (until !== null && input.on >= until)) {
      const message = 'It ends after its first day, and before the end it has.';
      throw new UserFault('DAY_INVALID', message, 'on');
    }
    await tx.eligibility.update({
      where: { id_personId: { id: row.id, personId } },
      data: { validTo: new Date(input.on), version: { increment: 1 } },
    });
    await announce(context, 'eligibility.changed', [personId]);
    return { result: { eligibilityId }, personIds: [personId], reason };
  },
};

/**
 * The organisation that the viewer records this scheme for.
 *
 * @throws UserFault NOT_YOURS
 */
async function recorderOf(context: CommandContext, scheme: EligibilityScheme, field: string) {
  const organisation = await actingOrganisation(context);
  if (organisation !== null && mayRecord(organisation.side, scheme)) return organisation;
  throw new UserFault(
    'NOT_YOURS',
    `${scheme} is recorded by the ${mayRecord('NHS', scheme) ? 'NHS' : 'council'} side.`,
    field,
  );
}

const atOf = (day: string | null) => (day === null ? null : new Date(day));
