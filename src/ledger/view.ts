/** How the ledger is read: transfers, the balances that are kept beside them, and all budgets in force as one. */
import { budgetSide } from '../access/side.ts';
import { holdsOn } from '../platform/day.ts';
import {
  type At,
  column,
  type Field,
  instant,
  latestFirst,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import { budgetStatement, personStatement, statementViews } from './statement.ts';

/** SQL: what came in, went out and is left in the accounts `a`: paid in is what the funder gave less what it got back. */
const sums = `
         coalesce(sum(a.out_pence - a.in_pence) filter (where a.kind = 'FUNDER'), 0) as paid_in,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'SPENT'), 0) as spent,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'COMMITTED'), 0) as committed,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'HELD'), 0) as remaining`;

/**
 * SQL: that of the budgets in `budgets` (rows with `id` and `person_id`), by budget and source of money, with what is
 * allocated of it. Left is what is held: neither spent nor set aside.
 */
const balancesOf = (budgets: string, only = '') => `
  select a.budget_id, a.person_id, a.source,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'ALLOCATED'), 0) as allocated, ${sums}
    from (${budgets}) b join ledger_account a on a.budget_id = b.id and a.person_id = b.person_id ${only}
   group by a.budget_id, a.person_id, a.source`;

const isInForce = (b: string, at: At) => `${b}.status in ('ACTIVE', 'SUSPENDED')
      and ${b}.valid_from <= ${at.today()} and (${b}.valid_to is null or ${b}.valid_to > ${at.today()})`;

/**
 * SQL: a person's budgets that are in force today as `b`, and as `l` the lines of those, with what is agreed by them
 * today. Of a budget that is part of an integrated one in force nothing is agreed beside that: its money moves, under
 * the same funder.
 */
const inForce = (personId: string, at: At) => `
  with b as materialized (
    select b.id, b.person_id, b.part_of_id from budget b
     where b.person_id = ${personId} and ${isInForce('b', at)} and ${at.shares('b.person_id', budgetSide('b'))}
  ), l as materialized (
    select l.id, l.budget_id, l.source, l.organisation_id, l.amount_pence, l.valid_from,
           case when ${holdsOn('l', at.today())}
             and (b.part_of_id is null or not exists (
               select from budget w where w.id = b.part_of_id and w.person_id = b.person_id and ${isInForce('w', at)}))
           then l.amount_pence end as agreed
      from b join funding_line l on l.budget_id = b.id and l.person_id = b.person_id
  )`;

/**
 * SQL: a person's budgets that are in force today as one: what is agreed for a year beside what the ledger holds. Where
 * it is asked for, with an array of the same by source of money and who gives it, in that order. A source may be agreed
 * and not yet have moved, or the other way round.
 */
function combined(at: At): string {
  const personId = `${at.parent}.id`;
  if (!at.asks('byFunder'))
    return `${inForce(personId, at)}
      select ${personId} as person_id, ${sums}, (select coalesce(sum(agreed), 0) from l) as agreed
        from b join ledger_account a on a.budget_id = b.id and a.person_id = b.person_id`;
  return `${inForce(personId, at)}
    select ${personId} as person_id, coalesce(sum(f.agreed), 0) as agreed, coalesce(sum(f.paid_in), 0) as paid_in,
           coalesce(sum(f.spent), 0) as spent, coalesce(sum(f.committed), 0) as committed,
           coalesce(sum(f.remaining), 0) as remaining, array_agg(f) as funders
      from (
        select ${personId} as person_id, f.source, f.organisation_id, sum(f.agreed) as agreed,
               sum(f.paid_in) as paid_in, sum(f.spent) as spent, sum(f.committed) as committed, sum(f.remaining) as remaining
          from (
            select source, organisation_id, agreed, 0 as paid_in, 0 as spent, 0 as committed, 0 as remaining
              from l where agreed is not null
             union all
            select m.source, (select organisation_id from l where l.budget_id = m.budget_id and l.source = m.source
                               order by valid_from desc nulls last, amount_pence desc, id limit 1),
                   0, m.paid_in, m.spent, m.committed, m.remaining
              from b cross join lateral (
                select b.id as budget_id, a.source, ${sums}
                  from ledger_account a where a.budget_id = b.id and a.person_id = b.person_id group by a.source) m) f
         group by f.source, f.organisation_id order by f.source, f.organisation_id) f`;
}

/** The figures that a row of `balancesOf`, or sums of such rows, give. */
const balanceFields = {
  paidIn: money('paid_in'),
  spent: money('spent'),
  committed: money('committed'),
  left: money('remaining'),
};

export const transferPrefix = 'trf';

/** A budget's transfers, the latest first. */
const transfers: Field = {
  is: 'connection',
  type: 'LedgerTransfer',
  keys: latestFirst('effective_on', 'date'),
  rows: ({ parent, after, limit }) => `
    select * from ledger_transfer
     where budget_id = ${parent}.id and person_id = ${parent}.person_id and (effective_on, id) < (${after[0]}, ${after[1]})
     order by effective_on desc, id desc limit ${limit}`,
};

export const ledgerViews: Views = {
  Person: {
    fields: {
      statement: personStatement,
      combined: one('CombinedBudget', combined),
    },
  },
  Budget: {
    fields: {
      balances: many(
        'SourceBalance',
        ({ parent }) => `${balancesOf(`select ${parent}.id, ${parent}.person_id`)} order by a.source`,
      ),
      spentByCategory: many(
        'CategoryTotal',
        ({
          parent,
        }) => `select a.person_id, a.category, sum(a.in_pence - a.out_pence) as spent from ledger_account a
          where a.budget_id = ${parent}.id and a.person_id = ${parent}.person_id and a.kind = 'SPENT'
          group by a.person_id, a.category order by a.category`,
      ),
      statement: budgetStatement,
      reportedBalance: one(
        'ReportedBalance',
        ({ parent }) => `select ${parent}.person_id, ${parent}.reported_balance_pence as pence,
            ${parent}.reported_balance_on as as_at where ${parent}.reported_balance_on is not null`,
      ),
      transfers,
    },
  },
  CombinedBudget: personView({
    agreed: money('agreed'),
    ...balanceFields,
    byFunder: many(
      'FunderTotal',
      ({ parent }) => `select * from unnest(${parent}.funders) as f(person_id uuid, source funding_source,
          organisation_id uuid, agreed numeric, paid_in numeric, spent numeric, committed numeric, remaining numeric)`,
    ),
  }),
  FunderTotal: personView({
    source: column('source'),
    organisation: organisation(),
    agreed: money('agreed'),
    ...balanceFields,
  }),
  SourceBalance: personView({ source: column('source'), allocated: money('allocated'), ...balanceFields }),
  CategoryTotal: personView({
    category: value(({ parent }) => `nullif(${parent}.category, '')`),
    spent: money('spent'),
  }),
  Portion: {
    fields: {
      balances: many(
        'SourceBalance',
        ({ parent }) =>
          `${balancesOf(
            `select ${parent}.budget_id as id, ${parent}.person_id`,
            `and a.portion_id = ${parent}.id`,
          )} order by a.source`,
      ),
    },
  },
  ReportedBalance: personView({ amount: money('pence'), asAt: column('as_at') }),
  ...statementViews,
  LedgerTransfer: personView(
    {
      kind: column('kind'),
      source: column('source'),
      amount: money('pence'),
      effectiveOn: column('effective_on'),
      recordedAt: instant('recorded_at'),
      description: column('description'),
      isReversal: value(({ parent }) => `(${parent}.reverses_id is not null)`),
      reverses: one(
        'LedgerTransfer',
        ({ parent }) =>
          `select * from ledger_transfer where id = ${parent}.reverses_id and person_id = ${parent}.person_id`,
      ),
      category: value(
        ({ parent }) => `(select nullif(max(category), '') from ledger_account
          where id in (${parent}.from_account_id, ${parent}.to_account_id) and kind = 'SPENT')`,
      ),
    },
    { prefix: transferPrefix, table: 'ledger_transfer', side: 'BUDGET' },
  ),
};
