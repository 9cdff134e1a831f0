/** What a charity that operates accounts has to do: each thing from the moment it is there until it is done, for nobody else. */
import { randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDueReturns } from '../src/return/due.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { evidenceKit } from './setup/evidence.ts';
import { coordinator, provider, startTestHub, type TestHub } from './setup/hub.ts';
import { herself, makeBudget, type OwnBudget, payIn, pounds } from './setup/spending.ts';
import { nhsFinance, sayPolicies } from './setup/surplus.ts';
import { tellAll } from './setup/told.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

let kit: TestHub;
let budget: OwnBudget;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await tellAll(kit);
  await kit.database.pool.query('delete from commissioner_policy');
  await sayPolicies(kit, { evidence_due_days: 28, return_frequency: 'QUARTERLY' });
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 100_000n });
});
afterAll(() => kit.close());

const item = `kind dueOn overdue person { id } financialReturn { id status } query { id text }
  statement { id unmatched } spend { id payee } plan { id } competency { clinician expiresOn } document { kind expiresOn }`;

/** All that is on the list, in as many pages as it takes. */
async function workOf(claims: JWTPayload, more = '', first = 100): Promise<Any[]> {
  const nodes: Any[] = [];
  for (let after: string | null = null; ; ) {
    const before = kit.database.reader.sent();
    const { data, errors } = await kit.ask(
      `query ($after: String) { workList(first: ${first}, after: $after ${more}) { nodes { ${item} } pageInfo { hasNextPage endCursor } } }`,
      { after },
      claims,
    );
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    nodes.push(...data.workList.nodes);
    if (!data.workList.pageInfo.hasNextPage) return nodes;
    after = data.workList.pageInfo.endCursor;
  }
}

async function command(name: string, input: object, claims: JWTPayload, payload: string): Promise<Any> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { ${payload} userErrors { code field message } } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
    claims,
  );
  expect(errors).toBeUndefined();
  expect(data[name].userErrors).toEqual([]);
  return data[name];
}

const spendSomething = async (payee: string, spentOn = '2026-11-20') =>
  (
    await command(
      'recordSpend',
      {
        budgetId: budget.id,
        portionId: budget.managed,
        amount: pounds('10.00'),
        spentOn,
        payee,
        what: 'Swimming',
      },
      provider,
      'spend { id version }',
    )
  ).spend;

/** What the table says and what it is to say differ in nothing. */
async function expectKept() {
  const { rows } = await kit.database.pool.query(
    `(table work_item except table work_item_source) union all (table work_item_source except table work_item)`,
  );
  expect(rows).toEqual([]);
}

describe('the work list', () => {
  test('has a spend until something proves it, or it is undone', async () => {
    const [proved, undone] = [await spendSomething('Harbour Leisure'), await spendSomething('The Baths')];
    const open = async () => (await workOf(provider, 'kinds: [EVIDENCE]')).map(({ spend }) => spend.id);
    expect(await open()).toEqual(expect.arrayContaining([proved.id, undone.id]));

    const own = evidenceKit(kit);
    const { answer } = await own.upload(
      budget.personId.replace(/^/, 'per_').replaceAll('-', ''),
      'r.pdf',
      pdf('r'),
    );
    await command(
      'attachEvidence',
      { spendId: proved.id, evidenceIds: [answer.evidenceId] },
      provider,
      'spend { id }',
    );
    await command(
      'undoSpend',
      { spendId: undone.id, expectedVersion: undone.version, reason: 'Never bought' },
      provider,
      'spend { id }',
    );
    const after = await open();
    expect(after).not.toContain(proved.id);
    expect(after).not.toContain(undone.id);
    await expectKept();
  });

  test('has a return until it is sent, a query until it is answered, and dates what is to be proved by them', async () => {
    await kit.database.pool.query(
      'delete from return_query; delete from return_receiver; delete from financial_return',
    );
    const spend = await spendSomething('Harbour Leisure', '2026-09-20');
    const dueOf = async (id: string) =>
      (await workOf(provider, 'kinds: [EVIDENCE]')).find((one) => one.spend.id === id)?.dueOn;
    expect(await dueOf(spend.id)).toBeNull();
    // As the night does when the quarter is over.
    await openDueReturns(kit.database.pool, today);
    expect(await dueOf(spend.id)).toBe('2026-10-28');

    const id = `per_${budget.personId.replaceAll('-', '')}`;
    const returns = async () => workOf(provider, `kinds: [RETURN_DUE, RETURN_QUERY] personId: "${id}"`);
    const due = (await returns()).find(({ dueOn }) => dueOn === '2026-10-28');
    expect(due).toMatchObject({
      kind: 'RETURN_DUE',
      dueOn: '2026-10-28',
      overdue: true,
      person: { id },
      financialReturn: { status: 'DUE' },
      query: null,
      spend: null,
    });
    const returnId = due.financialReturn.id;
    const { version } = (
      await kit.ask(`query ($id: ID!) { node(id: $id) { ... on FinancialReturn { version } } }`, {
        id: returnId,
      })
    ).data.node;
    await command(
      'sendReturn',
      { returnId, expectedVersion: version },
      provider,
      'financialReturn { version }',
    );
    expect((await returns()).filter(({ kind }) => kind === 'RETURN_DUE')).toEqual([]);
    const { query } = await command(
      'queryReturnLine',
      { returnId, text: 'What was this for?' },
      nhsFinance,
      'query { id }  financialReturn { version }',
    );
    const asked = (await returns()).filter((one) => one.query?.id === query.id);
    expect(asked).toMatchObject([
      { kind: 'RETURN_QUERY', dueOn: today, query: { text: 'What was this for?' } },
    ]);
    await command('answerReturnQuery', { queryId: query.id, answer: 'The pool.' }, provider, 'query { id }');
    expect((await returns()).filter((one) => one.query?.id === query.id)).toEqual([]);
    await expectKept();
  });

  test('comes in the order of days, in pages of any size, and filtered', async () => {
    const all = await workOf(provider);
    expect(new Set(all.map(({ kind }) => kind)).size).toBeGreaterThan(2);
    const days = all.map(({ dueOn }) => dueOn ?? '9999-12-31');
    expect(days).toEqual([...days].sort());
    for (const size of [1, 3]) expect(await workOf(provider, '', size)).toEqual(all);
    for (const one of all) expect(one.overdue).toBe(one.dueOn !== null && one.dueOn < today);

    const [{ kind }] = all as [Any];
    expect(await workOf(provider, `kinds: [${kind}]`)).toEqual(all.filter((one) => one.kind === kind));
    expect(await workOf(provider, `dueBy: "${today}"`)).toEqual(
      all.filter(({ dueOn }) => dueOn !== null && dueOn <= today),
    );
    expect(await workOf(provider, `personId: "${all[0].person.id}"`)).toEqual(
      all.filter(({ person }) => person.id === all[0].person.id),
    );
    expect(await workOf(provider, 'personId: "per_nobody"')).toEqual([]);
  });

  test('is the organisation’s own, and of those whose record it still sees', async () => {
    expect(await workOf({ ...provider, organisation: 'QWE' })).toEqual([]);
    // A funder is asked to agree, and operates nothing.
    expect(new Set((await workOf(coordinator)).map(({ kind }) => kind))).toEqual(new Set(['PACKAGE_CHANGE']));
    expect(await workOf(herself)).toEqual([]);
    const before = await workOf(provider);
    const [{ person }] = before as [Any];
    const { rows } = await kit.database.pool.query(
      `update role_on_record set suspended_at = now()
        where replace(person_id::text, '-', '') = $1
          and organisation_id = (select id from organisation where ods_code = 'D9H01') returning id`,
      [person.id.slice(4)],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(await workOf(provider)).toEqual(before.filter((one) => one.person.id !== person.id));
    await kit.database.pool.query(`update role_on_record set suspended_at = null where id = any($1)`, [
      rows.map(({ id }) => id),
    ]);
    expect(await workOf(provider)).toEqual(before);
  });

  test('follows when another organisation takes the account over, and when records are merged', async () => {
    const { pool } = kit.database;
    const { rows } = await pool.query(
      `select distinct account_operator_id as id from portion where account_operator_id is not null`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await pool.query(
      `update portion set account_operator_id = (select id from organisation where ods_code = 'QWN')
        where account_operator_id is not null and person_id = $1`,
      [budget.personId],
    );
    await expectKept();
    const id = `per_${budget.personId.replaceAll('-', '')}`;
    expect((await workOf(provider)).filter(({ person }) => person.id === id)).toEqual([]);
    await pool.query(
      `update portion set account_operator_id = (select id from organisation where ods_code = 'D9H01')
        where account_operator_id is not null and person_id = $1`,
      [budget.personId],
    );
    await expectKept();
    const spends = await pool.query(`delete from spend_evidence returning spend_id`);
    expect(spends.rowCount).toBeGreaterThan(0);
    await expectKept();
  });

  test('cannot be written by the hub itself', async () => {
    await expect(kit.database.pool.query('delete from work_item')).rejects.toMatchObject({ code: '42501' });
  });
});

describe('the managed packages', () => {
  const packages = async (claims: JWTPayload, more = '') => {
    const before = kit.database.reader.sent();
    const { data, errors } = await kit.ask(
      `{ managedPackages(first: 100 ${more}) { nodes { openWork nextDueOn person { id familyName }
          portions { id accountOperator { code } balances { left { amount } } } lines { key what portion { id } } } } }`,
      {},
      claims,
    );
    expect(errors).toBeUndefined();
    expect(kit.database.reader.sent() - before).toBe(1);
    return data.managedPackages.nodes as Any[];
  };

  test('are one for each person, by name, with what is paid from them and what there is to do', async () => {
    const found = await packages(provider);
    const names = found.map(({ person }) => person.familyName);
    expect(names.length).toBeGreaterThan(0);
    expect(names).toEqual([...names].sort());
    const work = await workOf(provider);
    for (const { person, portions, lines, openWork, nextDueOn } of found) {
      expect(portions.length).toBeGreaterThan(0);
      for (const portion of portions) expect(portion.accountOperator.code).toBe('D9H01');
      const ids = portions.map(({ id }: Any) => id);
      for (const { portion } of lines) expect(ids).toContain(portion.id);
      const own = work.filter((one) => one.person.id === person.id);
      expect(openWork).toBe(own.length);
      expect(nextDueOn).toBe(own[0]?.dueOn ?? null);
    }
    expect(found.flatMap(({ lines }) => lines).length).toBeGreaterThan(0);
    const due = await packages(provider, `dueBy: "${today}"`);
    expect(due).toEqual(found.filter(({ nextDueOn }) => nextDueOn !== null && nextDueOn <= today));
  });

  test('make the record theirs to see, from the day on which they operate the account until they no longer do', async () => {
    const { pool } = kit.database;
    const other = { ...provider, organisation: 'D9H02' };
    const id = `per_${budget.personId.replaceAll('-', '')}`;
    const sees = async () =>
      (await kit.ask('query ($id: ID!) { person(id: $id) { id } }', { id }, other)).data.person !== null;
    const operate = (from: string | null, to: string | null, status = 'ACTIVE') =>
      pool.query(
        `with b as (update budget set status = $4::budget_status where id = $1)
         update portion set account_operator_id = (select id from organisation where ods_code = 'D9H02'),
                valid_from = $2::date, valid_to = $3::date where budget_id = $1 and position = 2`,
        [budget.uuid, from, to, status],
      );
    expect(await sees()).toBe(false);
    await operate('2026-11-22', null);
    expect(await sees()).toBe(false);
    await operate(today, '2026-11-22');
    expect(await sees()).toBe(true);
    expect((await packages(other)).map(({ person }) => person.id)).toContain(id);
    // What is only proposed is nobody's yet, and what was theirs ends on its day.
    await operate('2026-04-01', today);
    expect(await sees()).toBe(false);
    await operate(null, null);
    expect(await sees()).toBe(true);
    await pool.query(`update portion set account_operator_id = null where budget_id = $1 and position = 2`, [
      budget.uuid,
    ]);
    expect(await sees()).toBe(false);
  });

  test('are nobody else’s', async () => {
    expect(await packages(coordinator)).toEqual([]);
    expect(await packages(herself)).toEqual([]);
  });
});
