/** The compiled executor answers as graphql-js would: same fields, same order, same merging, same directives. */
import fc from 'fast-check';
import {
  buildSchema,
  type DocumentNode,
  execute,
  type GraphQLArgument,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import { serverAudits } from 'graphql-http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatalogue, typeDefs, views } from '../src/catalogue.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

const { schema } = openCatalogue();
/** The same schema without anything of the hub's behind it. */
const plain = buildSchema(typeDefs.join('\n'));
const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;

let kit: TestHub;
let irisId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  irisId = (await kit.ask(`{ person(nhsNumber: "${iris.nhsNumber}") { id } }`)).data.person.id;
});
afterAll(() => kit.close());

/** What graphql-js makes of the answer when it executes the document over it: the answer itself, if it is right. */
async function asReference(document: DocumentNode, data: unknown, variableValues: Record<string, unknown>) {
  return execute({
    schema: plain,
    document,
    rootValue: data,
    variableValues,
    fieldResolver: (source, _args, _context, info) => source?.[info.path.key],
    typeResolver: (value) => typeOfId(String((value as { reference: string }).reference)),
  });
}

/** `node` answers carry no type of their own: every generated `node` selection asks for `reference: id`. */
const typeOfId = (id: string) =>
  Object.entries(views).find(([, { node }]) => node !== undefined && id.startsWith(`${node.prefix}_`))![0];

/** Random selections of a type, with aliases, repeated fields, fragments and directives on variables. */
function selectionOf(typeName: string, depth: number): fc.Arbitrary<string> {
  const type = schema.getType(typeName)!;
  if (!isObjectType(type) && !isInterfaceType(type)) throw new Error(typeName);
  const fields = Object.values(type.getFields()).filter(
    (field) => depth > 0 || isLeafType(getNamedType(field.type)),
  );
  if (fields.length === 0) return fc.constant('{ __typename }');
  const one = fc
    .record({
      field: fc.constantFrom(...fields),
      alias: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 3, nil: null }),
      directive: fc.constantFrom(
        '',
        '',
        '',
        ' @skip(if: $yes)',
        ' @include(if: $yes)',
        ' @skip(if: $no)',
        ' @include(if: true)',
      ),
      fragment: fc.constantFrom(false, false, true),
      first: fc.integer({ min: 1, max: 5 }),
    })
    .chain(({ field, alias, directive, fragment, first }) => {
      const named = getNamedType(field.type);
      const args = field.args.some((arg) => arg.name === 'first') ? `(first: ${first})` : '';
      // An alias stands for one thing only: its field's name and argument are part of it.
      const key = alias === null && args === '' ? '' : `${alias ?? 'x'}_${field.name}_${first}: `;
      const below = isLeafType(named)
        ? fc.constant('')
        : selectionOf(named.name, depth - 1).map((s) => ` ${s}`);
      return below.map((selection) => {
        const text = `${key}${field.name}${args}${directive}${selection}`;
        return fragment ? `... on ${typeName}${directive} { ${text} }` : text;
      });
    });
  return fc
    .array(fc.oneof({ weight: 9, arbitrary: one }, { weight: 1, arbitrary: fc.constant('__typename') }), {
      minLength: 1,
      maxLength: 6,
    })
    .map((parts) => `{ always: __typename ${parts.join(' ')} }`);
}

const operations = fc
  .tuple(
    selectionOf('Person', 4),
    selectionOf('PersonConnection', 4),
    selectionOf('Person', 3),
    selectionOf('SyncRunConnection', 3),
    fc.boolean(),
  )
  .map(
    ([
      person,
      caseload,
      node,
      runs,
      me,
    ]) => `query ($yes: Boolean!, $no: Boolean!, $id: ID!, $number: NHSNumber!) {
      one: person(id: $id) ${person} two: person(nhsNumber: $number) { id } caseload(first: 3) ${caseload}
      node(id: $id) { reference: id ...some } syncRuns(first: 2) ${runs} ${me ? 'me { role }' : ''} __typename }
      fragment some on Person ${node}`,
  );

describe('a compiled operation', () => {
  test('answers what graphql-js makes of the same document', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(operations, async (query) => {
        const document = parse(query);
        // Two selections under one key that differ are refused by GraphQL itself, before anything is executed.
        fc.pre(validate(schema, document).length === 0);
        const variables = { yes: true, no: false, id: irisId, number: iris.nhsNumber };
        const { data, errors } = await kit.ask(query, variables);
        expect(errors).toBeUndefined();
        const reference = await asReference(document, data, variables);
        expect(reference.errors).toBeUndefined();
        expect(JSON.stringify(data)).toBe(JSON.stringify(reference.data));
        compared += 1;
      }),
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(20);
  });

  test('gives the same when graphql-js executes it itself, as beside introspection', async () => {
    const selection = `{ me { name organisation { name } } person(id: "${irisId}") { id a: familyName plan { needs { text } } budgets { transfers(first: 2) { nodes { id } edges { cursor } pageInfo { endCursor } } } }
      node(id: "${irisId}") { __typename id ... on Person { combined { byFunder { source left { formatted } } } } ... on Budget { kind } } caseload(first: 2) { nodes { familyName } } `;
    const compiled = await kit.ask(`${selection} }`);
    const executed = await kit.ask(`${selection} __schema { queryType { name } } }`);
    expect(executed.errors).toBeUndefined();
    const { __schema, ...rest } = executed.data;
    expect(__schema.queryType.name).toBe('Query');
    expect(rest).toEqual(compiled.data);
  });

  test('binds variables anew each time', async () => {
    const query = 'query ($n: Int!, $id: ID!) { caseload(first: $n) { nodes { id } } node(id: $id) { id } }';
    for (const n of [1, 5, 2]) {
      const { data } = await kit.ask(query, { n, id: irisId });
      expect(data.caseload.nodes).toHaveLength(n);
      expect(data.node.id).toBe(irisId);
    }
  });
});

describe('what every view owes to the schema', () => {
  test('each field of each type is read from somewhere', () => {
    const made = new Set(['Query', 'Mutation', 'PageInfo', 'UserError']);
    for (const type of Object.values(schema.getTypeMap())) {
      if (!isObjectType(type) || made.has(type.name) || /^__|Connection$|Edge$|Payload$/.test(type.name))
        continue;
      expect(Object.keys(views[type.name]?.fields ?? {}).sort()).toEqual(
        Object.keys(type.getFields()).sort(),
      );
      expect(type.getInterfaces().length > 0).toBe(views[type.name]!.node !== undefined);
    }
    expect(Object.keys(views.Query!.fields).sort()).toEqual(
      Object.keys(schema.getQueryType()!.getFields()).sort(),
    );
  });

  test('two types never share the prefix of their ids', () => {
    const prefixes = Object.values(views).flatMap(({ node }) => (node === undefined ? [] : [node.prefix]));
    expect(new Set(prefixes).size).toBe(prefixes.length);
  });

  test('values of enums are those of the database', async () => {
    const client = new pg.Client({ connectionString: kit.database.url });
    await client.connect();
    const { rows } = await client.query(
      `select t.typname as name, array_agg(e.enumlabel::text order by e.enumsortorder) as values
         from pg_type t join pg_enum e on e.enumtypid = t.oid group by 1`,
    );
    await client.end();
    const stored = new Map(rows.map(({ name, values }) => [name, values.split ? values : values]));
    let compared = 0;
    for (const type of Object.values(schema.getTypeMap())) {
      const name = type.name.replace(/(?!^)([A-Z])/g, '_$1').toLowerCase();
      if (!isEnumType(type) || !stored.has(name)) continue;
      const values = stored.get(name);
      const list = typeof values === 'string' ? values.slice(1, -1).split(',') : values;
      expect(
        type
          .getValues()
          .map((value) => value.name)
          .sort(),
      ).toEqual([...list].sort());
      compared += 1;
    }
    expect(compared).toBeGreaterThan(12);
  });

  test('a field that may not be null never is, over the whole demo place', async () => {
    const everything = (name: string, depth: number): string => {
      const type = schema.getType(name);
      if (!isObjectType(type)) throw new Error(name);
      const fields = Object.values(type.getFields()).flatMap((field) => {
        const named = getNamedType(field.type).name;
        if (isLeafType(getNamedType(field.type))) return [field.name];
        if (depth === 0) return [];
        const args = field.args.length > 0 ? '(first: 3)' : '';
        return [`${field.name}${args} ${everything(named, depth - 1)}`];
      });
      return fields.length === 0 ? '{ __typename }' : `{ ${fields.join(' ')} }`;
    };
    const query = `query ($after: String) { caseload(first: 100, after: $after) { nodes ${everything('Person', 4)} pageInfo { hasNextPage endCursor } } }`;
    const check = (value: unknown, type: GraphQLOutputType, path: string): void => {
      if (isNonNullType(type)) {
        expect(value, path).not.toBeNull();
        check(value, type.ofType, path);
      } else if (value === null) return;
      else if (isListType(type)) for (const item of value as unknown[]) check(item, type.ofType, path);
      else if (isObjectType(type)) {
        for (const [key, part] of Object.entries(value as object))
          check(part, type.getFields()[key]!.type, `${path}.${key}`);
      }
    };
    for (let after: string | null = null, more = true; more; ) {
      const { data, errors } = await kit.ask(query, { after });
      expect(errors).toBeUndefined();
      for (const person of data.caseload.nodes)
        check(person, schema.getType('Person') as GraphQLOutputType, 'Person');
      after = data.caseload.pageInfo.endCursor;
      more = data.caseload.pageInfo.hasNextPage;
    }
  });

  test('everything is described', () => {
    expect(undescribed(schema)).toEqual([]);
  });
});

function undescribed(of: GraphQLSchema): string[] {
  const builtIn = new Set(['String', 'Int', 'Float', 'Boolean', 'ID', 'Query', 'Mutation']);
  return Object.values(of.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith('__')) return [];
    const missing = type.description || builtIn.has(type.name) ? [] : [type.name];
    if (isEnumType(type)) {
      missing.push(...type.getValues().flatMap((v) => (v.description ? [] : [`${type.name}.${v.name}`])));
    }
    if ('getFields' in type) {
      for (const field of Object.values(type.getFields())) {
        if (!field.description) missing.push(`${type.name}.${field.name}`);
        const args: readonly GraphQLArgument[] = 'args' in field ? field.args : [];
        missing.push(
          ...args.filter((a) => !a.description).map((a) => `${type.name}.${field.name}(${a.name})`),
        );
      }
    }
    return missing;
  });
}

describe('GraphQL over HTTP', () => {
  test("the specification's audits: no MUST fails", async () => {
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    const audits = serverAudits({
      url: `http://127.0.0.1:${kit.hub.port}/graphql`,
      fetchFn: (url: string, init: RequestInit = {}) =>
        fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), authorization } }),
    });
    const results = await Promise.all(audits.map((audit) => audit.fn()));
    expect(results.length).toBeGreaterThan(50);
    const failed = results.filter(({ status }) => status === 'error' || status === 'warn');
    expect(failed.filter(({ name }) => name.startsWith('MUST')).map(({ name }) => name)).toEqual([]);
  });
});
