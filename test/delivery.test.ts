/** What the two systems of the made-up place hold stands in the hub after a first sync, each kind of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { founding, makePlace } from '../src/demo/place.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { today } from './setup/demo.ts';

let made: Awaited<ReturnType<typeof makeDemoDatabase>>;
let database: Database;

beforeAll(async () => {
  made = await makeDemoDatabase();
  database = openDatabase(made.url);
});
afterAll(async () => {
  await database.close();
  await made.drop();
});

const query = async <T>(text: string) => (await database.pool.query(text)).rows as T[];
const { people } = makePlace({ today });
/** The council typed somebody else's NHS number: until it is mended, all of that half waits. */
const mistaken = people[founding.wrongNumber]!.council!;
const councilHalves = people.flatMap(({ council }) => (council && council !== mistaken ? council : []));
const nhsHalves = people.flatMap(({ nhs }) => nhs ?? []);

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values.toSorted()) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
const told = async (text: string) => tally((await query<{ said: string }>(text)).map(({ said }) => said));

test('nothing waits but what hangs on a wrong NHS number', async () => {
  const rows = await query<{ code: string; person: string }>(
    `select code, facts ->> 'personId' as person from source_row where state = 'WAITING'`,
  );
  expect(new Set(rows.map(({ person }) => person))).toEqual(new Set([mistaken.laPersonId]));
  expect(new Set(rows.map(({ code }) => code))).toEqual(new Set(['DOUBTFUL_MATCH', 'PERSON_NOT_KNOWN_YET']));
});

test('eligibilities of both sides, by who decided them', async () => {
  const said = (by: string) => (one: { scheme: string; status: string; to: string | null }) =>
    `${by} ${one.scheme} ${one.status} ${one.to === null ? 'open' : 'ended'}`;
  expect(
    await told(`select concat_ws(' ', o.ods_code, scheme, status,
                                 case when e.valid_to is null then 'open' else 'ended' end) as said
                  from eligibility e join organisation o on o.id = e.decided_by_id`),
  ).toEqual(
    tally([
      ...nhsHalves.flatMap(({ eligibilities }) => eligibilities.map(said('QWN'))),
      ...councilHalves.flatMap(({ eligibilities }) => eligibilities.map(said('999'))),
    ]),
  );
});

test('days of eligibility as the sources hold them', async () => {
  const [held] = people[founding.danielOkafor]!.nhs!.eligibilities;
  expect(
    await query(`select scheme, decided_on as "decidedOn", valid_from as "from", review_due_on as "reviewDueOn", reviewer
                   from eligibility where external_id = 'EpisodeOfCare/${held!.id}'`),
  ).toMatchObject([
    {
      scheme: 'JOINT_PACKAGE',
      decidedOn: held!.decidedOn,
      from: held!.from,
      reviewDueOn: held!.reviewDueOn,
      reviewer: held!.reviewer,
    },
  ]);
  // FHIR counts the last day in, the hub the first day without.
  for (const { id, to } of nhsHalves.flatMap(({ eligibilities }) => eligibilities)) {
    if (to === null) continue;
    expect(
      await query(`select valid_to as to from eligibility where external_id = 'EpisodeOfCare/${id}'`),
    ).toEqual([{ to }]);
    break;
  }
});

test('reviews of every kind', async () => {
  const counts = await told(
    `select concat_ws(' ', s.side, r.kind) as said
       from review r join person_link l on l.id = r.link_id join source_system s on s.id = l.source_id`,
  );
  const fromCld = councilHalves.flatMap(({ reviews }) =>
    reviews.map(({ reason }) =>
      reason === 'Review of short term support' ? 'COUNCIL SHORT_TERM_SUPPORT' : 'COUNCIL CARE_PLAN',
    ),
  );
  expect(counts).toEqual(
    tally([
      ...fromCld,
      ...councilHalves.flatMap(({ moneyReviews }) => moneyReviews.map(({ kind }) => `COUNCIL ${kind}`)),
      ...nhsHalves.flatMap(({ reviews }) => reviews.map(({ kind }) => `NHS ${kind}`)),
    ]),
  );
  expect(Object.keys(counts)).toEqual([
    'COUNCIL AUDIT',
    'COUNCIL CARE_PLAN',
    'COUNCIL DIRECT_PAYMENT',
    'COUNCIL SHORT_TERM_SUPPORT',
    'NHS AUDIT',
    'NHS CARE_PLAN',
    'NHS CHC_ELIGIBILITY',
    'NHS DIRECT_PAYMENT',
  ]);
});

test('budgets in every state, managed in every way, paid through every channel, of every source of money', async () => {
  expect(Object.keys(await told('select status::text as said from budget'))).toEqual([
    'ACTIVE',
    'ENDED',
    'INDICATIVE',
    'PROPOSED',
    'SIGNED_OFF',
    'SUSPENDED',
  ]);
  expect(Object.keys(await told('select management::text as said from portion'))).toHaveLength(6);
  expect(
    Object.keys(await told('select channel::text as said from portion where channel is not null')),
  ).toEqual(['BANK', 'PREPAID_CARD', 'WALLET']);
  expect(Object.keys(await told('select source::text as said from funding_line'))).toHaveLength(7);
  expect(
    await query(`select count(*)::int as wrong from budget b
                  where agreed_pence <> (select sum(amount_pence) from funding_line where budget_id = b.id)`),
  ).toEqual([{ wrong: 0 }]);
  expect(await told(`select source || ' ' || stream as said from funding_line where source = 'ICB'`)).toEqual(
    tally(
      nhsHalves.flatMap(
        ({ budget }) =>
          budget?.funding.flatMap(({ source, stream }) => (source === 'ICB' ? `ICB ${stream}` : [])) ?? [],
      ),
    ),
  );
  // Nothing moves in a budget before it is in force.
  expect(
    await query(`select count(*)::int as moved from ledger_transfer t join budget b on b.id = t.budget_id
                  where b.status in ('INDICATIVE', 'PROPOSED', 'SIGNED_OFF')`),
  ).toEqual([{ moved: 0 }]);
});
