-- CreateEnum
CREATE TYPE "evidence_kind" AS ENUM ('BANK_STATEMENT', 'INVOICE', 'RECEIPT', 'PAYSLIP', 'TIMESHEET', 'HMRC', 'INSURANCE', 'CONTRACT', 'OTHER');

-- CreateEnum
CREATE TYPE "scan_state" AS ENUM ('NOT_SCANNED', 'CLEAN', 'INFECTED');

-- CreateEnum
CREATE TYPE "spend_state" AS ENUM ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED', 'REFUSED', 'UNDONE');

-- CreateEnum
CREATE TYPE "statement_format" AS ENUM ('CSV', 'CAMT_053');

-- CreateEnum
CREATE TYPE "bank_line_state" AS ENUM ('MATCHED', 'UNMATCHED', 'SET_ASIDE');

-- CreateEnum
CREATE TYPE "schedule_status" AS ENUM ('ACTIVE', 'SUSPENDED', 'ENDED');

-- CreateEnum
CREATE TYPE "pay_when" AS ENUM ('IN_ADVANCE', 'IN_ARREARS');

-- CreateEnum
CREATE TYPE "instruction_status" AS ENUM ('DRAFT', 'APPROVED', 'SENT', 'PAID', 'HELD', 'FAILED', 'REVERSED');

-- CreateEnum
CREATE TYPE "instruction_effect" AS ENUM ('PAY', 'ADD', 'SUBTRACT');

-- CreateEnum
CREATE TYPE "reclaim_ground" AS ENUM ('PLAN_CHANGED_SUBSTANTIALLY', 'CIRCUMSTANCES_CHANGED', 'SUBSTANTIAL_UNUSED_ACCUMULATION', 'USED_OTHERWISE_THAN_PLAN', 'THEFT_FRAUD_OFFENCE', 'PATIENT_DIED');

-- CreateEnum
CREATE TYPE "reclaim_status" AS ENUM ('NOTICED', 'RECONSIDERING', 'CONFIRMED', 'WITHDRAWN', 'REPAID');

-- CreateEnum
CREATE TYPE "return_status" AS ENUM ('DUE', 'SENT', 'QUERIED', 'ACCEPTED');

-- AlterEnum
ALTER TYPE "ledger_account_kind" ADD VALUE 'ALLOTMENT';
ALTER TYPE "ledger_account_kind" ADD VALUE 'ALLOCATED';

-- AlterEnum
ALTER TYPE "transfer_kind" ADD VALUE 'ALLOCATED';
ALTER TYPE "transfer_kind" ADD VALUE 'RELEASED';
ALTER TYPE "transfer_kind" ADD VALUE 'REFUNDED';
ALTER TYPE "transfer_kind" ADD VALUE 'MOVED';
ALTER TYPE "transfer_kind" ADD VALUE 'RECLAIMED';

-- DropForeignKey
ALTER TABLE "ledger_transfer" DROP CONSTRAINT "ledger_transfer_from_account_id_person_id_fkey";

-- DropForeignKey
ALTER TABLE "ledger_transfer" DROP CONSTRAINT "ledger_transfer_to_account_id_person_id_fkey";

-- DropIndex
DROP INDEX "ledger_account_budget_id_source_kind_key";

-- AlterTable
ALTER TABLE "ledger_account" ADD COLUMN     "category" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "portion_id" UUID;

-- CreateTable
CREATE TABLE "evidence" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "kind" "evidence_kind" NOT NULL,
    "hash" BYTEA NOT NULL,
    "media_type" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "file_name" TEXT NOT NULL,
    "dated" DATE,
    "scan" "scan_state" NOT NULL DEFAULT 'NOT_SCANNED',
    "uploaded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "evidence_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "evidence_upload" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "kind" "evidence_kind" NOT NULL,
    "file_name" TEXT NOT NULL,
    "dated" DATE,
    "subject" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,
    "used_at" TIMESTAMPTZ(6),
    "evidence_id" UUID,

    CONSTRAINT "evidence_upload_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "spend" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "portion_id" UUID,
    "line_key" TEXT,
    "category" TEXT NOT NULL DEFAULT '',
    "pence" BIGINT NOT NULL,
    "spent_on" DATE NOT NULL,
    "payee" TEXT NOT NULL,
    "what" TEXT NOT NULL,
    "state" "spend_state" NOT NULL,
    "findings" TEXT[],
    "words" TEXT,
    "client_id" TEXT NOT NULL,
    "external_ref" TEXT,
    "recorded_by" TEXT NOT NULL,
    "bank_line_id" UUID,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "spend_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "spend_evidence" (
    "spend_id" UUID NOT NULL,
    "evidence_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,

    CONSTRAINT "spend_evidence_pkey" PRIMARY KEY ("spend_id","evidence_id","person_id")
);

-- CreateTable
CREATE TABLE "bank_statement" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "portion_id" UUID,
    "format" "statement_format" NOT NULL,
    "hash" BYTEA NOT NULL,
    "file_name" TEXT NOT NULL,
    "opening_pence" BIGINT,
    "closing_pence" BIGINT,
    "imported_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bank_statement_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "bank_line" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "statement_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "line_ref" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "booked_on" DATE NOT NULL,
    "pence" BIGINT NOT NULL,
    "party" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "state" "bank_line_state" NOT NULL,
    "transfer_id" UUID,
    "spend_id" UUID,
    "note" TEXT,

    CONSTRAINT "bank_line_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "payment_schedule" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "portion_id" UUID,
    "source" "funding_source" NOT NULL,
    "organisation_id" UUID NOT NULL,
    "frequency" "payment_frequency" NOT NULL,
    "pay_when" "pay_when" NOT NULL,
    "in_advance_days" INTEGER NOT NULL DEFAULT 0,
    "gross_or_net" "gross_or_net" NOT NULL,
    "status" "schedule_status" NOT NULL DEFAULT 'ACTIVE',
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "suspended_from" DATE,
    "raised_to" DATE,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payment_schedule_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "schedule_rate" (
    "schedule_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "valid_from" DATE NOT NULL,
    "weekly_pence" BIGINT NOT NULL,
    "contribution_pence" BIGINT NOT NULL DEFAULT 0,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "schedule_rate_pkey" PRIMARY KEY ("schedule_id","person_id","valid_from")
);

-- CreateTable
CREATE TABLE "payment_instruction" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "schedule_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "period_from" DATE NOT NULL,
    "period_to" DATE NOT NULL,
    "effect" "instruction_effect" NOT NULL,
    "pricing" INTEGER NOT NULL DEFAULT 1,
    "pence" BIGINT NOT NULL,
    "contribution_pence" BIGINT NOT NULL DEFAULT 0,
    "due_on" DATE NOT NULL,
    "status" "instruction_status" NOT NULL DEFAULT 'DRAFT',
    "held_for" TEXT,
    "created_by" TEXT NOT NULL,
    "approved_by" TEXT,
    "approved_at" TIMESTAMPTZ(6),
    "run_id" UUID,
    "transfer_id" UUID,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payment_instruction_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "payment_run" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "organisation_id" UUID NOT NULL,
    "due_on" DATE NOT NULL,
    "count" INTEGER NOT NULL,
    "pence" BIGINT NOT NULL,
    "created_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payment_run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payee_account" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "portion_id" UUID,
    "account_name" TEXT NOT NULL,
    "sort_code" TEXT NOT NULL,
    "account_number" TEXT NOT NULL,
    "usable_from" DATE NOT NULL,
    "created_by" TEXT NOT NULL,
    "approved_by" TEXT,
    "ended_at" TIMESTAMPTZ(6),
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payee_account_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "reclaim" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "source" "funding_source" NOT NULL,
    "organisation_id" UUID NOT NULL,
    "ground" "reclaim_ground" NOT NULL,
    "reasons" TEXT NOT NULL,
    "pence" BIGINT NOT NULL,
    "notice_on" DATE NOT NULL,
    "pay_by" DATE NOT NULL,
    "payer" TEXT NOT NULL,
    "status" "reclaim_status" NOT NULL DEFAULT 'NOTICED',
    "reconsideration_words" TEXT,
    "reconsideration_reasons" TEXT,
    "transfer_id" UUID,
    "created_by" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reclaim_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "financial_return" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "period_from" DATE NOT NULL,
    "period_to" DATE NOT NULL,
    "due_on" DATE NOT NULL,
    "status" "return_status" NOT NULL DEFAULT 'DUE',
    "sent_by" TEXT,
    "sent_at" TIMESTAMPTZ(6),
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "financial_return_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "return_receiver" (
    "return_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "accepted_by" TEXT,
    "accepted_at" TIMESTAMPTZ(6),

    CONSTRAINT "return_receiver_pkey" PRIMARY KEY ("return_id","person_id","organisation_id")
);

-- CreateTable
CREATE TABLE "return_query" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "return_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "transfer_id" UUID,
    "text" TEXT NOT NULL,
    "asked_by" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ(6) NOT NULL,
    "answer" TEXT,
    "answered_by" TEXT,
    "answered_at" TIMESTAMPTZ(6),

    CONSTRAINT "return_query_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "evidence_person_id_hash_key" ON "evidence"("person_id", "hash");

-- CreateIndex
CREATE INDEX "spend_budget_id_spent_on_idx" ON "spend"("budget_id", "spent_on");

-- CreateIndex
CREATE UNIQUE INDEX "spend_client_id_external_ref_key" ON "spend"("client_id", "external_ref");

-- CreateIndex
CREATE UNIQUE INDEX "bank_statement_budget_id_hash_key" ON "bank_statement"("budget_id", "hash");

-- CreateIndex
CREATE INDEX "bank_line_statement_id_idx" ON "bank_line"("statement_id");

-- CreateIndex
CREATE INDEX "payment_schedule_status_raised_to_idx" ON "payment_schedule"("status", "raised_to");

-- CreateIndex
CREATE INDEX "payment_instruction_organisation_id_status_due_on_idx" ON "payment_instruction"("organisation_id", "status", "due_on");

-- CreateIndex
CREATE INDEX "payment_instruction_run_id_idx" ON "payment_instruction"("run_id");

-- CreateIndex
CREATE UNIQUE INDEX "payment_instruction_schedule_id_period_from_pricing_key" ON "payment_instruction"("schedule_id", "period_from", "pricing");

-- CreateIndex
CREATE INDEX "payment_run_organisation_id_due_on_idx" ON "payment_run"("organisation_id", "due_on");

-- CreateIndex
CREATE INDEX "payee_account_budget_id_idx" ON "payee_account"("budget_id");

-- CreateIndex
CREATE INDEX "reclaim_budget_id_idx" ON "reclaim"("budget_id");

-- CreateIndex
CREATE UNIQUE INDEX "financial_return_person_id_period_from_period_to_key" ON "financial_return"("person_id", "period_from", "period_to");

-- CreateIndex
CREATE INDEX "return_query_return_id_idx" ON "return_query"("return_id");

-- CreateIndex
CREATE UNIQUE INDEX "ledger_account_budget_id_source_kind_portion_id_category_key" ON "ledger_account"("budget_id", "source", "kind", "portion_id", "category");

-- CreateIndex
CREATE UNIQUE INDEX "ledger_account_id_person_id_budget_id_source_key" ON "ledger_account"("id", "person_id", "budget_id", "source");

-- AddForeignKey
ALTER TABLE "ledger_transfer" ADD CONSTRAINT "ledger_transfer_from_account_id_person_id_budget_id_source_fkey" FOREIGN KEY ("from_account_id", "person_id", "budget_id", "source") REFERENCES "ledger_account"("id", "person_id", "budget_id", "source") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ledger_transfer" ADD CONSTRAINT "ledger_transfer_to_account_id_person_id_budget_id_source_fkey" FOREIGN KEY ("to_account_id", "person_id", "budget_id", "source") REFERENCES "ledger_account"("id", "person_id", "budget_id", "source") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "evidence" ADD CONSTRAINT "evidence_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spend" ADD CONSTRAINT "spend_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spend" ADD CONSTRAINT "spend_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spend_evidence" ADD CONSTRAINT "spend_evidence_spend_id_person_id_fkey" FOREIGN KEY ("spend_id", "person_id") REFERENCES "spend"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spend_evidence" ADD CONSTRAINT "spend_evidence_evidence_id_person_id_fkey" FOREIGN KEY ("evidence_id", "person_id") REFERENCES "evidence"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bank_statement" ADD CONSTRAINT "bank_statement_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bank_line" ADD CONSTRAINT "bank_line_statement_id_person_id_fkey" FOREIGN KEY ("statement_id", "person_id") REFERENCES "bank_statement"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_schedule" ADD CONSTRAINT "payment_schedule_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_schedule" ADD CONSTRAINT "payment_schedule_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "schedule_rate" ADD CONSTRAINT "schedule_rate_schedule_id_person_id_fkey" FOREIGN KEY ("schedule_id", "person_id") REFERENCES "payment_schedule"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_instruction" ADD CONSTRAINT "payment_instruction_schedule_id_person_id_fkey" FOREIGN KEY ("schedule_id", "person_id") REFERENCES "payment_schedule"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_instruction" ADD CONSTRAINT "payment_instruction_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "payment_run"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_run" ADD CONSTRAINT "payment_run_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payee_account" ADD CONSTRAINT "payee_account_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reclaim" ADD CONSTRAINT "reclaim_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reclaim" ADD CONSTRAINT "reclaim_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "financial_return" ADD CONSTRAINT "financial_return_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "return_receiver" ADD CONSTRAINT "return_receiver_return_id_person_id_fkey" FOREIGN KEY ("return_id", "person_id") REFERENCES "financial_return"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "return_receiver" ADD CONSTRAINT "return_receiver_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "return_query" ADD CONSTRAINT "return_query_return_id_person_id_fkey" FOREIGN KEY ("return_id", "person_id") REFERENCES "financial_return"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "return_query" ADD CONSTRAINT "return_query_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AlterTable: when it was written, not when its transaction began, or it would seem known before anybody could know it.
ALTER TABLE "ledger_transfer" ALTER COLUMN "recorded_at" SET DEFAULT clock_timestamp();

-- CreateIndex
CREATE INDEX "bank_statement_person_id_idx" ON "bank_statement"("person_id");

-- CreateIndex
CREATE INDEX "payment_schedule_budget_id_idx" ON "payment_schedule"("budget_id");

-- CreateIndex
CREATE INDEX "spend_evidence_evidence_id_idx" ON "spend_evidence"("evidence_id");

-- AddForeignKey
ALTER TABLE "bank_statement" ADD CONSTRAINT "bank_statement_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- An account without a portion is one account too.
drop index ledger_account_budget_id_source_kind_portion_id_category_key;
create unique index ledger_account_budget_id_source_kind_portion_id_category_key
  on ledger_account (budget_id, source, kind, portion_id, category) nulls not distinct;

alter table ledger_transfer alter constraint ledger_transfer_from_account_id_person_id_budget_id_source_fkey deferrable initially immediate;
alter table ledger_transfer alter constraint ledger_transfer_to_account_id_person_id_budget_id_source_fkey deferrable initially immediate;

-- Balances are the sums of the transfers: nobody writes one by hand, and no account with money behind it goes.
create function refuse_balance() returns trigger language plpgsql as $$
begin
  raise exception 'the balances of ledger_account are kept by its transfers' using errcode = 'restrict_violation';
end
$$;
create trigger ledger_account_balance_kept before update on ledger_account for each row
  when ((new.in_pence, new.out_pence) is distinct from (old.in_pence, old.out_pence) and pg_trigger_depth() < 1)
  execute function refuse_balance();
create trigger ledger_account_place_kept before update on ledger_account for each row
  when ((new.id, new.budget_id, new.source, new.kind, new.portion_id, new.category)
        is distinct from (old.id, old.budget_id, old.source, old.kind, old.portion_id, old.category))
  execute function refuse_change();
create trigger ledger_account_begins_empty before insert on ledger_account for each row
  when (new.in_pence <> 0 or new.out_pence <> 0) execute function refuse_balance();

-- A reversal undoes just what it names: the same money, the other way.
create function reversal_is_exact() returns trigger language plpgsql as $$
begin
  if not exists (
    select from ledger_transfer t
     where t.id = new.reverses_id and t.person_id = new.person_id and t.from_account_id = new.to_account_id
       and t.to_account_id = new.from_account_id and t.pence = new.pence and t.reverses_id is null
  ) then
    raise exception 'a reversal names a transfer that it undoes exactly' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger ledger_transfer_reversal before insert on ledger_transfer for each row
  when (new.reverses_id is not null) execute function reversal_is_exact();

alter table spend add constraint spend_positive check (pence > 0);
alter table payment_instruction add constraint payment_instruction_days check (period_to >= period_from),
                                add constraint payment_instruction_pence check (pence >= 0 and contribution_pence >= 0),
                                add constraint payment_instruction_two_people check (approved_by is null or approved_by <> created_by);
alter table payment_schedule add constraint payment_schedule_days check (valid_to is null or valid_to > valid_from);
alter table schedule_rate add constraint schedule_rate_pence check (weekly_pence >= 0 and contribution_pence >= 0);
alter table reclaim add constraint reclaim_pence check (pence > 0);
alter table financial_return add constraint financial_return_days check (period_to >= period_from);
create unique index payee_account_in_force on payee_account (budget_id, portion_id) nulls not distinct where ended_at is null and approved_by is not null;

-- What waits for somebody's look is little beside all there was.
create index spend_to_look_at on spend (person_id) where state = 'NEEDS_LOOK';
create index bank_line_unmatched on bank_line (person_id) where state = 'UNMATCHED';
create index financial_return_to_look_at on financial_return (due_on, id) where status in ('SENT', 'QUERIED');
create index outbox_budget_alert on outbox (id) where topic = 'budget.alert';
