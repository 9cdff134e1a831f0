/**
 * Some of the made-up people carry words that stand nowhere else, so that whoever finds one in a log, a job, a metric or
 * an address knows that something personal got out.
 */
import type { PlacePerson } from './place.ts';

export const canary = {
  familyName: 'Canarywren',
  givenName: 'Canarylark',
  /** Of the right form, and of nobody else's in the place. */
  postcode: 'WE77 7HY',
  /** In what matters to them. */
  words: 'canarysong',
  /** Whom they paid. */
  payee: 'Canarytill',
};

/** One in forty, none of whom has a story. */
export const isCanary = (index: number): boolean => index % 40 === 17;

/** Replaces the words of somebody who is there already; numbers, days and money stay. */
export function markCanary(person: PlacePerson): void {
  const { familyName, givenName, postcode, nhs, council } = person;
  const renamed = (text: string) => text.replaceAll(familyName, canary.familyName);
  const own = (half: Pick<PlacePerson, 'familyName' | 'givenName' | 'postcode'>) => {
    if (half.familyName === familyName) half.familyName = canary.familyName;
    // Where the two sides disagree they go on doing so.
    if (half.givenName === givenName) half.givenName = canary.givenName;
    if (half.postcode === postcode) half.postcode = canary.postcode;
  };
  own(person);
  if (council !== null) own(council);
  for (const related of nhs?.related ?? []) related.name = renamed(related.name);
  if (nhs?.plan) nhs.plan.whatMatters += ` My own word for it is ${canary.words}.`;
  const told = ({ kind }: { kind: string }, text: string) =>
    renamed(kind === 'SPENT' ? `${canary.payee} ${text}` : text);
  for (const payment of nhs?.budget?.payments ?? []) payment.payee = told(payment, payment.payee);
  for (const payment of council?.budget?.payments ?? [])
    payment.description = told(payment, payment.description);
}
