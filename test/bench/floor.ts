/**
 * The floor: the least that can answer at all. Bare `node:http`, one prepared statement a request on a few pipelined
 * connections, its text handed through. Nobody is asked who they are and nothing is written down.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { floorStatements } from './operation.ts';

const [url] = process.argv.slice(2) as [string];

const connections = 3;
const options = '-c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC';
const lanes = Array.from({ length: connections }, () => ({
  client: new pg.Client({ connectionString: url, pipeline: true, options }),
  inFlight: 0,
}));
await Promise.all(lanes.map(({ client }) => client.connect()));

type Question = keyof typeof floorStatements;

async function answer(question: Question, values: unknown[]): Promise<string> {
  const lane = lanes.reduce((best, other) => (other.inFlight < best.inFlight ? other : best));
  lane.inFlight += 1;
  try {
    const { rows } = await lane.client.query<[string]>({
      name: question,
      text: floorStatements[question],
      values,
      rowMode: 'array',
    });
    return `{"data":{"${question === 'caseload' ? question : 'person'}":${rows[0]?.[0] ?? null}}}`;
  } finally {
    lane.inFlight -= 1;
  }
}

const server = createServer((req, res) => {
  const [question, ...values] = decodeURI(req.url!).slice(1).split('/');
  answer(question as Question, values).then(
    (text) => {
      res.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      res.end(text);
    },
    () => {
      res.writeHead(500);
      res.end();
    },
  );
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.once('disconnect', () => process.exit());
