/**
 * What one FHIR R4 resource of an NHS system says in the hub's words. Pure: a row that waits can be tried again from
 * its `raw`. The mapping is described in `docs/formats/nhs-fhir.md`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Problem, RoleFacts, RoleKind, Submission } from '../../src/intake/submission.ts';
import { parseNhsNumber } from '../../src/platform/nhs-number.ts';
import {
  atMostOne,
  codes,
  complaintOf,
  concept,
  day,
  endOf,
  extensions,
  humanName,
  identifier,
  maybeDay,
  maybeText,
  money,
  nameOf,
  nhsNumberOf,
  one,
  organisation,
  period,
  reference,
  refuse,
  startedPeriod,
  subject,
  text,
  wordsOf,
} from './nhs-fhir-element.ts';

/** One resource gives a person, or a budget with the roles around it; or it gives one Problem and nothing else. */
export function toSubmissions(resource: unknown): (Submission | Problem)[] {
  const header = headerSchema.safeParse(resource).data;
  const resourceType = header?.resourceType ?? 'Resource';
  const id = header?.id ?? `unnamed-${hashOf(resource).slice(0, 16)}`;
  const row = {
    version: header?.meta?.versionId ?? header?.meta?.lastUpdated ?? hashOf(resource),
    raw: resource,
    // Systems that use the NHS number as id must not have it appear wherever a place is shown.
    place: `${resourceType}/${parseNhsNumber(id) ? '(NHS number)' : id}`,
  };
  const read = schemas[resourceType]?.safeParse(resource);
  if (read?.success) return read.data.map((fact) => ({ ...fact, ...row }));
  const complaint = read
    ? complaintOf(read.error.issues[0]!, resourceType, resource)
    : {
        code: 'RESOURCE_UNKNOWN',
        column: resourceType,
        found: 'a resource type outside the agreed feeds',
        advice: 'Send only the agreed resource types.',
      };
  return [{ kind: 'problem', externalId: `${resourceType}/${id}`, ...row, ...complaint }];
}

type Fact = Submission extends infer S
  ? S extends Submission
    ? Omit<S, 'version' | 'raw' | 'place'>
    : never
  : never;

const hashOf = (resource: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(resource) ?? '')
    .digest('hex');

const idSchema = z.string().regex(/^[A-Za-z0-9.-]{1,64}$/);
// Without a version or an instant, a hash of the content tells one version from another.
const metaSchema = z.looseObject({
  versionId: z.string().optional().catch(undefined),
  lastUpdated: z.string().optional().catch(undefined),
});

/** What can be had of any resource, however broken, so that it is known when it is sent again. */
const headerSchema = z.looseObject({
  resourceType: z
    .string()
    .regex(/^[A-Z][A-Za-z]{1,63}$/)
    .optional()
    .catch(undefined),
  id: idSchema.optional().catch(undefined),
  meta: metaSchema.optional().catch(undefined),
});

const base = { id: idSchema, meta: metaSchema.optional() };

/** Confidentiality that does not restrict; any other code does, so that a new one errs on the safe side. */
const openCodes = ['U', 'L', 'M', 'N'];

const patientSchema = z
  .looseObject({
    ...base,
    meta: z.looseObject({ security: z.array(z.looseObject({ code: maybeText })).default([]) }).optional(),
    active: z.boolean().default(true),
    identifier: z.array(identifier).default([]),
    name: z.array(humanName).default([]),
    gender: codes('female', 'male', 'other', 'unknown').default('UNKNOWN'),
    birthDate: maybeDay,
    deceasedBoolean: z.boolean().default(false),
    // A year alone must not leave somebody looking alive.
    deceasedDateTime: day.optional(),
    address: z.array(z.looseObject({ use: maybeText, postalCode: maybeText })).default([]),
    link: z
      .array(z.looseObject({ type: text, other: z.looseObject({ identifier: identifier.optional() }) }))
      .default([]),
  })
  .transform((it, ctx): Fact[] => {
    if (!it.active)
      return refuse(ctx, 'RECORD_INACTIVE', 'false', 'See in the NHS system which record took its place.', [
        'active',
      ]);
    const name = nameOf(it.name);
    if (!name?.family)
      return refuse(ctx, 'NAME_MISSING', 'missing', 'Give the family name and send it again.', ['name']);
    if (it.deceasedBoolean && it.deceasedDateTime === undefined)
      return refuse(
        ctx,
        'DEATH_DATE_MISSING',
        'dead, on no known day',
        'Give the day of death and send it again.',
        ['deceasedBoolean'],
      );
    const isRestricted = (it.meta?.security ?? []).some(
      ({ code }) => code !== null && !openCodes.includes(code),
    );
    const address = it.address.find(({ use }) => use !== 'temp' && use !== 'old');
    const id = `Patient/${it.id}`;
    return [
      {
        kind: 'person',
        externalId: id,
        personId: id,
        facts: {
          nhsNumber: nhsNumberOf(it.identifier),
          supersededNhsNumbers: it.link
            .filter(({ type }) => type === 'replaces')
            .map(({ other }) => other.identifier && nhsNumberOf([other.identifier]))
            .filter((number) => typeof number === 'string'),
          familyName: name.family,
          givenName: name.given,
          birthDate: it.birthDate,
          deathDate: it.deceasedDateTime ?? null,
          gender: it.gender,
          postcode: isRestricted ? null : (address?.postalCode?.toUpperCase() ?? null),
          restricted: isRestricted,
        },
      },
    ];
  });

const relatedPersonSchema = z
  .looseObject({
    ...base,
    active: z.boolean().default(true),
    patient: z.looseObject({ reference: maybeText, identifier: identifier.optional() }),
    identifier: z.array(identifier).default([]),
    name: z.array(humanName).default([]),
    relationship: z.array(concept).default([]),
    period,
    extension: extensions({
      authority: atMostOne(
        codes(
          'lpa-health-and-welfare',
          'lpa-property-and-finance',
          'deputy',
          'representative',
          'nominee',
          'carer',
          'next-of-kin',
        ),
      ),
    }),
  })
  .transform((it, ctx): Fact[] => {
    const name = nameOf(it.name);
    const spelled = name && (name.family ? `${name.given} ${name.family}`.trim() : name.text);
    if (!spelled) return refuse(ctx, 'NAME_MISSING', 'missing', 'Give the name and send it again.', ['name']);
    // As in the Personal Demographics Service, where the person is named by NHS number and that is the id.
    const nhsNumber =
      it.patient.reference === null && it.patient.identifier ? nhsNumberOf([it.patient.identifier]) : null;
    const named = subject.safeParse(nhsNumber === null ? it.patient : { reference: `Patient/${nhsNumber}` });
    if (!named.success)
      return refuse(
        ctx,
        'SUBJECT_MISSING',
        'missing',
        'Name the Patient in the NHS system and send it again.',
        ['patient'],
      );
    const individual = {
      name: spelled,
      nhsNumber: nhsNumberOf(it.identifier),
      relationship: wordsOf(it.relationship[0]),
    };
    const to = endOf(ctx, it.period, !it.active, it.meta?.lastUpdated);
    // Without an authority somebody is known and may do nothing: that is what next of kin means in law.
    const kind: RoleKind = it.extension.authority ?? 'NEXT_OF_KIN';
    return [
      {
        kind: 'role',
        externalId: `RelatedPerson/${it.id}`,
        personId: named.data,
        facts: { role: kind, organisationCode: null, individual, from: it.period.start, to },
      },
    ];
  });

const goalSchema = z
  .looseObject({
    ...base,
    lifecycleStatus: z.enum([
      'proposed',
      'planned',
      'accepted',
      'active',
      'on-hold',
      'completed',
      'cancelled',
      'entered-in-error',
      'rejected',
    ]),
    achievementStatus: concept.optional(),
    description: concept,
    subject,
    target: z.array(z.looseObject({ dueDate: maybeDay })).default([]),
  })
  .transform((it, ctx): Fact[] => {
    const words = wordsOf(it.description);
    if (words === null)
      return refuse(ctx, 'TEXT_MISSING', 'missing', 'Say what the goal is and send it again.', [
        'description',
      ]);
    const isMissed = it.achievementStatus?.coding.some(
      ({ code }) => code === 'not-achieved' || code === 'not-attainable',
    );
    const status = {
      proposed: 'PROPOSED',
      planned: 'PROPOSED',
      accepted: 'ACTIVE',
      active: 'ACTIVE',
      'on-hold': 'ACTIVE',
      completed: isMissed ? 'NOT_ACHIEVED' : 'ACHIEVED',
      cancelled: 'CANCELLED',
      'entered-in-error': 'CANCELLED',
      rejected: 'CANCELLED',
    } as const;
    return [
      {
        kind: 'outcome',
        externalId: `Goal/${it.id}`,
        personId: it.subject,
        facts: { text: words, status: status[it.lifecycleStatus], targetOn: it.target[0]?.dueDate ?? null },
      },
    ];
  });

const careTeamRole = 'https://tandem.example/fhir/CodeSystem/care-team-role';

const carePlanSchema = z
  .looseObject({
    ...base,
    status: z.enum(['draft', 'active', 'on-hold', 'revoked', 'completed', 'entered-in-error']),
    title: maybeText,
    category: z.array(concept).default([]),
    subject,
    period,
    contained: z
      .array(
        z.looseObject({
          id: text,
          code: concept.optional(),
          participant: z
            .array(
              z.looseObject({
                role: z.array(concept).default([]),
                member: z.looseObject({ display: maybeText }).optional(),
              }),
            )
            .default([]),
        }),
      )
      .default([]),
    addresses: z.array(z.looseObject({ reference: maybeText, display: maybeText })).default([]),
    careTeam: z.array(z.looseObject({ reference: maybeText })).default([]),
    goal: z.array(reference('Goal', 'GOAL_MISSING')).default([]),
    note: z
      .array(z.looseObject({ authorReference: z.looseObject({ reference: text }).optional(), text }))
      .default([]),
  })
  .transform((it, ctx): Fact[] => {
    const within = ({ reference: to }: { reference: string | null }) =>
      it.contained.find(({ id }) => to === `#${id}`);
    const needs: string[] = [];
    for (const [i, address] of it.addresses.entries()) {
      const words = wordsOf(within(address)?.code) ?? address.display;
      if (!words) {
        const advice = 'Name the need, in the plan itself or by its display, and send it again.';
        return refuse(ctx, 'NEED_MISSING', 'a need without words', advice, ['addresses', i]);
      }
      needs.push(words);
    }
    const ownNotes = it.note.filter(({ authorReference }) => authorReference?.reference.endsWith(it.subject));
    const coordinatorName =
      it.careTeam
        .flatMap((team) => within(team)?.participant ?? [])
        .find(({ role }) =>
          role.some(({ coding }) =>
            coding.some(({ system, code }) => system === careTeamRole && code === 'named-coordinator'),
          ),
        )?.member?.display ?? null;
    const isOver = it.status === 'revoked' || it.status === 'completed' || it.status === 'entered-in-error';
    const to = endOf(ctx, it.period, isOver, it.meta?.lastUpdated);
    return [
      {
        kind: 'plan',
        externalId: `CarePlan/${it.id}`,
        personId: it.subject,
        facts: {
          title: it.title ?? wordsOf(it.category[0]) ?? 'Care plan',
          status: isOver ? 'ENDED' : it.status === 'draft' ? 'DRAFT' : 'AGREED',
          whatMatters: ownNotes.map((note) => note.text).join('\n\n') || null,
          from: it.period.start,
          to,
          needs,
          outcomeIds: it.goal,
          coordinatorName,
        },
      },
    ];
  });

const management = codes(
  'notional',
  'third-party',
  'direct-payment',
  'managed-account',
  'individual-service-fund',
);

const accountSchema = z
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
      portion: z
        .array(
          z.looseObject({
            management: one(management),
            recurring: one(z.boolean()),
            amount: one(money),
            'account-operator': atMostOne(organisation),
          }),
        )
        .default([]),
    }),
  })
  .transform((it, ctx): Fact[] => {
    const agreedPence = it.extension['agreed-amount'];
    const portions = it.extension.portion.map((portion) => ({
      management: portion.management,
      recurring: portion.recurring,
      amountPence: portion.amount,
      accountOperatorCode: portion['account-operator'],
    }));
    const inPortions = portions.reduce((sum, { amountPence }) => sum + amountPence, 0n);
    if (portions.length > 0 && inPortions !== agreedPence)
      return refuse(
        ctx,
        'AMOUNTS_DISAGREE',
        'portions that add up to another amount',
        'Make the portions add up to the agreed amount and send it again.',
        ['extension', 'agreed-amount'],
      );
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
          status: isOver ? 'ENDED' : it.status === 'on-hold' ? 'SUSPENDED' : 'ACTIVE',
          from,
          to,
          fundingLines: [{ source: 'ICB', organisationCode: owner, amountPence: agreedPence }],
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

const paymentNoticeSchema = z
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

const schemas: Record<string, z.ZodType<Fact[]>> = {
  Patient: patientSchema,
  RelatedPerson: relatedPersonSchema,
  Goal: goalSchema,
  CarePlan: carePlanSchema,
  Account: accountSchema,
  PaymentNotice: paymentNoticeSchema,
};
