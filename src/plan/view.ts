/** How plans are read. */
import { children, column, one, personView, type Views } from '../read/view.ts';

export const planViews: Views = {
  Person: {
    fields: {
      plan: one(
        'Plan',
        (at) => `select * from plan where person_id = ${at.parent}.id and status = 'AGREED'
          and (valid_from is null or valid_from <= ${at.today()}) and (valid_to is null or valid_to >= ${at.today()})
          order by valid_from desc nulls last, id desc limit 1`,
      ),
    },
  },
  Plan: personView(
    {
      title: column('title'),
      status: column('status'),
      whatMatters: column('what_matters'),
      coordinatorName: column('coordinator_name'),
      from: column('valid_from'),
      to: column('valid_to'),
      needs: children('Need', 'need', 'plan_id', 'position'),
      outcomes: children('Outcome', 'outcome', 'plan_id', 'target_on, id'),
    },
    { prefix: 'pln', table: 'plan' },
  ),
  Need: personView({ text: column('text') }),
  Outcome: personView(
    { text: column('text'), status: column('status'), targetOn: column('target_on') },
    { prefix: 'out', table: 'outcome' },
  ),
};
