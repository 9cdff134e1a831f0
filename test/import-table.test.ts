import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const top = fileURLToPath(new URL('..', import.meta.url));

/** The domains, each of which may use those before it. */
const domains = [
  'person',
  'confidentiality',
  'access-log',
  'eligibility',
  'commissioner',
  'plan',
  'budget',
  'ledger',
  'package',
  'review',
  'decision',
  'spending',
  'evidence',
  'bulk',
  'payment',
  'surplus',
  'package-change',
  'team',
  'ask-once',
];
const below = ['platform', 'access', 'audit', 'write', 'read'];
const rooms = [
  ...below,
  'limit',
  ...domains,
  'intake',
  'return',
  'work',
  'live',
  'demo',
  'portal',
  'explorer',
];

/** What each room may import besides itself and `src/generated`: the table of the architecture, as data. */
const mayImport: Record<string, string[]> = {
  platform: [],
  access: ['platform'],
  audit: ['platform', 'access'],
  write: ['platform', 'access', 'audit'],
  read: ['platform', 'access', 'audit', 'write'],
  // What may be asked, and how often: it stands before the reader.
  limit: below,
  ...Object.fromEntries(domains.map((domain, index) => [domain, [...below, ...domains.slice(0, index)]])),
  intake: [...below, ...domains],
  return: [...below, ...domains],
  work: [...below, ...domains],
  live: [...below, 'limit', ...domains],
  demo: ['platform'],
  // Pages ask the API with the visitor's own rights.
  portal: ['platform', 'access'],
  explorer: [],
  // Files right in `src` put the rooms together, and only one another and the worker use them.
  front: [...rooms, 'jobs', 'prisma'],
  jobs: rooms.filter((room) => room !== 'portal'),
  prisma: ['platform'],
};

/** Single files that a room may use though the table does not let it into their room. */
const exceptions = [
  // The demo's source systems hand over the shape that intake takes; they share its types and run none of its code.
  { from: 'demo', file: 'src/intake/submission.ts', typeOnly: true },
  { from: 'jobs', file: 'src/catalogue.ts', typeOnly: false },
];

const ignored = ['src/generated', 'prisma/migrations', 'prisma/reference'];

/** The room a path from the top belongs to: a folder under `src`, or of the top. */
function roomOf(path: string): string {
  const [first, second, third] = path.split('/');
  if (first !== 'src') return first!;
  return third === undefined ? 'front' : second!;
}

function filesOf(folder: string): string[] {
  if (!existsSync(join(top, folder)) || ignored.includes(folder)) return [];
  return readdirSync(join(top, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return filesOf(path);
    return /\.[jt]sx?$/.test(entry.name) ? [path] : [];
  });
}

interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Every static import and re-export, `import()` and `import('…').Type`. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      const typeOnly = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly;
      found.push({ specifier: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteral(specifier))
        found.push({ specifier: specifier.text, typeOnly: false });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found.push({ specifier: (node.argument.literal as ts.StringLiteral).text, typeOnly: true });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

/** What in this file breaks the table; also for texts that are not on disk, so that the check itself can be tested. */
function breaches(file: string, text: string): string[] {
  const room = roomOf(file);
  const allowed = mayImport[room];
  if (!allowed) return [`${file}: "${room}" is not in the table of rooms`];
  return importsOf(file, text).flatMap(({ specifier, typeOnly }) => {
    if (!specifier.startsWith('.')) return [];
    const target = relative(top, resolve(top, dirname(file), specifier));
    const targetRoom = roomOf(target);
    if (targetRoom === room || targetRoom === 'generated' || allowed.includes(targetRoom)) return [];
    const isException = exceptions.some(
      (e) => e.from === room && e.file === target && (typeOnly || !e.typeOnly),
    );
    if (isException) return [];
    return [`${file}: ${room} may not import ${target}`];
  });
}

const files = ['src', 'jobs', 'prisma'].flatMap(filesOf);

describe('the table of rooms', () => {
  test('is kept by every file', () => {
    expect(files).toContain('src/platform/fault.ts');
    expect(files.flatMap((file) => breaches(file, readFileSync(join(top, file), 'utf8')))).toEqual([]);
  });

  test.each([
    ['src/platform/x.ts', `import { policy } from '../access/policy.ts';`],
    ['src/person/x.ts', `import type { Plan } from '../plan/view.ts';`],
    ['src/person/x.ts', `export * from '../plan/view.ts';`],
    ['src/person/x.ts', `const plan = await import('../plan/view.ts');`],
    ['src/person/x.ts', `let plan: import('../plan/view.ts').Plan;`],
    ['src/demo/x.ts', `import { parse } from '../intake/submission.ts';`],
    ['src/demo/x.ts', `import type { Match } from '../intake/store.ts';`],
    ['src/portal/x.ts', `import { recordSpend } from '../ledger/store.ts';`],
    ['jobs/x.ts', `import { serve } from '../src/server.ts';`],
    ['prisma/x.ts', `import { person } from '../src/person/store.ts';`],
    ['src/ledger/x.ts', `import '../../jobs/relay.ts';`],
    ['src/unheard-of/x.ts', ''],
  ])('would catch, in %s: %s', (file, text) => {
    expect(breaches(file, text)).toHaveLength(1);
  });

  test.each([
    ['src/plan/x.ts', `import { person } from '../person/store.ts';`],
    ['src/demo/x.ts', `import type { Submission } from '../intake/submission.ts';`],
    ['src/platform/x.ts', `import { PrismaClient } from '../generated/prisma/client.ts';`],
    ['src/main.ts', `import { work } from '../jobs/worker.ts';`],
    ['jobs/source/x.ts', `import { apply } from '../../src/intake/store.ts';`],
  ])('lets, in %s: %s', (file, text) => {
    expect(breaches(file, text)).toEqual([]);
  });
});
