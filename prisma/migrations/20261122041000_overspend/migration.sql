-- CreateTable
CREATE TABLE "overspend_agreement" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "source" "funding_source" NOT NULL,
    "organisation_id" UUID NOT NULL,
    "pence" BIGINT NOT NULL,
    "until" DATE NOT NULL,
    "reason" TEXT NOT NULL,
    "agreed_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "overspend_agreement_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateIndex
CREATE INDEX "overspend_agreement_budget_id_idx" ON "overspend_agreement"("budget_id");

-- AddForeignKey
ALTER TABLE "overspend_agreement" ADD CONSTRAINT "overspend_agreement_budget_id_person_id_fkey" FOREIGN KEY ("budget_id", "person_id") REFERENCES "budget"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "overspend_agreement" ADD CONSTRAINT "overspend_agreement_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

alter table overspend_agreement add constraint overspend_agreement_pence check (pence > 0);
