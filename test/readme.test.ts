/** The operations of the README are what a newcomer tries first: they work, as they stand there. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const operations = [...readme.matchAll(/```graphql\n([\s\S]*?)```/g)].map((found) => found[1]!);
const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;

let kit: TestHub;
let id: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  id = (await kit.ask(`{ person(nhsNumber: "${nhsNumber}") { id } }`)).data.person.id;
});
afterAll(() => kit.close());

test('there are five', () => {
  expect(operations).toHaveLength(5);
});

test.each(operations.map((operation) => [/\w+ (\w+)/.exec(operation)![1], operation]))(
  '%s',
  async (_name, operation) => {
    const needed = { nhsNumber, id, key: crypto.randomUUID(), after: null };
    const variables = Object.fromEntries(
      Object.entries(needed).filter(([name]) => operation!.includes(`$${name}`)),
    );
    const { data, errors } = await kit.ask(operation!, variables);
    expect(errors).toBeUndefined();
    for (const part of Object.values(data)) expect(part).not.toBeNull();
  },
);
