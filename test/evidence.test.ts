import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { docx, exe, heic, jpeg, pdf, png, xlsx, zip } from './setup/document.ts';
import { carolForIris, daniel, evidenceKit, iris } from './setup/evidence.ts';
import { admin, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
let own: ReturnType<typeof evidenceKit>;
let folder: string;
let irisId: string;
let danielId: string;
let logged = '';
let now = noon();
const later = (minutes: number) => {
  now = new Date(now.getTime() + minutes * 60_000);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-evidence-'));
  const log = new Writable({
    write(chunk, _encoding, done) {
      logged += chunk;
      done();
    },
  });
  kit = await startTestHub({ database: await makeDemoDatabase(), now: () => now, files: { folder }, log });
  own = evidenceKit(kit);
  irisId = await own.personId(iris.nhsNumber);
  danielId = await own.personId(daniel.nhsNumber);
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true });
});

/** Files below the folder that hold content: by hash, or still arriving. */
async function kept(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((e) => e.isFile() && e.name !== 'secret').map((e) => e.name);
}

const fields = 'id kind fileName mediaType sizeBytes sha256 dated scan downloadUrl';
const read = async (id: string, claims: object = coordinator) =>
  (
    await kit.ask(
      `query ($id: ID!) { node(id: $id) { ... on Evidence { ${fields} } } }`,
      { id },
      { ...claims },
    )
  ).data.node;

describe('an upload', () => {
  test('is kept under its hash, is found with what it is, and comes back as it was', async () => {
    const body = pdf('an invoice');
    const hash = createHash('sha256').update(body).digest('hex');
    const { uploadUrl, uploadId, expiresAt, userErrors } = await own.request(
      irisId,
      'Rechnung für März.pdf',
      {
        kind: 'INVOICE',
        dated: '2026-11-02',
      },
    );
    expect(userErrors).toEqual([]);
    expect(uploadId).toMatch(/^upl_/);
    expect(new Date(expiresAt).getTime() - now.getTime()).toBe(15 * 60_000);
    // Nothing in the address tells of the person.
    expect(uploadUrl).not.toMatch(new RegExp(`${iris.nhsNumber}|Holloway|Rechnung|${irisId.slice(4)}`));
    const { status, answer } = await own.send(uploadUrl, body);
    expect({ status, answer }).toEqual({
      status: 201,
      answer: { evidenceId: expect.stringMatching(/^evd_/), alreadyKept: false },
    });
    expect(await read(answer.evidenceId)).toEqual({
      id: answer.evidenceId,
      kind: 'INVOICE',
      fileName: 'Rechnung für März.pdf',
      mediaType: 'application/pdf',
      sizeBytes: body.length,
      sha256: hash,
      dated: '2026-11-02',
      scan: 'NOT_SCANNED',
      downloadUrl: `/evidence/${answer.evidenceId}`,
    });
    expect(await kept()).toContain(hash);
    expect(await own.audited()).toEqual({
      outcome: 'DONE',
      reason: null,
      role: 'CARE_COORDINATOR',
      organisation: 'QWN',
      people: 1,
    });
    expect(await own.count('outbox', `topic = 'evidence.changed'`)).toBe(1);

    const get = async (claims: object) =>
      fetch(own.address(`/evidence/${answer.evidenceId}`), {
        headers: { authorization: `Bearer ${await kit.issuer.token({ ...claims })}` },
      });
    const found = await get(socialWorker);
    expect(Buffer.from(await found.arrayBuffer())).toEqual(body);
    expect(Object.fromEntries(found.headers)).toMatchObject({
      'content-type': 'application/pdf',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-store',
      'content-disposition': `attachment; filename="Rechnung f_r M_rz.pdf"; filename*=UTF-8''Rechnung%20f%C3%BCr%20M%C3%A4rz.pdf`,
    });
    // Neither without a token, nor for who has no part in the person's care: the same as of nothing.
    expect((await fetch(own.address(`/evidence/${answer.evidenceId}`))).status).toBe(401);
    const stranger = { sub: 'd', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
    const refused = await Promise.all([get(stranger), get(admin)]);
    expect(refused.map(({ status }) => status)).toEqual([404, 404]);
    expect(await read(answer.evidenceId, stranger)).toBeNull();
    const nothing = await fetch(own.address(`/evidence/evd_${'0'.repeat(32)}`), {
      headers: { authorization: `Bearer ${await kit.issuer.token(stranger)}` },
    });
    const words = async (response: Response) => {
      const { errors } = (await response.json()) as {
        errors: { message: string; extensions: { code: string } }[];
      };
      return errors.map(({ message, extensions }) => [message, extensions.code]);
    };
    expect(await words(refused[0]!)).toEqual(await words(nothing));
    const { rows } = await kit.database.pool.query(
      `select outcome, count(*)::int as n from audit_event where object = 'evidence' group by outcome order by outcome`,
    );
    expect(rows).toEqual([
      { outcome: 'FOUND', n: 1 },
      { outcome: 'NOTHING', n: 3 },
    ]);
  });

  test('of the same content is the same evidence for one person, its own for another, and kept once', async () => {
    const body = pdf('the same for two');
    const first = await own.upload(irisId, 'one.pdf', body);
    const files = (await kept()).length;
    const again = await own.upload(irisId, 'two.pdf', body, { kind: 'INVOICE' });
    expect(again.answer).toEqual({ evidenceId: first.answer.evidenceId, alreadyKept: true });
    expect(await read(first.answer.evidenceId)).toMatchObject({ fileName: 'one.pdf', kind: 'RECEIPT' });
    const other = await own.upload(danielId, 'one.pdf', body);
    expect(other.answer).toMatchObject({ alreadyKept: false });
    expect(other.answer.evidenceId).not.toBe(first.answer.evidenceId);
    expect(await kept()).toHaveLength(files);
  });

  test('takes one file: of many at once one wins, and none comes after', async () => {
    const { uploadUrl } = await own.request(irisId, 'race.pdf');
    const before = await own.count('evidence');
    const sent = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        own.send(uploadUrl, pdf(`race ${i}`), i % 2 ? { method: 'POST' } : {}),
      ),
    );
    expect(sent.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect(sent.filter(({ code }) => code === 'UPLOAD_USED')).toHaveLength(7);
    expect((await own.send(uploadUrl, pdf('late'))).status).toBe(409);
    expect(await own.count('evidence')).toBe(before + 1);
  });

  test('address is good for a quarter of an hour, and only as it was given', async () => {
    const { uploadUrl } = await own.request(irisId, 'soon.pdf');
    const changed = [
      uploadUrl.replace(/expires=\d+/, `expires=${now.getTime() + 9e9}`),
      uploadUrl.replace('as=CARE_COORDINATOR.QWN', 'as=ADMIN'),
      uploadUrl.replace(/signature=./, (s: string) => `signature=${s.endsWith('A') ? 'B' : 'A'}`),
      uploadUrl.replace(/signature=.*/, 'signature='),
      uploadUrl.replace(/upl_./, (s: string) => `upl_${s.endsWith('0') ? '1' : '0'}`),
      '/evidence/upload/nonsense?expires=x',
    ];
    for (const url of changed) expect((await own.send(url, pdf('x'))).code).toBe('UPLOAD_NOT_VALID');
    later(15);
    expect(await own.send(uploadUrl, pdf('x'))).toMatchObject({ status: 410, code: 'UPLOAD_EXPIRED' });
  });

  test('asked for twice with one key is one upload, and its address is nowhere in the database', async () => {
    const input = { idempotencyKey: randomUUID(), personId: irisId, kind: 'RECEIPT', fileName: 'once.pdf' };
    const mutation = `mutation ($input: RequestEvidenceUploadInput!) { requestEvidenceUpload(input: $input) { uploadUrl } }`;
    const [one, two] = [await kit.ask(mutation, { input }), await kit.ask(mutation, { input })];
    expect(two.data).toEqual(one.data);
    const signature = new URL(one.data.requestEvidenceUpload.uploadUrl, 'http://hub').searchParams.get(
      'signature',
    );
    const { rows } = await kit.database.pool.query(
      `select (select count(*)::int from command_receipt r where r::text like '%' || $1 || '%')
            + (select count(*)::int from evidence_upload u where u::text like '%' || $1 || '%') as n`,
      [signature],
    );
    expect(rows[0].n).toBe(0);
  });
});

describe('a file', () => {
  test.each([
    ['photo.png', png, 'image/png'],
    ['photo.JPG', jpeg, 'image/jpeg'],
    ['photo.heic', heic, 'image/heic'],
    ['letter.docx', docx, 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    ['sheet.xlsx', xlsx, 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
    ['bank.csv', Buffer.from('Date,Amount\r\n01/11/2026,"£12.00"\r\n', 'latin1'), 'text/csv'],
    ['note.txt', Buffer.from('Paid in cash\n'), 'text/plain'],
    ['makes.csv', Buffer.from('BMW,hire\n'), 'text/csv'],
  ])('%s is taken for what is in it', async (name, body, mediaType) => {
    const { status, answer } = await own.upload(irisId, name, body);
    expect(status).toBe(201);
    expect((await read(answer.evidenceId)).mediaType).toBe(mediaType);
  });

  test.each([
    ['a program by the name of a PDF', 'invoice.pdf', exe],
    ['a PDF by the name of a picture', 'photo.png', pdf('x')],
    ['a picture by the name of text', 'bank.csv', png],
    ['a PDF by the name of text', 'note.txt', pdf('x')],
    ['text by the name of a PDF', 'invoice.pdf', Buffer.from('not a PDF')],
    ['bytes by the name of text', 'note.txt', Buffer.from([72, 105, 0, 1, 2])],
    ['a zip of something else by the name of a letter', 'letter.docx', zip({ 'run.exe': 'MZ' })],
    ['a sheet by the name of a letter', 'letter.docx', xlsx],
    ['a page by the name of a picture', 'photo.jpg', Buffer.from('<html><script>alert(1)</script></html>')],
  ])(
    'that is %s is refused, nothing of it is kept, and the address is still good',
    async (_what, name, body) => {
      const before = [await kept(), await own.count('evidence')];
      const { uploadUrl, status, code } = await own.upload(irisId, name, body);
      expect({ status, code }).toEqual({ status: 415, code: 'EVIDENCE_TYPE' });
      expect([await kept(), await own.count('evidence')]).toEqual(before);
      expect(await own.audited()).toMatchObject({ outcome: 'FAILED', people: 1 });
      expect((await own.send(uploadUrl, Buffer.alloc(0))).code).toBe('EVIDENCE_EMPTY');
    },
  );

  test('of 20 MB is taken, of a byte more refused, and of no end cut off; the next still gets in', async () => {
    const before = await kept();
    const large = Buffer.concat([pdf('large'), Buffer.alloc(20 * 2 ** 20)]);
    const { uploadUrl } = await own.request(irisId, 'large.pdf');
    expect(await own.send(uploadUrl, large.subarray(0, 20 * 2 ** 20 + 1))).toMatchObject({
      status: 413,
      code: 'EVIDENCE_TOO_LARGE',
    });
    expect(await kept()).toEqual(before);
    const cut = await new Promise<string>((resolve) => {
      const req = httpRequest(own.address(uploadUrl), { method: 'PUT' }, (res) =>
        resolve(`answered ${res.statusCode}`),
      );
      req.on('error', ({ message }) => resolve(message));
      const chunk = Buffer.alloc(2 ** 20);
      const more = () => void (req.destroyed || req.write(chunk, () => setImmediate(more)));
      more();
    });
    expect(cut).toMatch(/ECONNRESET|EPIPE|hang up|413/);
    await expect.poll(kept).toEqual(before);
    await expect
      .poll(async () => (await own.send(uploadUrl, large.subarray(0, 20 * 2 ** 20))).status)
      .toBe(201);
  });

  test('that breaks off in the middle leaves nothing, and can be sent again', async () => {
    const before = await kept();
    const { uploadUrl, uploadId } = await own.request(irisId, 'broken.pdf');
    const body = pdf('broken');
    await new Promise<void>((resolve) => {
      const headers = { 'content-length': body.length };
      const req = httpRequest(own.address(uploadUrl), { method: 'PUT', headers });
      req.on('error', () => {});
      req.on('close', resolve);
      req.write(body.subarray(0, 10), () => setTimeout(() => req.destroy(), 50));
    });
    const uuid = uploadId.slice(4);
    await expect
      .poll(() => own.count('evidence_upload', `replace(id::text, '-', '') = '${uuid}' and used_at is null`))
      .toBe(1);
    expect(await kept()).toEqual(before);
    expect((await own.send(uploadUrl, body)).status).toBe(201);
  });

  test('that comes while sixteen others are coming is asked to come again', async () => {
    const slow = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const { uploadUrl } = await own.request(irisId, `slow ${i}.txt`);
        const req = httpRequest(own.address(uploadUrl), { method: 'PUT', headers: { 'content-length': 10 } });
        const status = new Promise<number>((resolve) =>
          req.on('response', (res) => resolve(res.resume().statusCode!)),
        );
        await new Promise((resolve) => req.write('half ', resolve));
        return { req, status };
      }),
    );
    const { uploadUrl } = await own.request(irisId, 'busy.txt');
    await expect
      .poll(() => own.count('evidence_upload', `file_name like 'slow %' and used_at is not null`))
      .toBe(16);
    expect(await own.send(uploadUrl, 'busy')).toMatchObject({ status: 503, code: 'BUSY' });
    slow.forEach(({ req }, i) => void req.end(`s ${String(i).padStart(3, '0')}`));
    expect(await Promise.all(slow.map(({ status }) => status))).toEqual(Array(16).fill(201));
    expect((await own.send(uploadUrl, 'busy')).status).toBe(201);
  });

  test('is sent as it is, not in a form', async () => {
    const { uploadUrl } = await own.request(irisId, 'form.txt');
    const form = new FormData();
    form.append('file', new Blob(['text']), 'form.txt');
    const response = await fetch(own.address(uploadUrl), { method: 'POST', body: form });
    expect(response.status).toBe(415);
    expect((await fetch(own.address(uploadUrl))).status).toBe(404);
  });

  test('of which only a part was kept by somebody who died is kept whole by the next, and never shown in part', async () => {
    const body = pdf('half a file');
    const { answer } = await own.upload(irisId, 'half.pdf', body);
    const hash = createHash('sha256').update(body).digest('hex');
    await truncate(join(folder, 'sha256', hash.slice(0, 2), hash.slice(2, 4), hash), 5);
    const headers = { authorization: `Bearer ${await kit.issuer.token(coordinator)}` };
    const get = () => fetch(own.address(`/evidence/${answer.evidenceId}`), { headers });
    const broken = await get();
    expect(broken.status).toBe(503);
    expect(await broken.json()).toMatchObject({
      errors: [{ extensions: { code: 'FILE_STORE_UNAVAILABLE', retryable: true } }],
    });
    expect((await own.upload(irisId, 'half.pdf', body)).answer).toMatchObject({ alreadyKept: true });
    expect(Buffer.from(await (await get()).arrayBuffer())).toEqual(body);
  });
});

describe('a database that fails', () => {
  const failing = async (table: string, when: string, work: () => Promise<void>) => {
    const { url } = kit.database;
    await asOwner(
      url,
      `create function fail_now() returns trigger language plpgsql as $$ begin
      raise exception 'Holloway % was refused', new.id; end $$;
      create trigger fail_now before insert on ${table} for each row when (${when}) execute function fail_now()`,
    );
    await work().finally(() => asOwner(url, 'drop function fail_now cascade'));
  };

  test.each([
    ['as the evidence is written', 'evidence', 'true'],
    ['as the account of it is written', 'audit_event', `new.object = 'uploadEvidence'`],
    ['as it is announced', 'outbox', `new.topic = 'evidence.changed'`],
  ])('%s leaves no evidence, and the address as good as before', async (what, table, when) => {
    const body = pdf(what);
    const { uploadUrl } = await own.request(irisId, 'Holloway.pdf');
    const before = [await own.count('evidence'), await own.count('outbox')];
    await failing(table, when, async () => {
      const { status, code, answer } = await own.send(uploadUrl, body);
      expect({ status, code }).toEqual({ status: 500, code: 'INTERNAL_SERVER_ERROR' });
      expect(JSON.stringify(answer)).not.toContain('Holloway');
    });
    expect([await own.count('evidence'), await own.count('outbox')]).toEqual(before);
    expect(await readdir(join(folder, 'arriving'))).toEqual([]);
    expect((await own.send(uploadUrl, body)).status).toBe(201);
  });

  test('is told of in the log, and nobody is named there', () => {
    expect(logged).toContain('A request failed');
    expect(logged).not.toMatch(new RegExp(`Holloway|Rechnung|\\.pdf|${iris.nhsNumber}`));
  });
});

describe('who may ask for an upload', () => {
  test.each([
    ['../../etc/passwd.pdf', 'TEXT_INVALID'],
    ['a\\b.pdf', 'TEXT_INVALID'],
    ['invoice\u200b.pdf', 'TEXT_INVALID'],
    ['   ', 'TEXT_INVALID'],
    [`${'x'.repeat(200)}.pdf`, 'TEXT_INVALID'],
    ['run.exe', 'EVIDENCE_TYPE'],
    ['macro.docm', 'EVIDENCE_TYPE'],
    ['page.html', 'EVIDENCE_TYPE'],
    ['pdf', 'EVIDENCE_TYPE'],
  ])('gives a name that can be kept, not %j', async (fileName, code) => {
    const { uploadUrl, userErrors } = await own.request(irisId, fileName);
    expect({ uploadUrl, userErrors }).toEqual({ uploadUrl: null, userErrors: [{ code, field: 'fileName' }] });
  });

  test('gives a day that has been', async () => {
    const { userErrors } = await own.request(irisId, 'a.pdf', { dated: '2026-11-22' });
    expect(userErrors).toEqual([{ code: 'DAY_INVALID', field: 'dated' }]);
  });

  test('sees the person, and decides about their money or runs their account where it is neither theirs nor their funder', async () => {
    const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
    const finance = { sub: 'f', tandem_role: 'FINANCE', organisation: '999' };
    const errorsOf = async (person: string, claims: object) =>
      (await own.request(person, 'a.pdf', {}, { ...claims })).userErrors.map(
        ({ code }: { code: string }) => code,
      );
    for (const claims of [coordinator, socialWorker, finance, provider, carolForIris])
      expect(await errorsOf(irisId, claims)).toEqual([]);
    expect(await errorsOf(danielId, danielHimself)).toEqual([]);
    expect(await errorsOf(irisId, danielHimself)).toEqual(['PERSON_NOT_FOUND']);
    expect(await errorsOf(danielId, carolForIris)).toEqual(['PERSON_NOT_FOUND']);
    await expect(own.request(irisId, 'a.pdf', {}, admin)).rejects.toThrow('Your role may not do this.');

    const { pool } = kit.database;
    await pool.query(
      `update role_on_record set role = 'LPA_HEALTH_AND_WELFARE', external_id = external_id || '-x'
        where role = 'LPA_PROPERTY_AND_FINANCE' and individual_nhs_number = $1`,
      [carolForIris.nhs_number],
    );
    expect(await errorsOf(irisId, carolForIris)).toEqual(['NOT_FOUND']);
    await pool.query(
      `update portion set account_operator_id = null where replace(person_id::text, '-', '') = $1`,
      [irisId.slice(4)],
    );
    expect(await errorsOf(irisId, provider)).toEqual(['NOT_YOURS']);
  });
});
