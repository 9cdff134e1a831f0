import type { Prisma } from '../generated/prisma/client.ts';
import type { Activity } from '../generated/prisma/enums.ts';

/** Whether an organisation may do this on that day. Who is nowhere said to, may not. */
export async function isAuthorised(
  tx: Prisma.TransactionClient,
  organisationId: string,
  activity: Activity,
  day: string,
): Promise<boolean> {
  const on = new Date(day);
  const found = await tx.organisationAuthorisation.findFirst({
    where: {
      organisationId,
      activity,
      validFrom: { lte: on },
      OR: [{ validTo: null }, { validTo: { gt: on } }],
    },
    select: { activity: true },
  });
  return found !== null;
}
