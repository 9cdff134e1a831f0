import type { GraphQLResolveInfo } from 'graphql';
import { type ReadContext, readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { approvePayeeAccountCommand, setPayeeAccountCommand } from './account-command.ts';
import { approvePaymentsCommand, holdPaymentCommand, unholdPaymentCommand } from './approval-command.ts';
import {
  changePaymentRateCommand,
  endPaymentsCommand,
  resumePaymentsCommand,
  suspendPaymentsCommand,
} from './change-command.ts';
import {
  confirmPaymentsCommand,
  createPaymentRunCommand,
  failPaymentsCommand,
  reversePaymentCommand,
} from './run-command.ts';
import { setPaymentScheduleCommand } from './schedule-command.ts';

export const paymentResolvers = {
  Mutation: {
    setPaymentSchedule: mutation(setPaymentScheduleCommand),
    changePaymentRate: mutation(changePaymentRateCommand),
    suspendPayments: mutation(suspendPaymentsCommand),
    resumePayments: mutation(resumePaymentsCommand),
    endPayments: mutation(endPaymentsCommand),
    setPayeeAccount: mutation(setPayeeAccountCommand),
    approvePayeeAccount: mutation(approvePayeeAccountCommand),
    approvePayments: mutation(approvePaymentsCommand),
    holdPayment: mutation(holdPaymentCommand),
    unholdPayment: mutation(unholdPaymentCommand),
    createPaymentRun: mutation(createPaymentRunCommand),
    confirmPayments: mutation(confirmPaymentsCommand),
    failPayments: mutation(failPaymentsCommand),
    reversePayment: mutation(reversePaymentCommand),
  },
  PaymentSchedulePayload: { schedule: readById('scheduleId') },
  PayeeAccountPayload: { account: readById('accountId') },
  PaymentInstructionPayload: { instruction: readById('instructionId') },
  PaymentInstructionsPayload: {
    instructions: (
      { instructionIds }: { instructionIds?: string[] },
      _args: unknown,
      context: ReadContext,
      info: GraphQLResolveInfo,
    ) => instructionIds?.map((id) => context.byId(id, info)) ?? null,
  },
  PaymentRunPayload: { run: readById('runId') },
};
