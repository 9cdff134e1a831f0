-- AlterTable
ALTER TABLE "role_on_record" ALTER COLUMN "link_id" DROP NOT NULL;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- Whoever operates an account of a budget that was agreed in the hub has a part on the record: from the day on which
-- they do, to the day on which they no longer do. Of a budget that a source keeps, the source says it.
create function management_told(budget uuid) returns void language sql as $$
  delete from role_on_record r using portion q
   where q.budget_id = budget and r.id = q.id and r.link_id is null and q.account_operator_id is null;
  insert into role_on_record as r (id, person_id, external_id, role, organisation_id, valid_from, valid_to, sort_name)
  select q.id, q.person_id, q.id::text, 'MANAGED_ACCOUNT_PROVIDER', q.account_operator_id,
         greatest(q.valid_from, b.valid_from), least(q.valid_to, b.valid_to), p.sort_name
    from portion q
    join budget b on b.id = q.budget_id and b.person_id = q.person_id
    join person p on p.id = q.person_id
   where q.budget_id = budget and b.link_id is null and b.status in ('ACTIVE', 'SUSPENDED', 'ENDED')
     and q.account_operator_id is not null
      on conflict (id, person_id) do update
     set organisation_id = excluded.organisation_id, valid_from = excluded.valid_from, valid_to = excluded.valid_to
   where (r.organisation_id, r.valid_from, r.valid_to)
         is distinct from (excluded.organisation_id, excluded.valid_from, excluded.valid_to);
$$;

create function portion_managed() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    delete from role_on_record where id = old.id and link_id is null;
  else
    perform management_told(new.budget_id);
  end if;
  return null;
end
$$;
create trigger portion_managed after insert or delete or update of account_operator_id, valid_from, valid_to on portion
  for each row execute function portion_managed();

create function budget_managed() returns trigger language plpgsql as $$
begin
  perform management_told(new.id);
  return null;
end
$$;
create trigger budget_managed after update of status, valid_from, valid_to on budget
  for each row when (new.link_id is null) execute function budget_managed();

select management_told(id) from budget where link_id is null;
