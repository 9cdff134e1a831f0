/** How payment runs and the accounts they pay into are read. */
import { maySeeRuns, ownOrganisation } from '../access/policy.ts';
import {
  type At,
  column,
  derived,
  type Field,
  globalId,
  idAscending,
  instant,
  latestFirst,
  many,
  money,
  one,
  organisation,
  type PageAt,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import { bacsFile } from './bacs.ts';
import { payeeAccountPrefix, paymentRunPrefix } from './subject.ts';

/** SQL: the run is the viewer's own to see. It holds bank details of everybody in it. */
const maySeeRun = (at: At, row: string) =>
  maySeeRuns(at.role) ? `${row}.organisation_id = ${ownOrganisation(at)}` : 'false';

const runs: Field = {
  is: 'connection',
  type: 'PaymentRun',
  keys: latestFirst('due_on', 'date'),
  rows: (at) => `
    select r.* from payment_run r where ${maySeeRun(at, 'r')} and (r.due_on, r.id) < (${at.after.join(', ')})
     order by r.due_on desc, r.id desc limit ${at.limit}`,
};

const instructions: Field = {
  is: 'connection',
  type: 'PaymentInstruction',
  keys: [idAscending('id')],
  rows: (at: PageAt) => `
    select i.* from payment_instruction i
     where i.run_id = ${at.parent}.id and i.id > ${at.after[0]} and ${at.maySee('i.person_id')}
     order by i.id limit ${at.limit}`,
};

/**
 * The account that was in force when the run was made: of those approved for the place and not replaced before it, the
 * one that was replaced first, or never.
 */
const fileFacts = ({ parent }: At) => `(
  select json_build_object('dueOn', ${parent}.due_on, 'organisationCode', o.ods_code, 'lines', (
      select coalesce(json_agg(json_build_array(a.account_name, a.sort_code, a.account_number, l.net::text, l.id) order by l.id), '[]')
        from (select s.id, s.budget_id, s.portion_id, s.person_id,
                     sum(case i.effect when 'SUBTRACT' then -i.pence else i.pence end) as net
                from payment_instruction i
                join payment_schedule s on s.id = i.schedule_id and s.person_id = i.person_id
               where i.run_id = ${parent}.id
               group by s.id, s.budget_id, s.portion_id, s.person_id) l
       cross join lateral (
         select * from payee_account a
          where a.budget_id = l.budget_id and a.portion_id is not distinct from l.portion_id and a.approved_by is not null
            and (a.ended_at is null or a.ended_at > ${parent}.recorded_at)
          order by a.ended_at nulls last limit 1) a
       where l.net > 0))
    from organisation o where o.id = ${parent}.organisation_id)`;

interface FileFacts {
  dueOn: string;
  organisationCode: string;
  lines: [accountName: string, sortCode: string, accountNumber: string, pence: string, scheduleId: string][];
}

/** What the payee sees: the schedule's id, so that a statement's line finds its way back. */
const referenceOf = (scheduleId: string) => `TANDEM ${scheduleId.replaceAll('-', '').slice(-11)}`;

const file = derived(fileFacts, ({ dueOn, organisationCode, lines }: FileFacts) =>
  bacsFile({
    dueOn,
    organisationCode,
    lines: lines.map(([accountName, sortCode, accountNumber, pence, scheduleId]) => ({
      accountName,
      sortCode,
      accountNumber,
      pence: BigInt(pence),
      reference: referenceOf(scheduleId),
    })),
  }),
);

export const paymentRunViews: Views = {
  Query: { fields: { paymentRuns: runs } },
  Budget: {
    fields: {
      payeeAccounts: many(
        'PayeeAccount',
        ({ parent }) => `select * from payee_account
          where budget_id = ${parent}.id and person_id = ${parent}.person_id order by recorded_at desc, id desc`,
      ),
    },
  },
  PaymentInstruction: {
    fields: {
      run: one(
        'PaymentRun',
        (at) => `select r.* from payment_run r where r.id = ${at.parent}.run_id and ${maySeeRun(at, 'r')}`,
      ),
    },
  },
  PaymentRun: {
    person: null,
    node: {
      prefix: paymentRunPrefix,
      rows: (at, uuid) => `select r.* from payment_run r where r.id = ${uuid} and ${maySeeRun(at, 'r')}`,
    },
    fields: {
      id: globalId(paymentRunPrefix),
      organisation: organisation(),
      dueOn: column('due_on'),
      count: column('count'),
      amount: money('pence'),
      unconfirmed: value(({ parent }) => `payments_unconfirmed(${parent}.id)`),
      createdAt: instant('recorded_at'),
      instructions,
      file,
    },
  },
  PayeeAccount: personView(
    {
      portion: one(
        'Portion',
        ({ parent }) =>
          `select x.* from portion x where x.id = ${parent}.portion_id and x.person_id = ${parent}.person_id`,
      ),
      accountName: column('account_name'),
      sortCode: value(({ parent }) => `'****' || right(${parent}.sort_code, 2)`),
      accountNumber: value(({ parent }) => `'****' || right(${parent}.account_number, 4)`),
      usableFrom: column('usable_from'),
      status: value(
        ({ parent }) => `case when ${parent}.ended_at is not null then 'REPLACED'
          when ${parent}.approved_by is null then 'WAITING' else 'IN_FORCE' end`,
      ),
    },
    { prefix: payeeAccountPrefix, table: 'payee_account', side: 'BUDGET' },
  ),
};
