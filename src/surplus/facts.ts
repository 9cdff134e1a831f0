/** What surplus and forecast of a budget are worked out from: one SQL value for reads, commands and the nightly job. */

import { policyRows } from '../commissioner/policy.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { holdsOn } from '../platform/day.ts';
import { weeklyLines } from './agreed.ts';
import { type AlertCode, alertsOf, type Forecast, forecast } from './forecast.ts';
import { reclaimable, type SourceMoney, surplusShares, tenthsOfWeeks, weeklyBySource } from './rules.ts';

/** As they come out of the statement: pence as texts. */
export interface SurplusFacts {
  day: string;
  end: string | null;
  money: { source: FundingSource; paidIn: string; spent: string; committed: string }[];
  funding: FundingFacts[];
  lines: { source: FundingSource | null; pence: string }[];
}

interface FundingFacts {
  source: FundingSource;
  yearly: string;
  /** Null for the person's own, and where several organisations give this source. */
  organisationId: string | null;
  organisationCode: string | null;
  organisationName: string | null;
  organisationKind: string | null;
  thresholdWeeks: number | null;
  contingencyWeeks: number | null;
  repayWithinDays: number | null;
  citation: string | null;
}

/** A budget and its parts: where its money is. An integrated budget is agreed as a whole, and paid in its parts. */
const withParts = (b: string) =>
  `select g.id from budget g where g.person_id = ${b}.person_id and (g.id = ${b}.id or g.part_of_id = ${b}.id)`;

/** The balances as they are, less what counts for a later day only; but what is due later is set aside already. */
const money = (b: string, day: string) => `
  select m.source, sum(case when m.kind = 'FUNDER' then -m.net else 0 end)::text as "paidIn",
         sum(case when m.kind = 'SPENT' then m.net else 0 end)::text as spent,
         sum(case when m.kind = 'COMMITTED' then m.net else 0 end)::text as committed
    from (select a.source, a.kind, a.in_pence - a.out_pence as net from ledger_account a
           where a.budget_id in (${withParts(b)}) and a.person_id = ${b}.person_id
          union all
          select t.source, a.kind, case when a.id = t.from_account_id then t.pence else -t.pence end
            from ledger_transfer t join ledger_account a on a.id in (t.from_account_id, t.to_account_id)
           where t.budget_id in (${withParts(b)}) and t.person_id = ${b}.person_id and t.effective_on > ${day} and t.kind <> 'COMMITTED') m
   where m.kind in ('FUNDER', 'SPENT', 'COMMITTED')
   group by m.source order by m.source`;

/** Who gives the money on a day: what the budget itself says, or else the one that it is part of. */
const funding = (b: string, day: string) => `
  select f.source, sum(f.amount_pence) as yearly,
         case when count(distinct f.organisation_id) = 1 then (array_agg(f.organisation_id) filter (where f.organisation_id is not null))[1] end
           as organisation_id
    from funding_line f
   where f.person_id = ${b}.person_id
     and f.budget_id = case when exists (select from funding_line o where o.budget_id = ${b}.id and o.person_id = ${b}.person_id)
                            then ${b}.id else ${b}.part_of_id end
     and ${holdsOn('f', day)}
   group by f.source`;

/** SQL of one JSON value, a `SurplusFacts`, for the budget row `b` on a day. */
export const surplusFacts = (b: string, day: string): string => `
  (with fu as (${funding(b, day)})
   select json_build_object(
     'day', ${day}, 'end', ${b}.valid_to,
     'money', (select coalesce(json_agg(m), '[]') from (${money(b, day)}) m),
     'funding', (select coalesce(json_agg(f), '[]') from (
        select fu.source, fu.yearly::text as yearly, fu.organisation_id as "organisationId", o.ods_code as "organisationCode",
               o.name as "organisationName", o.kind as "organisationKind",
               p.surplus_threshold_weeks as "thresholdWeeks", p.contingency_weeks as "contingencyWeeks",
               p.repay_within_days as "repayWithinDays", p.citation
          from fu left join organisation o on o.id = fu.organisation_id
          left join lateral (${policyRows('fu.organisation_id', 'fu.source', day)}) p on true
         order by fu.source) f),
     'lines', (select coalesce(json_agg(json_build_object('source', l.source, 'pence', l.weekly_pence::text)), '[]')
                 from (${weeklyLines(b, `${withParts(b)} union all select ${b}.part_of_id`, 'fu', day)}) l)))`;

export interface SourceSurplus extends SourceMoney {
  balance: bigint;
  /** Its share of what is in the account. */
  surplus: bigint;
  weekly: bigint | null;
  tenthsOfWeeks: bigint | null;
  reclaimable: bigint | null;
  funder: FundingFacts | null;
}

/** Each source of money of the budget, with what its funder may ask back by its policy on the day. */
export function surplusOf(facts: SurplusFacts): SourceSurplus[] {
  const money = facts.money.map(
    (m): SourceMoney => ({
      source: m.source,
      paidIn: BigInt(m.paidIn),
      spent: BigInt(m.spent),
      committed: BigInt(m.committed),
    }),
  );
  const weekly = weeklyOf(facts);
  const shares = surplusShares(money);
  return money.map((m, n) => {
    const funder = facts.funding.find(({ source }) => source === m.source) ?? null;
    const perWeek = weekly.get(m.source) ?? null;
    const surplus = shares[n]!;
    return {
      ...m,
      balance: m.paidIn - m.spent,
      surplus,
      weekly: perWeek,
      tenthsOfWeeks: tenthsOfWeeks(surplus, perWeek),
      reclaimable: reclaimable(
        surplus,
        { weekly: perWeek, committed: m.committed },
        funder?.thresholdWeeks ?? null,
      ),
      funder,
    };
  });
}

function weeklyOf({ lines, funding }: SurplusFacts) {
  return weeklyBySource(
    lines.map(({ source, pence }) => ({ source, pence: BigInt(pence) })),
    funding.map(({ source, yearly }) => ({ source, yearly: BigInt(yearly) })),
  );
}

export interface ForecastFacts extends SurplusFacts {
  /** What schedules pay in a week on the day; null where there is none. */
  scheduled: string | null;
  /** Spent in the twelve weeks up to the day, less what came back, and how many of them the budget was in force. */
  recent: string;
  recentDays: number;
}

const recentDays = 84;

/** SQL of one JSON value, a `ForecastFacts`. */
export const forecastFacts = (b: string, day: string): string => `
  (select (${surplusFacts(b, day)})::jsonb || jsonb_build_object(
     'scheduled', (
        select sum(r.weekly_pence)::text from payment_schedule s
          cross join lateral (select weekly_pence from schedule_rate r where r.schedule_id = s.id and r.person_id = s.person_id
                                 and r.valid_from <= ${day} order by r.valid_from desc limit 1) r
         where s.budget_id in (${withParts(b)}) and s.person_id = ${b}.person_id and s.frequency <> 'ONE_OFF'
           and s.status <> 'ENDED' and ${holdsOn('s', day)}
           and (s.suspended_from is null or s.suspended_from > ${day})),
     'recent', (
        select coalesce(sum(case when (t.kind = 'SPENT') = (t.reverses_id is null) then t.pence else -t.pence end), 0)::text
          from ledger_transfer t
         where t.budget_id in (${withParts(b)}) and t.person_id = ${b}.person_id and t.kind in ('SPENT', 'REFUNDED')
           and t.effective_on > ${day} - ${recentDays} and t.effective_on <= ${day}),
     'recentDays', greatest(7, least(${recentDays}, ${day} - ${b}.valid_from + 1))))`;

export interface BudgetForecast extends Forecast {
  left: bigint;
  weeklyIn: bigint;
  weeklyOut: bigint | null;
  weeklyOutFrom: 'PLAN' | 'RECENT_SPENDING' | null;
}

const sum = (amounts: bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);

/**
 * The budget's outlook, all sources together. What comes in is what the schedules pay, or where another system pays
 * what the funders give in a year; what goes out is what the plan costs, or else what was spent of late.
 */
export function forecastOf(facts: ForecastFacts): BudgetForecast {
  const left = sum(facts.money.map((m) => BigInt(m.paidIn) - BigInt(m.spent) - BigInt(m.committed)));
  const weeklyIn =
    facts.scheduled === null
      ? sum(facts.funding.map(({ yearly }) => BigInt(yearly) / 52n))
      : BigInt(facts.scheduled);
  const planned = facts.lines.length > 0;
  const recent = (BigInt(facts.recent) * 7n) / BigInt(facts.recentDays);
  const weeklyOut = planned
    ? sum(facts.lines.map(({ pence }) => BigInt(pence)))
    : recent > 0n
      ? recent
      : null;
  const outlook = { today: facts.day, end: facts.end, left, weeklyIn, weeklyOut };
  return {
    ...forecast(outlook),
    left,
    weeklyIn,
    weeklyOut,
    weeklyOutFrom: planned ? 'PLAN' : weeklyOut === null ? null : 'RECENT_SPENDING',
  };
}

/** Which thresholds the forecast of a budget crosses, for reads and for the nightly job. */
export function alertsIn(facts: ForecastFacts): AlertCode[] {
  const told = forecastOf(facts);
  const policies = facts.funding.map(({ contingencyWeeks, thresholdWeeks }) => ({
    contingencyWeeks,
    surplusThresholdWeeks: thresholdWeeks,
  }));
  const tenths = surplusOf(facts).map(({ tenthsOfWeeks, funder }) => ({
    tenthsOfWeeks,
    thresholdWeeks: funder?.thresholdWeeks ?? null,
  }));
  return alertsOf({ today: facts.day }, told, policies, tenths);
}
