/** Financial returns at the door: opened, sent, queried, answered, accepted; and what came later. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReturnFrequency } from '../src/generated/prisma/enums.ts';
import { post } from '../src/ledger/post.ts';
import { addDays } from '../src/platform/day.ts';
import { uuidOf } from '../src/platform/id.ts';
import { periodBefore, statusOf } from '../src/return/rules.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { carolForIris, iris } from './setup/evidence.ts';
import { coordinator, provider, startTestHub, type TestHub } from './setup/hub.ts';
import { councilFinance, nhsFinance, nhsFinanceToo, pence, sayPolicies } from './setup/surplus.ts';

describe('the period that is over', () => {
  test('is one of the financial year', () => {
    const on = (frequency: ReturnFrequency, day: string) => Object.values(periodBefore(frequency, day));
    expect(on('MONTHLY', '2024-03-01')).toEqual(['2024-02-01', '2024-02-29']);
    expect(on('QUARTERLY', '2026-04-01')).toEqual(['2026-01-01', '2026-03-31']);
    expect(on('QUARTERLY', '2026-03-31')).toEqual(['2025-10-01', '2025-12-31']);
    expect(on('HALF_YEARLY', '2026-11-21')).toEqual(['2026-04-01', '2026-09-30']);
    expect(on('HALF_YEARLY', '2026-01-31')).toEqual(['2025-04-01', '2025-09-30']);
    expect(on('YEARLY', '2026-03-31')).toEqual(['2024-04-01', '2025-03-31']);
    expect(on('YEARLY', '2026-04-01')).toEqual(['2025-04-01', '2026-03-31']);
  });

  test('follows the one before it without a gap, and is over', () => {
    const frequency = fc.constantFrom<ReturnFrequency>('MONTHLY', 'QUARTERLY', 'HALF_YEARLY', 'YEARLY');
    fc.assert(
      fc.property(frequency, fc.nat(4_000), (often, days) => {
        const day = addDays('2020-01-01', days);
        const { from, to } = periodBefore(often, day);
        expect(to < day).toBe(true);
        expect(addDays(periodBefore(often, from).to, 1)).toBe(from);
        expect(periodBefore(often, addDays(to, 1))).toEqual({ from, to });
      }),
    );
  });

  test('a return is accepted when all have, and queried while one waits', () => {
    expect(statusOf([{ accepted: true }, { accepted: false }], 0)).toBe('SENT');
    expect(statusOf([{ accepted: true }, { accepted: false }], 1)).toBe('QUERIED');
    expect(statusOf([{ accepted: true }, { accepted: true }], 0)).toBe('ACCEPTED');
  });
});

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

const amounts =
  'opening { amount } paidIn { amount } refunded { amount } spent { amount } repaid { amount } closing { amount }';
const whole = `id version status from to dueOn sentAt hasChangedSinceSent
  statement { total { ${amounts} } bySource { source figures { ${amounts} } } transfers(first: 100) { nodes { id source kind } } }
  receivers { organisation { code } acceptedAt openQueries sources { source figures { ${amounts} } } }
  queries { id text answer organisation { code } transfer { id } }
  missingEvidence { organisationCode requirement dueOn spentOn what amount { amount } satisfiedBy }
  changedSinceSent(first: 10) { nodes { description amount { amount } } }`;

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
});
afterAll(() => kit.close());

async function person(selection: string, claims: JWTPayload = coordinator): Promise<Any> {
  const before = kit.database.reader.sent();
  const { data, errors } = await kit.ask(
    `query ($n: NHSNumber!) { person(nhsNumber: $n) { id ${selection} } }`,
    { n: iris.nhsNumber },
    claims,
  );
  expect(errors).toBeUndefined();
  expect(kit.database.reader.sent() - before).toBe(1);
  return data.person;
}

async function command(name: string, input: object, claims: JWTPayload): Promise<Any> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const query = /Query|Line/.test(name) ? 'query { id text answer }' : '';
  const { data, errors } = await kit.ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { financialReturn { ${whole} } ${query} userErrors { code field message } } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
    claims,
  );
  return errors === undefined ? data[name] : { errors };
}

const codes = ({ userErrors }: Any) => userErrors.map(({ code, field }: Any) => [code, field]);

describe('a financial return', () => {
  const period = { from: '2026-07-01', to: '2026-09-30' };

  test('for both commissioners at once: from opening to acceptance by each', async () => {
    await sayPolicies(kit, { evidence_due_days: 28 });
    const { id: personId } = await person('');
    const opened = await command(
      'openReturn',
      { personId, ...period, receivers: ['QWN', '999'] },
      nhsFinance,
    );
    expect(opened.userErrors).toEqual([]);
    const { financialReturn: due } = opened;
    expect(due).toMatchObject({
      status: 'DUE',
      ...period,
      dueOn: '2026-10-28',
      sentAt: null,
      hasChangedSinceSent: false,
    });
    expect(due.receivers.map((r: Any) => r.organisation.code).sort()).toEqual(['999', 'QWN']);

    // The same period opened by the other is the same return.
    const again = await command('openReturn', { personId, ...period, receivers: ['999'] }, councilFinance);
    expect(again.financialReturn.id).toBe(due.id);
    expect(again.financialReturn.receivers).toHaveLength(2);

    const { version } = again.financialReturn;
    const at = (v: number) => ({ returnId: due.id, expectedVersion: v });
    expect(codes(await command('acceptReturn', at(version), nhsFinance))).toEqual([
      ['WRONG_STAGE', 'returnId'],
    ]);
    expect((await command('sendReturn', at(version), nhsFinance)).errors[0].extensions.code).toBe(
      'FORBIDDEN',
    );
    const sent = await command('sendReturn', at(version), provider);
    expect(sent.userErrors).toEqual([]);
    const told = sent.financialReturn;
    expect(told.status).toBe('SENT');

    // The figures are those of the statement, and each receiver has its own money.
    const { statement } = await person(
      `statement(from: "${period.from}", to: "${period.to}") { total { ${amounts} } bySource { source figures { ${amounts} } } }`,
    );
    expect(told.statement).toMatchObject(statement);
    expect(pence(told.statement.total.spent) > 0n).toBe(true);
    for (const [code, source] of [
      ['QWN', 'ICB'],
      ['999', 'COUNCIL'],
    ]) {
      const receiver = told.receivers.find((r: Any) => r.organisation.code === code);
      expect(receiver.sources).toEqual(statement.bySource.filter((s: Any) => s.source === source));
      expect(receiver.sources).toHaveLength(1);
    }

    // A line is queried by one, answered by the family; the other accepts meanwhile.
    const line = told.statement.transfers.nodes.find((t: Any) => t.source === 'ICB' && t.kind === 'SPENT').id;
    const query = { returnId: due.id, transferId: line, text: 'What was this for?' };
    expect(codes(await command('queryReturnLine', { ...query, transferId: due.id }, nhsFinance))).toEqual([
      ['NOT_FOUND', 'transferId'],
    ]);
    expect(codes(await command('queryReturnLine', { ...query, text: ' ' }, nhsFinance))).toEqual([
      ['TEXT_INVALID', 'text'],
    ]);
    const queried = await command('queryReturnLine', query, nhsFinance);
    expect(queried.financialReturn).toMatchObject({
      status: 'QUERIED',
      queries: [
        { text: 'What was this for?', answer: null, organisation: { code: 'QWN' }, transfer: { id: line } },
      ],
    });
    const v = queried.financialReturn.version;
    expect(codes(await command('acceptReturn', at(v), nhsFinanceToo))).toEqual([['QUERY_OPEN', 'returnId']]);
    expect(codes(await command('acceptReturn', at(v - 1), councilFinance))).toEqual([
      ['CONFLICT', 'expectedVersion'],
    ]);
    const first = await command('acceptReturn', at(v), councilFinance);
    expect(first.financialReturn.status).toBe('QUERIED');
    expect(codes(await command('acceptReturn', at(v + 1), councilFinance))).toEqual([
      ['WRONG_STAGE', 'returnId'],
    ]);
    const answered = await command(
      'answerReturnQuery',
      { queryId: queried.query.id, answer: 'Respite in July.' },
      carolForIris,
    );
    expect(answered.query.answer).toBe('Respite in July.');
    expect(answered.financialReturn.status).toBe('SENT');
    expect(
      codes(await command('answerReturnQuery', { queryId: queried.query.id, answer: 'Again' }, carolForIris)),
    ).toEqual([['WRONG_STAGE', 'queryId']]);
    expect(codes(await command('sendReturn', at(v + 2), provider))).toEqual([['WRONG_STAGE', 'returnId']]);

    const waiting = `{ returnsToLookAt(first: 5) { nodes { id } } }`;
    expect((await kit.ask(waiting, {}, nhsFinance)).data.returnsToLookAt.nodes).toEqual([{ id: due.id }]);
    expect((await kit.ask(waiting, {}, councilFinance)).data.returnsToLookAt.nodes).toEqual([]);
    const last = await command('acceptReturn', at(v + 2), nhsFinanceToo);
    expect(last.financialReturn.status).toBe('ACCEPTED');
    expect((await kit.ask(waiting, {}, nhsFinance)).data.returnsToLookAt.nodes).toEqual([]);
    expect(codes(await command('queryReturnLine', query, nhsFinance))).toEqual([['WRONG_STAGE', 'returnId']]);
    const { returns } = await person('returns(first: 5) { nodes { id status } }');
    expect(returns.nodes).toEqual([{ id: due.id, status: 'ACCEPTED' }]);
  });

  test('that was sent keeps its figures: a backdated entry stands beside it', async () => {
    const { id: personId } = await person('');
    const quarter = { from: '2026-04-01', to: '2026-06-30' };
    const { financialReturn: due } = await command(
      'openReturn',
      { personId, ...quarter, receivers: ['QWN'] },
      nhsFinance,
    );
    const { financialReturn: sent } = await command(
      'sendReturn',
      { returnId: due.id, expectedVersion: due.version },
      carolForIris,
    );
    expect(sent.hasChangedSinceSent).toBe(false);
    const { budgets } = await person('budgets { id kind }');
    const budgetId = uuidOf('bud', budgets.find((b: Any) => b.kind === 'PERSONAL_HEALTH_BUDGET').id)!;
    const spent = (effectiveOn: string, description: string) => ({
      kind: 'SPENT' as const,
      source: 'ICB' as const,
      pence: 4_321n,
      effectiveOn,
      portionId: null,
      description,
      cause: `test/${effectiveOn}`,
    });
    await kit.database.prisma.$transaction((tx) =>
      post(tx, { personId: uuidOf('per', personId)!, budgetId }, [
        spent('2026-05-05', 'forgotten'),
        spent('2026-07-01', 'after it'),
      ]),
    );
    const { data } = await kit.ask(
      `query ($id: ID!) { node(id: $id) { ... on FinancialReturn { ${whole} } } }`,
      { id: due.id },
    );
    expect(data.node.statement).toEqual(sent.statement);
    expect(data.node.receivers).toEqual(sent.receivers);
    expect(data.node.hasChangedSinceSent).toBe(true);
    expect(data.node.changedSinceSent.nodes).toEqual([
      { description: 'forgotten', amount: { amount: '43.21' } },
    ]);
    // Sent anew it has the figures of now.
    const { financialReturn: anew } = await command(
      'sendReturn',
      { returnId: due.id, expectedVersion: sent.version },
      carolForIris,
    );
    expect(pence(anew.statement.total.spent) - pence(sent.statement.total.spent)).toBe(4_321n);
    expect(anew.hasChangedSinceSent).toBe(false);
  });

  test('says what evidence each receiver still misses', async () => {
    const { id: personId, budgets } = await person('budgets { id kind }');
    const budgetId = uuidOf('bud', budgets.find((b: Any) => b.kind === 'PERSONAL_HEALTH_BUDGET').id)!;
    const person_id = uuidOf('per', personId)!;
    const add = (category: string, state: string, day: string) =>
      kit.database.pool.query(
        `insert into spend (person_id, budget_id, category, pence, spent_on, payee, what, state, client_id, recorded_by)
         values ($1, $2, $3, 1250, $5, 'Pool', 'Swimming', $4::spend_state, 'test', 'test') returning id`,
        [person_id, budgetId, category, state, day],
      );
    const { rows } = await add('activities', 'INSIDE_PLAN', '2026-10-05');
    await add('wages', 'ACCEPTED', '2026-10-06');
    await add('activities', 'REFUSED', '2026-10-07');
    const { financialReturn: due } = await command(
      'openReturn',
      { personId, from: '2026-10-01', to: '2026-10-31', receivers: ['QWN', '999'], dueOn: '2026-12-24' },
      nhsFinance,
    );
    expect(due.dueOn).toBe('2026-12-24');
    const asked = (code: string) =>
      due.missingEvidence
        .filter((m: Any) => m.organisationCode === code)
        .map((m: Any) => m.requirement)
        .sort();
    expect(asked('QWN')).toEqual([
      'ACCOUNT_STATEMENT',
      'EMPLOYERS_INSURANCE',
      'PAYROLL_TAX',
      'PROOF_OF_PURCHASE',
      'PROOF_OF_WAGES',
    ]);
    // The spending was the NHS's: the council misses the account's statement only.
    expect(asked('999')).toEqual(['ACCOUNT_STATEMENT']);
    expect(due.missingEvidence).toContainEqual({
      organisationCode: 'QWN',
      requirement: 'PROOF_OF_PURCHASE',
      dueOn: '2026-11-28',
      spentOn: '2026-10-05',
      what: 'Swimming',
      amount: { amount: '12.50' },
      satisfiedBy: ['INVOICE', 'RECEIPT'],
    });
    await kit.database.pool.query(
      `with e as (insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, dated, uploaded_by)
         values ($1, 'RECEIPT', '\\x01', 'image/png', 1, 'a.png', '2026-10-05', 'test') returning id)
       insert into spend_evidence (spend_id, evidence_id, person_id) select $2, id, $1 from e`,
      [person_id, rows[0].id],
    );
    const { returns } = await person('returns(first: 1) { nodes { missingEvidence { requirement } } }');
    expect(returns.nodes[0].missingEvidence.map((m: Any) => m.requirement)).not.toContain(
      'PROOF_OF_PURCHASE',
    );
  });

  test('is opened by a receiver, for who gives the money, with a day it is due', async () => {
    const { id: personId } = await person('');
    const open = (more: object, claims: JWTPayload = nhsFinance) =>
      command(
        'openReturn',
        { personId, from: '2026-01-01', to: '2026-01-31', receivers: ['QWN'], ...more },
        claims,
      ).then(codes);
    expect(await open({ receivers: ['QWN', 'QWE'] })).toEqual([['RECEIVER_NOT_FUNDER', 'receivers.1']]);
    expect(await open({ receivers: ['999'] })).toEqual([['NOT_YOURS', 'receivers']]);
    expect(await open({ receivers: [] })).toEqual([['TOO_MANY', 'receivers']]);
    expect(await open({ to: '2025-12-31' })).toEqual([['DAY_INVALID', 'to']]);
    expect(await open({ dueOn: '2026-01-31' })).toEqual([['DAY_INVALID', 'dueOn']]);
    expect(await open({}, { ...nhsFinance, organisation: 'QWE' })).toEqual([
      ['PERSON_NOT_FOUND', 'personId'],
    ]);
    await sayPolicies(kit, { evidence_due_days: null });
    expect(await open({})).toEqual([['DAY_INVALID', 'dueOn']]);
    // A period that is not over can be opened, and not sent.
    const { financialReturn: early } = await command(
      'openReturn',
      { personId, from: '2026-11-01', to: '2026-11-30', receivers: ['QWN'], dueOn: '2026-12-31' },
      nhsFinance,
    );
    const at = { returnId: early.id, expectedVersion: early.version };
    expect(codes(await command('sendReturn', at, provider))).toEqual([['DAY_INVALID', 'returnId']]);
    const other = { ...provider, organisation: 'D9H02' };
    expect(codes(await command('sendReturn', at, other))).toEqual([['NOT_FOUND', 'returnId']]);
    expect(today > early.from).toBe(true);
  });
});
