import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  fetchNhsPage,
  firstNhsCursor,
  type NhsAsking,
  type NhsCursor,
  type NhsFeed,
  nhsFeeds,
} from '../jobs/source/nhs-fhir.ts';
import { penceOf } from '../jobs/source/nhs-fhir-element.ts';
import { toSubmissions } from '../jobs/source/nhs-fhir-resource.ts';
import { type Page, SourceFault } from '../jobs/source/page.ts';
import type { Faults } from '../src/demo/fault.ts';
import type { Resource } from '../src/demo/nhs-resource.ts';
import { type NhsSystem, startNhsSystem } from '../src/demo/nhs-system.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import type { Problem, Submission } from '../src/intake/submission.ts';

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixture/uk-core/${name}.json`, import.meta.url), 'utf8'));

type Json = Record<string, unknown>;
interface Searchset extends Json {
  link: { relation: string; url: string }[];
  entry: { fullUrl: string; resource: Resource }[];
}

const nhsNumber = (value: unknown, status?: string) => ({
  system: 'https://fhir.nhs.uk/Id/nhs-number',
  value,
  ...(status && {
    extension: [
      {
        url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus',
        valueCodeableConcept: { coding: [{ code: status }] },
      },
    ],
  }),
});
const own = (name: string, value: Json) => ({
  url: `https://tandem.example/fhir/StructureDefinition/${name}`,
  ...value,
});
const gbp = (value: unknown) => ({ valueMoney: { value, currency: 'GBP' } });
const organisation = (value: string) => ({
  identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value },
});

const patient: Json = {
  resourceType: 'Patient',
  id: 'p-1',
  meta: { versionId: '3', lastUpdated: '2026-05-01T10:00:00Z' },
  identifier: [nhsNumber('943 476 5919', '01')],
  name: [{ use: 'official', family: 'Okeke', given: ['Ada', 'Rose'] }],
  gender: 'female',
  birthDate: '1980-02-29',
  address: [{ use: 'home', postalCode: 'we1 2ab' }],
};
const relatedPerson: Json = {
  resourceType: 'RelatedPerson',
  id: 'rp-1',
  meta: { versionId: '1', lastUpdated: '2026-05-01T10:00:00Z' },
  active: true,
  patient: { reference: 'Patient/p-1' },
  identifier: [nhsNumber('9000000009')],
  name: [{ family: 'Okeke', given: ['Chidi'] }],
  relationship: [{ coding: [{ code: 'SON', display: 'son' }] }],
  period: { start: '2024-04-01' },
  extension: [own('authority', { valueCode: 'lpa-health-and-welfare' })],
};
const goal: Json = {
  resourceType: 'Goal',
  id: 'g-1',
  meta: { versionId: '1' },
  lifecycleStatus: 'active',
  description: { text: 'Swim twice a week' },
  subject: { reference: 'https://nhs.example/fhir/Patient/p-1/_history/2' },
  target: [{ dueDate: '2026-12-31' }],
};
const carePlan: Json = {
  resourceType: 'CarePlan',
  id: 'cp-1',
  meta: { versionId: '1', lastUpdated: '2026-05-01T10:00:00Z' },
  status: 'active',
  title: 'Personalised care and support plan',
  subject: { reference: 'Patient/p-1' },
  period: { start: '2026-04-01', end: '2027-03-31' },
  contained: [
    { resourceType: 'Condition', id: 'need-1', code: { text: 'Help at night' } },
    {
      resourceType: 'CareTeam',
      id: 'team',
      participant: [
        { role: [{ text: 'Physiotherapist' }], member: { display: 'Somebody Else' } },
        {
          role: [
            {
              coding: [
                {
                  system: 'https://tandem.example/fhir/CodeSystem/care-team-role',
                  code: 'named-coordinator',
                },
              ],
            },
          ],
          member: { display: 'Ruth Ellery' },
        },
      ],
    },
  ],
  careTeam: [{ reference: '#team' }],
  addresses: [{ reference: '#need-1' }],
  goal: [{ reference: 'Goal/g-1' }],
  note: [
    { authorReference: { reference: 'Patient/p-1' }, text: 'The sea.' },
    { authorReference: { reference: 'Practitioner/x' }, text: 'A clinician’s remark' },
  ],
};
const account: Json = {
  resourceType: 'Account',
  id: 'a-1',
  meta: { versionId: '2', lastUpdated: '2026-05-01T10:00:00Z' },
  status: 'active',
  type: { coding: [{ code: 'personal-health-budget' }] },
  subject: [{ reference: 'Patient/p-1' }],
  servicePeriod: { start: '2026-04-01' },
  owner: organisation('QWN'),
  extension: [
    own('agreed-amount', gbp(1234.56)),
    own('portion', {
      extension: [
        { url: 'management', valueCode: 'managed-account' },
        { url: 'recurring', valueBoolean: true },
        { url: 'amount', ...gbp(1000.5) },
        { url: 'account-operator', valueReference: organisation('D9H01') },
      ],
    }),
    own('portion', {
      extension: [
        { url: 'management', valueCode: 'notional' },
        { url: 'recurring', valueBoolean: false },
        { url: 'amount', ...gbp(234.06) },
      ],
    }),
  ],
};
const paymentNotice: Json = {
  resourceType: 'PaymentNotice',
  id: 'pn-1',
  meta: { versionId: '1' },
  status: 'active',
  request: { reference: 'Account/a-1' },
  paymentDate: '2026-04-13',
  payee: { display: 'Larch House' },
  amount: { value: 19.9, currency: 'GBP' },
  extension: [
    own('payment-kind', { valueCode: 'spent' }),
    own('payment-subject', { valueReference: { reference: 'Patient/p-1' } }),
  ],
};

const coded = (name: string, code: string) => ({
  coding: [
    { system: 'http://snomed.info/sct', code: '1' },
    { system: `https://tandem.example/fhir/CodeSystem/${name}`, code },
  ],
});
const money = (amount: number, ...more: Json[]) => ({
  extension: [{ url: 'amount', ...gbp(amount) }, ...more],
});
const episode: Json = {
  resourceType: 'EpisodeOfCare',
  id: 'e-1',
  meta: { versionId: '1', lastUpdated: '2026-05-01T10:00:00Z' },
  extension: [
    own('decided-on', { valueDate: '2026-03-20' }),
    own('reviewer', { valueString: 'Continuing healthcare team' }),
    own('review-due', { valueDate: '2026-06-20' }),
  ],
  status: 'active',
  type: [coded('eligibility-scheme', 'chc-standard')],
  patient: { reference: 'Patient/p-1' },
  managingOrganization: organisation('QWN'),
  period: { start: '2026-03-24' },
};
const procedure: Json = {
  resourceType: 'Procedure',
  id: 'pr-1',
  meta: { versionId: '1' },
  extension: [own('review-method', { valueString: 'Person and carer' })],
  status: 'completed',
  code: coded('review-kind', 'chc-eligibility'),
  subject: { reference: 'Patient/p-1' },
  performedPeriod: { start: '2026-06-18', end: '2026-06-19' },
  reasonCode: [{ text: 'Planned' }],
  outcome: { text: 'No change' },
};

const facts = (resource: Json) =>
  toSubmissions(resource).map((row) => {
    if (row.kind === 'problem') throw new Error(`${row.code} at ${row.column}: ${row.found}`);
    return row;
  });
const firstFacts = (resource: Json) => facts(resource)[0]!.facts;

describe('what a resource says', () => {
  test('a Patient is a person', () => {
    expect(facts(patient)).toEqual([
      {
        kind: 'person',
        externalId: 'Patient/p-1',
        personId: 'Patient/p-1',
        version: '3',
        place: 'Patient/p-1',
        raw: patient,
        facts: {
          nhsNumber: '9434765919',
          supersededNhsNumbers: [],
          familyName: 'Okeke',
          givenName: 'Ada Rose',
          birthDate: '1980-02-29',
          deathDate: null,
          gender: 'FEMALE',
          postcode: 'WE1 2AB',
          restricted: false,
        },
      },
    ]);
  });

  test.each<[string, Json, Json]>([
    [
      'a replaced NHS number is superseded',
      { link: [{ type: 'replaces', other: { identifier: nhsNumber('9000000017') } }] },
      { nhsNumber: '9434765919', supersededNhsNumbers: ['9000000017'] },
    ],
    [
      'a restricted record shows no postcode, even where one was sent',
      { meta: { security: [{ code: 'R' }] } },
      { restricted: true, postcode: null },
    ],
    [
      'so does one with a code that we have never heard of',
      { meta: { security: [{ code: 'XYZ' }] } },
      { restricted: true, postcode: null },
    ],
    [
      'an NHS number that was not verified is none',
      { identifier: [nhsNumber('9434765919', '02')] },
      { nhsNumber: null },
    ],
    ['nor is there one without identifiers', { identifier: undefined }, { nhsNumber: null }],
    [
      'another system’s identifier is not an NHS number',
      { identifier: [{ system: 'urn:x', value: '12' }] },
      { nhsNumber: null },
    ],
    ['a birth date known to the year is not known', { birthDate: '1980' }, { birthDate: null }],
    [
      'a death at midnight in summer is of that day',
      { deceasedDateTime: '2026-07-01T00:00:00+00:00' },
      { deathDate: '2026-07-01' },
    ],
    [
      'one an hour before midnight UTC is of the next day in London',
      { deceasedDateTime: '2026-06-30T23:30:00Z' },
      { deathDate: '2026-07-01' },
    ],
    ['but not in winter', { deceasedDateTime: '2026-12-31T23:30:00Z' }, { deathDate: '2026-12-31' }],
    ['a blank postcode is none', { address: [{ postalCode: ' ' }] }, { postcode: null }],
    [
      'a temporary address is not home',
      {
        address: [
          { use: 'temp', postalCode: 'WE9 9ZZ' },
          { use: 'home', postalCode: 'WE1 2AB' },
        ],
      },
      { postcode: 'WE1 2AB' },
    ],
    [
      'the official name goes first, an old one never',
      {
        name: [
          { use: 'old', family: 'Eze' },
          { use: 'usual', family: 'O' },
          { use: 'official', family: 'Okeke' },
        ],
      },
      { familyName: 'Okeke', givenName: '' },
    ],
    ['gender unsaid is unknown', { gender: undefined }, { gender: 'UNKNOWN' }],
  ])('Patient: %s', (_, change, said) => {
    expect(firstFacts({ ...patient, ...change })).toMatchObject(said);
  });

  test('the published samples are read', () => {
    expect(firstFacts(fixture('UKCore-Patient-RichardSmith-Example'))).toEqual({
      nhsNumber: '9912003888',
      supersededNhsNumbers: [],
      familyName: 'SMITH',
      givenName: 'Richard',
      birthDate: '1970-09-11',
      deathDate: null,
      gender: 'MALE',
      postcode: 'LS17 7DF',
      restricted: false,
    });
    expect(firstFacts(fixture('pds-Patient'))).toMatchObject({
      nhsNumber: '9000000009',
      familyName: 'Smith',
      deathDate: '2010-10-22',
      postcode: 'LS1 6AE',
    });
    expect(firstFacts(fixture('pds-PatientSearch').entry[0].resource)).toMatchObject({
      nhsNumber: '9000000009',
    });
    expect(firstFacts(fixture('pds-Sensitive_Patient'))).toMatchObject({ restricted: true, postcode: null });
    expect(facts(fixture('UKCore-RelatedPerson-JoySmith-Example'))[0]).toMatchObject({
      personId: 'Patient/UKCore-Patient-RichardSmith-Example',
      facts: { role: 'NEXT_OF_KIN', individual: { name: 'Joy SMITH', relationship: 'wife' } },
    });
    expect(facts(fixture('pds-RelatedPersonBundle').entry[0].resource)[0]).toMatchObject({
      personId: 'Patient/9000000009',
      facts: { role: 'NEXT_OF_KIN', from: '2024-01-01', to: '2025-12-31' },
    });
    expect(firstFacts(fixture('UKCore-CarePlan-WellnessPlan-Example'))).toMatchObject({
      title: 'Weight management plan',
      status: 'AGREED',
      to: '2020-01-01',
    });
  });

  test('every example of the format description is read', () => {
    const page = readFileSync(new URL('../docs/formats/nhs-fhir.md', import.meta.url), 'utf8');
    const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!) as Json);
    expect(examples.map(({ resourceType }) => resourceType)).toEqual([...nhsFeeds]);
    expect(examples.map((example) => facts(example)[0]!.kind)).toEqual([
      'person',
      'eligibility',
      'role',
      'outcome',
      'plan',
      'budget',
      'payment',
      'review',
    ]);
  });

  test('an id that is an NHS number is no part of the place', () => {
    expect(facts(fixture('pds-Patient'))[0]?.place).toBe('Patient/(NHS number)');
  });

  test('a RelatedPerson plays a part, with authority or without', () => {
    expect(facts(relatedPerson)[0]).toMatchObject({
      kind: 'role',
      externalId: 'RelatedPerson/rp-1',
      personId: 'Patient/p-1',
      facts: {
        role: 'LPA_HEALTH_AND_WELFARE',
        organisationCode: null,
        individual: { name: 'Chidi Okeke', nhsNumber: '9000000009', relationship: 'son' },
        from: '2024-04-01',
        to: null,
      },
    });
    expect(firstFacts({ ...relatedPerson, extension: [] })).toMatchObject({ role: 'NEXT_OF_KIN' });
  });

  test('one who is inactive has ended, on the day of the last update at the latest', () => {
    expect(firstFacts({ ...relatedPerson, active: false })).toMatchObject({ to: '2026-05-01' });
    const period = { start: '2024-04-01', end: '2025-01-31' };
    expect(firstFacts({ ...relatedPerson, active: false, period })).toMatchObject({ to: '2025-01-31' });
  });

  test.each([
    ['proposed', undefined, 'PROPOSED'],
    ['accepted', undefined, 'ACTIVE'],
    ['on-hold', undefined, 'ACTIVE'],
    ['completed', undefined, 'ACHIEVED'],
    ['completed', 'not-achieved', 'NOT_ACHIEVED'],
    ['cancelled', undefined, 'CANCELLED'],
    ['entered-in-error', undefined, 'CANCELLED'],
  ])('a Goal that is %s (%s) is %s', (lifecycleStatus, achieved, status) => {
    const achievementStatus = achieved && { coding: [{ code: achieved }] };
    expect(facts({ ...goal, lifecycleStatus, achievementStatus })[0]).toMatchObject({
      kind: 'outcome',
      externalId: 'Goal/g-1',
      personId: 'Patient/p-1',
      facts: { text: 'Swim twice a week', status, targetOn: '2026-12-31' },
    });
  });

  test('a CarePlan is a plan in the person’s own words', () => {
    expect(facts(carePlan)[0]).toMatchObject({
      kind: 'plan',
      externalId: 'CarePlan/cp-1',
      facts: {
        title: 'Personalised care and support plan',
        status: 'AGREED',
        whatMatters: 'The sea.',
        from: '2026-04-01',
        to: '2027-03-31',
        needs: ['Help at night'],
        outcomeIds: ['Goal/g-1'],
        coordinatorName: 'Ruth Ellery',
      },
    });
    expect(firstFacts({ ...carePlan, status: 'revoked' })).toMatchObject({
      status: 'ENDED',
      to: '2026-05-01',
    });
  });

  test('an Account is a budget, and the parts that organisations play in it', () => {
    expect(
      facts(account).map(({ kind, externalId, personId, facts }) => ({ kind, externalId, personId, facts })),
    ).toEqual([
      {
        kind: 'budget',
        externalId: 'Account/a-1',
        personId: 'Patient/p-1',
        facts: {
          kind: 'PERSONAL_HEALTH_BUDGET',
          status: 'ACTIVE',
          from: '2026-04-01',
          to: null,
          indicativePence: null,
          fundingLines: [{ source: 'ICB', stream: '', organisationCode: 'QWN', amountPence: 123_456n }],
          portions: [
            {
              management: 'MANAGED_ACCOUNT',
              recurring: true,
              amountPence: 100_050n,
              channel: null,
              accountOperatorCode: 'D9H01',
            },
            {
              management: 'NOTIONAL',
              recurring: false,
              amountPence: 23_406n,
              channel: null,
              accountOperatorCode: null,
            },
          ],
        },
      },
      {
        kind: 'role',
        externalId: 'Account/a-1#commissioner',
        personId: 'Patient/p-1',
        facts: {
          role: 'COMMISSIONER',
          organisationCode: 'QWN',
          individual: null,
          from: '2026-04-01',
          to: null,
        },
      },
      {
        kind: 'role',
        externalId: 'Account/a-1#operator',
        personId: 'Patient/p-1',
        facts: {
          role: 'MANAGED_ACCOUNT_PROVIDER',
          organisationCode: 'D9H01',
          individual: null,
          from: '2026-04-01',
          to: null,
        },
      },
    ]);
  });

  test.each([
    ['on-hold', 'SUSPENDED', null],
    ['inactive', 'ENDED', '2026-05-01'],
    ['entered-in-error', 'ENDED', '2026-05-01'],
  ])('an Account that is %s is %s, and so is what others do in it', (status, said, to) => {
    const rows = facts({ ...account, status });
    expect(rows[0]?.facts).toMatchObject({ status: said, to });
    expect(rows.map((row) => (row.facts as { to: string | null }).to)).toEqual([to, to, to]);
  });

  test('an EpisodeOfCare is an eligibility', () => {
    expect(facts(episode)[0]).toMatchObject({
      kind: 'eligibility',
      externalId: 'EpisodeOfCare/e-1',
      personId: 'Patient/p-1',
      facts: {
        scheme: 'CHC_STANDARD',
        status: 'ELIGIBLE',
        decidedOn: '2026-03-20',
        decidedByCode: 'QWN',
        reviewer: 'Continuing healthcare team',
        reviewDueOn: '2026-06-20',
        from: '2026-03-24',
        to: null,
      },
    });
  });

  const history = (status: string) => [
    { status: 'planned', period: { start: '2026-02-01' } },
    { status, period: { start: '2026-03-02' } },
  ];
  test.each<[string, Json, Json]>([
    ['planned', { extension: [] }, { status: 'ASSESSING', decidedOn: null, to: null }],
    ['waitlist', { extension: [] }, { status: 'ASSESSING', reviewer: null, reviewDueOn: null }],
    ['active', { extension: [], statusHistory: history('active') }, { decidedOn: '2026-03-02' }],
    ['onhold', {}, { status: 'ELIGIBLE', to: null }],
    // FHIR counts the last day in.
    [
      'finished',
      { period: { start: '2026-03-24', end: '2026-04-30' } },
      { status: 'ELIGIBLE', to: '2026-05-01' },
    ],
    ['finished', {}, { status: 'ELIGIBLE', to: '2026-05-02' }],
    // The decision stands, whenever the episode that led to it began and ended.
    [
      'cancelled',
      { period: { start: '2026-02-20', end: '2026-03-20' } },
      { status: 'NOT_ELIGIBLE', from: '2026-03-20', to: null },
    ],
    [
      'cancelled',
      { extension: [], statusHistory: history('cancelled') },
      { status: 'NOT_ELIGIBLE', decidedOn: '2026-03-02', from: '2026-03-02' },
    ],
    [
      'cancelled',
      { extension: [], period: { start: '2026-02-20', end: '2026-03-19' } },
      { status: 'ASSESSING', decidedOn: null, from: '2026-02-20', to: '2026-03-20' },
    ],
  ])('an EpisodeOfCare that is %s, with %j, says %j', (status, change, said) => {
    expect(firstFacts({ ...episode, status, ...change })).toMatchObject(said);
  });

  test('what was entered in error, or was not held after all, is withdrawn', () => {
    expect(firstFacts({ ...episode, status: 'entered-in-error' })).toEqual({ withdrawn: true });
    for (const status of ['entered-in-error', 'not-done', 'preparation', 'in-progress']) {
      expect(firstFacts({ ...procedure, status, performedPeriod: undefined })).toEqual({ withdrawn: true });
    }
  });

  test('a Procedure is a review', () => {
    expect(facts(procedure)[0]).toMatchObject({
      kind: 'review',
      externalId: 'Procedure/pr-1',
      personId: 'Patient/p-1',
      facts: {
        kind: 'CHC_ELIGIBILITY',
        startedOn: '2026-06-18',
        heldOn: '2026-06-19',
        reason: 'Planned',
        method: 'Person and carer',
        outcome: 'No change',
        outcomesAchieved: null,
      },
    });
    const { performedPeriod: _, ...undated } = procedure;
    expect(firstFacts({ ...undated, performedDateTime: '2026-06-19T23:30:00Z' })).toMatchObject({
      startedOn: '2026-06-20',
      heldOn: '2026-06-20',
    });
  });

  test('an Account says whose money it is, how it is paid out, and what it was first thought to be', () => {
    const funded = {
      ...account,
      extension: [
        own('agreed-amount', gbp(1000)),
        own('indicative-amount', gbp(950)),
        own('funding', money(700, { url: 'stream', valueString: 'CHC' })),
        own('funding', money(200, { url: 'source', valueCode: 's75-pool' })),
        own('funding', money(100, { url: 'source', valueCode: 'ehc' })),
        own(
          'portion',
          money(
            1000,
            { url: 'management', valueCode: 'direct-payment' },
            { url: 'recurring', valueBoolean: true },
            { url: 'channel', valueCode: 'prepaid-card' },
          ),
        ),
      ],
    };
    expect(firstFacts(funded)).toMatchObject({
      status: 'ACTIVE',
      indicativePence: 95_000n,
      fundingLines: [
        { source: 'ICB', stream: 'CHC', organisationCode: 'QWN', amountPence: 70_000n },
        { source: 'S75_POOL', stream: '', organisationCode: null, amountPence: 20_000n },
        { source: 'EHC', stream: '', organisationCode: null, amountPence: 10_000n },
      ],
      portions: [{ management: 'DIRECT_PAYMENT', channel: 'PREPAID_CARD' }],
    });
  });

  test.each(['indicative', 'proposed', 'signed-off'])('an Account on hold may be %s', (stage) => {
    const extension = [...(account.extension as Json[]), own('stage', { valueCode: stage })];
    const status = stage.toUpperCase().replace('-', '_');
    expect(firstFacts({ ...account, status: 'on-hold', extension })).toMatchObject({ status });
    expect(toSubmissions({ ...account, extension })).toEqual([
      expect.objectContaining({ code: 'STATUS_AND_STAGE_DISAGREE', column: 'Account.extension.stage' }),
    ]);
  });

  test('a PaymentNotice is a payment', () => {
    expect(facts(paymentNotice)[0]).toMatchObject({
      kind: 'payment',
      externalId: 'PaymentNotice/pn-1',
      personId: 'Patient/p-1',
      facts: {
        budgetId: 'Account/a-1',
        kind: 'SPENT',
        source: 'ICB',
        pence: 1_990n,
        effectiveOn: '2026-04-13',
        description: 'Larch House',
        cancelled: false,
      },
    });
    expect(firstFacts({ ...paymentNotice, status: 'entered-in-error' })).toMatchObject({ cancelled: true });
  });

  test('a row without a version has one by its content', () => {
    const { meta: _, ...bare } = patient;
    const [row] = facts(bare);
    expect(row?.version).toMatch(/^[\da-f]{64}$/);
    expect(facts({ ...bare })[0]?.version).toBe(row?.version);
    expect(facts({ ...bare, gender: 'male' })[0]?.version).not.toBe(row?.version);
  });
});

/** The resource with one element changed; `undefined` takes it away. */
function changed(resource: Json, path: string, value: unknown): Json {
  const copy = structuredClone(resource);
  const steps = path.split('.');
  const last = steps.pop()!;
  const parent = steps.reduce((at, step) => at[step] as Json, copy);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

describe('what cannot be used', () => {
  const refused: [Json, string, unknown, string, string, string][] = [
    [
      patient,
      'identifier.0.value',
      '9434765918',
      'NHS_NUMBER_INVALID',
      'Patient.identifier[0].value',
      '10 digits, wrong check digit',
    ],
    [
      patient,
      'identifier.0.value',
      '943476591',
      'NHS_NUMBER_INVALID',
      'Patient.identifier[0].value',
      '9 digits',
    ],
    [patient, 'birthDate', '2025-02-29', 'DATE_INVALID', 'Patient.birthDate', 'no such date'],
    [patient, 'birthDate', '29/02/1980', 'DATE_INVALID', 'Patient.birthDate', 'no such date'],
    [patient, 'birthDate', 19800229, 'ELEMENT_INVALID', 'Patient.birthDate', 'a number'],
    [
      patient,
      'deceasedDateTime',
      '2026',
      'DATE_INVALID',
      'Patient.deceasedDateTime',
      'a year or month without its day',
    ],
    [
      patient,
      'deceasedBoolean',
      true,
      'DEATH_DATE_MISSING',
      'Patient.deceasedBoolean',
      'dead, on no known day',
    ],
    [patient, 'active', false, 'RECORD_INACTIVE', 'Patient.active', 'false'],
    [patient, 'name', [], 'NAME_MISSING', 'Patient.name', 'missing'],
    [patient, 'gender', 'F', 'CODE_UNKNOWN', 'Patient.gender', 'a code outside the list'],
    [
      patient,
      'link',
      [{ type: 'replaces', other: { identifier: nhsNumber('1234567890') } }],
      'NHS_NUMBER_INVALID',
      'Patient.link[0].other.identifier.value',
      '10 digits, wrong check digit',
    ],
    [patient, 'id', 'a b', 'ELEMENT_INVALID', 'Patient.id', 'text'],
    [relatedPerson, 'patient', {}, 'SUBJECT_MISSING', 'RelatedPerson.patient', 'missing'],
    [relatedPerson, 'patient', undefined, 'ELEMENT_MISSING', 'RelatedPerson.patient', 'missing'],
    [
      relatedPerson,
      'period.end',
      '2023-01-01',
      'PERIOD_REVERSED',
      'RelatedPerson.period.end',
      'an end before the start',
    ],
    [
      relatedPerson,
      'extension.0.valueCode',
      'king',
      'CODE_UNKNOWN',
      'RelatedPerson.extension.authority[0]',
      'a code outside the list',
    ],
    [
      relatedPerson,
      'extension.1',
      own('authority', { valueCode: 'deputy' }),
      'ELEMENT_REPEATED',
      'RelatedPerson.extension.authority',
      'more than one',
    ],
    [goal, 'subject', undefined, 'SUBJECT_MISSING', 'Goal.subject', 'missing'],
    [goal, 'subject.reference', 'Group/1', 'SUBJECT_MISSING', 'Goal.subject', 'another kind of reference'],
    [goal, 'lifecycleStatus', 'unknown', 'CODE_UNKNOWN', 'Goal.lifecycleStatus', 'a code outside the list'],
    [goal, 'description', {}, 'TEXT_MISSING', 'Goal.description', 'missing'],
    [carePlan, 'status', 'unknown', 'CODE_UNKNOWN', 'CarePlan.status', 'a code outside the list'],
    [
      carePlan,
      'addresses.0.reference',
      '#need-9',
      'NEED_MISSING',
      'CarePlan.addresses[0]',
      'a need without words',
    ],
    [
      account,
      'servicePeriod.start',
      '2026-04',
      'DATE_INVALID',
      'Account.servicePeriod.start',
      'a year or month without its day',
    ],
    [account, 'servicePeriod', undefined, 'ELEMENT_MISSING', 'Account.servicePeriod', 'missing'],
    [
      account,
      'type.coding.0.code',
      'overdraft',
      'CODE_UNKNOWN',
      'Account.type.coding[0].code',
      'a code outside the list',
    ],
    [account, 'extension.0', own('x', {}), 'ELEMENT_MISSING', 'Account.extension.agreed-amount', 'missing'],
    [
      account,
      'extension.0.valueMoney.value',
      -5,
      'AMOUNT_INVALID',
      'Account.extension.agreed-amount[0].value',
      'negative',
    ],
    [
      account,
      'extension.0.valueMoney.value',
      1234.57,
      'AMOUNTS_DISAGREE',
      'Account.extension.agreed-amount',
      'portions that add up to another amount',
    ],
    [
      account,
      'extension.1.extension.2.valueMoney.currency',
      'EUR',
      'CURRENCY_INVALID',
      'Account.extension.portion[0].amount[0].currency',
      'another currency',
    ],
    [
      account,
      'extension.1.extension.1',
      { url: 'x' },
      'ELEMENT_MISSING',
      'Account.extension.portion[0].recurring',
      'missing',
    ],
    [
      account,
      'owner.identifier.value',
      'nobody',
      'ODS_CODE_INVALID',
      'Account.owner.identifier.value',
      'not an ODS code',
    ],
    [
      paymentNotice,
      'amount.value',
      19.999,
      'AMOUNT_INVALID',
      'PaymentNotice.amount.value',
      'more than two decimals',
    ],
    [paymentNotice, 'amount.value', '19.90', 'AMOUNT_INVALID', 'PaymentNotice.amount.value', 'text'],
    [paymentNotice, 'amount.value', 0, 'AMOUNT_INVALID', 'PaymentNotice.amount.value', 'zero'],
    [
      paymentNotice,
      'amount.currency',
      undefined,
      'ELEMENT_MISSING',
      'PaymentNotice.amount.currency',
      'missing',
    ],
    [paymentNotice, 'amount', undefined, 'ELEMENT_MISSING', 'PaymentNotice.amount', 'missing'],
    [paymentNotice, 'paymentDate', '2026-04-31', 'DATE_INVALID', 'PaymentNotice.paymentDate', 'no such date'],
    [paymentNotice, 'request', undefined, 'BUDGET_MISSING', 'PaymentNotice.request', 'missing'],
    [
      paymentNotice,
      'extension.1',
      own('x', {}),
      'ELEMENT_MISSING',
      'PaymentNotice.extension.payment-subject',
      'missing',
    ],
    [
      paymentNotice,
      'status',
      'draft',
      'STATUS_AND_KIND_DISAGREE',
      'PaymentNotice.status',
      'a draft of money that moved',
    ],
    [episode, 'patient', undefined, 'SUBJECT_MISSING', 'EpisodeOfCare.patient', 'missing'],
    [episode, 'period', undefined, 'ELEMENT_MISSING', 'EpisodeOfCare.period', 'missing'],
    [
      episode,
      'period.end',
      '2026-03-23',
      'PERIOD_REVERSED',
      'EpisodeOfCare.period.end',
      'an end before the start',
    ],
    [
      episode,
      'type.0.coding.1.code',
      'care-act',
      'CODE_UNKNOWN',
      'EpisodeOfCare.type',
      'a code outside the list',
    ],
    [episode, 'type', undefined, 'ELEMENT_MISSING', 'EpisodeOfCare.type', 'no code of the agreed system'],
    [
      episode,
      'type.1',
      coded('eligibility-scheme', 'fnc'),
      'ELEMENT_REPEATED',
      'EpisodeOfCare.type',
      'more than one',
    ],
    [
      episode,
      'extension.2.valueDate',
      '2026-06-31',
      'DATE_INVALID',
      'EpisodeOfCare.extension.review-due[0]',
      'no such date',
    ],
    [
      episode,
      'managingOrganization.identifier.value',
      'nobody',
      'ODS_CODE_INVALID',
      'EpisodeOfCare.managingOrganization.identifier.value',
      'not an ODS code',
    ],
    [episode, 'status', 'unknown', 'CODE_UNKNOWN', 'EpisodeOfCare.status', 'a code outside the list'],
    [procedure, 'performedPeriod', undefined, 'DATE_MISSING', 'Procedure.performedDateTime', 'missing'],
    [
      procedure,
      'performedPeriod.end',
      '2026-06-17',
      'PERIOD_REVERSED',
      'Procedure.performedPeriod.end',
      'an end before the start',
    ],
    [procedure, 'code', {}, 'ELEMENT_MISSING', 'Procedure.code', 'no code of the agreed system'],
    [
      account,
      'extension.3',
      own('funding', money(1000)),
      'AMOUNTS_DISAGREE',
      'Account.extension.agreed-amount',
      'lines of funding that add up to another amount',
    ],
    [
      { resourceType: 'Observation', id: 'o-1' },
      'status',
      'final',
      'RESOURCE_UNKNOWN',
      'Observation',
      'a resource type outside the agreed feeds',
    ],
  ];
  test.each(
    refused.map(([resource, path, value, code, column, found]) => ({
      resource,
      path,
      value,
      code,
      column,
      found,
    })),
  )('$column: $found, $code', ({ resource, path, value, code, column, found }) => {
    const broken = changed(resource, path, value);
    const rows = toSubmissions(broken);
    expect(rows).toEqual([expect.objectContaining({ kind: 'problem', code, column, found, raw: broken })]);
    // A row that waits is known by its id, and tried again as it was sent.
    const [problem] = rows as [Problem];
    if (code !== 'ELEMENT_INVALID')
      expect(problem.externalId).toBe(`${resource.resourceType}/${resource.id}`);
    expect(toSubmissions(problem.raw)).toEqual(rows);
  });

  test('whoever is over on no known day is refused, lest the authority go on', () => {
    const undated = changed({ ...relatedPerson, active: false }, 'meta.lastUpdated', undefined);
    expect(toSubmissions(undated)).toEqual([
      expect.objectContaining({ code: 'END_MISSING', column: 'RelatedPerson.meta.lastUpdated' }),
    ]);
  });

  test('a resource without an id is still told from another', () => {
    const ids = [
      { ...patient, id: undefined },
      { ...patient, id: undefined, gender: 'male' },
    ].map((resource) => toSubmissions(resource)[0]!.externalId);
    expect(new Set(ids).size).toBe(2);
  });

  test('whatever is sent, the answer is rows or a Problem that repeats nothing of it', () => {
    const canary = 'CANARY-7f3a';
    const bad = fc.constantFrom<unknown>(
      canary,
      [canary],
      { reference: canary, value: canary },
      null,
      -1,
      true,
      undefined,
    );
    const resources = [patient, episode, relatedPerson, goal, carePlan, account, paymentNotice, procedure];
    fc.assert(
      fc.property(fc.constantFrom(...resources), fc.nat(20), bad, (resource, at, value) => {
        const keys = Object.keys(resource).filter(
          (key) => key !== 'resourceType' && key !== 'id' && key !== 'meta',
        );
        for (const row of toSubmissions({ ...resource, [keys[at % keys.length]!]: value })) {
          if (row.kind !== 'problem') continue;
          const { raw: _, ...shown } = row;
          expect(JSON.stringify(shown)).not.toContain(canary);
        }
      }),
    );
    for (const nothing of [
      null,
      1,
      'x',
      [],
      {},
      { resourceType: 'constructor' },
      { resourceType: 'Patient', extension: [{ url: '__proto__' }] },
    ])
      expect(toSubmissions(nothing)).toEqual([expect.objectContaining({ kind: 'problem' })]);
  });
});

describe('pounds to pence', () => {
  test('every amount in pence comes back from its JSON number', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 99_999_999_999_999n }), (pence) => {
        const text = `${pence / 100n}.${String(pence % 100n).padStart(2, '0')}`;
        expect(penceOf(JSON.parse(text))).toBe(pence);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a third decimal is never rounded away', () => {
    fc.assert(
      fc.property(fc.nat(99_999_999), fc.integer({ min: 1, max: 9 }), (pence, third) => {
        const text = `${Math.floor(pence / 100)}.${String(pence % 100).padStart(2, '0')}${third}`;
        expect(penceOf(JSON.parse(text))).toBe('more than two decimals');
      }),
    );
  });

  test.each<[unknown, bigint | string]>([
    [0, 0n],
    [0.1 + 0.2, 'more than two decimals'],
    [1e-7, 'more than two decimals'],
    [1e12, 'too large'],
    [1e21, 'too large'],
    [-0, 'negative'],
    [-0.01, 'negative'],
    ['1.00', 'text'],
    [undefined, 'missing'],
    [Number.NaN, 'more than two decimals'],
  ])('%j gives %s', (value, pence) => {
    expect(penceOf(value)).toBe(pence);
  });
});

describe('following the NHS system over HTTP', () => {
  const place = makePlace({ today: '2026-11-21', size: 60 });
  const faults: Faults = [];
  let clock = new Date('2026-11-21T12:00:00Z');
  let nhs: NhsSystem;

  beforeAll(async () => {
    nhs = await startNhsSystem({ place, port: 0, now: () => clock, faults });
  });
  afterEach(() => {
    faults.length = 0;
  });
  afterAll(() => nhs.close());

  /** A whole run of a feed, page by page. */
  async function run(feed: NhsFeed, from: NhsCursor = firstNhsCursor, asking: NhsAsking = { pageSize: 7 }) {
    const pages: Page<NhsCursor>[] = [];
    for (let cursor = from; ; ) {
      // Stored and read again as the worker does.
      const page = await fetchNhsPage(nhs.url, feed, JSON.parse(JSON.stringify(cursor)), asking);
      pages.push(page);
      cursor = page.cursor;
      if (page.done) return { pages, rows: pages.flatMap(({ rows }) => rows), cursor };
    }
  }
  const ids = (rows: (Submission | Problem)[]) => rows.map(({ externalId }) => externalId);
  const get = (path: string, headers: Record<string, string> = { 'X-Request-ID': crypto.randomUUID() }) =>
    fetch(`${nhs.url}${path}`, { headers });
  const search = async (path: string, base = nhs.url) =>
    (await (
      await fetch(base + path, { headers: { 'X-Request-ID': crypto.randomUUID() } })
    ).json()) as Searchset;

  test('every feed gives everything once, and no problems', async () => {
    const halves = place.people.flatMap((one) => one.nhs ?? []);
    const expected: Record<NhsFeed, number> = {
      Patient: halves.length,
      RelatedPerson: halves.flatMap(({ related }) => related).length,
      Goal: halves.flatMap(({ plan }) => plan?.goals ?? []).length,
      CarePlan: halves.flatMap(({ plan }) => plan ?? []).length,
      Account: halves.flatMap(({ budget }) => budget ?? []).length,
      PaymentNotice: halves.flatMap(({ budget }) => budget?.payments ?? []).length,
      EpisodeOfCare: halves.flatMap(({ eligibilities }) => eligibilities).length,
      Procedure: halves.flatMap(({ reviews }) => reviews).length,
    };
    for (const feed of nhsFeeds) {
      const { rows, pages } = await run(feed, firstNhsCursor, { pageSize: 40 });
      expect(rows.filter(({ kind }) => kind === 'problem')).toEqual([]);
      expect(rows.filter(({ externalId }) => !externalId.includes('#'))).toHaveLength(expected[feed]);
      expect(new Set(ids(rows)).size).toBe(rows.length);
      expect(pages[0]?.total).toBe(expected[feed]);
      expect(expected[feed]).toBeGreaterThan(0);
    }
  });

  test('what arrives is what the place holds', async () => {
    const iris = place.people[founding.irisHolloway]!;
    const person = (await run('Patient')).rows.find(
      ({ externalId }) => externalId === `Patient/${iris.nhs!.patientId}`,
    );
    expect((person as Submission).facts).toMatchObject({ familyName: 'Holloway', nhsNumber: iris.nhsNumber });
    const replaced = place.people[founding.numberSuperseded]!;
    const restricted = place.people[founding.restricted]!;
    const byId = new Map((await run('Patient')).rows.map((row) => [row.externalId, row as Submission]));
    expect(byId.get(`Patient/${replaced.nhs!.patientId}`)?.facts).toMatchObject({
      supersededNhsNumbers: replaced.nhs!.supersededNhsNumbers,
    });
    expect(byId.get(`Patient/${restricted.nhs!.patientId}`)?.facts).toMatchObject({
      restricted: true,
      postcode: null,
    });
    const plan = (await run('CarePlan')).rows.find(
      ({ externalId }) => externalId === `CarePlan/${iris.nhs!.plan!.id}`,
    );
    expect((plan as Submission).facts).toMatchObject({
      whatMatters: iris.nhs!.plan!.whatMatters,
      needs: iris.nhs!.plan!.needs,
      coordinatorName: 'Ruth Ellery',
    });
    const moved = (await run('PaymentNotice', firstNhsCursor, { pageSize: 500 })).rows as Submission[];
    const spent = moved.flatMap((row) =>
      row.kind === 'payment' && row.personId === `Patient/${iris.nhs!.patientId}` ? row.facts : [],
    );
    const total = (pence: bigint[]) => pence.reduce((sum, one) => sum + one, 0n);
    expect(total(spent.map(({ pence }) => pence))).toBe(
      total(iris.nhs!.budget!.payments.map(({ pence }) => pence)),
    );
  });

  test('the next run asks only for what has changed, and a page of it may change meanwhile', async () => {
    const first = await run('Goal');
    const [changing, other] = (await search('/Goal?_count=2')).entry.map(({ resource }) => resource) as [
      Resource,
      Resource,
    ];
    clock = new Date('2026-11-21T13:00:00Z');
    nhs.upsert({ ...changing, description: { text: 'Something new' } });
    const second = await run('Goal', first.cursor);
    const anew = second.rows.find(({ externalId }) => externalId === `Goal/${changing.id}`) as Submission;
    expect(anew).toMatchObject({ version: '2', facts: { text: 'Something new' } });
    // The boundary itself is asked for again, so that nothing of the same instant is lost.
    expect(second.rows.length).toBeLessThanOrEqual(2);
    expect(second.cursor.since).toBe('2026-11-21T13:00:00.000Z');

    // Changed between two pages, it is seen at its new place and hides nobody else.
    const opening = await fetchNhsPage(nhs.url, 'Goal', firstNhsCursor, { pageSize: 3 });
    clock = new Date('2026-11-21T14:00:00Z');
    nhs.upsert({ ...other, description: { text: 'Changed while we read' } });
    const rest = await run('Goal', opening.cursor);
    expect(new Set(ids([...opening.rows, ...rest.rows]))).toEqual(new Set(ids(first.rows)));
    expect(rest.rows.at(-1)).toMatchObject({ externalId: `Goal/${other.id}`, version: '2' });
  });

  test('a bad row waits, and its neighbours are used', async () => {
    clock = new Date('2026-11-21T15:00:00Z');
    nhs.upsert(
      changed(patient, 'identifier.0.value', '9434765918') as Json & { resourceType: string; id: string },
    );
    const { rows } = await run('Patient');
    expect(rows.filter(({ kind }) => kind === 'problem')).toEqual([
      expect.objectContaining({ externalId: 'Patient/p-1', code: 'NHS_NUMBER_INVALID' }),
    ]);
    expect(rows.length).toBeGreaterThan(10);
    nhs.remove('Patient', 'p-1');
    expect(ids((await run('Patient')).rows)).not.toContain('Patient/p-1');
    expect((await get('/Patient/p-1')).status).toBe(410);
  });

  test.each<[string, Faults[number], string, number | null]>([
    ['busy, with seconds', { kind: 'status', status: 429, retryAfterS: 7 }, 'SOURCE_BUSY', 7_000],
    ['busy, unsaid for how long', { kind: 'status', status: 429 }, 'SOURCE_BUSY', null],
    ['closed for a while', { kind: 'status', status: 503, retryAfterS: 120 }, 'SOURCE_BUSY', 120_000],
    ['broken', { kind: 'status', status: 503 }, 'SOURCE_DOWN', null],
    ['broken inside', { kind: 'status', status: 500 }, 'SOURCE_DOWN', null],
    ['too slow', { kind: 'slow', ms: 1_000 }, 'SOURCE_DOWN', null],
    ['cut short', { kind: 'truncated' }, 'SOURCE_ANSWER_INVALID', null],
    ['a sign-in page', { kind: 'wrong-content' }, 'SOURCE_ANSWER_INVALID', null],
  ])(
    'a source that is %s gives a fault and no rows, and works again after',
    async (_, fault, code, retryAfterMs) => {
      faults.push({ ...fault, path: '/Account', count: 1 });
      const asked = fetchNhsPage(nhs.url, 'Account', firstNhsCursor, { timeoutMs: 300 });
      const error = await asked.then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(SourceFault);
      expect(error).toMatchObject({ code, retryAfterMs });
      expect((await fetchNhsPage(nhs.url, 'Account', firstNhsCursor)).rows.length).toBeGreaterThan(0);
    },
  );

  test('a source that is not there is down', async () => {
    const gone = await startNhsSystem({ place, port: 0, now: () => clock });
    await gone.close();
    await expect(fetchNhsPage(gone.url, 'Patient', firstNhsCursor)).rejects.toMatchObject({
      code: 'SOURCE_DOWN',
    });
  });

  describe('a server that does not keep the rules', () => {
    let body: unknown;
    let status = 200;
    let headers: Record<string, string> = {};
    let asked: string[] = [];
    const server = createServer((req, res) => {
      asked.push(req.url!);
      res
        .writeHead(status, { 'Content-Type': 'application/fhir+json', ...headers })
        .end(JSON.stringify(body));
    });
    let url: string;
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`;
    });
    afterEach(() => {
      status = 200;
      headers = {};
      asked = [];
    });
    afterAll(() => void server.close());

    const bundle = (...entry: Json[]) => ({
      resourceType: 'Bundle',
      type: 'searchset',
      entry: entry.map((resource) => ({ resource })),
    });
    const next = (to: string) => ({ ...bundle(patient), link: [{ relation: 'next', url: to }] });
    const at = (lastUpdated: string, id: string) => ({ ...patient, id, meta: { lastUpdated } });

    test.each<[string, unknown]>([
      ['no Bundle', { resourceType: 'OperationOutcome', issue: [] }],
      ['a Bundle of another kind', { resourceType: 'Bundle', type: 'history', entry: [] }],
      ['not an object', 'hello'],
      ['an entry without a resource', { ...bundle(patient), entry: [{ fullUrl: 'x' }] }],
      ['a next page on another host', next('https://elsewhere.example/fhir/Patient?page=2')],
      ['a page that is not sorted', bundle(at('2026-02-01T00:00:00Z', 'a'), at('2026-01-01T00:00:00Z', 'b'))],
    ])('%s: nothing of it is used', async (_, answer) => {
      body = answer;
      await expect(fetchNhsPage(url, 'Patient', firstNhsCursor)).rejects.toMatchObject({
        code: 'SOURCE_ANSWER_INVALID',
      });
    });

    test('a stored cursor cannot send us to another host', async () => {
      // It would answer well, but it is not the source.
      const cursor = { ...firstNhsCursor, next: `${nhs.url}/Patient` };
      await expect(fetchNhsPage(url, 'Patient', cursor)).rejects.toMatchObject({
        code: 'SOURCE_ANSWER_INVALID',
      });
      expect(asked).toEqual([]);
    });

    test('a redirect is not followed', async () => {
      status = 302;
      headers = { Location: `${nhs.url}/Patient` };
      await expect(fetchNhsPage(url, 'Patient', firstNhsCursor)).rejects.toBeInstanceOf(SourceFault);
      expect(asked).toHaveLength(1);
    });

    test('Retry-After may be a date', async () => {
      status = 429;
      headers = { 'Retry-After': 'Sat, 21 Nov 2026 12:01:30 GMT' };
      const now = () => new Date('2026-11-21T12:00:00Z');
      await expect(fetchNhsPage(url, 'Patient', firstNhsCursor, { now })).rejects.toMatchObject({
        code: 'SOURCE_BUSY',
        retryAfterMs: 90_000,
      });
    });

    test('a page that the source has forgotten is asked for anew from where we were, once', async () => {
      status = 410;
      body = { resourceType: 'OperationOutcome' };
      const cursor = { since: null, next: `${url}/Patient?_page=old`, maxSeen: '2026-03-01T00:00:00Z' };
      const page = await fetchNhsPage(url, 'Patient', cursor);
      expect(page).toMatchObject({ rows: [], done: false, cursor: { since: cursor.maxSeen, next: null } });
      const stuck = { ...page.cursor, next: cursor.next };
      await expect(fetchNhsPage(url, 'Patient', stuck)).rejects.toMatchObject({
        code: 'SOURCE_ANSWER_INVALID',
      });
      status = 200;
      body = bundle(at('2026-03-02T00:00:00+00:00', 'x'));
      const after = await fetchNhsPage(url, 'Patient', page.cursor, { pageSize: 10 });
      expect(asked.at(-1)).toBe(
        '/fhir/Patient?_sort=_lastUpdated&_count=10&_lastUpdated=ge2026-03-01T00%3A00%3A00Z',
      );
      expect(after.cursor).toEqual({ since: '2026-03-02T00:00:00+00:00', next: null, maxSeen: null });
    });

    test('an outcome beside the matches is no row, and an empty run keeps its place', async () => {
      body = {
        ...bundle(),
        entry: [{ resource: { resourceType: 'OperationOutcome' }, search: { mode: 'outcome' } }],
      };
      const cursor = { since: '2026-03-01T00:00:00Z', next: null, maxSeen: null };
      expect(await fetchNhsPage(url, 'Patient', cursor)).toEqual({
        rows: [],
        cursor,
        done: true,
        total: null,
      });
    });
  });

  describe('the server', () => {
    test('pages by default a hundred at a time and never more than five hundred', async () => {
      expect((await search('/PaymentNotice')).entry).toHaveLength(100);
      expect((await search('/PaymentNotice?_count=9999')).entry.length).toBeLessThanOrEqual(500);
      const page = await search('/PaymentNotice?_count=3&_sort=_lastUpdated');
      expect(page).toMatchObject({ resourceType: 'Bundle', type: 'searchset' });
      expect(page.link.map(({ relation }) => relation)).toEqual(['self', 'next']);
      const { fullUrl, resource } = page.entry[0]!;
      expect(fullUrl).toBe(`${nhs.url}/PaymentNotice/${resource.id}`);
      expect(resource.meta).toMatchObject({ versionId: '1', lastUpdated: expect.stringMatching(/Z$/) });
    });

    test('reads one resource with its ETag and echoes the request id', async () => {
      const id = crypto.randomUUID();
      const answer = await get(`/Patient/${place.people[0]!.nhs!.patientId}`, { 'X-Request-ID': id });
      expect(answer.headers.get('etag')).toBe('W/"1"');
      expect(answer.headers.get('x-request-id')).toBe(id);
      expect(answer.headers.get('content-type')).toContain('application/fhir+json');
    });

    test.each<[string, number, Record<string, string>?]>([
      ['/Patient', 400, {}],
      ['/Patient', 400, { 'X-Request-ID': '42' }],
      ['/Patient?_lastUpdated=yesterday', 400],
      ['/Patient?_lastUpdated=lt2026-01-01', 400],
      ['/Patient?_sort=name', 400],
      ['/Patient?_count=0', 400],
      ['/Patient?_page=bm90aGluZw', 400],
      ['/Patient/nobody', 404],
      ['/Observation', 404],
      ['/../secret', 404],
    ])('%s is refused with %i and an OperationOutcome', async (path, status, headers) => {
      const answer = await get(path, headers);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/fhir+json');
      expect(await answer.json()).toMatchObject({
        resourceType: 'OperationOutcome',
        issue: [{ severity: 'error' }],
      });
    });

    test('a fault strikes as often as it says, and only where it says', async () => {
      faults.push({ kind: 'status', status: 500, path: '/Goal', count: 2 });
      const statuses: number[] = [];
      for (const path of ['/Patient', '/Goal', '/Goal', '/Goal']) statuses.push((await get(path)).status);
      expect(statuses).toEqual([200, 500, 500, 200]);
    });

    test('says the same after a restart', async () => {
      const [before, after] = await Promise.all(
        ['2026-11-21T12:00:00Z', '2026-11-22T09:00:00Z'].map((now) =>
          startNhsSystem({ place, port: 0, now: () => new Date(now) }),
        ),
      );
      const resources = async ({ url }: NhsSystem) =>
        (await search('/CarePlan', url)).entry.map(({ resource }) => resource);
      expect(await resources(after!)).toEqual(await resources(before!));
      await Promise.all([before!.close(), after!.close()]);
    });
  });
});
