/** What the rules of a plan are asked about, as SQL: reads and commands judge by the same facts. */

import type { Charge } from '../eligibility/rules.ts';
import type { EligibilityScheme } from '../generated/prisma/enums.ts';
import { holdsOn } from '../platform/day.ts';
import { requiredParties, type SignatureState, type StandingSignature, signatureState } from './rules.ts';

interface Facts {
  /** Alias of the plan's row. */
  plan: string;
  /** SQL of the day looked at. */
  day: string;
  /** A table to select from. */
  table: (name: string) => string;
}

/** Money is looked at on the day the plan begins, if that is still to come. */
const startOf = ({ plan, day }: Facts) => `greatest(${day}, ${plan}.valid_from)`;

/** SQL: the rows (alias `f`) of whose money pays the line `l`: its own source, or those of its portion's budget. */
const fundersOf = (facts: Facts) => `
  from ${facts.table('portion')} q join ${facts.table('funding_line')} f on f.budget_id = q.budget_id and f.person_id = q.person_id
 where q.id = l.portion_id and q.person_id = l.person_id and coalesce(f.line_key, l.key) = l.key
   and ${holdsOn('f', startOf(facts))}`;

/** SQL of one JSON value: the plan's lines as `Charge[]`, in their order. */
export const chargesSql = (facts: Facts): string => `
  (select coalesce(json_agg(json_build_object(
      'key', l.key,
      'sources', case when l.source is not null then json_build_array(l.source)
                 else (select coalesce(json_agg(distinct f.source), '[]') ${fundersOf(facts)}) end,
      'needSchemes', (select coalesce(json_agg(n.scheme order by n.position), '[]') from ${facts.table('need')} n
                       where n.plan_id = l.plan_id and n.person_id = l.person_id and n.key = any(l.need_keys))
    ) order by l.position), '[]')
   from ${facts.table('plan_line')} l where l.plan_id = ${facts.plan}.id and l.person_id = ${facts.plan}.person_id)`;

export interface SigningFacts {
  /** Null for a plan that a source holds: who signed it is known there. */
  number: number | null;
  charges: Charge[];
  signatures: StandingSignature[];
}

/** SQL of one JSON value: `SigningFacts`. */
export const signingSql = (facts: Facts): string => `
  json_build_object('number', ${facts.plan}.number, 'charges', ${chargesSql(facts)}, 'signatures',
    (select coalesce(json_agg(json_build_object('party', s.party, 'agrees', s.agrees, 'actingAs', s.acting_as)), '[]')
       from sign_off s where s.plan_id = ${facts.plan}.id and s.person_id = ${facts.plan}.person_id and s.withdrawn_at is null))`;

export function stateOf({ number, charges, signatures }: SigningFacts): SignatureState {
  if (number === null) return { signed: [], missing: [], representativesDisagree: false };
  const sources = charges.flatMap((charge) => charge.sources);
  return signatureState(requiredParties(sources), signatures);
}

export interface ChargeFacts {
  charges: Charge[];
  eligible: EligibilityScheme[];
}

/** SQL of one JSON value: `ChargeFacts`. */
export const judgingSql = (facts: Facts): string => `
  json_build_object('charges', ${chargesSql(facts)}, 'eligible',
    (select coalesce(json_agg(distinct e.scheme), '[]') from ${facts.table('eligibility')} e
      where e.person_id = ${facts.plan}.person_id and e.status = 'ELIGIBLE' and e.valid_from <= ${startOf(facts)}
        and (e.valid_to is null or e.valid_to > ${startOf(facts)})))`;
