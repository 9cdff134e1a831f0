/** Who may let money go: never one human alone. */
import type { Viewer } from '../access/viewer.ts';

/**
 * An instruction that a schedule gives for up to this much goes without a further approval: the budget behind it was
 * signed off by its funders, and the account it goes to was approved by a second person. Above it, somebody other than
 * who set the schedule looks at each payment. A figure of this project, not of any law.
 */
export const approvalThresholdPence = 250_000n;

export const isWithinThreshold = (pence: bigint): boolean => pence <= approvalThresholdPence;

/**
 * Days between the request to pay into another account and the first payment into it. Three days, so that the person
 * and those who act for them hear of it before money goes there: a swapped account is the commonest fraud in payment
 * runs. A figure of this project.
 */
export const coolingOffDays = 3;

/** Who did something, so that the same human is known again: the sign-in's subject and, where it says one, the name. */
export const signatureOf = ({ subject, name }: Pick<Viewer, 'subject' | 'name'>): string =>
  name === null ? subject : `${subject}\t${name}`;

const plain = (name: string) => name.normalize('NFKC').toLocaleLowerCase('en-GB').replace(/\s+/g, ' ').trim();

/**
 * Whether two signatures are one human's: the same sign-in, or two under one name. Two namesakes are taken for one;
 * then a third person approves.
 */
export function isSameHuman(one: string, other: string): boolean {
  const [subject, name] = one.split('\t');
  const [otherSubject, otherName] = other.split('\t');
  if (subject === otherSubject) return true;
  return (
    name !== undefined && otherName !== undefined && plain(name) !== '' && plain(name) === plain(otherName)
  );
}
