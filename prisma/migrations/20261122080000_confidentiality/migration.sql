-- CreateEnum
CREATE TYPE "shared_part" AS ENUM ('CARE', 'MONEY');

-- CreateEnum
CREATE TYPE "sharing_basis" AS ENUM ('OBJECTION', 'NO_CONSENT', 'COMMON_LAW_DUTY', 'CONSENT', 'COURT_ORDER');

-- CreateEnum
CREATE TYPE "said_by" AS ENUM ('PERSON', 'REPRESENTATIVE');

-- CreateEnum
CREATE TYPE "emergency_reason" AS ENUM ('LIFE_AT_RISK', 'SAFEGUARDING', 'URGENT_CARE', 'NO_CAPACITY');

-- AlterTable
ALTER TABLE "role_on_record" ADD COLUMN     "suspended_at" TIMESTAMPTZ(6),
ADD COLUMN     "suspended_by" TEXT,
ADD COLUMN     "suspended_for" TEXT;

-- CreateTable
CREATE TABLE "sharing_choice" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "side" "side" NOT NULL,
    "part" "shared_part" NOT NULL,
    "shares" BOOLEAN NOT NULL,
    "legal_basis" "sharing_basis" NOT NULL,
    "words" TEXT NOT NULL,
    "said_by" "said_by" NOT NULL,
    "recorded_by" TEXT NOT NULL,
    "recorded_for" TEXT,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,

    CONSTRAINT "sharing_choice_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "emergency_access" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "name" TEXT,
    "role" TEXT NOT NULL,
    "organisation_id" UUID NOT NULL,
    "reason" "emergency_reason" NOT NULL,
    "words" TEXT NOT NULL,
    "opened_at" TIMESTAMPTZ(6) NOT NULL,
    "closes_at" TIMESTAMPTZ(6) NOT NULL,
    "alerted_at" TIMESTAMPTZ(6),
    "reviewed_at" TIMESTAMPTZ(6),
    "reviewed_by" TEXT,
    "review_words" TEXT,

    CONSTRAINT "emergency_access_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "employment_end" (
    "organisation_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(6) NOT NULL,
    "ended_by" TEXT NOT NULL,
    "reason" TEXT NOT NULL,

    CONSTRAINT "employment_end_pkey" PRIMARY KEY ("organisation_id","subject")
);

-- CreateIndex
CREATE INDEX "sharing_choice_person_id_idx" ON "sharing_choice"("person_id");

-- CreateIndex
CREATE INDEX "emergency_access_person_id_subject_idx" ON "emergency_access"("person_id", "subject");

-- CreateIndex
CREATE INDEX "emergency_access_opened_at_idx" ON "emergency_access"("opened_at");

-- CreateIndex
CREATE UNIQUE INDEX "emergency_access_id_key" ON "emergency_access"("id");

-- AddForeignKey
ALTER TABLE "sharing_choice" ADD CONSTRAINT "sharing_choice_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "emergency_access" ADD CONSTRAINT "emergency_access_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "emergency_access" ADD CONSTRAINT "emergency_access_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "employment_end" ADD CONSTRAINT "employment_end_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Of one side and part one choice holds on a day.
create unique index sharing_choice_in_force on sharing_choice (person_id, side, part) where valid_to is null;
alter table sharing_choice add constraint sharing_choice_days check (valid_to is null or valid_to >= valid_from);
alter table emergency_access add constraint emergency_access_closes check (closes_at > opened_at);
