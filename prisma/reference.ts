import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import type { ClientBase, Pool } from 'pg';

interface Organisation {
  kind: 'ICB' | 'COUNCIL';
  name: string;
  ods_code: string;
  gss_code: string | null;
  valid_from: string | null;
  valid_to: string | null;
}

interface Succession {
  from: string;
  to: string;
  on_day: string;
}

type Row = Record<string, string>;

/** Integrated care boards began on this day, by the Health and Care Act 2022. */
const boardsBegan = '2022-07-01';

/**
 * Loads the boards and councils of England and who took over from whom. What is there already is brought up to date
 * by its ODS code, and nothing is deleted, so it may run at every start. `reference/PROVENANCE.md` tells of the codes.
 */
export async function loadOrganisations(sql: ClientBase | Pool): Promise<void> {
  const { organisations, successions } = await readOrganisations();
  await sql.query(
    `insert into organisation (kind, name, ods_code, gss_code, valid_from, valid_to)
     select kind, name, ods_code, gss_code, valid_from, valid_to
       from json_to_recordset($1) as o (kind organisation_kind, name text, ods_code text, gss_code text,
                                        valid_from date, valid_to date)
     on conflict (ods_code) do update
        set kind = excluded.kind, name = excluded.name, gss_code = excluded.gss_code,
            valid_from = excluded.valid_from, valid_to = excluded.valid_to
      where (organisation.kind, organisation.name, organisation.gss_code, organisation.valid_from, organisation.valid_to)
            is distinct from
            (excluded.kind, excluded.name, excluded.gss_code, excluded.valid_from, excluded.valid_to)`,
    [JSON.stringify(organisations)],
  );
  await sql.query(
    `insert into organisation_succession (from_id, to_id, on_day)
     select f.id, t.id, on_day
       from json_to_recordset($1) as s ("from" text, "to" text, on_day date)
       join organisation f on f.ods_code = s."from"
       join organisation t on t.ods_code = s."to"
     on conflict (from_id, to_id) do update set on_day = excluded.on_day
      where organisation_succession.on_day <> excluded.on_day`,
    [JSON.stringify(successions)],
  );
}

async function readOrganisations(): Promise<{ organisations: Organisation[]; successions: Succession[] }> {
  const [boards, councils, successors] = await Promise.all(
    ['icb.csv', 'cassr_la_lookup.csv', 'council_succession.csv'].map(readRows),
  );
  const successorOf = new Map(
    successors!.map((row) => [
      row.code!,
      council(row.name!, row.ods_code || row.code!, row.gss_code!, { valid_from: row.from_day! }),
    ]),
  );
  const organisations = boards!.map((row): Organisation => {
    const [ods_code, gss_code, name] = [row.icb_ods_code!, row.icb_gss_code!, row.icb_name!];
    return { kind: 'ICB', name, ods_code, gss_code, valid_from: boardsBegan, valid_to: null };
  });
  const successions: Succession[] = [];
  const successorCodes = new Set([...successorOf.values()].map((successor) => successor.ods_code));
  for (const row of councils!) {
    const ods_code = row.cassr_ods_code!;
    if (successorCodes.has(ods_code)) continue;
    const heirs = row.replaced_by!.split(',').flatMap((code) => successorOf.get(code) ?? []);
    for (const heir of heirs)
      successions.push({ from: ods_code, to: heir.ods_code, on_day: heir.valid_from! });
    const valid_to = heirs[0]?.valid_from ?? null;
    organisations.push(council(row.name!, ods_code, row.gss_current || row.gss_2017 || null, { valid_to }));
  }
  return { organisations: [...organisations, ...successorOf.values()], successions };
}

function council(
  name: string,
  ods_code: string,
  gss_code: string | null,
  days: { valid_from?: string | null; valid_to?: string | null },
): Organisation {
  return { kind: 'COUNCIL', name, ods_code, gss_code, valid_from: null, valid_to: null, ...days };
}

async function readRows(file: string): Promise<Row[]> {
  return parse(await readFile(new URL(`reference/${file}`, import.meta.url)), { columns: true });
}
