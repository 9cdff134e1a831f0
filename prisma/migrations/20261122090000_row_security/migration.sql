-- CreateTable
CREATE TABLE "person_scope" (
    "person_id" UUID NOT NULL,
    "holder" TEXT NOT NULL,
    "id" UUID NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE NOT NULL,

    CONSTRAINT "person_scope_pkey" PRIMARY KEY ("person_id","holder","id")
);

-- CreateIndex
CREATE INDEX "person_identifier_value_idx" ON "person_identifier"("value");

-- CreateIndex
CREATE INDEX "payment_instruction_organisation_id_due_on_id_idx" ON "payment_instruction"("organisation_id", "due_on", "id");

-- AddForeignKey
ALTER TABLE "person_scope" ADD CONSTRAINT "person_scope_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- Two roles that the hub takes, and never signs in as. Roles belong to the whole server, so another database of it may
-- make them at the same moment.
do $$
declare
  taken text;
begin
  foreach taken in array array['tandem_worker', 'tandem_reader'] loop
    begin
      if not exists (select from pg_roles where rolname = taken) then
        execute format('create role %I nologin nosuperuser nocreatedb nocreaterole nobypassrls noreplication', taken);
      end if;
    exception when duplicate_object or unique_violation then null;
    end;
    begin
      if not exists (select from pg_auth_members m where m.roleid = taken::regrole and m.member = current_user::regrole
                        and (m.grantor <> 10 or not m.admin_option)) then
        execute format('grant %I to %I', taken, current_user);
      end if;
    exception when unique_violation then null;
    end;
  end loop;
end
$$;

-- Who may see whom from when to when, as `src/access/policy.ts` has it, in rows: kept by triggers on what it follows
-- from. A holder is `ods:` and an organisation, `self:` or `rep:` and an NHS number (the person's own, or that of
-- somebody who represents them), or `sub:` and the sign-in of somebody who opened the record in an emergency.
create view person_scope_source with (security_invoker = true) as
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
 where system = 'NHS_NUMBER' and issuer = '' and status = 'CURRENT';

insert into person_scope (person_id, holder, id, valid_from, valid_to)
select person_id, holder, id, valid_from, valid_to from person_scope_source;

-- Looks only at the rows that the statement touched: it holds their locks, so nobody changes them meanwhile.
create function person_scope_kept() returns trigger language plpgsql security definer set search_path = public as $$
declare
  people uuid[];
  ids uuid[];
begin
  if tg_op <> 'INSERT' then
    if tg_table_name = 'person_identifier' then
      select array_agg(person_id), array_agg(md5(value)::uuid) into people, ids from gone;
    else
      select array_agg(person_id), array_agg(id) into people, ids from gone;
    end if;
    delete from person_scope s
     where s.person_id = any (people) and s.id = any (ids) and not exists (
       select from person_scope_source v where v.person_id = s.person_id and v.id = s.id and v.holder = s.holder);
  end if;
  if tg_op <> 'DELETE' then
    if tg_table_name = 'person_identifier' then
      select array_agg(person_id), array_agg(md5(value)::uuid) into people, ids from come;
    else
      select array_agg(person_id), array_agg(id) into people, ids from come;
    end if;
    insert into person_scope as s (person_id, holder, id, valid_from, valid_to)
    select v.person_id, v.holder, v.id, v.valid_from, v.valid_to
      from person_scope_source v where v.person_id = any (people) and v.id = any (ids)
        on conflict (person_id, holder, id) do update
           set valid_from = excluded.valid_from, valid_to = excluded.valid_to
         where (s.valid_from, s.valid_to) is distinct from (excluded.valid_from, excluded.valid_to);
  end if;
  return null;
end
$$;

do $$
declare
  source text;
begin
  foreach source in array array['role_on_record', 'person_identifier', 'emergency_access'] loop
    execute format('create trigger %1$s_scoped_insert after insert on %1$s referencing new table as come
                    for each statement execute function person_scope_kept()', source);
    execute format('create trigger %1$s_scoped_update after update on %1$s referencing old table as gone new table as come
                    for each statement execute function person_scope_kept()', source);
    execute format('create trigger %1$s_scoped_delete after delete on %1$s referencing old table as gone
                    for each statement execute function person_scope_kept()', source);
  end loop;
end
$$;

-- Whether the reader's viewer sees a person: what is in `person_scope` for the reader is what the viewer may see. Whom it
-- found last it notes, for most rows that a statement reads are of one person; every policy asks the note first.
create function tandem_sees(who uuid) returns boolean language plpgsql stable as $$
declare
  noted text;
begin
  perform from person_scope s where s.person_id = who;
  if not found then
    return false;
  end if;
  noted := set_config('tandem.seen', who::text, true);
  return true;
end
$$;

-- Puts a table of people's rows under row security: the owner and the worker pass, the reader sees whom its viewer
-- sees. Later migrations call it for each table they make that has a `person_id`.
create function secure_rows(
  secured regclass,
  seen text default $$person_id::text = current_setting('tandem.seen', true) or tandem_sees(person_id)$$
) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', secured);
  execute format('alter table %s force row level security', secured);
  execute format('create policy owner on %s to %I using (true) with check (true)', secured, current_user);
  execute format('create policy worker on %s to tandem_worker using (true) with check (true)', secured);
  execute format('create policy reader on %s for select to tandem_reader using (%s)', secured, seen);
  execute format('grant select on %s to tandem_reader', secured);
end
$$;

select secure_rows(c.oid::regclass)
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'person_id'
 where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname not in ('person_scope', 'role_on_record', 'emergency_access', 'audit_event_person')
 order by c.relname;
select secure_rows('person', $$id::text = current_setting('tandem.seen', true) or tandem_sees(id)$$);
-- A list of people is read from the parts on their records, each row of another person: there the note is of no use, and
-- a function called for each row costs the most, so the same is asked in place.
select secure_rows('role_on_record', $$
  person_id::text = current_setting('tandem.seen', true)
  or (select set_config('tandem.seen', s.person_id::text, true) is not null
        from person_scope s where s.person_id = role_on_record.person_id limit 1)$$);
-- Of the scope itself a viewer sees what is theirs today.
select secure_rows('person_scope', $$
  holder = any (nullif(current_setting('tandem.holders', true), '')::text[])
  and valid_from <= nullif(current_setting('tandem.today', true), '')::date
  and valid_to > nullif(current_setting('tandem.today', true), '')::date$$);
-- Whoever has oversight of the hub sees what was done in it, and nobody's record.
create function tandem_oversees() returns boolean language sql stable
  return 'oversight' = any (nullif(current_setting('tandem.holders', true), '')::text[]);
select secure_rows('emergency_access', 'tandem_oversees() or tandem_sees(person_id)');
-- What happened under a record that was merged into another is the other's: of the links the reader sees those of its people.
select secure_rows('audit_event_person', $$tandem_oversees() or tandem_sees(person_id)
  or exists (select from person_link l where l.merged_from_id = person_id)$$);
-- An event may be about several people: whoever sees one of them may see that it was.
select secure_rows('audit_event', $$tandem_oversees() or exists (
  select from unnest(person_ids) as who
   where tandem_sees(who) or exists (select from person_link l where l.merged_from_id = who))$$);

-- How many payments of a run the bank has not told of: a figure of the run, whoever of its people the reader sees.
create function payments_unconfirmed(run uuid) returns bigint language sql stable security definer set search_path = public
  return (select count(*) from payment_instruction i where i.run_id = run and i.status = 'SENT');

-- What each role may do. The worker writes; what was written for ever it can only add to. The reader reads, and of what
-- a source sent nothing that may hold personal data.
grant usage on schema public to tandem_worker, tandem_reader;
alter default privileges in schema public grant select, insert, update, delete on tables to tandem_worker;
alter default privileges in schema public grant usage on sequences to tandem_worker;
grant usage on all sequences in schema public to tandem_worker;
do $$
declare
  written regclass;
begin
  -- The history of migrations is the owner's alone.
  for written in select oid from pg_class
                  where relnamespace = 'public'::regnamespace and relkind = 'r' and relname !~ '^_prisma' loop
    execute format('grant select, insert, update, delete on %s to tandem_worker', written);
  end loop;
end
$$;
revoke update, delete on ledger_transfer, audit_event, audit_event_person, audit_seal, past from tandem_worker;
revoke insert, update, delete on person_scope from tandem_worker;
grant select on organisation, organisation_succession, organisation_authorisation, commissioner_policy,
  exclusion, source_system, sync_run, payment_run, employment_end, audit_seal to tandem_reader;
grant select (source_id, kind, external_id, version, state, place, code, field, found, advice, received_at)
  on source_row to tandem_reader;
