/** What somebody is eligible for, and which money may therefore pay for what. */
import type { EligibilityScheme, FundingSource } from '../generated/prisma/enums.ts';

/** One thing that is to be paid: by which sources of money, and for needs under which schemes. */
export interface Charge {
  /** What the caller calls it, such as the key of a plan line. */
  key: string;
  sources: FundingSource[];
  /** One entry for each need it meets; null where the need names no scheme. Empty where it names no need. */
  needSchemes: (EligibilityScheme | null)[];
}

export interface Finding {
  /** The charge it concerns; null where it concerns the person as a whole. */
  key: string | null;
  code: ChargeRefusal | ChargeWarning;
  message: string;
}

export type ChargeRefusal = 'CHC_NEED_CHARGED_TO_COUNCIL' | 'CONTRIBUTION_AGAINST_NHS' | 'SCHEME_NOT_HELD';

export type ChargeWarning =
  | 'CHC_WITH_COUNCIL_BUDGET'
  | 'CONTRIBUTION_UNDER_S117'
  | 'FNC_WITH_CHC'
  | 'NO_COUNCIL_ELIGIBILITY'
  | 'NO_NHS_ELIGIBILITY';

interface Rule<Code> {
  code: Code;
  message: string;
  /** Whether it holds of this charge, given what the person is eligible for. */
  holds: (charge: Charge, eligible: Schemes) => boolean;
}

type Schemes = ReadonlySet<EligibilityScheme>;

const isChc = (scheme: EligibilityScheme | null) => scheme === 'CHC_STANDARD' || scheme === 'CHC_FAST_TRACK';

const holdsAny = (held: Schemes, schemes: EligibilityScheme[]) => schemes.some((scheme) => held.has(scheme));

const hasChc = (eligible: Schemes) => holdsAny(eligible, ['CHC_STANDARD', 'CHC_FAST_TRACK']);

/** While continuing healthcare is in force, a need of which nobody says otherwise is its need. */
const isForChc = ({ needSchemes }: Charge, eligible: Schemes) =>
  needSchemes.some(isChc) || (hasChc(eligible) && (needSchemes.length === 0 || needSchemes.includes(null)));

/** Schemes under which a council pays: Care Act 2014 ss 10 and 18, Mental Health Act 1983 s117, Children and Families Act 2014. */
const councilSchemes: EligibilityScheme[] = ['CARE_ACT', 'CARER_S10', 'S117', 'EHC'];

/** Schemes under which a board pays, those of the national collection of personal health budgets among them. */
const nhsSchemes: EligibilityScheme[] = [
  'CHC_STANDARD',
  'CHC_FAST_TRACK',
  'FNC',
  'JOINT_PACKAGE',
  'S117',
  'WHEELCHAIR',
  'CYP_CONTINUING_CARE',
  'EHC',
  'LD_MH',
  'OTHER',
];

/** What cannot be: such a charge is never kept. */
const refusals: Rule<Exclude<ChargeRefusal, 'SCHEME_NOT_HELD'>>[] = [
  {
    // National Framework for NHS Continuing Healthcare: all assessed health and social care needs, free.
    code: 'CHC_NEED_CHARGED_TO_COUNCIL',
    message:
      'NHS continuing healthcare must fund all assessed health and social care needs free: let the ICB pay for it, or name the need that is met under another scheme.',
    holds: (charge, eligible) =>
      isForChc(charge, eligible) &&
      (charge.sources.includes('COUNCIL') || charge.sources.includes('CLIENT_CONTRIBUTION')),
  },
  {
    // Care from the NHS is not charged for (NHS Act 2006 s1), so only council money has a contribution beside it.
    code: 'CONTRIBUTION_AGAINST_NHS',
    message:
      'The NHS is free: a client contribution can only stand beside council money. Take it off, or name the council as a source.',
    holds: ({ sources }) =>
      sources.includes('CLIENT_CONTRIBUTION') &&
      sources.includes('ICB') &&
      !sources.includes('COUNCIL') &&
      !sources.includes('S75_POOL'),
  },
];

/** What is merely unusual: it is kept, and said. */
const warnings: Rule<Exclude<ChargeWarning, 'FNC_WITH_CHC'>>[] = [
  {
    code: 'CHC_WITH_COUNCIL_BUDGET',
    message:
      'The person has NHS continuing healthcare, and the council pays as well. Make sure that it is for other needs.',
    holds: (charge, eligible) =>
      hasChc(eligible) && charge.sources.includes('COUNCIL') && !isForChc(charge, eligible),
  },
  {
    code: 'CONTRIBUTION_UNDER_S117',
    message: 'Aftercare under section 117 is free. Make sure that the contribution is for something else.',
    holds: ({ sources, needSchemes }) =>
      sources.includes('CLIENT_CONTRIBUTION') && needSchemes.includes('S117'),
  },
  {
    code: 'NO_COUNCIL_ELIGIBILITY',
    message:
      'The council pays, and no eligibility for its care is recorded: Care Act, carer, section 117 or education, health and care plan.',
    holds: ({ sources }, eligible) => sources.includes('COUNCIL') && !holdsAny(eligible, councilSchemes),
  },
  {
    code: 'NO_NHS_ELIGIBILITY',
    message: 'The ICB pays, and no eligibility for an NHS scheme is recorded.',
    holds: ({ sources }, eligible) => sources.includes('ICB') && !holdsAny(eligible, nhsSchemes),
  },
];

/**
 * What is wrong or unusual with who is to pay for what.
 *
 * @param eligible the schemes the person is eligible for on the day that counts
 */
export function judgeCharges(
  eligible: EligibilityScheme[],
  charges: Charge[],
): { refusals: Finding[]; warnings: Finding[] } {
  const held = new Set(eligible);
  const found = <Code extends Finding['code']>(rules: Rule<Code>[]): Finding[] =>
    charges.flatMap((charge) =>
      rules
        .filter(({ holds }) => holds(charge, held))
        .map(({ code, message }) => ({ key: charge.key, code, message })),
    );
  return {
    refusals: [...found(refusals), ...charges.flatMap((charge) => schemesNotHeld(charge, held))],
    warnings: [...together(held), ...found(warnings)],
  };
}

function schemesNotHeld({ key, needSchemes }: Charge, held: Schemes): Finding[] {
  const missing = new Set(needSchemes.filter((scheme) => scheme !== null && !held.has(scheme)));
  return [...missing].map((scheme) => ({
    key,
    code: 'SCHEME_NOT_HELD',
    message: `The person is not recorded as eligible for ${scheme}: record it, or take the need out from under it.`,
  }));
}

/** NHS-funded nursing care is for those not eligible for continuing healthcare (National Framework). */
function together(held: Schemes): Finding[] {
  if (!held.has('FNC') || !hasChc(held)) return [];
  return [
    {
      key: null,
      code: 'FNC_WITH_CHC',
      message:
        'The person is recorded as eligible for both NHS-funded nursing care and NHS continuing healthcare: the one excludes the other.',
    },
  ];
}
