/** How reviews and contacts are read. */
import { column, ofPerson, personView, type Views } from '../read/view.ts';

export const reviewViews: Views = {
  Person: {
    fields: {
      reviews: ofPerson('Review', 'review', 'held_on desc, id'),
      contacts: ofPerson('Contact', 'contact', 'ended_on desc, id'),
    },
  },
  Review: personView(
    {
      kind: column('kind'),
      startedOn: column('started_on'),
      heldOn: column('held_on'),
      reason: column('reason'),
      method: column('method'),
      outcome: column('outcome'),
      outcomesAchieved: column('outcomes_achieved'),
    },
    { prefix: 'rev', table: 'review' },
  ),
  Contact: personView(
    {
      kind: column('kind'),
      type: column('type'),
      startedOn: column('started_on'),
      endedOn: column('ended_on'),
      outcome: column('outcome'),
    },
    { prefix: 'con', table: 'contact' },
  ),
};
