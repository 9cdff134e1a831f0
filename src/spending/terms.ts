/** What was agreed with the funders of a budget, day by day: the lines of the plan, and what they refuse to pay for. */
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

const exclusions = `
select distinct f.source::text as source, p.effective_from::text as "from", p.effective_to::text as "to",
       e.list_id as "listId", e.position, e.what
  from funding_line f
  join commissioner_policy p on p.organisation_id = f.organisation_id and p.source = f.source
  join exclusion e on e.list_id = p.exclusion_list_id
 where f.budget_id = any($1::uuid[]) and f.person_id = $2::uuid
 order by 1, e.list_id, e.position`;

interface PlanRow extends Omit<AgreedLine, 'key'> {
  planId: string;
  status: PlanStatus;
  from: string | null;
  /** The last day. */
  to: string | null;
  /** Null in the one row of a plan without lines. */
  key: string | null;
}

/** What is agreed on a day, for the budgets (one, or one and its parts) of a person. */
export async function termsOf(
  tx: Tx,
  personId: string,
  budgetIds: string[],
): Promise<(day: string) => Terms> {
  const lines = await tx.$queryRawUnsafe<PlanRow[]>(plans, personId);
  const listed = await tx.$queryRawUnsafe<(Exclusion & { from: string; to: string | null })[]>(
    exclusions,
    budgetIds,
    personId,
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
      exclusions: listed.filter(({ from, to }) => from <= day && (to === null || to > day)),
    };
  };
}
