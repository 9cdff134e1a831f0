import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { missingEvidence, natureOf, requirements, rules, type ShownSpend } from '../src/evidence/rules.ts';

const icb = 'icb';
const council = 'council';
const quarter = { from: '2026-07-01', to: '2026-09-30' };
const both = [
  { organisationId: icb, evidenceDueDays: null },
  { organisationId: council, evidenceDueDays: 28 },
];
const spend = (more: Partial<ShownSpend> = {}): ShownSpend => ({
  id: 'one',
  category: 'Swimming',
  organisationIds: [icb, council],
  evidence: [],
  ...more,
});
const statement = { kind: 'BANK_STATEMENT', dated: '2026-09-30' } as const;

describe('what commissioners want to see', () => {
  test.each([
    ['Payroll', 'PAYROLL'],
    ['PA wages', 'PAYROLL'],
    ['Personal assistant', 'PAYROLL'],
    ['PAYE', 'PAYROLL'],
    ['Wagers', 'PURCHASE'],
    ['Respite', 'PURCHASE'],
    ['', 'PURCHASE'],
  ])('of %j is that of %s', (category, nature) => {
    expect(natureOf(category)).toBe(nature);
  });

  test('is asked once of each, on its shortest terms', () => {
    const twice = [...both, { organisationId: council, evidenceDueDays: 14 }];
    const wanted = requirements('PAYROLL', twice);
    expect(
      wanted.map(({ organisationId, requirement, dueDays }) => [organisationId, requirement, dueDays]),
    ).toEqual([
      ...['PROOF_OF_WAGES', 'ACCOUNT_STATEMENT', 'PAYROLL_TAX', 'EMPLOYERS_INSURANCE'].map((r) => [
        icb,
        r,
        null,
      ]),
      ...['PROOF_OF_WAGES', 'ACCOUNT_STATEMENT', 'PAYROLL_TAX', 'EMPLOYERS_INSURANCE'].map((r) => [
        council,
        r,
        14,
      ]),
    ]);
    expect(requirements('PURCHASE', both).map(({ requirement }) => requirement)).toEqual([
      'PROOF_OF_PURCHASE',
      'ACCOUNT_STATEMENT',
      'PROOF_OF_PURCHASE',
      'ACCOUNT_STATEMENT',
    ]);
  });
});

describe('what is missing of a period', () => {
  test('one receipt and one statement satisfy both commissioners', () => {
    const before = missingEvidence(quarter, [spend()], [], both);
    expect(before).toEqual([
      {
        organisationId: icb,
        requirement: 'PROOF_OF_PURCHASE',
        spendId: 'one',
        satisfiedBy: ['INVOICE', 'RECEIPT'],
        dueOn: null,
      },
      {
        organisationId: icb,
        requirement: 'ACCOUNT_STATEMENT',
        spendId: null,
        satisfiedBy: ['BANK_STATEMENT'],
        dueOn: null,
      },
      {
        organisationId: council,
        requirement: 'PROOF_OF_PURCHASE',
        spendId: 'one',
        satisfiedBy: ['INVOICE', 'RECEIPT'],
        dueOn: '2026-10-28',
      },
      {
        organisationId: council,
        requirement: 'ACCOUNT_STATEMENT',
        spendId: null,
        satisfiedBy: ['BANK_STATEMENT'],
        dueOn: '2026-10-28',
      },
    ]);
    expect(missingEvidence(quarter, [spend({ evidence: ['RECEIPT'] })], [statement], both)).toEqual([]);
  });

  test('wages want a payslip or timesheet each, and tax and insurance once in the year', () => {
    const wages = spend({ category: 'Wages', organisationIds: [council] });
    const of = (documents: Parameters<typeof missingEvidence>[2], evidence: ShownSpend['evidence'] = []) =>
      missingEvidence(
        quarter,
        [
          { ...wages, evidence },
          { ...wages, id: 'two', evidence },
        ],
        documents,
        [],
      ).map(({ requirement, spendId }) => [requirement, spendId]);
    expect(of([])).toEqual([
      ['PROOF_OF_WAGES', 'one'],
      ['ACCOUNT_STATEMENT', null],
      ['PAYROLL_TAX', null],
      ['EMPLOYERS_INSURANCE', null],
      ['PROOF_OF_WAGES', 'two'],
    ]);
    const hmrc = { kind: 'HMRC', dated: '2026-04-05' } as const;
    const insurance = { kind: 'INSURANCE', dated: '2025-10-01' } as const;
    expect(of([statement, hmrc, insurance], ['TIMESHEET'])).toEqual([]);
    // A receipt is no payslip, and last year's certificate is over.
    expect(of([statement, hmrc, { ...insurance, dated: '2025-09-30' }], ['RECEIPT'])).toEqual([
      ['PROOF_OF_WAGES', 'one'],
      ['EMPLOYERS_INSURANCE', null],
      ['PROOF_OF_WAGES', 'two'],
    ]);
  });

  test('a commissioner that pays in wants the statement even of a period in which nothing was bought', () => {
    expect(
      missingEvidence(quarter, [], [], both).map(({ organisationId, requirement }) => [
        organisationId,
        requirement,
      ]),
    ).toEqual([
      [icb, 'ACCOUNT_STATEMENT'],
      [council, 'ACCOUNT_STATEMENT'],
    ]);
    const late = { kind: 'BANK_STATEMENT', dated: '2026-10-31' } as const;
    expect(missingEvidence(quarter, [], [late], both)).toEqual([]);
    for (const dated of ['2026-06-30', '2026-11-01'])
      expect(missingEvidence(quarter, [], [{ ...late, dated }], both)).toHaveLength(2);
  });

  const kind = fc.constantFrom(
    ...rules.flatMap(({ satisfiedBy }) => satisfiedBy),
    'OTHER' as const,
    'CONTRACT' as const,
  );
  const spends = fc.uniqueArray(
    fc.record({
      id: fc.uuid(),
      category: fc.constantFrom('Wages', 'Swimming', ''),
      organisationIds: fc.uniqueArray(fc.constantFrom(icb, council, 'third')),
      evidence: fc.array(kind, { maxLength: 2 }),
    }),
    { selector: ({ id }) => id, maxLength: 6 },
  );
  const documents = fc.array(
    fc.record({ kind, dated: fc.constantFrom('2025-01-01', '2026-08-15', '2026-10-10') }),
    {
      maxLength: 5,
    },
  );

  test('nothing is named twice, more evidence never makes more missing, and what is named is what mends it', () => {
    fc.assert(
      fc.property(spends, documents, (some, shown) => {
        const missing = missingEvidence(quarter, some, shown, both);
        const names = missing.map((m) => `${m.organisationId} ${m.requirement} ${m.spendId}`);
        expect(new Set(names).size).toBe(names.length);
        for (const one of missing) {
          const [first] = one.satisfiedBy;
          const mended = some.map((s) =>
            s.id === one.spendId ? { ...s, evidence: [...s.evidence, first!] } : s,
          );
          const more = one.spendId === null ? [...shown, { kind: first!, dated: '2026-09-30' }] : shown;
          const after = missingEvidence(quarter, mended, more, both);
          expect(after.length).toBeLessThan(missing.length);
          expect(
            after.every((left) =>
              names.includes(`${left.organisationId} ${left.requirement} ${left.spendId}`),
            ),
          ).toBe(true);
        }
      }),
    );
  });
});
