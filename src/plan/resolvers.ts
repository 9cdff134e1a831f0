import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { answerConcernCommand, raiseConcernCommand } from './concern.ts';
import { discardPlanCommand, draftPlanCommand } from './draft.ts';
import { editPlanCommand } from './edit.ts';
import { proposePlanCommand } from './proposal.ts';
import { agreePlanCommand, declinePlanCommand } from './sign.ts';

const plan = readById('planId');
const concern = readById('concernId');

export const planResolvers = {
  Mutation: {
    draftPlan: mutation(draftPlanCommand),
    editPlan: mutation(editPlanCommand),
    proposePlan: mutation(proposePlanCommand),
    discardPlan: mutation(discardPlanCommand),
    agreePlan: mutation(agreePlanCommand),
    declinePlan: mutation(declinePlanCommand),
    raiseConcern: mutation(raiseConcernCommand),
    answerConcern: mutation(answerConcernCommand),
  },
  DraftPlanPayload: { plan },
  EditPlanPayload: { plan },
  ProposePlanPayload: { plan },
  DiscardPlanPayload: { plan },
  AgreePlanPayload: { plan },
  DeclinePlanPayload: { plan },
  RaiseConcernPayload: { plan, concern },
  AnswerConcernPayload: { plan, concern },
};
