-- CreateEnum
CREATE TYPE "work_kind" AS ENUM ('RETURN_DUE', 'RETURN_QUERY', 'BANK_STATEMENT', 'EVIDENCE', 'PLAN_REVIEW', 'PACKAGE_CHANGE', 'COMPETENCY', 'WORKER_DOCUMENT');

-- CreateTable
CREATE TABLE "work_item" (
    "organisation_id" UUID NOT NULL,
    "due_on" DATE NOT NULL,
    "id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "kind" "work_kind" NOT NULL,

    CONSTRAINT "work_item_pkey" PRIMARY KEY ("id","organisation_id")
);

-- CreateIndex
CREATE INDEX "work_item_organisation_id_due_on_id_idx" ON "work_item"("organisation_id", "due_on", "id");

-- CreateIndex
CREATE INDEX "work_item_person_id_idx" ON "work_item"("person_id");

-- AddForeignKey
ALTER TABLE "work_item" ADD CONSTRAINT "work_item_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "work_item" ADD CONSTRAINT "work_item_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- What is to be done on a record, whoever does it. What belongs to one budget says which.
create view work_source with (security_invoker = true) as
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
-- What a spend was for is shown with the return of its period.
select id, person_id, 'EVIDENCE', coalesce((
         select min(r.due_on) from financial_return r
          where r.person_id = s.person_id and s.spent_on between r.period_from and r.period_to), 'infinity'), budget_id
  from spend s
 where state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED')
   and not exists (select from spend_evidence e where e.spend_id = s.id and e.person_id = s.person_id)
union all
select id, person_id, 'PLAN_REVIEW', review_on, null
  from plan where status = 'AGREED' and review_on is not null;

-- And who does it: every organisation that operates an account of the person's, or of that budget.
create view work_item_source with (security_invoker = true) as
select o.organisation_id, w.due_on, w.id, w.person_id, w.kind
  from work_source w
  join lateral (
    select distinct q.account_operator_id as organisation_id from portion q
     where q.person_id = w.person_id and q.account_operator_id is not null
       and (w.budget_id is null or q.budget_id = w.budget_id)) o on true;

-- Planning the view takes many times longer than finding a few rows of it by their ids, which is what is kept cheap.
create function work_kept() returns trigger language plpgsql security definer
  set search_path = public set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  gone_people uuid[];
  come_people uuid[];
  people uuid[];
  ids uuid[];
begin
  -- Of these tables a row is a thing to do, or belongs to one; of the others it says who does it, or by when.
  if tg_table_name in ('spend', 'return_query', 'bank_statement', 'plan') then
    if tg_op <> 'INSERT' then
      select array_agg(distinct person_id), array_agg(id) into gone_people, ids from gone;
    end if;
    if tg_op <> 'DELETE' then
      select array_agg(distinct person_id), ids || array_agg(id) into come_people, ids from come;
    end if;
  elsif tg_table_name = 'spend_evidence' then
    if tg_op <> 'INSERT' then
      select array_agg(distinct person_id), array_agg(spend_id) into gone_people, ids from gone;
    end if;
    if tg_op <> 'DELETE' then
      select array_agg(distinct person_id), ids || array_agg(spend_id) into come_people, ids from come;
    end if;
  elsif tg_table_name = 'bank_line' then
    if tg_op <> 'INSERT' then
      select array_agg(distinct person_id), array_agg(distinct statement_id) into gone_people, ids from gone;
    end if;
    if tg_op <> 'DELETE' then
      select array_agg(distinct person_id), ids || array_agg(distinct statement_id) into come_people, ids from come;
    end if;
  else
    if tg_op <> 'INSERT' then
      select array_agg(distinct person_id) into gone_people from gone;
    end if;
    if tg_op <> 'DELETE' then
      select array_agg(distinct person_id) into come_people from come;
    end if;
  end if;
  people := gone_people || come_people;
  if people is null then
    return null;
  end if;
  if ids is null then
    delete from work_item w
     where w.person_id = any (people) and not exists (
       select from work_item_source v
        where v.person_id = w.person_id and v.id = w.id and v.organisation_id = w.organisation_id);
    insert into work_item as w (organisation_id, due_on, id, person_id, kind)
    select v.organisation_id, v.due_on, v.id, v.person_id, v.kind from work_item_source v where v.person_id = any (people)
        on conflict (id, organisation_id) do update set due_on = excluded.due_on, person_id = excluded.person_id
         where (w.due_on, w.person_id) is distinct from (excluded.due_on, excluded.person_id);
  else
    -- What is new was not on the list; all else may be done.
    if tg_op <> 'INSERT' or tg_table_name in ('spend_evidence', 'bank_line') then
      delete from work_item w
       where w.id = any (ids) and not exists (
         select from work_item_source v
          where v.person_id = w.person_id and v.id = w.id and v.organisation_id = w.organisation_id);
    end if;
    insert into work_item as w (organisation_id, due_on, id, person_id, kind)
    select v.organisation_id, v.due_on, v.id, v.person_id, v.kind
      from work_item_source v where v.id = any (ids) and v.person_id = any (people)
        on conflict (id, organisation_id) do update set due_on = excluded.due_on, person_id = excluded.person_id
         where (w.due_on, w.person_id) is distinct from (excluded.due_on, excluded.person_id);
  end if;
  return null;
end
$$;

do $$
declare
  source text;
begin
  foreach source in array array['financial_return', 'return_query', 'bank_statement', 'bank_line', 'spend',
                                'spend_evidence', 'plan', 'portion'] loop
    execute format('create trigger %1$s_work_insert after insert on %1$s referencing new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_update after update on %1$s referencing old table as gone new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_delete after delete on %1$s referencing old table as gone
                    for each statement execute function work_kept()', source);
  end loop;
end
$$;

insert into work_item (organisation_id, due_on, id, person_id, kind)
select organisation_id, due_on, id, person_id, kind from work_item_source;

select secure_rows('work_item');
revoke insert, update, delete on work_item from tandem_worker;
