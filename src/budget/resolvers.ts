import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import {
  endBudgetCommand,
  releaseBudgetCommand,
  signOffBudgetCommand,
  suspendBudgetCommand,
} from './command.ts';
import { changePortionManagementCommand } from './portion-command.ts';
import { proposeBudgetCommand, reviseBudgetCommand } from './proposal-command.ts';
import { decideFundingSplitCommand } from './split-command.ts';

const budget = readById('budgetId');

export const budgetResolvers = {
  Mutation: {
    proposeBudget: mutation(proposeBudgetCommand),
    reviseBudget: mutation(reviseBudgetCommand),
    signOffBudget: mutation(signOffBudgetCommand),
    releaseBudget: mutation(releaseBudgetCommand),
    suspendBudget: mutation(suspendBudgetCommand),
    endBudget: mutation(endBudgetCommand),
    decideFundingSplit: mutation(decideFundingSplitCommand),
    changePortionManagement: mutation(changePortionManagementCommand),
  },
  ProposeBudgetPayload: { budget },
  ReviseBudgetPayload: { budget },
  SignOffBudgetPayload: { budget },
  ReleaseBudgetPayload: { budget },
  SuspendBudgetPayload: { budget },
  EndBudgetPayload: { budget },
  DecideFundingSplitPayload: { budget, split: readById('splitId') },
  ChangePortionManagementPayload: { budget, portion: readById('portionId') },
};
