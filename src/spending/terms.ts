/** What was agreed with the funders of a budget, day by day: the lines of the plan, and what they refuse to pay for. */
import { policyRows } from '../commissioner/policy.ts';
import { heirOf } from '../commissioner/succession.ts';
import type { PlanStatus } from '../generated/prisma/enums.ts';
import { agreedChanges, type LineChangeRow, lineChange } from '../plan/line-change.ts';
import type { AgreedLine, Exclusion, Terms } from './rules.ts';

/** SQL: a `PlanRow` of each line of the joint plan's versions that are or were in force, the latest first. */
export const planRows = (personId: string): string => `
  select p.id as "planId", p.status, p.valid_from as "from", p.valid_to as "to", l.key, l.what,
         l.provider_name as "providerName", l.source, l.yearly_pence::text as "yearlyPence", l.frequency,
         l.weekly_pence::text as "weeklyPence", l.portion_id as "portionId", ${agreedChanges('l')} as changes
    from plan p left join plan_line l on l.plan_id = p.id and l.person_id = p.person_id
   where p.person_id = ${personId} and p.number is not null and p.status in ('AGREED', 'SUPERSEDED')
   order by p.number desc, l.position`;

/**
 * SQL: an `ExclusionRow` of each entry on the list that a funder of the budgets went by on each of the days. It goes by
 * its own until somebody takes over from it, then by theirs; where they say nothing that can be known, by its own still.
 */
export const exclusionRows = (personId: string, budgetIds: string, days: string): string =>
  exclusionsOf(
    `select f.organisation_id, f.source, d.day
       from (select distinct organisation_id, source from funding_line
              where budget_id = any(${budgetIds}) and person_id = ${personId} and organisation_id is not null) f
      cross join unnest(${days}) as d(day)`,
    'distinct q.day, q.source',
  );

/** The same of given funders on given days: `asked` is SQL of `organisation_id`, `source`, `day`. */
export const exclusionsOf = (asked: string, whose: string): string => `
  select ${whose}, e.list_id as "listId", e.position, e.what
    from (${asked}) as q
    left join lateral (${policyRows(heirOf('q.organisation_id', 'q.day'), 'q.source', 'q.day')}) heir on true
    left join lateral (${policyRows('q.organisation_id', 'q.source', 'q.day')}) own on heir.organisation_id is null
    join exclusion e on e.list_id = case when heir.organisation_id is null then own.exclusion_list_id
                                         else heir.exclusion_list_id end
   order by 1, 2, e.list_id, e.position`;

export interface PlanRow extends Omit<AgreedLine, 'key' | 'yearlyPence' | 'weeklyPence' | 'changes'> {
  planId: string;
  status: PlanStatus;
  from: string | null;
  /** The last day. */
  to: string | null;
  /** Null in the one row of a plan without lines. */
  key: string | null;
  yearlyPence: string | null;
  weeklyPence: string | null;
  changes: LineChangeRow[];
}

export interface ExclusionRow extends Exclusion {
  day: string;
}

const lineOf = ({ key, yearlyPence, weeklyPence, changes, ...line }: PlanRow): AgreedLine => ({
  ...line,
  key: key!,
  yearlyPence: BigInt(yearlyPence!),
  weeklyPence: weeklyPence === null ? null : BigInt(weeklyPence),
  changes: changes.map(lineChange),
});

/**
 * What is agreed on a day: one of those whose exclusions were read, which `excluded` gives. Many things are bought on one
 * day.
 */
export function termsOf(plans: PlanRow[], excluded: (day: string) => Exclusion[]): (day: string) => Terms {
  const known = new Map<string, Terms>();
  return (day) => {
    const found = known.get(day) ?? termsOn(day, plans, excluded(day));
    known.set(day, found);
    return found;
  };
}

function termsOn(day: string, plans: PlanRow[], exclusions: Exclusion[]): Terms {
  const inForce = plans.find(
    ({ status, from, to }) => from !== null && from <= day && (to === null ? status === 'AGREED' : to >= day),
  );
  const lines = plans.flatMap((row) =>
    row.planId === inForce?.planId && row.key !== null ? [lineOf(row)] : [],
  );
  return { lines: inForce === undefined ? null : lines, exclusions };
}
