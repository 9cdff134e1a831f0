import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isAuthorised } from '../src/commissioner/authorisation.ts';
import { loadPolicy } from '../src/commissioner/load.ts';
import { policyOn } from '../src/commissioner/policy.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

const shipped = fileURLToPath(new URL('../prisma/reference/policy/', import.meta.url));

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A folder with these files. */
async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-policy-'));
  folders.push(folder);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}

const headings =
  'organisation,source,effective from,effective to,payment frequency,paid in advance (days),gross or net,contingency (weeks),surplus threshold (weeks),surplus held at most (weeks),repay within (days),return frequency,evidence due within (days),first review within (weeks),later reviews within (months),records kept (years),second person above (pounds),new account cools off (days),change without asking up to (percent),changes agreed by,exclusion list,citation';

/** A file of policies in which only the named columns say something. */
const policyFile = (...rows: Record<string, string>[]) =>
  [
    headings,
    ...rows.map((row) =>
      headings
        .split(',')
        .map((name) => row[name] ?? '')
        .join(','),
    ),
  ].join('\n');

const row = (organisation: string, more: Record<string, string> = {}) => ({
  organisation,
  source: 'council',
  'effective from': '2024-04-01',
  citation: 'its page',
  ...more,
});

/** What the loader finds wrong, a line each. */
async function problemsOf(files: Record<string, string>): Promise<string[]> {
  try {
    await loadPolicy(kit.database.pool, await folderOf(files));
  } catch (error) {
    expect(error).toMatchObject({ name: 'Fault', code: 'POLICY_INVALID' });
    return (error as Error).message.split('\n');
  }
  return [];
}

const count = async () => {
  const { rows } = await kit.database.pool.query(
    `select (select count(*)::int from commissioner_policy) as policies, (select count(*)::int from exclusion) as exclusions,
            (select count(*)::int from organisation_authorisation) as authorisations`,
  );
  return rows[0];
};

const fields = `saidBy { code } source from to paymentFrequency inAdvanceDays grossOrNet contingencyWeeks surplusThresholdWeeks
  surplusHoldMaxWeeks repayWithinDays returnFrequency evidenceDueDays firstReviewWeeks reviewMaxMonths
  recordRetentionYears approvalThreshold { formatted } accountCoolingOffDays exclusionListId exclusions { what citation } citation`;

async function policyOf(code: string, source = 'COUNCIL', on: string | null = null, of = fields) {
  const { data, errors } = await kit.ask(
    `query ($code: ODSCode!, $source: FundingSource!, $on: LocalDate) {
       organisation(code: $code) { policy(source: $source, on: $on) { ${of} } } }`,
    { code, source, on },
  );
  expect(errors).toBeUndefined();
  return data.organisation?.policy;
}

describe('the policies that come with the hub', () => {
  const nothing = {
    to: null,
    paymentFrequency: null,
    inAdvanceDays: null,
    grossOrNet: null,
    contingencyWeeks: null,
    surplusThresholdWeeks: null,
    surplusHoldMaxWeeks: null,
    repayWithinDays: null,
    returnFrequency: null,
    evidenceDueDays: null,
    firstReviewWeeks: null,
    reviewMaxMonths: null,
    recordRetentionYears: null,
    approvalThreshold: null,
    accountCoolingOffDays: null,
    exclusionListId: null,
    exclusions: [],
  };

  test.each([
    ['902', { paymentFrequency: 'FOUR_WEEKLY' }],
    ['U6Q5Z', { paymentFrequency: 'FOUR_WEEKLY' }],
    ['620', { grossOrNet: 'NET', contingencyWeeks: 4 }],
    ['DST', { grossOrNet: 'NET', inAdvanceDays: 14, surplusThresholdWeeks: 4, surplusHoldMaxWeeks: 12 }],
    ['318', { surplusThresholdWeeks: 8, repayWithinDays: 14 }],
    [
      '724',
      {
        surplusThresholdWeeks: 8,
        returnFrequency: 'QUARTERLY',
        evidenceDueDays: 28,
        firstReviewWeeks: 26,
        reviewMaxMonths: 12,
      },
    ],
    ['416', { returnFrequency: 'YEARLY', firstReviewWeeks: 8, recordRetentionYears: 6 }],
  ])('say of %s what its page says, and nothing else', async (code, said) => {
    const policy = await policyOf(code);
    const citation = expect.any(String);
    expect(policy).toEqual({
      ...nothing,
      saidBy: { code },
      source: 'COUNCIL',
      from: '2024-04-01',
      citation,
      ...said,
    });
  });

  test('name what NHS money may not be spent on, and what Southwark’s may not', async () => {
    const nhs = await policyOf('QXU', 'ICB');
    expect(nhs.contingencyWeeks).toBe(1);
    expect(nhs.exclusions.map(({ what }: { what: string }) => what)).toContain('Gambling');
    expect(nhs.exclusions).toHaveLength(10);
    const southwark = await policyOf('710');
    expect(southwark.exclusions.map(({ what }: { what: string }) => what)).toEqual([
      'Health care that the NHS provides',
      'Permanent residential care',
      'Paying family who live in the same household',
    ]);
  });

  test('of the demo county say everything, and change on their day', async () => {
    const one = await policyOf('QWN', 'ICB', '2025-03-31');
    const two = await policyOf('QWN', 'ICB', '2025-04-01');
    expect([one.paymentFrequency, two.paymentFrequency]).toEqual(['QUARTERLY', 'MONTHLY']);
    expect(await policyOf('QWN', 'ICB')).toEqual(two);
    expect(await policyOf('QWN', 'ICB', '2024-03-31')).toBeNull();
    expect(await policyOf('QWN', 'COUNCIL')).toBeNull();
    for (const whole of [one, two, await policyOf('999')])
      expect(Object.entries(whole).filter(([name, value]) => value === null && name !== 'to')).toEqual([]);
  });

  test('are one statement, beside whatever else is asked', async () => {
    const before = kit.database.reader.sent();
    const { data } = await kit.ask(
      `{ me { organisation { code policy(source: ICB) { ${fields} } authorisations { activity from to grantedBy } } }
         organisation(code: "312") { name policy(source: COUNCIL) { citation } } }`,
    );
    expect(kit.database.reader.sent() - before).toBe(1);
    expect(data.me.organisation.code).toBe('QWN');
    expect(data.me.organisation.policy.firstReviewWeeks).toBe(12);
    expect(data.organisation).toEqual({ name: 'Trafford', policy: null });
    expect((await kit.ask('{ organisation(code: "ZZZ99") { name } }')).data.organisation).toBeNull();
  });
});

describe('what an organisation may do', () => {
  const mayDo = async (code: string, on: string) =>
    (
      await kit.ask(
        `query ($code: ODSCode!, $on: LocalDate) { organisation(code: $code) { authorisations(on: $on) { activity } } }`,
        { code, on },
      )
    ).data.organisation.authorisations.map(({ activity }: { activity: string }) => activity);

  test('depends on the day', async () => {
    expect(await mayDo('QWO', '2022-06-30')).toEqual([]);
    expect(await mayDo('QWO', '2022-07-01')).toEqual(['COMMISSION', 'MAKE_DIRECT_PAYMENTS']);
    // Cumbria ended on the day on which Cumberland began.
    expect(await mayDo('102', '2023-03-31')).toContain('MAKE_DIRECT_PAYMENTS');
    expect(await mayDo('102', '2023-04-01')).toEqual([]);
    expect(await mayDo('CBD', '2023-04-01')).toContain('MAKE_DIRECT_PAYMENTS');
  });

  test('is what commands go by', async () => {
    const { rows } = await kit.database.pool.query(`select id from organisation where ods_code = 'D9H01'`);
    const ask = (activity: 'HOLD_MANAGED_ACCOUNT' | 'MAKE_DIRECT_PAYMENTS', day: string) =>
      kit.database.prisma.$transaction((tx) => isAuthorised(tx, rows[0].id, activity, day));
    expect(await ask('HOLD_MANAGED_ACCOUNT', today)).toBe(true);
    expect(await ask('HOLD_MANAGED_ACCOUNT', '2019-03-31')).toBe(false);
    expect(await ask('MAKE_DIRECT_PAYMENTS', today)).toBe(false);
  });
});

describe('a commissioner’s own files', () => {
  test('are taken up, corrected and added to, and told again change nothing', async () => {
    const trafford = row('312', { 'payment frequency': 'Four-weekly', 'effective to': '01/04/2026' });
    const later = row('312', { 'effective from': '1/4/2026', 'payment frequency': 'monthly' });
    const files = { 'policy.csv': `\uFEFF${policyFile(trafford, later)}\r\n,,,,,,,,,,,,,,,,,\r\n` };
    const load = async (changed: Record<string, string>) =>
      loadPolicy(kit.database.pool, await folderOf(changed));
    expect(await load(files)).toEqual([
      'policy.csv 312 COUNCIL from 2024-04-01: added',
      'policy.csv 312 COUNCIL from 2026-04-01: added',
    ]);
    expect(await load(files)).toEqual([]);
    expect((await policyOf('312', 'COUNCIL', '2026-03-31')).paymentFrequency).toBe('FOUR_WEEKLY');
    expect((await policyOf('312', 'COUNCIL', '2026-04-01')).paymentFrequency).toBe('MONTHLY');

    const corrected = policyFile(trafford, { ...later, 'contingency (weeks)': '4', 'payment frequency': '' });
    expect(await load({ 'policy.csv': corrected })).toEqual([
      'policy.csv 312 COUNCIL from 2026-04-01: payment frequency was "MONTHLY", is not said; contingency (weeks) was not said, is "4"',
    ]);
    expect(await policyOf('312')).toMatchObject({ paymentFrequency: null, contingencyWeeks: 4 });

    const careful = {
      ...later,
      'second person above (pounds)': '"£2,500"',
      'new account cools off (days)': '5',
    };
    expect(await load({ 'policy.csv': policyFile(careful) })).toEqual([
      expect.stringContaining(
        'second person above (pounds) was not said, is "2500.00"; new account cools off (days)',
      ),
    ]);
    expect(await policyOf('312')).toMatchObject({
      approvalThreshold: { formatted: '£2,500.00' },
      accountCoolingOffDays: 5,
    });
  });

  test('that are wrong are told all at once, by line and column, and nothing is written', async () => {
    const before = await count();
    const found = await problemsOf({
      'policy.csv': policyFile(
        row('106', { 'effective from': '2031-04-01' }),
        row('nowhere', { 'repay within (days)': 'two weeks', 'gross or net': 'nett' }),
        row('311', { source: '', 'effective to': '2024-02-30', 'later reviews within (months)': '0' }),
        row('313', {
          'effective to': '2024-04-01',
          'exclusion list': 'unheard-of',
          'second person above (pounds)': '-1',
        }),
      ),
      'exclusion.csv': 'list,what,citation\nsouthwark-2024,Everything,nowhere\nnew,,a page\n',
      'authorisation.csv': 'organisation,activity,from,to,granted by\nD9H02,juggle,2024-04-01,,the fair\n',
    });
    expect(found.sort()).toEqual([
      expect.stringMatching(/^authorisation.csv, line 2, "activity": write one of commission, .* "juggle"/),
      expect.stringMatching(/^exclusion.csv, line 2: the list "southwark-2024" .* never changed/),
      expect.stringMatching(/^exclusion.csv, line 3, "what": .* it is empty/),
      expect.stringMatching(/^policy.csv, line 2: it overlaps what the hub holds, from 2024-04-01 to no end/),
      expect.stringMatching(/^policy.csv, line 3, "gross or net": write one of gross, net; "nett"/),
      expect.stringMatching(/^policy.csv, line 3, "organisation": .* "nowhere"/),
      expect.stringMatching(/^policy.csv, line 3, "repay within \(days\)": write a whole number from 1/),
      expect.stringMatching(/^policy.csv, line 4, "effective to": write a day such as 2024-04-01/),
      expect.stringMatching(/^policy.csv, line 4, "later reviews within \(months\)"/),
      expect.stringMatching(/^policy.csv, line 4, "source": write one of icb, .* it is empty/),
      expect.stringMatching(/^policy.csv, line 5, "exclusion list": there is no list "unheard-of"/),
      expect.stringMatching(
        /^policy.csv, line 5, "second person above \(pounds\)": write an amount in pounds/,
      ),
      expect.stringMatching(/^policy.csv, line 5: it ends on 2024-04-01/),
    ]);
    expect(await count()).toEqual(before);
  });

  test('must not say two things of one day', async () => {
    const until = (to: string) => row('311', { 'effective to': to });
    const from = (day: string) => row('311', { 'effective from': day });
    expect(await problemsOf({ 'policy.csv': policyFile(until('2025-04-02'), from('2025-04-01')) })).toEqual([
      'policy.csv, line 3: it overlaps line 2, from 2024-04-01 to 2025-04-02. Let the earlier one end on the first day of the later.',
    ]);
    expect(await problemsOf({ 'policy.csv': policyFile(row('311'), row('311')) })).toEqual([
      'policy.csv, line 3: line 2 says the same. Take one of them out.',
    ]);
    expect(await problemsOf({ 'policy.csv': policyFile(until('2025-04-01'), from('2025-04-01')) })).toEqual(
      [],
    );
  });

  test('need their headings, and to be there', async () => {
    expect(await problemsOf({ 'policy.csv': 'organisation,colour\n106,blue\n' })).toContain(
      'policy.csv, line 1: the column "citation" is missing. Add it; it may be empty.',
    );
    expect(await problemsOf({ 'policy.csv': `${headings}\n"106` })).toEqual([
      expect.stringMatching(/^policy.csv, line 2: quotation marks/),
    ]);
    expect((await problemsOf({ 'polizy.csv': 'x' }))[0]).toContain('There is no policy.csv');
  });

  test('go in from the command line, which says what changed or what to mend', async () => {
    const load = async (...rows: Record<string, string>[]) => {
      const folder = await folderOf({ 'policy.csv': policyFile(...rows) });
      const args = ['--import', 'tsx', 'src/hub.ts', 'policy', 'load', folder];
      const env = { ...process.env, DATABASE_URL: kit.database.url };
      const cwd = fileURLToPath(new URL('..', import.meta.url));
      return promisify(execFile)(process.execPath, args, { cwd, env });
    };
    const { stdout } = await load(row('310'));
    expect(stdout).toBe('policy.csv 310 COUNCIL from 2024-04-01: added\n');
    await expect(load(row('310', { citation: '' }))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^policy.csv, line 2, "citation": write where it is published/),
    });
  });

  test('are not undone by what comes with the hub', async () => {
    const folder = await folderOf({});
    await cp(shipped, folder, { recursive: true });
    const cornwall = policyFile(row('902', { 'payment frequency': 'monthly' }));
    await loadPolicy(kit.database.pool, await folderOf({ 'policy.csv': cornwall }));
    expect(await loadPolicy(kit.database.pool, folder, { keep: true })).toEqual([]);
    expect((await policyOf('902')).paymentFrequency).toBe('MONTHLY');
    expect(await loadPolicy(kit.database.pool, folder)).toEqual([
      expect.stringMatching(/^policy.csv 902 COUNCIL from 2024-04-01: payment frequency was "MONTHLY"/),
    ]);
  });
});

describe('an organisation that took over from others', () => {
  test('goes by what the nearest of them said until it says something itself', async () => {
    // Northamptonshire became two: West has a page of its own, North has none.
    const northamptonshire = row('504', { 'effective from': '2019-04-01', 'payment frequency': 'weekly' });
    await loadPolicy(kit.database.pool, await folderOf({ 'policy.csv': policyFile(northamptonshire) }));
    const said = (code: string, on: string) =>
      policyOf(code, 'COUNCIL', on, 'saidBy { code } paymentFrequency');
    const weekly = { saidBy: { code: '504' }, paymentFrequency: 'WEEKLY' };
    expect(await said('Z9D4Z', today)).toEqual(weekly);
    expect(await said('U6Q5Z', today)).toEqual({
      saidBy: { code: 'U6Q5Z' },
      paymentFrequency: 'FOUR_WEEKLY',
    });
    expect(await said('U6Q5Z', '2024-03-31')).toEqual(weekly);
    expect(await said('Z9D4Z', '2019-03-31')).toBeNull();

    const { rows } = await kit.database.pool.query(`select id from organisation where ods_code = 'Z9D4Z'`);
    const found = await kit.database.prisma.$transaction((tx) => policyOn(tx, rows[0].id, 'COUNCIL', today));
    expect(found).toMatchObject({ paymentFrequency: 'WEEKLY', citation: 'its page' });
  });

  test('of two with different rules goes by neither, and says so by saying nothing', async () => {
    const folder = await folderOf({
      'policy.csv': policyFile(
        row('810', { 'gross or net': 'net' }),
        row('811', { 'gross or net': 'gross' }),
      ),
    });
    const { rows } = await kit.database.pool.query(
      `select f.ods_code from organisation_succession s join organisation f on f.id = s.from_id
         join organisation t on t.id = s.to_id where t.ods_code = 'BPC' order by 1`,
    );
    expect(rows.map(({ ods_code }) => ods_code)).toEqual(['810', '811']);
    await loadPolicy(kit.database.pool, folder);
    expect(await policyOf('BPC')).toBeNull();
  });
});
