/** What a line of the plan costs, who must sign a plan, and what they must confirm. */
import type {
  CostFrequency,
  FundingSource,
  PlanLineKind,
  RoleKind,
  SignOffTest,
  SignParty,
} from '../generated/prisma/enums.ts';

const weeksAYear = 52n;

/**
 * How many times a week a price falls due, as a fraction. Where it is for a session, an hour or a day, the quantity
 * says how many of these there are in a week.
 *
 * These are the factors by which DHSC makes Client Level Data comparable (DataS-DHSC/ASC-CLD-LA-Dashboard,
 * `6.Costs_fact.sql`, read there: fortnight 1/2, 4-week 1/4, month 12/52, quarter 4/52, annual 1/52, a one-off none).
 */
const timesAWeek: Record<Exclude<CostFrequency, 'ONE_OFF'>, readonly [bigint, bigint]> = {
  PER_SESSION: [1n, 1n],
  HOURLY: [1n, 1n],
  DAILY: [1n, 1n],
  WEEKLY: [1n, 1n],
  FORTNIGHTLY: [1n, 2n],
  FOUR_WEEKLY: [1n, 4n],
  MONTHLY: [12n, 52n],
  QUARTERLY: [4n, 52n],
  ANNUALLY: [1n, 52n],
};

/** Nothing here is negative, so half a penny goes up. */
const halfUp = (above: bigint, below: bigint) => (2n * above + below) / (2n * below);

/**
 * Cost of a quantity at a price over some weeks, rounded once: to the nearest penny, half a penny up.
 *
 * @throws RangeError when price or quantity is negative
 */
function costPence(
  unitCostPence: bigint,
  frequency: CostFrequency,
  quantityHundredths: bigint,
  weeks: bigint,
): bigint {
  if (unitCostPence < 0n || quantityHundredths < 0n) {
    throw new RangeError('neither a price nor a quantity may be negative');
  }
  const [times, inWeeks] = frequency === 'ONE_OFF' ? [1n, weeks] : timesAWeek[frequency];
  return halfUp(unitCostPence * quantityHundredths * times * weeks, 100n * inWeeks);
}

/**
 * What a line costs a week, in pence. Null for a single sum, which has no week.
 *
 * @param quantityHundredths units a week where the price is for a session, an hour or a day; otherwise how many at a
 *   time. In hundredths.
 */
export const weeklyPence = (unitCostPence: bigint, frequency: CostFrequency, quantityHundredths: bigint) =>
  frequency === 'ONE_OFF' ? null : costPence(unitCostPence, frequency, quantityHundredths, 1n);

/**
 * What a line costs in a year of 52 weeks, or once. It is made of the exact week, not of the rounded one: twelve months
 * of £100.00 are £1,200.00, though 52 times £23.08 are not.
 */
export const yearlyPence = (unitCostPence: bigint, frequency: CostFrequency, quantityHundredths: bigint) =>
  costPence(unitCostPence, frequency, quantityHundredths, weeksAYear);

/** Of units on a line: above none, and at most 10,000. */
export const isQuantity = (hundredths: bigint): boolean => hundredths > 0n && hundredths <= 1_000_000n;

/** Almost anything can be agreed; what is no service carries the reason for which it was. */
export const needsReason = (kind: PlanLineKind): boolean => kind !== 'SERVICE';

/**
 * Who must sign a plan that is paid from these sources, in the order PERSON, NHS, COUNCIL: the person always, and each
 * side whose money it is. A contribution is charged by the council. What a family adds, a school or somebody else pays
 * is not for either side to agree to.
 */
export function requiredParties(sources: FundingSource[]): SignParty[] {
  const paidBy = (...any: FundingSource[]) => any.some((source) => sources.includes(source));
  const parties: SignParty[] = ['PERSON'];
  if (paidBy('ICB', 'S75_POOL')) parties.push('NHS');
  if (paidBy('COUNCIL', 'S75_POOL', 'CLIENT_CONTRIBUTION')) parties.push('COUNCIL');
  return parties;
}

const everyTest: SignOffTest[] = [
  'NEEDS_MET',
  'AMOUNT_COVERS_FULL_COST',
  'REVIEWABLE',
  'RISKS_MANAGED',
  'SAFEGUARDING_AND_CAPACITY',
];

/**
 * What a party confirms with its signature: each side all five tests of the NHS guidance (needs met, amount enough for
 * the full cost of each service, reviewable, risks managed, safeguarding and capacity); the person none.
 */
export const requiredTests = (party: SignParty): SignOffTest[] => (party === 'PERSON' ? [] : everyTest);

/** A signature that stands: it was not withdrawn. */
export interface StandingSignature {
  party: SignParty;
  agrees: boolean;
  /** The part by which somebody signed for the person. */
  actingAs: RoleKind | null;
}

export interface SignatureState {
  signed: SignParty[];
  /** Who must sign still. */
  missing: SignParty[];
  /** Of several who may decide for the person, one agrees and another does not. */
  representativesDisagree: boolean;
}

/**
 * How the signatures of a plan stand. A party has signed when somebody agreed for it and nobody for it disagrees: of
 * two who may both speak for it, neither outvotes the other.
 */
export function signatureState(required: SignParty[], signatures: StandingSignature[]): SignatureState {
  const says = (party: SignParty, agrees: boolean, byRepresentative = false) =>
    signatures.some(
      (s) => s.party === party && s.agrees === agrees && (!byRepresentative || s.actingAs !== null),
    );
  const parties: SignParty[] = ['PERSON', 'NHS', 'COUNCIL'];
  const signed = parties.filter((party) => says(party, true) && !says(party, false));
  return {
    signed,
    missing: required.filter((party) => !signed.includes(party)),
    representativesDisagree: says('PERSON', true, true) && says('PERSON', false, true),
  };
}
