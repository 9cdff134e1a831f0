-- DropIndex
DROP INDEX "payment_instruction_run_id_idx";

-- CreateIndex: a run's sums are looked for by the schedules that they are of.
CREATE INDEX "payment_instruction_run_id_schedule_id_idx" ON "payment_instruction"("run_id", "schedule_id");

-- Room on each page for the next balance of its accounts: it then stays there, and no index hears of it.
alter table ledger_account set (fillfactor = 70);
