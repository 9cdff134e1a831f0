import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import {
  acceptReturnCommand,
  answerReturnQueryCommand,
  queryReturnLineCommand,
  sendReturnCommand,
} from './command.ts';
import { openReturnCommand } from './open.ts';

const payload = { financialReturn: readById('returnId') };
const queried = { ...payload, query: readById('queryId') };

export const returnResolvers = {
  Mutation: {
    openReturn: mutation(openReturnCommand),
    sendReturn: mutation(sendReturnCommand),
    queryReturnLine: mutation(queryReturnLineCommand),
    answerReturnQuery: mutation(answerReturnQueryCommand),
    acceptReturn: mutation(acceptReturnCommand),
  },
  OpenReturnPayload: payload,
  SendReturnPayload: payload,
  QueryReturnLinePayload: queried,
  AnswerReturnQueryPayload: queried,
  AcceptReturnPayload: payload,
};
