import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { holdReviewCommand } from './command.ts';

export const reviewResolvers = {
  Mutation: { holdReview: mutation(holdReviewCommand) },
  HoldReviewPayload: { review: readById('reviewId'), person: readById('personId') },
};
