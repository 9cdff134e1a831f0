/** The rows of bulk files in the database: read in, found again, and taken away when they have gone in. */
import type pg from 'pg';
import { ownOrganisation } from '../access/policy.ts';
import { employment, maySeeRow, parametersOf } from '../access/scope.ts';
import { isOfProvider, type Viewer, type ViewerRole } from '../access/viewer.ts';
import type { BulkFormat, BulkKind, BulkStatus } from '../generated/prisma/enums.ts';
import { lowestId } from '../platform/id.ts';
import type { Purchase } from '../spending/rules.ts';
import { paysFrom } from '../spending/subject.ts';
import type { Statements } from '../write/statements.ts';
import type { GoodRow, Named, RowProblem } from './rules.ts';

export const bulkFilePrefix = 'bkf';

export interface BulkFileRow {
  id: string;
  organisation: string;
  kind: BulkKind;
  format: BulkFormat;
  status: BulkStatus;
  hash: Buffer;
  size: number;
  rows: number;
  isRead: boolean;
  dryRun: boolean;
  decidedTo: string;
  /** Who sent it, or had it applied: what they may pay for is asked of them again for every row. */
  viewer: Viewer;
}

type Queryable = Pick<pg.Pool, 'query'>;

const fileRow = `
select f.id, o.ods_code as organisation, f.kind, f.format, f.status, f.hash, f.size_bytes as size, f.rows,
       f.is_read as "isRead", f.dry_run as "dryRun", f.decided_to as "decidedTo", f.sent_by as subject,
       f.sent_by_name as name, f.sent_by_role as role
  from bulk_file f join organisation o on o.id = f.organisation_id
 where f.id = $1::uuid`;

/** Null where there is none, or none that anything is left to do for. */
export async function unfinishedFile(pool: Queryable, id: string): Promise<BulkFileRow | null> {
  const { rows } = await pool.query(`${fileRow} and f.status in ('WAITING', 'CHECKING', 'APPLYING')`, [id]);
  return rows[0] === undefined ? null : asFile(rows[0]);
}

/** The same, with nobody else at work on it until the transaction ends. */
export async function lockFile(tx: Statements, id: string): Promise<BulkFileRow | null> {
  const text = `${fileRow} and f.status in ('WAITING', 'CHECKING', 'APPLYING') for update of f`;
  const [row] = await tx.$queryRawUnsafe<Record<string, unknown>[]>(text, id);
  return row === undefined ? null : asFile(row);
}

function asFile({
  subject,
  name,
  role,
  organisation,
  size,
  decidedTo,
  ...row
}: Record<string, unknown>): BulkFileRow {
  const viewer: Viewer = {
    subject: subject as string,
    name: name as string | null,
    role: role as ViewerRole,
    organisation: organisation as string,
    nhsNumber: null,
    client: null,
    purpose: role === 'FINANCE' ? 'COMMISSIONING' : 'DIRECT_CARE',
    signedInAt: null,
    assurance: null,
  };
  const rest = row as unknown as Omit<BulkFileRow, 'viewer' | 'organisation' | 'size' | 'decidedTo'>;
  return {
    ...rest,
    organisation: organisation as string,
    size: Number(size),
    decidedTo: (decidedTo as string | null) ?? lowestId,
    viewer,
  };
}

export async function isAtWork(tx: Statements, viewer: Viewer): Promise<boolean> {
  const { text, values } = employment(viewer);
  return (await tx.$queryRawUnsafe<unknown[]>(text, ...values)).length === 1;
}

/** Files on which nobody has been at work for a while. Whoever asks takes them up. */
export async function abandonedFiles(
  pool: Queryable,
  { evenRecent }: { evenRecent: boolean },
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `update bulk_file set touched_at = now()
      where status in ('WAITING', 'CHECKING', 'APPLYING')
        and ($1 or touched_at < now() - interval '15 seconds') returning id`,
    [evenRecent],
  );
  return rows.map(({ id }) => id);
}

export interface Place {
  budgetId: string;
  portionId: string | null;
  from: string;
  to: string | null;
}

/** What names a place where money is, in the words of the file. */
export const nameOf = ({ budgetId, nhsNumber, budgetKind, portionId }: Named): string =>
  [budgetId, nhsNumber, budgetKind, portionId].join(' ');

/**
 * For each name the places that it may mean: of those whose money the viewer spends today. A provider that names no
 * portion means one whose account it operates.
 */
export async function placesOf(
  tx: Statements,
  viewer: Viewer,
  today: string,
  names: Named[],
): Promise<Map<string, Place[]>> {
  const given = names.map(({ budgetId, nhsNumber, budgetKind, portionId }) => ({
    name: nameOf({ budgetId, nhsNumber, budgetKind, portionId }),
    budget: budgetId,
    nhs: nhsNumber,
    kind: budgetKind,
    portion: portionId,
  }));
  const values: unknown[] = [JSON.stringify(given)];
  const p = parametersOf(viewer, today, values);
  // Only where it is asked for: each condition that is written binds a value.
  const operated = () => `
    select o.id from portion o where o.budget_id = b.id and o.person_id = b.person_id and r.portion is null
       and o.account_operator_id = ${ownOrganisation(p)} and (o.valid_from is null or o.valid_from <= ${p.today()})
       and (o.valid_to is null or o.valid_to > ${p.today()})
    union all
    select r.portion where r.portion is not null`;
  const portions = isOfProvider(viewer.role) ? operated() : 'select r.portion';
  const place = { personId: 'b.person_id', budgetId: 'b.id', portionId: 'q.id' };
  const text = `
select r.name, b.id::text as "budgetId", q.id::text as "portionId", b.valid_from::text as "from", b.valid_to::text as "to"
  from json_to_recordset($1::json) as r(name text, budget uuid, nhs text, kind budget_kind, portion uuid)
 cross join lateral (
   select x.id, x.person_id, x.kind, x.valid_from, x.valid_to from budget x where x.id = r.budget
   union all
   select x.id, x.person_id, x.kind, x.valid_from, x.valid_to
     from person_identifier i join budget x on x.person_id = i.person_id
    where i.value = r.nhs and i.system = 'NHS_NUMBER' and i.issuer = '' and i.status = 'CURRENT' and x.kind = r.kind
  ) b
 cross join lateral (${portions}) as q(id)
 where ${maySeeRow(viewer.role, 'budget', 'b', p)} and ${paysFrom(viewer.role, place, p)}`;
  const rows = await tx.$queryRawUnsafe<(Place & { name: string })[]>(text, ...values);
  const found = new Map<string, Place[]>(given.map(({ name }) => [name, []]));
  for (const { name, ...row } of rows) found.get(name)!.push(row);
  return found;
}

export type Staged =
  | { number: number; row: Omit<GoodRow, keyof Named> & { budgetId: string; portionId: string | null } }
  | { number: number; problem: RowProblem };

const insertRows = `
insert into bulk_row (file_id, number, budget_id, portion_id, pence, spent_on, payee, what, category, line_key, reference,
                      code, message)
select $1::uuid, r.number, r."budgetId", r."portionId", r.pence, r."spentOn", r.payee, r.what, r.category, r."lineKey",
       r.reference, r.code, r.message
  from json_to_recordset($2::json) as r(
         number int, "budgetId" uuid, "portionId" uuid, pence bigint, "spentOn" date, payee text, what text,
         category text, "lineKey" text, reference text, code text, message text)`;

/** SQL: tells whoever follows the file of `$1` that it moved, with the statement behind it. Of nobody in it. */
export const telling = `
with told as (insert into outbox (topic, payload) values ('bulk.moved', jsonb_build_object('fileId', $1::uuid)))`;

/** Keeps rows as they were read. */
export async function keepRows(tx: Statements, fileId: string, staged: Staged[]): Promise<void> {
  const rows = staged.map((one) =>
    'problem' in one
      ? { number: one.number, ...one.problem }
      : { number: one.number, ...one.row, pence: String(one.row.pence) },
  );
  await tx.$executeRawUnsafe(insertRows, fileId, JSON.stringify(rows));
  await tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set rows = rows + $2, bad = bad + $3, touched_at = now(),
            status = case status when 'WAITING' then 'CHECKING' else status end where id = $1::uuid`,
    fileId,
    staged.length,
    staged.filter((one) => 'problem' in one).length,
  );
}

export interface WaitingRow extends Purchase {
  number: number;
  budgetId: string;
  portionId: string | null;
  reference: string;
}

/** All rows that wait of the next budgets, so many rows or a few more, those of a budget in the order of the file. */
export const nextRows = (
  tx: Statements,
  { id, decidedTo }: BulkFileRow,
  size: number,
): Promise<WaitingRow[]> =>
  tx.$queryRawUnsafe<WaitingRow[]>(
    `select r.number, r.budget_id::text as "budgetId", r.portion_id::text as "portionId", r.pence,
            r.spent_on::text as "spentOn", r.payee, r.what, r.category, r.line_key as "lineKey", r.reference
       from bulk_row r
      where r.file_id = $1::uuid and r.code is null and r.budget_id > $2::uuid and r.budget_id <= (
            select max(n.budget_id::text)::uuid from (
              select budget_id from bulk_row
               where file_id = $1::uuid and code is null and budget_id > $2::uuid order by budget_id limit $3) n)
      order by r.budget_id, r.number`,
    id,
    decidedTo,
    size,
  );

export interface Recorded {
  clientId: string;
  reference: string;
  pence: bigint;
  spentOn: string;
  payee: string;
}

/** What stands under these references already. */
export const recordedUnder = (
  tx: Statements,
  references: { clientId: string; reference: string }[],
): Promise<Recorded[]> =>
  tx.$queryRawUnsafe<Recorded[]>(
    `select s.client_id as "clientId", s.external_ref as reference, s.pence, s.spent_on::text as "spentOn", s.payee
       from json_to_recordset($1::json) as r("clientId" text, reference text)
       join spend s on s.client_id = r."clientId" and s.external_ref = r.reference`,
    JSON.stringify(references),
  );

/** Takes rows away that went in, or were in already. */
export const forgetRows = (tx: Statements, fileId: string, numbers: number[]): Promise<number> =>
  tx.$executeRawUnsafe(
    'delete from bulk_row where file_id = $1::uuid and number = any($2::int[])',
    fileId,
    numbers,
  );

/** Says why rows cannot go in. */
export const markRows = (
  tx: Statements,
  fileId: string,
  problems: (RowProblem & { number: number })[],
): Promise<number> =>
  tx.$executeRawUnsafe(
    `update bulk_row b set code = r.code, message = r.message
       from json_to_recordset($2::json) as r(number int, code text, message text)
      where b.file_id = $1::uuid and b.number = r.number`,
    fileId,
    JSON.stringify(problems),
  );

/** All rows are here: they are decided on next, and written where nobody asked for a look alone. */
export const endReading = (tx: Statements, id: string): Promise<number> =>
  tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set is_read = true, touched_at = now(),
            status = case when dry_run then 'CHECKING' else 'APPLYING' end::bulk_status where id = $1::uuid`,
    id,
  );

/** A file that cannot be read leaves nothing but why. It can be sent again. */
export async function failReading(
  tx: Statements,
  id: string,
  { code, message }: { code: string; message: string },
): Promise<void> {
  await tx.$executeRawUnsafe('delete from bulk_row where file_id = $1::uuid', id);
  await tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set status = 'FAILED', rows = 0, bad = 0, error_code = $2, error = $3, finished_at = now()
      where id = $1::uuid`,
    id,
    code,
    message,
  );
}

/** Who sent it may do no more for the organisation: what went in stays, and nothing else goes in. */
export async function endWork(tx: Statements, id: string): Promise<void> {
  await tx.$executeRawUnsafe('delete from bulk_row where file_id = $1::uuid and code is null', id);
  await tx.$executeRawUnsafe(
    `${telling}
     update bulk_file set status = 'FAILED', good = applied, error_code = 'NOT_YOURS', finished_at = now(),
            error = 'The work of who sent it for this organisation has ended. What went in stays; somebody else can send the file again.'
      where id = $1::uuid`,
    id,
  );
}
