/** Whether two who did something are one human: what one person began, another must finish. */
import type { Viewer } from '../access/viewer.ts';

/** The sign-in's subject and, where it says one, the name. */
export type Human = Pick<Viewer, 'subject' | 'name'>;

const plain = (name: string | null) =>
  (name ?? '').normalize('NFKC').toLocaleLowerCase('en-GB').replace(/\s+/g, ' ').trim();

/**
 * The same sign-in, or two under one name. Two namesakes are taken for one; then a third person approves.
 */
export const isSameHuman = (one: Human, other: Human): boolean =>
  one.subject === other.subject || (plain(one.name) !== '' && plain(one.name) === plain(other.name));
