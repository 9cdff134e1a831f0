/** Whose money may be in which budget, what must be said of it, and the statement that the Care Act asks for. */
import type {
  BudgetKind,
  BudgetStatus,
  EligibilityScheme,
  FundingSource,
  OrganisationKind,
} from '../generated/prisma/enums.ts';

/** What is wrong with something, on its field of the input. */
export interface Finding {
  code: string;
  message: string;
  field: string;
}

/** The person's own money, by duty or by choice. */
const ownMoney: FundingSource[] = ['CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP'];

/** Money of a public body: what a funding split divides. */
export const isPublic = (source: FundingSource): boolean => !ownMoney.includes(source);

/** A pool under section 75 holds money of both. */
const nhsMoney: FundingSource[] = ['ICB', 'S75_POOL'];
const councilMoney: FundingSource[] = ['COUNCIL', 'S75_POOL'];

export const hasNhsMoney = (sources: FundingSource[]) => sources.some((source) => nhsMoney.includes(source));
export const hasCouncilMoney = (sources: FundingSource[]) =>
  sources.some((source) => councilMoney.includes(source));

/** Whose organisations must sign a budget off: those who answer for care, not those who add to it. */
export const mustSign = (source: FundingSource): boolean =>
  nhsMoney.includes(source) || councilMoney.includes(source);

/**
 * The sources each kind of budget may hold: a personal health budget is all NHS money, a personal budget all of the
 * council and of those who pay beside it (Care Act 2014 s26), an integrated budget both.
 */
const possible: Record<BudgetKind, FundingSource[]> = {
  PERSONAL_HEALTH_BUDGET: ['ICB', 'S75_POOL'],
  PERSONAL_BUDGET: ['COUNCIL', 'S75_POOL', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP', 'OTHER_PUBLIC'],
  INTEGRATED: ['ICB', 'COUNCIL', 'S75_POOL', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP', 'EHC', 'OTHER_PUBLIC'],
};

/** The organisations that may stand behind each source, and whether one must; none for the person's own money. */
const givers: Record<FundingSource, { kinds: OrganisationKind[]; named: boolean }> = {
  ICB: { kinds: ['ICB'], named: true },
  COUNCIL: { kinds: ['COUNCIL'], named: true },
  S75_POOL: { kinds: ['ICB', 'COUNCIL'], named: true },
  CLIENT_CONTRIBUTION: { kinds: [], named: false },
  CLIENT_TOP_UP: { kinds: [], named: false },
  EHC: { kinds: ['COUNCIL', 'OTHER'], named: false },
  OTHER_PUBLIC: { kinds: ['ICB', 'COUNCIL', 'OTHER'], named: false },
};

/** An organisation as it matters here; `to` is the first day on which it no longer exists. */
export interface Giver {
  code: string;
  kind: OrganisationKind;
  from: string | null;
  to: string | null;
}

export interface FundingLine {
  source: FundingSource;
  /** Empty where nothing tells it from another line of the same source. */
  stream: string;
  /** Null where none is named, undefined where the one that is named is not known. */
  giver: Giver | null | undefined;
}

/** Whether the right organisation stands behind a source of money on a day. */
export function judgeGiver(
  source: FundingSource,
  giver: Giver | null | undefined,
  day: string,
): string | null {
  const { kinds, named } = givers[source];
  if (giver === undefined) return 'There is no organisation of that code. Look up the code.';
  if (giver === null) return named ? `Name the organisation that gives the ${source} money.` : null;
  if (kinds.length === 0) return 'This is the person’s own money: name no organisation.';
  if (!kinds.includes(giver.kind))
    return `${source} money comes from: ${kinds.join(' or ')}. Name such an one.`;
  const exists = (giver.from === null || giver.from <= day) && (giver.to === null || giver.to > day);
  return exists ? null : `That organisation does not exist on ${day}. Name the one that took its place.`;
}

/**
 * What is wrong with the money a budget is made of. `field` is the path of the list of lines.
 *
 * @param day the budget's first
 */
export function judgeFunding(kind: BudgetKind, lines: FundingLine[], day: string): Finding[] {
  const field = 'fundingLines';
  const findings = lines.flatMap((line, i) => [
    ...judgeSource(kind, line.source, `${field}.${i}.source`),
    ...judged(
      judgeGiver(line.source, line.giver, day),
      'ORGANISATION_WRONG',
      `${field}.${i}.organisationCode`,
    ),
    ...(lines.findIndex((other) => other.source === line.source && other.stream === line.stream) < i
      ? [
          {
            code: 'LINE_TWICE',
            message: 'Another line has the same source. Make them one, or say the stream of each.',
            field: `${field}.${i}.stream`,
          },
        ]
      : []),
  ]);
  const sources = lines.map(({ source }) => source);
  if (kind === 'INTEGRATED' && lines.length > 0 && !(hasNhsMoney(sources) && hasCouncilMoney(sources))) {
    const message =
      'An integrated budget is made of money of both the NHS and the council. Name a line of each.';
    findings.push({ code: 'BOTH_SIDES_NEEDED', message, field });
  }
  return findings;
}

/** Whether a budget of this kind may hold money of a source. */
export function judgeSource(kind: BudgetKind, source: FundingSource, field: string): Finding[] {
  if (possible[kind].includes(source)) return [];
  if (source === 'CLIENT_CONTRIBUTION') {
    const message =
      'The NHS is free: a client contribution is only ever set against the council’s money. Take it off.';
    return [{ code: 'CONTRIBUTION_AGAINST_NHS', message, field }];
  }
  const message = `A budget of this kind holds: ${possible[kind].join(', ')}. Take the line off, or propose an integrated budget.`;
  return [{ code: 'SOURCE_NOT_POSSIBLE', message, field }];
}

const judged = (message: string | null, code: string, field: string): Finding[] =>
  message === null ? [] : [{ code, message, field }];

/** The schemes besides NHS continuing healthcare under which the council's part of a budget may stand. */
const besideChc: EligibilityScheme[] = ['CARE_ACT', 'CARER_S10', 'S117', 'EHC', 'JOINT_PACKAGE', 'OTHER'];

/**
 * A budget as the rules of eligibility judge it: what the NHS pays, and what the council, the person and others pay
 * for needs under whatever scheme the person has beside continuing healthcare.
 */
export function chargesOf(sources: FundingSource[], eligible: EligibilityScheme[]) {
  const nhs = sources.filter((source) => source === 'ICB');
  const others = sources.filter((source) => source !== 'ICB');
  return [
    { key: 'NHS', sources: nhs, needSchemes: [] },
    { key: 'OTHERS', sources: others, needSchemes: eligible.filter((scheme) => besideChc.includes(scheme)) },
  ].filter((charge) => charge.sources.length > 0);
}

/** What may be done with a budget at which stage. */
export const stages = {
  reviseBudget: ['INDICATIVE', 'PROPOSED'],
  signOffBudget: ['PROPOSED'],
  releaseBudget: ['SIGNED_OFF', 'SUSPENDED'],
  suspendBudget: ['ACTIVE'],
  endBudget: ['INDICATIVE', 'PROPOSED', 'SIGNED_OFF', 'ACTIVE', 'SUSPENDED'],
  decideFundingSplit: ['PROPOSED', 'SIGNED_OFF', 'ACTIVE', 'SUSPENDED'],
  changePortionManagement: ['SIGNED_OFF', 'ACTIVE', 'SUSPENDED'],
} satisfies Record<string, BudgetStatus[]>;

export interface Paid {
  source: FundingSource;
  pence: bigint;
}

/**
 * The statement of a personal budget (Care Act 2014 s26): (a) what meeting the needs costs the council, (b) what the
 * adult must pay of it, (c) what the council must pay, and so a = b + c; beside them other public money (s26(3)). A
 * pool under section 75 is other public money here: how much of it is the council's, only its partners know. A top-up is no
 * cost of meeting the needs: it is paid by choice for something dearer (s30).
 */
export function statementS26<Line extends Paid>(lines: Line[]) {
  const sum = (source: FundingSource) =>
    lines.filter((line) => line.source === source).reduce((total, { pence }) => total + pence, 0n);
  const adultPays = sum('CLIENT_CONTRIBUTION');
  const councilPays = sum('COUNCIL');
  return {
    costToCouncil: adultPays + councilPays,
    adultPays,
    councilPays,
    otherPublicMoney: lines.filter(({ source }) => isPublic(source) && source !== 'COUNCIL'),
    topUps: sum('CLIENT_TOP_UP'),
  };
}
