/** Bringing a folder of tables into the database: all of it, or nothing with a list of what to mend. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { Fault } from '../platform/fault.ts';
import {
  authorisation,
  changeOf,
  type Dated,
  type Kept,
  keyOf,
  misdated,
  policy,
  type Row,
  subjectOf,
  upsert,
} from './dated.ts';
import { type Column, type Line, needed, readTable, text } from './file.ts';

const exclusionColumns = [
  needed(text('list', 'list_id', 'the id of the list')),
  needed(text('what', 'what', 'what the money may not be spent on')),
  needed(text('citation', 'citation', 'where it is published')),
];

/**
 * Loads `policy.csv`, `exclusion.csv` and `authorisation.csv` from a folder, those that are there. A row is known by
 * its organisation, its source or activity, and its first day: what is there already is brought up to date, nothing is
 * deleted, and a list of exclusions that was published is never changed.
 *
 * @param options.keep leave everything alone of which the database has rows already: what is shipped with the hub must
 *   not undo what a commissioner said since
 * @returns what changed, a line each; empty when nothing did
 * @throws Fault POLICY_INVALID with everything that is wrong, a line each; then nothing was written
 */
export async function loadPolicy(pool: pg.Pool, folder: string, { keep = false } = {}): Promise<string[]> {
  const files = await Promise.all(
    [policy.file, authorisation.file, 'exclusion.csv'].map((file) =>
      readFile(join(folder, file)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
        throw error;
      }),
    ),
  );
  if (files.every((bytes) => bytes === null)) {
    throw new Fault(
      'POLICY_INVALID',
      `There is no policy.csv, exclusion.csv or authorisation.csv in ${folder}.`,
    );
  }
  const read = (index: number, file: string, columns: Column[]) =>
    files[index] == null ? { lines: [], problems: [] } : readTable(file, files[index], columns);
  const policies = read(0, policy.file, policy.columns);
  const authorisations = read(1, authorisation.file, authorisation.columns);
  const exclusions = read(2, 'exclusion.csv', exclusionColumns);
  const problems = [...policies.problems, ...exclusions.problems, ...authorisations.problems];

  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(
      'lock table commissioner_policy, exclusion, organisation_authorisation in share row exclusive mode',
    );
    const codes = new Set(
      (await client.query<{ code: string }>('select ods_code as code from organisation')).rows.map(
        ({ code }) => code,
      ),
    );
    const lists = await keptLists(client);
    const said = listsOf(exclusions.lines);
    const changes: string[] = [];
    for (const [list, { rows, line }] of said) {
      const before = lists.get(list);
      if (before === undefined) changes.push(`exclusion list ${list}: added, ${rows.length} lines`);
      else if (!keep && JSON.stringify(before) !== JSON.stringify(rows)) {
        const message = `the list "${list}" was published as it is and is never changed. Give the new one another id.`;
        problems.push(`exclusion.csv, line ${line}: ${message}`);
      }
    }
    for (const { line, values } of policies.lines) {
      const list = values.exclusion_list_id as string | null;
      if (list === null || lists.has(list) || said.has(list)) continue;
      const message = `there is no list "${list}". Add it to exclusion.csv.`;
      problems.push(`policy.csv, line ${line}, "exclusion list": ${message}`);
    }
    const writes: { dated: Dated; rows: Row[] }[] = [];
    for (const [dated, lines] of [
      [policy, policies.lines],
      [authorisation, authorisations.lines],
    ] as const) {
      const kept = await keptRows(client, dated);
      const subjects = new Set([...kept.values()].map((row) => subjectOf(dated, row)));
      const taken = keep ? lines.filter(({ values }) => !subjects.has(subjectOf(dated, values))) : lines;
      problems.push(...misdated(dated, taken, kept, codes));
      const rows = taken.map(({ values }) => values).filter((row) => changeOf(dated, row, kept) !== null);
      changes.push(...rows.map((row) => changeOf(dated, row, kept)!));
      writes.push({ dated, rows });
    }
    if (problems.length > 0) throw new Fault('POLICY_INVALID', problems.join('\n'));

    const added = [...said].filter(([list]) => !lists.has(list)).flatMap(([, { rows }]) => rows);
    await client.query(
      `insert into exclusion select * from json_populate_recordset(null::exclusion, $1::json)`,
      [JSON.stringify(added)],
    );
    for (const { dated, rows } of writes) await client.query(upsert(dated), [JSON.stringify(rows)]);
    await client.query('commit');
    return changes;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

interface List {
  rows: { list_id: string; position: number; what: string; citation: string }[];
  line: number;
}

function listsOf(lines: Line[]): Map<string, List> {
  const lists = new Map<string, List>();
  for (const { line, values } of lines) {
    const { list_id, what, citation } = values as Record<string, string>;
    const list = lists.get(list_id!) ?? { rows: [], line };
    lists.set(list_id!, list);
    list.rows.push({ list_id: list_id!, position: list.rows.length + 1, what: what!, citation: citation! });
  }
  return lists;
}

async function keptLists(client: pg.PoolClient): Promise<Map<string, List['rows']>> {
  const { rows } = await client.query<List['rows'][number]>(
    'select list_id, position, what, citation from exclusion order by list_id, position',
  );
  const lists = new Map<string, List['rows']>();
  for (const row of rows) lists.set(row.list_id, [...(lists.get(row.list_id) ?? []), row]);
  return lists;
}

async function keptRows(client: pg.PoolClient, dated: Dated): Promise<Kept> {
  const { rows } = await client.query<{ row: Row }>(
    `select to_jsonb(t) || jsonb_build_object('organisation', o.ods_code) as row
       from ${dated.table} t join organisation o on o.id = t.organisation_id`,
  );
  return new Map(rows.map(({ row }) => [keyOf(dated, row), row]));
}
