/** A backup of one cluster, put into another: every row, every balance, and money can move on. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { backUp, restore } from '../prisma/backup.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { openDatabase } from '../src/platform/database.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded.ts';
import { rowsOf } from './setup/content.ts';
import { makeDatabase, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { herself, makeBudget, type OwnBudget, payIn, pounds, send } from './setup/spending.ts';

let kit: TestHub;
let budget: OwnBudget;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-backup-'));
  await chmod(folder, 0o711);
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 60_000n });
  await payIn(kit, budget, { source: 'COUNCIL', pence: 40_000n });
  const { spend: mistake } = await spend(kit, '12.34');
  await spend(kit, '7.00');
  await send(
    kit,
    'undoSpend',
    { spendId: mistake.id, expectedVersion: 1, reason: 'Twice' },
    'spend { id }',
    herself,
  );
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true, force: true });
});

const spend = (hub: TestHub, amount: string) =>
  send(
    hub,
    'recordSpend',
    { budgetId: budget.id, amount: pounds(amount), spentOn: '2026-11-20', payee: 'Pool', what: 'Swimming' },
    'spend { id state }',
    herself,
  );

async function money(hub: TestHub) {
  const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;
  const figures = 'opening { amount } paidIn { amount } spent { amount } closing { amount }';
  const { data, errors } = await hub.ask(
    `query ($n: NHSNumber!) { person(nhsNumber: $n) { budgets {
       id balances { source paidIn { amount } spent { amount } committed { amount } left { amount } }
       statement(from: "2026-04-01", to: "2027-03-31") { total { ${figures} } } } } }`,
    { n: nhsNumber },
  );
  expect(errors).toBeUndefined();
  return data.person.budgets;
}

const everyRow = async (database: { pool: TestHub['database']['pool'] }) =>
  Object.fromEntries(
    [...(await rowsOf(database.pool))].map(([name, rows]) => [
      name,
      rows.map((row) => JSON.stringify(row)).sort(),
    ]),
  );

async function hub(words: string[], env: Record<string, string>) {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const args = ['--import', 'tsx', 'src/hub.ts', ...words];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
  });
  return stdout;
}

test('from the command line into a new cluster: the ledger fits, all reads the same, and money is spent from it', async () => {
  const before = await money(kit);
  const rows = await everyRow(kit.database);
  const into = join(folder, 'whole');
  const count = Object.values(rows).reduce((sum, { length }) => sum + length, 0);
  const all = `${count} rows of ${Object.keys(rows).length} tables`;
  expect(await hub(['backup', into], { DATABASE_URL: kit.database.url })).toContain(`${all} are in`);
  expect((await stat(into)).mode & 0o777).toBe(0o700);

  const dataDir = join(folder, 'new');
  const said = await hub(['restore', into], { DATA_DIR: dataDir });
  expect(said).toContain(`${all} are back`);
  expect(said).toMatch(/^\d+ transfers in \d+ accounts: everything fits$/m);

  const cluster = await startEmbeddedPostgres({ dataDir });
  const restored = await startTestHub({ database: { url: cluster.url, drop: async () => {} }, now: noon });
  try {
    expect(await everyRow(restored.database)).toEqual(rows);
    expect(await money(restored)).toEqual(before);
    expect((await spend(restored, '5.00')).userErrors).toEqual([]);
    expect((await verifyLedger(restored.database.pool)).fault).toBeNull();
    // What keeps the past as it is stands guard again.
    for (const bend of [
      'update ledger_transfer set pence = pence + 1',
      'delete from audit_event',
      'update ledger_account set in_pence = in_pence + 1',
      `insert into spend_evidence (spend_id, evidence_id, person_id) values (new_id(), new_id(), new_id())`,
    ])
      await expect(restored.database.pool.query(bend)).rejects.toMatchObject({ code: /^23/ });
  } finally {
    await restored.close();
    await cluster.stop();
  }
}, 60_000);

test('taken while money moves, it is of one instant', async () => {
  const into = join(folder, 'moving');
  let isOver = false;
  const spending = (async () => {
    let spent = 0;
    for (; !isOver; spent += 1) await spend(kit, '0.01');
    return spent;
  })();
  await backUp(kit.database.url, into, noon());
  isOver = true;
  expect(await spending).toBeGreaterThan(0);
  const made = await makeDatabase();
  const database = openDatabase(made.url);
  try {
    await restore(made.url, into);
    expect((await verifyLedger(database.pool)).fault).toBeNull();
    const { rows } = await database.pool.query(
      `select (select count(*) from spend where budget_id = $1) = (select count(distinct external_id) from ledger_transfer where budget_id = $1 and kind = 'SPENT') as fits`,
      [budget.uuid],
    );
    expect(rows).toEqual([{ fits: true }]);
  } finally {
    await database.close();
    await made.drop();
  }
}, 40_000);

test('refuses what is not whole, of another version, or would mix with other records; then nothing was changed', async () => {
  const into = join(folder, 'refused');
  const { migrations } = await backUp(kit.database.url, into, noon());
  await expect(backUp(kit.database.url, into, noon())).rejects.toMatchObject({ code: 'BACKUP_FOLDER_TAKEN' });
  await expect(restore(kit.database.url, into)).rejects.toMatchObject({ code: 'DATABASE_NOT_EMPTY' });

  const made = await makeDatabase();
  const database = openDatabase(made.url);
  const spoil = async (name: string, change: (content: Buffer) => Buffer, code: string) => {
    const file = join(into, name);
    const content = await readFile(file);
    await writeFile(file, change(content));
    await expect(restore(made.url, into)).rejects.toMatchObject({ code });
    await writeFile(file, content);
  };
  try {
    const transfers = 'ledger_transfer.copy.gz';
    await spoil(transfers, (content) => content.subarray(0, content.length - 30), 'BACKUP_NOT_WHOLE');
    await spoil(
      transfers,
      (content) => Buffer.from(content).fill(7, content.length - 60, content.length - 40),
      'BACKUP_NOT_WHOLE',
    );
    await spoil('manifest.json', (content) => content.subarray(1), 'BACKUP_NOT_WHOLE');
    const other = (content: Buffer) =>
      Buffer.from(content.toString().replace(migrations.at(-1)!, '20990101000000_later'));
    await spoil('manifest.json', other, 'BACKUP_OTHER_VERSION');
    const { rows } = await database.pool.query('select count(*)::int as people from person');
    expect(rows).toEqual([{ people: 0 }]);
    await restore(made.url, into);
  } finally {
    await database.close();
    await made.drop();
  }
}, 40_000);
