/**
 * The one place that decides who may see what. Every rule is a condition that the read compiler puts into the
 * statement itself, so that whatever path leads to a row meets the same gate, and what is out of scope looks like
 * what does not exist.
 *
 * An organisation sees the people it has a live role for, a person sees themself, a representative sees whom they
 * represent. Nobody else sees anybody.
 */
import { holdsOn } from '../platform/day.ts';
import type { ViewerRole } from './viewer.ts';

/** What a rule may put into a statement: values of the viewer and of the day, as parameters. */
export interface PolicyParameters {
  viewer(fact: 'subject' | 'name' | 'organisation' | 'nhsNumber'): string;
  today(): string;
}

type Relation = 'ORGANISATION' | 'SELF' | 'REPRESENTATIVE' | 'NONE';

const relations: Record<ViewerRole, Relation> = {
  CARE_COORDINATOR: 'ORGANISATION',
  SOCIAL_WORKER: 'ORGANISATION',
  PROVIDER: 'ORGANISATION',
  FINANCE: 'ORGANISATION',
  PERSON: 'SELF',
  REPRESENTATIVE: 'REPRESENTATIVE',
  AUDITOR: 'NONE',
  PRIVACY_OFFICER: 'NONE',
  ADMIN: 'NONE',
};

/** Parts on a record that carry authority to see it. A carer or next of kin has none by being one. */
const representing = [
  'REPRESENTATIVE',
  'LPA_HEALTH_AND_WELFARE',
  'LPA_PROPERTY_AND_FINANCE',
  'DEPUTY',
  'NOMINEE',
];

/** SQL: the role row `row` holds today. `valid_to` is the first day on which it no longer does. */
const isLive = (row: string, p: PolicyParameters): string => holdsOn(row, p.today());

export const ownOrganisation = (p: PolicyParameters): string =>
  `(select o.id from organisation o where o.ods_code = ${p.viewer('organisation')})`;

const ownNhsNumber = (p: PolicyParameters) => p.viewer('nhsNumber');

/** SQL: the viewer may see the person whose id is `personId`. */
export function maySeePerson(role: ViewerRole, personId: string, p: PolicyParameters): string {
  switch (relations[role]) {
    case 'ORGANISATION':
      return `exists (select from role_on_record s where s.person_id = ${personId}
        and s.organisation_id = ${ownOrganisation(p)} and ${isLive('s', p)})`;
    case 'SELF':
      return `${personId} = (select i.person_id from person_identifier i
        where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = ${ownNhsNumber(p)} and i.status = 'CURRENT')`;
    case 'REPRESENTATIVE':
      return `exists (select from role_on_record s where s.person_id = ${personId}
        and s.individual_nhs_number = ${ownNhsNumber(p)}
        and s.role in (${representing.map((r) => `'${r}'`).join(', ')}) and ${isLive('s', p)})`;
    case 'NONE':
      return 'false';
  }
}

/**
 * SQL: rows (`sort_name`, `person_id`) of the people the viewer may see, found without asking of each person, in the
 * order of their names. Somebody with two roles comes twice.
 */
export function peopleInScope(role: ViewerRole, p: PolicyParameters): string {
  const from = 'select s.sort_name, s.person_id from role_on_record s';
  switch (relations[role]) {
    case 'ORGANISATION':
      return `${from} where s.organisation_id = ${ownOrganisation(p)} and ${isLive('s', p)}`;
    case 'REPRESENTATIVE':
      return `${from} where s.individual_nhs_number = ${ownNhsNumber(p)}
        and s.role in (${representing.map((r) => `'${r}'`).join(', ')}) and ${isLive('s', p)}`;
    case 'SELF':
    case 'NONE':
      return `select p.sort_name, p.id as person_id from person p where ${maySeePerson(role, 'p.id', p)}`;
  }
}

const operators = new Set<ViewerRole>([
  'CARE_COORDINATOR',
  'SOCIAL_WORKER',
  'FINANCE',
  'AUDITOR',
  'PRIVACY_OFFICER',
  'ADMIN',
]);

/** Sync runs and waiting rows hold no personal data, but they are the business of those who run or feed the hub. */
export const maySeeSync = (role: ViewerRole): boolean => operators.has(role);

const careTeam: ViewerRole[] = ['CARE_COORDINATOR', 'SOCIAL_WORKER'];
const commissioners: ViewerRole[] = [...careTeam, 'FINANCE'];
const family: ViewerRole[] = ['PERSON', 'REPRESENTATIVE'];

/** An organisation's own list of what it pays is for those who commission, and its runs hold bank details. */
export const maySeeOwnPayments = (role: ViewerRole): boolean => commissioners.includes(role);
export const maySeeRuns = (role: ViewerRole): boolean => role === 'FINANCE';
/** Who spends a person's money, or accounts for it. */
const payers: ViewerRole[] = [...commissioners, 'PROVIDER', ...family];

/**
 * Who may give which command. Whom it may concern is asked of `maySeePerson`; for which side somebody speaks follows
 * from the organisation they act for.
 */
const commands = {
  // Asking a source for news costs it work, and shows nothing.
  requestSync: [...operators],
  // Whether two records are one person is for somebody who knows them to decide.
  mergePeople: careTeam,
  unmergePeople: careTeam,

  draftPlan: careTeam,
  editPlan: careTeam,
  proposePlan: careTeam,
  discardPlan: careTeam,
  agreePlan: [...careTeam, ...family],
  declinePlan: [...careTeam, ...family],
  raiseConcern: careTeam,
  answerConcern: careTeam,

  recordEligibility: careTeam,
  endEligibility: careTeam,

  proposeBudget: commissioners,
  reviseBudget: commissioners,
  signOffBudget: commissioners,
  releaseBudget: commissioners,
  suspendBudget: commissioners,
  endBudget: commissioners,
  decideFundingSplit: commissioners,
  changePortionManagement: careTeam,

  holdReview: careTeam,

  recordDecision: commissioners,
  requestReconsideration: [...careTeam, ...family],
  decideReconsideration: commissioners,

  requestEvidenceUpload: payers,
  attachEvidence: payers,
  detachEvidence: payers,

  recordSpend: payers,
  correctSpend: payers,
  undoSpend: payers,
  refundSpend: payers,
  commitMoney: payers,
  releaseCommitment: payers,
  importStatement: payers,
  matchBankLine: payers,
  setAsideBankLine: payers,
  releaseBankLine: payers,
  // For whose money it is, which is not always who spends it.
  acceptSpend: commissioners,
  refuseSpend: commissioners,
  moveBetweenPortions: commissioners,

  // Who sets or holds a payment is one of those who commission; who lets money go is finance alone.
  setPaymentSchedule: commissioners,
  changePaymentRate: commissioners,
  suspendPayments: commissioners,
  resumePayments: commissioners,
  endPayments: commissioners,
  setPayeeAccount: commissioners,
  holdPayment: commissioners,
  approvePayeeAccount: ['FINANCE'],
  approvePayments: ['FINANCE'],
  unholdPayment: ['FINANCE'],
  createPaymentRun: ['FINANCE'],
  confirmPayments: ['FINANCE'],
  failPayments: ['FINANCE'],
  reversePayment: ['FINANCE'],

  noticeReclaim: commissioners,
  // Of a provider: as the person instructs it.
  requestReclaimReconsideration: ['PROVIDER', ...family],
  decideReclaimReconsideration: commissioners,
  recordRepayment: commissioners,

  openReturn: commissioners,
  sendReturn: ['PROVIDER', ...family],
  queryReturnLine: commissioners,
  answerReturnQuery: ['PROVIDER', ...family],
  acceptReturn: commissioners,
} satisfies Record<string, ViewerRole[]>;

export type CommandName = keyof typeof commands;

export const mayCommand = (role: ViewerRole, command: CommandName): boolean =>
  (commands[command] as ViewerRole[]).includes(role);

/** Authority to decide for somebody about their care, and about their money. None of it follows from being family. */
export const decidesAboutCare = ['REPRESENTATIVE', 'LPA_HEALTH_AND_WELFARE', 'DEPUTY'] as const;
export const decidesAboutMoney = ['REPRESENTATIVE', 'LPA_PROPERTY_AND_FINANCE', 'DEPUTY', 'NOMINEE'] as const;

/** SQL: the viewer may see who looked at the record of this person, whom they may see. */
export function maySeeAccessLog(role: ViewerRole, personId: string, p: PolicyParameters): string {
  if (role === 'PERSON' || role === 'PRIVACY_OFFICER') return 'true';
  if (role !== 'REPRESENTATIVE') return 'false';
  const deciding = decidesAboutCare.map((part) => `'${part}'`).join(', ');
  return `exists (select from (${authoritiesOver(personId, p)}) held where held.role in (${deciding}))`;
}

/** The audit of everything, which names people by id alone. */
export const maySeeAudit = (role: ViewerRole): boolean => role === 'AUDITOR' || role === 'PRIVACY_OFFICER';

/** SQL: the parts by which the viewer represents the person today, as text. */
export const authoritiesOver = (personId: string, p: PolicyParameters): string =>
  `select s.role::text from role_on_record s where s.person_id = ${personId}
      and s.individual_nhs_number = ${ownNhsNumber(p)}
      and s.role in (${representing.map((r) => `'${r}'`).join(', ')}) and ${isLive('s', p)}`;
