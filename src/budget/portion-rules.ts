/** How a portion of a budget may be managed, and who then does what. */
import type {
  Activity,
  DutyHolder,
  FundingSource,
  Management,
  PaymentChannel,
} from '../generated/prisma/enums.ts';
import { type Finding, hasCouncilMoney, hasNhsMoney } from './rules.ts';

/** The four parts that are kept apart: who holds the money, runs the account, employs, and decides what is bought. */
export interface Duties {
  fundsHolder: DutyHolder;
  accountOperator: DutyHolder;
  legalEmployer: DutyHolder;
  purchaseDecider: DutyHolder;
}

/** Who does what where nobody said otherwise; `default_duty` in the database says the same for what sources send. */
export function dutiesOf(management: Management): Duties {
  const all = (holder: DutyHolder): Duties => ({
    fundsHolder: holder,
    accountOperator: holder,
    legalEmployer: holder,
    purchaseDecider: holder,
  });
  switch (management) {
    case 'NOTIONAL':
    case 'COUNCIL_MANAGED':
      return all('COMMISSIONER');
    case 'DIRECT_PAYMENT':
      return all('PERSON');
    case 'MANAGED_ACCOUNT':
      return { ...all('OPERATOR'), legalEmployer: 'PERSON', purchaseDecider: 'PERSON' };
    case 'THIRD_PARTY':
    case 'INDIVIDUAL_SERVICE_FUND':
      return { ...all('OPERATOR'), purchaseDecider: 'PERSON' };
  }
}

const family: DutyHolder[] = ['PERSON', 'REPRESENTATIVE'];

/**
 * What a way of managing fixes; a duty that is not named may be anybody's. Sources: NHS England, options for managing
 * the money (the third party employs); regulation 10(1A) of SI 2013/1617 (a managed account is held and applied by
 * whoever is appointed, on instruction; the patient stays employer and party to the contracts).
 */
const fixed: Record<Management, { duties: Partial<Record<keyof Duties, DutyHolder[]>>; otherwise: string }> =
  {
    NOTIONAL: {
      duties: { fundsHolder: ['COMMISSIONER'], accountOperator: ['COMMISSIONER'] },
      otherwise: 'In a notional budget the NHS holds the money.',
    },
    COUNCIL_MANAGED: {
      duties: { fundsHolder: ['COMMISSIONER'], accountOperator: ['COMMISSIONER'] },
      otherwise: 'In a council-managed budget the council holds the money.',
    },
    THIRD_PARTY: {
      duties: { fundsHolder: ['OPERATOR'], accountOperator: ['OPERATOR'], legalEmployer: ['OPERATOR'] },
      otherwise:
        'In a third-party budget the third party holds the money and employs. Otherwise it is a managed account.',
    },
    INDIVIDUAL_SERVICE_FUND: {
      duties: { fundsHolder: ['OPERATOR'], accountOperator: ['OPERATOR'], purchaseDecider: family },
      otherwise: 'The provider of an individual service fund holds the money, and the person directs it.',
    },
    DIRECT_PAYMENT: {
      duties: { fundsHolder: family, accountOperator: family, purchaseDecider: family },
      otherwise:
        'A direct payment is held and run by the person or a representative. Otherwise it is a managed account.',
    },
    MANAGED_ACCOUNT: {
      duties: {
        fundsHolder: ['OPERATOR'],
        accountOperator: ['OPERATOR'],
        legalEmployer: family,
        purchaseDecider: family,
      },
      otherwise:
        'In a managed account the person or a representative stays employer and decides. Otherwise it would be a third-party budget.',
    },
  };

export interface PortionPlan {
  management: Management;
  channel: PaymentChannel | null;
  /** Whether an operator is named. */
  operated: boolean;
  duties: Duties;
}

/**
 * What is wrong with how a portion is to be managed.
 *
 * @param sources whose money is in the budget; empty while only an early figure is known
 * @param at the path of the portion in the input, with a dot behind; empty at the top
 */
export function judgePortion(
  { management, channel, operated, duties }: PortionPlan,
  sources: FundingSource[],
  at: string,
): Finding[] {
  const findings: Finding[] = [];
  const side = needsMoneyOf[management];
  if (side !== undefined && sources.length > 0 && !side.isIn(sources)) {
    findings.push({ code: 'MANAGEMENT_NOT_POSSIBLE', message: side.message, field: `${at}management` });
  }
  const { duties: held, otherwise } = fixed[management];
  for (const [duty, holders] of Object.entries(held) as [keyof Duties, DutyHolder[]][]) {
    if (!holders.includes(duties[duty])) {
      findings.push({ code: 'DUTIES_IMPOSSIBLE', message: otherwise, field: `${at}duties.${duty}` });
    }
  }
  const needsOperator = Object.values(duties).includes('OPERATOR');
  if (needsOperator && !operated) {
    const message = 'Name the organisation that operates the account.';
    findings.push({ code: 'OPERATOR_MISSING', message, field: `${at}operatorCode` });
  }
  if (!needsOperator && operated) {
    const message = 'An operator has no duty here. Leave it out, or manage the money in another way.';
    findings.push({ code: 'DUTIES_IMPOSSIBLE', message, field: `${at}operatorCode` });
  }
  if (channel !== null && !isPaidOut(management)) {
    const message = 'No money is paid out when it is managed in this way. Leave the channel out.';
    findings.push({ code: 'CHANNEL_NOT_POSSIBLE', message, field: `${at}channel` });
  }
  return findings;
}

const isPaidOut = (management: Management) => management !== 'NOTIONAL' && management !== 'COUNCIL_MANAGED';

const nhs = { isIn: hasNhsMoney, message: 'Only NHS money can be managed in this way, and there is none.' };
const council = {
  isIn: hasCouncilMoney,
  message: 'Only the council’s money can be managed in this way, and there is none.',
};
const needsMoneyOf: Partial<Record<Management, typeof nhs>> = {
  NOTIONAL: nhs,
  THIRD_PARTY: nhs,
  INDIVIDUAL_SERVICE_FUND: council,
  COUNCIL_MANAGED: council,
};

/** What a funder, and the operator, must be authorised to do on the day. */
export const activitiesOf: Record<Management, { funder?: Activity; operator?: Activity }> = {
  NOTIONAL: {},
  COUNCIL_MANAGED: {},
  DIRECT_PAYMENT: { funder: 'MAKE_DIRECT_PAYMENTS' },
  MANAGED_ACCOUNT: { funder: 'MAKE_DIRECT_PAYMENTS', operator: 'HOLD_MANAGED_ACCOUNT' },
  THIRD_PARTY: { operator: 'HOLD_THIRD_PARTY_BUDGET' },
  INDIVIDUAL_SERVICE_FUND: { operator: 'HOLD_INDIVIDUAL_SERVICE_FUND' },
};

/** The portions that lie beyond the budget: from where on, in their order, the sum is more than there is. */
export function judgePortionSum(portions: bigint[], budgetPence: bigint): Finding[] {
  let sum = 0n;
  return portions.flatMap((pence, i) => {
    sum += pence;
    if (sum <= budgetPence) return [];
    const message = 'The portions come to more than the budget. Lessen one, or raise the budget.';
    return [{ code: 'PORTIONS_EXCEED_BUDGET', message, field: `portions.${i}.amount` }];
  });
}
