/**
 * The money of Iris's integrated budget. Until now the two systems paid into its halves; from the next payday the hub
 * pays. A new account cools off for three days before money may go there, so the first payments wait, approved.
 */
import { addDays, addMonths } from '../platform/day.ts';
import { cycleDays, paydayUpTo } from './account.ts';
import { dayNumber, dayText } from './dice.ts';
import { type Ask, type Give, gbp } from './give.ts';
import { wenshire } from './place.ts';

interface Teller {
  ask: Ask;
  give: Give;
  today: string;
  personId: string;
  budgetId: string;
  portionId: string;
}

interface Budgets {
  person: {
    budgets: {
      id: string;
      fundingLines: { source: string; amount: { amount: string } }[];
      balances: { left: { amount: string }; committed: { amount: string } }[];
    }[];
  };
}

const crossroads = 'Wenshire Crossroads Carers';

const penceOf = ({ amount }: { amount: string }) => Math.round(Number(amount) * 100);
const pounds = (pence: number) => gbp((pence / 100).toFixed(2));
const total = (amounts: number[]) => amounts.reduce((sum, pence) => sum + pence, 0);

export async function tellMoney(teller: Teller): Promise<void> {
  const { person } = (await teller.ask(
    'care-coordinator',
    `query ($id: ID!) { person(id: $id) { budgets {
      id fundingLines { source amount { amount } } balances { left { amount } committed { amount } } } } }`,
    { id: teller.personId },
  )) as unknown as Budgets;
  const { fundingLines } = person.budgets.find(({ id }) => id === teller.budgetId)!;
  const weekly = (sources: string[]) =>
    Math.round(
      total(fundingLines.flatMap(({ source, amount }) => (sources.includes(source) ? penceOf(amount) : []))) /
        52,
    );
  await payIn(teller, weekly);
  const spent = await spend(teller);
  const inAccount = total(
    person.budgets.flatMap(({ balances }) =>
      balances.map(({ left, committed }) => penceOf(left) + penceOf(committed)),
    ),
  );
  await showStatement(teller, spent, inAccount);
  await openReturn(teller);
}

/** How often, and how long before, each funder's own policy says. */
async function payIn(
  { give, today, budgetId, portionId }: Teller,
  weekly: (sources: string[]) => number,
): Promise<void> {
  await give('care-coordinator', 'setPayeeAccount', 'account { id }', {
    budgetId,
    portionId,
    accountName: wenshire.charity.name,
    sortCode: '00-00-00',
    accountNumber: '12345678',
  });
  const payday = dayText(paydayUpTo(dayNumber(today)) + cycleDays);
  const place = { budgetId, portionId, from: payday };
  const shown = 'schedule { id version instructions(first: 1) { nodes { id version } } }';
  const byNhs = await give('care-coordinator', 'setPaymentSchedule', shown, {
    ...place,
    source: 'ICB',
    amount: pounds(weekly(['ICB'])),
  });
  await give('social-worker', 'setPaymentSchedule', shown, {
    ...place,
    source: 'COUNCIL',
    amount: pounds(weekly(['COUNCIL', 'CLIENT_CONTRIBUTION'])),
    contribution: pounds(weekly(['CLIENT_CONTRIBUTION'])),
  });
  const first = byNhs.instructions!.nodes[0]!;
  const held = await give('care-coordinator', 'holdPayment', 'instruction { id version }', {
    instructionId: first.id,
    expectedVersion: first.version,
    reason: 'Until the charity has confirmed that payroll starts on this payday.',
  });
  const freed = await give('finance', 'unholdPayment', 'instruction { id version }', {
    instructionId: held.id,
    expectedVersion: held.version,
  });
  await give('finance', 'approvePayments', 'instructions { id version }', {
    payments: [{ id: freed.id, expectedVersion: freed.version }],
  });
}

interface Spent {
  payee: string;
  pence: number;
}

/** What the charity bought for her: as agreed, something that nobody agreed, and something that may not be bought. */
async function spend({ give, today, budgetId, portionId }: Teller): Promise<Spent[]> {
  const record = ({ payee, pence }: Spent, what: string, more: object = {}) =>
    give('provider', 'recordSpend', 'spend { id version state }', {
      budgetId,
      portionId,
      spentOn: today,
      payee,
      amount: pounds(pence),
      what,
      ...more,
    });
  const payroll = { payee: crossroads, pence: 3_800 };
  const books = { payee: 'Harbour Music', pence: 2_490 };
  await record(payroll, 'Payroll and employer insurance, this month', { lineKey: 'payroll' });
  const seen = await record(books, 'Large-print song books', { category: 'Music' });
  await give('social-worker', 'acceptSpend', 'spend { id version state }', {
    spendId: seen.id,
    expectedVersion: seen.version,
    words: 'Music is what calms her. It goes into the next version of the plan.',
  });
  // What a funder's list excludes is kept as refused, and moves nothing.
  await record({ payee: 'Harbour Wines', pence: 1_150 }, 'Alcohol for the choir');
  return [payroll, books];
}

/** The bank knows of one payment more than the hub does: its line waits, and is just the difference. */
async function showStatement(
  { give, today, budgetId, portionId }: Teller,
  spent: Spent[],
  inAccount: number,
): Promise<void> {
  const lines = [...spent, { payee: 'CARD 4471 WENSHIRE MARKET', pence: 1_120 }];
  let balance = inAccount;
  const rows = lines.map(({ payee, pence }) => {
    balance -= pence;
    return [today, payee.toUpperCase(), (-pence / 100).toFixed(2), (balance / 100).toFixed(2)].join(',');
  });
  await give('provider', 'importStatement', 'statement { id }', {
    budgetId,
    portionId,
    format: 'CSV',
    fileName: `statement-${today}.csv`,
    content: ['Date,Description,Amount,Balance', ...rows, ''].join('\n'),
    csv: {
      date: 'Date',
      amount: 'Amount',
      party: 'Description',
      balance: 'Balance',
      dateFormat: 'YYYY_MM_DD',
    },
  });
}

/** The last whole quarter, asked for once, for both commissioners. */
async function openReturn({ give, today, personId }: Teller): Promise<void> {
  const [year, month] = today.split('-').map(Number) as [number, number];
  const quarter = `${year}-${String(month - ((month - 1) % 3)).padStart(2, '0')}-01`;
  await give('care-coordinator', 'openReturn', 'financialReturn { id version }', {
    personId,
    from: addMonths(quarter, -3),
    to: addDays(quarter, -1),
    receivers: [wenshire.icb.code, wenshire.council.code],
    dueOn: addDays(today, 28),
  });
}
