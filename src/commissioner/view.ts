/** How commissioners' policies, and what organisations may do, are read. */
import { column, many, money, one, organisation, plainView, type Views } from '../read/view.ts';
import { policyRows } from './policy.ts';

export const commissionerViews: Views = {
  Query: {
    fields: {
      organisation: one(
        'Organisation',
        (at) => `select * from organisation where ods_code = ${at.arg('text', ({ code }) => code)}`,
      ),
    },
  },
  Organisation: {
    fields: {
      policy: one('CommissionerPolicy', (at) =>
        policyRows(
          `${at.parent}.id`,
          at.arg('funding_source', ({ source }) => source),
          `coalesce(${at.arg('date', ({ on }) => on ?? null)}, ${at.day()})`,
        ),
      ),
      authorisations: many('Authorisation', (at) => {
        const day = `coalesce(${at.arg('date', ({ on }) => on ?? null)}, ${at.day()})`;
        return `select * from organisation_authorisation where organisation_id = ${at.parent}.id
          and valid_from <= ${day} and (valid_to is null or valid_to > ${day}) order by activity`;
      }),
    },
  },
  CommissionerPolicy: plainView({
    saidBy: organisation(),
    source: column('source'),
    from: column('effective_from'),
    to: column('effective_to'),
    paymentFrequency: column('payment_frequency'),
    inAdvanceDays: column('in_advance_days'),
    grossOrNet: column('gross_or_net'),
    contingencyWeeks: column('contingency_weeks'),
    surplusThresholdWeeks: column('surplus_threshold_weeks'),
    surplusHoldMaxWeeks: column('surplus_hold_max_weeks'),
    repayWithinDays: column('repay_within_days'),
    returnFrequency: column('return_frequency'),
    evidenceDueDays: column('evidence_due_days'),
    firstReviewWeeks: column('first_review_weeks'),
    reviewMaxMonths: column('review_max_months'),
    recordRetentionYears: column('record_retention_years'),
    approvalThreshold: money('approval_threshold_pence'),
    accountCoolingOffDays: column('account_cooling_off_days'),
    changeLimitPercent: column('change_limit_percent'),
    changeDecider: column('change_decider'),
    exclusionListId: column('exclusion_list_id'),
    exclusions: many(
      'Exclusion',
      ({ parent }) => `select * from exclusion where list_id = ${parent}.exclusion_list_id order by position`,
    ),
    citation: column('citation'),
  }),
  Exclusion: plainView({ what: column('what'), citation: column('citation') }),
  Authorisation: plainView({
    activity: column('activity'),
    from: column('valid_from'),
    to: column('valid_to'),
    grantedBy: column('granted_by'),
  }),
};
