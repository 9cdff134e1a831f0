/** What the people of the made-up place are eligible for, as each side decided it. */
import type { EligibilityScheme } from '../intake/submission.ts';
import { addMonths } from '../platform/day.ts';
import { dayNumber, dayText, workingDay } from './dice.ts';
import type { OwnGround } from './half.ts';
import type { CouncilHalf, Eligibility, NhsHalf, PlacePerson } from './place.ts';

const isChc = (scheme: EligibilityScheme) => scheme === 'CHC_STANDARD' || scheme === 'CHC_FAST_TRACK';
/** Born after this day, somebody is not that many years old yet. */
const bornAfter = (payday: number, years: number): string => dayText(payday - Math.round(years * 365.25));

/**
 * Gives both halves their eligibilities. NHS continuing healthcare pays for all needs there are, so nobody has it and
 * the council's money at once; some came to it from the council, and some are being assessed for it.
 */
export function entitle(own: OwnGround, person: PlacePerson): void {
  const { nhs, council } = person;
  const scheme = nhs && nhsScheme(own, person, nhs);
  if (nhs && scheme) nhs.eligibilities = nhsEligibilities(own, person, nhs, scheme);
  if (council) council.eligibilities = councilEligibilities(own, person, council, scheme === 'S117');
}

/** When the council's support ended, if all of it has. */
function councilEnd(council: CouncilHalf): string | null {
  const ends = council.services.map(({ to }) => to);
  return ends.includes(null) ? null : (ends.sort().at(-1) ?? null);
}

const startOf = (nhs: NhsHalf, payday: number): string =>
  nhs.budget?.from ?? nhs.plan?.from ?? dayText(payday - 168);

function nhsScheme({ dice, payday, told }: OwnGround, person: PlacePerson, nhs: NhsHalf): EligibilityScheme {
  const { council, birthDate } = person;
  const start = startOf(nhs, payday);
  if (birthDate > bornAfter(payday, 18)) return 'CYP_CONTINUING_CARE';
  if (told && council) return 'JOINT_PACKAGE';
  if (told) return 'CHC_STANDARD';
  const ended = council && councilEnd(council);
  if (council && (!ended || ended > start)) {
    if (council.clientType === 'Unpaid carer') return dice.pick(['WHEELCHAIR', 'LD_MH', 'OTHER'] as const);
    const [service] = council.services;
    if (service?.type.startsWith('Short term')) return 'WHEELCHAIR';
    if (service?.type.endsWith('Residential care') && !nhs.budget)
      return birthDate < '1966' ? 'FNC' : 'LD_MH';
    const free = !council.budget || council.budget.contributionPence === 0n;
    if (council.primarySupportReason === 'Mental health support' && free) return 'S117';
    if (council.primarySupportReason === 'Learning disability support') return 'LD_MH';
    if (council.primarySupportReason === 'Physical support: Access and mobility only') return 'WHEELCHAIR';
    return 'JOINT_PACKAGE';
  }
  if (ended) return 'CHC_STANDARD';
  if (birthDate > bornAfter(payday, 25)) return 'EHC';
  const isShort = dayNumber(start) >= payday - 112 || person.deathDate !== null;
  return dice.pick([
    ...Array<EligibilityScheme>(7).fill('CHC_STANDARD'),
    ...Array<EligibilityScheme>(5).fill('WHEELCHAIR'),
    ...Array<EligibilityScheme>(3).fill('LD_MH'),
    // For somebody whose condition worsens fast: it does not last a year.
    ...Array<EligibilityScheme>(2).fill(isShort ? 'CHC_FAST_TRACK' : 'CHC_STANDARD'),
    'OTHER',
  ]);
}

function nhsEligibilities(
  { dice, payday, key, told }: OwnGround,
  { council, deathDate }: PlacePerson,
  nhs: NhsHalf,
  scheme: EligibilityScheme,
): Eligibility[] {
  const start = dayNumber(startOf(nhs, payday));
  // Whoever came from the council has the one from the day on which the other ended.
  const moved = isChc(scheme) && council ? councilEnd(council) : null;
  const decided = workingDay(moved ? dayNumber(moved) - dice.between(3, 14) : start - dice.between(10, 40));
  const ends = deathDate === null ? (nhs.budget?.to ?? null) : dayText(dayNumber(deathDate) + 1);
  const list: Omit<Eligibility, 'id'>[] = [];
  const eligible = (one: EligibilityScheme, to: string | null = ends): void => {
    list.push({
      scheme: one,
      status: 'ELIGIBLE',
      decidedOn: dayText(decided),
      reviewer:
        isChc(one) || one === 'JOINT_PACKAGE' ? 'Continuing healthcare team' : (reviewers[one] ?? null),
      // Within three months, and then every year; the reviews that were held move it on.
      reviewDueOn: to === null ? addMonths(dayText(decided), isChc(one) ? 3 : 12) : null,
      from: moved ?? dayText(decided),
      to,
    });
  };
  const considered = (status: 'ASSESSING' | 'NOT_ELIGIBLE', day: number): void => {
    list.push({
      scheme: 'CHC_STANDARD',
      status,
      decidedOn: status === 'ASSESSING' ? null : dayText(day),
      reviewer: 'Continuing healthcare team',
      reviewDueOn: null,
      from: dayText(day),
      to: null,
    });
  };
  const hasNothingYet = !nhs.budget && !council;
  if (hasNothingYet && isChc(scheme)) {
    if (dice.chance(0.6)) considered('ASSESSING', payday - dice.between(2, 24));
    else considered('NOT_ELIGIBLE', decided);
  } else eligible(scheme);
  if (scheme === 'EHC') eligible('LD_MH');
  if (scheme === 'CYP_CONTINUING_CARE' && dice.chance(0.5)) eligible('EHC');
  const wheelchair = nhs.budget?.payments.some(({ payee }) => /wheelchair$/.test(payee));
  if (wheelchair && scheme !== 'WHEELCHAIR') eligible('WHEELCHAIR');
  // A joint package comes of having been considered for continuing healthcare and found not eligible.
  if (scheme === 'JOINT_PACKAGE' && !told && ends === null) {
    if (dice.chance(0.5)) considered('NOT_ELIGIBLE', decided);
    else if (dice.chance(0.15)) considered('ASSESSING', payday - dice.between(2, 24));
  }
  return list.map((one, i) => ({ id: `eoc-${key}-${i + 1}`, ...one }));
}

const reviewers: Partial<Record<EligibilityScheme, string>> = {
  FNC: 'Nursing assessors',
  S117: 'Aftercare team',
  WHEELCHAIR: 'Wheelchair service',
  CYP_CONTINUING_CARE: 'Children’s continuing care team',
  EHC: 'Designated clinical officer',
  LD_MH: 'Learning disability and mental health team',
  OTHER: 'Personalised care team',
};

function councilEligibilities(
  { dice, payday, key }: OwnGround,
  person: PlacePerson,
  council: CouncilHalf,
  aftercare: boolean,
): Eligibility[] {
  const decidedOn = council.assessments[0]?.to;
  const [service] = council.services;
  if (!decidedOn || !service) return [];
  const to = councilEnd(council);
  const last = council.reviews.at(-1)?.to ?? decidedOn;
  const eligible = (scheme: EligibilityScheme, reviewer: string): Omit<Eligibility, 'id'> => ({
    scheme,
    status: 'ELIGIBLE',
    decidedOn,
    reviewer,
    reviewDueOn: to === null ? addMonths(last, 12) : null,
    from: decidedOn,
    to,
  });
  const team = dice.pick(['Harbour locality team', 'Vale locality team', 'Moor locality team'] as const);
  const list: Omit<Eligibility, 'id'>[] = [];
  if (council.clientType === 'Unpaid carer') list.push(eligible('CARER_S10', 'Carers’ team'));
  else if (service.type.startsWith('Short term')) {
    // Reablement comes before the question, and often answers it.
    const on = service.to ?? decidedOn;
    list.push({
      ...eligible('CARE_ACT', team),
      status: 'NOT_ELIGIBLE',
      decidedOn: on,
      reviewDueOn: null,
      from: on,
      to: null,
    });
  } else list.push(eligible(aftercare ? 'S117' : 'CARE_ACT', aftercare ? 'Aftercare team' : team));
  if (person.birthDate > bornAfter(payday, 25) && dice.chance(0.6))
    list.push(eligible('EHC', 'Preparing for adulthood team'));
  return list.map((one, i) => ({ id: `EL-${key}-${i + 1}`, ...one }));
}
