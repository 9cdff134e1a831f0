/** A statement as a file: complete, safe in a spreadsheet, for who may see it, and never whole in memory. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readingAll } from '../src/access/claims.ts';
import { post } from '../src/ledger/post.ts';
import { cell } from '../src/platform/cell.ts';
import { uuidOf } from '../src/platform/id.ts';
import { fetchSize, statementCsv } from '../src/return/export.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { carolForIris, iris } from './setup/evidence.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
const asked = { viewer: readingAll({ iss: 'test', ...coordinator })!, today };
let budgetId: string;
let personId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  const { data } = await kit.ask(
    `query ($n: NHSNumber!) { person(nhsNumber: $n) { id budgets { id kind } } }`,
    {
      n: iris.nhsNumber,
    },
  );
  personId = data.person.id;
  budgetId = data.person.budgets.find(({ kind }: { kind: string }) => kind === 'PERSONAL_HEALTH_BUDGET').id;
});
afterAll(() => kit.close());

async function get(query: string, claims: object | null = coordinator) {
  const headers: Record<string, string> =
    claims === null ? {} : { authorization: `Bearer ${await kit.issuer.token({ ...claims })}` };
  return fetch(`http://127.0.0.1:${kit.hub.port}/export/statement.csv?${query}`, { headers });
}

/** RFC 4180, as a spreadsheet reads it. */
function parse(csv: string): string[][] {
  const rows: string[][] = [];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    if (rows.length === 0 || rows.at(-1)!.at(-1) === '\n') {
      rows.at(-1)?.pop();
      rows.push([]);
    }
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end === '\r\n') rows.at(-1)!.push('\n');
  }
  rows.at(-1)?.pop();
  return rows;
}

const period = 'from=2026-01-01&to=2026-12-31';

describe('a cell', () => {
  test('that a spreadsheet would run is only text there, and numbers stay numbers', () => {
    for (const text of ['=1+1', '+44', '-cmd|calc', '@SUM(A1)', '\t=1', ' =1', '\r=1', '-', '-1+2']) {
      expect(cell(text).replace(/^"/, '')).toMatch(/^'/);
    }
    expect(cell('-12.50')).toBe('-12.50');
    expect(cell('12.50')).toBe('12.50');
    expect(cell('a "b", c')).toBe('"a ""b"", c"');
  });

  test('whatever it says, is read as it was, but for an apostrophe before what is dangerous', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 4 }), (texts) => {
        const [row] = parse(`${texts.map(cell).join(',')}\r\n`);
        expect(row!.map((told, n) => (told === texts[n] ? told : told.slice(1)))).toEqual(texts);
        for (const told of row!) expect(told).not.toMatch(/^[=+@\t\r]/);
      }),
    );
  });
});

describe('an exported statement', () => {
  test('has the transfers of the statement, and signs that add up to what the account did', async () => {
    const response = await get(`budget=${budgetId}&${period}`, carolForIris);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/csv');
    expect(response.headers.get('cache-control')).toContain('no-store');
    const [heading, ...rows] = parse(await response.text());
    expect(heading).toEqual([
      'day',
      'recorded',
      'kind',
      'source',
      'amount',
      'description',
      'category',
      'reverses',
      'id',
    ]);
    const { data } = await kit.ask(
      `query ($id: ID!) { node(id: $id) { ... on Budget { statement(from: "2026-01-01", to: "2026-12-31") {
         total { opening { amount } closing { amount } } transfers(first: 100) { nodes { id kind effectiveOn amount { amount } } } } } } }`,
      { id: budgetId },
    );
    const { total, transfers } = data.node.statement;
    expect(rows.map((row) => [row[0], row[2], row[4]!.replace('-', ''), row[8]])).toEqual(
      transfers.nodes.map(
        (t: { id: string; kind: string; effectiveOn: string; amount: { amount: string } }) => [
          t.effectiveOn,
          t.kind,
          t.amount.amount,
          t.id,
        ],
      ),
    );
    const moved = rows
      .filter((row) => !['COMMITTED', 'RELEASED', 'ALLOCATED', 'MOVED'].includes(row[2]!))
      .reduce((sum, row) => sum + Math.round(Number(row[4]) * 100), 0);
    expect(moved).toBe(
      Math.round(Number(total.closing.amount) * 100) - Math.round(Number(total.opening.amount) * 100),
    );
  });

  test('is for who may see the person, leaves its trace, and looks absent to everybody else', async () => {
    const last = async () => {
      const { rows } = await kit.database.pool.query(
        'select action, object, outcome, role, cardinality(person_ids) as people from audit_event order by id desc limit 1',
      );
      return rows[0];
    };
    expect((await get(`person=${personId}&${period}`)).status).toBe(200);
    expect(await last()).toEqual({
      action: 'EXPORT',
      object: 'statement',
      outcome: 'FOUND',
      role: 'CARE_COORDINATOR',
      people: 1,
    });
    const stranger = { ...coordinator, organisation: 'QWE' };
    for (const [query, claims] of [
      [`budget=${budgetId}`, stranger],
      [`person=${personId}`, stranger],
      [`budget=bud_${'0'.repeat(32)}`, coordinator],
      ['budget=nonsense', coordinator],
      ['', coordinator],
    ] as const) {
      const response = await get(`${query}&${period}`, claims);
      expect(response.status).toBe(404);
      expect(await last()).toMatchObject({ action: 'EXPORT', outcome: 'NOTHING', people: 0 });
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
    }
    expect((await get(`budget=${budgetId}&${period}`, null)).status).toBe(401);
    for (const days of [
      'from=2026-02-30&to=2026-03-01',
      'from=2026-02-01',
      'from=2026-02-02&to=2026-02-01',
    ]) {
      expect((await get(`budget=${budgetId}&${days}`)).status).toBe(400);
    }
  });

  test('of 10,000 transfers is complete, and holds no more of them than one fetch', async () => {
    const at = { personId: uuidOf('per', personId)!, budgetId: uuidOf('bud', budgetId)! };
    const count = 10_000;
    const formula = '=HYPERLINK("http://evil")';
    await kit.database.prisma.$transaction((tx) =>
      post(
        tx,
        at,
        Array.from({ length: count }, (_, n) => ({
          kind: 'PAID_IN' as const,
          source: 'ICB' as const,
          pence: BigInt(n + 1),
          effectiveOn: '2030-01-01',
          portionId: null,
          description: n === 7 ? formula : null,
          cause: `test/${n}`,
        })),
      ),
    );
    const statements: string[] = [];
    const pool = {
      async connect() {
        const client = await kit.database.pool.connect();
        return new Proxy(client, {
          get(target, name) {
            const found = Reflect.get(target, name);
            if (name !== 'query') return typeof found === 'function' ? found.bind(target) : found;
            return (text: string, values?: unknown[]) => {
              statements.push(text);
              return target.query(text, values);
            };
          },
        });
      },
    } as Pick<typeof kit.database.pool, 'connect'>;
    const pieces: number[] = [];
    for await (const piece of statementCsv(pool, { ...at, ...asked, from: '2030-01-01', to: '2030-01-01' })) {
      pieces.push(piece.split('\r\n').length - 1);
    }
    expect(pieces).toEqual([1, ...Array.from({ length: count / fetchSize }, () => fetchSize)]);
    // The last of them tells that there is no more.
    expect(statements.filter((text) => text === `fetch ${fetchSize} from statement`)).toHaveLength(
      count / fetchSize + 1,
    );
    expect(
      statements.filter(
        (text) => text.includes('from ledger_transfer') || text.includes('join ledger_transfer'),
      ),
    ).toHaveLength(1);

    const csv = await (await get(`budget=${budgetId}&from=2030-01-01&to=2030-01-01`)).text();
    const [, ...rows] = parse(csv);
    expect(rows).toHaveLength(count);
    expect(new Set(rows.map((row) => row[8])).size).toBe(count);
    expect(rows.reduce((sum, row) => sum + Math.round(Number(row[4]) * 100), 0)).toBe(
      (count * (count + 1)) / 2,
    );
    expect(rows.filter((row) => row[5] === `'${formula}`)).toHaveLength(1);
  });

  test('that nobody reads to its end gives its connection back', async () => {
    const at = { personId: uuidOf('per', personId)!, budgetId: null, from: '2000-01-01', to: '2099-12-31' };
    for (let n = 0; n < 20; n++) {
      for await (const piece of statementCsv(kit.database.pool, { ...at, ...asked })) {
        expect(piece).toContain('recorded');
        break;
      }
    }
    expect((await kit.database.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});
