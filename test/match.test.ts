import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideTransfers, legs, type Posting, type TransferKind } from '../src/ledger/rules.ts';
import { type Candidate, decideMatch, fold, matchPage, type SaidPerson } from '../src/person/rules.ts';

const said = (over: Partial<SaidPerson> = {}): SaidPerson => ({
  nhsNumber: 'A',
  supersededNhsNumbers: [],
  familyName: 'Ní Bhriain',
  birthDate: '1950-01-02',
  ...over,
});
const candidate = (over: Partial<Candidate> = {}): Candidate => ({
  personId: 'one',
  familyName: 'NI BHRIAIN',
  birthDate: '1950-01-02',
  mergedFromId: null,
  ...over,
});
const decide = (person: SaidPerson, linkedTo: string | null, known: Record<string, Candidate>) => {
  const match = decideMatch(person, linkedTo, (number) => known[number]);
  return 'doubt' in match ? match.doubt : 'candidate' in match ? match.candidate.personId : match.to;
};

describe('whose record is this', () => {
  const one = candidate();
  const two = candidate({ personId: 'two' });
  test.each([
    ['a number nobody has', said(), null, {}, 'NEW'],
    ['no number at all', said({ nhsNumber: null }), null, { A: one }, 'NEW'],
    ['the same number and birth date', said({ familyName: 'Marsh' }), null, { A: one }, 'one'],
    [
      'the same number, birth date not said',
      said({ familyName: 'Marsh', birthDate: null }),
      null,
      { A: one },
      'one',
    ],
    [
      'the same number, birth date not known',
      said({ familyName: 'Marsh' }),
      null,
      { A: candidate({ birthDate: null }) },
      'one',
    ],
    [
      'the same number and name, other birth date',
      said({ birthDate: '1950-02-01' }),
      null,
      { A: one },
      'one',
    ],
    [
      'the same number, all else different',
      said({ familyName: 'Marsh', birthDate: '1950-02-01' }),
      null,
      { A: one },
      'DOUBTFUL_MATCH',
    ],
    [
      'a number that was replaced',
      said({ nhsNumber: 'B', supersededNhsNumbers: ['A'] }),
      null,
      { A: one },
      'one',
    ],
    [
      'current and replaced number of two people',
      said({ nhsNumber: 'B', supersededNhsNumbers: ['A'] }),
      null,
      { A: one, B: two },
      'TWO_RECORDS',
    ],
    [
      'two replaced numbers of two people',
      said({ nhsNumber: 'C', supersededNhsNumbers: ['A', 'B'] }),
      null,
      { A: one, B: two },
      'TWO_RECORDS',
    ],
    ['the own id, another name', said({ familyName: 'Marsh', birthDate: null }), 'one', { A: one }, 'LINKED'],
    ['the own id, a new number', said({ nhsNumber: 'B' }), 'one', { A: one }, 'LINKED'],
    ['the own id, no number any more', said({ nhsNumber: null }), 'one', { A: one }, 'LINKED'],
    [
      'the own id, the number of another',
      said({ nhsNumber: 'B' }),
      'one',
      { A: one, B: two },
      'NHS_NUMBER_OF_ANOTHER',
    ],
    [
      'the own id, a replaced number of another',
      said({ supersededNhsNumbers: ['B'] }),
      'one',
      { A: one, B: two },
      'TWO_RECORDS',
    ],
  ] as const)('%s', (_, person, linkedTo, known, expected) => {
    expect(decide(person, linkedTo, known)).toBe(expected);
  });

  test('names are one whatever their case and accents', () => {
    expect(fold('O’Neill-Świątek')).toBe(fold("o'neill świątek"));
    expect(fold('Marsh')).not.toBe(fold('March'));
  });

  const number = fc.constantFrom('A', 'B', 'C', 'D');
  const person = fc.record({
    nhsNumber: fc.option(number),
    supersededNhsNumbers: fc.uniqueArray(number, { maxLength: 2 }),
    familyName: fc.constantFrom('Marsh', 'March'),
    birthDate: fc.option(fc.constantFrom('1950-01-02', '1950-02-01')),
  });
  const sent = (rows: SaidPerson[]) =>
    rows.map((row, n) => ({ ...row, n, linkedTo: null, carriesNumber: true, freshId: `person-${n}` }));

  test('a match always shares an NHS number with the person, and never joins two people', () => {
    fc.assert(
      fc.property(person, fc.dictionary(number, fc.constantFrom('one', 'two', 'three')), (row, owners) => {
        const known = Object.fromEntries(
          Object.entries(owners).map(([value, personId]) => [value, candidate({ personId })]),
        );
        const numbers = [row.nhsNumber, ...row.supersededNhsNumbers].flatMap((value) =>
          value ? [value] : [],
        );
        const holders = new Set(numbers.flatMap((value) => known[value]?.personId ?? []));
        const match = decideMatch(row, null, (value) => known[value]);
        if (match.to === 'CANDIDATE') expect([...holders]).toEqual([match.candidate.personId]);
        if (match.to === 'NEW') expect(holders.size).toBe(0);
        if (holders.size > 1) expect(match).toEqual({ to: 'NOBODY', doubt: 'TWO_RECORDS' });
      }),
    );
  });

  test('it makes no difference where one page ends and the next begins', () => {
    fc.assert(
      fc.property(fc.array(person, { maxLength: 8 }), fc.nat(8), (rows, cut) => {
        const whole = matchPage(sent(rows), new Map());
        const byNumber = new Map<string, Candidate>();
        const all = sent(rows);
        const parts = [...matchPage(all.slice(0, cut), byNumber), ...matchPage(all.slice(cut), byNumber)];
        expect(parts).toEqual(whole);
      }),
    );
  });

  test('two new rows with the same number and name are one person', () => {
    const [first, second] = matchPage(sent([said(), said()]), new Map());
    expect(first).toMatchObject({ personId: 'person-0', method: 'NEW' });
    expect(second).toMatchObject({ personId: 'person-0', method: 'NHS_NUMBER' });
  });
});

describe('what a payment does to the ledger', () => {
  const posting = fc.record({
    budgetId: fc.constantFrom('x', 'y'),
    kind: fc.constantFrom<TransferKind>('PAID_IN', 'SPENT', 'COMMITTED', 'REPAID'),
    source: fc.constantFrom('ICB', 'COUNCIL'),
    pence: fc.bigInt({ min: 0n, max: 3n }),
    effectiveOn: fc.constantFrom('2026-01-01', '2026-01-02'),
    cancelled: fc.boolean(),
  });

  test('after any corrections the balances are those of the last version alone', () => {
    fc.assert(
      fc.property(fc.array(posting, { minLength: 1, maxLength: 10 }), (versions) => {
        const balances = new Map<string, bigint>();
        const post = ({ budgetId, source, kind, pence }: Posting, sign: bigint) => {
          for (const [account, legSign] of [
            [legs[kind].from, -1n],
            [legs[kind].to, 1n],
          ] as const) {
            const key = `${budgetId} ${source} ${account}`;
            balances.set(key, (balances.get(key) ?? 0n) + sign * legSign * pence);
          }
        };
        let standing: Posting | null = null;
        for (const version of versions) {
          const { reverse, post: posts } = decideTransfers(standing, version);
          if (reverse) post(standing!, -1n);
          if (posts) post(version, 1n);
          if (reverse || posts) standing = posts ? version : null;
        }
        const left = new Map([...balances].filter(([, pence]) => pence !== 0n));
        balances.clear();
        const last = versions.at(-1)!;
        if (!last.cancelled && last.pence > 0n) post(last, 1n);
        expect(left).toEqual(balances);
      }),
    );
  });

  test('the same version again does nothing', () => {
    fc.assert(
      fc.property(posting, (version) => {
        const { post } = decideTransfers(null, version);
        expect(decideTransfers(post ? version : null, version)).toEqual({ reverse: false, post: false });
      }),
    );
  });
});
