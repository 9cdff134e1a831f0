/**
 * The ledger, a long statement and the balances, through the hub and beside plain SQL, on a database of their own:
 * some people as `makePeople` makes them, each with an agreed plan, and three budgets of a known number of transfers.
 */
import pg from 'pg';
import { idOf } from '../../src/platform/id.ts';
import { type BalanceFigures, measureBalance } from './balance.ts';
import { type Child, startChild } from './child.ts';
import { icb, makePeople } from './data.ts';
import { withOwnDatabase } from './database.ts';
import { type Asker, audience, startIssuer } from './issuer.ts';
import { type LedgerFigures, measureLedger } from './ledger.ts';
import { measureStatement, type StatementFigures } from './statement.ts';

/** Enough that spends seldom meet in one budget, few enough to be made in a minute. */
const peopleMax = 20_000;

export interface MoneyOptions {
  url: string;
  dataDir: string;
  only: string[];
  people: number;
  seconds: number;
  rounds: number;
  tell: (line: string) => void;
}

/** What a measurement has to work with. */
export interface Bench extends MoneyOptions {
  client: pg.Client;
  hub: Child<{ port: number }>;
  load: Child<object>;
  /** Headers of a request to the hub. */
  headers: Record<string, string>;
  /** One request to the hub. @throws Error where the answer has errors */
  ask<Data>(query: string, variables: object): Promise<Data>;
}

export interface MoneyFigures {
  ledger?: LedgerFigures;
  statement?: StatementFigures;
  balance?: BalanceFigures;
}

export const measureMoney = (options: MoneyOptions): Promise<MoneyFigures> =>
  withOwnDatabase(options.url, 'tandem_money', async (url) => {
    const { only, tell } = options;
    const people = Math.min(options.people, peopleMax);
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      const begin = performance.now();
      await makePeople(client, people);
      for (const statement of plans) await client.query(statement);
      await client.query('vacuum (analyze)');
      tell(`Made ${people} people with money in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
      return await withHub({ ...options, url }, client, async (bench) => ({
        ...(only.includes('ledger') && { ledger: await measureLedger(bench) }),
        ...(only.includes('statement') && { statement: await measureStatement(bench) }),
        ...(only.includes('balance') && { balance: await measureBalance(bench) }),
      }));
    } finally {
      await client.end();
    }
  });

/** A hub and a load of their own, and somebody who asks: of the board's finance team, where nobody else is named. */
export async function withHub<T>(
  options: MoneyOptions,
  client: pg.Client,
  work: (bench: Bench) => Promise<T>,
  { role, organisation }: Asker = { role: 'FINANCE', organisation: icb },
): Promise<T> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const signIn = await startIssuer(options.dataDir, role, organisation);
    stops.push(signIn.stop);
    const hub = await startChild<{ port: number }>(new URL('./hub.ts', import.meta.url), [
      options.url,
      signIn.issuer,
      audience,
    ]);
    stops.push(hub.stop);
    const load = await startChild<object>(new URL('./load.ts', import.meta.url), []);
    stops.push(load.stop);
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      authorization: `Bearer ${signIn.token}`,
    };
    const ask = async <Data>(query: string, variables: object): Promise<Data> => {
      const response = await fetch(`http://127.0.0.1:${hub.hello.port}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as { data: Data; errors?: { message: string }[] };
      if (errors !== undefined) throw new Error(`the hub answers with errors: ${errors[0]?.message}`);
      return data;
    };
    return await work({ ...options, client, hub, load, headers, ask });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

export interface Pot {
  /** As the API gives it. */
  id: string;
  uuid: string;
  personId: string;
}

/** Of `healthBudgets`, the first are those that grow: the statement's, and the two whose balances are read. */
export const ownUse = 3;

/** Health budgets in no order, the same each time. */
export async function healthBudgets(client: pg.Client, limit: number): Promise<Pot[]> {
  const { rows } = await client.query<{ uuid: string; personId: string }>(
    `select id as uuid, person_id as "personId" from budget where kind = 'PERSONAL_HEALTH_BUDGET'
      order by md5(id::text) limit $1`,
    [limit],
  );
  return rows.map((row) => ({ ...row, id: idOf('bud', row.uuid) }));
}

/** Pays into a budget and spends from it in turns, until it has so many transfers. */
export async function growTo(client: pg.Client, budget: Pot, transfers: number): Promise<void> {
  await client.query(
    `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence,
                                  effective_on, description, external_id)
     select a.person_id, a.budget_id, a.id, z.id, m.kind::transfer_kind, 'ICB', 1000 + k % 500,
            date '2025-04-05' + (k % 500)::int, m.description, 'grown' || k
       from generate_series((select count(*) from ledger_transfer where budget_id = $1) + 1, $2::int) as k
       join (values (1, 'PAID_IN', 'FUNDER', 'HELD', 'Four-weekly payment'),
                    (0, 'SPENT', 'HELD', 'SPENT', 'Wages of personal assistant')) as m(odd, kind, debit, credit, description)
         on m.odd = k % 2
       join ledger_account a on a.budget_id = $1 and a.source = 'ICB' and a.kind = m.debit::ledger_account_kind
       join ledger_account z on z.budget_id = $1 and z.source = 'ICB' and z.kind = m.credit::ledger_account_kind and z.category = ''`,
    [budget.uuid, transfers],
  );
  await client.query('vacuum (analyze) ledger_transfer, ledger_account');
}

/** Everybody's agreed plan has six lines, and the board's money has a list of what it may not be spent on. */
export const plans = [
  `insert into plan (person_id, number, title, status, valid_from, agreed_at)
   select id, 1, 'Care and support plan', 'AGREED', '2025-04-01', '2025-04-01T09:00Z' from person`,
  `insert into plan_line (plan_id, person_id, position, key, kind, what, provider_name, outcome_keys, need_keys,
                          quantity, unit_cost_pence, frequency, weekly_pence, yearly_pence)
   select p.id, p.person_id, i, 'line' || i, 'SERVICE',
          (array['Personal assistant', 'Swimming lessons', 'Night care', 'Art class', 'Physiotherapy', 'Respite'])[i],
          (array[null, 'Harbour Leisure', 'Bench Home Care', 'Arts Centre', null, null])[i], '{}', '{}', 1, 100000000,
          'ANNUALLY', 1923077, 100000000
     from plan p cross join generate_series(1, 6) as i where p.number is not null`,
  `insert into exclusion (list_id, position, what, citation)
   select 'bench', i, (array['Alcohol', 'Tobacco', 'Gambling', 'Debt repayment', 'Emergency care', 'Dental treatment',
          'Planned surgery', 'Prescription charges'])[i], 'Bench policy' from generate_series(1, 8) as i`,
  `insert into commissioner_policy (organisation_id, source, effective_from, exclusion_list_id, citation)
   select id, 'ICB', '2025-04-01', 'bench', 'Bench policy' from organisation where ods_code = '${icb}'`,
];
