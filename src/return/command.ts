/** Sending, querying, answering and accepting a financial return. */

import { transferPrefix } from '../ledger/view.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { mustAnswerFor } from '../surplus/subject.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { isSameHuman } from '../write/human.ts';
import { expectVersion, notFound, textOf } from '../write/subject.ts';
import { lockReturn, mustBe, ownPlace, type Result, resultOf, settle } from './subject.ts';
import { queryPrefix, returnPrefix } from './view.ts';

interface Versioned {
  idempotencyKey: string;
  returnId: string;
  expectedVersion: number;
}

export const sendReturnCommand: Command<Versioned, Result> = {
  name: 'sendReturn',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const theReturn = await lockReturn(context, uuidOf(returnPrefix, input.returnId));
    const { id, personId } = theReturn;
    const shown = resultOf(theReturn);
    const days = { from: dayOf(theReturn.periodFrom), to: dayOf(theReturn.periodTo) };
    await mustAnswerFor(context, { personId, budgetId: null, days }, 'returnId');
    expectVersion(theReturn.version, input.expectedVersion, shown);
    mustBe(theReturn, ['DUE', 'SENT', 'QUERIED']);
    if (theReturn.receivers.some(({ acceptedAt }) => acceptedAt !== null)) {
      const message = 'A receiver has accepted it as it is. What came later stands beside it.';
      throw new Refused([new UserFault('WRONG_STAGE', message, 'returnId')], shown);
    }
    if (days.to >= today) {
      throw new UserFault('DAY_INVALID', 'It can be sent when its last day is over.', 'returnId');
    }
    // Whoever moves money meanwhile is waited for, and the instant is of the clock that dates the transfers.
    await tx.$queryRawUnsafe(
      'select id from budget where person_id = $1::uuid order by id for update',
      personId,
    );
    await tx.$executeRawUnsafe(
      'update financial_return set sent_at = clock_timestamp(), sent_by = $3, sent_by_name = $4 where id = $1::uuid and person_id = $2::uuid',
      id,
      personId,
      viewer.subject,
      viewer.name,
    );
    await settle(context, { ...theReturn, status: 'SENT' });
    return { result: shown, personIds: [personId] };
  },
};

export const queryReturnLineCommand: Command<
  { idempotencyKey: string; returnId: string; transferId?: string | null; text: string },
  Result & { queryId: string }
> = {
  name: 'queryReturnLine',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const theReturn = await lockReturn(context, uuidOf(returnPrefix, input.returnId));
    const { id, personId, periodFrom, periodTo } = theReturn;
    const { organisationId, acceptedAt } = await ownPlace(context, theReturn);
    mustBe(theReturn, ['SENT', 'QUERIED']);
    if (acceptedAt !== null) {
      throw new UserFault('WRONG_STAGE', 'Your organisation has accepted this return.', 'returnId');
    }
    const transferId = input.transferId == null ? null : uuidOf(transferPrefix, input.transferId);
    if (input.transferId != null) {
      const line = await tx.ledgerTransfer.findFirst({
        where: { id: transferId ?? id, personId, effectiveOn: { gte: periodFrom, lte: periodTo } },
        select: { id: true },
      });
      if (line === null) throw notFound('transferId');
    }
    const text = textOf(input.text, 'text');
    const query = await tx.returnQuery.create({
      data: {
        returnId: id,
        personId,
        organisationId,
        transferId,
        text,
        askedBy: viewer.subject,
        askedAt: now,
      },
    });
    await settle(context, theReturn);
    return {
      result: { ...resultOf(theReturn), queryId: idOf(queryPrefix, query.id) },
      personIds: [personId],
    };
  },
};

export const answerReturnQueryCommand: Command<
  { idempotencyKey: string; queryId: string; answer: string },
  Result & { queryId: string }
> = {
  name: 'answerReturnQuery',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const queryId = uuidOf(queryPrefix, input.queryId);
    const asked = queryId === null ? null : await tx.returnQuery.findFirst({ where: { id: queryId } });
    const theReturn = await lockReturn(context, asked?.returnId ?? null, 'queryId');
    const { personId } = theReturn;
    const days = { from: dayOf(theReturn.periodFrom), to: dayOf(theReturn.periodTo) };
    await mustAnswerFor(context, { personId, budgetId: null, days }, 'queryId');
    const result = { ...resultOf(theReturn), queryId: input.queryId };
    if (!theReturn.queries.some(({ id }) => id === queryId)) {
      throw new Refused([new UserFault('WRONG_STAGE', 'It has been answered already.', 'queryId')], result);
    }
    const answer = textOf(input.answer, 'answer');
    await tx.returnQuery.update({
      where: { id_personId: { id: queryId!, personId } },
      data: { answer, answeredBy: viewer.subject, answeredAt: now },
    });
    await settle(context, theReturn);
    return { result, personIds: [personId] };
  },
};

export const acceptReturnCommand: Command<Versioned, Result> = {
  name: 'acceptReturn',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const theReturn = await lockReturn(context, uuidOf(returnPrefix, input.returnId));
    const { id: returnId, personId } = theReturn;
    const shown = resultOf(theReturn);
    const { organisationId, acceptedAt } = await ownPlace(context, theReturn);
    expectVersion(theReturn.version, input.expectedVersion, shown);
    mustBe(theReturn, ['SENT', 'QUERIED']);
    if (acceptedAt !== null) {
      const message = 'Your organisation has accepted this return.';
      throw new Refused([new UserFault('WRONG_STAGE', message, 'returnId')], shown);
    }
    if (isSameHuman({ subject: theReturn.sentBy ?? '', name: theReturn.sentByName }, viewer)) {
      const message = 'You sent it. Somebody else must accept it.';
      throw new UserFault('SECOND_PERSON_NEEDED', message, 'returnId');
    }
    if (theReturn.queries.some((query) => query.organisationId === organisationId)) {
      const message = 'Your organisation still waits for an answer about this return.';
      throw new Refused([new UserFault('QUERY_OPEN', message, 'returnId')], shown);
    }
    await tx.returnReceiver.update({
      where: { returnId_personId_organisationId: { returnId, personId, organisationId } },
      data: { acceptedAt: now, acceptedBy: viewer.subject },
    });
    await settle(context, theReturn);
    return { result: shown, personIds: [personId] };
  },
};
