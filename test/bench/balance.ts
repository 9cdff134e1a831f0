/** What a budget's balances take to read, however many transfers are behind them, beside summing those up. */
import { median, rounded } from './figure.ts';
import type { Measured, Round, Target } from './load.ts';
import { type Bench, growTo, healthBudgets, ownUse, type Pot } from './money.ts';

export interface BalanceFigures {
  /** The hub's answer, for a budget with few and with many transfers. */
  fewP50Ms: number;
  manyP50Ms: number;
  manyVsFew: number;
  /** Plain SQL that adds up the transfers instead, in one prepared statement. */
  sumFewP50Ms: number;
  sumManyP50Ms: number;
}

/** The other has what everybody has. */
const manyMost = 30_000;

const query = `query ($id: ID!) { node(id: $id) { ... on Budget { balances {
  source allocated { amount } paidIn { amount } spent { amount } committed { amount } left { amount } } } } }`;

const sums = `
select t.source, a.kind, sum(case when t.to_account_id = a.id then t.pence else -t.pence end)
  from ledger_account a join ledger_transfer t on a.id in (t.from_account_id, t.to_account_id)
 where a.budget_id = $1 and t.budget_id = $1 group by 1, 2`;

export async function measureBalance(bench: Bench): Promise<BalanceFigures> {
  const { client, hub, load, headers, people, seconds, rounds, tell } = bench;
  const [, small, large] = (await healthBudgets(client, ownUse)) as [Pot, Pot, Pot];
  await growTo(client, large, Math.min(manyMost, people * 10));
  const { rows } = await client.query<{ budget_id: string; n: number }>(
    'select budget_id, count(*)::int as n from ledger_transfer where budget_id = any($1) group by 1',
    [[small.uuid, large.uuid]],
  );
  const counted = (budget: Pot) => rows.find(({ budget_id }) => budget_id === budget.uuid)?.n;
  tell(`  balances of budgets with ${counted(small)} and ${counted(large)} transfers`);

  const targets = [small, large].map(
    ({ id }, n): Target => ({
      name: n === 0 ? 'few' : 'many',
      port: hub.hello.port,
      path: '/graphql',
      headers,
      body: { before: `{"query":${JSON.stringify(query)},"variables":{"id":`, after: '}}' },
      questions: [JSON.stringify(id)],
      answer: '{"data":{"node":{"balances":[{"source":"ICB"',
    }),
  );
  for (const target of targets) await load.ask(target);
  const p50 = async (name: string, length: number) => {
    const round: Round = { target: name, seconds: length, connections: 1 };
    const { failures, p50Ms } = await load.ask<Measured>(round);
    if (failures > 0) throw new Error(`${failures} readings of balances failed`);
    return p50Ms;
  };
  const summed = async ({ uuid }: Pot, length: number) => {
    const took: number[] = [];
    for (const end = performance.now() + length * 1000; performance.now() < end || took.length === 0; ) {
      const begin = performance.now();
      await client.query({ name: 'sums', text: sums, values: [uuid] });
      took.push(performance.now() - begin);
    }
    return median(took);
  };

  for (const { name } of targets) await p50(name, seconds);
  const measured = {
    few: [] as number[],
    many: [] as number[],
    sumFew: [] as number[],
    sumMany: [] as number[],
  };
  // Short turns: what the machine does meanwhile then meets both alike.
  const turn = seconds / 5;
  for (let round = 0; round < rounds * 5; round++) {
    measured.few.push(await p50('few', turn));
    measured.many.push(await p50('many', turn));
    measured.sumFew.push(await summed(small, turn / 4));
    measured.sumMany.push(await summed(large, turn / 4));
  }
  return {
    fewP50Ms: rounded(median(measured.few), 2),
    manyP50Ms: rounded(median(measured.many), 2),
    manyVsFew: rounded(median(measured.many) / median(measured.few), 3),
    sumFewP50Ms: rounded(median(measured.sumFew), 2),
    sumManyP50Ms: rounded(median(measured.sumMany), 2),
  };
}
