/** Of any file: what adds up, what is the same in another, and what rows are made of. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { costOf, headingsProblem, isProblem, rowOf } from '../src/bulk/rules.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { type BulkKit, csv, type Family, makeFamilies, spending, startBulkKit } from './setup/bulk.ts';

let own: BulkKit;
let families: Family[];
const perRun = 4;
const runs = 6;
beforeAll(async () => {
  own = await startBulkKit();
  families = await makeFamilies(own.pool, perRun * runs * 2, 3_000n);
});
afterAll(() => own.close());

const rowOfFile = fc.record({
  family: fc.nat(perRun),
  amount: fc.constantFrom('1.00', '7.50', '12.00', '0', 'x', '29.99'),
  day: fc.constantFrom('2026-11-20', '01/10/2026', '2026-12-01', 'today'),
  what: fc.constantFrom('Swimming', 'Tobacco', ''),
  ref: fc.constantFrom('', 'A', 'B', 'C'),
});
const file = fc.array(rowOfFile, { minLength: 1, maxLength: 40 });

test('applied, bad and unchanged add up to the rows, a dry run says what comes of it, and the ledger agrees', async () => {
  let next = 0;
  const take = () => {
    next += perRun;
    return families.slice(next - perRun, next);
  };
  await fc.assert(
    fc.asyncProperty(file, file, fc.integer({ min: 1, max: 9 }), async (first, second, size) => {
      const [looked, direct] = [take(), take()];
      const bodyOf = (rows: typeof first, of: Family[]) =>
        csv(
          `${spending},category`,
          rows.map(({ family, amount, day, what, ref }, n) => [
            // Beyond the last is nobody's.
            ...[
              of[family]?.budgetId ?? 'bud_01900000000070008000000000000000',
              day,
              amount,
              'Shop',
              what,
              ref,
            ],
            ref === '' ? `n${n % 3}` : '',
          ]),
        );
      const counts = ({
        rows,
        good,
        bad,
        applied,
        unchanged,
        amount,
        problems,
      }: Record<string, unknown>) => ({
        ...{ rows, good, bad, applied, unchanged, amount, problems },
      });
      for (const rows of [first, second]) {
        const taken = await own.importFile(`${bodyOf(rows, looked)}\r\n`, { dryRun: true });
        await own.work(taken.file.id, size);
        const look = await own.file(taken.file.id);
        if (taken.alreadySent) continue;
        await own.apply(look.id);
        await own.work(look.id, size);
        const applied = await own.file(look.id);
        const done = await own.run(bodyOf(rows, direct));
        expect(counts(applied)).toEqual({ ...counts(look), applied: look.good });
        expect(counts(done)).toEqual(counts(applied));
        expect(done.applied + done.bad + done.unchanged).toBe(rows.length);
      }
      const [one, other] = [await own.spent(looked), await own.spent(direct)];
      expect({ ...one, audited: 0 }).toEqual({ ...other, audited: 0 });
    }),
    { numRuns: runs, endOnFailure: true },
  );
  expect((await verifyLedger(own.pool)).fault).toBeNull();
  const { rows } = await own.pool.query(
    `select (select count(*)::int from ledger_account where kind = 'HELD' and in_pence < out_pence and budget_id = any($1)) as overdrawn,
            (select count(*)::int from bulk_row where code is null) as waiting`,
    [families.map(({ uuid }) => uuid)],
  );
  expect(rows).toEqual([{ overdrawn: 0, waiting: 0 }]);
}, 60_000);

test('rows without a number are known again in whatever order they stand', () => {
  const cells = fc.record({
    budget: fc.constantFrom('bud_01900000000070008000000000000001', 'bud_01900000000070008000000000000002'),
    spent_on: fc.constantFrom('2026-11-20', '20/11/2026', '2026-11-21'),
    amount: fc.constantFrom('1', '1.00', '£2'),
    payee: fc.constantFrom('Shop', 'SHOP', 'Café'),
    what: fc.constantFrom('Tea', 'tea  '),
  });
  const known = (rows: Record<string, string>[]) => {
    const seen = new Map<string, number>();
    return rows
      .map((row) => rowOf('SPENDING', (name) => row[name] ?? '', seen))
      .map((row) => (isProblem(row) ? row.code : `${row.budgetId} ${row.reference}`));
  };
  const shuffled = fc
    .array(cells, { maxLength: 20 })
    .chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length })));
  fc.assert(
    fc.property(shuffled, ([rows, others]) => {
      const references = known(rows);
      expect(new Set(references).size).toBe(rows.length);
      expect(known(others).sort()).toEqual(references.sort());
    }),
  );
});

test('hours at a rate come to the nearest penny', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 16_800n }),
      fc.bigInt({ min: 100n, max: 100_000n }),
      (hours, rate) => {
        const twice = 2n * costOf(hours, rate) * 100n - 2n * hours * rate;
        expect(twice > -100n && twice <= 100n).toBe(true);
      },
    ),
  );
});

test('a file of any columns is told what is missing, and its headings are never repeated', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^q[a-z]{5,9}q$/), { minLength: 1 }), (headings) => {
      const problem = headingsProblem('TIMESHEET', headings)!;
      expect(problem).toContain('Missing: worker, week_ending, hours, rate.');
      for (const heading of headings) expect(problem).not.toContain(heading);
    }),
  );
});
