import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nightlyHandler } from '../jobs/nightly.ts';
import { cleanUploads } from '../src/evidence/clean.ts';
import { openFiles } from '../src/platform/file.ts';
import { openLog } from '../src/platform/log.ts';
import { keptLog } from './setup/byproduct.ts';
import { startClamd } from './setup/clamd.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { closedPort, evidenceKit, iris } from './setup/evidence.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { startS3 } from './setup/s3.ts';

/** The standard's own harmless text, in parts so that this file is not mistaken for one. */
const eicar = `X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-${'STANDARD-ANTIVIRUS-TEST-FILE'}!$H+H*`;

const keyOf = (body: Buffer) => {
  const hash = createHash('sha256').update(body).digest('hex');
  return `sha256/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash}`;
};

describe('with an S3 store and a virus scanner', () => {
  let kit: TestHub;
  let own: ReturnType<typeof evidenceKit>;
  let s3: Awaited<ReturnType<typeof startS3>>;
  let clamd: Awaited<ReturnType<typeof startClamd>>;
  let folder: string;
  let irisId: string;
  const arriving = () => readdir(join(folder, 'arriving'));
  const open = async (evidenceId: string) =>
    fetch(own.address(`/evidence/${evidenceId}`), {
      headers: { authorization: `Bearer ${await kit.issuer.token(coordinator)}` },
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-evidence-'));
    s3 = await startS3();
    clamd = await startClamd({ finds: 'EICAR' });
    kit = await startTestHub({
      database: await makeDemoDatabase(),
      now: noon,
      files: { folder, s3: s3.settings, clamd, secret: 'x'.repeat(32) },
    });
    own = evidenceKit(kit);
    irisId = await own.personId(iris.nhsNumber);
  });
  afterAll(async () => {
    await kit.close();
    await clamd.close();
    await s3.close();
    await rm(folder, { recursive: true });
  });

  test('a file is looked through, stands in the store once under its hash, and comes back', async () => {
    const body = Buffer.concat([pdf('in the store'), Buffer.alloc(3_000_000, 'x')]);
    const first = await own.upload(irisId, 'a.pdf', body);
    expect(first.status).toBe(201);
    expect(await s3.keys()).toEqual([keyOf(body)]);
    expect((await own.upload(irisId, 'b.pdf', body)).answer).toEqual({ ...first.answer, alreadyKept: true });
    expect(await s3.keys()).toEqual([keyOf(body)]);
    expect(clamd.scanned()).toBe(2);
    const { data } = await kit.ask(`{ node(id: "${first.answer.evidenceId}") { ... on Evidence { scan } } }`);
    expect(data.node.scan).toBe('CLEAN');
    const fetched = Buffer.from(await (await open(first.answer.evidenceId)).arrayBuffer());
    expect(fetched.equals(body)).toBe(true);
    expect(await arriving()).toEqual([]);
  });

  test('a virus is refused and accounted for, nothing is kept, and a clean file may follow', async () => {
    const before = [await s3.keys(), await own.count('evidence')];
    const { uploadUrl, status, code } = await own.upload(irisId, 'note.txt', eicar);
    expect({ status, code }).toEqual({ status: 422, code: 'EVIDENCE_INFECTED' });
    expect([await s3.keys(), await own.count('evidence')]).toEqual(before);
    expect(await arriving()).toEqual([]);
    expect(await own.audited()).toEqual({
      outcome: 'REFUSED',
      reason: 'A virus was found.',
      role: 'CARE_COORDINATOR',
      organisation: 'QWN',
      people: 1,
    });
    expect((await own.send(uploadUrl, 'clean after all')).status).toBe(201);
  });

  test.each([
    'INSTREAM size limit exceeded. ERROR\0',
    "stream: Can't allocate memory ERROR\0",
    'COMMAND READ TIMED OUT\0',
    '',
    'nonsense',
  ])('a scanner that answers %j gave no leave', async (answer) => {
    const before = [await s3.keys(), await own.count('evidence')];
    const { uploadUrl } = await own.request(irisId, 'odd.txt');
    clamd.setAnswer(answer);
    const refused = await own.send(uploadUrl, `odd ${answer.length}`);
    clamd.setAnswer(null);
    expect(refused).toMatchObject({ status: 503, code: 'SCANNER_UNAVAILABLE' });
    expect(refused.answer.errors[0].extensions.retryable).toBe(true);
    expect([await s3.keys(), await own.count('evidence')]).toEqual(before);
    expect((await own.send(uploadUrl, `odd ${answer.length}`)).status).toBe(201);
  });

  test('a store that is lost in the middle of a file makes no evidence, and what part of it is there is made whole', async () => {
    const body = Buffer.concat([pdf('lost in the middle'), Buffer.alloc(2_000_000, 'x')]);
    const { uploadUrl } = await own.request(irisId, 'lost.pdf');
    const before = await own.count('evidence');
    s3.breakAfter(1_000_000);
    expect(await own.send(uploadUrl, body)).toMatchObject({ status: 503, code: 'FILE_STORE_UNAVAILABLE' });
    expect(await own.count('evidence')).toBe(before);
    expect(await arriving()).toEqual([]);
    s3.breakAfter(Number.POSITIVE_INFINITY);
    const { status, answer } = await own.send(uploadUrl, body);
    expect(status).toBe(201);
    // This store, unlike Amazon's, keeps the part that it got, under the name of the whole.
    expect(await s3.keys()).toContain(keyOf(body));
    expect(Buffer.from(await (await open(answer.evidenceId)).arrayBuffer()).equals(body)).toBe(true);
  });

  test('a store that stops keeps nothing half, says so, and the same address works when it is back', async () => {
    const body = pdf('while it is down');
    const there = await own.upload(irisId, 'there.pdf', pdf('there before'));
    const { uploadUrl } = await own.request(irisId, 'down.pdf');
    const before = await own.count('evidence');
    await s3.stop();
    expect(await own.send(uploadUrl, body)).toMatchObject({ status: 503, code: 'FILE_STORE_UNAVAILABLE' });
    expect((await open(there.answer.evidenceId)).status).toBe(503);
    expect(await own.count('evidence')).toBe(before);
    expect(await arriving()).toEqual([]);
    await s3.startAgain();
    expect(await s3.keys()).not.toContain(keyOf(body));
    expect((await own.send(uploadUrl, body)).status).toBe(201);
    expect(await s3.keys()).toContain(keyOf(body));
    expect((await open(there.answer.evidenceId)).status).toBe(200);
  });

  /** What the night does, so many hours after the clock of the hub. */
  const nightAfter = (hours: number) =>
    nightlyHandler({
      pool: kit.database.pool,
      files: openFiles({ folder, s3: s3.settings }),
      log: openLog('trace', keptLog()),
      now: () => new Date(noon().getTime() + hours * 3_600_000),
      stopping: new AbortController().signal,
    })();
  /** The content comes to be kept, and the database then fails. */
  async function lose(body: Buffer) {
    await asOwner(
      kit.database.url,
      `create or replace function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
       create trigger fail before insert on evidence for each row execute function fail()`,
    );
    expect((await own.upload(irisId, 'lost.pdf', body)).status).toBe(500);
    await asOwner(kit.database.url, 'drop trigger fail on evidence');
  }

  test('content that became no evidence goes in the night after its address, with all addresses, and evidence stays', async () => {
    const lost = pdf('lost');
    const sentAgain = pdf('sent again');
    await lose(lost);
    await lose(sentAgain);
    const again = await own.upload(irisId, 'again.pdf', sentAgain);
    const { uploadUrl: unused } = await own.request(irisId, 'unused.pdf');
    const before = await s3.keys();
    expect(before).toContain(keyOf(lost));
    // Within a day of the address somebody may still be at it.
    expect(await nightAfter(24)).toMatchObject({ outcome: 'DONE', uploads: 0 });
    expect(await s3.keys()).toEqual(before);
    // A store that does not answer is asked again in the next night.
    await s3.stop();
    await nightAfter(25);
    await s3.startAgain();
    expect(await own.count('evidence_upload', 'hash is not null and evidence_id is null')).toBeGreaterThan(0);
    await nightAfter(49);
    expect(await own.count('evidence_upload')).toBe(0);
    expect(await s3.keys()).toEqual(before.filter((key) => key !== keyOf(lost)));
    expect((await open(again.answer.evidenceId)).status).toBe(200);
    expect(await own.send(unused, pdf('late'))).toMatchObject({ code: 'UPLOAD_NOT_VALID' });
  });

  test('content that is sent again while it is removed is there in the end', async () => {
    const files = openFiles({ folder, s3: s3.settings });
    const { pool } = kit.database;
    for (let round = 0; round < 8; round += 1) {
      const body = pdf(`raced ${round}`);
      await lose(body);
      await pool.query(
        `update evidence_upload set expires_at = expires_at - interval '25 hours' where evidence_id is null`,
      );
      const { uploadUrl } = await own.request(irisId, 'raced.pdf');
      const [{ status, answer }] = await Promise.all([
        own.send(uploadUrl, body),
        cleanUploads({ pool, files }, noon(), new AbortController().signal),
      ]);
      expect(status).toBe(201);
      expect((await open(answer.evidenceId)).status).toBe(200);
    }
  });
});

test('a scanner that is configured and absent lets nothing in', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-evidence-'));
  const clamd = { host: '127.0.0.1', port: await closedPort() };
  const kit = await startTestHub({ database: await makeDemoDatabase(), now: noon, files: { folder, clamd } });
  try {
    const own = evidenceKit(kit);
    const { status, code } = await own.upload(await own.personId(iris.nhsNumber), 'a.pdf', pdf('a'));
    expect({ status, code }).toEqual({ status: 503, code: 'SCANNER_UNAVAILABLE' });
    expect(await own.count('evidence')).toBe(0);
    expect(await own.count('evidence_upload', 'used_at is null')).toBe(1);
    expect((await readdir(folder)).sort()).toEqual(['arriving', 'secret']);
  } finally {
    await kit.close();
    await rm(folder, { recursive: true });
  }
});

test('an address that one process gave is good at another, with a secret of their folder or of their settings', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-evidence-'));
  try {
    const many = await Promise.all(Array.from({ length: 6 }, () => openFiles({ folder }).sign('text')));
    expect(new Set(many).size).toBe(1);
    expect(await readdir(folder)).toEqual(['secret']);
    const secret = 'a secret that they all are told of';
    const given = await Promise.all(
      [1, 2].map((n) => openFiles({ folder: join(folder, `${n}`), secret }).sign('text')),
    );
    expect(given[0]).toBe(given[1]);
    expect(given[0]).not.toBe(many[0]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
