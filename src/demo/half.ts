/** The two halves of a made-up record, each as its own side would keep it. */
import type { FundingSource, Management } from '../intake/submission.ts';
import { accountLines, cycleDays, type Line, type Term, yearDays } from './account.ts';
import { type Dice, dayText } from './dice.ts';
import {
  agencies,
  careHomes,
  coordinators,
  goals,
  needs,
  origins,
  relationships,
  whatMatters,
} from './name.ts';
import type { CouncilHalf, NhsHalf, PlacePerson } from './place.ts';
import { wenshire } from './wenshire.ts';

/** What is drawn for one person alone, after the halves are there. */
export interface OwnGround {
  dice: Dice;
  payday: number;
  /** The part of the person's ids that tells people apart. */
  key: string;
  /** One of the people with a story, who stay as they are told. */
  told: boolean;
}

/** What everything is drawn from. */
export interface Ground {
  dice: Dice;
  /** The latest payday: nothing in the place is later but what is promised. */
  payday: number;
  nhsNumber: () => string;
  /** An event reference of the council, `999_1` and on. */
  eventReference: () => string;
}

type State = 'OPEN' | 'SUSPENDED' | 'ENDED';
type Who = Pick<PlacePerson, 'familyName' | 'givenName' | 'birthDate' | 'deathDate' | 'postcode'>;

/** A budget lasts a year at most, so that what is paid in never passes what was agreed for a year. */
function termFor({ dice, payday }: Ground, state: State, openCycles = dice.between(0, 12)): Term {
  const back = (cycles: number): number => payday - cycles * cycleDays;
  switch (state) {
    case 'OPEN':
      return { from: back(openCycles), to: null, stopped: null };
    case 'SUSPENDED':
      return { from: back(dice.between(4, 12)), to: null, stopped: back(dice.between(1, 3)) };
    case 'ENDED': {
      const from = back(dice.between(14, 18));
      return { from, to: from + dice.between(5, 13) * cycleDays, stopped: null };
    }
  }
}

function operatorOf(management: Management): string | null {
  if (management === 'MANAGED_ACCOUNT') return wenshire.charity.code;
  if (management === 'THIRD_PARTY' || management === 'INDIVIDUAL_SERVICE_FUND')
    return wenshire.fundHolder.code;
  return null;
}

const holderName: Record<Management, string> = {
  NOTIONAL: wenshire.icb.name,
  COUNCIL_MANAGED: wenshire.council.name,
  DIRECT_PAYMENT: 'Direct payment account',
  MANAGED_ACCOUNT: `${wenshire.charity.name}, managed account`,
  THIRD_PARTY: `${wenshire.fundHolder.name}, third-party budget`,
  INDIVIDUAL_SERVICE_FUND: `${wenshire.fundHolder.name}, individual service fund`,
};

/** Money is only paid over where somebody other than its owner buys. */
const isPaidOver = (management: Management): boolean =>
  management !== 'NOTIONAL' && management !== 'COUNCIL_MANAGED';

const pounds = (dice: Dice, low: number, high: number): bigint => BigInt(dice.between(low, high)) * 100n;

/** Some of a list, in its order, none twice. */
function some<T>(dice: Dice, list: readonly T[], count: number): T[] {
  const start = dice.between(0, list.length - 1);
  return Array.from({ length: count }, (_, i) => list[(start + i * 5) % list.length]!);
}

export interface NhsWish {
  management: Management | null;
  state?: State;
  /** How many pay cycles ago an open budget began, at most twelve; drawn where it is not given. */
  openCycles?: number;
  /** Four-weekly amount; drawn where it is not given. */
  pence?: bigint;
  /** A single sum for a significant purchase, beside the four-weekly money. */
  oneOff?: { pence: bigint; what: string; management: Management };
  wages?: string;
}

export function nhsHalf(ground: Ground, key: string, who: Who, wish: NhsWish): NhsHalf {
  const { dice, payday } = ground;
  const term = termFor(ground, wish.state ?? 'OPEN', wish.openCycles);
  const related: NhsHalf['related'] = dice.chance(0.35)
    ? [
        {
          id: `rp-${key}-1`,
          name: `${dice.pick(dice.pick(origins).female)} ${who.familyName}`,
          nhsNumber: dice.chance(0.6) ? ground.nhsNumber() : null,
          relationship: dice.pick(relationships),
          authority: dice.pick([
            'NEXT_OF_KIN',
            'NEXT_OF_KIN',
            'LPA_HEALTH_AND_WELFARE',
            'LPA_PROPERTY_AND_FINANCE',
            'DEPUTY',
          ] as const),
          from: dayText(term.from - dice.between(30, 900)),
        },
      ]
    : [];
  const plan: NhsHalf['plan'] =
    wish.management !== null || dice.chance(0.5)
      ? {
          id: `cp-${key}`,
          title: 'Personalised care and support plan',
          whatMatters: dice.pick(whatMatters),
          needs: some(dice, needs, dice.between(1, 4)),
          goals: some(dice, goals, dice.between(1, 3)).map((text, i) => ({
            id: `goal-${key}-${i + 1}`,
            text,
            status: dice.pick(['proposed', 'active', 'active', 'completed'] as const),
            targetOn: dice.chance(0.7) ? dayText(payday + dice.between(30, 300)) : null,
          })),
          coordinatorName: dice.pick(coordinators),
          from: dayText(term.from),
          to: dayText(term.from + yearDays - 1),
        }
      : null;
  return {
    patientId: `p-${key}`,
    restricted: false,
    supersededNhsNumbers: [],
    related,
    eligibilities: [],
    reviews: [],
    plan,
    budget: wish.management === null ? null : nhsBudget(ground, key, who, term, wish.management, wish),
  };
}

function nhsBudget(
  { dice, payday }: Ground,
  key: string,
  who: Who,
  term: Term,
  management: Management,
  wish: NhsWish,
): NonNullable<NhsHalf['budget']> {
  const pence = wish.pence ?? pounds(dice, 240, 2_900);
  const payments: Line[] = [];
  if (isPaidOver(management)) {
    const text = {
      paidIn: holderName[management],
      wages: wish.wages ?? `${who.familyName} personal assistants payroll`,
      repaid: wenshire.icb.name,
    };
    payments.push(...accountLines(dice, payday, term, [{ source: 'ICB', pence }], text));
  }
  const oneOff =
    wish.oneOff ??
    (dice.chance(0.2)
      ? { pence: pounds(dice, 300, 6_000), what: 'Tideway Mobility, wheelchair', management }
      : null);
  if (oneOff && isPaidOver(oneOff.management)) {
    const line = { source: 'ICB' as FundingSource, pence: oneOff.pence, on: dayText(term.from) };
    payments.push({ ...line, kind: 'PAID_IN', text: holderName[oneOff.management] });
    payments.push({ ...line, kind: 'SPENT', text: oneOff.what });
  }
  const portions = [{ management, recurring: true, amountPence: pence * 13n }];
  if (oneOff) portions.push({ management: oneOff.management, recurring: false, amountPence: oneOff.pence });
  return {
    id: `acc-${key}`,
    from: dayText(term.from),
    to: term.to === null ? null : dayText(term.to),
    status: term.stopped !== null ? 'on-hold' : term.to !== null ? 'inactive' : 'active',
    stage: null,
    indicativePence: null,
    agreedPence: portions.reduce((sum, portion) => sum + portion.amountPence, 0n),
    funding: [],
    portions: portions.map((portion) => ({
      ...portion,
      channel: null,
      accountOperatorCode: operatorOf(portion.management),
    })),
    payments: payments.map(({ kind, pence: amount, on, text }, i) => ({
      id: `pn-${key}-${String(i + 1).padStart(3, '0')}`,
      kind,
      pence: amount,
      on,
      payee: text,
    })),
  };
}

export interface CouncilWish {
  care: 'BUDGET' | 'COMMISSIONED' | 'SHORT_TERM' | 'CARER';
  management?: Management;
  state?: 'OPEN' | 'ENDED';
  openCycles?: number;
  /** What the council and what the person pays every four weeks; drawn where they are not given. */
  pence?: { council: bigint; contribution: bigint };
  wages?: string;
  daySupport?: boolean;
}

export function councilHalf(
  ground: Ground,
  key: string,
  nhsNumber: string | null,
  who: Who,
  wish: CouncilWish,
): CouncilHalf {
  const { dice, payday } = ground;
  const state = wish.care === 'SHORT_TERM' ? 'ENDED' : (wish.state ?? 'OPEN');
  const term = termFor(ground, state, wish.openCycles);
  const memory = who.birthDate < '1955' && dice.chance(0.35);
  const budget =
    wish.care === 'BUDGET'
      ? councilBudget(ground, key, who, term, wish.management ?? 'DIRECT_PAYMENT', wish)
      : null;
  const endsAt = term.to === null ? null : dayText(term.to);
  const reviews = (wish.care === 'SHORT_TERM' ? [41] : [49, 49 + 364])
    .map((days) => term.from + days)
    .filter((day) => day <= Math.min(payday, term.to ?? payday))
    .map((day) => ({
      reference: ground.eventReference(),
      from: dayText(day - 6),
      to: dayText(day),
      reason: wish.care === 'SHORT_TERM' ? 'Review of short term support' : 'Planned',
      method:
        wish.care === 'CARER' ? 'Carer only' : dice.pick(['Service user only', 'Service user and carer']),
      outcome:
        wish.care === 'SHORT_TERM' ? 'NFA: Support ended as planned' : 'Continuation of support or services',
      achieved: dice.pick(['Fully Met', 'Partially Met', 'Partially Met', 'Not Met']),
    }));
  return {
    laPersonId: `W${key}`,
    nhsNumber,
    familyName: who.familyName,
    givenName: who.givenName,
    birthDate: who.birthDate,
    deathDate: who.deathDate,
    postcode: who.postcode,
    clientType: wish.care === 'CARER' ? 'Unpaid carer' : 'Service user',
    primarySupportReason:
      wish.care === 'CARER'
        ? 'Social support: Support to unpaid carer'
        : memory
          ? 'Support with memory and cognition'
          : dice.pick(supportReasons),
    dementia: memory ? 'Yes' : dice.pick(['No', 'No', 'Unknown'] as const),
    requests: [
      {
        reference: ground.eventReference(),
        from: dayText(term.from - 41),
        to: dayText(term.from - 36),
        outcome: 'Progress to assessment, review or reassessment',
      },
    ],
    assessments: [
      {
        reference: ground.eventReference(),
        from: dayText(term.from - 35),
        to: dayText(term.from - dice.between(7, 21)),
        type: wish.care === 'SHORT_TERM' ? 'Short term assessment' : 'Long term assessment',
        outcome: 'Progress to support planning or services',
      },
    ],
    services: servicesOf(dice, wish, budget).map((service) => ({
      reference: ground.eventReference(),
      from: dayText(term.from),
      to: wish.care === 'SHORT_TERM' ? dayText(term.from + 42) : endsAt,
      ...service,
    })),
    reviews,
    eligibilities: [],
    moneyReviews: [],
    budget,
  };
}

const supportReasons = [
  'Physical support: Personal care support',
  'Physical support: Personal care support',
  'Physical support: Access and mobility only',
  'Learning disability support',
  'Learning disability support',
  'Mental health support',
  'Sensory support: Support for visual impairment',
  'Social support: Support for social isolation or other reason',
] as const;

type Service = Omit<CouncilHalf['services'][number], 'reference' | 'from' | 'to'>;

function servicesOf(dice: Dice, wish: CouncilWish, budget: CouncilHalf['budget']): Service[] {
  const agency = dice.pick(agencies);
  const homeSupport: Service = {
    type: 'Long term support: Community',
    component: 'Home support or domiciliary care',
    mechanism: 'CASSR commissioned support',
    providerName: agency.name,
    providerCqcLocationId: agency.location,
    unitCostPence: BigInt(dice.between(2_050, 2_780)),
    costFrequency: 'Hourly',
    plannedUnitsPerWeek: `${dice.between(3, 35)}.${dice.pick(['00', '25', '50', '75'])}`,
  };
  if (wish.care === 'SHORT_TERM') {
    return [{ ...homeSupport, type: 'Short term support: ST-Max', component: 'Reablement' }];
  }
  if (wish.care === 'CARER') {
    return [
      {
        ...homeSupport,
        type: 'Unpaid carer support: Direct to unpaid carer',
        component: 'Unpaid carer universal services',
        providerName: wenshire.charity.name,
        providerCqcLocationId: null,
        unitCostPence: pounds(dice, 15, 60),
        costFrequency: 'Monthly',
        plannedUnitsPerWeek: null,
      },
    ];
  }
  if (!budget) {
    if (dice.chance(0.6)) return [homeSupport];
    const home = dice.pick(careHomes);
    return [
      {
        ...homeSupport,
        type: 'Long term support: Residential care',
        component: 'Long term residential care',
        providerName: home.name,
        providerCqcLocationId: home.location,
        unitCostPence: pounds(dice, 690, 1_240),
        costFrequency: 'Weekly',
        plannedUnitsPerWeek: null,
      },
    ];
  }
  const isDirectPayment = budget.management === 'DIRECT_PAYMENT' || budget.management === 'MANAGED_ACCOUNT';
  const services: Service[] = [
    {
      type: 'Long term support: Community',
      component: isDirectPayment ? 'Direct payment' : 'Home support or domiciliary care',
      mechanism: isDirectPayment ? 'Direct payment' : 'CASSR managed personal budget',
      providerName: isDirectPayment ? null : agency.name,
      providerCqcLocationId: isDirectPayment ? null : agency.location,
      unitCostPence: budget.agreedPence / 52n,
      costFrequency: 'Weekly',
      plannedUnitsPerWeek: null,
    },
  ];
  if (wish.daySupport || dice.chance(0.15)) {
    services.push({
      ...homeSupport,
      component: 'Day support',
      providerName: 'Fernbank Day Centre',
      providerCqcLocationId: null,
      unitCostPence: 5_450n,
      costFrequency: 'Per session',
      plannedUnitsPerWeek: '2.00',
    });
  }
  return services;
}

function councilBudget(
  { dice, payday }: Ground,
  key: string,
  who: Who,
  term: Term,
  management: Management,
  wish: CouncilWish,
): NonNullable<CouncilHalf['budget']> {
  // Four-weekly sums in whole pounds divide by four, so that the weekly cost is exact to the penny.
  const council = wish.pence?.council ?? pounds(dice, 160, 1_900);
  const contribution = wish.pence?.contribution ?? (dice.chance(0.6) ? pounds(dice, 20, 320) : 0n);
  const shares = [
    { source: 'COUNCIL' as const, pence: council },
    { source: 'CLIENT_CONTRIBUTION' as const, pence: contribution },
  ].filter((share) => share.pence > 0n);
  const lines = isPaidOver(management)
    ? accountLines(dice, payday, term, shares, {
        paidIn: holderName[management],
        wages: wish.wages ?? `${who.familyName} personal assistants payroll`,
        repaid: wenshire.council.name,
      })
    : [];
  // A statement closes the day before a payday; an account opened since then shows its first day.
  const asAt = dayText(Math.max(term.from, Math.min(payday - 1, term.to ?? payday)));
  return {
    id: `PB-${key}`,
    from: dayText(term.from),
    to: term.to === null ? null : dayText(term.to),
    stage: null,
    indicativePence: null,
    stream: '',
    otherFunding: [],
    channel: null,
    agreedPence: (council + contribution) * 13n,
    contributionPence: contribution * 13n,
    management,
    accountOperatorCode: operatorOf(management),
    payments: lines.map(({ kind, source, pence, on, text }, i) => ({
      id: `PB-${key}-${String(i + 1).padStart(3, '0')}`,
      kind,
      source,
      pence,
      on,
      description: text,
    })),
    balance: {
      asAt,
      pence: lines
        .filter((line) => line.kind !== 'COMMITTED' && line.on <= asAt)
        .reduce((sum, line) => sum + (line.kind === 'PAID_IN' ? line.pence : -line.pence), 0n),
    },
  };
}
