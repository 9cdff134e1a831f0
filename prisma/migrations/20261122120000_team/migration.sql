-- CreateEnum
CREATE TYPE "pay_frequency" AS ENUM ('WEEKLY', 'FOUR_WEEKLY', 'MONTHLY');

-- CreateEnum
CREATE TYPE "worker_document_kind" AS ENUM ('DBS', 'RIGHT_TO_WORK', 'INSURANCE', 'CONTRACT', 'TRAINING', 'OTHER');

-- CreateEnum
CREATE TYPE "absence_kind" AS ENUM ('HOLIDAY', 'SICKNESS', 'OTHER');



-- CreateTable
CREATE TABLE "worker" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "birth_date" DATE,
    "payroll_ref" TEXT NOT NULL,
    "portion_id" UUID,
    "version" INTEGER NOT NULL DEFAULT 1,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "worker_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "contract" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "worker_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "valid_from" DATE NOT NULL,
    "valid_to" DATE,
    "minutes_per_week" INTEGER NOT NULL,
    "hourly_pence" BIGINT NOT NULL,
    "pay_frequency" "pay_frequency" NOT NULL,
    "line_key" TEXT,
    "irregular" BOOLEAN NOT NULL,
    "pension" BOOLEAN NOT NULL,
    "agreed_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "contract_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "worker_document" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "worker_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "kind" "worker_document_kind" NOT NULL,
    "seen_on" DATE NOT NULL,
    "expires_on" DATE,
    "evidence_id" UUID,
    "recorded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "worker_document_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "delegated_task" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "what" TEXT NOT NULL,
    "instructions" TEXT NOT NULL,
    "delegated_by" TEXT NOT NULL,
    "recorded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "delegated_task_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "competency" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "worker_id" UUID NOT NULL,
    "task_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "clinician" TEXT NOT NULL,
    "signed_off_on" DATE NOT NULL,
    "expires_on" DATE NOT NULL,
    "withdrawn_on" DATE,
    "recorded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "competency_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "rota_week" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "week_begins" DATE NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "planned_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "rota_week_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "shift" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "rota_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "worker_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "day" DATE NOT NULL,
    "starts" TIME(0) NOT NULL,
    "ends" TIME(0) NOT NULL,
    "task" TEXT NOT NULL,
    "task_ids" UUID[],

    CONSTRAINT "shift_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "absence" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "worker_id" UUID NOT NULL,
    "kind" "absence_kind" NOT NULL,
    "first_day" DATE NOT NULL,
    "last_day" DATE NOT NULL,
    "cover_id" UUID,
    "from_contingency" BOOLEAN NOT NULL,
    "recorded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "cancelled_at" TIMESTAMPTZ(6),

    CONSTRAINT "absence_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "timesheet" (
    "id" UUID NOT NULL DEFAULT new_id(),
    "person_id" UUID NOT NULL,
    "worker_id" UUID NOT NULL,
    "week_begins" DATE NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "recorded_by" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "timesheet_pkey" PRIMARY KEY ("id","person_id")
);

-- CreateTable
CREATE TABLE "worked_day" (
    "timesheet_id" UUID NOT NULL,
    "person_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "minutes" INTEGER NOT NULL,

    CONSTRAINT "worked_day_pkey" PRIMARY KEY ("timesheet_id","person_id","day")
);

-- CreateIndex
CREATE UNIQUE INDEX "worker_person_id_payroll_ref_key" ON "worker"("person_id", "payroll_ref");

-- CreateIndex
CREATE UNIQUE INDEX "contract_worker_id_person_id_number_key" ON "contract"("worker_id", "person_id", "number");

-- CreateIndex
CREATE INDEX "worker_document_worker_id_idx" ON "worker_document"("worker_id");

-- CreateIndex
CREATE INDEX "worker_document_expires_on_idx" ON "worker_document"("expires_on");

-- CreateIndex
CREATE INDEX "delegated_task_person_id_idx" ON "delegated_task"("person_id");

-- CreateIndex
CREATE INDEX "competency_worker_id_task_id_idx" ON "competency"("worker_id", "task_id");

-- CreateIndex
CREATE INDEX "competency_expires_on_idx" ON "competency"("expires_on");

-- CreateIndex
CREATE UNIQUE INDEX "rota_week_person_id_week_begins_key" ON "rota_week"("person_id", "week_begins");

-- CreateIndex
CREATE INDEX "shift_rota_id_idx" ON "shift"("rota_id");

-- CreateIndex
CREATE INDEX "shift_person_id_day_idx" ON "shift"("person_id", "day");

-- CreateIndex
CREATE INDEX "absence_worker_id_first_day_idx" ON "absence"("worker_id", "first_day");

-- CreateIndex
CREATE INDEX "absence_cover_id_idx" ON "absence"("cover_id");

-- CreateIndex
CREATE UNIQUE INDEX "timesheet_worker_id_person_id_week_begins_key" ON "timesheet"("worker_id", "person_id", "week_begins");

-- AddForeignKey
ALTER TABLE "worker" ADD CONSTRAINT "worker_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "worker" ADD CONSTRAINT "worker_portion_id_person_id_fkey" FOREIGN KEY ("portion_id", "person_id") REFERENCES "portion"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "contract" ADD CONSTRAINT "contract_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "worker_document" ADD CONSTRAINT "worker_document_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "worker_document" ADD CONSTRAINT "worker_document_evidence_id_person_id_fkey" FOREIGN KEY ("evidence_id", "person_id") REFERENCES "evidence"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "delegated_task" ADD CONSTRAINT "delegated_task_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "competency" ADD CONSTRAINT "competency_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "competency" ADD CONSTRAINT "competency_task_id_person_id_fkey" FOREIGN KEY ("task_id", "person_id") REFERENCES "delegated_task"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "rota_week" ADD CONSTRAINT "rota_week_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "person"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shift" ADD CONSTRAINT "shift_rota_id_person_id_fkey" FOREIGN KEY ("rota_id", "person_id") REFERENCES "rota_week"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shift" ADD CONSTRAINT "shift_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "absence" ADD CONSTRAINT "absence_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "absence" ADD CONSTRAINT "absence_cover_id_person_id_fkey" FOREIGN KEY ("cover_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "timesheet" ADD CONSTRAINT "timesheet_worker_id_person_id_fkey" FOREIGN KEY ("worker_id", "person_id") REFERENCES "worker"("id", "person_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "worked_day" ADD CONSTRAINT "worked_day_timesheet_id_person_id_fkey" FOREIGN KEY ("timesheet_id", "person_id") REFERENCES "timesheet"("id", "person_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say ---------------------------------------------------------------------

-- Of somebody's contracts one at most goes on without an end.
create unique index contract_open on contract (worker_id) where valid_to is null;
alter table contract add constraint contract_days check (valid_to is null or valid_to >= valid_from),
  add constraint contract_minutes check (minutes_per_week between 0 and 10080),
  add constraint contract_pence check (hourly_pence > 0);
alter table worker_document add constraint worker_document_days check (expires_on >= seen_on);
alter table competency add constraint competency_days check (expires_on >= signed_off_on);
alter table rota_week add constraint rota_week_monday check (extract(isodow from week_begins) = 1);
alter table timesheet add constraint timesheet_monday check (extract(isodow from week_begins) = 1);
alter table absence add constraint absence_days check (last_day >= first_day),
  add constraint absence_cover check (cover_id is null or cover_id <> worker_id);
alter table worked_day add constraint worked_day_minutes check (minutes between 1 and 1440);

-- The terms that were agreed stay as they were: all that is ever set is when they end.
create function contract_kept() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or to_jsonb(new) - 'valid_to' <> to_jsonb(old) - 'valid_to' then
    raise exception 'a contract is never changed: another takes its place' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger contract_kept before update or delete on contract for each row execute function contract_kept();

select secure_rows(made::regclass)
  from unnest('{worker, contract, worker_document, delegated_task, competency, rota_week, shift, absence, timesheet,
                worked_day}'::text[]) as made;
