/** The person, and the parts that others play: Patient and RelatedPerson. */
import { z } from 'zod';
import type { RoleKind } from '../../src/intake/submission.ts';
import {
  atMostOne,
  codes,
  concept,
  day,
  endOf,
  extensions,
  humanName,
  identifier,
  maybeDay,
  maybeText,
  nameOf,
  nhsNumberOf,
  period,
  refuse,
  subject,
  text,
  wordsOf,
} from './nhs-fhir-element.ts';
import { base, type Fact } from './nhs-fhir-fact.ts';

/** Confidentiality that does not restrict; any other code does, so that a new one errs on the safe side. */
const openCodes = ['U', 'L', 'M', 'N'];

export const patientSchema = z
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

export const relatedPersonSchema = z
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
