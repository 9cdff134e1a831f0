/** The policy table: that it and the schema fit each other, and that the page says what it says. */
import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';
import { describe, expect, test } from 'vitest';
import { accessPage } from '../src/access/page.ts';
import { typeDefs } from '../src/catalogue.ts';
import { checkPolicy } from '../src/read/check-policy.ts';

const sdl = typeDefs.join('\n');
const checking = (changed: string) => () => checkPolicy(buildSchema(changed));

describe('the hub does not start', () => {
  test('but with the schema as it is', () => {
    expect(checking(sdl)).not.toThrow();
  });

  test.each([
    ['a field nobody is said to read', `${sdl} extend type Person { shoeSize: Int }`, 'Person.shoeSize'],
    [
      'a type nobody is said to read',
      `${sdl} type Secret { x: Int } extend type Person { id2: Secret }`,
      'Secret.x',
    ],
    [
      'a command nobody is said to give',
      `${sdl} extend type Mutation { forget(input: ID!): RolePayload! }`,
      'forget',
    ],
    [
      'a row for what is not there',
      sdl.replace('  postcode: String', '  postCode: String'),
      'Person.postcode',
    ],
    [
      'a hidden field that cannot be null',
      sdl.replace('  whatMatters: String', '  whatMatters: String!'),
      'Plan.whatMatters is hidden from PROVIDER',
    ],
    [
      'a field by authority that cannot be null',
      sdl.replace('combined: CombinedBudget', 'combined: CombinedBudget!'),
      'Person.combined is hidden from REPRESENTATIVE',
    ],
  ])('with %s', (_, changed, says) => {
    expect(changed).not.toBe(sdl);
    expect(checking(changed)).toThrow(says);
  });
});

test('the page is made of the table', () => {
  const squeezed = (text: string) => text.replace(/ +/g, ' ').replace(/-+/g, '-');
  const page = readFileSync(new URL('../docs/access.md', import.meta.url), 'utf8');
  expect(squeezed(page)).toBe(squeezed(accessPage()));
});
