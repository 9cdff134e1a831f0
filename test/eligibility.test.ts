import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { eligibleSchemes } from '../src/eligibility/command.ts';
import { type Charge, judgeCharges } from '../src/eligibility/rules.ts';
import { type Held, objections, overlap } from '../src/eligibility/scheme.ts';
import { EligibilityScheme, EligibilityStatus, FundingSource } from '../src/generated/prisma/enums.ts';
import { addDays } from '../src/platform/day.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const schemes = Object.values(EligibilityScheme);
const anyScheme = fc.constantFrom(...schemes);
const anyEligible = fc.uniqueArray(anyScheme);
const anyCharge: fc.Arbitrary<Charge> = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  sources: fc.uniqueArray(fc.constantFrom(...Object.values(FundingSource)), { minLength: 1 }),
  needSchemes: fc.array(fc.option(anyScheme), { maxLength: 3 }),
});
const isChc = (scheme: string | null) => scheme === 'CHC_STANDARD' || scheme === 'CHC_FAST_TRACK';
const codes = (eligible: EligibilityScheme[], ...charges: Omit<Charge, 'key'>[]) => {
  const judged = judgeCharges(
    eligible,
    charges.map((charge, index) => ({ key: `line ${index}`, ...charge })),
  );
  return [judged.refusals.map(({ code }) => code), judged.warnings.map(({ code }) => code)];
};

describe('who pays for what', () => {
  test.each<[string, EligibilityScheme[], Omit<Charge, 'key'>, string[], string[]]>([
    [
      'continuing healthcare pays its needs alone',
      ['CHC_STANDARD'],
      { sources: ['ICB'], needSchemes: ['CHC_STANDARD'] },
      [],
      [],
    ],
    [
      'a council does not pay for them',
      ['CHC_STANDARD'],
      { sources: ['ICB', 'COUNCIL'], needSchemes: ['CHC_STANDARD'] },
      ['CHC_NEED_CHARGED_TO_COUNCIL'],
      ['NO_COUNCIL_ELIGIBILITY'],
    ],
    [
      'nor for a need of which nobody says otherwise',
      ['CHC_FAST_TRACK', 'CARE_ACT'],
      { sources: ['COUNCIL'], needSchemes: [null] },
      ['CHC_NEED_CHARGED_TO_COUNCIL'],
      [],
    ],
    [
      'nor for what names no need at all',
      ['CHC_FAST_TRACK', 'CARE_ACT'],
      { sources: ['COUNCIL'], needSchemes: [] },
      ['CHC_NEED_CHARGED_TO_COUNCIL'],
      [],
    ],
    [
      'but it may pay for a need of another scheme, which is unusual',
      ['CHC_STANDARD', 'CARER_S10'],
      { sources: ['COUNCIL'], needSchemes: ['CARER_S10'] },
      [],
      ['CHC_WITH_COUNCIL_BUDGET'],
    ],
    [
      'the NHS is free',
      ['JOINT_PACKAGE'],
      { sources: ['ICB', 'CLIENT_CONTRIBUTION'], needSchemes: ['JOINT_PACKAGE'] },
      ['CONTRIBUTION_AGAINST_NHS'],
      [],
    ],
    [
      'whatever else the family pays on top',
      ['JOINT_PACKAGE'],
      { sources: ['ICB', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP'], needSchemes: [] },
      ['CONTRIBUTION_AGAINST_NHS'],
      [],
    ],
    [
      'a contribution stands beside council money',
      ['JOINT_PACKAGE', 'CARE_ACT'],
      { sources: ['ICB', 'COUNCIL', 'CLIENT_CONTRIBUTION'], needSchemes: ['JOINT_PACKAGE'] },
      [],
      [],
    ],
    [
      'aftercare is free, so a contribution beside it is unusual',
      ['S117'],
      { sources: ['COUNCIL', 'CLIENT_CONTRIBUTION'], needSchemes: ['S117'] },
      [],
      ['CONTRIBUTION_UNDER_S117'],
    ],
    [
      'a need is under a scheme that is held',
      ['CARE_ACT'],
      { sources: ['ICB'], needSchemes: ['WHEELCHAIR', 'WHEELCHAIR'] },
      ['SCHEME_NOT_HELD'],
      ['NO_NHS_ELIGIBILITY'],
    ],
    [
      'money without any eligibility is said',
      [],
      { sources: ['COUNCIL'], needSchemes: [null] },
      [],
      ['NO_COUNCIL_ELIGIBILITY'],
    ],
  ])('%s', (_name, eligible, charge, refused, warned) => {
    expect(codes(eligible, charge)).toEqual([refused, warned]);
  });

  test('nursing care beside continuing healthcare is said once, of the person', () => {
    const { warnings } = judgeCharges(['FNC', 'CHC_STANDARD'], []);
    expect(warnings).toEqual([{ key: null, code: 'FNC_WITH_CHC', message: expect.any(String) }]);
    expect(codes(['FNC'])).toEqual([[], []]);
  });

  test('no contribution and no council money ever passes for a need of continuing healthcare', () => {
    fc.assert(
      fc.property(anyEligible, fc.array(anyCharge, { maxLength: 4 }), (eligible, charges) => {
        const refused = new Set(
          judgeCharges(eligible, charges)
            .refusals.filter(({ code }) => code === 'CHC_NEED_CHARGED_TO_COUNCIL')
            .map(({ key }) => key),
        );
        for (const { key, sources, needSchemes } of charges) {
          const charged = sources.includes('COUNCIL') || sources.includes('CLIENT_CONTRIBUTION');
          if (charged && needSchemes.some(isChc)) expect(refused).toContain(key);
          if (charged && eligible.some(isChc) && !needSchemes.some((scheme) => scheme !== null))
            expect(refused).toContain(key);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('no contribution passes beside the NHS alone, and no scheme that is not held', () => {
    fc.assert(
      fc.property(anyEligible, anyCharge, (eligible, charge) => {
        const found = judgeCharges(eligible, [charge]).refusals;
        const paid = charge.sources.filter((source) => source === 'ICB' || source === 'CLIENT_CONTRIBUTION');
        if (paid.length === 2 && charge.sources.length === 2)
          expect(found.map(({ code }) => code)).toContain('CONTRIBUTION_AGAINST_NHS');
        const missing = charge.needSchemes.some((scheme) => scheme !== null && !eligible.includes(scheme));
        expect(found.some(({ code }) => code === 'SCHEME_NOT_HELD')).toBe(missing);
      }),
      { numRuns: 500 },
    );
  });

  test('what is found does not depend on the order, and each charge is judged by itself', () => {
    const sorted = (found: object[]) => found.map((one) => JSON.stringify(one)).sort();
    fc.assert(
      fc.property(anyEligible, fc.array(anyCharge, { maxLength: 4 }), (eligible, charges) => {
        const whole = judgeCharges(eligible, charges);
        const turned = judgeCharges([...eligible].reverse(), [...charges].reverse());
        expect(sorted(turned.refusals)).toEqual(sorted(whole.refusals));
        expect(sorted(turned.warnings)).toEqual(sorted(whole.warnings));
        const single = charges.flatMap((charge) => judgeCharges(eligible, [charge]).refusals);
        expect(sorted(single)).toEqual(sorted(whole.refusals));
      }),
    );
  });
});

describe('schemes beside one another', () => {
  const anyDay = fc.integer({ min: 0, max: 60 }).map((days) => addDays('2024-02-01', days));
  const anySpan = fc
    .tuple(anyDay, fc.option(fc.integer({ min: 1, max: 30 })))
    .map(([from, days]) => ({ from, to: days === null ? null : addDays(from, days) }));
  const anyHeld: fc.Arbitrary<Held> = fc
    .record({
      scheme: anyScheme,
      status: fc.constantFrom(...Object.values(EligibilityStatus)),
      span: anySpan,
    })
    .map(({ span, ...held }) => ({ ...held, ...span }));
  const holdsOn = ({ from, to }: { from: string; to: string | null }, day: string) =>
    from <= day && (to === null || day < to);

  test('two spans overlap when they share a day', () => {
    fc.assert(
      fc.property(anySpan, anySpan, (a, b) => {
        const days = Array.from({ length: 100 }, (_, index) => addDays('2024-02-01', index));
        expect(overlap(a, b)).toBe(days.some((day) => holdsOn(a, day) && holdsOn(b, day)));
      }),
    );
  });

  test('whatever is recorded one after the other, nobody holds on one day what excludes one another', () => {
    fc.assert(
      fc.property(fc.array(anyHeld, { maxLength: 12 }), (wishes) => {
        const held: Held[] = [];
        for (const wish of wishes) {
          const decidedOn = wish.status === 'ASSESSING' ? null : '2024-01-31';
          const asked = { ...wish, decidedOn, reviewer: 'a nurse', reviewDueOn: null };
          if (objections(asked, held, '2025-01-01').length === 0) held.push(wish);
        }
        for (const day of Array.from({ length: 100 }, (_, index) => addDays('2024-02-01', index))) {
          const all = held.filter((span) => holdsOn(span, day));
          expect(new Set(all.map(({ scheme }) => scheme)).size).toBe(all.length);
          const eligible = all.filter(({ status }) => status === 'ELIGIBLE').map(({ scheme }) => scheme);
          expect(eligible.filter((scheme) => isChc(scheme) || scheme === 'FNC').length).toBeLessThanOrEqual(
            1,
          );
        }
      }),
    );
  });
});

describe('recording eligibility', () => {
  const place = makePlace({ today });
  const both = place.people.filter(
    ({ nhs, council }, index) =>
      nhs && council && !nhs.restricted && !new Set<number>(Object.values(founding)).has(index),
  );
  const fields = `id scheme status decidedOn decidedBy { code } reviewer reviewDueOn from to source version`;
  const recordIt = `mutation ($input: RecordEligibilityInput!) { recordEligibility(input: $input) {
    eligibility { ${fields} } userErrors { code message field } } }`;
  const endIt = `mutation ($input: EndEligibilityInput!) { endEligibility(input: $input) {
    eligibility { ${fields} } userErrors { code message field } } }`;

  let kit: TestHub;
  beforeAll(async () => {
    kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
    await kit.database.pool.query('delete from eligibility');
  });
  afterAll(() => kit.close());

  let next = 0;
  const someone = async () => {
    const { nhsNumber } = both[next++]!;
    const { data } = await kit.ask(`{ person(nhsNumber: "${nhsNumber}") { id } }`);
    return data.person.id as string;
  };
  const record = async (personId: string, said: object, claims: object = coordinator) => {
    const input = { idempotencyKey: crypto.randomUUID(), personId, ...said };
    return (await kit.ask(recordIt, { input }, { ...claims })).data.recordEligibility;
  };
  const end = async (said: object, claims: object = coordinator) => {
    const input = { idempotencyKey: crypto.randomUUID(), reason: 'Reviewed', ...said };
    return (await kit.ask(endIt, { input }, { ...claims })).data.endEligibility;
  };
  const list = async (personId: string, argument = '') =>
    (await kit.ask(`{ person(id: "${personId}") { eligibilities${argument} { scheme from to version } } }`))
      .data.person.eligibilities;
  const errorsOf = ({ userErrors }: { userErrors: { code: string; field: string }[] }) =>
    userErrors.map(({ code, field }) => `${code} ${field}`);

  const chc = {
    scheme: 'CHC_STANDARD',
    status: 'ELIGIBLE',
    decidedOn: '2026-11-02',
    reviewer: 'CHC nurse assessor',
    from: '2026-11-03',
  };
  const careAct = { scheme: 'CARE_ACT', status: 'ELIGIBLE', decidedOn: '2026-10-01', from: '2026-10-01' };

  test('shows what was decided, by whom, and when it is looked at again', async () => {
    const personId = await someone();
    const said = { ...chc, reviewDueOn: '2027-02-03' };
    const { eligibility, userErrors } = await record(personId, said);
    expect(userErrors).toEqual([]);
    expect(eligibility).toEqual({
      id: expect.stringMatching(/^elg_/),
      ...said,
      decidedBy: { code: 'QWN' },
      to: null,
      source: null,
      version: 1,
    });
    const { data } = await kit.ask(`{ node(id: "${eligibility.id}") { ... on Eligibility { scheme } } }`);
    expect(data.node).toEqual({ scheme: 'CHC_STANDARD' });
    const { rows } = await kit.database.pool.query(
      `select topic, payload from outbox where topic = 'eligibility.changed'`,
    );
    expect(rows).toHaveLength(1);
  });

  test('is for the side whose scheme it is', async () => {
    const personId = await someone();
    const careActOnly = await record(personId, careAct);
    expect(errorsOf(careActOnly)).toEqual(['NOT_YOURS scheme']);
    expect(careActOnly.userErrors[0].message).toContain('council');
    expect(errorsOf(await record(personId, chc, socialWorker))).toEqual(['NOT_YOURS scheme']);
    expect(errorsOf(await record(personId, careAct, socialWorker))).toEqual([]);
    const s117 = { ...careAct, scheme: 'S117' };
    expect(errorsOf(await record(personId, s117, socialWorker))).toEqual([]);
    const { errors } = await kit.ask(
      recordIt,
      { input: { idempotencyKey: crypto.randomUUID(), personId, ...chc } },
      provider,
    );
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    const strange = `per_${'0'.repeat(32)}`;
    expect(errorsOf(await record(strange, chc))).toEqual(['PERSON_NOT_FOUND personId']);
  });

  test('refuses what cannot be, each on its field, and writes nothing', async () => {
    const personId = await someone();
    const wrong = {
      ...chc,
      decidedOn: '2026-11-22',
      reviewer: null,
      reviewDueOn: '2026-11-03',
      to: '2026-11-03',
    };
    expect(errorsOf(await record(personId, wrong))).toEqual([
      'DAY_INVALID to',
      'DAY_INVALID reviewDueOn',
      'DAY_INVALID decidedOn',
      'REVIEWER_NEEDED reviewer',
    ]);
    const assessing = { ...chc, status: 'ASSESSING' };
    expect(errorsOf(await record(personId, assessing))).toEqual(['DECISION_DAY_NEEDED decidedOn']);
    expect(errorsOf(await record(personId, { ...chc, decidedOn: null }))).toEqual([
      'DECISION_DAY_NEEDED decidedOn',
    ]);
    expect(await list(personId)).toEqual([]);

    expect(errorsOf(await record(personId, chc))).toEqual([]);
    expect(errorsOf(await record(personId, { ...chc, from: '2027-01-01' }))).toEqual([
      'ELIGIBILITY_OVERLAPS from',
    ]);
    for (const scheme of ['CHC_FAST_TRACK', 'FNC']) {
      const refused = await record(personId, { ...chc, scheme });
      expect(errorsOf(refused)).toEqual(['ELIGIBILITY_EXCLUDES scheme']);
      expect(refused.userErrors[0].message).toContain('CHC_STANDARD from 2026-11-03');
    }
    // Found not to be eligible for nursing care is no contradiction.
    expect(errorsOf(await record(personId, { ...chc, scheme: 'FNC', status: 'NOT_ELIGIBLE' }))).toEqual([]);
    expect(await list(personId)).toHaveLength(2);
  });

  test('of several who record what excludes one another at once, one is not refused', async () => {
    // More than once, for the first round only opens the connections.
    for (let round = 0; round < 5; round += 1) {
      const personId = await someone();
      const answers = await Promise.all(
        ['CHC_STANDARD', 'CHC_FAST_TRACK', 'FNC', 'CHC_STANDARD'].map((scheme) =>
          record(personId, { ...chc, scheme }),
        ),
      );
      expect(answers.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1);
      expect(await list(personId)).toHaveLength(1);
    }
  });

  test('ends on a day, once, and shows on any day and at any instant what was so', async () => {
    const personId = await someone();
    const { eligibility } = await record(personId, chc);
    const before = new Date().toISOString();
    const eligibilityId = eligibility.id;
    const ask = { eligibilityId, expectedVersion: 1 };
    expect(errorsOf(await end({ ...ask, on: '2026-11-03' }))).toEqual(['DAY_INVALID on']);
    expect(errorsOf(await end({ ...ask, on: '2026-11-20', reason: ' ' }))).toEqual(['REASON_NEEDED reason']);
    expect(errorsOf(await end({ ...ask, on: '2026-11-20' }, socialWorker))).toEqual([
      'NOT_YOURS eligibilityId',
    ]);
    const ended = await end({ ...ask, on: '2026-11-20' });
    expect(ended.eligibility).toMatchObject({ to: '2026-11-20', version: 2 });
    const late = await end({ ...ask, on: '2026-11-10' });
    expect(errorsOf(late)).toEqual(['CONFLICT expectedVersion']);
    expect(late.eligibility).toMatchObject({ to: '2026-11-20', version: 2 });
    expect(errorsOf(await end({ eligibilityId, expectedVersion: 2, on: '2026-11-21' }))).toEqual([
      'DAY_INVALID on',
    ]);
    expect(errorsOf(await end({ ...ask, eligibilityId: personId, on: '2026-11-20' }))).toEqual([
      'NOT_FOUND eligibilityId',
    ]);

    const now = { scheme: 'CHC_STANDARD', from: '2026-11-03', to: '2026-11-20', version: 2 };
    expect(await list(personId)).toEqual([now]);
    expect(await list(personId, '(asAt: { day: "2026-11-19" })')).toEqual([now]);
    expect(await list(personId, '(asAt: { day: "2026-11-20" })')).toEqual([]);
    expect(await list(personId, '(asAt: { day: "2026-11-02" })')).toEqual([]);
    expect(await list(personId, '(asAt: {})')).toEqual([]);
    const known = `(asAt: { day: "2026-11-20", knownAt: "${before}" })`;
    expect(await list(personId, known)).toEqual([{ ...now, to: null, version: 1 }]);
    // What ended leaves room for what follows it.
    expect(errorsOf(await record(personId, { ...chc, scheme: 'FNC', from: '2026-11-20' }))).toEqual([]);
  });

  test('leaves alone what a source keeps, and counts it', async () => {
    const personId = await someone();
    const uuid = personId.slice(4);
    const { rows } = await kit.database.pool.query(
      `insert into eligibility (person_id, link_id, external_id, scheme, status, valid_from)
       select person_id, id, 'EC-1', 'CHC_STANDARD', 'ELIGIBLE', '2026-01-01' from person_link
        where person_id = $1 order by id limit 1 returning 'elg_' || replace(id::text, '-', '') as id`,
      [uuid],
    );
    const kept = await end({ eligibilityId: rows[0].id, expectedVersion: 1, on: '2026-11-01' });
    expect(errorsOf(kept)).toEqual(['KEPT_BY_SOURCE eligibilityId']);
    expect(errorsOf(await record(personId, { ...chc, scheme: 'FNC' }))).toEqual([
      'ELIGIBILITY_EXCLUDES scheme',
    ]);
    const { data } = await kit.ask(
      `{ person(id: "${personId}") { eligibilities { source decidedBy { code } } } }`,
    );
    expect(data.person.eligibilities).toEqual([{ source: expect.any(String), decidedBy: null }]);
    const plain = await kit.database.prisma.$transaction((tx) =>
      Promise.all([
        eligibleSchemes(tx, uuidOf(uuid), '2025-12-31'),
        eligibleSchemes(tx, uuidOf(uuid), today),
      ]),
    );
    expect(plain).toEqual([[], ['CHC_STANDARD']]);
  });

  test('is read in one statement with the rest of the record, also as it was', async () => {
    const personId = await someone();
    await record(personId, careAct, socialWorker);
    const before = kit.database.reader.sent();
    const { data } = await kit.ask(
      `{ person(id: "${personId}") { now: eligibilities { ${fields} }
         before: eligibilities(asAt: { day: "2026-09-30" }) { ${fields} } budgets { id } } }`,
    );
    expect(kit.database.reader.sent() - before).toBe(1);
    expect(data.person).toMatchObject({ now: [{ scheme: 'CARE_ACT' }], before: [] });
  });
});

const uuidOf = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
