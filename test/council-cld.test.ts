/** A council's Client Level Data file becomes Submissions; what cannot be used becomes a Problem, never a guess. */
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import published from '../jobs/source/cld/cld-values.json' with { type: 'json' };
import { type CldRecord, readRecords } from '../jobs/source/cld-record.ts';
import { type CldCells, type CldContext, retryCldRow, toSubmissions } from '../jobs/source/cld-row.ts';
import { cldHeadingOf, cldHeadings, cldListHeadings, cldValueOf } from '../jobs/source/cld-value.ts';
import { type CldCursor, fetchCldPage } from '../jobs/source/council-cld.ts';
import type { Page } from '../jobs/source/page.ts';
import { type CouncilSystem, startCouncilSystem } from '../src/demo/council-system.ts';
import type { Faults } from '../src/demo/fault.ts';
import { makePlace, type Place } from '../src/demo/place.ts';
import type { Problem, Submission } from '../src/intake/submission.ts';

const now = () => new Date('2026-08-27T10:00:00Z');
const context: CldContext = { laCode: '999', file: 'CLD_999_2026Q2.csv', line: 7, dayFirst: false };

const serviceCells: CldCells = {
  'LA Code': '999',
  'NHS Number': '943 476 5919',
  'LA Person Unique Identifier': 'W000123',
  'First Name': 'Maud',
  'Last Name': 'Ellery',
  Gender: 'Female',
  'Date of Birth': '1944-05-02',
  'Client Type': 'Service user',
  Postcode: 'WN1 2AB',
  'Event Type': 'Service',
  'Event Start Date': '2025-09-01',
  'Service Type': 'Long term support: Community',
  'Service Component': 'Home support or domiciliary care',
  'Delivery Mechanism': 'CASSR commissioned support',
  'Unit Cost': '21.5',
  'Cost Frequency (Unit Type)': 'Hourly',
  'Planned units per week': '10.5',
};
const reviewCells: CldCells = {
  ...serviceCells,
  'Event Type': 'Review',
  'Event End Date': '2025-09-20',
  'Review Reason': 'Planned: Annual',
};

const read = (cells: CldCells, changed: Partial<CldContext> = {}) =>
  toSubmissions(cells, { ...context, ...changed });
function one(rows: (Submission | Problem)[], kind: string): Record<string, unknown> {
  const found = rows.filter((row) => row.kind === kind);
  expect(found).toHaveLength(1);
  return found[0] as never;
}
const factsOf = (rows: (Submission | Problem)[], kind: string) => one(rows, kind).facts;

describe('headings and values', () => {
  test('there are fifty headings, and their database and spreadsheet spellings are known', () => {
    expect(cldHeadings).toHaveLength(50);
    for (const spelling of [' la code ', 'LA_Code', 'LA CODE'])
      expect(cldHeadingOf(spelling)).toBe('LA Code');
    expect(cldHeadingOf('Unit cost')).toBe('Unit Cost');
    expect(cldHeadingOf('Cost_Frequency_Unit_Type')).toBe('Cost Frequency (Unit Type)');
    expect(cldHeadingOf('No_of_adults_being_cared_for')).toBe('No. of adults being cared for');
    expect(cldHeadingOf('Shoe size')).toBeNull();
  });

  const lists = Object.entries(published as unknown as Record<string, Record<string, string[]>>).filter(
    ([heading]) => cldListHeadings.includes(heading),
  );
  test.each(lists)('%s: every known Release 1 value has a place in Release 2', (heading, list) => {
    const earlier = [...(list.R1 ?? []), ...(list.R1_partial ?? []), ...(list.R1_by_analogy ?? [])];
    for (const value of earlier) {
      const mapped = cldValueOf(heading, value);
      expect(mapped, value).not.toBeUndefined();
      if (Array.isArray(list.R2) && mapped !== null) expect(list.R2, value).toContain(mapped);
    }
    for (const value of Array.isArray(list.R2) ? list.R2 : []) expect(cldValueOf(heading, value)).toBe(value);
  });

  test('Release 1 values become the value of the same meaning', () => {
    expect(cldValueOf('Client Type', 'Carer')).toBe('Unpaid carer');
    expect(cldValueOf('Ethnicity', 'White - Roma')).toBe('White: Roma');
    expect(cldValueOf('Service Type', 'Long Term Support: Prison')).toBe('Long term support: Prison');
    expect(cldValueOf('Delivery Mechanism', 'Self-Funder Metering Only')).toBeNull();
    expect(cldValueOf('Event Outcome', 'NFA - Deceased')).toBe('NFA: Deceased');
  });

  test('a known list is case-sensitive; a list of which a part is known takes any short text', () => {
    expect(cldValueOf('Client Type', 'service user')).toBeUndefined();
    expect(cldValueOf('Client Type', 'constructor')).toBeUndefined();
    expect(cldValueOf('Review Reason', 'Unplanned: Something local')).toBe('Unplanned: Something local');
    expect(cldValueOf('Review Reason', 'x'.repeat(201))).toBeUndefined();
  });
});

describe('a good row', () => {
  test('gives the person and the service', () => {
    const rows = read(serviceCells);
    expect(rows).toHaveLength(2);
    expect(one(rows, 'person')).toMatchObject({
      externalId: 'W000123',
      personId: 'W000123',
      version: 'CLD_999_2026Q2.csv',
      place: 'line 7 of CLD_999_2026Q2.csv',
      facts: {
        nhsNumber: '9434765919',
        supersededNhsNumbers: [],
        familyName: 'Ellery',
        givenName: 'Maud',
        birthDate: '1944-05-02',
        deathDate: null,
        gender: 'FEMALE',
        postcode: 'WN1 2AB',
        restricted: false,
      },
    });
    expect(one(rows, 'service')).toMatchObject({
      personId: 'W000123',
      facts: {
        serviceType: 'Long term support: Community',
        component: 'Home support or domiciliary care',
        deliveryMechanism: 'CASSR commissioned support',
        providerName: null,
        providerCqcLocationId: null,
        from: '2025-09-01',
        to: null,
        unitCostPence: 2150n,
        costFrequency: 'Hourly',
        plannedUnitsPerWeek: '10.50',
      },
    });
  });

  test('keeps of a person only the columns about the person, and of an event only its own', () => {
    const rows = read(serviceCells);
    expect(one(rows, 'person').raw).not.toHaveProperty('Service Type');
    expect(one(rows, 'person').raw).toHaveProperty('Last Name', 'Ellery');
    expect(one(rows, 'service').raw).not.toHaveProperty('Last Name');
    expect(one(rows, 'service').raw).toHaveProperty('LA Person Unique Identifier', 'W000123');
  });

  test.each([
    ['Request', { 'Request: Route of Access': 'Prison' }, 'REQUEST', 'Prison'],
    ['Assessment', { 'Assessment Type': 'Long Term Assessment' }, 'ASSESSMENT', 'Long term assessment'],
  ])('%s gives a contact', (eventType, more, kind, type) => {
    const rows = read({ ...reviewCells, ...more, 'Event Type': eventType, 'Event Outcome': 'NFA- Other' });
    const expected = { kind, type, from: '2025-09-01', to: '2025-09-20', outcome: 'NFA: Other' };
    expect(factsOf(rows, 'contact')).toEqual(expected);
  });

  test('a review of short-term support is told from a care plan review', () => {
    expect(factsOf(read(reviewCells), 'review')).toMatchObject({ kind: 'CARE_PLAN', heldOn: '2025-09-20' });
    const shortTerm = read({ ...reviewCells, 'Review Reason': 'Review of short term support' });
    expect(factsOf(shortTerm, 'review')).toMatchObject({ kind: 'SHORT_TERM_SUPPORT' });
  });

  test('NULL, null and spaces are blank; a negative cost is its amount; an empty time is no time', () => {
    const cells = { ...serviceCells, 'NHS Number': 'NULL', Postcode: ' null ', 'First Name': '  ' };
    const rows = read({ ...cells, 'Unit Cost': '-30.00', 'Date of Birth': '1944-05-02 00:00:00' });
    expect(factsOf(rows, 'person')).toMatchObject({ nhsNumber: null, postcode: null, givenName: '' });
    expect(factsOf(rows, 'person')).toMatchObject({ birthDate: '1944-05-02' });
    expect(factsOf(rows, 'service')).toMatchObject({ unitCostPence: 3000n });
  });

  test('the name Null is a name', () => {
    expect(factsOf(read({ ...serviceCells, 'Last Name': 'Null' }), 'person')).toMatchObject({
      familyName: 'Null',
    });
  });

  test('death ends what was recorded as going on after it', () => {
    const died = { ...serviceCells, 'Date of Death': '2025-10-10' };
    expect(factsOf(read({ ...died, 'Event End Date': '2025-12-01' }), 'service')).toMatchObject({
      to: '2025-10-10',
    });
    expect(factsOf(read({ ...died, 'Event End Date': '2025-10-01' }), 'service')).toMatchObject({
      to: '2025-10-01',
    });
    expect(factsOf(read(died), 'service')).toMatchObject({ to: '2025-10-10' });
  });

  test('an unpaid carer stands on the record of whom they care for', () => {
    const linked = { 'Adult 1 Linked Person_ID': 'W000900', 'Adult 2 Linked Person_ID': 'W000901' };
    const rows = read({ ...reviewCells, ...linked, 'Client Type': 'Carer' });
    const roles = rows.filter((row) => row.kind === 'role');
    expect(roles.map((role) => role.personId)).toEqual(['W000900', 'W000901']);
    expect(roles[0]?.facts).toMatchObject({
      role: 'CARER',
      organisationCode: null,
      individual: { name: 'Maud Ellery', nhsNumber: '9434765919', relationship: null },
    });
    expect(read({ ...reviewCells, ...linked }).some((row) => row.kind === 'role')).toBe(false);
  });
});

describe('the key of an event', () => {
  const keyOf = (cells: CldCells, changed: Partial<CldContext> = {}) =>
    read(cells, changed).at(-1)?.externalId;

  test('is the same in a later file that ends, reprices or respells the service', () => {
    const later = {
      ...serviceCells,
      'Event End Date': '2026-01-31',
      'Unit Cost': '25.00',
      'Service Type': 'Long Term Support: Community',
      'Event Start Date': '01/09/2025',
      'Event Reference': 'another',
    };
    expect(keyOf(later, { dayFirst: true, file: 'later.csv', line: 99 })).toBe(keyOf(serviceCells));
  });

  test.each([
    ['LA Person Unique Identifier', 'W000124'],
    ['Event Start Date', '2025-09-02'],
    ['Service Component', 'Day support'],
    ['Delivery Mechanism', 'Direct payment'],
  ])('differs with %s', (heading, value) => {
    expect(keyOf({ ...serviceCells, [heading]: value })).not.toBe(keyOf(serviceCells));
  });

  test('names the problem of a row whose event is known, so that the mended row takes its place', () => {
    const [problem] = read({ ...serviceCells, 'NHS Number': '9434765918' });
    expect(problem?.kind).toBe('problem');
    expect(problem?.externalId).toBe(keyOf(serviceCells));
  });
});

describe('a row that cannot be used', () => {
  const bad: [string, string, string, string, CldCells][] = [
    ['BLANK_MANDATORY', 'Last Name', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'LA Code', ' ', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'LA Person Unique Identifier', 'NULL', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Date of Birth', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Client Type', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Event Type', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Event Start Date', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Service Type', '', 'blank', serviceCells],
    ['BLANK_MANDATORY', 'Event End Date', '', 'blank', reviewCells],
    ['WRONG_COUNCIL', 'LA Code', '998', 'code of another council', serviceCells],
    ['NHS_NUMBER_INVALID', 'NHS Number', '9434765918', '10 digits, wrong check digit', serviceCells],
    ['NHS_NUMBER_INVALID', 'NHS Number', '943476591', '9 digits', serviceCells],
    [
      'VALUE_NOT_MAPPED',
      'Service Type',
      'Home helping',
      'text, 12 characters, not in the list',
      serviceCells,
    ],
    ['DATE_INVALID', 'Date of Birth', '2025-02-29', 'a day that does not exist', serviceCells],
    ['DATE_INVALID', 'Event End Date', '31/04/2026', 'a day that does not exist', serviceCells],
    ['DATE_INVALID', 'Date of Death', 'in May', 'text, 6 characters, not a date', serviceCells],
    ['DATE_AMBIGUOUS', 'Event End Date', '03/04/2026', 'day and month could change places', serviceCells],
    ['END_BEFORE_START', 'Event End Date', '2025-08-31', 'day before the start', serviceCells],
    ['END_BEFORE_START', 'Date of Death', '2025-08-31', 'day before the start of the event', serviceCells],
    ['COST_INVALID', 'Unit Cost', 'ask us', 'text, 6 characters', serviceCells],
    ['COST_INVALID', 'Unit Cost', '1,200.00', 'text, 8 characters', serviceCells],
    ['COST_INVALID', 'Unit Cost', '12.345', 'text, 6 characters', serviceCells],
    ['COST_INVALID', 'Unit Cost', '1e21', 'text, 4 characters', serviceCells],
    ['UNITS_INVALID', 'Planned units per week', '-1', 'text, 2 characters', serviceCells],
    ['TEXT_UNREADABLE', 'Last Name', 'Zo\uFFFD', 'characters lost in conversion', serviceCells],
    ['TEXT_UNREADABLE', 'Event Description', 'a\0b', 'characters lost in conversion', serviceCells],
    [
      'LINKED_TO_SELF',
      'Adult 2 Linked Person_ID',
      'W000123',
      'the id of the carer',
      { ...reviewCells, 'Client Type': 'Unpaid carer' },
    ],
  ];
  test.each(bad)('%s in %s (%j)', (code, column, cell, found, cells) => {
    const rows = read({ ...cells, [column]: cell });
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      kind: 'problem',
      code,
      column,
      found,
      place: 'line 7 of CLD_999_2026Q2.csv',
    });
  });

  test('is read again from what was kept of it', () => {
    const [problem] = read({ ...serviceCells, 'Unit Cost': 'ask us' });
    const kept = JSON.parse(JSON.stringify(problem?.raw));
    expect(retryCldRow(kept)).toEqual([problem]);
    kept.cells['Unit Cost'] = '21.50';
    expect(retryCldRow(kept)).toEqual(read({ ...serviceCells, 'Unit Cost': '21.50' }));
    expect(retryCldRow({ line: 'a,b' })).toBeNull();
  });

  test('never makes reading fail, and never shows a cell outside raw', () => {
    // Long enough that it cannot stand in our own words by chance; digits, dates and list values are in between.
    const canary = fc
      .string({ unit: 'binary', minLength: 0, maxLength: 12 })
      .map((text) => `§${text}§canary`);
    const cell = fc.oneof(
      canary,
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '',
        'NULL',
        '__proto__',
        'constructor',
        '29/02/2025',
        '9'.repeat(400),
        '\ud800',
        'Service',
        'Carer',
      ),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...cldHeadings), cell), fc.boolean(), (cells, dayFirst) => {
        for (const base of [{}, serviceCells, reviewCells]) {
          for (const row of toSubmissions({ ...base, ...cells }, { ...context, dayFirst })) {
            expect(row.externalId).not.toBe('');
            if (row.kind !== 'problem') continue;
            const shown = [row.code, row.column, row.found, row.advice, row.place, row.externalId].join('\n');
            expect(shown).not.toContain('canary');
            expect(shown).not.toContain('9'.repeat(20));
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('records of a CSV file', () => {
  async function records(text: string | Buffer, chunkBytes = 64): Promise<CldRecord[]> {
    const bytes = Buffer.from(text);
    async function* chunks() {
      for (let i = 0; i < bytes.length; i += chunkBytes) yield bytes.subarray(i, i + chunkBytes);
    }
    const all: CldRecord[] = [];
    for await (const record of readRecords(chunks(), 0, 1)) all.push(record);
    return all;
  }

  test('a stray or open quote costs its own line only, and lines are counted as an editor does', async () => {
    const text = '\uFEFFa,b\r\n\r\n"two\r\nlines",1\r\n5" pipe,2\n"open,3\nafter,4\n"x"y,5\nlast,6';
    for (const chunkBytes of [1, 2, 3, 7, 1_000]) {
      const found = (await records(text, chunkBytes)).map(({ cells, line }) => [line, cells]);
      expect(found).toEqual([
        [1, ['a', 'b']],
        [3, ['two\r\nlines', '1']],
        [5, null],
        [6, null],
        [7, ['after', '4']],
        [8, null],
        [9, ['last', '6']],
      ]);
    }
  });

  test('chunks of any size give the same records, and reading goes on from the end of any of them', async () => {
    const cell = fc.constantFrom('', 'a', '"b,b"', '"c\r\nc"', '"d""d"', 'é');
    const line = fc.tuple(cell, cell, fc.constantFrom('\n', '\r\n')).map(([x, y, end]) => `${x},${y}${end}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        async (lines, chunkBytes) => {
          const text = Buffer.from(lines.join(''));
          const whole = await records(text, 10_000);
          expect(whole).toHaveLength(lines.length);
          expect(await records(text, chunkBytes)).toEqual(whole);
          for (const [i, { end, nextLine }] of whole.entries()) {
            async function* rest() {
              if (end < text.length) yield text.subarray(end);
            }
            const after: CldRecord[] = [];
            for await (const record of readRecords(rest(), end, nextLine)) after.push(record);
            expect(after).toEqual(whole.slice(i + 1));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('what has no lines at all is refused before it fills the memory', async () => {
    await expect(records(Buffer.alloc(300_000, 'x'), 65_536)).rejects.toMatchObject({
      code: 'SOURCE_ANSWER_INVALID',
    });
  });
});

/** A whole run, page by page, each cursor having been through JSON as it is when a worker is killed. */
async function run(
  baseUrl: string,
  limit: number,
  from: CldCursor | null = null,
): Promise<Page<CldCursor>[]> {
  const pages: Page<CldCursor>[] = [];
  for (let cursor = from; ; ) {
    const page = await fetchCldPage(baseUrl, cursor, { laCode: '999', limit, now });
    pages.push(page);
    if (page.done) return pages;
    cursor = JSON.parse(JSON.stringify(page.cursor));
  }
}
const rowsIn = (pages: Page<CldCursor>[]) => pages.flatMap((page) => page.rows);
const eventsIn = (pages: Page<CldCursor>[]) => rowsIn(pages).filter((row) => row.kind !== 'person');
const problemsIn = (pages: Page<CldCursor>[]) => rowsIn(pages).filter((row) => row.kind === 'problem');

function csvOf(rows: CldCells[], headings: readonly string[] = cldHeadings): string {
  const line = (cells: string[]) => `${cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')}\r\n`;
  return (
    line([...headings]) + rows.map((row) => line(headings.map((heading) => row[heading] ?? ''))).join('')
  );
}

describe('files of the council', () => {
  const faults: Faults = [];
  let place: Place;
  let council: CouncilSystem;
  let cld: string;
  let folder: string;

  beforeAll(() => {
    place = makePlace({ seed: 7, size: 60, today: '2026-08-27' });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cld-test-'));
    council = await startCouncilSystem({ place, port: 0, now, faults, dropDir: folder });
    cld = `${council.url}/cld`;
  });
  afterEach(async () => {
    faults.length = 0;
    await council.close();
    await rm(folder, { recursive: true });
  });
  afterAll(() => {
    faults.length = 0;
  });
  const own = 'CLD_999_2026Q2.csv';

  test('everybody whom the council knows arrives, with every event', async () => {
    const pages = await run(cld, 1_000);
    const halves = place.people.flatMap(({ council: half }) => half ?? []);
    const facts = new Map(
      rowsIn(pages).flatMap((row) => (row.kind === 'person' ? [[row.personId, row.facts]] : [])),
    );
    expect(problemsIn(pages)).toEqual([]);
    expect(facts.size).toBe(halves.length);
    for (const half of halves) {
      const { nhsNumber, familyName, givenName, birthDate, deathDate, postcode } = half;
      expect(facts.get(half.laPersonId)).toMatchObject({
        nhsNumber,
        familyName,
        givenName,
        birthDate,
        deathDate,
        postcode,
      });
    }
    const count = (kind: string) => rowsIn(pages).filter((row) => row.kind === kind).length;
    expect(count('service')).toBe(halves.reduce((sum, half) => sum + half.services.length, 0));
    expect(count('review')).toBe(halves.reduce((sum, half) => sum + half.reviews.length, 0));
    expect(pages.at(-1)?.cursor.applied[own]).toMatchObject({ rows: pages[0]?.total, problems: 0 });
  });

  test.each(['address', 'folder'])(
    'by %s, any page size gives the same events and any cursor the same rest',
    async (way) => {
      const base = way === 'folder' ? pathToFileURL(folder).href : cld;
      const whole = await run(base, 1_000);
      const pages = await run(base, 17);
      expect(pages.length).toBeGreaterThan(5);
      expect(eventsIn(pages)).toEqual(eventsIn(whole));
      expect(await run(base, 29).then(eventsIn)).toEqual(eventsIn(whole));
      for (const at of [0, 3, pages.length - 2]) {
        const rest = await run(base, 17, JSON.parse(JSON.stringify(pages[at]?.cursor)));
        expect(rowsIn(rest)).toEqual(rowsIn(pages.slice(at + 1)));
      }
    },
  );

  test('a server that knows no ranges serves as well', async () => {
    const file = Buffer.from(await (await fetch(`${cld}/${own}`)).arrayBuffer());
    const list = await (await fetch(`${cld}/`)).text();
    const plain = createServer((req, res) => {
      const isList = req.url === '/cld/';
      res
        .writeHead(200, { 'Content-Type': isList ? 'application/json' : 'text/csv' })
        .end(isList ? list : file);
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/cld/`;
      expect(eventsIn(await run(base, 40))).toEqual(eventsIn(await run(cld, 40)));
    } finally {
      plain.closeAllConnections();
      plain.close();
    }
  });

  test('a file read to its end is not read again, even when it is touched', async () => {
    const last = (await run(cld, 1_000)).at(-1)?.cursor ?? null;
    expect(await run(cld, 1_000, last)).toMatchObject([{ rows: [], done: true }]);
    const base = pathToFileURL(folder).href;
    const lastOfFolder = (await run(base, 1_000)).at(-1)?.cursor ?? null;
    await utimes(join(folder, own), now(), now());
    expect(await run(base, 1_000, lastOfFolder)).toMatchObject([{ rows: [], done: true }]);
  });

  test('a later file is read after the one before it; a file that changes on the way is begun anew', async () => {
    const [first] = await run(cld, 10);
    const mended = csvOf([serviceCells, { ...serviceCells, 'LA Person Unique Identifier': 'W000124' }]);
    await council.putFile(own, mended);
    await council.putFile('CLD_999_2026Q3.csv', csvOf([{ ...serviceCells, 'Event End Date': '2026-07-31' }]));
    const pages = await run(cld, 10, first?.cursor ?? null);
    const services = rowsIn(pages).flatMap((row) =>
      row.kind === 'service' ? [[row.version, row.personId, row.facts.to]] : [],
    );
    expect(services).toEqual([
      [own, 'W000123', null],
      [own, 'W000124', null],
      ['CLD_999_2026Q3.csv', 'W000123', '2026-07-31'],
    ]);
    expect(pages.map((page) => page.done)).toEqual([false, true]);
    expect(Object.keys(pages.at(-1)?.cursor.applied ?? {})).toEqual([own, 'CLD_999_2026Q3.csv']);
  });

  test('one person said the same way twice in a page is sent once; said otherwise, again', async () => {
    await council.putFile(own, csvOf([serviceCells, reviewCells, { ...reviewCells, Postcode: 'WN9 9ZZ' }]));
    const people = rowsIn(await run(cld, 10)).filter((row) => row.kind === 'person');
    expect(people.map((row) => row.kind === 'person' && row.facts.postcode)).toEqual(['WN1 2AB', 'WN9 9ZZ']);
  });

  const slashed = { ...serviceCells, 'Date of Birth': '02/05/1944', 'Event Start Date': '01/09/2025' };
  test.each<[string, CldCells[], string[], string[]]>([
    ['no row tells', [slashed], ['DATE_AMBIGUOUS'], []],
    [
      'another row tells',
      [slashed, { ...slashed, 'Date of Birth': '25/12/1950' }],
      [],
      ['1944-05-02', '1950-12-25'],
    ],
    [
      'rows contradict each other',
      [slashed, { ...slashed, 'Date of Birth': '25/12/1950' }, { ...slashed, 'Date of Birth': '12/25/1950' }],
      ['DATE_AMBIGUOUS', 'DATE_AMBIGUOUS', 'DATE_INVALID'],
      [],
    ],
    [
      'it changes nothing',
      [{ ...slashed, 'Date of Birth': '05/05/1944', 'Event Start Date': '2025-09-01' }],
      [],
      ['1944-05-05'],
    ],
  ])('dates that could be read both ways, where %s', async (_, rows, codes, birthDates) => {
    await council.putFile(own, csvOf(rows));
    const pages = await run(cld, 1);
    expect(problemsIn(pages).map((row) => row.kind === 'problem' && row.code)).toEqual(codes);
    const born = rowsIn(pages).flatMap((row) => (row.kind === 'person' ? [row.facts.birthDate] : []));
    expect(born).toEqual(birthDates);
  });

  test('rows with cells too few or too many, and rows that are no CSV, are told by their line', async () => {
    const whole = csvOf([{ ...serviceCells, 'Event Description': 'two\r\nlines' }]);
    await council.putFile(
      own,
      `${whole}short,row\r\n${','.repeat(60)}x\r\n\r\n,,\r\nbro"ken,${','.repeat(48)}\r\n${csvOf([reviewCells], cldHeadings).split('\r\n')[1]}\r\n`,
    );
    const pages = await run(cld, 1);
    expect(problemsIn(pages)).toMatchObject([
      { code: 'ROW_LENGTH', place: `line 4 of ${own}`, found: '2 cells under 50 headings' },
      { code: 'ROW_LENGTH', place: `line 5 of ${own}`, found: '61 cells under 50 headings' },
      { code: 'ROW_UNREADABLE', place: `line 8 of ${own}` },
    ]);
    expect(rowsIn(pages).filter((row) => row.kind === 'review')).toHaveLength(1);
    expect(pages.at(-1)?.cursor.applied[own]).toMatchObject({ rows: 5, problems: 3 });
  });

  test('unknown headings are told by position, missing ones by name, and neither stops the file', async () => {
    const headings = [...cldHeadings.filter((heading) => heading !== 'Dementia'), 'Maud Ellery'];
    await council.putFile(own, `\uFEFF${csvOf([{ ...serviceCells, 'Maud Ellery': 'x' }], headings)}`);
    const pages = await run(cld, 10);
    expect(problemsIn(pages)).toMatchObject([
      { code: 'HEADING_UNKNOWN', column: null, found: 'column 50 of the file' },
      { code: 'HEADING_MISSING', column: 'Dementia' },
    ]);
    expect(rowsIn(pages).filter((row) => row.kind === 'service')).toHaveLength(1);
  });

  test('a file that is no Client Level Data is one problem, and the next file is read', async () => {
    await council.putFile(own, 'W000123,Maud,Ellery\r\nW000124,Tom,Ellery\r\n');
    await council.putFile('CLD_999_2026Q3.csv', csvOf([serviceCells]));
    const pages = await run(cld, 10);
    const problems = problemsIn(pages);
    expect(problems).toMatchObject([{ code: 'HEADINGS_UNKNOWN', place: `line 1 of ${own}` }]);
    expect(JSON.stringify({ ...problems[0], raw: null })).not.toContain('Maud');
    expect(rowsIn(pages).filter((row) => row.kind === 'service')).toHaveLength(1);
  });

  test.each<[string, Faults[number], string, number | null]>([
    ['busy', { kind: 'status', status: 429, retryAfterS: 7 }, 'SOURCE_BUSY', 7_000],
    ['busy for a while', { kind: 'status', status: 503, retryAfterS: 60 }, 'SOURCE_BUSY', 60_000],
    ['broken', { kind: 'status', status: 503 }, 'SOURCE_DOWN', null],
    ['failing', { kind: 'status', status: 500 }, 'SOURCE_DOWN', null],
    ['slow', { kind: 'slow', ms: 400 }, 'SOURCE_DOWN', null],
    ['cut short', { kind: 'truncated' }, 'SOURCE_ANSWER_INVALID', null],
    ['another page', { kind: 'wrong-content' }, 'SOURCE_ANSWER_INVALID', null],
  ])(
    'an answer that is %s, from the list or the file, uses nothing and loses nothing',
    async (_, fault, code, retryAfterMs) => {
      const pages = await run(cld, 20);
      const cursor = pages[1]?.cursor ?? null;
      const before = JSON.stringify(cursor);
      for (const path of ['/cld/', own]) {
        faults.push({ ...fault, path });
        const fetching = fetchCldPage(cld, cursor, {
          laCode: '999',
          timeoutMs: fault.kind === 'slow' ? 100 : 10_000,
          now,
        });
        await expect(fetching).rejects.toMatchObject({ name: 'SourceFault', code, retryAfterMs });
        faults.length = 0;
      }
      expect(JSON.stringify(cursor)).toBe(before);
      expect(await run(cld, 20, cursor).then(rowsIn)).toEqual(rowsIn(pages.slice(2)));
    },
  );

  test('a source that is not there is down; a folder that is not there as well', async () => {
    await expect(run('http://127.0.0.1:9/cld/', 1)).rejects.toMatchObject({ code: 'SOURCE_DOWN' });
    await expect(run(pathToFileURL(join(folder, 'none')).href, 1)).rejects.toMatchObject({
      code: 'SOURCE_DOWN',
    });
  });

  test('a file that is not what its checksum says is refused whole', async () => {
    const file = await readFile(join(folder, own));
    file[file.length - 9] = 0x21;
    await writeFile(join(folder, own), file);
    await expect(run(cld, 10)).rejects.toMatchObject({ code: 'SOURCE_ANSWER_INVALID' });
  });
});
