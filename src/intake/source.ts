/** The systems the hub takes records from. */
import type pg from 'pg';
import { Fault } from '../platform/fault.ts';

export interface SourceToKeep {
  /** Short name, in lower case. */
  code: string;
  name: string;
  kind: 'NHS_FHIR' | 'COUNCIL';
  organisationCode: string;
  /** Where it answers; for a council also a folder, as file://. */
  baseUrl: string;
  everySeconds: number;
  demo: boolean;
}

const putSourceSql = `
insert into source_system (code, name, kind, side, organisation_id, base_url, every_seconds, demo)
select $1, $2, $3::source_kind, case when $3 = 'COUNCIL' then 'COUNCIL' else 'NHS' end::side, o.id, $5, $6, $7
  from organisation o where o.ods_code = $4
on conflict (code) do update set name = excluded.name, base_url = excluded.base_url,
  every_seconds = excluded.every_seconds
returning id`;

/** Keeps a source, new or under the code it has; its kind and organisation stay what they were. */
export async function putSource(pool: pg.Pool, source: SourceToKeep): Promise<string> {
  const { code, name, kind, organisationCode, baseUrl, everySeconds, demo } = source;
  const { rows } = await pool.query<{ id: string }>(putSourceSql, [
    code,
    name,
    kind,
    organisationCode,
    baseUrl,
    everySeconds,
    demo,
  ]);
  if (rows[0] !== undefined) return rows[0].id;
  throw new Fault(
    'ORGANISATION_NOT_KNOWN',
    `No organisation has the ODS code ${organisationCode}. Add it first.`,
  );
}

/** An organisation that is not in the published lists, such as a provider. */
export async function putOrganisation(
  pool: pg.Pool,
  { kind, code, name }: { kind: 'ICB' | 'COUNCIL' | 'PROVIDER' | 'OTHER'; code: string; name: string },
): Promise<void> {
  await pool.query(
    `insert into organisation (kind, ods_code, name) values ($1::organisation_kind, $2, $3)
     on conflict (ods_code) do update set name = excluded.name where organisation.name <> excluded.name`,
    [kind, code, name],
  );
}

/** Whether the database holds records of real systems: the demo's sign-in must never open them. */
export async function hasRealSources(pool: pg.Pool): Promise<boolean> {
  const { rowCount } = await pool.query('select from source_system where not demo limit 1');
  return rowCount !== 0;
}
