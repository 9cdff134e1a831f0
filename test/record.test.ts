import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { admin, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const daniel = place.people[founding.danielOkafor]!;
const carol = iris.nhs!.related[0]!;
const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
const carolForIris = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: carol.nhsNumber };

const byNumber = `query ($nhsNumber: NHSNumber!) { person(nhsNumber: $nhsNumber) { id familyName } }`;

/** Everything there is to ask of a person, but for the paging of transfers. */
const whole = `
  id familyName givenName birthDate deathDate gender postcode restricted
  identifiers { system value issuer status }
  sources { id side availability asAt system matchedBy organisation { code name kind from to successors { code } } }
  differences { id field nhs council since }
  people { role individualName relationship from to organisation { name } }
  plan { id title status whatMatters coordinatorName from to needs { text } outcomes { id text status targetOn } }
  budgets { id kind status from to agreed { amount currency formatted }
    fundingLines { source organisation { code } amount { amount } }
    portions { management recurring amount { amount } accountOperator { code } }
    balances { source paidIn { amount } spent { amount } committed { amount } left { amount } }
    reportedBalance { amount { amount } asAt }
    transfers(first: 10) { nodes { id kind source amount { amount } effectiveOn recordedAt description isReversal }
      edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }
  combined { agreed { amount } paidIn { amount } spent { amount } committed { amount } left { amount }
    byFunder { source organisation { code } agreed { amount } paidIn { amount } spent { amount } committed { amount } left { amount } } }
  packages { id serviceType component deliveryMechanism providerName providerCqcLocationId from to
    lines { unitCost { amount } costFrequency plannedUnitsPerWeek } }
  reviews { id kind startedOn heldOn reason method outcome outcomesAchieved }
  contacts { id kind type startedOn endedOn outcome }`;

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

describe('one record of two halves', () => {
  test('holds what the NHS and the council said, with totals by funder that add up', async () => {
    const { data, errors } = await kit.ask(`query ($n: NHSNumber!) { person(nhsNumber: $n) { ${whole} } }`, {
      n: iris.nhsNumber,
    });
    expect(errors).toBeUndefined();
    const { person } = data;
    expect(person).toMatchObject({
      familyName: iris.familyName,
      birthDate: iris.birthDate,
      plan: {
        whatMatters: iris.nhs!.plan!.whatMatters,
        needs: iris.nhs!.plan!.needs.map((text) => ({ text })),
      },
    });
    expect(person.sources.map(({ side, availability }: never) => [side, availability])).toEqual([
      ['NHS', 'AVAILABLE'],
      ['COUNCIL', 'AVAILABLE'],
    ]);

    // The same sums, made from what the two systems hold.
    const sums = { PAID_IN: 0n, SPENT: 0n, COMMITTED: 0n, REPAID: 0n };
    for (const { kind, pence } of [...iris.nhs!.budget!.payments, ...iris.council!.budget!.payments]) {
      sums[kind] += pence;
    }
    const pence = ({ amount }: { amount: string }) => BigInt(amount.replace('.', ''));
    const { combined } = person;
    expect(pence(combined.agreed)).toBe(iris.nhs!.budget!.agreedPence + iris.council!.budget!.agreedPence);
    expect(pence(combined.paidIn)).toBe(sums.PAID_IN - sums.REPAID);
    expect(pence(combined.spent)).toBe(sums.SPENT);
    expect(pence(combined.committed)).toBe(sums.COMMITTED);
    expect(pence(combined.left)).toBe(sums.PAID_IN - sums.REPAID - sums.SPENT - sums.COMMITTED);
    for (const figure of ['agreed', 'paidIn', 'spent', 'committed', 'left']) {
      const parts: bigint[] = combined.byFunder.map((funder: never) => pence(funder[figure]));
      expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(pence(combined[figure]));
    }
    expect(combined.byFunder.map(({ source }: never) => source)).toEqual([
      'ICB',
      'COUNCIL',
      'CLIENT_CONTRIBUTION',
    ]);
  });

  test('the combined budget is the same with its funders and without, of everybody', async () => {
    const figures =
      'agreed { amount } paidIn { amount } spent { amount } committed { amount } left { amount }';
    const page = `query ($after: String) { caseload(first: 100, after: $after) {
      nodes { alone: combined { ${figures} } whole: combined { ${figures} byFunder { source } } }
      pageInfo { hasNextPage endCursor } } }`;
    for (const viewer of [coordinator, socialWorker, provider]) {
      let seen = 0;
      for (let after: string | null = null, isMore = true; isMore; ) {
        const { data } = await kit.ask(page, { after }, viewer);
        const { nodes, pageInfo } = data.caseload;
        for (const { alone, whole } of nodes) {
          const { byFunder: _, ...figures } = whole;
          expect(alone).toEqual(figures);
        }
        seen += nodes.length;
        ({ endCursor: after, hasNextPage: isMore } = pageInfo);
      }
      expect(seen).toBeGreaterThan(0);
    }
  });

  test('one half missing says why, and the other still answers', async () => {
    const nhsOnly = place.people[founding.notionalOnly]!;
    const councilOnly = place.people[founding.commissionedOnly]!;
    const ask = (nhsNumber: string, claims: JWTPayload) =>
      kit.ask(
        `{ person(nhsNumber: "${nhsNumber}") { familyName sources { side availability asAt } } }`,
        {},
        claims,
      );
    const nhs = await ask(nhsOnly.nhsNumber, coordinator);
    expect(nhs.data.person).toMatchObject({
      familyName: nhsOnly.familyName,
      sources: [
        { side: 'NHS', availability: 'AVAILABLE' },
        { side: 'COUNCIL', availability: 'NONE', asAt: null },
      ],
    });
    const council = await ask(councilOnly.council!.nhsNumber!, socialWorker);
    expect(council.data.person.sources).toMatchObject([
      { side: 'NHS', availability: 'NONE' },
      { side: 'COUNCIL', availability: 'AVAILABLE' },
    ]);
  });

  test('a source that is down: its half stays, marked with its age, and the other is untouched', async () => {
    const { pool } = kit.database;
    const ask = () =>
      kit.ask(
        `{ person(nhsNumber: "${iris.nhsNumber}") { plan { title } packages { id } sources { side availability asAt } } }`,
      );
    const before = await ask();
    await pool.query(
      `update source_system set last_failed_at = last_succeeded_at + interval '1 minute' where side = 'COUNCIL'`,
    );
    const { data } = await ask();
    await pool.query(`update source_system set last_failed_at = null where side = 'COUNCIL'`);
    expect(data.person.sources).toEqual([
      before.data.person.sources[0],
      { ...before.data.person.sources[1], availability: 'SOURCE_DOWN' },
    ]);
    expect({ ...data.person, sources: null }).toEqual({ ...before.data.person, sources: null });
    expect(data.person.packages.length).toBeGreaterThan(0);
  });

  test('a superseded NHS number still finds the person, whom the council knows under it', async () => {
    const person = place.people[founding.numberSuperseded]!;
    const old = person.nhs!.supersededNhsNumbers[0]!;
    expect(person.council!.nhsNumber).toBe(old);
    const { data } = await kit.ask(
      `{ old: person(nhsNumber: "${old}") { id sources { availability } identifiers { value status } } new: person(nhsNumber: "${person.nhsNumber}") { id } }`,
    );
    expect(data.old.id).toBe(data.new.id);
    expect(data.old.sources.map(({ availability }: never) => availability)).toEqual([
      'AVAILABLE',
      'AVAILABLE',
    ]);
    expect(data.old.identifiers).toContainEqual({ value: old, status: 'SUPERSEDED' });
    expect(data.old.identifiers).toContainEqual({ value: person.nhsNumber, status: 'CURRENT' });
  });

  test('a restricted record shows nobody where the person lives, though the council knows', async () => {
    const person = place.people[founding.restricted]!;
    expect(person.council!.postcode).toBeTruthy();
    for (const claims of [coordinator, socialWorker]) {
      const { data } = await kit.ask(
        `{ person(nhsNumber: "${person.nhsNumber}") { restricted postcode differences { field nhs council } } }`,
        {},
        claims,
      );
      expect(data.person).toEqual({ restricted: true, postcode: null, differences: expect.any(Array) });
      expect(JSON.stringify(data)).not.toContain(person.council!.postcode);
    }
  });

  test('two sides that disagree are shown side by side, neither overwritten', async () => {
    const person = place.people[founding.birthDateSwapped]!;
    const { data } = await kit.ask(
      `{ person(nhsNumber: "${person.nhsNumber}") { birthDate differences { field nhs council } } }`,
    );
    expect(data.person).toEqual({
      birthDate: person.birthDate,
      differences: [{ field: 'BIRTH_DATE', nhs: person.birthDate, council: person.council!.birthDate }],
    });
  });

  test('a death that one side knows is shown, and closes nothing that the other must close itself', async () => {
    const person = place.people[founding.diedLastMonth]!;
    const { data } = await kit.ask(
      `{ person(nhsNumber: "${person.nhsNumber}") { deathDate sources { availability } } }`,
    );
    expect(data.person.deathDate).toBe(person.deathDate);
  });
});

describe('who sees whom', () => {
  const asks = (nhsNumber: string, claims: JWTPayload) => kit.ask(byNumber, { nhsNumber }, claims);

  test('a person themself, and nobody else', async () => {
    expect((await asks(daniel.nhsNumber, danielHimself)).data.person.familyName).toBe(daniel.familyName);
    expect((await asks(iris.nhsNumber, danielHimself)).data.person).toBeNull();
    const { data } = await kit.ask('{ caseload(first: 100) { nodes { familyName } } }', {}, danielHimself);
    expect(data.caseload.nodes).toEqual([{ familyName: daniel.familyName }]);
  });

  test('a representative whom they represent', async () => {
    expect((await asks(iris.nhsNumber, carolForIris)).data.person.familyName).toBe(iris.familyName);
    expect((await asks(daniel.nhsNumber, carolForIris)).data.person).toBeNull();
    const { data } = await kit.ask('{ caseload(first: 100) { nodes { familyName } } }', {}, carolForIris);
    expect(data.caseload.nodes).toEqual([{ familyName: iris.familyName }]);
  });

  test('next of kin see nothing by being next of kin', async () => {
    const kin = place.people
      .flatMap(({ nhs }) => nhs?.related ?? [])
      .filter(({ authority }) => authority === 'NEXT_OF_KIN');
    const one = kin.find(({ nhsNumber }) => nhsNumber !== null)!;
    const claims = { sub: 'kin', tandem_role: 'REPRESENTATIVE', nhs_number: one.nhsNumber };
    expect(
      (await kit.ask('{ caseload(first: 100) { nodes { id } } }', {}, claims)).data.caseload.nodes,
    ).toEqual([]);
  });

  test('an organisation the people it has a live role for', async () => {
    const nhsOnly = place.people[founding.notionalOnly]!;
    expect((await asks(nhsOnly.nhsNumber, coordinator)).data.person).not.toBeNull();
    expect((await asks(nhsOnly.nhsNumber, socialWorker)).data.person).toBeNull();
    expect((await asks(iris.nhsNumber, provider)).data.person.familyName).toBe(iris.familyName);
    expect((await asks(nhsOnly.nhsNumber, provider)).data.person).toBeNull();
    expect((await asks(iris.nhsNumber, { ...provider, organisation: 'X0000' })).data.person).toBeNull();
  });

  test('a role that has ended, or has not begun, opens nothing: from the very next request', async () => {
    const { pool } = kit.database;
    const set = (from: string | null, to: string | null) =>
      pool.query(
        `update role_on_record r set valid_from = $1, valid_to = $2 from organisation o, person_identifier i
          where o.id = r.organisation_id and o.ods_code = 'D9H01' and i.person_id = r.person_id and i.value = $3`,
        [from, to, iris.nhsNumber],
      );
    const seen = async () => (await asks(iris.nhsNumber, provider)).data.person !== null;
    await set(null, today);
    expect(await seen()).toBe(false);
    await set(null, '2026-11-22');
    expect(await seen()).toBe(true);
    await set('2026-11-22', null);
    expect(await seen()).toBe(false);
    await set(today, null);
    expect(await seen()).toBe(true);
  });

  test('auditor, privacy officer and admin see nobody, whatever they ask by', async () => {
    const { data } = await kit.ask(byNumber, { nhsNumber: iris.nhsNumber });
    for (const tandem_role of ['AUDITOR', 'PRIVACY_OFFICER', 'ADMIN']) {
      const claims = { sub: 'x', tandem_role, organisation: 'QWN' };
      const answer = await kit.ask(
        `query ($id: ID!) { person(id: $id) { id } node(id: $id) { id } caseload(first: 9) { nodes { id } } }`,
        { id: data.person.id },
        claims,
      );
      expect(answer.data).toEqual({ person: null, node: null, caseload: { nodes: [] } });
    }
  });

  test('every kind of thing by its id: found by those who see its person, absent for all others', async () => {
    const { data } = await kit.ask(`{ person(nhsNumber: "${iris.nhsNumber}") { ${whole} } }`);
    const ids = new Set(
      JSON.stringify(data)
        .match(/"(?!lnk_)[a-z]{3}_[0-9a-f]{32}"/g)!
        .map((id) => id.slice(1, -1)),
    );
    const kinds = new Set([...ids].map((id) => id.slice(0, 3)));
    expect([...kinds].sort()).toEqual(['bud', 'con', 'out', 'per', 'pkg', 'pln', 'rev', 'trf']);
    for (const id of ids) {
      const node = (claims: JWTPayload) =>
        kit.ask('query ($id: ID!) { node(id: $id) { __typename id } }', { id }, claims);
      expect((await node(carolForIris)).data.node).toMatchObject({ id });
      expect((await node(danielHimself)).data.node).toBeNull();
    }
    for (const id of ['per_00000000000000000000000000000000', 'nonsense', '', `bud_${'f'.repeat(32)}`]) {
      expect((await kit.ask('query ($id: ID!) { node(id: $id) { id } }', { id })).data.node).toBeNull();
    }
  });

  test('sync runs are for those who run or feed the hub', async () => {
    const ask = (claims: JWTPayload) =>
      kit.ask(
        '{ syncRuns(first: 5) { nodes { id status } } waitingRows(first: 5) { nodes { code } } }',
        {},
        claims,
      );
    for (const claims of [provider, danielHimself, carolForIris]) {
      expect((await ask(claims)).data).toEqual({ syncRuns: { nodes: [] }, waitingRows: { nodes: [] } });
    }
    for (const claims of [admin, coordinator]) {
      expect((await ask(claims)).data.syncRuns.nodes).toEqual([
        { id: expect.any(String), status: 'SUCCEEDED' },
        { id: expect.any(String), status: 'SUCCEEDED' },
      ]);
    }
  });
});

describe('one statement', () => {
  async function statements(operation: string, variables = {}) {
    const before = kit.database.reader.sent();
    const answer = await kit.ask(operation, variables);
    expect(answer.errors).toBeUndefined();
    return kit.database.reader.sent() - before;
  }

  test('for the whole record, whatever is selected', async () => {
    const variables = { n: iris.nhsNumber };
    expect(await statements(`query ($n: NHSNumber!) { person(nhsNumber: $n) { ${whole} } }`, variables)).toBe(
      1,
    );
  });

  test('for a caseload of 50 whole records', async () => {
    expect(
      await statements(
        `{ caseload(first: 50) { nodes { ${whole} } pageInfo { hasNextPage endCursor } edges { cursor node { ${whole} } } } }`,
      ),
    ).toBe(1);
  });

  test('for everything that can be asked at once', async () => {
    expect(
      await statements(`{ me { name role organisation { name } } a: caseload(first: 3) { nodes { id } } b: caseload(first: 2) { nodes { ${whole} } }
        syncRuns(first: 5) { nodes { id source { name organisation { code } } } } waitingRows(first: 5) { nodes { place } } }`),
    ).toBe(1);
  });

  test('also when graphql-js must execute, because introspection is asked for beside it', async () => {
    expect(
      await statements(
        `{ __schema { queryType { name } } me { role } caseload(first: 3) { nodes { ${whole} } } node(id: "per_x") { id } }`,
      ),
    ).toBe(1);
  });
});

describe('a caseload', () => {
  test('is walked page by page without a gap or a double, in the order of names', async () => {
    const seen: { id: string; familyName: string; givenName: string }[] = [];
    let after: string | null = null;
    do {
      const { data } = await kit.ask(
        `query ($after: String) { caseload(first: 47, after: $after) { nodes { id familyName givenName } edges { cursor } pageInfo { hasNextPage endCursor } } }`,
        { after },
      );
      seen.push(...data.caseload.nodes);
      const { hasNextPage, endCursor } = data.caseload.pageInfo;
      expect(data.caseload.edges.at(-1).cursor).toBe(endCursor);
      after = hasNextPage ? endCursor : null;
    } while (after !== null);
    const { rows } = await kit.database.pool.query(
      `select count(distinct r.person_id)::int as people from role_on_record r join organisation o on o.id = r.organisation_id where o.ods_code = 'QWN'`,
    );
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    expect(seen.length).toBe(rows[0].people);
    const { rows: ordered } = await kit.database.pool.query(
      `select string_agg(n, '|' order by n) = string_agg(n, '|' order by i) as ordered from unnest($1::text[]) with ordinality as t(n, i)`,
      [seen.map(({ familyName, givenName }) => `${familyName}, ${givenName}`.toLowerCase())],
    );
    expect(ordered[0].ordered).toBe(true);
  });

  test('is narrowed to those both sides know', async () => {
    const both = place.people.filter(({ nhs, council }) => nhs !== null && council?.nhsNumber != null).length;
    let count = 0;
    let after: string | null = null;
    do {
      const { data } = await kit.ask(
        `query ($after: String) { caseload(first: 100, after: $after, filter: { knownToBoth: true }) { nodes { sources { availability } } pageInfo { hasNextPage endCursor } } }`,
        { after },
      );
      for (const { sources } of data.caseload.nodes) {
        expect(sources.map(({ availability }: never) => availability)).toEqual(['AVAILABLE', 'AVAILABLE']);
      }
      count += data.caseload.nodes.length;
      after = data.caseload.pageInfo.hasNextPage ? data.caseload.pageInfo.endCursor : null;
    } while (after !== null);
    // One of them has somebody else's number on the council side, and waits for a person to decide.
    expect(count).toBe(both - 1);
  });
});

describe('every read is accounted for', () => {
  test('who, as what, for which organisation, what, about whom', async () => {
    const { rows: before } = await kit.database.pool.query(
      'select coalesce(max(id), 0) as id from audit_event',
    );
    const { data } = await kit.ask(byNumber, { nhsNumber: iris.nhsNumber }, provider);
    await kit.ask(byNumber, { nhsNumber: daniel.nhsNumber }, carolForIris);
    const { rows } = await kit.database.pool.query(
      `select subject, role, organisation, action, object, outcome, person_ids from audit_event where id > $1 order by id`,
      [before[0].id],
    );
    const uuid = data.person.id.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    expect(rows).toEqual([
      {
        subject: `${kit.issuer.url}#bev`,
        role: 'PROVIDER',
        organisation: 'D9H01',
        action: 'READ',
        object: 'person',
        outcome: 'FOUND',
        person_ids: [uuid],
      },
      {
        subject: `${kit.issuer.url}#carol`,
        role: 'REPRESENTATIVE',
        organisation: null,
        action: 'READ',
        object: 'person',
        outcome: 'NOTHING',
        person_ids: [],
      },
    ]);
  });

  test('names each person of a page once, and nobody who is not on it', async () => {
    const { rows: before } = await kit.database.pool.query('select max(id) as id from audit_event');
    const { data } = await kit.ask('{ caseload(first: 7) { nodes { id } pageInfo { hasNextPage } } }');
    const { rows } = await kit.database.pool.query('select person_ids from audit_event where id > $1', [
      before[0].id,
    ]);
    expect(rows[0].person_ids.map((id: string) => `per_${id.replaceAll('-', '')}`).sort()).toEqual(
      data.caseload.nodes.map(({ id }: never) => id).sort(),
    );
  });

  test('a read that cannot be recorded is not answered', async () => {
    const { url } = kit.database;
    await asOwner(url, 'alter table audit_event rename to audit_event_away');
    const answer = await kit.ask(byNumber, { nhsNumber: iris.nhsNumber });
    await asOwner(url, 'alter table audit_event_away rename to audit_event');
    expect(answer.data).toBeUndefined();
    expect(answer.errors![0]!.extensions).toMatchObject({ code: 'AUDIT_UNAVAILABLE', retryable: true });
    expect((await kit.ask(byNumber, { nhsNumber: iris.nhsNumber })).data.person.familyName).toBe(
      iris.familyName,
    );
  });

  test('its rows can be neither changed nor removed', async () => {
    for (const attack of [
      'update audit_event set subject = null',
      'delete from audit_event',
      'truncate audit_event',
    ]) {
      await expect(asOwner(kit.database.url, attack)).rejects.toThrow('append-only');
      await expect(kit.database.pool.query(attack)).rejects.toThrow('permission denied');
    }
  });
});
