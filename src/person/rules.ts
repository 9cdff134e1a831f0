/** Whose record is this? Two records are the same person's only by NHS number, or by the source's own id. */

/** What a source says of a person, as far as it decides whose record it is. */
export interface SaidPerson {
  nhsNumber: string | null;
  supersededNhsNumbers: readonly string[];
  familyName: string;
  birthDate: string | null;
}

/** A person the hub already holds under an NHS number, current or superseded. */
export interface Candidate {
  personId: string;
  familyName: string;
  birthDate: string | null;
  /** Set when the number came to this person by a merge: the record it stood for before. */
  mergedFromId: string | null;
}

export type MatchDoubt = 'NHS_NUMBER_OF_ANOTHER' | 'TWO_RECORDS' | 'DOUBTFUL_MATCH';

export type Match =
  | { to: 'LINKED' }
  | { to: 'CANDIDATE'; candidate: Candidate }
  | { to: 'NEW' }
  | { to: 'NOBODY'; doubt: MatchDoubt };

/** Lower case without accents, so that "Ní Bhriain" and "NI BHRIAIN" are one name. */
export function fold(name: string): string {
  return name
    .normalize('NFD')
    .replace(/[\u0300-\u036f'’ -]/g, '')
    .toLowerCase();
}

/**
 * `linkedTo` is the person the source's own id is linked to already; `byNumber` finds who holds an NHS number.
 * Nothing is merged here, and different NHS numbers are never a match: what is in doubt waits for a person to decide.
 */
export function decideMatch(
  said: SaidPerson,
  linkedTo: string | null,
  byNumber: (nhsNumber: string) => Candidate | undefined,
): Match {
  const current = said.nhsNumber === null ? undefined : byNumber(said.nhsNumber);
  const earlier = said.supersededNhsNumbers.map(byNumber).filter((candidate) => candidate !== undefined);
  if (linkedTo !== null) {
    if (current && current.personId !== linkedTo) return { to: 'NOBODY', doubt: 'NHS_NUMBER_OF_ANOTHER' };
    if (earlier.some(({ personId }) => personId !== linkedTo)) return { to: 'NOBODY', doubt: 'TWO_RECORDS' };
    return { to: 'LINKED' };
  }
  const candidate = current ?? earlier[0];
  if (!candidate) return { to: 'NEW' };
  if (earlier.some(({ personId }) => personId !== candidate.personId)) {
    return { to: 'NOBODY', doubt: 'TWO_RECORDS' };
  }
  const sameBirthDate =
    said.birthDate === null || candidate.birthDate === null || said.birthDate === candidate.birthDate;
  if (sameBirthDate || fold(said.familyName) === fold(candidate.familyName))
    return { to: 'CANDIDATE', candidate };
  return { to: 'NOBODY', doubt: 'DOUBTFUL_MATCH' };
}

/** A person row of a page, with what the database knows of its source's own id. */
export interface SentPerson extends SaidPerson {
  n: number;
  linkedTo: string | null;
  /** False where the NHS says another number of the person: then the council's stays a mere difference. */
  carriesNumber: boolean;
  /** The id to take when the record turns out to be a new person's. */
  freshId: string;
}

export type PlacedPerson =
  | { n: number; doubt: MatchDoubt }
  | { n: number; personId: string; method: 'SOURCE_ID' | 'NHS_NUMBER' | 'NEW'; mergedFromId: string | null };

/**
 * Decides a whole page in its order. Who was placed counts as known for the rows after, so it makes no difference
 * where one page ends and the next begins. `byNumber` is changed.
 */
export function matchPage(rows: readonly SentPerson[], byNumber: Map<string, Candidate>): PlacedPerson[] {
  return rows.map((row) => {
    const match = decideMatch(row, row.linkedTo, (number) => byNumber.get(number));
    if (match.to === 'NOBODY') return { n: row.n, doubt: match.doubt };
    const placed: Candidate =
      match.to === 'CANDIDATE'
        ? match.candidate
        : {
            personId: match.to === 'LINKED' ? row.linkedTo! : row.freshId,
            familyName: row.familyName,
            birthDate: row.birthDate,
            mergedFromId: null,
          };
    for (const number of row.carriesNumber ? [row.nhsNumber, ...row.supersededNhsNumbers] : []) {
      if (number !== null && !byNumber.has(number)) byNumber.set(number, placed);
    }
    const method = match.to === 'LINKED' ? 'SOURCE_ID' : match.to === 'CANDIDATE' ? 'NHS_NUMBER' : 'NEW';
    return { n: row.n, personId: placed.personId, method, mergedFromId: placed.mergedFromId };
  });
}
