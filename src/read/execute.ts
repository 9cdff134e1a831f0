/**
 * The executor. A query operation runs as one compiled statement, and is answered with the JSON text that PostgreSQL
 * made of it. What cannot be compiled whole (introspection, a mutation) is executed by graphql-js; the fields in it
 * that read data come together in a DataLoader of the request and go through the same compiler.
 */
import { collectFields } from '@graphql-tools/utils';
import DataLoader from 'dataloader';
import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  print,
  visit,
} from 'graphql';
import type { Viewer } from '../access/viewer.ts';
import type { Audit } from '../audit/store.ts';
import type { Deadline } from '../platform/deadline.ts';
import type { Pipeline } from '../platform/pipeline.ts';
import type { CommandTools } from '../write/command.ts';
import { type Catalogue, compile, type Plan, type Root, type Selection } from './compile.ts';
import { type CursorKeys, cursorKeys } from './cursor.ts';
import { derive } from './derive.ts';
import { asGraphQLError } from './error.ts';
import type { Arguments } from './view.ts';

/** JSON text in place of data: it goes to the wire as it is. */
export class JsonText {
  readonly text: string;
  /** Its parts that PostgreSQL made, each as it came: to be looked through, where the whole is only sent. */
  readonly parts: (string | null)[];
  constructor(text: string, parts: (string | null)[]) {
    this.text = text;
    this.parts = parts;
  }
}

/** What every request carries. Made anew for each: nothing here is ever shared between two viewers. */
export interface ReadContext {
  viewer: Viewer;
  requestId: string;
  /** See `correlationIdOf`. */
  correlationId: string | null;
  /** The day in Europe/London. */
  today: string;
  now: () => Date;
  reader: Pipeline;
  audit: Audit;
  tools: CommandTools;
  /** When it must be answered. */
  deadline?: Deadline;
  load(asked: Read): Promise<unknown>;
  /** Reads what a command's payload names by its id. */
  byId(id: string, info: GraphQLResolveInfo): Promise<unknown>;
}

/** A field that reads, met while graphql-js executes. */
interface Read {
  root: Root;
  info: Pick<GraphQLResolveInfo, 'fragments' | 'variableValues'>;
}

interface Request {
  document: DocumentNode;
  /** Absent when the document has no operation of that name. */
  operation: OperationDefinitionNode | undefined;
  operationName: string | null;
  variables: Record<string, unknown>;
}

interface Resolved extends Request {
  operation: OperationDefinitionNode;
}

/** What is found out once for each document and operation. */
interface Known {
  fragments: Record<string, FragmentDefinitionNode>;
  /** Variables that decide whether a field is there at all: a plan is made for each of their values. */
  deciding: string[];
  plans: Map<string, Shape | null>;
}

/** The answer's top-level fields in order: a constant `__typename`, or the plan's next column. */
interface Shape {
  plan: Plan | null;
  fragments: Selection['fragments'];
  keys: { key: string; constant: string | null }[];
  /** For the audit: the fields asked for. */
  object: string;
}

/** Of one document: two to the number of its deciding variables could be many. */
const maxPlans = 64;

export function openExecutor(catalogue: Catalogue, keys: CursorKeys = cursorKeys()) {
  const known = new WeakMap<DocumentNode, Map<string, Known>>();
  const { schema, views } = catalogue;
  const query = schema.getQueryType()!;

  function knownOf({ document, operation, operationName }: Resolved): Known {
    const operations = known.get(document) ?? new Map<string, Known>();
    known.set(document, operations);
    const name = operationName ?? '';
    const found = operations.get(name);
    if (found !== undefined) return found;
    const fragments: Known['fragments'] = {};
    for (const d of document.definitions)
      if (d.kind === Kind.FRAGMENT_DEFINITION) fragments[d.name.value] = d;
    const made = { fragments, deciding: decidingVariables(document, operation), plans: new Map() };
    operations.set(name, made);
    return made;
  }

  /** The operation as one statement; null when it asks for something that no view holds, such as `__schema`. */
  function shapeOf(request: Resolved, variables: Record<string, unknown>, viewer: Viewer): Shape | null {
    const { fragments, deciding, plans } = knownOf(request);
    const key = `${viewer.role} ${deciding.map((name) => String(variables[name])).join()}`;
    const found = plans.get(key);
    if (found !== undefined) return found;
    const shape = makeShape(request.operation, fragments, variables, viewer);
    if (plans.size >= maxPlans) plans.clear();
    plans.set(key, shape);
    return shape;
  }

  function makeShape(
    operation: OperationDefinitionNode,
    fragments: Known['fragments'],
    variables: Record<string, unknown>,
    viewer: Viewer,
  ): Shape | null {
    const { fields } = collectFields(schema, fragments, variables, query, operation.selectionSet);
    const roots: Root[] = [];
    const keys: Shape['keys'] = [];
    for (const [key, nodes] of fields) {
      const name = nodes[0]!.name.value;
      if (name === '__typename') {
        keys.push({ key, constant: '"Query"' });
        continue;
      }
      const root = rootOf(nodes);
      if (root === null) return null;
      roots.push(root);
      keys.push({ key, constant: null });
    }
    return {
      plan: roots.length === 0 ? null : compile(catalogue, roots, viewer.role, { fragments, variables }),
      fragments,
      keys,
      object: roots.map(({ def }) => def.name).join(),
    };
  }

  function rootOf(nodes: readonly FieldNode[]): Root | null {
    const name = nodes[0]!.name.value;
    const field = views.Query?.fields[name];
    const def = query.getFields()[name];
    return field === undefined || def === undefined ? null : { def, field, nodes };
  }

  /** Sends the plan's statement, writes the audit, and gives the JSON text of each root. */
  async function read(plan: Plan, object: string, selection: Selection, context: ReadContext) {
    const { viewer, today, requestId, correlationId } = context;
    const { variables } = selection;
    const args = plan.withArguments.map(
      ({ def, node, known }) => known ?? (getArgumentValues(def, node, variables) as Arguments),
    );
    const run = { viewer, today, now: context.now(), cursorKeys: keys };
    const values = plan.parameters.map((parameter) => parameter(run, args));
    const [row = []] = await context.reader.run(plan.statement, values, context.deadline);
    const asked = { schema, ...selection, run, args };
    const texts: (string | null)[] = [];
    const personIds: string[] = [];
    for (let i = 0; i < row.length; i += 2) {
      const text = row[i] as string | null;
      texts.push(
        text === null || plan.derivations.length === 0
          ? text
          : JSON.stringify(derive(JSON.parse(text), plan.derivations, asked)),
      );
      personIds.push(...peopleIn(row[i + 1] as string | null));
    }
    await context.audit.record({
      at: run.now,
      requestId,
      correlationId,
      viewer,
      action: plan.emergency ? 'BREAK_GLASS' : 'READ',
      object,
      parts: plan.parts,
      outcome: personIds.length > 0 ? 'FOUND' : 'NOTHING',
      personIds,
    });
    return texts;
  }

  /** Adds the request's own loader: everything graphql-js asks for in one tick is read in one statement. */
  function withLoader(context: Omit<ReadContext, 'load' | 'byId'>): ReadContext {
    // Made when first needed: an operation that is compiled whole never does.
    let loader: DataLoader<Read, unknown> | undefined;
    const full: ReadContext = Object.assign(context, {
      load(asked: Read) {
        loader ??= new DataLoader((reads) => readTogether(reads, full), { cache: false });
        return loader.load(asked);
      },
      byId(id: string, info: GraphQLResolveInfo) {
        const def = query.getFields().node!;
        const only = getNamedType(info.returnType).name;
        const root: Root = {
          def,
          field: { is: 'node', only },
          nodes: info.fieldNodes,
          args: { id },
        };
        return full.load({ root, info });
      },
    });
    return full;
  }

  async function readTogether(reads: readonly Read[], context: ReadContext): Promise<unknown[]> {
    const roots = reads.map(({ root }) => root);
    const { fragments, variableValues } = reads[0]!.info;
    const selection = { fragments, variables: variableValues, typed: true };
    const plan = compile(catalogue, roots, context.viewer.role, selection);
    const texts = await read(plan, roots.map(({ def }) => def.name).join(), selection, context);
    return texts.map((text) => (text === null ? null : JSON.parse(text)));
  }

  async function run(request: Request, context: ReadContext, event: unknown): Promise<ExecutionResult> {
    const { operation } = request;
    const coerced = getVariableValues(schema, operation?.variableDefinitions ?? [], request.variables);
    if (coerced.errors !== undefined) return { errors: coerced.errors.map(withoutValue) };
    const variables = coerced.coerced;
    if (operation?.operation === 'query') {
      const shape = shapeOf({ ...request, operation }, variables, context.viewer);
      if (shape !== null) {
        const { fragments } = shape;
        const texts =
          shape.plan === null ? [] : await read(shape.plan, shape.object, { fragments, variables }, context);
        let column = 0;
        const parts = shape.keys.map(
          ({ key, constant }) => `"${key}":${constant ?? texts[column++] ?? 'null'}`,
        );
        // The text stands in for the data; only `stringify` ever looks at it.
        const data = new JsonText(`{${parts.join(',')}}`, texts) as never;
        const restricted = shape.plan?.restricted ?? [];
        return restricted.length === 0 ? { data } : { data, extensions: { restricted } };
      }
    }
    return (await execute({
      schema,
      document: request.document,
      operationName: request.operationName,
      variableValues: request.variables,
      contextValue: context,
      rootValue: event,
      // An object that was read carries its fields under their response keys, a command's answer under their names.
      fieldResolver: (source, _args, _context, info) =>
        source?.[isAnswer(info.parentType.name) ? info.fieldName : info.path.key],
      typeResolver: (value) => (value as { __typename?: string }).__typename,
    })) as ExecutionResult;
  }

  return {
    withLoader,
    /** `event` is what happened, for a subscription. */
    run: async (request: Request, context: ReadContext, event?: unknown): Promise<ExecutionResult> => {
      try {
        return await run(request, context, event);
      } catch (error) {
        return { errors: [asGraphQLError(error)] };
      }
    },
    /** The events of a subscription, each to be given to `run`; or why there are none. */
    async events(
      { document, operation, operationName, variables }: Request,
      context: ReadContext,
    ): Promise<AsyncIterable<unknown> | ExecutionResult> {
      const coerced = getVariableValues(schema, operation?.variableDefinitions ?? [], variables);
      if (coerced.errors !== undefined) return { errors: coerced.errors.map(withoutValue) };
      const asked = { schema, document, operationName, variableValues: variables, contextValue: context };
      return createSourceEventStream(asked);
    },
    /** Resolvers for the fields of `Query`, for operations that graphql-js must execute. */
    resolveQuery: (_source: unknown, _args: unknown, context: ReadContext, info: GraphQLResolveInfo) => {
      const root = rootOf(info.fieldNodes);
      if (root === null) throw new Error(`no view says how Query.${info.fieldName} is read`);
      return context.load({ root, info });
    },
  };
}

/** The resolver of a payload's object: the command's answer names it by the global id under `key`, if there is one. */
export const readById =
  <Key extends string>(key: Key) =>
  (answer: { [K in Key]?: string }, _args: unknown, context: ReadContext, info: GraphQLResolveInfo) => {
    const id = answer[key];
    return id === undefined ? null : context.byId(id, info);
  };

export type Executor = ReturnType<typeof openExecutor>;

const isAnswer = (type: string) => type.endsWith('Payload') || type === 'UserError';

/** `{a,b}`, as PostgreSQL writes an array of UUIDs; a null among them stands for a row that is about nobody. */
function peopleIn(text: string | null): string[] {
  if (text === null || text === '{}' || text === '{NULL}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .filter((id) => id !== 'NULL');
}

/** The variables that `@skip` and `@include` go by. */
export function decidingVariables(document: DocumentNode, operation: OperationDefinitionNode): string[] {
  if ((operation.variableDefinitions ?? []).length === 0) return [];
  const names = new Set<string>();
  visit(document, {
    Directive(node) {
      if (node.name.value !== 'skip' && node.name.value !== 'include') return;
      for (const { value } of node.arguments ?? [])
        if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names].sort();
}

/** graphql-js quotes the value it refuses, which may be an NHS number: say which variable, and what it must be. */
function withoutValue(error: GraphQLError): GraphQLError {
  const node = error.nodes?.[0];
  if (node?.kind !== Kind.VARIABLE_DEFINITION) return error;
  const where = /at "[^"]*?\.([\w.[\]]+)"/.exec(error.message)?.[1];
  const field = where === undefined ? '' : ` at ${where}`;
  return new GraphQLError(
    `Variable "$${node.variable.name.value}" has an unusable value${field}; it must be ${print(node.type)}.`,
    {
      nodes: [node],
      extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } },
    },
  );
}
