import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import {
  agreePackageChangeCommand,
  draftPackageChangeCommand,
  refusePackageChangeCommand,
  submitPackageChangeCommand,
  withdrawPackageChangeCommand,
} from './command.ts';

export const packageChangeResolvers = {
  Mutation: {
    draftPackageChange: mutation(draftPackageChangeCommand),
    submitPackageChange: mutation(submitPackageChangeCommand),
    withdrawPackageChange: mutation(withdrawPackageChangeCommand),
    agreePackageChange: mutation(agreePackageChangeCommand),
    refusePackageChange: mutation(refusePackageChangeCommand),
  },
  PackageChangePayload: { packageChange: readById('packageChangeId') },
};
