/** The NHS half of a made-up person as FHIR R4 resources: UK Core where it has a profile, base R4 where it has none. */
import { cycleDays } from './account.ts';
import { dayNumber, dayText } from './dice.ts';
import type { Eligibility, HeldReview, NhsHalf, PlacePerson } from './place.ts';
import { wenshire } from './wenshire.ts';

export const nhsResourceTypes = [
  'Patient',
  'EpisodeOfCare',
  'RelatedPerson',
  'Goal',
  'CarePlan',
  'Account',
  'PaymentNotice',
  'Procedure',
] as const;
export type NhsResourceType = (typeof nhsResourceTypes)[number];

export interface Resource {
  resourceType: string;
  id: string;
  [element: string]: unknown;
}

/** A resource not yet written: in a large place most are never asked for. */
export interface Sketch {
  id: string;
  /** The day on which the NHS system last touched it, where a fact of it says so. */
  changedOn: string | null;
  render: () => Resource;
}

const nhsNumberSystem = 'https://fhir.nhs.uk/Id/nhs-number';
const odsSystem = 'https://fhir.nhs.uk/Id/ods-organization-code';
const ownExtension = 'https://tandem.example/fhir/StructureDefinition';
const ownCodes = 'https://tandem.example/fhir/CodeSystem';

const ukCore = (profile: string): { profile: string[] } => ({
  profile: [`https://fhir.hl7.org.uk/StructureDefinition/UKCore-${profile}`],
});
const organisation = (code: string, display?: string): object => ({
  type: 'Organization',
  identifier: { system: odsSystem, value: code },
  ...(display && { display }),
});

/**
 * A JSON number is the only way FHIR has for an amount. Up to twelve digits before the point a double holds pence
 * without loss.
 */
const money = (pence: bigint): object => ({ value: Number(pence) / 100, currency: 'GBP' });
const code = (value: string): string => value.toLowerCase().replaceAll('_', '-');

export function* sketches(type: NhsResourceType, people: readonly PlacePerson[]): Generator<Sketch> {
  for (const person of people) {
    const { nhs } = person;
    if (nhs) yield* sketchesOf[type](person, nhs);
  }
}

const sketchesOf: Record<NhsResourceType, (person: PlacePerson, nhs: NhsHalf) => Sketch[]> = {
  Patient: (person, nhs) => [
    { id: nhs.patientId, changedOn: person.deathDate, render: () => patient(person, nhs) },
  ],
  EpisodeOfCare: (_, { patientId, eligibilities }) =>
    eligibilities.map((one) => ({
      id: one.id,
      changedOn: one.to ?? one.decidedOn ?? one.from,
      render: () => episodeOfCare(patientId, one),
    })),
  RelatedPerson: (_, nhs) =>
    nhs.related.map((one) => ({ id: one.id, changedOn: one.from, render: () => relatedPerson(nhs, one) })),
  Goal: (_, { patientId, plan }) =>
    plan?.goals.map((one) => ({ id: one.id, changedOn: plan.from, render: () => goal(patientId, one) })) ??
    [],
  CarePlan: (_, { patientId, plan }) =>
    plan ? [{ id: plan.id, changedOn: plan.from, render: () => carePlan(patientId, plan) }] : [],
  Account: (_, { patientId, budget }) =>
    budget
      ? [
          {
            id: budget.id,
            // What is not in force yet was put down some weeks before.
            changedOn:
              budget.stage === null ? (budget.to ?? budget.from) : dayText(dayNumber(budget.from) - 40),
            render: () => account(patientId, budget),
          },
        ]
      : [],
  PaymentNotice: (_, { patientId, budget }) =>
    budget?.payments.map((one) => ({
      id: one.id,
      // Whatever is promised was promised a pay cycle before it falls due.
      changedOn: one.kind === 'COMMITTED' ? dayText(dayNumber(one.on) - cycleDays) : one.on,
      render: () => paymentNotice(patientId, budget, one),
    })) ?? [],
  Procedure: (_, { patientId, reviews }) =>
    reviews.map((one) => ({ id: one.id, changedOn: one.to, render: () => procedure(patientId, one) })),
};

function patient(person: PlacePerson, nhs: NhsHalf): Resource {
  return {
    resourceType: 'Patient',
    id: nhs.patientId,
    meta: {
      ...ukCore('Patient'),
      security: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
          code: nhs.restricted ? 'R' : 'U',
          display: nhs.restricted ? 'restricted' : 'unrestricted',
        },
      ],
    },
    identifier: [
      {
        extension: [
          {
            url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus',
            valueCodeableConcept: {
              coding: [
                {
                  system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland',
                  code: '01',
                  display: 'Number present and verified',
                },
              ],
            },
          },
        ],
        system: nhsNumberSystem,
        value: person.nhsNumber,
      },
    ],
    active: true,
    name: [{ use: 'official', family: person.familyName, given: [person.givenName] }],
    gender: person.gender.toLowerCase(),
    birthDate: person.birthDate,
    ...(person.deathDate && { deceasedDateTime: `${person.deathDate}T00:00:00+00:00` }),
    ...(!nhs.restricted && { address: [{ use: 'home', postalCode: person.postcode }] }),
    managingOrganization: organisation(wenshire.icb.code, wenshire.icb.name),
    ...(nhs.supersededNhsNumbers.length > 0 && {
      link: nhs.supersededNhsNumbers.map((value) => ({
        type: 'replaces',
        other: { type: 'Patient', identifier: { system: nhsNumberSystem, value } },
      })),
    }),
  };
}

const lastDayBefore = (day: string): string => dayText(dayNumber(day) - 1);

/** A decision for somebody begins an episode of care, one against ends what was planned. */
function episodeOfCare(patientId: string, one: Eligibility): Resource {
  const isRefused = one.status === 'NOT_ELIGIBLE';
  const status =
    one.status === 'ASSESSING'
      ? 'planned'
      : isRefused
        ? 'cancelled'
        : one.to === null
          ? 'active'
          : 'finished';
  const asked = dayText(dayNumber(one.decidedOn ?? one.from) - (one.decidedOn === null ? 0 : 28));
  const period = isRefused
    ? { start: asked, end: one.from }
    : { start: one.from, ...(one.to && { end: lastDayBefore(one.to) }) };
  return {
    resourceType: 'EpisodeOfCare',
    id: one.id,
    meta: ukCore('EpisodeOfCare'),
    extension: [
      ...(one.decidedOn ? [{ url: `${ownExtension}/decided-on`, valueDate: one.decidedOn }] : []),
      ...(one.reviewer ? [{ url: `${ownExtension}/reviewer`, valueString: one.reviewer }] : []),
      ...(one.reviewDueOn ? [{ url: `${ownExtension}/review-due`, valueDate: one.reviewDueOn }] : []),
    ],
    status,
    statusHistory: [
      { status: 'planned', period: { start: asked, ...(one.decidedOn && { end: one.decidedOn }) } },
      ...(one.decidedOn
        ? [{ status: isRefused ? 'cancelled' : 'active', period: { start: one.decidedOn } }]
        : []),
    ],
    type: [{ coding: [{ system: `${ownCodes}/eligibility-scheme`, code: code(one.scheme) }] }],
    patient: { reference: `Patient/${patientId}` },
    managingOrganization: organisation(wenshire.icb.code, wenshire.icb.name),
    period,
  };
}

function procedure(patientId: string, one: HeldReview): Resource {
  return {
    resourceType: 'Procedure',
    id: one.id,
    meta: ukCore('Procedure'),
    extension: [{ url: `${ownExtension}/review-method`, valueString: one.method }],
    status: 'completed',
    code: { coding: [{ system: `${ownCodes}/review-kind`, code: code(one.kind) }] },
    subject: { reference: `Patient/${patientId}` },
    ...(one.from === one.to
      ? { performedDateTime: one.to }
      : { performedPeriod: { start: one.from, end: one.to } }),
    reasonCode: [{ text: one.reason }],
    outcome: { text: one.outcome },
  };
}

function relatedPerson({ patientId }: NhsHalf, one: NhsHalf['related'][number]): Resource {
  const [given, ...family] = one.name.split(' ');
  return {
    resourceType: 'RelatedPerson',
    id: one.id,
    meta: ukCore('RelatedPerson'),
    extension: [{ url: `${ownExtension}/authority`, valueCode: code(one.authority) }],
    ...(one.nhsNumber && { identifier: [{ system: nhsNumberSystem, value: one.nhsNumber }] }),
    active: true,
    patient: { reference: `Patient/${patientId}` },
    relationship: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', ...one.relationship }] },
    ],
    name: [{ use: 'official', family: family.join(' '), given: [given] }],
    period: { start: one.from },
  };
}

type Plan = NonNullable<NhsHalf['plan']>;
type Budget = NonNullable<NhsHalf['budget']>;

function goal(patientId: string, one: Plan['goals'][number]): Resource {
  return {
    resourceType: 'Goal',
    id: one.id,
    meta: {},
    lifecycleStatus: one.status,
    ...(one.status === 'completed' && {
      achievementStatus: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/goal-achievement', code: 'achieved' }],
      },
    }),
    description: { text: one.text },
    subject: { reference: `Patient/${patientId}` },
    ...(one.targetOn && { target: [{ dueDate: one.targetOn }] }),
  };
}

function carePlan(patientId: string, plan: Plan): Resource {
  const subject = { reference: `Patient/${patientId}` };
  return {
    resourceType: 'CarePlan',
    id: plan.id,
    meta: ukCore('CarePlan'),
    contained: [
      ...plan.needs.map((text, i) => ({
        resourceType: 'Condition',
        id: `need-${i + 1}`,
        code: { text },
        subject,
      })),
      {
        resourceType: 'CareTeam',
        id: 'care-team',
        participant: [
          {
            role: [{ coding: [{ system: `${ownCodes}/care-team-role`, code: 'named-coordinator' }] }],
            member: { type: 'Practitioner', display: plan.coordinatorName },
          },
        ],
      },
    ],
    status: 'active',
    intent: 'plan',
    category: [{ text: 'Personalised care and support plan' }],
    title: plan.title,
    subject,
    period: { start: plan.from, end: plan.to },
    careTeam: [{ reference: '#care-team' }],
    addresses: plan.needs.map((_, i) => ({ reference: `#need-${i + 1}` })),
    goal: plan.goals.map(({ id }) => ({ reference: `Goal/${id}` })),
    note: [{ authorReference: subject, text: plan.whatMatters }],
  };
}

function account(patientId: string, budget: Budget): Resource {
  return {
    resourceType: 'Account',
    id: budget.id,
    meta: {},
    extension: [
      { url: `${ownExtension}/agreed-amount`, valueMoney: money(budget.agreedPence) },
      ...(budget.indicativePence === null
        ? []
        : [{ url: `${ownExtension}/indicative-amount`, valueMoney: money(budget.indicativePence) }]),
      ...(budget.stage === null ? [] : [{ url: `${ownExtension}/stage`, valueCode: code(budget.stage) }]),
      ...budget.funding.map(({ source, stream, pence }) => ({
        url: `${ownExtension}/funding`,
        extension: [
          { url: 'source', valueCode: code(source) },
          ...(stream ? [{ url: 'stream', valueString: stream }] : []),
          { url: 'amount', valueMoney: money(pence) },
        ],
      })),
      ...budget.portions.map((portion) => ({
        url: `${ownExtension}/portion`,
        extension: [
          { url: 'management', valueCode: code(portion.management) },
          { url: 'recurring', valueBoolean: portion.recurring },
          { url: 'amount', valueMoney: money(portion.amountPence) },
          ...(portion.channel ? [{ url: 'channel', valueCode: code(portion.channel) }] : []),
          ...(portion.accountOperatorCode
            ? [{ url: 'account-operator', valueReference: organisation(portion.accountOperatorCode) }]
            : []),
        ],
      })),
    ],
    status: budget.status,
    type: { coding: [{ system: `${ownCodes}/budget-kind`, code: 'personal-health-budget' }] },
    subject: [{ reference: `Patient/${patientId}` }],
    servicePeriod: { start: budget.from, ...(budget.to && { end: budget.to }) },
    owner: organisation(wenshire.icb.code, wenshire.icb.name),
  };
}

function paymentNotice(patientId: string, budget: Budget, one: Budget['payments'][number]): Resource {
  return {
    resourceType: 'PaymentNotice',
    id: one.id,
    meta: {},
    extension: [
      { url: `${ownExtension}/payment-kind`, valueCode: code(one.kind) },
      { url: `${ownExtension}/payment-subject`, valueReference: { reference: `Patient/${patientId}` } },
    ],
    status: one.kind === 'COMMITTED' ? 'draft' : 'active',
    request: { reference: `Account/${budget.id}` },
    created: `${one.on}T09:00:00+00:00`,
    // R4 wants a reconciliation and a recipient; the bank's own reference and the board stand for them.
    payment: { identifier: { system: 'https://tandem.example/fhir/Id/bank-reference', value: one.id } },
    paymentDate: one.on,
    payee: { type: 'Organization', display: one.payee },
    recipient: organisation(wenshire.icb.code),
    amount: money(one.pence),
  };
}
