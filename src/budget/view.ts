/** How budgets are read. */

import { judgeCharges } from '../eligibility/rules.ts';
import type { EligibilityScheme, FundingSource } from '../generated/prisma/enums.ts';
import { portionPrefix } from '../plan/view.ts';
import { holdsOn } from '../platform/day.ts';
import { moneyOf } from '../platform/money.ts';
import {
  type At,
  children,
  column,
  datedChildren,
  derived,
  type Field,
  instant,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
  withAsAt,
} from '../read/view.ts';
import { chargesOf, statementS26 } from './rules.ts';

export const budgetPrefix = 'bud';
export const splitPrefix = 'spl';

/** Without `asAt` every budget there is; with it those that were in force. One that was never released never was. */
function budgetsOf(at: At): string {
  const { parent } = at;
  const order = 'order by b.valid_from desc, b.kind, b.id';
  const all = `select b.* from ${at.table('budget', `${parent}.id`)} b where b.person_id = ${parent}.id`;
  if (!isPast(at)) return `${all} ${order}`;
  return `${all} and (${at.arg('boolean', (args) => args.asAt == null)} or (
      ${holdsOn('b', at.day())} and (b.status in ('ACTIVE', 'SUSPENDED') or b.status = 'ENDED' and b.valid_to is not null)))
    ${order}`;
}

const isPast = (at: At) => at.day() !== at.today();

/** What a source says of its budget stands; one of the hub's own that was agreed is over when its days are. */
const status: Field = value((at) => {
  const { parent } = at;
  const own = `case when ${parent}.link_id is null and ${parent}.valid_to <= ${at.day()}
    and ${parent}.status in ('SIGNED_OFF', 'ACTIVE', 'SUSPENDED') then 'ENDED'::budget_status`;
  const then = `when ${parent}.status = 'ENDED' and ${parent}.valid_to > ${at.day()} then 'ACTIVE'::budget_status`;
  return `${own} ${isPast(at) ? then : ''} else ${parent}.status end`;
});

/** Rows of a child table that hold on the day looked at. */
const inForce = (type: string, table: string, order: string): Field =>
  many(type, (at) => `select t.* from ${rowsInForce(at, table)} order by ${order}`);

const rowsInForce = (at: At, table: string) =>
  `${at.table(table, `${at.parent}.person_id`)} t
    where t.budget_id = ${at.parent}.id and t.person_id = ${at.parent}.person_id and ${holdsOn('t', at.day())}`;

interface Line {
  source: FundingSource;
  /** Text, for a number would lose pence. */
  pence: string;
  organisation_code: string | null;
  organisation_name: string | null;
}

const s26: Field = derived(
  (at) => `case when ${at.parent}.kind <> 'PERSONAL_HEALTH_BUDGET' then (
    select coalesce(json_agg(l), '[]') from (
      select t.source, t.amount_pence::text as pence, o.ods_code as organisation_code, o.name as organisation_name
        from (select t.* from ${rowsInForce(at, 'funding_line')}) t left join organisation o on o.id = t.organisation_id
       order by t.source, o.ods_code, t.id) l) end`,
  (lines: Line[] | null) => {
    if (lines === null) return null;
    const s = statementS26(lines.map((line) => ({ ...line, pence: BigInt(line.pence) })));
    return {
      costToCouncil: moneyOf(s.costToCouncil),
      adultPays: moneyOf(s.adultPays),
      councilPays: moneyOf(s.councilPays),
      otherPublicMoney: s.otherPublicMoney.map((line) => ({
        source: line.source,
        organisationCode: line.organisation_code,
        organisationName: line.organisation_name,
        amount: moneyOf(line.pence),
      })),
      topUps: moneyOf(s.topUps),
    };
  },
);

interface Circumstances {
  sources: FundingSource[];
  eligible: EligibilityScheme[];
}

const warnings: Field = derived(
  (at) => `json_build_object(
    'sources', (select coalesce(json_agg(distinct t.source), '[]') from ${rowsInForce(at, 'funding_line')}),
    'eligible', (select coalesce(json_agg(distinct e.scheme), '[]')
                   from ${at.table('eligibility', `${at.parent}.person_id`)} e
                  where e.person_id = ${at.parent}.person_id and e.status = 'ELIGIBLE' and ${holdsOn('e', at.day())}))`,
  ({ sources, eligible }: Circumstances) =>
    judgeCharges(eligible, chargesOf(sources, eligible)).warnings.map(({ code, message }) => ({
      code,
      message,
    })),
);

/** A share that another decision interrupts goes on after it in a row of its own: here it stands once, as decided. */
const shares: Field = many(
  'FundingLine',
  (at) => `select distinct on (t.source, t.organisation_id, t.line_key) t.*
      from ${at.table('funding_line', `${at.parent}.person_id`)} t
     where t.split_id = ${at.parent}.id and t.person_id = ${at.parent}.person_id
     order by t.source, t.organisation_id, t.line_key, t.valid_from`,
);

/** A duty, with the organisation that is meant where it is the operator's. */
const duty = (name: string): Field =>
  one(
    'Duty',
    ({ parent }) => `select ${parent}.person_id, ${parent}.${name} as holder,
        case when ${parent}.${name} = 'OPERATOR' then ${parent}.account_operator_id end as organisation_id`,
  );

/** Another portion of the same budget. */
const portion = (where: (row: string, parent: string) => string): Field =>
  one(
    'Portion',
    (at) => `select t.* from ${at.table('portion', `${at.parent}.person_id`)} t
        where t.person_id = ${at.parent}.person_id and ${where('t', at.parent)} limit 1`,
  );

/** Another budget of the same person. */
const budget = (column: string): Field =>
  one(
    'Budget',
    (at) => `select b.* from ${at.table('budget', `${at.parent}.person_id`)} b
        where b.id = ${at.parent}.${column} and b.person_id = ${at.parent}.person_id`,
  );

export const budgetViews: Views = {
  Person: { fields: { budgets: withAsAt(many('Budget', budgetsOf)) } },
  Budget: personView(
    {
      kind: column('kind'),
      status,
      from: column('valid_from'),
      to: column('valid_to'),
      agreed: money('agreed_pence'),
      indicative: money('indicative_pence'),
      version: column('version'),
      keptBy: value(
        ({ parent }) => `(select s.name from person_link l join source_system s on s.id = l.source_id
            where l.id = ${parent}.link_id and l.person_id = ${parent}.person_id)`,
      ),
      partOf: budget('part_of_id'),
      parts: many(
        'Budget',
        (at) => `select b.* from ${at.table('budget', `${at.parent}.person_id`)} b
            where b.part_of_id = ${at.parent}.id and b.person_id = ${at.parent}.person_id order by b.kind, b.id`,
      ),
      fundingLines: inForce(
        'FundingLine',
        'funding_line',
        't.source, t.stream, t.organisation_id, t.line_key, t.id',
      ),
      fundingSplits: datedChildren(
        'FundingSplit',
        'funding_split',
        'budget_id',
        'valid_from, recorded_at, id',
      ),
      portions: inForce('Portion', 'portion', 't.position'),
      portionHistory: datedChildren('Portion', 'portion', 'budget_id', 'position'),
      signOffs: children('BudgetSignOff', 'budget_sign_off', 'budget_id', 'signed_at, organisation_id'),
      awaitingSignOff: many(
        'Organisation',
        (at) => `select o.* from organisation o where ${at.parent}.status = 'PROPOSED' and o.id in (
            select t.organisation_id from ${rowsInForce(at, 'funding_line')} and t.source in ('ICB', 'COUNCIL', 'S75_POOL'))
           and not exists (select from budget_sign_off s where s.organisation_id = o.id
                              and s.budget_id = ${at.parent}.id and s.person_id = ${at.parent}.person_id)
         order by o.ods_code`,
      ),
      statementS26: s26,
      warnings,
    },
    { prefix: budgetPrefix, table: 'budget', side: 'KIND' },
  ),
  FundingLine: personView(
    {
      source: column('source'),
      stream: value(({ parent }) => `nullif(${parent}.stream, '')`),
      organisation: organisation(),
      amount: money('amount_pence'),
      from: column('valid_from'),
      to: column('valid_to'),
      sharePercent: value(({ parent }) => `(${parent}.basis_points::numeric / 100)::numeric(5, 2)::text`),
      lineKey: column('line_key'),
    },
    { prefix: 'fln', table: 'funding_line', side: 'BUDGET' },
  ),
  FundingSplit: personView(
    {
      basis: column('basis'),
      status: column('status'),
      panel: column('panel'),
      decidedOn: column('decided_on'),
      reviewDueOn: column('review_due_on'),
      from: column('valid_from'),
      to: column('valid_to'),
      note: column('note'),
      shares,
    },
    { prefix: splitPrefix, table: 'funding_split', side: 'BUDGET' },
  ),
  Portion: personView(
    {
      budget: budget('budget_id'),
      management: column('management'),
      recurring: column('recurring'),
      amount: money('amount_pence'),
      channel: column('channel'),
      accountOperator: organisation('account_operator_id'),
      duties: one('PortionDuties', ({ parent }) => `select ${parent}.*`),
      from: column('valid_from'),
      to: column('valid_to'),
      reason: column('reason'),
      replaces: portion((row, parent) => `${row}.id = ${parent}.replaces_id`),
      replacedBy: portion((row, parent) => `${row}.replaces_id = ${parent}.id`),
    },
    { prefix: portionPrefix, table: 'portion', side: 'BUDGET' },
  ),
  PortionDuties: personView({
    fundsHolder: duty('funds_holder'),
    accountOperator: duty('account_operator'),
    legalEmployer: duty('legal_employer'),
    purchaseDecider: duty('purchase_decider'),
  }),
  Duty: personView({ holder: column('holder'), organisation: organisation() }),
  BudgetSignOff: personView({
    organisation: organisation(),
    name: column('name'),
    signedAt: instant('signed_at'),
  }),
};
