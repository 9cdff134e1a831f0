/**
 * What one FHIR R4 resource of an NHS system says in the hub's words. Pure: a row that waits can be tried again from
 * its `raw`. The mapping is described in `docs/formats/nhs-fhir.md`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Problem, RoleFacts, RoleKind, Submission } from '../../src/intake/submission.ts';
import { nhsNumberFault, parseNhsNumber } from '../../src/platform/nhs-number.ts';

/** One resource gives a person, or a budget with the roles around it; or it gives one Problem and nothing else. */
export function toSubmissions(resource: unknown): (Submission | Problem)[] {
  const header = headerSchema.safeParse(resource);
  const digest = createHash('sha256')
    .update(JSON.stringify(resource) ?? '')
    .digest('hex');
  const { resourceType = 'Resource', id = `unnamed-${digest.slice(0, 16)}`, meta } = header.data ?? {};
  const row = {
    version: meta?.versionId ?? meta?.lastUpdated ?? digest,
    raw: resource,
    // Systems that use the NHS number as id must not have it appear wherever a place is shown.
    place: `${resourceType}/${parseNhsNumber(id) ? '(NHS number)' : id}`,
  };
  const schema = header.success ? schemas[header.data.resourceType] : headerSchema;
  const read = schema?.safeParse(resource);
  if (read?.success) return (read.data as Fact[]).map((fact) => ({ ...fact, ...row }));
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
type Complaint = Pick<Problem, 'code' | 'found' | 'advice'>;

const headerSchema = z.looseObject({
  resourceType: z.string().regex(/^[A-Z][A-Za-z]{1,63}$/),
  id: z.string().regex(/^[A-Za-z0-9.-]{1,64}$/),
  meta: z.looseObject({ versionId: z.string().optional(), lastUpdated: z.string().optional() }).optional(),
});

/** Custom issues bring their own complaint; whatever zod finds by itself is told by what stands at its path. */
function complaintOf(
  issue: z.core.$ZodIssue,
  resourceType: string,
  resource: unknown,
): Complaint & { column: string } {
  const steps = issue.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`));
  const column = resourceType + steps.join('');
  if (issue.code === 'custom' && issue.params) return { ...(issue.params as Complaint), column };
  const found = classOf(issue.path.reduce<unknown>(stepInto, resource));
  const advice = 'Correct the element in the NHS system, as the format description says, and send it again.';
  if (issue.code === 'too_big') return { code: 'ELEMENT_REPEATED', found: 'more than one', advice, column };
  if (found === 'missing') return { code: 'ELEMENT_MISSING', found, advice, column };
  if (issue.code === 'invalid_value')
    return { code: 'CODE_UNKNOWN', found: 'a code outside the list', advice, column };
  return { code: 'ELEMENT_INVALID', found, advice, column };
}

function stepInto(value: unknown, step: PropertyKey): unknown {
  if (step === 'extension') return byName((value as Record<PropertyKey, unknown>)[step]);
  return typeof value === 'object' && value !== null
    ? (value as Record<PropertyKey, unknown>)[step]
    : undefined;
}

function classOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  if (value === '') return 'blank';
  return Array.isArray(value) ? 'a list' : typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

type Context = z.core.$RefinementCtx;

function refuse(ctx: Context, code: string, found: string, advice: string, path: PropertyKey[] = []): never {
  ctx.addIssue({ code: 'custom', path, params: { code, found, advice } satisfies Complaint });
  return z.NEVER;
}

// Elements

const ownExtension = 'https://tandem.example/fhir/StructureDefinition/';
const verificationExtension = 'Extension-UKCore-NHSNumberVerificationStatus';
const nhsNumberSystem = 'https://fhir.nhs.uk/Id/nhs-number';
const odsSystem = 'https://fhir.nhs.uk/Id/ods-organization-code';

/** Extensions by the last part of their address, each a list: `{ portion: [{ amount: [...] }] }`. */
function byName(list: unknown): unknown {
  if (!Array.isArray(list)) return list ?? {};
  const named = new Map<string, unknown[]>();
  for (const one of list as unknown[]) {
    if (typeof one !== 'object' || one === null || !('url' in one) || typeof one.url !== 'string') continue;
    const isKnown =
      one.url.startsWith(ownExtension) ||
      !one.url.includes('/') ||
      one.url.endsWith(`/${verificationExtension}`);
    if (!isKnown) continue;
    const name = one.url.slice(one.url.lastIndexOf('/') + 1);
    const value =
      'extension' in one ? byName(one.extension) : Object.entries(one).find(([k]) => /^value/.test(k))?.[1];
    named.set(name, [...(named.get(name) ?? []), value]);
  }
  return Object.fromEntries(named);
}

const extensions = <S extends z.ZodRawShape>(shape: S) => z.preprocess(byName, z.looseObject(shape));
const one = <S extends z.ZodType>(schema: S) =>
  z.tuple([schema]).transform(([value]) => value as z.output<S>);
const atMostOne = <S extends z.ZodType>(schema: S) =>
  z
    .array(schema)
    .max(1)
    .optional()
    .transform((values) => values?.[0] ?? null);

const text = z.string().trim().min(1);
const textOrNull = text.optional().transform((value) => value ?? null);
const concept = z.looseObject({
  text: text.optional(),
  coding: z
    .array(z.looseObject({ system: text.optional(), code: text.optional(), display: text.optional() }))
    .default([]),
});
const wordsOf = (of: z.output<typeof concept> | undefined): string | null =>
  of?.text ?? of?.coding[0]?.display ?? of?.coding[0]?.code ?? null;

const london = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/London' });

/**
 * FHIR date or dateTime as a day. A time belongs to the day that it falls on in London. Null where only a year or a
 * month is known; undefined where it is no date.
 */
function dayOf(value: string): string | null | undefined {
  const [, year, month, day, time] =
    /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?)?)?$/.exec(value) ??
    [];
  if (year === undefined) return undefined;
  if (day === undefined) return null;
  const date = `${year}-${month}-${day}`;
  const parsed = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(parsed.getTime()) || parsed.toISOString().slice(0, 10) !== date) return undefined;
  if (time === undefined) return date;
  const instant = new Date(value);
  return Number.isNaN(instant.getTime()) ? undefined : london.format(instant);
}

const dateAdvice = 'Correct the date in the NHS system and send it again.';
const maybeDay = z.string().transform((value, ctx) => {
  const day = dayOf(value);
  return day === undefined ? refuse(ctx, 'DATE_INVALID', 'no such date', dateAdvice) : day;
});
const day = maybeDay.transform(
  (value, ctx) => value ?? refuse(ctx, 'DATE_INVALID', 'a year or month without its day', dateAdvice),
);
const dayOrNull = maybeDay.optional().transform((value) => value ?? null);
const period = z
  .looseObject({ start: dayOrNull, end: dayOrNull })
  .optional()
  .transform((value) => value ?? { start: null, end: null });

const nhsNumberAdvice = 'Correct the NHS number in the NHS system and send it again.';
const identifiers = z
  .array(
    z
      .looseObject({
        system: text.optional(),
        value: z.string().optional(),
        use: text.optional(),
        extension: extensions({ [verificationExtension]: atMostOne(concept) }),
      })
      .superRefine(({ system, value }, ctx) => {
        const fault = system === nhsNumberSystem && value !== undefined ? nhsNumberFault(value) : null;
        if (fault) refuse(ctx, 'NHS_NUMBER_INVALID', fault, nhsNumberAdvice, ['value']);
      }),
  )
  .default([]);

/** The current NHS number. One that was not verified is as good as none: it may be somebody else's. */
function nhsNumberOf(list: z.output<typeof identifiers>): string | null {
  const current = list.find(
    (one) => one.system === nhsNumberSystem && one.use !== 'old' && one.value !== undefined,
  );
  const status = current?.extension[verificationExtension]?.coding[0]?.code;
  return current && (status === undefined || status === '01') ? parseNhsNumber(current.value!) : null;
}

const names = z
  .array(
    z.looseObject({
      use: text.optional(),
      text: text.optional(),
      family: text.optional(),
      given: z.array(text).default([]),
    }),
  )
  .default([]);

function nameOf(list: z.output<typeof names>): z.output<typeof names>[number] | undefined {
  const current = list.filter((name) => name.use !== 'old' && (name.family || name.text));
  return (
    ['official', 'usual'].map((use) => current.find((name) => name.use === use)).find(Boolean) ?? current[0]
  );
}

/** `Patient/123` from a reference, which may be a whole address and may name a version. */
const reference = (type: string, code: string) =>
  z.unknown().transform((value, ctx) => {
    const read = z.looseObject({ reference: z.string() }).safeParse(value);
    const path = new RegExp(`(?:^|/)(${type}/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?$`).exec(
      read.data?.reference ?? '',
    );
    const advice = `Name the ${type} in the NHS system and send it again.`;
    return path?.[1] ?? refuse(ctx, code, read.success ? 'another kind of reference' : 'missing', advice);
  });
const subject = reference('Patient', 'SUBJECT_MISSING');

/** As in the Personal Demographics Service, a person may also be named by NHS number, which is there the id. */
const patient = z.union([
  z
    .looseObject({ reference: z.undefined().optional(), identifier: identifiers.element })
    .transform(({ identifier }) => nhsNumberOf([identifier]))
    .pipe(z.string())
    .transform((nhsNumber) => `Patient/${nhsNumber}`),
  subject,
]);

const organisation = z
  .looseObject({ identifier: z.looseObject({ system: z.literal(odsSystem), value: z.string() }) })
  .transform(({ identifier: { value } }, ctx) =>
    /^[A-Z0-9]{3,8}$/.test(value)
      ? value
      : refuse(
          ctx,
          'ODS_CODE_INVALID',
          'not an ODS code',
          'Correct the organisation code and send it again.',
          ['identifier', 'value'],
        ),
  );

/**
 * A JSON number as integer pence, or the class of what is wrong with it. A double written out in full is the shortest
 * decimal that names it, so up to twelve digits before the point nothing is rounded.
 */
export function penceOf(value: unknown): bigint | string {
  if (typeof value !== 'number') return classOf(value);
  if (value < 0 || Object.is(value, -0)) return 'negative';
  const digits = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(String(value));
  if (!digits) return value >= 1e12 ? 'too large' : 'more than two decimals';
  return BigInt(digits[1]!) * 100n + BigInt((digits[2] ?? '').padEnd(2, '0'));
}

const moneyAdvice =
  'Correct the amount in the NHS system: pounds sterling, two decimals at most, not below zero.';
const money = z
  .looseObject({ value: z.unknown(), currency: z.unknown() })
  .transform(({ value, currency }, ctx) => {
    if (currency !== 'GBP') {
      const found = typeof currency === 'string' ? 'another currency' : classOf(currency);
      return refuse(ctx, 'CURRENCY_INVALID', found, moneyAdvice, ['currency']);
    }
    const pence = penceOf(value);
    return typeof pence === 'bigint' ? pence : refuse(ctx, 'AMOUNT_INVALID', pence, moneyAdvice, ['value']);
  });

/** `LPA_DEPUTY` for `lpa-deputy`. */
const spoken = <C extends string>(code: C) =>
  code.toUpperCase().replaceAll('-', '_') as Uppercase<C extends `${string}-${string}` ? Spoken<C> : C>;
type Spoken<C extends string> = C extends `${infer A}-${infer B}` ? `${A}_${Spoken<B>}` : C;
const codes = <const C extends string>(...list: C[]) => z.enum(list).transform((code) => spoken(code as C));

/** The day on which a resource that is no longer true stopped being so: not later than its last update. */
function endOf(end: string | null, isOver: boolean, lastUpdated: string | undefined): string | null {
  const updated = lastUpdated === undefined ? null : (dayOf(lastUpdated) ?? null);
  return isOver && updated !== null && (end === null || end > updated) ? updated : end;
}

const meta = z.looseObject({ lastUpdated: z.string().optional() }).optional();
const base = { id: headerSchema.shape.id, meta };

// Resources

/** Confidentiality that does not restrict; any other code does, so that a new one errs on the safe side. */
const openCodes = ['U', 'L', 'M', 'N'];

const patientSchema = z
  .looseObject({
    ...base,
    meta: z
      .looseObject({ security: z.array(z.looseObject({ code: text.optional() })).default([]) })
      .optional(),
    active: z.boolean().default(true),
    identifier: identifiers,
    name: names,
    gender: codes('female', 'male', 'other', 'unknown').default('UNKNOWN'),
    birthDate: dayOrNull,
    deceasedBoolean: z.boolean().default(false),
    deceasedDateTime: dayOrNull,
    address: z.array(z.looseObject({ use: text.optional(), postalCode: text.optional() })).default([]),
    link: z
      .array(
        z.looseObject({ type: text, other: z.looseObject({ identifier: identifiers.element.optional() }) }),
      )
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
    if (it.deceasedBoolean && it.deceasedDateTime === null)
      return refuse(
        ctx,
        'DEATH_DATE_MISSING',
        'dead, on no known day',
        'Give the day of death and send it again.',
        ['deceasedBoolean'],
      );
    const isRestricted = (it.meta?.security ?? []).some(
      ({ code }) => code !== undefined && !openCodes.includes(code),
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
          givenName: name.given.join(' '),
          birthDate: it.birthDate,
          deathDate: it.deceasedDateTime,
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
    patient,
    identifier: identifiers,
    name: names,
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
    const spelled = name && (name.family ? [...name.given, name.family].join(' ') : name.text);
    if (!spelled) return refuse(ctx, 'NAME_MISSING', 'missing', 'Give the name and send it again.', ['name']);
    const individual = {
      name: spelled,
      nhsNumber: nhsNumberOf(it.identifier),
      relationship: wordsOf(it.relationship[0]),
    };
    const to = endOf(it.period.end, !it.active, it.meta?.lastUpdated);
    // Without an authority somebody is known and may do nothing: that is what next of kin means in law.
    const kind: RoleKind = it.extension.authority ?? 'NEXT_OF_KIN';
    return [
      {
        kind: 'role',
        externalId: `RelatedPerson/${it.id}`,
        personId: it.patient,
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
    target: z.array(z.looseObject({ dueDate: dayOrNull })).default([]),
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
    title: text.optional(),
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
                member: z.looseObject({ display: text.optional() }).optional(),
              }),
            )
            .default([]),
        }),
      )
      .default([]),
    addresses: z.array(z.looseObject({ reference: text.optional(), display: text.optional() })).default([]),
    careTeam: z.array(z.looseObject({ reference: text.optional() })).default([]),
    goal: z.array(reference('Goal', 'GOAL_MISSING')).default([]),
    note: z
      .array(z.looseObject({ authorReference: z.looseObject({ reference: text }).optional(), text }))
      .default([]),
  })
  .transform((it, ctx): Fact[] => {
    const within = ({ reference: to }: { reference?: string | undefined }) =>
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
    const to = endOf(it.period.end, isOver, it.meta?.lastUpdated);
    return [
      {
        kind: 'plan',
        externalId: `CarePlan/${it.id}`,
        personId: it.subject,
        facts: {
          title: it.title ?? wordsOf(it.category[0]) ?? 'Care plan',
          status: isOver ? 'ENDED' : it.status === 'draft' ? 'DRAFT' : 'ACTIVE',
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
  'council-managed',
);

const accountSchema = z
  .looseObject({
    ...base,
    status: z.enum(['active', 'inactive', 'on-hold', 'entered-in-error']),
    type: z.looseObject({
      coding: z.tuple([z.looseObject({ code: z.literal('personal-health-budget') })]).rest(z.unknown()),
    }),
    subject: z.tuple([subject]),
    servicePeriod: z.looseObject({ start: day, end: dayOrNull }),
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
    const from = it.servicePeriod.start;
    const end = endOf(it.servicePeriod.end, isOver, it.meta?.lastUpdated);
    const to = end !== null && end < from ? from : end;
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
    payee: z.looseObject({ display: textOrNull }).optional(),
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
