/** What a budget of the hub's own is to be: proposing it, and revising it until its funders have signed. */
import type { Prisma } from '../generated/prisma/client.ts';
import type { BudgetKind } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { uuidOf } from '../platform/id.ts';
import type { Command, CommandContext } from '../write/command.ts';
import { UserFault } from '../write/command.ts';
import { announce, noting, visibleOf, visiblePerson } from '../write/subject.ts';
import { holdsOn } from './split-rules.ts';
import {
  atMost,
  type BudgetResult,
  budgetIdOf,
  dayThatCounts,
  keepBudget,
  letPartsGo,
  openBudget,
  periodOf,
  refuseIfAny,
  resultOf,
  type Versioned,
} from './subject.ts';
import {
  agreedPence,
  type FundingLineInput,
  judgeTerms,
  type Line,
  type MoneyInput,
  organisationsOf,
  type PortionInput,
  type PortionTerms,
  positivePenceOf,
  readLines,
  readPortions,
  type Terms,
  termsOf,
} from './terms.ts';
import { budgetPrefix } from './view.ts';

interface Contents {
  indicative?: MoneyInput | null;
  fundingLines?: FundingLineInput[] | null;
  portions?: PortionInput[] | null;
  partIds?: string[] | null;
}

interface ProposeInput extends Contents {
  idempotencyKey: string;
  personId: string;
  kind: BudgetKind;
  from: string;
  to?: string | null;
}

interface ReviseInput extends Versioned, Contents {
  from?: string | null;
  to?: string | null;
}

const maxLines = 50;
const maxParts = 10;

export const proposeBudgetCommand: Command<ProposeInput, BudgetResult> = {
  name: 'proposeBudget',
  run: async (context, input) => {
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    const faults: UserFault[] = [];
    const given = await read(context, input, faults);
    const terms: Terms = {
      kind: input.kind,
      from: input.from,
      to: input.to ?? null,
      indicativePence: given.indicativePence ?? null,
      lines: given.lines ?? [],
      portions: given.portions ?? [],
    };
    faults.push(...(await judgeTerms(context, personId, terms)));
    const partIds = given.partIds ?? [];
    faults.push(...(await judgeParts(context, personId, terms.kind, partIds, null)));
    refuseIfAny(faults);

    const budget = await context.tx.budget.create({
      data: { personId, ...rowOf(terms) },
      select: { id: true, personId: true },
    });
    await writeLines(context.tx, budget, terms.lines);
    await writePortions(context.tx, budget, terms.portions);
    await takeParts(context.tx, budget, partIds);
    await announce(context, 'budget.changed', [personId]);
    return { result: resultOf(budget), personIds: [personId] };
  },
};

export const reviseBudgetCommand: Command<ReviseInput, BudgetResult> = {
  name: 'reviseBudget',
  run: async (context, input) => {
    const budget = await openBudget(context, 'reviseBudget', budgetIdOf(input), input.expectedVersion);
    const { tx } = context;
    const faults: UserFault[] = [];
    const given = await read(context, input, faults);
    const before = termsOf(budget, dayThatCounts(budget, context));
    const terms: Terms = {
      kind: before.kind,
      from: input.from ?? before.from,
      to: input.to === undefined ? before.to : input.to,
      indicativePence: given.indicativePence === undefined ? before.indicativePence : given.indicativePence,
      lines: given.lines ?? before.lines,
      portions: given.portions ?? before.portions,
    };
    faults.push(...(await judgeTerms(context, budget.personId, terms)));
    if (given.partIds !== undefined) {
      faults.push(...(await judgeParts(context, budget.personId, budget.kind, given.partIds, budget.id)));
    }
    refuseIfAny(faults, resultOf(budget));

    await tx.budgetSignOff.deleteMany({ where: { budgetId: budget.id, personId: budget.personId } });
    if (given.lines !== undefined) await writeLines(tx, budget, given.lines);
    if (given.portions !== undefined) await writePortions(tx, budget, given.portions);
    if (given.partIds !== undefined) {
      await letPartsGo(tx, budget);
      await takeParts(tx, budget, given.partIds);
    }
    await keepBudget(context, budget, rowOf(terms));
    return { result: resultOf(budget), personIds: [budget.personId] };
  },
};

/** What the input gives; what it leaves out is undefined. */
async function read({ tx }: CommandContext, input: Contents, faults: UserFault[]) {
  const { indicative, fundingLines, portions, partIds } = input;
  atMost(maxLines, fundingLines ?? [], 'fundingLines');
  atMost(maxLines, portions ?? [], 'portions');
  atMost(maxParts, partIds ?? [], 'partIds');
  const lookup = await organisationsOf(tx, [
    ...(fundingLines ?? []).map(({ organisationCode }) => organisationCode),
    ...(portions ?? []).map(({ operatorCode }) => operatorCode),
  ]);
  return {
    indicativePence: indicative
      ? noting(faults, () => positivePenceOf(indicative, 'indicative'))
      : (indicative as null | undefined),
    lines: fundingLines ? readLines(fundingLines, lookup, faults) : undefined,
    portions: portions ? readPortions(portions, lookup, faults) : undefined,
    partIds: partIds ? partIds.map((id) => uuidOf(budgetPrefix, id)) : undefined,
  };
}

/** Parts are budgets that sources keep of the same person, in force, and each of one integrated budget at most. */
async function judgeParts(
  context: CommandContext,
  personId: string,
  kind: BudgetKind,
  ids: (string | null)[],
  wholeId: string | null,
): Promise<UserFault[]> {
  const { tx, today } = context;
  const seen = await visibleOf(
    context,
    'budget',
    ids.filter((id) => id !== null),
  );
  const found = await tx.budget.findMany({ where: { personId, id: { in: [...seen] } } });
  return ids.flatMap((id, i) => {
    const part = found.find((budget) => budget.id === id);
    const isInForce =
      part !== undefined &&
      (part.status === 'ACTIVE' || part.status === 'SUSPENDED') &&
      holdsOn(periodOf(part), today);
    const why =
      kind !== 'INTEGRATED'
        ? 'Only an integrated budget has parts.'
        : part === undefined
          ? 'The person has no such budget.'
          : part.linkId === null
            ? 'This is a budget of the hub’s own: a part is one that a system of either side keeps.'
            : !isInForce
              ? 'This budget is not in force.'
              : part.partOfId !== null && part.partOfId !== wholeId
                ? 'This is a part of another budget. End that first, or take it out of there.'
                : ids.indexOf(id) < i
                  ? 'Name each part once.'
                  : null;
    return why === null ? [] : [new UserFault('PART_NOT_POSSIBLE', why, `partIds.${i}`)];
  });
}

const rowOf = (terms: Terms) => ({
  kind: terms.kind,
  status: terms.lines.length === 0 ? ('INDICATIVE' as const) : ('PROPOSED' as const),
  validFrom: new Date(terms.from),
  validTo: terms.to === null ? null : new Date(terms.to),
  indicativePence: terms.indicativePence,
  agreedPence: agreedPence(terms),
});

type Key = { id: string; personId: string };
type Tx = Prisma.TransactionClient;

/** Puts lines in the place of all there were. What was split falls away with them: it was never in force. */
async function writeLines(tx: Tx, { id: budgetId, personId }: Key, lines: Line[]) {
  await tx.fundingLine.deleteMany({ where: { budgetId, personId } });
  await tx.fundingSplit.deleteMany({ where: { budgetId, personId } });
  await tx.fundingLine.createMany({
    data: lines.map(({ source, stream, organisation, pence }) => ({
      budgetId,
      personId,
      source,
      stream,
      organisationId: organisation?.id ?? null,
      amountPence: pence,
    })),
  });
}

/**
 * Puts portions in the place of all there were, the first of the first and so on: a plan's lines go on pointing to
 * where they are paid from.
 */
async function writePortions(tx: Tx, { id: budgetId, personId }: Key, portions: PortionTerms[]) {
  const before = await tx.portion.findMany({ where: { budgetId, personId }, orderBy: { position: 'asc' } });
  const spare = before.slice(portions.length).map(({ id }) => id);
  if ((await tx.planLine.count({ where: { personId, portionId: { in: spare } } })) > 0) {
    const message = 'A line of the plan is paid from a portion that would be gone. Change the plan first.';
    throw new UserFault('PORTION_IN_USE', message, 'portions');
  }
  await tx.portion.deleteMany({ where: { personId, id: { in: spare } } });
  for (const [i, { operator, duties, pence, ...rest }] of portions.entries()) {
    const data = {
      management: rest.management,
      recurring: rest.recurring,
      channel: rest.channel,
      amountPence: pence,
      accountOperatorId: operator?.id ?? null,
      ...duties,
      validFrom: null,
      validTo: null,
      replacesId: null,
      reason: null,
    };
    const there = before[i];
    if (there === undefined)
      await tx.portion.create({ data: { budgetId, personId, position: i + 1, ...data } });
    else await tx.portion.update({ where: { id_personId: { id: there.id, personId } }, data });
  }
}

/** Of two who take the same part at once, one is too late. */
async function takeParts(tx: Tx, { id, personId }: Key, partIds: (string | null)[]) {
  const wanted = partIds.filter((partId) => partId !== null);
  const { count } = await tx.budget.updateMany({
    where: { personId, id: { in: wanted }, partOfId: null },
    data: { partOfId: id },
  });
  if (count === wanted.length) return;
  throw new UserFault(
    'PART_NOT_POSSIBLE',
    'Another budget has just taken a part of it. Look again.',
    'partIds',
  );
}
