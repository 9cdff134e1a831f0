import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { carolForIris, daniel, evidenceKit, iris } from './setup/evidence.ts';
import { coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
let own: ReturnType<typeof evidenceKit>;
let irisId: string;
let danielId: string;
/** Iris's two budgets: the one that is paid by the ICB, made into one that the council pays a part of, and the other. */
let joint: string;

beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  // What the demo's commissioners say would stand beside what the tests say for them.
  await kit.database.pool.query('delete from commissioner_policy');
  own = evidenceKit(kit);
  irisId = await own.personId(iris.nhsNumber);
  danielId = await own.personId(daniel.nhsNumber);
  const { rows } = await kit.database.pool.query(
    `select b.id from budget b join funding_line l on l.budget_id = b.id
      where b.person_id = $1 and l.source = 'ICB' and b.status = 'ACTIVE'`,
    [uuidOf('per', irisId)],
  );
  joint = rows[0].id;
  await kit.database.pool.query(
    `insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
     select $1, $2, 'COUNCIL', id, 100000 from organisation where ods_code = '999'`,
    [joint, uuidOf('per', irisId)],
  );
});
afterAll(() => kit.close());

async function spend(
  category: string,
  state = 'INSIDE_PLAN',
  more: { sources?: string[] } = {},
): Promise<string> {
  const { rows } = await kit.database.pool.query(
    `insert into spend (person_id, budget_id, category, pence, spent_on, payee, what, state, client_id, recorded_by)
     values ($1, $2, $3, 1200, $4, 'Lido', 'Swimming', $5::spend_state, 'test', 'test') returning id`,
    [uuidOf('per', irisId), joint, category, today, state],
  );
  for (const source of more.sources ?? []) {
    await kit.database.pool.query(
      `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on, external_id)
       select person_id, budget_id, (array_agg(id))[1], (array_agg(id))[2], 'SPENT', source, 600, $3, $4
         from ledger_account where budget_id = $1 and source = $2::funding_source group by 1, 2, source`,
      [joint, source, today, `spend/${rows[0].id}`],
    );
  }
  return idOf('spd', rows[0].id);
}

async function document(kind: string, mark: string, dated: string | null = null): Promise<string> {
  const { answer } = await own.upload(irisId, `${mark}.pdf`, pdf(mark), { kind, dated });
  return answer.evidenceId;
}

async function change(
  command: 'attachEvidence' | 'detachEvidence',
  spendId: string,
  evidenceIds: string[],
  claims: object = coordinator,
) {
  const { data, errors } = await kit.ask(
    `mutation ($input: ${command === 'attachEvidence' ? 'AttachEvidenceInput' : 'DetachEvidenceInput'}!) {
      ${command}(input: $input) { spend { id evidence { id } } userErrors { code field } } }`,
    { input: { idempotencyKey: randomUUID(), spendId, evidenceIds } },
    { ...claims },
  );
  if (errors !== undefined) throw new Error(errors[0]!.extensions.code as string);
  const { spend, userErrors } = data[command];
  if (spend !== null) expect(spend.id).toBe(spendId);
  return { evidence: spend?.evidence.map(({ id }: { id: string }) => id) ?? null, userErrors };
}

async function satisfied(id: string, claims: object = coordinator): Promise<string[]> {
  const { data } = await kit.ask(
    `query ($id: ID!) { node(id: $id) { ... on Evidence { satisfies { requirement commissioner { code } } } } }`,
    { id },
    { ...claims },
  );
  return data.node.satisfies.map(
    ({ requirement, commissioner }: never) => `${requirement} ${(commissioner as { code: string }).code}`,
  );
}

describe('a receipt', () => {
  test('that is attached to a spend satisfies the ICB and the council with one upload', async () => {
    const swim = await spend('Swimming');
    const receipt = await document('RECEIPT', 'lido');
    expect(await satisfied(receipt)).toEqual([]);
    expect(await change('attachEvidence', swim, [receipt])).toEqual({ evidence: [receipt], userErrors: [] });
    for (const claims of [coordinator, socialWorker]) {
      expect((await satisfied(receipt, claims)).sort()).toEqual([
        'PROOF_OF_PURCHASE 999',
        'PROOF_OF_PURCHASE QWN',
      ]);
    }
    expect(await change('detachEvidence', swim, [receipt])).toEqual({ evidence: [], userErrors: [] });
    expect(await satisfied(receipt)).toEqual([]);
  });

  test('satisfies who paid, and proves no wages', async () => {
    await kit.database.pool.query(
      `insert into ledger_account (person_id, budget_id, source, kind) select $2, $1, 'COUNCIL', kind
         from unnest(array['HELD', 'SPENT']::ledger_account_kind[]) kind on conflict do nothing`,
      [joint, uuidOf('per', irisId)],
    );
    const byCouncil = await spend('Swimming', 'INSIDE_PLAN', { sources: ['COUNCIL'] });
    const wages = await spend('Payroll');
    const receipt = await document('RECEIPT', 'council pays');
    await change('attachEvidence', byCouncil, [receipt]);
    await change('attachEvidence', wages, [receipt]);
    expect(await satisfied(receipt)).toEqual(['PROOF_OF_PURCHASE 999']);
    const payslip = await document('PAYSLIP', 'payslip');
    await change('attachEvidence', wages, [payslip]);
    expect((await satisfied(payslip)).sort()).toEqual(['PROOF_OF_WAGES 999', 'PROOF_OF_WAGES QWN']);
    await change('attachEvidence', byCouncil, [payslip]);
    expect(await satisfied(payslip)).toHaveLength(2);
  });

  test('of a period or year counts for all that fund a budget on its day', async () => {
    const both = (requirement: string) => [`${requirement} 999`, `${requirement} QWN`];
    expect((await satisfied(await document('BANK_STATEMENT', 'bank', today))).sort()).toEqual(
      both('ACCOUNT_STATEMENT'),
    );
    expect((await satisfied(await document('HMRC', 'hmrc'))).sort()).toEqual(both('PAYROLL_TAX'));
    expect((await satisfied(await document('INSURANCE', 'insured', today))).sort()).toEqual(
      both('EMPLOYERS_INSURANCE'),
    );
    expect(await satisfied(await document('BANK_STATEMENT', 'long ago', '2001-01-31'))).toEqual([]);
    expect(await satisfied(await document('OTHER', 'other', today))).toEqual([]);
  });
});

describe('attaching', () => {
  test('more than once changes nothing, and what is attached is all there', async () => {
    const swim = await spend('Swimming');
    const ids = [await document('RECEIPT', 'a'), await document('INVOICE', 'b')];
    await change('attachEvidence', swim, [ids[0]!]);
    expect((await change('attachEvidence', swim, [ids[0]!, ids[1]!, ids[1]!])).evidence).toEqual(ids);
    expect((await change('detachEvidence', swim, [ids[0]!])).evidence).toEqual([ids[1]]);
    expect((await change('detachEvidence', swim, [ids[0]!])).evidence).toEqual([ids[1]]);
  });

  test('at once by many keeps each', async () => {
    const swim = await spend('Swimming');
    const ids = await Promise.all(['p', 'q', 'r', 's'].map((mark) => document('RECEIPT', mark)));
    await Promise.all(ids.map((id) => change('attachEvidence', swim, [id])));
    expect((await change('attachEvidence', swim, [ids[0]!])).evidence.sort()).toEqual([...ids].sort());
  });

  test("takes no other person's document, no strange spend, none that was undone; then nothing is attached", async () => {
    const swim = await spend('Swimming');
    const mine = await document('RECEIPT', 'mine');
    const { answer } = await own.upload(danielId, 'daniel.pdf', pdf('daniel'));
    const none = (code: string, field: string) => ({ evidence: null, userErrors: [{ code, field }] });
    expect(await change('attachEvidence', swim, [mine, answer.evidenceId])).toEqual(
      none('NOT_FOUND', 'evidenceIds.1'),
    );
    expect(await change('attachEvidence', swim, ['nonsense'])).toEqual(none('NOT_FOUND', 'evidenceIds.0'));
    expect(await change('attachEvidence', idOf('spd', randomUUID()), [mine])).toEqual(
      none('NOT_FOUND', 'spendId'),
    );
    expect(await change('attachEvidence', swim, [])).toEqual(none('TOO_MANY', 'evidenceIds'));
    expect(await change('attachEvidence', swim, Array(21).fill(mine))).toEqual(
      none('TOO_MANY', 'evidenceIds'),
    );
    expect(await change('attachEvidence', await spend('Swimming', 'UNDONE'), [mine])).toEqual(
      none('WRONG_STAGE', 'spendId'),
    );
    const danielHimself = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: daniel.nhsNumber };
    expect(await change('attachEvidence', swim, [mine], danielHimself)).toEqual(none('NOT_FOUND', 'spendId'));
    expect((await change('detachEvidence', swim, [mine])).evidence).toEqual([]);
  });

  test('is for the provider that runs that account, and who decides about the money', async () => {
    const swim = await spend('Swimming');
    const receipt = await document('RECEIPT', 'provider');
    expect((await change('attachEvidence', swim, [receipt], provider)).evidence).toEqual([receipt]);
    expect((await change('detachEvidence', swim, [receipt], carolForIris)).evidence).toEqual([]);
    await kit.database.pool.query('update portion set account_operator_id = null where budget_id = $1', [
      joint,
    ]);
    expect((await change('attachEvidence', swim, [receipt], provider)).userErrors).toEqual([
      { code: 'NOT_YOURS', field: null },
    ]);
  });
});

test("a person's documents come in pages, the latest first, each page in one statement", async () => {
  const { rows } = await kit.database.pool.query(
    'select id from evidence where person_id = $1 order by recorded_at desc, id desc',
    [uuidOf('per', irisId)],
  );
  const all = rows.map(({ id }: { id: string }) => idOf('evd', id));
  const found: string[] = [];
  for (let after: string | null = null; ; ) {
    const before = kit.database.reader.sent();
    const { data } = await kit.ask(
      `query ($id: ID!, $after: String) { person(id: $id) { evidence(first: 5, after: $after) {
        nodes { id kind recordedAt satisfies { requirement commissioner { code name } } }
        edges { cursor } pageInfo { hasNextPage endCursor } } } }`,
      { id: irisId, after },
    );
    expect(kit.database.reader.sent() - before).toBe(1);
    const page: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } =
      data.person.evidence;
    found.push(...page.nodes.map(({ id }) => id));
    if (!page.pageInfo.hasNextPage) break;
    after = page.pageInfo.endCursor;
  }
  expect(found).toEqual(all);
  expect(all.length).toBeGreaterThan(10);
});
