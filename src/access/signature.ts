/** Under what somebody is kept who did a thing that somebody else must look at. */
import type { Viewer } from './viewer.ts';

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
