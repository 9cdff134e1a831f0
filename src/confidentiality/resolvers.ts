import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { openEmergencyAccessCommand, reviewEmergencyAccessCommand } from './emergency.ts';
import {
  endEmploymentCommand,
  restoreEmploymentCommand,
  resumeRoleCommand,
  suspendRoleCommand,
} from './ending.ts';
import { recordSharingChoiceCommand } from './sharing.ts';

export const confidentialityResolvers = {
  Mutation: {
    recordSharingChoice: mutation(recordSharingChoiceCommand),
    openEmergencyAccess: mutation(openEmergencyAccessCommand),
    reviewEmergencyAccess: mutation(reviewEmergencyAccessCommand),
    suspendRole: mutation(suspendRoleCommand),
    resumeRole: mutation(resumeRoleCommand),
    endEmployment: mutation(endEmploymentCommand),
    restoreEmployment: mutation(restoreEmploymentCommand),
  },
  RecordSharingChoicePayload: { choice: readById('choiceId'), person: readById('personId') },
  OpenEmergencyAccessPayload: { emergency: readById('emergencyId') },
  ReviewEmergencyAccessPayload: { emergency: readById('noticeId') },
  RolePayload: { person: readById('personId') },
};
