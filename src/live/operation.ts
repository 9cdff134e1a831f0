/** The subscription in the body of a request, held to what every operation is held to. */
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { z } from 'zod';
import { Fault } from '../platform/fault.ts';
import { safeLiterals } from '../read/text.ts';

export interface Operation {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  operationName: string | null;
  variables: Record<string, unknown>;
}

const request = z.object({
  query: z.string().min(1),
  operationName: z.string().nullish(),
  variables: z.record(z.string(), z.unknown()).nullish(),
});

const withCode = (code: string) => (error: GraphQLError) => {
  const { nodes = null, source = null, positions = null } = error;
  return new GraphQLError(error.message, { nodes, source, positions, extensions: { code } });
};

/** @throws Fault BAD_REQUEST */
export function operationIn(
  body: unknown,
  schema: GraphQLSchema,
  maxTokens: number,
): Operation | { errors: GraphQLError[] } {
  const { data } = request.safeParse(body);
  if (data === undefined) {
    throw new Fault('BAD_REQUEST', 'Send a JSON object with a text `query`; by POST, as `application/json`.');
  }
  let document: DocumentNode;
  try {
    document = parse(data.query, { maxTokens });
  } catch (error) {
    return { errors: [withCode('GRAPHQL_PARSE_FAILED')(error as GraphQLError)] };
  }
  const invalid = validate(schema, document, [...specifiedRules, safeLiterals]);
  if (invalid.length > 0) return { errors: invalid.map(withCode('GRAPHQL_VALIDATION_FAILED')) };
  const operationName = data.operationName ?? null;
  const operation = getOperationAST(document, operationName);
  if (operation == null) {
    const unknown = new GraphQLError('Say by `operationName` which operation of the document is meant.');
    return { errors: [withCode('OPERATION_RESOLUTION_FAILURE')(unknown)] };
  }
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    throw new Fault(
      'BAD_REQUEST',
      'Only a subscription is answered with a stream: POST anything else, and accept JSON.',
    );
  }
  return { document, operation, operationName, variables: data.variables ?? {} };
}
