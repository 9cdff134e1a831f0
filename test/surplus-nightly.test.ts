/** What the night does: verifies, alerts, opens returns; each once, however often it runs. */
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextNight, nightlyHandler } from '../jobs/nightly.ts';
import { post } from '../src/ledger/post.ts';
import { openLog } from '../src/platform/log.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { iris } from './setup/evidence.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { sayPolicies } from './setup/surplus.ts';

const lines: string[] = [];
const registry = new Registry();
let kit: TestHub;
let night: () => Promise<{ outcome: string; alerts: number; returns: number }>;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  const stream = { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream;
  night = nightlyHandler({
    pool: kit.database.pool,
    files: { remove: async () => {} },
    log: openLog('info', stream),
    now: noon,
    stopping: new AbortController().signal,
    registry,
  });
});
afterAll(() => kit.close());

interface Told {
  personIds: string[];
  budgetId: string;
  code: string;
  state: string;
}

async function told(topic: string): Promise<Told[]> {
  const { rows } = await kit.database.pool.query('select payload from outbox where topic = $1 order by id', [
    topic,
  ]);
  return rows.map(({ payload }) => payload as Told);
}

const verified = async () =>
  (await registry.getSingleMetric('tandem_ledger_verified')!.get()).values[0]!.value;

describe('the night', () => {
  test('begins at two, clock change or not', () => {
    expect(nextNight(new Date('2026-10-25T01:30:00Z')).toISOString()).toBe('2026-10-25T02:00:00.000Z');
    expect(nextNight(new Date('2026-10-25T02:00:00Z')).toISOString()).toBe('2026-10-26T02:00:00.000Z');
  });

  test('without policies finds the ledger whole, and tells nobody anything', async () => {
    expect(await night()).toEqual({ outcome: 'DONE', alerts: 0, returns: 0, uploads: 0 });
    expect(await verified()).toBe(1);
    expect(lines.join('')).toContain('the ledger fits');
  });

  test('alerts once for each crossing, as the reads say, and again after it was crossed back', async () => {
    await sayPolicies(kit, { surplus_threshold_weeks: 1, contingency_weeks: 2 });
    const both = await Promise.all([night(), night(), night()]);
    const raised = await told('budget.alert');
    expect(raised.length).toBeGreaterThan(0);
    expect(both.reduce((sum, { alerts }) => sum + alerts, 0)).toBe(raised.length);
    expect((await night()).alerts).toBe(0);
    expect(new Set(raised.map(({ budgetId, code }) => `${budgetId} ${code}`)).size).toBe(raised.length);
    for (const alert of raised) {
      expect(Object.keys(alert).sort()).toEqual(['budgetId', 'code', 'personIds', 'state']);
      expect(alert.state).toBe('RAISED');
    }

    const { data } = await kit.ask(
      `query ($n: NHSNumber!) { person(nhsNumber: $n) { id budgets { id forecast { alerts } } } }`,
      { n: iris.nhsNumber },
      coordinator,
    );
    const plain = (id: string) => id.replace(/^\w+_/, '');
    for (const { id, forecast } of data.person.budgets) {
      const mine = raised.filter(({ budgetId }) => budgetId.replaceAll('-', '') === plain(id));
      expect(mine.map(({ code }) => code).sort()).toEqual([...forecast.alerts].sort());
    }
    expect(
      data.person.budgets.flatMap(({ forecast }: { forecast: { alerts: string[] } }) => forecast.alerts),
    ).toContain('OVER_THRESHOLD');

    await sayPolicies(kit, { surplus_threshold_weeks: null, contingency_weeks: null });
    expect((await night()).alerts).toBe(raised.length);
    expect((await told('budget.alert')).filter(({ state }) => state === 'CLEARED')).toHaveLength(
      raised.length,
    );
    await sayPolicies(kit, { surplus_threshold_weeks: 1, contingency_weeks: 2 });
    expect((await night()).alerts).toBe(raised.length);
    expect((await night()).alerts).toBe(0);
  });

  test('opens the returns that policies ask for, once, for those who hold money in their own hands', async () => {
    await sayPolicies(kit, { return_frequency: 'QUARTERLY', evidence_due_days: 28 });
    const { returns } = await night();
    expect(returns).toBeGreaterThan(0);
    expect(await night()).toMatchObject({ returns: 0 });
    const { rows } = await kit.database.pool.query(
      `select r.person_id, r.period_from, r.period_to, r.due_on, r.status,
              exists (select from portion p where p.person_id = r.person_id
                                              and p.management in ('DIRECT_PAYMENT', 'MANAGED_ACCOUNT')) as holds,
              (select array_agg(o.ods_code order by o.ods_code) from return_receiver v
                 join organisation o on o.id = v.organisation_id where v.return_id = r.id) as receivers
         from financial_return r`,
    );
    expect(rows).toHaveLength(returns);
    for (const row of rows) {
      expect(row).toMatchObject({
        period_from: '2026-07-01',
        period_to: '2026-09-30',
        due_on: '2026-10-28',
        status: 'DUE',
        holds: true,
      });
      expect(row.receivers.length).toBeGreaterThan(0);
    }
    expect(rows.some(({ receivers }) => receivers.length === 2)).toBe(true);
    expect(await told('return.due')).toHaveLength(returns);
    const { data } = await kit.ask(
      `query ($n: NHSNumber!) { person(nhsNumber: $n) { returns(first: 5) { nodes { status dueOn receivers { organisation { code } } } } } }`,
      { n: iris.nhsNumber },
      coordinator,
    );
    expect(data.person.returns.nodes).toHaveLength(1);
  });

  test('says which row of the ledger does not fit, and nothing of the person', async () => {
    const { pool, prisma } = kit.database;
    const { rows } = await pool.query('select id, person_id from budget limit 1');
    const at = { personId: rows[0].person_id, budgetId: rows[0].id };
    await prisma.$transaction((tx) =>
      post(tx, at, [
        {
          kind: 'PAID_IN',
          source: 'ICB',
          pence: 5n,
          effectiveOn: today,
          portionId: null,
          description: 'secret words',
          cause: 'test/x',
        },
      ]),
    );
    const { rows: broken } = await pool.query(
      `select id from ledger_account where kind = 'HELD' order by id limit 1`,
    );
    await asOwner(
      kit.database.url,
      `alter table ledger_account disable trigger user;
       update ledger_account set in_pence = in_pence + 1 where id = '${broken[0].id}';
       alter table ledger_account enable trigger user`,
    );
    lines.length = 0;
    expect((await night()).outcome).toBe('DONE');
    expect(await verified()).toBe(0);
    const said = JSON.parse(lines.find((line) => line.includes('does not fit'))!);
    expect(said).toMatchObject({ level: 'error', kind: 'ledger_account', reason: broken[0].id });
    expect(lines.join('')).not.toContain('secret');
  });
});
