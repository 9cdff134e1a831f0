/** The record and the caseload: the hub, the floor and PostGraphile, asked in turns. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';
import pg from 'pg';
import { cursorKeys, cursorKeysSql, cursorSql } from '../../src/read/cursor.ts';
import { type Child, startChild } from './child.ts';
import { icb } from './data.ts';
import { median, rounded } from './figure.ts';
import { audience, cursorSecret, startIssuer } from './issuer.ts';
import type { Measured, Round, Target } from './load.ts';
import { hubDocuments, peerCursorDocument, peerDocuments } from './operation.ts';

export type Question = 'record' | 'viewers' | 'slim' | 'caseload';
type Server = 'hub' | 'floor' | 'postgraphile';

export interface ReadFigures {
  hubRps: number;
  floorRps: number;
  postgraphileRps: number | null;
  vsFloor: number;
  vsPostgraphile: number | null;
  p50Ms: number;
  p99Ms: number;
  sqlPerRequest: number;
  rssMb: number;
}

interface Options {
  url: string;
  dataDir: string;
  questions: Question[];
  seconds: number;
  rounds: number;
  withPeer: boolean;
  tell: (line: string) => void;
}

const connections = 16;
/** Warm-up of each server before its first round, in rounds. */
const warmUp = 2;
/** How many people, or pages of the caseload, are compared before time is taken. */
const compared = 50;
/** How many ask, where not all requests are of one viewer. */
const viewers = 64;
/** How many places of the caseload are asked for, spread evenly over all of it. */
const places = 200;

export async function measureReads(options: Options): Promise<Partial<Record<Question, ReadFigures>>> {
  const { url, dataDir, withPeer, tell } = options;
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    stops.push(() => client.end());
    const signIn = await startIssuer(dataDir, 'CARE_COORDINATOR');
    stops.push(signIn.stop);
    const start = async <Hello>(...args: Parameters<typeof startChild>): Promise<Child<Hello>> => {
      const child = await startChild<Hello>(...args);
      stops.push(child.stop);
      return child;
    };
    const hub = await start<{ port: number }>(new URL('./hub.ts', import.meta.url), [
      url,
      signIn.issuer,
      audience,
    ]);
    const floor = await start<{ port: number }>(new URL('./floor.ts', import.meta.url), [url]);
    const peer = withPeer ? await start<{ port: number }>(...(await peerArguments(url, tell))) : null;
    const load = await start<object>(new URL('./load.ts', import.meta.url), []);

    const tokens = await Promise.all(Array.from({ length: viewers }, (_, n) => signIn.tokenOf(`bench-${n}`)));
    const results: Partial<Record<Question, ReadFigures>> = {};
    for (const question of options.questions) {
      const targets = await targetsOf(question, client, {
        hub: {
          port: hub.hello.port,
          authorizations: (question === 'viewers' ? tokens : [signIn.token]).map(
            (token) => `Bearer ${token}`,
          ),
          subject: signIn.subject,
        },
        floorPort: floor.hello.port,
        peerPort: peer?.hello.port ?? null,
      });
      await compare(question, targets);
      for (const target of Object.values(targets)) await load.ask(target);
      results[question] = await inTurns(targets, hub, load, options);
    }
    return results;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

const peerFolder = fileURLToPath(new URL('peer', import.meta.url));

/** Installs PostGraphile with a Node of its own where it is missing. Four connections served it best on two cores. */
async function peerArguments(
  url: string,
  tell: (line: string) => void,
): Promise<Parameters<typeof startChild>> {
  const node = join(peerFolder, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(node) || !existsSync(join(peerFolder, 'node_modules/postgraphile'))) {
    tell('Installing PostGraphile in test/bench/peer');
    await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: peerFolder,
      shell: process.platform === 'win32',
    });
  }
  return [pathToFileURL(join(peerFolder, 'server.mjs')), [url, '4'], { node }];
}

type Targets = { hub: Target; floor: Target; postgraphile?: Target };

async function targetsOf(
  question: Question,
  client: pg.Client,
  ports: {
    hub: { port: number; authorizations: string[]; subject: string };
    floorPort: number;
    peerPort: number | null;
  },
): Promise<Targets> {
  // What many viewers ask for is the record.
  const document = question === 'viewers' ? 'record' : question;
  const json = { 'content-type': 'application/json', accept: 'application/json' };
  const hub = {
    name: `hub ${question}`,
    port: ports.hub.port,
    path: '/graphql',
    headers: json,
    authorizations: ports.hub.authorizations,
  };
  const floor = {
    name: `floor ${question}`,
    port: ports.floorPort,
    path: `/${document}/`,
    headers: {},
    body: null,
  };
  const peer = ports.peerPort && {
    name: `postgraphile ${question}`,
    port: ports.peerPort,
    path: '/graphql',
    headers: json,
  };

  if (document !== 'caseload') {
    const { rows } = await client.query<{ value: string }>(
      `select value from person_identifier where system = 'NHS_NUMBER' order by random()`,
    );
    const questions = rows.map(({ value }) => value);
    const body = (query: string) => bodyOf(query, {}, 'nhsNumber');
    const answer = '{"data":{"person":{';
    const root = 'personIdentifierBySystemAndIssuerAndValue';
    return {
      hub: { ...hub, body: body(hubDocuments[document]), questions, answer },
      floor: { ...floor, questions, answer },
      ...(peer && {
        postgraphile: {
          ...peer,
          body: body(peerDocuments[document]),
          questions,
          answer: `{"data":{"${root}":{`,
        },
      }),
    };
  }

  const cursor = cursorSql(cursorKeysSql(['sort_name', 'person_id']), '$3');
  const { rows } = await client.query<{
    sort_name: string;
    person_id: string;
    n: string;
    icb: string;
    cursor: string;
  }>(
    `select sort_name, person_id, n, organisation_id as icb, ${cursor} as cursor
       from (select *, row_number() over (order by sort_name, person_id) as n, count(*) over () as people
               from role_on_record
              where organisation_id = (select id from organisation where ods_code = $1)) r
      where n % greatest(1, people / $2) = 1 or people / $2 < 2`,
    [icb, places, cursorKeys(cursorSecret)(ports.hub.subject, 'Query.caseload')],
  );
  const answer = '{"data":{"caseload":{';
  const targets: Targets = {
    hub: {
      ...hub,
      body: bodyOf(hubDocuments.caseload, {}, 'after'),
      questions: rows.map(({ cursor }) => cursor),
      answer,
    },
    floor: {
      ...floor,
      questions: rows.map(({ sort_name, person_id }) => encodeURI(`${sort_name}/${person_id}`)),
      answer,
    },
  };
  if (peer) {
    const variables = { icb: rows[0]!.icb };
    const questions: string[] = [];
    const find = bodyOf(peerCursorDocument, variables, 'offset', '');
    for (const { n } of rows) {
      const found = await answerOf(
        { ...peer, body: find, questions: [String(Number(n) - 1)], answer: '' },
        0,
      );
      questions.push(
        (found as { allRoleOnRecords: { pageInfo: { endCursor: string } } }).allRoleOnRecords.pageInfo
          .endCursor,
      );
    }
    const body = bodyOf(peerDocuments.caseload, variables, 'after');
    targets.postgraphile = { ...peer, body, questions, answer: '{"data":{"allRoleOnRecords":{' };
  }
  return targets;
}

/** A request's body around the value of its last variable. */
function bodyOf(query: string, variables: object, last: string, quote = '"') {
  const text = JSON.stringify({ query, variables: { ...variables, [last]: null } });
  const cut = text.lastIndexOf('null');
  return { before: text.slice(0, cut) + quote, after: quote + text.slice(cut + 4) };
}

/** What a target answers to one of its questions. */
async function answerOf(target: Target, index: number): Promise<unknown> {
  const { port, path, authorizations, body, questions } = target;
  const question = questions[index]!;
  const headers = { ...target.headers, ...(authorizations && { authorization: authorizations[0]! }) };
  const base = `http://127.0.0.1:${port}${path}`;
  const response =
    body === null
      ? await fetch(base + question, { headers })
      : await fetch(base, { method: 'POST', headers, body: body.before + question + body.after });
  const { data, errors } = (await response.json()) as { data?: unknown; errors?: { message: string }[] };
  if (errors !== undefined)
    throw new Error(`${path} on port ${port} answers with errors: ${errors[0]?.message}`);
  return data;
}

/** Nothing is timed before the hub and the floor say the same of the same people, and PostGraphile as much. */
async function compare(question: Question, { hub, floor, postgraphile }: Targets): Promise<void> {
  for (let index = 0; index < Math.min(compared, hub.questions.length); index++) {
    const asked = await answerOf(hub, index);
    if (!isDeepStrictEqual(asked, await answerOf(floor, index))) {
      throw new Error(`The hub and the floor do not give the same ${question}`);
    }
    if (postgraphile === undefined) continue;
    const missing = missingIn(await answerOf(postgraphile, index), asked);
    if (missing.length > 0)
      throw new Error(`PostGraphile's ${question} lacks ${missing.length} values of the hub's`);
  }
}

/** Names, days, texts and identifiers that one answer holds and the other does not; sums PostGraphile cannot give. */
function missingIn(answer: unknown, wanted: unknown): string[] {
  const there = new Set(textsIn(answer));
  return textsIn(wanted).filter((text) => !there.has(text));
}

const given = new Set([
  'familyName',
  'givenName',
  'birthDate',
  'value',
  'text',
  'effectiveOn',
  'description',
  'heldOn',
  'providerName',
  'costFrequency',
  'plannedUnitsPerWeek',
]);

function textsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    if (typeof part !== 'string') return textsIn(part);
    return given.has(key) ? [`${key} ${part}`] : [];
  });
}

async function inTurns(
  targets: Targets,
  hub: Child<unknown>,
  load: Child<unknown>,
  { seconds, rounds, tell }: Options,
): Promise<ReadFigures> {
  const measure = async (target: Target, length: number) => {
    const round: Round = { target: target.name, seconds: length, connections };
    const measured = await load.ask<Measured>(round);
    if (measured.failures > 0) throw new Error(`${target.name}: ${measured.failures} requests failed`);
    return measured;
  };
  const counters = () => hub.ask<{ statements: number; rssMb: number }>({});
  const all = Object.entries(targets) as [Server, Target][];
  const measured: Record<Server, Measured[]> = { hub: [], floor: [], postgraphile: [] };
  let statements = 0;
  for (const [, target] of all) await measure(target, seconds * warmUp);
  for (let round = 0; round < rounds; round++) {
    for (const [server, target] of all) {
      const before = await counters();
      const result = await measure(target, seconds);
      if (server === 'hub') statements += (await counters()).statements - before.statements;
      measured[server].push(result);
      tell(
        `  ${target.name.padEnd(22)} ${perSecond(result).toFixed(0).padStart(6)}/s  p50 ${result.p50Ms.toFixed(1)} ms` +
          `  p99 ${result.p99Ms.toFixed(1)} ms  ${(result.bytes / result.requests / 1000).toFixed(1)} kB`,
      );
    }
  }
  const rate = (server: Server) => median(measured[server].map(perSecond));
  const hubRps = rate('hub');
  const floorRps = rate('floor');
  const postgraphileRps = measured.postgraphile.length > 0 ? rate('postgraphile') : null;
  const requests = measured.hub.reduce((sum, one) => sum + one.requests, 0);
  return {
    hubRps: rounded(hubRps),
    floorRps: rounded(floorRps),
    postgraphileRps: postgraphileRps && rounded(postgraphileRps),
    vsFloor: rounded(hubRps / floorRps, 3),
    vsPostgraphile: postgraphileRps && rounded(hubRps / postgraphileRps, 3),
    p50Ms: rounded(median(measured.hub.map(({ p50Ms }) => p50Ms)), 2),
    p99Ms: rounded(median(measured.hub.map(({ p99Ms }) => p99Ms)), 2),
    sqlPerRequest: rounded(statements / requests, 3),
    rssMb: rounded((await counters()).rssMb),
  };
}

const perSecond = ({ requests, seconds }: Measured) => requests / seconds;
