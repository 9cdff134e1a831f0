import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePlace } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
let authorization: string;
const agent = new Agent({ keepAlive: true });
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  const auth_time = Math.floor(noon().getTime() / 1000);
  authorization = `Bearer ${await kit.issuer.token({ auth_time, ...coordinator })}`;
});
afterAll(async () => {
  agent.destroy();
  await kit.close();
});

setFlagsFromString('--expose-gc');
const collect: (options?: { type: 'minor' }) => void = runInNewContext('gc');
const oldSpace = () =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size;

const ask = async (body: string) => {
  const headers = { authorization, 'content-type': 'application/json' };
  const sent = request({ agent, port: kit.hub.port, path: '/graphql', method: 'POST', headers }).end(body);
  const [answer] = await once(sent, 'response');
  return text(answer);
};

/** Bytes of the old generation that each of many requests has taken after the young one was collected. */
async function leftBy(bodies: string[]): Promise<number> {
  const many = 2_000;
  const askMany = async (count: number) => {
    for (let i = 0; i < count; i += 10)
      await Promise.all(Array.from({ length: 10 }, (_, at) => ask(bodies[(i + at) % bodies.length]!)));
  };
  await askMany(many / 2);
  collect();
  const before = oldSpace();
  await askMany(many);
  collect({ type: 'minor' });
  collect({ type: 'minor' });
  return (oldSpace() - before) / many;
}

// What outlives its request is in the way of every collection until the next full one, in which no request moves.
test('a request that is answered leaves next to nothing for the full collection', async () => {
  const record = `query ($nhsNumber: NHSNumber!) { person(nhsNumber: $nhsNumber) {
    familyName identifiers { value } budgets { kind transfers(first: 10) { nodes { description amount { amount } } } } } }`;
  const numbers = makePlace({ today }).people.flatMap(({ nhsNumber }) => nhsNumber ?? []);
  expect(await leftBy([JSON.stringify({ query: '{ __typename }' })])).toBeLessThan(4_000);
  const records = numbers.map((nhsNumber) => JSON.stringify({ query: record, variables: { nhsNumber } }));
  const left = await leftBy(records);
  expect(left).toBeLessThan(4_000);
});
