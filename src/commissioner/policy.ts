/** Which policy of a commissioner holds on a day. */
import type { CommissionerPolicy, Prisma } from '../generated/prisma/client.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { lineOf } from './succession.ts';

/**
 * SQL: the row of `commissioner_policy` that an organisation goes by for a source of money on a day, none or one. Where
 * it says nothing itself, what it took over from whom it replaced holds on: the nearest of them first. Where two of
 * them that are equally near said something, nobody can know which, and none is given.
 *
 * The arguments are SQL of an organisation's id, of a funding source and of a day.
 */
export const policyRows = (organisationId: string, source: string, day: string): string => `
  with ${lineOf(organisationId)}
  select q.* from (
    select p.*, line.steps, min(line.steps) over () as nearest, count(*) over (partition by line.steps) as at_step
      from line join commissioner_policy p on p.organisation_id = line.id
     where p.source = ${source} and p.effective_from <= ${day}
       and (p.effective_to is null or p.effective_to > ${day})) q
   where q.steps = q.nearest and q.at_step = 1`;

/** The policy an organisation goes by for a source of money on a day; null where nothing is known of it. */
export async function policyOn(
  tx: Prisma.TransactionClient,
  organisationId: string,
  source: FundingSource,
  day: string,
): Promise<CommissionerPolicy | null> {
  const [row] = await tx.$queryRawUnsafe<{ organisation_id: string; effective_from: Date }[]>(
    policyRows('$1::uuid', '$2::funding_source', '$3::date'),
    organisationId,
    source,
    day,
  );
  if (row === undefined) return null;
  const { organisation_id, effective_from } = row;
  return tx.commissionerPolicy.findUniqueOrThrow({
    where: {
      organisationId_source_effectiveFrom: {
        organisationId: organisation_id,
        source,
        effectiveFrom: effective_from,
      },
    },
  });
}
