/** Writes reviews, and requests for support and assessments. */
import { type Apply, linkOfRow, run, takeFromOldPerson, type Verdict } from '../person/store.ts';

// What was entered in error goes, lest it put off the next one.
const writeReviews = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, withdrawn boolean, kind review_kind, "startedOn" date, "heldOn" date,
    reason text, method text, outcome text, "outcomesAchieved" text)
), known as (
  select row.*, l.id as link_id, l.person_id
    from row${linkOfRow}
), withdrawn as (
  delete from review where ctid = any(array(
    select r.ctid from known k
     cross join lateral (select ctid from review
                          where link_id = k.link_id and external_id = k."externalId" offset 0) r
     where k.withdrawn))
), written as (
  insert into review as r (person_id, link_id, external_id, kind, started_on, held_on, reason, method, outcome,
                           outcomes_achieved)
  select person_id, link_id, "externalId", kind, "startedOn", "heldOn", reason, method, outcome, "outcomesAchieved"
    from known where link_id is not null and withdrawn is not true
  on conflict (link_id, external_id) do update
     set kind = excluded.kind, started_on = excluded.started_on, held_on = excluded.held_on,
         reason = excluded.reason, method = excluded.method, outcome = excluded.outcome,
         outcomes_achieved = excluded.outcomes_achieved
   where (r.kind, r.started_on, r.held_on, r.reason, r.method, r.outcome, r.outcomes_achieved)
         is distinct from (excluded.kind, excluded.started_on, excluded.held_on, excluded.reason, excluded.method,
                           excluded.outcome, excluded.outcomes_achieved)
)
select n, person_id, case when link_id is null then 'PERSON_NOT_KNOWN_YET' end from known`;

export const applyReviews: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'review', source, rows);
  return run<Verdict>(sql, 'write-reviews', writeReviews, [source.id, rows]);
};

const writeContacts = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, kind contact_kind, type text, "from" date, "to" date, outcome text)
), known as (
  select row.*, l.id as link_id, l.person_id
    from row${linkOfRow}
), written as (
  insert into contact as c (person_id, link_id, external_id, kind, type, started_on, ended_on, outcome)
  select person_id, link_id, "externalId", kind, type, "from", "to", outcome from known where link_id is not null
  on conflict (link_id, external_id) do update
     set kind = excluded.kind, type = excluded.type, started_on = excluded.started_on,
         ended_on = excluded.ended_on, outcome = excluded.outcome
   where (c.kind, c.type, c.started_on, c.ended_on, c.outcome)
         is distinct from (excluded.kind, excluded.type, excluded.started_on, excluded.ended_on, excluded.outcome)
)
select n, person_id, case when link_id is null then 'PERSON_NOT_KNOWN_YET' end from known`;

export const applyContacts: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'contact', source, rows);
  return run<Verdict>(sql, 'write-contacts', writeContacts, [source.id, rows]);
};
