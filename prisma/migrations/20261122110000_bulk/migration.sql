-- CreateEnum
CREATE TYPE "bulk_kind" AS ENUM ('SPENDING', 'INVOICE', 'TIMESHEET');

-- CreateEnum
CREATE TYPE "bulk_format" AS ENUM ('CSV', 'JSON');

-- CreateEnum
CREATE TYPE "bulk_status" AS ENUM ('WAITING', 'CHECKING', 'CHECKED', 'APPLYING', 'DONE', 'FAILED');

-- AlterTable
ALTER TABLE "evidence_upload" ADD COLUMN     "organisation_id" UUID,
ADD COLUMN     "size_bytes" BIGINT,
ALTER COLUMN "person_id" DROP NOT NULL,
ALTER COLUMN "kind" DROP NOT NULL;

-- CreateTable
CREATE TABLE "bulk_file" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "organisation_id" UUID NOT NULL,
    "kind" "bulk_kind" NOT NULL,
    "format" "bulk_format" NOT NULL,
    "file_name" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "status" "bulk_status" NOT NULL DEFAULT 'WAITING',
    "is_read" BOOLEAN NOT NULL DEFAULT false,
    "dry_run" BOOLEAN NOT NULL,
    "sent_by" TEXT NOT NULL,
    "sent_by_name" TEXT,
    "sent_by_role" TEXT NOT NULL,
    "rows" INTEGER NOT NULL DEFAULT 0,
    "good" INTEGER NOT NULL DEFAULT 0,
    "bad" INTEGER NOT NULL DEFAULT 0,
    "applied" INTEGER NOT NULL DEFAULT 0,
    "unchanged" INTEGER NOT NULL DEFAULT 0,
    "pence" BIGINT NOT NULL DEFAULT 0,
    "decided_to" UUID,
    "error_code" TEXT,
    "error" TEXT,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "touched_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(6),

    CONSTRAINT "bulk_file_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "bulk_row" (
    "file_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "budget_id" UUID,
    "portion_id" UUID,
    "pence" BIGINT,
    "spent_on" DATE,
    "payee" TEXT,
    "what" TEXT,
    "category" TEXT,
    "line_key" TEXT,
    "reference" TEXT,
    "code" TEXT,
    "message" TEXT,

    CONSTRAINT "bulk_row_pkey" PRIMARY KEY ("file_id","number")
);

-- CreateIndex
CREATE INDEX "bulk_file_organisation_id_recorded_at_idx" ON "bulk_file"("organisation_id", "recorded_at");

-- CreateIndex
CREATE INDEX "bulk_file_hash_idx" ON "bulk_file"("hash");

-- CreateIndex
CREATE INDEX "bulk_row_file_id_budget_id_idx" ON "bulk_row"("file_id", "budget_id");

-- AddForeignKey
ALTER TABLE "bulk_file" ADD CONSTRAINT "bulk_file_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bulk_row" ADD CONSTRAINT "bulk_row_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "bulk_file"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

alter table evidence_upload add constraint evidence_upload_of_one check (
  case when organisation_id is null then person_id is not null and kind is not null else person_id is null and kind is null end);

-- What is told of a file never is more than its rows, and a row that waits can be decided on.
alter table bulk_file add constraint bulk_file_counts check (
  least(rows, good, bad, applied, unchanged, pence) >= 0 and good + bad + unchanged <= rows and applied <= good);
alter table bulk_row add constraint bulk_row_whole check (
  code is not null and message is not null
  or num_nulls(budget_id, pence, spent_on, payee, what, category, reference) = 0);

-- The same file twice is one, but for one that could not be read.
create unique index bulk_file_once on bulk_file (organisation_id, hash) where status <> 'FAILED';
create index bulk_row_problem on bulk_row (file_id, number) where code is not null;

-- They hold what was bought for many people: of a file the reader sees those of its viewer's organisation.
select secure_rows('bulk_file', $$exists (
  select from organisation o
   where o.id = organisation_id and 'ods:' || o.ods_code = any (nullif(current_setting('tandem.holders', true), '')::text[]))$$);
select secure_rows('bulk_row', $$exists (select from bulk_file f where f.id = file_id)$$);
