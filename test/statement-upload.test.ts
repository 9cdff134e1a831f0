/** Statements too large for a request: uploaded first, and taken in by their evidence. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { daniel, evidenceKit, iris } from './setup/evidence.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { agreePlan, finance, herself, makeBudget, type OwnBudget, payIn, send } from './setup/spending.ts';

const file = (name: string) => readFileSync(new URL(`fixture/statement/${name}`, import.meta.url), 'utf8');

let kit: TestHub;
let own: ReturnType<typeof evidenceKit>;
let irisId: string;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await kit.database.pool.query('delete from commissioner_policy');
  own = evidenceKit(kit);
  irisId = await own.personId(iris.nhsNumber);
  budget = await makeBudget(kit);
  await agreePlan(kit, budget, [
    { key: 'care', what: 'Personal assistants', providerName: 'Holloway Payroll', yearlyPence: 90_000_000 },
  ]);
  await payIn(kit, budget, { pence: 50_000_000n, effectiveOn: '2026-10-02' });
});
afterAll(() => kit.close());

const upload = async (name: string, body: string | Buffer, person = irisId) => {
  const { status, answer } = await own.upload(person, name, body, { kind: 'BANK_STATEMENT' });
  expect(status).toBe(201);
  return answer.evidenceId as string;
};

const columns = {
  date: 'day',
  amount: 'amount',
  party: 'who',
  balance: 'balance',
  bankRef: 'ref',
  dateFormat: 'YYYY_MM_DD',
};
const shown = `alreadyImported newLines knownLines
  statement { id fileName moneyIn { amount } moneyOut { amount } opening { amount } closing { amount } matched unmatched
    evidence { id fileName } }`;

const importing = (changes: object, claims: object = herself) =>
  send(
    kit,
    'importStatement',
    { budgetId: budget.id, format: 'CSV', fileName: 'year.csv', csv: columns, ...changes },
    shown,
    claims as never,
  );

/** As many lines, one after the other since April, with balances; each tenth pays the agency of the plan. */
function statementOf(count: number, { broken = false } = {}): string {
  const rows = ['day,amount,who,balance,ref,notes'];
  let balance = 10_000_000;
  for (let n = 0; n < count; n += 1) {
    const day = new Date(Date.UTC(2026, 3, 1) + Math.floor((n * 200) / count) * 86_400_000);
    const isPay = n % 10 === 0;
    balance -= isPay ? 1_000 : 1;
    const left = (balance + (broken && n === count - 1 ? 1 : 0)) / 100;
    rows.push(
      [
        day.toISOString().slice(0, 10),
        isPay ? '-10.00' : '-0.01',
        isPay ? 'HOLLOWAY PAYROLL' : `SHOP £ ${n % 7}`,
        left.toFixed(2),
        `B${n}`,
        'x'.repeat(110),
      ].join(','),
    );
  }
  return rows.join('\n');
}

const counts = async () => {
  const { rows } = await kit.database.pool.query(
    `select (select count(*)::int from spend where budget_id = $1) as spends,
            (select count(*)::int from bank_statement where budget_id = $1) as statements,
            (select count(*)::int from bank_line l join bank_statement s on s.id = l.statement_id where s.budget_id = $1) as lines`,
    [budget.uuid],
  );
  return rows[0];
};

describe('a statement that was uploaded', () => {
  test('is taken in whole, each line once, with its totals; what nobody knows waits on the work list', async () => {
    const count = 2_000;
    const text = statementOf(count);
    expect(Buffer.byteLength(text)).toBeGreaterThan(256 * 1024);
    const evidenceId = await upload('year.csv', text);
    const taken = await importing({ evidenceId });
    expect(taken).toMatchObject({
      alreadyImported: false,
      newLines: count,
      knownLines: 0,
      statement: {
        moneyIn: { amount: '0.00' },
        moneyOut: { amount: '2018.00' },
        opening: { amount: '100000.00' },
        closing: { amount: '97982.00' },
        matched: count / 10,
        unmatched: (count / 10) * 9,
        evidence: { id: evidenceId, fileName: 'year.csv' },
      },
      userErrors: [],
    });
    expect(await counts()).toEqual({ spends: count / 10, statements: 1, lines: count });
    const { data } = await kit.ask(
      `{ unmatchedBankLines(first: 100) { nodes { party statement { id } } } }`,
      {},
      finance,
    );
    expect(data.unmatchedBankLines.nodes).toHaveLength(100);
    expect(data.unmatchedBankLines.nodes[0]).toMatchObject({
      party: 'SHOP £ 1',
      statement: { id: taken.statement.id },
    });

    // The same file again does nothing, and one that goes on brings its new lines alone.
    const before = await counts();
    expect(await importing({ evidenceId })).toMatchObject({ alreadyImported: true, newLines: 0 });
    expect(await counts()).toEqual(before);
    const longer = await upload('longer.csv', `${text}\n2026-11-01,-1.00,LAST,97981.00,B9999,\n`);
    expect(await importing({ evidenceId: longer })).toMatchObject({ newLines: 1, knownLines: count });
  });

  test('is the same file as one that is sent with the request', async () => {
    const text = 'day,amount,who,balance,ref\n2026-11-02,-3.00,ONE,7.00,C1\n';
    const sent = await importing({ content: text });
    expect(sent).toMatchObject({ newLines: 1, statement: { evidence: null } });
    const evidenceId = await upload('one.csv', text);
    expect(await importing({ evidenceId })).toMatchObject({
      alreadyImported: true,
      statement: { id: sent.statement.id },
    });
  });

  test('may be in camt.053', async () => {
    const evidenceId = await upload('november.xml', file('november.xml'));
    const taken = await importing({ evidenceId, format: 'CAMT_053', csv: null });
    expect(taken).toMatchObject({ newLines: 3, statement: { evidence: { id: evidenceId } }, userErrors: [] });
  });

  test('that does not add up in its last line, or is no text, leaves nothing behind', async () => {
    const before = await counts();
    const broken = await upload('broken.csv', statementOf(500, { broken: true }));
    expect((await importing({ evidenceId: broken })).userErrors).toMatchObject([
      {
        code: 'STATEMENT_TOTALS_DISAGREE',
        field: 'evidenceId',
        message: expect.stringContaining('line 501'),
      },
    ]);
    // In the code page of old spreadsheets, where a pound sign is one byte.
    const latin = await upload('latin.csv', Buffer.from('day,amount,who\n2026-11-02,£1.00,x\n', 'latin1'));
    expect((await importing({ evidenceId: latin })).userErrors).toMatchObject([
      { code: 'STATEMENT_INVALID', field: 'evidenceId', message: expect.stringContaining('UTF-8') },
    ]);
    const many = await upload('many.csv', statementOf(10_001));
    expect((await importing({ evidenceId: many })).userErrors).toMatchObject([
      { code: 'STATEMENT_TOO_LARGE', field: 'evidenceId' },
    ]);
    expect(await counts()).toEqual(before);
  });

  test('is one of the same person, and comes one way alone', async () => {
    const other = await upload('other.csv', 'day,amount,who\n', await own.personId(daniel.nhsNumber));
    for (const evidenceId of [other, 'evd_nonsense']) {
      expect((await importing({ evidenceId })).userErrors).toMatchObject([
        { code: 'NOT_FOUND', field: 'evidenceId' },
      ]);
    }
    for (const both of [{}, { evidenceId: other, content: 'x' }]) {
      expect((await importing(both)).userErrors).toMatchObject([
        { code: 'STATEMENT_INVALID', field: 'content' },
      ]);
    }
  });
});
