/** The compiled executor answers as graphql-js would: same fields, same order, same merging, same directives. */
import fc from 'fast-check';
import {
  buildSchema,
  type DocumentNode,
  execute,
  type FieldNode,
  type GraphQLArgument,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  parse,
  print,
  type SelectionSetNode,
  validate,
  visit,
} from 'graphql';
import { serverAudits } from 'graphql-http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatalogue, typeDefs, views } from '../src/catalogue.ts';
import { founding, makePlace, wenshire } from '../src/demo/place.ts';
import { openPipeline } from '../src/platform/pipeline.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { everyEdge, leavesOf, objectsOf, selectionOf, typeNamed } from './setup/operation.ts';
import { tellAll } from './setup/told.ts';

const { schema } = openCatalogue();
/** The same schema without anything of the hub's behind it. */
const plain = buildSchema(typeDefs.join('\n'));
const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;

/** As many tokens as a document may have. */
const maxTokens = 5_000;

/** What is asked here is not what anybody would write. */
const most = 1e6;
const anyShape = {
  maxDepth: most,
  maxFields: most,
  maxAliases: most,
  maxDirectives: most,
  maxRepeated: most,
};

let kit: TestHub;
let irisId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon, limit: { limits: anyShape } });
  await tellAll(kit);
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

const typesOf = (of: GraphQLSchema) => Object.values(of.getTypeMap()).filter(isObjectType);

/** Types that a rule gives whole, in the answer of some derived field. */
const derivedTypes = (() => {
  const found = new Set<string>();
  const add = (type: GraphQLOutputType) => {
    const named = getNamedType(type);
    if (!isObjectType(named) || found.has(named.name)) return;
    found.add(named.name);
    for (const field of Object.values(named.getFields())) add(field.type);
  };
  for (const type of typesOf(schema)) {
    for (const [name, field] of Object.entries(views[type.name]?.fields ?? {}))
      if (field.is === 'derived') add(type.getFields()[name]!.type);
  }
  return found;
})();

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
    const met = { derived: 0, asAt: 0 };
    await fc.assert(
      fc.asyncProperty(operations, async (query) => {
        const document = parse(query);
        // Two selections under one key that differ are refused by GraphQL itself, before anything is executed.
        fc.pre(document.tokenCount! < maxTokens && validate(schema, document).length === 0);
        const variables = { yes: true, no: false, id: irisId, number: iris.nhsNumber };
        const { data, errors } = await kit.ask(query, variables);
        expect(errors).toBeUndefined();
        const reference = await asReference(document, data, variables);
        expect(reference.errors).toBeUndefined();
        expect(JSON.stringify(data)).toBe(JSON.stringify(reference.data));
        compared += 1;
        met.derived += / (nextReviews|statementS26|warnings|missingSignatures|duties)/.test(query) ? 1 : 0;
        met.asAt += /asAt: {/.test(query) ? 1 : 0;
      }),
      { numRuns: 50 },
    );
    expect(compared).toBeGreaterThan(20);
    expect(Math.min(met.derived, met.asAt)).toBeGreaterThan(10);
  });

  test('gives the same when graphql-js executes it itself, as beside introspection', async () => {
    const selection = `{ me { name organisation { name } } person(id: "${irisId}") { id a: familyName plan(asAt: { day: "${today}" }) { needs { text } w: missingSignatures warnings { code } } nextReviews { d: duties { duty dueOn } } budgets { s: statementS26 { t: councilPays { amount } } transfers(first: 2) { nodes { id } edges { cursor } pageInfo { endCursor } } } }
      node(id: "${irisId}") { __typename id ... on Person { combined { byFunder { source left { formatted } } } } ... on Budget { kind } } caseload(first: 2) { nodes { familyName } } `;
    const compiled = await kit.ask(`${selection} }`);
    const executed = await kit.ask(`${selection} __schema { queryType { name } } }`);
    expect(executed.errors).toBeUndefined();
    const { __schema, ...rest } = executed.data;
    expect(__schema.queryType.name).toBe('Query');
    expect(JSON.stringify(rest)).toBe(JSON.stringify(compiled.data));
  });

  test.each(['id', 'kind', 'kind agreed { formatted }', 'status', '__typename'])(
    'gives whoever sees themself alone their budgets, whatever of them is asked: %s',
    async (asked) => {
      const { data, errors } = await kit.ask(
        `query ($n: NHSNumber!) { person(nhsNumber: $n) { budgets { ${asked} } } }`,
        { n: iris.nhsNumber },
        { sub: 'iris', tandem_role: 'PERSON', nhs_number: iris.nhsNumber },
      );
      expect(errors).toBeUndefined();
      expect(data.person.budgets.length).toBeGreaterThan(0);
    },
  );

  test('gives a page of which nothing but its own name is asked', async () => {
    const { data, errors } = await kit.ask(
      `query ($id: ID!) { person(id: $id) { budgets { transfers(first: 1) { pageInfo { __typename } } } } }`,
      { id: irisId },
    );
    expect(errors).toBeUndefined();
    expect(data.person.budgets[0].transfers).toEqual({ pageInfo: { __typename: 'PageInfo' } });
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

/** One field of each kind, and several levels of each: values, parts, objects, lists, pages, and what is worked out. */
const manyKinds = parse(`query ($id: ID!) {
  person(id: $id) {
    familyName
    identifiers { value system }
    plan(asAt: { day: "${today}" }) { title missingSignatures lines { what unitCost { amount currency } portion { management duties { fundsHolder { holder } } } } }
    budgets { kind statementS26 { councilPays { amount formatted } otherPublicMoney { source amount { amount } } } agreed { amount currency } transfers(first: 3) { nodes { kind amount { amount } } edges { cursor node { source } } pageInfo { hasNextPage endCursor } } }
    combined { agreed { amount } byFunder { source organisation { code name } } }
    nextReviews { duties { duty dueOn } joint { on duties } }
  }
  node(id: $id) { id }
  caseload(first: 3) { nodes { givenName identifiers { value } } pageInfo { endCursor } }
}`);

/** The document with one field of each selection set under this alias. */
const aliased = (document: DocumentNode, alias: string, turn: number): DocumentNode =>
  visit(document, {
    enter(node, _key, parent) {
      const siblings = Array.isArray(parent) ? parent : [];
      if (node.kind !== Kind.FIELD || siblings.indexOf(node) !== turn % siblings.length) return undefined;
      return { ...node, alias: { kind: Kind.NAME, value: alias } };
    },
  });

/** What the aliased selection must give, of what the plain one gave. */
function underAliases(data: unknown, { selections }: SelectionSetNode): unknown {
  if (Array.isArray(data))
    return data.map((item) => underAliases(item, { kind: Kind.SELECTION_SET, selections }));
  if (data === null) return null;
  return Object.fromEntries(
    (selections as FieldNode[]).map(({ name, alias, selectionSet }) => {
      const value = (data as Record<string, unknown>)[name.value];
      return [alias?.value ?? name.value, selectionSet ? underAliases(value, selectionSet) : value];
    }),
  );
}

const inTheStatement = ['o', 'o1', 'o2', 'o3', 't0', 'q', 'v', 'j', 'people', 'facts'];

test.each(inTheStatement)(
  'an alias may be a name that the statement itself has for something: %s',
  async (alias) => {
    const plainly = (await kit.ask(print(manyKinds), { id: irisId })).data;
    expect(plainly.person.budgets.length * plainly.person.plan.lines.length).toBeGreaterThan(0);
    for (let turn = 0; turn < 6; turn++) {
      const document = aliased(manyKinds, alias, turn);
      const { data, errors } = await kit.ask(print(document), { id: irisId });
      expect(errors).toBeUndefined();
      const [operation] = document.definitions;
      const wanted = underAliases(plainly, (operation as { selectionSet: SelectionSetNode }).selectionSet);
      expect(JSON.stringify(data)).toBe(JSON.stringify(wanted));
    }
  },
);

describe('what every view owes to the schema', () => {
  test('each field of each type is read from somewhere', () => {
    // What is told as it happens is made by no view.
    const made = new Set([
      'Query',
      'Mutation',
      'Subscription',
      'Change',
      'BulkFileChange',
      'PageInfo',
      'UserError',
    ]);
    // What a view names as the type of something that has rows must have a view; what only rules give has none.
    const ofRows = new Set(
      typesOf(schema).flatMap((type) =>
        Object.entries(views[type.name]?.fields ?? {}).flatMap(([name, field]) =>
          field.is === 'derived' ? [] : [getNamedType(type.getFields()[name]!.type).name],
        ),
      ),
    );
    const onlyDerived = [...derivedTypes].filter((name) => !ofRows.has(name) && views[name] === undefined);
    expect(onlyDerived).toContain('StatementS26');
    for (const type of typesOf(schema)) {
      if (made.has(type.name) || /^__|Connection$|Edge$|Payload$/.test(type.name)) continue;
      if (onlyDerived.includes(type.name)) {
        expect(type.getInterfaces()).toEqual([]);
        continue;
      }
      expect([type.name, ...Object.keys(views[type.name]?.fields ?? {}).sort()]).toEqual([
        type.name,
        ...Object.keys(type.getFields()).sort(),
      ]);
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

  test('a day is written the same, whatever style the server writes days in', async () => {
    const config = { connectionString: kit.database.url, options: '-c datestyle=German' };
    const pipeline = openPipeline(config, { lanes: 1, readOnly: true });
    try {
      const day = { name: 'day', text: `select concat('2026-11-22'::date)` };
      expect(await pipeline.run(day, [])).toEqual([['2026-11-22']]);
    } finally {
      await pipeline.close();
    }
  });

  describe('a field that may not be null never is, over the whole demo place', () => {
    const seen = new Set<string>();
    function check(value: unknown, type: GraphQLOutputType, path: string): void {
      if (isNonNullType(type)) {
        if (value === null || value === undefined) expect.fail(`${path} is ${value}`);
        check(value, type.ofType, path);
      } else if (value === null) return;
      else if (isLeafType(type)) {
        // What is only put in quotes would be empty.
        if (value === '' && type.name !== 'String') expect.fail(`${path} is empty`);
      } else if (isListType(type)) for (const item of value as unknown[]) check(item, type.ofType, path);
      else if (isObjectType(type)) {
        seen.add(type.name);
        for (const [key, part] of Object.entries(value as object))
          if (key !== '__typename') check(part, type.getFields()[key]!.type, `${path}.${key}`);
      }
    }

    // Optional arguments left out, and then given.
    for (const n of [0, 1, 2]) {
      test.each(objectsOf('Person'))(`Person.%s, arguments ${n}`, async (name) => {
        const leaves = leavesOf(typeNamed('Person'))
          .map((field) => field.name)
          .join(' ');
        const selection = everyEdge('Person', name, n);
        const query = `query ($after: String) { caseload(first: 100, after: $after) { nodes { ${leaves} ${selection} } pageInfo { hasNextPage endCursor } } }`;
        // Who looked at a record is for the person alone.
        const nhs_number = iris.nhsNumber;
        const claims =
          name === 'accessLog' ? { sub: 'iris', tandem_role: 'PERSON', nhs_number } : { ...coordinator };
        for (let after: string | null = null, more = true; more; ) {
          const { data, errors } = await kit.ask(query, { after }, claims);
          expect(errors).toBeUndefined();
          for (const person of data.caseload.nodes) check(person, typeNamed('Person'), 'Person');
          after = data.caseload.pageInfo.endCursor;
          more = data.caseload.pageInfo.hasNextPage;
        }
      });

      test.each(objectsOf('Query').filter((name) => !['node', 'person', 'emergencyRecord'].includes(name)))(
        `Query.%s, arguments ${n}`,
        async (name) => {
          // Runs of payments are for finance alone, the audit for who audits, managed packages for who manages.
          for (const role of ['CARE_COORDINATOR', 'FINANCE', 'AUDITOR', 'PRIVACY_OFFICER', 'PROVIDER']) {
            const organisation = role === 'PROVIDER' ? wenshire.charity.code : wenshire.icb.code;
            const claims = { sub: role, tandem_role: role, organisation };
            const { data, errors } = await kit.ask(`{ ${everyEdge('Query', name, n)} }`, {}, claims);
            expect(errors).toBeUndefined();
            check(data, typeNamed('Query'), 'Query');
          }
        },
      );
    }

    test('and each type was there to be looked at', () => {
      const unseen = typesOf(schema)
        .map(({ name }) => name)
        .filter(
          (name) =>
            !/^__|^Mutation$|^Subscription$|^(BulkFile)?Change$|Payload$|^UserError$/.test(name) &&
            !seen.has(name),
        );
      expect(unseen).toEqual([]);
    });
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
