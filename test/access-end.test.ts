/** What ends, or is kept back, ends at once at another process too, and leaves nothing to be found out by. */
import { beforeAll, describe, expect, test } from 'vitest';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { today } from './setup/demo.ts';
import { admin, coordinator, provider, socialWorker } from './setup/hub.ts';
import { daniel, iris } from './setup/plan.ts';
import { bare, take, twoHubs } from './setup/stream.ts';

const hubs = twoHubs();
const asDaniel = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
const finance = { sub: 'fin', tandem_role: 'FINANCE', organisation: socialWorker.organisation };
let danielId: string;
let irisId: string;
beforeAll(async () => {
  const idOfPerson = async (nhsNumber: string) =>
    (await hubs.here.ask('query ($n: NHSNumber!) { person(nhsNumber: $n) { id } }', { n: nhsNumber })).data
      .person.id as string;
  danielId = await idOfPerson(daniel.nhsNumber);
  irisId = await idOfPerson(iris.nhsNumber);
});

async function give(
  name: string,
  input: object,
  claims: object,
  type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`,
) {
  const { data, errors } = await hubs.here.ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { userErrors { code field } } }`,
    { input: { idempotencyKey: crypto.randomUUID(), ...input } },
    { ...claims },
  );
  return errors?.[0]?.extensions.code ?? data[name].userErrors[0]?.code ?? 'done';
}

const choose = (side: string, part: string, shares: boolean) =>
  give(
    'recordSharingChoice',
    {
      personId: danielId,
      side,
      part,
      shares,
      saidBy: 'PERSON',
      legalBasis: shares ? 'CONSENT' : 'OBJECTION',
      words: 'Said at home.',
    },
    asDaniel,
  );

const works = async (claims: object) =>
  (await hubs.there.ask('query ($id: ID!) { person(id: $id) { id } }', { id: danielId }, { ...claims })).data
    .person !== null;

describe('with two processes', () => {
  test("somebody's work for an organisation ends: nothing is read, done or heard any more", async () => {
    const leaver = { ...coordinator, sub: 'leaver' };
    const officer = {
      sub: 'officer',
      tandem_role: 'PRIVACY_OFFICER',
      organisation: coordinator.organisation,
    };
    const endOf = (sub: string) => ({
      organisationCode: coordinator.organisation,
      subject: `${hubs.here.issuer.url}#${sub}`,
      reason: 'Left today.',
    });
    // Each hub of the test has an issuer of its own; both are asked by the tokens of one.
    const authorization = `Bearer ${await hubs.here.issuer.token(leaver)}`;
    const stream = await hubs.open(hubs.here, bare, { claims: leaver });
    expect(stream.status).toBe(200);
    expect(await give('requestSync', { sourceCode: 'none' }, leaver)).not.toBe('FORBIDDEN');
    expect(await give('endEmployment', endOf('leaver'), admin, 'EmploymentInput')).toBe('done');
    const last = await stream.next();
    expect(last!.errors![0]!.extensions.code).toBe('FORBIDDEN');
    expect(await stream.next()).toBeNull();
    expect(await give('requestSync', { sourceCode: 'none' }, leaver)).toBe('FORBIDDEN');
    const again = await hubs.refusal(bare, {}, { authorization });
    expect(again.errors![0]!.extensions.code).toBe('FORBIDDEN');
    const { data } = await hubs.here.ask(
      `{ caseload(first: 1) { nodes { id } } syncRuns(first: 1) { nodes { id } } paymentInstructions(first: 1) { nodes { id } } }`,
      {},
      leaver,
    );
    for (const page of Object.values(data)) expect(page).toEqual({ nodes: [] });

    const notices =
      '{ emergencyAccesses(first: 1) { nodes { id } } auditEvents(first: 1) { nodes { number } } }';
    expect((await hubs.here.ask(notices, {}, officer)).data.auditEvents.nodes).toHaveLength(1);
    expect(await give('endEmployment', endOf('officer'), admin, 'EmploymentInput')).toBe('done');
    expect((await hubs.here.ask(notices, {}, officer)).data.auditEvents.nodes).toEqual([]);
    expect(await give('endEmployment', endOf('coordinator'), officer, 'EmploymentInput')).toBe('FORBIDDEN');
  });

  test('a role that is ended or suspended closes the stream about the person', async () => {
    const variables = { personId: danielId };
    const [streams, change] = [
      [await hubs.open(hubs.there, bare, { variables }), await hubs.open(hubs.here, bare, { variables })],
      (column: string, value: string | null) =>
        hubs.here.database.pool.query(
          `update role_on_record set ${column} = $2
            where person_id = $1 and organisation_id = (select id from organisation where ods_code = $3)`,
          [uuidOf('per', danielId), value, coordinator.organisation],
        ),
    ];
    await change('suspended_at', `${today}T12:00:00Z`);
    try {
      for (const stream of streams)
        expect((await stream.next())!.errors![0]!.extensions.code).toBe('PERSON_NOT_FOUND');
      expect(await works(coordinator)).toBe(false);
    } finally {
      await change('suspended_at', null);
    }
    expect(await works(coordinator)).toBe(true);
  });
});

describe('a stream tells of what is read', () => {
  const topics = ['plan.changed', 'money.changed', 'decision.changed', 'sharing.changed', 'role.changed'];
  const hears = async (claims: object, personId = danielId) => {
    const stream = await hubs.open(hubs.there, bare, {
      claims: { ...claims },
      token: await hubs.there.issuer.token({ ...claims }),
    });
    for (const topic of topics) await hubs.announce(topic, [uuidOf('per', personId)!]);
    // Everybody hears of this one: nothing before it is still to come.
    await hubs.announce('person.changed', [uuidOf('per', personId)!]);
    const heard: string[] = [];
    for (;;) {
      const [event] = await take(stream, 1);
      const { topic } = event!.data.changes;
      if (topic === 'PERSON_CHANGED') return heard;
      heard.push(topic);
    }
  };
  test('a provider of nothing decided or shared, finance of nobody standing by', async () => {
    expect(await hears(provider, irisId)).toEqual(['PLAN_CHANGED', 'MONEY_CHANGED', 'ROLE_CHANGED']);
    expect(await hears(finance)).toEqual(['PLAN_CHANGED', 'MONEY_CHANGED', 'DECISION_CHANGED']);
    expect(await hears(asDaniel)).toHaveLength(5);
  });

  test('a side of nothing in a part that the person keeps back', async () => {
    expect(await choose('NHS', 'MONEY', false)).toBe('done');
    try {
      expect(await hears(socialWorker)).not.toContain('MONEY_CHANGED');
      expect(await hears(coordinator)).toContain('MONEY_CHANGED');
    } finally {
      await choose('NHS', 'MONEY', true);
    }
  });
});

describe('what is kept back', () => {
  const budgetOf = async (claims: object) => {
    const { data } = await hubs.here.ask(
      `query ($id: ID!) { person(id: $id) { budgets { id kind version } } }`,
      { id: danielId },
      { ...claims },
    );
    return data.person.budgets.find(({ kind }: { kind: string }) => kind === 'PERSONAL_HEALTH_BUDGET');
  };
  const caseload = async (claims: object) => {
    const { data } = await hubs.here.ask(
      '{ caseload(first: 100, filter: { budget: PERSONAL_HEALTH_BUDGET }) { nodes { id } pageInfo { hasNextPage endCursor } } }',
      {},
      { ...claims },
    );
    return data.caseload.nodes.map(({ id }: { id: string }) => id);
  };
  const exported = async (query: string, claims: object) => {
    const authorization = `Bearer ${await hubs.here.issuer.token({ ...claims })}`;
    const url = `http://127.0.0.1:${hubs.here.hub.port}/export/statement.csv?${query}&from=2026-04-06&to=2026-11-20`;
    const response = await fetch(url, { headers: { authorization } });
    const { status } = response;
    const text = (await response.text()).replace(/"requestId":"[^"]*"/, '');
    return { status, text };
  };

  test('is not acted on, found by, or taken away as a file', async () => {
    const budget = await budgetOf(finance);
    expect((await budgetOf(coordinator)).id).toBe(budget.id);
    expect(await caseload(finance)).toContain(danielId);
    expect((await exported(`budget=${budget.id}`, finance)).status).toBe(200);
    expect(await choose('NHS', 'MONEY', false)).toBe('done');
    try {
      expect(await budgetOf(finance)).toBeUndefined();
      const end = { budgetId: budget.id, expectedVersion: budget.version, on: today, reason: 'x' };
      expect(await give('endBudget', end, finance)).toBe('NOT_FOUND');
      const spend = {
        budgetId: budget.id,
        amount: { amount: '1.00', currency: 'GBP' },
        spentOn: today,
        payee: 'x',
        what: 'x',
      };
      expect(await give('recordSpend', spend, finance)).toBe('NOT_FOUND');
      expect(
        await give('openReturn', { personId: danielId, from: today, to: today, receivers: ['999'] }, finance),
      ).toBe('NOT_FOUND');
      expect(await caseload(finance)).not.toContain(danielId);
      expect(await caseload(asDaniel)).toEqual([danielId]);
      const nowhere = await exported(`budget=${idOf('bud', crypto.randomUUID())}`, finance);
      expect(nowhere.status).toBe(404);
      expect(await exported(`budget=${budget.id}`, finance)).toEqual(nowhere);
      expect(await exported(`person=${danielId}`, finance)).toEqual(nowhere);
      expect((await exported(`budget=${budget.id}`, coordinator)).status).toBe(200);
    } finally {
      await choose('NHS', 'MONEY', true);
    }
  });

  test('the caseload of an authority over care is not found by budgets', async () => {
    const { rows } = await hubs.here.database.pool.query(
      `update role_on_record set role = 'LPA_HEALTH_AND_WELFARE' where individual_nhs_number is not null and person_id = $1
       returning individual_nhs_number as number`,
      [uuidOf('per', irisId)],
    );
    const carol = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: rows[0].number };
    const { data } = await hubs.here.ask('{ caseload(first: 5) { nodes { id } } }', {}, carol);
    expect(data.caseload.nodes).toEqual([{ id: irisId }]);
    expect(await caseload(carol)).toEqual([]);
  });
});
