/** Writes the eligibilities that sources hold. */
import { type Apply, linkOfRow, run, takeFromOldPerson, type Verdict } from '../person/store.ts';

// What was entered in error goes; what it said is kept with all else that was known before.
const writeEligibilities = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, withdrawn boolean, scheme eligibility_scheme, status eligibility_status,
    "decidedOn" date, "decidedByCode" text, reviewer text, "reviewDueOn" date, "from" date, "to" date)
), known as (
  select row.*, l.id as link_id, l.person_id, o.id as decided_by_id,
         case when l.id is null then 'PERSON_NOT_KNOWN_YET'
              when row."decidedByCode" is not null and o.id is null then 'ORGANISATION_NOT_KNOWN' end as waits
    from row${linkOfRow}
    left join lateral (select id from organisation where ods_code = row."decidedByCode" offset 0) o on true
), withdrawn as (
  delete from eligibility where ctid = any(array(
    select e.ctid from known k
     cross join lateral (select ctid from eligibility
                          where link_id = k.link_id and external_id = k."externalId" offset 0) e
     where k.withdrawn))
), written as (
  insert into eligibility as e (person_id, link_id, external_id, scheme, status, decided_on, decided_by_id, reviewer,
                                review_due_on, valid_from, valid_to)
  select person_id, link_id, "externalId", scheme, status, "decidedOn", decided_by_id, reviewer, "reviewDueOn", "from",
         "to"
    from known where waits is null and withdrawn is not true
  on conflict (link_id, external_id) do update
     set scheme = excluded.scheme, status = excluded.status, decided_on = excluded.decided_on,
         decided_by_id = excluded.decided_by_id, reviewer = excluded.reviewer,
         review_due_on = excluded.review_due_on, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
         version = e.version + 1
   where (e.scheme, e.status, e.decided_on, e.decided_by_id, e.reviewer, e.review_due_on, e.valid_from, e.valid_to)
         is distinct from (excluded.scheme, excluded.status, excluded.decided_on, excluded.decided_by_id,
                           excluded.reviewer, excluded.review_due_on, excluded.valid_from, excluded.valid_to)
)
select n, person_id, waits from known`;

export const applyEligibilities: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'eligibility', source, rows);
  return run<Verdict>(sql, 'write-eligibilities', writeEligibilities, [source.id, rows]);
};
