-- CreateEnum
CREATE TYPE "package_change_kind" AS ENUM ('TERMS', 'PAUSE', 'END');

-- CreateEnum
CREATE TYPE "package_change_status" AS ENUM ('DRAFT', 'PROPOSED', 'AGREED', 'REFUSED', 'WITHDRAWN');

-- CreateEnum
CREATE TYPE "change_decider" AS ENUM ('CARE_TEAM', 'FINANCE');

-- AlterTable
ALTER TABLE "commissioner_policy" ADD COLUMN     "change_decider" "change_decider",
ADD COLUMN     "change_limit_percent" INTEGER;

-- CreateTable
CREATE TABLE "package_change" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "line_key" TEXT NOT NULL,
    "kind" "package_change_kind" NOT NULL,
    "quantity" DECIMAL(12,2),
    "unit_cost_pence" BIGINT,
    "provider_name" TEXT,
    "weekly_pence" BIGINT NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "reason" TEXT NOT NULL,
    "status" "package_change_status" NOT NULL DEFAULT 'DRAFT',
    "organisation_id" UUID,
    "drafted_by" TEXT NOT NULL,
    "drafted_by_name" TEXT,
    "submitted_at" TIMESTAMPTZ(6),
    "agreed_at" TIMESTAMPTZ(6),
    "refused_at" TIMESTAMPTZ(6),
    "refused_by" TEXT,
    "refused_by_name" TEXT,
    "refusal" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "package_change_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "package_change_agreement" (
    "change_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "decider" "change_decider" NOT NULL,
    "agreed_by" TEXT,
    "agreed_by_name" TEXT,
    "agreed_at" TIMESTAMPTZ(6),

    CONSTRAINT "package_change_agreement_pkey" PRIMARY KEY ("change_id","person_id","organisation_id")
);

-- CreateIndex
CREATE INDEX "package_change_plan_id_line_key_idx" ON "package_change"("plan_id", "line_key");

-- CreateIndex
CREATE INDEX "package_change_person_id_idx" ON "package_change"("person_id");

-- AddForeignKey
ALTER TABLE "package_change" ADD CONSTRAINT "package_change_plan_id_person_id_fkey" FOREIGN KEY ("plan_id", "person_id") REFERENCES "plan"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "package_change" ADD CONSTRAINT "package_change_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "package_change_agreement" ADD CONSTRAINT "package_change_agreement_change_id_person_id_fkey" FOREIGN KEY ("change_id", "person_id") REFERENCES "package_change"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "package_change_agreement" ADD CONSTRAINT "package_change_agreement_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

alter table package_change add constraint package_change_says check (
  weekly_pence >= 0 and (quantity is null or quantity >= 0) and (unit_cost_pence is null or unit_cost_pence >= 0)
  and (valid_to is null or valid_to >= valid_from));

-- Beside those who operate the account: a funder who is asked to agree.
create or replace view work_item_source with (security_invoker = true) as
select o.organisation_id, w.due_on, w.id, w.person_id, w.kind
  from work_source w
  join lateral (
    select distinct q.account_operator_id as organisation_id from portion q
     where q.person_id = w.person_id and q.account_operator_id is not null
       and (w.budget_id is null or q.budget_id = w.budget_id)) o on true
union all
select a.organisation_id, c.valid_from, c.id, c.person_id, 'PACKAGE_CHANGE'
  from package_change c join package_change_agreement a on a.change_id = c.id and a.person_id = c.person_id
 where c.status = 'PROPOSED' and a.agreed_at is null;

do $$
declare
  source text;
begin
  foreach source in array array['package_change', 'package_change_agreement'] loop
    execute format('create trigger %1$s_work_insert after insert on %1$s referencing new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_update after update on %1$s referencing old table as gone new table as come
                    for each statement execute function work_kept()', source);
    execute format('create trigger %1$s_work_delete after delete on %1$s referencing old table as gone
                    for each statement execute function work_kept()', source);
  end loop;
end
$$;

select secure_rows('package_change');
select secure_rows('package_change_agreement');
