import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCamt } from '../src/spending/camt.ts';
import { type CsvMapping, dayOfText, penceOfText, readCsv } from '../src/spending/csv.ts';
import {
  fileProblem,
  lineRefs,
  maxBytes,
  maxLines,
  type Reading,
  textIn,
  textOf,
} from '../src/spending/statement-line.ts';

const today = '2026-11-21';
const file = (name: string) => readFileSync(new URL(`fixture/statement/${name}`, import.meta.url), 'utf8');
const none = { openingPence: null, closingPence: null };

const columns: CsvMapping = {
  date: 'date',
  moneyOut: 'Paid Out',
  moneyIn: 'Paid in',
  party: 'Description',
  reference: 'Type',
  balance: 'Balance',
  dateFormat: 'DD_MMM_YYYY',
  delimiter: ',',
};
const signed: CsvMapping = {
  date: 'day',
  amount: 'amount',
  party: 'who',
  dateFormat: 'YYYY_MM_DD',
  delimiter: ',',
};

const problems = (reading: Reading) => reading.problems.map(({ message }) => message);
const csv = (rows: string[], given: Parameters<typeof readCsv>[2] = none) =>
  readCsv(['day,amount,who', ...rows].join('\n'), signed, given, today);

describe('a CSV statement', () => {
  test('is read with its columns as they are named, the latest first or last', async () => {
    const { statement } = await readCsv(file('november.csv'), columns, none, today);
    expect(statement).toMatchObject({ openingPence: 42_000n, closingPence: 121_750n, account: null });
    expect(statement!.lines.map(({ at, bookedOn, pence, party }) => [at, bookedOn, pence, party])).toEqual([
      [5, '2026-11-02', 200_000n, 'NHS WENSHIRE ICB'],
      [4, '2026-11-16', -1_250n, 'CORNER SHOP'],
      [3, '2026-11-18', -118_000n, 'HOLLOWAY PAYROLL'],
      [2, '2026-11-21', -1_000n, 'HARBOUR LEISURE CARD 4410'],
    ]);
  });

  test('tells every line that cannot be read, and none of its words', async () => {
    const reading = await csv([
      '2026-02-30,1.00,Mrs Secret',
      '2026-11-22,1.00,x',
      '2026-11-01,"1,000",x',
      '2026-11-01,1e3,x',
      '2026-11-01,,x',
      '2026-11-01,1,x,y',
      '2026-11-01,5.00,x',
    ]);
    expect(reading.statement).toBeNull();
    expect(problems(reading).map((message) => message.slice(0, 7))).toEqual([
      'Line 2:',
      'Line 3:',
      'Line 4:',
      'Line 5:',
      'Line 6:',
      'Line 7:',
    ]);
    expect(problems(reading).join()).not.toMatch(/Secret|1,000|1e3/);
  });

  test('refuses columns that are not there or twice, another currency, and money below zero in its own column', async () => {
    const read = async (content: string, changes: Partial<CsvMapping>) =>
      problems(await readCsv(content, { ...signed, ...changes }, none, today));
    expect(await read('day,amount\n', { party: 'who' })).toEqual([expect.stringContaining('"who"')]);
    expect(await read('day,amount,who,Who\n', {})).toEqual([expect.stringContaining('"who"')]);
    expect(await read('day,amount,who,ccy\n2026-11-01,1,x,EUR\n', { currency: 'ccy' })).toEqual([
      'Line 2: the currency is not GBP.',
    ]);
    const both = { amount: null, moneyIn: 'in', moneyOut: 'out' };
    expect(await read('day,in,out,who\n2026-11-01,,-5,x\n', both)).toEqual([
      expect.stringContaining('below zero'),
    ]);
    expect(await read('day,in,out,who\n2026-11-01,3,5,x\n', both)).toEqual([
      expect.stringContaining('in one line'),
    ]);
    expect(await read('day,amount,who\n2026-11-01,1,"x\n', {})).toEqual([
      expect.stringContaining('quotation marks'),
    ]);
  });

  test('must come to what it closed with, line by line where it says so', async () => {
    const rows = ['2026-11-01,10.00,x', '2026-11-02,-3.00,y'];
    expect((await csv(rows, { openingPence: 0n, closingPence: 700n })).statement).not.toBeNull();
    const off = await csv(rows, { openingPence: 0n, closingPence: 701n });
    expect(off.problems).toEqual([
      { code: 'STATEMENT_TOTALS_DISAGREE', message: expect.stringContaining('£0.01 is missing') },
    ]);
    // A line is missing from the middle of it.
    const lines = file('november.csv').split('\n');
    lines.splice(3, 1);
    const { problems: found } = await readCsv(lines.join('\n'), columns, none, today);
    expect(found).toMatchObject([{ code: 'STATEMENT_TOTALS_DISAGREE' }]);
  });

  test('a bank number that comes twice is one line sent twice', async () => {
    const mapping = { ...signed, bankRef: 'id' };
    const rows = 'day,amount,who,id\n2026-11-01,1,x,A1\n2026-11-01,1,x,A1\n';
    expect(problems(await readCsv(rows, mapping, none, today))).toEqual([
      "Line 3 has the bank's number of line 2 again.",
    ]);
  });

  test('is the same in whatever pieces it comes', async () => {
    const bytes = Buffer.from(file('november.csv').replace('CORNER SHOP', 'CAFÉ £ Ü'));
    const whole = await readCsv(bytes.toString(), columns, none, today);
    expect(whole.statement).not.toBeNull();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
        const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = ends.slice(1).map((end, n) => bytes.subarray(ends[n], end));
        const text = textOf(Readable.from(pieces));
        expect(await readCsv(text, columns, none, today)).toEqual(whole);
      }),
      { numRuns: 100 },
    );
  });

  test('has a limit of lines', async () => {
    const rows = Array.from({ length: maxLines + 1 }, () => '2026-11-01,1,x');
    expect((await csv(rows)).problems).toMatchObject([{ code: 'STATEMENT_TOO_LARGE' }]);
    expect((await csv(rows.slice(1))).statement!.lines).toHaveLength(maxLines);
  });

  test.each([
    ['21/11/2026', 'DD_MM_YYYY', '2026-11-21'],
    ['11/21/2026', 'MM_DD_YYYY', '2026-11-21'],
    ['1-2-2026', 'DD_MM_YYYY', '2026-02-01'],
    ['29 Feb 2026', 'DD_MMM_YYYY', null],
    ['29 february 2028', 'DD_MMM_YYYY', '2028-02-29'],
    ['21 Foo 2026', 'DD_MMM_YYYY', null],
    ['2026-13-01', 'YYYY_MM_DD', null],
  ] as const)('%s as %s is %s', (text, format, day) => {
    expect(dayOfText(text, format)).toBe(day);
  });

  test('amounts are exact, or nothing', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 11n - 1n }), (pence) => {
        const whole = String(pence / 100n);
        const rest = String(pence % 100n).padStart(2, '0');
        const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
        for (const text of [`${whole}.${rest}`, `£${grouped}.${rest}`, `+${grouped}.${rest}`]) {
          expect(penceOfText(text)).toBe(pence);
        }
        expect(penceOfText(`-£${grouped}.${rest}`)).toBe(-pence);
      }),
    );
    const not = [
      '',
      '1.999',
      '1,00.00',
      '1,000',
      '12,34',
      '0x10',
      '1e5',
      '٣',
      'NaN',
      '--1',
      '1.',
      '.5',
      '1 000.00',
    ];
    for (const text of not) expect([text, penceOfText(text)]).toEqual([text, null]);
  });
});

describe('a camt.053 statement', () => {
  const good = file('november.xml');

  test('is read: what is booked, with its parties, numbers and balances', () => {
    const { statement } = readCamt(good, today);
    expect(statement).toEqual({
      openingPence: 42_000n,
      closingPence: 123_000n,
      account: 'GB00WENS20201512345678',
      lines: [
        {
          at: 1,
          bookedOn: '2026-11-02',
          pence: 200_000n,
          party: 'NHS Wenshire ICB',
          reference: 'Personal health budget',
          bankRef: 'W-1001',
        },
        {
          at: 2,
          bookedOn: '2026-11-18',
          pence: -118_000n,
          party: 'Holloway Payroll & Sons',
          reference: 'WAGES 11',
          bankRef: 'W-1002',
        },
        {
          at: 3,
          bookedOn: '2026-11-20',
          pence: -1_000n,
          party: 'HARBOUR LEISURE CARD 4410',
          reference: 'HARBOUR LEISURE CARD 4410',
          bankRef: 'W-1003',
        },
      ],
    });
    const prefixed = good.replace(/<(\/?)(?=[A-Z])/g, '<$1c:').replace('xmlns=', 'xmlns:c=');
    expect(readCamt(prefixed, today).statement).toEqual(statement);
  });

  test.each([
    ['another total', 'CLBD', />1230.00</, '>1230.01<', '£0.01 is missing'],
    ['another foot', 'sum', '<Sum>3190<', '<Sum>3191<', 'foot'],
    ['another count', 'count', '<NbOfNtries>3<', '<NbOfNtries>4<', 'foot'],
    ['another currency', 'EUR', '"GBP">10.00', '"EUR">10.00', 'Entry 3: its amount'],
    ['an amount below zero', '-', '"GBP">10.00', '"GBP">-10.00', 'Entry 3: its amount'],
    ['part of a penny', '.001', '"GBP">10.00', '"GBP">10.001', 'Entry 3: its amount'],
    ['no direction', 'x', /<CdtDbtInd>DBIT<\/CdtDbtInd><Sts>BOOK/, '<Sts>BOOK', 'Entry 3: its amount'],
    ['no such day', '31 Nov', '2026-11-02</Dt>', '2026-11-31</Dt>', 'Line 1: the day'],
    ['a day to come', '22 Nov', '2026-11-02</Dt>', '2026-11-22</Dt>', 'Line 1: the day is still to come'],
    ['an entry twice', 'W-1002', 'W-1003', 'W-1002', 'Line 3 has the bank'],
    ['no opening balance', 'OPBD', 'OPBD', 'XXXX', 'OPBD or PRCD'],
    ['broken XML', '<', '</Stmt>', '', 'not well-formed'],
    ['another message', 'pain', /BkToCstmrStmt/g, 'CstmrCdtTrfInitn', 'no statement'],
  ])('with %s is refused whole', (_, __, from, to, said) => {
    const reading = readCamt(good.replace(from, to), today);
    expect(reading.statement).toBeNull();
    expect(problems(reading).join(' ')).toContain(said);
  });

  test('days that follow one another are one statement; a gap between them is told', () => {
    const statement = /<Stmt>[\s\S]*<\/Stmt>/.exec(good)![0];
    const next = statement
      .replace('>420.00<', '>1230.00<')
      .replace('CRDT</CdtDbtInd><Dt><Dt>2026-11-20', 'CRDT</CdtDbtInd><Dt><Dt>2026-11-21')
      .replace(
        '"GBP">1230.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-21',
        '"GBP">2040.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-21',
      )
      .replace(/W-10/g, 'W-20');
    const two = good.replace(statement, statement + next);
    expect(readCamt(two, today)).toMatchObject({
      problems: [],
      statement: { openingPence: 42_000n, closingPence: 204_000n, lines: { length: 6 } },
    });
    const gap = good.replace(statement, statement + next.replace('>1230.00<', '>1231.00<'));
    expect(readCamt(gap, today).problems).toMatchObject([{ code: 'STATEMENT_TOTALS_DISAGREE' }]);
    const other = good.replace(statement, statement + next.replace('12345678', '87654321'));
    expect(problems(readCamt(other, today)).join()).toContain('more than one account');
  });

  test('made to hurt a parser is refused before anything is built of it', () => {
    const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join(
      '',
    );
    const attacks = [
      `<!DOCTYPE d [<!ENTITY l0 "ha">${laughs}]>${good.replace(/<\?xml.*?\?>/, '').replace('WAGES 11', '&l9;')}`,
      `<!doctype d [<!ENTITY x SYSTEM "file:///etc/passwd">]>${good.replace(/<\?xml.*?\?>/, '')}`,
      `${'<a>'.repeat(200_000)}${'</a>'.repeat(200_000)}`,
      `<Document>${'<a '.repeat(100_000)}`,
    ];
    for (const attack of attacks) expect(readCamt(attack, today).statement).toBeNull();
    // An entity that nobody declared stays as it was written.
    const { statement } = readCamt(good.replace('WAGES 11', '&l9;&#x41;&#0;'), today);
    expect(statement!.lines[1]!.reference).toBe('&l9;A&#0;');
    const proto = good.replace('<Id>2026-11</Id>', '<__proto__><polluted>1</polluted></__proto__>');
    readCamtQuietly(proto);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

/** Whether it is refused or read does not matter here. */
function readCamtQuietly(content: string) {
  try {
    readCamt(content, today);
  } catch {
    // The parser refuses such names.
  }
}

test('what is no text, or too much of it, is not read', () => {
  expect(fileProblem('PK\u0003\u0004')).toMatchObject({ code: 'STATEMENT_INVALID' });
  expect(fileProblem('a\u0000b')).toMatchObject({ code: 'STATEMENT_INVALID' });
  expect(fileProblem('a\ud83d')).toMatchObject({ code: 'STATEMENT_INVALID' });
  expect(textIn(`${'x'.repeat(199)}\u{1f600}`)).toBe('x'.repeat(199));
  expect(fileProblem('  \n')).toMatchObject({ code: 'STATEMENT_INVALID' });
  expect(fileProblem('£'.repeat(maxBytes / 2 + 1))).toMatchObject({ code: 'STATEMENT_TOO_LARGE' });
  expect(fileProblem('£'.repeat(maxBytes / 2))).toBeNull();
});

test('equal lines are told apart by their place, in whichever file they come', () => {
  const line = { at: 1, bookedOn: '2026-11-01', pence: -100n, party: 'Bus', reference: '', bankRef: null };
  const [first, second] = lineRefs([line, { ...line, at: 2, party: 'BUS ' }]);
  expect(first).not.toBe(second);
  expect(lineRefs([{ ...line, at: 9, party: 'bus' }])).toEqual([first]);
  expect(lineRefs([{ ...line, pence: 100n }])[0]).not.toBe(first);
});
