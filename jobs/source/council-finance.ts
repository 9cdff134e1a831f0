/**
 * Reads the council's finance system: accounts, with what was agreed and what is in them, and payments. Client Level
 * Data holds neither. The format: `docs/formats/council-finance.md`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type {
  BudgetFacts,
  FundingSource,
  Management,
  PaymentFacts,
  Problem,
  Submission,
} from '../../src/intake/submission.ts';
import { askJson, isPageGone } from './answer.ts';
import { type Page, SourceFault } from './page.ts';

export const financeFeeds = ['accounts', 'payments'] as const;
export type FinanceFeed = (typeof financeFeeds)[number];

export interface FinanceOptions {
  /** The council whose money it is: its three-digit code. */
  laCode: string;
  /** Items a page. */
  limit?: number;
  timeoutMs?: number;
  now?: () => Date;
}

export interface FinanceCursor {
  /** Changes from this instant on are asked for; null on the first run. */
  since: string | null;
  /** The source's own mark of the next page; null at the beginning of a run. */
  next: string | null;
  /** Latest change seen in this run: the next run begins there. */
  maxSeen: string | null;
}

const defaultLimit = 500;

const envelope = z.object({
  items: z.array(z.unknown()),
  next: z.string().min(1).nullable(),
  total: z.int().nonnegative(),
  asAt: z.iso.datetime({ offset: true }),
});

export async function fetchFinancePage(
  baseUrl: string,
  feed: FinanceFeed,
  cursor: FinanceCursor | null,
  options: FinanceOptions,
): Promise<Page<FinanceCursor>> {
  const { since, next, maxSeen } = cursor ?? { since: null, next: null, maxSeen: null };
  const url = new URL(feed, baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  url.searchParams.set('limit', String(options.limit ?? defaultLimit));
  if (since !== null) url.searchParams.set('since', since);
  if (next !== null) url.searchParams.set('cursor', next);
  let answer: unknown;
  try {
    answer = await askJson(url, options);
  } catch (error) {
    if (next === null || !isPageGone(error)) throw error;
    // Items come in the order of their change: what is left of this run was changed since the latest one seen.
    return fetchFinancePage(
      baseUrl,
      feed,
      { since: later(since, maxSeen), next: null, maxSeen: null },
      options,
    );
  }
  const parsed = envelope.safeParse(answer);
  if (!parsed.success) throw new SourceFault('SOURCE_ANSWER_INVALID', 'Page of items is not as agreed');
  const { items, total, next: after } = parsed.data;
  // A page that leads to itself would be read for ever.
  if (after !== null && after === next)
    throw new SourceFault('SOURCE_ANSWER_INVALID', 'Page leads to itself');

  const latest = items.reduce<string | null>((seen, item) => later(seen, changedAt(item)), maxSeen);
  return {
    rows: items.flatMap((item) => financeRows(feed, item, options.laCode)),
    cursor:
      after === null
        ? { since: later(since, latest), next: null, maxSeen: null }
        : { since, next: after, maxSeen: latest },
    done: after === null,
    total,
  };
}

/** Of the instants of a page; an item whose instant cannot be read does not move the cursor, and is a Problem. */
const changedAt = (item: unknown): string | null => stamped.safeParse(item).data?.updatedAt ?? null;
const later = (a: string | null, b: string | null): string | null =>
  a === null || (b !== null && Date.parse(b) > Date.parse(a)) ? b : a;

// ---- Items ----

/** Never in the item's own words: these texts are shown, logged and counted. */
const advice = {
  AMOUNT_INVALID:
    'Give the amount in pounds and pence as text, such as "1234.56", and the direction by the kind.',
  BLANK_MANDATORY: 'Fill in this field.',
  CONTRIBUTION_EXCEEDS_AMOUNT: 'Correct the agreed amount or the contribution: the one is part of the other.',
  CURRENCY_NOT_GBP: 'Give the amount in pounds sterling.',
  DATE_INVALID: 'Correct the date. Dates are YYYY-MM-DD.',
  END_BEFORE_START: 'Correct whichever of the two dates is wrong.',
  FIELD_INVALID: 'Send the field as the format describes it.',
  VALUE_NOT_MAPPED: 'Use a value that the format lists.',
} as const;
type Code = keyof typeof advice;

/** Codes ride in zod's message, so that each field says its own. */
const code = (of: Code) => ({
  error: (issue: { input?: unknown }) => (isBlank(issue.input) ? 'BLANK_MANDATORY' : of),
});
const isBlank = (value: unknown) => value === undefined || value === null || value === '';

/** Ids name a row to whoever must mend it, so they may not be free text. */
const id = z.string(code('FIELD_INVALID')).regex(/^[\w./:-]{1,100}$/, code('FIELD_INVALID'));
const day = z.iso.date(code('DATE_INVALID'));
const gbp = z.literal('GBP', code('CURRENCY_NOT_GBP'));
const amount = z
  .string(code('AMOUNT_INVALID'))
  .regex(/^\d{1,13}\.\d{2}$/, code('AMOUNT_INVALID'))
  .transform(penceOf);
const signedAmount = z
  .string(code('AMOUNT_INVALID'))
  .regex(/^-?\d{1,13}\.\d{2}$/, code('AMOUNT_INVALID'))
  .transform(penceOf);
const oneOf = <K extends string>(values: readonly K[]) => z.enum(values, code('VALUE_NOT_MAPPED'));

/** "1234.56" is 123456 pence, with no float on the way. */
function penceOf(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

const managements = {
  notional: 'NOTIONAL',
  'third-party': 'THIRD_PARTY',
  'direct-payment': 'DIRECT_PAYMENT',
  'managed-account': 'MANAGED_ACCOUNT',
  'individual-service-fund': 'INDIVIDUAL_SERVICE_FUND',
  'council-managed': 'COUNCIL_MANAGED',
} as const satisfies Record<string, Management>;

const statuses = {
  indicative: 'INDICATIVE',
  active: 'ACTIVE',
  suspended: 'SUSPENDED',
  ended: 'ENDED',
} as const satisfies Record<string, BudgetFacts['status']>;

const sources = {
  council: 'COUNCIL',
  'client-contribution': 'CLIENT_CONTRIBUTION',
  'client-top-up': 'CLIENT_TOP_UP',
  icb: 'ICB',
  's75-pool': 'S75_POOL',
  ehc: 'EHC',
  'other-public': 'OTHER_PUBLIC',
} as const satisfies Record<string, FundingSource>;

/** Money coming in says by its kind whose it is; for the others the source names it. */
const kinds = {
  'direct-payment': { kind: 'PAID_IN', source: 'COUNCIL' },
  'client-contribution': { kind: 'PAID_IN', source: 'CLIENT_CONTRIBUTION' },
  spending: { kind: 'SPENT', source: null },
  committed: { kind: 'COMMITTED', source: null },
  repayment: { kind: 'REPAID', source: null },
} as const satisfies Record<string, { kind: PaymentFacts['kind']; source: FundingSource | null }>;

const keysOf = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];

const stamped = z.looseObject({ updatedAt: z.iso.datetime({ offset: true, ...code('DATE_INVALID') }) });
const item = stamped.extend({
  id,
  version: z.int(code('FIELD_INVALID')).nonnegative('FIELD_INVALID'),
  personId: id,
});

const account = item
  .extend({
    status: oneOf(keysOf(statuses)),
    from: day,
    to: day.nullable(),
    agreedAnnualAmount: amount,
    clientContribution: amount,
    currency: gbp,
    management: oneOf(keysOf(managements)),
    accountOperatorOdsCode: z
      .string(code('FIELD_INVALID'))
      .regex(/^[A-Z0-9]{3,10}$/, 'FIELD_INVALID')
      .nullable(),
    balance: z.looseObject({ amount: signedAmount, asAt: day }, code('FIELD_INVALID')),
  })
  .refine(({ from, to }) => to === null || to >= from, { path: ['to'], error: 'END_BEFORE_START' })
  .refine(({ agreedAnnualAmount, clientContribution }) => clientContribution <= agreedAnnualAmount, {
    path: ['clientContribution'],
    error: 'CONTRIBUTION_EXCEEDS_AMOUNT',
  });

const payment = item
  .extend({
    accountId: id,
    kind: oneOf(keysOf(kinds)),
    source: oneOf(keysOf(sources)).nullable(),
    amount: amount.refine((pence) => pence > 0n, 'AMOUNT_INVALID'),
    currency: gbp,
    date: day,
    description: z.string(code('FIELD_INVALID')).max(1_000, 'FIELD_INVALID').nullable(),
    cancelled: z.boolean(code('FIELD_INVALID')),
  })
  .refine(({ kind, source }) => kinds[kind].source !== null || source !== null, {
    path: ['source'],
    error: 'BLANK_MANDATORY',
  });

/** What one item says. Pure: a Problem's `raw` holds the feed and the item, to be read again. */
export function financeRows(feed: FinanceFeed, received: unknown, laCode: string): (Submission | Problem)[] {
  if (feed === 'accounts') {
    const parsed = account.safeParse(received);
    return parsed.success
      ? accountRows(parsed.data, received, laCode)
      : [problemOf(feed, received, parsed.error)];
  }
  const parsed = payment.safeParse(received);
  return parsed.success ? [paymentRow(parsed.data, received)] : [problemOf(feed, received, parsed.error)];
}

function accountRows(it: z.output<typeof account>, raw: unknown, laCode: string): Submission[] {
  const row = { personId: it.personId, version: String(it.version), raw, place: `account ${it.id}` };
  const fundingLines: BudgetFacts['fundingLines'] = [
    {
      source: 'COUNCIL',
      organisationCode: laCode,
      amountPence: it.agreedAnnualAmount - it.clientContribution,
    },
  ];
  if (it.clientContribution > 0n)
    fundingLines.push({
      source: 'CLIENT_CONTRIBUTION',
      organisationCode: null,
      amountPence: it.clientContribution,
    });
  const rows: Submission[] = [
    {
      kind: 'budget',
      ...row,
      externalId: it.id,
      facts: {
        kind: 'PERSONAL_BUDGET',
        status: statuses[it.status],
        from: it.from,
        to: it.to,
        fundingLines,
        portions: [
          {
            management: managements[it.management],
            recurring: true,
            amountPence: it.agreedAnnualAmount,
            accountOperatorCode: it.accountOperatorOdsCode,
          },
        ],
      },
    },
    {
      kind: 'balance',
      ...row,
      externalId: `${it.id}#balance-${it.balance.asAt}`,
      facts: { budgetId: it.id, asAt: it.balance.asAt, pence: it.balance.amount },
    },
  ];
  if (it.accountOperatorOdsCode !== null)
    rows.push({
      kind: 'role',
      ...row,
      externalId: `${it.id}#operator`,
      facts: {
        role: 'MANAGED_ACCOUNT_PROVIDER',
        organisationCode: it.accountOperatorOdsCode,
        individual: null,
        from: it.from,
        to: it.to,
      },
    });
  return rows;
}

function paymentRow(it: z.output<typeof payment>, raw: unknown): Submission {
  const { kind, source } = kinds[it.kind];
  return {
    kind: 'payment',
    externalId: it.id,
    version: String(it.version),
    personId: it.personId,
    raw,
    place: `payment ${it.id}`,
    facts: {
      budgetId: it.accountId,
      kind,
      source: source ?? sources[it.source ?? 'council'],
      pence: it.amount,
      effectiveOn: it.date,
      description: it.description,
      cancelled: it.cancelled,
    },
  };
}

function problemOf(feed: FinanceFeed, received: unknown, error: z.ZodError): Problem {
  const issue = error.issues[0];
  const path = issue?.path.map(String) ?? [];
  const said = issue?.message ?? '';
  const known: Code = Object.hasOwn(advice, said) ? (said as Code) : 'FIELD_INVALID';
  const named = z.looseObject({ id }).safeParse(received).data;
  const version = z.looseObject({ version: z.int() }).safeParse(received).data?.version ?? '';
  const hash = createHash('sha256')
    .update(JSON.stringify(received) ?? '')
    .digest('hex')
    .slice(0, 32);
  return {
    kind: 'problem',
    externalId: named?.id ?? hash,
    version: String(version),
    raw: { feed, item: received },
    place: named ? `${feed.slice(0, -1)} ${named.id}` : `${feed}, an item without id`,
    code: known,
    column: path.length > 0 ? path.join('.') : null,
    found: foundAt(received, path),
    advice: advice[known],
  };
}

/** What stands there, as a class and never as the value. */
function foundAt(received: unknown, path: string[]): string {
  const value = path.reduce<unknown>(
    (at, key) => (at as Record<string, unknown> | null | undefined)?.[key],
    received,
  );
  if (isBlank(value)) return 'blank';
  return typeof value === 'string'
    ? `text, ${value.length} characters`
    : Array.isArray(value)
      ? 'list'
      : typeof value;
}
