/** What is told, and what each of it is about: read like anything else, by the viewer's own right, when it is told. */
import type { GraphQLResolveInfo } from 'graphql';
import { bulkFilePrefix } from '../bulk/store.ts';
import { personPrefix } from '../person/view.ts';
import { idOf } from '../platform/id.ts';
import type { ReadContext } from '../read/execute.ts';
import type { FileAsked, FileChange } from './bulk-file.ts';
import type { Asked } from './changes.ts';
import { topics } from './rules.ts';
import type { Change } from './stream.ts';

/** What a subscription carries besides. */
export interface LiveContext extends ReadContext {
  changes(asked: Asked): Promise<AsyncGenerator<Change>>;
  bulkFile(asked: FileAsked): Promise<AsyncGenerator<FileChange>>;
}

export const liveResolvers = {
  ChangeTopic: topics,
  Subscription: {
    changes: {
      subscribe: (_source: unknown, asked: Asked, context: LiveContext) => context.changes(asked),
      resolve: (change: Change) => change,
    },
    bulkFile: {
      subscribe: (_source: unknown, asked: FileAsked, context: LiveContext) => context.bulkFile(asked),
      resolve: (change: FileChange) => change,
    },
  },
  Change: {
    id: ({ id }: Change) => id,
    topic: ({ topic }: Change) => topic,
    at: ({ at }: Change) => at,
    async person(change: Change, _args: unknown, context: ReadContext, info: GraphQLResolveInfo) {
      const person = await context.byId(idOf(personPrefix, change.personId), info);
      if (person === null) change.lost = true;
      return person;
    },
  },
  BulkFileChange: {
    id: ({ id }: FileChange) => id,
    async file(change: FileChange, _args: unknown, context: ReadContext, info: GraphQLResolveInfo) {
      const file = await context.byId(idOf(bulkFilePrefix, change.fileId), info);
      if (file === null) change.lost = true;
      return file;
    },
  },
};
