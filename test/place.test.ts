import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { founding, makePlace, wenshire } from '../src/demo/place.ts';
import { parseNhsNumber } from '../src/platform/nhs-number.ts';

const today = '2026-11-21';
const { people } = makePlace({ today });
const person = (name: keyof typeof founding) => people[founding[name]]!;
const nhsBudgets = people.flatMap(({ nhs }) => nhs?.budget ?? []);
const councilBudgets = people.flatMap(({ council }) => council?.budget ?? []);

interface Move {
  kind: 'PAID_IN' | 'SPENT' | 'COMMITTED' | 'REPAID';
  pence: bigint;
  on: string;
}

const sum = (moves: readonly Move[], ...kinds: Move['kind'][]): bigint =>
  moves.filter((move) => kinds.includes(move.kind)).reduce((total, move) => total + move.pence, 0n);

/** The least that was ever in an account at the end of a day. */
function lowest(moves: readonly Move[]): bigint {
  let least = 0n;
  for (const day of new Set(moves.map((move) => move.on))) {
    const until = moves.filter((move) => move.on <= day);
    const balance = sum(until, 'PAID_IN') - sum(until, 'SPENT', 'REPAID');
    if (balance < least) least = balance;
  }
  return least;
}

describe('the made-up place', () => {
  test('is the same every time, and another with another seed', () => {
    expect(makePlace({ today })).toEqual({ people });
    expect(makePlace({ today, seed: 2 }).people[100]).not.toEqual(people[100]);
  });

  test('stays as it is from one payday to the next', () => {
    expect(makePlace({ today: '2026-11-09' })).toEqual({ people });
    expect(makePlace({ today: '2026-12-06' })).toEqual({ people });
    expect(makePlace({ today: '2026-12-07' })).not.toEqual({ people });
  });

  test('begins with the people of a smaller one', () => {
    expect(makePlace({ today, size: 40 }).people).toEqual(people.slice(0, 40));
  });

  test('holds a third of its people on both sides and a third on each alone', () => {
    expect(people).toHaveLength(520);
    const both = people.filter(({ nhs, council }) => nhs && council).length;
    const nhsOnly = people.filter(({ nhs, council }) => nhs && !council).length;
    const councilOnly = people.filter(({ nhs, council }) => !nhs && council).length;
    expect(both + nhsOnly + councilOnly).toBe(520);
    for (const share of [both, nhsOnly, councilOnly]) {
      expect(share).toBeGreaterThan(140);
      expect(share).toBeLessThan(210);
    }
  });

  test('the charity runs about eighty accounts', () => {
    const { code } = wenshire.charity;
    const accounts = people.filter(
      ({ nhs, council }) =>
        nhs?.budget?.portions.some((portion) => portion.accountOperatorCode === code) ||
        council?.budget?.accountOperatorCode === code,
    ).length;
    expect(accounts).toBeGreaterThan(70);
    expect(accounts).toBeLessThan(90);
  });

  test('every NHS number is sound, from the test range, and one person’s only', () => {
    const numbers = [
      ...people.map(({ nhsNumber }) => nhsNumber),
      ...people.flatMap(({ nhs }) => nhs?.supersededNhsNumbers ?? []),
      // One relative may hold several authorities.
      ...new Set(people.flatMap(({ nhs }) => nhs?.related.flatMap(({ nhsNumber }) => nhsNumber ?? []) ?? [])),
    ];
    expect(numbers.length).toBeGreaterThan(600);
    for (const number of numbers) {
      expect(parseNhsNumber(number)).toBe(number);
      expect(number).toMatch(/^999/);
    }
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test('every id is used once', () => {
    const ids = people.flatMap(({ nhs, council }) => [
      nhs?.patientId,
      nhs?.plan?.id,
      nhs?.budget?.id,
      council?.laPersonId,
      council?.budget?.id,
      ...(nhs?.related ?? []).map(({ id }) => id),
      ...(nhs?.plan?.goals ?? []).map(({ id }) => id),
      ...(nhs?.budget?.payments ?? []).map(({ id }) => id),
      ...(council?.budget?.payments ?? []).map(({ id }) => id),
      ...(council?.requests ?? []).map(({ reference }) => reference),
      ...(council?.assessments ?? []).map(({ reference }) => reference),
      ...(council?.services ?? []).map(({ reference }) => reference),
      ...(council?.reviews ?? []).map(({ reference }) => reference),
      ...[nhs?.eligibilities, nhs?.reviews, council?.eligibilities, council?.moneyReviews].flatMap(
        (list) => list?.map(({ id }) => id) ?? [],
      ),
    ]);
    const given = ids.filter((id) => id !== undefined);
    expect(new Set(given).size).toBe(given.length);
  });

  test('postcodes have the form of postcodes', () => {
    for (const { postcode } of people) expect(postcode).toMatch(/^[A-Z]{2}\d{1,2} \d[ABD-HJLNP-UW-Z]{2}$/);
  });

  test('all ways of managing money and all states of a budget appear', () => {
    const managements = new Set([
      ...nhsBudgets.flatMap(({ portions }) => portions.map(({ management }) => management)),
      ...councilBudgets.map(({ management }) => management),
    ]);
    expect([...managements].sort()).toEqual([
      'COUNCIL_MANAGED',
      'DIRECT_PAYMENT',
      'INDIVIDUAL_SERVICE_FUND',
      'MANAGED_ACCOUNT',
      'NOTIONAL',
      'THIRD_PARTY',
    ]);
    expect([...new Set(nhsBudgets.map(({ status }) => status))].sort()).toEqual([
      'active',
      'inactive',
      'on-hold',
    ]);
  });

  const nhsHalves = people.flatMap(({ nhs }) => nhs ?? []);
  const councilHalves = people.flatMap(({ council }) => council ?? []);
  const eligibilities = [...nhsHalves, ...councilHalves].flatMap((half) => half.eligibilities);
  const reviews = [
    ...nhsHalves.flatMap((half) => half.reviews),
    ...councilHalves.flatMap((half) => half.moneyReviews),
  ];
  const kinds = (values: Iterable<string | null>) =>
    [...new Set(values)].filter((one) => one !== null).sort();

  test('every scheme, state, stage, source of money, channel and kind of review appears', () => {
    expect(kinds(nhsHalves.flatMap((half) => half.eligibilities.map(({ scheme }) => scheme)))).toEqual([
      'CHC_FAST_TRACK',
      'CHC_STANDARD',
      'CYP_CONTINUING_CARE',
      'EHC',
      'FNC',
      'JOINT_PACKAGE',
      'LD_MH',
      'OTHER',
      'S117',
      'WHEELCHAIR',
    ]);
    expect(kinds(councilHalves.flatMap((half) => half.eligibilities.map(({ scheme }) => scheme)))).toEqual([
      'CARER_S10',
      'CARE_ACT',
      'EHC',
      'S117',
    ]);
    expect(kinds(eligibilities.map(({ status }) => status))).toEqual([
      'ASSESSING',
      'ELIGIBLE',
      'NOT_ELIGIBLE',
    ]);
    expect(kinds([...nhsBudgets, ...councilBudgets].map(({ stage }) => stage))).toEqual([
      'INDICATIVE',
      'PROPOSED',
      'SIGNED_OFF',
    ]);
    expect(
      kinds([
        'COUNCIL',
        ...nhsBudgets.flatMap(({ funding }) => funding.map(({ source }) => source)),
        ...councilBudgets.flatMap(({ otherFunding }) => otherFunding.map(({ source }) => source)),
      ]),
    ).toEqual(['CLIENT_TOP_UP', 'COUNCIL', 'EHC', 'ICB', 'OTHER_PUBLIC', 'S75_POOL']);
    expect(
      kinds([
        ...nhsBudgets.flatMap(({ portions }) => portions.map(({ channel }) => channel)),
        ...councilBudgets.map(({ channel }) => channel),
      ]),
    ).toEqual(['BANK', 'PREPAID_CARD', 'WALLET']);
    expect(kinds(reviews.map(({ kind }) => kind))).toEqual([
      'AUDIT',
      'CARE_PLAN',
      'CHC_ELIGIBILITY',
      'DIRECT_PAYMENT',
    ]);
  });

  test('whoever has an NHS budget is eligible for something, from before it begins', () => {
    for (const { budget, eligibilities: held } of nhsHalves) {
      if (budget)
        expect(held.some(({ status, from }) => status === 'ELIGIBLE' && from <= budget.from)).toBe(true);
    }
    for (const half of councilHalves) expect(half.eligibilities.length).toBeGreaterThan(0);
  });

  test('nobody has continuing healthcare and the council’s money on one day, and some went from one to the other', () => {
    let moved = 0;
    for (const { nhs, council } of people) {
      const chc = nhs?.eligibilities.filter(
        ({ scheme, status }) => scheme.startsWith('CHC') && status === 'ELIGIBLE',
      );
      for (const one of chc ?? []) {
        for (const other of council?.eligibilities.filter(({ status }) => status === 'ELIGIBLE') ?? []) {
          expect(other.to !== null && other.to <= one.from).toBe(true);
          moved += 1;
        }
        const budget = council?.budget;
        if (budget) expect(budget.to !== null && budget.to <= one.from).toBe(true);
      }
    }
    expect(moved).toBeGreaterThan(3);
  });

  test('whatever was decided was decided by now, and ends after it begins', () => {
    for (const { from, to, decidedOn, status, reviewDueOn } of eligibilities) {
      expect(from <= today && (decidedOn ?? '') <= today).toBe(true);
      expect(to === null || to > from).toBe(true);
      expect(decidedOn === null).toBe(status === 'ASSESSING');
      if (reviewDueOn !== null) expect([status, to]).toEqual(['ELIGIBLE', null]);
    }
    const due = eligibilities.flatMap(({ reviewDueOn }) => reviewDueOn ?? []);
    expect(due.some((day) => day < today) && due.some((day) => day > today)).toBe(true);
  });

  test('eligibility is reviewed, and an account audited, on a day of its own; all on working days of the past', () => {
    for (const { nhs, council, deathDate } of people) {
      const held = [
        ...(nhs?.reviews ?? []),
        ...(council?.moneyReviews ?? []),
        ...(council?.reviews.map((one) => ({ ...one, kind: 'CARE_PLAN' })) ?? []),
      ];
      for (const one of held) {
        expect(one.to <= today && one.from <= one.to).toBe(true);
        if (deathDate && nhs?.reviews.some(({ id }) => 'id' in one && id === one.id))
          expect(one.to <= deathDate).toBe(true);
        const apart = one.kind === 'AUDIT' || one.kind === 'CHC_ELIGIBILITY';
        if (apart) expect(held.filter(({ to }) => to === one.to)).toHaveLength(1);
        if (apart) expect([1, 2, 3, 4, 5]).toContain(new Date(one.to).getUTCDay());
      }
    }
  });

  test('the lines of funding add up to what is agreed', () => {
    const total = (lines: readonly { pence: bigint }[]) => lines.reduce((all, { pence }) => all + pence, 0n);
    for (const { funding, agreedPence } of nhsBudgets) expect(total(funding)).toBe(agreedPence);
    for (const { otherFunding, agreedPence, contributionPence } of councilBudgets)
      expect(total(otherFunding) + contributionPence).toBeLessThan(agreedPence);
  });

  test('children have a parent who acts for them, and nothing from the council’s adults’ services', () => {
    const children = people.filter(({ birthDate }) => birthDate > '2008-11-21');
    expect(children.length).toBeGreaterThan(3);
    for (const { nhs, council, birthDate } of children) {
      expect(council).toBeNull();
      expect(birthDate < '2022-11-21').toBe(true);
      expect(nhs?.eligibilities[0]?.scheme).toBe('CYP_CONTINUING_CARE');
      expect(nhs?.related.map(({ authority }) => authority)).toEqual(['REPRESENTATIVE']);
    }
    for (const { nhs, birthDate } of people) {
      if (birthDate <= '2008-11-21')
        expect(nhs?.eligibilities.map(({ scheme }) => scheme) ?? []).not.toContain('CYP_CONTINUING_CARE');
    }
  });

  test('no account is ever overdrawn, by any source of money, and what is promised is there', () => {
    for (const { payments } of nhsBudgets) {
      expect(lowest(payments)).toBe(0n);
      expect(sum(payments, 'PAID_IN') - sum(payments, 'SPENT', 'REPAID', 'COMMITTED')).toBeGreaterThanOrEqual(
        0n,
      );
    }
    for (const { payments } of councilBudgets) {
      for (const source of ['COUNCIL', 'CLIENT_CONTRIBUTION']) {
        const own = payments.filter((payment) => payment.source === source);
        expect(lowest(own)).toBe(0n);
        expect(sum(own, 'PAID_IN') - sum(own, 'SPENT', 'REPAID', 'COMMITTED')).toBeGreaterThanOrEqual(0n);
      }
    }
  });

  test('nothing beyond what was agreed for the year is paid in', () => {
    for (const { payments, agreedPence, portions } of nhsBudgets) {
      expect(sum(payments, 'PAID_IN')).toBeLessThanOrEqual(agreedPence);
      expect(portions.reduce((total, { amountPence }) => total + amountPence, 0n)).toBe(agreedPence);
    }
    for (const { payments, agreedPence, contributionPence } of councilBudgets) {
      const contributed = payments.filter(({ source }) => source === 'CLIENT_CONTRIBUTION');
      expect(sum(payments, 'PAID_IN')).toBeLessThanOrEqual(agreedPence);
      expect(sum(contributed, 'PAID_IN')).toBeLessThanOrEqual(contributionPence);
    }
  });

  test('every payment moves money, and only a promise lies ahead', () => {
    const all: Move[] = [...nhsBudgets, ...councilBudgets].flatMap(({ payments }): Move[] => payments);
    expect(all.length).toBeGreaterThan(3_000);
    for (const { kind, pence, on } of all) {
      expect(pence).toBeGreaterThan(0n);
      expect(on > today).toBe(kind === 'COMMITTED');
      expect(on > '2025-05-01').toBe(true);
    }
  });

  test('the council’s statements agree with its payments', () => {
    for (const { payments, balance, stage } of councilBudgets) {
      expect(balance === null).toBe(stage !== null);
      if (!balance) continue;
      const until = payments.filter(({ on }) => on <= balance.asAt);
      expect(balance.pence).toBe(sum(until, 'PAID_IN') - sum(until, 'SPENT', 'REPAID'));
    }
    expect(councilBudgets.some(({ balance }) => balance && balance.pence > 0n)).toBe(true);
  });

  test('a direct payment costs in a week what the budget comes to in a year', () => {
    for (const { council } of people) {
      const weekly = council?.services.find(({ component }) => component === 'Direct payment');
      if (weekly) expect(weekly.unitCostPence * 52n).toBe(council!.budget!.agreedPence);
    }
  });

  test('the council speaks Client Level Data Release 2 wherever its list is published', () => {
    const lists = JSON.parse(
      readFileSync(new URL('../jobs/source/cld/cld-values.json', import.meta.url), 'utf8'),
    ) as Record<string, { R2?: string[] }>;
    const allowed = (name: string): string[] => Object.values(lists[name] ?? {}).flat();
    const halves = people.flatMap(({ council }) => council ?? []);
    const used: Record<string, (string | null)[]> = {
      'Client Type': halves.map(({ clientType }) => clientType),
      'Primary Support Reason': halves.map(({ primarySupportReason }) => primarySupportReason),
      Dementia: halves.map(({ dementia }) => dementia),
      'Event Outcome': halves.flatMap(({ requests, assessments, reviews }) =>
        [requests, assessments, reviews].flat().map(({ outcome }) => outcome),
      ),
      'Assessment Type': halves.flatMap(({ assessments }) => assessments.map(({ type }) => type)),
      'Service Type': halves.flatMap(({ services }) => services.map(({ type }) => type)),
      'Service Component': halves.flatMap(({ services }) => services.map(({ component }) => component)),
      'Delivery Mechanism': halves.flatMap(({ services }) => services.map(({ mechanism }) => mechanism)),
      'Cost Frequency (Unit Type)': halves.flatMap(({ services }) =>
        services.map((one) => one.costFrequency),
      ),
      'Method of Review': halves.flatMap(({ reviews }) => reviews.map(({ method }) => method)),
      'Review Reason': halves.flatMap(({ reviews }) => reviews.map(({ reason }) => reason)),
      'Review Outcomes Achieved': halves.flatMap(({ reviews }) => reviews.map(({ achieved }) => achieved)),
    };
    for (const [name, values] of Object.entries(used)) {
      const release2 = lists[name]?.R2 ?? allowed(name);
      expect(new Set(release2), name).toEqual(new Set([...release2, ...values]));
    }
  });

  test('a hundred thousand people take seconds', { timeout: 30_000 }, () => {
    const started = performance.now();
    expect(makePlace({ today, size: 100_000 }).people).toHaveLength(100_000);
    // Some 2 s on two quiet cores; quadratic growth would take hours.
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('the people with a story', () => {
  test('Iris Holloway: one managed account for both budgets, and a daughter who decides with her', () => {
    const { nhs, council, familyName, birthDate } = person('irisHolloway');
    expect([familyName, birthDate]).toEqual(['Holloway', '1941-05-17']);
    expect(nhs?.budget?.portions[0]).toMatchObject({
      management: 'MANAGED_ACCOUNT',
      accountOperatorCode: 'D9H01',
    });
    expect(council?.budget).toMatchObject({ management: 'MANAGED_ACCOUNT', accountOperatorCode: 'D9H01' });
    expect(council?.budget?.contributionPence).toBeGreaterThan(0n);
    expect(council?.dementia).toBe('Yes');
    expect(council?.services.map(({ component }) => component)).toEqual(['Direct payment', 'Day support']);
    expect(nhs?.related.map(({ name, authority }) => [name, authority])).toEqual([
      ['Carol Holloway', 'LPA_HEALTH_AND_WELFARE'],
      ['Carol Holloway', 'LPA_PROPERTY_AND_FINANCE'],
    ]);
    expect(nhs?.related[0]?.nhsNumber).toBe(nhs?.related[1]?.nhsNumber);
    expect(nhs?.plan?.needs).toHaveLength(3);
    expect(nhs?.plan?.goals).toHaveLength(3);
    const promised = nhs?.budget?.payments.filter(({ kind }) => kind === 'COMMITTED');
    expect(promised).toMatchObject([{ payee: 'Holloway family care team payroll', on: '2026-12-07' }]);
    expect(nhs?.eligibilities.map(({ scheme, status }) => [scheme, status])).toEqual([
      ['JOINT_PACKAGE', 'ELIGIBLE'],
    ]);
    expect(council?.eligibilities.map(({ scheme, status }) => [scheme, status])).toEqual([
      ['CARE_ACT', 'ELIGIBLE'],
    ]);
    expect(nhs?.budget?.funding).toMatchObject([{ source: 'ICB', stream: 'Joint package' }]);
    expect(nhs?.budget?.portions.map(({ channel }) => channel)).toEqual(['BANK', null]);
  });

  test('Daniel Okafor is 34 and holds his own direct payments', () => {
    const { nhs, council, birthDate } = person('danielOkafor');
    expect(birthDate).toBe('1992-03-09');
    expect(nhs?.budget?.portions.map(({ management }) => management)).toEqual([
      'DIRECT_PAYMENT',
      'DIRECT_PAYMENT',
    ]);
    expect(nhs?.budget?.portions.every(({ accountOperatorCode }) => accountOperatorCode === null)).toBe(true);
    expect(council?.budget?.management).toBe('DIRECT_PAYMENT');
    expect(nhs?.eligibilities.map(({ scheme }) => scheme)).toEqual(['JOINT_PACKAGE', 'WHEELCHAIR']);
    expect(council?.eligibilities.map(({ scheme }) => scheme)).toEqual(['CARE_ACT']);
    expect(nhs?.budget?.funding.map(({ stream }) => stream)).toEqual(['Joint package', 'Wheelchair']);
  });

  test('each of the others is what the name says', () => {
    const replaced = person('numberSuperseded');
    expect(replaced.nhs?.supersededNhsNumbers).toEqual([replaced.council?.nhsNumber]);
    expect(replaced.council?.nhsNumber).not.toBe(replaced.nhsNumber);

    const sensitive = person('restricted');
    expect(sensitive.nhs?.restricted).toBe(true);
    expect(sensitive.council?.postcode).toBe(sensitive.postcode);

    const dead = person('diedLastMonth');
    expect(dead.deathDate).toBe('2026-10-20');
    expect(dead.council?.deathDate).toBeNull();
    expect(dead.council?.services.some(({ to }) => to === null)).toBe(true);

    const swapped = person('birthDateSwapped');
    expect([swapped.birthDate, swapped.council?.birthDate]).toEqual(['1974-03-08', '1974-08-03']);
    expect(swapped.council?.familyName).toBe(swapped.familyName);
    expect(swapped.council?.nhsNumber).toBe(swapped.nhsNumber);

    const mistaken = person('wrongNumber');
    expect(mistaken.council?.nhsNumber).toBe(mistaken.nhsNumber);
    expect(mistaken.council?.familyName).not.toBe(mistaken.familyName);
    expect(mistaken.council?.birthDate).not.toBe(mistaken.birthDate);

    expect(person('withoutNumber')).toMatchObject({ nhs: null, council: { nhsNumber: null } });
    expect(person('notionalOnly')).toMatchObject({ council: null, nhs: { budget: { status: 'active' } } });
    expect(person('notionalOnly').nhs?.budget?.portions[0]?.management).toBe('NOTIONAL');
    expect(person('commissionedOnly')).toMatchObject({ nhs: null, council: { budget: null } });
    expect(person('commissionedOnly').council?.services[0]?.mechanism).toBe('CASSR commissioned support');
    expect(person('unpaidCarer').council?.clientType).toBe('Unpaid carer');
  });
});
