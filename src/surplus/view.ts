/** How surplus, forecast and reclaims are read. */
import { moneyOf } from '../platform/money.ts';
import {
  column,
  derived,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import {
  alertsIn,
  type ForecastFacts,
  forecastFacts,
  forecastOf,
  type SurplusFacts,
  surplusFacts,
  surplusOf,
} from './facts.ts';
import { appealRoutes, lawOf, reconsiderUnder } from './rules.ts';

export const reclaimPrefix = 'rcl';

const maybeMoney = (pence: bigint | null) => (pence === null ? null : moneyOf(pence));

/** Tenths as a decimal: 82 is "8.2". */
const weeksOf = (tenths: bigint | null) => (tenths === null ? null : `${tenths / 10n}.${tenths % 10n}`);

const surplus = (facts: SurplusFacts) =>
  surplusOf(facts).map(({ source, funder, ...of }) => ({
    source,
    organisationCode: funder?.organisationCode ?? null,
    organisationName: funder?.organisationName ?? null,
    balance: moneyOf(of.balance),
    surplus: moneyOf(of.surplus),
    committed: moneyOf(of.committed),
    weekly: maybeMoney(of.weekly),
    weeklyFrom: of.weekly === null ? null : facts.lines.length > 0 ? 'PLAN' : 'FUNDING',
    weeks: weeksOf(of.tenthsOfWeeks),
    thresholdWeeks: funder?.thresholdWeeks ?? null,
    reclaimable: maybeMoney(of.reclaimable),
    citation: funder?.citation ?? null,
  }));

function forecast(facts: ForecastFacts) {
  const told = forecastOf(facts);
  return {
    left: moneyOf(told.left),
    weeklyIn: moneyOf(told.weeklyIn),
    weeklyOut: maybeMoney(told.weeklyOut),
    weeklyOutFrom: told.weeklyOutFrom,
    runsOutOn: told.runsOutOn,
    endsOn: facts.end,
    leftAtEnd: maybeMoney(told.leftAtEnd),
    weeksAtEnd: weeksOf(told.tenthsOfWeeksAtEnd),
    alerts: alertsIn(facts),
  };
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

const isNhs = (r: string) => `(select o.kind = 'ICB' from organisation o where o.id = ${r}.organisation_id)`;

const lawCases = Object.entries(lawOf)
  .map(([ground, law]) => `when '${ground}' then ${quoted(law)}`)
  .join(' ');

export const surplusViews: Views = {
  Budget: {
    fields: {
      surplus: derived((at) => {
        const asked = at.arg('date', (args) => args.on ?? null);
        return surplusFacts(at.parent, `coalesce(${asked}, ${at.today()})`);
      }, surplus),
      forecast: derived((at) => forecastFacts(at.parent, at.today()), forecast),
      reclaims: many(
        'Reclaim',
        ({
          parent,
        }) => `select * from reclaim where budget_id = ${parent}.id and person_id = ${parent}.person_id
                          order by notice_on desc, recorded_at desc, id`,
      ),
    },
  },
  Reclaim: personView(
    {
      budget: one(
        'Budget',
        ({ parent: r }) => `select * from budget where id = ${r}.budget_id and person_id = ${r}.person_id`,
      ),
      source: column('source'),
      organisation: organisation(),
      ground: column('ground'),
      law: value(({ parent: r }) => `case when ${isNhs(r)} then case ${r}.ground::text ${lawCases} end end`),
      reasons: column('reasons'),
      amount: money('pence'),
      repaid: money('repaid_pence'),
      outstanding: {
        is: 'part',
        type: 'Money',
        sql: ({ parent: r }) =>
          `case when ${r}.status = 'WITHDRAWN' then 0 else ${r}.pence - ${r}.repaid_pence end`,
      },
      noticeOn: column('notice_on'),
      payBy: column('pay_by'),
      payer: column('payer'),
      status: column('status'),
      reconsiderUnder: value(({ parent: r }) => `case when ${isNhs(r)} then ${quoted(reconsiderUnder)} end`),
      mayAskForReconsideration: value(
        ({ parent: r }) =>
          `(${isNhs(r)} and ${r}.status in ('NOTICED', 'PART_REPAID') and ${r}.reconsideration_words is null)`,
      ),
      appealRoute: value(
        ({ parent: r }) =>
          `case when ${isNhs(r)} then ${quoted(appealRoutes.NHS)} else ${quoted(appealRoutes.COUNCIL)} end`,
      ),
      reconsiderationWords: column('reconsideration_words'),
      reconsiderationReasons: column('reconsideration_reasons'),
      repayments: many(
        'LedgerTransfer',
        ({ parent: r }) => `select * from ledger_transfer where external_id = 'reclaim/' || ${r}.id
                             and person_id = ${r}.person_id order by recorded_at, id`,
      ),
      version: column('version'),
    },
    { prefix: reclaimPrefix, table: 'reclaim', side: 'BUDGET' },
  ),
};
