/** Organisations end, and others take over from them. */
import type { Prisma } from '../generated/prisma/client.ts';

/** SQL: an organisation (`id`, at 0 `steps`) and all that it took over from, however long ago. */
export const lineOf = (organisationId: string): string => `
  recursive line as (
    select ${organisationId} as id, 0 as steps
    union
    select s.from_id, line.steps + 1 from line join organisation_succession s on s.to_id = line.id
     where line.steps < 10)`;

/**
 * SQL: the id of whoever stands for an organisation on a day, which is SQL too: itself, or who has taken over from it by
 * then, and from them, to the last. One that was divided stands for itself: whose its affairs are now, nobody can know.
 */
export const heirOf = (organisationId: string, day: string): string => `
  (with recursive heir as (
     select ${organisationId} as id, 0 as steps
     union all
     select s.to_id, heir.steps + 1 from heir
       join organisation_succession s on s.from_id = heir.id and s.on_day <= ${day}
      where heir.steps < 10
        and not exists (select from organisation_succession o
                         where o.from_id = s.from_id and o.to_id <> s.to_id and o.on_day <= ${day}))
   select id from heir order by steps desc limit 1)`;

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
