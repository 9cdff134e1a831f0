/** Organisations end, and others take over from them. */
import type { Prisma } from '../generated/prisma/client.ts';

/** SQL: an organisation (`id`, at 0 `steps`) and all that it took over from, however long ago. */
export const lineOf = (organisationId: string): string => `
  recursive line as (
    select ${organisationId} as id, 0 as steps
    union
    select s.from_id, line.steps + 1 from line join organisation_succession s on s.to_id = line.id
     where line.steps < 10)`;

/** Whether an organisation is that one, or took over from it. */
export async function standsFor(
  tx: Prisma.TransactionClient,
  organisationId: string,
  formerId: string,
): Promise<boolean> {
  const rows = await tx.$queryRawUnsafe<unknown[]>(
    `with ${lineOf('$1::uuid')} select from line where id = $2::uuid`,
    organisationId,
    formerId,
  );
  return rows.length > 0;
}
