/**
 * The read compiler: a GraphQL selection becomes ONE SQL statement whose result is already the answer, as JSON text,
 * with the viewer's scope inside it. One statement is also one snapshot, so a balance always agrees with the entries
 * beside it.
 *
 * A row becomes the text of a JSON object, whose members are put together by name; a child becomes a correlated
 * subquery in it. Values of the request come in as parameters only.
 */
import { createHash } from 'node:crypto';
import { collectSubFields } from '@graphql-tools/utils';
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isNonNullType,
  isObjectType,
  Kind,
} from 'graphql';
import { holdersOf, viewerSql } from '../access/holder.ts';
import {
  isKept,
  isShared,
  keptBack,
  maySeePerson,
  type OfSide,
  partOf,
  readsPart,
  sharesWith,
} from '../access/policy.ts';
import { sides } from '../access/side.ts';
import type { Part, Kind as ViewerKind } from '../access/table.ts';
import type { ViewerRole } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import type { Statement } from '../platform/pipeline.ts';
import { afterOf, cursorKeysSql, cursorSql } from './cursor.ts';
import { type Derivation, derivedMark } from './derive.ts';
import { type Json, leaf, list, nothing, object, onlyWhere, orNull, quoted, textOf } from './json.ts';
import { type Arguments, type At, type Field, inherited, type Run, type View } from './view.ts';

export interface Catalogue {
  schema: GraphQLSchema;
  views: Record<string, View>;
}

/** What the request's document says besides the fields themselves. */
export interface Selection {
  fragments: Record<string, FragmentDefinitionNode>;
  /** Coerced; used for @skip and @include alone. Arguments are read anew at each run. */
  variables: Record<string, unknown>;
  /** Every object found by id says its `__typename`, asked or not: graphql-js wants it. */
  typed?: boolean;
}

/** A field of `Query` (or a payload's object, read as if by `Query.node`). */
export interface Root {
  def: GraphQLField<unknown, unknown>;
  field: Field;
  nodes: readonly FieldNode[];
  /** Arguments that are known already, instead of the node's own. */
  args?: Arguments;
}

export interface Plan {
  statement: Statement;
  /** Each parameter's value, from the run and from the arguments of the field with that index. */
  parameters: Value[];
  /** The fields that have arguments. */
  withArguments: { def: GraphQLField<unknown, unknown>; node: FieldNode; known?: Arguments }[];
  /** For the audit: the types of which more than an id is asked, such as `Person,Plan`. */
  parts: string;
  /** What stands in the answer only as facts yet, and is worked out of them after. */
  derivations: Derivation[];
  /** The fields, as paths, that nobody in the viewer's role reads: they are null. */
  restricted: string[];
  /** It reads a record that was opened in an emergency. */
  emergency: boolean;
}

type Value = (run: Run, args: Arguments[]) => unknown;

const maxPage = 100;

/** What an answer may hold of a row without telling anything of it; and types that are told of with another. */
const naming = new Set(['id', '__typename']);
const partless = new Set(['Money', 'PageInfo']);

const typename: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

export function compile(
  { schema, views }: Catalogue,
  roots: Root[],
  role: ViewerRole,
  selection: Selection,
): Plan {
  /** What is bound is the same for all that the viewer asks on a day, or each request's `own`. */
  const bound: { type: string; value: Value }[] = [];
  const own: typeof bound = [];
  const withArguments: Plan['withArguments'] = [];
  const derivations: Derivation[] = [];
  const restricted = new Set<string>();
  /** Where in the answer the field being compiled stands. */
  const path: string[] = [];
  let kind: ViewerKind = role;
  /** The part of the record that the row being compiled was found under: what that asked of the viewer holds below it. */
  let under: Part = 'OPEN';
  /** The row whose field is being compiled. */
  let parent: { view: View; alias: string } | undefined;
  /** The people's rows of which it must be known what they keep back. */
  const keepers = new Set<string>();
  const shared = new Map<string, string>();
  const parts = new Set<string>();
  /** Below a field with `asAt`: the day and the instant it asks for. */
  let past: { day: string; knownAt: string; dayOf: Derivation['day'] } | undefined;
  let aliases = 0;

  const bind = (type: string, value: Value) => `$${bound.push({ type, value })}::${type}`;
  /** A column of the from-item `asked`. An array can be none: requests with the same one go together. */
  const bindOwn = (type: string, value: Value) =>
    type.endsWith('[]') ? bind(type, value) : `asked.p${own.push({ type, value })}`;

  /** A parameter that is the same wherever it is used stands in the statement once. */
  function once(name: string, make: () => string): string {
    const known = shared.get(name);
    if (known !== undefined) return known;
    const made = make();
    shared.set(name, made);
    return made;
  }

  const today = () => once('today', () => bind('date', (run) => run.today));
  const policy = {
    viewer: (fact: 'subject' | 'name' | 'organisation' | 'nhsNumber') =>
      once(fact, () => bind('text', (run) => run.viewer[fact])),
    today,
    now: () => once('now', () => bindOwn('timestamptz', (run) => run.now.toISOString())),
  };

  /** Does `inner` under the `asAt` argument of the field, if it has one. */
  function lookingBack<T>(field: Field, node: FieldNode, index: number, inner: () => T): T {
    if (!('asAt' in field) || !node.arguments?.some(({ name }) => name.value === 'asAt')) return inner();
    const before = past;
    const asAtOf = (args: Arguments) => (args.asAt ?? {}) as { day?: string | null; knownAt?: Date | null };
    const dayOf: Derivation['day'] = (run, args) => asAtOf(args[index] ?? {}).day ?? run.today;
    past = {
      day: bindOwn('date', dayOf),
      knownAt: bindOwn(
        'timestamptz',
        (_run, args) => asAtOf(args[index] ?? {}).knownAt?.toISOString() ?? 'infinity',
      ),
      dayOf,
    };
    try {
      return inner();
    } finally {
      past = before;
    }
  }

  /** Notes the field's arguments and gives what its SQL may use. */
  function atField(
    parent: string,
    def: GraphQLField<unknown, unknown>,
    node: FieldNode,
    part: Part,
    known?: Arguments,
  ): At {
    let index = -1;
    if (def.args.length > 0) {
      index = withArguments.push(known === undefined ? { def, node } : { def, node, known }) - 1;
    }
    return {
      parent,
      role,
      ...policy,
      maySee: (personId) => maySeePerson(kind, personId, policy, part),
      shares: (personId, side) => shares(part, personId, side) ?? 'true',
      kind,
      part,
      day: () => past?.day ?? today(),
      asks: () => true,
      table: (name, personId) => (past === undefined ? name : asKnownAt(name, personId, past.knownAt)),
      arg: (type, value) => bindOwn(type, (run, args) => value(args[index] ?? {}, run)),
    };
  }

  function viewOf(type: string): View {
    const view = views[type];
    if (view === undefined) throw new Error(`no view says how ${type} is read`);
    return view;
  }

  /** What a field shows: something of its own type, or of the type that a rule works out. */
  function notePart(type: GraphQLObjectType, name: string) {
    if (naming.has(name)) return;
    const shown = getNamedType(type.getFields()[name]!.type);
    if (isLeafType(shown) || partless.has(shown.name)) parts.add(type.name);
    else if (viewOf(type.name).fields[name]?.is === 'derived') parts.add(shown.name);
  }

  /** The selected fields of the row `alias`. */
  function row(type: GraphQLObjectType, alias: string, fields: Map<string, FieldNode[]>): Json {
    for (const [node] of fields.values()) notePart(type, node!.name.value);
    return object([...fields].map(([key, nodes]) => ({ key, json: selected(type, alias, nodes) })));
  }

  function selected(type: GraphQLObjectType, alias: string, nodes: FieldNode[]): Json {
    const name = nodes[0]!.name.value;
    if (name === '__typename') return quoted(type.name);
    const def = type.getFields()[name]!;
    const view = viewOf(type.name);
    const field = view.fields[name];
    if (field === undefined) throw new Error(`no view says how ${type.name}.${name} is read`);
    const part = partOf(type.name, name);
    const reads = readsPart(kind, part);
    if (reads === false) {
      restricted.add([...path, keyOf(nodes)].join('.'));
      return nothing;
    }
    const before = { under, parent };
    under = part;
    parent = { view, alias };
    path.push(keyOf(nodes));
    const json = read(field, part, alias, type, def, nodes);
    path.pop();
    const conditions: string[] = [];
    if (reads === 'BY_AUTHORITY' && part !== before.under)
      conditions.push(maySeePerson(kind, personOf(view, alias, name), policy, part));
    if (isOfEither(field)) {
      const condition = shares(part, personOf(view, alias, name), 'EITHER');
      if (condition !== null) conditions.push(condition);
    }
    ({ under, parent } = before);
    return conditions.length === 0 ? json : onlyWhere(conditions.join(' and '), json);
  }

  function read(
    field: Field,
    part: Part,
    alias: string,
    owner: GraphQLObjectType,
    def: GraphQLField<unknown, unknown>,
    nodes: FieldNode[],
  ): Json {
    const node = nodes[0]!;
    if (field.is === 'value') return leaf(def.type, field.sql(atField(alias, def, node, part)));
    if (field.is === 'derived') {
      const facts = field.facts(atField(alias, def, node, part));
      const index = derivations.push({
        work: field.work,
        type: def.type,
        nodes,
        day: past?.dayOf ?? ((run) => run.today),
      });
      return object([
        { key: derivedMark, json: [{ text: String(index - 1) }] },
        { key: 'facts', json: orNull(facts) },
      ]);
    }
    if (field.is === 'part') {
      const whole = field.sql(atField(alias, def, node, part));
      const type = typeNamed(field.type);
      const json = row(type, whole, subFields(type, nodes));
      return isNonNullType(def.type) ? json : onlyWhere(`${whole} is not null`, json);
    }
    return nested(field, part, alias, owner, def, nodes);
  }

  /** SQL of the person that the row `alias` is about. */
  function personOf(view: View, alias: string, name: string): string {
    if (view.person === null)
      throw new Error(`${name} is read by relation to a person, and its row is about nobody`);
    return view.person(alias);
  }

  /** What a person's record holds of one side or the other, which cannot be told apart row by row. */
  const isOfEither = (field: Field) =>
    ('ofEitherSide' in field && field.ofEitherSide) ||
    (field.is === 'connection' && views[field.type]?.side === 'EITHER');

  const isBelowPerson = () => parent?.view === views.Person;

  /**
   * SQL: the person shares with the viewer what `side` has of this part; null where nothing has to be asked. Below a
   * person's own row it is asked of what they keep back, which is looked up once for all of it.
   */
  function shares(part: Part, personId: string, side: OfSide): string | null {
    if (parent === undefined || !isBelowPerson()) return sharesWith(kind, part, personId, side, policy);
    const condition = isShared(kind, part, side, `${parent.alias}.kept_back`);
    if (condition === null) return null;
    keepers.add(parent.alias);
    return `(${personId} = ${parent.alias}.id and ${condition})`;
  }

  /** Rows to select from, under a name. */
  const named = (rows: string, alias: string) =>
    keepers.has(alias)
      ? // Worked out where it is said, and not wherever it is named.
        `(select k.*, ${keptBack('k.id', policy)} as kept_back from (${rows}) k offset 0) ${alias}`
      : `(${rows}) ${alias}`;

  /** The rows of a type that the person shares with the viewer. */
  function sharedRows(type: string, part: Part, rows: string): string {
    const { side, person } = viewOf(type);
    if (side === undefined || person === null) return rows;
    // What hangs on something of a side was asked about with it.
    if (parent?.view.side !== undefined && inherited[side]?.includes(parent.view.side)) return rows;
    // What a person keeps back names their links too, so that a link's side is not looked up for each row.
    const isLink = side === 'LINK' && isBelowPerson();
    const ofSide = side === 'EITHER' ? side : isLink ? 'k.link_id' : sides[side]('k');
    const condition = shares(part, person('k'), ofSide);
    return condition === null ? rows : `select * from (${rows}) k where ${condition}`;
  }

  /**
   * A child inside its parent's row. The shortest SQL there is for it: what a statement costs to start grows with its
   * subqueries, and a record has dozens.
   */
  function nested(
    field: NestedField,
    part: Part,
    parent: string,
    owner: GraphQLObjectType,
    def: GraphQLField<unknown, unknown>,
    nodes: FieldNode[],
  ): Json {
    const { json, element, from } = objects(field, part, parent, owner, def, nodes);
    // An array needs no aggregate, which costs more to start than a short list costs to gather.
    return element === undefined
      ? orNull(`select ${json} from ${from}`)
      : list(`array(select ${element} from ${from})`);
  }

  /** The JSON of an object, list or page, the ids of the people in it, and where both are selected from. */
  function objects(
    field: NestedField,
    part: Part,
    parent: string,
    owner: GraphQLObjectType,
    def: GraphQLField<unknown, unknown>,
    nodes: readonly FieldNode[],
    known?: Arguments,
  ): Objects {
    const at = atField(parent, def, nodes[0]!, part, known);
    const alias = `t${aliases++}`;
    if (field.is === 'node') return anyNode(at, nodes, field.only);

    const type = field.is === 'connection' ? typeNamed(field.type) : objectType(def);
    const people = viewOf(type.name).person?.(alias) ?? 'null::uuid';
    if (field.is === 'connection')
      return page(field, at, alias, people, objectType(def), nodes, `${owner.name}.${def.name}`);
    const fields = subFields(type, nodes);
    const asks = (name: string) => hasField(fields, name);
    const [element, rows] = lookingBack(field, nodes[0]!, withArguments.length - 1, () => [
      textOf(row(type, alias, fields)),
      sharedRows(type.name, part, field.rows({ ...at, asks })),
    ]);
    const from = named(rows, alias);
    if (field.is === 'one') return { json: element, people: `array[${people}]`, from };
    return { json: textOf(list(`array_agg(${element})`)), element, people: `array_agg(${people})`, from };
  }

  /** One of several types, told apart by the prefix of the id: only the one that it names is looked up. */
  function anyNode(at: At, nodes: readonly FieldNode[], only: string | undefined): Objects {
    const found: string[] = [];
    for (const [name, view] of Object.entries(views)) {
      const { node } = view;
      if (node === undefined || (only !== undefined && only !== name)) continue;
      const type = typeNamed(name);
      const alias = `t${aliases++}`;
      const part = partOf(name, 'id');
      // What nobody of this kind reads looks like what is not there.
      if (readsPart(kind, part) === false) continue;
      under = part;
      parent = undefined;
      const fields = subFields(type, nodes);
      if (selection.typed) fields.set('__typename', [typename]);
      const uuid = at.arg('uuid', (args) => uuidOf(node.prefix, args.id));
      const people = view.person?.(alias) ?? 'null::uuid';
      // A type that the selection asks nothing of is still found: as an empty object.
      const json = textOf(row(type, alias, fields));
      found.push(
        `select ${json} as j, array[${people}] as people from ${named(nodeRows(name, part, node.rows(within(at, part), uuid)), alias)}
          where ${uuid} is not null`,
      );
    }
    if (found.length === 0) found.push(`select null::text as j, null::uuid[] as people where false`);
    return { json: 'v.j', people: 'v.people', from: `(${found.join(' union all ')}) v` };
  }

  /** The same, for a row found by its id that may be of either side. */
  function nodeRows(type: string, part: Part, rows: string): string {
    const { side, person } = viewOf(type);
    const shares = side === 'EITHER' ? sharesWith(kind, part, person!('k'), side, policy) : null;
    return shares === null ? sharedRows(type, part, rows) : `select * from (${rows}) k where ${shares}`;
  }

  /** The same place, for rows of another part. */
  const within = (at: At, part: Part): At => ({
    ...at,
    part,
    maySee: (personId) => maySeePerson(kind, personId, policy, part),
    shares: (personId, side: OfSide) => sharesWith(kind, part, personId, side, policy) ?? 'true',
  });

  function page(
    field: Extract<Field, { is: 'connection' }>,
    at: At,
    alias: string,
    people: string,
    connection: GraphQLObjectType,
    nodes: readonly FieldNode[],
    listName: string,
  ): Objects {
    const type = typeNamed(field.type);
    const keyOf = ({ cursorKeys, viewer }: Run) => cursorKeys(viewer.subject, listName);
    const after = field.keys.map(({ type, first }, i) =>
      at.arg(type, (args, run) => afterOf(args.after, field.keys.length, () => keyOf(run))?.[i] ?? first),
    );
    const size = at.arg('int', (args) => pageSize(args.first));
    // One row more than is shown tells whether there are more; nobody else needs it.
    const isTold = hasField(subFields(connection, nodes), 'pageInfo');
    const limit = isTold ? `(${size} + 1)` : size;
    const shown = isTold ? `[:${size}]` : '';
    const held = cursorKeysSql(field.keys.map(({ column }) => `${alias}.${column}`));
    const cursor = (of: string) =>
      cursorSql(
        of,
        bind('bytea', (run) => keyOf(run)),
      );

    /** What is gathered of all rows, in their order. */
    const gathered = ['count(*)::int as n', `array_agg(${people}) as people`];
    const gather = (sql: string) => `q.c${gathered.push(`array_agg(${sql}) as c${gathered.length}`) - 1}`;
    const ofRows = (json: Json) => list(`${gather(textOf(json))}${shown}`);
    const node = (nodeNodes: FieldNode[]) => row(type, alias, subFields(type, nodeNodes));

    /** An object of the page itself: each of its fields by name, but `__typename`. */
    const whole = (
      type: GraphQLObjectType,
      nodes: readonly FieldNode[],
      read: (name: string, nodes: FieldNode[]) => Json,
    ) =>
      object(
        [...subFields(type, nodes)].map(([key, fieldNodes]) => {
          const name = fieldNodes[0]!.name.value;
          if (name === '__typename') return { key, json: quoted(type.name) };
          path.push(key);
          const json = read(name, fieldNodes);
          path.pop();
          return { key, json };
        }),
      );
    const edgeType = objectType(connection.getFields().edges!);
    const edge = (edgeNodes: FieldNode[]) =>
      whole(edgeType, edgeNodes, (name, nodes) =>
        name === 'cursor' ? leaf(edgeType.getFields().cursor!.type, cursor(held)) : node(nodes),
      );
    const infoType = typeNamed('PageInfo');
    const pageInfo = (infoNodes: FieldNode[]) =>
      whole(infoType, infoNodes, (name) =>
        leaf(
          infoType.getFields()[name]!.type,
          name === 'hasNextPage' ? `q.n > ${size}` : cursor(`(${gather(held)})[least(q.n, ${size})]`),
        ),
      );
    const json = textOf(
      whole(connection, nodes, (name, partNodes) => {
        if (name === 'nodes') return ofRows(node(partNodes));
        return name === 'edges' ? ofRows(edge(partNodes)) : pageInfo(partNodes);
      }),
    );
    return {
      json,
      people: `q.people${shown}`,
      from: `(select ${gathered.join(', ')} from ${named(field.rows({ ...at, after, limit }), alias)}) q`,
    };
  }

  function subFields(type: GraphQLObjectType, nodes: readonly FieldNode[]): Map<string, FieldNode[]> {
    return collectSubFields(schema, selection.fragments, selection.variables, type, [...nodes]).fields;
  }

  function typeNamed(name: string): GraphQLObjectType {
    const type = schema.getType(name);
    if (!isObjectType(type)) throw new Error(`${name} is not an object type of the schema`);
    return type;
  }

  function objectType(def: GraphQLField<unknown, unknown>): GraphQLObjectType {
    return typeNamed(getNamedType(def.type).name);
  }

  const query = schema.getQueryType()!;
  const froms: string[] = [];
  const columns: string[] = [];
  for (const [index, root] of roots.entries()) {
    if (root.field.is === 'value' || root.field.is === 'part' || root.field.is === 'derived')
      throw new Error(`Query.${root.def.name} must be an object or a list`);
    kind = 'emergency' in root.field && root.field.emergency ? 'EMERGENCY' : role;
    const part = partOf('Query', root.def.name);
    under = part;
    parent = undefined;
    path.push(keyOf(root.nodes));
    const { json, people, from } = objects(
      root.field,
      part,
      'viewer',
      query,
      root.def,
      root.nodes,
      root.args,
    );
    path.pop();
    froms.push(`left join lateral (select ${json} as j, ${people} as people from ${from}) r${index} on true`);
    columns.push(`r${index}.j`, `r${index}.people::text`);
  }
  const keeping = roots.some(({ def }) => isKept(partOf('Query', def.name)));
  const viewer = viewerSql(
    bind('text[]', (run) => holdersOf(run.viewer, keeping)),
    today(),
  );
  const each = own.length === 0 ? '' : eachSql(own, bound.length);
  const { text, used } = renumbered(
    `select ${columns.join(', ')} from (select ${viewer}${each}) asked ${froms.join(' ')}${each && ' order by asked.n'}`,
  );
  const all = [...bound, ...own];
  return {
    statement: {
      name: createHash('sha256').update(text).digest('base64url').slice(0, 32),
      text,
      ...(each && { each: used.flatMap((index, at) => (index < bound.length ? [] : [at])) }),
    },
    parameters: used.map((index) => all[index]!.value),
    withArguments,
    parts: [...parts].filter((type) => !partless.has(type)).join(),
    derivations,
    restricted: [...restricted],
    emergency: roots.some(({ field }) => 'emergency' in field && field.emergency),
  };
}

const hasField = (fields: Map<string, FieldNode[]>, name: string) =>
  [...fields.values()].some(([first]) => first!.name.value === name);

const keyOf = ([first]: readonly FieldNode[]) => first!.alias?.value ?? first!.name.value;

/**
 * The statement with its parameters counted anew, those that its text does not name left out: a view may ask for one
 * that its SQL then has no use for, and PostgreSQL cannot tell the type of what stands nowhere.
 */
function renumbered(text: string): { text: string; used: number[] } {
  const used: number[] = [];
  const counted = text.replace(/\$(\d+)::/g, (_, number: string) => {
    const index = Number(number) - 1;
    if (!used.includes(index)) used.push(index);
    return `$${used.indexOf(index) + 1}::`;
  });
  return { text: counted, used };
}

/** SQL: further columns of a row for each request, with what is its own, and its number. */
const eachSql = (own: { type: string }[], before: number): string => {
  const arrays = own.map(({ type }, index) => `$${before + index + 1}::${type}[]`);
  return `, e.* from unnest(${arrays.join(', ')}) with ordinality e(${own.map((_, index) => `p${index + 1}`).join(', ')}, n)`;
};

type NestedField = Exclude<Field, { is: 'value' | 'part' | 'derived' }>;

/** SQL: the rows of a person in a table as they were known at an instant, to select from. */
const asKnownAt = (table: string, personId: string, instant: string) => `(
  select * from ${table} where person_id = ${personId} and recorded_at <= ${instant}
  union all
  select r.* from past p cross join lateral jsonb_populate_record(null::${table}, p.row) r
   where p.person_id = ${personId} and p.kind = '${table}' and p.recorded_at <= ${instant}
     and p.superseded_at > ${instant})`;

/** SQL: what is selected of a from-list, once or never. */
interface Objects {
  json: string;
  /** Of a list: what stands in it for a row. */
  element?: string;
  people: string;
  from: string;
}

/** How many a page may hold: 1 to 100. */
function pageSize(first: unknown): number {
  if (typeof first === 'number' && first >= 1 && first <= maxPage) return first;
  throw new Fault('PAGE_SIZE', `"first" must be 1 to ${maxPage}; it was ${String(first)}.`);
}
