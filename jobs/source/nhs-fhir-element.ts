/**
 * Elements of FHIR R4 as the hub reads them: days, pence, NHS numbers, references; and what to say when one of them
 * cannot be used. Nothing said here repeats a value.
 */
import { z } from 'zod';
import type { Problem } from '../../src/intake/submission.ts';
import { nhsNumberFault, parseNhsNumber } from '../../src/platform/nhs-number.ts';

type Complaint = Pick<Problem, 'code' | 'column' | 'found' | 'advice'>;
type Context = z.core.$RefinementCtx;

/** Ends the reading of a resource with a complaint about the element at `path`, seen from where it is called. */
export function refuse(
  ctx: Context,
  code: string,
  found: string,
  advice: string,
  path: PropertyKey[] = [],
): never {
  ctx.addIssue({ code: 'custom', path, params: { code, found, advice } });
  return z.NEVER;
}

/** A custom issue brings its own words; what zod finds by itself is told by what stands at its path. */
export function complaintOf(issue: z.core.$ZodIssue, resourceType: string, resource: unknown): Complaint {
  const steps = issue.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`));
  const column = resourceType + steps.join('');
  if (issue.code === 'custom') return { ...(issue.params as Omit<Complaint, 'column'>), column };
  const found = classOf(issue.path.reduce(stepInto, resource));
  const advice = 'Correct the element in the NHS system, as the format description says, and send it again.';
  if (issue.code === 'too_big') return { code: 'ELEMENT_REPEATED', found: 'more than one', advice, column };
  if (found === 'missing') return { code: 'ELEMENT_MISSING', found, advice, column };
  if (issue.code === 'invalid_value')
    return { code: 'CODE_UNKNOWN', found: 'a code outside the list', advice, column };
  return { code: 'ELEMENT_INVALID', found, advice, column };
}

function stepInto(value: unknown, step: PropertyKey): unknown {
  const next =
    typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined;
  return step === 'extension' ? byName(next) : next;
}

function classOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  if (value === '') return 'blank';
  return Array.isArray(value) ? 'a list' : typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

const ownExtension = 'https://tandem.example/fhir/StructureDefinition/';
const verificationExtension = 'Extension-UKCore-NHSNumberVerificationStatus';

/** Extensions by the last part of their address, each a list: `{ portion: [{ amount: [...] }] }`. */
function byName(list: unknown): unknown {
  if (!Array.isArray(list)) return list ?? {};
  const named = new Map<string, unknown[]>();
  for (const one of list as unknown[]) {
    if (typeof one !== 'object' || one === null || !('url' in one) || typeof one.url !== 'string') continue;
    const { url } = one;
    if (url.includes('/') && !url.startsWith(ownExtension) && !url.endsWith(`/${verificationExtension}`))
      continue;
    const name = url.slice(url.lastIndexOf('/') + 1);
    const value =
      'extension' in one
        ? byName(one.extension)
        : Object.entries(one).find(([key]) => key.startsWith('value'))?.[1];
    named.set(name, [...(named.get(name) ?? []), value]);
  }
  return Object.fromEntries(named);
}

export const extensions = <S extends z.ZodRawShape>(shape: S) => z.preprocess(byName, z.looseObject(shape));

export const one = <S extends z.ZodType>(schema: S) =>
  z.tuple([schema]).transform(([value]) => value as z.output<S>);

export const atMostOne = <S extends z.ZodType>(schema: S) =>
  z
    .array(schema)
    .max(1)
    .optional()
    .transform((values) => values?.[0] ?? null);

export const text = z.string().trim().min(1);
/** Systems send blanks for what they do not know. */
export const maybeText = z
  .string()
  .optional()
  .transform((value) => value?.trim() || null);

/** Codes are written `managed-account` in FHIR and `MANAGED_ACCOUNT` in the hub. */
export const codes = <const C extends string>(...list: C[]) =>
  z.enum(list).transform((code) => code.toUpperCase().replaceAll('-', '_') as Spoken<C>);
type Spoken<C extends string> = C extends `${infer A}-${infer B}`
  ? `${Uppercase<A>}_${Spoken<B>}`
  : Uppercase<C>;

export const concept = z.looseObject({
  text: maybeText,
  coding: z.array(z.looseObject({ system: maybeText, code: maybeText, display: maybeText })).default([]),
});

/** The code that a concept, or one of a list of concepts, has in a system of our own; others beside it are passed over. */
export const coded = <S extends z.ZodType<unknown, string>>(system: string, schema: S) =>
  z
    .union([z.array(concept), concept.transform((only) => [only])])
    .optional()
    .transform((concepts, ctx) => {
      const ours = (concepts ?? []).flatMap(({ coding }) => coding.filter((one) => one.system === system));
      const advice = 'Give one code of the list in the format description and send it again.';
      if (ours.length > 1) return refuse(ctx, 'ELEMENT_REPEATED', 'more than one', advice);
      const code = ours[0]?.code ?? null;
      if (code === null) return refuse(ctx, 'ELEMENT_MISSING', 'no code of the agreed system', advice);
      const known = schema.safeParse(code);
      return known.success
        ? (known.data as z.output<S>)
        : refuse(ctx, 'CODE_UNKNOWN', 'a code outside the list', advice);
    });

export const wordsOf = (of: z.output<typeof concept> | undefined): string | null =>
  of?.text ?? of?.coding[0]?.display ?? of?.coding[0]?.code ?? null;

// Days

const london = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/London' });
const datePattern =
  /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?)?)?$/;

/**
 * FHIR date or dateTime as a day. A time belongs to the day that it falls on in London. Null where only a year or a
 * month is known; undefined where it is no date.
 */
function dayOf(value: string): string | null | undefined {
  const [, year, month, dayOfMonth, time] = datePattern.exec(value) ?? [];
  if (year === undefined) return undefined;
  if (dayOfMonth === undefined) return null;
  const date = `${year}-${month}-${dayOfMonth}`;
  const parsed = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(parsed.getTime()) || parsed.toISOString().slice(0, 10) !== date) return undefined;
  if (time === undefined) return date;
  const instant = new Date(value);
  return Number.isNaN(instant.getTime()) ? undefined : london.format(instant);
}

const dateAdvice = 'Correct the date in the NHS system and send it again.';
const partialDay = z.string().transform((value, ctx) => {
  const found = dayOf(value);
  return found === undefined ? refuse(ctx, 'DATE_INVALID', 'no such date', dateAdvice) : found;
});

export const day = partialDay.transform(
  (value, ctx) => value ?? refuse(ctx, 'DATE_INVALID', 'a year or month without its day', dateAdvice),
);

/** What is not known to the day counts as not known. */
export const maybeDay = partialDay.optional().transform((value) => value ?? null);

export function inOrder(period: { start: string | null; end: string | null }, ctx: Context): void {
  if (period.start !== null && period.end !== null && period.end < period.start)
    refuse(ctx, 'PERIOD_REVERSED', 'an end before the start', dateAdvice, ['end']);
}

export const startedPeriod = z.looseObject({ start: day, end: maybeDay }).superRefine(inOrder);
export const period = z
  .looseObject({ start: maybeDay, end: maybeDay })
  .superRefine(inOrder)
  .optional()
  .transform((value) => value ?? { start: null, end: null });

/**
 * When a fact ended: at its end, or, where its source says that it is over before that, when it was last updated. What
 * is over and has no end to show is refused, lest a right or a role go on for ever.
 */
export function endOf(
  ctx: Context,
  { start, end }: { start: string | null; end: string | null },
  isOver: boolean,
  lastUpdated: string | undefined,
): string | null {
  if (!isOver) return end;
  const updated = (lastUpdated && dayOf(lastUpdated)) || null;
  const earliest = updated === null || (end !== null && end <= updated) ? end : updated;
  if (earliest === null) {
    const advice = 'Give the day on which it ended, or meta.lastUpdated, and send it again.';
    return refuse(ctx, 'END_MISSING', 'over, on no known day', advice, ['meta', 'lastUpdated']);
  }
  return start !== null && earliest < start ? start : earliest;
}

// People and organisations

const nhsNumberSystem = 'https://fhir.nhs.uk/Id/nhs-number';
const odsSystem = 'https://fhir.nhs.uk/Id/ods-organization-code';

const nhsNumberAdvice = 'Correct the NHS number in the NHS system and send it again.';
export const identifier = z
  .looseObject({
    system: maybeText,
    value: maybeText,
    use: maybeText,
    extension: extensions({ [verificationExtension]: atMostOne(concept) }),
  })
  .superRefine(({ system, value }, ctx) => {
    const fault = system === nhsNumberSystem && value !== null ? nhsNumberFault(value) : null;
    if (fault !== null) refuse(ctx, 'NHS_NUMBER_INVALID', fault, nhsNumberAdvice, ['value']);
  });

/** The current NHS number. One that was not verified is as good as none: it may be somebody else's. */
export function nhsNumberOf(identifiers: z.output<typeof identifier>[]): string | null {
  const current = identifiers.find(
    ({ system, use, value }) => system === nhsNumberSystem && use !== 'old' && value,
  );
  const status = current?.extension[verificationExtension]?.coding[0]?.code ?? '01';
  return current?.value && status === '01' ? parseNhsNumber(current.value) : null;
}

export const humanName = z.looseObject({
  use: maybeText,
  text: maybeText,
  family: maybeText,
  given: z
    .array(z.string())
    .default([])
    .transform((given) => given.join(' ').trim()),
});
type HumanName = z.output<typeof humanName>;

export function nameOf(names: HumanName[]): HumanName | undefined {
  const current = names.filter(({ use, family, text: words }) => use !== 'old' && (family ?? words));
  return (
    current.find(({ use }) => use === 'official') ?? current.find(({ use }) => use === 'usual') ?? current[0]
  );
}

/** `Patient/123` from a reference, which may be a whole address and may name a version. */
export const reference = (type: string, code: string) => {
  const pattern = new RegExp(`(?:^|/)(${type}/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?$`);
  const advice = `Name the ${type} in the NHS system and send it again.`;
  return z
    .looseObject({ reference: maybeText })
    .optional()
    .transform((value, ctx) => {
      const found = value?.reference ? 'another kind of reference' : 'missing';
      return pattern.exec(value?.reference ?? '')?.[1] ?? refuse(ctx, code, found, advice);
    });
};

export const subject = reference('Patient', 'SUBJECT_MISSING');

export const organisation = z
  .looseObject({ identifier: z.looseObject({ system: z.literal(odsSystem), value: z.string() }) })
  .transform(({ identifier: { value } }, ctx) => {
    const advice = 'Correct the organisation code in the NHS system and send it again.';
    const path = ['identifier', 'value'];
    return /^[A-Z0-9]{3,8}$/.test(value)
      ? value
      : refuse(ctx, 'ODS_CODE_INVALID', 'not an ODS code', advice, path);
  });

// Money

/**
 * A JSON number as integer pence, or the class of what is wrong with it. A double is written out as the shortest
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
export const money = z.looseObject({ value: z.unknown(), currency: z.unknown() }).transform((it, ctx) => {
  if (it.currency !== 'GBP') {
    const found = typeof it.currency === 'string' ? 'another currency' : classOf(it.currency);
    return refuse(ctx, 'CURRENCY_INVALID', found, moneyAdvice, ['currency']);
  }
  const pence = penceOf(it.value);
  return typeof pence === 'bigint' ? pence : refuse(ctx, 'AMOUNT_INVALID', pence, moneyAdvice, ['value']);
});
