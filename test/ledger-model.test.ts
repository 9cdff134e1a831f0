/** The ledger against a model of it in memory: whatever is done in whatever order, both hold the same money. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FundingSource } from '../src/generated/prisma/enums.ts';
import {
  balancesIn,
  lockBudget,
  lockBudgets,
  type Movement,
  post,
  postAll,
  reverse,
} from '../src/ledger/post.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';

let database: Database;
let drop: () => Promise<void>;
let personId: string;

beforeAll(async () => {
  const made = await makeDemoDatabase();
  drop = made.drop;
  database = openDatabase(made.url);
  const { rows } = await database.pool.query(`select person_id from budget order by id limit 1`);
  personId = rows[0].person_id;
});
afterAll(async () => {
  await database.close();
  await drop();
});

const sources: FundingSource[] = ['ICB', 'COUNCIL', 'CLIENT_CONTRIBUTION'];
const categories = ['', 'Wages'];

const movement = fc.record({
  kind: fc.constantFrom(
    'ALLOCATED',
    'PAID_IN',
    'SPENT',
    'REFUNDED',
    'COMMITTED',
    'RELEASED',
    'MOVED',
    'REPAID',
    'RECLAIMED',
  ),
  source: fc.constantFrom(...sources),
  pence: fc.bigInt({ min: 1n, max: 10n ** 11n }),
  effectiveOn: fc.constantFrom('2026-03-31', '2026-04-01', '2026-10-25'),
  category: fc.constantFrom(...categories),
  description: fc.constant(null),
  cause: fc.constant('test/1'),
});

type Step =
  | { do: 'post'; movement: Omit<Movement, 'portionId' | 'toPortionId'>; portion: number; other: number }
  /** Undoes the nth transfer that still stands. */
  | { do: 'reverse'; nth: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('post' as const),
      portion: fc.nat(2),
      other: fc.nat(2),
      movement,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reverse' as const), nth: fc.nat(20) }) },
);

/** The oracle: pots of pence by name, and nothing else. */
class Model {
  readonly pots = new Map<string, bigint>();
  readonly standing: { id: string; from: string; to: string; pence: bigint }[] = [];

  move(id: string, from: string, to: string, pence: bigint) {
    this.pots.set(from, (this.pots.get(from) ?? 0n) - pence);
    this.pots.set(to, (this.pots.get(to) ?? 0n) + pence);
    this.standing.push({ id, from, to, pence });
  }
  undo(nth: number): string | undefined {
    const [gone] = this.standing.splice(nth % Math.max(this.standing.length, 1), 1);
    if (gone === undefined) return undefined;
    this.pots.set(gone.from, this.pots.get(gone.from)! + gone.pence);
    this.pots.set(gone.to, this.pots.get(gone.to)! - gone.pence);
    return gone.id;
  }
}

/** Said a second time, in other words than `legs`. */
function potsOf(kind: Movement['kind'], portion: string, other: string, category: string): [string, string] {
  const held = `held ${portion}`;
  const spent = `spent ${portion} ${category}`;
  const committed = `committed ${portion}`;
  if (kind === 'ALLOCATED') return ['allotment', `allocated ${portion}`];
  if (kind === 'PAID_IN') return ['funder', held];
  if (kind === 'SPENT') return [held, spent];
  if (kind === 'REFUNDED') return [spent, held];
  if (kind === 'COMMITTED') return [held, committed];
  if (kind === 'RELEASED') return [committed, held];
  if (kind === 'MOVED') return [held, `held ${other}`];
  return [held, 'funder'];
}

describe('the ledger and its model', () => {
  test('agree after every one of a thousand random runs of commands', async () => {
    const { pool, prisma } = database;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const budgetId = crypto.randomUUID();
        const portions: (string | null)[] = [crypto.randomUUID(), crypto.randomUUID(), null];
        const model = new Model();
        await prisma.$transaction(async (tx) => {
          await tx.$executeRawUnsafe(
            `insert into budget (id, person_id, kind, status, valid_from, agreed_pence)
             values ($1::uuid, $2::uuid, 'INTEGRATED', 'ACTIVE', '2026-04-01', 0)`,
            budgetId,
            personId,
          );
          await lockBudget(tx, budgetId);
          for (const one of steps) {
            if (one.do === 'reverse') {
              const id = model.undo(one.nth);
              if (id !== undefined) {
                await reverse(tx, [id], { effectiveOn: '2026-11-01', description: 'a mistake' });
              }
              continue;
            }
            const portionId = portions[one.portion]!;
            const toPortionId = portions[one.other]!;
            const { kind, source, pence, category } = one.movement;
            if (kind === 'MOVED' && portionId === toPortionId) continue;
            const [id] = await post(tx, { personId, budgetId }, [
              { ...one.movement, portionId, toPortionId },
            ]);
            const [from, to] = potsOf(kind, String(portionId), String(toPortionId), category!);
            model.move(id!, `${source} ${from}`, `${source} ${to}`, pence);
          }
          const rows = await tx.$queryRawUnsafe<Record<string, unknown>[]>(
            `select source::text, kind::text, portion_id::text, category, (in_pence - out_pence)::bigint as net
               from ledger_account where budget_id = $1::uuid`,
            budgetId,
          );
          const pots = new Map<string, bigint>();
          for (const { source, kind, portion_id, category, net } of rows) {
            const name = String(kind).toLowerCase();
            const where = name === 'funder' || name === 'allotment' ? '' : ` ${portion_id}`;
            pots.set(`${source} ${name}${where}${name === 'spent' ? ` ${category}` : ''}`, net as bigint);
          }
          const sorted = (map: Map<string, bigint>) => [...map].filter(([, net]) => net !== 0n).sort();
          expect(sorted(pots)).toEqual(sorted(model.pots));
          // Nothing comes from nowhere: of each source of money all pots together are nothing.
          for (const source of sources) {
            const all = [...pots].filter(([name]) => name.startsWith(`${source} `));
            expect(all.reduce((sum, [, net]) => sum + net, 0n)).toBe(0n);
          }
          const whole = await balancesIn(tx, budgetId);
          for (const [source, { left }] of whole) {
            const held = [...model.pots].filter(([name]) => name.startsWith(`${source} held`));
            expect(left).toBe(held.reduce((sum, [, net]) => sum + net, 0n));
          }
        });
      }),
      { numRuns: 1_000 },
    );
    expect((await verifyLedger(pool)).fault).toBeNull();
  }, 180_000);
});

test('movements of several budgets in one set come to what they come to one by one', async () => {
  const { prisma } = database;
  const portions = [crypto.randomUUID(), crypto.randomUUID(), null];
  const placed = fc.record({
    movement,
    budget: fc.nat(2),
    portion: fc.nat(2),
    /** How far on MOVED goes: never to where it is. */
    further: fc.integer({ min: 1, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(placed, { minLength: 1, maxLength: 30 }), async (moves) => {
      await prisma.$transaction(async (tx) => {
        const made = await tx.$queryRawUnsafe<{ id: string }[]>(
          `insert into budget (person_id, kind, status, valid_from, agreed_pence)
           select $1::uuid, 'INTEGRATED', 'ACTIVE', '2026-04-01', 0 from generate_series(1, 6) returning id::text as id`,
          personId,
        );
        const ids = made.map(({ id }) => id);
        const [together, alone] = [ids.slice(0, 3), ids.slice(3)];
        const into = (budgets: string[]) =>
          moves.map((move) => ({
            ...move.movement,
            personId,
            budgetId: budgets[move.budget]!,
            portionId: portions[move.portion]!,
            toPortionId: portions[(move.portion + move.further) % 3]!,
          }));
        await lockBudgets(tx, ids);
        const inOne = await postAll(tx, into(together));
        const oneByOne: string[] = [];
        for (const one of into(alone)) oneByOne.push(...(await post(tx, one, [one])));
        const transfersOf = (transfers: string[], budgets: string[]) =>
          tx.$queryRawUnsafe<object[]>(
            `select array_position($2::uuid[], t.budget_id) as budget, t.kind::text, t.source::text, t.pence,
                    t.effective_on::text, f.kind::text as "from", f.portion_id::text as "fromPortion", f.category as "fromCategory",
                    z.kind::text as "to", z.portion_id::text as "toPortion", z.category as "toCategory"
               from unnest($1::uuid[]) with ordinality as x(id, n) join ledger_transfer t on t.id = x.id
               join ledger_account f on f.id = t.from_account_id join ledger_account z on z.id = t.to_account_id
              order by x.n`,
            transfers,
            budgets,
          );
        const accountsOf = (budgets: string[]) =>
          tx.$queryRawUnsafe<object[]>(
            `select array_position($1::uuid[], budget_id) as budget, source::text, kind::text, portion_id::text, category,
                    in_pence, out_pence from ledger_account where budget_id = any($1::uuid[]) order by 1, 2, 3, 4, 5`,
            budgets,
          );
        expect(await transfersOf(inOne, together)).toEqual(await transfersOf(oneByOne, alone));
        expect(await accountsOf(together)).toEqual(await accountsOf(alone));
      });
    }),
    { numRuns: 30 },
  );
}, 60_000);

test('who locks many budgets locks each before its parts, as who spends from it does', async () => {
  const { pool, prisma } = database;
  const [part, whole] = ['0', 'f'].map((first) => first + crypto.randomUUID().slice(1));
  await pool.query(
    `insert into budget (id, person_id, kind, status, valid_from, agreed_pence, part_of_id)
     values ($1, $3, 'INTEGRATED', 'ACTIVE', '2026-04-01', 0, null), ($2, $3, 'PERSONAL_BUDGET', 'ACTIVE', '2026-04-01', 0, $1)`,
    [whole, part, personId],
  );
  let many: Promise<void> | undefined;
  await prisma.$transaction(async (tx) => {
    await lockBudget(tx, whole!);
    many = prisma.$transaction((other) => lockBudgets(other, [part!, whole!]));
    for (let waiting = 0; waiting === 0; ) {
      const { rows } = await asOwner(
        database.url,
        `select count(*)::int as n from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and query like '%from budget%for update'`,
      );
      waiting = rows[0].n;
    }
    await tx.$queryRawUnsafe(`select id from budget where id = $1::uuid for update nowait`, part);
  });
  await many;
});

describe('the database itself', () => {
  const refused = (sql: string) =>
    expect(asOwner(database.url, sql)).rejects.toMatchObject({ code: '23001' });

  test('refuses what would change the past, to the owner of the tables too', async () => {
    await refused(`update ledger_transfer set pence = pence + 1`);
    await refused(`update ledger_transfer set effective_on = effective_on + 1`);
    await refused(`delete from ledger_transfer`);
    await expect(asOwner(database.url, `truncate ledger_transfer cascade`)).rejects.toMatchObject({
      code: '23001',
    });
    await refused(`update ledger_account set in_pence = in_pence + 1`);
    await refused(`update ledger_account set kind = 'SPENT' where kind = 'HELD'`);
    await refused(
      `insert into ledger_account (person_id, budget_id, source, kind, category, in_pence)
       select person_id, id, 'EHC', 'HELD', 'new', 1 from budget limit 1`,
    );
  });

  test('refuses a transfer that would mix sources, budgets or people, or undo something inexactly', async () => {
    const { rows } = await database.pool.query<{ id: string }>(
      `select t.id from ledger_transfer t join ledger_account a on a.id = t.from_account_id
        where not exists (select from ledger_transfer r where r.reverses_id = t.id) and t.reverses_id is null limit 1`,
    );
    const id = rows[0]!.id;
    const columns =
      'person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on, external_id';
    const insert = (select: string, reverses = 'null') =>
      database.pool.query(
        `insert into ledger_transfer (${columns}, reverses_id)
         select ${select}, ${reverses} from ledger_transfer where id = $1`,
        [id],
      );
    const as = (change: Record<string, string>) =>
      columns
        .split(', ')
        .map((column) => change[column] ?? column)
        .join(', ');
    await expect(insert(as({ source: `'EHC'` }))).rejects.toMatchObject({ code: '23503' });
    await expect(insert(as({ pence: '0' }))).rejects.toMatchObject({ code: '23514' });
    await expect(insert(as({ to_account_id: 'from_account_id' }))).rejects.toMatchObject({ code: '23514' });
    const other = `(select id from ledger_account o where o.budget_id <> ledger_transfer.budget_id limit 1)`;
    await expect(insert(as({ to_account_id: other }))).rejects.toMatchObject({ code: '23503' });
    const swapped = { from_account_id: 'to_account_id', to_account_id: 'from_account_id' };
    await expect(insert(as({ ...swapped, pence: 'pence + 1' }), 'id')).rejects.toMatchObject({
      code: '23001',
    });
    await expect(insert(as({}), 'id')).rejects.toMatchObject({ code: '23001' });
    await insert(as(swapped), 'id');
    await expect(insert(as(swapped), 'id')).rejects.toMatchObject({ code: '23505' });
  });

  test('verification names the first row that somebody bent behind its back', async () => {
    const { pool } = database;
    expect(await verifyLedger(pool)).toMatchObject({ fault: null });
    const { rows } = await pool.query<{ id: string }>(`select id from ledger_account order by id limit 1`);
    const account = rows[0]!.id;
    /** As whoever owns the tables can, when they mean to: the triggers are off for this one statement. */
    const bend = async (table: string, sql: string, values: unknown[] = []) => {
      const client = await pool.connect();
      try {
        await client.query(`begin; set local role none; alter table ${table} disable trigger user`);
        await client.query(sql, values);
        await client.query(`alter table ${table} enable trigger user; commit`);
      } finally {
        client.release();
      }
    };
    await bend('ledger_account', `update ledger_account set in_pence = in_pence + 1 where id = $1`, [
      account,
    ]);
    expect((await verifyLedger(pool)).fault).toMatch(
      new RegExp(`^ledger_account ${account}: it says \\d+ in and \\d+ out`),
    );
    await bend('ledger_account', `update ledger_account set in_pence = in_pence - 1 where id = $1`, [
      account,
    ]);
    expect((await verifyLedger(pool)).fault).toBeNull();
    const { rows: standing } = await pool.query<{ id: string }>(
      `select id from ledger_transfer t where reverses_id is null
          and not exists (select from ledger_transfer r where r.reverses_id = t.id) order by id limit 1`,
    );
    const reversal = { effectiveOn: '2026-11-01', description: 'a mistake' };
    const [undone] = await reverse(database.prisma, [standing[0]!.id], reversal);
    await bend('ledger_transfer', `update ledger_transfer set pence = pence + 1 where id = $1`, [undone]);
    expect((await verifyLedger(pool)).fault).toBe(
      `ledger_transfer ${undone}: it reverses a transfer and is not its exact opposite`,
    );
  });
});
