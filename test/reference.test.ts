import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadOrganisations } from '../prisma/reference.ts';
import { makeDatabase } from './setup/database.ts';

let database: Awaited<ReturnType<typeof makeDatabase>>;
let client: pg.Client;

beforeAll(async () => {
  database = await makeDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await loadOrganisations(client);
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

const rowsOf = async (sql: string) => (await client.query(sql)).rows;

describe('the organisations of England', () => {
  test('are 42 boards and every council, each once', async () => {
    expect(
      await rowsOf(
        `select kind, count(*)::int, count(distinct name)::int as names from organisation group by 1 order by 1`,
      ),
    ).toEqual([
      { kind: 'ICB', count: 42, names: 42 },
      // North Yorkshire and Somerset kept their names over the change.
      { kind: 'COUNCIL', count: 161, names: 159 },
    ]);
  });

  test('know who took over from whom, and on which day', async () => {
    const rows = await rowsOf(
      `select f.name as "from", f.valid_to::text as ended, t.name as "to", t.valid_from::text as began, on_day::text as day
         from organisation_succession s join organisation f on f.id = from_id join organisation t on t.id = to_id
        order by day, f.name, t.name`,
    );
    expect(rows.map((row) => `${row.day} ${row.from} > ${row.to}`)).toEqual([
      '2019-04-01 Bournemouth > Bournemouth, Christchurch and Poole',
      '2019-04-01 Dorset County > Dorset',
      '2019-04-01 Poole > Bournemouth, Christchurch and Poole',
      '2020-04-01 Buckinghamshire County > Buckinghamshire',
      '2021-04-01 Northamptonshire > North Northamptonshire',
      '2021-04-01 Northamptonshire > West Northamptonshire',
      '2023-04-01 Cumbria > Cumberland',
      '2023-04-01 Cumbria > Westmorland and Furness',
      '2023-04-01 North Yorkshire > North Yorkshire',
      '2023-04-01 Somerset > Somerset',
    ]);
    for (const row of rows) expect([row.ended, row.began]).toEqual([row.day, row.day]);
  });

  test('stay as they are when loaded again, and follow a correction', async () => {
    const before = await rowsOf('select *, xmin from organisation order by ods_code');
    await loadOrganisations(client);
    expect(await rowsOf('select *, xmin from organisation order by ods_code')).toEqual(before);

    await client.query(`update organisation set name = 'Misspelt' where ods_code = '306'`);
    await loadOrganisations(client);
    expect(await rowsOf(`select name from organisation where ods_code = '306'`)).toEqual([
      { name: 'Manchester' },
    ]);
  });
});
