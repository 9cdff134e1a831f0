/**
 * What the documents promise: every operation of the cookbook is answered as it stands there, one after the other, on a
 * county that has told its story as `npm start` does; the catalogue of errors has every code there is; and the policy of
 * the example loads.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { workOff } from '../src/bulk/run.ts';
import { abandonedFiles } from '../src/bulk/store.ts';
import { authorisation, policy } from '../src/commissioner/dated.ts';
import { loadPolicy } from '../src/commissioner/load.ts';
import { type PersonaName, personas } from '../src/demo/persona.ts';
import { makePlace } from '../src/demo/place.ts';
import { tellStory } from '../src/demo/story.ts';
import { addDays } from '../src/platform/day.ts';
import { openFiles } from '../src/platform/file.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { pdf } from './setup/document.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { openStream } from './setup/stream.ts';

const documentOf = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

const place = makePlace({ today });
const everybody = personas(place);

/** How many days it is later than at the first recipe. */
let daysLater = 0;
const now = () => new Date(noon().getTime() + daysLater * 86_400_000);

/** Asks as one of the demo's people, who signed in just now. */
async function ask(as: PersonaName, operation: string, variables: Record<string, unknown>) {
  const iat = Math.floor(now().getTime() / 1_000);
  const { data, errors } = await kit.ask(operation, variables, { ...everybody[as], iat, exp: iat + 600 });
  expect(errors).toBeUndefined();
  return data;
}

let kit: TestHub;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-cookbook-'));
  kit = await startTestHub({ database: await makeDemoDatabase(), now, files: { folder } });
  await tellStory({ place, today, ask });
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true });
});

interface Recipe {
  name: string;
  /** Of a file that is sent: the address, with placeholders. */
  sendTo: string | undefined;
  fileName: string | undefined;
  operation: string;
  as: PersonaName;
  /** The code it is refused with, if it is one that shows a refusal. */
  refused: string | undefined;
  /** The recipe whose answer it gets again. */
  again: string | undefined;
  daysLater: number;
  variables: string;
}

const block = /```(graphql|sh)\n([\s\S]*?)```(?:\s*```json\n([\s\S]*?)```)?/g;

const recipes: Recipe[] = [...documentOf('cookbook.md').matchAll(block)].map(
  ([, language, operation, variables]) => {
    const said = (line: RegExp) => line.exec(operation!)?.[1];
    const isFile = language === 'sh';
    return {
      name: said(isFile ? /^# (\w+)$/m : /^(?:query|mutation|subscription) (\w+)/m)!,
      sendTo: isFile ? said(/localhost:4000(\S+)"$/m)! : undefined,
      fileName: said(/--upload-file (\S+)/),
      operation: operation!,
      as: (said(/^# as (\S+)$/m) ?? 'person') as PersonaName,
      refused: said(/^# refused: (\w+)$/m),
      again: said(/^# the same answer as (\w+)$/m),
      daysLater: Number(said(/^# (\d+) days later$/m) ?? 0),
      variables: variables ?? '{}',
    };
  },
);

/** What was sent and what came back, by the name of the operation. */
const told = new Map<string, { variables: unknown; data: unknown; answeredAt: string }>();

function within(value: unknown, path: string[]): unknown {
  return path.reduce((found, key) => (found as Record<string, unknown> | null)?.[key], value);
}

/** What stands for a placeholder such as `{today + 30 days}` or `{Draft.draftPlan.plan.id}`. */
function meant(text: string): unknown {
  if (text === 'new key') return crypto.randomUUID();
  const [, sign, days] = /^today(?: ([+-]) (\d+) days)?$/.exec(text) ?? [];
  if (text.startsWith('today')) return addDays(today, daysLater + Number(`${sign ?? ''}${days ?? 0}`));
  const [name, ...path] = text.split('.');
  const before = told.get(name!);
  const found =
    path[0] === 'answeredAt'
      ? before?.answeredAt
      : path[0]?.startsWith('$')
        ? within(before?.variables, [path[0].slice(1), ...path.slice(1)])
        : within(before?.data, path);
  if (found === undefined || found === null) throw new Error(`nothing has said {${text}}`);
  return found;
}

const whole = /^\{([^{}]+)\}$/;
const inside = /\{([^{}]+)\}/g;

/** A text that is one placeholder is what that stands for; within a longer text it is put in. */
const filled = (text: string): unknown =>
  whole.test(text)
    ? meant(whole.exec(text)![1]!)
    : text.replace(inside, (_found, placeholder: string) => String(meant(placeholder)));

const variablesOf = ({ variables }: Recipe): Record<string, unknown> =>
  JSON.parse(variables, (_key, value) => (typeof value === 'string' ? filled(value) : value));

/** A file that stands in the cookbook, after its name; another is a receipt. */
function contentOf(fileName: string): Buffer {
  const shown = new RegExp(`\`${fileName}\`:\\s*\`\`\`csv\\n([\\s\\S]*?)\`\`\``).exec(
    documentOf('cookbook.md'),
  );
  return shown === null ? pdf('a receipt') : Buffer.from(String(filled(shown[1]!)));
}

/** What the worker of `npm start` does meanwhile. */
async function workBulkFiles() {
  const { pool } = kit.database;
  const working = { pool, files: openFiles({ folder }), now, stopping: new AbortController().signal };
  for (const id of await abandonedFiles(pool, { evenRecent: true })) await workOff(working, id);
}

/** Follows what a subscription tells until that is complete; gives the last of it. */
async function follow(as: PersonaName, operation: string, variables: Record<string, unknown>) {
  const iat = Math.floor(now().getTime() / 1_000);
  const claims = { ...everybody[as], iat, exp: iat + 600 };
  const stream = await openStream(kit, operation, { variables, claims });
  let last: Record<string, object> | undefined;
  for (let event = await stream.next(); event !== null; event = await stream.next()) {
    expect(event.errors).toBeUndefined();
    last = event.data;
  }
  expect(stream.isComplete()).toBe(true);
  return last!;
}

/** Sends a file as the cookbook's curl does. */
async function sendFile(address: string, fileName: string) {
  const body = new Uint8Array(contentOf(fileName));
  const response = await fetch(`http://127.0.0.1:${kit.hub.port}${filled(address)}`, { method: 'PUT', body });
  expect(response.status).toBe(201);
  return response.json();
}

describe('the cookbook', () => {
  test('names every operation once, and says as whom', () => {
    expect(recipes.length).toBeGreaterThan(20);
    expect(new Set(recipes.map(({ name }) => name)).size).toBe(recipes.length);
    expect(
      recipes
        .filter(
          ({ as, operation, sendTo }) =>
            !(as in everybody) || (sendTo === undefined && !/^# as /m.test(operation)),
        )
        .map(({ name }) => name),
    ).toEqual([]);
  });

  test.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', async (name, recipe) => {
    daysLater += recipe.daysLater;
    if (recipe.sendTo !== undefined) {
      const data = await sendFile(recipe.sendTo, recipe.fileName!);
      told.set(name, { variables: {}, data, answeredAt: now().toISOString() });
      return;
    }
    const variables = variablesOf(recipe);
    const send = /^subscription /m.test(recipe.operation) ? follow : ask;
    const data = await send(recipe.as, recipe.operation, variables);
    for (const [field, part] of Object.entries<{ userErrors?: { code: string }[] }>(data)) {
      expect(part, field).not.toBeNull();
      if (part.userErrors === undefined) continue;
      const codes = part.userErrors.map(({ code }) => code);
      expect(codes, JSON.stringify(part.userErrors)).toEqual(recipe.refused ? [recipe.refused] : []);
    }
    if (recipe.again !== undefined) expect(data).toEqual(told.get(recipe.again)!.data);
    told.set(name, { variables, data, answeredAt: new Date().toISOString() });
    await workBulkFiles();
  });

  test('leads where it says: both plans agreed, one budget released, one review for both sides', () => {
    const of = (name: string, path: string) => within(told.get(name)!.data, path.split('.'));
    expect(of('AgreeAsCouncil', 'agreePlan.plan')).toMatchObject({ status: 'AGREED', missingSignatures: [] });
    expect(of('SignNextAsNhs', 'agreePlan.plan')).toMatchObject({ status: 'AGREED' });
    expect(of('ReleaseBudget', 'releaseBudget.budget')).toMatchObject({ status: 'ACTIVE' });
    expect(of('LookBack', 'person.lastMonth')).toHaveLength(2);
    expect(of('LookBack', 'person.today.0')).toMatchObject({ kind: 'INTEGRATED' });
    const inFortyDays = of('LookBack', 'person.inFortyDays.0.portions') as { management: string }[];
    expect(inFortyDays.map(({ management }) => management).sort()).toEqual([
      'DIRECT_PAYMENT',
      'MANAGED_ACCOUNT',
    ]);
    expect(of('LookBack', 'person.asWasKnown')).toMatchObject([{ status: 'ACTIVE' }, { status: 'ACTIVE' }]);
    expect(of('HoldReview', 'holdReview.review.duties')).toHaveLength(4);
    expect(of('DecideAgain', 'decideReconsideration.decision.reconsideration')).toMatchObject({
      outcome: 'CHANGED',
    });
    expect(of('Policy', 'then.policy')).not.toEqual(of('Policy', 'now.policy'));
  });

  test('leads where it says: money paid in, spent by three verdicts, shown, asked back, accounted for', () => {
    const of = (name: string, path: string) => within(told.get(name)!.data, path.split('.'));
    expect(of('PayWeekly', 'setPaymentSchedule.schedule')).toMatchObject({
      frequency: 'FOUR_WEEKLY',
      payWhen: 'IN_ADVANCE',
      inAdvanceDays: 14,
      grossOrNet: 'NET',
      instructions: {
        nodes: [
          { status: 'APPROVED', amount: { amount: '1240.00' }, contribution: { formatted: '£120.00' } },
        ],
      },
    });
    expect(of('PayOnce', 'setPaymentSchedule.schedule.instructions.nodes.0.status')).toBe('DRAFT');
    expect(of('SetAccount', 'setPayeeAccount.account.accountNumber')).not.toContain('12345678');
    expect(of('SendRun', 'createPaymentRun.run')).toMatchObject({ count: 1, amount: { amount: '2750.00' } });
    expect(of('ConfirmRun', 'confirmPayments.run')).toMatchObject({
      unconfirmed: 0,
      instructions: { nodes: [{ status: 'PAID' }] },
    });
    expect(of('SpendAsAgreed', 'recordSpend.spend')).toMatchObject({ state: 'INSIDE_PLAN', findings: [] });
    expect(of('SpendUnplanned', 'recordSpend.spend')).toMatchObject({
      state: 'NEEDS_LOOK',
      findings: [{ code: 'NOT_IN_PLAN' }],
    });
    expect(of('SpendExcluded', 'recordSpend.spend')).toMatchObject({
      state: 'REFUSED',
      findings: [{ code: 'EXCLUDED_ITEM', source: 'ICB', exclusion: 'Tobacco' }],
      paidBy: [],
    });
    expect(of('ToLookAt', 'spendsToLookAt.nodes')).toContainEqual(
      expect.objectContaining({ id: of('SpendUnplanned', 'recordSpend.spend.id') }),
    );
    expect(of('AcceptSpend', 'acceptSpend.spend.state')).toBe('ACCEPTED');
    expect(of('MyStatement', 'person.asWasKnown.total.closing')).not.toEqual(
      of('MyStatement', 'person.statement.total.closing'),
    );
    expect(of('ImportStatement', 'importStatement.statement')).toMatchObject({ matched: 3, unmatched: 2 });
    expect(of('MatchLine', 'matchBankLine')).toMatchObject({
      bankLine: { state: 'MATCHED' },
      spend: { state: 'INSIDE_PLAN', lineKey: 'basketball' },
    });
    expect(of('SetLineAside', 'setAsideBankLine.bankLine')).toMatchObject({
      state: 'SET_ASIDE',
      statement: { unmatched: 0, setAside: 1 },
    });
    const shown = of('AttachReceipt', 'attachEvidence.spend.evidence') as { satisfies: object[] }[];
    expect(shown).toHaveLength(1);
    // One receipt, for both whose money it was.
    expect(shown[0]!.satisfies).toHaveLength(2);
    expect(of('NoticeReclaim', 'noticeReclaim.reclaim.law')).toContain('regulation 15');
    expect(of('RecordRepayment', 'recordRepayment.reclaim.status')).toBe('REPAID');
    expect(of('QueryLine', 'queryReturnLine.financialReturn.status')).toBe('QUERIED');
    expect(of('ImportBulk', 'importBulkFile.file.status')).toBe('WAITING');
    expect(of('FollowBulk', 'bulkFile.file')).toEqual({ status: 'CHECKED', rows: 2, good: 1, bad: 1 });
    expect(of('Bulk', 'node')).toMatchObject({
      ...{ status: 'CHECKED', good: 1, bad: 1, applied: 0, amount: { formatted: '£4.50' } },
      problems: { nodes: [{ number: 2, code: 'ROW_INVALID' }] },
    });
    expect(of('BulkFiles', 'bulkFiles.nodes')).toMatchObject([{ status: 'DONE', applied: 1, bad: 1 }]);
    expect(of('AcceptAsCouncil', 'acceptReturn.financialReturn.status')).toBe('ACCEPTED');
  });
});

/** The codes in a section of the catalogue: the first cells of its tables. */
function codesIn(section: string): string[] {
  const text = documentOf('errors.md')
    .split(/^## /m)
    .find((part) => part.startsWith(section));
  const cells = [...(text ?? '').matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code!));
}

const valuesOf = async (type: string): Promise<string[]> => {
  const data = await ask('person', 'query ($type: String!) { __type(name: $type) { enumValues { name } } }', {
    type,
  });
  return data.__type.enumValues.map(({ name }: { name: string }) => name);
};

describe('the catalogue of errors', () => {
  test.each([
    ['UserErrorCode', 'What a caller can mend'],
    ['ChargeWarningCode', 'What is unusual'],
  ])('has each %s once, and none besides', async (type, section) => {
    const codes = codesIn(section);
    expect([...codes].sort()).toEqual((await valuesOf(type)).sort());
  });

  test('has what is said at the addresses for files', async () => {
    const listed = codesIn('Files in and out');
    const where = ['evidence', 'platform', 'return'].map(
      (room) => new URL(`../src/${room}/`, import.meta.url),
    );
    const spoken = ['route.ts', 'upload.ts', 'type.ts', 'file.ts', 'scan.ts', 'export.ts'].flatMap((name) => {
      const file = where.map((room) => new URL(name, room)).find((path) => existsSync(path))!;
      return [...readFileSync(file, 'utf8').matchAll(/new Fault\(\s*'(\w+)'/g)].map(([, code]) => code!);
    });
    expect(spoken.length).toBeGreaterThan(10);
    expect(spoken.filter((code) => !listed.includes(code))).toEqual([]);
  });

  test('has what the command line says', () => {
    const listed = codesIn('From the command line');
    const text = readFileSync(new URL('../prisma/backup.ts', import.meta.url), 'utf8');
    const spoken = [...text.matchAll(/new Fault\(\s*'(\w+)'/g)].map(([, code]) => code!);
    expect(spoken).toHaveLength(4);
    expect(listed).toEqual(expect.arrayContaining(['POLICY_INVALID', 'USAGE', ...spoken]));
  });
});

describe('the guide to policies', () => {
  const guide = documentOf('policy.md');
  const example = (name: string) =>
    new RegExp(`\`${name}\`:\\s*\`\`\`csv\\n([\\s\\S]*?)\`\`\``).exec(guide)![1]!;

  test('has every column', () => {
    for (const { heading } of [...policy.columns, ...authorisation.columns]) {
      expect(guide).toContain(`| \`${heading}\``);
    }
  });

  test('has an example that loads, once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-guide-'));
    try {
      for (const name of ['policy.csv', 'exclusion.csv', 'authorisation.csv']) {
        await writeFile(join(folder, name), example(name));
      }
      const changes = await loadPolicy(kit.database.pool, folder);
      expect(guide).toContain(`\`\`\`\n${changes.join('\n')}\n\`\`\``);
      expect(await loadPolicy(kit.database.pool, folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
