import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JWTPayload } from 'jose';
import type pg from 'pg';
import { workOff } from '../../src/bulk/run.ts';
import { bulkFilePrefix } from '../../src/bulk/store.ts';
import { postAll } from '../../src/ledger/post.ts';
import { openFiles } from '../../src/platform/file.ts';
import { idOf, uuidOf } from '../../src/platform/id.ts';
import { statementsIn } from '../../src/write/statements.ts';
import { makeDemoDatabase } from './database.ts';
import { noon } from './demo.ts';
import { provider, startTestHub } from './hub.ts';
import { send } from './spending.ts';

export interface Family {
  personId: string;
  nhsNumber: string;
  uuid: string;
  budgetId: string;
  portionId: string;
}

/**
 * People of the demo of whom each has an integrated budget since April, with one portion whose account the charity
 * operates and so much money of the board in it.
 */
export async function makeFamilies(pool: pg.Pool, count: number, pence: bigint): Promise<Family[]> {
  // A temporary table is of one connection.
  const sql = await pool.connect();
  await sql.query(
    `create temp table family on commit preserve rows as
     select i.person_id as person, i.value as nhs, new_id() as budget, new_id() as portion, l.id as link, p.sort_name
       from person_identifier i join person p on p.id = i.person_id
       join lateral (select id from person_link where person_id = p.id order by id limit 1) l on true
      where i.system = 'NHS_NUMBER' and i.status = 'CURRENT' order by i.value limit ${count};
     insert into role_on_record (person_id, link_id, external_id, role, organisation_id, sort_name)
     select person, link, 'bulk', 'MANAGED_ACCOUNT_PROVIDER', (select id from organisation where ods_code = 'D9H01'), sort_name
       from family;
     insert into budget (id, person_id, kind, status, valid_from, agreed_pence)
     select budget, person, 'INTEGRATED', 'ACTIVE', '2026-04-01', 1000000 from family;
     insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
     select budget, person, 'ICB', (select id from organisation where ods_code = 'QWN'), 1000000 from family;
     insert into portion (id, budget_id, person_id, position, management, recurring, amount_pence, account_operator_id,
                          funds_holder, account_operator, legal_employer, purchase_decider)
     select portion, budget, person, 1, 'MANAGED_ACCOUNT', true, 1000000,
            (select id from organisation where ods_code = 'D9H01'), 'PERSON', 'PERSON', 'PERSON', 'PERSON' from family`,
  );
  const { rows } = await sql.query<Record<'person' | 'nhs' | 'budget' | 'portion', string>>(
    'select person, nhs, budget, portion from family order by nhs',
  );
  await sql.query('drop table family');
  sql.release();
  const families = rows.map(({ person, nhs, budget, portion }) => ({
    personId: person,
    nhsNumber: nhs,
    uuid: budget,
    budgetId: idOf('bud', budget),
    portionId: idOf('por', portion),
  }));
  const paidIn = { kind: 'PAID_IN', source: 'ICB', effectiveOn: '2026-11-02', portionId: null } as const;
  await statementsIn(pool, (tx) =>
    postAll(
      tx,
      families.map(({ personId, uuid: budgetId }) => ({
        ...{ ...paidIn, personId, budgetId, pence },
        ...{ description: 'Paid in', cause: 'test' },
      })),
    ),
  );
  return families;
}

const shown = `id kind status rows good bad applied unchanged amount { amount } errorCode error badRowsUrl
  problems(first: 100) { nodes { number code message } }`;

/** A hub with files of its own, and what every test of bulk files does with it. */
export async function startBulkKit() {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-bulk-'));
  const kit = await startTestHub({ database: await makeDemoDatabase(), now: noon, files: { folder } });
  const { pool } = kit.database;
  const files = openFiles({ folder });

  async function upload(body: string | Buffer, name = 'november.csv', claims: JWTPayload = provider) {
    const { uploadId, uploadUrl } = await send(
      kit,
      'requestBulkUpload',
      { fileName: name },
      'uploadId uploadUrl expiresAt',
      claims,
    );
    const response = await fetch(`http://127.0.0.1:${kit.hub.port}${uploadUrl}`, {
      method: 'PUT',
      body: new Uint8Array(Buffer.from(body)),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
    const answer = (await response.json()) as any;
    return { uploadId, uploadUrl, status: response.status, answer };
  }

  /** Uploads a file and has it taken up; nobody works on it yet. */
  async function importFile(
    body: string | Buffer,
    more: Record<string, unknown> = {},
    claims: JWTPayload = provider,
  ) {
    const { uploadId } = await upload(
      body,
      more.format === 'JSON' ? 'november.json' : 'november.csv',
      claims,
    );
    const input = { uploadId, kind: 'SPENDING', format: 'CSV', dryRun: false, ...more };
    return send(kit, 'importBulkFile', input, `alreadySent file { ${shown} }`, claims);
  }

  const work = (fileId: string, size?: number) =>
    workOff(
      {
        ...{ pool, files, now: noon, stopping: new AbortController().signal },
        ...(size === undefined ? {} : { size }),
      },
      uuidOf(bulkFilePrefix, fileId)!,
    );

  async function file(fileId: string, claims: JWTPayload = provider) {
    const query = `query ($id: ID!) { node(id: $id) { ... on BulkFile { ${shown} } } }`;
    return (await kit.ask(query, { id: fileId }, claims)).data.node;
  }

  /** All of it: sent, taken up, worked off, and shown. */
  async function run(
    body: string | Buffer,
    more: Record<string, unknown> = {},
    claims: JWTPayload = provider,
  ) {
    const taken = await importFile(body, more, claims);
    await work(taken.file.id);
    return file(taken.file.id, claims);
  }

  const apply = (fileId: string, claims: JWTPayload = provider) =>
    send(kit, 'applyBulkFile', { fileId }, `file { ${shown} }`, claims);

  async function fetchBad(url: string, claims: JWTPayload = provider) {
    const authorization = `Bearer ${await kit.issuer.token(claims)}`;
    const response = await fetch(`http://127.0.0.1:${kit.hub.port}${url}`, { headers: { authorization } });
    return { status: response.status, text: await response.text() };
  }

  /** What is spent, and left, of the families' budgets. */
  async function spent(families: Family[]) {
    const { rows } = await pool.query(
      `select (select count(*)::int from spend where budget_id = any($1)) as spends,
              (select coalesce(sum(pence), 0)::int from ledger_transfer where budget_id = any($1) and kind = 'SPENT') as pence,
              (select count(*)::int from audit_event where object = 'importBulkFile' and action = 'CHANGE'
                  and cardinality(person_ids) > 0) as audited`,
      [families.map(({ uuid }) => uuid)],
    );
    return rows[0] as { spends: number; pence: number; audited: number };
  }

  return {
    ...{ kit, pool, files, folder, upload, importFile, work, file, run, apply, fetchBad, spent },
    async close() {
      await kit.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type BulkKit = Awaited<ReturnType<typeof startBulkKit>>;

export const csv = (headings: string, rows: (string | number)[][], delimiter = ',') =>
  [headings, ...rows.map((row) => row.join(delimiter))].join('\r\n');

export const spending = 'budget,spent_on,amount,payee,what,reference';
export const reference = () => randomUUID().slice(0, 8);
