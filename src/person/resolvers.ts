import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { mergePeopleCommand, unmergePeopleCommand } from './command.ts';

export const personResolvers = {
  Mutation: { mergePeople: mutation(mergePeopleCommand), unmergePeople: mutation(unmergePeopleCommand) },
  MergePeoplePayload: { person: readById('personId') },
  UnmergePeoplePayload: { person: readById('personId') },
};
