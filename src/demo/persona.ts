/** Who can sign in to the demo. Two of them are people of the made-up place. */
import type { Persona } from './issuer.ts';
import { founding, type Place, wenshire } from './place.ts';

export type PersonaName =
  | 'care-coordinator'
  | 'social-worker'
  | 'provider'
  | 'provider-worker'
  | 'provider-finance'
  | 'person'
  | 'representative'
  | 'finance'
  | 'auditor'
  | 'privacy-officer'
  | 'admin';

export function personas(place: Place): Record<PersonaName, Persona> {
  const daniel = place.people[founding.danielOkafor]!;
  const carol = place.people[founding.irisHolloway]!.nhs!.related.find(
    ({ nhsNumber }) => nhsNumber !== null,
  )!;
  const icb = wenshire.icb.code;
  const charity = wenshire.charity.code;
  return {
    'care-coordinator': {
      sub: 'nadia',
      name: 'Nadia Rahman',
      tandem_role: 'CARE_COORDINATOR',
      organisation: icb,
    },
    'social-worker': {
      sub: 'tom',
      name: 'Tom Ellis',
      tandem_role: 'SOCIAL_WORKER',
      organisation: wenshire.council.code,
    },
    provider: { sub: 'bev', name: 'Bev Marsh', tandem_role: 'PROVIDER', organisation: charity },
    'provider-worker': {
      sub: 'joy',
      name: 'Joy Mensah',
      tandem_role: 'PROVIDER_WORKER',
      organisation: charity,
    },
    'provider-finance': {
      sub: 'greg',
      name: 'Greg Lowe',
      tandem_role: 'PROVIDER_FINANCE',
      organisation: charity,
    },
    person: {
      sub: 'daniel',
      name: `${daniel.givenName} ${daniel.familyName}`,
      tandem_role: 'PERSON',
      nhs_number: daniel.nhsNumber,
    },
    representative: {
      sub: 'carol',
      name: carol.name,
      tandem_role: 'REPRESENTATIVE',
      nhs_number: carol.nhsNumber!,
    },
    finance: { sub: 'priya', name: 'Priya Nair', tandem_role: 'FINANCE', organisation: icb },
    auditor: { sub: 'owen', name: 'Owen Price', tandem_role: 'AUDITOR', organisation: icb },
    'privacy-officer': {
      sub: 'ruth',
      name: 'Ruth Adeyemi',
      tandem_role: 'PRIVACY_OFFICER',
      organisation: icb,
    },
    admin: { sub: 'sam', name: 'Sam Whitlock', tandem_role: 'ADMIN' },
  };
}
