/**
 * A statement as a file for a spreadsheet: every transfer of a period, read through a cursor, so that its length costs
 * no memory.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Express } from 'express';
import type pg from 'pg';
import { readAs } from '../access/holder.ts';
import { visiblePeople, visibleRows } from '../access/scope.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { Viewer } from '../access/viewer.ts';
import { accountForFile } from '../audit/file.ts';
import type { Audit } from '../audit/store.ts';
import { budgetPrefix } from '../budget/view.ts';
import { personPrefix } from '../person/view.ts';
import { csvHeaders, csvLine } from '../platform/cell.ts';
import { transaction } from '../platform/database.ts';
import { londonDay } from '../platform/day.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';

export interface ExportOptions {
  pool: pg.Pool;
  signIn: SignIn;
  audit: Audit;
  now: () => Date;
}

/** So many rows are in memory at a time. */
export const fetchSize = 500;
/** Files made at the same time, in this process: each holds a connection. Who comes later is asked to try again. */
const maxAtOnce = 4;

const heading = ['day', 'recorded', 'kind', 'source', 'amount', 'description', 'category', 'reverses', 'id'];

// The money of the account goes up by PAID_IN and REFUNDED and down by SPENT, REPAID and RECLAIMED; what only changes
// its place counts for nothing, and stands without a sign.
const transfers = `
select t.effective_on::text as day, to_char(t.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as recorded,
       t.kind::text as kind, t.source::text as source,
       (case when (t.kind in ('SPENT', 'REPAID', 'RECLAIMED')) = (t.reverses_id is null) then -t.pence else t.pence end
          / 100.0)::numeric(20, 2)::text as amount,
       coalesce(t.description, '') as description, a.category, b.category as "toCategory",
       case when t.reverses_id is null then '' else 'trf_' || replace(t.reverses_id::text, '-', '') end as reverses,
       'trf_' || replace(t.id::text, '-', '') as id
  from budget g
  join ledger_transfer t on t.budget_id = g.id and t.person_id = g.person_id
  join ledger_account a on a.id = t.from_account_id
  join ledger_account b on b.id = t.to_account_id
 where g.person_id = $1::uuid and ($2::uuid is null or g.id = $2::uuid)
   and t.effective_on between $3::date and $4::date
 order by t.effective_on, t.id`;

interface Row {
  day: string;
  recorded: string;
  kind: string;
  source: string;
  amount: string;
  description: string;
  category: string;
  toCategory: string;
  reverses: string;
  id: string;
}

interface Wanted {
  viewer: Viewer;
  today: string;
  personId: string;
  budgetId: string | null;
  from: string;
  to: string;
}

/** The file in pieces of at most `fetchSize` lines, all of one moment. It holds one connection until it is done. */
export async function* statementCsv(
  pool: Pick<pg.Pool, 'connect'>,
  { viewer, today, personId, budgetId, from, to }: Wanted,
): AsyncGenerator<string> {
  const sql = await pool.connect();
  let whole = false;
  try {
    await sql.query('begin read only');
    await readAs(sql, viewer, today);
    await sql.query(`declare statement no scroll cursor for ${transfers}`, [personId, budgetId, from, to]);
    yield csvLine(heading);
    for (;;) {
      const { rows } = await sql.query<Row>(`fetch ${fetchSize} from statement`);
      if (rows.length > 0) {
        yield rows
          .map(({ category, toCategory, ...row }) =>
            csvLine([
              row.day,
              row.recorded,
              row.kind,
              row.source,
              row.amount,
              row.description,
              category || toCategory,
              row.reverses,
              row.id,
            ]),
          )
          .join('');
      }
      if (rows.length < fetchSize) break;
    }
    await sql.query('commit');
    whole = true;
  } finally {
    // Who stops reading leaves a cursor open: the connection goes with it.
    sql.release(!whole);
  }
}

export const isDay = (text: string | null): text is string =>
  text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && new Date(text).toJSON()?.slice(0, 10) === text;

/** Of a budget or of a person, if the viewer may see them today; null otherwise. */
async function find({ pool, now }: ExportOptions, viewer: Viewer, asked: URLSearchParams) {
  const budgetId = uuidOf(budgetPrefix, asked.get('budget'));
  const today = londonDay(now());
  return transaction(pool, async (sql) => {
    await readAs(sql, viewer, today);
    const { rows } =
      budgetId === null
        ? { rows: [{ person_id: uuidOf(personPrefix, asked.get('person')) }] }
        : await sql.query<{ person_id: string | null }>('select person_id from budget where id = $1', [
            budgetId,
          ]);
    const personId = rows[0]?.person_id ?? null;
    if (personId === null) return null;
    const { text, values } =
      budgetId === null
        ? visiblePeople(viewer, today, [personId], 'MONEY')
        : visibleRows(viewer, today, 'budget', [budgetId]);
    return (await sql.query(text, values)).rows.length === 0 ? null : { viewer, today, personId, budgetId };
  });
}

/** `/export/statement.csv?budget=<id>&from=<day>&to=<day>`, or `person=<id>` for all budgets of a person. */
export function addExportRoutes(app: Express, options: ExportOptions): void {
  let atOnce = 0;

  app.get(
    '/export/statement.csv',
    async (req: IncomingMessage & { originalUrl: string }, res: ServerResponse) => {
      const viewer = await options.signIn.viewerFrom(req.headers.authorization);
      const asked = new URL(req.originalUrl, 'http://hub').searchParams;
      const [from, to] = [asked.get('from'), asked.get('to')];
      if (!isDay(from) || !isDay(to) || to < from) {
        throw new Fault('BAD_REQUEST', 'Give "from" and "to" as YYYY-MM-DD, "to" not before "from".');
      }
      const found = await accountForFile(
        { ...options, req, res, viewer, object: 'statement' },
        await find(options, viewer, asked),
        ({ personId }) => [personId],
      );
      if (atOnce >= maxAtOnce) {
        throw new Fault('BUSY', 'Too many files are being made. Try again in a moment.', { retryable: true });
      }
      atOnce += 1;
      try {
        res.writeHead(200, csvHeaders(`statement-${from}-${to}.csv`));
        // Once it has begun, all that can be said of a failure is that the file is not whole.
        await pipeline(Readable.from(statementCsv(options.pool, { ...found, from, to })), res).catch(
          () => void res.destroy(),
        );
      } finally {
        atOnce -= 1;
      }
    },
  );
}
