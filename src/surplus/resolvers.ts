import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { decideReclaimReconsiderationCommand, requestReclaimReconsiderationCommand } from './command.ts';
import { noticeReclaimCommand } from './notice.ts';
import { recordRepaymentCommand } from './repayment.ts';

const payload = { reclaim: readById('reclaimId'), budget: readById('budgetId') };

export const surplusResolvers = {
  Mutation: {
    noticeReclaim: mutation(noticeReclaimCommand),
    requestReclaimReconsideration: mutation(requestReclaimReconsiderationCommand),
    decideReclaimReconsideration: mutation(decideReclaimReconsiderationCommand),
    recordRepayment: mutation(recordRepaymentCommand),
  },
  NoticeReclaimPayload: payload,
  RequestReclaimReconsiderationPayload: payload,
  DecideReclaimReconsiderationPayload: payload,
  RecordRepaymentPayload: payload,
};
