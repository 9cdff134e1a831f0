/**
 * A Submission is one fact that one source system told us, in the hub's own words. Connectors
 * (`jobs/source/*`) turn whatever a source speaks into Submissions; `src/intake` is the only reader.
 *
 * Days are `YYYY-MM-DD` in Europe/London. Money is integer pence (`bigint`). Organisation codes are ODS codes;
 * for a council this is its three-digit CASSR code.
 */

export type Gender = 'FEMALE' | 'MALE' | 'OTHER' | 'UNKNOWN';

export type RoleKind =
  | 'COMMISSIONER'
  | 'MANAGED_ACCOUNT_PROVIDER'
  | 'NAMED_COORDINATOR'
  | 'REPRESENTATIVE'
  | 'LPA_HEALTH_AND_WELFARE'
  | 'LPA_PROPERTY_AND_FINANCE'
  | 'DEPUTY'
  | 'NOMINEE'
  | 'CARER'
  | 'NEXT_OF_KIN';

export type FundingSource =
  | 'ICB'
  | 'COUNCIL'
  | 'S75_POOL'
  | 'CLIENT_CONTRIBUTION'
  | 'CLIENT_TOP_UP'
  | 'EHC'
  | 'OTHER_PUBLIC';

export type EligibilityScheme =
  | 'CHC_STANDARD'
  | 'CHC_FAST_TRACK'
  | 'FNC'
  | 'JOINT_PACKAGE'
  | 'S117'
  | 'WHEELCHAIR'
  | 'CYP_CONTINUING_CARE'
  | 'EHC'
  | 'LD_MH'
  | 'CARE_ACT'
  | 'CARER_S10'
  | 'OTHER';

/** What a source sent by mistake, or says no longer: it is taken off the record. */
export interface Withdrawn {
  withdrawn: true;
}

/** Who somebody is, as one source says. `externalId` is the source's own person id. */
export interface PersonFacts {
  nhsNumber: string | null;
  /** NHS numbers that `nhsNumber` replaced. */
  supersededNhsNumbers: string[];
  familyName: string;
  givenName: string;
  birthDate: string | null;
  deathDate: string | null;
  gender: Gender;
  postcode: string | null;
  /** The source marks the record as sensitive: no address may be shown, whoever else knows it. */
  restricted: boolean;
}

/** A part that an organisation or an individual plays on a person's record. Exactly one of the two is set. */
export interface RoleFacts {
  role: RoleKind;
  organisationCode: string | null;
  individual: { name: string; nhsNumber: string | null; relationship: string | null } | null;
  from: string | null;
  to: string | null;
}

/** The external ids of the roles that a connector sends together with a budget, each time it sends the budget. */
export const rolesOfBudget = (budgetId: string): string[] => [
  `${budgetId}#commissioner`,
  `${budgetId}#operator`,
];

/** Whether the person has a right to support under a scheme, or is being assessed for it. */
export interface EligibilityFacts {
  scheme: EligibilityScheme;
  status: 'ASSESSING' | 'ELIGIBLE' | 'NOT_ELIGIBLE';
  decidedOn: string | null;
  /** Code of the organisation that decides. */
  decidedByCode: string | null;
  /** Who reviews it: a team or a member of staff. */
  reviewer: string | null;
  reviewDueOn: string | null;
  from: string;
  /** First day on which it no longer holds. */
  to: string | null;
}

export interface OutcomeFacts {
  text: string;
  status: 'PROPOSED' | 'ACTIVE' | 'ACHIEVED' | 'NOT_ACHIEVED' | 'CANCELLED';
  targetOn: string | null;
}

export interface PlanFacts {
  title: string;
  status: 'DRAFT' | 'AGREED' | 'ENDED';
  /** What matters to the person, in their own words. */
  whatMatters: string | null;
  from: string | null;
  to: string | null;
  needs: string[];
  /** External ids of the outcomes (same source) that belong to this plan. */
  outcomeIds: string[];
  coordinatorName: string | null;
}

export type Management =
  | 'NOTIONAL'
  | 'THIRD_PARTY'
  | 'DIRECT_PAYMENT'
  | 'MANAGED_ACCOUNT'
  | 'INDIVIDUAL_SERVICE_FUND'
  | 'COUNCIL_MANAGED';

/** By which way money reaches whoever spends it. */
export type PaymentChannel = 'BANK' | 'PREPAID_CARD' | 'WALLET';

export interface BudgetFacts {
  kind: 'PERSONAL_HEALTH_BUDGET' | 'PERSONAL_BUDGET';
  status: 'INDICATIVE' | 'PROPOSED' | 'SIGNED_OFF' | 'ACTIVE' | 'SUSPENDED' | 'ENDED';
  from: string;
  to: string | null;
  /** The early figure for one year that it was planned with, where the source keeps it. */
  indicativePence: bigint | null;
  /** One line for each source of money and stream; the budget's agreed amount is their sum. Amounts are for one year. */
  fundingLines: {
    source: FundingSource;
    /** The programme the money comes from, such as "CHC"; empty where the source does not say. */
    stream: string;
    organisationCode: string | null;
    amountPence: bigint;
  }[];
  portions: {
    management: Management;
    recurring: boolean;
    amountPence: bigint;
    /** Null where no money is paid out, or the source does not say. */
    channel: PaymentChannel | null;
    /** ODS code of whoever operates the account, when that is not the person. */
    accountOperatorCode: string | null;
  }[];
}

/** Money that moved (or, for `COMMITTED`, is promised) within a budget. A cancelled one is undone by reversal. */
export interface PaymentFacts {
  budgetId: string;
  kind: 'PAID_IN' | 'SPENT' | 'COMMITTED' | 'REPAID';
  source: FundingSource;
  pence: bigint;
  effectiveOn: string;
  description: string | null;
  cancelled: boolean;
}

/** What the source says is in the account at the end of a day, all sources of money together. */
export interface BalanceFacts {
  budgetId: string;
  asAt: string;
  pence: bigint;
}

export interface ServiceFacts {
  serviceType: string;
  component: string | null;
  deliveryMechanism: string | null;
  providerName: string | null;
  providerCqcLocationId: string | null;
  from: string;
  to: string | null;
  unitCostPence: bigint | null;
  costFrequency: string | null;
  /** Units a week, with two decimals, as text ("10.50"). */
  plannedUnitsPerWeek: string | null;
}

export interface ReviewFacts {
  kind: 'CARE_PLAN' | 'SHORT_TERM_SUPPORT' | 'DIRECT_PAYMENT' | 'CHC_ELIGIBILITY' | 'AUDIT';
  startedOn: string;
  heldOn: string;
  reason: string | null;
  method: string | null;
  outcome: string | null;
  outcomesAchieved: string | null;
}

/** A request for support or an assessment, once completed. */
export interface ContactFacts {
  kind: 'REQUEST' | 'ASSESSMENT';
  type: string | null;
  from: string;
  to: string;
  outcome: string | null;
}

interface FactsByKind {
  person: PersonFacts;
  role: RoleFacts;
  eligibility: EligibilityFacts | Withdrawn;
  outcome: OutcomeFacts;
  plan: PlanFacts;
  budget: BudgetFacts;
  payment: PaymentFacts;
  balance: BalanceFacts;
  service: ServiceFacts;
  review: ReviewFacts | Withdrawn;
  contact: ContactFacts;
}

export type SubmissionKind = keyof FactsByKind;

/** Where in the source a row stands, for whoever must mend it: a line of a file, a resource of a page. */
interface Row {
  /** The source's own id of this fact, unique within source and kind. */
  externalId: string;
  /** The source's version of it (ETag, file name). */
  version: string;
  /** Exactly what was received. */
  raw: unknown;
  /** "line 12 of 999_2026Q2.csv", "Patient/123". Never holds personal data. */
  place: string;
}

export type Submission = {
  [K in SubmissionKind]: Row & {
    kind: K;
    /** The source's own id of the person this is about; for kind `person` the same as `externalId`. */
    personId: string;
    facts: FactsByKind[K];
  };
}[SubmissionKind];

/**
 * A row that cannot be used as it stands. It is kept, waits, and is tried again when the source sends it anew.
 * Nothing here may hold personal data but `raw`.
 */
export interface Problem extends Row {
  kind: 'problem';
  /** Error code in SCREAMING_SNAKE, e.g. `NHS_NUMBER_INVALID`. */
  code: string;
  /** The column or element at fault. */
  column: string | null;
  /** What was found, as a class and never as the value: "blank", "10 digits, wrong check digit". */
  found: string;
  /** What somebody should do. */
  advice: string;
}
