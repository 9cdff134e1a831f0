/**
 * What a team is paid for a period, and about what it costs beside. Hours and rates are exact; what employing costs is an
 * estimate, for what is due is worked out by the payroll, and by HMRC.
 */
import type { AbsenceKind, PayFrequency } from '../generated/prisma/enums.ts';
import { ageOn, holidayAccrual, minimumWageOn, type OnCostRates, onCostRatesOn } from './rate.ts';

export interface PayContract {
  from: string;
  /** The first day on which it no longer holds; null where it goes on. */
  to: string | null;
  ratePence: string;
  frequency: PayFrequency;
  irregular: boolean;
  pension: boolean;
  lineKey: string | null;
}

interface Minutes {
  day: string;
  minutes: number;
}

export interface PayWorker {
  id: string;
  name: string;
  ref: string;
  birthDate: string | null;
  contracts: PayContract[];
  worked: Minutes[];
  /** Shifts of the rota that they come to in place of somebody, paid from contingency. */
  covered: Minutes[];
  /** Shifts of the rota that they are away from. */
  missed: (Minutes & { kind: AbsenceKind })[];
}

/** All of it as the statement gives it: days, and pence as text. `to` is the last day. */
export interface PayFacts {
  from: string;
  to: string;
  frequency: PayFrequency;
  workers: PayWorker[];
}

type PayElement = 'BASIC' | 'COVER' | 'HOLIDAY' | 'SICKNESS';

export interface PayLine {
  element: PayElement;
  lineKey: string | null;
  minutes: number;
  ratePence: bigint;
  /** Null where the payroll must say: statutory sick pay goes by days, and by what was earned before. */
  pence: bigint | null;
}

export type PayWarning = 'BELOW_MINIMUM_WAGE' | 'UNKNOWN_AGE' | 'RATE_NOT_KNOWN' | 'HOURS_WITHOUT_CONTRACT';

export interface WorkerPay {
  id: string;
  name: string;
  ref: string;
  lines: PayLine[];
  grossPence: bigint;
  nationalInsurancePence: bigint | null;
  pensionPence: bigint | null;
  /** Of those with irregular hours; null for others, whose holiday does not follow from the hours of one period. */
  holidayMinutes: number | null;
  warnings: PayWarning[];
}

/** Half a penny and more is a penny. */
const rounded = (above: bigint, below: bigint) => (above * 2n + below) / (below * 2n);

/** What so many minutes come to. */
export const wageOf = (minutes: number, ratePence: bigint): bigint =>
  rounded(BigInt(minutes) * ratePence, 60n);

const holds = ({ from, to }: PayContract, day: string) => from <= day && (to === null || day < to);
const sum = (all: Minutes[]) => all.reduce((total, { minutes }) => total + minutes, 0);

/**
 * Holiday that somebody with irregular hours has come by: 12.07 % of the hours worked, in whole hours, half an hour
 * being one. Source: Working Time Regulations 1998, regulation 15B, for leave years from 1 April 2024.
 */
export const holidayAccrued = (minutesWorked: number): number =>
  Number(rounded(BigInt(minutesWorked) * holidayAccrual.rate, 10_000n * 60n)) * 60;

/** What is wrong with a rate for a pay period that begins on this day. */
export function judgeRate(ratePence: bigint, birthDate: string | null, day: string): PayWarning[] {
  const least = minimumWageOn(day, birthDate);
  if (least === null) return ['RATE_NOT_KNOWN'];
  if (ratePence >= least) return [];
  return [birthDate === null ? 'UNKNOWN_AGE' : 'BELOW_MINIMUM_WAGE'];
}

const above = (pence: bigint, from: bigint) => (pence > from ? pence - from : 0n);

/** Before the employment allowance, which is one for the whole team and the year. */
function nationalInsurance(
  gross: bigint,
  rates: OnCostRates,
  frequency: PayFrequency,
  isUnder21: boolean,
): bigint {
  const from = (isUnder21 ? rates.upperSecondaryThreshold : rates.secondaryThreshold)[frequency];
  return rounded(above(gross, from) * rates.nationalInsuranceRate, 10_000n);
}

function pension(gross: bigint, rates: OnCostRates, frequency: PayFrequency): bigint {
  const most = rates.qualifyingTo[frequency];
  const counted = above(gross < most ? gross : most, rates.qualifyingFrom[frequency]);
  return rounded(counted * rates.pensionRate, 10_000n);
}

/** The lines of one contract: what was worked, and within it what was cover, and what was planned and missed. */
function linesOf(contract: PayContract, { worked, covered, missed }: PayWorker): PayLine[] {
  const ratePence = BigInt(contract.ratePence);
  const within = <T extends Minutes>(all: T[]) => all.filter(({ day }) => holds(contract, day));
  const cover = within(worked).reduce((total, { day, minutes }) => {
    const planned = sum(covered.filter((shift) => shift.day === day));
    return total + Math.min(minutes, planned);
  }, 0);
  const away = (kind: AbsenceKind) => sum(within(missed).filter((shift) => shift.kind === kind));
  const elements: [PayElement, number][] = [
    ['BASIC', sum(within(worked)) - cover],
    ['COVER', cover],
    ['HOLIDAY', away('HOLIDAY')],
    ['SICKNESS', away('SICKNESS')],
  ];
  return elements
    .filter(([, minutes]) => minutes > 0)
    .map(([element, minutes]) => ({
      element,
      lineKey: contract.lineKey,
      minutes,
      ratePence,
      pence: element === 'SICKNESS' ? null : wageOf(minutes, ratePence),
    }));
}

/** What somebody is paid for the period; null where no contract of theirs is paid in such periods. */
export function payOf(
  worker: PayWorker,
  { from, to, frequency }: Omit<PayFacts, 'workers'>,
): WorkerPay | null {
  const contracts = worker.contracts.filter(
    (contract) =>
      contract.frequency === frequency && contract.from <= to && (contract.to === null || contract.to > from),
  );
  if (contracts.length === 0) return null;
  const lines = contracts.flatMap((contract) => linesOf(contract, worker));
  const gross = lines.reduce((total, { pence }) => total + (pence ?? 0n), 0n);
  // On which day wages are paid is not known here: that of the last day stands for it.
  const rates = onCostRatesOn(to);
  const isUnder21 = worker.birthDate !== null && ageOn(worker.birthDate, to) < 21;
  const irregular = contracts.filter((contract) => contract.irregular);
  const workedSo = worker.worked.filter(({ day }) => irregular.some((contract) => holds(contract, day)));
  const warnings = contracts.flatMap(({ ratePence }) => judgeRate(BigInt(ratePence), worker.birthDate, from));
  if (rates === null) warnings.push('RATE_NOT_KNOWN');
  if (worker.worked.some(({ day }) => !worker.contracts.some((contract) => holds(contract, day))))
    warnings.push('HOURS_WITHOUT_CONTRACT');
  return {
    id: worker.id,
    name: worker.name,
    ref: worker.ref,
    lines,
    grossPence: gross,
    nationalInsurancePence: rates && nationalInsurance(gross, rates, frequency, isUnder21),
    pensionPence:
      rates && (contracts.some((contract) => contract.pension) ? pension(gross, rates, frequency) : 0n),
    holidayMinutes:
      irregular.length === 0 || from < holidayAccrual.from ? null : holidayAccrued(sum(workedSo)),
    warnings: [...new Set(warnings)],
  };
}

/** Everybody's pay of the period, in the order of their names for the payroll. */
export const payOfTeam = (facts: PayFacts): WorkerPay[] =>
  facts.workers.flatMap((worker) => payOf(worker, facts) ?? []);
