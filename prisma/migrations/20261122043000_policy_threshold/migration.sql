-- AlterEnum
ALTER TYPE "reclaim_status" ADD VALUE 'PART_REPAID' AFTER 'NOTICED';

-- AlterTable
ALTER TABLE "commissioner_policy" ADD COLUMN     "account_cooling_off_days" INTEGER,
ADD COLUMN     "approval_threshold_pence" BIGINT;

-- AlterTable
ALTER TABLE "payment_instruction" ADD COLUMN     "created_by_name" TEXT;

-- AlterTable
ALTER TABLE "payee_account" ADD COLUMN     "created_by_name" TEXT;

-- AlterTable
ALTER TABLE "financial_return" ADD COLUMN     "sent_by_name" TEXT;

-- AlterTable
ALTER TABLE "reclaim" DROP COLUMN "transfer_id",
ADD COLUMN     "created_by_name" TEXT,
ADD COLUMN     "reconsideration_by" TEXT,
ADD COLUMN     "reconsideration_by_name" TEXT,
ADD COLUMN     "repaid_pence" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "evidence_upload" ADD COLUMN     "hash" BYTEA;

-- AlterTable
ALTER TABLE "spend" ADD COLUMN     "recorded_by_name" TEXT;

-- AlterTable
ALTER TABLE "bank_statement" ADD COLUMN     "evidence_id" UUID;

-- CreateIndex
CREATE INDEX "evidence_hash_idx" ON "evidence"("hash");

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- Who did something stood in one column with their name, parted by a tab. The name is kept only where it is compared.
update payment_instruction set created_by_name = nullif(split_part(created_by, e'\t', 2), ''),
       created_by = split_part(created_by, e'\t', 1), approved_by = split_part(approved_by, e'\t', 1)
 where strpos(created_by || coalesce(approved_by, ''), e'\t') > 0;
update payee_account set created_by_name = nullif(split_part(created_by, e'\t', 2), ''),
       created_by = split_part(created_by, e'\t', 1), approved_by = split_part(approved_by, e'\t', 1)
 where strpos(created_by || coalesce(approved_by, ''), e'\t') > 0;
update reclaim set created_by_name = nullif(split_part(created_by, e'\t', 2), ''),
       created_by = split_part(created_by, e'\t', 1), repaid_pence = case status when 'REPAID' then pence else 0 end;
update reclaim r set reconsideration_by = c.client_id
  from command_receipt c
 where r.reconsideration_words is not null and c.command = 'requestReclaimReconsideration'
   and c.result ->> 'reclaimId' = 'rcl_' || replace(r.id::text, '-', '');
update financial_return set sent_by_name = nullif(split_part(sent_by, e'\t', 2), ''), sent_by = split_part(sent_by, e'\t', 1);
update return_query set asked_by = split_part(asked_by, e'\t', 1), answered_by = split_part(answered_by, e'\t', 1);
update return_receiver set accepted_by = split_part(accepted_by, e'\t', 1);

alter table commissioner_policy add constraint commissioner_policy_threshold check (approval_threshold_pence >= 0);
alter table reclaim add constraint reclaim_repaid check (repaid_pence between 0 and pence);

-- Looked for by the night that cleans up, and by it alone.
create index evidence_upload_hash on evidence_upload (hash) where hash is not null;
