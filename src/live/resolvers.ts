/** The changes, and the person of each: read like any other, by the viewer's own right, when it is told. */

import type { GraphQLResolveInfo } from 'graphql';
import { personPrefix } from '../person/view.ts';
import { idOf } from '../platform/id.ts';
import type { ReadContext } from '../read/execute.ts';
import { topics } from './rules.ts';
import type { Change } from './stream.ts';

/** The arguments of `changes`. Topics as the outbox calls them. */
export interface Asked {
  topics?: string[] | null;
  personId?: string | null;
  after?: string | null;
}

/** What a subscription carries besides. */
export interface LiveContext extends ReadContext {
  open(asked: Asked): Promise<AsyncGenerator<Change>>;
}

export const liveResolvers = {
  ChangeTopic: topics,
  Subscription: {
    changes: {
      subscribe: (_source: unknown, asked: Asked, context: LiveContext) => context.open(asked),
      resolve: (change: Change) => change,
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
};
