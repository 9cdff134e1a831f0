/** The budget and what moved in it: Account and PaymentNotice. */
import { z } from 'zod';
import type { RoleFacts } from '../../src/intake/submission.ts';
import {
  atMostOne,
  codes,
  day,
  endOf,
  extensions,
  maybeText,
  money,
  one,
  organisation,
  reference,
  refuse,
  startedPeriod,
  subject,
  text,
} from './nhs-fhir-element.ts';
import { base, type Fact } from './nhs-fhir-fact.ts';

const management = codes(
  'notional',
  'third-party',
  'direct-payment',
  'managed-account',
  'individual-service-fund',
);

const fundingSource = codes('icb', 's75-pool', 'ehc', 'other-public');

export const accountSchema = z
  .looseObject({
    ...base,
    status: z.enum(['active', 'inactive', 'on-hold', 'entered-in-error']),
    type: z.looseObject({
      coding: z.tuple([z.looseObject({ code: z.literal('personal-health-budget') })]).rest(z.unknown()),
    }),
    subject: z.tuple([subject]),
    servicePeriod: startedPeriod,
    owner: organisation.optional(),
    extension: extensions({
      'agreed-amount': one(money),
      'indicative-amount': atMostOne(money),
      stage: atMostOne(codes('indicative', 'proposed', 'signed-off')),
      funding: z
        .array(
          z.looseObject({ source: atMostOne(fundingSource), stream: atMostOne(text), amount: one(money) }),
        )
        .default([]),
      portion: z
        .array(
          z.looseObject({
            management: one(management),
            recurring: one(z.boolean()),
            amount: one(money),
            channel: atMostOne(codes('bank', 'prepaid-card', 'wallet')),
            'account-operator': atMostOne(organisation),
          }),
        )
        .default([]),
    }),
  })
  .transform((it, ctx): Fact[] => {
    const { 'agreed-amount': agreedPence, stage, funding } = it.extension;
    if (stage !== null && it.status !== 'on-hold')
      return refuse(
        ctx,
        'STATUS_AND_STAGE_DISAGREE',
        'a stage before the budget is in force, on an account that is not on hold',
        'Send a budget that is not in force yet as on-hold with its stage, and one that is without a stage.',
        ['extension', 'stage'],
      );
    const portions = it.extension.portion.map((portion) => ({
      management: portion.management,
      recurring: portion.recurring,
      amountPence: portion.amount,
      channel: portion.channel,
      accountOperatorCode: portion['account-operator'],
    }));
    for (const [parts, list] of [
      ['portions', it.extension.portion],
      ['lines of funding', funding],
    ] as const) {
      if (list.length === 0 || list.reduce((sum, { amount }) => sum + amount, 0n) === agreedPence) continue;
      return refuse(
        ctx,
        'AMOUNTS_DISAGREE',
        `${parts} that add up to another amount`,
        `Make the ${parts} add up to the agreed amount and send it again.`,
        ['extension', 'agreed-amount'],
      );
    }
    const isOver = it.status === 'inactive' || it.status === 'entered-in-error';
    const { start: from } = it.servicePeriod;
    const to = endOf(ctx, it.servicePeriod, isOver, it.meta?.lastUpdated);
    const owner = it.owner ?? null;
    const id = `Account/${it.id}`;
    const [personId] = it.subject;
    const role = (part: string, facts: Pick<RoleFacts, 'role' | 'organisationCode'>): Fact => ({
      kind: 'role',
      externalId: `${id}#${part}`,
      personId,
      facts: { ...facts, individual: null, from, to },
    });
    const operators = new Set(
      portions
        .filter((portion) => portion.management === 'MANAGED_ACCOUNT')
        .map((portion) => portion.accountOperatorCode),
    );
    return [
      {
        kind: 'budget',
        externalId: id,
        personId,
        facts: {
          kind: 'PERSONAL_HEALTH_BUDGET',
          status: isOver ? 'ENDED' : it.status === 'on-hold' ? (stage ?? 'SUSPENDED') : 'ACTIVE',
          from,
          to,
          indicativePence: it.extension['indicative-amount'],
          fundingLines: (funding.length > 0
            ? funding
            : [{ source: null, stream: null, amount: agreedPence }]
          ).map(({ source, stream, amount }) => ({
            source: source ?? 'ICB',
            stream: stream ?? '',
            // Only the board's own money is the owner's; who gives the rest is not said here.
            organisationCode: source === null || source === 'ICB' ? owner : null,
            amountPence: amount,
          })),
          portions,
        },
      },
      ...(owner === null ? [] : [role('commissioner', { role: 'COMMISSIONER', organisationCode: owner })]),
      ...[...operators]
        .filter((code) => code !== null)
        .map((code, i) =>
          role(i === 0 ? 'operator' : `operator-${i + 1}`, {
            role: 'MANAGED_ACCOUNT_PROVIDER',
            organisationCode: code,
          }),
        ),
    ];
  });

export const paymentNoticeSchema = z
  .looseObject({
    ...base,
    status: z.enum(['active', 'draft', 'cancelled', 'entered-in-error']),
    request: reference('Account', 'BUDGET_MISSING'),
    paymentDate: day,
    payee: z.looseObject({ display: maybeText }).optional(),
    amount: money,
    extension: extensions({
      'payment-kind': one(codes('paid-in', 'spent', 'committed', 'repaid')),
      'payment-subject': one(subject),
    }),
  })
  .transform((it, ctx): Fact[] => {
    if (it.amount === 0n)
      return refuse(ctx, 'AMOUNT_INVALID', 'zero', 'A payment moves some money.', ['amount', 'value']);
    const kind = it.extension['payment-kind'];
    const cancelled = it.status === 'cancelled' || it.status === 'entered-in-error';
    if (!cancelled && (it.status === 'draft') !== (kind === 'COMMITTED'))
      return refuse(
        ctx,
        'STATUS_AND_KIND_DISAGREE',
        it.status === 'draft' ? 'a draft of money that moved' : 'a promise that is no draft',
        'Send a promise as draft and committed, and money that moved as active.',
        ['status'],
      );
    return [
      {
        kind: 'payment',
        externalId: `PaymentNotice/${it.id}`,
        personId: it.extension['payment-subject'],
        facts: {
          budgetId: it.request,
          kind,
          source: 'ICB',
          pence: it.amount,
          effectiveOn: it.paymentDate,
          description: it.payee?.display ?? null,
          cancelled,
        },
      },
    ];
  });
