/** Bulk files at the GraphQL door: looked through, applied, sent twice, sent back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyLedger } from '../src/ledger/verify.ts';
import {
  type BulkKit,
  csv,
  type Family,
  makeFamilies,
  reference,
  spending,
  startBulkKit,
} from './setup/bulk.ts';
import { coordinator, provider } from './setup/hub.ts';
import { send } from './setup/spending.ts';

let own: BulkKit;
let families: Family[];
beforeAll(async () => {
  own = await startBulkKit();
  families = await makeFamilies(own.pool, 30, 10_000n);
});
afterAll(() => own.close());

const stranger = { sub: 'eve', tandem_role: 'PROVIDER', organisation: 'RWX' };
const finance = { sub: 'priya', tandem_role: 'FINANCE', organisation: 'QWN' };
const lists = `{ bulkFiles(first: 5) { nodes { id } } }`;

/** Two families whom no other test uses. */
const pair = (() => {
  let next = 0;
  return () => {
    next += 2;
    return families.slice(next - 2, next) as [Family, Family];
  };
})();

const row = (family: Family, amount: string, ref = reference(), day = '2026-11-20') => [
  family.budgetId,
  day,
  amount,
  'Harbour Leisure',
  'Swimming',
  ref,
];

describe('a dry run', () => {
  test('changes nothing and says what would; applied it does just that, once', async () => {
    const both = pair();
    const body = csv(spending, [
      row(both[0], '10.00'),
      row(both[0], '95.00'),
      row(both[0], '£5.50'),
      row(both[1], 'ten'),
      row(both[1], '20'),
    ]);
    const before = await own.spent(both);
    const taken = await own.importFile(body, { dryRun: true });
    expect(taken).toMatchObject({ alreadySent: false, userErrors: [], file: { status: 'WAITING', rows: 0 } });
    await own.work(taken.file.id);
    const checked = await own.file(taken.file.id);
    expect(checked).toMatchObject({
      status: 'CHECKED',
      rows: 5,
      good: 3,
      bad: 2,
      applied: 0,
      unchanged: 0,
      amount: { amount: '35.50' },
      problems: {
        nodes: [
          { number: 2, code: 'INSUFFICIENT_BALANCE' },
          { number: 4, code: 'ROW_INVALID', message: 'amount: an amount such as 1234.56.' },
        ],
      },
    });
    // It counts what the rows before would have taken.
    expect(checked.problems.nodes[0].message).toContain('£90.00 is left');
    expect(await own.spent(both)).toEqual(before);
    expect(await own.work(taken.file.id)).toBe('LEFT');

    expect((await own.apply(taken.file.id)).userErrors).toEqual([]);
    await own.work(taken.file.id);
    expect(await own.file(taken.file.id)).toMatchObject({
      status: 'DONE',
      good: 3,
      bad: 2,
      applied: 3,
      unchanged: 0,
    });
    expect(await own.spent(both)).toMatchObject({ spends: 3, pence: 3_550, audited: before.audited + 1 });
    expect(await own.apply(taken.file.id)).toMatchObject({
      file: { status: 'DONE' },
      userErrors: [{ code: 'WRONG_STAGE', field: 'fileId' }],
    });
    expect((await verifyLedger(own.pool)).fault).toBeNull();
  });

  test('shows what is no longer good when it is applied after the money went', async () => {
    const [family] = pair();
    const look = await own.run(csv(spending, [row(family, '60'), row(family, '30')]), { dryRun: true });
    expect(look).toMatchObject({ good: 2, bad: 0 });
    await own.run(csv(spending, [row(family, '50')]));
    await own.apply(look.id);
    await own.work(look.id);
    expect(await own.file(look.id)).toMatchObject({
      status: 'DONE',
      good: 1,
      applied: 1,
      bad: 1,
      amount: { amount: '30.00' },
      problems: { nodes: [{ number: 1, code: 'INSUFFICIENT_BALANCE' }] },
    });
  });
});

describe('what was sent before', () => {
  test('the same file does nothing and says so, whatever it is sent as', async () => {
    const both = pair();
    const body = csv(spending, [row(both[0], '1'), row(both[1], '2')]);
    const first = await own.run(body);
    expect(first).toMatchObject({ status: 'DONE', applied: 2 });
    for (const more of [{}, { dryRun: true }, { kind: 'INVOICE' }]) {
      const again = await own.importFile(body, more);
      expect(again).toMatchObject({
        alreadySent: true,
        file: { id: first.id, status: 'DONE' },
        userErrors: [],
      });
      expect(await own.work(again.file.id)).toBe('LEFT');
    }
    expect(await own.spent(both)).toMatchObject({ spends: 2, pence: 300 });
  });

  test('rows of another file are known by their number, or by their words and place', async () => {
    const [family] = pair();
    const fare = [family.budgetId, '2026-11-20', '2.00', 'Bus', 'Fare', ''];
    const first = await own.run(csv(spending, [row(family, '1', 'A1'), fare, fare]));
    expect(first).toMatchObject({ applied: 3 });
    const second = await own.run(
      csv(spending, [
        fare,
        fare,
        fare,
        row(family, '1', 'A1'),
        row(family, '4', 'A1'),
        row(family, '3', 'A2'),
        row(family, '3', 'A2'),
      ]),
    );
    expect(second).toMatchObject({
      ...{ rows: 7, applied: 2, unchanged: 3, bad: 2 },
      problems: {
        nodes: [
          { number: 5, code: 'REFERENCE_REPEATED' },
          { number: 7, code: 'REFERENCE_REPEATED' },
        ],
      },
    });
    const third = await own.run(csv(spending, [row(family, '4', 'A1')]));
    expect(third.problems.nodes).toMatchObject([{ code: 'REFERENCE_USED' }]);
    expect(await own.spent([family])).toMatchObject({ spends: 5, pence: 1_000 });
  });
});

describe('rows that cannot go in', () => {
  test('come back as they were with the reason beside them, safe to open, and go in when they are mended', async () => {
    const both = pair();
    const bad = [both[0].budgetId, '31/02/2026', '3.00', '"=HYPERLINK(""x"")"', '"Swim, twice"', 'B1'];
    const done = await own.run(csv(spending, [row(both[0], '1'), bad, row(both[1], '9999')]));
    expect(done).toMatchObject({ status: 'DONE', applied: 1, bad: 2 });
    const { status, text } = await own.fetchBad(done.badRowsUrl);
    expect(status).toBe(200);
    const lines = text.trimEnd().split('\r\n');
    expect(lines[0]).toBe(`${spending},problem_code,problem`);
    expect(lines[1]).toBe(
      `${both[0].budgetId},31/02/2026,3.00,"'=HYPERLINK(""x"")","Swim, twice",B1,ROW_INVALID,spent_on: a day such as 2026-11-21 or 21/11/2026.`,
    );
    expect(lines[2]).toMatch(/,INSUFFICIENT_BALANCE,/);
    expect(lines).toHaveLength(3);
    const mended = await own.run(text.replace('31/02/2026', '20/11/2026').replace('9999', '9.99'));
    expect(mended).toMatchObject({ status: 'DONE', rows: 2, applied: 2, bad: 0, badRowsUrl: null });
    const { rows } = await own.pool.query(`select payee from spend where external_ref = 'B1'`);
    expect(rows).toEqual([{ payee: '=HYPERLINK("x")' }]);
  });

  test('tell nobody whether a record is there that is not theirs to pay for', async () => {
    const [family] = pair();
    await own.pool.query(`update portion set account_operator_id = null where budget_id = $1`, [family.uuid]);
    const named = 'budget,nhs_number,budget_kind,spent_on,amount,payee,what';
    const rest = ['2026-11-20', '1', 'Shop', 'Tea'];
    const { problems } = await own.run(
      csv(named, [
        [family.budgetId, '', '', ...rest],
        ['bud_01900000000070008000000000000000', '', '', ...rest],
        ['', family.nhsNumber, 'INTEGRATED', ...rest],
        ['', '9990000107', 'INTEGRATED', ...rest],
      ]),
    );
    expect(problems.nodes.map(({ code }: { code: string }) => code)).toEqual(Array(4).fill('NOT_FOUND'));
    expect(new Set(problems.nodes.map(({ message }: { message: string }) => message)).size).toBe(1);
    expect(await own.spent([family])).toMatchObject({ spends: 0 });
  });

  test('an excluded thing, a day to come and a budget that is not released are told as recordSpend would', async () => {
    const both = pair();
    await own.pool.query(`update budget set status = 'PROPOSED' where id = $1`, [both[1].uuid]);
    const { problems } = await own.run(
      csv(spending, [
        [both[0].budgetId, '2026-11-20', '3', 'Shop', 'Tobacco', ''],
        row(both[0], '3', 'C1', '2026-12-20'),
        row(both[1], '3', 'C2'),
      ]),
    );
    expect(problems.nodes.map(({ code }: { code: string }) => code)).toEqual([
      'EXCLUDED_ITEM',
      'DAY_INVALID',
      'WRONG_STAGE',
    ]);
  });
});

describe('other kinds and forms', () => {
  test('a timesheet costs hours at a rate; the person may be named by their number', async () => {
    const [family] = pair();
    const headings = 'nhs_number;budget_kind;worker;week_ending;hours;rate';
    const done = await own.run(
      `\ufeff${csv(headings, [[family.nhsNumber, 'integrated', 'Ben Ash', '15/11/2026', '3.25', '£13.33']], ';')}`,
      { kind: 'TIMESHEET' },
    );
    expect(done).toMatchObject({ applied: 1, bad: 0, amount: { amount: '43.32' } });
    const { rows } = await own.pool.query(
      'select what, category, payee, portion_id from spend where budget_id = $1',
      [family.uuid],
    );
    expect(rows).toMatchObject([
      {
        what: 'Wages, 3.25 hours at £13.33',
        category: 'wages',
        payee: 'Ben Ash',
        portion_id: expect.any(String),
      },
    ]);
  });

  test('invoices as JSON: one number of one supplier for two families is two, of two suppliers too', async () => {
    const both = pair();
    const invoice = (family: Family, supplier: string) => ({
      ...{
        budget: family.budgetId,
        invoice_number: '1001',
        paid_on: '2026-11-20',
        amount: 5.25,
        supplier,
        what: 'Care',
      },
    });
    const rows = [invoice(both[0], 'Agency A'), invoice(both[1], 'Agency A'), invoice(both[0], 'Agency B')];
    const done = await own.run(JSON.stringify([...rows, { ...rows[0], colour: 'red' }, 17]), {
      kind: 'INVOICE',
      format: 'JSON',
    });
    expect(done).toMatchObject({ rows: 5, applied: 3, bad: 2, amount: { amount: '15.75' } });
    const { text } = await own.fetchBad(done.badRowsUrl);
    expect(text.split('\r\n')[1]).toContain(`${both[0].budgetId},,,1001,2026-11-20,5.25,Agency A,Care`);
  });

  test('what Excel saves on Windows is read as it was written', async () => {
    const [family] = pair();
    const body = Buffer.from(
      csv(spending, [[family.budgetId, '2026-11-20', '1', 'Caf\u00e9', 'Tea \u2013 two', 'D1']]).replace(
        '\u2013',
        '\u0096',
      ),
      'latin1',
    );
    expect(await own.run(body)).toMatchObject({ applied: 1 });
    const { rows } = await own.pool.query(`select payee, what from spend where external_ref = 'D1'`);
    expect(rows).toEqual([{ payee: 'Café', what: 'Tea – two' }]);
  });

  test.each([
    ['missing columns', 'budget,amount\nx,1', 'Missing: spent_on, payee, what.'],
    [
      'strange columns',
      'budget,spent_on,amount,payee,what,colour\nx',
      'Not known, or there twice: column 6.',
    ],
    ['nobody', 'spent_on,amount,payee,what\nx', 'Missing: budget, or nhs_number and budget_kind.'],
    ['quotation marks', `${spending}\n"x`, 'quotation marks do not match'],
    ['no rows', spending, 'There is no row in the file.'],
  ])('a file with %s fails whole, says what is wanted, and can be sent again', async (_, body, message) => {
    const failed = await own.run(body);
    expect(failed).toMatchObject({ status: 'FAILED', errorCode: 'BULK_INVALID', rows: 0, badRowsUrl: null });
    expect(failed.error).toContain(message);
    expect(await own.importFile(body)).toMatchObject({ alreadySent: false });
  });

  test('more rows than there may be fail whole, and nothing is kept of them', async () => {
    const [family] = pair();
    const rows = Array.from({ length: 50_001 }, (_, n) => row(family, '0.01', `E${n}`));
    const failed = await own.run(csv(spending, rows));
    expect(failed).toMatchObject({ status: 'FAILED', errorCode: 'BULK_TOO_LARGE' });
    const { rows: left } = await own.pool.query(
      `select count(*)::int as n from bulk_row r join bulk_file f on f.id = r.file_id where f.status = 'FAILED'`,
    );
    expect(left).toEqual([{ n: 0 }]);
    expect(await own.spent([family])).toMatchObject({ spends: 0 });
  });

  test('a document is no bulk file, and the other way round', async () => {
    const sent = await own.upload('%PDF-1.4');
    expect([sent.status, sent.answer.errors[0].extensions.code]).toEqual([415, 'EVIDENCE_TYPE']);
    expect((await own.upload(Buffer.from('budget,\0'))).status).toBe(415);
    const refused = await send(own.kit, 'requestBulkUpload', { fileName: 'x.pdf' }, 'uploadId', provider);
    expect(refused.userErrors).toMatchObject([{ code: 'EVIDENCE_TYPE', field: 'fileName' }]);
  });
});

describe('who may', () => {
  test('nobody of another organisation sees a file, its rows or its list, nor applies it', async () => {
    const [family] = pair();
    const look = await own.run(csv(spending, [row(family, '1'), row(family, 'x')]), { dryRun: true });
    for (const claims of [stranger, finance, coordinator, { sub: 'sam', tandem_role: 'ADMIN' }]) {
      expect(await own.file(look.id, claims)).toBeNull();
      expect((await own.fetchBad(look.badRowsUrl, claims)).status).toBe(404);
      const ids = (await own.kit.ask(lists, {}, claims)).data.bulkFiles.nodes.map(
        ({ id }: { id: string }) => id,
      );
      expect(ids).not.toContain(look.id);
    }
    expect((await own.apply(look.id, finance)).userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
    expect((await own.kit.ask(lists, {}, { ...provider, sub: 'ann' })).data.bulkFiles.nodes).toContainEqual({
      id: look.id,
    });
  });

  test('finance pays from the budgets its organisation funds', async () => {
    const [family] = pair();
    const done = await own.run(csv(spending, [row(family, '7')]), {}, finance);
    expect(done).toMatchObject({ applied: 1, bad: 0 });
  });

  test('an upload that is not there, is another organisation’s or got no file is not taken up', async () => {
    const asked = await send(own.kit, 'requestBulkUpload', { fileName: 'x.csv' }, 'uploadId', provider);
    const given = (uploadId: string, claims = provider) =>
      send(
        own.kit,
        'importBulkFile',
        { uploadId, kind: 'SPENDING', format: 'CSV', dryRun: true },
        'file { id }',
        claims,
      );
    expect((await given(asked.uploadId)).userErrors).toMatchObject([{ code: 'NOT_UPLOADED' }]);
    expect((await given(asked.uploadId, stranger as never)).userErrors[0].code).toMatch(
      /NOT_FOUND|NOT_YOURS/,
    );
    expect((await given('upl_01900000000070008000000000000000')).userErrors).toMatchObject([
      { code: 'NOT_FOUND' },
    ]);
  });

  test('whose work has ended has nothing more recorded, and somebody else can send the file', async () => {
    const [family] = pair();
    const leaver = { ...provider, sub: 'lea' };
    const body = csv(spending, [row(family, '1')]);
    const taken = await own.importFile(body, {}, leaver);
    await own.pool.query(
      `insert into employment_end (organisation_id, subject, ended_at, ended_by, reason)
       select organisation_id, sent_by, now(), 'x', 'x' from bulk_file order by recorded_at desc limit 1`,
    );
    await own.work(taken.file.id);
    expect(await own.file(taken.file.id)).toMatchObject({
      status: 'FAILED',
      errorCode: 'NOT_YOURS',
      applied: 0,
    });
    expect(await own.spent([family])).toMatchObject({ spends: 0 });
    expect(await own.run(body)).toMatchObject({ status: 'DONE', applied: 1 });
  });
});
