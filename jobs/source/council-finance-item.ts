/** What an item of the council's finance system says in the hub's words. The format: `docs/formats/council-finance.md`. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { BudgetFacts, Problem, Submission } from '../../src/intake/submission.ts';
import {
  advice,
  amount,
  type Code,
  channels,
  code,
  day,
  eligibilityStatuses,
  gbp,
  id,
  isBlank,
  keysOf,
  kinds,
  managements,
  oneOf,
  optional,
  otherSources,
  reviewKinds,
  schemes,
  signedAmount,
  sources,
  statuses,
  words,
} from './council-finance-value.ts';

export const stamped = z.looseObject({
  updatedAt: z.iso.datetime({ offset: true, ...code('DATE_INVALID') }),
});
const item = stamped.extend({
  id,
  version: z.int(code('FIELD_INVALID')).nonnegative('FIELD_INVALID'),
  personId: id,
});

/** From one day to the first day without. */
const period = { from: day, to: day.nullable() };
const isAfter = ({ from, to }: { from: string; to: string | null }) => to === null || to > from;
const endBeforeStart = { path: ['to'], error: 'END_BEFORE_START' };

const eligibility = item
  .extend({
    scheme: oneOf(keysOf(schemes)),
    status: oneOf(keysOf(eligibilityStatuses)),
    ...period,
    decidedOn: day.nullable(),
    reviewer: words.nullable(),
    reviewDueOn: day.nullable(),
    withdrawn: z.boolean(code('FIELD_INVALID')),
  })
  .refine(isAfter, endBeforeStart);

const review = item
  .extend({
    kind: oneOf(keysOf(reviewKinds)),
    startedOn: day,
    heldOn: day,
    reason: words.nullable(),
    method: words.nullable(),
    outcome: words.nullable(),
    withdrawn: z.boolean(code('FIELD_INVALID')),
  })
  .refine(({ startedOn, heldOn }) => heldOn >= startedOn, { path: ['heldOn'], error: 'END_BEFORE_START' });

const account = item
  .extend({
    status: oneOf(keysOf(statuses)),
    from: day,
    to: day.nullable(),
    agreedAnnualAmount: amount,
    indicativeAnnualAmount: optional(amount),
    clientContribution: amount,
    stream: optional(words),
    otherFunding: z
      .array(
        z.looseObject({ source: oneOf(keysOf(otherSources)), stream: optional(words), amount }),
        code('FIELD_INVALID'),
      )
      .nullish()
      .transform((list) => list ?? []),
    currency: gbp,
    management: oneOf(keysOf(managements)),
    channel: optional(oneOf(keysOf(channels))),
    accountOperatorOdsCode: z
      .string(code('FIELD_INVALID'))
      .regex(/^[A-Z0-9]{3,10}$/, 'FIELD_INVALID')
      .nullable(),
    balance: z.looseObject({ amount: signedAmount, asAt: day }, code('FIELD_INVALID')).nullable(),
  })
  .refine(({ from, to }) => to === null || to >= from, { path: ['to'], error: 'END_BEFORE_START' })
  .refine(({ agreedAnnualAmount, clientContribution }) => clientContribution <= agreedAnnualAmount, {
    path: ['clientContribution'],
    error: 'CONTRIBUTION_EXCEEDS_AMOUNT',
  })
  .refine((it) => it.clientContribution + otherAmount(it) <= it.agreedAnnualAmount, {
    path: ['otherFunding'],
    error: 'FUNDING_EXCEEDS_AMOUNT',
  });

const otherAmount = ({ otherFunding }: { otherFunding: { amount: bigint }[] }) =>
  otherFunding.reduce((sum, { amount: pence }) => sum + pence, 0n);

const payment = item
  .extend({
    accountId: id,
    kind: oneOf(keysOf(kinds)),
    source: oneOf(keysOf(sources)).nullable(),
    amount: amount.refine((pence) => pence > 0n, 'AMOUNT_INVALID'),
    currency: gbp,
    date: day,
    description: words.nullable(),
    cancelled: z.boolean(code('FIELD_INVALID')),
  })
  .refine(({ kind, source }) => kinds[kind].source !== null || source !== null, {
    path: ['source'],
    error: 'BLANK_MANDATORY',
  });

/** What one item says. Pure: a Problem's `raw` holds the feed and the item, to be read again. */
export function financeRows(feed: FinanceFeed, received: unknown, laCode: string): (Submission | Problem)[] {
  const read = readers[feed](received, laCode);
  return read instanceof z.ZodError ? [problemOf(feed, received, read)] : read;
}

const reader =
  <S extends z.ZodType>(schema: S, rows: (it: z.output<S>, raw: unknown, laCode: string) => Submission[]) =>
  (received: unknown, laCode: string): Submission[] | z.ZodError => {
    const parsed = schema.safeParse(received);
    return parsed.success ? rows(parsed.data, received, laCode) : parsed.error;
  };

const readers = {
  eligibilities: reader(eligibility, eligibilityRows),
  accounts: reader(account, accountRows),
  payments: reader(payment, paymentRows),
  reviews: reader(review, reviewRows),
};
export type FinanceFeed = keyof typeof readers;

const singular = {
  eligibilities: 'eligibility',
  accounts: 'account',
  payments: 'payment',
  reviews: 'review',
};

/** What every row says of the item it came from. */
const rowOf = (what: string, it: z.output<typeof item>, raw: unknown) => ({
  personId: it.personId,
  version: String(it.version),
  raw,
  place: `${what} ${it.id}`,
});

function eligibilityRows(it: z.output<typeof eligibility>, raw: unknown, laCode: string): Submission[] {
  const { decidedOn, reviewer, reviewDueOn, from, to } = it;
  const said = { decidedOn, decidedByCode: laCode, reviewer, reviewDueOn, from, to };
  return [
    {
      kind: 'eligibility',
      externalId: it.id,
      ...rowOf('eligibility', it, raw),
      facts: it.withdrawn
        ? { withdrawn: true }
        : { scheme: schemes[it.scheme], status: eligibilityStatuses[it.status], ...said },
    },
  ];
}

function reviewRows(it: z.output<typeof review>, raw: unknown): Submission[] {
  const { startedOn, heldOn, reason, method, outcome } = it;
  const said = { startedOn, heldOn, reason, method, outcome, outcomesAchieved: null };
  return [
    {
      kind: 'review',
      externalId: it.id,
      ...rowOf('review', it, raw),
      facts: it.withdrawn ? { withdrawn: true } : { kind: reviewKinds[it.kind], ...said },
    },
  ];
}

function accountRows(it: z.output<typeof account>, raw: unknown, laCode: string): Submission[] {
  const row = rowOf('account', it, raw);
  const given: BudgetFacts['fundingLines'] = [
    {
      source: 'COUNCIL',
      stream: it.stream ?? '',
      organisationCode: laCode,
      amountPence: it.agreedAnnualAmount - it.clientContribution - otherAmount(it),
    },
    {
      source: 'CLIENT_CONTRIBUTION',
      stream: '',
      organisationCode: null,
      amountPence: it.clientContribution,
    },
    ...it.otherFunding.map(({ source, stream, amount: amountPence }) => ({
      source: otherSources[source],
      stream: stream ?? '',
      organisationCode: null,
      amountPence,
    })),
  ];
  const fundingLines = given.filter(({ source, amountPence }) => source === 'COUNCIL' || amountPence > 0n);
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
        indicativePence: it.indicativeAnnualAmount,
        fundingLines,
        portions: [
          {
            management: managements[it.management],
            recurring: true,
            amountPence: it.agreedAnnualAmount,
            channel: it.channel === null ? null : channels[it.channel],
            accountOperatorCode: it.accountOperatorOdsCode,
          },
        ],
      },
    },
  ];
  if (it.balance !== null)
    rows.push({
      kind: 'balance',
      ...row,
      externalId: `${it.id}#balance-${it.balance.asAt}`,
      facts: { budgetId: it.id, asAt: it.balance.asAt, pence: it.balance.amount },
    });
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

function paymentRows(it: z.output<typeof payment>, raw: unknown): Submission[] {
  const { kind, source } = kinds[it.kind];
  return [
    {
      kind: 'payment',
      externalId: it.id,
      ...rowOf('payment', it, raw),
      facts: {
        budgetId: it.accountId,
        kind,
        source: source ?? sources[it.source ?? 'council'],
        pence: it.amount,
        effectiveOn: it.date,
        description: it.description,
        cancelled: it.cancelled,
      },
    },
  ];
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
    place: named ? `${singular[feed]} ${named.id}` : `${feed}, an item without id`,
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
