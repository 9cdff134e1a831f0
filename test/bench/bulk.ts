/** A bulk file of many families beside a merge of the same rows, on a database of its own in the same cluster. */
import pg from 'pg';
import type { BulkRounds } from './bulk-work.ts';
import { startChild } from './child.ts';
import { charity, makePeople } from './data.ts';
import { withOwnDatabase } from './database.ts';
import { median, rounded } from './figure.ts';
import { plans } from './money.ts';

export interface BulkFigures {
  rows: number;
  families: number;
  rowsPerS: number;
  /** Of a dry run. */
  lookedPerS: number;
  vsMerge: number;
  rssMb: number;
}

interface Options {
  url: string;
  rounds: number;
  people: number;
  tell: (line: string) => void;
}

/** As a provider of the largest kind has. */
const familiesMax = 5_000;
const rowsEach = 10;

/** The charity operates every account of the board's money, and has a part in everybody's care. */
export const managed = [
  `update portion p set management = 'MANAGED_ACCOUNT', account_operator_id = o.id from organisation o, budget b
    where o.ods_code = '${charity}' and b.id = p.budget_id and b.person_id = p.person_id and b.kind = 'PERSONAL_HEALTH_BUDGET'`,
  `insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
   select b.person_id, b.link_id, 'bulk', 'MANAGED_ACCOUNT_PROVIDER', o.id, p.sort_name
     from budget b join person p on p.id = b.person_id, organisation o
    where o.ods_code = '${charity}' and b.kind = 'PERSONAL_HEALTH_BUDGET'`,
];

export const measureBulk = ({ url, rounds, people, tell }: Options): Promise<BulkFigures> =>
  withOwnDatabase(url, 'tandem_bulk', async (own) => {
    const client = new pg.Client({ connectionString: own });
    client.on('error', () => {});
    await client.connect();
    try {
      await makePeople(client, Math.min(people, familiesMax));
      for (const statement of [...plans, ...managed]) await client.query(statement);
      await client.query('vacuum (analyze)');
    } finally {
      await client.end();
    }
    const child = await startChild<BulkRounds>(new URL('./bulk-work.ts', import.meta.url), [
      own,
      String(rounds),
      String(rowsEach),
    ]);
    await child.stop();
    const { rows, families, applied, looked, copyMerge, rssMb } = child.hello;
    for (const [round, rate] of applied.entries()) {
      tell(
        `  bulk file ${rate.toFixed(0).padStart(6)} rows/s  dry run ${looked[round]!.toFixed(0)}  ` +
          `COPY and merge ${copyMerge[round]!.toFixed(0)}  ${rssMb[round]!.toFixed(0)} MB`,
      );
    }
    return {
      rows,
      families,
      rowsPerS: rounded(median(applied)),
      lookedPerS: rounded(median(looked)),
      vsMerge: rounded(median(applied) / median(copyMerge), 3),
      rssMb: rounded(Math.max(...rssMb)),
    };
  });
