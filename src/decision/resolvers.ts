import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import {
  decideReconsiderationCommand,
  recordDecisionCommand,
  requestReconsiderationCommand,
} from './command.ts';

export const decisionResolvers = {
  Mutation: {
    recordDecision: mutation(recordDecisionCommand),
    requestReconsideration: mutation(requestReconsiderationCommand),
    decideReconsideration: mutation(decideReconsiderationCommand),
  },
  RecordDecisionPayload: { decision: readById('decisionId') },
  RequestReconsiderationPayload: { decision: readById('decisionId') },
  DecideReconsiderationPayload: { decision: readById('decisionId') },
};
