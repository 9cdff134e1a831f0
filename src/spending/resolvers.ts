import { readById } from '../read/execute.ts';
import { mutation, swiftMutation } from '../write/command.ts';
import { matchBankLineCommand, releaseBankLineCommand, setAsideBankLineCommand } from './bank-line.ts';
import {
  acceptSpendCommand,
  correctSpendCommand,
  recordSpendCommand,
  refundSpendCommand,
  refuseSpendCommand,
  undoSpendCommand,
} from './command.ts';
import { commitMoneyCommand, moveBetweenPortionsCommand, releaseCommitmentCommand } from './commitment.ts';
import { agreeOverspendCommand } from './overspend.ts';
import { importStatementCommand } from './statement.ts';

const spend = { spend: readById('spendId'), budget: readById('budgetId') };
const commitment = { commitment: readById('commitmentId'), budget: readById('budgetId') };
const line = { bankLine: readById('bankLineId'), spend: readById('spendId') };

export const spendingResolvers = {
  Mutation: {
    recordSpend: swiftMutation(recordSpendCommand),
    correctSpend: mutation(correctSpendCommand),
    undoSpend: mutation(undoSpendCommand),
    refundSpend: mutation(refundSpendCommand),
    acceptSpend: mutation(acceptSpendCommand),
    refuseSpend: mutation(refuseSpendCommand),
    commitMoney: mutation(commitMoneyCommand),
    releaseCommitment: mutation(releaseCommitmentCommand),
    moveBetweenPortions: mutation(moveBetweenPortionsCommand),
    agreeOverspend: mutation(agreeOverspendCommand),
    importStatement: mutation(importStatementCommand),
    matchBankLine: mutation(matchBankLineCommand),
    setAsideBankLine: mutation(setAsideBankLineCommand),
    releaseBankLine: mutation(releaseBankLineCommand),
  },
  RecordSpendPayload: spend,
  CorrectSpendPayload: { ...spend, corrected: readById('correctedId') },
  UndoSpendPayload: spend,
  RefundSpendPayload: spend,
  AcceptSpendPayload: spend,
  RefuseSpendPayload: spend,
  CommitMoneyPayload: commitment,
  ReleaseCommitmentPayload: commitment,
  MoveBetweenPortionsPayload: { budget: readById('budgetId') },
  AgreeOverspendPayload: { agreement: readById('overspendAgreementId'), budget: readById('budgetId') },
  ImportStatementPayload: { statement: readById('statementId'), budget: readById('budgetId') },
  MatchBankLinePayload: line,
  SetAsideBankLinePayload: line,
  ReleaseBankLinePayload: line,
};
