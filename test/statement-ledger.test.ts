/** Statements drawn from the ledger, at the door. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { post, reverse } from '../src/ledger/post.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;
const figures =
  'opening { amount } paidIn { amount } refunded { amount } spent { amount } repaid { amount } closing { amount } committed { amount }';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

type Figures = Record<string, { amount: string }>;
const pence = ({ amount }: { amount: string }) => Math.round(Number(amount) * 100);
const adds = (f: Figures) =>
  pence(f.opening!) + pence(f.paidIn!) + pence(f.refunded!) - pence(f.spent!) - pence(f.repaid!) ===
  pence(f.closing!);

async function person(selection: string, variables: Record<string, unknown> = {}, declared = '') {
  const { data, errors } = await kit.ask(
    `query ($nhsNumber: NHSNumber!${declared}) { person(nhsNumber: $nhsNumber) { ${selection} } }`,
    { nhsNumber, ...variables },
    coordinator,
  );
  expect(errors).toBeUndefined();
  return data.person;
}

describe('a statement', () => {
  test('of the whole of time closes with what the balances say, by budget and in all', async () => {
    const { budgets, statement } = await person(`
      budgets { balances { source paidIn { amount } spent { amount } committed { amount } left { amount } }
                statement(from: "2000-01-01", to: "2099-12-31") { total { ${figures} } bySource { source figures { ${figures} } } } }
      statement(from: "2000-01-01", to: "2099-12-31") { total { ${figures} } }`);
    expect(budgets.length).toBeGreaterThan(1);
    let closing = 0;
    for (const budget of budgets) {
      expect(budget.statement.bySource.map(({ source }: { source: string }) => source)).toEqual(
        budget.balances.map(({ source }: { source: string }) => source),
      );
      budget.balances.forEach((balance: Figures, index: number) => {
        const told = budget.statement.bySource[index].figures;
        expect(adds(told)).toBe(true);
        expect(pence(told.closing)).toBe(pence(balance.left!) + pence(balance.committed!));
        expect(told.spent).toEqual(balance.spent);
        expect(told.committed).toEqual(balance.committed);
      });
      closing += pence(budget.statement.total.closing);
    }
    expect(pence(statement.total.closing)).toBe(closing);
  });

  test('of two periods side by side: the first closes with what the second opens with', async () => {
    const { first, second, both } = await person(`
      first: statement(from: "2026-04-01", to: "2026-06-30") { total { ${figures} } }
      second: statement(from: "2026-07-01", to: "2026-09-30") { total { ${figures} } }
      both: statement(from: "2026-04-01", to: "2026-09-30") { total { ${figures} } }`);
    for (const { total } of [first, second, both]) expect(adds(total)).toBe(true);
    expect(first.total.closing).toEqual(second.total.opening);
    expect(pence(both.total.spent)).toBe(pence(first.total.spent) + pence(second.total.spent));
    expect(pence(first.total.spent)).toBeGreaterThan(0);
  });

  test('of one source has its transfers alone, the earliest first, page by page', async () => {
    const { statement } = await person(`
      statement(from: "2026-01-01", to: "2026-12-31", source: CLIENT_CONTRIBUTION) {
        bySource { source } transfers(first: 2) { nodes { id source effectiveOn } pageInfo { endCursor hasNextPage } } }`);
    expect(statement.bySource).toEqual([{ source: 'CLIENT_CONTRIBUTION' }]);
    const next = await person(
      `statement(from: "2026-01-01", to: "2026-12-31", source: CLIENT_CONTRIBUTION) { transfers(first: 2, after: $after) { nodes { id source effectiveOn } } }`,
      { after: statement.transfers.pageInfo.endCursor },
      ', $after: String',
    );
    const nodes = [...statement.transfers.nodes, ...next.statement.transfers.nodes];
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(4);
    expect(nodes.map(({ effectiveOn }) => effectiveOn)).toEqual(
      nodes.map(({ effectiveOn }) => effectiveOn).sort(),
    );
  });

  test('that was issued before a backdated entry can be had again as it was', async () => {
    const ask = (knownAt: string | null) =>
      person(
        `budgets { id kind statement(from: "2026-04-01", to: "2026-09-30", knownAt: $knownAt) { knownAt total { ${figures} } } }`,
        { knownAt },
        ', $knownAt: DateTime',
      );
    const issued = await ask(null);
    const { rows: clock } = await kit.database.pool.query(`select clock_timestamp() as at`);
    const issuedAt = clock[0].at.toISOString();
    const { rows } = await kit.database.pool.query(
      `select b.id, b.person_id from budget b join person_identifier i on i.person_id = b.person_id
        where i.value = $1 and b.kind = 'PERSONAL_HEALTH_BUDGET'`,
      [nhsNumber],
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    const at = { personId: rows[0].person_id, budgetId: rows[0].id };
    const spent = {
      kind: 'SPENT',
      source: 'ICB',
      pence: 1_234n,
      effectiveOn: '2026-05-05',
      portionId: null,
      category: 'Wages',
      description: null,
      cause: 'test/1',
    } as const;
    const [id] = await kit.database.prisma.$transaction((tx) => post(tx, at, [spent]));
    const later = await ask(null);
    const total = (told: { budgets: { kind: string; statement: { total: Figures } }[] }) =>
      told.budgets.find(({ kind }) => kind === 'PERSONAL_HEALTH_BUDGET')!.statement.total;
    expect(pence(total(later).spent!) - pence(total(issued).spent!)).toBe(1_234);
    expect(total(await ask(issuedAt))).toEqual(total(issued));
    const { budgets } = await person(`budgets { kind spentByCategory { category spent { amount } } }`);
    expect(
      budgets.find(({ kind }: { kind: string }) => kind === 'PERSONAL_HEALTH_BUDGET').spentByCategory,
    ).toContainEqual({ category: 'Wages', spent: { amount: '12.34' } });
    await kit.database.prisma.$transaction((tx) =>
      reverse(tx, [id!], { effectiveOn: '2026-05-05', description: 'a mistake' }),
    );
    expect(total(await ask(null))).toEqual(total(issued));
  });

  test('that ends before it begins is refused in words', async () => {
    const { errors } = await kit.ask(
      `query ($n: NHSNumber!) { person(nhsNumber: $n) { statement(from: "2026-05-02", to: "2026-05-01") { from } } }`,
      { n: nhsNumber },
    );
    expect(errors?.[0]).toMatchObject({
      message: '"to" must not be before "from".',
      extensions: { code: 'DAY_INVALID' },
    });
  });
});
