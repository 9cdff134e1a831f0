/** How changes of managed packages are read. */
import { moneyOf } from '../platform/money.ts';
import {
  type At,
  children,
  column,
  derived,
  instant,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import { type EffectFacts, effectFacts, effectOf } from './effect.ts';

export const packageChangePrefix = 'pch';

/** SQL: something of the plan's line that a change is of. */
const ofLine = (sql: string, { parent: c }: At) =>
  `(select ${sql} from plan_line l where l.plan_id = ${c}.plan_id and l.person_id = ${c}.person_id and l.key = ${c}.line_key)`;

function effect(facts: EffectFacts | null) {
  if (facts === null) return null;
  const { until, extra, left } = effectOf(facts);
  return {
    until,
    extraCost: moneyOf(extra),
    leftBefore: left === null ? null : moneyOf(left.before),
    leftAfter: left === null ? null : moneyOf(left.after),
  };
}

export const packageChangeViews: Views = {
  PlanLine: {
    fields: {
      packageChanges: many(
        'PackageChange',
        ({ parent: l }) => `
          select * from package_change
           where plan_id = ${l}.plan_id and person_id = ${l}.person_id and line_key = ${l}.key
           order by recorded_at desc, id desc`,
      ),
    },
  },
  PackageChange: personView(
    {
      plan: one(
        'Plan',
        ({ parent: c }) => `select * from plan where id = ${c}.plan_id and person_id = ${c}.person_id`,
      ),
      lineKey: column('line_key'),
      kind: column('kind'),
      quantity: value(({ parent }) => `${parent}.quantity::text`),
      unitCost: money('unit_cost_pence'),
      frequency: column('frequency'),
      providerName: column('provider_name'),
      weeklyCost: money('weekly_pence'),
      plannedWeeklyCost: { is: 'part', type: 'Money', sql: (at) => ofLine('l.weekly_pence', at) },
      from: column('valid_from'),
      to: column('valid_to'),
      reason: column('reason'),
      status: column('status'),
      draftedBy: column('drafted_by_name'),
      organisation: organisation(),
      recordedAt: instant('recorded_at'),
      submittedAt: instant('submitted_at'),
      agreedAt: instant('agreed_at'),
      refusedAt: instant('refused_at'),
      refusedBy: column('refused_by_name'),
      refusal: column('refusal'),
      agreements: children(
        'PackageChangeAgreement',
        'package_change_agreement',
        'change_id',
        'organisation_id',
      ),
      effect: derived(
        (at) =>
          `case when ${at.parent}.status in ('DRAFT', 'PROPOSED') then ${effectFacts(at.parent, at.today())} end`,
        effect,
      ),
      version: column('version'),
    },
    { prefix: packageChangePrefix, table: 'package_change', side: 'PLAN' },
  ),
  PackageChangeAgreement: personView({
    organisation: organisation(),
    decider: column('decider'),
    agreedBy: column('agreed_by_name'),
    agreedAt: instant('agreed_at'),
  }),
};
