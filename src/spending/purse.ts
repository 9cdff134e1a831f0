/**
 * The money of a budget and the terms on which it is spent, read under the lock of the budget. An integrated budget may
 * have parts that two systems keep: what is agreed stands with the whole, and the money is in the parts.
 */

import type { PolicyParameters } from '../access/policy.ts';
import { maySeeRow, parametersOf } from '../access/scope.ts';
import type { ViewerRole } from '../access/viewer.ts';
import type { BudgetStatus, FundingSource } from '../generated/prisma/enums.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import type { Statements } from '../write/statements.ts';
import { notFound } from '../write/subject.ts';
import type { Earlier, Exclusion, KnownPayee, Overspend, Pot, Terms } from './rules.ts';
import { paysFrom } from './subject.ts';
import { type ExclusionRow, exclusionRows, type PlanRow, planRows, termsOf } from './terms.ts';

export interface Purse {
  personId: string;
  budgetId: string;
  /** `to` is the first day on which it is no longer in force. */
  budget: { status: BudgetStatus; from: string; to: string | null };
  /** The budget and its parts: where its money may be. */
  budgetIds: string[];
  portions: { id: string; budgetId: string; replacesId: string | null }[];
  pots: Pot[];
  overspends: Overspend[];
  earlier: Earlier[];
  payees: KnownPayee[];
  /** On one of the days that it was opened for. */
  terms: (day: string) => Terms;
}

/** One that somebody who pays from it, or accounts for it, has opened. */
export interface OpenPurse extends Purse {
  /** Whether the viewer pays from it, or from the portion that was named. */
  mayPay: boolean;
  /** What the client has recorded before under the reference that was named. */
  recorded: { id: string; budgetId: string } | null;
}

interface Opening {
  /** Those on which something was bought. */
  days: string[];
  portionId?: string | null;
  externalRef?: string | null;
}

const lockRows = `
select b.id::text as id, b.part_of_id::text as "partOfId" from budget b
 where b.id = $1::uuid
    or b.part_of_id = $1::uuid and b.person_id = (select person_id from budget where id = $1::uuid)
 order by b.id <> $1::uuid, b.id for update`;

/** A budget and its parts, locked in this order, which is everybody's, until the transaction ends. Its own comes first. */
const lockAll = (tx: Statements, budgetId: string | null) =>
  tx.$queryRawUnsafe<{ id: string; partOfId: string | null }[]>(lockRows, budgetId);

/** Locks a budget with its parts and gives their ids, its own first. */
export async function lockParts(tx: Statements, budgetId: string): Promise<string[]> {
  return (await lockAll(tx, budgetId)).map(({ id }) => id);
}

const potRows = (budgetIds: string) => `
  select budget_id as "budgetId", portion_id as "portionId", source, sum(in_pence - out_pence)::text as "left"
    from ledger_account where budget_id = any(${budgetIds}) and kind = 'HELD' group by 1, 2, 3 order by 3, 1`;

// Of a budget is of its person: to ask for both would only tempt PostgreSQL into a second index.
const earlierRows = (budgetIds: string) => `
  select s.line_key as "lineKey", s.spent_on as "spentOn",
         sum(s.pence - coalesce((
           select sum(case when t.reverses_id is null then t.pence else -t.pence end) from ledger_transfer t
            where t.external_id = 'spend/' || s.id and t.kind = 'REFUNDED'), 0))::text as pence
    from spend s
   where s.budget_id = any(${budgetIds}) and s.line_key is not null
     and s.state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED')
   group by 1, 2`;

const payeeRows = (budgetIds: string) => `
  select distinct line_key as "lineKey", payee from spend
   where budget_id = any(${budgetIds}) and line_key is not null and state in ('INSIDE_PLAN', 'ACCEPTED')`;

/** SQL: rows as one JSON list. */
export const list = (rows: string): string => `(select coalesce(json_agg(r), '[]') from (${rows}) r)`;

/**
 * SQL: what a decision about spending needs of a budget `b`, as the arguments of `json_build_object`. `own` is SQL of the
 * ids of the budget and its parts, `agreedIn` of these and of the whole that it may be a part of.
 */
export const purseFacts = (own: string, agreedIn: string): string => `
  'personId', b.person_id, 'budget', json_build_object('status', b.status, 'from', b.valid_from, 'to', b.valid_to),
  'portions', ${list(`select id, budget_id as "budgetId", replaces_id as "replacesId" from portion
                       where person_id = b.person_id and budget_id = any(${agreedIn})`)},
  'pots', ${list(potRows(own))},
  'overspends', ${list(`select source, pence::text as pence, until from overspend_agreement
                          where person_id = b.person_id and budget_id = any(${agreedIn})`)},
  'earlier', ${list(earlierRows(agreedIn))},
  'payees', ${list(payeeRows(agreedIn))},
  'plans', ${list(planRows('b.person_id'))}`;

/** Whatever a decision about spending needs, in one statement: each costs more than most of what it reads. */
function purseRow(role: ViewerRole, p: PolicyParameters): string {
  const place = { personId: 'b.person_id', budgetId: 'b.id', portionId: 'given.portion_id' };
  return `
select ${maySeeRow(role, 'budget', 'b', p)} as visible, json_build_object(
  ${purseFacts('$2::uuid[]', '$3::uuid[]')},
  'mayPay', ${paysFrom(role, place, p)},
  'recorded', (select json_build_object('id', s.id, 'budgetId', s.budget_id) from spend s
                where s.client_id = $6 and s.external_ref = $7),
  'exclusions', ${list(exclusionRows('b.person_id', '$3::uuid[]', '$4::date[]'))})::text as facts
  from budget b cross join (values ($5::uuid)) as given(portion_id) where b.id = $1::uuid`;
}

type Pence<Row, Key extends keyof Row> = Omit<Row, Key> & { [K in Key]: string };

export interface PurseFacts extends Pick<Purse, 'personId' | 'budget' | 'portions' | 'payees'> {
  pots: Pence<Pot, 'left'>[];
  overspends: Pence<Overspend, 'pence'>[];
  earlier: Pence<Earlier, 'pence'>[];
  plans: PlanRow[];
}

interface Facts extends PurseFacts, Pick<OpenPurse, 'mayPay' | 'recorded'> {
  exclusions: ExclusionRow[];
}

const potOf = ({ left, ...pot }: PurseFacts['pots'][0]): Pot => ({ ...pot, left: BigInt(left) });

/** What is left in each place of the budgets. */
export async function potsOf(tx: Statements, budgetIds: string[]): Promise<Pot[]> {
  const text = `select ${list(potRows('$1::uuid[]'))}::text as pots`;
  const [row] = await tx.$queryRawUnsafe<{ pots: string }[]>(text, budgetIds);
  return (JSON.parse(row!.pots) as PurseFacts['pots']).map(potOf);
}

/**
 * Locks a budget, with its parts, and reads it.
 *
 * @param budgetId null where the id was none of a budget
 * @throws UserFault NOT_FOUND where it is not the viewer's to see, WRONG_STAGE where it was never released
 */
export async function openPurse(
  { tx, viewer, today }: CommandContext<Statements>,
  budgetId: string | null,
  { days, portionId = null, externalRef = null }: Opening,
): Promise<OpenPurse> {
  const locked = await lockAll(tx, budgetId);
  if (locked[0] === undefined) throw notFound('budgetId');
  const { id, partOfId } = locked[0];
  const budgetIds = locked.map((budget) => budget.id);
  const agreedIn = partOfId === null ? budgetIds : [...budgetIds, partOfId];
  // After the lock, and not with it: what others wrote until then counts.
  const values = [id, budgetIds, agreedIn, days, portionId, viewer.subject, externalRef];
  const text = purseRow(viewer.role, parametersOf(viewer, today, values));
  const [row] = await tx.$queryRawUnsafe<{ visible: boolean; facts: string }[]>(text, ...values);
  if (!row!.visible) throw notFound('budgetId');
  const { mayPay, recorded, exclusions, ...facts } = JSON.parse(row!.facts) as Facts;
  const unreleased = unreleasedFault(facts.budget.status);
  if (unreleased !== null) throw unreleased;
  const excluded = (day: string) => exclusions.filter((one) => one.day === day);
  return { ...purseOf({ id, budgetIds }, facts, excluded), mayPay, recorded };
}

/** Why nothing can be spent from a budget that stands like this; null where something can. */
export function unreleasedFault(status: BudgetStatus): UserFault | null {
  if (status !== 'INDICATIVE' && status !== 'PROPOSED' && status !== 'SIGNED_OFF') return null;
  const message = `The budget is ${status}. Its money can be spent once it is released.`;
  return new UserFault('WRONG_STAGE', message, 'budgetId');
}

/** A purse of what was read of it, by `purseFacts` and of what may not be bought. */
export function purseOf(
  { id, budgetIds }: { id: string; budgetIds: string[] },
  { personId, budget, portions, payees, pots, overspends, earlier, plans }: PurseFacts,
  excluded: (day: string) => Exclusion[],
): Purse {
  return {
    personId,
    budgetId: id,
    budget,
    budgetIds,
    portions,
    payees,
    pots: pots.map(potOf),
    overspends: overspends.map(({ pence, ...one }) => ({ ...one, pence: BigInt(pence) })),
    earlier: earlier.map(({ pence, ...day }) => ({ ...day, pence: BigInt(pence) })),
    terms: termsOf(plans, excluded),
  };
}

/** The portion that took the place of one, and of that, to the last. */
export function currentPortion(portions: Purse['portions'], id: string): string {
  const next = portions.find(({ replacesId }) => replacesId === id);
  return next === undefined ? id : currentPortion(portions, next.id);
}

/**
 * Where the money of a portion is: in the portion, or where nothing is there in the budget as a whole, for a source
 * system that pays does not say into which portion.
 */
export function potsFor(pots: Pot[], portionId: string | null, source: FundingSource | null = null): Pot[] {
  const ofSource = pots.filter((pot) => source === null || pot.source === source);
  const inPortion = ofSource.filter((pot) => portionId !== null && pot.portionId === portionId);
  return inPortion.some(({ left }) => left > 0n)
    ? inPortion
    : ofSource.filter((pot) => pot.portionId === null);
}
