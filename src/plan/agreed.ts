/** The agreed plan, as those ask for it who pay by it. */
import type { Prisma } from '../generated/prisma/client.ts';
import type { SignParty } from '../generated/prisma/enums.ts';
import { type SigningFacts, signingSql, stateOf } from './facts.ts';
import type { SignatureState } from './rules.ts';

type Tx = Prisma.TransactionClient;

/**
 * The version of the joint plan in force on a day, with its lines in their order; null when there is none. One that
 * was superseded later is found on the days it was in force.
 */
export function agreedPlan(tx: Tx, personId: string, day: string) {
  const on = new Date(day);
  return tx.plan.findFirst({
    where: {
      personId,
      number: { not: null },
      status: { in: ['AGREED', 'SUPERSEDED'] },
      validFrom: { lte: on },
      OR: [{ validTo: null, status: 'AGREED' }, { validTo: { gte: on } }],
    },
    include: { lines: { orderBy: { position: 'asc' } } },
    orderBy: { number: 'desc' },
  });
}

/** How the signatures of one plan stand on a day. */
export async function signaturesOf(tx: Tx, planId: string, day: string): Promise<SignatureState> {
  const facts = signingSql({ plan: 'p', day: '$2::date', table: (name) => name });
  const [row] = await tx.$queryRawUnsafe<{ facts: SigningFacts }[]>(
    `select ${facts} as facts from plan p where p.id = $1::uuid`,
    planId,
    day,
  );
  return stateOf(row!.facts);
}

/**
 * Whose signature the joint plan lacks before money may be released on it: of the version in force, by whose money
 * pays for it today, or else of the version in hand. Null when there is neither.
 */
export async function missingSignatures(tx: Tx, personId: string, day: string): Promise<SignParty[] | null> {
  const plan =
    (await agreedPlan(tx, personId, day)) ??
    (await tx.plan.findFirst({
      where: { personId, number: { not: null }, status: { in: ['DRAFT', 'PROPOSED', 'AGREED'] } },
      orderBy: { number: 'desc' },
    }));
  return plan === null ? null : (await signaturesOf(tx, plan.id, day)).missing;
}
