/**
 * The intake as a process of its own: pages of 1,000 rows through `applyPage`, beside a bare COPY into a temporary
 * table and a merge of the same rows into the same tables, in turns on one database that begins empty.
 *
 * A block is ten pages, as a source would send them: 2,000 people, their 2,000 budgets and 6,000 payments. The peer
 * writes what the hub writes of them, each page in a transaction of its own too: people with identifier, link and role,
 * budgets with funding line and portion, payments with accounts, transfers and balances, and every row as it was
 * received. It does not match people by NHS number, look whether a row is new, keep a cursor, count, audit or announce.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { applyPage } from '../../src/intake/store.ts';
import type { Submission } from '../../src/intake/submission.ts';
import { openDatabase, type Sql, transaction } from '../../src/platform/database.ts';
import { nhsNumberCheckDigit } from '../../src/platform/nhs-number.ts';
import { icb, makeSources } from './data.ts';

const [url, rounds, people] = process.argv.slice(2) as [string, string, string];

const pageRows = 1_000;
/** Fewer where the bench only shows that it runs. A multiple of ten, so that every block is of the same money. */
const blockPeople = Math.min(2_000, Math.ceil(Number(people) / 10) * 10);
const paymentsEach = 3;
/** Rounds before the first that counts: they fill the tables and settle the plans. */
const warmUp = 2;

export interface IntakeFigures {
  /** Rows a second in each round: new ones, the same once more, and new ones by COPY and merge. */
  fresh: number[];
  unchanged: number[];
  copyMerge: number[];
  /** Of this process, after each round. */
  rssMb: number[];
}

type Row<K extends Submission['kind']> = Extract<Submission, { kind: K }>;

// ---------------------------------------------------------------- what a source sends

const kinds = ['person', 'budget', 'payment'] as const;
type Kind = (typeof kinds)[number];

/** One block's pages, made as they are asked for: what is not held cannot grow. */
function* pagesOf(block: number): Generator<{ kind: Kind; rows: Submission[] }> {
  for (const kind of kinds) {
    const each = kind === 'payment' ? paymentsEach : 1;
    const all = blockPeople * each;
    for (let at = 0; at < all; at += pageRows) {
      const rows = Array.from({ length: Math.min(pageRows, all - at) }, (_, i) => {
        const person = block * blockPeople + Math.floor((at + i) / each);
        return kind === 'person'
          ? personRow(person)
          : kind === 'budget'
            ? budgetRow(person)
            : paymentRow(person, (at + i) % each);
      });
      yield { kind, rows };
    }
  }
}

/** The `n`th number that is valid, near enough: one in eleven nine-digit beginnings has no check digit. */
function nhsNumberOf(n: number): string {
  for (let nine = 400_000_000 + n * 2; ; nine++) {
    const digit = nhsNumberCheckDigit(String(nine));
    if (digit !== null) return `${nine}${digit}`;
  }
}

function personRow(n: number): Row<'person'> {
  const nhsNumber = nhsNumberOf(n);
  const familyName = `Bench${n % 5_000}`;
  const raw = {
    resourceType: 'Patient',
    id: `p${n}`,
    meta: { versionId: '1', lastUpdated: '2026-11-01T06:00:00Z' },
    identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: nhsNumber }],
    name: [{ use: 'official', family: familyName, given: ['Alex'] }],
    gender: 'female',
    birthDate: '1950-06-01',
    address: [{ use: 'home', line: ['1 Bench Street', 'Benchtown'], postalCode: 'ZZ99 3VZ' }],
  };
  return {
    ...placed('person', `p${n}`, n, raw),
    facts: {
      nhsNumber,
      supersededNhsNumbers: [],
      familyName,
      givenName: 'Alex',
      birthDate: '1950-06-01',
      deathDate: null,
      gender: 'FEMALE',
      postcode: 'ZZ99 3VZ',
      restricted: false,
    },
  };
}

function budgetRow(n: number): Row<'budget'> {
  const amountPence = 1_200_000n + BigInt(n % 10);
  const raw = {
    resourceType: 'Contract',
    id: `b${n}`,
    meta: { versionId: '1' },
    status: 'executed',
    subject: [{ reference: `Patient/p${n}` }],
    applies: { start: '2026-04-01' },
    term: [{ asset: [{ valuedItem: [{ net: { value: Number(amountPence) / 100, currency: 'GBP' } }] }] }],
  };
  return {
    ...placed('budget', `b${n}`, n, raw),
    facts: {
      kind: 'PERSONAL_HEALTH_BUDGET',
      status: 'ACTIVE',
      from: '2026-04-01',
      to: null,
      indicativePence: null,
      fundingLines: [{ source: 'ICB', stream: '', organisationCode: icb, amountPence }],
      portions: [
        {
          management: 'DIRECT_PAYMENT',
          recurring: true,
          amountPence,
          channel: 'BANK',
          accountOperatorCode: null,
        },
      ],
    },
  };
}

function paymentRow(n: number, k: number): Row<'payment'> {
  const pence = (k === 0 ? 90_000n : 30_000n) + BigInt(n % 10);
  const raw = {
    resourceType: 'PaymentNotice',
    id: `t${n}.${k}`,
    meta: { versionId: '1' },
    status: 'active',
    request: { reference: `Contract/b${n}` },
    paymentDate: '2026-10-01',
    amount: { value: Number(pence) / 100, currency: 'GBP' },
    paymentStatus: { text: k === 0 ? 'Four-weekly payment' : 'Wages of personal assistant' },
  };
  return {
    ...placed('payment', `t${n}.${k}`, n, raw),
    facts: {
      budgetId: `b${n}`,
      kind: k === 0 ? 'PAID_IN' : 'SPENT',
      source: 'ICB',
      pence,
      effectiveOn: `2026-10-0${k + 1}`,
      description: k === 0 ? 'Four-weekly payment' : 'Wages of personal assistant',
      cancelled: false,
    },
  };
}

const placed = <K extends Kind>(kind: K, externalId: string, n: number, raw: { resourceType: string }) => ({
  kind,
  externalId,
  version: '1',
  raw,
  place: `${raw.resourceType}/${externalId}`,
  personId: `p${n}`,
});

// ---------------------------------------------------------------- COPY and merge

/** The columns of a row as they are copied; the first three are every kind's. */
const copied: { [K in Kind]: { columns: string; values: (row: Row<K>) => unknown[] } } = {
  person: {
    columns:
      'nhs_number text, family_name text, given_name text, birth_date date, gender gender, postcode text',
    values: ({ facts: f }) => [f.nhsNumber, f.familyName, f.givenName, f.birthDate, f.gender, f.postcode],
  },
  budget: {
    columns: `person text, kind budget_kind, status budget_status, valid_from date, valid_to date,
              source funding_source, pence bigint, management management, recurring boolean`,
    values: ({ personId, facts: f }) => [
      personId,
      f.kind,
      f.status,
      f.from,
      f.to,
      f.fundingLines[0]!.source,
      f.fundingLines[0]!.amountPence,
      f.portions[0]!.management,
      f.portions[0]!.recurring,
    ],
  },
  payment: {
    columns: `person text, budget text, kind transfer_kind, source funding_source, pence bigint, effective_on date,
              description text`,
    values: ({ personId, facts: f }) => [
      personId,
      f.budgetId,
      f.kind,
      f.source,
      f.pence,
      f.effectiveOn,
      f.description,
    ],
  },
};

const keepRaw = (kind: Kind) => `
insert into source_row (source_id, kind, external_id, version, hash, raw, state, place)
select $1, '${kind}', external_id, '1', sha256(convert_to(raw, 'UTF8')), raw::jsonb, 'APPLIED', place from copied
on conflict (source_id, kind, external_id) do update
   set hash = excluded.hash, raw = excluded.raw, place = excluded.place, received_at = now()`;

const merges: Record<Kind, string[]> = {
  person: [
    `with row as materialized (
       select c.*, coalesce(l.person_id, new_id()) as person, coalesce(l.id, new_id()) as link
         from copied c left join person_link l on l.source_id = $1 and l.external_id = c.external_id
     ), people as (
       insert into person (id, family_name, given_name, birth_date, gender, postcode, sort_name)
       select person, family_name, given_name, birth_date, gender, postcode, lower(family_name || ', ' || given_name)
         from row
       on conflict (id) do update set family_name = excluded.family_name, given_name = excluded.given_name,
         birth_date = excluded.birth_date, gender = excluded.gender, postcode = excluded.postcode,
         sort_name = excluded.sort_name
     ), numbers as (
       insert into person_identifier (system, value, person_id) select 'NHS_NUMBER', nhs_number, person from row
       on conflict do nothing
     ), links as (
       insert into person_link (id, person_id, source_id, external_id, method, nhs_number, family_name, given_name,
                                birth_date, gender, postcode, restricted)
       select link, person, $1, external_id, 'NEW', nhs_number, family_name, given_name, birth_date, gender, postcode,
              false
         from row
       on conflict (source_id, external_id) do update set nhs_number = excluded.nhs_number,
         family_name = excluded.family_name, given_name = excluded.given_name, birth_date = excluded.birth_date,
         gender = excluded.gender, postcode = excluded.postcode
     )
     insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
     select person, link, '#holder', 'COMMISSIONER', s.organisation_id, lower(family_name || ', ' || given_name)
       from row join source_system s on s.id = $1
     on conflict (link_id, role, external_id) do nothing`,
    keepRaw('person'),
  ],
  budget: [
    `with row as materialized (
       select c.*, coalesce(b.id, new_id()) as budget, l.person_id, l.id as link
         from copied c join person_link l on l.source_id = $1 and l.external_id = c.person
         left join budget b on b.link_id = l.id and b.external_id = c.external_id
     ), budgets as (
       insert into budget (id, person_id, link_id, external_id, kind, status, valid_from, valid_to, agreed_pence)
       select budget, person_id, link, external_id, kind, status, valid_from, valid_to, pence from row
       on conflict (link_id, external_id) do update set kind = excluded.kind, status = excluded.status,
         valid_from = excluded.valid_from, valid_to = excluded.valid_to, agreed_pence = excluded.agreed_pence
     ), funded as (
       insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
       select budget, person_id, source, s.organisation_id, pence from row join source_system s on s.id = $1
       on conflict (budget_id, person_id, source, stream) where split_id is null and valid_from is null
          do update set amount_pence = excluded.amount_pence
     )
     insert into portion (budget_id, person_id, position, management, recurring, amount_pence, funds_holder,
                          account_operator, legal_employer, purchase_decider)
     select budget, person_id, 1, management, recurring, pence, default_duty(management, 'funds_holder'),
            default_duty(management, 'account_operator'), default_duty(management, 'legal_employer'),
            default_duty(management, 'purchase_decider') from row
     on conflict (budget_id, person_id, position) do update
        set management = excluded.management, recurring = excluded.recurring, amount_pence = excluded.amount_pence`,
    keepRaw('budget'),
  ],
  payment: [
    `insert into ledger_account (person_id, budget_id, source, kind, organisation_id)
     select distinct l.person_id, b.id, c.source, leg.kind, case when leg.kind = 'FUNDER' then s.organisation_id end
       from copied c join source_system s on s.id = $1
       join person_link l on l.source_id = $1 and l.external_id = c.person
       join budget b on b.link_id = l.id and b.external_id = c.budget
      cross join lateral (values ('HELD'::ledger_account_kind),
                                 (case c.kind when 'PAID_IN' then 'FUNDER' else 'SPENT' end::ledger_account_kind)) as leg(kind)
     on conflict (budget_id, source, kind, portion_id, category) do nothing`,
    `insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence,
                                  effective_on, description, external_id)
     select l.person_id, b.id, a.id, z.id, c.kind, c.source, c.pence, c.effective_on, c.description, c.external_id
       from copied c
       join person_link l on l.source_id = $1 and l.external_id = c.person
       join budget b on b.link_id = l.id and b.external_id = c.budget
       join ledger_account a on a.budget_id = b.id and a.source = c.source
        and a.kind = (case c.kind when 'PAID_IN' then 'FUNDER' else 'HELD' end)::ledger_account_kind
       join ledger_account z on z.budget_id = b.id and z.source = c.source
        and z.kind = (case c.kind when 'PAID_IN' then 'HELD' else 'SPENT' end)::ledger_account_kind
      where not exists (select from ledger_transfer t where t.external_id = c.external_id and t.budget_id = b.id)`,
    keepRaw('payment'),
  ],
};

/** As COPY's text format wants it. */
const cell = (value: unknown): string =>
  value === null
    ? '\\N'
    : String(value).replace(
        /[\\\t\n\r]/g,
        (c) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c]!,
      );

async function copyAndMerge(sql: Sql, sourceId: string, kind: Kind, rows: Submission[]): Promise<void> {
  const { columns, values } = copied[kind] as { columns: string; values: (row: Submission) => unknown[] };
  await sql.query(
    `create temp table copied (external_id text, place text, raw text, ${columns}) on commit drop`,
  );
  const lines = rows.map((row) =>
    [row.externalId, row.place, JSON.stringify(row.raw), ...values(row)].map(cell).join('\t'),
  );
  await pipeline(Readable.from([`${lines.join('\n')}\n`]), sql.query(copyFrom('copy copied from stdin')));
  await sql.query('analyze copied');
  for (const merge of merges[kind]) await sql.query(merge, [sourceId]);
}

// ---------------------------------------------------------------- in turns

const { pool, close } = openDatabase(url);
const sourceId = await makeSources(pool);
for (const kind of kinds)
  await pool.query('insert into sync_cursor (source_id, feed) values ($1, $2)', [sourceId, kind]);
const run = await pool.query<{ id: string }>('insert into sync_run (source_id) values ($1) returning id', [
  sourceId,
]);
const moves: Record<Kind, number> = { person: 0, budget: 0, payment: 0 };

/** Rows a second of a block's pages; making the pages is not counted. */
async function timeBlock(block: number, apply: (kind: Kind, rows: Submission[]) => Promise<unknown>) {
  let rows = 0;
  let tookMs = 0;
  for (const page of pagesOf(block)) {
    const begin = performance.now();
    await apply(page.kind, page.rows);
    tookMs += performance.now() - begin;
    rows += page.rows.length;
  }
  return (rows / tookMs) * 1000;
}

/** Every row of the page must have become what is expected of it, or the time means nothing. */
async function throughHub(kind: Kind, rows: Submission[], expected: 'created' | 'unchanged') {
  const result = await applyPage(pool, {
    sourceId,
    feed: kind,
    runId: run.rows[0]!.id,
    rows,
    cursor: { at: moves[kind] },
    expectedMoves: moves[kind],
    nextFeed: kind,
    expected: null,
  });
  moves[kind] += 1;
  if (!result.applied || result[expected] !== rows.length)
    throw new Error(`a page of ${kind} rows was not ${expected}: ${JSON.stringify(result)}`);
}

const figures: IntakeFigures = { fresh: [], unchanged: [], copyMerge: [], rssMb: [] };
for (let round = 0; round < warmUp + Number(rounds); round++) {
  // The planner knows the tables as a hub in use does, whichever of the two asks it.
  await pool.query('analyze');
  const fresh = await timeBlock(round * 2, (kind, rows) => throughHub(kind, rows, 'created'));
  const copyMerge = await timeBlock(round * 2 + 1, (kind, rows) =>
    transaction(pool, (sql) => copyAndMerge(sql, sourceId, kind, rows)),
  );
  const unchanged = await timeBlock(round * 2, (kind, rows) => throughHub(kind, rows, 'unchanged'));
  if (round < warmUp) continue;
  figures.fresh.push(fresh);
  figures.copyMerge.push(copyMerge);
  figures.unchanged.push(unchanged);
  figures.rssMb.push(process.memoryUsage.rss() / 2 ** 20);
}

await checkSame();
await close();
process.send?.(figures);

/** Both wrote as much: in every table as many rows of the hub's blocks as of the peer's, and as much money. */
async function checkSame() {
  const { rows } = await pool.query<{ hub: string; peer: string }>(`
    with mine as (
      select l.id, l.person_id, substr(l.external_id, 2)::int / ${blockPeople} % 2 = 0 as hub from person_link l
    ), counted as (
      select 'person' as what, hub, 1 as n from mine join person p on p.id = person_id
      union all select 'number', hub, 1 from mine join person_identifier i using (person_id)
      union all select 'role', hub, 1 from mine join role_on_record r using (person_id)
      union all select 'budget', hub, agreed_pence from mine join budget b using (person_id)
      union all select 'line', hub, 1 from mine join funding_line using (person_id)
      union all select 'portion', hub, 1 from mine join portion using (person_id)
      union all select 'account', hub, in_pence from mine join ledger_account using (person_id)
      union all select 'transfer', hub, pence from mine join ledger_transfer using (person_id)
      union all select 'row', hub, 1 from mine join source_row s on split_part(substr(s.external_id, 2), '.', 1)
                                        = substr((select external_id from person_link where id = mine.id), 2)
    )
    select coalesce(sum(n) filter (where hub), 0) as hub, coalesce(sum(n) filter (where not hub), 0) as peer
      from counted group by what having sum(n) filter (where hub) is distinct from sum(n) filter (where not hub)`);
  if (rows.length > 0) throw new Error('The intake and COPY with merge did not write the same');
}
