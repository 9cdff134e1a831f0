/** Bad files, cut answers, systems that are down: what the hub does with them, as its users see it. */
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cldHeadings } from '../jobs/source/cld-value.ts';
import { startDemo } from '../src/demo/demo.ts';
import type { Faults } from '../src/demo/fault.ts';
import { founding } from '../src/demo/place.ts';
import { type Demo, introduce, noon, syncOnce, today } from './setup/demo.ts';
import { coordinator, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

const faults: { nhs: Faults; council: Faults } = { nhs: [], council: [] };
let demo: Demo;
let kit: TestHub;
let nhs: string;
let council: string;

beforeAll(async () => {
  demo = await startDemo({ today, now: noon, ports: { nhs: 0, council: 0 }, size: 40, faults });
});
afterAll(() => demo.close());

beforeEach(async () => {
  faults.nhs.length = 0;
  faults.council.length = 0;
  kit = await startTestHub({ now: noon });
  [nhs, council] = (await introduce(kit.database, demo)) as [string, string];
  return () => kit.close();
});

const iris = () => demo.place.people[founding.irisHolloway]!;

async function content(): Promise<string> {
  const { rows } = await kit.database.pool.query(
    `select json_build_array((select json_agg(external_id order by external_id) from source_row),
       (select json_agg(array[family_name, given_name] order by sort_name) from person),
       (select json_agg(array[external_id, pence::text, kind::text] order by external_id, pence) from ledger_transfer)) as content`,
  );
  return JSON.stringify(rows[0].content);
}

const run = async (claims: JWTPayload = coordinator) =>
  (
    await kit.ask(
      '{ syncRuns(first: 1) { nodes { status errorCode error received created unchanged waiting feed } } }',
      {},
      claims,
    )
  ).data.syncRuns.nodes[0];

const fails = (sourceId: string) => expect(syncOnce(kit.database, [sourceId])).rejects.toThrow();

describe('an NHS system that fails in the middle', () => {
  test.each([
    ['cuts its answer short', { kind: 'truncated' as const }, 'SOURCE_ANSWER_INVALID'],
    ['answers with something else', { kind: 'wrong-content' as const }, 'SOURCE_ANSWER_INVALID'],
    ['answers 500', { kind: 'status' as const, status: 500 as const }, 'SOURCE_DOWN'],
  ])(
    '%s: nothing of that page is applied, the cursor stays, and the next run goes on',
    async (_name, fault, code) => {
      faults.nhs.push({ ...fault, path: '/Account', count: 1 });
      await fails(nhs);
      expect(await run()).toMatchObject({ status: 'FAILED', errorCode: code, feed: 'Account' });
      const { rows } = await kit.database.pool.query(
        `select feed, cursor is not null as read, moves from sync_cursor where source_id = $1 order by feed`,
        [nhs],
      );
      expect(Object.fromEntries(rows.map(({ feed, read }) => [feed, read]))).toEqual({
        Patient: true,
        EpisodeOfCare: true,
        RelatedPerson: true,
        Goal: true,
        CarePlan: true,
        Account: false,
        PaymentNotice: false,
        Procedure: false,
      });
      // What was read before is there, and says that it may be old.
      const ask = `{ person(nhsNumber: "${iris().nhsNumber}") { plan { title } budgets { id } sources { side availability asAt } } }`;
      const during = (await kit.ask(ask)).data.person;
      expect(during.plan.title).toBe(iris().nhs!.plan!.title);
      expect(during.budgets).toEqual([]);
      expect(during.sources[0]).toMatchObject({ side: 'NHS', availability: 'SOURCE_DOWN' });

      await syncOnce(kit.database, [nhs]);
      expect(await run()).toMatchObject({ status: 'SUCCEEDED', errorCode: null, waiting: 0 });
      const after = (await kit.ask(ask)).data.person;
      expect(after.budgets).toHaveLength(1);
      expect(after.sources[0].availability).toBe('AVAILABLE');
      const recovered = await content();

      const other = await startTestHub({ now: noon });
      const undisturbed = kit;
      kit = other;
      await syncOnce(kit.database, [(await introduce(kit.database, demo))[0]!]);
      expect(await content()).toBe(recovered);
      await undisturbed.close();
    },
  );

  test('is down from the start: the council half answers, and the other says why it is missing', async () => {
    faults.nhs.push({ kind: 'status', status: 503 });
    await fails(nhs);
    await syncOnce(kit.database, [council]);
    const { data } = await kit.ask(
      `{ person(nhsNumber: "${iris().nhsNumber}") { familyName packages { id } combined { agreed { amount } } plan { title } sources { side availability asAt } } }`,
      {},
      socialWorker,
    );
    expect(data.person).toMatchObject({
      familyName: iris().familyName,
      plan: null,
      sources: [
        { side: 'NHS', availability: 'SOURCE_DOWN', asAt: null },
        { side: 'COUNCIL', availability: 'AVAILABLE', asAt: expect.any(String) },
      ],
    });
    expect(data.person.packages.length).toBeGreaterThan(0);
    expect(Number(data.person.combined.agreed.amount)).toBeGreaterThan(0);
  });
});

describe('a second run of the same data', () => {
  test('writes nothing and says so', async () => {
    await syncOnce(kit.database, [nhs, council]);
    const before = await content();
    await syncOnce(kit.database, [nhs, council]);
    for (const claims of [coordinator]) {
      const { data } = await kit.ask(
        '{ syncRuns(first: 2) { nodes { status created changed received unchanged } } }',
        {},
        claims,
      );
      for (const one of data.syncRuns.nodes) {
        expect(one).toMatchObject({ status: 'SUCCEEDED', created: 0, changed: 0, unchanged: one.received });
      }
    }
    expect(await content()).toBe(before);
  });
});

describe('a Client Level Data file with everything wrong with it', () => {
  const base: Record<string, string> = {
    'LA Code': '999',
    'Reporting Period Start Date': '2025-10-01',
    'Reporting Period End Date': '2026-09-30',
    'NHS Number': '',
    'LA Person Unique Identifier': '',
    'First Name': 'Ada',
    'Last Name': 'Canary',
    Gender: 'Female',
    Ethnicity: 'White: Irish',
    'Date of Birth': '1950-03-14',
    'Client Type': 'Service user',
    'Primary Support Reason': 'Support with memory and cognition',
    Postcode: 'WE9 9ZZ',
    'Event Type': 'Service',
    'Event Reference': '999_1',
    'Event Start Date': '2026-02-01',
    'Event End Date': '',
    'Service Type': 'Long term support: Community',
    'Service Component': 'Day support',
    'Delivery Mechanism': 'CASSR commissioned support',
    'Unit Cost': '41.50',
    'Cost Frequency (Unit Type)': 'Per session',
    'Planned units per week': '2',
  };

  test('each row is applied, or waits with its line, its column, what was found as a class, and what to do', async () => {
    const good = ['plain', 'release1', 'nulls', 'slashed'];
    const people: Record<string, Record<string, string>> = {
      plain: {},
      release1: {
        'Client Type': 'Service User',
        Ethnicity: 'White - Irish',
        'Service Type': 'Long Term Support: Community',
      },
      nulls: { 'Event End Date': 'NULL', 'Delivery Mechanism': 'NULL' },
      slashed: { 'Date of Birth': '14/03/1950' },
      blank: { 'Last Name': '  ' },
      number: { 'NHS Number': '943 476 5918' },
      leapless: { 'Event Start Date': '2025-02-29' },
      value: { 'Client Type': 'Canary value' },
      council: { 'LA Code': '998' },
      backwards: { 'Event Start Date': '2026-03-02', 'Event End Date': '2026-03-01' },
      cost: { 'Unit Cost': 'forty' },
    };
    // A byte-order mark, headings in other cases, one of them with underscores, one unknown, one missing.
    const headings = cldHeadings.filter((heading) => heading !== 'Autism Spectrum Disorder (ASD)');
    const written = headings.map((heading, i) =>
      heading === 'LA Person Unique Identifier'
        ? 'LA_Person_Unique_Identifier'
        : i % 2 === 0
          ? heading.toUpperCase()
          : heading,
    );
    const lines = Object.entries(people).map(([id, cells]) => {
      const row: Record<string, string> = { ...base, 'LA Person Unique Identifier': id, ...cells };
      return [...headings.map((heading) => row[heading] ?? ''), 'x'].map((cell) => `"${cell}"`).join(',');
    });
    lines.push('"999","2025-10-01"');
    const file = 'CLD_999_bad.csv';
    await demo.council.putFile(
      file,
      `\uFEFF${[[...written, 'Canary heading'].join(','), ...lines].join('\r\n')}\r\n`,
    );
    await syncOnce(kit.database, [council]);

    const { rows: applied } = await kit.database.pool.query(
      `select external_id from person_link where family_name = 'Canary' order by external_id`,
    );
    expect(applied.map(({ external_id }) => external_id)).toEqual([...good].sort());
    const { data } = await kit.ask(
      '{ waitingRows(first: 100) { nodes { place code field found advice source { code } } } }',
      {},
      socialWorker,
    );
    const ofFile = data.waitingRows.nodes.filter(({ place }: { place: string }) => place.includes(file));
    const line = (id: string) => `line ${Object.keys(people).indexOf(id) + 2} of ${file}`;
    const told = Object.fromEntries(ofFile.map(({ place, code, field }: never) => [place, [code, field]]));
    expect(told).toMatchObject({
      [line('blank')]: ['BLANK_MANDATORY', 'Last Name'],
      [line('number')]: ['NHS_NUMBER_INVALID', 'NHS Number'],
      [line('leapless')]: ['DATE_INVALID', 'Event Start Date'],
      [line('value')]: ['VALUE_NOT_MAPPED', 'Client Type'],
      [line('council')]: ['WRONG_COUNCIL', 'LA Code'],
      [line('backwards')]: ['END_BEFORE_START', 'Event End Date'],
      [line('cost')]: ['COST_INVALID', 'Unit Cost'],
    });
    for (const { found, advice } of ofFile) {
      expect(found.length).toBeGreaterThan(3);
      expect(advice.length).toBeGreaterThan(20);
    }
    expect(ofFile.map(({ code }: { code: string }) => code)).toEqual(
      expect.arrayContaining(['HEADING_UNKNOWN', 'HEADING_MISSING']),
    );
    // Nothing of what stood in a cell is told on, and nothing stopped the run.
    expect(JSON.stringify(data)).not.toMatch(/Ada|Canary v|WE9|9434765918|943 476|forty|1950/);
    expect(await run(socialWorker)).toMatchObject({ status: 'SUCCEEDED' });

    // Mended at the source, the rows are applied, and what waited is answered.
    const mended = Object.keys(people).map((id) => {
      const row: Record<string, string> = { ...base, 'LA Person Unique Identifier': id };
      return cldHeadings.map((heading) => `"${row[heading] ?? ''}"`).join(',');
    });
    await demo.council.putFile(
      file,
      `${[cldHeadings.map((h) => `"${h}"`).join(','), ...mended].join('\r\n')}\r\n`,
    );
    await syncOnce(kit.database, [council]);
    const after = await kit.ask(
      '{ waitingRows(first: 100) { nodes { place code field } } }',
      {},
      socialWorker,
    );
    expect(
      after.data.waitingRows.nodes.filter(({ place }: { place: string }) => place.includes(file)),
    ).toEqual([]);
    const { rows: all } = await kit.database.pool.query(
      `select from person_link where family_name = 'Canary'`,
    );
    expect(all).toHaveLength(Object.keys(people).length);
  });
});
