/**
 * What a commissioner wants to see of how its money was spent. Which kinds of document are asked for: the councils'
 * and ICBs' own direct payment pages (bank statement, invoice, receipt, payslip, timesheet, HMRC statement, insurance
 * certificate). One document answers every commissioner that pays a part.
 */
import type { EvidenceKind } from '../generated/prisma/enums.ts';
import { addDays, addMonths } from '../platform/day.ts';

export type Requirement =
  | 'PROOF_OF_PURCHASE'
  | 'PROOF_OF_WAGES'
  | 'ACCOUNT_STATEMENT'
  | 'PAYROLL_TAX'
  | 'EMPLOYERS_INSURANCE';

/** Wages are paid to somebody employed; everything else is bought. */
export type Nature = 'PURCHASE' | 'PAYROLL';

interface Rule {
  requirement: Requirement;
  /** Of each spend, once for the period, or once in the year that ends with it. */
  each: 'SPEND' | 'PERIOD' | 'YEAR';
  /** Asked for where there was a spend of this nature; null for any. */
  nature: Nature | null;
  /** Any one of these is enough. */
  satisfiedBy: EvidenceKind[];
}

export const rules: Rule[] = [
  {
    requirement: 'PROOF_OF_PURCHASE',
    each: 'SPEND',
    nature: 'PURCHASE',
    satisfiedBy: ['INVOICE', 'RECEIPT'],
  },
  { requirement: 'PROOF_OF_WAGES', each: 'SPEND', nature: 'PAYROLL', satisfiedBy: ['PAYSLIP', 'TIMESHEET'] },
  { requirement: 'ACCOUNT_STATEMENT', each: 'PERIOD', nature: null, satisfiedBy: ['BANK_STATEMENT'] },
  { requirement: 'PAYROLL_TAX', each: 'YEAR', nature: 'PAYROLL', satisfiedBy: ['HMRC'] },
  // A policy is for a year (Employers' Liability (Compulsory Insurance) Act 1969).
  { requirement: 'EMPLOYERS_INSURANCE', each: 'YEAR', nature: 'PAYROLL', satisfiedBy: ['INSURANCE'] },
];

/** Words in a spend's category that make it wages. */
export const payrollWords = 'payroll|paye|wages?|salary|salaries|personal assistants?';
const payroll = new RegExp(`\\b(${payrollWords})\\b`, 'i');

export const natureOf = (category: string): Nature => (payroll.test(category) ? 'PAYROLL' : 'PURCHASE');

/** How a commissioner runs one source of its money, on the day that is looked at. */
export interface EvidencePolicy {
  organisationId: string;
  /** Days after the end of a period within which evidence is due; null where it does not say. */
  evidenceDueDays: number | null;
}

export interface Wanted {
  organisationId: string;
  requirement: Requirement;
  each: Rule['each'];
  satisfiedBy: EvidenceKind[];
  dueDays: number | null;
}

/** What each commissioner wants to see of a spend: once for each, on its own shortest terms. */
export function requirements(nature: Nature, policies: EvidencePolicy[]): Wanted[] {
  const dueDays = new Map<string, number | null>();
  for (const { organisationId, evidenceDueDays } of policies) {
    const known = dueDays.get(organisationId) ?? null;
    dueDays.set(
      organisationId,
      known === null || evidenceDueDays === null
        ? (known ?? evidenceDueDays)
        : Math.min(known, evidenceDueDays),
    );
  }
  return [...dueDays].flatMap(([organisationId, days]) =>
    rules
      .filter((rule) => rule.nature === null || rule.nature === nature)
      .map(({ requirement, each, satisfiedBy }) => ({
        organisationId,
        requirement,
        each,
        satisfiedBy,
        dueDays: days,
      })),
  );
}

export interface ShownSpend {
  id: string;
  category: string;
  /** The commissioners whose money paid it. */
  organisationIds: string[];
  /** Of the documents that are attached to it. */
  evidence: EvidenceKind[];
}

/** A document of the person, attached to something or not. `dated` is the day it speaks of, else that of its upload. */
export interface ShownDocument {
  kind: EvidenceKind;
  dated: string;
}

export interface Missing {
  organisationId: string;
  requirement: Requirement;
  /** The spend it is missing for; null for what is asked once for the period or year. */
  spendId: string | null;
  satisfiedBy: EvidenceKind[];
  /** Null where the commissioner's policy does not say. */
  dueOn: string | null;
}

/** A statement or certificate of a period is often made after it. */
const graceDays = 31;

/**
 * What is still missing of a period (both its days are in it), for each commissioner that pays: whom a policy is of,
 * and who paid a spend. Leave out spends that were refused or undone. A commissioner without a policy wants the same,
 * by no certain day.
 */
export function missingEvidence(
  { from, to }: { from: string; to: string },
  spends: ShownSpend[],
  documents: ShownDocument[],
  policies: EvidencePolicy[],
): Missing[] {
  const missing = new Map<string, Missing>();
  const begin = { PERIOD: from, YEAR: addDays(addMonths(to, -12), 1) };

  function ask(
    { organisationId, requirement, each, satisfiedBy, dueDays }: Wanted,
    spend: ShownSpend | null,
  ) {
    const last = addDays(to, Math.max(dueDays ?? 0, graceDays));
    const isThere =
      each === 'SPEND'
        ? spend!.evidence.some((kind) => satisfiedBy.includes(kind))
        : documents.some(
            ({ kind, dated }) => satisfiedBy.includes(kind) && dated >= begin[each] && dated <= last,
          );
    if (isThere) return;
    const spendId = each === 'SPEND' ? spend!.id : null;
    const dueOn = dueDays === null ? null : addDays(to, dueDays);
    missing.set(`${organisationId} ${requirement} ${spendId}`, {
      organisationId,
      requirement,
      spendId,
      satisfiedBy,
      dueOn,
    });
  }

  for (const spend of spends) {
    const terms = spend.organisationIds.flatMap((organisationId) => {
      const own = policies.filter((policy) => policy.organisationId === organisationId);
      return own.length > 0 ? own : [{ organisationId, evidenceDueDays: null }];
    });
    for (const wanted of requirements(natureOf(spend.category), terms)) ask(wanted, spend);
  }
  for (const wanted of requirements('PURCHASE', policies)) if (wanted.each === 'PERIOD') ask(wanted, null);
  return [...missing.values()];
}
