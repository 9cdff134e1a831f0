/**
 * Nothing that a hub leaves behind beside its answers tells of a person. Whatever any test of this run brings about is
 * looked through at its end (`setup/server.ts`); here the canary people of the demo go wherever something could leak,
 * and the looking itself is put to the test.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineJob, openJobQueue } from '../jobs/queue.ts';
import { canary, isCanary } from '../src/demo/canary.ts';
import { folderVariable, lookThrough, typedIn } from './setup/byproduct.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { evidenceKit, place } from './setup/evidence.ts';
import { coordinator, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';
import { startRedis } from './setup/redis-server.ts';

const marker = defineJob({ name: 'marker', input: z.object({ mark: z.string() }), output: z.object({}) });
const canaries = place.people.filter((_, index) => isCanary(index));

describe('whoever looks', () => {
  async function look(files: Record<string, string>): Promise<string[]> {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-byproduct-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return (await lookThrough(folder)).found;
  }

  const [person] = canaries;
  const number = person!.nhsNumber;
  const spaced = `${number.slice(0, 3)} ${number.slice(3, 6)} ${number.slice(6)}`;

  test.each([
    ['a name', canary.familyName.toUpperCase(), 'the words of a person'],
    ['a postcode in an address', canary.postcode.replace(' ', '%20'), 'the words of a person'],
    ['the name of a file', `/evidence/${typedIn.fileName}`, 'the words of a person'],
    ['an NHS number', `{"a":"${number}"}`, 'an NHS number'],
    ['an NHS number as people write it', spaced, 'an NHS number'],
    ['an NHS number in an address', `/?n=${spaced.replaceAll(' ', '%20')}`, 'an NHS number'],
    ['an account', `"${typedIn.accountNumber}"`, 'a bank account'],
    ['a sort code', '77-02-04', 'a bank account'],
    ['a token', `Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJuYWRpYSJ9.c2ln`, 'a token'],
  ])('finds %s, and says where and not what', async (_name, text, kind) => {
    const found = await look({
      'log-1.txt': `{"msg":"fine"}\n{"msg":"${text}"}\n`,
      'metrics-1.txt': 'up 1\n',
    });
    expect(found).toEqual([`log-1.txt:2 holds ${kind}`]);
  });

  test('takes nothing else for a person', async () => {
    const wrong = number.slice(0, 9) + ((Number(number[9]) + 1) % 10);
    const text = `${wrong}\n1${number}\n0.${number}\n${randomUUID()}\nprocess_start_time_seconds 1795600800\n`;
    expect(await look({ 'metrics-1.txt': text })).toEqual([]);
  });

  test('finds the canary people where they belong, so that it would know them anywhere', async () => {
    expect(canaries.length).toBeGreaterThan(10);
    for (const one of canaries) {
      const text = JSON.stringify(one, (_, value) => (typeof value === 'bigint' ? Number(value) : value));
      expect(await look({ 'log-1.txt': text })).toEqual([
        'log-1.txt:1 holds the words of a person',
        'log-1.txt:1 holds an NHS number',
      ]);
    }
    const others = place.people.filter((_, index) => !isCanary(index));
    const text = JSON.stringify(others, (_, value) => (typeof value === 'bigint' ? Number(value) : value));
    expect(await look({ 'log-1.txt': text })).toEqual(['log-1.txt:1 holds an NHS number']);
  });
});

describe('what is kept to be looked through', () => {
  let kit: TestHub;
  beforeAll(async () => {
    kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  });
  afterAll(() => kit.close());

  async function kept(kind: string): Promise<string> {
    const folder = process.env[folderVariable]!;
    const files = (await readdir(folder)).filter((name) => name.startsWith(`${kind}-`));
    return (await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))).join('');
  }

  const record = `query ($n: NHSNumber!) { person(nhsNumber: $n) { id familyName givenName postcode
    plan { whatMatters } people { individualName } budgets { id transfers(first: 50) { nodes { description } } } } }`;

  const give = (command: string, input: object, claims = coordinator as typeof socialWorker) =>
    kit.ask(
      `mutation ($input: ${command[0]!.toUpperCase()}${command.slice(1)}Input!) {
         ${command}(input: $input) { userErrors { code message field } } }`,
      { input: { idempotencyKey: randomUUID(), ...input } },
      claims,
    );

  test('their records are read, changed, refused, and break something', async () => {
    const { pool } = kit.database;
    const evidence = evidenceKit(kit);
    let read = 0;
    for (const { nhsNumber } of canaries) {
      const { data, errors } = await kit.ask(record, { n: nhsNumber });
      expect(errors).toBeUndefined();
      await kit.ask(record, { n: nhsNumber }, socialWorker);
      const { person } = data;
      const words = `${canary.words} ${canary.words} ${nhsNumber}`;
      await give('openEmergencyAccess', { nhsNumber, reason: 'LIFE_AT_RISK', words }, socialWorker);
      await give(
        'openEmergencyAccess',
        { nhsNumber, reason: 'LIFE_AT_RISK', words: canary.words },
        socialWorker,
      );
      if (person === null) continue;
      read += 1;
      expect(person.familyName).toBe(canary.familyName);
      await give('draftPlan', { personId: person.id, title: canary.words });
      await give('draftPlan', { personId: person.id, title: canary.words.repeat(1_000) });
      const account = { accountName: canary.familyName, ...typedIn, fileName: undefined };
      for (const { id: budgetId } of person.budgets) {
        await give('setPayeeAccount', { budgetId, ...account });
        await give('setPayeeAccount', { budgetId, ...account, sortCode: canary.words });
        const spend = { budgetId, amount: { amount: '1.00', currency: 'GBP' }, what: canary.words };
        await give('recordSpend', { ...spend, spentOn: '2026-11-20', payee: canary.payee });
        await give('recordSpend', { ...spend, spentOn: '2099-01-01', payee: canary.payee });
      }
      await evidence.upload(person.id, typedIn.fileName, pdf(canary.words));
      await evidence.upload(person.id, typedIn.fileName, canary.words);
    }
    expect(read).toBeGreaterThan(3);

    // What PostgreSQL says of a fault quotes the row, and its own log has what it says.
    const [{ nhsNumber }] = canaries as [(typeof canaries)[number]];
    const again = `insert into person_identifier select (jsonb_populate_record(i, '{}')).* from person_identifier i where value = $1`;
    await expect(pool.query(again, [nhsNumber])).rejects.toMatchObject({ code: '23505' });
    await expect(pool.query('select $1::int', [canary.familyName])).rejects.toMatchObject({ code: '22P02' });
    await asOwner(
      kit.database.url,
      `create function leak() returns trigger language plpgsql as $$
        begin raise exception 'for % of ${canary.familyName}', '${nhsNumber}'; end $$;
      create trigger leak before insert on emergency_access for each row execute function leak()`,
    );
    const stranger = canaries.find(({ nhs, council }) => nhs !== null && council === null)!;
    const { errors } = await give(
      'openEmergencyAccess',
      {
        nhsNumber: stranger.nhsNumber,
        reason: 'LIFE_AT_RISK',
        words: `${canary.words} and nobody else is here`,
      },
      socialWorker,
    );
    expect(errors?.[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    await asOwner(kit.database.url, 'drop trigger leak on emergency_access');
  }, 60_000);

  test('logs, addresses, refusals and metrics are there', async () => {
    expect(await kept('log')).toMatch(/"level":/);
    expect(await kept('address')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graphql$/m);
    expect(await kept('error')).toMatch(/"code":"TEXT_INVALID"/);
    const other = await startTestHub();
    await other.database.pool.query(`insert into outbox (topic, payload) values ('nothing', '{}')`);
    const redis = await startRedis();
    for (const redisUrl of [undefined, redis?.url]) {
      const queue = await openJobQueue({ databaseUrl: other.database.url, redisUrl });
      await queue.add(marker, { mark: redisUrl === undefined ? 'in PostgreSQL' : 'in Redis' });
      await queue.close();
    }
    await other.close();
    await redis?.stop();
    expect(await kept('job')).toMatch(/^bullmq\..*in PostgreSQL/m);
    if (redis) expect(await kept('job')).toMatch(/^bull:.*in Redis/m);
    expect(await kept('metrics')).toMatch(/^tandem_privacy_alerts_waiting 0$/m);
    expect(await kept('outbox')).toMatch(/^public\.outbox /m);
  });
});
