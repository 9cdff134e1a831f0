import type { JWTPayload } from 'jose';
import { founding, makePlace } from '../../src/demo/place.ts';
import type { FundingSource } from '../../src/generated/prisma/enums.ts';
import { type Movement, post } from '../../src/ledger/post.ts';
import { idOf } from '../../src/platform/id.ts';
import { today } from './demo.ts';
import { coordinator, type TestHub } from './hub.ts';

const place = makePlace({ today });
const iris = place.people[founding.irisHolloway]!;
const carol = iris.nhs!.related[0]!;

export const herself = { sub: 'iris', tandem_role: 'PERSON', nhs_number: iris.nhsNumber };
export const daughter = { sub: 'carol', tandem_role: 'REPRESENTATIVE', nhs_number: carol.nhsNumber };
export const finance = { sub: 'finn', name: 'Finn Ade', tandem_role: 'FINANCE', organisation: '999' };
export const key = () => crypto.randomUUID();

export interface OwnBudget {
  personId: string;
  uuid: string;
  id: string;
  /** Whose account the charity operates, and the person's own. */
  managed: string;
  own: string;
  managedUuid: string;
}

export interface PlanLineGiven {
  key: string;
  what: string;
  yearlyPence: number;
  providerName?: string;
  source?: FundingSource;
  portion?: 'managed' | 'own';
}

async function uuidOfRow(kit: TestHub, sql: string, values: unknown[]): Promise<string> {
  const { rows } = await kit.database.pool.query(sql, values);
  return rows[0].id;
}

const organisationId = (kit: TestHub, code: string) =>
  uuidOfRow(kit, 'select id from organisation where ods_code = $1', [code]);

/** An integrated budget of Iris's, released, paid by the NHS and the council, in two portions. */
export async function makeBudget(kit: TestHub, from = '2026-04-01'): Promise<OwnBudget> {
  const personId = await uuidOfRow(kit, 'select person_id as id from person_identifier where value = $1', [
    iris.nhsNumber,
  ]);
  const uuid = await uuidOfRow(
    kit,
    `insert into budget (person_id, kind, status, valid_from, agreed_pence)
     values ($1, 'INTEGRATED', 'ACTIVE', $2, 1000000) returning id`,
    [personId, from],
  );
  for (const [source, code] of [
    ['ICB', 'QWN'],
    ['COUNCIL', '999'],
  ] as const) {
    await kit.database.pool.query(
      `insert into funding_line (budget_id, person_id, source, organisation_id, amount_pence)
       values ($1, $2, $3, $4, 500000)`,
      [uuid, personId, source, await organisationId(kit, code)],
    );
  }
  const portion = (position: number, management: string, operator: string | null) =>
    uuidOfRow(
      kit,
      `insert into portion (budget_id, person_id, position, management, recurring, amount_pence, account_operator_id,
                            funds_holder, account_operator, legal_employer, purchase_decider)
       values ($1, $2, $3, $4, true, 500000, $5, 'PERSON', 'PERSON', 'PERSON', 'PERSON') returning id`,
      [uuid, personId, position, management, operator],
    );
  const managed = await portion(1, 'MANAGED_ACCOUNT', await organisationId(kit, 'D9H01'));
  const own = await portion(2, 'DIRECT_PAYMENT', null);
  const id = idOf('bud', uuid);
  return { personId, uuid, id, managed: idOf('por', managed), own: idOf('por', own), managedUuid: managed };
}

/** The joint plan of a person, agreed; what was agreed before is superseded, and the list of lines is the whole. */
export async function agreePlan(
  kit: TestHub,
  budget: OwnBudget,
  lines: PlanLineGiven[],
  from = '2026-04-01',
) {
  const { pool } = kit.database;
  const { personId } = budget;
  await pool.query(`delete from plan where person_id = $1 and number is not null`, [personId]);
  const planId = await uuidOfRow(
    kit,
    `insert into plan (person_id, number, title, status, valid_from, agreed_at)
     values ($1, 1, 'Plan', 'AGREED', $2, now()) returning id`,
    [personId, from],
  );
  for (const [position, line] of lines.entries()) {
    const portion = line.portion === undefined ? null : await portionUuid(kit, budget, line.portion);
    await pool.query(
      `insert into plan_line (plan_id, person_id, position, key, kind, what, provider_name, outcome_keys, need_keys,
                              quantity, unit_cost_pence, frequency, weekly_pence, yearly_pence, portion_id, source)
       values ($1, $2, $3, $4, 'SERVICE', $5, $6, '{}', '{}', 1, $7, 'ANNUALLY', 1, $7, $8, $9)`,
      [
        planId,
        personId,
        position,
        line.key,
        line.what,
        line.providerName ?? null,
        line.yearlyPence,
        portion,
        line.source ?? null,
      ],
    );
  }
}

const portionUuid = (kit: TestHub, { uuid }: OwnBudget, which: 'managed' | 'own') =>
  uuidOfRow(kit, 'select id from portion where budget_id = $1 and position = $2', [
    uuid,
    which === 'managed' ? 1 : 2,
  ]);

export async function payIn(kit: TestHub, budget: OwnBudget, money: Partial<Movement> & { pence: bigint }) {
  const { personId, uuid: budgetId } = budget;
  await kit.database.prisma.$transaction((tx) =>
    post(tx, { personId, budgetId }, [
      {
        kind: 'PAID_IN',
        source: 'ICB',
        effectiveOn: '2026-11-02',
        portionId: null,
        description: 'Paid in',
        cause: 'test',
        ...money,
      },
    ]),
  );
}

/** What one funder's money may not be spent on. */
export async function exclude(kit: TestHub, code: string, source: FundingSource, items: string[]) {
  const { pool } = kit.database;
  const list = `${code}-${source}`;
  for (const [position, what] of items.entries()) {
    await pool.query(
      `insert into exclusion (list_id, position, what, citation) values ($1, $2, $3, 'Policy, page 4')`,
      [list, position, what],
    );
  }
  await pool.query(
    `insert into commissioner_policy (organisation_id, source, effective_from, exclusion_list_id, citation)
     values ($1, $2, '2024-04-01', $3, 'Policy')`,
    [await organisationId(kit, code), source, list],
  );
}

/** Sends one mutation with a new key, and gives its payload. */
export async function send(
  kit: TestHub,
  name: string,
  input: Record<string, unknown>,
  selection: string,
  claims: JWTPayload = coordinator,
) {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const operation = `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code message field } } }`;
  const { data, errors } = await kit.ask(operation, { input: { idempotencyKey: key(), ...input } }, claims);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data[name];
}

export const pounds = (amount: string) => ({ amount });
