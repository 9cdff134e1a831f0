/** How reviews and contacts are read, and what is due next. */
import {
  type At,
  column,
  derived,
  ofEitherSide,
  ofPerson,
  personView,
  type Views,
  value,
} from '../read/view.ts';
import { dutiesMet, type HeldReview, heldBy } from './duty.ts';
import { type ReviewFacts, reviewFacts } from './facts.ts';
import { nextReviews } from './joint.ts';

export const reviewPrefix = 'rev';

/** SQL: something of the source that told of the review. */
const ofSource = (what: string, { parent }: At) =>
  `(select s.${what} from person_link k join source_system s on s.id = k.source_id where k.id = ${parent}.link_id)`;

/** SQL: a review as its rules see it. */
const told = (at: At) =>
  `json_build_object('kind', ${at.parent}.kind, 'duties', coalesce(${at.parent}.duties, '{}'), 'side', ${ofSource('side', at)})`;

export const reviewViews: Views = {
  Person: {
    fields: {
      reviews: ofPerson('Review', 'review', 'held_on desc, id'),
      nextReviews: ofEitherSide(
        derived<ReviewFacts>(
          (at) => reviewFacts(`${at.parent}.id`, at.today()),
          (facts, { day }) => nextReviews(facts, day),
        ),
      ),
      contacts: ofPerson('Contact', 'contact', 'ended_on desc, id'),
    },
  },
  Review: personView(
    {
      kind: column('kind'),
      duties: derived<HeldReview>(told, (review) => dutiesMet(review)),
      side: derived<HeldReview>(told, (review) => heldBy(review)),
      source: value((at) => ofSource('name', at)),
      startedOn: column('started_on'),
      heldOn: column('held_on'),
      reason: column('reason'),
      method: column('method'),
      outcome: column('outcome'),
      outcomesAchieved: column('outcomes_achieved'),
    },
    { prefix: reviewPrefix, table: 'review', side: 'LINK' },
  ),
  Contact: personView(
    {
      kind: column('kind'),
      type: column('type'),
      startedOn: column('started_on'),
      endedOn: column('ended_on'),
      outcome: column('outcome'),
    },
    { prefix: 'con', table: 'contact', side: 'LINK' },
  ),
};
