/**
 * Raises what is due: for a batch of schedules at once, a few statements whatever their number. A schedule's row is
 * locked while its instructions are made, so that a command and the daily job never make the same one twice.
 */
import { jobEvent } from '../audit/store.ts';
import { policyRows } from '../commissioner/policy.ts';
import type {
  BudgetStatus,
  GrossOrNet,
  InstructionEffect,
  InstructionStatus,
  PaymentFrequency,
  PayWhen,
  ScheduleStatus,
} from '../generated/prisma/enums.ts';
import { addDays } from '../platform/day.ts';
import type { Human } from '../write/human.ts';
import { dayAfterDeath, earliest, type Terms } from './rules.ts';
import { type Instructed, settle, type Wanted } from './settle.ts';

/** Sends a statement whose rows have one text column, `row`: by Prisma in a command, by a pool in the job. */
export type Ask = (text: string, values: unknown[]) => Promise<{ row: string }[]>;

/** What is announced when the payments of somebody change. */
export const paymentChanged = 'payment.changed';

/** How many days before it is due an instruction is raised: time enough to approve it, and to approve an account. */
const raiseAheadDays = 14;

interface ScheduleFacts {
  id: string;
  personId: string;
  organisationId: string;
  frequency: PaymentFrequency;
  payWhen: PayWhen;
  inAdvanceDays: number;
  grossOrNet: GrossOrNet;
  status: ScheduleStatus;
  from: string;
  to: string | null;
  suspendedFrom: string | null;
  raisedTo: string | null;
  deathDate: string | null;
  budgetStatus: BudgetStatus;
  budgetTo: string | null;
  setBy: string | null;
  setByName: string | null;
  /** Pence up to which its funder's policy lets a payment go without a second person; null where it says nothing. */
  threshold: string | null;
  rates: [from: string, pence: string, contributionPence: string][];
  instructions: [
    id: string,
    periodFrom: string,
    pricing: number,
    effect: InstructionEffect,
    pence: string,
    contributionPence: string,
    status: InstructionStatus,
    approvedBy: string | null,
  ][];
}

const ended = `least(s.valid_to, b.valid_to, p.death_date + 1, s.suspended_from)`;

/** Days in a period at most, and some. */
const longest = 100;

// One policy for each funder and source of the batch, as it is on the day.
const load = `
with payer as materialized (
  select f.organisation_id, f.source, p.approval_threshold_pence as threshold
    from (select distinct organisation_id, source from payment_schedule where id = any($1::uuid[])) f
    left join lateral (${policyRows('f.organisation_id', 'f.source', '$3::date')}) p on true)
select json_build_object(
         'id', s.id, 'personId', s.person_id, 'organisationId', s.organisation_id, 'frequency', s.frequency,
         'payWhen', s.pay_when, 'inAdvanceDays', s.in_advance_days, 'grossOrNet', s.gross_or_net, 'status', s.status,
         'from', s.valid_from, 'to', s.valid_to, 'suspendedFrom', s.suspended_from, 'raisedTo', s.raised_to,
         'deathDate', p.death_date, 'budgetStatus', b.status, 'budgetTo', b.valid_to,
         'setBy', l.created_by, 'setByName', l.created_by_name,
         'threshold', (select threshold::text from payer where (organisation_id, source) = (s.organisation_id, s.source)),
         'rates', (select json_agg(json_build_array(r.valid_from, r.weekly_pence::text, r.contribution_pence::text))
                     from schedule_rate r where r.schedule_id = s.id and r.person_id = s.person_id),
         'instructions', (
           select coalesce(json_agg(json_build_array(i.id, i.period_from, i.pricing, i.effect, i.pence::text,
                                                     i.contribution_pence::text, i.status, i.approved_by)), '[]')
             from payment_instruction i where i.schedule_id = s.id and ($2 or i.period_from >= ${ended} - ${longest})))::text as row
  from payment_schedule s
  join person p on p.id = s.person_id
  join budget b on b.id = s.budget_id and b.person_id = s.person_id
  left join lateral (select i.created_by, i.created_by_name from payment_instruction i where i.schedule_id = s.id
                      order by i.period_from desc, i.pricing desc limit 1) l on true
 where s.id = any($1::uuid[])`;

const insert = `
insert into payment_instruction (schedule_id, person_id, organisation_id, period_from, period_to, effect, pricing, pence,
                                 contribution_pence, due_on, status, created_by, created_by_name, approved_at)
select r.schedule, r.person, r.organisation, r."from", r."to", r.effect, r.pricing, r.pence, r.contribution, r.due,
       r.status, r."setBy", r."setByName", case when r.status = 'APPROVED' then $2::timestamptz end
  from json_to_recordset($1::json) as r(schedule uuid, person uuid, organisation uuid, "from" date, "to" date,
         effect instruction_effect, pricing int, pence bigint, contribution bigint, due date,
         status instruction_status, "setBy" text, "setByName" text)
on conflict (schedule_id, period_from, pricing) do nothing`;

const amend = `
update payment_instruction i
   set period_to = r."to", effect = r.effect, pence = r.pence, contribution_pence = r.contribution, due_on = r.due,
       status = r.status, created_by = r."setBy", created_by_name = r."setByName", approved_by = null,
       approved_at = case when r.status = 'APPROVED' then $2::timestamptz end, version = i.version + 1
  from json_to_recordset($1::json) as r(id uuid, person uuid, "to" date, effect instruction_effect, pence bigint,
         contribution bigint, due date, status instruction_status, "setBy" text, "setByName" text)
 where i.id = r.id and i.person_id = r.person and i.status in ('DRAFT', 'APPROVED', 'HELD')`;

// A command has counted its change already.
const keep = `
update payment_schedule s
   set raised_to = r."raisedTo", status = r.status, valid_to = r."to",
       version = s.version + case when $2::boolean and (s.status, s.valid_to) is distinct from (r.status, r."to") then 1 else 0 end
  from json_to_recordset($1::json) as r(id uuid, person uuid, "raisedTo" date, status schedule_status, "to" date)
 where s.id = r.id and s.person_id = r.person`;

// A command announces its own.
const announce = `
with announced as (insert into outbox (topic, payload) values ('${paymentChanged}', $1::jsonb))
${jobEvent(`'payments'`, `array(select jsonb_array_elements_text($1::jsonb -> 'personIds')::uuid)`)}`;

interface Raising {
  today: string;
  now: Date;
  /** Who caused it; null for the job, which acts for whoever set the schedule last. */
  setBy: Human | null;
  /** Raises the periods up to the one with this day too, whenever they are due. */
  covering?: string;
}

/**
 * Brings the instructions of these schedules, whose rows the caller has locked, to what their terms say; gives how many
 * were written. A command looks at every period; the job at new ones, and at those which an end cuts short.
 */
export async function raise(ask: Ask, scheduleIds: string[], raising: Raising): Promise<number> {
  const { now, today, setBy } = raising;
  const loaded = await ask(load, [scheduleIds, setBy !== null, today]);
  const added: unknown[] = [];
  const amended: unknown[] = [];
  const kept: unknown[] = [];
  const personIds = new Set<string>();
  for (const { row } of loaded) {
    const facts = JSON.parse(row) as ScheduleFacts;
    const { wanted, raisedTo, status, to } = settled(facts, raising);
    const by = setBy ?? { subject: facts.setBy ?? 'tandem', name: facts.setByName };
    for (const one of wanted) (one.id === null ? added : amended).push(rowOf(facts, one, by));
    if (raisedTo !== facts.raisedTo || status !== facts.status || to !== facts.to)
      kept.push({ id: facts.id, person: facts.personId, raisedTo, status, to });
    if (wanted.length > 0 || status !== facts.status) personIds.add(facts.personId);
  }
  const at = now.toISOString();
  if (added.length > 0) await ask(insert, [JSON.stringify(added), at]);
  if (amended.length > 0) await ask(amend, [JSON.stringify(amended), at]);
  if (kept.length > 0) await ask(keep, [JSON.stringify(kept), setBy === null]);
  if (setBy === null && personIds.size > 0)
    await ask(announce, [JSON.stringify({ personIds: [...personIds] })]);
  return added.length + amended.length;
}

const rowOf = (facts: ScheduleFacts, one: Wanted, setBy: Human) => ({
  id: one.id,
  schedule: facts.id,
  person: facts.personId,
  organisation: facts.organisationId,
  from: one.period.from,
  to: one.period.to,
  effect: one.effect,
  pricing: one.pricing,
  pence: String(one.pence),
  contribution: String(one.contributionPence),
  due: one.dueOn,
  status: one.status,
  setBy: setBy.subject,
  setByName: setBy.name,
});

function settled(facts: ScheduleFacts, { today, setBy, covering }: Raising) {
  const overOn = earliest([facts.to, facts.budgetTo, dayAfterDeath(facts.deathDate)]);
  const terms = termsOf(facts);
  // Nothing new is raised before the money is released, or while the budget is held; what was due before its end is.
  const mayRaise = facts.budgetStatus === 'ACTIVE' || facts.budgetStatus === 'ENDED';
  const next = facts.raisedTo === null ? facts.from : addDays(facts.raisedTo, 1);
  const threshold = facts.threshold === null ? null : BigInt(facts.threshold);
  const reach = {
    dueBy: mayRaise ? addDays(today, raiseAheadDays) : '0001-01-01',
    ...(covering === undefined || !mayRaise ? {} : { covering }),
    raisedTo: facts.raisedTo,
    ...(setBy === null ? { since: earliest([terms.end, next])! } : {}),
  };
  const instructed = facts.instructions.map(instructedOf);
  const { wanted, raisedTo, complete } = settle(terms, instructed, reach, threshold);
  const isOver =
    complete && (overOn === null ? facts.frequency === 'ONE_OFF' && facts.from <= today : overOn <= today);
  return { wanted, raisedTo, status: isOver ? 'ENDED' : facts.status, to: shortened(facts) };
}

/** A schedule ends with the person's life. It has one day at least, whose price is then nothing. */
function shortened({ from, to, deathDate }: ScheduleFacts): string | null {
  if (deathDate === null) return to;
  const first = addDays(from, 1);
  const after = dayAfterDeath(deathDate)!;
  return earliest([to, [first, after].sort().at(-1)!]);
}

type Termed = Omit<
  ScheduleFacts,
  'instructions' | 'setBy' | 'setByName' | 'threshold' | 'id' | 'personId' | 'organisationId' | 'raisedTo'
>;

export const termsOf = (facts: Termed): Terms => ({
  frequency: facts.frequency,
  payWhen: facts.payWhen,
  inAdvanceDays: facts.inAdvanceDays,
  grossOrNet: facts.grossOrNet,
  from: facts.from,
  end: earliest([facts.to, facts.budgetTo, dayAfterDeath(facts.deathDate), facts.suspendedFrom]),
  rates: facts.rates.map(([from, pence, contribution]) => ({
    from,
    pence: BigInt(pence),
    contributionPence: BigInt(contribution),
  })),
});

const instructedOf = (row: ScheduleFacts['instructions'][number]): Instructed => ({
  id: row[0],
  periodFrom: row[1],
  pricing: row[2],
  effect: row[3],
  pence: BigInt(row[4]),
  contributionPence: BigInt(row[5]),
  status: row[6],
  approvedBy: row[7],
});

/** Days in a period at least, so that a schedule in arrears is not looked at again before its next is over. */
const shortest = `case s.frequency when 'WEEKLY' then 7 when 'FOUR_WEEKLY' then 28 when 'MONTHLY' then 28
                                   when 'QUARTERLY' then 90 else 1 end`;

/** The next schedules, behind one, for which something may be to do; the ids in order. */
const findDue = `
select s.id::text as row
  from payment_schedule s
  join person p on p.id = s.person_id
  join budget b on b.id = s.budget_id and b.person_id = s.person_id
 where s.id > $1::uuid and (
       (s.status = 'ACTIVE' and b.status = 'ACTIVE'
        and (s.raised_to is null
             or s.raised_to + 1 < coalesce(${ended}, 'infinity')
            and case when s.pay_when = 'IN_ADVANCE' then s.raised_to + 1 - s.in_advance_days
                     else s.raised_to + 1 + ${shortest} end <= $2::date))
    or (s.status <> 'ENDED' and (least(s.valid_to, b.valid_to) <= $3::date or b.valid_to <= s.raised_to))
    or (p.death_date is not null and (s.status <> 'ENDED' or s.valid_to is null
        or s.valid_to > greatest(p.death_date + 1, s.valid_from + 1))))
 order by s.id limit $4`;

// Looked for first and locked then: of those that another process is at, a locking search would leave some out, and a
// short answer would look like the last.
const lock = `select id::text as row from payment_schedule where id = any($1::uuid[]) order by id for update`;

export interface Batch {
  /** Written. */
  instructions: number;
  /** To go on behind; null after the last. */
  after: string | null;
}

/** Raises what is due for the next `size` schedules, in the caller's transaction. */
export async function raiseDue(
  ask: Ask,
  { after, size, today, now }: { after: string; size: number; today: string; now: Date },
): Promise<Batch> {
  const found = await ask(findDue, [after, addDays(today, raiseAheadDays), today, size]);
  if (found.length === 0) return { instructions: 0, after: null };
  const ids = found.map(({ row }) => row);
  await ask(lock, [ids]);
  const instructions = await raise(ask, ids, { today, now, setBy: null });
  return { instructions, after: found.length < size ? null : ids.at(-1)! };
}
