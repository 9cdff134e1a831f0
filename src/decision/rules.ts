/** Which right a decision gives to have it decided again, and who may use it. */

import { decidesAboutCare, decidesAboutMoney } from '../access/policy.ts';
import type { DecisionKind } from '../generated/prisma/enums.ts';
import type { Authority } from '../write/subject.ts';

const nhsRegulations = 'National Health Service (Direct Payments) Regulations 2013, SI 2013/1617';
const amended = '(inserted by SI 2013/2354)';

/** The regulation by which the person, a representative or a nominee may require the NHS to decide again. */
const nhsRights: Record<DecisionKind, string> = {
  REFUSED: `${nhsRegulations}, regulation 7 ${amended}`,
  LEFT_OUT: `${nhsRegulations}, regulation 8 ${amended}`,
  REDUCED: `${nhsRegulations}, regulation 13 ${amended}`,
  STOPPED: `${nhsRegulations}, regulation 17`,
  RECLAIMED: `${nhsRegulations}, regulation 15`,
};

const appealRoutes = {
  NHS: 'The complaints procedure of the integrated care board, then the Parliamentary and Health Service Ombudsman.',
  COUNCIL: "The council's complaints procedure, then the Local Government and Social Care Ombudsman.",
};

/** The rule that gives a right to reconsideration, null where none does, and where to turn otherwise. */
export function rightsOf(side: 'NHS' | 'COUNCIL', kind: DecisionKind) {
  return { reconsiderUnder: side === 'NHS' ? nhsRights[kind] : null, appealRoute: appealRoutes[side] };
}

/** What goes into the plan is a matter of care; all other decisions are of money as well. */
export function mayAskFor(authorities: Authority[], kind: DecisionKind): boolean {
  const enough: readonly Authority[] =
    kind === 'LEFT_OUT' ? decidesAboutCare : [...decidesAboutMoney, ...decidesAboutCare];
  return authorities.some((authority) => enough.includes(authority));
}

/**
 * Who asked, in the one column there is for it: the role to show, and the subject to tell them from whoever decides.
 */
export const askerOf = ({ role, subject }: { role: string; subject: string }) => `${role} ${subject}`;

export const isAsker = (asker: string, subject: string) => asker.slice(asker.indexOf(' ') + 1) === subject;
