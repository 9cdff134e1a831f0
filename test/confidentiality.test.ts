/** What of a record is shown to whom: by role, by authority, by the person's choice, in an emergency, and after an end. */
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace, wenshire } from '../src/demo/place.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

let instant = new Date('2026-11-21T12:00:00Z');
const place = makePlace({ today: '2026-11-21' });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const carol = iris.nhs!.related.find(({ nhsNumber }) => nhsNumber !== null)!;
const asCarol = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: carol.nhsNumber! };
const asDaniel = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
const finance = { sub: 'priya', tandem_role: 'FINANCE', organisation: wenshire.icb.code };
const privacyOfficer = { sub: 'ruth', tandem_role: 'PRIVACY_OFFICER', organisation: wenshire.icb.code };

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: () => instant });
});
afterAll(() => kit.close());

const record = `query ($n: NHSNumber!) { person(nhsNumber: $n) {
  id familyName postcode people { id role organisation { code } individualName suspendedAt }
  plan { id title aboutMe needs { text } lines { what reason outcomes { id } } origin } plans { origin }
  packages { id } reviews { side } contacts { id } eligibilities { scheme } nextReviews { duties { duty } }
  budgets { id kind fundingSplits { id } payeeAccounts { id } balances { left { amount } } }
  combined { left { amount } } statement(from: "2026-01-01", to: "2026-11-20") { total { closing { amount } } }
  evidence(first: 1) { nodes { id } }
  withheld { part side reason } } }`;

async function read(nhsNumber: string, claims: JWTPayload, operation = record) {
  const { data, errors, ...rest } = await kit.ask(operation, { n: nhsNumber }, claims);
  expect(errors).toBeUndefined();
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  return { ...data, ...rest } as { person: any; extensions?: { restricted: string[] } };
}

async function give(command: string, input: object, claims: JWTPayload, selection = '') {
  const type = command.endsWith('Role')
    ? 'RoleInput'
    : command.endsWith('Employment')
      ? 'EmploymentInput'
      : `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${command}(input: $input) { ${selection} userErrors { code field } } }`,
    { input: { idempotencyKey: crypto.randomUUID(), ...input } },
    claims,
  );
  expect(errors).toBeUndefined();
  return data[command];
}

describe('by role', () => {
  test('a provider sees what it works with, and nothing clinical: the rest is null, and says that it is', async () => {
    const { person, extensions } = await read(iris.nhsNumber, provider);
    expect(person).toMatchObject({
      familyName: iris.familyName,
      reviews: null,
      contacts: null,
      eligibilities: null,
    });
    expect(person.plan).toMatchObject({ title: expect.any(String), aboutMe: null, needs: null });
    expect(person.budgets.length).toBeGreaterThan(0);
    expect(person.budgets[0]).toMatchObject({ fundingSplits: null, payeeAccounts: null });
    expect(person.combined.left.amount).toMatch(/^-?\d+\.\d\d$/);
    expect(extensions!.restricted).toEqual(
      expect.arrayContaining([
        'person.plan.aboutMe',
        'person.plan.lines.outcomes',
        'person.budgets.payeeAccounts',
      ]),
    );
    expect(person.withheld.map(({ part }: never) => part).sort()).toEqual([
      'ACCESS_LOG',
      'BANK',
      'CARE',
      'CONFIDENTIALITY',
      'DECISION',
      'FUNDING',
    ]);
  });

  test('finance sees the money, and neither where somebody lives nor what their care is', async () => {
    const { person } = await read(iris.nhsNumber, finance);
    expect(person).toMatchObject({ postcode: null, people: null, reviews: null });
    expect(person.budgets.length).toBeGreaterThan(0);
  });

  test('what is hidden is not found by its id either', async () => {
    const { person } = await read(
      iris.nhsNumber,
      coordinator,
      `query ($n: NHSNumber!) { person(nhsNumber: $n) { reviews { id } } }`,
    );
    const [{ id }] = person.reviews;
    const byId = `query ($id: ID!) { node(id: $id) { __typename id } }`;
    expect((await kit.ask(byId, { id }, coordinator)).data.node).toEqual({ __typename: 'Review', id });
    expect((await kit.ask(byId, { id }, provider)).data.node).toBeNull();
  });
});

describe('by authority', () => {
  const setRole = (role: string) =>
    kit.database.pool.query('update role_on_record set role = $1 where individual_nhs_number = $2', [
      role,
      carol.nhsNumber,
    ]);
  let before: string;
  beforeAll(async () => {
    const { rows } = await kit.database.pool.query(
      'select role from role_on_record where individual_nhs_number = $1',
      [carol.nhsNumber],
    );
    before = rows[0].role;
  });
  afterAll(() => setRole(before));

  test.each([
    ['LPA_HEALTH_AND_WELFARE', true, false],
    ['LPA_PROPERTY_AND_FINANCE', false, true],
    ['NOMINEE', false, true],
    ['DEPUTY', true, true],
  ])('%s: care %s, money %s', async (role, care, money) => {
    await setRole(role);
    const { person } = await read(iris.nhsNumber, asCarol);
    expect(person.familyName).toBe(iris.familyName);
    expect(person.reviews !== null).toBe(care);
    expect(person.plan.needs !== null).toBe(care);
    expect(person.budgets !== null).toBe(money);
    expect(person.combined !== null).toBe(money);
    const withheld = person.withheld.map(({ part }: never) => part);
    expect(withheld.includes('CARE')).toBe(!care);
    expect(withheld.includes('MONEY')).toBe(!money);
    const { data } = await kit.ask('{ spendsToLookAt(first: 1) { nodes { id } } }', {}, asCarol);
    expect(data.spendsToLookAt.nodes).toBeDefined();
  });

  test('a role that is suspended opens nothing, until it is resumed; the source may go on telling of it', async () => {
    const { person } = await read(iris.nhsNumber, coordinator);
    const role = person.people.find((one: { individualName: string }) => one.individualName === carol.name);
    const reason = 'The district nurse saw unexplained bruises.';
    expect((await give('suspendRole', { roleId: role.id, reason }, socialWorker)).userErrors).toEqual([]);
    expect((await read(iris.nhsNumber, asCarol)).person).toBeNull();
    expect((await give('suspendRole', { roleId: role.id, reason }, socialWorker)).userErrors).toEqual([
      { code: 'WRONG_STAGE', field: 'roleId' },
    ]);
    await give('resumeRole', { roleId: role.id, reason: 'Looked into, and unfounded.' }, socialWorker);
    expect((await read(iris.nhsNumber, asCarol)).person).not.toBeNull();
    expect(
      (await give('suspendRole', { roleId: role.id, reason }, { ...socialWorker, organisation: 'X00' }))
        .userErrors,
    ).toEqual([{ code: 'NOT_FOUND', field: 'roleId' }]);
  });
});

describe('the choice of the person', () => {
  const choose = (personId: string, choice: object, claims: JWTPayload = asDaniel) =>
    give(
      'recordSharingChoice',
      {
        personId,
        saidBy: 'PERSON',
        legalBasis: 'OBJECTION',
        words: 'Not for them.',
        shares: false,
        ...choice,
      },
      claims,
      'choice { id from to recordedByOrganisation { code } }',
    );
  let danielId: string;
  beforeAll(async () => {
    danielId = (await read(daniel.nhsNumber, asDaniel)).person.id;
  });

  test('keeps the money of one side from the other, in every total, and says so without a count', async () => {
    const before = (await read(daniel.nhsNumber, socialWorker)).person;
    expect(before.budgets.map(({ kind }: never) => kind)).toContain('PERSONAL_HEALTH_BUDGET');
    const health = before.budgets.find(({ kind }: { kind: string }) => kind === 'PERSONAL_HEALTH_BUDGET');
    expect((await choose(danielId, { side: 'NHS', part: 'MONEY' })).choice.recordedByOrganisation).toBeNull();

    const council = (await read(daniel.nhsNumber, socialWorker)).person;
    expect(council.budgets.map(({ kind }: never) => kind)).not.toContain('PERSONAL_HEALTH_BUDGET');
    expect(council).toMatchObject({ statement: null, evidence: null });
    const left = council.budgets
      .flatMap(({ balances }: { balances: { left: { amount: string } }[] }) => balances)
      .reduce(
        (sum: number, { left }: { left: { amount: string } }) => sum + Math.round(Number(left.amount) * 100),
        0,
      );
    expect(Math.round(Number(council.combined.left.amount) * 100)).toBe(left);
    expect(council.withheld).toContainEqual({ part: 'MONEY', side: 'NHS', reason: 'NOT_SHARED' });
    const byId = await kit.ask(`query ($id: ID!) { node(id: $id) { id } }`, { id: health.id }, socialWorker);
    expect(byId.data.node).toBeNull();
    // Its own side, the provider and the person see it as before.
    for (const claims of [coordinator, asDaniel]) {
      const { person } = await read(daniel.nhsNumber, claims);
      expect(person.budgets.map(({ kind }: never) => kind)).toContain('PERSONAL_HEALTH_BUDGET');
      expect(person.statement).not.toBeNull();
    }

    await choose(danielId, { side: 'NHS', part: 'MONEY', shares: true, legalBasis: 'CONSENT' });
    expect((await read(daniel.nhsNumber, socialWorker)).person).toEqual(before);
  });

  test('keeps the care of one side from the other', async () => {
    await choose(danielId, { side: 'COUNCIL', part: 'CARE' }, asDaniel);
    const { person } = await read(daniel.nhsNumber, coordinator);
    expect(person.plans.map(({ origin }: never) => origin)).not.toContain('COUNCIL');
    expect(person.reviews.map(({ side }: never) => side)).not.toContain('COUNCIL');
    expect(person.nextReviews).toBeNull();
    const own = (await read(daniel.nhsNumber, socialWorker)).person;
    expect(own.nextReviews).not.toBeNull();
    const { data } = await kit.ask(
      `query ($n: NHSNumber!) { person(nhsNumber: $n) { sharingChoices { side part shares saidBy legalBasis from to } } }`,
      { n: daniel.nhsNumber },
      coordinator,
    );
    expect(data.person.sharingChoices[0]).toEqual({
      side: 'COUNCIL',
      part: 'CARE',
      shares: false,
      saidBy: 'PERSON',
      legalBasis: 'OBJECTION',
      from: '2026-11-21',
      to: null,
    });
    await choose(danielId, { side: 'COUNCIL', part: 'CARE', shares: true, legalBasis: 'CONSENT' });
  });

  test('wants a ground that fits, and the word of whose it is', async () => {
    expect((await choose(danielId, { side: 'NHS', part: 'CARE', legalBasis: 'CONSENT' })).userErrors).toEqual(
      [{ code: 'BASIS_INVALID', field: 'legalBasis' }],
    );
    expect(
      (await choose(danielId, { side: 'NHS', part: 'CARE', saidBy: 'REPRESENTATIVE' })).userErrors,
    ).toEqual([{ code: 'NOT_YOURS', field: 'saidBy' }]);
    expect((await choose(danielId, { side: 'NHS', part: 'CARE' }, asCarol)).userErrors).toEqual([
      { code: 'PERSON_NOT_FOUND', field: 'personId' },
    ]);
  });
});

describe('in an emergency', () => {
  const stranger = place.people[founding.notionalOnly]!;
  const words = 'Found on the floor by a neighbour, cannot speak, which medicines?';
  const open = (claims: JWTPayload, input: object = {}) =>
    give(
      'openEmergencyAccess',
      { nhsNumber: stranger.nhsNumber, reason: 'LIFE_AT_RISK', words, ...input },
      claims,
      'emergency { openedAt closesAt }',
    );
  const emergencyRecord = record.replace('{ person(', '{ person: emergencyRecord(');

  test('opens a record for an hour, to read, never the money; the person and the privacy officer are told', async () => {
    expect((await read(stranger.nhsNumber, socialWorker, emergencyRecord)).person).toBeNull();
    expect((await open(socialWorker)).emergency).toEqual({
      openedAt: '2026-11-21T12:00:00.000Z',
      closesAt: '2026-11-21T13:00:00.000Z',
    });
    const { person } = await read(stranger.nhsNumber, socialWorker, emergencyRecord);
    expect(person).toMatchObject({
      familyName: stranger.familyName,
      budgets: null,
      combined: null,
      statement: null,
    });
    expect(person.reviews).not.toBeNull();
    expect(person.withheld).toContainEqual({ part: 'MONEY', side: null, reason: 'EMERGENCY' });
    // Only there, only they, and to read only.
    expect((await read(stranger.nhsNumber, socialWorker)).person).toBeNull();
    expect(
      (await read(stranger.nhsNumber, { ...socialWorker, sub: 'another' }, emergencyRecord)).person,
    ).toBeNull();
    const draft = await give('draftPlan', { personId: person.id, title: 'x' }, socialWorker);
    expect(draft.userErrors).toEqual([{ code: 'PERSON_NOT_FOUND', field: 'personId' }]);

    const notices = await kit.ask(
      '{ emergencyAccesses(first: 5) { nodes { id openedBy role reason words reviewedAt } } }',
      {},
      privacyOfficer,
    );
    expect(notices.data.emergencyAccesses.nodes).toMatchObject([
      { role: 'SOCIAL_WORKER', reason: 'LIFE_AT_RISK', words, reviewedAt: null },
    ]);
    expect(JSON.stringify(notices)).not.toContain(stranger.familyName);
    const asStranger = { sub: 's', tandem_role: 'PERSON', nhs_number: stranger.nhsNumber };
    const own = await kit.ask(
      '{ caseload(first: 1) { nodes { emergencyAccesses { organisation { code } reason words } } } }',
      {},
      asStranger,
    );
    expect(own.data.caseload.nodes[0].emergencyAccesses).toEqual([
      { organisation: { code: wenshire.council.code }, reason: 'LIFE_AT_RISK', words },
    ]);

    const [{ id }] = notices.data.emergencyAccesses.nodes;
    const review = { emergencyId: id, words: 'Justified: the ambulance sheet is in the file.' };
    expect(
      (await give('reviewEmergencyAccess', review, privacyOfficer, 'emergency { reviewWords }')).emergency
        .reviewWords,
    ).toBe(review.words);
    expect((await give('reviewEmergencyAccess', review, privacyOfficer)).userErrors[0].code).toBe(
      'WRONG_STAGE',
    );

    instant = new Date('2026-11-21T13:00:00Z');
    expect((await read(stranger.nhsNumber, socialWorker, emergencyRecord)).person).toBeNull();
    instant = new Date('2026-11-21T12:00:00Z');
  });

  test('is not for a record that is theirs anyway, nor without words, nor for other roles', async () => {
    expect((await open(coordinator)).userErrors).toEqual([{ code: 'ALREADY_YOURS', field: 'nhsNumber' }]);
    expect((await open(socialWorker, { words: 'urgent' })).userErrors).toEqual([
      { code: 'REASON_NEEDED', field: 'words' },
    ]);
    expect((await open(socialWorker, { nhsNumber: '9434765919' })).userErrors[0].code).toBe(
      'PERSON_NOT_FOUND',
    );
    const { errors } = await kit.ask(
      `mutation ($input: OpenEmergencyAccessInput!) { openEmergencyAccess(input: $input) { userErrors { code } } }`,
      {
        input: {
          idempotencyKey: crypto.randomUUID(),
          nhsNumber: stranger.nhsNumber,
          reason: 'URGENT_CARE',
          words,
        },
      },
      provider,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    const { data } = await kit.ask('{ emergencyAccesses(first: 5) { nodes { id } } }', {}, coordinator);
    expect(data.emergencyAccesses.nodes).toEqual([]);
  });
});

describe('after an end', () => {
  test('who works for an organisation no longer sees nothing for it, whatever their token says', async () => {
    const leaver = { ...provider, sub: 'leaver' };
    expect((await read(iris.nhsNumber, leaver)).person).not.toBeNull();
    const input = {
      organisationCode: provider.organisation,
      subject: `${kit.issuer.url}#leaver`,
      reason: 'Left on Friday; the account at their sign-in is not closed yet.',
    };
    expect((await give('endEmployment', input, privacyOfficer)).userErrors).toEqual([
      { code: 'NOT_FOUND', field: 'organisationCode' },
    ]);
    const administrator = { sub: 'sam', tandem_role: 'ADMIN' };
    expect((await give('endEmployment', input, administrator)).userErrors).toEqual([]);
    expect((await read(iris.nhsNumber, leaver)).person).toBeNull();
    expect((await read(iris.nhsNumber, provider)).person).not.toBeNull();
    expect((await give('restoreEmployment', input, administrator)).userErrors).toEqual([]);
    expect((await read(iris.nhsNumber, leaver)).person).not.toBeNull();
  });
});
