/** The words and forms of the council's finance system, and the hub's for them; what to do where they are not kept. */
import { z } from 'zod';
import type {
  BudgetFacts,
  EligibilityFacts,
  EligibilityScheme,
  FundingSource,
  Management,
  PaymentChannel,
  PaymentFacts,
  ReviewFacts,
} from '../../src/intake/submission.ts';

/** Never in the item's own words: these texts are shown, logged and counted. */
export const advice = {
  AMOUNT_INVALID:
    'Give the amount in pounds and pence as text, such as "1234.56", and the direction by the kind.',
  BLANK_MANDATORY: 'Fill in this field.',
  CONTRIBUTION_EXCEEDS_AMOUNT: 'Correct the agreed amount or the contribution: the one is part of the other.',
  CURRENCY_NOT_GBP: 'Give the amount in pounds sterling.',
  DATE_INVALID: 'Correct the date. Dates are YYYY-MM-DD.',
  END_BEFORE_START: 'Correct whichever of the two dates is wrong.',
  FUNDING_EXCEEDS_AMOUNT: 'Correct the agreed amount or the other funding: it is part of the other.',
  FIELD_INVALID: 'Send the field as the format describes it.',
  VALUE_NOT_MAPPED: 'Use a value that the format lists.',
} as const;
export type Code = keyof typeof advice;

/** Codes ride in zod's message, so that each field says its own. */
export const code = (of: Code) => ({
  error: (issue: { input?: unknown }) => (isBlank(issue.input) ? 'BLANK_MANDATORY' : of),
});
export const isBlank = (value: unknown) => value === undefined || value === null || value === '';

/** Ids name a row to whoever must mend it, so they may not be free text. */
export const id = z.string(code('FIELD_INVALID')).regex(/^[\w./:-]{1,100}$/, code('FIELD_INVALID'));
export const day = z.iso.date(code('DATE_INVALID'));
export const gbp = z.literal('GBP', code('CURRENCY_NOT_GBP'));
export const amount = z
  .string(code('AMOUNT_INVALID'))
  .regex(/^\d{1,13}\.\d{2}$/, code('AMOUNT_INVALID'))
  .transform(penceOf);
export const signedAmount = z
  .string(code('AMOUNT_INVALID'))
  .regex(/^-?\d{1,13}\.\d{2}$/, code('AMOUNT_INVALID'))
  .transform(penceOf);
export const oneOf = <K extends string>(values: readonly K[]) => z.enum(values, code('VALUE_NOT_MAPPED'));

/** "1234.56" is 123456 pence, with no float on the way. */
function penceOf(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

/** Words that people read, of the size of a line. */
export const words = z.string(code('FIELD_INVALID')).max(1_000, 'FIELD_INVALID');
/** A field that an export need not have. */
export const optional = <S extends z.ZodType>(schema: S) =>
  schema.nullish().transform((value) => value ?? null);

export const schemes = {
  'care-act': 'CARE_ACT',
  carer: 'CARER_S10',
  s117: 'S117',
  ehc: 'EHC',
} as const satisfies Record<string, EligibilityScheme>;

export const eligibilityStatuses = {
  assessing: 'ASSESSING',
  eligible: 'ELIGIBLE',
  'not-eligible': 'NOT_ELIGIBLE',
} as const satisfies Record<string, EligibilityFacts['status']>;

export const reviewKinds = {
  'direct-payment': 'DIRECT_PAYMENT',
  audit: 'AUDIT',
} as const satisfies Record<string, ReviewFacts['kind']>;

export const channels = {
  bank: 'BANK',
  'prepaid-card': 'PREPAID_CARD',
  wallet: 'WALLET',
} as const satisfies Record<string, PaymentChannel>;

export const managements = {
  notional: 'NOTIONAL',
  'third-party': 'THIRD_PARTY',
  'direct-payment': 'DIRECT_PAYMENT',
  'managed-account': 'MANAGED_ACCOUNT',
  'individual-service-fund': 'INDIVIDUAL_SERVICE_FUND',
  'council-managed': 'COUNCIL_MANAGED',
} as const satisfies Record<string, Management>;

export const statuses = {
  indicative: 'INDICATIVE',
  proposed: 'PROPOSED',
  'signed-off': 'SIGNED_OFF',
  active: 'ACTIVE',
  suspended: 'SUSPENDED',
  ended: 'ENDED',
} as const satisfies Record<string, BudgetFacts['status']>;

export const sources = {
  council: 'COUNCIL',
  'client-contribution': 'CLIENT_CONTRIBUTION',
  'client-top-up': 'CLIENT_TOP_UP',
  icb: 'ICB',
  's75-pool': 'S75_POOL',
  ehc: 'EHC',
  'other-public': 'OTHER_PUBLIC',
} as const satisfies Record<string, FundingSource>;

/** Of the money in an account that is neither the council's own nor the person's contribution. */
export const otherSources = {
  'client-top-up': 'CLIENT_TOP_UP',
  's75-pool': 'S75_POOL',
  ehc: 'EHC',
  'other-public': 'OTHER_PUBLIC',
} as const satisfies Partial<typeof sources>;

/** Money coming in says by its kind whose it is; for the others the source names it. */
export const kinds = {
  'direct-payment': { kind: 'PAID_IN', source: 'COUNCIL' },
  'client-contribution': { kind: 'PAID_IN', source: 'CLIENT_CONTRIBUTION' },
  spending: { kind: 'SPENT', source: null },
  committed: { kind: 'COMMITTED', source: null },
  repayment: { kind: 'REPAID', source: null },
} as const satisfies Record<string, { kind: PaymentFacts['kind']; source: FundingSource | null }>;

export const keysOf = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];
