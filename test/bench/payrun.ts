/**
 * A month's payments: raised by the daily job for everybody, sent in runs, and confirmed into the ledger, beside the
 * instructions' rows as plain SQL batches. The month before is raised first, by a job that is killed in the middle and
 * one that goes on. On a database of its own, with one schedule a person.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { addDays, londonDay, weekday } from '../../src/platform/day.ts';
import { type Child, startChild } from './child.ts';
import { icb, makePeople } from './data.ts';
import { withOwnDatabase } from './database.ts';
import { rounded } from './figure.ts';
import { type MoneyOptions, withHub } from './money.ts';
import type { Raise, Raised } from './payment-due.ts';
import { confirmRuns, sendRuns } from './payrun-send.ts';

export interface PayrunFigures {
  schedules: number;
  /** Raised in the timed month. */
  instructions: number;
  raiseS: number;
  /** The same rows, by plain SQL. */
  sqlS: number;
  vsSql: number;
  rssMb: number;
  /** How much of the month before was raised when the job was killed, and how long the rest of it took. */
  killedAt: number;
  resumedS: number;
  /** Payments told to the bank, and how long that took, and their confirmation into the ledger. */
  payments: number;
  sendS: number;
  confirmS: number;
  /** Raised, sent and confirmed. */
  wholeS: number;
}

/** Schedules to a transaction of the job, and of plain SQL. */
const batchSize = 500;

export const measurePayrun = (options: MoneyOptions & { schedules: number }): Promise<PayrunFigures> =>
  withOwnDatabase(options.url, 'tandem_payrun', async (url) => {
    const { schedules, tell } = options;
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      const begin = performance.now();
      await makePeople(client, schedules, { transfersEach: 0 });
      const now = new Date();
      const today = londonDay(now);
      for (const statement of scheduled) await client.query(statement, [today]);
      await client.query('vacuum (analyze)');
      tell(`Made ${schedules} schedules in ${((performance.now() - begin) / 1000).toFixed(0)} s`);

      const before = new Date(now.getTime() - 28 * 86_400_000).toISOString();
      const { job, ...broken } = await killAndGoOn(client, { url, schedules, at: before });
      tell(`  killed at ${broken.killedAt}, went on for ${broken.resumedS} s`);
      await client.query('vacuum (analyze) payment_instruction, payment_schedule');

      const mark = (await client.query('select clock_timestamp()::text as at')).rows[0].at;
      const raised = await job.ask<Raised>({ at: now.toISOString() });
      await job.stop();
      tell(`  raised ${raised.instructions} in ${raised.seconds.toFixed(1)} s`);
      const sqlS = await throughSql(client, mark);
      tell(`  the same rows by plain SQL in ${sqlS.toFixed(1)} s`);

      const sent = await withHub({ ...options, url }, client, async (bench) => {
        const sending = performance.now();
        const runs = await sendRuns(bench, workingDay(today));
        const confirming = performance.now();
        const payments = await confirmRuns(bench, runs, today);
        const sendS = (confirming - sending) / 1000;
        return { payments, sendS, confirmS: (performance.now() - confirming) / 1000 };
      });
      tell(
        `  sent ${sent.payments} in ${sent.sendS.toFixed(1)} s, confirmed in ${sent.confirmS.toFixed(1)} s`,
      );
      return {
        schedules,
        instructions: raised.instructions,
        raiseS: rounded(raised.seconds, 1),
        sqlS: rounded(sqlS, 1),
        vsSql: rounded(sqlS / raised.seconds, 3),
        rssMb: rounded(raised.rssMb),
        ...broken,
        payments: sent.payments,
        sendS: rounded(sent.sendS, 1),
        confirmS: rounded(sent.confirmS, 1),
        wholeS: rounded(raised.seconds + sent.sendS + sent.confirmS, 1),
      };
    } finally {
      await client.end();
    }
  });

const startJob = (url: string) => startChild<object>(new URL('./payment-due.ts', import.meta.url), [url]);

/**
 * Kills the job when half of the schedules are raised, and lets another go on, which is given back. Nothing may be left
 * to do then.
 */
async function killAndGoOn(
  client: pg.Client,
  { url, schedules, at }: { url: string; schedules: number; at: string },
): Promise<{ killedAt: number; resumedS: number; job: Child<object> }> {
  const size = Math.min(batchSize, Math.ceil(schedules / 60));
  const done = async () =>
    Number(
      (await client.query('select count(*) from payment_schedule where raised_to is not null')).rows[0].count,
    );
  const killed = await startJob(url);
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  const asked: Raise = { at, size };
  killed.ask<Raised>(asked).then(end, end);
  while (!isOver && (await done()) < schedules / 2) await delay(Math.min(200, schedules / 100));
  await killed.kill();
  const killedAt = (await done()) / schedules;
  const job = await startJob(url);
  const { seconds } = await job.ask<Raised>(asked);
  if ((await done()) !== schedules) throw new Error('the job that went on left schedules out');
  if ((await job.ask<Raised>(asked)).instructions !== 0)
    throw new Error('something was left to do after the job that went on');
  return { killedAt: rounded(killedAt, 2), resumedS: rounded(seconds, 1), job };
}

/** The days on which the bank pays. */
function workingDay(day: string): string {
  return weekday(day) < 6 ? day : workingDay(addDays(day, 1));
}

/**
 * Seconds for the rows that were raised since an instant, written once more as further pricings of the same periods, a
 * batch of schedules to a transaction; then they are taken out again.
 */
async function throughSql(client: pg.Client, since: string): Promise<number> {
  const { rows } = await client.query<{ batch: string }>(
    `select json_agg(i)::text as batch
       from (select *, (dense_rank() over (order by schedule_id) - 1) / ${batchSize} as n from payment_instruction
              where recorded_at > $1) i group by n order by n`,
    [since],
  );
  const begin = performance.now();
  for (const { batch } of rows) await client.query({ name: 'rows', text: insert, values: [batch] });
  const seconds = (performance.now() - begin) / 1000;
  await client.query('delete from payment_instruction where pricing > 1000');
  await client.query('vacuum (analyze) payment_instruction');
  return seconds;
}

const insert = `
insert into payment_instruction (schedule_id, person_id, organisation_id, period_from, period_to, effect, pricing, pence,
                                 contribution_pence, due_on, status, created_by, approved_at)
select schedule_id, person_id, organisation_id, period_from, period_to, effect, pricing + 1000, pence, contribution_pence,
       due_on, status, created_by, approved_at
  from json_populate_recordset(null::payment_instruction, $1::json)`;

/**
 * For everybody's health budget: a schedule that began within the four weeks up to a month ago, of which two in three
 * pay four-weekly, the rest weekly or monthly; in one of ten the rate changes this month; and the account to pay into.
 */
const scheduled = [
  `create temp table made_schedule as
   select new_id() as id, b.id as budget_id, b.person_id, p.id as portion_id,
          $1::date - 56 + (row_number() over (order by b.id) % 28)::int as began, row_number() over (order by b.id) as n
     from budget b join portion p on p.budget_id = b.id where b.kind = 'PERSONAL_HEALTH_BUDGET'`,
  `insert into payment_schedule (id, person_id, budget_id, portion_id, source, organisation_id, frequency, pay_when,
                                 gross_or_net, valid_from)
   select m.id, person_id, budget_id, portion_id, 'ICB', o.id,
          (array['FOUR_WEEKLY', 'FOUR_WEEKLY', 'FOUR_WEEKLY', 'FOUR_WEEKLY', 'WEEKLY', 'MONTHLY'])[1 + n % 6]
            ::payment_frequency, 'IN_ADVANCE', 'GROSS', began
     from made_schedule m join organisation o on o.ods_code = '${icb}' where $1::date is not null`,
  `insert into schedule_rate (schedule_id, person_id, valid_from, weekly_pence)
   select id, person_id, began, 10000 + n % 20000 from made_schedule where $1::date is not null
   union all
   select id, person_id, $1::date - 10, 11000 + n % 20000 from made_schedule where n % 10 = 0`,
  `insert into payee_account (person_id, budget_id, portion_id, account_name, sort_code, account_number, usable_from,
                              created_by, approved_by)
   select person_id, budget_id, portion_id, 'Bench account', '000000', '00000000', $1::date - 60, 'one', 'another'
     from made_schedule`,
  // What is paid needs no second person: people's time is not measured here.
  `insert into commissioner_policy (organisation_id, source, effective_from, approval_threshold_pence, citation)
   select id, 'ICB', $1::date - 365, 1000000, 'the benchmark' from organisation where ods_code = '${icb}'`,
];
