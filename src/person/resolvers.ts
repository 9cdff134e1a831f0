import type { GraphQLResolveInfo } from 'graphql';
import type { ReadContext } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { mergePeopleCommand, unmergePeopleCommand } from './command.ts';

const person = {
  person: (
    { personId }: { personId?: string },
    _args: unknown,
    context: ReadContext,
    info: GraphQLResolveInfo,
  ) => (personId === undefined ? null : context.byId(personId, info)),
};

export const personResolvers = {
  Mutation: { mergePeople: mutation(mergePeopleCommand), unmergePeople: mutation(unmergePeopleCommand) },
  MergePeoplePayload: person,
  UnmergePeoplePayload: person,
};
