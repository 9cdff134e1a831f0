/** How what is kept back, and from whom, is read. */
import { employs, maySeeOversight, withheldFrom } from '../access/policy.ts';
import { Fault } from '../platform/fault.ts';
import { parseNhsNumber } from '../platform/nhs-number.ts';
import {
  column,
  type Field,
  globalId,
  instant,
  latestFirst,
  many,
  ofPerson,
  one,
  organisation,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { emergencyPrefix, noticePrefix } from './emergency.ts';
import { choicePrefix } from './sharing.ts';

/** A record opened in an emergency, for as long as it is open. Below it the viewer is what they are in an emergency. */
const emergencyRecord: Field = {
  ...(one('Person', (at) => {
    const nhsNumber = at.arg('text', (args) => {
      const number = parseNhsNumber(String(args.nhsNumber));
      if (number === null) throw new Fault('BAD_USER_INPUT', 'That is no NHS number.');
      return number;
    });
    return `select p.* from person_identifier i join person p on p.id = i.person_id
      where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = ${nhsNumber} and ${at.maySee('p.id')}`;
  }) as Extract<Field, { is: 'one' | 'many' }>),
  emergency: true,
};

const emergencyAccesses: Field = {
  is: 'connection',
  type: 'EmergencyNotice',
  keys: latestFirst('opened_at', 'timestamptz'),
  rows: (at) => `
    select * from emergency_access a
     where ${maySeeOversight(at.role, at)} and (a.opened_at, a.id) < (${at.after[0]}, ${at.after[1]})
     order by a.opened_at desc, a.id desc limit ${at.limit}`,
};

const opened = {
  openedBy: column('name'),
  organisation: organisation(),
  role: column('role'),
  reason: column('reason'),
  words: column('words'),
  openedAt: instant('opened_at'),
  closesAt: instant('closes_at'),
};

export const confidentialityViews: Views = {
  Query: plainView({ emergencyRecord, emergencyAccesses }),
  Person: {
    fields: {
      withheld: many('Withheld', (at) => withheldFrom(at.kind, `${at.parent}.id`, at)),
      sharingChoices: ofPerson('SharingChoice', 'sharing_choice', 'recorded_at desc, id desc'),
      emergencyAccesses: ofPerson('EmergencyAccess', 'emergency_access', 'opened_at desc, id desc'),
    },
  },
  Withheld: personView({ part: column('part'), side: column('side'), reason: column('reason') }),
  SharingChoice: personView(
    {
      side: column('side'),
      part: column('part'),
      shares: column('shares'),
      legalBasis: column('legal_basis'),
      words: column('words'),
      saidBy: column('said_by'),
      recordedByOrganisation: one(
        'Organisation',
        ({ parent }) => `select * from organisation where ods_code = ${parent}.recorded_for`,
      ),
      recordedAt: instant('recorded_at'),
      from: column('valid_from'),
      to: column('valid_to'),
    },
    { prefix: choicePrefix, table: 'sharing_choice' },
  ),
  EmergencyAccess: {
    ...personView(opened, { prefix: emergencyPrefix, table: 'emergency_access' }),
    node: {
      prefix: emergencyPrefix,
      // Whoever opened a record sees that they did, and until when, though the person is not otherwise theirs to see.
      rows: (at, uuid) => `select t.* from emergency_access t where t.id = ${uuid}
        and (t.subject = ${at.viewer('subject')} and ${employs(at)} or ${at.maySee('t.person_id')})`,
    },
  },
  EmergencyNotice: {
    person: null,
    node: {
      prefix: noticePrefix,
      rows: (at, uuid) =>
        `select t.* from emergency_access t where t.id = ${uuid} and ${maySeeOversight(at.role, at)}`,
    },
    fields: {
      id: globalId(noticePrefix),
      ...opened,
      reviewedAt: instant('reviewed_at'),
      reviewWords: value(({ parent }) => `${parent}.review_words`),
    },
  },
};
