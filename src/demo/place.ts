/**
 * The made-up place: Wenshire, with one integrated care board, one council and one carers' charity. Everybody in
 * it is invented. `makePlace` is deterministic: the same seed and size give the same people, so that two processes,
 * or two starts, serve the same data.
 */
import type {
  EligibilityFacts,
  FundingSource,
  Gender,
  Management,
  PaymentChannel,
  ReviewFacts,
} from '../intake/submission.ts';
import { paydayUpTo } from './account.ts';
import { isCanary, markCanary } from './canary.ts';
import { growUp } from './child.ts';
import { type Dice, dayNumber, dayText, makeDice, makeNhsNumbers } from './dice.ts';
import { entitle } from './entitlement.ts';
import { foundingPeople } from './founding.ts';
import { fund } from './funding.ts';
import { type CouncilWish, councilHalf, type Ground, nhsHalf } from './half.ts';
import { hold } from './held-review.ts';
import { origins, shortNames } from './name.ts';
import { wenshire } from './wenshire.ts';

export { wenshire };

export interface PlacePerson {
  familyName: string;
  givenName: string;
  gender: Gender;
  birthDate: string;
  deathDate: string | null;
  postcode: string;
  /** As the NHS holds it today. */
  nhsNumber: string;
  nhs: NhsHalf | null;
  council: CouncilHalf | null;
}

/** From one day to the first day without. */
export interface Eligibility extends Omit<EligibilityFacts, 'decidedByCode'> {
  id: string;
}

export interface HeldReview {
  id: string;
  kind: ReviewFacts['kind'];
  from: string;
  to: string;
  reason: string;
  method: string;
  outcome: string;
}

/** A budget that is not in force yet, and how far it has come. */
export type Stage = 'INDICATIVE' | 'PROPOSED' | 'SIGNED_OFF';

/** A part of a budget's money, for a year, by who gives it. */
export interface Funding {
  source: FundingSource;
  stream: string;
  pence: bigint;
}

export interface NhsHalf {
  /** Resource id of the Patient in the NHS system. */
  patientId: string;
  restricted: boolean;
  supersededNhsNumbers: string[];
  related: {
    id: string;
    name: string;
    nhsNumber: string | null;
    /** Code and words of HL7 v3 RoleCode, e.g. DAU, daughter. */
    relationship: { code: string; display: string };
    authority:
      | 'LPA_HEALTH_AND_WELFARE'
      | 'LPA_PROPERTY_AND_FINANCE'
      | 'DEPUTY'
      | 'REPRESENTATIVE'
      | 'NEXT_OF_KIN';
    from: string;
  }[];
  eligibilities: Eligibility[];
  reviews: HeldReview[];
  plan: {
    id: string;
    title: string;
    whatMatters: string;
    needs: string[];
    goals: {
      id: string;
      text: string;
      status: 'proposed' | 'active' | 'completed';
      targetOn: string | null;
    }[];
    coordinatorName: string;
    from: string;
    to: string;
  } | null;
  budget: {
    id: string;
    from: string;
    to: string | null;
    status: 'active' | 'on-hold' | 'inactive';
    stage: Stage | null;
    indicativePence: bigint | null;
    agreedPence: bigint;
    /** Together what is agreed. */
    funding: Funding[];
    portions: {
      management: Management;
      recurring: boolean;
      amountPence: bigint;
      channel: PaymentChannel | null;
      accountOperatorCode: string | null;
    }[];
    payments: {
      id: string;
      kind: 'PAID_IN' | 'SPENT' | 'COMMITTED' | 'REPAID';
      pence: bigint;
      on: string;
      payee: string;
    }[];
  } | null;
}

export interface CouncilHalf {
  /** LA Person Unique Identifier. */
  laPersonId: string;
  /** What the council knows; null where it never asked, and the superseded one where it never heard. */
  nhsNumber: string | null;
  /** The council's own spelling, which need not be the NHS's. */
  familyName: string;
  givenName: string;
  birthDate: string;
  deathDate: string | null;
  postcode: string;
  clientType: 'Service user' | 'Unpaid carer';
  primarySupportReason: string;
  dementia: 'Yes' | 'No' | 'Unknown';
  /** CLD Release 2 values throughout. */
  requests: { reference: string; from: string; to: string; outcome: string }[];
  assessments: { reference: string; from: string; to: string; type: string; outcome: string }[];
  services: {
    reference: string;
    from: string;
    to: string | null;
    type: string;
    component: string;
    mechanism: string;
    providerName: string | null;
    providerCqcLocationId: string | null;
    unitCostPence: bigint;
    costFrequency: string;
    plannedUnitsPerWeek: string | null;
  }[];
  reviews: {
    reference: string;
    from: string;
    to: string;
    reason: string;
    method: string;
    outcome: string;
    achieved: string;
  }[];
  eligibilities: Eligibility[];
  /** Of direct payments, and audits: Client Level Data has none of them. */
  moneyReviews: HeldReview[];
  budget: {
    id: string;
    from: string;
    to: string | null;
    stage: Stage | null;
    indicativePence: bigint | null;
    /** The programme of the council's own money. */
    stream: string;
    /** What is neither the council's nor the person's contribution; part of the agreed amount. */
    otherFunding: Funding[];
    channel: PaymentChannel | null;
    /** What meeting the needs costs in a year; the person's own contribution is part of it. */
    agreedPence: bigint;
    contributionPence: bigint;
    management: Management;
    accountOperatorCode: string | null;
    payments: {
      id: string;
      kind: 'PAID_IN' | 'SPENT' | 'COMMITTED' | 'REPAID';
      source: FundingSource;
      pence: bigint;
      on: string;
      description: string;
    }[];
    /** Null while there is no account yet. */
    balance: { asAt: string; pence: bigint } | null;
  } | null;
}

export interface Place {
  people: PlacePerson[];
}

/** Where the people with a story stand in `people`. The rest come by chance. */
export const founding = {
  /** Dementia; one managed account for both budgets, run by the charity; her daughter decides with her. */
  irisHolloway: 0,
  /** Runs his own direct payments from both sides. */
  danielOkafor: 1,
  /** Has a new NHS number; the council still holds the old one. */
  numberSuperseded: 2,
  /** A restricted record on the NHS side; the council holds the postcode. */
  restricted: 3,
  /** Died some weeks ago; the council has not heard, and its service is open. */
  diedLastMonth: 4,
  /** Day and month of birth swapped on the council side. */
  birthDateSwapped: 5,
  /** The council typed somebody else's NHS number: its half is another person. */
  wrongNumber: 6,
  /** The council never asked for an NHS number, and the NHS side does not know the person. */
  withoutNumber: 7,
  /** NHS side only, a notional budget. */
  notionalOnly: 8,
  /** Council side only, commissioned care. */
  commissionedOnly: 9,
  /** Known to the council as an unpaid carer. */
  unpaidCarer: 10,
} as const;

/**
 * Same seed, size and pay cycle (of four weeks) that `today` falls in: same place. A larger place begins with the people of a
 * smaller one. One person in three is known to both sides, one to the NHS only, one to the council only.
 */
export function makePlace({
  seed = 1,
  size = 520,
  today,
}: {
  seed?: number;
  size?: number;
  today: string;
}): Place {
  const dice = makeDice(seed);
  let events = 0;
  const ground: Ground = {
    dice,
    payday: paydayUpTo(dayNumber(today)),
    nhsNumber: makeNhsNumbers(seed),
    eventReference: () => `${wenshire.council.code}_${++events}`,
  };
  const people = foundingPeople(ground);
  while (people.length < size) people.push(anybody(ground, keyOf(people.length)));
  people.length = size;
  people.forEach((person, index) => {
    const key = keyOf(index);
    // Chance of one's own: what is drawn here changes nothing of anybody else.
    const own = {
      dice: makeDice(seed * 1_000_003 + index),
      payday: ground.payday,
      key,
      told: index in stories,
    };
    growUp(own, person);
    entitle(own, person);
    fund(own, person);
    hold(own, person);
    if (isCanary(index)) markCanary(person);
  });
  return { people };
}

const stories = Object.fromEntries(Object.entries(founding).map(([name, index]) => [index, name]));

/** The part of every id that tells people apart: "000001" for the first. */
const keyOf = (index: number): string => String(index + 1).padStart(6, '0');

function anybody(ground: Ground, key: string): PlacePerson {
  const { dice } = ground;
  const origin = dice.pick(origins);
  const gender = dice.chance(0.55) ? 'FEMALE' : 'MALE';
  const person: PlacePerson = {
    familyName: dice.pick(origin.family),
    givenName: dice.pick(gender === 'FEMALE' ? origin.female : origin.male),
    // A few records on any system do not say.
    gender: dice.chance(0.01) ? 'UNKNOWN' : gender,
    birthDate: dayText(dice.between(dayNumber('1929-01-01'), dayNumber('2007-12-31'))),
    deathDate: null,
    postcode: postcode(dice),
    nhsNumber: ground.nhsNumber(),
    nhs: null,
    council: null,
  };
  const side = dice.between(0, 2);
  const management = dice.pick(managements);
  if (side !== 2) {
    const state = dice.chance(0.06) ? 'SUSPENDED' : dice.chance(0.1) ? 'ENDED' : 'OPEN';
    person.nhs = nhsHalf(ground, key, person, { management, state });
    if (state === 'ENDED' && dice.chance(0.3)) person.deathDate = person.nhs.budget?.to ?? null;
    person.nhs.restricted = dice.chance(0.005);
    if (dice.chance(0.01)) person.nhs.supersededNhsNumbers.push(ground.nhsNumber());
  }
  if (side !== 1) {
    person.council = councilHalf(
      ground,
      key,
      dice.chance(0.9) ? person.nhsNumber : null,
      person,
      councilWish(dice, management),
    );
    if (side === 0) disagree(ground, person, person.council);
  }
  return person;
}

const managements = [
  ...Array<null>(9).fill(null),
  ...Array<'NOTIONAL'>(12).fill('NOTIONAL'),
  ...Array<'DIRECT_PAYMENT'>(8).fill('DIRECT_PAYMENT'),
  ...Array<'MANAGED_ACCOUNT'>(7).fill('MANAGED_ACCOUNT'),
  ...Array<'THIRD_PARTY'>(2).fill('THIRD_PARTY'),
  ...Array<'INDIVIDUAL_SERVICE_FUND'>(2).fill('INDIVIDUAL_SERVICE_FUND'),
] as const;

/** Whoever has a managed account or a direct payment from one side mostly has the same from the other. */
function councilWish(dice: Dice, nhs: (typeof managements)[number]): CouncilWish {
  const state = dice.chance(0.1) ? 'ENDED' : 'OPEN';
  if ((nhs === 'MANAGED_ACCOUNT' || nhs === 'DIRECT_PAYMENT') && dice.chance(0.7)) {
    return { care: 'BUDGET', management: nhs, state };
  }
  const care = dice.pick(['BUDGET', 'COMMISSIONED', 'COMMISSIONED', 'SHORT_TERM', 'CARER'] as const);
  const management = dice.pick(['DIRECT_PAYMENT', 'COUNCIL_MANAGED', 'INDIVIDUAL_SERVICE_FUND'] as const);
  return { care, management, state };
}

/** What two registers of the same people disagree about, in the measure in which they do. */
function disagree({ dice }: Ground, person: PlacePerson, council: CouncilHalf): void {
  const isOpen = council.services.some((service) => service.to === null);
  if (isOpen) council.deathDate = null;
  if (dice.chance(0.04)) council.givenName = shortNames[person.givenName] ?? council.givenName;
  if (dice.chance(0.04)) council.postcode = postcode(dice);
  if (dice.chance(0.01))
    council.birthDate = dayText(dayNumber(person.birthDate) + dice.pick([-10, -1, 1, 10]));
}

/** Of the right form; no post is delivered to the area WE. */
function postcode(dice: Dice): string {
  const letters = 'ABDEFGHJLNPQRSTUWXYZ';
  return `WE${dice.between(1, 19)} ${dice.between(1, 9)}${dice.pick([...letters])}${dice.pick([...letters])}`;
}
