/** Writes what sources say of people: whose record it is, the facts shown, where the two sides disagree, who plays a part. */
import type { Sql } from '../platform/database.ts';
import { type Candidate, matchPage, type SaidPerson } from './rules.ts';

/** The source a page comes from. */
export interface Source {
  id: string;
  side: 'NHS' | 'COUNCIL';
  organisationId: string;
  organisationCode: string;
}

/**
 * Key of the advisory lock under which it is decided whose record a row is. Two that ask "is this person known?" at
 * the same time would both hear no, and make two records of one person.
 */
export const matchingLock = 7_262_001;

/** What became of row `n` of a page: whose it is, and the code of what it waits for, if it does. */
export type Verdict = [n: number, personId: string | null, waits: string | null];

/**
 * Applies rows of one kind. `rows` is a JSON array of `{ n, externalId, personId, movedFrom?, ...facts }`, sums of
 * pence as text. One statement or a few, however many rows; in the caller's transaction.
 */
export type Apply = (sql: Sql, source: Source, rows: string) => Promise<Verdict[]>;

/** The link of a row's person, by the source's own id: one probe of an index a row, whatever the planner believes. */
export const linkOfRow = `
  left join lateral (select id, person_id from person_link
                      where source_id = $1 and external_id = row."personId" offset 0) l on true`;

/** The row of `table` that a row of the page is already, as \`t\`. */
export const ownOfRow = (table: string) => `
  left join lateral (select id from ${table} where link_id = l.id and external_id = row."externalId" offset 0) t on true`;

/** Runs a prepared statement and gives the rows as arrays. */
export async function run<Row extends unknown[]>(
  sql: Sql,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return (await sql.query<Row>({ name, text, values, rowMode: 'array' })).rows;
}

// ---------------------------------------------------------------- people

const findCandidates = `
with row as (
  select * from json_to_recordset($2::json) as t(n int, "externalId" text)
)
select row.n, l.person_id, coalesce(l.id, new_id()), new_id(),
       l.id is null or $3 = 'NHS' or not exists (
         select from person_link o join source_system s on s.id = o.source_id
          where o.person_id = l.person_id and s.side = 'NHS' and o.nhs_number is not null),
       null, null, null::date, null::uuid
  from row
  left join lateral (select id, person_id from person_link
                      where source_id = $1 and external_id = row."externalId" offset 0) l on true
union all
select null, i.person_id, null, null, null, i.value, p.family_name, p.birth_date, i.merged_from_id
  from person_identifier i join person p on p.id = i.person_id
 where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = any($4::text[])`;

type Found =
  | [n: number, linkedTo: string | null, linkId: string, freshId: string, carriesNumber: boolean]
  | [
      n: null,
      personId: string,
      _: null,
      _: null,
      _: null,
      number: string,
      family: string,
      born: string | null,
      from: string | null,
    ];

const sortName = (family: string, given: string) => `lower(${family} || ', ' || ${given})`;

// A record under a new link comes with the identifiers and the part its holder plays; the link of a person who is
// known already only says what it says anew.
const writePeople = `
with row as (
  select * from json_to_recordset($2::json) as t(
    person uuid, link uuid, born boolean, linked boolean, method match_method, "mergedFromId" uuid, "externalId" text,
    "nhsNumber" text, "familyName" text, "givenName" text, "birthDate" date, "deathDate" date, gender gender,
    postcode text, restricted boolean)
), born as (
  insert into person (id, family_name, given_name, birth_date, death_date, gender, postcode, restricted, sort_name)
  select person, "familyName", "givenName", "birthDate", "deathDate", gender,
         case when restricted then null else postcode end, restricted, ${sortName('"familyName"', '"givenName"')}
    from row where born
), held as (
  insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
  select person, link, '#holder', 'COMMISSIONER', $3,
         coalesce((select sort_name from person where id = row.person), ${sortName('"familyName"', '"givenName"')})
    from row where not linked
), named as (
  insert into person_identifier (system, issuer, value, person_id)
  select 'NHS_NUMBER'::identifier_system, '', "nhsNumber", person from row where born and "nhsNumber" is not null
  union all
  select 'COUNCIL_ID', $4, "externalId", person from row where not linked and $5 = 'COUNCIL'
  on conflict do nothing
)
insert into person_link as l (id, person_id, source_id, external_id, method, merged_from_id, nhs_number, family_name,
                              given_name, birth_date, death_date, gender, postcode, restricted)
select link, person, $1, "externalId", method, "mergedFromId", "nhsNumber", "familyName", "givenName", "birthDate",
       "deathDate", gender, postcode, restricted
  from row
on conflict (source_id, external_id) do update
   set nhs_number = excluded.nhs_number, family_name = excluded.family_name, given_name = excluded.given_name,
       birth_date = excluded.birth_date, death_date = excluded.death_date, gender = excluded.gender,
       postcode = excluded.postcode, restricted = excluded.restricted, received_at = now()
 where (l.nhs_number, l.family_name, l.given_name, l.birth_date, l.death_date, l.gender, l.postcode, l.restricted)
       is distinct from (excluded.nhs_number, excluded.family_name, excluded.given_name, excluded.birth_date,
                         excluded.death_date, excluded.gender, excluded.postcode, excluded.restricted)`;

const writeSuperseded = `
insert into person_identifier as i (system, issuer, value, person_id, status)
select distinct on (number) 'NHS_NUMBER'::identifier_system, '', number, person, 'SUPERSEDED'::identifier_status
  from json_to_recordset($1::json) as row(person uuid, "supersededNhsNumbers" text[]),
       unnest(row."supersededNhsNumbers") as number
on conflict (system, issuer, value) do update set status = 'SUPERSEDED'
 where i.status <> 'SUPERSEDED' and i.person_id = excluded.person_id`;

interface PersonRow extends SaidPerson {
  n: number;
  externalId: string;
}

export const applyPeople: Apply = async (sql, source, rows) => {
  const people: PersonRow[] = JSON.parse(rows);
  const numbers = people.flatMap((row) => [
    ...row.supersededNhsNumbers,
    ...(row.nhsNumber ? [row.nhsNumber] : []),
  ]);
  const links = new Map<number, Found & { 0: number }>();
  const byNumber = new Map<string, Candidate>();
  for (const found of await run<Found>(sql, 'find-candidates', findCandidates, [
    source.id,
    rows,
    source.side,
    numbers,
  ])) {
    if (found[0] !== null) links.set(found[0], found);
    else {
      const [, personId, , , , number, familyName, birthDate, mergedFromId] = found;
      byNumber.set(number, { personId, familyName, birthDate, mergedFromId });
    }
  }
  const placed = matchPage(
    people.map((row) => {
      const [, linkedTo, , freshId, carriesNumber] = links.get(row.n)!;
      return { ...row, linkedTo, freshId, carriesNumber };
    }),
    byNumber,
  );

  const toWrite: Record<string, unknown>[] = [];
  const known = new Set<string>();
  const verdicts = placed.map((place, index): Verdict => {
    if ('doubt' in place) return [place.n, null, place.doubt];
    const row = people[index]!;
    const linked = place.method === 'SOURCE_ID';
    const born = place.method === 'NEW';
    if (!born) known.add(place.personId);
    const { personId: person, method, mergedFromId } = place;
    toWrite.push({ ...row, person, link: links.get(row.n)![2], born, linked, method, mergedFromId });
    return [row.n, person, null];
  });
  if (toWrite.length === 0) return verdicts;
  const written = JSON.stringify(toWrite);
  await run(sql, 'write-people', writePeople, [
    source.id,
    written,
    source.organisationId,
    source.organisationCode,
    source.side,
  ]);
  if (people.some((row) => row.supersededNhsNumbers.length > 0)) {
    await run(sql, 'write-superseded', writeSuperseded, [written]);
  }
  // A record that was just made shows what its only source says; the others are worked out from all their links.
  if (known.size > 0) {
    for (const [name, text] of Object.entries(derive)) await run(sql, name, text, [[...known]]);
  }
  return verdicts;
};

// ---------------------------------------------------------------- what all links of a person say together

/**
 * What the links of each person of `$1` say together, as `said`. They are believed in this order: the NHS before the
 * council, the person's own links before those of a record merged in, and beyond that one that does not depend on what
 * arrived first. `nhs_…` and `council_…` are what the one and the other side says.
 */
const said = `
  unnest($1::uuid[]) as person_id
 cross join lateral (
   select bool_or(restricted) as restricted, ${both('nhs_number')}, ${both('family_name', "''")},
          ${both('given_name', "''")}, ${both('birth_date')}, ${both('death_date')}, ${both('gender', "'UNKNOWN'")},
          ${both('postcode')}
     from (select l.*, s.side, row_number() over (order by s.side, l.merged_from_id is not null, s.code, l.external_id)
                    as rank
             from person_link l join source_system s on s.id = l.source_id
            where l.person_id = person_id.person_id) as link
   having count(*) > 0
 ) as said`;

/** The first of a column that says something, of each side. */
function both(column: string, nothing = 'null'): string {
  const first = (side: string) =>
    `(array_agg(${column} order by rank)
       filter (where side = '${side}' and ${column} is distinct from ${nothing}))[1] as ${side.toLowerCase()}_${column}`;
  return `${first('NHS')}, ${first('COUNCIL')}`;
}

const shown = (column: string) => `coalesce(nhs_${column}, council_${column})`;

/** As `fold` in rules.ts. */
const folded = (name: string) =>
  `lower(regexp_replace(normalize(${name}, nfd), '[\\u0300-\\u036f''’ -]', '', 'g'))`;

/** Statements, in order, that work out what is shown of the people `$1::uuid[]` from what their links say. */
export const derive = {
  'drop-wrong-numbers': `
delete from person_identifier i using ${said}
 where i.person_id = person_id.person_id and i.system = 'NHS_NUMBER' and i.status = 'CURRENT'
   and i.value is distinct from ${shown('nhs_number')}
   and not exists (select from person_link l where l.person_id = i.person_id and l.nhs_number = i.value)`,

  'set-number-status': `
with current as (
  select person_id, ${shown('nhs_number')} as number from ${said} where ${shown('nhs_number')} is not null
), earlier as (
  update person_identifier i set status = 'SUPERSEDED' from current
   where i.person_id = current.person_id and i.system = 'NHS_NUMBER' and i.status = 'CURRENT'
     and i.value <> current.number
)
insert into person_identifier as i (system, issuer, value, person_id)
select 'NHS_NUMBER', '', number, person_id from current
on conflict (system, issuer, value) do update set status = 'CURRENT'
 where i.status <> 'CURRENT' and i.person_id = excluded.person_id`,

  'show-facts': `
with shown as (
  select person_id, coalesce(${shown('family_name')}, '') as family_name, coalesce(${shown('given_name')}, '') as given_name,
         ${shown('birth_date')} as birth_date, ${shown('death_date')} as death_date,
         coalesce(${shown('gender')}, 'UNKNOWN') as gender,
         case when restricted then null else ${shown('postcode')} end as postcode, restricted
    from ${said}
)
update person p
   set family_name = s.family_name, given_name = s.given_name, birth_date = s.birth_date, death_date = s.death_date,
       gender = s.gender, postcode = s.postcode, restricted = s.restricted,
       sort_name = ${sortName('s.family_name', 's.given_name')}, version = p.version + 1, updated_at = now()
  from shown s
 where p.id = s.person_id
   and (p.family_name, p.given_name, p.birth_date, p.death_date, p.gender, p.postcode, p.restricted)
       is distinct from (s.family_name, s.given_name, s.birth_date, s.death_date, s.gender, s.postcode, s.restricted)`,

  'find-differences': `
with compared as (
  select person_id, field, nhs, council, coalesce(disagree, false) as disagree
    from ${said}
   cross join lateral (values
     ('FAMILY_NAME'::difference_field, nhs_family_name, council_family_name,
       ${folded('nhs_family_name')} <> ${folded('council_family_name')}),
     ('GIVEN_NAME', nhs_given_name, council_given_name,
       ${folded('nhs_given_name')} <> ${folded('council_given_name')}),
     ('BIRTH_DATE', nhs_birth_date::text, council_birth_date::text, nhs_birth_date <> council_birth_date),
     ('DEATH_DATE', nhs_death_date::text, council_death_date::text, nhs_death_date <> council_death_date),
     ('GENDER', nhs_gender::text, council_gender::text, nhs_gender <> council_gender),
     ('POSTCODE', nhs_postcode, council_postcode,
       not restricted and upper(replace(nhs_postcode, ' ', '')) <> upper(replace(council_postcode, ' ', ''))),
     ('NHS_NUMBER', nhs_nhs_number, council_nhs_number, nhs_nhs_number <> council_nhs_number)
   ) as d(field, nhs, council, disagree)
), agreed as (
  delete from difference d using compared c
   where d.person_id = c.person_id and d.field = c.field and not c.disagree
)
insert into difference as d (person_id, field, nhs, council)
select person_id, field, nhs, council from compared where disagree
on conflict (person_id, field) do update set nhs = excluded.nhs, council = excluded.council
 where (d.nhs, d.council) is distinct from (excluded.nhs, excluded.council)`,
} as const;

// ---------------------------------------------------------------- what hangs on a link

/** Ids of the rows of `table` that their source, by `$2`, no longer files under the person it filed them under before. */
export const misfiled = (table: string) => `
  select t.id
    from json_to_recordset($2::json) as row("externalId" text, "movedFrom" text)
    join person_link l on l.source_id = $1 and l.external_id = row."movedFrom"
    join ${table} t on t.link_id = l.id and t.external_id = row."externalId"`;

/** Takes rows away from the person they were filed under by mistake, before they are written to the right one. */
export async function takeFromOldPerson(
  sql: Sql,
  table: 'role_on_record' | 'eligibility' | 'plan' | 'outcome' | 'package' | 'review' | 'contact',
  source: Source,
  rows: string,
): Promise<void> {
  if (!rows.includes('"movedFrom"')) return;
  await run(sql, `take-${table}`, `delete from ${table} where id in (${misfiled(table)})`, [source.id, rows]);
}

const writeRoles = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, role role_kind, "organisationCode" text, individual jsonb,
    "from" date, "to" date)
), known as (
  select row.*, l.id as link_id, l.person_id, p.sort_name, o.id as organisation_id,
         case when l.id is null then 'PERSON_NOT_KNOWN_YET'
              when row."organisationCode" is not null and o.id is null then 'ORGANISATION_NOT_KNOWN' end as waits
    from row${linkOfRow}
    left join person p on p.id = l.person_id
    left join organisation o on o.ods_code = row."organisationCode"
), gone as (
  delete from role_on_record where ctid = any(array(
    select r.ctid from known k
     cross join lateral (select ctid from role_on_record where link_id = k.link_id and role <> k.role
                            and external_id = k."externalId" offset 0) r
     where k.waits is null))
), written as (
  insert into role_on_record as r (person_id, link_id, external_id, role, organisation_id, individual_name,
                                   individual_nhs_number, relationship, valid_from, valid_to, sort_name)
  select person_id, link_id, "externalId", role, organisation_id, individual ->> 'name', individual ->> 'nhsNumber',
         individual ->> 'relationship', "from", "to", sort_name
    from known where waits is null
  on conflict (link_id, role, external_id) do update
     set organisation_id = excluded.organisation_id, individual_name = excluded.individual_name,
         individual_nhs_number = excluded.individual_nhs_number, relationship = excluded.relationship,
         valid_from = excluded.valid_from, valid_to = excluded.valid_to
   where (r.organisation_id, r.individual_name, r.individual_nhs_number, r.relationship, r.valid_from, r.valid_to)
         is distinct from (excluded.organisation_id, excluded.individual_name, excluded.individual_nhs_number,
                           excluded.relationship, excluded.valid_from, excluded.valid_to)
)
select n, person_id, waits from known`;

const endRolesSql = `
with gone as (
  delete from source_row where source_id = $1 and kind = 'role' and external_id = any($2::text[])
  returning external_id, facts ->> 'personId' as person
)
update role_on_record r set valid_to = d.today
  from gone g join person_link l on l.source_id = $1 and l.external_id = g.person,
       (select (now() at time zone 'Europe/London')::date as today) d
 where r.link_id = l.id and r.external_id = g.external_id and (r.valid_to is null or r.valid_to > d.today)`;

/** Ends, from today, the roles that a source no longer sends. Sent again, they begin anew. */
export async function endRoles(sql: Sql, sourceId: string, externalIds: string[]): Promise<void> {
  await run(sql, 'end-roles', endRolesSql, [sourceId, externalIds]);
}

export const applyRoles: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'role_on_record', source, rows);
  return run<Verdict>(sql, 'write-roles', writeRoles, [source.id, rows]);
};
