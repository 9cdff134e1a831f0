/**
 * How a GraphQL type maps to tables. Each domain declares its types in its `view.ts`; `compile.ts` turns a selection
 * into one statement. A view says where a field comes from in SQL, and nothing else.
 */

import type { OfSide, PolicyParameters } from '../access/policy.ts';
import type { SideOf } from '../access/side.ts';
import type { Kind, Part } from '../access/table.ts';
import type { Viewer, ViewerRole } from '../access/viewer.ts';
import { highestId, lowestId } from '../platform/id.ts';
import type { CursorKeys } from './cursor.ts';

/** What is known when a statement is sent: who asks, the arguments of each field, and today in Europe/London. */
export interface Run {
  viewer: Viewer;
  today: string;
  now: Date;
  cursorKeys: CursorKeys;
}

export type Arguments = Record<string, unknown>;

/** What a field's SQL may use. `parent` is the alias of the row it belongs to. */
export interface At extends PolicyParameters {
  parent: string;
  role: ViewerRole;
  /** The role, or what the viewer is for this record: in an emergency. */
  kind: Kind;
  /** The part of the record that the field is in. */
  part: Part;
  /** SQL: the viewer may see this part of the record of this person. */
  maySee(personId: string): string;
  /** SQL: the person shares with the viewer's side what `side` has of this part. */
  shares(personId: string, side: OfSide): string;
  /** The day that is looked at: today, or that of the `asAt` argument of a field above. Scope goes by `today()`. */
  day(): string;
  /**
   * A table to select from, of which the triggers keep what its rows said before: as it is, or below an `asAt` as it
   * was known at its instant. `personId` is SQL of the person whose rows are wanted.
   */
  table(name: string, personId: string): string;
  /** Whether the object's field of this name is selected: what only that needs may be left out. */
  asks(name: string): boolean;
  /** SQL of something made of the field's arguments. */
  arg(type: string, value: (args: Arguments, run: Run) => unknown): string;
}

/** For a page of a connection. `after` are placeholders for the sort keys of the row to go on behind. */
export interface PageAt extends At {
  after: string[];
  limit: string;
}

interface ValueField {
  is: 'value';
  sql: (at: At) => string;
}

/** An object made of one value, such as money of pence; null when that is null. Its view's fields stand in for rows. */
interface PartField {
  is: 'part';
  type: string;
  sql: (at: At) => string;
}

/**
 * One object (or null), or all objects of a list. `rows` is a query of the child view's rows: for `one`, at most one.
 * Under `asAt` it, and all below it, looks at the day and the instant that the argument of that name gives.
 */
interface ObjectField {
  is: 'one' | 'many';
  type: string;
  rows: (at: At) => string;
  asAt?: true;
  /** Below it, the viewer is one who opened the record in an emergency. */
  emergency?: true;
  /** It is made of what both sides have: kept back as soon as one of them is not shared. */
  ofEitherSide?: true;
}

/**
 * What a rule works out in TypeScript. `facts` is SQL of one JSON value, read in the same statement as all else;
 * `work` makes of it a plain value in the shape of the field's type, whole: what was not asked for is left out after.
 */
interface DerivedField {
  is: 'derived';
  facts: (at: At) => string;
  work: (facts: never, at: { day: string }) => unknown;
  /** As of an object. */
  ofEitherSide?: true;
}

/** What a list is in the order of: a column, and what comes before all of its values. */
export interface Key {
  column: string;
  type: string;
  /** What comes before everything, in the list's order. */
  first: string;
}

/** A page of a long list. The query returns at most `limit` rows behind `after`, in order, with its `keys` as columns. */
interface ConnectionField {
  is: 'connection';
  type: string;
  keys: Key[];
  rows: (at: PageAt) => string;
}

/** Anything by its global id: one of several types, or `only` this one. */
interface NodeField {
  is: 'node';
  only?: string;
}

export type Field = ValueField | PartField | ObjectField | DerivedField | ConnectionField | NodeField;

export interface View {
  /** SQL of the id of the person a row is about, given the row's alias: what the audit names. Null for other rows. */
  person: ((row: string) => string) | null;
  /** How it is told of which side a row is, where the person may keep one side's from the other. */
  side?: SideOf;
  /** Makes the type a Node: its ids begin with this, and `rows` finds one by its UUID, within scope. */
  node?: { prefix: string; rows: (at: At, uuid: string) => string };
  fields: Record<string, Field>;
}

/** What one domain says: its own types, and the fields it adds to types of the domains before it. */
export type Views = Record<string, View | Pick<View, 'fields'>>;

/** All domains' views as one. A type is declared once, and may be added to by others. */
export function joinViews(...all: Views[]): Record<string, View> {
  const joined: Record<string, View> = {};
  for (const [type, view] of all.flatMap((views) => Object.entries(views))) {
    const before = joined[type];
    if (before === undefined && !('person' in view))
      throw new Error(`${type} is added to before it is declared`);
    for (const name of Object.keys(view.fields)) {
      if (before !== undefined && name in before.fields) throw new Error(`${type}.${name} is declared twice`);
    }
    joined[type] = { person: null, ...before, ...view, fields: { ...before?.fields, ...view.fields } };
  }
  return joined;
}

/**
 * What hangs on something of a side is of that side. What a spend or a reclaim moved may be of another budget than it is
 * itself, of a part of the whole: that is asked again.
 */
export const inherited: Partial<Record<SideOf, SideOf[]>> = {
  BUDGET: ['KIND', 'SCHEDULE'],
  SCHEDULE: ['BUDGET'],
  PLAN: ['LINK', 'PLAN'],
  EITHER: ['EITHER'],
};

const byPersonId = (row: string) => `${row}.person_id`;

/** A view over a table whose rows belong to a person. It can be found by id when it has a prefix. */
export function personView(
  fields: Record<string, Field>,
  own?: { prefix: string; table: string; side?: NonNullable<View['side']> },
): View {
  if (own === undefined) return { person: byPersonId, fields };
  return {
    person: byPersonId,
    ...(own.side === undefined ? {} : { side: own.side }),
    node: {
      prefix: own.prefix,
      rows: (at, uuid) =>
        `select t.* from ${own.table} t where t.id = ${uuid} and ${at.maySee('t.person_id')}`,
    },
    fields: { id: globalId(own.prefix), ...fields },
  };
}

/** A view over rows that are about nobody in particular. */
export function plainView(fields: Record<string, Field>): View {
  return { person: null, fields };
}

/** A column as it is: text, number, boolean, day, enum value. */
export const column = (name: string): Field => value(({ parent }) => `${parent}.${name}`);

/** An SQL expression. */
export const value = (sql: (at: At) => string): Field => ({ is: 'value', sql });

/** An instant, in UTC, to the millisecond. */
export const instant = (name: string): Field =>
  value(({ parent }) => `to_char(${parent}.${name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/** A global id: the prefix of its type and the row's UUID. */
export const globalId = (prefix: string, name = 'id'): Field =>
  value(({ parent }) => `'${prefix}_' || replace(${parent}.${name}::text, '-', '')`);

/** One object or null. */
export const one = (type: string, rows: (at: At) => string): Field => ({ is: 'one', type, rows });

/** All objects of a short list. */
export const many = (type: string, rows: (at: At) => string): Field => ({ is: 'many', type, rows });

/** Worked out by a rule from one JSON value. */
export const derived = <Facts>(
  facts: (at: At) => string,
  work: (facts: Facts, at: { day: string }) => unknown,
): Field => ({ is: 'derived', facts, work });

/** The same field, of what both sides have. */
export const ofEitherSide = (field: Field): Field => ({
  ...(field as DerivedField | ObjectField),
  ofEitherSide: true,
});

/** The same field, with an `asAt` argument. */
export const withAsAt = (field: Field): Field => ({ ...(field as ObjectField), asAt: true });

/** Rows of a table that belong to the person: a field of `Person`. */
export const ofPerson = (type: string, table: string, order: string): Field =>
  many(type, ({ parent }) => `select * from ${table} where person_id = ${parent}.id order by ${order}`);

/** Rows of a child table that point to their parent by (parent, person). */
export const children = (type: string, table: string, parentColumn: string, order: string): Field =>
  many(type, ({ parent }) => childrenOf(table, parent, parentColumn, order));

/** The same, of a table of which is kept what it said before. */
export const datedChildren = (type: string, table: string, parentColumn: string, order: string): Field =>
  many(type, (at) => childrenOf(at.table(table, `${at.parent}.person_id`), at.parent, parentColumn, order));

const childrenOf = (from: string, parent: string, parentColumn: string, order: string) =>
  `select t.* from ${from} t where t.${parentColumn} = ${parent}.id and t.person_id = ${parent}.person_id order by ${order}`;

/** Money from a column of pence; null when that is null. */
export const money = (pence: string): Field => ({
  is: 'part',
  type: 'Money',
  sql: ({ parent }) => `${parent}.${pence}`,
});

type Time = 'date' | 'timestamptz';

/** The keys of a list in the order of a day or an instant, and of the ids of equals. */
export const earliestFirst = (column: string, type: Time): Key[] => [
  { column, type, first: '-infinity' },
  idAscending('id'),
];

/** The same, the latest first. */
export const latestFirst = (column: string, type: Time): Key[] => [
  { column, type, first: 'infinity' },
  { column: 'id', type: 'uuid', first: highestId },
];

/** A page of what `rows` gives, the latest first. */
export const latestPage = (type: string, by: string, time: Time, rows: (at: At) => string): Field => ({
  is: 'connection',
  type,
  keys: latestFirst(by, time),
  rows: (at) => `
    select l.* from (${rows(at)}) l where (l.${by}, l.id) < (${at.after.join(', ')})
     order by l.${by} desc, l.id desc limit ${at.limit}`,
});

export const idAscending = (column: string): Key => ({ column, type: 'uuid', first: lowestId });

/** An organisation that a column names. */
export const organisation = (name = 'organisation_id'): Field =>
  one('Organisation', ({ parent }) => `select * from organisation where id = ${parent}.${name}`);

/** Money is made of pence: here `parent` is not a row but the value itself. */
export const moneyView: View = plainView({
  // A multiplication has two decimals by itself, where a division would have to be rounded.
  amount: value(({ parent }) => `${parent} * 0.01`),
  currency: value(() => `'GBP'::text`),
  formatted: value(
    ({ parent }) =>
      `case when ${parent} < 0 then '-' else '' end || to_char(abs(${parent}) * 0.01, 'FM"£"999,999,999,999,990.00')`,
  ),
});
