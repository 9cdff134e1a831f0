/** What the money did between two days, as the ledger knew it at an instant: drawn from its transfers alone. */
import { Fault } from '../platform/fault.ts';
import {
  type Arguments,
  type At,
  column,
  earliestFirst,
  type Field,
  instant,
  many,
  money,
  ofEitherSide,
  one,
  personView,
  type Views,
} from '../read/view.ts';

interface Period {
  from: string;
  to: string;
  source?: string | null;
  knownAt?: Date | null;
}

function periodOf(args: Arguments): Period {
  const period = args as unknown as Period;
  if (period.from > period.to) throw new Fault('DAY_INVALID', '"to" must not be before "from".');
  return period;
}

/** The one row of a statement: what was asked for. Everything else is drawn from it. */
const asked = (at: At, budgetId: string, personId: string) => `
  select ${personId} as person_id, ${budgetId} as budget_id,
         ${at.arg('date', (args) => periodOf(args).from)} as day_from,
         ${at.arg('date', (args) => periodOf(args).to)} as day_to,
         ${at.arg('funding_source', (args) => periodOf(args).source ?? null)} as only_source,
         ${at.arg('timestamptz', (args) => periodOf(args).knownAt?.toISOString() ?? null)} as known_at`;

export const budgetStatement: Field = one('Statement', (at) =>
  asked(at, `${at.parent}.id`, `${at.parent}.person_id`),
);
/** Of all budgets: the figures of one side alone would not fit each other. */
export const personStatement: Field = ofEitherSide(
  one('Statement', (at) => asked(at, 'null::uuid', `${at.parent}.id`)),
);

/** SQL: the transfers up to the last day of the statement `s`, as they were known, budget by budget. */
const transfersOf = (s: string, columns: string) => `
  select ${columns}
    from budget b
    join ledger_transfer t on t.budget_id = b.id and t.person_id = b.person_id
   where b.person_id = ${s}.person_id and (${s}.budget_id is null or b.id = ${s}.budget_id)
     and t.effective_on <= ${s}.day_to and (${s}.known_at is null or t.recorded_at <= ${s}.known_at)
     and (${s}.only_source is null or t.source = ${s}.only_source)`;

/**
 * SQL: the figures of the statement `s` (a row as `asked` makes it), by source of money. What is set aside is still in
 * the account; moving it between portions, or allotting it, changes nothing of that.
 */
export const figures = (s: string) => `
  select source, person_id,
         coalesce(sum(moved) filter (where effective_on < ${s}.day_from), 0) as opening,
         coalesce(sum(moved) filter (where effective_on >= ${s}.day_from and kind = 'PAID_IN'), 0) as paid_in,
         coalesce(sum(moved) filter (where effective_on >= ${s}.day_from and kind = 'REFUNDED'), 0) as refunded,
         coalesce(-sum(moved) filter (where effective_on >= ${s}.day_from and kind = 'SPENT'), 0) as spent,
         coalesce(-sum(moved) filter (where effective_on >= ${s}.day_from and kind in ('REPAID', 'RECLAIMED')), 0) as repaid,
         coalesce(sum(moved), 0) as closing,
         coalesce(sum(case kind when 'COMMITTED' then signed when 'RELEASED' then -signed end), 0) as committed
    from (select x.*, case when kind in ('PAID_IN', 'REFUNDED') then signed
                           when kind in ('SPENT', 'REPAID', 'RECLAIMED') then -signed else 0 end as moved
            from (${transfersOf(
              s,
              `t.source, t.person_id, t.kind, t.effective_on,
                 case when t.reverses_id is null then t.pence else -t.pence end as signed`,
            )}) x) y
   group by source, person_id`;

const statementFigures = {
  opening: money('opening'),
  paidIn: money('paid_in'),
  refunded: money('refunded'),
  spent: money('spent'),
  repaid: money('repaid'),
  closing: money('closing'),
  committed: money('committed'),
};

const columns = ['opening', 'paid_in', 'refunded', 'spent', 'repaid', 'closing', 'committed'];

const transfers: Field = {
  is: 'connection',
  type: 'LedgerTransfer',
  keys: earliestFirst('effective_on', 'date'),
  rows: ({ parent, after, limit }) => `
    ${transfersOf(parent, 't.*')} and t.effective_on >= ${parent}.day_from
       and (t.effective_on, t.id) > (${after[0]}, ${after[1]})
     order by t.effective_on, t.id limit ${limit}`,
};

export const statementViews: Views = {
  Statement: personView({
    from: column('day_from'),
    to: column('day_to'),
    knownAt: instant('known_at'),
    total: one(
      'StatementFigures',
      ({ parent }) =>
        `select ${parent}.person_id, ${columns
          .map((name) => `coalesce(sum(f.${name}), 0) as ${name}`)
          .join(', ')} from (${figures(parent)}) f`,
    ),
    bySource: many('SourceStatement', ({ parent }) => `select * from (${figures(parent)}) f order by source`),
    transfers,
  }),
  StatementFigures: personView(statementFigures),
  SourceStatement: personView({
    source: column('source'),
    figures: one('StatementFigures', ({ parent }) => `select ${parent}.*`),
  }),
};
