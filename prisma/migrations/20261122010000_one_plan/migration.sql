-- CreateEnum
CREATE TYPE "activity" AS ENUM ('COMMISSION', 'MAKE_DIRECT_PAYMENTS', 'HOLD_MANAGED_ACCOUNT', 'HOLD_THIRD_PARTY_BUDGET', 'HOLD_INDIVIDUAL_SERVICE_FUND');

-- CreateEnum
CREATE TYPE "payment_frequency" AS ENUM ('ONE_OFF', 'WEEKLY', 'FOUR_WEEKLY', 'MONTHLY', 'QUARTERLY');

-- CreateEnum
CREATE TYPE "return_frequency" AS ENUM ('MONTHLY', 'QUARTERLY', 'HALF_YEARLY', 'YEARLY');

-- CreateEnum
CREATE TYPE "gross_or_net" AS ENUM ('GROSS', 'NET');

-- CreateEnum
CREATE TYPE "eligibility_scheme" AS ENUM ('CHC_STANDARD', 'CHC_FAST_TRACK', 'FNC', 'JOINT_PACKAGE', 'S117', 'WHEELCHAIR', 'CYP_CONTINUING_CARE', 'EHC', 'LD_MH', 'CARE_ACT', 'CARER_S10', 'OTHER');

-- CreateEnum
CREATE TYPE "eligibility_status" AS ENUM ('ASSESSING', 'ELIGIBLE', 'NOT_ELIGIBLE');

-- CreateEnum
CREATE TYPE "plan_section" AS ENUM ('STRENGTH', 'ACTION', 'CONTINGENCY', 'RISK', 'TRAINING', 'ASSET', 'DOCUMENT', 'LEGAL');

-- CreateEnum
CREATE TYPE "plan_line_kind" AS ENUM ('SERVICE', 'ACTIVITY', 'ITEM');

-- CreateEnum
CREATE TYPE "cost_frequency" AS ENUM ('PER_SESSION', 'HOURLY', 'DAILY', 'WEEKLY', 'FORTNIGHTLY', 'FOUR_WEEKLY', 'MONTHLY', 'QUARTERLY', 'ANNUALLY', 'ONE_OFF');

-- CreateEnum
CREATE TYPE "sign_party" AS ENUM ('PERSON', 'NHS', 'COUNCIL');

-- CreateEnum
CREATE TYPE "sign_off_test" AS ENUM ('NEEDS_MET', 'AMOUNT_COVERS_FULL_COST', 'REVIEWABLE', 'RISKS_MANAGED', 'SAFEGUARDING_AND_CAPACITY');

-- CreateEnum
CREATE TYPE "split_basis" AS ENUM ('PERCENT', 'FIXED_AMOUNT', 'PER_SERVICE_LINE');

-- CreateEnum
CREATE TYPE "split_status" AS ENUM ('AGREED', 'INTERIM_WITHOUT_PREJUDICE', 'DISPUTED');

-- CreateEnum
CREATE TYPE "payment_channel" AS ENUM ('BANK', 'PREPAID_CARD', 'WALLET');

-- CreateEnum
CREATE TYPE "duty_holder" AS ENUM ('PERSON', 'REPRESENTATIVE', 'OPERATOR', 'COMMISSIONER');

-- CreateEnum
CREATE TYPE "review_duty" AS ENUM ('NHS_CARE_PLAN', 'NHS_DIRECT_PAYMENT', 'NHS_AUDIT', 'COUNCIL_CARE_PLAN', 'COUNCIL_DIRECT_PAYMENT', 'COUNCIL_AUDIT', 'CHC_ELIGIBILITY');

-- CreateEnum
CREATE TYPE "decision_kind" AS ENUM ('REFUSED', 'LEFT_OUT', 'REDUCED', 'STOPPED', 'RECLAIMED');

-- CreateEnum
CREATE TYPE "reconsideration_outcome" AS ENUM ('UPHELD', 'CHANGED', 'WITHDRAWN');

-- AlterEnum
ALTER TYPE "budget_kind" ADD VALUE 'INTEGRATED';

-- AlterEnum
ALTER TYPE "budget_status" ADD VALUE 'PROPOSED';
ALTER TYPE "budget_status" ADD VALUE 'SIGNED_OFF';

-- AlterEnum: a source's plan that was in force counts as agreed there.
CREATE TYPE "plan_status_new" AS ENUM ('DRAFT', 'PROPOSED', 'AGREED', 'SUPERSEDED', 'ENDED');
ALTER TABLE "plan" ALTER COLUMN "status" TYPE "plan_status_new"
  USING (CASE "status"::text WHEN 'ACTIVE' THEN 'AGREED' ELSE "status"::text END::"plan_status_new");
DROP TYPE "plan_status";
ALTER TYPE "plan_status_new" RENAME TO "plan_status";

-- AlterEnum
ALTER TYPE "review_kind" ADD VALUE 'DIRECT_PAYMENT';
ALTER TYPE "review_kind" ADD VALUE 'CHC_ELIGIBILITY';
ALTER TYPE "review_kind" ADD VALUE 'AUDIT';
ALTER TYPE "review_kind" ADD VALUE 'JOINT';

-- AlterTable
ALTER TABLE "budget" ADD COLUMN     "indicative_pence" BIGINT,
ADD COLUMN     "part_of_id" UUID,
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1,
ALTER COLUMN "link_id" DROP NOT NULL,
ALTER COLUMN "external_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "funding_line" DROP CONSTRAINT "funding_line_pkey",
ADD COLUMN     "basis_points" INTEGER,
ADD COLUMN     "id" UUID NOT NULL DEFAULT new_id(),
ADD COLUMN     "line_key" TEXT,
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "split_id" UUID,
ADD COLUMN     "stream" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "valid_from" DATE,
ADD COLUMN     "valid_to" DATE,
ADD CONSTRAINT "funding_line_pkey" PRIMARY KEY ("id", "person_id");

-- AlterTable
ALTER TABLE "need" ADD COLUMN     "key" TEXT,
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "scheme" "eligibility_scheme";

-- AlterTable
ALTER TABLE "outcome" ADD COLUMN     "key" TEXT,
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ALTER COLUMN "link_id" DROP NOT NULL,
ALTER COLUMN "external_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "plan" ADD COLUMN     "about_me" TEXT,
ADD COLUMN     "agreed_at" TIMESTAMPTZ(6),
ADD COLUMN     "coordinator_organisation_id" UUID,
ADD COLUMN     "number" INTEGER,
ADD COLUMN     "proposed_at" TIMESTAMPTZ(6),
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "review_on" DATE,
ADD COLUMN     "supersedes_id" UUID,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1,
ALTER COLUMN "link_id" DROP NOT NULL,
ALTER COLUMN "external_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "portion" DROP CONSTRAINT "portion_pkey",
ADD COLUMN     "account_operator" "duty_holder",
ADD COLUMN     "channel" "payment_channel",
ADD COLUMN     "funds_holder" "duty_holder",
ADD COLUMN     "id" UUID NOT NULL DEFAULT new_id(),
ADD COLUMN     "legal_employer" "duty_holder",
ADD COLUMN     "purchase_decider" "duty_holder",
ADD COLUMN     "reason" TEXT,
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "replaces_id" UUID,
ADD COLUMN     "valid_from" DATE,
ADD COLUMN     "valid_to" DATE,
ADD CONSTRAINT "portion_pkey" PRIMARY KEY ("id", "person_id");

-- Who does what where nobody said otherwise: the way of managing says it.
create function default_duty(management management, duty text) returns duty_holder language sql immutable as $$
  select case
    when management in ('NOTIONAL', 'COUNCIL_MANAGED') then 'COMMISSIONER'
    when duty = 'purchase_decider' then 'PERSON'
    when management = 'DIRECT_PAYMENT' then 'PERSON'
    when duty = 'legal_employer' and management = 'MANAGED_ACCOUNT' then 'PERSON'
    else 'OPERATOR'
  end::duty_holder
$$;
update portion set funds_holder = default_duty(management, 'funds_holder'),
                   account_operator = default_duty(management, 'account_operator'),
                   legal_employer = default_duty(management, 'legal_employer'),
                   purchase_decider = default_duty(management, 'purchase_decider');
alter table portion alter column funds_holder set not null, alter column account_operator set not null,
                    alter column legal_employer set not null, alter column purchase_decider set not null;

-- AlterTable
ALTER TABLE "review" ADD COLUMN     "duties" "review_duty"[],
ADD COLUMN     "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ALTER COLUMN "link_id" DROP NOT NULL,
ALTER COLUMN "external_id" DROP NOT NULL;

-- CreateTable
CREATE TABLE "organisation_authorisation" (
    "organisation_id" UUID NOT NULL,
    "activity" "activity" NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "granted_by" TEXT NOT NULL,

    CONSTRAINT "organisation_authorisation_pkey" PRIMARY KEY ("organisation_id","activity","valid_from")
);

-- CreateTable
CREATE TABLE "commissioner_policy" (
    "organisation_id" UUID NOT NULL,
    "source" "funding_source" NOT NULL,
    "effective_from" DATE NOT NULL,
    "effective_to" DATE,
    "payment_frequency" "payment_frequency",
    "in_advance_days" INTEGER,
    "gross_or_net" "gross_or_net",
    "contingency_weeks" INTEGER,
    "surplus_threshold_weeks" INTEGER,
    "surplus_hold_max_weeks" INTEGER,
    "repay_within_days" INTEGER,
    "return_frequency" "return_frequency",
    "evidence_due_days" INTEGER,
    "first_review_weeks" INTEGER,
    "review_max_months" INTEGER,
    "record_retention_years" INTEGER,
    "exclusion_list_id" TEXT,
    "citation" TEXT NOT NULL,

    CONSTRAINT "commissioner_policy_pkey" PRIMARY KEY ("organisation_id","source","effective_from")
);

-- CreateTable
CREATE TABLE "exclusion" (
    "list_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "what" TEXT NOT NULL,
    "citation" TEXT NOT NULL,

    CONSTRAINT "exclusion_pkey" PRIMARY KEY ("list_id","position")
);

-- CreateTable
CREATE TABLE "past" (
    "id" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "person_id" UUID NOT NULL,
    "row" JSONB NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL,
    "superseded_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "past_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "eligibility" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "link_id" UUID,
    "external_id" TEXT,
    "scheme" "eligibility_scheme" NOT NULL,
    "status" "eligibility_status" NOT NULL,
    "decided_on" DATE,
    "decided_by_id" UUID,
    "reviewer" TEXT,
    "review_due_on" DATE,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "eligibility_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "plan_item" (
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "section" "plan_section" NOT NULL,
    "position" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "kind" TEXT,
    "who" TEXT,
    "procedure" TEXT,
    "on_day" DATE,
    "reference" TEXT,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plan_item_pkey" PRIMARY KEY ("plan_id","person_id","section","position")
);

-- CreateTable
CREATE TABLE "plan_line" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    "kind" "plan_line_kind" NOT NULL,
    "what" TEXT NOT NULL,
    "provider_name" TEXT,
    "outcome_keys" TEXT[],
    "need_keys" TEXT[],
    "quantity" DECIMAL(12,2) NOT NULL,
    "unit_cost_pence" BIGINT NOT NULL,
    "frequency" "cost_frequency" NOT NULL,
    "weekly_pence" BIGINT,
    "yearly_pence" BIGINT NOT NULL,
    "portion_id" UUID,
    "source" "funding_source",
    "reason" TEXT,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plan_line_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "concern" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "line_key" TEXT,
    "text" TEXT NOT NULL,
    "raised_by" TEXT NOT NULL,
    "raised_at" TIMESTAMPTZ(6) NOT NULL,
    "answer" TEXT,
    "answered_by" TEXT,
    "answered_at" TIMESTAMPTZ(6),

    CONSTRAINT "concern_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "sign_off" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "party" "sign_party" NOT NULL,
    "agrees" BOOLEAN NOT NULL,
    "tests" "sign_off_test"[],
    "words" TEXT,
    "subject" TEXT NOT NULL,
    "name" TEXT,
    "organisation_id" UUID,
    "acting_as" "role_kind",
    "plan_version" INTEGER NOT NULL,
    "signed_at" TIMESTAMPTZ(6) NOT NULL,
    "withdrawn_at" TIMESTAMPTZ(6),

    CONSTRAINT "sign_off_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "plan_change" (
    "plan_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "what" TEXT[],
    "role" TEXT NOT NULL,
    "organisation" TEXT,
    "at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "plan_change_pkey" PRIMARY KEY ("plan_id","person_id","version")
);

-- CreateTable
CREATE TABLE "budget_sign_off" (
    "budget_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "name" TEXT,
    "signed_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "budget_sign_off_pkey" PRIMARY KEY ("budget_id","person_id","organisation_id")
);

-- CreateTable
CREATE TABLE "funding_split" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "budget_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "basis" "split_basis" NOT NULL,
    "status" "split_status" NOT NULL,
    "panel" TEXT NOT NULL,
    "decided_on" DATE NOT NULL,
    "review_due_on" DATE,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "note" TEXT,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "funding_split_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "decision" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "kind" "decision_kind" NOT NULL,
    "organisation_id" UUID NOT NULL,
    "decided_on" DATE NOT NULL,
    "budget_id" UUID,
    "plan_id" UUID,
    "what" TEXT NOT NULL,
    "reasons" TEXT NOT NULL,
    "amount_pence" BIGINT,
    "reconsider_under" TEXT,
    "appeal_route" TEXT NOT NULL,
    "reconsideration_requested_at" TIMESTAMPTZ(6),
    "reconsideration_requested_by" TEXT,
    "reconsideration_words" TEXT,
    "reconsideration_outcome" "reconsideration_outcome",
    "reconsideration_on" DATE,
    "reconsideration_reasons" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "decision_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateIndex
CREATE INDEX "past_person_id_kind_idx" ON "past"("person_id", "kind");

-- CreateIndex
CREATE INDEX "eligibility_person_id_idx" ON "eligibility"("person_id");

-- CreateIndex
CREATE UNIQUE INDEX "eligibility_link_id_external_id_key" ON "eligibility"("link_id", "external_id");

-- CreateIndex
CREATE INDEX "plan_line_portion_id_idx" ON "plan_line"("portion_id");

-- CreateIndex
CREATE UNIQUE INDEX "plan_line_plan_id_person_id_key_key" ON "plan_line"("plan_id", "person_id", "key");

-- CreateIndex
CREATE INDEX "concern_plan_id_idx" ON "concern"("plan_id");

-- CreateIndex
CREATE INDEX "sign_off_plan_id_idx" ON "sign_off"("plan_id");

-- CreateIndex
CREATE INDEX "funding_split_budget_id_person_id_idx" ON "funding_split"("budget_id", "person_id");

-- CreateIndex
CREATE INDEX "decision_person_id_idx" ON "decision"("person_id");

-- CreateIndex
CREATE INDEX "funding_line_budget_id_person_id_idx" ON "funding_line"("budget_id", "person_id");

-- CreateIndex
CREATE UNIQUE INDEX "plan_person_id_number_key" ON "plan"("person_id", "number");

-- CreateIndex
CREATE UNIQUE INDEX "portion_budget_id_person_id_position_key" ON "portion"("budget_id", "person_id", "position");

-- AddForeignKey
ALTER TABLE "organisation_authorisation" ADD CONSTRAINT "organisation_authorisation_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "commissioner_policy" ADD CONSTRAINT "commissioner_policy_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "eligibility" ADD CONSTRAINT "eligibility_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "eligibility" ADD CONSTRAINT "eligibility_link_id_person_id_fkey" FOREIGN KEY ("link_id", "person_id") REFERENCES "person_link"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "eligibility" ADD CONSTRAINT "eligibility_decided_by_id_fkey" FOREIGN KEY ("decided_by_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_coordinator_organisation_id_fkey" FOREIGN KEY ("coordinator_organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_item" ADD CONSTRAINT "plan_item_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_line" ADD CONSTRAINT "plan_line_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_line" ADD CONSTRAINT "plan_line_portion_id_person_id_fkey" FOREIGN KEY ("portion_id", "person_id") REFERENCES "portion"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "concern" ADD CONSTRAINT "concern_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sign_off" ADD CONSTRAINT "sign_off_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sign_off" ADD CONSTRAINT "sign_off_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_change" ADD CONSTRAINT "plan_change_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget" ADD CONSTRAINT "budget_part_of_id_person_id_fkey" FOREIGN KEY ("part_of_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget_sign_off" ADD CONSTRAINT "budget_sign_off_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget_sign_off" ADD CONSTRAINT "budget_sign_off_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "funding_line" ADD CONSTRAINT "funding_line_split_id_person_id_fkey" FOREIGN KEY ("split_id", "person_id") REFERENCES "funding_split"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "funding_split" ADD CONSTRAINT "funding_split_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "decision" ADD CONSTRAINT "decision_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "decision" ADD CONSTRAINT "decision_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- A source names one line for each source of money; a split makes lines of its own.
create unique index funding_line_by_source on funding_line (budget_id, person_id, source, stream)
  where split_id is null and valid_from is null;

-- A person has one version of the joint plan in hand at a time, and one agreed.
create unique index plan_one_in_hand on plan (person_id) where number is not null and status in ('DRAFT', 'PROPOSED');
create unique index plan_one_agreed on plan (person_id) where number is not null and status = 'AGREED';

-- A row is either a source's, or the hub's own.
alter table plan add constraint plan_from_source_or_own check ((link_id is null) = (external_id is null)),
                 add constraint plan_own_is_numbered check ((link_id is null) = (number is not null));
alter table outcome add constraint outcome_from_source_or_own check ((link_id is null) = (external_id is null));
alter table budget add constraint budget_from_source_or_own check ((link_id is null) = (external_id is null));
alter table review add constraint review_from_source_or_own check ((link_id is null) = (external_id is null));
alter table eligibility add constraint eligibility_from_source_or_own check ((link_id is null) = (external_id is null)),
                        add constraint eligibility_days check (valid_to is null or valid_to > valid_from);
alter table funding_line add constraint funding_line_days check (valid_to is null or valid_from is null or valid_to >= valid_from);
alter table funding_split add constraint funding_split_days check (valid_to is null or valid_to >= valid_from);
alter table portion add constraint portion_days check (valid_to is null or valid_from is null or valid_to >= valid_from);
alter table plan_line add constraint plan_line_positive check (quantity > 0 and unit_cost_pence >= 0);
alter table commissioner_policy add constraint commissioner_policy_days
  check (effective_to is null or effective_to > effective_from);

-- What the merge of two records moves, it moves with all that hangs on two parents.
alter table plan_line alter constraint plan_line_portion_id_person_id_fkey deferrable initially immediate;
alter table funding_line alter constraint funding_line_split_id_person_id_fkey deferrable initially immediate;
alter table budget alter constraint budget_part_of_id_person_id_fkey deferrable initially immediate;

-- What was known before: a row that changes leaves what it said, from when to when it was held to be so. Of several
-- changes in one transaction only the last was ever seen by anybody else.
create function recorded_now() returns trigger language plpgsql as $$
begin
  new.recorded_at := greatest(now(), old.recorded_at);
  return new;
end
$$;
create function keep_past() returns trigger language plpgsql as $$
begin
  if old.recorded_at < now() then
    insert into past (kind, person_id, row, recorded_at, superseded_at)
    values (tg_table_name, old.person_id, to_jsonb(old), old.recorded_at, now());
  end if;
  return null;
end
$$;

do $$
declare
  t text;
  said text;
begin
  foreach t in array array['need', 'plan_item', 'plan_line', 'funding_line', 'funding_split', 'portion', 'eligibility',
                           'plan', 'outcome', 'budget'] loop
    -- A balance that a source reports comes every day, and an outcome finds its plan when that arrives: neither is
    -- news of what was agreed.
    said := case t
      when 'budget' then 'old.kind, old.status, old.valid_from, old.valid_to, old.agreed_pence, old.part_of_id'
      when 'outcome' then 'old.text, old.status, old.target_on'
      else 'old.*'
    end;
    execute format('create trigger %1$s_recorded before update on %1$s for each row
                    when ((%2$s) is distinct from (%3$s)) execute function recorded_now()',
                   t, said, replace(said, 'old.', 'new.'));
    execute format('create trigger %1$s_changed after update on %1$s for each row
                    when ((%2$s) is distinct from (%3$s)) execute function keep_past()',
                   t, said, replace(said, 'old.', 'new.'));
    execute format('create trigger %1$s_deleted after delete on %1$s for each row execute function keep_past()', t);
  end loop;
end
$$;

create trigger past_unchanged before update or delete on past for each row execute function refuse_change();
create trigger past_not_truncated before truncate on past execute function refuse_change();
