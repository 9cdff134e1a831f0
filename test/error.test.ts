import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { admin, coordinator, startTestHub, type TestHub } from './setup/hub.ts';

/** Never in an answer, a header or the log, wherever it came in. It is shaped like what must not get out. */
const canary = '943 476 5918';
const name = 'Canary-Featherstonehaugh';

let kit: TestHub;
let written = '';
const log = new PassThrough();
log.on('data', (chunk) => {
  written += chunk;
});

beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon, log });
});
afterAll(() => kit.close());

async function send(body: unknown, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
  const response = await kit.send(body, { authorization, ...headers });
  const text = await response.text();
  for (const secret of [canary, canary.replaceAll(' ', ''), name]) {
    expect(text + JSON.stringify([...response.headers])).not.toContain(secret);
    expect(written).not.toContain(secret);
  }
  expect(text).not.toMatch(/node_modules|\.ts:\d+|at async/);
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

describe('an error says what to do, and nothing of what was sent', () => {
  test.each([
    [
      'a variable that is no NHS number',
      'query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }',
      { n: canary },
    ],
    [
      'a number where text belongs',
      'query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }',
      { n: 9434765918 },
    ],
    [
      'text where a number belongs',
      'query ($n: Int!) { caseload(first: $n) { nodes { id } } }',
      { n: canary },
    ],
    [
      'a value in an input object',
      'query ($f: CaseloadFilter) { caseload(first: 1, filter: $f) { nodes { id } } }',
      { f: { budget: name } },
    ],
    [
      'a field that an input does not have',
      'query ($f: CaseloadFilter) { caseload(first: 1, filter: $f) { nodes { id } } }',
      { f: { [name.replace('-', '')]: 1 } },
    ],
    ['a literal', `{ person(nhsNumber: "${canary}") { id } }`, {}],
    ['a literal of another type', `{ caseload(first: "${canary}") { nodes { id } } }`, {}],
    [
      'a literal in an enum’s place',
      `{ caseload(first: 1, filter: { budget: "${name}" }) { nodes { id } } }`,
      {},
    ],
    ['a syntax error beside it', `{ person(nhsNumber: "${canary}" "${canary}") { id } }`, {}],
    ['a string that never ends', `{ person(nhsNumber: "${canary}`, {}],
    [
      'a cursor that is none',
      'query ($a: String) { caseload(first: 1, after: $a) { nodes { id } } }',
      { a: canary },
    ],
  ])('%s', async (_name, query, variables) => {
    const { body, headers } = await send({ query, variables });
    expect(body.data ?? null).toBeNull();
    for (const { message, extensions } of body.errors) {
      expect(message.length).toBeGreaterThan(10);
      expect(extensions).toEqual({
        code: expect.stringMatching(
          /^(BAD_USER_INPUT|GRAPHQL_PARSE_FAILED|GRAPHQL_VALIDATION_FAILED|CURSOR_INVALID)$/,
        ),
        retryable: false,
        requestId: headers.get('x-request-id'),
      });
    }
  });

  test('says which variable, where in it, and what it must be', async () => {
    const { body } = await send({
      query:
        'query ($f: CaseloadFilter, $n: NHSNumber!) { caseload(first: 1, filter: $f) { nodes { id } } person(nhsNumber: $n) { id } }',
      variables: { f: { budget: name }, n: canary },
    });
    expect(body.errors.map(({ message }: never) => message)).toEqual([
      'Variable "$f" has an unusable value at budget; it must be CaseloadFilter.',
      'Variable "$n" has an unusable value; it must be NHSNumber!.',
    ]);
  });

  test('a page of none, of a hundred and one', async () => {
    for (const first of [0, -1, 101]) {
      const { body } = await send({ query: `{ caseload(first: ${first}) { nodes { id } } }` });
      expect(body.errors[0]).toMatchObject({
        message: `"first" must be 1 to 100; it was ${first}.`,
        extensions: { code: 'PAGE_SIZE' },
      });
    }
  });

  test('a person by nothing, or by two things', async () => {
    for (const args of ['', '(nhsNumber: "9990000018", id: "per_1")', '(id: null)']) {
      const { body } = await send({ query: `{ person${args} { id } }` });
      expect(body.errors[0].message).toBe('Give exactly one of "nhsNumber" and "id".');
    }
  });

  test('any alias, and any number of them', async () => {
    const aliases = Array.from({ length: 150 }, (_, index) => `${'a'.repeat(70)}${index}`);
    const fields = aliases.map((alias) => `${alias}: name`).join(' ');
    const { body } = await send({ query: `{ me { ${fields} } }` });
    expect(body.data.me).toEqual(Object.fromEntries(aliases.map((alias) => [alias, 'Nadia'])));
  });
});

describe('text that cannot be kept, or reads other than it is', () => {
  const draft = `mutation ($t: String!) { draftPlan(input: { idempotencyKey: "${crypto.randomUUID()}", personId: "per_1", title: $t }) { userErrors { code } } }`;
  // As it may stand in JSON and, but for the last, in a text of GraphQL.
  const escapes = [
    '\\u0000',
    '\\ud800',
    '\\udc00',
    '\\udc00\\ud800',
    '\\u001b[2J',
    '\\u202e',
    '\\u2067',
    '\u202e',
    '\u007f',
  ];

  test.each(escapes)('%j in a variable', async (unsafe) => {
    const { status, body, headers } = await send(
      `{"query":${JSON.stringify(draft)},"variables":{"t":"${name}${unsafe}"}}`,
    );
    expect(status).toBe(400);
    expect(body.errors[0].message).toContain('leave them out');
    expect(body.errors[0].extensions).toEqual({
      code: 'BAD_REQUEST',
      retryable: false,
      requestId: headers.get('x-request-id'),
    });
  });

  test.each(escapes)('%j in the document', async (unsafe) => {
    const { status, body } = await send({
      query: draft.replace('($t: String!) ', '').replace('$t', `"${name}${unsafe}"`),
    });
    expect(status).toBe(400);
    // graphql-js itself refuses half of a character.
    expect(body.errors[0].extensions.code).toMatch(
      /^(BAD_REQUEST|GRAPHQL_PARSE_FAILED|GRAPHQL_VALIDATION_FAILED)$/,
    );
  });

  test('in a subscription', async () => {
    const query = `subscription { changes(personId: "per_1\\u0000") { id } }`;
    const { status, body } = await send({ query }, { accept: 'text/event-stream' });
    expect([status, body.errors[0].extensions.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
  });

  test('other languages, their marks, and any character that is whole are text', async () => {
    for (const words of ['Ludmila Kováčová', 'שלום\u200f', 'naïve\tand\nmore', '😀', '\u0085']) {
      const { status, body } = await send({ query: draft, variables: { t: words } });
      expect(status).toBe(200);
      expect(body.data.draftPlan.userErrors).not.toEqual([]);
    }
    const escaped = `{"query":${JSON.stringify(draft)},"variables":{"t":"\\ud83d\\ude00 and \\\\u0000 in words"}}`;
    expect((await send(escaped)).status).toBe(200);
  });
});

describe('what nobody expected', () => {
  test('PostgreSQL’s own words stay inside, and the log has the request', async () => {
    await asOwner(kit.database.url, `alter table difference rename to "${name} ${canary}"`);
    // A plan that is cached knows the table whatever it is called, so the statement must be a new one.
    const { status, body, headers } = await send({
      query: '{ caseload(first: 1) { nodes { d: differences { id } } } }',
    });
    await asOwner(kit.database.url, `alter table "${name} ${canary}" rename to difference`);
    expect(status).toBe(500);
    expect(body.errors).toEqual([
      {
        message: 'Something went wrong here. Quote the request id.',
        extensions: {
          code: 'INTERNAL_SERVER_ERROR',
          retryable: false,
          requestId: headers.get('x-request-id'),
        },
      },
    ]);
    expect(written).toContain(headers.get('x-request-id'));
    expect(written).toContain('"code":"42P01"');
  });

  test('an error that quotes a row, raised in a command through Prisma', async () => {
    const { pool } = kit.database;
    await asOwner(
      kit.database.url,
      `create function canary() returns trigger language plpgsql as $$ begin raise exception 'for ${name} ${canary}'; end $$;
      create trigger canary before insert on outbox for each row execute function canary()`,
    );
    const authorization = `Bearer ${await kit.issuer.token(admin)}`;
    const { body } = await send(
      {
        query: `mutation { requestSync(input: { idempotencyKey: "${crypto.randomUUID()}", sourceCode: "wenshire-nhs" }) { source { code } userErrors { code } } }`,
      },
      { authorization },
    );
    await asOwner(kit.database.url, 'drop trigger canary on outbox');
    expect(body.errors[0].extensions.code).toBe('INTERNAL_SERVER_ERROR');
    const { rows } = await pool.query('select count(*)::int as n from command_receipt');
    expect(rows[0].n).toBe(0);
  });

  test('an audit that cannot be kept', async () => {
    await asOwner(
      kit.database.url,
      'create trigger canary before insert on audit_event for each row execute function canary()',
    );
    const { body } = await send({ query: '{ caseload(first: 1) { nodes { id } } }' });
    await asOwner(kit.database.url, 'drop trigger canary on audit_event');
    expect(body.errors[0].extensions).toMatchObject({ code: 'AUDIT_UNAVAILABLE', retryable: true });
    expect(body.data ?? null).toBeNull();
  });
});

describe('what never gets as far as GraphQL is JSON too', () => {
  test.each([
    ['a body too large', { query: 'x'.repeat(300_000) }, {}, 413, 'BODY_TOO_LARGE'],
    [
      'a text of a megabyte',
      { query: '{ me { name } }', variables: { n: 'x'.repeat(1_000_000) } },
      {},
      413,
      'BODY_TOO_LARGE',
    ],
    [
      'a body that is nothing but depth',
      `{"query": "{ me { name } }", "a": "\\u0041", "v": ${'['.repeat(100_000)}`,
      {},
      400,
      'BAD_REQUEST',
    ],
    ['a body that is not JSON', `{"query": "${canary}`, {}, 400, 'BAD_REQUEST'],
  ])('%s', async (_name, body, headers, status, code) => {
    const answer = await send(body, headers);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].extensions).toEqual({
      code,
      retryable: false,
      requestId: answer.headers.get('x-request-id'),
    });
  });

  test('an address where nothing is', async () => {
    const response = await fetch(
      `http://127.0.0.1:${kit.hub.port}/${name}?nhs=${encodeURIComponent(canary)}`,
    );
    expect(response.status).toBe(404);
    const text = await response.text();
    expect(JSON.parse(text).errors[0].extensions.code).toBe('NOT_FOUND');
    expect(text).not.toContain(name);
  });
});
