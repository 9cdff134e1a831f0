/** The council's finance system: what its eligibilities, accounts, payments and reviews become. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FinanceCursor, fetchFinancePage, financeFeeds } from '../jobs/source/council-finance.ts';
import { type FinanceFeed, financeRows } from '../jobs/source/council-finance-item.ts';
import type { Page } from '../jobs/source/page.ts';
import type {
  FinanceAccount,
  FinanceEligibility,
  FinancePayment,
  FinanceReview,
} from '../src/demo/council-finance.ts';
import { type CouncilSystem, startCouncilSystem } from '../src/demo/council-system.ts';
import type { Faults } from '../src/demo/fault.ts';
import { founding, makePlace, type Place } from '../src/demo/place.ts';

const account: FinanceAccount = {
  id: 'PB-7',
  updatedAt: '2026-08-20T09:00:00.000Z',
  version: 3,
  personId: 'W000123',
  status: 'active',
  from: '2025-04-01',
  to: null,
  agreedAnnualAmount: '17680.00',
  clientContribution: '3484.05',
  currency: 'GBP',
  management: 'managed-account',
  accountOperatorOdsCode: 'D9H01',
  balance: { amount: '-12.30', asAt: '2026-08-16' },
};
const payment: FinancePayment = {
  id: 'PB-7-001',
  updatedAt: '2026-08-20T09:00:00.000Z',
  version: 1,
  accountId: 'PB-7',
  personId: 'W000123',
  kind: 'spending',
  source: 'client-contribution',
  amount: '873.60',
  currency: 'GBP',
  date: '2026-08-14',
  description: 'Payroll',
  cancelled: false,
};
const eligibility: FinanceEligibility = {
  id: 'EL-7',
  updatedAt: '2026-08-20T09:00:00.000Z',
  version: 1,
  personId: 'W000123',
  scheme: 'care-act',
  status: 'eligible',
  from: '2025-04-01',
  to: null,
  decidedOn: '2025-03-28',
  reviewer: 'Moor locality team',
  reviewDueOn: '2026-04-01',
  withdrawn: false,
};
const review: FinanceReview = {
  id: 'RV-7',
  updatedAt: '2026-08-20T09:00:00.000Z',
  version: 1,
  personId: 'W000123',
  kind: 'direct-payment',
  startedOn: '2026-04-26',
  heldOn: '2026-04-27',
  reason: 'Planned',
  method: null,
  outcome: 'Used as agreed',
  withdrawn: false,
};
const items: Record<FinanceFeed, object & { id: string }> = {
  eligibilities: eligibility,
  accounts: account,
  payments: payment,
  reviews: review,
};
const accountRows = (changed: object) => financeRows('accounts', { ...account, ...changed }, '999');
const paymentRows = (changed: object) => financeRows('payments', { ...payment, ...changed }, '999');

describe('an account', () => {
  test('is a budget with a line for each source, a balance, and a role for who operates it', () => {
    expect(accountRows({})).toMatchObject([
      {
        kind: 'budget',
        externalId: 'PB-7',
        personId: 'W000123',
        version: '3',
        place: 'account PB-7',
        facts: {
          kind: 'PERSONAL_BUDGET',
          status: 'ACTIVE',
          from: '2025-04-01',
          to: null,
          fundingLines: [
            { source: 'COUNCIL', organisationCode: '999', amountPence: 1_419_595n },
            { source: 'CLIENT_CONTRIBUTION', organisationCode: null, amountPence: 348_405n },
          ],
          portions: [
            {
              management: 'MANAGED_ACCOUNT',
              recurring: true,
              amountPence: 1_768_000n,
              accountOperatorCode: 'D9H01',
            },
          ],
        },
      },
      { kind: 'balance', facts: { budgetId: 'PB-7', asAt: '2026-08-16', pence: -1_230n } },
      {
        kind: 'role',
        externalId: 'PB-7#operator',
        facts: { role: 'MANAGED_ACCOUNT_PROVIDER', organisationCode: 'D9H01', individual: null },
      },
    ]);
  });

  test('that nobody else operates and to which nobody contributes has one line and no role', () => {
    const rows = accountRows({ accountOperatorOdsCode: null, clientContribution: '0.00' });
    expect(rows.map((row) => row.kind)).toEqual(['budget', 'balance']);
    expect(rows[0]).toMatchObject({
      facts: { fundingLines: [{ source: 'COUNCIL', amountPence: 1_768_000n }] },
    });
  });

  test('that says more: streams, other funding, the channel, and what it was first thought to be', () => {
    const rows = accountRows({
      status: 'signed-off',
      stream: 'Care Act',
      indicativeAnnualAmount: '17000.00',
      otherFunding: [
        { source: 'client-top-up', stream: null, amount: '520.00' },
        { source: 's75-pool', stream: 'Better Care Fund', amount: '1000.00' },
      ],
      channel: 'prepaid-card',
      balance: null,
    });
    expect(rows.map((row) => row.kind)).toEqual(['budget', 'role']);
    expect(rows[0]).toMatchObject({
      facts: {
        status: 'SIGNED_OFF',
        indicativePence: 1_700_000n,
        fundingLines: [
          { source: 'COUNCIL', stream: 'Care Act', organisationCode: '999', amountPence: 1_267_595n },
          { source: 'CLIENT_CONTRIBUTION', stream: '', amountPence: 348_405n },
          { source: 'CLIENT_TOP_UP', stream: '', organisationCode: null, amountPence: 52_000n },
          { source: 'S75_POOL', stream: 'Better Care Fund', amountPence: 100_000n },
        ],
        portions: [{ channel: 'PREPAID_CARD' }],
      },
    });
  });

  test('the lines add up to what was agreed, whatever the amounts', () => {
    const pence = fc.bigInt({ min: 0n, max: 10n ** 13n });
    const text = (amount: bigint) => `${amount / 100n}.${String(amount % 100n).padStart(2, '0')}`;
    fc.assert(
      fc.property(pence, pence, pence, (a, b, c) => {
        const [other, contribution, agreed] = [a, b, a + b + c];
        const amounts = {
          agreedAnnualAmount: text(agreed),
          clientContribution: text(contribution),
          otherFunding: [{ source: 'other-public', amount: text(other) }],
        };
        const [budget] = accountRows(amounts);
        if (budget?.kind !== 'budget') throw new Error('no budget');
        expect(budget.facts.fundingLines.reduce((sum, line) => sum + line.amountPence, 0n)).toBe(agreed);
      }),
    );
  });
});

describe('an eligibility', () => {
  const rows = (changed: object) => financeRows('eligibilities', { ...eligibility, ...changed }, '999');

  test.each([
    ['care-act', 'CARE_ACT'],
    ['carer', 'CARER_S10'],
    ['s117', 'S117'],
    ['ehc', 'EHC'],
  ])('%s is %s, decided by the council', (scheme, said) => {
    expect(rows({ scheme })).toMatchObject([
      {
        kind: 'eligibility',
        externalId: 'EL-7',
        personId: 'W000123',
        place: 'eligibility EL-7',
        facts: {
          scheme: said,
          status: 'ELIGIBLE',
          decidedOn: '2025-03-28',
          decidedByCode: '999',
          reviewer: 'Moor locality team',
          reviewDueOn: '2026-04-01',
          from: '2025-04-01',
          to: null,
        },
      },
    ]);
  });

  test('may be in assessment, refused, or withdrawn', () => {
    expect(rows({ status: 'assessing', decidedOn: null })).toMatchObject([
      { facts: { status: 'ASSESSING' } },
    ]);
    expect(rows({ status: 'not-eligible' })).toMatchObject([{ facts: { status: 'NOT_ELIGIBLE' } }]);
    expect(rows({ withdrawn: true })).toMatchObject([{ externalId: 'EL-7', facts: { withdrawn: true } }]);
  });
});

describe('a review', () => {
  const rows = (changed: object) => financeRows('reviews', { ...review, ...changed }, '999');

  test.each([
    ['direct-payment', 'DIRECT_PAYMENT'],
    ['audit', 'AUDIT'],
  ])('%s is %s', (kind, said) => {
    expect(rows({ kind })).toMatchObject([
      {
        kind: 'review',
        externalId: 'RV-7',
        place: 'review RV-7',
        facts: { kind: said, startedOn: '2026-04-26', heldOn: '2026-04-27', outcome: 'Used as agreed' },
      },
    ]);
  });

  test('that was not held after all is withdrawn', () => {
    expect(rows({ withdrawn: true })).toMatchObject([{ facts: { withdrawn: true } }]);
  });
});

test('every example of the format description is read', () => {
  const page = readFileSync(new URL('../docs/formats/council-finance.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```json\n(.*?)```/gs)].slice(1).map(([, json]) => JSON.parse(json!));
  expect(
    examples.map((example, i) => financeRows(financeFeeds[i]!, example, '999').map(({ kind }) => kind)),
  ).toEqual([['eligibility'], ['budget', 'balance', 'role'], ['payment'], ['review']]);
});

describe('a payment', () => {
  test.each([
    ['direct-payment', null, 'PAID_IN', 'COUNCIL'],
    ['client-contribution', null, 'PAID_IN', 'CLIENT_CONTRIBUTION'],
    ['spending', 'council', 'SPENT', 'COUNCIL'],
    ['spending', 'client-contribution', 'SPENT', 'CLIENT_CONTRIBUTION'],
    ['committed', 'council', 'COMMITTED', 'COUNCIL'],
    ['repayment', 'client-top-up', 'REPAID', 'CLIENT_TOP_UP'],
  ])('%s from %s', (kind, source, expectedKind, expectedSource) => {
    expect(paymentRows({ kind, source, cancelled: true })).toEqual([
      {
        kind: 'payment',
        externalId: 'PB-7-001',
        personId: 'W000123',
        version: '1',
        place: 'payment PB-7-001',
        raw: { ...payment, kind, source, cancelled: true },
        facts: {
          budgetId: 'PB-7',
          kind: expectedKind,
          source: expectedSource,
          pence: 87_360n,
          effectiveOn: '2026-08-14',
          description: 'Payroll',
          cancelled: true,
        },
      },
    ]);
  });
});

describe('an item that cannot be used', () => {
  const bad: [FinanceFeed, string, string, unknown, string][] = [
    ['accounts', 'AMOUNT_INVALID', 'agreedAnnualAmount', '17680', 'text, 5 characters'],
    ['accounts', 'AMOUNT_INVALID', 'agreedAnnualAmount', 17680, 'number'],
    ['accounts', 'AMOUNT_INVALID', 'agreedAnnualAmount', '1e21', 'text, 4 characters'],
    ['accounts', 'AMOUNT_INVALID', 'clientContribution', '-1.00', 'text, 5 characters'],
    ['accounts', 'BLANK_MANDATORY', 'agreedAnnualAmount', undefined, 'blank'],
    ['accounts', 'BLANK_MANDATORY', 'personId', '', 'blank'],
    ['accounts', 'CONTRIBUTION_EXCEEDS_AMOUNT', 'clientContribution', '17680.01', 'text, 8 characters'],
    ['accounts', 'CURRENCY_NOT_GBP', 'currency', 'EUR', 'text, 3 characters'],
    ['accounts', 'DATE_INVALID', 'from', '2025-02-29', 'text, 10 characters'],
    ['accounts', 'DATE_INVALID', 'updatedAt', 'yesterday', 'text, 9 characters'],
    ['accounts', 'END_BEFORE_START', 'to', '2025-03-31', 'text, 10 characters'],
    ['accounts', 'VALUE_NOT_MAPPED', 'management', 'constructor', 'text, 11 characters'],
    ['accounts', 'VALUE_NOT_MAPPED', 'status', 'live', 'text, 4 characters'],
    ['accounts', 'FIELD_INVALID', 'balance', [], 'list'],
    ['accounts', 'FIELD_INVALID', 'accountOperatorOdsCode', 'the charity', 'text, 11 characters'],
    ['accounts', 'VALUE_NOT_MAPPED', 'channel', 'cheque', 'text, 6 characters'],
    ['accounts', 'AMOUNT_INVALID', 'indicativeAnnualAmount', 'about 17000', 'text, 11 characters'],
    [
      'accounts',
      'FUNDING_EXCEEDS_AMOUNT',
      'otherFunding',
      [{ source: 'ehc', stream: null, amount: '14195.96' }],
      'list',
    ],
    ['accounts', 'FIELD_INVALID', 'otherFunding', 'EHC', 'text, 3 characters'],
    ['eligibilities', 'VALUE_NOT_MAPPED', 'scheme', 'chc-standard', 'text, 12 characters'],
    ['eligibilities', 'VALUE_NOT_MAPPED', 'status', 'probably', 'text, 8 characters'],
    ['eligibilities', 'END_BEFORE_START', 'to', '2025-04-01', 'text, 10 characters'],
    ['eligibilities', 'BLANK_MANDATORY', 'from', null, 'blank'],
    ['eligibilities', 'DATE_INVALID', 'reviewDueOn', '2026-02-29', 'text, 10 characters'],
    ['reviews', 'VALUE_NOT_MAPPED', 'kind', 'care-plan', 'text, 9 characters'],
    ['reviews', 'END_BEFORE_START', 'heldOn', '2026-04-25', 'text, 10 characters'],
    ['reviews', 'FIELD_INVALID', 'withdrawn', 'no', 'text, 2 characters'],
    ['payments', 'AMOUNT_INVALID', 'amount', '0.00', 'text, 4 characters'],
    ['payments', 'AMOUNT_INVALID', 'amount', '٣.00', 'text, 4 characters'],
    ['payments', 'BLANK_MANDATORY', 'accountId', null, 'blank'],
    ['payments', 'BLANK_MANDATORY', 'source', null, 'blank'],
    ['payments', 'FIELD_INVALID', 'cancelled', 'no', 'text, 2 characters'],
    ['payments', 'VALUE_NOT_MAPPED', 'kind', 'gift', 'text, 4 characters'],
    ['payments', 'VALUE_NOT_MAPPED', 'source', 'lottery', 'text, 7 characters'],
  ];
  test.each(bad)('%s: %s in %s (%j)', (feed, code, column, value, found) => {
    const item = { ...items[feed], [column]: value };
    const rows = financeRows(feed, item, '999');
    expect(rows).toMatchObject([
      { kind: 'problem', code, column, found, externalId: item.id, raw: { feed, item } },
    ]);
  });

  test('without an id is told by its content, and by nothing of it', () => {
    const [first] = accountRows({ id: 'Maud Ellery 943 476 5919' });
    expect(first).toMatchObject({
      kind: 'problem',
      code: 'FIELD_INVALID',
      column: 'id',
      place: 'accounts, an item without id',
    });
    expect(first?.externalId).toMatch(/^[0-9a-f]{32}$/);
    expect(accountRows({ id: 'Maud Ellery 943 476 5919' })).toEqual([first]);
  });

  test('never makes reading fail, and never shows a value outside raw', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string().map((text) => `§${text}§canary`),
      fc.constant('§canary'),
    );
    const names = Object.keys({
      ...account,
      ...payment,
      ...eligibility,
      ...review,
      otherFunding: [],
      channel: '',
    });
    const fields = fc.dictionary(fc.constantFrom(...names), value);
    fc.assert(
      fc.property(fc.constantFrom(...financeFeeds), fields, fc.jsonValue(), (feed, changed, other) => {
        for (const item of [...Object.values(items).map((one) => ({ ...one, ...changed })), other]) {
          for (const row of financeRows(feed, item, '999')) {
            if (row.kind !== 'problem') continue;
            expect(JSON.stringify({ ...row, raw: null })).not.toContain('canary');
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the feeds', () => {
  const faults: Faults = [];
  let at = new Date('2026-08-27T10:00:00Z');
  let place: Place;
  let council: CouncilSystem;
  let base: string;

  beforeAll(() => {
    place = makePlace({ seed: 7, size: 60, today: '2026-08-27' });
  });
  beforeEach(async () => {
    at = new Date('2026-08-27T10:00:00Z');
    council = await startCouncilSystem({ place, port: 0, now: () => at, faults });
    base = `${council.url}/finance`;
  });
  afterEach(async () => {
    faults.length = 0;
    await council.close();
  });
  afterAll(() => {
    faults.length = 0;
  });

  async function run(
    feed: FinanceFeed,
    from: FinanceCursor | null = null,
    limit = 50,
  ): Promise<Page<FinanceCursor>[]> {
    const pages: Page<FinanceCursor>[] = [];
    for (let cursor = from; ; ) {
      const page = await fetchFinancePage(base, feed, cursor, { laCode: '999', limit });
      pages.push(page);
      if (page.done) return pages;
      cursor = JSON.parse(JSON.stringify(page.cursor));
    }
  }
  const rowsIn = (pages: Page<FinanceCursor>[]) => pages.flatMap((page) => page.rows);
  const budgets = () => place.people.flatMap(({ council: half }) => half?.budget ?? []);

  test('bring every account and every payment of the place, to the penny', async () => {
    const accounts = await run('accounts', null, 7);
    expect(rowsIn(accounts).filter((row) => row.kind === 'problem')).toEqual([]);
    expect(accounts[0]?.total).toBe(budgets().length);
    const found = rowsIn(accounts).filter((row) => row.kind === 'budget');
    expect(found.map((row) => row.externalId)).toEqual(budgets().map((budget) => budget.id));

    const halves = place.people.flatMap(({ council: half }) => half ?? []);
    const eligible = rowsIn(await run('eligibilities', null, 9));
    expect(eligible.map((row) => row.kind === 'eligibility' && [row.personId, row.facts])).toEqual(
      halves.flatMap(({ laPersonId, eligibilities }) =>
        eligibilities.map(({ id: _, ...said }) => [laPersonId, { ...said, decidedByCode: '999' }]),
      ),
    );
    const reviews = rowsIn(await run('reviews', null, 3));
    expect(reviews.map((row) => [row.externalId, row.kind])).toEqual(
      halves.flatMap(({ moneyReviews }) => moneyReviews.map(({ id }) => [id, 'review'])),
    );
    expect(reviews.length).toBeGreaterThan(0);

    const payments = rowsIn(await run('payments'));
    const expected = budgets().flatMap((budget) =>
      budget.payments.map(({ id, kind, source, pence, on, description }) => [
        id,
        { budgetId: budget.id, kind, source, pence, effectiveOn: on, description, cancelled: false },
      ]),
    );
    expect(payments.map((row) => [row.externalId, row.kind === 'payment' && row.facts])).toEqual(expected);
  });

  test('Iris Holloway’s managed account names the charity', async () => {
    const half = place.people[founding.irisHolloway]?.council;
    const roles = rowsIn(await run('accounts')).filter((row) => row.kind === 'role');
    const own = roles.filter((row) => row.personId === half?.laPersonId);
    expect(own).toMatchObject([{ facts: { organisationCode: half?.budget?.accountOperatorCode } }]);
    expect(half?.budget?.accountOperatorCode).toBeTruthy();
  });

  test('any cursor goes on to the same rest', async () => {
    const pages = await run('payments', null, 30);
    expect(pages.length).toBeGreaterThan(5);
    for (const i of [0, 3, pages.length - 2]) {
      const rest = await run('payments', pages[i]?.cursor ?? null, 30);
      expect(rowsIn(rest)).toEqual(rowsIn(pages.slice(i + 1)));
    }
  });

  test('the next run brings what changed since, and a change between two pages is not missed', async () => {
    const [first, ...others] = await run('payments', null, 30);
    const item = { ...payment, id: budgets()[0]?.payments[0]?.id ?? '', cancelled: true };
    at = new Date('2026-08-27T10:05:00Z');
    council.upsertPayment(item);
    const rest = rowsIn(await run('payments', first?.cursor ?? null, 30));
    expect(rest.at(-1)).toMatchObject({ externalId: item.id, version: '2', facts: { cancelled: true } });
    expect(rest).toHaveLength(rowsIn(others).length + 1);

    const cursor = (await run('payments')).at(-1)?.cursor ?? null;
    at = new Date('2026-08-27T10:06:00Z');
    council.upsertPayment({ ...payment, id: 'NEW-1' });
    council.upsertPayment({ ...item, cancelled: false });
    const next = await run('payments', cursor);
    expect(rowsIn(next).map((row) => [row.externalId, row.version])).toEqual([
      ['NEW-1', '1'],
      [item.id, '3'],
    ]);
    expect(next[0]?.total).toBe(2);
    expect(next.at(-1)?.cursor).toEqual({ since: '2026-08-27T10:06:00.000Z', next: null, maxSeen: null });
  });

  test('what is recorded later comes in its feed, and what was recorded by mistake comes as withdrawn', async () => {
    at = new Date('2026-08-27T10:05:00Z');
    council.upsertEligibility({ ...eligibility, withdrawn: true });
    council.upsertReview(review);
    expect(rowsIn(await run('eligibilities')).at(-1)).toMatchObject({
      externalId: 'EL-7',
      facts: { withdrawn: true },
    });
    expect(rowsIn(await run('reviews')).at(-1)).toMatchObject({ facts: { kind: 'DIRECT_PAYMENT' } });
  });

  test('one bad item waits and the others of its page go through', async () => {
    council.upsertAccount({ ...account, id: 'PB-BAD', currency: 'EUR' as never });
    council.upsertAccount({ ...account, id: 'PB-GOOD', accountOperatorOdsCode: null });
    const rows = rowsIn(await run('accounts'));
    expect(rows.filter((row) => row.externalId.startsWith('PB-BAD'))).toMatchObject([
      { code: 'CURRENCY_NOT_GBP' },
    ]);
    expect(rows.filter((row) => row.externalId.startsWith('PB-GOOD')).map((row) => row.kind)).toEqual([
      'budget',
      'balance',
    ]);
  });

  test('what no database can store is replaced before it is kept', async () => {
    council.upsertPayment({ ...payment, id: 'ODD-1', description: 'a\0b\ud800 \ud83d\ude00 \\u0000' });
    const row = rowsIn(await run('payments')).at(-1);
    expect(row).toMatchObject({ facts: { description: 'a\uFFFDb\uFFFD \ud83d\ude00 \\u0000' } });
  });

  test.each<[string, Faults[number], string, number | null]>([
    ['busy', { kind: 'status', status: 429, retryAfterS: 7 }, 'SOURCE_BUSY', 7_000],
    ['busy without saying how long', { kind: 'status', status: 429 }, 'SOURCE_BUSY', null],
    ['busy for a while', { kind: 'status', status: 503, retryAfterS: 60 }, 'SOURCE_BUSY', 60_000],
    ['broken', { kind: 'status', status: 503 }, 'SOURCE_DOWN', null],
    ['failing', { kind: 'status', status: 500 }, 'SOURCE_DOWN', null],
    ['slow', { kind: 'slow', ms: 400 }, 'SOURCE_DOWN', null],
    ['cut short', { kind: 'truncated' }, 'SOURCE_ANSWER_INVALID', null],
    ['another page', { kind: 'wrong-content' }, 'SOURCE_ANSWER_INVALID', null],
  ])('an answer that is %s uses nothing', async (_, fault, code, retryAfterMs) => {
    faults.push(fault);
    const fetching = fetchFinancePage(base, 'accounts', null, {
      laCode: '999',
      timeoutMs: fault.kind === 'slow' ? 100 : 10_000,
    });
    await expect(fetching).rejects.toMatchObject({ name: 'SourceFault', code, retryAfterMs });
  });

  test.each([
    ['?limit=0', 400],
    ['?since=soon', 400],
    ['?cursor=abc', 400],
    ['/constructor', 404],
  ])('%s is refused as a problem document', async (path, status) => {
    const answer = await fetch(`${base}/accounts${path}`);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  test('a page that the source no longer keeps: the run goes on from the latest change seen', async () => {
    const [first, second] = await run('payments', null, 30);
    const cursor = { ...first!.cursor, next: 'gone' };
    const rest = rowsIn(await run('payments', cursor, 30));
    expect(rest.slice(0, 2).map((row) => row.externalId)).toEqual(
      [first!.rows.at(-1), second!.rows[0]].map((row) => row?.externalId),
    );
  });

  test('a refused request is a fault of the agreement, not of the line', async () => {
    const fetching = fetchFinancePage(base, 'accounts', null, { laCode: '999', limit: 0 });
    await expect(fetching).rejects.toMatchObject({ code: 'SOURCE_ANSWER_INVALID' });
  });
});
