/** How statements and their lines are read. */
import { peopleInScope } from '../access/policy.ts';
import {
  column,
  earliestFirst,
  type Field,
  instant,
  latestPage,
  money,
  one,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { bankLinePrefix, statementPrefix } from './prefix.ts';
import { portionField } from './view.ts';

/**
 * What the ledger holds at the end of the statement's last day: what is held now less what moved after. Money set aside
 * is still in the account. Where the ledger knows nothing of the portion, the budget's own money is what is in there.
 */
const ledgerClosing = ({ parent }: { parent: string }) => `(
  select case when ${parent}.closing_pence is not null and d.last_on is not null then (
           select coalesce(sum(a.in_pence - a.out_pence), 0) - coalesce((
                    select sum(case when t.to_account_id = any(array_agg(a.id)) then t.pence else 0 end
                             - case when t.from_account_id = any(array_agg(a.id)) then t.pence else 0 end)
                      from ledger_transfer t
                     where t.budget_id = any(b.ids) and t.person_id = ${parent}.person_id
                       and t.effective_on > d.last_on), 0)
             from ledger_account a
            where a.budget_id = any(b.ids) and a.person_id = ${parent}.person_id and a.kind in ('HELD', 'COMMITTED')
              and (a.portion_id is not distinct from ${parent}.portion_id
                   or a.portion_id is null and not exists (
                        select from ledger_account p where p.budget_id = any(b.ids)
                           and p.person_id = ${parent}.person_id and p.portion_id = ${parent}.portion_id))) end
    from (select max(booked_on) as last_on from bank_line
           where statement_id = ${parent}.id and person_id = ${parent}.person_id) d,
         (select array_agg(id) as ids from budget
           where person_id = ${parent}.person_id
             and (id = ${parent}.budget_id or part_of_id = ${parent}.budget_id)) b)`;

const pence = (sql: (at: { parent: string }) => string): Field => ({ is: 'part', type: 'Money', sql });

const lines: Field = {
  is: 'connection',
  type: 'BankLine',
  keys: [{ column: 'position', type: 'integer', first: '-1' }],
  rows: (at) => {
    const { parent, after, limit } = at;
    const state = at.arg('bank_line_state', (args) => args.state ?? null);
    return `select * from bank_line
       where statement_id = ${parent}.id and person_id = ${parent}.person_id and position > ${after[0]}
         and (${state} is null or state = ${state})
       order by position limit ${limit}`;
  },
};

const bankStatements = latestPage(
  'BankStatement',
  'recorded_at',
  'timestamptz',
  ({ parent }) => `select * from bank_statement where person_id = ${parent}.id`,
);

const unmatchedBankLines: Field = {
  is: 'connection',
  type: 'BankLine',
  keys: earliestFirst('booked_on', 'date'),
  rows: (at) => `
    select l.* from bank_line l
     where l.state = 'UNMATCHED' and (l.booked_on, l.id) > (${at.after[0]}, ${at.after[1]})
       and l.person_id in (select k.person_id from (${peopleInScope(at.kind, at, at.part)}) k)
       and ${at.shares('l.person_id', 'EITHER')}
     order by l.booked_on, l.id limit ${at.limit}`,
};

const countOf = (state: string): Field =>
  value(
    ({ parent }) => `(select count(*)::int from bank_line
      where statement_id = ${parent}.id and person_id = ${parent}.person_id and state = '${state}')`,
  );

/** SQL: of the lines for which something holds. */
const sumOf = (holds: string, amount: string): Field =>
  pence(
    ({ parent }) => `(select coalesce(sum(${amount}), 0)::bigint from bank_line l
      where l.statement_id = ${parent}.id and l.person_id = ${parent}.person_id and ${holds})`,
  );

export const statementViews: Views = {
  Query: plainView({ unmatchedBankLines }),
  Person: { fields: { bankStatements } },
  BankStatement: personView(
    {
      budget: one(
        'Budget',
        ({ parent }) =>
          `select * from budget where id = ${parent}.budget_id and person_id = ${parent}.person_id`,
      ),
      portion: portionField,
      format: column('format'),
      fileName: column('file_name'),
      importedAt: instant('recorded_at'),
      opening: money('opening_pence'),
      closing: money('closing_pence'),
      ledgerClosing: pence(ledgerClosing),
      difference: pence((at) => `(${at.parent}.closing_pence - ${ledgerClosing(at)})`),
      moneyIn: sumOf('l.pence > 0', 'l.pence'),
      moneyOut: sumOf('l.pence < 0', '-l.pence'),
      matched: countOf('MATCHED'),
      unmatched: countOf('UNMATCHED'),
      setAside: countOf('SET_ASIDE'),
      lines,
    },
    { prefix: statementPrefix, table: 'bank_statement', side: 'EITHER' },
  ),
  BankLine: personView(
    {
      statement: one(
        'BankStatement',
        ({ parent }) =>
          `select * from bank_statement where id = ${parent}.statement_id and person_id = ${parent}.person_id`,
      ),
      bookedOn: column('booked_on'),
      amount: money('pence'),
      party: column('party'),
      reference: column('reference'),
      state: column('state'),
      note: column('note'),
      spend: one(
        'Spend',
        ({ parent }) =>
          `select * from spend where id = ${parent}.spend_id and person_id = ${parent}.person_id`,
      ),
      transfer: one(
        'LedgerTransfer',
        ({ parent }) =>
          `select * from ledger_transfer where id = ${parent}.transfer_id and person_id = ${parent}.person_id`,
      ),
    },
    { prefix: bankLinePrefix, table: 'bank_line', side: 'EITHER' },
  ),
};
