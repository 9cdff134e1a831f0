/** How payment schedules and their payments are read. */

import { maySeeOwnPayments, ownOrganisation } from '../access/policy.ts';
import { sides } from '../access/side.ts';
import { highestId } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import {
  type At,
  column,
  derived,
  earliestFirst,
  type Field,
  instant,
  many,
  money,
  one,
  organisation,
  type PageAt,
  personView,
  type Views,
} from '../read/view.ts';
import { partsOf } from './rules.ts';
import { termsOf } from './store.ts';
import { instructionPrefix, schedulePrefix } from './subject.ts';

/** SQL: what of the row's table has an id that a column of the parent names, of the same person. */
const named = (type: string, table: string, key: string): Field =>
  one(
    type,
    ({ parent }) =>
      `select x.* from ${table} x where x.id = ${parent}.${key} and x.person_id = ${parent}.person_id`,
  );

const latestPeriodFirst = [
  { column: 'period_from', type: 'date', first: 'infinity' },
  { column: 'pricing', type: 'int', first: '2147483647' },
  { column: 'id', type: 'uuid', first: highestId },
];

const instructions: Field = {
  is: 'connection',
  type: 'PaymentInstruction',
  keys: latestPeriodFirst,
  rows: ({ parent, after, limit }: PageAt) => `
    select * from payment_instruction
     where schedule_id = ${parent}.id and person_id = ${parent}.person_id
       and (period_from, pricing, id) < (${after.join(', ')})
     order by period_from desc, pricing desc, id desc limit ${limit}`,
};

/** What was paid too much, less all that is still to be paid: as long as nothing of it was sent. */
const toRecover = ({ parent }: At) => `(
  select case when sum(net) < 0 then -sum(net) end
    from (select case effect when 'SUBTRACT' then -pence else pence end as net from payment_instruction
           where schedule_id = ${parent}.id and status in ('DRAFT', 'APPROVED', 'HELD')) unsent)`;

const termsFacts = ({ parent }: At) => `(
  select json_build_object('frequency', s.frequency, 'payWhen', s.pay_when, 'inAdvanceDays', s.in_advance_days,
           'grossOrNet', s.gross_or_net, 'status', s.status, 'from', s.valid_from, 'to', s.valid_to,
           'suspendedFrom', s.suspended_from, 'deathDate', p.death_date, 'budgetTo', b.valid_to,
           'budgetStatus', b.status, 'period', json_build_object('from', ${parent}.period_from, 'to', ${parent}.period_to),
           'rates', (select json_agg(json_build_array(r.valid_from, r.weekly_pence::text, r.contribution_pence::text))
                       from schedule_rate r where r.schedule_id = s.id and r.person_id = s.person_id))
    from payment_schedule s join person p on p.id = s.person_id
    join budget b on b.id = s.budget_id and b.person_id = s.person_id
   where s.id = ${parent}.schedule_id and s.person_id = ${parent}.person_id)`;

type TermsFacts = Parameters<typeof termsOf>[0] & { period: { from: string; to: string } };

const parts = derived(termsFacts, (facts: TermsFacts) =>
  partsOf(termsOf(facts), facts.period).map(({ from, to, days, rate, pence }) => ({
    from,
    to,
    days,
    weekly: moneyOf(rate.pence),
    weeklyContribution: moneyOf(rate.contributionPence),
    amount: moneyOf(pence),
  })),
);

const filterOf = (args: Record<string, unknown>) =>
  (args.filter ?? {}) as { status?: string | null; dueBefore?: string | null };

const ofOrganisation: Field = {
  is: 'connection',
  type: 'PaymentInstruction',
  keys: earliestFirst('due_on', 'date'),
  rows: (at) => {
    if (!maySeeOwnPayments(at.role))
      return `select * from payment_instruction where false and (due_on, id) > (${at.after.join(', ')}) limit ${at.limit}`;
    const status = at.arg('instruction_status', (args) => filterOf(args).status ?? null);
    const dueBefore = at.arg('date', (args) => filterOf(args).dueBefore ?? 'infinity');
    return `
      select i.* from payment_instruction i
       where i.organisation_id = ${ownOrganisation(at)} and (${status} is null or i.status = ${status})
         and i.due_on <= ${dueBefore} and (i.due_on, i.id) > (${at.after.join(', ')}) and ${at.maySee('i.person_id')}
         and ${at.shares('i.person_id', sides.SCHEDULE('i'))}
       order by i.due_on, i.id limit ${at.limit}`;
  },
};

export const paymentViews: Views = {
  Query: { fields: { paymentInstructions: ofOrganisation } },
  Budget: {
    fields: {
      paymentSchedules: many(
        'PaymentSchedule',
        ({ parent }) => `select * from payment_schedule
          where budget_id = ${parent}.id and person_id = ${parent}.person_id order by valid_from desc, id desc`,
      ),
    },
  },
  PaymentSchedule: personView(
    {
      budget: named('Budget', 'budget', 'budget_id'),
      portion: named('Portion', 'portion', 'portion_id'),
      source: column('source'),
      organisation: organisation(),
      frequency: column('frequency'),
      payWhen: column('pay_when'),
      inAdvanceDays: column('in_advance_days'),
      grossOrNet: column('gross_or_net'),
      status: column('status'),
      from: column('valid_from'),
      to: column('valid_to'),
      suspendedFrom: column('suspended_from'),
      raisedTo: column('raised_to'),
      rates: many(
        'PaymentRate',
        ({ parent }) => `select * from schedule_rate
          where schedule_id = ${parent}.id and person_id = ${parent}.person_id order by valid_from`,
      ),
      toRecover: { is: 'part', type: 'Money', sql: toRecover },
      instructions,
      version: column('version'),
    },
    { prefix: schedulePrefix, table: 'payment_schedule', side: 'BUDGET' },
  ),
  PaymentRate: personView({
    from: column('valid_from'),
    amount: money('weekly_pence'),
    contribution: money('contribution_pence'),
  }),
  PaymentInstruction: personView(
    {
      schedule: named('PaymentSchedule', 'payment_schedule', 'schedule_id'),
      person: one('Person', ({ parent }) => `select x.* from person x where x.id = ${parent}.person_id`),
      organisation: organisation(),
      from: column('period_from'),
      to: column('period_to'),
      effect: column('effect'),
      pricing: column('pricing'),
      amount: money('pence'),
      contribution: money('contribution_pence'),
      parts,
      dueOn: column('due_on'),
      status: column('status'),
      heldFor: column('held_for'),
      approvedAt: instant('approved_at'),
      version: column('version'),
    },
    { prefix: instructionPrefix, table: 'payment_instruction', side: 'SCHEDULE' },
  ),
};
