import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askerOf, isAsker, mayAskFor, rightsOf } from '../src/decision/rules.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { DecisionKind } from '../src/generated/prisma/enums.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const carol = iris.nhs!.related[0]!;
const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
const carolForIris = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: carol.nhsNumber };
const finance = { sub: 'fay', tandem_role: 'FINANCE', organisation: 'QWN' };

describe('the right to have it decided again', () => {
  const regulation = /regulation \d+/;
  test.each([
    ['REFUSED', 'regulation 7'],
    ['LEFT_OUT', 'regulation 8'],
    ['REDUCED', 'regulation 13'],
    ['RECLAIMED', 'regulation 15'],
    ['STOPPED', 'regulation 17'],
  ] as const)('comes with the NHS’s decision %s, by %s', (kind, by) => {
    const { reconsiderUnder, appealRoute } = rightsOf('NHS', kind);
    expect(reconsiderUnder).toContain('SI 2013/1617');
    expect(regulation.exec(reconsiderUnder!)![0]).toBe(by);
    expect(appealRoute).toContain('Parliamentary and Health Service Ombudsman');
  });

  test('comes with no decision of a council, which is complained of', () => {
    for (const kind of Object.values(DecisionKind)) {
      const { reconsiderUnder, appealRoute } = rightsOf('COUNCIL', kind);
      expect(reconsiderUnder).toBeNull();
      expect(appealRoute).toContain('Local Government and Social Care Ombudsman');
    }
  });

  test('is used by who decides about the matter for the person', () => {
    const kinds = Object.values(DecisionKind);
    expect(kinds.filter((kind) => mayAskFor(['LPA_PROPERTY_AND_FINANCE'], kind))).not.toContain('LEFT_OUT');
    expect(kinds.filter((kind) => mayAskFor(['LPA_PROPERTY_AND_FINANCE'], kind))).toHaveLength(4);
    expect(kinds.filter((kind) => mayAskFor(['LPA_HEALTH_AND_WELFARE'], kind))).toEqual(kinds);
    expect(kinds.filter((kind) => mayAskFor(['NOMINEE', 'DEPUTY'], kind))).toEqual(kinds);
    expect(kinds.filter((kind) => mayAskFor([], kind))).toEqual([]);
  });

  test('knows who used it, whatever their subject is', () => {
    const subject = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(subject, subject, (one, two) => {
        const asker = askerOf({ role: 'PERSON', subject: one });
        expect(isAsker(asker, one)).toBe(true);
        expect(isAsker(asker, two)).toBe(one === two);
      }),
    );
  });
});

const fields = `id kind organisation { code } decidedOn what reasons amount { amount } budget { id } plan { id }
  reconsiderUnder mayAskForReconsideration appealRoute version
  reconsideration { requestedAt requestedBy words outcome decidedOn reasons }`;
const payload = `{ decision { ${fields} } userErrors { code message field } }`;
const operations = {
  recordDecision: `mutation ($input: RecordDecisionInput!) { recordDecision(input: $input) ${payload} }`,
  requestReconsideration: `mutation ($input: RequestReconsiderationInput!) { requestReconsideration(input: $input) ${payload} }`,
  decideReconsideration: `mutation ($input: DecideReconsiderationInput!) { decideReconsideration(input: $input) ${payload} }`,
};

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

const give = async (name: keyof typeof operations, input: object, claims: object = coordinator) => {
  const variables = { input: { idempotencyKey: crypto.randomUUID(), ...input } };
  const { data, errors } = await kit.ask(operations[name], variables, { ...claims });
  expect(errors).toBeUndefined();
  return data[name];
};
const record = (input: object, claims?: object) => give('recordDecision', input, claims);
const request = (input: object, claims?: object) => give('requestReconsideration', input, claims);
const decide = (input: object, claims?: object) => give('decideReconsideration', input, claims);
const errorsOf = ({ userErrors }: { userErrors: { code: string; field: string }[] }) =>
  userErrors.map(({ code, field }) => `${code} ${field}`);

const reduced = {
  kind: 'REDUCED',
  what: 'The weekly amount is 40 pounds less.',
  reasons: 'Fewer hours are needed since the stairlift.',
  amount: { amount: '40.00' },
  decidedOn: '2026-11-20',
};
const because = { words: 'The stairlift does not help on the way to the garden.' };

async function personOf(nhsNumber: string) {
  const { data } = await kit.ask(
    `{ person(nhsNumber: "${nhsNumber}") { id budgets { id kind } plan { id } } }`,
  );
  return data.person;
}

describe('a decision against the person', () => {
  test('stands with its reasons, its right and what it is about', async () => {
    const person = await personOf(daniel.nhsNumber);
    const { data } = await kit.ask(`{ person(id: "${person.id}") { decisions { id } } }`);
    const before = data.person.decisions.length;
    const about = { personId: person.id, budgetId: person.budgets[0].id, planId: person.plan?.id ?? null };
    const { decision, userErrors } = await record({ ...reduced, ...about }, finance);
    expect(userErrors).toEqual([]);
    expect(decision).toEqual({
      ...reduced,
      id: expect.stringMatching(/^dcn_/),
      organisation: { code: 'QWN' },
      amount: { amount: '40.00' },
      budget: { id: about.budgetId },
      plan: about.planId && { id: about.planId },
      reconsiderUnder: expect.stringContaining('regulation 13'),
      mayAskForReconsideration: true,
      appealRoute: expect.stringContaining('Ombudsman'),
      version: 1,
      reconsideration: null,
    });

    const sent = kit.database.reader.sent();
    const seen = await kit.ask(
      `{ person(id: "${person.id}") { decisions { ${fields} } } }`,
      {},
      danielHimself,
    );
    expect(kit.database.reader.sent() - sent).toBe(1);
    expect(seen.data.person.decisions).toHaveLength(before + 1);
    expect(seen.data.person.decisions[0]).toEqual(decision);
    const node = `{ node(id: "${decision.id}") { ... on Decision { what } } }`;
    expect((await kit.ask(node)).data.node).toEqual({ what: reduced.what });
    expect((await kit.ask(node, {}, carolForIris)).data.node).toBeNull();
  });

  test('is refused where something is wrong with it, and nothing is written', async () => {
    const { id: personId } = await personOf(daniel.nhsNumber);
    const others = await personOf(iris.nhsNumber);
    const all = { ...reduced, personId };
    const { rows: before } = await kit.database.pool.query('select count(*) from decision');
    expect(errorsOf(await record({ ...all, reasons: '  ' }))).toEqual(['TEXT_INVALID reasons']);
    expect(errorsOf(await record({ ...all, what: '' }))).toEqual(['TEXT_INVALID what']);
    expect(errorsOf(await record({ ...all, decidedOn: '2026-11-22' }))).toEqual(['DAY_INVALID decidedOn']);
    expect(errorsOf(await record({ ...all, amount: { amount: '0.00' } }))).toEqual(['AMOUNT_INVALID amount']);
    expect(errorsOf(await record({ ...all, kind: 'RECLAIMED', amount: null }))).toEqual([
      'AMOUNT_INVALID amount',
    ]);
    const euro = { amount: '1.00', currency: 'EUR' };
    expect(errorsOf(await record({ ...all, amount: euro }))).toEqual(['CURRENCY_NOT_GBP amount.currency']);
    expect(errorsOf(await record({ ...all, budgetId: others.budgets[0].id }))).toEqual([
      'NOT_FOUND budgetId',
    ]);
    expect(errorsOf(await record({ ...all, budgetId: personId }))).toEqual(['NOT_FOUND budgetId']);
    expect(errorsOf(await record({ ...all, planId: others.plan.id }))).toEqual(['NOT_FOUND planId']);
    expect(errorsOf(await record({ ...all, personId: 'nobody' }))).toEqual(['PERSON_NOT_FOUND personId']);
    const { rows: after } = await kit.database.pool.query('select count(*) from decision');
    expect(after).toEqual(before);
    const input = { idempotencyKey: crypto.randomUUID(), ...all };
    for (const claims of [provider, danielHimself]) {
      const { errors } = await kit.ask(operations.recordDecision, { input }, claims);
      expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    }
  });
});

describe('having it decided again', () => {
  const madeFor = async (nhsNumber: string, more: object = {}, claims: object = coordinator) => {
    const { id: personId } = await personOf(nhsNumber);
    const { decision } = await record({ ...reduced, personId, ...more }, claims);
    return { decisionId: decision.id as string, expectedVersion: 1 };
  };

  test('is asked for once, by the person, and decided by whoever decided', async () => {
    const made = await madeFor(daniel.nhsNumber);
    expect(errorsOf(await request({ ...made, words: ' ' }, danielHimself))).toEqual(['TEXT_INVALID words']);
    expect(errorsOf(await decide({ ...made, outcome: 'UPHELD', reasons: 'No' }))).toEqual([
      'WRONG_STAGE decisionId',
    ]);
    const asked = await request({ ...made, ...because }, danielHimself);
    expect(asked.userErrors).toEqual([]);
    expect(asked.decision).toMatchObject({
      version: 2,
      mayAskForReconsideration: false,
      reconsideration: {
        ...because,
        requestedAt: '2026-11-21T12:00:00.000Z',
        requestedBy: 'PERSON',
        outcome: null,
        decidedOn: null,
        reasons: null,
      },
    });
    const stale = await request({ ...made, ...because }, danielHimself);
    expect(errorsOf(stale)).toEqual(['CONFLICT expectedVersion']);
    expect(stale.decision).toEqual(asked.decision);
    const now = { ...made, expectedVersion: 2 };
    const again = await request({ ...now, ...because }, danielHimself);
    expect(errorsOf(again)).toEqual(['ALREADY_REQUESTED decisionId']);
    expect(again.userErrors[0].message).toContain('Ombudsman');

    const said = { outcome: 'CHANGED', reasons: 'The garden was not considered.' };
    expect(errorsOf(await decide({ ...now, ...said }, socialWorker))).toEqual(['NOT_YOURS decisionId']);
    const decided = await decide({ ...now, ...said }, finance);
    expect(decided.userErrors).toEqual([]);
    expect(decided.decision).toMatchObject({
      version: 3,
      reconsideration: { ...because, ...said, decidedOn: today },
    });
    expect(errorsOf(await decide({ ...now, ...said, expectedVersion: 3 }))).toEqual([
      'WRONG_STAGE decisionId',
    ]);
    const { rows } = await kit.database.pool.query(
      `select count(*)::int as n from outbox where topic = 'decision.changed'`,
    );
    expect(rows[0].n).toBeGreaterThanOrEqual(3);
  });

  test('of two who ask at once, one asks', async () => {
    const made = await madeFor(daniel.nhsNumber);
    const answers = await Promise.all(
      [danielHimself, coordinator, socialWorker].map((claims) => request({ ...made, ...because }, claims)),
    );
    expect(answers.flatMap(errorsOf)).toEqual(['CONFLICT expectedVersion', 'CONFLICT expectedVersion']);
  });

  test('is asked for on behalf of the person, and then decided by somebody else', async () => {
    const made = await madeFor(iris.nhsNumber);
    const asked = await request({ ...made, ...because });
    expect(asked.decision.reconsideration.requestedBy).toBe('CARE_COORDINATOR');
    const said = { ...made, expectedVersion: 2, outcome: 'UPHELD', reasons: 'Nothing new.' };
    expect(errorsOf(await decide(said))).toEqual(['NOT_YOURS decisionId']);
    expect(errorsOf(await decide(said, { ...coordinator, sub: 'a-colleague' }))).toEqual([]);
    // Who it was is for the audit: the record shows no sign-in.
    expect(JSON.stringify(asked)).not.toContain('nadia');
  });

  test('is asked for by a representative within their authority', async () => {
    const { rows } = await kit.database.pool.query(
      `select r.id, r.role from role_on_record r where r.individual_nhs_number = $1 and r.role <> 'CARER'`,
      [carol.nhsNumber],
    );
    const setRole = (role: string) =>
      kit.database.pool.query('update role_on_record set role = $1 where id = any($2)', [
        role,
        rows.map(({ id }) => id),
      ]);
    const leftOut = await madeFor(iris.nhsNumber, { kind: 'LEFT_OUT', amount: null });
    const money = await madeFor(iris.nhsNumber);
    await setRole('LPA_PROPERTY_AND_FINANCE');
    expect(errorsOf(await request({ ...leftOut, ...because }, carolForIris))).toEqual([
      'NOT_YOURS decisionId',
    ]);
    const asked = await request({ ...money, ...because }, carolForIris);
    expect(asked.decision.reconsideration.requestedBy).toBe('REPRESENTATIVE');
    await setRole('LPA_HEALTH_AND_WELFARE');
    expect(errorsOf(await request({ ...leftOut, ...because }, carolForIris))).toEqual([]);
    // Somebody else's decision looks like none.
    const daniels = await madeFor(daniel.nhsNumber);
    expect(errorsOf(await request({ ...daniels, ...because }, carolForIris))).toEqual([
      'NOT_FOUND decisionId',
    ]);
  });

  test('of a council there is no right to; the refusal says where to turn', async () => {
    const made = await madeFor(daniel.nhsNumber, {}, socialWorker);
    const { data } = await kit.ask(
      `{ node(id: "${made.decisionId}") { ... on Decision { organisation { code } reconsiderUnder mayAskForReconsideration } } }`,
    );
    expect(data.node).toEqual({
      organisation: { code: '999' },
      reconsiderUnder: null,
      mayAskForReconsideration: false,
    });
    const refused = await request({ ...made, ...because }, danielHimself);
    expect(errorsOf(refused)).toEqual(['NO_RIGHT_TO_RECONSIDERATION decisionId']);
    expect(refused.userErrors[0].message).toContain('Local Government and Social Care Ombudsman');
    expect(refused.decision.version).toBe(1);
  });

  test('of an organisation that is gone, the one that took over decides', async () => {
    const made = await madeFor(daniel.nhsNumber);
    await request({ ...made, ...because }, danielHimself);
    const { pool } = kit.database;
    const { rows } = await pool.query(
      `insert into organisation (kind, name, ods_code) values ('ICB', 'NHS Greater Wenshire', 'QZZ') returning id`,
    );
    await pool.query(
      `insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
       select r.person_id, r.link_id, 'heir', r.role, $1, r.sort_name from role_on_record r
         join organisation o on o.id = r.organisation_id join decision d on d.person_id = r.person_id
        where o.ods_code = 'QWN' and r.role = 'COMMISSIONER' and d.id = $2 limit 1`,
      [rows[0].id, uuidOf(made.decisionId)],
    );
    const heir = { ...finance, sub: 'heir', organisation: 'QZZ' };
    const said = { ...made, expectedVersion: 2, outcome: 'WITHDRAWN', reasons: 'It was an error.' };
    expect(errorsOf(await decide(said, heir))).toEqual(['NOT_YOURS decisionId']);
    await pool.query(
      `insert into organisation_succession (from_id, to_id, on_day)
       select o.id, $1, '2026-11-01' from organisation o where o.ods_code = 'QWN'`,
      [rows[0].id],
    );
    expect(errorsOf(await decide(said, heir))).toEqual([]);
  });
});

const uuidOf = (id: string) => id.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
