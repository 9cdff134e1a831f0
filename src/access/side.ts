/**
 * Of which side a row is, where the person may keep one side's from the other. The read compiler and the commands ask
 * with the same words, so that nobody acts on what they do not see.
 */
import type { Part } from './table.ts';

const linkSide = (row: string) =>
  `(select f.side from person_link pl join source_system f on f.id = pl.source_id where pl.id = ${row}.link_id)`;

/** SQL: on which side a budget stands by its kind; null for one that both agreed. */
export const budgetSide = (row: string) =>
  `(case ${row}.kind when 'PERSONAL_HEALTH_BUDGET' then 'NHS' when 'PERSONAL_BUDGET' then 'COUNCIL' end)::side`;

/** SQL: of which side a row is, by what it has. Null for what both agreed. */
export const sides = {
  LINK: linkSide,
  KIND: budgetSide,
  BUDGET: (row: string) => `(select ${budgetSide('b')} from budget b where b.id = ${row}.budget_id)`,
  SCHEDULE: (row: string) =>
    `(select ${budgetSide('b')} from payment_schedule s join budget b on b.id = s.budget_id where s.id = ${row}.schedule_id)`,
  PLAN: (row: string) => `(select ${linkSide('p')} from plan p where p.id = ${row}.plan_id)`,
  ORGANISATION: (row: string) =>
    `(select case o.kind when 'ICB' then 'NHS' when 'COUNCIL' then 'COUNCIL' end::side from organisation o where o.id = ${row}.organisation_id)`,
};

/** How it is told of a table's rows: each by what it has, or as what may be of either side. */
export type SideOf = keyof typeof sides | 'EITHER';

/** The tables whose rows commands are given by their ids: the part of the record they are in, and how their side is told. */
export const guarded = {
  plan: { part: 'SUPPORT', side: 'LINK' },
  concern: { part: 'CARE', side: 'PLAN' },
  eligibility: { part: 'DECISION', side: 'LINK' },
  decision: { part: 'DECISION', side: 'ORGANISATION' },
  budget: { part: 'MONEY', side: 'KIND' },
  portion: { part: 'MONEY', side: 'BUDGET' },
  spend: { part: 'MONEY', side: 'BUDGET' },
  evidence: { part: 'MONEY', side: 'EITHER' },
  bank_line: { part: 'MONEY', side: 'EITHER' },
  payment_schedule: { part: 'MONEY', side: 'BUDGET' },
  payment_instruction: { part: 'MONEY', side: 'SCHEDULE' },
  payee_account: { part: 'BANK', side: 'BUDGET' },
  reclaim: { part: 'MONEY', side: 'BUDGET' },
  financial_return: { part: 'MONEY', side: 'EITHER' },
  return_query: { part: 'MONEY', side: 'EITHER' },
  package_change: { part: 'SUPPORT', side: 'PLAN' },
  worker: { part: 'TEAM', side: 'EITHER' },
  delegated_task: { part: 'TEAM', side: 'EITHER' },
  absence: { part: 'TEAM', side: 'EITHER' },
  role_on_record: { part: 'PEOPLE', side: 'EITHER' },
} as const satisfies Record<string, { part: Part; side: SideOf }>;

export type Guarded = keyof typeof guarded;
