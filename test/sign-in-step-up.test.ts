/** Before a person's money moves, they have signed in lately and well. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needsStepUp } from '../src/access/step-up.ts';
import { type Answer, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub();
});
afterAll(() => kit.close());

const recordSpend = `mutation ($key: UUID!) { recordSpend(input: { idempotencyKey: $key, budgetId: "bud_x",
  amount: { amount: "10.00" }, spentOn: "2026-11-01", payee: "Shop", what: "Gloves" }) { userErrors { code } } }`;
const askQuestion = `mutation ($key: UUID!) { requestReconsideration(input: { idempotencyKey: $key, decisionId: "dec_x",
  words: "Please look again", expectedVersion: 1 }) { userErrors { code } } }`;

const ago = (minutes: number) => Math.floor(Date.now() / 1000) - minutes * 60;
const person = { sub: 'daniel', tandem_role: 'PERSON', nhs_number: '9434765919' };
const carol = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: '9434765870' };
const bev = { sub: 'bev', tandem_role: 'PROVIDER', organisation: 'D9H01' };

/** `STEP_UP_REQUIRED`, or what a command finds wrong that was let through. */
async function outcome(claims: object, operation = recordSpend): Promise<string> {
  const { data, errors }: Answer = await kit.ask(
    operation,
    { key: crypto.randomUUID() },
    claims as Record<string, unknown>,
  );
  if (errors !== undefined) return String(errors[0]!.extensions.code);
  return Object.values(data as Record<string, { userErrors: { code: string }[] }>)[0]!.userErrors[0]!.code;
}

describe('a command that moves money', () => {
  test.each([
    ['lately', { ...person, auth_time: ago(29) }, 'NOT_FOUND'],
    ['long ago', { ...person, auth_time: ago(31) }, 'STEP_UP_REQUIRED'],
    ['at a time nobody tells', { ...person, auth_time: undefined }, 'STEP_UP_REQUIRED'],
    ['lately, and well', { ...person, assurance: 'HIGH' }, 'NOT_FOUND'],
    ['lately, and not well', { ...person, assurance: 'MEDIUM' }, 'STEP_UP_REQUIRED'],
    ['lately, and badly', { ...carol, assurance: 'LOW' }, 'STEP_UP_REQUIRED'],
    ['long ago for somebody else', { ...carol, auth_time: ago(31) }, 'STEP_UP_REQUIRED'],
    ['long ago for their work', { ...bev, auth_time: ago(600) }, 'NOT_FOUND'],
  ])('of somebody who signed in %s', async (_name, claims, code) => {
    expect(await outcome(claims)).toBe(code);
  });

  test('says so at the top, and the refusal is accounted for', async () => {
    const { data, errors } = await kit.ask(
      recordSpend,
      { key: crypto.randomUUID() },
      { ...person, auth_time: ago(31) },
    );
    expect(data ?? null).toBeNull();
    expect(errors![0]).toMatchObject({
      message: expect.stringContaining('Sign in again'),
      extensions: { code: 'STEP_UP_REQUIRED', retryable: false },
    });
    const { rows } = await kit.database.pool.query('select * from audit_event order by id desc limit 1');
    expect(rows[0]).toMatchObject({
      subject: `${kit.issuer.url}#daniel`,
      object: 'recordSpend',
      outcome: 'REFUSED',
    });
  });
});

test('what moves no money does not ask for it', async () => {
  expect(await outcome({ ...person, auth_time: ago(600) }, askQuestion)).toBe('NOT_FOUND');
});

test('how long a sign-in is good for is told from outside', () => {
  const viewer = { role: 'PERSON', signedInAt: new Date('2026-11-21T12:00:00Z'), assurance: null } as const;
  expect(needsStepUp('recordSpend', viewer, new Date('2026-11-21T12:10:00Z'), 10)).toBe(false);
  expect(needsStepUp('recordSpend', viewer, new Date('2026-11-21T12:10:01Z'), 10)).toBe(true);
});
