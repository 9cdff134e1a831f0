/** Deciding against somebody with reasons, and deciding again when they ask for it. */

import { budgetPrefix } from '../budget/view.ts';
import { standsFor } from '../commissioner/succession.ts';
import type { DecisionKind, ReconsiderationOutcome } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { planPrefix } from '../plan/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import {
  actingOrganisation,
  announce,
  authoritiesOf,
  expectVersion,
  isVisibleRow,
  lockVisible,
  type MoneyGiven,
  penceOf,
  textOf,
  visiblePerson,
} from '../write/subject.ts';
import { askerOf, isAsker, mayAskFor, rightsOf } from './rules.ts';
import { decisionPrefix } from './view.ts';

interface RecordInput {
  idempotencyKey: string;
  personId: string;
  kind: DecisionKind;
  what: string;
  reasons: string;
  budgetId?: string | null;
  planId?: string | null;
  amount?: MoneyGiven | null;
  decidedOn: string;
}

interface Result {
  decisionId: string;
}

export const recordDecisionCommand: Command<RecordInput, Result> = {
  name: 'recordDecision',
  run: async (context, input) => {
    const { tx, today } = context;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    const organisation = await actingOrganisation(context);
    if (organisation === null || organisation.side === null) {
      throw new UserFault('NOT_YOURS', 'Only an ICB or a council decides, by those who act for it.');
    }
    const { kind } = input;
    const what = textOf(input.what, 'what');
    const reasons = textOf(input.reasons, 'reasons');
    const amountPence = input.amount == null ? null : penceOf(input.amount, 'amount');
    if (amountPence === 0n || (kind === 'RECLAIMED' && amountPence === null)) {
      throw new UserFault('AMOUNT_INVALID', 'Say how much it is, above zero.', 'amount');
    }
    if (input.decidedOn > today) {
      const message = 'A decision is recorded when it was made: today at the latest.';
      throw new UserFault('DAY_INVALID', message, 'decidedOn');
    }
    const budgetId = await ownOf(context, 'budget', personId, input.budgetId);
    const planId = await ownOf(context, 'plan', personId, input.planId);
    const { id } = await tx.decision.create({
      data: {
        personId,
        kind,
        what,
        reasons,
        amountPence,
        budgetId,
        planId,
        organisationId: organisation.id,
        decidedOn: new Date(input.decidedOn),
        ...rightsOf(organisation.side, kind),
      },
    });
    await announce(context, 'decision.changed', [personId]);
    return { result: { decisionId: idOf(decisionPrefix, id) }, personIds: [personId] };
  },
};

interface RequestInput {
  idempotencyKey: string;
  decisionId: string;
  expectedVersion: number;
  words: string;
}

export const requestReconsiderationCommand: Command<RequestInput, Result> = {
  name: 'requestReconsideration',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const { decision, decisionId } = await lockedDecision(context, input);
    const { personId, kind } = decision;
    if (viewer.role === 'REPRESENTATIVE' && !mayAskFor(await authoritiesOf(context, personId), kind)) {
      const message =
        'Your authority for the person does not reach this. Whoever decides about their care may ask.';
      throw new UserFault('NOT_YOURS', message, 'decisionId');
    }
    const words = textOf(input.words, 'words');
    const shown = { decisionId };
    if (decision.reconsiderUnder === null) {
      const message = `No law gives a right to have this decided again. ${decision.appealRoute}`;
      throw new Refused([new UserFault('NO_RIGHT_TO_RECONSIDERATION', message, 'decisionId')], shown);
    }
    if (decision.reconsiderationRequestedAt !== null) {
      const message = `Another decision was asked for already, which can be done once. ${decision.appealRoute}`;
      throw new Refused([new UserFault('ALREADY_REQUESTED', message, 'decisionId')], shown);
    }
    await tx.decision.update({
      where: { id_personId: { id: decision.id, personId } },
      data: {
        reconsiderationRequestedAt: now,
        reconsiderationRequestedBy: askerOf(viewer),
        reconsiderationWords: words,
        version: { increment: 1 },
      },
    });
    await announce(context, 'decision.changed', [personId]);
    return { result: { decisionId }, personIds: [personId] };
  },
};

interface DecideInput {
  idempotencyKey: string;
  decisionId: string;
  expectedVersion: number;
  outcome: ReconsiderationOutcome;
  reasons: string;
}

export const decideReconsiderationCommand: Command<DecideInput, Result> = {
  name: 'decideReconsideration',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const { decision, decisionId } = await lockedDecision(context, input);
    const { personId, reconsiderationRequestedBy: asker } = decision;
    const organisation = await actingOrganisation(context);
    if (organisation === null || !(await standsFor(tx, organisation.id, decision.organisationId))) {
      throw new UserFault(
        'NOT_YOURS',
        'The organisation that decided, or the one that took over from it, decides again.',
        'decisionId',
      );
    }
    if (asker === null || decision.reconsiderationOutcome !== null) {
      const message =
        asker === null ? 'Nobody has asked for another decision.' : 'It has been decided again already.';
      throw new Refused([new UserFault('WRONG_STAGE', message, 'decisionId')], { decisionId });
    }
    if (isAsker(asker, viewer.subject)) {
      const message = 'You asked for it on behalf of the person. A colleague must decide.';
      throw new UserFault('NOT_YOURS', message, 'decisionId');
    }
    const reasons = textOf(input.reasons, 'reasons');
    await tx.decision.update({
      where: { id_personId: { id: decision.id, personId } },
      data: {
        reconsiderationOutcome: input.outcome,
        reconsiderationOn: new Date(today),
        reconsiderationReasons: reasons,
        version: { increment: 1 },
      },
    });
    await announce(context, 'decision.changed', [personId]);
    return { result: { decisionId }, personIds: [personId] };
  },
};

/** The decision, locked, at the version that was expected. */
async function lockedDecision(context: CommandContext, input: RequestInput | DecideInput) {
  const id = uuidOf(decisionPrefix, input.decisionId);
  const personId = await lockVisible(context, 'decision', id, 'decisionId');
  const decision = await context.tx.decision.findUniqueOrThrow({
    where: { id_personId: { id: id!, personId } },
  });
  const decisionId = idOf(decisionPrefix, decision.id);
  expectVersion(decision.version, input.expectedVersion, { decisionId });
  return { decision, decisionId };
}

const kinds = {
  budget: { prefix: budgetPrefix, field: 'budgetId' },
  plan: { prefix: planPrefix, field: 'planId' },
};

/**
 * The UUID of a budget or a plan of the person; null where none was named.
 *
 * @throws UserFault NOT_FOUND
 */
async function ownOf(
  context: CommandContext,
  kind: keyof typeof kinds,
  personId: string,
  givenId: string | null | undefined,
): Promise<string | null> {
  if (givenId == null) return null;
  const { prefix, field } = kinds[kind];
  const id = uuidOf(prefix, givenId);
  const rows = await context.tx.$queryRawUnsafe<unknown[]>(
    `select from ${kind} where id = $1::uuid and person_id = $2::uuid`,
    id,
    personId,
  );
  if (rows.length === 1 && (await isVisibleRow(context, kind, id))) return id;
  throw new UserFault('NOT_FOUND', `There is no such ${kind} of this person.`, field);
}
