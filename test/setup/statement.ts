import pg from 'pg';

/** Counts what a database is asked, by anybody but whoever counts. */
export async function countStatements(url: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const run = async () => {
    const { rows } = await client.query(
      `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements(false) s
        where dbid = (select oid from pg_database where datname = current_database())`,
    );
    return rows[0].calls as number;
  };
  await run();
  return {
    /** How many statements ran while the work was done. */
    async during(work: () => Promise<unknown>): Promise<number> {
      const before = await run();
      await work();
      // The question itself is one more.
      return (await run()) - before - 1;
    },
    close: () => client.end(),
  };
}
