/**
 * Which document a request means, and whether it may be looked at: a trusted one by its id, or a text of the caller's
 * own, held to the limits of its shape before anything else is done with it.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DocumentNode, type GraphQLSchema, Kind, parse, specifiedRules, validate } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Viewer } from '../access/viewer.ts';
import { Fault } from '../platform/fault.ts';
import type { Limits } from './rules.ts';
import { shapeFault } from './shape.ts';

/** The texts of the trusted documents by their ids. */
export type TrustedDocuments = ReadonlyMap<string, string>;

export const documentIdOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Texts that were found to be within the limits, so that the next request need not ask. */
const maxKnown = 2_000;

export interface Asked {
  method: string;
  /** What stands behind the path. */
  search: string;
  body: unknown;
}

interface Options {
  limits: Limits;
  trusted: TrustedDocuments;
  /** Whether the viewer may send nothing but the ids of trusted documents. */
  documentsOnly: (viewer: Viewer) => boolean;
}

export function openDocuments({ limits, trusted, documentsOnly }: Options) {
  const known = new LRUCache<string, true>({ max: maxKnown });

  function checkShape(text: string): void {
    if (known.has(text)) return;
    const document = parsed(text, limits);
    // Its syntax is told by whoever parses it next.
    if (document === null) return;
    const fault = shapeFault(document, limits);
    if (fault !== null) throw fault;
    known.set(text, true);
  }

  /**
   * The body with the text of its document.
   * @throws Fault BAD_REQUEST, DOCUMENT_NOT_KNOWN, DOCUMENTS_ONLY, DOCUMENT_TOO_LARGE, NAME_RESERVED, GET_FOR_SCHEMA_ONLY
   */
  return ({ method, search, body }: Asked, viewer: Viewer): unknown => {
    if (method === 'GET') {
      if (documentsOnly(viewer)) throw onlyDocuments();
      const text = new URLSearchParams(search).get('query') ?? '';
      checkShape(text);
      if (!asksForSchemaAlone(text, limits)) throw getForSchemaOnly();
      return body;
    }
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
    const { documentId, ...rest } = body as Record<string, unknown>;
    if (isPersisted(rest.extensions)) {
      throw new Fault('BAD_REQUEST', 'Nobody can register a document here by sending it: send `documentId`.');
    }
    if (documentId === undefined || documentId === null) {
      if (documentsOnly(viewer)) throw onlyDocuments();
      if (typeof rest.query === 'string') checkShape(rest.query);
      return rest;
    }
    if (rest.query !== undefined && rest.query !== null) {
      throw new Fault('BAD_REQUEST', 'Send `documentId` or `query`, not both.');
    }
    const query = typeof documentId === 'string' ? trusted.get(documentId) : undefined;
    if (query === undefined) {
      throw new Fault(
        'DOCUMENT_NOT_KNOWN',
        'No trusted document has this id. Send the id of a document that was registered with this hub.',
      );
    }
    return { ...rest, query };
  };
}

const isPersisted = (extensions: unknown) =>
  typeof extensions === 'object' && extensions !== null && 'persistedQuery' in extensions;

const onlyDocuments = () =>
  new Fault(
    'DOCUMENTS_ONLY',
    'This client application may only send the ids of trusted documents: POST { "documentId": "sha256:…", "variables": … }.',
  );

const getForSchemaOnly = () =>
  new Fault(
    'GET_FOR_SCHEMA_ONLY',
    'By GET only the schema can be asked for, since addresses are kept in logs. POST everything else.',
  );

function parsed(text: string, { maxTokens }: Limits): DocumentNode | null {
  try {
    return parse(text, { maxTokens });
  } catch {
    return null;
  }
}

/** What cannot be read, and what is no query, is refused by whoever looks at it next. */
function asksForSchemaAlone(text: string, limits: Limits): boolean {
  const document = parsed(text, limits);
  return (document?.definitions ?? []).every(
    (d) =>
      d.kind !== Kind.OPERATION_DEFINITION ||
      d.operation !== 'query' ||
      d.selectionSet.selections.every((s) => s.kind === Kind.FIELD && s.name.value.startsWith('__')),
  );
}

/**
 * Reads the manifest that `npm run hub -- documents` writes: a JSON object of ids and texts.
 * @throws Fault DOCUMENTS_INVALID, for the operator
 */
export async function readTrusted(
  file: string,
  schema: GraphQLSchema,
  limits: Limits,
): Promise<TrustedDocuments> {
  const invalid = (why: string) => new Fault('DOCUMENTS_INVALID', `${file}: ${why}`);
  let found: unknown;
  try {
    found = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    throw invalid('cannot be read as JSON.');
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    throw invalid('is no object of ids and texts.');
  }
  for (const [id, text] of Object.entries(found)) {
    if (typeof text !== 'string' || documentIdOf(text) !== id) {
      throw invalid(`${id} is not the id of its text. Write the manifest anew.`);
    }
    const wrong = wrongWith(text, schema, limits);
    if (wrong !== null) throw invalid(`${id}: ${wrong}`);
  }
  return new Map(Object.entries(found));
}

/** What the manifest of a folder of `.graphql` files is. @throws Fault DOCUMENTS_INVALID, for the operator */
export async function manifestOf(
  folder: string,
  schema: GraphQLSchema,
  limits: Limits,
): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.graphql')).sort();
  if (names.length === 0) throw new Fault('DOCUMENTS_INVALID', `${folder} has no .graphql files.`);
  const manifest: Record<string, string> = {};
  for (const name of names) {
    const text = (await readFile(join(folder, name), 'utf8')).trim();
    const wrong = wrongWith(text, schema, limits);
    if (wrong !== null) throw new Fault('DOCUMENTS_INVALID', `${name}: ${wrong}`);
    manifest[documentIdOf(text)] = text;
  }
  return manifest;
}

function wrongWith(text: string, schema: GraphQLSchema, limits: Limits): string | null {
  const document = parsed(text, limits);
  if (document === null) return 'is not GraphQL, or has too many tokens.';
  const fault = shapeFault(document, limits);
  return fault?.message ?? validate(schema, document, specifiedRules)[0]?.message ?? null;
}
