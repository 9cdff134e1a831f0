/** The compiled executor answers as graphql-js would: same fields, same order, same merging, same directives. */
import fc from 'fast-check';
import {
  buildSchema,
  type DocumentNode,
  execute,
  type FieldNode,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInterfaceType,
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
import { personas } from '../src/demo/persona.ts';
import { founding, makePlace, wenshire } from '../src/demo/place.ts';
import { tellStory } from '../src/demo/story.ts';
import { post } from '../src/ledger/post.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { daniel, done, gbp, personIdOf } from './setup/plan.ts';

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
  // What is agreed in the hub itself is read as well: a plan with signatures, an integrated budget, a decision.
  await tellStory({
    place,
    today,
    ask: async (as, operation, variables) =>
      (await kit.ask(operation, variables, { ...personas(place)[as] })).data,
  });
  // And a draft by which somebody pays for what is free, so that a plan with a warning is there.
  const draft = await done(kit, 'draftPlan', {
    personId: await personIdOf(kit, daniel.nhsNumber),
    title: 'Aftercare',
  });
  await done(kit, 'editPlan', {
    planId: draft.id,
    expectedVersion: draft.version,
    needs: [{ key: 'n1', text: 'To be among people', scheme: 'S117' }],
    outcomes: [{ key: 'o1', text: 'Play basketball', status: 'ACTIVE' }],
    lines: [
      {
        key: 'club',
        kind: 'SERVICE',
        what: 'The club',
        quantity: '1',
        unitCost: gbp('20.00'),
        frequency: 'WEEKLY',
        outcomeKeys: ['o1'],
        needKeys: ['n1'],
        source: 'CLIENT_CONTRIBUTION',
      },
    ],
  });
  await addWhatComesLater();
  irisId = (await kit.ask(`{ person(nhsNumber: "${iris.nhsNumber}") { id } }`)).data.person.id;
});

/** What the story does not live to see: evidence, a run of payments, a reclaim, a question about a return, money set aside. */
async function addWhatComesLater() {
  const { pool, prisma } = kit.database;
  const board = `(select id from organisation where ods_code = '${wenshire.icb.code}')`;
  await pool.query(`
    with document as (
      insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, dated, uploaded_by)
      select person_id, 'RECEIPT', 'x', 'application/pdf', 1, 'receipt.pdf', '${today}', 'x' from spend limit 1
      returning id, person_id
    ) insert into spend_evidence (spend_id, evidence_id, person_id)
      select s.id, d.id, d.person_id from document d join spend s using (person_id) limit 1;
    insert into payment_run (organisation_id, due_on, count, pence, created_by)
      values (${board}, '${today}', 0, 0, 'x');
    insert into overspend_agreement (person_id, budget_id, source, organisation_id, pence, until, reason, agreed_by)
      select person_id, budget_id, source, organisation_id, 100, '${today}', 'x', 'x' from funding_line
       where organisation_id is not null limit 1;
    insert into reclaim (person_id, budget_id, source, organisation_id, ground, reasons, pence, notice_on, pay_by, payer, created_by)
      select person_id, id, 'ICB', ${board}, 'CIRCUMSTANCES_CHANGED', 'x', 100, '${today}', '2026-12-21', 'x', 'x'
        from budget where kind = 'INTEGRATED' limit 1;
    insert into return_query (return_id, person_id, organisation_id, text, asked_by, asked_at)
      select id, person_id, ${board}, 'x', 'x', now() from financial_return limit 1`);
  const { rows } = await pool.query(
    `select id as "budgetId", person_id as "personId" from budget where kind = 'INTEGRATED' limit 1`,
  );
  const setAside = {
    kind: 'COMMITTED',
    source: 'ICB',
    pence: 100n,
    effectiveOn: today,
    portionId: null,
    description: 'Wages that are due',
    cause: `commitment/${crypto.randomUUID()}`,
  } as const;
  await prisma.$transaction((tx) => post(tx, rows[0], [setAside]));
}
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

const days = [today, '2026-04-06', '2027-01-01'];
const knownAts = ['2999-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z'];
const values: Record<string, string[]> = {
  Int: ['1', '3', '0'],
  LocalDate: days.map((day) => `"${day}"`),
  DateTime: knownAts.map((instant) => `"${instant}"`),
  ODSCode: [wenshire.council.code, wenshire.icb.code, 'ZZZ'].map((code) => `"${code}"`),
  AsAt: [
    `{ day: "${days[1]}", knownAt: "${knownAts[0]}" }`,
    `{ day: "${days[0]}" }`,
    `{ knownAt: "${knownAts[0]}" }`,
    `{ knownAt: "${knownAts[1]}" }`,
    '{ day: null }',
    'null',
  ],
};

/**
 * A field's `n`th set of arguments, as text: each by its type. The first holds only those that must be there. Nothing
 * is narrowed and nothing is paged, but by how many.
 */
function argumentsOf(field: GraphQLField<unknown, unknown>, n: number): string {
  const given = field.args.flatMap(({ name, type }) => {
    if (name === 'after' || name === 'filter' || (n === 0 && !isNonNullType(type))) return [];
    const named = getNamedType(type);
    const choice = isEnumType(named) ? named.getValues().map((value) => value.name) : values[named.name];
    if (choice === undefined) throw new Error(`what is ${field.name} asked with as ${name}: ${named.name}?`);
    if (name === 'first') return [`first: ${(n % 5) + 1}`];
    return [`${name}: ${choice[(n === 0 ? 0 : n - 1) % choice.length]}`];
  });
  return given.length === 0 ? '' : `(${given.join(', ')})`;
}

/** Random selections of a type, with arguments, aliases, repeated fields, fragments and directives on variables. */
function selectionOf(typeName: string, depth: number): fc.Arbitrary<string> {
  const type = schema.getType(typeName)!;
  if (!isObjectType(type) && !isInterfaceType(type)) throw new Error(typeName);
  const fields = Object.values(type.getFields()).filter(
    (field) => depth > 0 || isLeafType(getNamedType(field.type)),
  );
  if (fields.length === 0) return fc.constant('{ __typename }');
  // What is worked out, and what looks back, is asked for more often than by chance.
  const isRare = ({ name, args }: GraphQLField<unknown, unknown>) =>
    views[typeName]?.fields[name]?.is === 'derived' || args.some((arg) => arg.name === 'asAt');
  const one = fc
    .record({
      field: fc.constantFrom(...fields.flatMap((field) => (isRare(field) ? [field, field, field] : [field]))),
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
      n: fc.nat({ max: 6 }),
    })
    .chain(({ field, alias, directive, fragment, n }) => {
      const named = getNamedType(field.type);
      const args = argumentsOf(field, n);
      // An alias stands for one thing only: its field's name and arguments are part of it.
      const key = alias === null && field.args.length === 0 ? '' : `${alias ?? 'x'}_${field.name}_${n}: `;
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
    const made = new Set(['Query', 'Mutation', 'Subscription', 'Change', 'PageInfo', 'UserError']);
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

  describe('a field that may not be null never is, over the whole demo place', () => {
    const seen = new Set<string>();
    function check(value: unknown, type: GraphQLOutputType, path: string): void {
      if (isNonNullType(type)) {
        if (value === null || value === undefined) expect.fail(`${path} is ${value}`);
        check(value, type.ofType, path);
      } else if (value === null) return;
      else if (isListType(type)) for (const item of value as unknown[]) check(item, type.ofType, path);
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
          // Runs of payments are for finance alone, the audit for who audits.
          for (const role of ['CARE_COORDINATOR', 'FINANCE', 'AUDITOR', 'PRIVACY_OFFICER']) {
            const claims = { sub: role, tandem_role: role, organisation: wenshire.icb.code };
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
            !/^__|^Mutation$|^Subscription$|^Change$|Payload$|^UserError$/.test(name) && !seen.has(name),
        );
      expect(unseen).toEqual([]);
    });
  });

  test('everything is described', () => {
    expect(undescribed(schema)).toEqual([]);
  });
});

function typeNamed(name: string): GraphQLObjectType {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(name);
  return type;
}

const objectsOf = (name: string) =>
  Object.values(typeNamed(name).getFields()).flatMap((field) =>
    isLeafType(getNamedType(field.type)) ? [] : [field.name],
  );
const leavesOf = (type: GraphQLObjectType) =>
  Object.values(type.getFields()).filter((field) => isLeafType(getNamedType(field.type)));
const isFlat = (type: GraphQLObjectType) => leavesOf(type).length === Object.keys(type.getFields()).length;

/**
 * A field, and below it every field of every type there is. A type is spelt out where it is nearest; elsewhere, since
 * it comes from another query there, with its leaves and what is made of leaves only, such as money.
 */
function everyEdge(of: string, name: string, n: number): string {
  const spelt = new Set([of]);
  const waiting: (() => void)[] = [];
  function select(field: GraphQLField<unknown, unknown>): () => string {
    const start = `${field.name}${argumentsOf(field, n)}`;
    const type = getNamedType(field.type);
    if (!isObjectType(type)) return () => start;
    const isNearest = !spelt.has(type.name);
    spelt.add(type.name);
    const fields = Object.values(type.getFields()).filter((below) => {
      const named = getNamedType(below.type);
      return isNearest || isLeafType(named) || (isObjectType(named) && isFlat(named));
    });
    let parts: (() => string)[] = [];
    waiting.push(() => {
      parts = fields.map(select);
    });
    return () => `${start} { __typename ${parts.map((part) => part()).join(' ')} }`;
  }
  const whole = select(typeNamed(of).getFields()[name]!);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
  return whole();
}

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
