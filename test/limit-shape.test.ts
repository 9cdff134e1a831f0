/** What a document may look like: refused as JSON, before anything is asked of the database. */
import fc from 'fast-check';
import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { usualLimits } from '../src/limit/rules.ts';
import { shapeOf } from '../src/limit/shape.ts';
import { type Answer, coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { countStatements } from './setup/statement.ts';

let kit: TestHub;
let statements: Awaited<ReturnType<typeof countStatements>>;
beforeAll(async () => {
  kit = await startTestHub();
  statements = await countStatements(kit.database.url);
  // What the hub does at its first request is not what is counted here.
  await kit.ask('{ me { name } }');
});
afterAll(async () => {
  await statements.close();
  await kit.close();
});

async function send(body: unknown) {
  const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
  const response = await kit.send(body, { authorization });
  return { status: response.status, body: JSON.parse(await response.text()) as Answer };
}

const times = (n: number, part: (i: number) => string) =>
  Array.from({ length: n }, (_, i) => part(i)).join(' ');
const nested = (depth: number) =>
  `{ person(id: "per_1") ${times(depth, () => '{ plan')} { id } ${times(depth, () => '}')} }`;
/** Each fragment spreads the next twice: thirty of them make a thousand million fields. */
const doubling = `{ ...f0 } ${times(30, (i) => `fragment f${i} on Query { ...f${i + 1} me { name } ...f${i + 1} }`)} fragment f30 on Query { me { name } }`;

const tooMuch: [string, string, string, RegExp][] = [
  ['too deep', nested(30), 'DOCUMENT_TOO_LARGE', /at most 20 levels deep; this one has 3\d/],
  [
    '300 aliases',
    `{ ${times(300, (i) => `a${i}: me { name }`)} }`,
    'DOCUMENT_TOO_LARGE',
    /200 aliases.*has 300/,
  ],
  [
    '300 aliases by a fragment',
    `{ ${times(20, () => 'a: me { ...n }')} } fragment n on Viewer { ${times(15, (i) => `a${i}: name`)} }`,
    'DOCUMENT_TOO_LARGE',
    /200 aliases.*has 320/,
  ],
  [
    '400 directives',
    `{ me { name ${times(400, () => '@include(if: true)')} } }`,
    'DOCUMENT_TOO_LARGE',
    /100 directives.*has 400/,
  ],
  [
    '1,000 duplicate fields',
    `{ me { ${times(1000, () => 'name')} } }`,
    'DOCUMENT_TOO_LARGE',
    /100 fields that repeat.*has 999/,
  ],
  [
    'duplicates in inline fragments',
    `{ me { ${times(200, () => '... { name }')} } }`,
    'DOCUMENT_TOO_LARGE',
    /has 199/,
  ],
  ['fragments that double', doubling, 'DOCUMENT_TOO_LARGE', /4000 fields.*has over 1000000000/],
  [
    'fragments that spread one another',
    '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }',
    'GRAPHQL_VALIDATION_FAILED',
    /Cannot spread fragment/,
  ],
  [
    'a fragment that spreads itself',
    '{ ...a } fragment a on Query { me { name } ...a }',
    'GRAPHQL_VALIDATION_FAILED',
    /Cannot spread fragment/,
  ],
  [
    'a fragment named __schema',
    '{ ...__schema } fragment __schema on Query { me { name } }',
    'NAME_RESERVED',
    /"__"/,
  ],
  [
    'a fragment named __proto__',
    '{ ...__proto__ } fragment __proto__ on Query { me { name } }',
    'NAME_RESERVED',
    /"__"/,
  ],
  ['an operation named __typename', 'query __typename { me { name } }', 'NAME_RESERVED', /"__"/],
  [
    'a fragment that nobody spreads, full of duplicates',
    `{ me { name } } fragment f on Viewer { ${times(1000, () => 'name')} }`,
    'DOCUMENT_TOO_LARGE',
    /has 999/,
  ],
  ['too many tokens', `{ me { ${times(5000, () => 'name')} } }`, 'GRAPHQL_PARSE_FAILED', /5000 tokens/],
  ['braces without end', '{'.repeat(6000), 'GRAPHQL_PARSE_FAILED', /./],
];

/** Found by the fuzz below: graphql-js fails over each. */
const conditional = [
  'subscription ($v: Boolean!) { changes @include(if: $v) { id } }',
  'subscription ($v: Boolean!) { ... @skip(if: $v) { changes { id } } }',
  'subscription ($v: Boolean!) { ...f } fragment f on Subscription { changes @skip(if: $v) { id } }',
];

test.each(conditional)('a subscription that may be about nothing is refused: %s', async (query) => {
  const { status, body } = await send({ query, variables: { v: true } });
  expect([status, body.errors![0]!.extensions.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
});

describe('a document that is too much', () => {
  test.each(tooMuch)(
    '%s is refused, the limit named, before a statement is sent',
    async (_name, query, code, words) => {
      let { status, body } = { status: 0, body: {} as Answer };
      const sent = await statements.during(async () => {
        ({ status, body } = await send({ query }));
      });
      expect([status, body.errors![0]!.extensions.code]).toEqual([400, code]);
      expect(body.errors![0]!.message).toMatch(words);
      expect(body.errors![0]!.extensions.requestId).toMatch(/^[\da-f-]{36}$/);
      expect(body.data).toBeUndefined();
      expect(sent).toBe(0);
    },
  );

  test('2 MB are refused as they come', async () => {
    const sent = await statements.during(async () => {
      const { status, body } = await send({ query: `{ me { name } } # ${'x'.repeat(2 * 2 ** 20)}` });
      expect([status, body.errors![0]!.extensions.code]).toEqual([413, 'BODY_TOO_LARGE']);
    });
    expect(sent).toBe(0);
  });

  test('what is counted there moves when something good is asked', async () => {
    expect(await statements.during(() => send({ query: '{ me { name } }' }))).toBeGreaterThan(0);
  });

  test('is refused the second time too', async () => {
    const [, query] = tooMuch[4]!;
    for (const _ of [1, 2]) expect((await send({ query })).status).toBe(400);
  });

  test('what is just within every limit is answered', async () => {
    const { status, body } = await send({
      query: `{ ${times(100, (i) => `a${i}: me { name }`)} me { ${times(101, () => 'name')} } }`,
    });
    expect(body.errors).toBeUndefined();
    expect([status, Object.keys(body.data).length]).toEqual([200, 101]);
  });
});

/** Documents of GraphQL's grammar that mean nothing in particular, and texts that are none. */
const { document } = fc.letrec<Record<string, string>>((tie) => ({
  name: fc.constantFrom(
    'me',
    'name',
    'person',
    'caseload',
    'nodes',
    '__typename',
    '__schema',
    'types',
    'x',
    'constructor',
    '__proto__',
    'a',
  ),
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      '1',
      '-1',
      '1e9',
      '"x"',
      '"""y"""',
      'true',
      'null',
      '$v',
      'ENUM',
      '"\\u0000"',
      '99999999999999',
    ),
    fc.array(tie('value'), { maxLength: 3 }).map((all) => `[${all.join(' ')}]`),
    fc
      .array(fc.tuple(tie('name'), tie('value')), { maxLength: 3 })
      .map((all) => `{${all.map(([k, v]) => `${k}: ${v}`).join(' ')}}`),
  ),
  arguments: fc
    .array(fc.tuple(tie('name'), tie('value')), { maxLength: 3 })
    .map((all) => (all.length === 0 ? '' : `(${all.map(([k, v]) => `${k}: ${v}`).join(' ')})`)),
  directive: fc.oneof(
    { weight: 4, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.tuple(tie('name'), tie('arguments')).map(([n, a]) => ` @${n}${a}`) },
    { weight: 1, arbitrary: fc.constantFrom(' @include(if: $v)', ' @skip(if: true)') },
  ),
  selection: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.tuple(tie('name'), tie('arguments'), tie('directive')).map(([n, a, d]) => `${n}${a}${d}`),
    fc
      .tuple(tie('name'), tie('name'), tie('arguments'), tie('set'))
      .map(([alias, n, a, s]) => `${alias}: ${n}${a} ${s}`),
    fc.tuple(tie('name'), tie('directive')).map(([n, d]) => `...${n}${d}`),
    fc.tuple(tie('set'), tie('directive')).map(([s, d]) => `...${d} ${s}`),
    fc.tuple(tie('name'), tie('set')).map(([n, s]) => `... on ${n} ${s}`),
  ),
  set: fc.array(tie('selection'), { minLength: 1, maxLength: 5 }).map((all) => `{ ${all.join(' ')} }`),
  definition: fc.oneof(
    tie('set'),
    fc
      .tuple(
        fc.constantFrom('query', 'mutation', 'subscription'),
        tie('name'),
        fc.constantFrom('', '($v: Int)', '($v: Boolean = true)', '($v: [ID!]! = [])'),
        tie('set'),
      )
      .map((all) => all.join(' ')),
    fc.tuple(tie('name'), tie('set')).map(([n, s]) => `fragment ${n} on Query ${s}`),
  ),
  document: fc.array(tie('definition'), { minLength: 1, maxLength: 4 }).map((all) => all.join('\n')),
}));

describe('whatever is sent', () => {
  test('is answered as JSON with a code, and never with a fault of ours', async () => {
    let parsed = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          { weight: 5, arbitrary: document! },
          { weight: 1, arbitrary: fc.string({ maxLength: 200 }) },
        ),
        async (query) => {
          try {
            parse(query);
            parsed += 1;
          } catch {
            // Then it is the syntax that is told.
          }
          const { status, body } = await send({ query, variables: { v: 1 } });
          expect([200, 400]).toContain(status);
          for (const { extensions } of body.errors ?? []) {
            expect(extensions.code).toMatch(/^[A-Z_]+$/);
            expect(extensions.code).not.toBe('INTERNAL_SERVER_ERROR');
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(parsed).toBeGreaterThan(100);
  });

  test('a document is looked at in as much time as it is long: its shape is counted by hand', () => {
    const shape = shapeOf(
      parse(
        'query Q @a { x: me @b { name ...n name } ... @c { me { name } } } fragment n on Viewer @d { role r: role }',
      ),
    );
    expect(shape).toEqual({ depth: 2, fields: 7, aliases: 2, directives: 4, repeated: 1 });
    expect(shapeOf(parse(doubling)).fields).toBeGreaterThan(usualLimits.maxFields);
  });
});
