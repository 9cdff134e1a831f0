/**
 * What the documents promise: every operation of the cookbook is answered as it stands there, one after the other, on a
 * county that has told its story as `npm start` does; the catalogue of errors has every code there is; and the policy of
 * the example loads.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authorisation, policy } from '../src/commissioner/dated.ts';
import { loadPolicy } from '../src/commissioner/load.ts';
import { type PersonaName, personas } from '../src/demo/persona.ts';
import { makePlace } from '../src/demo/place.ts';
import { tellStory } from '../src/demo/story.ts';
import { addDays } from '../src/platform/day.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';

const documentOf = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

const place = makePlace({ today });
const everybody = personas(place);

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await tellStory({
    place,
    today,
    async ask(as, operation, variables) {
      const { data, errors } = await kit.ask(operation, variables, { ...everybody[as] });
      expect(errors).toBeUndefined();
      return data;
    },
  });
});
afterAll(() => kit.close());

interface Recipe {
  name: string;
  operation: string;
  as: PersonaName;
  /** The code it is refused with, if it is one that shows a refusal. */
  refused: string | undefined;
  /** The recipe whose answer it gets again. */
  again: string | undefined;
  variables: string;
}

const block = /```graphql\n([\s\S]*?)```(?:\s*```json\n([\s\S]*?)```)?/g;

const recipes: Recipe[] = [...documentOf('cookbook.md').matchAll(block)].map(([, operation, variables]) => {
  const said = (line: RegExp) => line.exec(operation!)?.[1];
  return {
    name: said(/^(?:query|mutation) (\w+)/m)!,
    operation: operation!,
    as: said(/^# as (\S+)$/m) as PersonaName,
    refused: said(/^# refused: (\w+)$/m),
    again: said(/^# the same answer as (\w+)$/m),
    variables: variables ?? '{}',
  };
});

/** What was sent and what came back, by the name of the operation. */
const told = new Map<string, { variables: unknown; data: unknown; answeredAt: string }>();

function within(value: unknown, path: string[]): unknown {
  return path.reduce((found, key) => (found as Record<string, unknown> | null)?.[key], value);
}

/** What stands for a placeholder such as `{today + 30 days}` or `{Draft.draftPlan.plan.id}`. */
function meant(text: string): unknown {
  if (text === 'new key') return crypto.randomUUID();
  const [, sign, days] = /^today(?: ([+-]) (\d+) days)?$/.exec(text) ?? [];
  if (text.startsWith('today')) return addDays(today, Number(`${sign ?? ''}${days ?? 0}`));
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

const variablesOf = ({ variables }: Recipe): Record<string, unknown> =>
  JSON.parse(variables, (_key, value) => {
    const [, placeholder] = (typeof value === 'string' && /^\{(.+)\}$/.exec(value)) || [];
    return placeholder === undefined ? value : meant(placeholder);
  });

describe('the cookbook', () => {
  test('names every operation once, and says as whom', () => {
    expect(recipes.length).toBeGreaterThan(20);
    expect(new Set(recipes.map(({ name }) => name)).size).toBe(recipes.length);
    expect(recipes.filter(({ as }) => !(as in everybody)).map(({ name }) => name)).toEqual([]);
  });

  test.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', async (name, recipe) => {
    const variables = variablesOf(recipe);
    const { data, errors } = await kit.ask(recipe.operation, variables, { ...everybody[recipe.as] });
    expect(errors).toBeUndefined();
    for (const [field, part] of Object.entries<{ userErrors?: { code: string }[] }>(data)) {
      expect(part, field).not.toBeNull();
      if (part.userErrors === undefined) continue;
      const codes = part.userErrors.map(({ code }) => code);
      expect(codes, JSON.stringify(part.userErrors)).toEqual(recipe.refused ? [recipe.refused] : []);
    }
    if (recipe.again !== undefined) expect(data).toEqual(told.get(recipe.again)!.data);
    told.set(name, { variables, data, answeredAt: new Date().toISOString() });
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
  const { data } = await kit.ask('query ($type: String!) { __type(name: $type) { enumValues { name } } }', {
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

  test('has what the command line says', () => {
    expect(codesIn('From the command line')).toContain('POLICY_INVALID');
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
