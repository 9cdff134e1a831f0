/** What a page of the work list takes, for a charity with thousands of families, beside one combined record. */
import pg from 'pg';
import { managed } from './bulk.ts';
import { charity, makePeople } from './data.ts';
import { withOwnDatabase } from './database.ts';
import { median, rounded } from './figure.ts';
import type { Measured, Round, Target } from './load.ts';
import { type MoneyOptions, plans, withHub } from './money.ts';
import { hubDocuments } from './operation.ts';

export interface WorkFigures {
  packages: number;
  /** Things to do on the list. */
  items: number;
  recordP50Ms: number;
  workListP50Ms: number;
  packagesP50Ms: number;
  /** Of the record. */
  workListVsRecord: number;
  packagesVsRecord: number;
}

const packagesMost = 5_000;

/** For everybody a return that is due, and four spends that nothing proves. */
const work = [
  `insert into financial_return (person_id, period_from, period_to, due_on)
   select id, '2026-07-01', '2026-09-30', date '2026-10-01' + (row_number() over (order by id) % 60)::int from person`,
  `insert into spend (person_id, budget_id, category, pence, spent_on, payee, what, state, client_id, recorded_by)
   select b.person_id, b.id, '', 1000, date '2026-07-01' + 20 * i, 'Harbour Leisure', 'Swimming', 'INSIDE_PLAN', 'bench', 'bench'
     from budget b cross join generate_series(0, 3) as i where b.kind = 'PERSONAL_HEALTH_BUDGET'`,
];

const page = 'pageInfo { hasNextPage endCursor }';
const queries = {
  workList: `{ workList(first: 50) { nodes { kind dueOn overdue person { id familyName givenName }
    financialReturn { id status } query { id text } statement { id unmatched }
    spend { id payee amount { amount } } plan { id } change { id } } ${page} } }`,
  packages: `{ managedPackages(first: 50) { nodes { openWork nextDueOn person { id familyName givenName }
    portions { id balances { source left { amount } } } lines { key what weeklyCost { amount } } } ${page} } }`,
};

export const measureWork = (options: MoneyOptions): Promise<WorkFigures> =>
  withOwnDatabase(options.url, 'tandem_work', async (url) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      await makePeople(client, Math.min(options.people, packagesMost));
      for (const statement of [...plans, ...managed, ...work]) await client.query(statement);
      await client.query('vacuum (analyze)');
      const asker = { role: 'PROVIDER', organisation: charity } as const;
      return await withHub({ ...options, url }, client, measure, asker);
    } finally {
      await client.end();
    }
  });

const measure: Parameters<typeof withHub<WorkFigures>>[2] = async (bench) => {
  const { client, hub, load, headers, seconds, rounds } = bench;
  const { rows } = await client.query<{ value: string }>(
    `select value from person_identifier where system = 'NHS_NUMBER' order by random()`,
  );
  const { rows: counted } = await client.query<{ packages: number; items: number }>(
    `select count(distinct person_id)::int as packages, count(*)::int as items from work_item`,
  );
  const target = (name: string, query: string, questions: string[] | null, answer: string): Target => ({
    name,
    port: hub.hello.port,
    path: '/graphql',
    headers,
    body:
      questions === null
        ? { before: JSON.stringify({ query }), after: '' }
        : { before: `{"query":${JSON.stringify(query)},"variables":{"nhsNumber":`, after: '}}' },
    questions: questions ?? [''],
    answer,
  });
  const numbers = rows.map(({ value }) => JSON.stringify(value));
  const targets = {
    record: target('record', hubDocuments.record, numbers, '{"data":{"person":{'),
    workList: target('workList', queries.workList, null, '{"data":{"workList":{"nodes":[{"kind":'),
    packages: target(
      'packages',
      queries.packages,
      null,
      '{"data":{"managedPackages":{"nodes":[{"openWork":5',
    ),
  };
  for (const one of Object.values(targets)) await load.ask(one);
  const p50 = async (name: string, length: number) => {
    const round: Round = { target: name, seconds: length, connections: 1 };
    const { failures, p50Ms } = await load.ask<Measured>(round);
    if (failures > 0) throw new Error(`${failures} readings of ${name} failed`);
    return p50Ms;
  };
  const names = ['record', 'workList', 'packages'] as const;
  for (const name of names) await p50(name, seconds);
  const measured = { record: [] as number[], workList: [] as number[], packages: [] as number[] };
  // Short turns: what the machine does meanwhile then meets all alike.
  for (let round = 0; round < rounds * 5; round++)
    for (const name of names) measured[name].push(await p50(name, seconds / 5));
  const [record, workList, packages] = names.map((name) => median(measured[name])) as [
    number,
    number,
    number,
  ];
  return {
    ...counted[0]!,
    recordP50Ms: rounded(record, 2),
    workListP50Ms: rounded(workList, 2),
    packagesP50Ms: rounded(packages, 2),
    workListVsRecord: rounded(workList / record, 2),
    packagesVsRecord: rounded(packages / record, 2),
  };
};
