-- The lists of a record are read in the order of an index: to sort a few rows costs more than to find them.
drop index budget_person_id_idx;
drop index funding_line_budget_id_person_id_idx;
drop index outcome_plan_id_idx;
drop index package_person_id_idx;
drop index person_identifier_person_id_idx;
drop index review_person_id_idx;

-- CreateIndex
CREATE INDEX "budget_person_id_valid_from_kind_id_idx" ON "budget"("person_id", "valid_from" DESC, "kind", "id");

-- CreateIndex
CREATE INDEX "funding_line_budget_id_person_id_source_stream_organisation_idx" ON "funding_line"("budget_id", "person_id", "source", "stream", "organisation_id", "line_key", "id");

-- CreateIndex
CREATE INDEX "outcome_plan_id_person_id_target_on_id_idx" ON "outcome"("plan_id", "person_id", "target_on", "id");

-- CreateIndex
CREATE INDEX "package_person_id_valid_from_id_idx" ON "package"("person_id", "valid_from" DESC, "id");

-- CreateIndex
CREATE INDEX "person_identifier_person_id_status_system_issuer_value_idx" ON "person_identifier"("person_id", "status", "system", "issuer", "value");

-- CreateIndex
CREATE INDEX "review_person_id_held_on_id_idx" ON "review"("person_id", "held_on" DESC, "id");

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- A record is found by an identifier of its person, so that this policy is the one that has to ask, and the others find
-- its note: it asks in place, for to call a function costs more than all that it asks.
alter policy reader on person_identifier using (
  person_id::text = current_setting('tandem.seen', true)
  or (select set_config('tandem.seen', s.person_id::text, true) is not null
        from person_scope s where s.person_id = person_identifier.person_id limit 1));
