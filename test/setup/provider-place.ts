/** Two charities, and two families: of Iris each operates one account, of the other person the second alone. */
import type { JWTPayload } from 'jose';
import { idOf } from '../../src/platform/id.ts';
import { type BulkKit, type Family, makeFamilies, startBulkKit } from './bulk.ts';
import { noon } from './demo.ts';
import { type Answer, provider, startTestHub, type TestHub } from './hub.ts';
import { agreePlan, key, makeBudget, type OwnBudget, payIn } from './spending.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

export const bev = { ...provider, name: 'Bev Marsh' };
export const ann = { ...provider, sub: 'ann', name: 'Ann Ode' };
/** Of the other charity. */
export const otto = { sub: 'otto', tandem_role: 'PROVIDER', organisation: 'D9H02' };

export interface ProviderPlace {
  own: BulkKit;
  /** Another process of the same hub. */
  there: TestHub;
  /** Iris's: `managed` is Bev's to operate, `own` is Otto's. */
  budget: OwnBudget;
  planId: string;
  /** Somebody of whom Bev's charity knows nothing. */
  strange: OwnBudget & Family;
  strangePlanId: string;
  /** More, each with one account of Bev's charity. */
  families: Family[];
  close(): Promise<void>;
}

/** Has the second portion of a budget operated by the other charity. */
export const giveToOther = (kit: TestHub, { uuid }: OwnBudget) =>
  kit.database.pool.query(
    `update portion set management = 'MANAGED_ACCOUNT', account_operator_id = (select id from organisation where ods_code = 'D9H02')
      where budget_id = $1 and position = 2`,
    [uuid],
  );

/** A plan of what both portions pay week by week. */
export async function agreeHourly(kit: TestHub, budget: OwnBudget): Promise<string> {
  await agreePlan(kit, budget, [
    { key: 'pa', what: 'Personal assistant', yearlyPence: 780_000, portion: 'managed' },
    { key: 'theirs', what: 'A companion', yearlyPence: 780_000, portion: 'own' },
  ]);
  const { rows } = await kit.database.pool.query(
    `update plan_line set frequency = 'HOURLY', quantity = 10, unit_cost_pence = 1500, weekly_pence = 15000
      where person_id = $1 and key in ('pa', 'theirs') returning plan_id`,
    [budget.personId],
  );
  return idOf('pln', rows[0].plan_id);
}

async function makeStrange(pool: BulkKit['pool'], family: Family): Promise<OwnBudget & Family> {
  const { rows } = await pool.query(
    `with gone as (
       delete from role_on_record where person_id = $1 and link_id is not null
          and organisation_id = (select id from organisation where ods_code = 'D9H01')),
     given as (
       update portion set account_operator_id = (select id from organisation where ods_code = 'D9H02') where budget_id = $2)
     insert into portion (budget_id, person_id, position, management, recurring, amount_pence,
                          funds_holder, account_operator, legal_employer, purchase_decider)
     values ($2, $1, 2, 'DIRECT_PAYMENT', true, 1, 'PERSON', 'PERSON', 'PERSON', 'PERSON') returning id`,
    [family.personId, family.uuid],
  );
  const { rows: first } = await pool.query('select id from portion where budget_id = $1 and position = 1', [
    family.uuid,
  ]);
  return {
    ...family,
    id: family.budgetId,
    managed: family.portionId,
    own: idOf('por', rows[0].id),
    managedUuid: first[0].id,
  };
}

/** @param more families than the two */
export async function openProviderPlace(more = 0): Promise<ProviderPlace> {
  const own = await startBulkKit();
  const { kit, pool, folder } = own;
  const there = await startTestHub({
    database: { url: kit.database.url, drop: async () => {} },
    issuer: kit.issuer,
    files: { folder },
    now: noon,
  });
  await pool.query('delete from commissioner_policy');
  await pool.query(
    `insert into commissioner_policy (organisation_id, source, effective_from, change_limit_percent, citation)
     select id, case ods_code when '999' then 'COUNCIL' else 'ICB' end::funding_source, '2020-01-01', 10, 'its page'
       from organisation where ods_code in ('QWN', '999')`,
  );
  // Iris has the first number of all.
  const [, other, ...families] = (await makeFamilies(pool, 2 + more, 100_000n)) as [Family, Family];
  const strange = await makeStrange(pool, other);
  const budget = await makeBudget(kit);
  await giveToOther(kit, budget);
  await payIn(kit, budget, { pence: 900_000n });
  return {
    ...{ own, there, budget, strange, families },
    planId: await agreeHourly(kit, budget),
    strangePlanId: await agreeHourly(kit, strange),
    async close() {
      await there.close();
      await own.close();
    },
  };
}

const capital = (name: string) => name[0]!.toUpperCase() + name.slice(1);
const inputs: Record<string, string> = {
  submitPackageChange: 'PackageChangeInput',
  withdrawPackageChange: 'PackageChangeInput',
  agreePackageChange: 'PackageChangeInput',
  endEmployment: 'EmploymentInput',
  restoreEmployment: 'EmploymentInput',
  suspendRole: 'RoleInput',
  resumeRole: 'RoleInput',
};

export const mutationOf = (command: string, payload: string) =>
  `mutation ($input: ${inputs[command] ?? `${capital(command)}Input`}!) {
    ${command}(input: $input) { ${payload} userErrors { code field } } }`;

/** Gives a command, under a key of its own unless the input has one; of what is refused as a whole the code alone. */
export async function give(
  hub: { ask(query: string, variables: Record<string, unknown>, claims: JWTPayload): Promise<Answer> },
  command: string,
  input: object,
  claims: JWTPayload = bev,
  payload = '',
): Promise<Any> {
  const { data, errors } = await hub.ask(
    mutationOf(command, payload),
    { input: { idempotencyKey: key(), ...input } },
    claims,
  );
  if (errors !== undefined) return { error: errors[0]!.extensions.code, userErrors: [] };
  return data[command];
}

/** What is to be mended, as `CODE field`; for what is refused as a whole, the code. */
export const faultsOf = ({ error, userErrors }: Any): string[] =>
  error === undefined ? userErrors.map(({ code, field }: Any) => `${code} ${field}`) : [error];
