/** Comparing what people write by its words: whole words, whatever their case, accents and plain plurals. */

/** They say nothing of what is meant. */
const filler = new Set(
  'a an and any are as at by for from in is of on or other such that the this to who which with ltd limited plc llp'.split(
    ' ',
  ),
);

const singular = (word: string) =>
  word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;

/** The words that say something, each once. Invisible characters, by which one word could pass for two, are dropped. */
export function wordsOf(...texts: (string | null)[]): Set<string> {
  const plain = texts
    .join(' ')
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase();
  const words = plain.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '' && !filler.has(word));
  return new Set(words.map(singular));
}

/** How many words of one text another has. */
export const inCommon = (words: Set<string>, said: Set<string>): number =>
  [...words].filter((word) => said.has(word)).length;

/** Every word of one text is in another. Of a text without words nothing is. */
export const allWithin = (words: Set<string>, said: Set<string>): boolean =>
  words.size > 0 && inCommon(words, said) === words.size;
