/** Whose money the made-up budgets are made of, how it is paid out, and which of them are not in force yet. */
import type { EligibilityScheme, Management, PaymentChannel } from '../intake/submission.ts';
import { type Dice, dayText } from './dice.ts';
import type { OwnGround } from './half.ts';
import type { CouncilHalf, Funding, NhsHalf, PlacePerson, Stage } from './place.ts';
import { wenshire } from './wenshire.ts';

const streams: Partial<Record<EligibilityScheme, string>> = {
  CHC_STANDARD: 'CHC',
  CHC_FAST_TRACK: 'CHC fast track',
  JOINT_PACKAGE: 'Joint package',
  S117: 'Section 117',
  WHEELCHAIR: 'Wheelchair',
  CYP_CONTINUING_CARE: 'Children’s continuing care',
  EHC: 'Learning disability and mental health',
  LD_MH: 'Learning disability and mental health',
  OTHER: 'Long-term conditions',
};

export function fund(own: OwnGround, person: PlacePerson): void {
  const { nhs, council } = person;
  // One account may hold the direct payments of both sides, so the money comes to it the same way.
  const channel = own.told ? 'BANK' : own.dice.pick(channels);
  if (nhs?.budget) fundNhs(own, nhs, nhs.budget, channel);
  if (council && !council.budget && !own.told) proposeBudget(own, council);
  if (council?.budget) fundCouncil(own, council, council.budget, channel);
}

const channels = ['BANK', 'BANK', 'BANK', 'PREPAID_CARD', 'WALLET'] as const;

/** An accountant or a charity has a bank account; nothing is paid out where the commissioner buys. */
function channelOf(management: Management, own: PaymentChannel): PaymentChannel | null {
  if (management === 'DIRECT_PAYMENT') return own;
  return management === 'NOTIONAL' || management === 'COUNCIL_MANAGED' ? null : 'BANK';
}

const stages: readonly Stage[] = ['INDICATIVE', 'PROPOSED', 'SIGNED_OFF'];

/** The early figure is a round one. */
const guess = (dice: Dice, agreed: bigint): bigint =>
  ((agreed * BigInt(dice.between(85, 110))) / 100n / 5_000n) * 5_000n;

function fundNhs(
  { dice, payday, told }: OwnGround,
  nhs: NhsHalf,
  budget: NonNullable<NhsHalf['budget']>,
  channel: PaymentChannel,
): void {
  const scheme = nhs.eligibilities[0]?.scheme ?? 'OTHER';
  const stream = streams[scheme] ?? '';
  const isNotional = budget.portions.every(({ management }) => management === 'NOTIONAL');
  const isAid = (recurring: boolean) =>
    !recurring && scheme !== 'WHEELCHAIR' && nhs.eligibilities.some((one) => one.scheme === 'WHEELCHAIR');
  const lines: Funding[] = budget.portions.map(({ recurring, amountPence: pence }) => ({
    source: isNotional && scheme === 'LD_MH' && dice.chance(0.5) ? 'S75_POOL' : 'ICB',
    stream: isAid(recurring) ? 'Wheelchair' : stream,
    pence,
  }));
  if (isNotional && scheme === 'EHC') {
    const share = lines[0]!.pence / 4n;
    lines[0]!.pence -= share;
    lines.push({ source: 'EHC', stream: 'EHC plan', pence: share });
  }
  budget.funding = joined(lines);
  for (const portion of budget.portions) portion.channel = channelOf(portion.management, channel);
  if (dice.chance(0.5)) budget.indicativePence = guess(dice, budget.agreedPence);
  // Agreed with the last payday and nothing moved yet: some of these are still on their way.
  const isFresh =
    budget.status === 'active' && budget.from === dayText(payday) && budget.payments.length === 0;
  if (!told && isFresh && dice.chance(0.75)) {
    Object.assign(budget, { status: 'on-hold', stage: dice.pick(stages), from: dayText(payday + 28) });
  }
}

/** Lines of one source and stream are one line. */
function joined(lines: Funding[]): Funding[] {
  const byName = new Map<string, Funding>();
  for (const line of lines) {
    const name = `${line.source} ${line.stream}`;
    const before = byName.get(name);
    byName.set(name, before ? { ...before, pence: before.pence + line.pence } : line);
  }
  return [...byName.values()];
}

/** Of those for whom the council buys care, some want to hold the money themselves. */
function proposeBudget({ dice, payday, key }: OwnGround, council: CouncilHalf): void {
  const isOpen = council.clientType === 'Service user' && council.services.some(({ to }) => to === null);
  if (!isOpen || !dice.chance(0.12)) return;
  const weekly = BigInt(dice.between(60, 420)) * 100n;
  const management = dice.pick(['DIRECT_PAYMENT', 'DIRECT_PAYMENT', 'INDIVIDUAL_SERVICE_FUND'] as const);
  council.budget = {
    id: `PB-${key}`,
    from: dayText(payday + 28),
    to: null,
    stage: dice.pick(stages),
    indicativePence: guess(dice, weekly * 52n),
    stream: '',
    otherFunding: [],
    channel: null,
    agreedPence: weekly * 52n,
    contributionPence: dice.chance(0.5) ? weekly * 10n : 0n,
    management,
    accountOperatorCode: management === 'DIRECT_PAYMENT' ? null : wenshire.fundHolder.code,
    payments: [],
    balance: null,
  };
}

function fundCouncil(
  { dice, told }: OwnGround,
  council: CouncilHalf,
  budget: NonNullable<CouncilHalf['budget']>,
  channel: PaymentChannel,
): void {
  const schemes = council.eligibilities.map(({ scheme }) => scheme);
  budget.stream = schemes.includes('S117')
    ? 'Section 117'
    : schemes.includes('CARER_S10')
      ? 'Carers'
      : 'Care Act';
  budget.channel = channelOf(budget.management, channel);
  if (budget.indicativePence === null && dice.chance(0.5))
    budget.indicativePence = guess(dice, budget.agreedPence);
  // Where the council buys, what others give is bought with, and never passes through an account of the person's.
  if (told || budget.management !== 'COUNCIL_MANAGED') return;
  const fifth = (budget.agreedPence - budget.contributionPence) / 5n;
  const other = schemes.includes('EHC')
    ? ({ source: 'EHC', stream: 'EHC plan' } as const)
    : dice.pick([...others, null, null, null]);
  if (other) budget.otherFunding.push({ ...other, pence: fifth });
}

const others = [
  { source: 'CLIENT_TOP_UP', stream: '' },
  { source: 'S75_POOL', stream: 'Better Care Fund' },
  { source: 'OTHER_PUBLIC', stream: 'Housing-related support' },
] as const;
