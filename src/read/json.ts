/**
 * JSON text in SQL. PostgreSQL's own functions look the types of all values up in its catalogue, for each value of each row;
 * `concat` does so once a statement, and a selection's types and keys are known when it is compiled.
 */
import { type GraphQLOutputType, getNullableType, isEnumType, isListType } from 'graphql';

/** Text as it stands, and SQL of text that is never null, in turns. */
export type Json = ({ text: string } | { sql: string })[];

/** A function of PostgreSQL takes a hundred arguments. */
const maxArguments = 100;

/** Scalars that are JSON as PostgreSQL writes them, and those that only want quotes: nothing in them is to be escaped. */
const bare = new Set(['Int', 'Boolean']);
const plain = new Set(['LocalDate', 'DateTime', 'Decimal']);

export const nothing: Json = [{ text: 'null' }];

export const quoted = (word: string): Json => [{ text: `"${word}"` }];

/** SQL of text that is JSON; `null` where it is null. */
export const orNull = (sql: string): Json => [{ sql: `coalesce((${sql}), 'null')` }];

/** A value of a leaf's type. */
export function leaf(type: GraphQLOutputType, sql: string): Json {
  const inner = getNullableType(type);
  if (!isListType(inner)) {
    const name = 'name' in inner ? inner.name : '';
    if (bare.has(name)) return orNull(`(${sql})::text`);
    if (isEnumType(inner) || plain.has(name))
      return inner === type
        ? [{ sql: `coalesce('"' || (${sql}) || '"', 'null')` }]
        : [{ text: '"' }, { sql }, { text: '"' }];
  }
  return orNull(`to_json(${sql})`);
}

export const object = (members: { key: string; json: Json }[]): Json => [
  ...members.flatMap(({ key, json }, index) => [{ text: `${index === 0 ? '{' : ','}"${key}":` }, ...json]),
  { text: members.length === 0 ? '{}' : '}' },
];

/** A list of what SQL of an array of JSON texts holds; empty where that is null. */
export const list = (array: string): Json => [
  { text: '[' },
  { sql: `coalesce(array_to_string(${array}, ','), '')` },
  { text: ']' },
];

export const onlyWhere = (condition: string, json: Json): Json => [
  { sql: `case when ${condition} then ${textOf(json)} else 'null' end` },
];

/** SQL of the whole text. */
export function textOf(json: Json): string {
  const pieces: Json = [];
  for (const piece of json) {
    const last = pieces.at(-1);
    if ('text' in piece && last !== undefined && 'text' in last)
      pieces[pieces.length - 1] = { text: last.text + piece.text };
    else pieces.push(piece);
  }
  return joined(pieces.map((piece) => ('text' in piece ? `'${piece.text}'::text` : piece.sql)));
}

function joined(texts: string[]): string {
  if (texts.length === 1) return texts[0]!;
  if (texts.length <= maxArguments) return `concat(${texts.join(', ')})`;
  const some = Array.from({ length: Math.ceil(texts.length / maxArguments) }, (_, index) =>
    joined(texts.slice(index * maxArguments, (index + 1) * maxArguments)),
  );
  return joined(some);
}
