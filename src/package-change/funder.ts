/** Who pays a line, and who of them agrees to what becomes of it. */
import { policyOn } from '../commissioner/policy.ts';
import type { PackageChangeAgreement } from '../generated/prisma/client.ts';
import type { ChangeDecider, FundingSource } from '../generated/prisma/enums.ts';
import { holdsOn } from '../platform/day.ts';
import type { Place } from '../spending/subject.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { actingOrganisation } from '../write/subject.ts';
import type { Limit } from './rules.ts';

interface Funder extends Limit {
  decider: ChangeDecider;
}

/**
 * The organisations that give the money on a day, of one source where the line names it, with the strictest of what
 * their policies say of today. What the family gives is nobody's to agree to but theirs.
 */
export async function fundersOf(
  { tx, today }: CommandContext,
  { personId, budgetId }: Place,
  source: FundingSource | null,
  day: string,
): Promise<Funder[]> {
  const given = await tx.$queryRawUnsafe<{ id: string; source: FundingSource }[]>(
    `select distinct f.organisation_id::text as id, f.source::text as source
       from budget b join funding_line f on f.person_id = b.person_id and f.budget_id in (b.id, b.part_of_id)
      where b.id = $2::uuid and b.person_id = $1::uuid and f.organisation_id is not null and ${holdsOn('f', '$4::date')}
        and ($3::funding_source is null or f.source = $3::funding_source)
      order by 1, 2`,
    personId,
    budgetId,
    source,
    day,
  );
  const funders = new Map<string, Funder>();
  for (const { id, source: from } of given) {
    const policy = await policyOn(tx, id, from, today);
    const percent = policy?.changeLimitPercent ?? null;
    const known = funders.get(id);
    const strictest = known === undefined || percent === null ? percent : minOf(known.percent, percent);
    funders.set(id, {
      organisationId: id,
      percent: strictest,
      decider: known?.decider ?? policy?.changeDecider ?? 'CARE_TEAM',
    });
  }
  return [...funders.values()];
}

const minOf = (a: number | null, b: number) => (a === null ? null : Math.min(a, b));

const rolesOf = { CARE_TEAM: ['CARE_COORDINATOR', 'SOCIAL_WORKER'], FINANCE: ['FINANCE'] };

/**
 * The agreement that waits for the viewer.
 *
 * @throws UserFault NOT_YOURS where their organisation was not asked, has agreed, or names others to decide
 */
export async function deciderOf(
  context: CommandContext,
  agreements: PackageChangeAgreement[],
  field: string,
): Promise<PackageChangeAgreement> {
  const organisation = await actingOrganisation(context);
  const own = agreements.find(
    ({ organisationId, agreedAt }) => organisationId === organisation?.id && agreedAt === null,
  );
  if (own === undefined) {
    throw new UserFault('NOT_YOURS', 'This is for a funder who is asked, and has not agreed yet.', field);
  }
  if (rolesOf[own.decider].includes(context.viewer.role)) return own;
  const who = own.decider === 'FINANCE' ? 'the finance team' : 'the care team';
  throw new UserFault('NOT_YOURS', `Your organisation’s policy has ${who} decide about this.`, field);
}
