/** The client in `docs/client`, as it stands, as a program of its own against a hub. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { exportPKCS8, exportSPKI, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorker } from '../jobs/worker.ts';
import { putClient, readPublicKeys } from '../src/access/client.ts';
import { founding, makePlace } from '../src/demo/place.ts';
import { openFiles } from '../src/platform/file.ts';
import { openLog } from '../src/platform/log.ts';
import { csv, spending } from './setup/bulk.ts';
import { keep, keptLog } from './setup/byproduct.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { publicUrl, startTestHub, type TestHub } from './setup/hub.ts';
import { agreePlan, key, makeBudget, type OwnBudget, payIn } from './setup/spending.ts';
import { announce } from './setup/stream.ts';
import { until } from './setup/until.ts';

const node = ['--import', 'tsx'];
const { nhsNumber } = makePlace({ today }).people[founding.irisHolloway]!;

let kit: TestHub;
let folder: string;
let budget: OwnBudget;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-client-'));
  kit = await startTestHub({
    database: await makeDemoDatabase(),
    now: noon,
    files: { folder: join(folder, 'files') },
  });
  budget = await makeBudget(kit);
  await payIn(kit, budget, { pence: 100_000n, portionId: budget.managedUuid });
  await agreePlan(kit, budget, [
    { key: 'swim', what: 'Swimming lessons', yearlyPence: 50_000, portion: 'managed' },
  ]);

  const { publicKey, privateKey } = await generateKeyPair('RS512', { extractable: true });
  await writeFile(join(folder, 'harbour.pem'), await exportPKCS8(privateKey));
  await putClient(kit.database.pool, {
    id: 'harbour',
    name: 'Harbour’s books',
    organisation: 'D9H01',
    role: 'PROVIDER',
    documentsOnly: false,
    jwks: await readPublicKeys(await exportSPKI(publicKey)),
  });
  await writeFile(join(folder, 'receipt.pdf'), pdf('a receipt'));
  const purchase = { nhsNumber, spentOn: '2026-11-16', payee: 'Harbour Leisure', what: 'Swimming lessons' };
  const week = [
    {
      ...purchase,
      keys: { spend: key(), attach: key() },
      amount: '12.00',
      receipt: join(folder, 'receipt.pdf'),
    },
    { ...purchase, keys: { spend: key(), attach: key() }, amount: '0.00' },
    { ...purchase, keys: { spend: key(), attach: key() }, amount: '9.00', nhsNumber: 'nobody of ours' },
  ];
  await writeFile(join(folder, 'week.json'), JSON.stringify(week));
  const swim = (amount: string) => [
    ...[budget.id, '2026-11-16', amount, 'Harbour Leisure', 'Swimming lessons', ''],
  ];
  await writeFile(join(folder, 'good.csv'), csv(spending, [swim('3.00'), swim('4.00')]));
  await writeFile(join(folder, 'bad.csv'), csv(spending, [swim('5.00'), swim('a lot')]));
});
const running = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await kit.close();
  await rm(folder, { recursive: true });
});

interface Run {
  output(): string;
  /** Asks it to stop; gives its exit code. */
  stop(): Promise<number | null>;
}

function runClient(settings: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(
    process.execPath,
    [...node, '--import', './test/fixture/clock.ts', 'docs/client/main.ts'],
    {
      env: {
        ...process.env,
        CLOCK: noon().toISOString(),
        HUB_URL: `http://127.0.0.1:${kit.hub.port}`,
        PUBLIC_URL: publicUrl,
        CLIENT_KEY: join(folder, 'harbour.pem'),
        WEEK: join(folder, 'week.json'),
        PLACE: join(folder, 'place'),
        ...settings,
      },
    },
  );
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
      keep('log', String(chunk));
    });
  }
  const gone = once(child, 'exit').then(([code]) => code as number | null);
  return {
    output: () => text,
    async stop() {
      child.kill('SIGTERM');
      const code = await gone;
      running.delete(child);
      return code;
    },
  };
}

/** What it did, as the database has it. */
async function done() {
  const { rows } = await kit.database.pool.query(
    `select (select json_agg(json_build_object('pence', s.pence::int, 'portion', s.portion_id, 'payee', s.payee))
               from spend s where s.budget_id = $1) as spends,
            (select count(*)::int from spend_evidence l join spend s on s.id = l.spend_id where s.budget_id = $1) as shown,
            (select count(distinct subject)::int from audit_event where object = 'recordSpend' and outcome = 'DONE') as authors`,
    [budget.uuid],
  );
  return { ...rows[0], spends: JSON.parse(rows[0].spends) };
}

const isFollowing = async () =>
  /^tandem_live_streams 1$/m.test(await (await fetch(`${kit.hub.url}/metrics`)).text());

test('records a week once however often it runs, says what is to mend, and goes on behind the last change', async () => {
  const first = runClient();
  await until(isFollowing);
  expect(first.output()).toMatch(/^\d+ people, \d+ returns to send$/m);
  expect(first.output()).toContain('2026-11-16 Swimming lessons: INSIDE_PLAN\n');
  expect(first.output()).toMatch(/not recorded\n {2}AMOUNT_INVALID: /);
  expect(first.output()).toMatch(/not recorded\n {2}NO_POT: /);
  const expected = {
    spends: [{ pence: 1_200, portion: budget.managedUuid, payee: 'Harbour Leisure' }],
    shown: 1,
    authors: 1,
  };
  expect(await done()).toEqual(expected);

  await announce(kit.database.pool, 'plan.changed', [budget.personId]);
  await until(() => first.output().includes(' PLAN_CHANGED\n'));
  const place = () => readFile(join(folder, 'place'), 'utf8').catch(() => '');
  await until(place);
  expect(await first.stop()).toBe(0);

  await announce(kit.database.pool, 'review.held', [budget.personId]);
  const second = runClient();
  await until(() => second.output().includes(' REVIEW_HELD\n'));
  expect(second.output()).toContain('2026-11-16 Swimming lessons: INSIDE_PLAN\n');
  expect(second.output()).not.toContain('PLAN_CHANGED');
  expect(await done()).toEqual(expected);
  expect(await second.stop()).toBe(0);
}, 60_000);

/** Sends a file as the client does; gives what it said until it followed what happens. */
async function sendFile(name: string): Promise<string> {
  const run = runClient({ BULK: join(folder, name) });
  await until(() => run.output().includes('following\n'));
  expect(await run.stop()).toBe(0);
  return run.output();
}

test('sends a file, follows how far it is, and has it recorded once where nothing in it is bad', async () => {
  const worker = await startWorker({
    database: kit.database,
    files: openFiles({ folder: join(folder, 'files') }),
    redisUrl: undefined,
    log: openLog('trace', keptLog()),
    now: noon,
  });
  try {
    const first = await sendFile('good.csv');
    expect(first).toMatch(/^CHECKED: 2 rows, 2 good, 0 bad, 0 recorded$/m);
    expect(first).toMatch(/^DONE: 2 rows, 2 good, 0 bad, 2 recorded$/m);
    const again = await sendFile('good.csv');
    expect(again).toMatch(/^DONE: 2 rows, 2 good, 0 bad, 2 recorded$/m);
    expect(again).not.toContain('CHECKED');
    const bad = await sendFile('bad.csv');
    expect(bad).toMatch(/^CHECKED: 2 rows, 1 good, 1 bad, 0 recorded$/m);
    expect(bad).toMatch(/^to be mended: \/export\/bulk-problems\.csv\?file=bkf_/m);
  } finally {
    await worker.close();
  }
  const { rows } = await kit.database.pool.query(
    `select pence::int as pence from spend where budget_id = $1 and pence < 900 order by pence`,
    [budget.uuid],
  );
  expect(rows.map(({ pence }) => pence)).toEqual([300, 400]);
}, 60_000);

test('the schema that is printed for a client is a schema, and says what things mean', async () => {
  const child = spawn(process.execPath, [...node, 'src/hub.ts', 'schema']);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  await once(child, 'close');
  const changes = buildSchema(text).getSubscriptionType()!.getFields().changes!;
  expect(changes.description).toMatch(/\w/);
}, 60_000);
