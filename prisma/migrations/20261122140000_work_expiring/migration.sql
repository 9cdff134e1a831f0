-- What runs out for a team of carers is to be done too: the last word on each task and each kind of document.
create or replace view work_source with (security_invoker = true) as
select id, person_id, 'RETURN_DUE'::work_kind as kind, due_on, null::uuid as budget_id
  from financial_return where status = 'DUE'
union all
select id, person_id, 'RETURN_QUERY', (asked_at at time zone 'Europe/London')::date, null
  from return_query where answered_at is null
union all
select id, person_id, 'BANK_STATEMENT', (recorded_at at time zone 'Europe/London')::date, budget_id
  from bank_statement s
 where exists (select from bank_line l where l.statement_id = s.id and l.person_id = s.person_id and l.state = 'UNMATCHED')
union all
select id, person_id, 'EVIDENCE', coalesce((
         select min(r.due_on) from financial_return r
          where r.person_id = s.person_id and s.spent_on between r.period_from and r.period_to), 'infinity'), budget_id
  from spend s
 where state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED')
   and not exists (select from spend_evidence e where e.spend_id = s.id and e.person_id = s.person_id)
union all
select id, person_id, 'PLAN_REVIEW', review_on, null
  from plan where status = 'AGREED' and review_on is not null
union all
select id, person_id, 'COMPETENCY', expires_on, null
  from competency c
 where withdrawn_on is null and not exists (
   select from competency n
    where n.worker_id = c.worker_id and n.task_id = c.task_id and n.person_id = c.person_id
      and n.withdrawn_on is null and (n.expires_on, n.id) > (c.expires_on, c.id))
union all
select id, person_id, 'WORKER_DOCUMENT', expires_on, null
  from worker_document d
 where expires_on is not null and not exists (
   select from worker_document n
    where n.worker_id = d.worker_id and n.kind = d.kind and n.person_id = d.person_id
      and (coalesce(n.expires_on, 'infinity'), n.id) > (d.expires_on, d.id));

do $$
declare
  source text;
begin
  foreach source in array array['competency', 'worker_document'] loop
    execute format('create trigger %1$s_work_insert after insert on %1$s referencing new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_update after update on %1$s referencing old table as gone new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_delete after delete on %1$s referencing old table as gone
                    for each statement execute function work_kept()', source);
  end loop;
end
$$;
