/** Payment runs in SQL, set-based: what goes out together, and what is known of it. In a command's transaction. */
import type { FundingSource } from '../generated/prisma/enums.ts';
import type { CommandContext } from '../write/command.ts';

type Tx = CommandContext['tx'];

/**
 * The bank makes one payment for each schedule, and one run holds at most so many: a few seconds' work, well within a
 * command's time. What is left goes in the next.
 */
const runLinesMax = 5_000;

/**
 * Schedules with something approved and due, locked. The account their money goes to is in force, the budget was
 * released, and a death that is known has been allowed for already.
 */
const lockDue = `
select s.id::text as id
  from payment_schedule s
  join person p on p.id = s.person_id
  join budget b on b.id = s.budget_id and b.person_id = s.person_id
 where exists (select from payment_instruction i
                where i.schedule_id = s.id and i.organisation_id = $1::uuid and i.status = 'APPROVED' and i.due_on <= $2::date)
   and b.status in ('ACTIVE', 'ENDED')
   and (p.death_date is null or s.valid_to <= greatest(p.death_date + 1, s.valid_from + 1))
   and exists (select from payee_account a
                where a.budget_id = s.budget_id and a.portion_id is not distinct from s.portion_id
                  and a.approved_by is not null and a.ended_at is null)
 order by s.id limit ${runLinesMax}
   for update of s`;

/** What is overpaid by more than what is due waits; what balances out moves no money, and is done. */
const send = `
with due as (
  select i.id, i.person_id,
         sum(case i.effect when 'SUBTRACT' then -i.pence else i.pence end) over (partition by i.schedule_id) as net
    from payment_instruction i
   where i.schedule_id = any($1::uuid[]) and i.status = 'APPROVED' and i.due_on <= $2::date),
sent as (
  update payment_instruction i
     set status = case when due.net > 0 then 'SENT' else 'PAID' end::instruction_status, run_id = $3::uuid,
         version = i.version + 1
    from due where i.id = due.id and i.person_id = due.person_id and due.net >= 0
  returning i.schedule_id, i.person_id, due.net),
lines as (select distinct schedule_id, person_id, net from sent)
select count(*) filter (where net > 0)::int as count, coalesce(sum(net), 0)::bigint as pence,
       array_agg(distinct person_id)::text[] as people
  from lines`;

export interface Sent {
  /** Payments that the bank makes. */
  count: number;
  pence: bigint;
  people: string[];
}

/** Sends what is due of an organisation by a day, as a run that is there already. */
export async function sendDue(
  tx: Tx,
  { organisationId, dueOn, runId }: { organisationId: string; dueOn: string; runId: string },
): Promise<Sent> {
  const locked = await tx.$queryRawUnsafe<{ id: string }[]>(lockDue, organisationId, dueOn);
  const ids = locked.map(({ id }) => id);
  const [sent] = await tx.$queryRawUnsafe<Sent[]>(send, ids, dueOn, runId);
  return { ...sent!, people: sent!.people ?? [] };
}

/** What the bank pays in one sum: all instructions of one schedule in one run. */
export interface Sum {
  scheduleId: string;
  personId: string;
  budgetId: string;
  portionId: string | null;
  source: FundingSource;
  pence: bigint;
  instructionIds: string[];
}

const lockSent = `
select s.id::text as id from payment_schedule s
 where s.id in (select schedule_id from payment_instruction
                 where run_id = $1::uuid and status = 'SENT' and ($2::uuid[] is null or id = any($2::uuid[])))
 order by s.id limit $3
   for update of s`;

// Asked once the schedules are locked: until then their people may still be merged.
const sums = `
select s.id::text as "scheduleId", s.person_id::text as "personId", s.budget_id::text as "budgetId",
       s.portion_id::text as "portionId", s.source::text as source, array_agg(i.id)::text[] as "instructionIds",
       sum(case i.effect when 'SUBTRACT' then -i.pence else i.pence end)::bigint as pence
  from payment_instruction i join payment_schedule s on s.id = i.schedule_id and s.person_id = i.person_id
 where i.run_id = $1::uuid and i.status = 'SENT' and i.schedule_id = any($2::uuid[])
 group by s.id, s.person_id, s.budget_id, s.portion_id, s.source
 order by s.budget_id, s.id`;

/**
 * Sums of a run, which the caller has locked, that wait to hear of the bank, with their schedules locked: those with one
 * of these instructions in them, or any, so many at most.
 */
export async function lockSums(
  tx: Tx,
  runId: string,
  { instructionIds, limit }: { instructionIds: string[] | null; limit: number },
): Promise<Sum[]> {
  const locked = await tx.$queryRawUnsafe<{ id: string }[]>(lockSent, runId, instructionIds, limit);
  const ids = locked.map(({ id }) => id);
  return tx.$queryRawUnsafe<Sum[]>(sums, runId, ids);
}

/** Marks sums as paid, by the transfers that brought their money into the ledger. */
export async function markPaid(tx: Tx, runId: string, paid: { scheduleId: string; transferId: string }[]) {
  await tx.$executeRawUnsafe(
    `update payment_instruction i set status = 'PAID', transfer_id = r."transferId", version = i.version + 1
       from json_to_recordset($2::json) as r("scheduleId" uuid, "transferId" uuid)
      where i.schedule_id = r."scheduleId" and i.run_id = $1::uuid and i.status = 'SENT'`,
    runId,
    JSON.stringify(paid),
  );
}

/** Marks sums as not paid. `reason` is in the words of who says so. */
export async function markFailed(tx: Tx, runId: string, scheduleIds: string[], reason: string) {
  await tx.$executeRawUnsafe(
    `update payment_instruction set status = 'FAILED', held_for = $3, version = version + 1
      where schedule_id = any($2::uuid[]) and run_id = $1::uuid and status = 'SENT'`,
    runId,
    scheduleIds,
    reason,
  );
}
