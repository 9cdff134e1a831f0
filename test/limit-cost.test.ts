/** What an operation costs: what it asks for is known before it runs, what it got is told after, and no more is charged. */
import fc from 'fast-check';
import { getNamedType, getNullableType, isLeafType, isListType, isObjectType, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatalogue } from '../src/catalogue.ts';
import { objectsIn, openWeights } from '../src/limit/cost.ts';
import { listSizes, usualLimits } from '../src/limit/rules.ts';
import { JsonText } from '../src/read/execute.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { type Answer, coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { countStatements } from './setup/statement.ts';

interface Told extends Required<Answer> {
  extensions: { cost: { requested: number; actual: number; available: number } };
}

const { schema } = openCatalogue();
const weightOf = openWeights(schema);

function requestedBy(text: string, variables: Record<string, unknown> = {}, name?: string) {
  const document = parse(text);
  const operations = document.definitions.filter((d) => d.kind === 'OperationDefinition');
  const operation = operations.find((d) => name === undefined || d.name?.value === name)!;
  return weightOf(document, operation, variables).requested(variables);
}

describe('one point for each object asked for', () => {
  test.each([
    ['nothing but a name', '{ __typename }', {}, 1],
    ['one object', '{ me { name } }', {}, 1],
    ['the same twice', '{ me { name } me { role } ...f } fragment f on Query { me { name } }', {}, 1],
    ['under two aliases', '{ me { name } you: me { name } }', {}, 2],
    ['an object in it', '{ me { organisation { name } } }', {}, 2],
    ['a page', '{ caseload(first: 50) { nodes { id } } }', {}, 51],
    [
      'a page, as nodes and as edges',
      '{ caseload(first: 50) { nodes { id } edges { node { id } } pageInfo { hasNextPage } } }',
      {},
      152,
    ],
    [
      'pages on a page',
      '{ caseload(first: 10) { nodes { budgets { transfers(first: 5) { nodes { amount { amount } } } } } } }',
      {},
      1 + 10 * (1 + 5 * (1 + 1 + 5 * 2)),
    ],
    ['a list without a size of its own', '{ person(id: "x") { people { role } } }', {}, 11],
    [
      'a page whose size a variable says',
      'query ($n: Int!) { caseload(first: $n) { nodes { id } } }',
      { n: 7 },
      8,
    ],
    ['a variable with a preset', 'query ($n: Int! = 9) { caseload(first: $n) { nodes { id } } }', {}, 10],
    ['a size that is none', 'query ($n: Int!) { caseload(first: $n) { nodes { id } } }', { n: -1e9 }, 101],
    [
      'a part that is left out',
      'query ($y: Boolean!) { me @include(if: $y) { name } caseload(first: 3) @skip(if: true) { nodes { id } } }',
      { y: false },
      1,
    ],
    [
      'the same part, not left out',
      'query ($y: Boolean! = true) { me @include(if: $y) { organisation { name } } }',
      {},
      2,
    ],
    [
      'the dearest of what an id may name',
      '{ node(id: "x") { id ... on Person { identifiers { value } } ... on Budget { agreed { amount } } } }',
      {},
      5,
    ],
    [
      'a command',
      'mutation ($i: RequestSyncInput!) { requestSync(input: $i) { source { code } userErrors { code } } }',
      {},
      10 + 1 + 1 + 10,
    ],
    ['the schema', '{ __schema { types { name } } }', {}, 500],
  ])('%s', (_name, text, variables, points) => {
    expect(requestedBy(text, variables)).toBe(points);
  });

  test('a document of thousands of fields is weighed as fast as it is read', () => {
    // Merged under one key, and each level spreads the next: by hand it is one object a level.
    const levels = Array.from(
      { length: 10 },
      (_, i) => `fragment f${i} on Organisation { successors { ...f${i + 1} ...f${i + 1} } }`,
    );
    expect(
      requestedBy(
        `{ me { organisation { ...f0 } } } ${levels.join(' ')} fragment f10 on Organisation { name }`,
      ),
    ).toBe(2 + 2 ** 11 - 2);
  });

  test('objects are counted in the text of an answer, whatever its texts say', () => {
    const data = { a: { b: '{"x": {', c: [{ d: 'ends in {' }, { e: {} }], f: '\\{"g"' }, z: null };
    expect(objectsIn(new JsonText('', [JSON.stringify(data), null]), new Set()) - 1).toBe(3);
    expect(objectsIn(data, new Set())).toBe(3);
    expect(objectsIn({ ...data, s: { t: {} } }, new Set(['s']))).toBe(3);
    expect(objectsIn(null, new Set())).toBe(0);
  });

  test('every list is a page whose size must be given, or short', () => {
    const types = Object.values(schema.getTypeMap()).filter(isObjectType);
    const pages: string[] = [];
    for (const type of types) {
      for (const field of Object.values(type.getFields())) {
        const first = field.args.find(({ name }) => name === 'first');
        const isPage = getNamedType(field.type).name.endsWith('Connection');
        expect([type.name, field.name, first !== undefined]).toEqual([type.name, field.name, isPage]);
        if (!isPage) continue;
        pages.push(field.name);
        expect([field.name, String(first!.type), first!.defaultValue]).toEqual([
          field.name,
          'Int!',
          undefined,
        ]);
      }
    }
    expect(pages.length).toBeGreaterThan(10);
    for (const name of Object.keys(listSizes)) {
      const [type, field] = name.split('.') as [string, string];
      const found = schema.getType(type);
      const def = isObjectType(found) ? found.getFields()[field] : undefined;
      expect([
        name,
        def !== undefined && isListType(getNullableType(def.type)) && !isLeafType(getNamedType(def.type)),
      ]).toEqual([name, true]);
    }
  });
});

describe('at the door', () => {
  let kit: TestHub;
  let statements: Awaited<ReturnType<typeof countStatements>>;
  beforeAll(async () => {
    kit = await startTestHub({
      database: await makeDemoDatabase(),
      now: noon,
      limit: { limits: { maxCost: usualLimits.maxCost } },
    });
    statements = await countStatements(kit.database.url);
    await kit.ask('{ me { name } }');
  });
  afterAll(async () => {
    await statements.close();
    await kit.close();
  });

  async function ask(query: string, variables = {}) {
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    const response = await kit.send({ query, variables }, { authorization });
    return { status: response.status, body: (await response.json()) as Told };
  }

  /** The objects of an answer, counted one by one. */
  const objectsOf = (value: unknown): number =>
    typeof value !== 'object' || value === null
      ? 0
      : Object.values(value).reduce(
          (sum: number, part) => sum + objectsOf(part),
          Array.isArray(value) ? 0 : 1,
        );

  test('every answer says what it cost, and what is left', async () => {
    const { body } = await ask('{ caseload(first: 3) { nodes { familyName identifiers { value } } } }');
    const { requested, actual, available } = body.extensions.cost;
    expect(requested).toBe(1 + 3 * (1 + listSizes['Person.identifiers']!));
    expect(actual).toBe(objectsOf(body.data) - 1);
    const next = (await ask('{ caseload(first: 3) { nodes { id } } }')).body.extensions.cost;
    expect(available - next.available).toBe(next.actual);
  });

  test('so does the answer to a command, and to a question about the schema', async () => {
    const input = { idempotencyKey: crypto.randomUUID(), sourceCode: 'wenshire-nhs' };
    const command = await ask(
      'mutation ($input: RequestSyncInput!) { requestSync(input: $input) { source { code } userErrors { code } } }',
      { input },
    );
    expect(command.body.extensions.cost).toMatchObject({ requested: 22, actual: 12 });
    const schemaToo = await ask('{ me { name } __schema { types { name } } }');
    expect(schemaToo.body.extensions.cost).toMatchObject({ requested: 501, actual: 501 });
  });

  test('too much is refused with both figures, and the database never hears of it', async () => {
    const query =
      '{ caseload(first: 100) { nodes { budgets { transfers(first: 100) { nodes { amount { amount } } } } } } }';
    let answer: Awaited<ReturnType<typeof ask>> | undefined;
    const sent = await statements.during(async () => {
      answer = await ask(query);
    });
    const requested = 1 + 100 * (1 + 5 * (2 + 100 * 2));
    expect(answer).toMatchObject({
      status: 400,
      body: {
        errors: [
          {
            message: `This asks for up to ${requested} objects; at most 50000 may be asked for at once. Ask for smaller pages, or fewer lists inside lists.`,
            extensions: { code: 'COST_LIMIT', retryable: false },
          },
        ],
        extensions: { cost: { requested, maximum: 50_000, actual: 0 } },
      },
    });
    expect(answer!.body.data).toBeUndefined();
    expect(sent).toBe(0);
  });

  test('a limit that hangs on a variable holds for each of its values, though the document is known', async () => {
    const query =
      'query ($n: Int!) { caseload(first: $n) { nodes { budgets { transfers(first: 100) { nodes { id } } } } } }';
    const codes = [];
    for (const n of [2, 100, 2]) codes.push((await ask(query, { n })).body.errors?.[0]?.extensions.code);
    expect(codes).toEqual([undefined, 'COST_LIMIT', undefined]);
  });

  test('what is got is never more than what was asked for', async () => {
    const lists = fc.subarray(
      [
        'identifiers { value }',
        'sources { side organisation { name } }',
        'differences { id }',
        'people { role organisation { name } }',
        'budgets { agreed { amount } fundingLines { source amount { amount } } balances { left { amount } } portions { management } warnings { code } transfers(first: 4) { nodes { amount { amount } } edges { cursor node { id } } pageInfo { endCursor } } }',
        'packages { lines { unitCost { amount } } }',
        'reviews { kind duties }',
        'plan { needs { text } outcomes { text } lines { what } signOffs { party } risks { procedure } }',
        'combined { agreed { amount } byFunder { left { amount } organisation { code } } }',
        'nextReviews { duties { dueOn } }',
        'eligibilities { scheme }',
        'decisions { id }',
        'contacts { id }',
      ],
      { minLength: 1 },
    );
    let most = 0;
    await fc.assert(
      fc.asyncProperty(lists, fc.integer({ min: 1, max: 20 }), async (parts, first) => {
        const { body } = await ask(
          `{ caseload(first: ${first}) { nodes { id ${parts.join(' ')} } pageInfo { endCursor } } }`,
        );
        expect(body.errors).toBeUndefined();
        const { requested, actual } = body.extensions.cost;
        expect(actual).toBe(objectsOf(body.data) - 1);
        expect(actual).toBeLessThanOrEqual(requested);
        most = Math.max(most, actual);
      }),
      { numRuns: 40 },
    );
    expect(most).toBeGreaterThan(100);
  });

  test('a page holds 1 to 100', async () => {
    for (const first of [0, -1, 101, 1e9]) {
      const { status, body } = await ask('query ($n: Int!) { caseload(first: $n) { nodes { id } } }', {
        n: first,
      });
      expect([status, body.errors[0]!.extensions.code]).toEqual([400, 'PAGE_SIZE']);
    }
    expect((await ask('{ caseload { nodes { id } } }')).body.errors[0]!.message).toContain('"first"');
  });
});
