/** How the ledger is read: transfers, the balances that are kept beside them, and all budgets in force as one. */
import {
  type At,
  column,
  type Field,
  instant,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
} from '../read/view.ts';

/**
 * SQL: for the budgets in `budgets` (rows with `id` and `person_id`), what came in, went out and is left, by budget
 * and source of money. Paid in is what the funder gave less what it got back; left is what is held: neither spent nor
 * set aside.
 */
const balancesOf = (budgets: string) => `
  select a.budget_id, a.person_id, a.source,
         coalesce(sum(a.out_pence - a.in_pence) filter (where a.kind = 'FUNDER'), 0) as paid_in,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'SPENT'), 0) as spent,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'COMMITTED'), 0) as committed,
         coalesce(sum(a.in_pence - a.out_pence) filter (where a.kind = 'HELD'), 0) as remaining
    from (${budgets}) b join ledger_account a on a.budget_id = b.id and a.person_id = b.person_id
   group by a.budget_id, a.person_id, a.source`;

/**
 * SQL: a person's budgets that are in force today, by source of money and who gives it: what is agreed for a year
 * beside what the ledger holds. A source may be agreed and not yet have moved, or the other way round.
 */
function byFunder(personId: string, at: At): string {
  const inForce = `select id, person_id from budget
    where person_id = ${personId} and status in ('ACTIVE', 'SUSPENDED')
      and valid_from <= ${at.today()} and (valid_to is null or valid_to > ${at.today()})`;
  return `
    select ${personId} as person_id, coalesce(f.source, m.source) as source, f.organisation_id,
           coalesce(sum(f.amount_pence), 0) as agreed, coalesce(sum(m.paid_in), 0) as paid_in,
           coalesce(sum(m.spent), 0) as spent, coalesce(sum(m.committed), 0) as committed,
           coalesce(sum(m.remaining), 0) as remaining
      from (select l.* from funding_line l join (${inForce} and part_of_id is null) b on b.id = l.budget_id and b.person_id = l.person_id) f
      full join (${balancesOf(inForce)}) m on m.budget_id = f.budget_id and m.source = f.source
     group by coalesce(f.source, m.source), f.organisation_id`;
}

/** The figures that a row of `balancesOf`, or sums of such rows, give. */
const balanceFields = {
  paidIn: money('paid_in'),
  spent: money('spent'),
  committed: money('committed'),
  left: money('remaining'),
};

/** A budget's transfers, the latest first. */
const transfers: Field = {
  is: 'connection',
  type: 'LedgerTransfer',
  keys: [
    { column: 'effective_on', type: 'date', first: 'infinity' },
    { column: 'id', type: 'uuid', first: 'ffffffff-ffff-ffff-ffff-ffffffffffff' },
  ],
  rows: ({ parent, after, limit }) => `
    select * from ledger_transfer
     where budget_id = ${parent}.id and person_id = ${parent}.person_id and (effective_on, id) < (${after[0]}, ${after[1]})
     order by effective_on desc, id desc limit ${limit}`,
};

export const ledgerViews: Views = {
  Person: {
    fields: {
      combined: one(
        'CombinedBudget',
        (at) => `select ${at.parent}.id as person_id, coalesce(sum(f.agreed), 0) as agreed,
            coalesce(sum(f.paid_in), 0) as paid_in, coalesce(sum(f.spent), 0) as spent,
            coalesce(sum(f.committed), 0) as committed, coalesce(sum(f.remaining), 0) as remaining,
            array_agg(f) as funders
          from (${byFunder(`${at.parent}.id`, at)}) f`,
      ),
    },
  },
  Budget: {
    fields: {
      balances: many(
        'SourceBalance',
        ({ parent }) => `${balancesOf(`select ${parent}.id, ${parent}.person_id`)} order by a.source`,
      ),
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
          organisation_id uuid, agreed numeric, paid_in numeric, spent numeric, committed numeric, remaining numeric)
        order by source, organisation_id`,
    ),
  }),
  FunderTotal: personView({
    source: column('source'),
    organisation: organisation(),
    agreed: money('agreed'),
    ...balanceFields,
  }),
  SourceBalance: personView({ source: column('source'), ...balanceFields }),
  ReportedBalance: personView({ amount: money('pence'), asAt: column('as_at') }),
  LedgerTransfer: personView(
    {
      kind: column('kind'),
      source: column('source'),
      amount: money('pence'),
      effectiveOn: column('effective_on'),
      recordedAt: instant('recorded_at'),
      description: column('description'),
      isReversal: value(({ parent }) => `(${parent}.reverses_id is not null)`),
    },
    { prefix: 'trf', table: 'ledger_transfer' },
  ),
};
