/** What was agreed with the funders of a budget, day by day: the lines of the plan, and what they refuse to pay for. */
import { policyRows } from '../commissioner/policy.ts';
import { heirOf } from '../commissioner/succession.ts';
import type { PlanStatus } from '../generated/prisma/enums.ts';
import type { CommandContext } from '../write/command.ts';
import type { AgreedLine, Exclusion, Terms } from './rules.ts';

type Tx = Pick<CommandContext['tx'], '$queryRawUnsafe'>;

/** The joint plan's versions that are or were in force, the latest first. */
const plans = `
select p.id::text as "planId", p.status::text as status, p.valid_from::text as "from", p.valid_to::text as "to",
       l.key, l.what, l.provider_name as "providerName", l.source::text as source, l.yearly_pence as "yearlyPence",
       l.frequency::text as frequency, l.portion_id::text as "portionId"
  from plan p left join plan_line l on l.plan_id = p.id and l.person_id = p.person_id
 where p.person_id = $1::uuid and p.number is not null and p.status in ('AGREED', 'SUPERSEDED')
 order by p.number desc, l.position`;

// A funder goes by its own list until somebody takes over, then by theirs; where they say nothing that can be known, on.
const exclusions = `
select distinct d.day::text as day, f.source::text as source, e.list_id as "listId", e.position, e.what
  from (select distinct organisation_id, source from funding_line
         where budget_id = any($1::uuid[]) and person_id = $2::uuid and organisation_id is not null) f
 cross join unnest($3::date[]) as d(day)
  left join lateral (${policyRows(heirOf('f.organisation_id', 'd.day'), 'f.source', 'd.day')}) heir on true
  left join lateral (${policyRows('f.organisation_id', 'f.source', 'd.day')}) own on heir.organisation_id is null
  join exclusion e on e.list_id = case when heir.organisation_id is null then own.exclusion_list_id
                                       else heir.exclusion_list_id end
 order by 1, 2, e.list_id, e.position`;

interface PlanRow extends Omit<AgreedLine, 'key'> {
  planId: string;
  status: PlanStatus;
  from: string | null;
  /** The last day. */
  to: string | null;
  /** Null in the one row of a plan without lines. */
  key: string | null;
}

/** What is agreed on each of some days, for the budgets (one, or one and its parts) of a person. */
export async function termsOf(
  tx: Tx,
  personId: string,
  budgetIds: string[],
  days: string[],
): Promise<(day: string) => Terms> {
  const lines = await tx.$queryRawUnsafe<PlanRow[]>(plans, personId);
  const listed = await tx.$queryRawUnsafe<(Exclusion & { day: string })[]>(
    exclusions,
    budgetIds,
    personId,
    days,
  );
  return (day) => {
    const inForce = lines.find(
      ({ status, from, to }) =>
        from !== null && from <= day && (to === null ? status === 'AGREED' : to >= day),
    );
    return {
      lines:
        inForce === undefined
          ? null
          : lines.filter(
              (line): line is PlanRow & AgreedLine => line.planId === inForce.planId && line.key !== null,
            ),
      exclusions: listed.filter((one) => one.day === day),
    };
  };
}
