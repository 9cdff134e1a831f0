import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { requestSync } from './request.ts';

export const intakeResolvers = {
  Mutation: { requestSync: mutation(requestSync) },
  RequestSyncPayload: { source: readById('sourceId') },
};
