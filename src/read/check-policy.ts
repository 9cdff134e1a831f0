/**
 * Whether the policy table and the schema fit each other, asked once at the start: every field and command has a row,
 * every row a field, and what may be hidden from somebody who gets that far can be null.
 */
import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { partOf, readsPart } from '../access/policy.ts';
import { commands, fields, type Kind, kinds, type Part } from '../access/table.ts';

/** @throws Error naming everything that does not fit. */
export function checkPolicy(schema: GraphQLSchema): void {
  const faults: string[] = [];
  const types = Object.values(schema.getTypeMap()).filter(isObjectType).filter(holdsFields(schema));
  for (const type of types) {
    for (const name of Object.keys(type.getFields())) {
      try {
        partOf(type.name, name);
      } catch (error) {
        faults.push((error as Error).message);
      }
    }
  }
  for (const [type, byPart] of Object.entries(fields)) {
    const known = schema.getType(type);
    for (const name of Object.values(byPart).flatMap((names) => names.split(/\s+/))) {
      if (!isObjectType(known) || known.getFields()[name] === undefined)
        faults.push(`the policy table names ${type}.${name}, which the schema does not have`);
    }
  }
  for (const name of Object.keys(schema.getMutationType()?.getFields() ?? {})) {
    if (!(name in commands)) faults.push(`the policy table does not say who may give the command ${name}`);
  }
  if (faults.length === 0) faults.push(...unhideable(schema, types));
  if (faults.length > 0) throw new Error(faults.join('; '));
}

/** Types whose fields are the business of the table: not pages, payloads and the roots of commands and streams. */
const holdsFields = (schema: GraphQLSchema) => {
  const roots = [schema.getMutationType(), schema.getSubscriptionType()];
  return (type: GraphQLObjectType) =>
    !type.name.startsWith('__') && !roots.includes(type) && !isWrapping(type.name);
};

const isWrapping = (name: string) => /(Connection|Edge|Payload)$|^(PageInfo|UserError)$/.test(name);

/** Fields that cannot be null, and that somebody who gets to their type does not read. */
function unhideable(schema: GraphQLSchema, types: GraphQLObjectType[]): string[] {
  const faults: string[] = [];
  for (const kind of kinds) {
    for (const type of reached(kind, schema, types)) {
      if (type === schema.getQueryType()) continue;
      for (const field of Object.values(type.getFields())) {
        const part = partOf(type.name, field.name);
        if (isNonNullType(field.type) && !readsAlways(kind, part, type)) {
          faults.push(`${type.name}.${field.name} is hidden from ${kind}, and cannot be null`);
        }
      }
    }
  }
  return faults;
}

/** A representative gets to a type by the part of its id, and then has that authority. */
function readsAlways(kind: Kind, part: Part, type: GraphQLObjectType): boolean {
  const reads = readsPart(kind, part);
  if (reads !== 'BY_AUTHORITY') return reads;
  const [first] = Object.keys(type.getFields());
  return partOf(type.name, 'id' in type.getFields() ? 'id' : first!) === part;
}

/** The types that a kind of viewer gets to, by the fields that they read or by an id. */
function reached(kind: Kind, schema: GraphQLSchema, types: GraphQLObjectType[]): Set<GraphQLObjectType> {
  const found = new Set<GraphQLObjectType>();
  const waiting = [schema.getQueryType()!];
  for (const type of types) {
    if (isNode(type) && readsPart(kind, partOf(type.name, 'id')) !== false) waiting.push(type);
  }
  for (let type = waiting.pop(); type !== undefined; type = waiting.pop()) {
    if (found.has(type)) continue;
    found.add(type);
    for (const field of Object.values(type.getFields())) {
      if (readsPart(kind, partOf(type.name, field.name)) === false) continue;
      const next = objectOf(field);
      if (next !== null) waiting.push(next);
    }
  }
  return found;
}

const isNode = (type: GraphQLObjectType) => type.getInterfaces().some(({ name }) => name === 'Node');

/** The type of a field's objects, through the page that they may stand in. */
function objectOf(field: GraphQLField<unknown, unknown>): GraphQLObjectType | null {
  const type = getNamedType(field.type);
  if (!isObjectType(type)) return null;
  const nodes = isWrapping(type.name) ? type.getFields().nodes : undefined;
  return nodes === undefined ? type : (getNamedType(nodes.type) as GraphQLObjectType);
}
