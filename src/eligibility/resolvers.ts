import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { endEligibilityCommand, recordEligibilityCommand } from './command.ts';

export const eligibilityResolvers = {
  Mutation: {
    recordEligibility: mutation(recordEligibilityCommand),
    endEligibility: mutation(endEligibilityCommand),
  },
  RecordEligibilityPayload: { eligibility: readById('eligibilityId') },
  EndEligibilityPayload: { eligibility: readById('eligibilityId') },
};
