/** Holding a review: one for both sides, or one of a side's own. */
import type { ReviewDuty, ReviewKind, Side } from '../generated/prisma/client.ts';
import { personPrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, announce, textOf, visiblePerson } from '../write/subject.ts';
import { type ReviewFacts, reviewFacts } from './facts.ts';
import { decideReview } from './hold.ts';
import { reviewPrefix } from './view.ts';

interface HoldReviewInput {
  idempotencyKey: string;
  personId: string;
  kind: ReviewKind;
  heldOn: string;
  startedOn?: string | null;
  duties?: ReviewDuty[] | null;
  reason?: string | null;
  method?: string | null;
  outcome: string;
  outcomesAchieved?: string | null;
}

/** Of two reviews of one person that are recorded at once, the second sees the first. Gives what is known on `day`. */
async function lockedFacts({ tx }: CommandContext, personId: string, day: string): Promise<ReviewFacts> {
  await tx.$queryRawUnsafe('select id from person where id = $1::uuid for no key update', personId);
  const [row] = await tx.$queryRawUnsafe<[{ facts: ReviewFacts }]>(
    `select ${reviewFacts('$1::uuid', '$2::date')} as facts`,
    personId,
    day,
  );
  return row.facts;
}

const optional = (text: string | null | undefined, field: string, maxLength = 1_000) =>
  text === null || text === undefined ? null : textOf(text, field, maxLength);

export const holdReviewCommand: Command<HoldReviewInput, { reviewId: string; personId: string }> = {
  name: 'holdReview',
  run: async (context, input) => {
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId));
    const organisation = await actingOrganisation(context);
    const side: Side | null = organisation?.side ?? null;
    if (side === null) {
      throw new UserFault('NOT_YOURS', 'Reviews are held by the NHS and by the council.', 'kind');
    }
    const texts = {
      reason: optional(input.reason, 'reason'),
      method: optional(input.method, 'method'),
      outcome: textOf(input.outcome, 'outcome'),
      outcomesAchieved: optional(input.outcomesAchieved, 'outcomesAchieved', 4_000),
    };
    const { kind, heldOn } = input;
    const startedOn = input.startedOn ?? heldOn;
    const facts = await lockedFacts(context, personId, heldOn);
    const { duties, faults } = decideReview(
      { kind, side, startedOn, heldOn, duties: input.duties ?? [] },
      facts,
      context.today,
    );
    if (faults.length > 0)
      throw new Refused(faults.map(({ code, message, field }) => new UserFault(code, message, field)));
    const { id } = await context.tx.review.create({
      data: {
        personId,
        kind,
        duties,
        startedOn: new Date(startedOn),
        heldOn: new Date(heldOn),
        recordedAt: context.now,
        ...texts,
      },
    });
    await announce(context, 'review.held', [personId]);
    const result = { reviewId: idOf(reviewPrefix, id), personId: idOf(personPrefix, personId) };
    return { result, personIds: [personId] };
  },
};
