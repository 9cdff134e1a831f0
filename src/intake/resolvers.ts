import type { GraphQLResolveInfo } from 'graphql';
import type { ReadContext } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { requestSync } from './request.ts';

export const intakeResolvers = {
  Mutation: { requestSync: mutation(requestSync) },
  RequestSyncPayload: {
    source: (
      { sourceId }: { sourceId?: string },
      _args: unknown,
      context: ReadContext,
      info: GraphQLResolveInfo,
    ) => (sourceId === undefined ? null : context.byId(sourceId, info)),
  },
};
