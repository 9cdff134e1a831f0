/** What every command about a budget of the hub's own asks first: is it one, is it as they left it, may it be done now. */

import type { BudgetKind, BudgetStatus, FundingSource, Side } from '../generated/prisma/enums.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, announce, expectVersion, lockVisible } from '../write/subject.ts';
import { type Finding, mustSign, stages } from './rules.ts';
import { holdsOn } from './split-rules.ts';
import { budgetPrefix } from './view.ts';

/** What every command about a budget that there is already says. */
export interface Versioned {
  idempotencyKey: string;
  budgetId: string;
  expectedVersion: number;
}

export interface BudgetResult {
  budgetId: string;
}

export const resultOf = ({ id }: { id: string }): BudgetResult => ({ budgetId: idOf(budgetPrefix, id) });

/** Days as the database's rows have them. */
export const periodOf = (row: { validFrom: Date | null; validTo: Date | null }) => ({
  from: row.validFrom === null ? null : dayOf(row.validFrom),
  to: row.validTo === null ? null : dayOf(row.validTo),
});
export const laterOf = (a: string, b: string) => (a > b ? a : b);

/**
 * A budget of the hub's own, locked until the transaction ends, at a stage at which the command may be given.
 *
 * @param budgetId null where the id was no budget's
 * @throws UserFault NOT_FOUND, KEPT_BY_SOURCE
 * @throws Refused CONFLICT, WRONG_STAGE, both showing the budget
 */
export async function openBudget(
  context: CommandContext,
  command: keyof typeof stages,
  budgetId: string | null,
  expectedVersion: number,
  field = 'budgetId',
) {
  const personId = await lockVisible(context, 'budget', budgetId, field);
  const { tx } = context;
  const budget = await tx.budget.findUniqueOrThrow({
    where: { id_personId: { id: budgetId!, personId } },
    include: { link: { include: { source: true } } },
  });
  if (budget.link !== null) {
    const message = `This budget is kept by ${budget.link.source.name}: change it there.`;
    throw new UserFault('KEPT_BY_SOURCE', message, field);
  }
  expectVersion(budget.version, expectedVersion, resultOf(budget));
  const status = stageOf(budget, context.today);
  if (!(stages[command] as BudgetStatus[]).includes(status)) {
    const message = `The budget is ${status}. This is possible while it is ${stages[command].join(' or ')}.`;
    throw new Refused([new UserFault('WRONG_STAGE', message, field)], resultOf(budget));
  }
  // One after the other: a transaction has one connection.
  const where = { budgetId: budget.id, personId };
  const fundingLines = await tx.fundingLine.findMany({
    where,
    include: { organisation: true },
    orderBy: [{ source: 'asc' }, { stream: 'asc' }, { id: 'asc' }],
  });
  const portions = await tx.portion.findMany({
    where,
    include: { operator: true },
    orderBy: { position: 'asc' },
  });
  const splits = await tx.fundingSplit.findMany({ where });
  const signOffs = await tx.budgetSignOff.findMany({ where });
  return { ...budget, fundingLines, portions, splits, signOffs };
}

export type OwnBudget = Awaited<ReturnType<typeof openBudget>>;

export const budgetIdOf = (input: { budgetId: string }) => uuidOf(budgetPrefix, input.budgetId);

/** A budget that was agreed is over when its days are. */
function stageOf(
  { status, validTo }: { status: BudgetStatus; validTo: Date | null },
  today: string,
): BudgetStatus {
  const wasAgreed = status === 'SIGNED_OFF' || status === 'ACTIVE' || status === 'SUSPENDED';
  return wasAgreed && validTo !== null && dayOf(validTo) <= today ? 'ENDED' : status;
}

/** The lines of a budget that hold on a day. */
export const linesOn = (budget: OwnBudget, day: string) =>
  budget.fundingLines.filter((line) => holdsOn(periodOf(line), day));

/** The portions of a budget that hold on a day. */
export const portionsOn = (budget: OwnBudget, day: string) =>
  budget.portions.filter((portion) => holdsOn(periodOf(portion), day));

/** The day by which a budget's money is looked at: today, or its first where that is still to come. */
export const dayThatCounts = ({ validFrom }: Pick<OwnBudget, 'validFrom'>, { today }: CommandContext) =>
  laterOf(dayOf(validFrom), today);

/** The organisations that must sign. */
export const signatories = (lines: { source: FundingSource; organisationId: string | null }[]) => [
  ...new Set(
    lines.flatMap(({ source, organisationId }) =>
      mustSign(source) && organisationId !== null ? organisationId : [],
    ),
  ),
];

/**
 * The viewer's organisation, which must be one of those that pay. Where no organisation does (yet, or because the adult
 * pays all of a personal budget), it must be on the side whose budget it is.
 *
 * @throws UserFault NOT_YOURS
 */
export async function expectFunder(
  context: CommandContext,
  { kind }: Pick<OwnBudget, 'kind'>,
  funderIds: string[],
) {
  const own = await actingOrganisation(context);
  const isTheirs = (id: string, side: Side | null) =>
    funderIds.length > 0
      ? funderIds.includes(id)
      : side !== null && (sideOf[kind] === null || sideOf[kind] === side);
  if (own !== null && isTheirs(own.id, own.side)) return own;
  throw new UserFault('NOT_YOURS', 'This is for an organisation whose money is in the budget.', null);
}

const sideOf: Record<BudgetKind, Side | null> = {
  PERSONAL_HEALTH_BUDGET: 'NHS',
  PERSONAL_BUDGET: 'COUNCIL',
  INTEGRATED: null,
};

/** Whatever a command does to a budget raises its version, and is told to whoever listens. */
export async function keepBudget(
  context: CommandContext,
  { id, personId }: Pick<OwnBudget, 'id' | 'personId'>,
  data: Parameters<CommandContext['tx']['budget']['update']>[0]['data'] = {},
) {
  await context.tx.budget.update({
    where: { id_personId: { id, personId } },
    data: { ...data, version: { increment: 1 } },
  });
  await announce(context, 'budget.changed', [personId]);
}

/** An integrated budget's parts stand for themselves again. */
export const letPartsGo = (tx: CommandContext['tx'], { id, personId }: Pick<OwnBudget, 'id' | 'personId'>) =>
  tx.budget.updateMany({ where: { personId, partOfId: id }, data: { partOfId: null } });

export const faultOf = ({ code, message, field }: Finding) => new UserFault(code, message, field);

/** @throws Refused with all of them, if there are any */
export function refuseIfAny(faults: UserFault[], shown: object = {}): void {
  if (faults.length > 0) throw new Refused(faults, shown);
}

/** @throws Refused TOO_MANY */
export function atMost(most: number, list: unknown[], field: string): void {
  if (list.length > most) throw new UserFault('TOO_MANY', `At most ${most} may be given.`, field);
}
