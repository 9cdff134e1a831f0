/** The people with a story, who come first in the place whatever its seed and size. */
import { dayText } from './dice.ts';
import { councilHalf, type Ground, nhsHalf } from './half.ts';
import type { PlacePerson } from './place.ts';

export function foundingPeople(ground: Ground): PlacePerson[] {
  return [
    irisHolloway,
    danielOkafor,
    numberSuperseded,
    restricted,
    diedLastMonth,
    birthDateSwapped,
    wrongNumber,
    withoutNumber,
    notionalOnly,
    commissionedOnly,
    unpaidCarer,
  ].map((tell, index) => tell(ground, String(index + 1).padStart(6, '0')));
}

type Self = Pick<PlacePerson, 'givenName' | 'familyName' | 'gender' | 'birthDate' | 'postcode'>;

const born = (ground: Ground, self: Self): PlacePerson => ({
  ...self,
  deathDate: null,
  nhsNumber: ground.nhsNumber(),
  nhs: null,
  council: null,
});

function irisHolloway(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Iris',
    familyName: 'Holloway',
    gender: 'FEMALE',
    birthDate: '1941-05-17',
    postcode: 'WE4 2HB',
  });
  const wages = 'Holloway family care team payroll';
  const nhs = nhsHalf(ground, key, person, {
    management: 'MANAGED_ACCOUNT',
    openCycles: 10,
    pence: 218_400n,
    oneOff: { pence: 115_000n, what: 'Tideway Mobility, profiling bed', management: 'NOTIONAL' },
    wages,
  });
  const council = councilHalf(ground, key, person.nhsNumber, person, {
    care: 'BUDGET',
    management: 'MANAGED_ACCOUNT',
    openCycles: 10,
    pence: { council: 109_200n, contribution: 26_800n },
    wages,
    daySupport: true,
  });
  const carol = {
    name: 'Carol Holloway',
    nhsNumber: ground.nhsNumber(),
    relationship: { code: 'DAU', display: 'daughter' },
    from: '2023-02-06',
  };
  return {
    ...person,
    nhs: {
      ...nhs,
      related: [
        { id: `rp-${key}-1`, authority: 'LPA_HEALTH_AND_WELFARE', ...carol },
        { id: `rp-${key}-2`, authority: 'LPA_PROPERTY_AND_FINANCE', ...carol },
      ],
      plan: {
        ...nhs.plan!,
        whatMatters:
          'I want to wake up in my own bed and hear the sea. I taught music for forty years, so let me have my ' +
          'piano and let people sing with me. The same faces each morning, please: when I know who is coming I am ' +
          'not afraid.',
        needs: [
          'Help with washing, dressing and getting up, from people who are known',
          'Someone nearby day and night, because of confusion and walking about',
          'Support to eat well and to take medicines at the right time',
        ],
        goals: [
          { text: 'Stay at home with the same team of four carers', status: 'active' as const },
          { text: 'Play or sing with someone every day', status: 'active' as const },
          { text: 'Take fewer medicines for distress, agreed with my doctor', status: 'completed' as const },
        ].map((goal, i) => ({
          id: `goal-${key}-${i + 1}`,
          ...goal,
          targetOn: dayText(ground.payday + [120, 60, -30][i]!),
        })),
        coordinatorName: 'Ruth Ellery',
      },
    },
    council: { ...council, primarySupportReason: 'Support with memory and cognition', dementia: 'Yes' },
  };
}

function danielOkafor(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Daniel',
    familyName: 'Okafor',
    gender: 'MALE',
    birthDate: '1992-03-09',
    postcode: 'WE2 7RN',
  });
  const wages = 'Okafor personal assistants payroll';
  const nhs = nhsHalf(ground, key, person, {
    management: 'DIRECT_PAYMENT',
    openCycles: 6,
    pence: 96_000n,
    oneOff: { pence: 385_000n, what: 'Tideway Mobility, powered wheelchair', management: 'DIRECT_PAYMENT' },
    wages,
  });
  const council = councilHalf(ground, key, person.nhsNumber, person, {
    care: 'BUDGET',
    management: 'DIRECT_PAYMENT',
    openCycles: 9,
    pence: { council: 124_000n, contribution: 12_000n },
    wages,
  });
  return {
    ...person,
    nhs: {
      ...nhs,
      // He speaks for himself.
      related: [],
      plan: {
        ...nhs.plan!,
        whatMatters:
          'I use a wheelchair; I am not looked after by one. I want to choose my own assistants, work three days ' +
          'a week and play basketball on Thursdays.',
      },
    },
    council: {
      ...council,
      primarySupportReason: 'Physical support: Personal care support',
      dementia: 'No',
    },
  };
}

function numberSuperseded(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Margaret',
    familyName: 'Pryce',
    gender: 'FEMALE',
    birthDate: '1958-10-30',
    postcode: 'WE7 5LD',
  });
  const old = ground.nhsNumber();
  return {
    ...person,
    nhs: { ...nhsHalf(ground, key, person, { management: 'THIRD_PARTY' }), supersededNhsNumbers: [old] },
    council: councilHalf(ground, key, old, person, { care: 'BUDGET', management: 'INDIVIDUAL_SERVICE_FUND' }),
  };
}

function restricted(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Amina',
    familyName: 'Yusuf',
    gender: 'FEMALE',
    birthDate: '1987-08-21',
    postcode: 'WE11 3QT',
  });
  return {
    ...person,
    nhs: { ...nhsHalf(ground, key, person, { management: 'DIRECT_PAYMENT' }), restricted: true },
    council: councilHalf(ground, key, person.nhsNumber, person, { care: 'COMMISSIONED' }),
  };
}

function diedLastMonth(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Harold',
    familyName: 'Benning',
    gender: 'MALE',
    birthDate: '1936-01-12',
    postcode: 'WE5 8GA',
  });
  const deathDate = dayText(ground.payday - 20);
  const nhs = nhsHalf(ground, key, person, { management: 'NOTIONAL', openCycles: 8 });
  const council = councilHalf(ground, key, person.nhsNumber, person, {
    care: 'BUDGET',
    management: 'DIRECT_PAYMENT',
    openCycles: 8,
  });
  return {
    ...person,
    deathDate,
    nhs: { ...nhs, budget: { ...nhs.budget!, to: deathDate, status: 'inactive' } },
    council,
  };
}

function birthDateSwapped(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Grace',
    familyName: 'Adeyemi',
    gender: 'FEMALE',
    birthDate: '1974-03-08',
    postcode: 'WE1 6NP',
  });
  return {
    ...person,
    nhs: nhsHalf(ground, key, person, { management: 'INDIVIDUAL_SERVICE_FUND' }),
    council: {
      ...councilHalf(ground, key, person.nhsNumber, person, {
        care: 'BUDGET',
        management: 'COUNCIL_MANAGED',
      }),
      birthDate: '1974-08-03',
    },
  };
}

function wrongNumber(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Stephen',
    familyName: 'Garrity',
    gender: 'MALE',
    birthDate: '1966-12-19',
    postcode: 'WE9 1ES',
  });
  const somebodyElse = {
    familyName: 'Mistry',
    givenName: 'Kavita',
    birthDate: '1951-04-27',
    deathDate: null,
    postcode: 'WE14 4BX',
  };
  return {
    ...person,
    nhs: nhsHalf(ground, key, person, { management: 'MANAGED_ACCOUNT' }),
    council: councilHalf(ground, key, person.nhsNumber, somebodyElse, { care: 'COMMISSIONED' }),
  };
}

function withoutNumber(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Ludmila',
    familyName: 'Kováčová',
    gender: 'FEMALE',
    birthDate: '1949-11-02',
    postcode: 'WE3 9JF',
  });
  const wish = { care: 'BUDGET', management: 'COUNCIL_MANAGED' } as const;
  return { ...person, council: councilHalf(ground, key, null, person, wish) };
}

function notionalOnly(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Trevor',
    familyName: 'Ashworth',
    gender: 'MALE',
    birthDate: '1953-07-04',
    postcode: 'WE6 2WZ',
  });
  const nhs = nhsHalf(ground, key, person, { management: 'NOTIONAL' });
  return { ...person, nhs };
}

function commissionedOnly(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Winsome',
    familyName: 'Francis',
    gender: 'FEMALE',
    birthDate: '1938-02-25',
    postcode: 'WE8 7DU',
  });
  return { ...person, council: councilHalf(ground, key, person.nhsNumber, person, { care: 'COMMISSIONED' }) };
}

function unpaidCarer(ground: Ground, key: string): PlacePerson {
  const person = born(ground, {
    givenName: 'Patrick',
    familyName: 'Nolan',
    gender: 'MALE',
    birthDate: '1962-06-16',
    postcode: 'WE6 5YH',
  });
  return { ...person, council: councilHalf(ground, key, person.nhsNumber, person, { care: 'CARER' }) };
}
