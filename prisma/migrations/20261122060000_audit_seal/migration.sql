-- AlterTable
ALTER TABLE "audit_event" ADD COLUMN     "client" TEXT,
ADD COLUMN     "correlation_id" UUID,
ADD COLUMN     "name" TEXT,
ADD COLUMN     "parts" TEXT,
ADD COLUMN     "purpose" TEXT;

-- CreateTable
CREATE TABLE "audit_seal" (
    "number" BIGINT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "events" int8multirange NOT NULL,
    "digests" BYTEA NOT NULL,
    "top" BIGINT NOT NULL,
    "awaited" int8multirange NOT NULL,
    "horizon" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_seal_pkey" PRIMARY KEY ("number")
);

-- CreateTable
CREATE TABLE "audit_event_person" (
    "person_id" UUID NOT NULL,
    "event_id" BIGINT NOT NULL,

    CONSTRAINT "audit_event_person_pkey" PRIMARY KEY ("person_id","event_id")
);

-- CreateIndex
CREATE INDEX "audit_event_at_id_idx" ON "audit_event"("at", "id");

-- Digests are as good as random: to try and compress them is time lost.
alter table audit_seal alter column digests set storage external;

-- Nothing is sealed yet: the last moment at which words for what was recorded may be changed.
alter table audit_event disable trigger audit_event_unchanged;
update audit_event set action = 'JOB' where action = 'SYNC';
update audit_event set action = 'DENY' where action = 'CHANGE' and outcome = 'REFUSED' and object <> 'uploadEvidence';
alter table audit_event enable trigger audit_event_unchanged;

create trigger audit_seal_unchanged before update or delete on audit_seal
  for each row execute function refuse_change();
create trigger audit_seal_not_truncated before truncate on audit_seal execute function refuse_change();
create trigger audit_event_person_unchanged before update or delete on audit_event_person
  for each row execute function refuse_change();
create trigger audit_event_person_not_truncated before truncate on audit_event_person execute function refuse_change();
