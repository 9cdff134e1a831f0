/** Applies pages of submissions: everything a page brings is written in one transaction with the cursor behind it. */
import type pg from 'pg';
import { jobEvent } from '../audit/store.ts';
import { applyBalances, applyBudgets } from '../budget/store.ts';
import { applyEligibilities } from '../eligibility/store.ts';
import { applyPayments } from '../ledger/store.ts';
import { applyServices } from '../package/store.ts';
import {
  type Apply,
  applyPeople,
  applyRoles,
  endRoles,
  matchingLock,
  run,
  type Source,
} from '../person/store.ts';
import { applyOutcomes, applyPlans } from '../plan/store.ts';
import { type Sql, transaction } from '../platform/database.ts';
import { applyContacts, applyReviews } from '../review/store.ts';
import { type Prepared, prepare, type Reason, reasonToWait, refusal } from './rules.ts';
import { type Problem, rolesOfBudget, type Submission, type SubmissionKind } from './submission.ts';

/** In this order, so that what a row hangs on, if it is in the same page, is there before it. */
const appliers: Record<SubmissionKind, Apply> = {
  person: applyPeople,
  role: applyRoles,
  eligibility: applyEligibilities,
  outcome: applyOutcomes,
  plan: applyPlans,
  budget: applyBudgets,
  balance: applyBalances,
  payment: applyPayments,
  service: applyServices,
  review: applyReviews,
  contact: applyContacts,
};

export interface PageToApply {
  sourceId: string;
  feed: string;
  runId: string;
  rows: readonly (Submission | Problem)[];
  /** Where the feed goes on after this page. */
  cursor: unknown;
  /** How often the feed's cursor had moved when the page was asked for. */
  expectedMoves: number;
  /** The feed the run is in after this page: the same, or the next when this was its last page; null after the last. */
  nextFeed: string | null;
  /** Rows the source has to give in this run, as far as known. */
  expected: number | null;
  /** The version of the problems of the file that ends with this page: those of earlier files are answered. */
  endsFile?: string;
}

/** Rows of the page by what became of them. A row that the page itself replaced is in none. */
export interface Counts {
  created: number;
  changed: number;
  unchanged: number;
  waiting: number;
}

export type PageResult = ({ applied: true } & Counts) | { applied: false };

/**
 * Applies a page, or nothing of it: `applied` is false when somebody else has moved the feed's cursor meanwhile.
 * Rows the database refuses wait with that reason, and the others are applied without them.
 */
export async function applyPage(pool: pg.Pool, page: PageToApply): Promise<PageResult> {
  const rows = prepare(page.rows);
  return inIntake(pool, page.sourceId, async (sql, source) => {
    const [cursor] = await run(sql, 'move-cursor', moveCursor, [
      page.sourceId,
      page.feed,
      page.cursor === null ? null : JSON.stringify(page.cursor),
      page.expectedMoves,
    ]);
    if (!cursor) return { applied: false };
    const news = await findNews(sql, page.sourceId, rows);
    await applyRows(sql, source, news);
    const gone = rolesGone(news, rows);
    if (gone.length > 0) await endRoles(sql, page.sourceId, gone);
    const kept = news.map(({ row, reason, moved }) => keptRow(row, reason, moved));
    if (kept.length > 0) await run(sql, 'keep-rows', keepRows, [page.sourceId, `[${kept.join()}]`]);
    await run(sql, 'clear-problems', clearProblems, [page.sourceId, answeredProblems(rows)]);
    if (page.endsFile !== undefined) {
      await run(sql, 'clear-old-problems', clearOldProblems, [page.sourceId, page.feed, page.endsFile]);
    }
    const applied = news.filter(({ reason }) => reason === null);
    const changed = applied.filter(({ known }) => known).length;
    const counts: Counts = {
      created: applied.length - changed,
      changed,
      unchanged: rows.length - news.length,
      waiting: news.length - applied.length,
    };
    await run(sql, 'page-applied', pageApplied, [
      page.runId,
      `${source.code}/${page.feed}`,
      changedPeople(news),
      counts.created,
      counts.changed,
      counts.unchanged,
      counts.waiting,
      page.rows.length,
      page.nextFeed,
      page.expected,
    ]);
    return { applied: true, ...counts };
  });
}

const moveCursor = `
update sync_cursor set cursor = $3::jsonb, moves = moves + 1, updated_at = now()
 where source_id = $1 and feed = $2 and moves = $4 returning moves`;

// ---------------------------------------------------------------- one transaction at a time

/**
 * A page looks up some hundred rows by their keys in tables of any size. During a first sync the planner's statistics
 * are those of empty tables, and it would read them whole for every page, so it is left no other way than by the keys.
 */
const planning = `
set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off; set local enable_hashjoin = off;
set local enable_mergejoin = off; set local jit = off; set local lock_timeout = 0`;

/**
 * Pages are applied one after the other, across all sources and workers, because matching asks of the whole hub
 * whether a person is known; fetching and reading pages goes on side by side.
 */
async function inIntake<T>(
  pool: pg.Pool,
  sourceId: string,
  work: (sql: Sql, source: Source & { code: string }) => Promise<T>,
): Promise<T> {
  return transaction(pool, async (sql) => {
    await sql.query(planning);
    await sql.query('select pg_advisory_xact_lock($1)', [matchingLock]);
    const [row] = await run<[string, Source['side'], string, string]>(sql, 'find-source', findSource, [
      sourceId,
    ]);
    const [code, side, organisationId, organisationCode] = row!;
    return work(sql, { id: sourceId, code, side, organisationId, organisationCode });
  });
}

const findSource = `
select s.code, s.side, s.organisation_id, o.ods_code
  from source_system s join organisation o on o.id = s.organisation_id where s.id = $1`;

// ---------------------------------------------------------------- what is new, and what becomes of it

interface News {
  row: Prepared;
  /** The source sent it before, and says something else now. */
  known: boolean;
  /** The person (source's own id) it was filed under before, when that is another. */
  moved: string | null;
  reason: Reason | null;
  personId: string | null;
}

const findNew = `
select sent.n::int, kept.hash is not null, coalesce(kept.facts ->> 'movedFrom', kept.facts ->> 'personId')
  from unnest($2::text[], $3::text[], $4::text[]) with ordinality as sent(kind, external_id, sha256, n)
  left join lateral (select hash, facts from source_row
                      where source_id = $1 and kind = sent.kind and external_id = sent.external_id offset 0) kept on true
 where kept.hash is distinct from decode(sent.sha256, 'hex')
 order by sent.n`;

/** The rows that say something new. All others are dropped here, at the price of their hash. */
async function findNews(sql: Sql, sourceId: string, rows: Prepared[]): Promise<News[]> {
  const found = await run<[number, boolean, string | null]>(sql, 'find-new', findNew, [
    sourceId,
    rows.map((row) => row.kind),
    rows.map((row) => row.externalId),
    rows.map((row) => row.sha256),
  ]);
  return found.map(([n, known, filedUnder]) => {
    const row = rows[n - 1]!;
    const moved =
      filedUnder !== null && row.personId !== null && filedUnder !== row.personId ? filedUnder : null;
    return { row, known, moved, reason: row.reason, personId: null };
  });
}

const kindOrder = Object.keys(appliers);

/**
 * Applies rows kind by kind and notes on each whose it is, and what it waits for. Where the database refuses a row,
 * halves are tried, in order and each on top of the one before, until the row is found and set aside.
 */
async function applyRows(sql: Sql, source: Source, news: News[]): Promise<void> {
  await sql.query('savepoint rows');
  try {
    for (const [kind, apply] of Object.entries(appliers)) {
      const docs = news.flatMap(({ row, moved }, n) =>
        row.kind === kind && row.reason === null ? [numbered(row.body!, n, moved)] : [],
      );
      if (docs.length === 0) continue;
      for (const [n, personId, waits] of await apply(sql, source, `[${docs.join()}]`)) {
        const item = news[n]!;
        item.personId = personId;
        item.reason = waits === null ? null : reasonToWait(waits);
      }
    }
    await sql.query('release savepoint rows');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await sql.query('rollback to savepoint rows; release savepoint rows');
    if (news.length === 1) {
      news[0]!.reason = refusal;
      return;
    }
    const ordered = news.toSorted((a, b) => kindOrder.indexOf(a.row.kind) - kindOrder.indexOf(b.row.kind));
    const half = ordered.length >> 1;
    await applyRows(sql, source, ordered.slice(0, half));
    await applyRows(sql, source, ordered.slice(half));
  }
}

/**
 * A budget comes with the parts that organisations play in it. A part that a new version of the budget no longer
 * brings has ended: nothing else will ever say so.
 */
function rolesGone(news: News[], rows: readonly Prepared[]): string[] {
  const budgets = news.filter(({ row, known, reason }) => row.kind === 'budget' && known && reason === null);
  const sent = new Set(rows.flatMap((row) => (row.kind === 'role' ? [row.externalId] : [])));
  return budgets.flatMap(({ row }) => rolesOfBudget(row.externalId)).filter((role) => !sent.has(role));
}

/** PostgreSQL's classes 22, a value it cannot take, and 23, a value that breaks a rule. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^2[23]/.test(String(error.code));
}

/** Whose records were written to. A plan that waits for one of its outcomes is written all the same. */
function changedPeople(news: News[]): string[] {
  const written = news.filter(({ reason }) => reason === null || reason.code === 'OUTCOME_NOT_KNOWN_YET');
  return [...new Set(written.flatMap(({ personId }) => (personId === null ? [] : [personId])))];
}

const numbered = (body: string, n: number, moved: string | null) =>
  `{"n":${n},${moved === null ? '' : `"movedFrom":${JSON.stringify(moved)},`}${body.slice(1)}`;

/** Of an applied row only the person is kept beside `raw`; a row that waits keeps all it needs to be tried again. */
function keptRow(row: Prepared, reason: Reason | null, moved: string | null): string {
  const facts =
    row.body === null
      ? 'null'
      : reason === null
        ? `{"personId":${JSON.stringify(row.personId)}}`
        : moved === null
          ? row.body
          : `{"movedFrom":${JSON.stringify(moved)},${row.body.slice(1)}`;
  const { kind, externalId, version, sha256, place } = row;
  const head = JSON.stringify({ kind, externalId, version, sha256, place, ...reason });
  return `${head.slice(0, -1)},"raw":${row.raw},"facts":${facts}}`;
}

const keepRows = `
insert into source_row (source_id, kind, external_id, version, hash, raw, state, place, code, field, found, advice,
                        facts)
select $1, kind, "externalId", version, decode(sha256, 'hex'), raw,
       case when code is null then 'APPLIED' else 'WAITING' end::source_row_state, place, code, field, found, advice,
       facts
  from json_to_recordset($2::json) as t(
    kind text, "externalId" text, version text, sha256 text, place text, code text, field text, found text,
    advice text, raw jsonb, facts jsonb)
on conflict (source_id, kind, external_id) do update
   set version = excluded.version, hash = excluded.hash, raw = excluded.raw, state = excluded.state,
       place = excluded.place, code = excluded.code, field = excluded.field, found = excluded.found,
       advice = excluded.advice, facts = excluded.facts, received_at = now()`;

/** A good version of a row, whatever it turned out to be, is the answer to a problem with the same id. */
function answeredProblems(rows: Prepared[]): string[] {
  const open = new Set(rows.flatMap((row) => (row.kind === 'problem' ? [row.externalId] : [])));
  return rows.flatMap((row) => (row.kind === 'problem' || open.has(row.externalId) ? [] : [row.externalId]));
}

const clearProblems = `
delete from source_row
 where source_id = $1 and kind = 'problem' and state = 'WAITING' and external_id = any($2::text[])`;

const clearOldProblems = `
delete from source_row
 where source_id = $1 and kind = 'problem' and state = 'WAITING' and starts_with(version, $2 || ' ') and version <> $3`;

const pageApplied = `
with announced as (
  insert into outbox (topic, payload)
  select 'person.changed', jsonb_build_object('personIds', $3::uuid[]) where cardinality($3::uuid[]) > 0
), audited as (${jobEvent('$2::text', '$3::uuid[]', '$1::uuid')}
)
update sync_run
   set created = created + $4, changed = changed + $5, unchanged = unchanged + $6, waiting = waiting + $7,
       received = received + $8, expected = greatest(expected, received + $8, $10::int), feed = $9,
       error_code = null, error = null
 where id = $1`;

// ---------------------------------------------------------------- another try

const retryBatch = 500;

/**
 * Tries the rows again that wait for something else to arrive, those of people first. Run after all feeds of a
 * source: what one of them waited for may have come after it, from this source or by a merge.
 */
export async function retryWaiting(pool: pg.Pool, sourceId: string, runId: string): Promise<void> {
  for (const kind of Object.keys(appliers) as SubmissionKind[]) {
    for (let after = ''; ; ) {
      const { rows } = await pool.query<WaitingRow>({
        name: 'find-waiting',
        text: findWaiting,
        values: [sourceId, kind, after, retryBatch],
      });
      if (rows.length === 0) break;
      after = rows.at(-1)!.externalId;
      await retryRows(pool, sourceId, runId, rows);
    }
  }
}

interface WaitingRow {
  kind: SubmissionKind;
  externalId: string;
  code: string;
  body: string;
}

const findWaiting = `
select kind, external_id as "externalId", code, facts::text as body from source_row
 where source_id = $1 and kind = $2 and state = 'WAITING' and facts is not null and external_id > $3
 order by external_id limit $4`;

const settleRows = `
update source_row kept
   set state = case when t.code is null then 'APPLIED' else 'WAITING' end::source_row_state, code = t.code,
       field = t.field, found = t.found, advice = t.advice,
       facts = case when t.code is null then jsonb_build_object('personId', kept.facts -> 'personId')
                    when t.code <> 'ROW_REFUSED' then kept.facts end
  from json_to_recordset($2::json) as t(kind text, "externalId" text, code text, field text, found text, advice text)
 where kept.source_id = $1 and kept.kind = t.kind and kept.external_id = t."externalId"`;

async function retryRows(
  pool: pg.Pool,
  sourceId: string,
  runId: string,
  waiting: WaitingRow[],
): Promise<void> {
  await inIntake(pool, sourceId, async (sql, source) => {
    const tried = waiting.map(({ kind, externalId, body }): News => {
      const row = {
        kind,
        externalId,
        body,
        version: '',
        place: '',
        raw: '',
        personId: null,
        sha256: '',
        reason: null,
      };
      return { row, known: true, moved: null, reason: null, personId: null };
    });
    await applyRows(sql, source, tried);
    const settled = tried.filter(({ reason }, n) => reason?.code !== waiting[n]!.code);
    if (settled.length === 0) return;
    const verdicts = settled.map(({ row, reason }) => ({
      kind: row.kind,
      externalId: row.externalId,
      ...reason,
    }));
    await run(sql, 'settle-rows', settleRows, [sourceId, JSON.stringify(verdicts)]);
    const changed = settled.filter(({ reason }) => reason === null).length;
    await run(sql, 'page-applied', pageApplied, [
      runId,
      `${source.code}/retry`,
      changedPeople(settled),
      0,
      changed,
      0,
      -changed,
      0,
      null,
      null,
    ]);
  });
}
