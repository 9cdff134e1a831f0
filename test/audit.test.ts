/** Whatever is done leaves its event: who, as what, for whom, what for, what, how it ended; and the person can read it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nightlyHandler } from '../jobs/nightly.ts';
import { paymentDueHandler } from '../jobs/payment.ts';
import { sealAudit } from '../src/audit/seal.ts';
import { openLog } from '../src/platform/log.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { carolForIris, daniel, evidenceKit, iris } from './setup/evidence.ts';
import { admin, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const herself = { sub: 'iris', name: 'Iris Holloway', tandem_role: 'PERSON', nhs_number: iris.nhsNumber };
const auditor = { sub: 'owen', name: 'Owen Price', tandem_role: 'AUDITOR', organisation: 'QWN' };
const privacyOfficer = { sub: 'ruth', tandem_role: 'PRIVACY_OFFICER', organisation: 'QWN' };

let kit: TestHub;
let own: ReturnType<typeof evidenceKit>;
let irisId: string;
let evidenceId: string;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  own = evidenceKit(kit);
  irisId = await own.personId(iris.nhsNumber);
  const { answer } = await own.upload(irisId, 'receipt.pdf', pdf('one'));
  evidenceId = answer.evidenceId;
});
afterAll(() => kit.close());

const sql = async (text: string, values: unknown[] = []) =>
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  (await kit.database.pool.query(text, values)).rows as any[];

const uuidOfIris = () => irisId.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** The events that something leaves. */
async function left(work: () => Promise<unknown>) {
  const [{ id }] = await sql('select coalesce(max(id), 0)::text as id from audit_event');
  await work();
  return sql(
    `select action, object, parts, outcome, role, organisation, name, purpose, client, correlation_id, person_ids
       from audit_event where id > $1 order by id`,
    [id],
  );
}

async function get(path: string, claims: object, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await kit.issuer.token({ ...claims })}`;
  const response = await fetch(own.address(path), { headers: { authorization, ...headers } });
  return { status: response.status, text: await response.text() };
}

const person = (fields: string, nhsNumber = iris.nhsNumber) =>
  `{ person(nhsNumber: "${nhsNumber}") { ${fields} } }`;
const sync = (code: string) => `mutation { requestSync(input: { idempotencyKey: "${crypto.randomUUID()}",
  sourceCode: "${code}" }) { userErrors { code } } }`;
const stop = new AbortController().signal;
const silent = openLog('silent');

describe('everything leaves one event', () => {
  const cases: [string, () => Promise<unknown>, object][] = [
    [
      'a read: which parts of whose record, and no value of it',
      () => kit.ask(person('id plan { title } budgets { id kind }')),
      {
        action: 'READ',
        object: 'person',
        parts: 'Plan,Budget',
        outcome: 'FOUND',
        role: 'CARE_COORDINATOR',
        organisation: 'QWN',
        name: 'Nadia',
        purpose: 'DIRECT_CARE',
        people: [true],
      },
    ],
    [
      'a read of somebody who is not theirs to see: that they looked, and not at whom',
      () => kit.ask(person('id', daniel.nhsNumber), {}, carolForIris),
      { action: 'READ', object: 'person', outcome: 'NOTHING', role: 'REPRESENTATIVE', people: [] },
    ],
    [
      'a command',
      () => kit.ask(sync('wenshire-nhs'), {}, admin),
      { action: 'CHANGE', object: 'requestSync', outcome: 'DONE', role: 'ADMIN', people: [] },
    ],
    [
      'a command that was refused for what the caller can mend',
      () => kit.ask(sync('nowhere'), {}, admin),
      { action: 'CHANGE', object: 'requestSync', outcome: 'FAILED', people: [] },
    ],
    [
      'a command that is not theirs to give',
      () => kit.ask(sync('wenshire-nhs'), {}, provider),
      { action: 'DENY', object: 'requestSync', outcome: 'REFUSED', role: 'PROVIDER', people: [] },
    ],
    [
      'a statement that is taken away',
      () => get(`/export/statement.csv?person=${irisId}&from=2026-01-01&to=2026-12-31`, coordinator),
      { action: 'EXPORT', object: 'statement', outcome: 'FOUND', people: [true] },
    ],
    [
      'a document that is taken away',
      () => get(`/evidence/${evidenceId}`, coordinator),
      { action: 'EXPORT', object: 'evidence', outcome: 'FOUND', people: [true] },
    ],
    [
      'a document that is not theirs to see',
      () => get(`/evidence/${evidenceId}`, { ...socialWorker, organisation: '998' }),
      { action: 'EXPORT', object: 'evidence', outcome: 'NOTHING', people: [] },
    ],
    [
      'the audit, taken away',
      () => get('/export/audit.ndjson?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z', auditor),
      { action: 'EXPORT', object: 'audit', outcome: 'DONE', role: 'AUDITOR', people: [] },
    ],
    [
      'the audit, for somebody who may not have it',
      () => get('/export/audit.ndjson?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z', coordinator),
      { action: 'DENY', object: 'audit', outcome: 'REFUSED', role: 'CARE_COORDINATOR', people: [] },
    ],
    [
      'the payments of a day',
      paymentsOfADay,
      { action: 'JOB', object: 'payment.due', outcome: 'DONE', role: 'SYSTEM', people: [] },
    ],
  ];

  function paymentsOfADay() {
    return paymentDueHandler({ database: kit.database, log: silent, now: noon, stopping: stop })();
  }

  test.each(cases)('%s', async (_name, work, expected) => {
    const events = await left(work);
    expect(events).toHaveLength(1);
    const { person_ids, ...event } = events[0];
    expect({ ...event, people: person_ids.map((id: string) => id === uuidOfIris()) }).toMatchObject(expected);
  });

  test('the night leaves one for itself, and one for each change that names whom it touched', async () => {
    const events = await left(
      nightlyHandler({
        pool: kit.database.pool,
        files: { remove: async () => {} },
        log: silent,
        now: noon,
        stopping: stop,
      }),
    );
    expect(events.at(-1)).toMatchObject({
      action: 'JOB',
      object: 'nightly',
      outcome: 'DONE',
      person_ids: [],
    });
    for (const { action, object, person_ids } of events.slice(0, -1)) {
      expect([action, object]).toEqual(['JOB', expect.stringMatching(/^(budget\.alert|return\.due)$/)]);
      expect(person_ids.length).toBeGreaterThan(0);
    }
  });

  test('a sync leaves one for the run, and one for each page that touched somebody', async () => {
    const runs = await sql(`
      select r.id, s.code, (select json_agg(json_build_array(e.object, cardinality(e.person_ids) > 0) order by e.id)
                              from audit_event e where e.request_id = r.id and e.action = 'JOB') as events
        from sync_run r join source_system s on s.id = r.source_id where r.status = 'SUCCEEDED'`);
    expect(runs.length).toBeGreaterThan(1);
    for (const { code, events } of runs) {
      const told = JSON.parse(events) as [string, boolean][];
      expect(told.pop()).toEqual([code, false]);
      expect(told.length).toBeGreaterThan(0);
      for (const [object, touched] of told) expect([object.split('/')[0], touched]).toEqual([code, true]);
    }
  });

  test('and an address without a sign-in none: there is nobody to name', async () => {
    expect(await left(() => kit.send({ query: person('id') }))).toEqual([]);
  });

  test('under one correlation id where the caller gives one that is a UUID', async () => {
    const correlationId = crypto.randomUUID();
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    const send = (given: string, query: string) =>
      kit.send({ query }, { authorization, 'x-correlation-id': given });
    const [read, change, wrong] = [
      await left(() => send(correlationId, person('id'))),
      await left(() => send(correlationId, sync('nowhere'))),
      await left(() => send('Iris Holloway', person('id'))),
    ];
    expect([read, change, wrong].map((events) => events.map((event) => event.correlation_id))).toEqual([
      [correlationId],
      [correlationId],
      [null],
    ]);
    const exported = await left(() =>
      get(`/evidence/${evidenceId}`, coordinator, { 'x-correlation-id': correlationId }),
    );
    expect(exported[0].correlation_id).toBe(correlationId);
  });

  test('or is not done: a change without its event is taken back', async () => {
    const asked = async () => (await sql(`select count(*) from outbox where topic = 'sync.requested'`))[0];
    const before = await asked();
    await asOwner(
      kit.database.url,
      `create function canary() returns trigger language plpgsql as $$ begin raise 'no'; end $$`,
    );
    await asOwner(
      kit.database.url,
      'create trigger canary before insert on audit_event for each row execute function canary()',
    );
    const { errors } = await kit.ask(sync('wenshire-nhs'), {}, admin);
    await asOwner(kit.database.url, 'drop trigger canary on audit_event');
    expect(errors).toHaveLength(1);
    expect(await asked()).toEqual(before);
  });
});

const accessLog = `query ($id: ID!, $first: Int!, $after: String) { node(id: $id) { ... on Person {
  accessLog(first: $first, after: $after) { nodes { at who what why organisation { code } action } pageInfo { hasNextPage endCursor } } } } }`;

async function log(claims: object, first = 100) {
  const entries: { who: string; what: string; why: string | null; action: string; at: string }[] = [];
  for (let after: string | null = null; ; ) {
    const { data } = await kit.ask(accessLog, { id: irisId, first, after }, { ...claims });
    if (data.node.accessLog === null) return [];
    const { nodes, pageInfo } = data.node.accessLog;
    entries.push(...nodes);
    if (!pageInfo.hasNextPage) return entries;
    after = pageInfo.endCursor;
  }
}

describe('who looked at my record', () => {
  test('is told in plain words', async () => {
    await kit.ask(person('plan { title } budgets { kind }'));
    await kit.ask(person('familyName'), {}, carolForIris);
    await kit.ask(person('familyName'), {}, herself);
    const [mine, carols, nadias] = await log(herself, 3);
    expect(mine).toMatchObject({ who: 'The person', what: 'Looked at: who the person is', why: null });
    expect(carols).toMatchObject({ who: 'Somebody, who acts for the person', organisation: null });
    expect(nadias).toEqual({
      at: noon().toISOString(),
      who: expect.stringMatching(/^Nadia, care co-ordinator, .*Wenshire/),
      what: 'Looked at: plan, budget',
      why: 'Direct care',
      organisation: { code: 'QWN' },
      action: 'READ',
    });
  });

  test('is all that the audit holds of the person, sealed or not, in pages of any size', async () => {
    const held = async () =>
      (
        await sql('select action from audit_event where $1 = any(person_ids) order by id desc', [
          uuidOfIris(),
        ])
      ).map(({ action }) => action);
    for (const seals of [0, 1, 0]) {
      // The last page but one is cut in the middle of what is sealed.
      for (let n = 0; n < seals; n++) await sealAudit(kit.database.pool, noon());
      await kit.ask(person('familyName'));
      const before = await held();
      const told = await log(herself, 2);
      // Each page that is read is itself read of.
      expect(told.map(({ action }) => action)).toEqual(before);
      expect(before.length).toBeGreaterThan(4);
    }
    expect(new Set(await held())).toEqual(new Set(['READ', 'CHANGE', 'EXPORT', 'JOB']));
  });

  test('is for the person and who decides about their care; others see nothing of it', async () => {
    expect((await log(carolForIris)).length).toBeGreaterThan(0);
    for (const claims of [coordinator, socialWorker]) expect(await log(claims)).toEqual([]);
    await sql(`update role_on_record set role = 'NOMINEE' where individual_nhs_number = $1`, [
      carolForIris.nhs_number,
    ]);
    expect(await log(carolForIris)).toEqual([]);
    await sql(`update role_on_record set role = 'REPRESENTATIVE' where individual_nhs_number = $1`, [
      carolForIris.nhs_number,
    ]);
  });
});

const audit = `query ($filter: AuditEventFilter, $first: Int!, $after: String) {
  auditEvents(filter: $filter, first: $first, after: $after) {
    nodes { number at requestId correlationId subject role organisation client purpose action object parts outcome reason personIds onBehalfOf }
    pageInfo { hasNextPage endCursor } } }`;

describe('the audit', () => {
  const events = async (filter: object, claims: object = auditor, first = 100) =>
    (await kit.ask(audit, { filter, first }, { ...claims })).data.auditEvents.nodes;

  test('is read by who audits, by ids alone', async () => {
    await kit.ask(person('familyName'), {}, carolForIris);
    for (const claims of [auditor, privacyOfficer]) {
      const [event] = await events({ personId: irisId, subject: `${kit.issuer.url}#carol` }, claims);
      expect(event).toMatchObject({
        role: 'REPRESENTATIVE',
        action: 'READ',
        object: 'person',
        parts: ['Person'],
        outcome: 'FOUND',
        personIds: [irisId],
        onBehalfOf: [irisId],
        purpose: 'OWN_CARE',
      });
      expect(JSON.stringify(event)).not.toContain('Holloway');
    }
    for (const claims of [coordinator, herself, admin]) expect(await events({}, claims)).toEqual([]);
  });

  test('is filtered, and paged through without a gap', async () => {
    const [{ n }] = await sql('select count(*)::int as n from audit_event');
    const numbers: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data } = await kit.ask(audit, { first: 60, after }, auditor);
      const { nodes, pageInfo } = data.auditEvents;
      numbers.push(...nodes.map(({ number }: { number: string }) => number));
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.length).toBeGreaterThanOrEqual(n);

    for (const { action, outcome } of await events({ action: 'DENY', outcome: 'REFUSED' }))
      expect([action, outcome]).toEqual(['DENY', 'REFUSED']);
    expect((await events({ action: 'DENY' })).length).toBeGreaterThan(1);
    expect(await events({ to: '2020-01-01T00:00:00Z' })).toEqual([]);
    const [one] = await events({ from: '2026-11-21T12:00:00Z', to: '2026-11-21T12:00:01Z' });
    expect(await events({ requestId: one.requestId })).toContainEqual(one);
    expect(await events({ personId: irisId, from: '2030-01-01T00:00:00Z' })).toEqual([]);
  });

  test('comes as FHIR, one event a line', async () => {
    const period = 'from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:01Z';
    const { status, text } = await get(`/export/audit.ndjson?${period}`, auditor);
    expect(status).toBe(200);
    const resources = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [{ n }] = await sql(`select count(*)::int as n from audit_event where at = '2026-11-21T12:00:00Z'`);
    expect(resources).toHaveLength(n);
    const carols = resources.findLast((r) => r.agent[0].who.identifier.value === `${kit.issuer.url}#carol`);
    expect(carols).toMatchObject({
      resourceType: 'AuditEvent',
      meta: { profile: ['https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead'] },
      action: 'R',
      recorded: '2026-11-21T12:00:00.000Z',
      outcome: '0',
      source: { observer: { display: 'Tandem' } },
    });
    expect(carols.entity[0].what.identifier.value).toBe(irisId);
    for (const resource of resources) {
      expect(resource).toMatchObject({ resourceType: 'AuditEvent', recorded: expect.any(String) });
      expect(resource.agent.filter(({ requestor }: { requestor: boolean }) => requestor).length).toBeLessThan(
        2,
      );
      expect(resource.agent.length).toBeGreaterThan(0);
    }
    expect(text).not.toContain(iris.nhsNumber);
    expect((await get('/export/audit.ndjson?from=x&to=y', auditor)).status).toBe(400);
    expect((await get(`/export/audit.ndjson?${period}`, coordinator)).status).toBe(403);
  });
});
