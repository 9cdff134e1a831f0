/** What the clocks of reviews are worked out from: one JSON value, read in the statement that asks for it. */

import { policyRows } from '../commissioner/policy.ts';
import type {
  EligibilityScheme,
  FundingSource,
  PlanStatus,
  ReturnFrequency,
  Side,
} from '../generated/prisma/client.ts';
import type { HeldReview } from './duty.ts';

/** How a commissioner runs one source of its money, as far as it concerns reviews. */
export interface PolicyFacts {
  organisation: string;
  firstReviewWeeks: number | null;
  reviewMaxMonths: number | null;
  returnFrequency: ReturnFrequency | null;
  citation: string;
}

/** Money of one source in a budget. Null days stand for those of the budget. */
export interface LineFacts {
  source: FundingSource;
  from: string | null;
  to: string | null;
  policy: PolicyFacts | null;
}

/** A portion that is a direct payment, and when it was first paid with each side's money. */
export interface PaymentFacts {
  from: string | null;
  to: string | null;
  nhsPaidOn: string | null;
  councilPaidOn: string | null;
}

/** A budget that is or was in force. `to` is the first day without. */
export interface BudgetFacts {
  id: string;
  partOfId: string | null;
  from: string;
  to: string | null;
  lines: LineFacts[];
  payments: PaymentFacts[];
}

/** A plan that is or was in force. `side` is null for the joint plan, which alone has a number. `to` is its last day. */
export interface PlanFacts {
  side: Side | null;
  number: number | null;
  status: PlanStatus;
  agreedOn: string | null;
  from: string | null;
  to: string | null;
  /** The sides that signed it. */
  signedBy: Side[];
}

export interface EligibilityFacts {
  scheme: EligibilityScheme;
  decidedOn: string | null;
  reviewDueOn: string | null;
  from: string;
  to: string | null;
}

export interface ReviewFacts {
  diedOn: string | null;
  budgets: BudgetFacts[];
  plans: PlanFacts[];
  eligibilities: EligibilityFacts[];
  reviews: HeldReview[];
}

const list = (rows: string) => `(select coalesce(json_agg(x), '[]') from (${rows}) x)`;

/**
 * SQL: when money of these sources first came in, in the budget `b` or one that is a part of it. What was paid before
 * the portion `p` took another's place was not its own.
 */
const firstPaid = (sources: string) => `(
  select min(paid.effective_on) from budget m cross join lateral (
    select t.effective_on from ledger_transfer t
     where t.budget_id = m.id and t.person_id = m.person_id and t.kind = 'PAID_IN' and t.source in (${sources})
       and t.reverses_id is null and not exists (select from ledger_transfer r where r.reverses_id = t.id)
       and t.effective_on >= coalesce(p.valid_from, case when b.link_id is null then b.valid_from end, '-infinity')
     order by t.effective_on, t.id limit 1) paid
   where m.person_id = b.person_id and (m.id = b.id or m.part_of_id = b.id))`;

/** SQL: `ReviewFacts` of a person. `day` is the day whose policies count; both are SQL. */
export const reviewFacts = (personId: string, day: string) => `json_build_object(
  'diedOn', (select death_date from person where id = ${personId}),
  'budgets', ${list(`
    select b.id, b.part_of_id as "partOfId", b.valid_from as "from",
           case when b.status = 'ENDED' then least(b.valid_to, ${day}) else b.valid_to end as "to",
           ${list(`
             select l.source, l.valid_from as "from", l.valid_to as "to",
                    case when c.organisation_id is not null then json_build_object(
                      'organisation', o.name, 'firstReviewWeeks', c.first_review_weeks,
                      'reviewMaxMonths', c.review_max_months, 'returnFrequency', c.return_frequency,
                      'citation', c.citation) end as policy
               from funding_line l
               left join lateral (${policyRows('l.organisation_id', 'l.source', day)}) c on true
               left join organisation o on o.id = c.organisation_id
              where l.budget_id = b.id and l.person_id = b.person_id`)} as lines,
           ${list(`
             select p.valid_from as "from", p.valid_to as "to", ${firstPaid(`'ICB', 'S75_POOL'`)} as "nhsPaidOn",
                    ${firstPaid(`'COUNCIL', 'S75_POOL'`)} as "councilPaidOn"
               from portion p
              where p.budget_id = b.id and p.person_id = b.person_id
                and p.management in ('DIRECT_PAYMENT', 'MANAGED_ACCOUNT')`)} as payments
      from budget b
     where b.person_id = ${personId}
       and (b.status in ('ACTIVE', 'SUSPENDED') or b.status = 'ENDED' and b.valid_to is not null)`)},
  'plans', ${list(`
    select s.side, n.number, n.status, (n.agreed_at at time zone 'Europe/London')::date as "agreedOn",
           n.valid_from as "from", n.valid_to as "to",
           array(
             select distinct f.party::text from sign_off f
              where f.plan_id = n.id and f.person_id = n.person_id and n.number is not null
                and f.party <> 'PERSON' and f.agrees and f.withdrawn_at is null) as "signedBy"
      from plan n
      left join person_link k on k.id = n.link_id and k.person_id = n.person_id
      left join source_system s on s.id = k.source_id
     where n.person_id = ${personId} and n.status in ('AGREED', 'SUPERSEDED', 'ENDED')`)},
  'eligibilities', ${list(`
    select scheme, decided_on as "decidedOn", review_due_on as "reviewDueOn", valid_from as "from", valid_to as "to"
      from eligibility
     where person_id = ${personId} and status = 'ELIGIBLE' and scheme in ('CHC_STANDARD', 'CHC_FAST_TRACK')`)},
  'reviews', ${list(`
    select v.kind, coalesce(v.duties, '{}') as duties, s.side, v.held_on as "heldOn"
      from review v
      left join person_link k on k.id = v.link_id and k.person_id = v.person_id
      left join source_system s on s.id = k.source_id
     where v.person_id = ${personId}`)})`;
