-- CreateTable
CREATE TABLE "kept_record" (
    "id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "valid_from" DATE,
    "valid_to" DATE NOT NULL,
    "keep_until" DATE NOT NULL,

    CONSTRAINT "kept_record_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateIndex
CREATE INDEX "kept_record_organisation_id_valid_to_id_idx" ON "kept_record"("organisation_id", "valid_to", "id");

-- CreateIndex
CREATE INDEX "kept_record_person_id_idx" ON "kept_record"("person_id");

-- AddForeignKey
ALTER TABLE "kept_record" ADD CONSTRAINT "kept_record_id_person_id_fkey" FOREIGN KEY ("id", "person_id") REFERENCES "portion"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "kept_record" ADD CONSTRAINT "kept_record_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- The first day on which records of something that ended need no longer be kept: so many years besides the one in which
-- it ended, and a year of the public purse ends on 31 March.
create function kept_until(ended date, years int) returns date language sql immutable
  return make_date(extract(year from (ended - 1) + interval '9 months')::int + years, 4, 1);

-- Every account that an organisation operated and, from a day on, no longer does. How long it is kept the funders'
-- policies of its last day say, the longest of them; where none does, six years, as of a charity's accounts (Charities
-- Act 2011, section 131).
create view kept_record_source with (security_invoker = true) as
select q.id, q.person_id, q.budget_id, q.account_operator_id as organisation_id, e.valid_from, e.valid_to,
       kept_until(e.valid_to, coalesce((
         select max(y.record_retention_years)
           from funding_line f
           join commissioner_policy y on y.organisation_id = f.organisation_id and y.source = f.source
          where f.budget_id = b.id and f.person_id = b.person_id and y.effective_from < e.valid_to
            and (y.effective_to is null or y.effective_to >= e.valid_to)), 6)) as keep_until
  from portion q
  join budget b on b.id = q.budget_id and b.person_id = q.person_id
 cross join lateral (
   select greatest(q.valid_from, b.valid_from) as valid_from, least(q.valid_to, b.valid_to) as valid_to) e
 where q.account_operator_id is not null and b.status in ('ACTIVE', 'SUSPENDED', 'ENDED')
   and e.valid_to is not null and (e.valid_from is null or e.valid_from < e.valid_to);

create function kept_told(budgets uuid[]) returns void language sql as $$
  delete from kept_record k
   where k.budget_id = any (budgets) and not exists (select from kept_record_source s where s.id = k.id);
  insert into kept_record as k (id, person_id, budget_id, organisation_id, valid_from, valid_to, keep_until)
  select id, person_id, budget_id, organisation_id, valid_from, valid_to, keep_until
    from kept_record_source where budget_id = any (budgets)
      on conflict (id, person_id) do update
     set organisation_id = excluded.organisation_id, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
         keep_until = excluded.keep_until
   where (k.organisation_id, k.valid_from, k.valid_to, k.keep_until)
         is distinct from (excluded.organisation_id, excluded.valid_from, excluded.valid_to, excluded.keep_until);
$$;

-- Who has a part on the record by operating an account, as before, of many budgets at a time: a source brings portions by
-- the ten thousand in one statement.
drop trigger portion_managed on portion;
drop trigger budget_managed on budget;
drop function management_told(uuid);
create function management_told(budgets uuid[]) returns void language sql as $$
  delete from role_on_record r using portion q
   where q.budget_id = any (budgets) and r.id = q.id and r.link_id is null and q.account_operator_id is null;
  insert into role_on_record as r (id, person_id, external_id, role, organisation_id, valid_from, valid_to, sort_name)
  select q.id, q.person_id, q.id::text, 'MANAGED_ACCOUNT_PROVIDER', q.account_operator_id,
         greatest(q.valid_from, b.valid_from), least(q.valid_to, b.valid_to), p.sort_name
    from portion q
    join budget b on b.id = q.budget_id and b.person_id = q.person_id
    join person p on p.id = q.person_id
   where q.budget_id = any (budgets) and b.link_id is null and b.status in ('ACTIVE', 'SUSPENDED', 'ENDED')
     and q.account_operator_id is not null
      on conflict (id, person_id) do update
     set organisation_id = excluded.organisation_id, valid_from = excluded.valid_from, valid_to = excluded.valid_to
   where (r.organisation_id, r.valid_from, r.valid_to)
         is distinct from (excluded.organisation_id, excluded.valid_from, excluded.valid_to);
$$;

create or replace function portion_managed() returns trigger language plpgsql as $$
declare
  budgets uuid[];
begin
  if tg_op = 'DELETE' then
    delete from role_on_record r using gone g where r.id = g.id and r.link_id is null;
    return null;
  elsif tg_op = 'INSERT' then
    select array_agg(distinct budget_id) into budgets from come where account_operator_id is not null;
  else
    select array_agg(distinct n.budget_id) into budgets
      from come n join gone o on o.id = n.id
     where (n.account_operator_id, n.valid_from, n.valid_to) is distinct from (o.account_operator_id, o.valid_from, o.valid_to);
  end if;
  if budgets is not null then
    perform management_told(budgets);
    perform kept_told(budgets);
  end if;
  return null;
end
$$;
create trigger portion_managed_insert after insert on portion referencing new table as come
  for each statement execute function portion_managed();
create trigger portion_managed_update after update on portion referencing old table as gone new table as come
  for each statement execute function portion_managed();
create trigger portion_managed_delete after delete on portion referencing old table as gone
  for each statement execute function portion_managed();

create or replace function budget_managed() returns trigger language plpgsql as $$
declare
  budgets uuid[];
begin
  select array_agg(n.id) into budgets
    from come n join gone o on o.id = n.id
   where (n.status, n.valid_from, n.valid_to) is distinct from (o.status, o.valid_from, o.valid_to);
  if budgets is not null then
    perform management_told(budgets);
    perform kept_told(budgets);
  end if;
  return null;
end
$$;
create trigger budget_managed after update on budget referencing old table as gone new table as come
  for each statement execute function budget_managed();

-- A policy that came late says it for what has ended already.
create function retention_told() returns trigger language plpgsql as $$
begin
  update kept_record k set keep_until = s.keep_until
    from kept_record_source s where s.id = k.id and s.keep_until <> k.keep_until;
  return null;
end
$$;
create trigger retention_told after insert or update or delete on commissioner_policy
  for each statement execute function retention_told();

insert into kept_record select * from kept_record_source;

-- Whom an organisation may still see, where a statement says that it reads what it keeps: `kept:` and its code.
create or replace view person_scope_source with (security_invoker = true) as
select person_id, case when organisation_id is null then 'rep:' || individual_nhs_number
                  else 'ods:' || (select o.ods_code from organisation o where o.id = organisation_id) end as holder,
       id, coalesce(valid_from, '-infinity') as valid_from, coalesce(valid_to, 'infinity') as valid_to
  from role_on_record
 where suspended_at is null
   and (organisation_id is not null
        or individual_nhs_number is not null
           and role in ('REPRESENTATIVE', 'LPA_HEALTH_AND_WELFARE', 'LPA_PROPERTY_AND_FINANCE', 'DEPUTY', 'NOMINEE'))
union all
select person_id, 'sub:' || subject, id, (opened_at at time zone 'Europe/London')::date,
       (closes_at at time zone 'Europe/London')::date + 1
  from emergency_access
union all
select person_id, 'self:' || value, md5(value)::uuid, '-infinity', 'infinity'
  from person_identifier
 where system = 'NHS_NUMBER' and issuer = '' and status = 'CURRENT'
union all
select k.person_id, 'kept:' || o.ods_code, k.id, k.valid_to, k.keep_until
  from kept_record k join organisation o on o.id = k.organisation_id;

insert into person_scope (person_id, holder, id, valid_from, valid_to)
select person_id, holder, id, valid_from, valid_to from person_scope_source where holder like 'kept:%';

create trigger kept_record_scoped_insert after insert on kept_record referencing new table as come
  for each statement execute function person_scope_kept();
create trigger kept_record_scoped_update after update on kept_record referencing old table as gone new table as come
  for each statement execute function person_scope_kept();
create trigger kept_record_scoped_delete after delete on kept_record referencing old table as gone
  for each statement execute function person_scope_kept();

select secure_rows('kept_record');
