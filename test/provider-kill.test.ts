/** What a provider sends twice, and what it has sent to a hub that is killed, or told to stop, while it is at it. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { verifyLedger } from '../src/ledger/verify.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { csv, type Family, reference, spending } from './setup/bulk.ts';
import { asOwner } from './setup/database.ts';
import { today } from './setup/demo.ts';
import type { TestHub } from './setup/hub.ts';
import { leaveNoHub, startHubProcess } from './setup/hub-process.ts';
import { gbp } from './setup/plan.ts';
import {
  ann,
  bev,
  faultsOf,
  give,
  mutationOf,
  openProviderPlace,
  type ProviderPlace,
} from './setup/provider-place.ts';
import { key, pounds } from './setup/spending.ts';
import { isWaitingIn, until } from './setup/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

leaveNoHub();
let place: ProviderPlace;
let here: TestHub;
let families: Family[];
beforeAll(async () => {
  place = await openProviderPlace(66);
  here = place.own.kit;
  families = place.families;
});
afterAll(() => place.close());

let people = 0;
/** Somebody with a contract, and a week of theirs to be recorded. */
async function week() {
  const personId = idOf('per', place.budget.personId);
  people += 1;
  const added = await give(
    here,
    'addWorker',
    { personId, name: `Ade ${people}` },
    bev,
    'worker { id version }',
  );
  const { id: workerId, version } = added.worker;
  const terms = {
    ...{ from: '2026-04-06', minutesPerWeek: 840, hourlyRate: gbp('13.00'), payFrequency: 'WEEKLY' },
    ...{ irregularHours: true, pensionEnrolled: true },
  };
  expect(faultsOf(await give(here, 'setContract', { workerId, expectedVersion: version, ...terms }))).toEqual(
    [],
  );
  return {
    ...{ idempotencyKey: key(), workerId, weekBegins: '2026-11-16', expectedVersion: 0 },
    days: [{ day: '2026-11-16', minutes: 300 }],
  };
}

async function drafted() {
  const { planId } = place;
  const input = { planId, lineKey: 'pa', kind: 'TERMS', quantity: '11', from: today, reason: 'More nights' };
  const { packageChange } = await give(here, 'draftPackageChange', input, bev, 'packageChange { id }');
  return { idempotencyKey: key(), packageChangeId: packageChange.id, expectedVersion: 1 };
}

/** A file of these rows that was looked through, and is to be applied. */
async function looked(rows: (string | number)[][]) {
  const { id } = await place.own.run(csv(spending, rows), { dryRun: true });
  return { idempotencyKey: key(), fileId: id as string };
}

const row = ({ budgetId }: Family, amount = '1.00') => [
  ...[budgetId, '2026-11-20', amount, 'Harbour Leisure', 'Swimming', reference()],
];

/** How often the hub accounted for the command, and told of it, since it was counted last. */
async function counter(command: string) {
  const count = async () => {
    const { rows } = await here.database.pool.query(
      `select (select count(*)::int from audit_event where object = $1 and action = 'CHANGE' and outcome = 'DONE') as audited,
              (select count(*)::int from command_receipt where command = $1) as receipts,
              (select count(*)::int from outbox) as announced`,
      [command],
    );
    return rows[0] as { audited: number; receipts: number; announced: number };
  };
  const before = await count();
  return async () => {
    const now = await count();
    return {
      audited: now.audited - before.audited,
      receipts: now.receipts - before.receipts,
      announced: now.announced - before.announced,
    };
  };
}

describe('sent fifty times at once under one key', () => {
  test.each([
    ['submitPackageChange', drafted, 'packageChange { id version status }', { expectedVersion: 2 }, 2],
    [
      'recordHours',
      week,
      'timesheet { id version worked }',
      { days: [{ day: '2026-11-17', minutes: 60 }] },
      1,
    ],
  ] as const)(
    '%s is done once, and all get the one answer',
    async (command, make, shown, other, announced) => {
      const input = await make();
      const since = await counter(command);
      // As clients do: what may be sent again, is.
      const ask = async (): Promise<Any> => {
        for (let tries = 0; ; tries += 1) {
          const answer = await give(tries % 2 === 0 ? here : place.there, command, input, bev, shown);
          if (answer.error === undefined || tries === 20) return answer;
        }
      };
      const answers = await Promise.all(Array.from({ length: 50 }, ask));
      expect(faultsOf(answers[0])).toEqual([]);
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await since()).toEqual({ audited: 1, receipts: 1, announced });
      expect(faultsOf(await give(here, command, { ...input, ...other }))).toEqual([
        'IDEMPOTENCY_KEY_REUSED idempotencyKey',
      ]);
      // A colleague's key is another one.
      expect(faultsOf(await give(here, command, input, ann, shown))).toEqual(['CONFLICT expectedVersion']);
      expect(await since()).toEqual({ audited: 1, receipts: 1, announced });
    },
  );
});

/** A session of the test's own, in a transaction that holds something the hub needs. */
async function holding<T>(hold: (sql: pg.Client) => Promise<unknown>, work: () => Promise<T>) {
  const sql = new pg.Client({ connectionString: here.database.url });
  await sql.connect();
  try {
    await sql.query('begin');
    await hold(sql);
    return await work();
  } finally {
    await sql.end();
  }
}

describe('a hub that is killed after its COMMIT and before its answer', () => {
  test.each([
    [
      'recordHours',
      week,
      'timesheet { version worked worker { absences { id } } }',
      'absence',
      { timesheet: { version: 1, worked: 300 } },
    ],
    [
      'applyBulkFile',
      () => looked([row(families[0]!), ['x', '', '', '', '', '']]),
      'file { status good problems(first: 1) { nodes { number } } }',
      'bulk_row',
      { file: { status: 'APPLYING', good: 0, problems: { nodes: [{ number: 2 }] } } },
    ],
  ] as const)(
    'has done %s: sent again, it is answered as it was',
    async (command, make, shown, table, wanted) => {
      const input = await make();
      const since = await counter(command);
      const killed = await startHubProcess(here);
      // What the answer shows cannot be read, so the hub has committed and cannot answer yet.
      await holding(
        (sql) => sql.query(`lock table ${table} in access exclusive mode`),
        async () => {
          const answer = killed
            .ask(mutationOf(command, shown), { input }, bev)
            .catch((error: Error) => error);
          await until(
            async () =>
              (await since()).receipts === 1 && (await isWaitingIn(here.database.pool, 'tandem.holders')),
          );
          await killed.kill();
          expect(await answer).toBeInstanceOf(Error);
        },
      );
      for (const hub of [here, place.there, here]) {
        const again = await give(hub, command, input, bev, shown);
        expect(again).toMatchObject({ ...wanted, userErrors: [] });
      }
      expect(await since()).toEqual({ audited: 1, receipts: 1, announced: 1 });
    },
    60_000,
  );
});

test('a hub that is told to stop says first that it is not ready, finishes what it is at, and another finishes the file', async () => {
  const { own } = place;
  const [payer, ...others] = families.slice(1) as [Family, ...Family[]];
  // More than one piece of the job's.
  const some = [...others].sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
  const rows = Array.from({ length: 20 * some.length }, (_, n) => row(some[n % some.length]!));
  expect(rows.length).toBeGreaterThan(1_000);
  const hub = { ...here, folder: own.folder };
  const stopped = await startHubProcess(hub, { redisUrl: undefined });
  // As a load balancer asks: who does not answer in time is not ready either.
  const ready = () =>
    fetch(`http://127.0.0.1:${stopped.port}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
      ({ status }) => status,
      () => null,
    );
  expect(await ready()).toBe(200);
  const bought = Array.from({ length: 50 }, () => ({
    ...{
      idempotencyKey: key(),
      budgetId: payer.budgetId,
      portionId: payer.portionId,
      amount: pounds('1.00'),
    },
    ...{ spentOn: '2026-11-20', payee: 'Harbour Leisure', what: 'Swimming' },
  }));
  const record = mutationOf('recordSpend', 'spend { id state }');
  const at = async () =>
    (
      await here.database.pool.query(
        `select status, applied, (select count(*)::int from bulk_row where file_id = $1) as waiting from bulk_file where id = $1`,
        [uuidOf('bkf', fileId)],
      )
    ).rows[0];

  let fileId = '';
  let exit: Promise<number | null> | undefined;
  const answers: Promise<Any>[] = [];
  await holding(
    (sql) => sql.query('select from budget where id = any($1) for update', [[payer.uuid, some[0]!.uuid]]),
    async () => {
      fileId = (await own.importFile(csv(spending, rows))).file.id;
      // The job has read the file, and waits for the first budget.
      await until(
        async () =>
          (await at()).status === 'APPLYING' &&
          (await isWaitingIn(here.database.pool, 'part_of_id is not null')),
      );
      answers.push(...bought.map((input) => stopped.ask(record, { input }, bev)));
      await until(() => isWaitingIn(here.database.pool, 'b.id = $1::uuid'));
      exit = stopped.end();
      await until(async () => (await ready()) === 503);
      // Who comes now is sent to another, and may send it again.
      const late = await stopped.ask(record, { input: { ...bought[0], idempotencyKey: key() } }, bev);
      expect(late.errors![0]!.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
      expect(await ready()).toBe(503);
    },
  );
  const told = await Promise.all(answers);
  expect(await exit).toBe(0);
  // Whatever was under way is done, and whoever asked has heard so, if not in time; who came later has done nothing.
  const isDone = ({ data }: Any) => data?.recordSpend.spend.state !== undefined;
  const codes = told.filter((one) => !isDone(one)).map(({ errors }) => errors[0].extensions.code);
  expect(['UNAVAILABLE', 'DEADLINE']).toEqual(expect.arrayContaining(codes));
  const { spends, pence } = await own.spent([payer]);
  const late = codes.filter((code) => code === 'DEADLINE').length;
  expect(told.length - codes.length + late).toBeGreaterThan(5);
  expect(spends).toBeGreaterThanOrEqual(told.length - codes.length);
  expect(spends).toBeLessThanOrEqual(told.length - codes.length + late);
  expect(pence).toBe(100 * spends);

  // The piece at hand is recorded whole, and nothing of the next.
  const half = await at();
  expect(half).toMatchObject({ status: 'APPLYING', applied: (await own.spent(some)).spends });
  expect(half.applied).toBeGreaterThanOrEqual(1_000);
  expect(half.applied + half.waiting).toBe(rows.length);
  expect(half.waiting).toBeGreaterThan(0);
  const { rows: jobs } = await asOwner(
    here.database.url,
    `select count(*) filter (where state = 'active')::int as active, sum(stalled_count)::int as stalled from bullmq.job`,
  );
  expect(jobs).toEqual([{ active: 0, stalled: 0 }]);

  const next = await startHubProcess(hub, { redisUrl: undefined });
  onTestFinished(() => next.kill());
  await until(async () => (await at()).status === 'DONE');
  expect(await own.file(fileId)).toMatchObject({ applied: rows.length, bad: 0, unchanged: 0 });
  expect(await own.spent(some)).toMatchObject({ spends: rows.length, pence: 100 * rows.length });
  // Sent again, all of it is done, and the answers are those there were.
  for (const [n, input] of bought.entries()) {
    const { data } = await next.ask(record, { input }, bev);
    expect(data.recordSpend.userErrors).toEqual([]);
    if (isDone(told[n])) expect(data.recordSpend).toEqual(told[n].data.recordSpend);
  }
  expect(await own.spent([payer])).toMatchObject({ spends: 50, pence: 5_000 });
  expect((await verifyLedger(own.pool)).fault).toBeNull();
}, 90_000);
