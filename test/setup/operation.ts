/** Random selections of what the schema has. */
import fc from 'fast-check';
import {
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isInterfaceType,
  isLeafType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { openCatalogue, views } from '../../src/catalogue.ts';
import { wenshire } from '../../src/demo/place.ts';
import { today } from './demo.ts';

const { schema } = openCatalogue();

const days = [today, '2026-04-06', '2027-01-01'];
const knownAts = ['2999-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z'];
const values: Record<string, string[]> = {
  Int: ['1', '3', '0'],
  LocalDate: days.map((day) => `"${day}"`),
  DateTime: knownAts.map((instant) => `"${instant}"`),
  ODSCode: [wenshire.council.code, wenshire.icb.code, 'ZZZ'].map((code) => `"${code}"`),
  // Whoever asks for nobody in particular.
  ID: ['null'],
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
export function selectionOf(
  typeName: string,
  depth: number,
  always = 'always: __typename',
  ids = false,
): fc.Arbitrary<string> {
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
        : selectionOf(named.name, depth - 1, always, ids).map((s) => ` ${s}`);
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
    .map(
      (parts) => `{ ${always}${'id' in type.getFields() && ids ? ' itself: id' : ''} ${parts.join(' ')} }`,
    );
}

export function typeNamed(name: string): GraphQLObjectType {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(name);
  return type;
}

export const objectsOf = (name: string) =>
  Object.values(typeNamed(name).getFields()).flatMap((field) =>
    isLeafType(getNamedType(field.type)) ? [] : [field.name],
  );
export const leavesOf = (type: GraphQLObjectType) =>
  Object.values(type.getFields()).filter((field) => isLeafType(getNamedType(field.type)));
const isFlat = (type: GraphQLObjectType) => leavesOf(type).length === Object.keys(type.getFields()).length;

/**
 * A field, and below it every field of every type there is. A type is spelt out where it is nearest; elsewhere, since
 * it comes from another query there, with its leaves and what is made of leaves only, such as money.
 */
export function everyEdge(of: string, name: string, n: number, also = ''): string {
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
    return () =>
      `${start} { __typename ${'id' in type.getFields() ? also : ''} ${parts.map((part) => part()).join(' ')} }`;
  }
  const whole = select(typeNamed(of).getFields()[name]!);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
  return whole();
}
