/**
 * What the law says of wages from day to day, in one table: nothing else in the code holds such a figure. What is not
 * known yet is not here, and is told as not known; each April a row is added to each list.
 */
import type { PayFrequency } from '../generated/prisma/enums.ts';

/** Of the last day on which it is known to hold. */
interface Dated {
  from: string;
  to: string;
}

interface MinimumWage extends Dated {
  /** Pence an hour, by age. The rate of apprentices is that of those under 18; a personal assistant is rarely one. */
  from21: bigint;
  from18: bigint;
  under18: bigint;
}

/** Source: https://www.gov.uk/national-minimum-wage-rates; National Minimum Wage Regulations 2015, regulations 4 and 4A. */
const minimumWages: MinimumWage[] = [
  { from: '2024-04-01', to: '2025-03-31', from21: 1144n, from18: 860n, under18: 640n },
  { from: '2025-04-01', to: '2026-03-31', from21: 1221n, from18: 1000n, under18: 755n },
  { from: '2026-04-01', to: '2027-03-31', from21: 1271n, from18: 1085n, under18: 800n },
];

/** Pence of a pay period. */
type PerPeriod = Record<PayFrequency, bigint>;

export interface OnCostRates extends Dated {
  /** Employers pay National Insurance on what is above it. */
  secondaryThreshold: PerPeriod;
  /** The same for somebody under 21. */
  upperSecondaryThreshold: PerPeriod;
  /** In hundredths of a percent. */
  nationalInsuranceRate: bigint;
  /** What an employer of a carer may take off in a year, off the National Insurance of the whole team together. */
  employmentAllowance: bigint;
  /** What a workplace pension counts: what is earned between the two. */
  qualifyingFrom: PerPeriod;
  qualifyingTo: PerPeriod;
  /** The least an employer pays of it, in hundredths of a percent. */
  pensionRate: bigint;
}

const threshold = { WEEKLY: 96_00n, FOUR_WEEKLY: 384_00n, MONTHLY: 417_00n };
const upper = { WEEKLY: 967_00n, FOUR_WEEKLY: 3_868_00n, MONTHLY: 4_189_00n };
const qualifyingFrom = { WEEKLY: 120_00n, FOUR_WEEKLY: 480_00n, MONTHLY: 520_00n };
const qualifyingTo = { WEEKLY: 967_00n, FOUR_WEEKLY: 3_867_00n, MONTHLY: 4_189_00n };

/**
 * Sources: https://www.gov.uk/guidance/rates-and-thresholds-for-employers-2025-to-2026 and its like of the year after (the
 * threshold and the allowance stay, Autumn Budgets 2024 and 2025; section 9A of the Social Security Contributions and
 * Benefits Act 1992 for those under 21); Pensions Act 2008, sections 13 and 20, with the yearly review orders.
 */
const onCosts: OnCostRates[] = [
  { from: '2025-04-06', to: '2026-04-05' },
  { from: '2026-04-06', to: '2027-04-05' },
].map((year) => ({
  ...year,
  secondaryThreshold: threshold,
  upperSecondaryThreshold: upper,
  nationalInsuranceRate: 1500n,
  employmentAllowance: 10_500_00n,
  qualifyingFrom,
  qualifyingTo,
  pensionRate: 300n,
}));

const on = <Row extends Dated>(rows: Row[], day: string): Row | null =>
  rows.find(({ from, to }) => from <= day && day <= to) ?? null;

/** What employing costs beside wages, as known on a day; null where it is not. */
export const onCostRatesOn = (day: string): OnCostRates | null => on(onCosts, day);

/** Whole years. Who is born on 29 February is a year older on 1 March of other years. */
export function ageOn(birthDate: string, day: string): number {
  const years = Number(day.slice(0, 4)) - Number(birthDate.slice(0, 4));
  return day.slice(5) < birthDate.slice(5) ? years - 1 : years;
}

/**
 * The least that may be paid for an hour of a pay period which begins on this day, in pence; null where it is not known.
 * Source: National Minimum Wage Regulations 2015, regulation 4B: rate and age are those of the period's first day.
 *
 * @param birthDate null for somebody of unknown age, who is taken to be 21 or older
 */
export function minimumWageOn(day: string, birthDate: string | null): bigint | null {
  const rates = on(minimumWages, day);
  if (rates === null) return null;
  const age = birthDate === null ? 21 : ageOn(birthDate, day);
  return age >= 21 ? rates.from21 : age >= 18 ? rates.from18 : rates.under18;
}

/** Holiday of those with irregular hours, in hundredths of a percent of the hours worked, and since when. */
export const holidayAccrual = { rate: 1207n, from: '2024-04-01' } as const;
