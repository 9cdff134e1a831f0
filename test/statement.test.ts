import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { provider, startTestHub, type TestHub } from './setup/hub.ts';
import {
  agreePlan,
  exclude,
  finance,
  herself,
  makeBudget,
  type OwnBudget,
  payIn,
  pounds,
  send,
} from './setup/spending.ts';

const file = (name: string) => readFileSync(new URL(`fixture/statement/${name}`, import.meta.url), 'utf8');
const csvColumns = {
  date: 'Date',
  moneyOut: 'Paid out',
  moneyIn: 'Paid in',
  party: 'Description',
  balance: 'Balance',
  dateFormat: 'DD_MMM_YYYY',
};

let kit: TestHub;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  await exclude(kit, 'QWN', 'ICB', ['Holloway gambling']);
});
afterAll(() => kit.close());
beforeEach(async () => {
  budget = await makeBudget(kit);
  await agreePlan(kit, budget, [
    { key: 'care', what: 'Personal assistants', providerName: 'Holloway Payroll', yearlyPence: 900_000 },
    { key: 'swim', what: 'Swimming', yearlyPence: 30_000 },
  ]);
});

const shown = `alreadyImported newLines knownLines
  statement { id format fileName opening { amount } closing { amount } ledgerClosing { amount } difference { amount }
    matched unmatched setAside budget { id }
    lines(first: 50) { nodes { id bookedOn amount { amount } party state note spend { id state lineKey what payee amount { amount } } transfer { amount { amount } } } } }
  budget { balances { source left { amount } } }`;

const importing = (changes: object = {}, claims: object = herself) =>
  send(
    kit,
    'importStatement',
    {
      budgetId: budget.id,
      format: 'CAMT_053',
      fileName: 'november.xml',
      content: file('november.xml'),
      ...changes,
    },
    shown,
    claims as never,
  );
const asCsv = { format: 'CSV', fileName: 'november.csv', content: file('november.csv'), csv: csvColumns };

const swam = () =>
  send(
    kit,
    'recordSpend',
    {
      budgetId: budget.id,
      amount: pounds('10.00'),
      spentOn: '2026-11-18',
      payee: 'Harbour Leisure',
      what: 'Swimming',
    },
    'spend { id }',
    herself,
  );

/** 420.00 carried over, and the payment of November. */
const fund = async () => {
  await payIn(kit, budget, { pence: 42_000n, effectiveOn: '2026-10-02' });
  await payIn(kit, budget, { pence: 200_000n, effectiveOn: '2026-11-01' });
};

const counts = async () => {
  const { rows } = await kit.database.pool.query(
    `select (select count(*)::int from spend where budget_id = $1) as spends,
            (select count(*)::int from bank_statement where budget_id = $1) as statements,
            (select count(*)::int from bank_line l join bank_statement s on s.id = l.statement_id where s.budget_id = $1) as lines`,
    [budget.uuid],
  );
  return rows[0];
};

type Line = { id: string; state: string; amount: { amount: string } };
const lineOf = (payload: { statement: { lines: { nodes: Line[] } } }, amount: string) =>
  payload.statement.lines.nodes.find((line) => line.amount.amount === amount)!;

describe('a statement', () => {
  test('finds what was recorded, records what the plan names, and says what it does not know', async () => {
    await fund();
    const { spend } = await swam();
    const payload = await importing(asCsv);
    expect(payload).toMatchObject({ alreadyImported: false, newLines: 4, knownLines: 0, userErrors: [] });
    expect(payload.statement).toMatchObject({
      format: 'CSV',
      matched: 3,
      unmatched: 1,
      opening: { amount: '420.00' },
      closing: { amount: '1217.50' },
      ledgerClosing: { amount: '1230.00' },
      // What the shop was paid is in no book yet, and nothing is made up for it.
      difference: { amount: '-12.50' },
    });
    expect(payload.statement.lines.nodes).toMatchObject([
      { state: 'MATCHED', transfer: { amount: { amount: '2000.00' } }, spend: null },
      { state: 'UNMATCHED', party: 'CORNER SHOP', spend: null, note: null },
      { state: 'MATCHED', spend: { state: 'INSIDE_PLAN', lineKey: 'care', payee: 'HOLLOWAY PAYROLL' } },
      { state: 'MATCHED', spend: { id: spend.id } },
    ]);
    expect(payload.budget.balances).toEqual([{ source: 'ICB', left: { amount: '1230.00' } }]);
  });

  test('sent twice does nothing the second time, and says so', async () => {
    await fund();
    const first = await importing();
    expect(first).toMatchObject({ newLines: 3, statement: { matched: 2, unmatched: 1 } });
    const before = await counts();
    const again = await importing({ fileName: 'another name.xml' });
    expect(again).toMatchObject({ alreadyImported: true, newLines: 0, knownLines: 3, userErrors: [] });
    expect(again.statement).toEqual(first.statement);
    expect(again.budget).toEqual(first.budget);
    expect(await counts()).toEqual(before);
  });

  test('sent many times at once is taken in once', async () => {
    await fund();
    const answers = await Promise.all(Array.from({ length: 8 }, () => importing()));
    expect(answers.filter(({ alreadyImported }) => !alreadyImported)).toHaveLength(1);
    expect(await counts()).toEqual({ spends: 1, statements: 1, lines: 3 });
  });

  test('that overlaps another brings its new lines alone, also of two that are equal', async () => {
    await fund();
    const head = 'Date,Paid out,Paid in,Description\n';
    const bus = '19/11/2026,2.00,,BUS\n';
    const csv = { ...csvColumns, balance: null, dateFormat: 'DD_MM_YYYY' };
    const sent = async (content: string) => {
      const { newLines, knownLines } = await importing({ ...asCsv, csv, content: head + content });
      return [newLines, knownLines];
    };
    expect(await sent(bus)).toEqual([1, 0]);
    expect(await sent(bus + bus)).toEqual([1, 1]);
    expect(await sent(`${bus}${bus}20/11/2026,2.00,,BUS\n`)).toEqual([1, 2]);
    expect(await sent(`${bus}${bus}20/11/2026,2.00,,Bus\n\n`)).toEqual([0, 3]);
    expect(await counts()).toMatchObject({ lines: 3 });
  });

  test('that does not add up, or cannot be read, is refused whole with the figures', async () => {
    await fund();
    const broken = await importing({ content: file('november.xml').replace('>1230.00<', '>1200.00<') });
    expect(broken.statement).toBeNull();
    expect(broken.userErrors).toEqual([
      {
        code: 'STATEMENT_TOTALS_DISAGREE',
        message: expect.stringContaining('-£30.00 is missing'),
        field: 'content',
      },
    ]);
    const rows = Array.from({ length: 150 }, () => 'x,1,,y').join('\n');
    const csv = { ...csvColumns, balance: null };
    const unreadable = await importing({
      ...asCsv,
      csv,
      content: `Date,Paid out,Paid in,Description\n${rows}`,
    });
    expect(unreadable.userErrors).toHaveLength(101);
    expect(unreadable.userErrors[0]).toEqual({
      code: 'STATEMENT_INVALID',
      message: expect.stringMatching(/^Line 2: the day/),
      field: 'content',
    });
    expect((await importing({ ...asCsv, csv: null })).userErrors[0].code).toBe('MAPPING_INVALID');
    const twice = { ...csvColumns, amount: 'Balance' };
    expect((await importing({ ...asCsv, csv: twice })).userErrors[0].code).toBe('MAPPING_INVALID');
    expect(await counts()).toEqual({ spends: 0, statements: 0, lines: 0 });
  });

  test('of another account than the one that is paid is refused', async () => {
    await fund();
    await kit.database.pool.query(
      `insert into payee_account (person_id, budget_id, account_name, sort_code, account_number, usable_from, created_by, approved_by)
       values ($1, $2, 'Iris Holloway', '20-20-15', '12345679', '2026-01-01', 'a', 'b')`,
      [budget.personId, budget.uuid],
    );
    expect((await importing()).userErrors[0].code).toBe('STATEMENT_OF_OTHER_ACCOUNT');
    await kit.database.pool.query(
      `update payee_account set account_number = '12345678' where budget_id = $1`,
      [budget.uuid],
    );
    expect((await importing()).userErrors).toEqual([]);
  });

  test('never spends more than there is: what cannot be recorded waits, and says why', async () => {
    await payIn(kit, budget, { pence: 100_000n, effectiveOn: '2026-11-01' });
    const payload = await importing();
    expect(payload.statement).toMatchObject({ matched: 0, unmatched: 3 });
    expect(lineOf(payload, '-1180.00')).toMatchObject({
      state: 'UNMATCHED',
      note: 'INSUFFICIENT_BALANCE',
      spend: null,
    });
    expect(payload.budget.balances).toEqual([{ source: 'ICB', left: { amount: '1000.00' } }]);
  });

  test('is for those who may spend the money', async () => {
    await fund();
    expect((await importing({}, provider)).userErrors[0].code).toBe('NOT_YOURS');
    expect((await importing({ portionId: budget.managed }, provider)).userErrors).toEqual([]);
    expect((await importing({}, { ...finance, organisation: 'QOX' })).userErrors[0].code).toBe('NOT_FOUND');
  });

  test('is read in one statement, whatever is asked', async () => {
    await fund();
    const { statement } = await importing();
    // After the statement's last day: no business of its difference.
    const later = {
      budgetId: budget.id,
      amount: pounds('5.00'),
      spentOn: '2026-11-21',
      payee: 'Cafe',
      what: 'Tea',
    };
    await send(kit, 'recordSpend', later, 'spend { id }');
    await send(
      kit,
      'commitMoney',
      { budgetId: budget.id, amount: pounds('7.00'), what: 'Bed' },
      'budget { id }',
    );
    const before = kit.database.reader.sent();
    const { data, errors } = await kit.ask(
      `query { node(id: "${statement.id}") { ... on BankStatement { id difference { amount } ledgerClosing { amount } matched unmatched setAside portion { management }
          lines(first: 2, state: MATCHED) { nodes { statement { id } spend { id what } transfer { id } } pageInfo { hasNextPage } } } }
        unmatchedBankLines(first: 10) { nodes { id } edges { cursor } }
        me { name } }`,
      {},
      finance,
    );
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    expect(data.node).toMatchObject({
      ledgerClosing: { amount: '1240.00' },
      difference: { amount: '-10.00' },
    });
    expect(data.node.lines.nodes).toHaveLength(2);
    const person = await kit.ask(
      `{ node(id: "per_${budget.personId.replaceAll('-', '')}") { ... on Person { bankStatements(first: 1) { nodes { id } } } } }`,
    );
    expect(person.data.node.bankStatements.nodes).toEqual([{ id: statement.id }]);
  });
});

describe('a line that no rule knows', () => {
  const line =
    'bankLine { id state note spend { id } transfer { id } } spend { id state payee spentOn amount { amount } }';
  const waiting = async (claims: object = finance) =>
    (
      await kit.ask(`{ unmatchedBankLines(first: 100) { nodes { id } } }`, {}, claims as never)
    ).data.unmatchedBankLines.nodes.map(({ id }: { id: string }) => id);

  test('is on the work list of who sees the person, until somebody says what it is', async () => {
    await fund();
    const { id } = lineOf(await importing(), '-10.00');
    expect(await waiting()).toContain(id);
    expect(await waiting({ ...finance, organisation: 'QOX' })).toEqual([]);
    const record = { what: 'Swimming', lineKey: 'swim' };
    const matched = await send(kit, 'matchBankLine', { bankLineId: id, record }, line, herself);
    expect(matched).toMatchObject({
      userErrors: [],
      bankLine: { state: 'MATCHED', spend: { id: matched.spend.id } },
      spend: {
        state: 'INSIDE_PLAN',
        payee: 'HARBOUR LEISURE CARD 4410',
        spentOn: '2026-11-20',
        amount: { amount: '10.00' },
      },
    });
    expect(await waiting()).not.toContain(id);
    const again = await send(kit, 'matchBankLine', { bankLineId: id, record }, line, herself);
    expect(again.userErrors[0].code).toBe('WRONG_STAGE');

    // Undone, it is shown by nothing, and the line waits again.
    const undo = { spendId: matched.spend.id, expectedVersion: 1, reason: 'Somebody else swam' };
    await send(kit, 'undoSpend', undo, 'spend { id }', herself);
    expect(await waiting()).toContain(id);
  });

  test('is matched to a spend or a movement of the same amount only, each once, and let go again', async () => {
    await fund();
    const payload = await importing();
    const { id } = lineOf(payload, '-10.00');
    const spend = (amount: string) =>
      send(
        kit,
        'recordSpend',
        {
          budgetId: budget.id,
          amount: pounds(amount),
          spentOn: '2026-10-01',
          payee: 'Club',
          what: 'Swimming',
        },
        'spend { id transfers { id } }',
      );
    const { spend: other } = await spend('10.01');
    const { spend: same } = await spend('10.00');
    const match = (changes: object) =>
      send(kit, 'matchBankLine', { bankLineId: id, ...changes }, line, herself);
    const code = async (changes: object) => (await match(changes)).userErrors[0]?.code;
    expect(await code({})).toBe('MATCH_INVALID');
    expect(await code({ spendId: same.id, transferId: same.transfers[0].id })).toBe('MATCH_INVALID');
    expect(await code({ spendId: other.id })).toBe('BANK_LINE_DIFFERS');
    expect(await code({ spendId: 'nonsense' })).toBe('NOT_FOUND');
    expect(await code({ transferId: 'nonsense' })).toBe('NOT_FOUND');
    expect(await code({ spendId: lineOf(payload, '-1180.00').id })).toBe('NOT_FOUND');
    expect((await match({ spendId: same.id })).bankLine).toMatchObject({
      state: 'MATCHED',
      spend: { id: same.id },
    });

    const free = { bankLineId: id, reason: 'The wrong one' };
    const released = await send(kit, 'releaseBankLine', free, line, herself);
    expect(released.bankLine).toEqual({ id, state: 'UNMATCHED', note: null, spend: null, transfer: null });
    expect((await match({ spendId: same.id })).bankLine.state).toBe('MATCHED');
  });

  test('is set aside with a reason, and can be taken up again', async () => {
    await fund();
    const { id } = lineOf(await importing(), '-10.00');
    const aside = await send(
      kit,
      'setAsideBankLine',
      { bankLineId: id, reason: 'Bank error' },
      line,
      herself,
    );
    expect(aside.bankLine).toMatchObject({ state: 'SET_ASIDE', note: 'Bank error' });
    expect(await waiting()).not.toContain(id);
    const none = await send(kit, 'setAsideBankLine', { bankLineId: id, reason: ' ' }, line, herself);
    expect(none.userErrors[0].code).toBe('REASON_NEEDED');
    const record = { what: 'Swimming' };
    const taken = await send(kit, 'matchBankLine', { bankLineId: id, record }, line, herself);
    expect(taken.bankLine.state).toBe('MATCHED');
  });

  test('that shows what may not be bought stays: the money is gone, and somebody must deal with it', async () => {
    await fund();
    const { id } = lineOf(await importing(), '-10.00');
    const record = { what: 'Gambling with the Holloways' };
    const refused = await send(kit, 'matchBankLine', { bankLineId: id, record }, line, herself);
    expect(refused.spend.state).toBe('REFUSED');
    expect(refused.bankLine).toMatchObject({ state: 'UNMATCHED', note: 'EXCLUDED_ITEM' });
  });
});
