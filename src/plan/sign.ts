/** Agreeing to a version of the plan, and not agreeing: each for their own side. */
import { decidesAboutCare } from '../access/policy.ts';
import type { RoleKind, SignOffTest, SignParty } from '../generated/prisma/enums.ts';
import { addDays } from '../platform/day.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, authoritiesOf, reasonOf, textOf } from '../write/subject.ts';
import { signaturesOf } from './agreed.ts';
import { changePlan, type PlanResult, planChanged, takePlan, type WholePlan } from './change.ts';
import { findFaults, startOf } from './proposal.ts';
import { requiredTests } from './rules.ts';

interface AgreeInput {
  idempotencyKey: string;
  planId: string;
  expectedVersion: number;
  tests: SignOffTest[];
  words?: string | null;
}

export const agreePlanCommand: Command<AgreeInput, PlanResult> = {
  name: 'agreePlan',
  run: async (context, { planId, expectedVersion, tests, words }) => {
    const plan = await takePlan(context, { planId, expectedVersion, at: ['PROPOSED'] });
    const signer = await signerOf(context, plan.personId);
    const faults = [...testsMissing(signer.party, tests), ...(await concernsUnanswered(context, plan))];
    // Since it was proposed a portion may have ended, or a right to support.
    faults.push(...(await findFaults(context, plan)));
    if (faults.length > 0) throw new Refused<PlanResult>(faults, { planId });

    const said = {
      agrees: true,
      tests: [...new Set(tests)],
      words: words == null ? null : textOf(words, 'words'),
    };
    await sign(context, plan, signer, said);
    const { missing } = await signaturesOf(context.tx, plan.id, context.today);
    await (missing.length === 0 ? putInForce(context, plan) : changePlan(context, plan, ['AGREEMENT']));
    return planChanged(context, plan);
  },
};

interface DeclineInput {
  idempotencyKey: string;
  planId: string;
  expectedVersion: number;
  reason: string;
}

export const declinePlanCommand: Command<DeclineInput, PlanResult> = {
  name: 'declinePlan',
  run: async (context, { planId, expectedVersion, reason }) => {
    const plan = await takePlan(context, { planId, expectedVersion, at: ['PROPOSED'] });
    const signer = await signerOf(context, plan.personId);
    await sign(context, plan, signer, { agrees: false, tests: [], words: reasonOf(reason) });
    await changePlan(context, plan, ['DISAGREEMENT']);
    return planChanged(context, plan);
  },
};

interface Signer {
  party: SignParty;
  organisationId: string | null;
  actingAs: RoleKind | null;
}

/** For whom the viewer signs. @throws UserFault NOT_YOURS */
async function signerOf(context: CommandContext, personId: string): Promise<Signer> {
  const { role } = context.viewer;
  if (role === 'PERSON') return { party: 'PERSON', organisationId: null, actingAs: null };
  if (role === 'REPRESENTATIVE') {
    const held: string[] = await authoritiesOf(context, personId);
    const actingAs = decidesAboutCare.find((authority) => held.includes(authority));
    if (actingAs !== undefined) return { party: 'PERSON', organisationId: null, actingAs };
    throw new UserFault(
      'NOT_YOURS',
      'To decide about care somebody must be recorded today as representative, as attorney for health and welfare, or as deputy. Authority over money is not enough.',
      'planId',
    );
  }
  const organisation = await actingOrganisation(context);
  const side = organisation?.side ?? null;
  if (side !== null) return { party: side, organisationId: organisation!.id, actingAs: null };
  throw new UserFault(
    'NOT_YOURS',
    'It is agreed to by somebody of the integrated care board or of the council.',
    'planId',
  );
}

function testsMissing(party: SignParty, tests: SignOffTest[]): UserFault[] {
  const missing = requiredTests(party).filter((test) => !tests.includes(test));
  if (missing.length === 0) return [];
  return [
    new UserFault(
      'TESTS_MISSING',
      `Each side confirms all five tests. Still to confirm: ${missing.join(', ')}.`,
      'tests',
    ),
  ];
}

async function concernsUnanswered({ tx }: CommandContext, plan: WholePlan): Promise<UserFault[]> {
  const open = await tx.concern.count({ where: { planId: plan.id, answeredAt: null } });
  if (open === 0) return [];
  return [
    new UserFault(
      'CONCERN_UNANSWERED',
      `A concern must be answered before the plan is agreed; ${open} not answered yet.`,
      'planId',
    ),
  ];
}

/** One voice each: what the same person said before about this version is taken back. */
async function sign(
  { tx, viewer, now }: CommandContext,
  { id: planId, personId, version }: WholePlan,
  signer: Signer,
  said: { agrees: boolean; tests: SignOffTest[]; words: string | null },
): Promise<void> {
  const before = { planId, subject: viewer.subject, party: signer.party, withdrawnAt: null };
  if ((await tx.signOff.count({ where: { ...before, agrees: said.agrees } })) > 0) {
    throw new UserFault(
      'ALREADY_SIGNED',
      said.agrees ? 'You have agreed to this version already.' : 'You have declined this version already.',
      'planId',
    );
  }
  await tx.signOff.updateMany({ where: before, data: { withdrawnAt: now } });
  const { subject, name } = viewer;
  await tx.signOff.create({
    data: { planId, personId, ...signer, ...said, subject, name, planVersion: version, signedAt: now },
  });
}

/** The last signature is there. The version before this one ends on the day before. */
async function putInForce(context: CommandContext, plan: WholePlan): Promise<void> {
  const start = startOf(plan, context.today);
  const before = await context.tx.plan.findFirst({
    where: { personId: plan.personId, number: { not: null }, status: 'AGREED' },
  });
  if (before !== null) {
    const last = new Date(addDays(start, -1));
    const validTo = before.validTo !== null && before.validTo < last ? before.validTo : last;
    await changePlan(context, before, ['SUPERSEDED'], { status: 'SUPERSEDED', validTo });
  }
  await changePlan(context, plan, ['AGREEMENT'], {
    status: 'AGREED',
    agreedAt: context.now,
    validFrom: new Date(start),
    supersedesId: before?.id ?? null,
  });
}
