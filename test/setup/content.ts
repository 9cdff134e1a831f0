import { createHash } from 'node:crypto';
import type pg from 'pg';

type Row = Record<string, unknown>;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** All rows of all tables as they are, by table. */
export async function rowsOf(pool: pg.Pool): Promise<Map<string, Row[]>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename !~ '^_' order by 1`,
  );
  const all = new Map<string, Row[]>();
  for (const { name } of tables) {
    const { rows } = await pool.query<{ row: Row }>(`select to_jsonb(t) as row from ${name} t`);
    all.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return all;
}

/**
 * What a database says, whatever ids it gave and when: every id is replaced by what its row says and what that row
 * points to, instants and serial numbers are left out, and rows are in the order of their text.
 */
export async function contentOf(pool: pg.Pool): Promise<Record<string, string[]>> {
  const tables = await rowsOf(pool);
  let labels = new Map<string, string>();
  const told = (value: unknown): unknown => {
    if (typeof value === 'string')
      return uuid.test(value) ? (labels.get(value) ?? '') : instant.test(value) ? '' : value;
    if (Array.isArray(value)) return value.map(told).sort();
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, told(inner)]));
  };
  // When an announcement is relayed depends on who is awake, and nothing else on that.
  const text = ({ id, relayed_at, ...row }: Row) => JSON.stringify(told(row));
  // Each round an id learns of one more step along the references.
  for (let round = 0; round < 4; round += 1) {
    const next = new Map<string, string>();
    for (const [name, rows] of tables)
      for (const row of rows)
        if (typeof row.id === 'string')
          next.set(
            row.id,
            createHash('sha256')
              .update(`${name} ${text(row)}`)
              .digest('hex')
              .slice(0, 16),
          );
    labels = next;
  }
  return Object.fromEntries([...tables].map(([name, rows]) => [name, rows.map(text).sort()]));
}
