/** How eligibilities are read. */
import { holdsOn } from '../platform/day.ts';
import { column, many, organisation, personView, type Views, value, withAsAt } from '../read/view.ts';

export const eligibilityPrefix = 'elg';

export const eligibilityViews: Views = {
  Person: {
    fields: {
      eligibilities: withAsAt(
        many('Eligibility', (at) => {
          const isPast = at.arg('boolean', ({ asAt }) => asAt != null);
          const inForce = holdsOn('e', at.day());
          return `select e.* from ${at.table('eligibility', `${at.parent}.id`)} e
            where e.person_id = ${at.parent}.id and (not ${isPast} or (${inForce}))
            order by e.valid_from desc, e.scheme, e.id`;
        }),
      ),
    },
  },
  Eligibility: personView(
    {
      scheme: column('scheme'),
      status: column('status'),
      decidedOn: column('decided_on'),
      decidedBy: organisation('decided_by_id'),
      reviewer: column('reviewer'),
      reviewDueOn: column('review_due_on'),
      from: column('valid_from'),
      to: column('valid_to'),
      source: value(
        ({ parent }) =>
          `(select s.name from person_link l join source_system s on s.id = l.source_id where l.id = ${parent}.link_id)`,
      ),
      version: column('version'),
    },
    { prefix: eligibilityPrefix, table: 'eligibility', side: 'LINK' },
  ),
};
