/** How decisions are read. */
import {
  column,
  instant,
  money,
  ofPerson,
  one,
  organisation,
  personView,
  type Views,
  value,
} from '../read/view.ts';

export const decisionPrefix = 'dcn';

export const decisionViews: Views = {
  Person: {
    fields: { decisions: ofPerson('Decision', 'decision', 'decided_on desc, recorded_at desc, id') },
  },
  Decision: personView(
    {
      kind: column('kind'),
      organisation: organisation(),
      decidedOn: column('decided_on'),
      what: column('what'),
      reasons: column('reasons'),
      amount: money('amount_pence'),
      budget: one(
        'Budget',
        ({ parent: d }) => `select * from budget where id = ${d}.budget_id and person_id = ${d}.person_id`,
      ),
      plan: one(
        'Plan',
        ({ parent: d }) => `select * from plan where id = ${d}.plan_id and person_id = ${d}.person_id`,
      ),
      reconsiderUnder: column('reconsider_under'),
      mayAskForReconsideration: value(
        ({ parent: d }) =>
          `(${d}.reconsider_under is not null and ${d}.reconsideration_requested_at is null)`,
      ),
      reconsideration: one(
        'Reconsideration',
        ({ parent: d }) => `select * from decision where id = ${d}.id and person_id = ${d}.person_id
          and reconsideration_requested_at is not null`,
      ),
      appealRoute: column('appeal_route'),
      version: column('version'),
    },
    { prefix: decisionPrefix, table: 'decision', side: 'ORGANISATION' },
  ),
  Reconsideration: personView({
    requestedAt: instant('reconsideration_requested_at'),
    // Who exactly it was is for the audit.
    requestedBy: value(({ parent }) => `split_part(${parent}.reconsideration_requested_by, ' ', 1)`),
    words: column('reconsideration_words'),
    outcome: column('reconsideration_outcome'),
    decidedOn: column('reconsideration_on'),
    reasons: column('reconsideration_reasons'),
  }),
};
