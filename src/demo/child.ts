/** A few of those whom only the NHS knows are children: the council's adults' services have not met them yet. */
import { dayText } from './dice.ts';
import type { OwnGround } from './half.ts';
import type { PlacePerson } from './place.ts';

const yearDays = 365.25;

/** Makes a child of some; whoever has a story, has died, or is known to the council stays as old as they are. */
export function growUp({ dice, payday, told }: OwnGround, person: PlacePerson): void {
  const { nhs } = person;
  if (told || !nhs?.plan || !nhs.budget || person.council || person.deathDate || !dice.chance(0.1)) return;
  person.birthDate = dayText(payday - Math.round(dice.between(5, 15) * yearDays) - dice.between(0, 300));
  const parent = dice.pick([
    { relationship: { code: 'MTH', display: 'mother' }, names: ['Rachel', 'Nadia', 'Comfort', 'Emma'] },
    { relationship: { code: 'FTH', display: 'father' }, names: ['Adam', 'Tariq', 'Joseph', 'Owen'] },
  ]);
  // Under sixteen a direct payment is made to whoever represents the child (SI 2013/1617).
  nhs.related = [
    {
      id: `rp-${nhs.patientId.slice(2)}-1`,
      name: `${dice.pick(parent.names)} ${person.familyName}`,
      nhsNumber: nhs.related[0]?.nhsNumber ?? null,
      relationship: parent.relationship,
      authority: 'REPRESENTATIVE',
      from: person.birthDate,
    },
  ];
  nhs.plan.whatMatters = dice.pick(whatMatters);
  nhs.plan.needs = nhs.plan.needs.map((need) =>
    need.includes('money and letters') ? 'Someone trained beside me at school and on the way there' : need,
  );
  const start = dice.between(0, goals.length - 1);
  for (const [i, goal] of nhs.plan.goals.entries()) goal.text = goals[(start + i) % goals.length]!;
}

const whatMatters = [
  'Being with my friends at school, and not being the last one off the bus.',
  'My brother, my dog, and drawing. Tell me what you are going to do before you do it.',
  'I want to go to the park like everybody else and get muddy.',
  'I talk with my tablet. Please wait until I have finished.',
] as const;

const goals = [
  'Go to school every day of the week with a carer who knows me',
  'Stay overnight at a friend’s house once a term',
  'Swim every Saturday with my family',
  'Have two carers who can do my breathing care, so that my parents can sleep',
] as const;
