/**
 * The scalars of the API, all strict: nothing is coerced, and no message repeats the value it refuses, which may be
 * somebody's NHS number.
 */
import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { DateTimeResolver, LocalDateResolver, UUIDResolver } from 'graphql-scalars';
import { parseNhsNumber } from '../platform/nhs-number.ts';

/** A scalar that is text on the wire, in a shape of its own. `parse` gives null for anything else. */
function textScalar(
  name: string,
  expected: string,
  parse: (text: string) => string | null,
): GraphQLScalarType {
  const refuse = () =>
    new GraphQLError(`${name} must be ${expected}.`, { extensions: { code: 'BAD_USER_INPUT' } });
  const parseValue = (given: unknown) => {
    const parsed = typeof given === 'string' ? parse(given) : null;
    if (parsed === null) throw refuse();
    return parsed;
  };
  return new GraphQLScalarType({
    name,
    serialize: String,
    parseValue,
    parseLiteral: (node: ValueNode) => parseValue(node.kind === Kind.STRING ? node.value : null),
  });
}

const matching = (shape: RegExp) => (text: string) => (shape.test(text) ? text : null);

export const scalars = {
  DateTime: DateTimeResolver,
  LocalDate: LocalDateResolver,
  UUID: UUIDResolver,
  NHSNumber: textScalar(
    'NHSNumber',
    'a text of ten digits with a valid check digit, spaces allowed',
    parseNhsNumber,
  ),
  ODSCode: textScalar(
    'ODSCode',
    'a text of 3 to 10 capital letters and digits',
    matching(/^[A-Z0-9]{3,10}$/),
  ),
  Decimal: textScalar('Decimal', 'a text such as "1234.56"', matching(/^-?\d{1,15}(\.\d{1,2})?$/)),
};
