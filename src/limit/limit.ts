/** The limits of one process, put together: what a document may be, what an operation may ask, and how often. */
import type { GraphQLSchema } from 'graphql';
import { Redis } from 'ioredis';
import type { Viewer } from '../access/viewer.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metric.ts';
import type { Pipeline } from '../platform/pipeline.ts';
import { openDocuments, type TrustedDocuments } from './document.ts';
import { openGuard } from './guard.ts';
import { postgresStore, redisStore } from './rate.ts';
import { type Limits, usualLimits } from './rules.ts';

/** Who may ask for the schema. */
export type Introspection = 'on' | 'off' | 'admin';

export interface LimitOptions {
  limits?: Partial<Limits>;
  /** Where the counts of all processes are; in PostgreSQL without it. */
  redisUrl?: string | undefined;
  introspection?: Introspection;
  trusted?: TrustedDocuments;
  /** Client applications that may send nothing but the ids of trusted documents. */
  documentsOnly?: (viewer: Viewer) => boolean;
}

interface Around {
  schema: GraphQLSchema;
  recorder: Pipeline;
  log: Log;
  metrics: Metrics;
}

export type Limit = ReturnType<typeof openLimit>;

/** Longer than that a request does not wait to be counted. */
const redisMs = 250;

export function openLimit({
  schema,
  recorder,
  log,
  metrics,
  redisUrl,
  introspection = 'on',
  trusted = new Map(),
  documentsOnly = () => false,
  ...options
}: LimitOptions & Around) {
  const limits: Limits = { ...usualLimits, ...options.limits };
  const redis = redisUrl === undefined ? undefined : openRedis(redisUrl);
  const mayIntrospect = ({ role }: Viewer) =>
    introspection === 'on' || (introspection === 'admin' && role === 'ADMIN');
  const store = redis === undefined ? postgresStore(recorder) : redisStore(redis);
  return {
    limits,
    mayIntrospect,
    documentOf: openDocuments({ limits, trusted, documentsOnly }),
    guard: openGuard({ schema, limits, mayIntrospect, store, log, metrics }),
    close: () => redis?.disconnect(),
  };
}

/** Asked once and not waited for: without it a process counts by itself. */
function openRedis(url: string): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    commandTimeout: redisMs,
  });
  // That it is away is told when somebody is to be counted.
  redis.on('error', () => {});
  return redis;
}

/** What a name might have meant shows the schema to whoever may not ask for it. */
export const withoutSuggestion = (message: string) => message.replace(/ ?Did you mean .*\?$/s, '');
