/** Every kind of viewer in every relation to some people: their roles on the records, and who asks by them. */
import type pg from 'pg';
import { wenshire } from '../../src/demo/place.ts';
import type { Asker } from './decide.ts';
import { noon, today } from './demo.ts';

const { icb, council, charity } = wenshire;

/** Organisations with a role that gives nothing, and one without any. */
export const gone = {
  ended: 'ZE1',
  notBegun: 'ZF1',
  suspended: 'ZS1',
  none: 'ZN1',
  /** Of neither side. */
  trust: 'ZT1',
};

/** People who represent them, by an authority. Their NHS numbers are of the range kept for tests. */
const representatives = {
  both: ['9990000018', 'DEPUTY'],
  care: ['9990000026', 'LPA_HEALTH_AND_WELFARE'],
  money: ['9990000034', 'LPA_PROPERTY_AND_FINANCE'],
  nominee: ['9990000042', 'NOMINEE'],
  carer: ['9990000050', 'CARER'],
  ended: ['9990000069', 'DEPUTY'],
  notBegun: ['9990000077', 'DEPUTY'],
  suspended: ['9990000085', 'DEPUTY'],
} as const;

/** Writes the roles down. `ended` ended yesterday: today is the first day on which it no longer holds. */
export async function relate(
  pool: Pick<pg.Pool, 'query'>,
  personIds: string[],
  issuer: string,
): Promise<void> {
  const role = `
    insert into role_on_record (person_id, link_id, external_id, role, organisation_id, individual_name,
        individual_nhs_number, valid_from, valid_to, suspended_at, sort_name)
    select p.id, (select id from person_link l where l.person_id = p.id order by id limit 1), $2, $3::role_kind,
           (select id from organisation where ods_code = $4), $5, $6, $7::date, $8::date, $9::timestamptz, p.sort_name
      from person p where p.id = any($1::uuid[])`;
  const days = {
    ended: ['2020-01-01', today, null],
    notBegun: ['2026-11-22', null, null],
    suspended: [null, null, noon().toISOString()],
  } as Record<string, (string | null)[]>;
  const always = [null, null, null];
  for (const [name, code] of Object.entries(gone)) {
    await pool.query(`insert into organisation (kind, name, ods_code) values ($1, $2, $2)`, [
      name === 'trust' ? 'OTHER' : 'ICB',
      code,
    ]);
    if (name === 'none') continue;
    await pool.query(role, [
      personIds,
      `rel-${name}`,
      'COMMISSIONER',
      code,
      null,
      null,
      ...(days[name] ?? always),
    ]);
  }
  for (const { code } of [icb, council, charity])
    await pool.query(role, [personIds, `rel-${code}`, 'COMMISSIONER', code, null, null, ...always]);
  for (const [name, [number, kind]] of Object.entries(representatives))
    await pool.query(role, [personIds, `rel-r-${name}`, kind, null, name, number, ...(days[name] ?? always)]);
  await pool.query(
    `insert into employment_end (organisation_id, subject, ended_at, ended_by, reason)
     select id, $1, now(), 'x', 'x' from organisation where ods_code = $2`,
    [`${issuer}#leaver`, icb.code],
  );
  const opened = noon();
  await pool.query(
    `insert into emergency_access (person_id, subject, name, role, organisation_id, reason, words, opened_at, closes_at)
     select p.id, $2, 'x', 'SOCIAL_WORKER', (select id from organisation where ods_code = $3), 'LIFE_AT_RISK', 'x',
            $4::timestamptz, $4::timestamptz + interval '1 hour'
       from person p where p.id = any($1::uuid[])`,
    [personIds, `${issuer}#helper`, gone.none, opened.toISOString()],
  );
}

const worker = (says: string, tandem_role: string, organisation: string | undefined, sub = says): Asker => ({
  says,
  kind: tandem_role as Asker['kind'],
  claims: { sub, tandem_role, ...(organisation === undefined ? {} : { organisation }) },
});

/** Who asks. `ownNumber` is of one of the people, who asks of themself, and of the others. */
export const askersOf = (ownNumber: string): Asker[] => [
  worker('coordinator', 'CARE_COORDINATOR', icb.code),
  worker('social worker', 'SOCIAL_WORKER', council.code),
  worker('provider', 'PROVIDER', charity.code),
  worker('worker of the provider', 'PROVIDER_WORKER', charity.code),
  worker('finance of the provider', 'PROVIDER_FINANCE', charity.code),
  worker('finance of the NHS', 'FINANCE', icb.code),
  worker('finance of the council', 'FINANCE', council.code),
  worker('coordinator of neither side', 'CARE_COORDINATOR', gone.trust),
  worker('auditor', 'AUDITOR', icb.code),
  worker('privacy officer', 'PRIVACY_OFFICER', icb.code),
  worker('administrator', 'ADMIN', undefined),
  worker('coordinator whose role ended', 'CARE_COORDINATOR', gone.ended),
  worker('coordinator whose role has not begun', 'CARE_COORDINATOR', gone.notBegun),
  worker('coordinator whose role is suspended', 'CARE_COORDINATOR', gone.suspended),
  worker('coordinator without a role', 'CARE_COORDINATOR', gone.none),
  worker('coordinator who has left', 'CARE_COORDINATOR', icb.code, 'leaver'),
  {
    says: 'the person',
    kind: 'PERSON',
    claims: { sub: 'own', tandem_role: 'PERSON', nhs_number: ownNumber },
  },
  ...Object.entries(representatives).map(
    ([name, [nhs_number]]): Asker => ({
      says: `representative: ${name}`,
      kind: 'REPRESENTATIVE',
      claims: { sub: `rep-${name}`, tandem_role: 'REPRESENTATIVE', nhs_number },
    }),
  ),
  {
    says: 'in an emergency',
    kind: 'EMERGENCY',
    claims: { sub: 'helper', tandem_role: 'SOCIAL_WORKER', organisation: gone.none },
  },
];
