/** The reviews that each side of the made-up place has held, at the days at which they fall due, or some time after. */
import type { Management } from '../intake/submission.ts';
import { addMonths } from '../platform/day.ts';
import { type Dice, dayNumber, dayText, workingDay } from './dice.ts';
import type { OwnGround } from './half.ts';
import type { CouncilHalf, HeldReview, NhsHalf, PlacePerson } from './place.ts';

type Kind = HeldReview['kind'];
interface Due {
  kind: Kind;
  day: number;
  /** The last day on which this side would have held it. */
  until: number;
  side: 'nhs' | 'council';
}

/** Nobody decides about eligibility, or audits an account, on the day on which something else is reviewed. */
const isApart = ({ kind }: Due) => kind === 'AUDIT' || kind === 'CHC_ELIGIBILITY';

export function hold({ dice: chance, payday, key, told }: OwnGround, person: PlacePerson): void {
  // Whoever has a story has had all that was due.
  const dice: Dice = told ? { ...chance, chance: () => true } : chance;
  const { nhs, council } = person;
  const last = person.deathDate === null ? payday : Math.min(payday, dayNumber(person.deathDate));
  const due = [...(nhs ? nhsDue(dice, nhs, last) : []), ...(council ? councilDue(dice, council, last) : [])];
  const held: Record<Due['side'], HeldReview[]> = { nhs: [], council: [] };
  const taken = new Set(council?.reviews.map(({ to }) => to));
  // Those that stand apart find their day after the others.
  for (const one of [...due.filter((any) => !isApart(any)), ...due.filter(isApart)]) {
    let day = workingDay(one.day);
    while (isApart(one) && taken.has(dayText(day))) day = workingDay(day + 1);
    if (day > one.until) continue;
    taken.add(dayText(day));
    const list = held[one.side];
    list.push({
      id: `${one.side === 'nhs' ? 'rev' : 'RV'}-${key}-${list.length + 1}`,
      kind: one.kind,
      from: dayText(one.kind === 'AUDIT' ? day - 9 : day),
      to: dayText(day),
      reason: dice.chance(0.85) ? 'Planned' : 'Change of circumstances',
      method: one.kind === 'AUDIT' ? 'On the papers' : dice.pick(['Person only', 'Person and carer']),
      outcome: dice.pick(outcomes[one.kind]),
    });
  }
  if (nhs) nhs.reviews = held.nhs;
  if (council) council.moneyReviews = held.council;
  for (const one of nhs?.eligibilities ?? []) moveOn(one, held.nhs);
}

const isPaid = (management: Management) =>
  management === 'DIRECT_PAYMENT' || management === 'MANAGED_ACCOUNT';

/** The last day before the one on which something ends, or the last of all. */
const before = (to: string | null, last: number) => (to === null ? last : Math.min(last, dayNumber(to) - 1));

function nhsDue(dice: Dice, { budget, plan, eligibilities }: NhsHalf, last: number): Due[] {
  const due: Due[] = [];
  const add = (kind: Kind, day: number, until: number) => due.push({ kind, day, until, side: 'nhs' });
  const start = budget?.stage ? null : (budget?.from ?? plan?.from ?? null);
  if (start !== null) {
    const until = before(budget?.to ?? null, last);
    const first = dayNumber(start) + dice.between(63, 84);
    const paid = budget?.portions.some(({ management, recurring }) => recurring && isPaid(management));
    if (dice.chance(0.9)) for (const day of [first, first + 364]) add('CARE_PLAN', day, until);
    if (paid && dice.chance(0.9)) add('DIRECT_PAYMENT', dice.chance(0.6) ? first : first + 7, until);
    if (paid && dice.chance(0.7)) add('AUDIT', dayNumber(start) + dice.between(182, 224), until);
  }
  const chc = eligibilities.find(({ scheme, status }) => scheme.startsWith('CHC') && status === 'ELIGIBLE');
  if (chc && dice.chance(0.85)) {
    const first = dayNumber(chc.decidedOn ?? chc.from) + dice.between(70, 91);
    for (const day of [first, first + 364]) add('CHC_ELIGIBILITY', day, before(chc.to, last));
  }
  return due;
}

function councilDue(dice: Dice, { budget }: CouncilHalf, last: number): Due[] {
  if (!budget || budget.stage !== null || !isPaid(budget.management)) return [];
  const [start, until] = [dayNumber(budget.from), before(budget.to, last)];
  const due: Due[] = [];
  const add = (kind: Kind, day: number) => due.push({ kind, day, until, side: 'council' });
  if (dice.chance(0.85)) add('DIRECT_PAYMENT', start + dice.between(126, 182));
  if (dice.chance(0.8)) add('AUDIT', start + dice.between(196, 260));
  return due;
}

/** What somebody is eligible for is looked at again a year after it was last. */
function moveOn(eligibility: NhsHalf['eligibilities'][number], reviews: HeldReview[]): void {
  if (eligibility.reviewDueOn === null) return;
  const kind = eligibility.scheme.startsWith('CHC') ? 'CHC_ELIGIBILITY' : 'CARE_PLAN';
  const held = reviews.filter((one) => one.kind === kind).at(-1);
  if (held) eligibility.reviewDueOn = addMonths(held.to, 12);
}

const outcomes: Record<Kind, readonly string[]> = {
  CARE_PLAN: ['No change', 'Plan changed', 'No change', 'Budget to be looked at again'],
  SHORT_TERM_SUPPORT: ['Support ended as planned'],
  DIRECT_PAYMENT: ['Used as agreed', 'Used as agreed', 'Amount does not cover all services'],
  CHC_ELIGIBILITY: ['No change', 'Reassessment to follow'],
  AUDIT: ['Accounts in order', 'Accounts in order', 'Receipts to follow', 'Money left over to be returned'],
};
