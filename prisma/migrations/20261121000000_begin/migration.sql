-- Ids are time-ordered UUIDs (version 7): rows that are written together stand together in every index.
-- PostgreSQL 18 makes them itself; for 15 to 17 the timestamp is laid over a random UUID.
do $$
begin
  if current_setting('server_version_num')::int >= 180000 then
    create function new_id() returns uuid language sql volatile parallel safe as 'select uuidv7()';
  else
    create function new_id() returns uuid language sql volatile parallel safe as
      $f$ select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
            placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid $f$;
  end if;
end
$$;


-- CreateEnum
CREATE TYPE "organisation_kind" AS ENUM ('ICB', 'COUNCIL', 'PROVIDER', 'OTHER');

-- CreateEnum
CREATE TYPE "source_kind" AS ENUM ('NHS_FHIR', 'COUNCIL');

-- CreateEnum
CREATE TYPE "side" AS ENUM ('NHS', 'COUNCIL');

-- CreateEnum
CREATE TYPE "sync_run_status" AS ENUM ('RUNNING', 'SUCCEEDED', 'FAILED');

-- CreateEnum
CREATE TYPE "source_row_state" AS ENUM ('APPLIED', 'WAITING');

-- CreateEnum
CREATE TYPE "gender" AS ENUM ('FEMALE', 'MALE', 'OTHER', 'UNKNOWN');

-- CreateEnum
CREATE TYPE "identifier_system" AS ENUM ('NHS_NUMBER', 'COUNCIL_ID');

-- CreateEnum
CREATE TYPE "identifier_status" AS ENUM ('CURRENT', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "match_method" AS ENUM ('NHS_NUMBER', 'SOURCE_ID', 'NEW', 'MANUAL');

-- CreateEnum
CREATE TYPE "difference_field" AS ENUM ('FAMILY_NAME', 'GIVEN_NAME', 'BIRTH_DATE', 'DEATH_DATE', 'GENDER', 'POSTCODE', 'NHS_NUMBER');

-- CreateEnum
CREATE TYPE "role_kind" AS ENUM ('COMMISSIONER', 'MANAGED_ACCOUNT_PROVIDER', 'NAMED_COORDINATOR', 'REPRESENTATIVE', 'LPA_HEALTH_AND_WELFARE', 'LPA_PROPERTY_AND_FINANCE', 'DEPUTY', 'NOMINEE', 'CARER', 'NEXT_OF_KIN');

-- CreateEnum
CREATE TYPE "plan_status" AS ENUM ('DRAFT', 'ACTIVE', 'ENDED');

-- CreateEnum
CREATE TYPE "outcome_status" AS ENUM ('PROPOSED', 'ACTIVE', 'ACHIEVED', 'NOT_ACHIEVED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "budget_kind" AS ENUM ('PERSONAL_HEALTH_BUDGET', 'PERSONAL_BUDGET');

-- CreateEnum
CREATE TYPE "budget_status" AS ENUM ('INDICATIVE', 'ACTIVE', 'SUSPENDED', 'ENDED');

-- CreateEnum
CREATE TYPE "funding_source" AS ENUM ('ICB', 'COUNCIL', 'S75_POOL', 'CLIENT_CONTRIBUTION', 'CLIENT_TOP_UP', 'EHC', 'OTHER_PUBLIC');

-- CreateEnum
CREATE TYPE "management" AS ENUM ('NOTIONAL', 'THIRD_PARTY', 'DIRECT_PAYMENT', 'MANAGED_ACCOUNT', 'INDIVIDUAL_SERVICE_FUND', 'COUNCIL_MANAGED');

-- CreateEnum
CREATE TYPE "ledger_account_kind" AS ENUM ('FUNDER', 'HELD', 'COMMITTED', 'SPENT');

-- CreateEnum
CREATE TYPE "transfer_kind" AS ENUM ('PAID_IN', 'SPENT', 'COMMITTED', 'REPAID');

-- CreateEnum
CREATE TYPE "review_kind" AS ENUM ('CARE_PLAN', 'SHORT_TERM_SUPPORT');

-- CreateEnum
CREATE TYPE "contact_kind" AS ENUM ('REQUEST', 'ASSESSMENT');

-- CreateTable
CREATE TABLE "organisation" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "kind" "organisation_kind" NOT NULL,
    "name" TEXT NOT NULL,
    "ods_code" TEXT NOT NULL,
    "gss_code" TEXT,
    "valid_from" DATE,
    "valid_to" DATE,

    CONSTRAINT "organisation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organisation_succession" (
    "from_id" UUID NOT NULL,
    "to_id" UUID NOT NULL,
    "on_day" DATE NOT NULL,

    CONSTRAINT "organisation_succession_pkey" PRIMARY KEY ("from_id","to_id")
);

-- CreateTable
CREATE TABLE "source_system" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "code" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" "source_kind" NOT NULL,
    "side" "side" NOT NULL,
    "organisation_id" UUID NOT NULL,
    "base_url" TEXT NOT NULL,
    "demo" BOOLEAN NOT NULL DEFAULT false,
    "every_seconds" INTEGER NOT NULL DEFAULT 300,
    "last_succeeded_at" TIMESTAMPTZ(6),
    "last_failed_at" TIMESTAMPTZ(6),

    CONSTRAINT "source_system_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sync_cursor" (
    "source_id" UUID NOT NULL,
    "feed" TEXT NOT NULL,
    "cursor" JSONB,
    "moves" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sync_cursor_pkey" PRIMARY KEY ("source_id","feed")
);

-- CreateTable
CREATE TABLE "sync_run" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "source_id" UUID NOT NULL,
    "status" "sync_run_status" NOT NULL DEFAULT 'RUNNING',
    "started_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(6),
    "feed" TEXT,
    "expected" INTEGER NOT NULL DEFAULT 0,
    "received" INTEGER NOT NULL DEFAULT 0,
    "created" INTEGER NOT NULL DEFAULT 0,
    "changed" INTEGER NOT NULL DEFAULT 0,
    "unchanged" INTEGER NOT NULL DEFAULT 0,
    "waiting" INTEGER NOT NULL DEFAULT 0,
    "error_code" TEXT,
    "error" TEXT,

    CONSTRAINT "sync_run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "source_row" (
    "source_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "external_id" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "raw" JSONB NOT NULL,
    "state" "source_row_state" NOT NULL,
    "place" TEXT NOT NULL,
    "code" TEXT,
    "field" TEXT,
    "found" TEXT,
    "advice" TEXT,
    "facts" JSONB,
    "received_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "source_row_pkey" PRIMARY KEY ("source_id","kind","external_id")
);

-- CreateTable
CREATE TABLE "person" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "family_name" TEXT NOT NULL,
    "given_name" TEXT NOT NULL,
    "birth_date" DATE,
    "death_date" DATE,
    "gender" "gender" NOT NULL,
    "postcode" TEXT,
    "restricted" BOOLEAN NOT NULL DEFAULT false,
    "sort_name" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "person_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "person_identifier" (
    "system" "identifier_system" NOT NULL,
    "issuer" TEXT NOT NULL DEFAULT '',
    "value" TEXT NOT NULL,
    "person_id" UUID NOT NULL,
    "status" "identifier_status" NOT NULL DEFAULT 'CURRENT',
    "merged_from_id" UUID,

    CONSTRAINT "person_identifier_pkey" PRIMARY KEY ("system","issuer","value")
);

-- CreateTable
CREATE TABLE "person_link" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "source_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "method" "match_method" NOT NULL,
    "merged_from_id" UUID,
    "nhs_number" TEXT,
    "family_name" TEXT NOT NULL,
    "given_name" TEXT NOT NULL,
    "birth_date" DATE,
    "death_date" DATE,
    "gender" "gender" NOT NULL,
    "postcode" TEXT,
    "restricted" BOOLEAN NOT NULL,
    "received_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "person_link_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "difference" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "field" "difference_field" NOT NULL,
    "nhs" TEXT NOT NULL,
    "council" TEXT NOT NULL,
    "since" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "difference_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "role_on_record" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "role" "role_kind" NOT NULL,
    "organisation_id" UUID,
    "individual_name" TEXT,
    "individual_nhs_number" TEXT,
    "relationship" TEXT,
    "valid_from" DATE,
    "valid_to" DATE,
    "sort_name" TEXT NOT NULL,

    CONSTRAINT "role_on_record_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "plan" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "status" "plan_status" NOT NULL,
    "what_matters" TEXT,
    "coordinator_name" TEXT,
    "valid_from" DATE,
    "valid_to" DATE,
    "received_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plan_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "need" (
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "text" TEXT NOT NULL,

    CONSTRAINT "need_pkey" PRIMARY KEY ("plan_id","person_id","position")
);

-- CreateTable
CREATE TABLE "outcome" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "plan_id" UUID,
    "text" TEXT NOT NULL,
    "status" "outcome_status" NOT NULL,
    "target_on" DATE,

    CONSTRAINT "outcome_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "budget" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "kind" "budget_kind" NOT NULL,
    "status" "budget_status" NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "agreed_pence" BIGINT NOT NULL,
    "reported_balance_pence" BIGINT,
    "reported_balance_on" DATE,

    CONSTRAINT "budget_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "funding_line" (
    "budget_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "source" "funding_source" NOT NULL,
    "organisation_id" UUID,
    "amount_pence" BIGINT NOT NULL,

    CONSTRAINT "funding_line_pkey" PRIMARY KEY ("budget_id","person_id","source")
);

-- CreateTable
CREATE TABLE "portion" (
    "budget_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "management" "management" NOT NULL,
    "recurring" BOOLEAN NOT NULL,
    "amount_pence" BIGINT NOT NULL,
    "account_operator_id" UUID,

    CONSTRAINT "portion_pkey" PRIMARY KEY ("budget_id","person_id","position")
);

-- CreateTable
CREATE TABLE "ledger_account" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "source" "funding_source" NOT NULL,
    "kind" "ledger_account_kind" NOT NULL,
    "organisation_id" UUID,
    "in_pence" BIGINT NOT NULL DEFAULT 0,
    "out_pence" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "ledger_account_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "ledger_transfer" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "from_account_id" UUID NOT NULL,
    "to_account_id" UUID NOT NULL,
    "kind" "transfer_kind" NOT NULL,
    "source" "funding_source" NOT NULL,
    "pence" BIGINT NOT NULL,
    "effective_on" DATE NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "description" TEXT,
    "reverses_id" UUID,
    "external_id" TEXT NOT NULL,

    CONSTRAINT "ledger_transfer_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "package" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "service_type" TEXT NOT NULL,
    "component" TEXT,
    "delivery_mechanism" TEXT,
    "provider_name" TEXT,
    "provider_cqc_location_id" TEXT,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,

    CONSTRAINT "package_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "service_line" (
    "package_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "unit_cost_pence" BIGINT,
    "cost_frequency" TEXT,
    "planned_units_per_week" DECIMAL(18,2),

    CONSTRAINT "service_line_pkey" PRIMARY KEY ("package_id","person_id","position")
);

-- CreateTable
CREATE TABLE "review" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "kind" "review_kind" NOT NULL,
    "started_on" DATE NOT NULL,
    "held_on" DATE NOT NULL,
    "reason" TEXT,
    "method" TEXT,
    "outcome" TEXT,
    "outcomes_achieved" TEXT,

    CONSTRAINT "review_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "contact" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "kind" "contact_kind" NOT NULL,
    "type" TEXT,
    "started_on" DATE NOT NULL,
    "ended_on" DATE NOT NULL,
    "outcome" TEXT,

    CONSTRAINT "contact_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "command_receipt" (
    "client_id" TEXT NOT NULL,
    "idempotency_key" UUID NOT NULL,
    "command" TEXT NOT NULL,
    "input_hash" BYTEA NOT NULL,
    "result" JSONB NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "command_receipt_pkey" PRIMARY KEY ("client_id","idempotency_key")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "topic" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "relayed_at" TIMESTAMPTZ(6),

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_event" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(6) NOT NULL,
    "request_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "organisation" TEXT,
    "action" TEXT NOT NULL,
    "object" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "reason" TEXT,
    "person_ids" UUID[],
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_event_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "organisation_ods_code_key" ON "organisation"("ods_code");

-- CreateIndex
CREATE UNIQUE INDEX "source_system_code_key" ON "source_system"("code");

-- CreateIndex
CREATE INDEX "sync_run_source_id_started_at_idx" ON "sync_run"("source_id", "started_at" DESC);

-- CreateIndex
CREATE INDEX "sync_run_started_at_idx" ON "sync_run"("started_at" DESC);

-- CreateIndex
CREATE INDEX "person_identifier_person_id_idx" ON "person_identifier"("person_id");

-- CreateIndex
CREATE INDEX "person_link_person_id_idx" ON "person_link"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "person_link_source_id_external_id_key" ON "person_link"("source_id", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "difference_person_id_field_key" ON "difference"("person_id", "field");

-- CreateIndex
CREATE INDEX "role_on_record_organisation_id_sort_name_person_id_idx" ON "role_on_record"("organisation_id", "sort_name", "person_id");

-- CreateIndex
CREATE INDEX "role_on_record_individual_nhs_number_idx" ON "role_on_record"("individual_nhs_number");

-- CreateIndex
CREATE INDEX "role_on_record_person_id_organisation_id_idx" ON "role_on_record"("person_id", "organisation_id");

-- CreateIndex
CREATE UNIQUE INDEX "role_on_record_link_id_role_external_id_key" ON "role_on_record"("link_id", "role", "external_id");

-- CreateIndex
CREATE INDEX "plan_person_id_idx" ON "plan"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "plan_link_id_external_id_key" ON "plan"("link_id", "external_id");

-- CreateIndex
CREATE INDEX "outcome_plan_id_idx" ON "outcome"("plan_id");

-- CreateIndex
CREATE UNIQUE INDEX "outcome_link_id_external_id_key" ON "outcome"("link_id", "external_id");

-- CreateIndex
CREATE INDEX "budget_person_id_idx" ON "budget"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "budget_link_id_external_id_key" ON "budget"("link_id", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "ledger_account_budget_id_source_kind_key" ON "ledger_account"("budget_id", "source", "kind");

-- CreateIndex
CREATE UNIQUE INDEX "ledger_transfer_reversed_once" ON "ledger_transfer"("reverses_id");

-- CreateIndex
CREATE INDEX "ledger_transfer_external_id_budget_id_idx" ON "ledger_transfer"("external_id", "budget_id");

-- CreateIndex
CREATE INDEX "package_person_id_idx" ON "package"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "package_link_id_external_id_key" ON "package"("link_id", "external_id");

-- CreateIndex
CREATE INDEX "review_person_id_idx" ON "review"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "review_link_id_external_id_key" ON "review"("link_id", "external_id");

-- CreateIndex
CREATE INDEX "contact_person_id_idx" ON "contact"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "contact_link_id_external_id_key" ON "contact"("link_id", "external_id");

-- AddForeignKey
ALTER TABLE "organisation_succession" ADD CONSTRAINT "organisation_succession_from_id_fkey" FOREIGN KEY ("from_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organisation_succession" ADD CONSTRAINT "organisation_succession_to_id_fkey" FOREIGN KEY ("to_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "source_system" ADD CONSTRAINT "source_system_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sync_cursor" ADD CONSTRAINT "sync_cursor_source_id_fkey" FOREIGN KEY ("source_id") REFERENCES "source_system"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sync_run" ADD CONSTRAINT "sync_run_source_id_fkey" FOREIGN KEY ("source_id") REFERENCES "source_system"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "source_row" ADD CONSTRAINT "source_row_source_id_fkey" FOREIGN KEY ("source_id") REFERENCES "source_system"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "person_identifier" ADD CONSTRAINT "person_identifier_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "person_link" ADD CONSTRAINT "person_link_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "person_link" ADD CONSTRAINT "person_link_source_id_fkey" FOREIGN KEY ("source_id") REFERENCES "source_system"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "difference" ADD CONSTRAINT "difference_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_on_record" ADD CONSTRAINT "role_on_record_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_on_record" ADD CONSTRAINT "role_on_record_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_on_record" ADD CONSTRAINT "role_on_record_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "need" ADD CONSTRAINT "need_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "outcome" ADD CONSTRAINT "outcome_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "outcome" ADD CONSTRAINT "outcome_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget" ADD CONSTRAINT "budget_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget" ADD CONSTRAINT "budget_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "funding_line" ADD CONSTRAINT "funding_line_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "funding_line" ADD CONSTRAINT "funding_line_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "portion" ADD CONSTRAINT "portion_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "portion" ADD CONSTRAINT "portion_account_operator_id_fkey" FOREIGN KEY ("account_operator_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_account" ADD CONSTRAINT "ledger_account_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_account" ADD CONSTRAINT "ledger_account_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_transfer" ADD CONSTRAINT "ledger_transfer_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_transfer" ADD CONSTRAINT "ledger_transfer_from_account_id_person_id_fkey" FOREIGN KEY ("from_account_id", "person_id") REFERENCES "ledger_account"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_transfer" ADD CONSTRAINT "ledger_transfer_to_account_id_person_id_fkey" FOREIGN KEY ("to_account_id", "person_id") REFERENCES "ledger_account"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "package" ADD CONSTRAINT "package_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "package" ADD CONSTRAINT "package_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "service_line" ADD CONSTRAINT "service_line_package_id_person_id_fkey" FOREIGN KEY ("package_id", "person_id") REFERENCES "package"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "review" ADD CONSTRAINT "review_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "review" ADD CONSTRAINT "review_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "contact" ADD CONSTRAINT "contact_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "contact" ADD CONSTRAINT "contact_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- A merge moves a source's link to another person, and everything that hangs on it follows. Some rows hang on two
-- parents, so for that one command the checks wait until the end of the transaction.
alter table role_on_record alter constraint role_on_record_link_id_person_id_fkey deferrable initially immediate;
alter table outcome alter constraint outcome_link_id_person_id_fkey deferrable initially immediate;
alter table outcome alter constraint outcome_plan_id_person_id_fkey deferrable initially immediate;
alter table ledger_account alter constraint ledger_account_budget_id_person_id_fkey deferrable initially immediate;
alter table ledger_transfer alter constraint ledger_transfer_budget_id_person_id_fkey deferrable initially immediate;
alter table ledger_transfer alter constraint ledger_transfer_from_account_id_person_id_fkey deferrable initially immediate;
alter table ledger_transfer alter constraint ledger_transfer_to_account_id_person_id_fkey deferrable initially immediate;

-- A part on a record is played by an organisation or by an individual, never by both or by nobody.
alter table role_on_record add constraint role_on_record_one_party
  check ((organisation_id is null) <> (individual_name is null));

alter table ledger_transfer add constraint ledger_transfer_pence_positive check (pence > 0);
alter table ledger_transfer add constraint ledger_transfer_two_accounts check (from_account_id <> to_account_id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% on % refused: it is append-only', tg_op, tg_table_name using errcode = 'restrict_violation';
end
$$;

-- The ledger: no deletion, and no change but that of the person, when records are merged or a merge is undone.
create trigger ledger_transfer_unchanged before update on ledger_transfer for each row
  when ((new.id, new.budget_id, new.from_account_id, new.to_account_id, new.kind, new.source, new.pence,
         new.effective_on, new.recorded_at, new.description, new.reverses_id, new.external_id)
        is distinct from
        (old.id, old.budget_id, old.from_account_id, old.to_account_id, old.kind, old.source, old.pence,
         old.effective_on, old.recorded_at, old.description, old.reverses_id, old.external_id))
  execute function refuse_change();
create trigger ledger_transfer_kept before delete on ledger_transfer for each row execute function refuse_change();
create trigger ledger_transfer_not_truncated before truncate on ledger_transfer execute function refuse_change();

-- Balances are the sums of the transfers, kept by whoever writes a transfer, in the same transaction.
create function ledger_transfer_posted() returns trigger language plpgsql as $$
begin
  update ledger_account a
     set in_pence = a.in_pence + moved.in_pence, out_pence = a.out_pence + moved.out_pence
    from (select account_id, person_id, sum(in_pence)::bigint as in_pence, sum(out_pence)::bigint as out_pence
            from (select to_account_id as account_id, person_id, pence as in_pence, 0 as out_pence from posted
                  union all
                  select from_account_id, person_id, 0, pence from posted) leg
           group by account_id, person_id) moved
   where a.id = moved.account_id and a.person_id = moved.person_id;
  return null;
end
$$;
create trigger ledger_transfer_posted after insert on ledger_transfer
  referencing new table as posted for each statement execute function ledger_transfer_posted();

-- The account of who read and changed what is append-only too.
create trigger audit_event_unchanged before update or delete on audit_event
  for each row execute function refuse_change();
create trigger audit_event_not_truncated before truncate on audit_event execute function refuse_change();

-- A caseload is ordered by name without a look at the person: the copy follows the original.
create function person_renamed() returns trigger language plpgsql as $$
begin
  update role_on_record set sort_name = new.sort_name where person_id = new.id;
  return null;
end
$$;
create trigger person_renamed after update of sort_name on person for each row
  when (old.sort_name is distinct from new.sort_name) execute function person_renamed();

-- It covers what a page of transfers shows: they arrive in the order of time, so those of one budget lie far apart in
-- the table.
create index ledger_transfer_page on ledger_transfer (budget_id, effective_on desc, id desc)
  include (person_id, kind, source, pence, recorded_at, reverses_id);

-- What waits to be relayed, and what waits to be mended, is little beside all there was.
create index outbox_to_relay on outbox (id) where relayed_at is null;
create index source_row_waiting on source_row (source_id, received_at) where state = 'WAITING';
create unique index sync_run_one_running on sync_run (source_id) where status = 'RUNNING';
