/** What no text may hold, wherever it comes in by the API. */
import { GraphQLError, type ValidationRule } from 'graphql';

/**
 * PostgreSQL cannot keep NUL; half of a surrogate pair would be kept as something else; other control characters, and
 * those that turn the direction of text (CVE-2021-42574), make it read other than it is. A tab and the ends of lines are
 * text; so are marks within text from right to left.
 */
const unsafe = /[\p{Cs}\u202a-\u202e\u2066-\u2069]|(?![\t\n\r\u0080-\u009f])\p{Cc}/u;

/** JSON writes all of it as escapes, but for what turns the direction, and DEL: text without any of these is safe. */
const suspect = /\\u|[\u007f\u202a-\u202e\u2066-\u2069]/;

export const unsafeTextMessage =
  'A text holds control characters, half of a character, or characters that turn the direction of text: leave them out.';

/** Gives what JSON says, and asks `refuse` what to throw where a text in it is unsafe. */
export function parseSafely(json: string, refuse: () => Error): unknown {
  if (!suspect.test(json)) return JSON.parse(json);
  return JSON.parse(json, (key, value) => {
    if (unsafe.test(key) || (typeof value === 'string' && unsafe.test(value))) throw refuse();
    return value;
  });
}

/** The same for texts that stand in the document itself. */
export const safeLiterals: ValidationRule = (context) => ({
  StringValue({ value }) {
    if (unsafe.test(value)) context.reportError(new GraphQLError(unsafeTextMessage));
  },
});
