/** How far a bulk file is, told as it happens: by server-sent events and by WebSocket alike. */
import type { JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { viewerRoles } from '../src/access/viewer.ts';
import { workOff } from '../src/bulk/run.ts';
import { bulkFilePrefix } from '../src/bulk/store.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { type BulkKit, csv, type Family, makeFamilies, spending, startBulkKit } from './setup/bulk.ts';
import { noon } from './setup/demo.ts';
import { type Answer, provider, startTestHub, type TestHub } from './setup/hub.ts';
import { leaveNoHub, startHubProcess } from './setup/hub-process.ts';
import { openSocket, streamsAt } from './setup/socket.ts';
import { openStream } from './setup/stream.ts';
import { until } from './setup/until.ts';

leaveNoHub();
let own: BulkKit;
let families: Family[];
let there: TestHub;
beforeAll(async () => {
  own = await startBulkKit();
  families = await makeFamilies(own.pool, 30, 1_000_000n);
  const { database, issuer } = own.kit;
  const onTheSame = { url: database.url, drop: async () => {} };
  there = await startTestHub({ now: noon, issuer, database: onTheSame });
});
afterAll(async () => {
  await there.close();
  await own.close();
});

const opened: { leave(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.leave();
  for (const kit of [own.kit, there]) await until(async () => (await streamsAt(kit)) === 0);
});

const document = `subscription ($id: ID!, $after: String) {
  bulkFile(id: $id, after: $after) { id file { id status rows good bad applied unchanged errorCode } } }`;

interface Following {
  next(): Promise<Answer | null>;
}
type Kit = Pick<TestHub, 'issuer'> & { hub: { port: number } };
type Way = (
  kit: Kit,
  variables: { id: string; after?: string },
  claims?: JWTPayload,
  headers?: Record<string, string>,
) => Promise<Following>;

const byEvents: Way = async (kit, variables, claims = provider, headers = {}) => {
  const stream = await openStream(kit, document, { variables, claims, headers });
  opened.push(stream);
  return stream;
};
const bySocket: Way = async (kit, variables, claims = provider) => {
  const socket = await openSocket(kit, { claims });
  opened.push(socket);
  return socket.subscribe(document, variables);
};
const ways = [
  ['server-sent events', byEvents],
  ['WebSocket', bySocket],
] as const;

const size = 30;
let sent = 0;

/** Four rows for each family: the last cannot be recorded. Each file is another. */
async function sendFile(more: Record<string, unknown> = {}, body?: string): Promise<string> {
  sent += 1;
  const rows = Array.from({ length: 4 * families.length }, (_, n) => [
    ...[families[n % size]!.budgetId, '2026-11-20'],
    ...[n < 3 * size ? '1.00' : 'x', 'Harbour Leisure', 'Swimming', `${sent}-${n}`],
  ]);
  const { file } = await own.importFile(body ?? csv(spending, rows), { dryRun: true, ...more });
  return file.id;
}

/** Does one piece of what is left to do with a file. */
function step(id: string) {
  let asked = 0;
  const stopping = {
    get aborted() {
      asked += 1;
      return asked > 1;
    },
  } as AbortSignal;
  return workOff(
    { pool: own.pool, files: own.files, now: noon, size, stopping },
    uuidOf(bulkFilePrefix, id)!,
  );
}

const told = async (following: Following) => {
  const answer = await following.next();
  expect(answer?.errors).toBeUndefined();
  return answer!.data.bulkFile;
};
const stand = ({ file }: { file: Record<string, unknown> }) =>
  [file.status, file.rows, file.good, file.bad, file.applied].join(' ');
const codeOf = async (following: Following) => (await following.next())?.errors?.[0]?.extensions.code;

/** How the file stands after each piece, when it is only looked through. */
const looked = [
  'CHECKING 30 0 0 0',
  'CHECKING 60 0 0 0',
  'CHECKING 90 0 0 0',
  'CHECKING 120 0 30 0',
  'CHECKING 120 30 30 0',
  'CHECKING 120 60 30 0',
  'CHECKING 120 90 30 0',
  'CHECKED 120 90 30 0',
];

describe('whoever follows a file', () => {
  test('is told each piece as it is done, up to the end, by either way, at any hub', async () => {
    const id = await sendFile();
    const all = [
      await byEvents(there, { id }),
      await bySocket(there, { id }),
      await bySocket(own.kit, { id }),
    ];
    for (const one of all) expect(stand(await told(one))).toBe('WAITING 0 0 0 0');
    for (const wanted of looked) {
      await step(id);
      for (const one of all) expect(stand(await told(one))).toBe(wanted);
    }
    for (const one of all) expect(await one.next()).toBeNull();

    // What was found good is recorded by another's leave, and followed anew.
    await own.apply(id);
    const [again, byOther] = [await byEvents(own.kit, { id }), await bySocket(there, { id })];
    const stands: string[] = [];
    for (const one of [again, byOther]) expect(stand(await told(one))).toBe('APPLYING 120 0 30 0');
    while ((await own.file(id)).status === 'APPLYING') {
      await step(id);
      stands.push(stand(await told(again)));
      expect(stand(await told(byOther))).toBe(stands.at(-1));
    }
    expect(stands).toEqual([
      'APPLYING 120 30 30 30',
      'APPLYING 120 60 30 60',
      'APPLYING 120 90 30 90',
      'DONE 120 90 30 90',
    ]);
    for (const one of [again, byOther]) expect(await one.next()).toBeNull();
  });

  test('hears that it cannot be read, and of one that is over already just how it ended', async () => {
    const id = await sendFile({ dryRun: false }, 'budget,amount\nx,1');
    const stream = await openStream(there, document, { variables: { id }, claims: provider });
    opened.push(stream);
    expect(stand(await told(stream))).toBe('WAITING 0 0 0 0');
    await own.work(id);
    expect((await told(stream)).file).toMatchObject({ status: 'FAILED', errorCode: 'BULK_INVALID' });
    expect(await stream.next()).toBeNull();
    expect(stream.isComplete()).toBe(true);
    for (const [, way] of ways) {
      const late = await way(own.kit, { id });
      expect((await told(late)).file.status).toBe('FAILED');
      expect(await late.next()).toBeNull();
    }
  });

  test.each(ways)(
    'goes on by %s where they were, with nothing twice and nothing left out',
    async (_, way) => {
      const id = await sendFile();
      const first = await way(there, { id });
      await told(first);
      await step(id);
      const { id: after } = await told(first);
      // What moved while they were away comes as one.
      const still = await way(own.kit, { id, after });
      await step(id);
      expect(stand(await told(still))).toBe(looked[1]);
      await step(id);
      const again = await way(own.kit, { id, after });
      const last = await told(again);
      expect(stand(last)).toBe(looked[2]);
      await own.work(id, size);
      const rest = [];
      for (let answer = await again.next(); answer !== null; answer = await again.next())
        rest.push(answer.data.bulkFile);
      expect(stand(rest.at(-1))).toBe(looked.at(-1));
      expect(new Set([last, ...rest].map((change) => change.id)).size).toBe(rest.length + 1);
      const stands = [last, ...rest].map((change) => looked.indexOf(stand(change)));
      expect(stands).toEqual([...stands].sort((a, b) => a - b));
      // Nothing is left to tell to who knows how it ended.
      expect(await (await way(there, { id, after: rest.at(-1).id })).next()).toBeNull();
    },
  );

  test('goes on by the header too, and not behind what is no place', async () => {
    const id = await sendFile();
    const first = await byEvents(there, { id });
    const event = (await first.next()) as { id?: string } & Answer;
    expect(event.data.bulkFile.id).toBe(event.id);
    await step(id);
    const again = await byEvents(own.kit, { id }, provider, { 'last-event-id': event.id! });
    expect(stand(await told(again))).toBe(looked[0]);
    for (const after of ['nonsense', Buffer.from('17.0').toString('base64url')]) {
      const { port } = own.kit.hub;
      expect(await refusal(port, { id, after }, provider)).toMatchObject({
        status: 400,
        errors: [{ extensions: { code: 'CURSOR_INVALID' } }],
      });
      expect(await codeOf(await bySocket(own.kit, { id, after }))).toBe('CURSOR_INVALID');
    }
  });

  test('goes on at another hub when theirs is killed', async () => {
    const id = await sendFile();
    const killed = await startHubProcess(own.kit);
    const first = await bySocket({ hub: killed, issuer: own.kit.issuer }, { id });
    await told(first);
    await step(id);
    const { id: after } = await told(first);
    await killed.kill();
    await expect(first.next()).rejects.toMatchObject({ code: 1006 });
    await step(id);
    expect(stand(await told(await bySocket(there, { id, after })))).toBe(looked[1]);
  }, 60_000);

  test('costs one statement, however many they are, and is counted as a stream', async () => {
    const id = await sendFile();
    const all = await Promise.all(Array.from({ length: 40 }, () => byEvents(there, { id })));
    for (const one of all) await told(one);
    expect(await streamsAt(there)).toBe(40);
    const before = there.database.watcher.sent();
    await step(id);
    for (const one of all) expect(stand(await told(one))).toBe(looked[0]);
    // One more may be the look at everybody's right, every other second.
    expect(there.database.watcher.sent() - before).toBeLessThanOrEqual(4);
  });
});

test('what is announced says which file, once for each piece, and nothing of anybody', async () => {
  const id = await sendFile();
  while ((await step(id)) === 'STOPPED');
  const { rows } = await own.pool.query(
    `select topic, payload from outbox where payload ->> 'fileId' = $1 order by id`,
    [uuidOf(bulkFilePrefix, id)],
  );
  expect(rows.map(({ topic }) => topic)).toEqual([
    'bulk.requested',
    ...Array(looked.length + 1).fill('bulk.moved'),
  ]);
  for (const { payload } of rows) expect(payload).toEqual({ fileId: uuidOf(bulkFilePrefix, id) });
});

/** What is said instead of a stream. */
async function refusal(port: number, variables: object, claims: JWTPayload) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${await own.kit.issuer.token(claims)}`,
    },
    body: JSON.stringify({ query: document, variables }),
  });
  return { status: response.status, ...((await response.json()) as Answer) };
}

describe('whose file it is', () => {
  test('nobody of another organisation or role hears whether there is one', async () => {
    const id = await sendFile();
    const others = [
      { sub: 'eve', tandem_role: 'PROVIDER', organisation: 'RWX' },
      { sub: 'priya', tandem_role: 'FINANCE', organisation: 'QWN' },
      ...viewerRoles
        .filter((role) => !/^(PROVIDER|FINANCE)/.test(role))
        .map((role) => ({ sub: 'x', tandem_role: role, organisation: 'D9H01', nhs_number: '9990000107' })),
    ];
    expect(others.length).toBeGreaterThan(8);
    for (const claims of others) {
      const answers = [];
      for (const file of [id, idOf(bulkFilePrefix, crypto.randomUUID()), 'nonsense']) {
        const answer = await refusal(there.hub.port, { id: file }, claims);
        delete answer.errors![0]!.extensions.requestId;
        answers.push(answer);
      }
      expect(answers[0]).toMatchObject({ status: 404, errors: [{ extensions: { code: 'NOT_FOUND' } }] });
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[2]).toEqual(answers[0]);
    }
    expect(await codeOf(await bySocket(there, { id }, others[0]))).toBe('NOT_FOUND');
    const colleague = await byEvents(there, { id }, { ...provider, sub: 'ann' });
    expect(stand(await told(colleague))).toBe('WAITING 0 0 0 0');
    const { rows } = await own.pool.query(
      `select distinct outcome::text as outcome, role::text as role, person_ids from audit_event
        where object = 'bulkFile' and role::text in ('PROVIDER', 'ADMIN') order by role, outcome`,
    );
    expect(rows).toEqual([
      { outcome: 'NOTHING', role: 'ADMIN', person_ids: [] },
      { outcome: 'FOUND', role: 'PROVIDER', person_ids: [] },
      { outcome: 'NOTHING', role: 'PROVIDER', person_ids: [] },
    ]);
  });

  test.each(ways)(
    'whose work has ended hears no more of it by %s, whether it moves or not',
    async (name, way) => {
      const [id, other] = [await sendFile(), await sendFile()];
      const leaver = { ...provider, sub: `leaver by ${name}` };
      const moving = await way(own.kit, { id }, leaver);
      const quiet = await way(there, { id: other }, leaver);
      const colleague = await way(own.kit, { id });
      for (const one of [quiet, moving, colleague]) await told(one);
      await own.pool.query(
        `insert into employment_end (organisation_id, subject, ended_at, ended_by, reason)
         select organisation_id, $2, now(), 'x', 'x' from bulk_file where id = $1`,
        [uuidOf(bulkFilePrefix, id), `${own.kit.issuer.url}#${leaver.sub}`],
      );
      await step(id);
      expect(stand(await told(colleague))).toBe(looked[0]);
      for (const one of [moving, quiet]) {
        expect(await codeOf(one)).toBe('FORBIDDEN');
        expect(await one.next()).toBeNull();
      }
      expect(await codeOf(await bySocket(there, { id }, leaver))).toBe('NOT_FOUND');
    },
  );
});
