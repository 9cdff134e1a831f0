/**
 * Fields that a rule works out. The statement brings the facts, marked with the derivation they are for; here the
 * rule's whole answer takes their place, cut down to what was asked for.
 */
import { collectSubFields } from '@graphql-tools/utils';
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNullableType,
  isListType,
  isObjectType,
} from 'graphql';
import type { Arguments, Run } from './view.ts';

/** No response key can be this. */
export const derivedMark = '$';

export interface Derivation {
  work: (facts: never, at: { day: string }) => unknown;
  type: GraphQLOutputType;
  nodes: readonly FieldNode[];
  day: (run: Run, args: Arguments[]) => string;
}

interface Asked {
  schema: GraphQLSchema;
  fragments: Record<string, FragmentDefinitionNode>;
  variables: Record<string, unknown>;
  run: Run;
  args: Arguments[];
}

/** The answer with every derived field worked out. `json` is what the statement gave. */
export function derive(json: unknown, derivations: Derivation[], asked: Asked): unknown {
  if (Array.isArray(json)) return json.map((item) => derive(item, derivations, asked));
  if (typeof json !== 'object' || json === null) return json;
  if (derivedMark in json) {
    const { [derivedMark]: index, facts } = json as { [derivedMark]: number; facts: never };
    const { work, type, nodes, day } = derivations[index]!;
    return selected(type, nodes, work(facts, { day: day(asked.run, asked.args) }), asked);
  }
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [key, derive(value, derivations, asked)]),
  );
}

/** What the selection asks of a value. */
function selected(
  type: GraphQLOutputType,
  nodes: readonly FieldNode[],
  value: unknown,
  asked: Asked,
): unknown {
  if (value === null || value === undefined) return null;
  const inner = getNullableType(type);
  if (isListType(inner)) {
    return (value as unknown[]).map((item) => selected(inner.ofType, nodes, item, asked));
  }
  if (!isObjectType(inner)) return value;
  const { fields } = collectSubFields(asked.schema, asked.fragments, asked.variables, inner, [...nodes]);
  const whole = value as Record<string, unknown>;
  return Object.fromEntries(
    [...fields].map(([key, fieldNodes]) => {
      const name = fieldNodes[0]!.name.value;
      if (name === '__typename') return [key, inner.name];
      return [key, selected(inner.getFields()[name]!.type, fieldNodes, whole[name], asked)];
    }),
  );
}
