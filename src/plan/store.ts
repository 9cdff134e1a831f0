/** Writes plans with their needs, and the outcomes people want. */
import {
  type Apply,
  linkOfRow,
  misfiled,
  ownOfRow,
  run,
  takeFromOldPerson,
  type Verdict,
} from '../person/store.ts';

const writeOutcomes = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, text text, status outcome_status, "targetOn" date)
), known as (
  select row.*, l.id as link_id, l.person_id
    from row${linkOfRow}
), written as (
  insert into outcome as o (person_id, link_id, external_id, text, status, target_on)
  select person_id, link_id, "externalId", text, status, "targetOn" from known where link_id is not null
  on conflict (link_id, external_id) do update
     set text = excluded.text, status = excluded.status, target_on = excluded.target_on
   where (o.text, o.status, o.target_on) is distinct from (excluded.text, excluded.status, excluded.target_on)
)
select n, person_id, case when link_id is null then 'PERSON_NOT_KNOWN_YET' end from known`;

export const applyOutcomes: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'outcome', source, rows);
  return run<Verdict>(sql, 'write-outcomes', writeOutcomes, [source.id, rows]);
};

const freeOutcomes = `update outcome set plan_id = null where plan_id in (${misfiled('plan')})`;

// Rows that must go or change are looked up plan by plan (`offset 0` keeps it so) and found again by where they stand:
// joined in any other way, a plan made when the tables were empty reads them whole for every page.
//
// A plan that names an outcome nobody has sent yet is shown without it, and waits for it.
const writePlans = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, title text, status plan_status, "whatMatters" text, "from" date,
    "to" date, needs text[], "outcomeIds" text[], "coordinatorName" text)
), known as (
  select row.*, l.id as link_id, l.person_id, case when l.id is not null then coalesce(t.id, new_id()) end as plan_id
    from row${linkOfRow}${ownOfRow('plan')}
), written as (
  insert into plan as p (id, person_id, link_id, external_id, title, status, what_matters, coordinator_name,
                         valid_from, valid_to)
  select plan_id, person_id, link_id, "externalId", title, status, "whatMatters", "coordinatorName", "from", "to"
    from known where link_id is not null
  on conflict (link_id, external_id) do update
     set title = excluded.title, status = excluded.status, what_matters = excluded.what_matters,
         coordinator_name = excluded.coordinator_name, valid_from = excluded.valid_from,
         valid_to = excluded.valid_to, received_at = now()
   where (p.title, p.status, p.what_matters, p.coordinator_name, p.valid_from, p.valid_to)
         is distinct from (excluded.title, excluded.status, excluded.what_matters, excluded.coordinator_name,
                           excluded.valid_from, excluded.valid_to)
), needed as (
  insert into need as x (plan_id, person_id, position, text)
  select plan_id, person_id, position, text from known, unnest(needs) with ordinality as said(text, position) where link_id is not null
  on conflict (plan_id, person_id, position) do update set text = excluded.text where x.text <> excluded.text
), no_longer_needed as (
  delete from need where ctid = any(array(
    select x.ctid from known k
     cross join lateral (select ctid from need where plan_id = k.plan_id and person_id = k.person_id
                            and position > cardinality(k.needs) offset 0) x))
), left_out as (
  update outcome set plan_id = null where ctid = any(array(
    select o.ctid from known k
     cross join lateral (select ctid from outcome where plan_id = k.plan_id and person_id = k.person_id
                            and external_id <> all(k."outcomeIds") offset 0) o))
), named as (
  update outcome o set plan_id = found.plan_id
    from (select x.ctid as at, k.plan_id from known k
           cross join lateral unnest(k."outcomeIds") as wanted(id)
           cross join lateral (select ctid, plan_id from outcome
                                where link_id = k.link_id and external_id = wanted.id offset 0) x
           where x.plan_id is distinct from k.plan_id) found
   where o.ctid = found.at
)
select n, person_id,
       case when link_id is null then 'PERSON_NOT_KNOWN_YET'
            when exists (select from unnest("outcomeIds") as wanted(id)
                          where not exists (select from outcome o
                                             where o.link_id = known.link_id and o.external_id = wanted.id))
            then 'OUTCOME_NOT_KNOWN_YET' end
  from known`;

export const applyPlans: Apply = async (sql, source, rows) => {
  if (rows.includes('"movedFrom"')) await run(sql, 'free-outcomes', freeOutcomes, [source.id, rows]);
  await takeFromOldPerson(sql, 'plan', source, rows);
  return run<Verdict>(sql, 'write-plans', writePlans, [source.id, rows]);
};
