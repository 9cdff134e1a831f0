/** Putting a version to everybody: what it lacks is said all at once. */

import { eligibleSchemes } from '../eligibility/command.ts';
import { judgeCharges } from '../eligibility/rules.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { dayOf } from '../platform/day.ts';
import { type Command, type CommandContext, Refused, type UserFault } from '../write/command.ts';
import { changePlan, type PlanResult, planChanged, takePlan, type WholePlan } from './change.ts';
import { type Gathered, gather } from './content.ts';
import { type ChargeFacts, chargesSql } from './facts.ts';
import { needsReason } from './rules.ts';

interface ProposeInput {
  idempotencyKey: string;
  planId: string;
  expectedVersion: number;
}

export const proposePlanCommand: Command<ProposeInput, PlanResult> = {
  name: 'proposePlan',
  run: async (context, { planId, expectedVersion }) => {
    const plan = await takePlan(context, { planId, expectedVersion, at: ['DRAFT'] });
    const faults = await findFaults(context, plan);
    if (faults.length > 0) throw new Refused<PlanResult>(faults, { planId });
    await changePlan(context, plan, ['PROPOSED'], { status: 'PROPOSED', proposedAt: context.now });
    return planChanged(context, plan);
  },
};

/** The day the plan begins, if it were agreed today. */
export function startOf({ validFrom }: Pick<WholePlan, 'validFrom'>, today: string): string {
  const from = validFrom === null ? today : dayOf(validFrom);
  return from > today ? from : today;
}

/** All for which this version cannot be agreed. The fields are those of an edit that mends it. */
export async function findFaults(context: CommandContext, plan: WholePlan): Promise<UserFault[]> {
  const start = startOf(plan, context.today);
  const gathered = gather();
  findWordsLacking(plan, start, gathered);
  await findMoneyLacking(context, plan, start, gathered);
  await findRefusals(context, plan, start, gathered);
  return gathered.faults;
}

function findWordsLacking(plan: WholePlan, start: string, { refuse }: Gathered): void {
  const lacks = (what: string, field: string) => refuse('PLAN_INCOMPLETE', what, field);
  if (plan.coordinatorName === null) lacks('Name the one co-ordinator.', 'coordinatorName');
  if (plan.whatMatters === null)
    lacks('Write down what matters to the person, in their own words.', 'whatMatters');
  if (plan.needs.length === 0) lacks('Name at least one need.', 'needs');
  if (plan.validTo !== null && plan.validTo < new Date(start)) {
    refuse('DAY_INVALID', 'The last day of the plan is over before it can begin.', 'to');
  }
  const risks = plan.items.filter(({ section }) => section === 'RISK');
  for (const [i, { procedure }] of risks.entries()) {
    // NHS (Direct Payments) Regulations: agree a procedure for managing significant risks, and put it in the plan.
    if (procedure === null)
      refuse(
        'RISK_WITHOUT_PROCEDURE',
        'Say what is agreed to be done about the risk.',
        `risks.${i}.procedure`,
      );
  }
  for (const [i, { kind, reason }] of plan.lines.entries()) {
    if (needsReason(kind) && reason === null) {
      refuse('REASON_NEEDED', 'Say why this was agreed: it is no usual service.', `lines.${i}.reason`);
    }
  }
}

/** A portion as it stands on a day: whose money is in it, and whether it is in force. */
interface PortionFacts {
  id: string;
  amount_pence: bigint;
  in_force: boolean;
  sources: FundingSource[];
}

const portionsSql = `
  select q.id, q.amount_pence,
         b.status <> 'ENDED' and coalesce(q.valid_from, b.valid_from) <= $2::date
           and coalesce(least(q.valid_to, b.valid_to) > $2::date, true) as in_force,
         array(select distinct f.source::text from funding_line f
                where f.budget_id = b.id and f.person_id = b.person_id) as sources
    from portion q join budget b on b.id = q.budget_id and b.person_id = q.person_id
   where q.id = any($1::uuid[])`;

async function findMoneyLacking(
  { tx }: CommandContext,
  { lines }: WholePlan,
  start: string,
  { refuse }: Gathered,
): Promise<void> {
  const ids = lines.map(({ portionId }) => portionId).filter((id) => id !== null);
  const rows = await tx.$queryRawUnsafe<PortionFacts[]>(portionsSql, [...new Set(ids)], start);
  const portions = new Map(rows.map((row) => [row.id, { ...row, left: row.amount_pence }]));
  const exceeded = new Set<string>();
  for (const [i, { portionId, source, yearlyPence }] of lines.entries()) {
    const at = (field: string) => `lines.${i}.${field}`;
    if (portionId === null) {
      if (source === null)
        refuse(
          'LINE_WITHOUT_FUNDING',
          'Say what pays it: a portion, or else a source of money.',
          at('portionId'),
        );
      continue;
    }
    const portion = portions.get(portionId)!;
    if (!portion.in_force) {
      refuse(
        'PORTION_NOT_IN_FORCE',
        'This portion is not in force on the day the plan begins: choose one that is.',
        at('portionId'),
      );
    }
    if (source !== null && !portion.sources.includes(source)) {
      refuse('SOURCE_NOT_IN_PORTION', 'The portion’s budget holds no money of this source.', at('source'));
    }
    portion.left -= yearlyPence;
    if (portion.left < 0n && !exceeded.has(portionId)) {
      exceeded.add(portionId);
      refuse(
        'LINES_EXCEED_PORTION',
        'With this line the portion’s lines come to more in a year than its amount, which must cover the full cost of each service.',
        at('portionId'),
      );
    }
  }
}

/** Money of the one side for what only the other may pay. */
async function findRefusals(
  { tx }: CommandContext,
  plan: WholePlan,
  start: string,
  { refuse }: Gathered,
): Promise<void> {
  const charges = chargesSql({ plan: 'p', day: '$2::date', table: (name) => name });
  const [row] = await tx.$queryRawUnsafe<Pick<ChargeFacts, 'charges'>[]>(
    `select ${charges} as charges from plan p where p.id = $1::uuid`,
    plan.id,
    start,
  );
  const eligible = await eligibleSchemes(tx, plan.personId, start);
  for (const { key, code, message } of judgeCharges(eligible, row!.charges).refusals) {
    const index = plan.lines.findIndex((line) => line.key === key);
    refuse(code, message, `lines.${index}`);
  }
}
