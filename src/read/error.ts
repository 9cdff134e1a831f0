/** What an error says to whoever caused it: a code, words without any value of the request, and whether to try again. */
import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql';
import { tooLate } from '../platform/deadline.ts';
import { Fault } from '../platform/fault.ts';

const internal = {
  code: 'INTERNAL_SERVER_ERROR',
  message: 'Something went wrong here. Quote the request id.',
  retryable: false,
};

/** Codes of Apollo and graphql-js whose messages speak of the document alone, once values are taken out. */
const documentCodes = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
]);

const valueKinds: ReadonlySet<string> = new Set([
  Kind.INT,
  Kind.FLOAT,
  Kind.STRING,
  Kind.BOOLEAN,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
]);

/** PostgreSQL's classes of "not now": too many connections, shutting down, cancelled, deadlock, a lock not had in time. */
const notNow = /^(08|53|57|40|55P03)/;
const connectionLost = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT']);
/** Prisma's: no connection free in time, no transaction begun or ended in time. */
const waitedTooLong = new Set(['P2024', 'P2028']);

interface Told {
  code: string;
  message: string;
  retryable: boolean;
}

function tell(error: GraphQLError): Told {
  const cause = error.originalError ?? error;
  if (cause instanceof Fault) return cause;
  if (cause instanceof Error && !(cause instanceof GraphQLError)) return tellDatabase(cause);
  const code = String(error.extensions.code ?? '');
  if (!documentCodes.has(code)) return internal;
  return { code, message: withoutValues(error), retryable: false };
}

function tellDatabase(error: Error & { code?: unknown }): Told {
  const code = String(error.code ?? '');
  if (code === '57014') return tooLate();
  if (
    notNow.test(code) ||
    waitedTooLong.has(code) ||
    connectionLost.has(code) ||
    /connection (terminated|error)|not queryable/i.test(error.message)
  ) {
    return { code: 'UNAVAILABLE', message: 'The hub cannot answer now. Try again.', retryable: true };
  }
  return internal;
}

function withoutValues(error: GraphQLError): string {
  if (error.nodes?.some(({ kind }) => valueKinds.has(kind))) {
    return 'A value in the operation is not of the type that is expected there.';
  }
  return error.message
    .replace(/\b(String|BlockString|Int|Float) ".*"/s, '$1')
    .replace(/^(Syntax Error: Unterminated string).*/s, '$1.');
}

/** Something thrown while an operation ran, with the HTTP status of an answer that has no data. */
export function asGraphQLError(thrown: unknown): GraphQLError {
  if (thrown instanceof GraphQLError) return thrown;
  const originalError = thrown instanceof Error ? thrown : new Error('not an error');
  const { code, retryable } = tell(new GraphQLError('', { originalError }));
  const status = code === internal.code ? 500 : retryable ? 503 : 400;
  return new GraphQLError(originalError.message, { originalError, extensions: { http: { status } } });
}

export const isUnexpected = (error: GraphQLError): boolean => tell(error).code === internal.code;

/** For Apollo's `formatError`. */
export function errorFor(error: unknown): GraphQLFormattedError {
  const graphQLError =
    error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error });
  const { code, message, retryable } = tell(graphQLError);
  const { locations, path } = graphQLError.toJSON();
  return {
    message,
    ...(locations === undefined ? {} : { locations }),
    ...(path === undefined ? {} : { path }),
    extensions: { code, retryable },
  };
}
