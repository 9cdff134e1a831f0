/** How spends and commitments are read. */

import { peopleInScope } from '../access/policy.ts';
import { budgetSide, sides } from '../access/side.ts';
import {
  children,
  column,
  earliestFirst,
  type Field,
  globalId,
  instant,
  latestFirst,
  many,
  money,
  ofEitherSide,
  one,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { commitmentPrefix, overspendPrefix, spendPrefix } from './prefix.ts';

/** A budget's spends, the latest first. Those of an integrated budget are its own. */
const spends: Field = {
  is: 'connection',
  type: 'Spend',
  keys: latestFirst('spent_on', 'date'),
  rows: (at) => {
    const { parent, after, limit } = at;
    const states = at.arg('text[]', (args) => args.states ?? null);
    return `
      select * from spend
       where budget_id = ${parent}.id and person_id = ${parent}.person_id and (spent_on, id) < (${after[0]}, ${after[1]})
         and (${states} is null or state::text = any(${states}))
       order by spent_on desc, id desc limit ${limit}`;
  },
};

/** What somebody of a funder must look at, of the people in scope, the longest waiting first. */
const spendsToLookAt: Field = {
  is: 'connection',
  type: 'Spend',
  keys: earliestFirst('spent_on', 'date'),
  rows: (at) => `
    select s.* from spend s
     where s.state = 'NEEDS_LOOK' and (s.spent_on, s.id) > (${at.after[0]}, ${at.after[1]})
       and s.person_id in (select k.person_id from (${peopleInScope(at.kind, at, at.part)}) k)
       and ${at.shares('s.person_id', sides.BUDGET('s'))}
     order by s.spent_on, s.id limit ${at.limit}`,
};

const causeOf = (parent: string) => `'spend/' || ${parent}.id`;

const refunded = ({ parent }: { parent: string }) =>
  `(select coalesce(sum(case when t.reverses_id is null then t.pence else -t.pence end), 0)
      from ledger_transfer t where t.external_id = ${causeOf(parent)} and t.kind = 'REFUNDED')`;

/** A spend's findings stand as texts: a code, and for an exclusion its source, place and list. */
const findings: Field = many(
  'SpendFinding',
  ({ parent }) => `
    select ${parent}.person_id, split_part(f.said, E'\\t', 1) as code, nullif(split_part(f.said, E'\\t', 2), '') as source,
           e.what, e.citation
      from unnest(${parent}.findings) with ordinality as f(said, n)
      left join exclusion e on e.list_id = split_part(f.said, E'\\t', 4)
                           and e.position::text = split_part(f.said, E'\\t', 3)
     order by f.n`,
);

const transfersBecauseOf = (cause: (parent: string) => string): Field =>
  many(
    'LedgerTransfer',
    ({ parent }) =>
      `select * from ledger_transfer where external_id = ${cause(parent)} and person_id = ${parent}.person_id
        order by recorded_at, id`,
  );

const budget: Field = one(
  'Budget',
  ({ parent }) => `select * from budget where id = ${parent}.budget_id and person_id = ${parent}.person_id`,
);

export const portionField: Field = one(
  'Portion',
  ({ parent }) => `select * from portion where id = ${parent}.portion_id and person_id = ${parent}.person_id`,
);

/** Commitments are no rows: each is what the transfers with its name as their cause say. */
const commitmentRows = (where: string) => `
  select split_part(t.external_id, '/', 2)::uuid as id, t.person_id, min(t.effective_on) as since,
         min(t.description) as what,
         sum(case when t.kind = 'COMMITTED' then t.pence else 0 end) as pence,
         sum(case when t.kind = 'COMMITTED' then t.pence else -t.pence end) as still
    from ledger_transfer t where ${where} group by t.external_id, t.person_id`;

export const spendingViews: Views = {
  Query: plainView({ spendsToLookAt }),
  Budget: {
    fields: {
      spends,
      overspendAgreements: children(
        'OverspendAgreement',
        'overspend_agreement',
        'budget_id',
        't.until, t.id',
      ),
      commitments: many(
        'Commitment',
        ({ parent }) => `
          select * from (${commitmentRows(`t.budget_id = ${parent}.id and t.person_id = ${parent}.person_id
            and t.kind in ('COMMITTED', 'RELEASED') and t.external_id like 'commitment/%'`)}) c
           where c.still > 0 order by c.since, c.id`,
      ),
    },
  },
  Spend: personView(
    {
      budget,
      portion: portionField,
      lineKey: column('line_key'),
      category: value(({ parent }) => `nullif(${parent}.category, '')`),
      amount: money('pence'),
      refunded: { is: 'part', type: 'Money', sql: refunded },
      paidBy: many(
        'SpendShare',
        ({ parent }) => `
          select p.*, ${parent}.person_id as person_id from (
            select t.source, sum(case when t.reverses_id is null then t.pence else -t.pence end
                                 * case t.kind when 'SPENT' then 1 else -1 end) as pence
              from ledger_transfer t where t.external_id = ${causeOf(parent)} group by t.source) p
           where p.pence > 0 order by p.source`,
      ),
      spentOn: column('spent_on'),
      payee: column('payee'),
      what: column('what'),
      state: column('state'),
      findings,
      words: column('words'),
      externalRef: column('external_ref'),
      recordedAt: instant('recorded_at'),
      transfers: transfersBecauseOf(causeOf),
      bankLine: ofEitherSide(
        one(
          'BankLine',
          ({ parent }) => `select * from bank_line where id = ${parent}.bank_line_id
          and person_id = ${parent}.person_id and spend_id = ${parent}.id`,
        ),
      ),
      version: column('version'),
    },
    { prefix: spendPrefix, table: 'spend', side: 'BUDGET' },
  ),
  OverspendAgreement: personView(
    {
      budget,
      source: column('source'),
      amount: money('pence'),
      until: column('until'),
      reason: column('reason'),
      agreedBy: one(
        'Organisation',
        ({ parent }) => `select * from organisation where id = ${parent}.organisation_id`,
      ),
      recordedAt: instant('recorded_at'),
    },
    { prefix: overspendPrefix, table: 'overspend_agreement', side: 'BUDGET' },
  ),
  SpendFinding: personView({
    code: column('code'),
    source: column('source'),
    exclusion: column('what'),
    citation: column('citation'),
  }),
  SpendShare: personView({ source: column('source'), amount: money('pence') }),
  Commitment: {
    ...personView({
      id: globalId(commitmentPrefix),
      what: column('what'),
      since: column('since'),
      amount: money('pence'),
      left: money('still'),
      transfers: transfersBecauseOf((parent) => `'commitment/' || ${parent}.id`),
    }),
    node: {
      prefix: commitmentPrefix,
      rows: (at, uuid) => `
        select * from (${commitmentRows(`t.external_id = 'commitment/' || ${uuid}::uuid`)}) c
         where ${at.maySee('c.person_id')} and not exists (
           select from ledger_transfer x join budget b on b.id = x.budget_id
            where x.external_id = 'commitment/' || c.id and not (${at.shares('c.person_id', budgetSide('b'))}))`,
    },
  },
};
