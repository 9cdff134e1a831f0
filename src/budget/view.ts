/** How budgets are read. */
import { children, column, money, ofPerson, organisation, personView, type Views } from '../read/view.ts';

export const budgetViews: Views = {
  Person: { fields: { budgets: ofPerson('Budget', 'budget', 'valid_from desc, kind, id') } },
  Budget: personView(
    {
      kind: column('kind'),
      status: column('status'),
      from: column('valid_from'),
      to: column('valid_to'),
      agreed: money('agreed_pence'),
      fundingLines: children('FundingLine', 'funding_line', 'budget_id', 'source'),
      portions: children('Portion', 'portion', 'budget_id', 'position'),
    },
    { prefix: 'bud', table: 'budget' },
  ),
  FundingLine: personView({
    source: column('source'),
    organisation: organisation(),
    amount: money('amount_pence'),
  }),
  Portion: personView({
    management: column('management'),
    recurring: column('recurring'),
    amount: money('amount_pence'),
    accountOperator: organisation('account_operator_id'),
  }),
};
