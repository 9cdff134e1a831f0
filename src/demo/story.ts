/**
 * What the two sides of the made-up county have agreed in the hub itself: told through its API, each command by whoever
 * would give it, so that a newcomer finds a joint plan, an integrated budget, a funding split, a joint review, a decision
 * and the budget's money to look at.
 */
import { type Ask, gbp, giver } from './give.ts';
import { tellMoney } from './money-story.ts';
import { founding, type Place, wenshire } from './place.ts';

interface Money {
  amount: string;
}

interface Found {
  id: string;
  plans: { origin: string }[];
  plan: { id: string } | null;
  budgets: { id: string; kind: string; status: string; agreed: Money; fundingLines: FundingLine[] }[];
  nextReviews: { joint: { on: string } | null };
}

interface FundingLine {
  source: string;
  amount: Money;
}

const allTests = [
  'NEEDS_MET',
  'AMOUNT_COVERS_FULL_COST',
  'REVIEWABLE',
  'RISKS_MANAGED',
  'SAFEGUARDING_AND_CAPACITY',
];

/** Told once: where it was begun, it is left as it stands. False when it was. */
export async function tellStory({
  ask,
  place,
  today,
}: {
  ask: Ask;
  place: Place;
  today: string;
}): Promise<boolean> {
  const { nhsNumber } = place.people[founding.irisHolloway]!;
  const { person: iris } = (await ask(
    'care-coordinator',
    `query ($nhsNumber: NHSNumber!) { person(nhsNumber: $nhsNumber) {
      id plans { origin } plan { id }
      budgets { id kind status agreed { amount } fundingLines { source amount { amount } } }
      nextReviews { joint { on } } } }`,
    { nhsNumber },
  )) as { person: Found };
  const begun =
    iris.plans.some(({ origin }) => origin === 'JOINT') ||
    iris.budgets.some(({ kind }) => kind === 'INTEGRATED');
  if (begun) return false;

  const give = giver(ask);
  const inForce = iris.budgets.filter(({ status }) => status === 'ACTIVE');
  const lines = inForce.flatMap((budget) => budget.fundingLines);
  const total = (of: (line: FundingLine) => boolean) =>
    (
      lines.filter(of).reduce((sum, { amount }) => sum + Math.round(Number(amount.amount) * 100), 0) / 100
    ).toFixed(2);

  let budget = await give('care-coordinator', 'proposeBudget', 'budget { id version portions { id } }', {
    personId: iris.id,
    kind: 'INTEGRATED',
    from: today,
    fundingLines: lines.map(({ source, amount }) => ({
      source,
      amount: gbp(amount.amount),
      ...(source === 'ICB' ? { organisationCode: wenshire.icb.code, stream: 'Joint package' } : {}),
      ...(source === 'COUNCIL' ? { organisationCode: wenshire.council.code } : {}),
    })),
    portions: [
      {
        management: 'MANAGED_ACCOUNT',
        recurring: true,
        amount: gbp(total(() => true)),
        channel: 'BANK',
        operatorCode: wenshire.charity.code,
      },
    ],
    partIds: inForce.map(({ id }) => id),
  });
  const portionId = budget.portions![0]!.id;

  let plan = await give('care-coordinator', 'draftPlan', 'plan { id version }', {
    personId: iris.id,
    title: 'Staying at home with my own team',
    ...(iris.plan === null ? {} : { basedOnPlanId: iris.plan.id }),
  });
  plan = await give('social-worker', 'editPlan', 'plan { id version }', {
    planId: plan.id,
    expectedVersion: plan.version,
    ...irisPlan(portionId),
  });
  const concern = await give('care-coordinator', 'raiseConcern', 'concern { id }', {
    planId: plan.id,
    lineKey: 'singing',
    text: 'There is little research on singing for distress. What tells us that it helps her?',
  });
  await give('social-worker', 'answerConcern', 'concern { id }', {
    concernId: concern.id,
    answer:
      'On days with music her team writes down half as many episodes of distress. We count them until the review.',
  });
  // A concern and its answer are changes of the plan too.
  plan = await give('care-coordinator', 'proposePlan', 'plan { id version }', {
    planId: plan.id,
    expectedVersion: plan.version + 2,
  });
  for (const [as, tests] of [
    ['representative', []],
    ['care-coordinator', allTests],
    ['social-worker', allTests],
  ] as const) {
    plan = await give(as, 'agreePlan', 'plan { id version }', {
      planId: plan.id,
      expectedVersion: plan.version,
      tests,
    });
  }

  budget = await give('care-coordinator', 'decideFundingSplit', 'budget { id version }', {
    budgetId: budget.id,
    expectedVersion: budget.version,
    basis: 'PERCENT',
    status: 'INTERIM_WITHOUT_PREJUDICE',
    panel: 'Wenshire joint funding panel',
    decidedOn: today,
    from: today,
    note: 'Until the panel has seen the first joint review.',
    shares: [
      { source: 'ICB', organisationCode: wenshire.icb.code, percent: '61.75' },
      { source: 'COUNCIL', organisationCode: wenshire.council.code, percent: '38.25' },
    ],
  });
  for (const as of ['care-coordinator', 'social-worker'] as const) {
    budget = await give(as, 'signOffBudget', 'budget { id version }', {
      budgetId: budget.id,
      expectedVersion: budget.version,
    });
  }
  await give('social-worker', 'releaseBudget', 'budget { id version }', {
    budgetId: budget.id,
    expectedVersion: budget.version,
  });
  await give('social-worker', 'holdReview', 'review { id }', {
    personId: iris.id,
    kind: 'JOINT',
    heldOn: today,
    method: 'At home, with Carol and two of the team',
    outcome: 'Both budgets go on, as one',
    outcomesAchieved: 'Partially Met',
  });
  await tellMoney({ ask, give, today, personId: iris.id, budgetId: budget.id, portionId });

  const { person: daniel } = (await ask(
    'care-coordinator',
    `query ($nhsNumber: NHSNumber!) { person(nhsNumber: $nhsNumber) { id budgets { id kind } } }`,
    { nhsNumber: place.people[founding.danielOkafor]!.nhsNumber },
  )) as { person: Found };
  const decision = await give('care-coordinator', 'recordDecision', 'decision { id version }', {
    personId: daniel.id,
    kind: 'LEFT_OUT',
    what: 'A second powered wheelchair, for basketball',
    reasons: 'The need is met by the sports chair that the club lends him.',
    budgetId: daniel.budgets.find(({ kind }) => kind === 'PERSONAL_HEALTH_BUDGET')?.id,
    decidedOn: today,
  });
  await give('person', 'requestReconsideration', 'decision { id version }', {
    decisionId: decision.id,
    expectedVersion: decision.version,
    words: 'The club lends it on Thursdays only, and it does not fit me.',
  });
  await give('person', 'recordSharingChoice', 'choice { id version: id }', {
    personId: daniel.id,
    side: 'NHS',
    part: 'CARE',
    shares: false,
    legalBasis: 'OBJECTION',
    saidBy: 'PERSON',
    words: 'What I talk about with the pain clinic is not for the council.',
  });
  // Somebody whom only the NHS knows turns up at the council in the night.
  const stranger = place.people.find(
    ({ nhs, council, nhsNumber }) => nhs !== null && council === null && nhsNumber,
  )!;
  await give('social-worker', 'openEmergencyAccess', 'emergency { id version: id }', {
    nhsNumber: stranger.nhsNumber,
    reason: 'URGENT_CARE',
    words: 'Found wandering at the bus station at night, cold and confused, and will not say where home is.',
  });
  return true;
}

/** Iris's plan, as she, her daughter and the two sides wrote it. Every line is paid from the one managed account. */
function irisPlan(portionId: string) {
  return {
    aboutMe:
      'I am Iris. I taught music for forty years and I still hear when the piano is out of tune. I get lost in the ' +
      'evenings. I am happiest when somebody I know is in the house.',
    strengths: [
      { what: 'She plays from memory, and teaches her team the songs' },
      { what: 'She says clearly what she likes when she is given time' },
    ],
    needs: [
      {
        key: 'personal-care',
        text: 'Help with washing, dressing and getting up, from people who are known',
        scheme: 'CARE_ACT',
      },
      {
        key: 'safety',
        text: 'Someone nearby day and night, because of confusion and walking about',
        scheme: 'JOINT_PACKAGE',
      },
      {
        key: 'medicines',
        text: 'Support to eat well and to take medicines at the right time',
        scheme: 'JOINT_PACKAGE',
      },
    ],
    outcomes: [
      { key: 'home', text: 'Stay at home with the same team of four carers', status: 'ACTIVE' },
      { key: 'music', text: 'Play or sing with someone every day', status: 'ACTIVE' },
      { key: 'calm', text: 'Take fewer medicines for distress, agreed with my doctor', status: 'ACTIVE' },
    ],
    actions: [{ what: 'Show the team how Iris likes her mornings', who: 'Carol' }],
    contingencies: [
      {
        what: 'A carer is ill',
        steps: 'The other three share the week; from the third day the agency that knows her covers.',
        who: 'Wenshire Crossroads Carers',
      },
    ],
    risks: [
      {
        kind: 'HEALTH',
        what: 'Walking out at night',
        procedure: 'The door tells the carer on duty; the neighbours know whom to call.',
        agreedWith: 'Carol, and the community nurse',
      },
      {
        kind: 'EMPLOYMENT',
        what: 'Iris is the employer, through Carol',
        procedure: 'The charity runs payroll, insurance and contracts.',
        agreedWith: 'Carol',
      },
    ],
    training: [{ what: 'Giving medicines, signed off by the community nurse', who: 'The whole team' }],
    assets: [
      {
        kind: 'UNPAID_SUPPORT',
        what: 'Carol is there every Sunday, and sleeps over when a night cannot be filled',
        who: 'Carol',
      },
      { kind: 'COMMUNITY', what: 'The harbour choir fetches her for practice' },
    ],
    documents: [{ title: 'Advance care plan', keptAt: 'The yellow folder in the kitchen' }],
    legal: [
      { kind: 'LPA_HEALTH_AND_WELFARE', what: 'Registered', who: 'Carol Holloway', dated: '2023-02-06' },
    ],
    coordinatorName: 'Ruth Ellery',
    coordinatorOrganisation: wenshire.icb.code,
    lines: [
      {
        key: 'team',
        kind: 'SERVICE',
        what: 'The team of carers, day and evening',
        providerName: 'Her own team',
        quantity: '34.00',
        unitCost: gbp('16.20'),
        frequency: 'HOURLY',
        outcomeKeys: ['home', 'calm'],
        needKeys: ['personal-care', 'safety', 'medicines'],
        portionId,
      },
      {
        key: 'payroll',
        kind: 'SERVICE',
        what: 'Payroll and employer insurance',
        providerName: 'Wenshire Crossroads Carers',
        quantity: '1',
        unitCost: gbp('38.00'),
        frequency: 'MONTHLY',
        outcomeKeys: ['home'],
        needKeys: ['personal-care'],
        portionId,
      },
      {
        key: 'singing',
        kind: 'ACTIVITY',
        what: 'Choir, and a student who comes to play with her',
        quantity: '1',
        unitCost: gbp('30.00'),
        frequency: 'WEEKLY',
        outcomeKeys: ['music', 'calm'],
        needKeys: ['safety'],
        portionId,
        reason: 'Singing calms her more than the medicine did, and the doctor halved it.',
      },
    ],
  };
}
