/** Deciding who pays which share of a budget, from when to when. */
import type { FundingSource, SplitBasis, SplitStatus } from '../generated/prisma/enums.ts';
import { agreedPlan } from '../plan/agreed.ts';
import { idOf } from '../platform/id.ts';
import { penceOfDecimal } from '../platform/money.ts';
import type { Command, CommandContext, UserFault } from '../write/command.ts';
import { noting, penceOf, textOf } from '../write/subject.ts';
import { type Finding, isPublic, judgeGiver, judgeSource } from './rules.ts';
import { holdsOn, type Period, type Share, shareOut, type Whole, without } from './split-rules.ts';
import {
  atMost,
  type BudgetResult,
  budgetIdOf,
  expectFunder,
  faultOf,
  keepBudget,
  linesOn,
  type OwnBudget,
  openBudget,
  periodOf,
  portionsOn,
  refuseIfAny,
  resultOf,
  type Versioned,
} from './subject.ts';
import {
  giverOf,
  judgeAuthorisations,
  judgeEligibility,
  type Lookup,
  type MoneyInput,
  organisationsOf,
  portionTermsOf,
} from './terms.ts';
import { splitPrefix } from './view.ts';

interface ShareInput {
  source: FundingSource;
  organisationCode?: string | null;
  percent?: string | null;
  amount?: MoneyInput | null;
  lineKey?: string | null;
}

interface SplitInput extends Versioned {
  basis: SplitBasis;
  status: SplitStatus;
  panel: string;
  decidedOn: string;
  from: string;
  to?: string | null;
  reviewDueOn?: string | null;
  note?: string | null;
  shares: ShareInput[];
}

const maxShares = 100;
const maxPanel = 200;

export const decideFundingSplitCommand: Command<SplitInput, BudgetResult & { splitId: string }> = {
  name: 'decideFundingSplit',
  run: async (context, input) => {
    const budget = await openBudget(context, 'decideFundingSplit', budgetIdOf(input), input.expectedVersion);
    const { tx } = context;
    const { id: budgetId, personId } = budget;
    atMost(maxShares, input.shares, 'shares');

    const lookup = await organisationsOf(
      tx,
      input.shares.map(({ organisationCode }) => organisationCode),
    );
    const organisations = input.shares.map(({ organisationCode }) => lookup(organisationCode));
    await expectFunder(context, budget, [
      ...linesOn(budget, input.from).flatMap(({ organisationId }) => organisationId ?? []),
      ...organisations.flatMap((organisation) => organisation?.id ?? []),
    ]);

    const faults: UserFault[] = judgeDays(budget, input, context.today).map(faultOf);
    const panel = noting(faults, () => textOf(input.panel, 'panel', maxPanel)) ?? '';
    const note = input.note ? noting(faults, () => textOf(input.note!, 'note')) : undefined;
    const shares = input.shares.map((share, i) => shareOf(share, i, faults));
    faults.push(...(await judgeFunders(context, budget, input.from, shares, organisations)).map(faultOf));
    refuseIfAny(faults, resultOf(budget));

    const { pence, findings } = shareOut(input.basis, shares, await wholeOf(context, budget, input));
    refuseIfAny(findings.map(faultOf), resultOf(budget));

    const taken = { from: input.from, to: input.to ?? null };
    await makeRoom(context, budget, taken);
    const period = {
      validFrom: new Date(taken.from),
      validTo: taken.to === null ? null : new Date(taken.to),
    };
    const split = await tx.fundingSplit.create({
      data: {
        budgetId,
        personId,
        basis: input.basis,
        status: input.status,
        panel,
        decidedOn: new Date(input.decidedOn),
        reviewDueOn: input.reviewDueOn ? new Date(input.reviewDueOn) : null,
        note: note ?? null,
        ...period,
      },
      select: { id: true },
    });
    await tx.fundingLine.createMany({
      data: shares.map((share, i) => ({
        budgetId,
        personId,
        splitId: split.id,
        source: share.source,
        organisationId: organisations[i]?.id ?? null,
        amountPence: pence![i]!,
        basisPoints: share.basisPoints === null ? null : Number(share.basisPoints),
        lineKey: share.lineKey,
        ...period,
      })),
    });
    await signAgain(context, budget);
    return { result: { ...resultOf(budget), splitId: idOf(splitPrefix, split.id) }, personIds: [personId] };
  },
};

function judgeDays(
  budget: OwnBudget,
  { from, to, decidedOn, reviewDueOn }: SplitInput,
  today: string,
): Finding[] {
  const findings: Finding[] = [];
  const wrong = (field: string, message: string) => findings.push({ code: 'DAY_INVALID', message, field });
  const { from: first, to: end } = periodOf(budget);
  if (!holdsOn({ from: first, to: end }, from)) wrong('from', 'A split begins on one of the budget’s days.');
  if (to != null && to <= from)
    wrong('to', 'A split ends after it begins: `to` is the first day without it.');
  else if (to != null && end !== null && to > end) wrong('to', 'A split ends with the budget at the latest.');
  if (decidedOn > today) wrong('decidedOn', 'A decision is recorded when it has been made.');
  if (reviewDueOn != null && reviewDueOn < decidedOn)
    wrong('reviewDueOn', 'A review comes after the decision.');
  return findings;
}

/** What is wrong with who is to pay: in this kind of budget, as such an organisation, for this person, in this way. */
async function judgeFunders(
  context: CommandContext,
  budget: OwnBudget,
  day: string,
  shares: Share[],
  organisations: ReturnType<Lookup>[],
): Promise<Finding[]> {
  const findings = shares.flatMap(({ source }, i) => {
    const wrong = judgeGiver(source, giverOf(organisations[i]), day);
    const field = `shares.${i}.organisationCode`;
    return [
      ...judgeSource(budget.kind, source, `shares.${i}.source`),
      ...(wrong === null ? [] : [{ code: 'ORGANISATION_WRONG', message: wrong, field }]),
    ];
  });
  const own = linesOn(budget, day).filter(({ source }) => !isPublic(source));
  const sources = [...shares, ...own].map(({ source }) => source);
  // Whoever begins to pay may have to be authorised for how the money is paid out; the operator was asked already.
  const payers = shares.map(({ source }, i) => ({ source, organisation: organisations[i] }));
  const portions = portionsOn(budget, day).map((portion) => ({ ...portionTermsOf(portion), operator: null }));
  const unauthorised = await judgeAuthorisations(context, payers, portions, day);
  return [
    ...findings,
    ...(await judgeEligibility(context, budget.personId, sources, day, 'shares')),
    ...unauthorised.map((finding) => ({ ...finding, field: 'shares' })),
  ];
}

function shareOf(
  { source, organisationCode, percent, amount, lineKey }: ShareInput,
  i: number,
  faults: UserFault[],
): Share {
  return {
    source,
    organisationCode: organisationCode ?? null,
    basisPoints: percent == null ? null : penceOfDecimal(percent),
    pence: amount == null ? null : (noting(faults, () => penceOf(amount, `shares.${i}.amount`)) ?? 0n),
    lineKey: lineKey ?? null,
  };
}

/** What there is to share out on the split's first day. */
async function wholeOf(
  context: CommandContext,
  budget: OwnBudget,
  { basis, from }: SplitInput,
): Promise<Whole> {
  const lines = linesOn(budget, from);
  const sumOf = (these: typeof lines) => these.reduce((sum, { amountPence }) => sum + amountPence, 0n);
  return {
    publicPence: sumOf(lines.filter(({ source }) => isPublic(source))),
    contributionPence: sumOf(lines.filter(({ source }) => source === 'CLIENT_CONTRIBUTION')),
    lines: basis === 'PER_SERVICE_LINE' ? await planLines(context, budget, from) : new Map(),
  };
}

/**
 * What the plan has this budget pay a year, by the line's key: the plan agreed on that day, else the one that is put
 * for agreement. What a family pays on top is nobody's share.
 */
async function planLines({ tx }: CommandContext, { personId, portions }: OwnBudget, day: string) {
  const own = new Set(portions.map(({ id }) => id));
  const paidBy = (plan: Awaited<ReturnType<typeof agreedPlan>>) =>
    (plan?.lines ?? []).filter(
      ({ portionId, source }) =>
        portionId !== null && own.has(portionId) && (source === null || isPublic(source)),
    );
  const agreed = paidBy(await agreedPlan(tx, personId, day));
  const lines =
    agreed.length > 0
      ? agreed
      : paidBy(
          await tx.plan.findFirst({
            where: { personId, number: { not: null }, status: 'PROPOSED' },
            include: { lines: { orderBy: { position: 'asc' } } },
          }),
        );
  return new Map(lines.map(({ key, yearlyPence }) => [key, yearlyPence]));
}

/** Takes the days of a new decision out of what was decided before; what held after them holds again. */
async function makeRoom(
  { tx }: CommandContext,
  budget: OwnBudget,
  taken: { from: string; to: string | null },
) {
  const { personId } = budget;
  for (const split of budget.splits) {
    const left = without(periodOf(split), taken);
    // Interrupted, it goes on: its shares say when.
    if (left.length === 2) continue;
    await tx.fundingSplit.update({
      where: { id_personId: { id: split.id, personId } },
      data: daysOf(left[0], split) as { validFrom: Date },
    });
  }
  for (const line of budget.fundingLines.filter(({ source }) => isPublic(source))) {
    const [first, second] = without(periodOf(line), taken);
    await tx.fundingLine.update({
      where: { id_personId: { id: line.id, personId } },
      data: daysOf(first, line),
    });
    if (second === undefined) continue;
    const { id: _, organisation: __, recordedAt: ___, ...same } = line;
    await tx.fundingLine.create({ data: { ...same, ...daysOf(second, line) } });
  }
}

/** A period as columns; where nothing is left of it, none of its days. */
const daysOf = (period: Period | undefined, { validFrom }: { validFrom: Date | null }) =>
  period === undefined
    ? { validFrom, validTo: validFrom }
    : {
        validFrom: period.from === null ? null : new Date(period.from),
        validTo: period.to === null ? null : new Date(period.to),
      };

/** Before its release a budget is what its funders signed: divided in another way, they sign anew. */
async function signAgain(context: CommandContext, budget: OwnBudget) {
  const isReleased = budget.status === 'ACTIVE' || budget.status === 'SUSPENDED';
  if (!isReleased) {
    await context.tx.budgetSignOff.deleteMany({ where: { budgetId: budget.id, personId: budget.personId } });
  }
  await keepBudget(context, budget, isReleased ? {} : { status: 'PROPOSED' });
}
