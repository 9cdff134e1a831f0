/**
 * What an operation costs: one point for each object of its answer, of whatever type. Before it runs that is what it
 * asks for at most (each page full, each list as long as `rules.ts` says such a list is); after, what the answer holds.
 */
import { collectFields, collectSubFields } from '@graphql-tools/utils';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql';
import { decidingVariables, JsonText } from '../read/execute.ts';
import { commandPoints, introspectionPoints, listSizes, usualListSize } from './rules.ts';

type Variables = Record<string, unknown>;
type Points = (variables: Variables) => number;

export interface Weight {
  /** Points it asks for at most, at least one. */
  requested: Points;
  /** People it looks up by NHS number. */
  lookups: Points;
  /** It asks for the schema. */
  introspects: boolean;
  /** Points that are not in the objects of the answer. */
  flat: number;
  /** Where the schema stands in the answer: it is paid for already. */
  schemaKeys: ReadonlySet<string>;
}

/** Of one document: two to the number of its deciding variables could be many. */
const maxKept = 64;
const maxPage = 100;

export function openWeights(schema: GraphQLSchema) {
  const known = new WeakMap<OperationDefinitionNode, { deciding: string[]; weights: Map<string, Weight> }>();

  /** Worked out once for each operation, and value of the variables that leave fields out. */
  return (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): Weight => {
    let kept = known.get(operation);
    if (kept === undefined) {
      kept = { deciding: decidingVariables(document, operation), weights: new Map() };
      known.set(operation, kept);
    }
    const { deciding, weights } = kept;
    const given = deciding.length === 0 ? variables : withDefaults(operation, variables);
    const key = deciding.map((name) => String(given[name])).join();
    const found = weights.get(key);
    if (found !== undefined) return found;
    if (weights.size >= maxKept) weights.clear();
    const made = weigh(schema, document, operation, given);
    weights.set(key, made);
    return made;
  };
}

/** How many objects an answer holds. `{"` and the start of a name stand nowhere else in JSON: a text has `\"`. */
export function objectsIn(data: unknown, besides: ReadonlySet<string>): number {
  if (data instanceof JsonText) return data.parts.reduce((sum, part) => sum + objectsOf(part ?? ''), 0);
  if (typeof data !== 'object' || data === null) return 0;
  const parts = Object.entries(data).filter(([key]) => !besides.has(key));
  return parts.reduce((sum, [, part]) => sum + objectsOf(JSON.stringify(part) ?? ''), 0);
}

function objectsOf(text: string): number {
  let count = 0;
  for (let at = text.indexOf('{"'); at >= 0; at = text.indexOf('{"', at + 2)) {
    const next = text.charCodeAt(at + 2);
    if (next === 95 || (next >= 65 && next <= 90) || (next >= 97 && next <= 122)) count += 1;
  }
  return count;
}

function weigh(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Variables,
): Weight {
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const d of document.definitions) if (d.kind === Kind.FRAGMENT_DEFINITION) fragments[d.name.value] = d;
  const root = schema.getRootType(operation.operation)!;
  const { fields } = collectFields(schema, fragments, given, root, operation.selectionSet);
  const schemaKeys = new Set<string>();
  const parts: Points[] = [];
  const lookups: Points[] = [];
  let flat = 0;

  /** What stands below a field of this type, its own object included. `page` is the size of the page it lies on. */
  function below(type: GraphQLOutputType, nodes: FieldNode[], page: Points): Points {
    const named = getNamedType(type);
    if (isLeafType(named)) return nothing;
    if (isObjectType(named)) return object(named, nodes, page);
    const all = isAbstractType(named) ? schema.getPossibleTypes(named) : [];
    return mostOf(all.map((possible) => object(possible, nodes, page)));
  }

  function object(type: GraphQLObjectType, nodes: FieldNode[], page: Points): Points {
    const selected = collectSubFields(schema, fragments, given, type, nodes).fields;
    const inside = [...selected.values()].map((of) => field(type, of, page));
    return sumOf([constant(1), ...inside]);
  }

  function field(parent: GraphQLObjectType, nodes: FieldNode[], page: Points): Points {
    const name = nodes[0]!.name.value;
    const def = parent.getFields()[name];
    if (def === undefined) return nothing;
    const own = def.args.some((arg) => arg.name === 'first') ? pageOf(def, nodes[0]!) : page;
    const each = below(def.type, nodes, own);
    if (!isListType(getNullableType(def.type)) || each === nothing) return each;
    const isOnPage = parent.name.endsWith('Connection');
    return timesOf(isOnPage ? page : constant(listSizes[`${parent.name}.${name}`] ?? usualListSize), each);
  }

  const pageOf = (def: GraphQLField<unknown, unknown>, node: FieldNode): Points => {
    const { value } = node.arguments?.find((argument) => argument.name.value === 'first') ?? {};
    const asked = argumentOf(operation, value, def.args.find((arg) => arg.name === 'first')?.defaultValue);
    // Any other number is refused when it is read: it must only not be cheap until then.
    const size = (n: unknown) => (typeof n === 'number' && n >= 0 && n <= maxPage ? n : maxPage);
    return typeof asked === 'function' ? (variables) => size(asked(variables)) : constant(size(asked));
  };

  for (const [key, nodes] of fields) {
    const name = nodes[0]!.name.value;
    if (name === '__schema' || name === '__type') {
      schemaKeys.add(key);
      flat += introspectionPoints;
      continue;
    }
    if (operation.operation === 'mutation') flat += commandPoints;
    parts.push(field(root, nodes, constant(maxPage)));
    for (const arg of root.getFields()[name]?.args ?? []) {
      if (getNamedType(arg.type).name !== 'NHSNumber') continue;
      const { value } = nodes[0]!.arguments?.find((argument) => argument.name.value === arg.name) ?? {};
      const asked = argumentOf(operation, value, null);
      const isOne = (number: unknown) => (number === null || number === undefined ? 0 : 1);
      lookups.push(
        typeof asked === 'function' ? (variables) => isOne(asked(variables)) : constant(isOne(asked)),
      );
    }
  }
  const objects = sumOf([constant(flat), ...parts]);
  return {
    requested: (variables) => Math.max(1, objects(variables)),
    lookups: sumOf(lookups),
    introspects: schemaKeys.size > 0,
    flat,
    schemaKeys,
  };
}

/** A part of the cost that is the same whatever the variables: most of every operation is, and is added up once. */
const constants = new WeakMap<Points, number>();

function constant(points: number): Points {
  const made: Points = () => points;
  constants.set(made, points);
  return made;
}

const nothing = constant(0);

/** One function of several, made a constant where they are. */
function folded(parts: Points[], fold: (numbers: number[]) => number): Points {
  const known = parts.map((part) => constants.get(part));
  if (known.every((points) => points !== undefined)) return constant(fold(known));
  return (variables) => fold(parts.map((part) => part(variables)));
}

function sumOf(parts: Points[]): Points {
  const isKnown = (part: Points) => constants.has(part);
  const known = parts.filter(isKnown).reduce((sum, part) => sum + constants.get(part)!, 0);
  const others = parts.filter((part) => !isKnown(part));
  if (others.length === 0) return constant(known);
  return (variables) => others.reduce((sum, part) => sum + part(variables), known);
}

const mostOf = (parts: Points[]) => folded(parts, (numbers) => Math.max(0, ...numbers));
const timesOf = (a: Points, b: Points) => folded([a, b], ([x, y]) => x! * y!);

/** The value of an argument: known, or to be looked up in the variables of a run. */
function argumentOf(
  operation: OperationDefinitionNode,
  node: ValueNode | undefined,
  otherwise: unknown,
): unknown | ((variables: Variables) => unknown) {
  if (node === undefined) return otherwise;
  if (node.kind !== Kind.VARIABLE) return valueFromASTUntyped(node);
  const name = node.name.value;
  const { defaultValue } =
    operation.variableDefinitions?.find(({ variable }) => variable.name.value === name) ?? {};
  const preset = defaultValue === undefined ? otherwise : valueFromASTUntyped(defaultValue);
  return (variables: Variables) => (variables[name] === undefined ? preset : variables[name]);
}

/** The variables as the operation has them: those that were left out have their defaults. */
function withDefaults(
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
): Variables {
  const given = { ...variables };
  for (const { variable, defaultValue } of variableDefinitions) {
    const name = variable.name.value;
    if (given[name] === undefined && defaultValue !== undefined) {
      given[name] = valueFromASTUntyped(defaultValue);
    }
  }
  return given;
}
