/** What a budget is to be: read from the input, and judged as a whole before anything is written. */

import { isAuthorised } from '../commissioner/authorisation.ts';
import { eligibleSchemes } from '../eligibility/command.ts';
import { judgeCharges } from '../eligibility/rules.ts';
import type { Organisation, Prisma } from '../generated/prisma/client.ts';
import type {
  Activity,
  BudgetKind,
  FundingSource,
  Management,
  PaymentChannel,
} from '../generated/prisma/enums.ts';
import { dayOf } from '../platform/day.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { noting, penceOf, textOf } from '../write/subject.ts';
import { activitiesOf, type Duties, dutiesOf, judgePortion, judgePortionSum } from './portion-rules.ts';
import { chargesOf, type Finding, type Giver, judgeFunding, mustSign } from './rules.ts';
import { faultOf, laterOf, linesOn, type OwnBudget, portionsOn } from './subject.ts';

export interface MoneyInput {
  amount: string;
  currency: string;
}

export interface FundingLineInput {
  source: FundingSource;
  organisationCode?: string | null;
  stream?: string | null;
  amount: MoneyInput;
}

/** How money is to be managed. */
export interface ManagementInput {
  management: Management;
  channel?: PaymentChannel | null;
  operatorCode?: string | null;
  duties?: { [Duty in keyof Duties]?: Duties[Duty] | null } | null;
}

export interface PortionInput extends ManagementInput {
  recurring: boolean;
  amount: MoneyInput;
}

/** An organisation of the register; null where none is named, undefined where the code is not known. */
type Named = Organisation | null | undefined;

export interface Line {
  source: FundingSource;
  stream: string;
  organisation: Named;
  pence: bigint;
}

export interface Managed {
  management: Management;
  channel: PaymentChannel | null;
  operator: Named;
  duties: Duties;
}

export interface PortionTerms extends Managed {
  recurring: boolean;
  pence: bigint;
}

export interface Terms {
  kind: BudgetKind;
  from: string;
  to: string | null;
  indicativePence: bigint | null;
  lines: Line[];
  portions: PortionTerms[];
}

export const agreedPence = ({ lines }: Pick<Terms, 'lines'>) =>
  lines.reduce((sum, { pence }) => sum + pence, 0n);

const maxStream = 100;

/** @throws UserFault AMOUNT_INVALID, CURRENCY_NOT_GBP */
export function positivePenceOf(money: MoneyInput, field: string): bigint {
  const pence = penceOf(money, field);
  if (pence > 0n) return pence;
  throw new UserFault('AMOUNT_INVALID', 'An amount is above zero.', `${field}.amount`);
}

/** The organisations of these codes, by code. */
export async function organisationsOf(tx: Prisma.TransactionClient, codes: (string | null | undefined)[]) {
  const known = codes.filter((code) => typeof code === 'string');
  const found = await tx.organisation.findMany({ where: { odsCode: { in: known } } });
  const byCode = new Map(found.map((organisation) => [organisation.odsCode, organisation]));
  return (code: string | null | undefined): Named => (code == null ? null : byCode.get(code));
}

export type Lookup = Awaited<ReturnType<typeof organisationsOf>>;

export const giverOf = (organisation: Named): Giver | null | undefined =>
  organisation && {
    code: organisation.odsCode,
    kind: organisation.kind,
    from: organisation.validFrom && dayOf(organisation.validFrom),
    to: organisation.validTo && dayOf(organisation.validTo),
  };

export const readLines = (inputs: FundingLineInput[], lookup: Lookup, faults: UserFault[]): Line[] =>
  inputs.map(({ source, organisationCode, stream, amount }, i) => {
    const at = `fundingLines.${i}`;
    return {
      source,
      organisation: lookup(organisationCode),
      stream: stream ? (noting(faults, () => textOf(stream, `${at}.stream`, maxStream)) ?? '') : '',
      pence: noting(faults, () => positivePenceOf(amount, `${at}.amount`)) ?? 0n,
    };
  });

export function readManagement(input: ManagementInput, lookup: Lookup): Managed {
  const { management, channel, operatorCode, duties } = input;
  const said = Object.entries(duties ?? {}).filter(([, holder]) => holder != null);
  return {
    management,
    channel: channel ?? null,
    operator: lookup(operatorCode),
    duties: { ...dutiesOf(management), ...Object.fromEntries(said) },
  };
}

export const readPortions = (inputs: PortionInput[], lookup: Lookup, faults: UserFault[]): PortionTerms[] =>
  inputs.map((input, i) => ({
    ...readManagement(input, lookup),
    recurring: input.recurring,
    pence: noting(faults, () => positivePenceOf(input.amount, `portions.${i}.amount`)) ?? 0n,
  }));

/** A budget as it is on a day, to be judged with what is to change. Lines that stand are told apart already. */
export const termsOf = (budget: OwnBudget, day: string): Terms => ({
  kind: budget.kind,
  from: dayOf(budget.validFrom),
  to: budget.validTo && dayOf(budget.validTo),
  indicativePence: budget.indicativePence,
  lines: linesOn(budget, day).map((line) => ({ ...line, stream: line.id, pence: line.amountPence })),
  portions: portionsOn(budget, day).map(portionTermsOf),
});

export const portionTermsOf = (portion: OwnBudget['portions'][number]): PortionTerms => ({
  management: portion.management,
  channel: portion.channel,
  recurring: portion.recurring,
  operator: portion.operator,
  pence: portion.amountPence,
  duties: {
    fundsHolder: portion.fundsHolder,
    accountOperator: portion.accountOperator,
    legalEmployer: portion.legalEmployer,
    purchaseDecider: portion.purchaseDecider,
  },
});

/** Everything that is wrong with what a budget is to be. */
export async function judgeTerms(
  context: CommandContext,
  personId: string,
  terms: Terms,
): Promise<UserFault[]> {
  const { kind, from, to, indicativePence, lines, portions } = terms;
  const sources = lines.map(({ source }) => source);
  const findings: Finding[] = [
    ...(to !== null && to <= from
      ? [
          {
            code: 'DAY_INVALID',
            message: 'A budget ends after it begins: `to` is the first day without it.',
            field: 'to',
          },
        ]
      : []),
    ...(lines.length === 0 && indicativePence === null
      ? [
          {
            code: 'MONEY_MISSING',
            message: 'Give funding lines, or an early figure in `indicative`.',
            field: 'fundingLines',
          },
        ]
      : []),
    ...judgeFunding(
      kind,
      lines.map((line) => ({ ...line, giver: giverOf(line.organisation) })),
      from,
    ),
    ...(await judgeEligibility(context, personId, sources, laterOf(from, context.today))),
    ...portions.flatMap((portion, i) => judgeManaged(portion, sources, `portions.${i}.`)),
    ...judgePortionSum(
      portions.map(({ pence }) => pence),
      lines.length > 0 ? agreedPence(terms) : (indicativePence ?? 0n),
    ),
    ...(await judgeAuthorisations(context, lines, portions, from)),
  ];
  return findings.map(faultOf);
}

/** What is wrong with how a portion is managed, the operator's code included. */
export function judgeManaged(portion: Managed, sources: FundingSource[], at: string): Finding[] {
  const findings = judgePortion({ ...portion, operated: portion.operator !== null }, sources, at);
  if (portion.operator !== undefined) return findings;
  const message = 'There is no organisation of that code. Look up the code.';
  return [...findings, { code: 'ORGANISATION_WRONG', message, field: `${at}operatorCode` }];
}

/** What the person's eligibilities make impossible. A budget of CHC and social care at once can be: for other needs. */
export async function judgeEligibility(
  { tx }: CommandContext,
  personId: string,
  sources: FundingSource[],
  day: string,
  field = 'fundingLines',
): Promise<Finding[]> {
  const eligible = await eligibleSchemes(tx, personId, day);
  const { refusals } = judgeCharges(eligible, chargesOf(sources, eligible));
  return refusals.map(({ code, message }) => ({ code, message, field }));
}

/**
 * Who may not do on a day what a portion asks of them: of the operator on its code, of a funder on the way of managing.
 * Whoever has paid money in separately makes the direct payment; where one body pays for both, that is a pool.
 */
export async function judgeAuthorisations(
  { tx }: CommandContext,
  lines: Pick<Line, 'source' | 'organisation'>[],
  portions: Managed[],
  day: string,
  pathOf = (i: number) => `portions.${i}.`,
): Promise<Finding[]> {
  const funders = new Map(
    lines.flatMap(({ source, organisation }) =>
      organisation && mustSign(source) ? [[organisation.id, organisation]] : [],
    ),
  );
  const findings: Finding[] = [];
  const check = async (organisation: Organisation, activity: Activity, field: string) => {
    if (await isAuthorised(tx, organisation.id, activity, day)) return;
    const message = `${organisation.name} is not authorised to ${words[activity]} on ${day}. Choose another, or have it authorised.`;
    findings.push({ code: 'NOT_AUTHORISED', message, field });
  };
  for (const [i, { management, operator }] of portions.entries()) {
    const activities = activitiesOf[management];
    if (activities.operator && operator)
      await check(operator, activities.operator, `${pathOf(i)}operatorCode`);
    if (activities.funder) {
      for (const funder of funders.values()) await check(funder, activities.funder, `${pathOf(i)}management`);
    }
  }
  return findings;
}

const words: Record<Activity, string> = {
  COMMISSION: 'commission care',
  MAKE_DIRECT_PAYMENTS: 'make direct payments',
  HOLD_MANAGED_ACCOUNT: 'hold a managed account',
  HOLD_THIRD_PARTY_BUDGET: 'hold a third-party budget',
  HOLD_INDIVIDUAL_SERVICE_FUND: 'hold an individual service fund',
};
