/**
 * What a document looks like, before anybody asks whether it is valid: GraphQL's own validation compares fields with
 * fields, and would be kept busy for seconds by a document that passes every other limit. Each fragment is looked at
 * once, however often it is spread, so that this takes as long as the document is.
 */
import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';
import { Fault } from '../platform/fault.ts';
import type { Limits } from './rules.ts';

export interface Shape {
  depth: number;
  fields: number;
  aliases: number;
  directives: number;
  repeated: number;
}

const none: Shape = { depth: 0, fields: 0, aliases: 0, directives: 0, repeated: 0 };

/** Fragments that spread one another twice each double the counts with each: past this they are only "too many". */
const most = 1e9;

const beside = (a: Shape, b: Shape): Shape => ({
  depth: Math.max(a.depth, b.depth),
  fields: Math.min(most, a.fields + b.fields),
  aliases: Math.min(most, a.aliases + b.aliases),
  directives: Math.min(most, a.directives + b.directives),
  repeated: Math.min(most, a.repeated + b.repeated),
});

/** Of all operations of the document together. A fragment that spreads itself counts once: validation refuses it. */
export function shapeOf(document: DocumentNode): Shape {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const known = new Map<string, Shape>();
  for (const d of document.definitions) {
    if (d.kind === Kind.FRAGMENT_DEFINITION) fragments.set(d.name.value, d);
  }

  function ofFragment(name: string): Shape {
    const found = known.get(name);
    if (found !== undefined) return found;
    known.set(name, none);
    const fragment = fragments.get(name);
    if (fragment === undefined) return none;
    const { selectionSet, directives = [] } = fragment;
    const shape = beside(ofSet(selectionSet, new Set()), { ...none, directives: directives.length });
    known.set(name, shape);
    return shape;
  }

  /** `keys` are the response keys met in these braces, inline fragments included. */
  function ofSet({ selections }: SelectionSetNode, keys: Set<string>): Shape {
    let shape = none;
    for (const selection of selections) {
      shape = beside(shape, { ...none, directives: selection.directives?.length ?? 0 });
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        shape = beside(shape, ofFragment(selection.name.value));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        shape = beside(shape, ofSet(selection.selectionSet, keys));
      } else {
        const { alias, name, selectionSet } = selection;
        const key = (alias ?? name).value;
        const below = selectionSet === undefined ? none : ofSet(selectionSet, new Set());
        shape = beside(shape, { ...below, depth: below.depth + 1 });
        shape = beside(shape, {
          ...none,
          fields: 1,
          aliases: alias === undefined ? 0 : 1,
          repeated: keys.has(key) ? 1 : 0,
        });
        keys.add(key);
      }
    }
    return shape;
  }

  let shape = none;
  for (const d of document.definitions) {
    if (d.kind !== Kind.OPERATION_DEFINITION) continue;
    shape = beside(shape, ofSet(d.selectionSet, new Set()));
    shape = beside(shape, { ...none, directives: d.directives?.length ?? 0 });
  }
  // One that nothing spreads is refused after, but only once it has been compared with itself.
  for (const name of fragments.keys()) if (!known.has(name)) shape = beside(shape, ofFragment(name));
  return shape;
}

type Named = [keyof Shape, keyof Limits, string];

const named: Named[] = [
  ['depth', 'maxDepth', 'levels deep'],
  ['fields', 'maxFields', 'fields, fragments counted where they are spread'],
  ['aliases', 'maxAliases', 'aliases, fragments counted where they are spread'],
  ['directives', 'maxDirectives', 'directives, fragments counted where they are spread'],
  ['repeated', 'maxRepeated', 'fields that repeat another in the same braces'],
];

/** What is wrong with the shape of a document; null where nothing is. */
export function shapeFault(document: DocumentNode, limits: Limits): Fault | null {
  const shape = shapeOf(document);
  for (const [part, limit, words] of named) {
    if (shape[part] <= limits[limit]) continue;
    const asked = shape[part] === most ? `over ${most}` : shape[part];
    return new Fault(
      'DOCUMENT_TOO_LARGE',
      `A document may be or hold at most ${limits[limit]} ${words}; this one has ${asked}. Ask for less at a time.`,
    );
  }
  return reserved(document) ?? conditional(document);
}

/** What a subscription is about may not be left out, as the specification has it; graphql-js fails over it instead. */
function conditional({ definitions }: DocumentNode): Fault | null {
  const met = new Set<string>();
  const isConditional = ({ selections }: SelectionSetNode): boolean =>
    selections.some((selection) => {
      if (selection.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include'))
        return true;
      if (selection.kind === Kind.FIELD) return false;
      if (selection.kind === Kind.INLINE_FRAGMENT) return isConditional(selection.selectionSet);
      const name = selection.name.value;
      if (met.has(name)) return false;
      met.add(name);
      return definitions.some(
        (d) => d.kind === Kind.FRAGMENT_DEFINITION && d.name.value === name && isConditional(d.selectionSet),
      );
    });
  const isWrong = definitions.some(
    (d) =>
      d.kind === Kind.OPERATION_DEFINITION && d.operation === 'subscription' && isConditional(d.selectionSet),
  );
  if (!isWrong) return null;
  return new Fault(
    'GRAPHQL_VALIDATION_FAILED',
    'What a subscription asks for may not be left out: use no @skip or @include on its outermost field.',
  );
}

/** GraphQL keeps names with two underscores for itself, and nothing here means to find out what one would do. */
function reserved(document: DocumentNode): Fault | null {
  const isReserved = document.definitions.some(
    (d) =>
      (d.kind === Kind.FRAGMENT_DEFINITION || d.kind === Kind.OPERATION_DEFINITION) &&
      d.name?.value.startsWith('__'),
  );
  if (!isReserved) return null;
  return new Fault('NAME_RESERVED', 'No operation or fragment may have a name that begins with "__".');
}
