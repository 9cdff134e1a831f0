import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { raiseAllDue } from '../jobs/payment.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { makeDemoDatabase } from './setup/database.ts';

const schedules = 300;
const now = () => new Date('2026-12-01T04:00:00Z');

/** The demo's people with schedules of all kinds, some of which ended, of some of whom somebody died. */
async function fill(pool: pg.Pool) {
  await pool.query(`
    create temp table n as select i, md5(i::text)::uuid as id, p.id as person
      from generate_series(1, ${schedules}) i
      join (select id, row_number() over (order by id) - 1 as k, count(*) over () as people from person) p on p.k = i % p.people;
    insert into budget (id, person_id, kind, status, valid_from, agreed_pence)
      select id, person, 'INTEGRATED', 'ACTIVE', '2026-04-01', 0 from n;
    insert into payment_schedule (id, person_id, budget_id, source, organisation_id, frequency, pay_when, gross_or_net, valid_from, valid_to)
      select id, person, id, 'ICB', (select id from organisation where ods_code = 'QWN'),
             (array['WEEKLY', 'FOUR_WEEKLY', 'MONTHLY', 'QUARTERLY', 'ONE_OFF'])[1 + i % 5]::payment_frequency,
             (array['IN_ADVANCE', 'IN_ARREARS'])[1 + i % 2]::pay_when, 'GROSS', date '2026-07-01' + i % 90,
             case when i % 7 = 0 then date '2026-11-01' + i % 60 end
        from n;
    insert into schedule_rate (schedule_id, person_id, valid_from, weekly_pence)
      select id, person, date '2026-07-01' + i % 90, 10000 + i * 37 from n;
    insert into schedule_rate (schedule_id, person_id, valid_from, weekly_pence)
      select id, person, date '2026-11-03' + i % 20, 20000 + i * 11 from n where i % 3 = 0;
    update person set death_date = '2026-11-10' where id in (select person from n where i % 50 = 0);
    drop table n`);
}

async function madeWith(work: (database: Database, url: string) => Promise<unknown>) {
  const made = await makeDemoDatabase();
  const setup = new pg.Pool({ connectionString: made.url, max: 1 });
  const database = openDatabase(made.url);
  try {
    await fill(setup);
    await work(database, made.url);
    const { rows } = await setup.query(
      `select schedule_id, period_from, period_to, effect, pricing, pence, due_on, status, version from payment_instruction
        order by schedule_id, period_from, pricing`,
    );
    const { rows: marks } = await setup.query(
      'select id, status, valid_to, raised_to, version from payment_schedule order by id',
    );
    return { rows, marks };
  } finally {
    await setup.end();
    await database.close();
    await made.drop();
  }
}

const raise = ({ pool }: Database) =>
  raiseAllDue({ pool, now, stopping: new AbortController().signal, size: 30 });

test('the job makes each payment once, though it is killed three times, runs twice at once, and again', async () => {
  const undisturbed = await madeWith(raise);
  const total = undisturbed.rows.length;
  expect(total).toBeGreaterThan(schedules);
  expect(undisturbed.marks.some(({ status }) => status === 'ENDED')).toBe(true);

  let kills = 0;
  const killed = await madeWith(async ({ pool }, url) => {
    const count = async () =>
      Number((await pool.query('select count(*)::int as n from payment_instruction')).rows[0].n);
    for (const part of [0.1, 0.4, 0.7]) {
      const child = spawn(process.execPath, ['--import', 'tsx', 'test/fixture/payment-due.ts'], {
        env: { ...process.env, PAYMENT_DATABASE_URL: url },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const gone = once(child, 'exit');
      while ((await count()) < total * part && child.exitCode === null) await delay(2);
      child.kill('SIGKILL');
      const [code, signal] = await gone;
      if (signal === 'SIGKILL') kills += 1;
      else expect(code).toBe(0);
    }
    await raiseAllDue({ pool, now, stopping: new AbortController().signal });
  });
  expect(kills).toBe(3);
  expect(killed).toEqual(undisturbed);

  const together = await madeWith(async (database) => {
    await Promise.all([raise(database), raise(database), raise(database)]);
    expect(await raise(database)).toBe(0);
  });
  expect(together).toEqual(undisturbed);
}, 120_000);
