/** Several issuers at once: each speaks with its own words, for whom it may speak, and none for another. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Issuer } from '../src/access/sign-in.ts';
import { readSignInFile } from '../src/access/sign-in-file.ts';
import { putOrganisation } from '../src/intake/source.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';
import { audience, startIssuer, type TestIssuer } from './setup/issuer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-sign-in-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: unknown): Promise<string> {
  const file = join(folder, `${crypto.randomUUID()}.json`);
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

async function issuersOf(issuers: unknown[]): Promise<Issuer[]> {
  const { issuers: found, problems } = await readSignInFile(await fileOf({ issuers }));
  if (found === undefined) throw new Error(problems.join('\n'));
  return found;
}

const tenant = '3f2a1b0c-1111-4222-8333-444455556666';
const finance = '0d3c1a52-7777-4888-9999-aaaabbbbcccc';

describe('at the door', () => {
  let kit: TestHub;
  let cis2: TestIssuer;
  let login: TestIssuer;
  let entra: TestIssuer;
  let broker: TestIssuer;
  let silent: TestIssuer;

  beforeAll(async () => {
    [cis2, login, entra, broker, silent] = await Promise.all([
      startIssuer(),
      startIssuer(),
      startIssuer(),
      startIssuer(),
      startIssuer(),
    ]);
    const entry = (issuer: TestIssuer, claims: object, more: object = {}) => ({
      url: issuer.url,
      audience,
      algorithms: ['RS256'],
      claims,
      ...more,
    });
    kit = await startTestHub({
      issuers: await issuersOf([
        entry(
          cis2,
          {
            kind: 'NHS_CIS2',
            organisations: ['QWN'],
            roles: { 'S8000:G8000:R8001': 'CARE_COORDINATOR', R8008: 'FINANCE' },
          },
          { userInfo: true },
        ),
        entry(login, { kind: 'NHS_LOGIN', role: 'PERSON' }),
        entry(login, { kind: 'NHS_LOGIN', role: 'REPRESENTATIVE' }, { audience: 'tandem-family' }),
        entry(entra, {
          kind: 'ENTRA',
          tenant,
          organisation: '999',
          roles: { 'Tandem.SocialWorker': 'SOCIAL_WORKER', [finance]: 'FINANCE' },
        }),
        entry(broker, { kind: 'TANDEM', roles: ['PROVIDER', 'AUDITOR'], organisations: ['D9H01'] }),
        entry(silent, { kind: 'TANDEM', roles: ['AUDITOR'], organisations: ['QWN'] }),
      ]),
    });
    await putOrganisation(kit.database.pool, { kind: 'ICB', code: 'QWN', name: 'Wenshire ICB' });
    await putOrganisation(kit.database.pool, { kind: 'COUNCIL', code: '999', name: 'Wenshire Council' });
  });
  beforeEach(() => cis2.setUserInfo(null));
  afterAll(async () => {
    await kit.close();
    await Promise.all([cis2, login, entra, broker, silent].map((issuer) => issuer.close()));
  });

  async function me(token: string): Promise<unknown> {
    const response = await kit.send(
      { query: '{ me { name role organisation { code } } }' },
      { authorization: `Bearer ${token}` },
    );
    if (response.status !== 200) return response.status;
    return ((await response.json()) as { data: { me: unknown } }).data.me;
  }

  const worker = { sub: '555021', nhsid_useruid: '555021', name: 'Nadia Rahman' };
  const held = (more: object = {}) => ({
    person_orgid: '1',
    person_roleid: '100',
    org_code: 'QWN',
    role_code: 'S8000:G8000:R8001',
    role_name: '"Clinical":"Practitioner"',
    ...more,
  });
  const saying = async (info: JWTPayload, claims: JWTPayload = {}) => {
    cis2.setUserInfo(info);
    return me(await cis2.token({ sub: worker.sub, jti: crypto.randomUUID(), ...claims }));
  };

  test('NHS CIS2: the role they hold, of the organisation they hold it in, as its userinfo says', async () => {
    expect(await saying({ ...worker, nhsid_nrbac_roles: [held()] })).toEqual({
      name: 'Nadia Rahman',
      role: 'CARE_COORDINATOR',
      organisation: { code: 'QWN' },
    });
    const both = [held(), held({ person_roleid: '200', role_code: 'S0010:G0020:R8008' })];
    expect(await saying({ ...worker, nhsid_nrbac_roles: both }, { selected_roleid: '200' })).toMatchObject({
      role: 'FINANCE',
    });
  });

  test.each<[string, JWTPayload, JWTPayload?]>([
    ['a role in an organisation it does not speak for', { nhsid_nrbac_roles: [held({ org_code: '999' })] }],
    ['a role that is not mapped', { nhsid_nrbac_roles: [held({ role_code: 'S1:G1:R9999' })] }],
    ['no roles', { nhsid_nrbac_roles: [] }],
    ['nothing of roles', {}],
    [
      'two roles, and none chosen',
      { nhsid_nrbac_roles: [held(), held({ person_roleid: '200', role_code: 'R8008' })] },
    ],
    ['a choice that is none of theirs', { nhsid_nrbac_roles: [held()] }, { selected_roleid: '300' }],
    ['somebody else', { sub: 'another', nhsid_nrbac_roles: [held()] }],
  ])('NHS CIS2 lets nobody in whose userinfo says %s', async (_name, info, claims = {}) => {
    expect(await saying({ ...worker, ...info }, claims)).toBe(401);
  });

  test('NHS CIS2 lets nobody in whose token it refuses itself', async () => {
    expect(await me(await cis2.token({ ...worker, nhsid_nrbac_roles: [held()] }))).toBe(401);
  });

  const patient = {
    sub: 'a1b2',
    nhs_number: '9434765919',
    identity_proofing_level: 'P9',
    vot: 'P9.Cp.Cd',
    given_name: 'Daniel',
    family_name: 'Okafor',
  };

  test('NHS login: somebody whose identity was checked, for themself or for others by where they sign in', async () => {
    expect(await me(await login.token(patient))).toEqual({
      name: 'Daniel Okafor',
      role: 'PERSON',
      organisation: null,
    });
    expect(await me(await login.token(patient, { aud: 'tandem-family' }))).toMatchObject({
      role: 'REPRESENTATIVE',
    });
    for (const identity_proofing_level of ['P0', 'P5', undefined]) {
      expect(await me(await login.token({ ...patient, identity_proofing_level }))).toBe(401);
    }
    expect(await me(await login.token({ ...patient, nhs_number: undefined }))).toBe(401);
    expect(await me(await login.token({ ...patient, tandem_role: 'ADMIN', nhs_number: undefined }))).toBe(
      401,
    );
  });

  const staff = {
    sub: 'pairwise',
    oid: 'b7d1',
    tid: tenant,
    name: 'Tom Ellis',
    roles: ['Tandem.SocialWorker'],
  };

  test('Microsoft Entra: an app role or a group, of the council whose tenant it is', async () => {
    expect(await me(await entra.token(staff))).toEqual({
      name: 'Tom Ellis',
      role: 'SOCIAL_WORKER',
      organisation: { code: '999' },
    });
    expect(await me(await entra.token({ ...staff, roles: undefined, groups: [finance] }))).toMatchObject({
      role: 'FINANCE',
    });
    // The first that the file names counts.
    expect(await me(await entra.token({ ...staff, groups: [finance] }))).toMatchObject({
      role: 'SOCIAL_WORKER',
    });
    expect(await me(await entra.token({ ...staff, tid: crypto.randomUUID() }))).toBe(401);
    expect(await me(await entra.token({ ...staff, roles: ['Another'] }))).toBe(401);
    expect(await me(await entra.token({ ...staff, oid: undefined }))).toBe(401);
  });

  test('whoever speaks the words of the hub speaks for the named organisations and roles alone', async () => {
    const provider = { sub: 'bev', tandem_role: 'PROVIDER', organisation: 'D9H01' };
    expect(await me(await broker.token(provider))).toMatchObject({ role: 'PROVIDER' });
    expect(await me(await broker.token({ sub: 'owen', tandem_role: 'AUDITOR' }))).toMatchObject({
      role: 'AUDITOR',
    });
    expect(await me(await broker.token({ ...provider, organisation: 'QWN' }))).toBe(401);
    expect(await me(await broker.token({ ...provider, tandem_role: 'FINANCE' }))).toBe(401);
    expect(await me(await broker.token({ sub: 'x', tandem_role: 'ADMIN' }))).toBe(401);
    expect(await me(await broker.token({ sub: 'x', tandem_role: 'PERSON', nhs_number: '9434765919' }))).toBe(
      401,
    );
    expect(await me(await broker.token({ sub: 'x', tandem_role: 'AUDITOR', organisation: '999' }))).toBe(401);
    expect(await me(await broker.token({ ...provider, purpose: 'COMMISSIONING' }))).toBe(401);
  });

  test('none signs for another, nor for itself under the words of another', async () => {
    expect(await me(await broker.token(staff, { iss: entra.url }))).toBe(401);
    expect(await me(await entra.token(coordinator))).toBe(401);
    expect(await me(await login.token(staff))).toBe(401);
    expect(await me(await login.token(patient, { aud: 'another' }))).toBe(401);
    expect(await me(await broker.token(patient, { aud: 'tandem-family' }))).toBe(401);
  });

  test('one that is down keeps nobody out whom another lets in', async () => {
    const owen = { sub: 'owen', tandem_role: 'AUDITOR' };
    silent.setDown(true);
    expect(await me(await silent.token(owen))).toBe(503);
    expect(await me(await broker.token(owen))).toMatchObject({ role: 'AUDITOR' });
    silent.setDown(false);
    expect(await me(await silent.token(owen))).toMatchObject({ role: 'AUDITOR' });
  });

  test('what other headers say of the asker counts for nothing', async () => {
    const spoofed = {
      'x-forwarded-for': '10.0.0.1',
      'x-user-id': 'sam',
      'x-client-cert': 'CN=hub',
      'nhsd-session-urid': '100',
      'nhsd-identity-uuid': '555021',
      'nhsd-client-rp-details': '{}',
    };
    const query = '{ me { name role } }';
    expect((await kit.send({ query }, spoofed)).status).toBe(401);
    const authorization = `Bearer ${await kit.issuer.token(coordinator)}`;
    const answer = await kit.send({ query }, { ...spoofed, authorization });
    expect(await answer.json()).toMatchObject({ data: { me: { name: 'Nadia', role: 'CARE_COORDINATOR' } } });
    const { rows } = await kit.database.pool.query('select * from audit_event order by id desc limit 1');
    expect(rows[0]).toMatchObject({ subject: `${kit.issuer.url}#nadia`, organisation: 'QWN' });
    expect(JSON.stringify({ ...rows[0], id: null })).not.toMatch(/10\.0\.0\.1|555021/);
  });
});

describe('the sign-in file', () => {
  const problemsOf = async (content: unknown) => (await readSignInFile(await fileOf(content))).problems;
  const good = {
    url: 'https://login.example',
    audience: 'tandem',
    algorithms: ['RS256'],
    claims: { kind: 'NHS_LOGIN', role: 'PERSON' },
  };

  test('tells every problem at once, and where', async () => {
    const problems = await problemsOf({
      issuers: [
        { ...good, url: 'http://login.example', algorithms: ['HS256'] },
        { ...good, claims: { kind: 'NHS_CIS2', roles: { R8001: 'BOSS' } } },
        { ...good, claims: { kind: 'ENTRA', tenant: 'wenshire', organisation: '999', roles: {} } },
        { ...good, secret: 'hunter2', audience: '' },
      ],
    });
    const places = [
      'issuers.[0].url',
      'issuers.[0].algorithms.[0]',
      'issuers.[1].claims.roles.R8001',
      'issuers.[1].claims.organisations',
      'issuers.[2].claims.tenant',
      'issuers.[2].claims.roles',
      'issuers.[3].audience',
      'issuers.[3]',
    ].map((place) => place.replaceAll('.[', '['));
    expect(problems!.map((problem) => problem.split(': ')[1]).sort()).toEqual(places.sort());
    expect(problems!.join()).not.toContain('hunter2');
  });

  test('cannot be read, is not JSON, names nobody, or names one twice', async () => {
    expect((await readSignInFile(join(folder, 'nowhere.json'))).problems).toEqual([
      'SIGN_IN_FILE: the file cannot be read',
    ]);
    expect(await problemsOf('{')).toEqual(['SIGN_IN_FILE: the file is not JSON']);
    expect(await problemsOf({ issuers: [] })).toHaveLength(1);
    expect(await problemsOf({ issuers: [good, good] })).toEqual([
      'SIGN_IN_FILE: issuers[1]: stands there twice for this audience',
    ]);
  });
});
