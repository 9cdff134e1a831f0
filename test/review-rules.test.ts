import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDays, addMonths, weekday } from '../src/platform/day.ts';
import { clocksOn } from '../src/review/clock.ts';
import { dutiesMet, joinable } from '../src/review/duty.ts';
import type { BudgetFacts, PolicyFacts, ReviewFacts } from '../src/review/facts.ts';
import { decideReview } from '../src/review/hold.ts';
import { nextReviews } from '../src/review/joint.ts';
import { holds, outside, overlap, unbroken } from '../src/review/spell.ts';

const nobody: ReviewFacts = { diedOn: null, budgets: [], plans: [], eligibilities: [], reviews: [] };

const policyOf = (own: Partial<PolicyFacts>): PolicyFacts => ({
  organisation: 'Somewhere Council',
  firstReviewWeeks: null,
  reviewMaxMonths: null,
  returnFrequency: null,
  citation: 'somewhere.example/policy',
  ...own,
});

/** A budget whose direct payments began with it. */
const budgetOf = (
  source: 'ICB' | 'COUNCIL' | 'S75_POOL',
  from: string,
  own: Partial<BudgetFacts> & { paidOn?: string | null; policy?: PolicyFacts | null } = {},
): BudgetFacts => {
  const { paidOn = from, policy = null, ...rest } = own;
  return {
    id: `${source} ${from}`,
    partOfId: null,
    from,
    to: null,
    lines: [{ source, from: null, to: null, policy }],
    payments: [
      {
        from: null,
        to: null,
        nhsPaidOn: source === 'COUNCIL' ? null : paidOn,
        councilPaidOn: source === 'ICB' ? null : paidOn,
      },
    ],
    ...rest,
  };
};

const jointPlanOf = (agreedOn: string, own: object = {}): ReviewFacts['plans'][0] => ({
  side: null,
  number: 1,
  status: 'AGREED',
  agreedOn,
  from: agreedOn,
  to: null,
  signedBy: ['NHS', 'COUNCIL'],
  ...own,
});

const jointHeld = (heldOn: string, duties = joinable) => ({
  kind: 'JOINT' as const,
  duties,
  side: null,
  heldOn,
});
const due = (facts: ReviewFacts, day: string) =>
  Object.fromEntries(clocksOn(facts, day).map(({ duty, dueOn }) => [duty, dueOn]));

/** Everything begins at once: a plan that both sides signed, direct payments of both. */
const begunTogether = (day: string): ReviewFacts => ({
  ...nobody,
  budgets: [budgetOf('ICB', day), budgetOf('COUNCIL', day)],
  plans: [jointPlanOf(day)],
});

describe('the clocks', () => {
  test('of the law: 3 months, 6 months, 6 to 8 weeks, each with its reason', () => {
    const clocks = clocksOn(begunTogether('2026-03-03'), '2026-03-20');
    expect(clocks.map(({ duty, opensOn, dueOn, basis }) => [duty, opensOn, dueOn, basis])).toEqual([
      ['NHS_CARE_PLAN', '2026-03-03', '2026-06-03', 'LAW'],
      ['NHS_DIRECT_PAYMENT', '2026-03-03', '2026-06-03', 'LAW'],
      ['COUNCIL_CARE_PLAN', '2026-04-14', '2026-04-28', 'GUIDANCE'],
      ['COUNCIL_DIRECT_PAYMENT', '2026-03-03', '2026-09-03', 'LAW'],
    ]);
    expect(clocks.map(({ because }) => because)).toEqual([
      'NHS care plan: within 3 months of the sign-off of the plan on 3 March 2026, NHS (Direct Payments) Regulations 2013, regulation 14',
      'NHS direct payment: within 3 months of the first payment on 3 March 2026, NHS (Direct Payments) Regulations 2013, regulation 14',
      'council care plan: within 8 weeks of the sign-off of the plan on 3 March 2026, Care and support statutory guidance, review of care and support plans',
      'council direct payment: within 6 months of the first payment on 3 March 2026, Care and Support (Direct Payments) Regulations 2014, regulation 7',
    ]);
  });

  test('over leap days and month ends', () => {
    const facts = begunTogether('2027-06-01');
    const held = { ...facts, reviews: [jointHeld('2028-02-29')] };
    expect(new Set(Object.values(due(held, '2028-03-01')))).toEqual(new Set(['2029-02-28']));
    expect(due(begunTogether('2027-08-31'), '2027-09-01')).toMatchObject({
      NHS_DIRECT_PAYMENT: '2027-11-30',
      COUNCIL_DIRECT_PAYMENT: '2028-02-29',
    });
    expect(due(begunTogether('2026-08-31'), '2026-09-01')).toMatchObject({
      COUNCIL_DIRECT_PAYMENT: '2027-02-28',
    });
  });

  test('run only where there is something to review', () => {
    const day = '2026-03-03';
    const icb = budgetOf('ICB', day);
    const duties = (facts: Partial<ReviewFacts>, on = '2026-05-01') =>
      clocksOn({ ...nobody, ...facts }, on).map(({ duty }) => duty);
    expect(duties({})).toEqual([]);
    expect(duties({ budgets: [{ ...icb, payments: [] }] })).toEqual(['NHS_CARE_PLAN']);
    expect(duties({ budgets: [budgetOf('ICB', day, { paidOn: null })] })).toEqual(['NHS_CARE_PLAN']);
    expect(duties({ budgets: [budgetOf('ICB', day, { paidOn: '2026-05-02' })] })).toEqual(['NHS_CARE_PLAN']);
    expect(duties({ budgets: [icb] })).toEqual(['NHS_CARE_PLAN', 'NHS_DIRECT_PAYMENT']);
    expect(duties({ budgets: [{ ...icb, to: '2026-05-01' }] })).toEqual([]);
    expect(duties({ budgets: [budgetOf('S75_POOL', day)] })).toEqual(joinable);
    // A joint plan that only the council signed, for somebody with no NHS money, is the council's to review.
    expect(duties({ plans: [jointPlanOf(day, { signedBy: ['COUNCIL'] })] })).toEqual(['COUNCIL_CARE_PLAN']);
    expect(duties({ budgets: [icb], diedOn: '2026-04-30' })).toEqual([]);
  });

  test('without direct payments the NHS goes by guidance', () => {
    const [clock] = clocksOn(
      { ...nobody, budgets: [{ ...budgetOf('ICB', '2026-03-03'), payments: [] }] },
      '2026-03-04',
    );
    expect(clock).toMatchObject({ duty: 'NHS_CARE_PLAN', dueOn: '2026-06-03', basis: 'GUIDANCE' });
    expect(clock!.because).toContain('the start of the personal health budget on 3 March 2026');
  });

  test('go on over a renewal, and begin anew after a gap', () => {
    const first = budgetOf('COUNCIL', '2025-04-07', { to: '2026-04-06' });
    const reviews = [
      { kind: 'DIRECT_PAYMENT' as const, duties: [], side: 'COUNCIL' as const, heldOn: '2025-09-01' },
    ];
    const renewed = { ...nobody, reviews, budgets: [first, budgetOf('COUNCIL', '2026-04-06')] };
    expect(due(renewed, '2026-05-01').COUNCIL_DIRECT_PAYMENT).toBe('2026-09-01');
    const again = { ...nobody, reviews, budgets: [first, budgetOf('COUNCIL', '2026-06-01')] };
    expect(due(again, '2026-06-02').COUNCIL_DIRECT_PAYMENT).toBe('2026-12-01');
  });

  test('go on when a budget becomes part of an integrated one', () => {
    const part = budgetOf('ICB', '2026-01-05', { partOfId: 'whole' });
    const whole: BudgetFacts = {
      ...budgetOf('ICB', '2026-06-01', { id: 'whole', paidOn: '2026-06-08' }),
      lines: ['ICB', 'COUNCIL'].map((source) => ({
        source: source as 'ICB',
        from: null,
        to: null,
        policy: null,
      })),
    };
    expect(due({ ...nobody, budgets: [part, whole] }, '2026-06-10')).toMatchObject({
      NHS_DIRECT_PAYMENT: '2026-04-05',
      COUNCIL_CARE_PLAN: '2026-07-27',
    });
    // Managed otherwise in the whole, there is no direct payment any more, whatever the part still says.
    const notional = { ...whole, payments: [] };
    expect(due({ ...nobody, budgets: [part, notional] }, '2026-06-10').NHS_DIRECT_PAYMENT).toBeUndefined();
  });

  test('a light-touch review before its window is none, though the next is still due within a year of it', () => {
    const facts = begunTogether('2026-03-03');
    const early = { ...facts, reviews: [jointHeld('2026-03-10')] };
    expect(due(early, '2026-03-11').COUNCIL_CARE_PLAN).toBe('2026-04-28');
    expect(due(early, '2026-03-11').NHS_CARE_PLAN).toBe('2027-03-10');
    const late = { ...facts, reviews: [jointHeld('2026-06-10')] };
    expect(due(late, '2026-06-11').COUNCIL_CARE_PLAN).toBe('2027-06-10');
  });

  test('of the joint plan are not set back by a later version of it', () => {
    const plans = [
      jointPlanOf('2026-03-03', { status: 'SUPERSEDED' }),
      jointPlanOf('2026-05-20', { number: 2 }),
    ];
    expect(due({ ...begunTogether('2026-03-03'), plans }, '2026-05-21').NHS_CARE_PLAN).toBe('2026-06-03');
    const ended = [
      jointPlanOf('2026-03-03', { status: 'ENDED', to: '2026-04-30' }),
      jointPlanOf('2026-05-20', { number: 2 }),
    ];
    expect(due({ ...begunTogether('2026-03-03'), plans: ended }, '2026-05-21').NHS_CARE_PLAN).toBe(
      '2026-08-20',
    );
  });

  test('of a policy count where it is stricter, and say whose it is', () => {
    const policy = policyOf({ organisation: 'Gateshead Council', firstReviewWeeks: 12, reviewMaxMonths: 6 });
    const facts = { ...nobody, budgets: [budgetOf('COUNCIL', '2026-03-03', { policy })] };
    const [plan, payment] = clocksOn(facts, '2026-03-20');
    expect(plan).toMatchObject({ dueOn: '2026-04-28', basis: 'GUIDANCE' });
    expect(payment).toMatchObject({
      dueOn: '2026-05-26',
      basis: 'POLICY',
      rule: 'policy of Gateshead Council (somewhere.example/policy)',
      because:
        'council direct payment: within 12 weeks of the first payment on 3 March 2026, policy of Gateshead Council ' +
        '(somewhere.example/policy); at most 6 months by Care and Support (Direct Payments) Regulations 2014, regulation 7',
    });
    const held = { ...facts, reviews: [jointHeld('2026-04-20')] };
    expect(due(held, '2026-04-21')).toEqual({
      COUNCIL_CARE_PLAN: '2026-10-20',
      COUNCIL_DIRECT_PAYMENT: '2026-10-20',
    });
  });

  test('of eligibility: the day set with the decision, else 3 months, then a year', () => {
    const chc = (own: object, heldOn?: string) => {
      const eligibility = {
        scheme: 'CHC_STANDARD' as const,
        decidedOn: '2026-01-31',
        reviewDueOn: null,
        from: '2026-02-01',
        to: null,
      };
      const kind = 'CHC_ELIGIBILITY' as const;
      const reviews = heldOn === undefined ? [] : [{ kind, duties: [], side: 'NHS' as const, heldOn }];
      return due({ ...nobody, eligibilities: [{ ...eligibility, ...own }], reviews }, '2026-05-01')
        .CHC_ELIGIBILITY;
    };
    expect(chc({})).toBe('2026-04-30');
    expect(chc({ reviewDueOn: '2026-04-15' })).toBe('2026-04-15');
    expect(chc({ reviewDueOn: '2026-04-15' }, '2026-04-10')).toBe('2027-04-10');
    // The review at which it was decided.
    expect(chc({ reviewDueOn: '2026-07-31' }, '2026-01-31')).toBe('2026-07-31');
    expect(chc({}, '2026-01-31')).toBe('2027-01-31');
    expect(chc({ to: '2026-05-01' })).toBeUndefined();
  });

  test('of the audit: as often as the policy asks for returns, after death too', () => {
    const policy = policyOf({ returnFrequency: 'QUARTERLY' });
    const budgets = [budgetOf('COUNCIL', '2026-01-31', { policy }), budgetOf('ICB', '2026-01-31')];
    const facts = { ...nobody, budgets, diedOn: '2026-03-01' };
    expect(due(facts, '2026-03-02')).toEqual({ COUNCIL_AUDIT: '2026-04-30' });
    const audited = [{ kind: 'AUDIT' as const, duties: [], side: 'COUNCIL' as const, heldOn: '2026-04-20' }];
    expect(due({ ...facts, reviews: audited }, '2026-05-02')).toEqual({ COUNCIL_AUDIT: '2026-07-20' });
  });
});

describe('the joint review', () => {
  test('begun together, one day in week 8 meets all; a year later the next', () => {
    const facts = begunTogether('2026-03-03');
    const { joint, apart } = nextReviews(facts, '2026-03-20');
    expect(joint).toMatchObject({ on: '2026-04-28', notAfter: '2026-04-28', duties: joinable, leftOut: [] });
    expect(apart).toEqual([]);
    const after = nextReviews({ ...facts, reviews: [jointHeld('2026-04-28')] }, '2026-04-29');
    expect(after.joint).toMatchObject({ on: '2027-04-28', notAfter: '2027-04-28', duties: joinable });
  });

  test('moves to the Friday before a weekend, and away from an eligibility review', () => {
    // 25 April 2026 is a Saturday.
    expect(nextReviews(begunTogether('2026-02-28'), '2026-03-20').joint!.on).toBe('2026-04-24');
    const chc = {
      scheme: 'CHC_STANDARD' as const,
      decidedOn: '2026-01-24',
      reviewDueOn: '2026-04-24',
      from: '2026-01-24',
      to: null,
    };
    const { joint, apart } = nextReviews(
      { ...begunTogether('2026-02-28'), eligibilities: [chc] },
      '2026-03-20',
    );
    expect(joint!.on).toBe('2026-04-23');
    expect(apart).toEqual(['CHC_ELIGIBILITY']);
  });

  test('leaves out and names what opens too late', () => {
    const facts = {
      ...begunTogether('2026-01-05'),
      plans: [jointPlanOf('2026-03-30')],
      reviews: [],
    };
    const { joint } = nextReviews(facts, '2026-03-31');
    expect(joint).toMatchObject({
      on: '2026-04-03',
      duties: ['NHS_CARE_PLAN', 'NHS_DIRECT_PAYMENT', 'COUNCIL_DIRECT_PAYMENT'],
    });
    expect(joint!.leftOut).toEqual(['COUNCIL_CARE_PLAN']);
    expect(joint!.because).toContain(
      'The council care plan review is left out: it counts only from 11 May 2026.',
    );
  });

  test('is on the next working day where something is overdue, and none where nothing can be joined', () => {
    // A Friday.
    expect(nextReviews(begunTogether('2026-01-05'), '2026-11-20').joint).toMatchObject({
      on: '2026-11-23',
      notAfter: '2026-03-02',
      duties: joinable,
    });
    expect(
      nextReviews({ ...nobody, plans: [jointPlanOf('2026-01-05', { signedBy: ['NHS'] })] }, '2026-01-06')
        .joint,
    ).toBeNull();
  });
});

const base = '2024-01-01';
const dayBetween = (min: number, max: number) => fc.integer({ min, max }).map((days) => addDays(base, days));
const start = dayBetween(0, 800);
const today = '2026-06-30';
const policy = fc.option(
  fc.record({
    organisation: fc.constant('X'),
    citation: fc.constant('y'),
    firstReviewWeeks: fc.option(fc.integer({ min: 1, max: 60 })),
    reviewMaxMonths: fc.option(fc.integer({ min: 1, max: 24 })),
    returnFrequency: fc.option(fc.constantFrom('MONTHLY' as const, 'QUARTERLY' as const, 'YEARLY' as const)),
  }),
);
const budget = fc
  .tuple(
    fc.constantFrom('ICB' as const, 'COUNCIL' as const, 'S75_POOL' as const),
    start,
    fc.integer({ min: 0, max: 30 }),
    policy,
  )
  .map(([source, from, later, own]) => budgetOf(source, from, { paidOn: addDays(from, later), policy: own }));
const heldOn = dayBetween(0, 911);
const review: fc.Arbitrary<ReviewFacts['reviews'][0]> = fc.oneof(
  heldOn.map((on) => jointHeld(on)),
  fc.record({
    kind: fc.constantFrom(
      'CARE_PLAN' as const,
      'DIRECT_PAYMENT' as const,
      'AUDIT' as const,
      'CHC_ELIGIBILITY' as const,
    ),
    duties: fc.constant<ReviewFacts['reviews'][0]['duties']>([]),
    side: fc.constantFrom('NHS' as const, 'COUNCIL' as const),
    heldOn,
  }),
);
const eligibility = start.chain((from) =>
  fc.record({
    scheme: fc.constant('CHC_STANDARD' as const),
    decidedOn: fc.constant(from),
    reviewDueOn: fc.option(fc.integer({ min: 1, max: 200 }).map((days) => addDays(from, days))),
    from: fc.constant(from),
    to: fc.constant(null),
  }),
);
const facts: fc.Arbitrary<ReviewFacts> = fc.record({
  diedOn: fc.constant(null),
  budgets: fc.array(budget, { maxLength: 3 }),
  plans: fc.array(
    start.map((on) => jointPlanOf(on)),
    { maxLength: 1 },
  ),
  eligibilities: fc.array(eligibility, { maxLength: 1 }),
  reviews: fc.array(review, { maxLength: 4 }),
});
const withReview = (known: ReviewFacts, on: string) => ({
  ...known,
  reviews: [...known.reviews, jointHeld(on)],
});
const many = { numRuns: 500 };

describe('for anybody', () => {
  test('no duty is due more than 12 months after its last review, nor before its window opens', () => {
    fc.assert(
      fc.property(facts, (known) => {
        for (const { opensOn, dueOn, overdue, lastHeldOn } of clocksOn(known, today)) {
          expect(opensOn <= dueOn).toBe(true);
          expect(overdue).toBe(dueOn < today);
          if (lastHeldOn !== null) expect(dueOn <= addMonths(lastHeldOn, 12)).toBe(true);
        }
      }),
      many,
    );
  });

  test('a policy never lengthens a clock', () => {
    fc.assert(
      fc.property(facts, (known) => {
        const lines = (budget: BudgetFacts) => budget.lines.map((line) => ({ ...line, policy: null }));
        const bare = { ...known, budgets: known.budgets.map((each) => ({ ...each, lines: lines(each) })) };
        const legal = due(bare, today);
        for (const { duty, dueOn } of clocksOn(known, today)) {
          if (!duty.endsWith('_AUDIT')) expect(dueOn <= legal[duty]!).toBe(true);
        }
      }),
      many,
    );
  });

  test('a joint review restarts every clock whose window was open', () => {
    fc.assert(
      fc.property(facts, (known) => {
        const before = clocksOn(known, today);
        const after = clocksOn(withReview(known, today), today);
        expect(after.map(({ duty }) => duty)).toEqual(before.map(({ duty }) => duty));
        for (const [i, clock] of after.entries()) {
          const was = before[i]!;
          if (!joinable.includes(clock.duty)) expect(clock).toEqual(was);
          else {
            expect(clock.lastHeldOn).toBe(today);
            expect(clock.dueOn <= addMonths(today, 12)).toBe(true);
            if (was.overdue) expect(clock.dueOn > was.dueOn).toBe(true);
            if (was.opensOn <= today) expect(clock.overdue).toBe(false);
          }
        }
      }),
      many,
    );
  });

  test('the later a review is held, the later the next is due', () => {
    fc.assert(
      fc.property(
        facts,
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 0, max: 400 }),
        (known, a, b) => {
          const [near, far] = [Math.min(a, b), Math.max(a, b)].map((days) => addDays(today, days)) as [
            string,
            string,
          ];
          const sooner = due(withReview(known, near), far);
          const later = due(withReview(known, far), far);
          for (const duty of joinable) if (duty in later) expect(later[duty]! >= sooner[duty]!).toBe(true);
        },
      ),
    );
  });

  test('the day that is proposed meets all it claims, stays apart, and no working day meets more', () => {
    let proposed = 0;
    fc.assert(
      fc.property(facts, dayBetween(830, 911), (known, day) => {
        const { duties, joint, apart } = nextReviews(known, day);
        if (joint === null) return;
        proposed += 1;
        const keptApart = [
          ...duties.filter(({ duty }) => apart.includes(duty)).map(({ dueOn }) => dueOn),
          ...known.reviews
            .filter(({ kind }) => kind === 'AUDIT' || kind === 'CHC_ELIGIBILITY')
            .map((each) => each.heldOn),
        ];
        expect(keptApart).not.toContain(joint.on);
        expect(joint.on >= day).toBe(true);
        expect(joint.duties.length).toBeGreaterThan(1);
        expect([...joint.duties, ...joint.leftOut].sort()).toEqual(
          duties
            .map(({ duty }) => duty)
            .filter((duty) => joinable.includes(duty))
            .sort(),
        );
        const isFree = (on: string) => !keptApart.includes(on);
        let soon = addDays(day, 1);
        while (weekday(soon) > 5 || !isFree(soon)) soon = addDays(soon, 1);
        const regular = duties.filter(({ duty }) => joinable.includes(duty));
        for (const clock of regular.filter(({ duty }) => joint.duties.includes(duty))) {
          expect(clock.opensOn <= joint.on).toBe(true);
          let isFreeInTime = false;
          for (let on = [day, clock.opensOn].sort()[1]!; on <= clock.dueOn; on = addDays(on, 1))
            isFreeInTime ||= isFree(on);
          expect(clock.dueOn >= joint.on || clock.overdue || !isFreeInTime).toBe(true);
        }
        let most = 0;
        for (let on = day; on <= addDays(day, 400); on = addDays(on, 1)) {
          const met = regular.filter(
            ({ opensOn, dueOn, overdue }) => opensOn <= on && on <= (overdue ? soon : dueOn),
          );
          if (weekday(on) <= 5 && isFree(on)) most = Math.max(most, met.length);
        }
        expect(joint.duties.length).toBeGreaterThanOrEqual(most);
      }),
      { numRuns: 300 },
    );
    expect(proposed).toBeGreaterThan(100);
  });
});

describe('what a review met', () => {
  test('is what was said, else follows from its kind and whose it was', () => {
    const met = (kind: 'CARE_PLAN', side: 'NHS' | 'COUNCIL' | null) => dutiesMet({ kind, side, duties: [] });
    expect(met('CARE_PLAN', 'COUNCIL')).toEqual(['COUNCIL_CARE_PLAN']);
    expect(met('CARE_PLAN', null)).toEqual([]);
    expect(dutiesMet({ kind: 'AUDIT', side: 'NHS', duties: [] })).toEqual(['NHS_AUDIT']);
    expect(dutiesMet({ kind: 'CHC_ELIGIBILITY', side: 'COUNCIL', duties: [] })).toEqual([]);
    expect(dutiesMet({ kind: 'SHORT_TERM_SUPPORT', side: 'COUNCIL', duties: [] })).toEqual([]);
    expect(dutiesMet(jointHeld('2026-01-01', ['COUNCIL_CARE_PLAN', 'NHS_CARE_PLAN']))).toEqual([
      'NHS_CARE_PLAN',
      'COUNCIL_CARE_PLAN',
    ]);
  });

  test('is asked of the day on which it was held', () => {
    const known = { ...nobody, budgets: [budgetOf('COUNCIL', '2026-01-05', { to: '2026-03-02' })] };
    const told = { kind: 'DIRECT_PAYMENT' as const, side: 'COUNCIL' as const, duties: [] };
    const decide = (on: string, kind: 'DIRECT_PAYMENT' | 'AUDIT' = told.kind) =>
      decideReview({ ...told, kind, startedOn: on, heldOn: on }, known, today);
    expect(decide('2026-02-27')).toEqual({ duties: ['COUNCIL_DIRECT_PAYMENT'], faults: [] });
    expect(decide('2026-03-02').faults).toMatchObject([{ code: 'DUTY_NOT_HELD' }]);
    // What was paid is audited when it has ended, too.
    expect(decide('2026-03-30', 'AUDIT')).toEqual({ duties: ['COUNCIL_AUDIT'], faults: [] });
    expect(decide('2026-01-02', 'AUDIT').faults).toMatchObject([{ code: 'DUTY_NOT_HELD' }]);
  });
});

describe('stretches of days', () => {
  const stretch = fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.option(fc.integer({ min: 1, max: 40 })))
    .map(([from, length]) => ({
      from: addDays(base, from),
      to: length === null ? null : addDays(base, from + length),
    }));
  const some = fc.integer({ min: 0, max: 90 }).map((days) => addDays(base, days));

  test('overlap and what is outside, day by day', () => {
    fc.assert(
      fc.property(stretch, stretch, some, (a, b, day) => {
        const shared = overlap(a, b);
        expect(shared !== null && holds(shared, day)).toBe(holds(a, day) && holds(b, day));
        expect(outside(a, b).filter((part) => holds(part, day)).length).toBe(
          holds(a, day) && !holds(b, day) ? 1 : 0,
        );
      }),
    );
  });

  test('lead up to a day without a gap', () => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 6 }), some, (stretches, day) => {
        const spell = unbroken(stretches, day);
        // The same, day by day: back from the day for as long as something holds.
        let first = day;
        const isHeld = (on: string) => stretches.some((each) => holds(each, on));
        while (isHeld(addDays(first, -1)) && isHeld(day)) first = addDays(first, -1);
        if (!isHeld(day)) expect(spell).toEqual([]);
        else expect(spell.map(({ from }) => from).sort()[0]).toBe(first);
      }),
    );
  });
});
