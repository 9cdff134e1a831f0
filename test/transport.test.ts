/** What is no way to ask: refused, and not done besides. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { introspectionFromSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCatalogue } from '../src/catalogue.ts';
import { documentIdOf, manifestOf, readTrusted } from '../src/limit/document.ts';
import { usualLimits } from '../src/limit/rules.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { type Answer, admin, coordinator, startTestHub, type TestHub } from './setup/hub.ts';

const me = 'query Me { me { name } }';
const trusted = 'query Trusted($n: Int!) { caseload(first: $n) { nodes { id } } }';

let kit: TestHub;
let closed: TestHub;
beforeAll(async () => {
  const database = await makeDemoDatabase();
  kit = await startTestHub({
    database,
    now: noon,
    limit: {
      trusted: new Map([[documentIdOf(trusted), trusted]]),
      documentsOnly: ({ client }) => client === 'portal',
    },
  });
  closed = await startTestHub({
    database: { url: database.url, drop: async () => {} },
    now: noon,
    limit: { introspection: 'admin' },
  });
});
afterAll(async () => {
  await closed.close();
  await kit.close();
});

async function call(init: RequestInit, { search = '', claims = admin as object, hub = kit } = {}) {
  const authorization = `Bearer ${await hub.issuer.token({ ...claims })}`;
  const response = await fetch(`http://127.0.0.1:${hub.hub.port}/graphql${search}`, {
    ...init,
    headers: { authorization, ...(init.headers as Record<string, string>) },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as Answer };
}

const json = { 'content-type': 'application/json' };
const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { ...json, ...headers },
  body: JSON.stringify(body),
});
const sync = () => ({
  query: 'mutation ($input: RequestSyncInput!) { requestSync(input: $input) { userErrors { code } } }',
  variables: { input: { idempotencyKey: crypto.randomUUID(), sourceCode: 'wenshire-nhs' } },
});
const searchOf = (values: Record<string, unknown>) =>
  `?${new URLSearchParams(Object.entries(values).map(([k, v]): [string, string] => [k, typeof v === 'string' ? v : JSON.stringify(v)]))}`;

async function done(): Promise<number> {
  const { rows } = await kit.database.pool.query('select count(*)::int as n from command_receipt');
  return rows[0].n;
}

/** The name, what is sent, where, and the statuses it may be refused with. */
const ways: [string, () => [RequestInit, string?], number[]][] = [
  ['several operations in one body', () => [post([sync(), sync()])], [400]],
  [
    'a persisted query by its hash alone',
    () => [post({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } })],
    [400],
  ],
  [
    'a persisted query with its text',
    () => [post({ ...sync(), extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } })],
    [400],
  ],
  ['a mutation by GET', () => [{ method: 'GET', headers: json }, searchOf(sync())], [405]],
  [
    'a person by GET',
    () => [
      { method: 'GET', headers: json },
      searchOf({ query: '{ person(nhsNumber: "9990000018") { id } }' }),
    ],
    [405],
  ],
  [
    'a person by GET, as a variable',
    () => [
      { method: 'GET', headers: json },
      searchOf({
        query: 'query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }',
        variables: { n: '9990000018' },
      }),
    ],
    [405],
  ],
  [
    'a person by GET, in a fragment',
    () => [
      { method: 'GET', headers: json },
      searchOf({ query: '{ ...f } fragment f on Query { person(nhsNumber: "9990000018") { id } }' }),
    ],
    [405],
  ],
  [
    'a document by GET that is of another site',
    () => [{ method: 'GET' }, searchOf({ query: '{ __typename }' })],
    [400],
  ],
  [
    'a body of plain text',
    () => [{ method: 'POST', headers: { 'content-type': 'text/plain' }, body: JSON.stringify(sync()) }],
    [400, 415],
  ],
  ['a body without a type', () => [{ method: 'POST', body: new Blob([JSON.stringify(sync())]) }], [400, 415]],
  ['a form', () => [{ method: 'POST', body: new URLSearchParams({ query: sync().query }) }], [400, 415]],
  [
    'files beside an operation',
    () => [
      {
        method: 'POST',
        body: (() => {
          const form = new FormData();
          form.append('operations', JSON.stringify(sync()));
          form.append('map', '{}');
          return form;
        })(),
      },
    ],
    [400, 415],
  ],
  ['an answer that nobody here can write', () => [post(sync(), { accept: 'text/html' })], [406]],
  ['PUT', () => [{ ...post(sync()), method: 'PUT' }], [405]],
  ['a document that is an object', () => [post({ query: { kind: 'Document' } })], [400]],
  ['variables that are a text', () => [post({ ...sync(), variables: '{}' })], [400]],
  ['a document and an id at once', () => [post({ ...sync(), documentId: documentIdOf(trusted) })], [400]],
];

describe('a way to ask that is none', () => {
  test.each(ways)('%s is refused as JSON, and nothing is done', async (_name, make, statuses) => {
    const before = await done();
    const [init, search] = make();
    const { status, body } = await call(init, search === undefined ? {} : { search });
    expect(statuses).toContain(status);
    expect(body.data).toBeUndefined();
    expect(body.errors![0]!.extensions.code).toMatch(/^[A-Z_]+$/);
    expect(JSON.stringify(body)).not.toContain('9990000018');
    expect(await done()).toBe(before);
  });

  test('by GET the schema may be asked for', async () => {
    const { status, body } = await call(
      { method: 'GET', headers: json },
      { search: searchOf({ query: '{ __schema { queryType { name } } }' }) },
    );
    expect([status, body.data]).toEqual([200, { __schema: { queryType: { name: 'Query' } } }]);
  });

  test('what is done the right way is done', async () => {
    const before = await done();
    expect((await call(post(sync()))).body.data.requestSync.userErrors).toEqual([]);
    expect(await done()).toBe(before + 1);
  });

  test('a WebSocket is not opened for a page of anybody’s', async () => {
    const head = await new Promise<string>((resolve, reject) => {
      const socket = connect(kit.hub.port, '127.0.0.1');
      socket.on('data', (chunk) => {
        resolve(String(chunk));
        socket.destroy();
      });
      socket.on('close', () => resolve('closed'));
      socket.on('error', reject);
      socket.write(
        `GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
    expect(head).toMatch(/^HTTP\/1\.1 403 /);
    expect(head).toContain('"FORBIDDEN"');
  });
});

describe('trusted documents', () => {
  const portal = { ...coordinator, azp: 'portal' };
  const documentId = documentIdOf(trusted);

  test('are run by their id, with variables', async () => {
    for (const claims of [portal, coordinator]) {
      const { status, body } = await call(post({ documentId, variables: { n: 2 } }), { claims });
      expect([status, body.data.caseload.nodes.length]).toEqual([200, 2]);
    }
  });

  test.each([['sha256:'.padEnd(71, '0')], ['sha256:'], [''], [7], [{}], [[documentId]], ['__proto__']])(
    'an id that is not known: %j',
    async (unknown) => {
      const { status, body } = await call(post({ documentId: unknown }), { claims: portal });
      expect([status, body.errors!.length, body.errors![0]!.extensions.code, body.data]).toEqual([
        400,
        1,
        'DOCUMENT_NOT_KNOWN',
        undefined,
      ]);
    },
  );

  test('a client for documents only may send nothing else, by no way', async () => {
    const attempts: [RequestInit, string?][] = [
      [post({ query: me })],
      // Not even the very text.
      [post({ query: trusted, variables: { n: 1 } })],
      [post({ query: me, documentId: null })],
      [{ method: 'GET', headers: json }, searchOf({ query: '{ __typename }' })],
      [post({ query: 'subscription { changes { id } }' }, { accept: 'text/event-stream' })],
    ];
    for (const [init, search] of attempts) {
      const { status, body } = await call(init, {
        claims: portal,
        ...(search === undefined ? {} : { search }),
      });
      expect([status, body.errors![0]!.extensions.code]).toEqual([403, 'DOCUMENTS_ONLY']);
    }
    expect((await call(post({ query: me }), { claims: { ...coordinator, azp: 'another' } })).status).toBe(
      200,
    );
  });

  test('a manifest is written from a folder, and read again only as it was written', async () => {
    const { schema } = openCatalogue();
    const folder = await mkdtemp(join(tmpdir(), 'tandem-documents-'));
    try {
      await writeFile(join(folder, 'me.graphql'), `${me}\n`);
      await writeFile(join(folder, 'caseload.graphql'), trusted);
      const manifest = await manifestOf(folder, schema, usualLimits);
      expect(manifest).toEqual({ [documentIdOf(me)]: me, [documentId]: trusted });
      const file = join(folder, 'documents.json');
      const written = async (content: unknown) => {
        await writeFile(file, JSON.stringify(content));
        return readTrusted(file, schema, usualLimits);
      };
      expect(await written(manifest)).toEqual(new Map(Object.entries(manifest)));
      await expect(written({ [documentId]: me })).rejects.toThrow('is not the id of its text');
      await expect(written({ [documentIdOf('{ nothing }')]: '{ nothing }' })).rejects.toThrow(
        'Cannot query field',
      );
      await expect(written([trusted])).rejects.toThrow('no object');
      await writeFile(join(folder, 'wrong.graphql'), '{ caseload { nodes { id } } }');
      await expect(manifestOf(folder, schema, usualLimits)).rejects.toThrow('wrong.graphql');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('asking for the schema', () => {
  test('is refused where it is for admins, however it is asked, though the document is known', async () => {
    const asked = [
      '{ __schema { types { name } } }',
      '{ t: __type(name: "Person") { fields { name } } me { name } }',
      'query { ...f } fragment f on Query { __schema { queryType { name } } }',
    ];
    for (const query of asked) {
      expect((await call(post({ query }), { hub: closed })).status).toBe(200);
      const { status, body } = await call(post({ query }), { claims: coordinator, hub: closed });
      expect([status, body.errors![0]!.extensions.code, body.data]).toEqual([
        400,
        'INTROSPECTION_OFF',
        undefined,
      ]);
    }
    expect(
      (await call(post({ query: '{ __typename me { __typename } }' }), { claims: coordinator, hub: closed }))
        .status,
    ).toBe(200);
  });

  test('no message tells there what a name might have meant', async () => {
    const query = '{ me { nam } }';
    const told = async (claims: object, hub: TestHub, headers = {}) =>
      (await call(post({ query }, headers), { claims, hub })).body.errors![0]!.message;
    expect(await told(coordinator, kit)).toContain('Did you mean "name"');
    expect(await told(admin, closed)).toContain('Did you mean');
    expect(await told(coordinator, closed)).toBe('Cannot query field "nam" on type "Viewer".');
    expect(await told(coordinator, closed, { accept: 'text/event-stream' })).toBe(
      'Cannot query field "nam" on type "Viewer".',
    );
  });

  test('the whole of it is within the limits of a document', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    const { body } = await call(post({ query: getIntrospectionQuery() }));
    expect(body.data.__schema.types.length).toBe(
      introspectionFromSchema(openCatalogue().schema).__schema.types.length,
    );
  });
});
