/**
 * What stands before every operation: may it ask for the schema, does it ask for too much, has its viewer points left.
 * What an answer really held is known after, and the rest given back.
 */
import { HeaderMap } from '@apollo/server';
import type { OperationDefinitionNode } from 'graphql';
import { type DocumentNode, type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql';
import { Counter } from 'prom-client';
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metric.ts';
import type { ReadContext } from '../read/execute.ts';
import { objectsIn, openWeights } from './cost.ts';
import { openBucket, type Store } from './rate.ts';
import type { Limits } from './rules.ts';

interface Options {
  schema: GraphQLSchema;
  limits: Limits;
  mayIntrospect: (viewer: Viewer) => boolean;
  store: Store;
  log: Log;
  metrics: Metrics;
}

interface Operation {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  variables: Record<string, unknown>;
}

/** Points are counted for somebody at one application: whoever has two is not held up by the other. */
const keyOf = ({ subject, client }: Viewer) => `${client ?? ''} ${subject}`;

/** How often it is said that the store does not answer, or that somebody looks up too many. */
const sayAgainMs = 60_000;

export function openGuard({ schema, limits, mayIntrospect, store, log, metrics }: Options) {
  const weightOf = openWeights(schema);
  const maxCost = Math.min(limits.maxCost, limits.pointsPerMinute);
  const said = new Map<string, number>();
  const registers = [metrics.registry];
  const storeFailed = new Counter({
    name: 'tandem_limit_store_failures_total',
    help: 'Times the counts of all processes could not be had, and this one counted by itself',
    registers,
  });
  const lookupsRefused = new Counter({
    name: 'tandem_lookups_refused_total',
    help: 'Operations refused because somebody looked up too many people by NHS number',
    registers,
  });

  function onFailure(error: unknown) {
    storeFailed.inc();
    if (saidOf('store')) return;
    log.warn({ event: 'limit-store', err: error }, 'The counts of all processes cannot be had');
  }

  /** Whether this was said in the last minute. It is now. */
  function saidOf(what: string): boolean {
    const before = said.get(what) ?? 0;
    if (Date.now() - before < sayAgainMs) return true;
    if (said.size > 1_000) said.clear();
    said.set(what, Date.now());
    return false;
  }

  const points = openBucket({ name: 'points', perMinute: limits.pointsPerMinute, store, onFailure });
  const lookups = openBucket({ name: 'lookups', perMinute: limits.lookupsPerMinute, store, onFailure });

  /** @throws GraphQLError LOOKUP_LIMIT */
  async function takeLookups(count: number, context: ReadContext): Promise<void> {
    const { viewer, requestId, correlationId } = context;
    const key = keyOf(viewer);
    const { waitMs } = await lookups.take(key, count);
    if (waitMs === null) return;
    lookupsRefused.inc();
    if (!saidOf(key)) {
      log.warn({ event: 'lookup-limit', requestId, role: viewer.role }, 'Too many people looked up');
      await context.audit.record({
        at: context.now(),
        requestId,
        correlationId,
        viewer,
        action: 'DENY',
        object: 'lookup-limit',
        outcome: 'REFUSED',
        personIds: [],
      });
    }
    throw tooFast(
      'LOOKUP_LIMIT',
      `At most ${limits.lookupsPerMinute} people a minute may be looked up by NHS number.`,
      waitMs,
    );
  }

  /** Takes what the operation asks for, or says why not. @throws GraphQLError */
  async function admit({ document, operation, variables }: Operation, context: ReadContext) {
    const { viewer } = context;
    const key = keyOf(viewer);
    const weight = weightOf(document, operation, variables);
    const requested = weight.requested(variables);
    const told = (actual: number) => ({ requested, actual, available: points.available(key) });
    if (weight.introspects && !mayIntrospect(viewer)) {
      throw refusal(
        new Fault('INTROSPECTION_OFF', 'The schema is not for you to ask for here: see its files.'),
        400,
      );
    }
    if (requested > maxCost) {
      const message = `This asks for up to ${requested} objects; at most ${maxCost} may be asked for at once. Ask for smaller pages, or fewer lists inside lists.`;
      throw refusal(new Fault('COST_LIMIT', message), 400, { ...told(0), maximum: maxCost });
    }
    const asked = weight.lookups(variables);
    if (asked > 0) await takeLookups(asked, context);
    const taken = await points.take(key, requested);
    if (taken.waitMs !== null) {
      const message = `This asks for up to ${requested} objects, and you have ${points.available(key)} of ${limits.pointsPerMinute} a minute left.`;
      throw tooFast('RATE_LIMITED', message, taken.waitMs, told(0));
    }
    return {
      /** Gives back what was not used, and says what was. */
      settle(data: unknown) {
        const actual = Math.max(1, objectsIn(data, weight.schemaKeys) + weight.flat);
        taken.giveBack(requested - actual);
        return told(actual);
      },
    };
  }

  return {
    /** Why a stream may not begin; null, and paid for, where it may. What it tells is paid for as it is told. */
    async refusalOf(operation: Operation, context: ReadContext): Promise<GraphQLError | null> {
      try {
        (await admit(operation, context)).settle(null);
        return null;
      } catch (error) {
        if (error instanceof GraphQLError) return error;
        throw error;
      }
    },
    /** Runs an operation that is admitted, and says in its answer what it cost. */
    async run(
      operation: Operation,
      context: ReadContext,
      execute: () => Promise<ExecutionResult>,
    ): Promise<ExecutionResult> {
      let admitted: Awaited<ReturnType<typeof admit>>;
      try {
        admitted = await admit(operation, context);
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error;
        const { cost } = error.extensions;
        return cost === undefined ? { errors: [error] } : { errors: [error], extensions: { cost } };
      }
      const result = await execute();
      result.extensions = { ...result.extensions, cost: admitted.settle(result.data) };
      return result;
    },
  };
}

/** An error with the HTTP status of an answer that has no data. */
function refusal(originalError: Fault, status: number, cost?: object, headers?: HeaderMap) {
  const http = headers === undefined ? { status } : { status, headers };
  return new GraphQLError(originalError.message, {
    originalError,
    extensions: { code: originalError.code, http, ...(cost === undefined ? {} : { cost }) },
  });
}

function tooFast(code: string, message: string, waitMs: number, cost?: object) {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const fault = new Fault(code, `${message} Try again in ${seconds} s.`, { retryable: true });
  return refusal(fault, 429, cost, new HeaderMap([['retry-after', String(seconds)]]));
}
