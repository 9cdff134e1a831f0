/** Under which scheme somebody is eligible: EpisodeOfCare. */
import { z } from 'zod';
import { addDays } from '../../src/platform/day.ts';
import {
  atMostOne,
  coded,
  codes,
  day,
  endOf,
  extensions,
  maybeDay,
  organisation,
  startedPeriod,
  subject,
  text,
} from './nhs-fhir-element.ts';
import { base, type Fact } from './nhs-fhir-fact.ts';

const schemeSystem = 'https://tandem.example/fhir/CodeSystem/eligibility-scheme';
const scheme = codes(
  'chc-standard',
  'chc-fast-track',
  'fnc',
  'joint-package',
  's117',
  'wheelchair',
  'cyp-continuing-care',
  'ehc',
  'ld-mh',
  'other',
);

export const episodeOfCareSchema = z
  .looseObject({
    ...base,
    status: z.enum(['planned', 'waitlist', 'active', 'onhold', 'finished', 'cancelled', 'entered-in-error']),
    statusHistory: z
      .array(z.looseObject({ status: text, period: z.looseObject({ start: maybeDay }).optional() }))
      .default([]),
    type: coded(schemeSystem, scheme),
    patient: subject,
    managingOrganization: organisation.optional(),
    period: startedPeriod,
    extension: extensions({
      'decided-on': atMostOne(day),
      reviewer: atMostOne(text),
      'review-due': atMostOne(day),
    }),
  })
  .transform((it, ctx): Fact[] => {
    const row = { kind: 'eligibility', externalId: `EpisodeOfCare/${it.id}`, personId: it.patient } as const;
    if (it.status === 'entered-in-error') return [{ ...row, facts: { withdrawn: true } }];
    const isCancelled = it.status === 'cancelled';
    const decided = isCancelled ? 'cancelled' : 'active';
    const decidedOn =
      it.extension['decided-on'] ??
      it.statusHistory.find(({ status }) => status === decided)?.period?.start ??
      null;
    const said = {
      scheme: it.type,
      decidedOn,
      decidedByCode: it.managingOrganization ?? null,
      reviewer: it.extension.reviewer,
      reviewDueOn: it.extension['review-due'],
    };
    // A decision against somebody stands, from its day on, whenever the episode that led to it began and ended.
    if (isCancelled && decidedOn !== null)
      return [{ ...row, facts: { ...said, status: 'NOT_ELIGIBLE', from: decidedOn, to: null } }];
    const last = endOf(ctx, it.period, it.status === 'finished' || isCancelled, it.meta?.lastUpdated);
    // An assessment that was broken off decided nothing.
    const isAssessing = it.status === 'planned' || it.status === 'waitlist' || isCancelled;
    return [
      {
        ...row,
        facts: {
          ...said,
          status: isAssessing ? 'ASSESSING' : 'ELIGIBLE',
          from: it.period.start,
          // FHIR counts the end of a period in.
          to: last === null ? null : addDays(last, 1),
        },
      },
    ];
  });
