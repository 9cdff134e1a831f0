/** The plan, the outcomes it aims at, and its reviews: CarePlan, Goal and Procedure. */
import { z } from 'zod';
import {
  atMostOne,
  coded,
  codes,
  concept,
  day,
  endOf,
  extensions,
  inOrder,
  maybeDay,
  maybeText,
  period,
  reference,
  refuse,
  subject,
  text,
  wordsOf,
} from './nhs-fhir-element.ts';
import { base, type Fact } from './nhs-fhir-fact.ts';

export const goalSchema = z
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

export const carePlanSchema = z
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

const reviewSystem = 'https://tandem.example/fhir/CodeSystem/review-kind';

export const procedureSchema = z
  .looseObject({
    ...base,
    status: z.enum([
      'preparation',
      'in-progress',
      'not-done',
      'on-hold',
      'stopped',
      'completed',
      'entered-in-error',
      'unknown',
    ]),
    code: coded(reviewSystem, codes('care-plan', 'direct-payment', 'chc-eligibility', 'audit')),
    subject,
    performedDateTime: day.optional(),
    performedPeriod: z.looseObject({ start: day, end: day }).superRefine(inOrder).optional(),
    reasonCode: z.array(concept).default([]),
    outcome: concept.optional(),
    extension: extensions({ 'review-method': atMostOne(text) }),
  })
  .transform((it, ctx): Fact[] => {
    const row = { kind: 'review', externalId: `Procedure/${it.id}`, personId: it.subject } as const;
    if (it.status !== 'completed') return [{ ...row, facts: { withdrawn: true } }];
    const { start, end } = it.performedPeriod ?? {
      start: it.performedDateTime,
      end: it.performedDateTime,
    };
    if (start === undefined || end === undefined) {
      const advice = 'Give the day or the days on which it was held and send it again.';
      return refuse(ctx, 'DATE_MISSING', 'missing', advice, ['performedDateTime']);
    }
    return [
      {
        ...row,
        facts: {
          kind: it.code,
          startedOn: start,
          heldOn: end,
          reason: wordsOf(it.reasonCode[0]),
          method: it.extension['review-method'],
          outcome: wordsOf(it.outcome),
          outcomesAchieved: null,
        },
      },
    ];
  });
