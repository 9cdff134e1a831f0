/**
 * Who sees and does what, walked over the whole schema: every root field, every stream, every type found by an id with the
 * way to it through its person, every command, by every kind of viewer in every relation. What is found stands in
 * `access-matrix.csv`; a change of it is a change of who sees what, and is looked at as such.
 */
import {
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandName, commands } from '../src/access/table.ts';
import { openCatalogue, views } from '../src/catalogue.ts';
import { linkPrefix, rolePrefix } from '../src/person/view.ts';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { type Asker, type Decisions, openDecisions } from './setup/decide.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { askersOf, gone, relate } from './setup/relation.ts';
import { openStream } from './setup/stream.ts';
import { tellAll } from './setup/told.ts';

const { schema } = openCatalogue();

interface Sample {
  id: string;
  personId: string | null;
  side: 'NHS' | 'COUNCIL' | null;
}

let kit: TestHub;
let decisions: Decisions;
let askers: Asker[];
const samples = new Map<string, Sample>();
const numbers = new Map<string, string>();

/** The tables of the types found by an id, where they are not called as the type is. */
const tables: Record<string, string> = {
  EmergencyNotice: 'emergency_access',
  Commitment: `(select split_part(external_id, '/', 2)::uuid as id, person_id from ledger_transfer where external_id like 'commitment/%')`,
};
const withoutPerson = new Set(['PaymentRun', 'BulkFile', 'SyncRun', 'SourceSystem', 'EmergencyNotice']);
const tableOf = (type: string) => tables[type] ?? type.replace(/(?!^)([A-Z])/g, '_$1').toLowerCase();

/** The way to each type from its person. Those of nobody have none. */
const edges: Record<string, string> = {
  Person: '',
  Difference: 'differences',
  SharingChoice: 'sharingChoices',
  EmergencyAccess: 'emergencyAccesses',
  Budget: 'budgets',
  FundingLine: 'budgets.fundingLines',
  FundingSplit: 'budgets.fundingSplits',
  Portion: 'budgets.portionHistory',
  LedgerTransfer: 'budgets.transfers',
  Spend: 'budgets.spends',
  Commitment: 'budgets.commitments',
  PaymentSchedule: 'budgets.paymentSchedules',
  PaymentInstruction: 'budgets.paymentSchedules.instructions',
  PayeeAccount: 'budgets.payeeAccounts',
  Reclaim: 'budgets.reclaims',
  OverspendAgreement: 'budgets.overspendAgreements',
  Decision: 'decisions',
  Eligibility: 'eligibilities',
  Evidence: 'evidence',
  BankStatement: 'bankStatements',
  BankLine: 'bankStatements.lines',
  FinancialReturn: 'returns',
  ReturnQuery: 'returns.queries',
  Package: 'packages',
  Plan: 'plans',
  Outcome: 'plans.outcomes',
  PackageChange: 'plans.lines.packageChanges',
  Concern: 'plans.concerns',
  Review: 'reviews',
  Contact: 'contacts',
  Worker: 'team',
  DelegatedTask: 'delegatedTasks',
  RotaWeek: 'rotas',
  Absence: 'team.absences',
  Timesheet: 'team.timesheets',
};

const nodeTypes = Object.keys(views)
  .filter((type) => views[type]!.node !== undefined)
  .sort();

beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await tellAll(kit);
  const { pool } = kit.database;
  const { rows } = await pool.query(
    `select p.id, i.value from person p join person_identifier i on i.person_id = p.id and i.system = 'NHS_NUMBER' and i.status = 'CURRENT'`,
  );
  for (const { id, value } of rows) numbers.set(id, value);
  // Nobody keeps anything back, to begin with; and everything that waits for somebody's look is there.
  await pool.query(`
    update sharing_choice set shares = true;
    update spend set state = 'NEEDS_LOOK' where state = 'INSIDE_PLAN';
    update financial_return set status = 'SENT'`);
  await pool.query(
    `insert into sharing_choice (person_id, side, part, shares, legal_basis, words, said_by, recorded_by, recorded_at, valid_from)
     select id, 'NHS', 'MONEY', true, 'CONSENT', 'x', 'PERSON', 'x', now(), '2020-01-01' from person
     on conflict do nothing`,
  );
  await relate(pool, [...numbers.keys()], kit.issuer.url);
  askers = askersOf('');
  await choose();
});
afterAll(() => kit.close());

/** One of each type: of a side, where there is one, so that it can be kept. */
async function choose(): Promise<void> {
  const { pool } = kit.database;
  decisions = await openDecisions(pool, { today, now: noon(), issuer: kit.issuer.url });
  for (const type of nodeTypes) {
    const who = withoutPerson.has(type) ? 'null::uuid' : type === 'Person' ? 'id' : 'person_id';
    const { rows: found } = await pool.query(
      `select t.id, ${who} as person_id from ${tableOf(type)} t order by t.id limit 200`,
    );
    const all: Sample[] = found.map(({ id, person_id }) => ({
      id: idOf(views[type]!.node!.prefix, id),
      personId: person_id,
      side: decisions.sideOfId(type, id),
    }));
    const sample = all.find(({ side }) => side !== null) ?? all[0];
    if (sample === undefined) throw new Error(`there is no ${type} to look for`);
    samples.set(type, sample);
  }
}

/** A viewer, who as the person is the one in question. */
const claimsOf = (asker: Asker, personId: string | null) =>
  asker.kind === 'PERSON'
    ? { ...asker.claims, nhs_number: numbers.get(personId ?? '') ?? '9990000093' }
    : asker.claims;

/** What a way through a person asks for, down to the ids of what it ends at. */
function through(type: GraphQLObjectType, way: string[]): string {
  const [name, ...rest] = way;
  if (name === undefined) return '{ id }';
  const field = type.getFields()[name]!;
  const named = getNamedType(field.type) as GraphQLObjectType;
  if (!named.name.endsWith('Connection')) return `{ ${name} ${through(named, rest)} }`;
  const node = getNamedType(named.getFields().nodes!.type) as GraphQLObjectType;
  return `{ ${name}(first: 100) { nodes ${through(node, rest)} } }`;
}

async function ask(asker: Asker, personId: string | null, query: string, variables: object = {}) {
  const answer = await kit.ask(query, variables as Record<string, unknown>, claimsOf(asker, personId));
  expect(answer.errors, `${asker.says}: ${query}`).toBeUndefined();
  return answer.data;
}

/** Looks for the sample by its id and on its way, and says what came of both: they must agree. */
async function look(asker: Asker, type: string): Promise<string> {
  const { id, personId } = samples.get(type)!;
  const data = await ask(asker, personId, 'query ($id: ID!) { node(id: $id) { __typename id } }', { id });
  if (data.node !== null) expect(data.node).toEqual({ __typename: type, id });
  const seen = data.node === null ? 'absent' : 'seen';
  const way = edges[type];
  if (way === undefined) {
    if (!withoutPerson.has(type)) throw new Error(`which way does one come to a ${type}?`);
    return seen;
  }
  const selection = through(schema.getType('Person') as GraphQLObjectType, way === '' ? [] : way.split('.'));
  const { person } = await ask(asker, personId, `query ($id: ID!) { person(id: $id) ${selection} }`, {
    id: idOf('per', personId!),
  });
  const nested = JSON.stringify(person).includes(`"${id}"`) ? 'seen' : 'absent';
  return nested === seen ? seen : `${seen} by its id, ${nested} on its way`;
}

/** A root field: `seen` where it gives anything of a person to whom the viewer stands in their relation, or anything. */
async function root(asker: Asker, name: string): Promise<string> {
  const [personId, nhsNumber] = [...numbers][0]!;
  const given: Record<string, string> = {
    person: `(id: "${idOf('per', personId)}") { id }`,
    node: `(id: "${idOf('per', personId)}") { id }`,
    emergencyRecord: `(nhsNumber: "${nhsNumber}") { id }`,
    organisation: '(code: "QWN") { code }',
    me: '{ role }',
  };
  const data = await ask(
    asker,
    personId,
    `{ ${name}${given[name] ?? '(first: 1) { nodes { __typename } }'} }`,
  );
  const found = data[name];
  return found === null || found.nodes?.length === 0 ? 'absent' : 'seen';
}

/** A stream, of everything or of the sample: `seen` where it is opened. */
async function opens(asker: Asker, name: string): Promise<string> {
  const given: Record<string, string> = { bulkFile: `(id: "${samples.get('BulkFile')!.id}")` };
  const query = `subscription { ${name}${given[name] ?? ''} { id } }`;
  const stream = await openStream(kit, query, { claims: claimsOf(asker, null) });
  await stream.leave();
  expect([200, 403, 404], `${asker.says}: ${query}`).toContain(stream.status);
  return stream.status === 200 ? 'seen' : 'absent';
}

/** Which type the id is of that says what a command is about. Commands without one are about nobody's record. */
const subjects: Record<string, string> = {
  personId: 'Person',
  fromId: 'Person',
  budgetId: 'Budget',
  planId: 'Plan',
  concernId: 'Concern',
  eligibilityId: 'Eligibility',
  decisionId: 'Decision',
  spendId: 'Spend',
  commitmentId: 'Commitment',
  bankLineId: 'BankLine',
  scheduleId: 'PaymentSchedule',
  instructionId: 'PaymentInstruction',
  accountId: 'PayeeAccount',
  runId: 'PaymentRun',
  fileId: 'BulkFile',
  reclaimId: 'Reclaim',
  packageChangeId: 'PackageChange',
  returnId: 'FinancialReturn',
  queryId: 'ReturnQuery',
  portionId: 'Portion',
  emergencyId: 'EmergencyNotice',
  roleId: 'Role',
  workerId: 'Worker',
  taskId: 'DelegatedTask',
  absenceId: 'Absence',
  personSourceId: 'Link',
};
/** Of nobody's record. */
const aboutNobody = new Set(['PaymentRun', 'BulkFile', 'EmergencyNotice']);

const scalars: Record<string, unknown> = {
  UUID: null,
  Int: 1,
  Boolean: false,
  String: 'Said in more than twenty characters.',
  LocalDate: '2026-11-20',
  ODSCode: 'ZZZ',
  NHSNumber: '9990000107',
  Decimal: '1.00',
};

const prefixOf = (type: string) =>
  type === 'Role' ? rolePrefix : type === 'Link' ? linkPrefix : views[type]!.node!.prefix;
const strange = (type: string) => idOf(prefixOf(type), '01900000-0000-7000-8000-00000000dead');

/** The first id of an input that says what it is about. */
const subjectOf = (name: string): string | null => {
  const type = getNamedType(schema.getMutationType()!.getFields()[name]!.args[0]!.type);
  if (!isInputObjectType(type)) return null;
  for (const field of Object.values(type.getFields())) {
    if (field.name === 'payments') return 'instructionId';
    if (isNonNullType(field.type) && field.name in subjects) return field.name;
  }
  return null;
};

/** An input with what must be there, `id` under the name of what it is about, and under all else ids of nothing. */
function inputOf(type: GraphQLInputType, about: string | null, id: string, name = ''): unknown {
  if (isNonNullType(type)) return inputOf(type.ofType, about, id, name);
  if (isListType(type)) return [inputOf(type.ofType, about, id, name)];
  if (isEnumType(type)) return type.getValues()[0]!.name;
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter((field) => isNonNullType(field.type) && field.defaultValue === undefined)
        .map((field) => [field.name, inputOf(field.type, about, id, field.name)]),
    );
  if (type.name === 'ID') return name === about ? id : strange(subjects[name] ?? 'Person');
  if (name === 'idempotencyKey') return crypto.randomUUID();
  if (name === 'currency') return 'GBP';
  if (!(type.name in scalars)) throw new Error(`what is given as ${name}: ${type.name}?`);
  return scalars[type.name];
}

/** What comes of a command about this id, but for the request's own id: its code, or FORBIDDEN. */
async function give(asker: Asker, personId: string | null, name: string, id: string) {
  const { type } = schema.getMutationType()!.getFields()[name]!.args[0]!;
  const input = inputOf(type, subjectOf(name), id);
  const payload = getNamedType(schema.getMutationType()!.getFields()[name]!.type) as GraphQLObjectType;
  const objects = Object.values(payload.getFields())
    .filter(
      (field) =>
        isObjectType(getNamedType(field.type)) && field.name !== 'userErrors' && !isListType(field.type),
    )
    .filter((field) => !isListType(isNonNullType(field.type) ? field.type.ofType : field.type))
    .map((field) => `${field.name} { __typename }`);
  const query = `mutation ($input: ${type}) { ${name}(input: $input) { ${objects.join(' ')} userErrors { code message field } } }`;
  const answer = await kit.ask(query, { input }, claimsOf(asker, personId));
  const [error] = answer.errors ?? [];
  if (error !== undefined) delete error.extensions.requestId;
  // How much of their minute is left says when they asked, not what they asked for.
  delete (answer as { extensions?: { cost?: { available?: number } } }).extensions?.cost?.available;
  return {
    text: JSON.stringify(answer),
    code: (error?.extensions.code ?? answer.data?.[name]?.userErrors[0]?.code ?? 'done') as string,
  };
}

const roleAskers = () => {
  const by = (says: string) => askers.find((asker) => asker.says === says)!;
  return [
    by('coordinator'),
    by('social worker'),
    by('provider'),
    by('worker of the provider'),
    by('finance of the provider'),
    by('finance of the NHS'),
    by('auditor'),
    by('privacy officer'),
    by('administrator'),
    by('the person'),
    by('representative: both'),
  ];
};

const notFound = ['NOT_FOUND', 'PERSON_NOT_FOUND', 'NOT_MERGED'];
const roleOf = (asker: Asker) => asker.claims.tandem_role as never;

/** Somebody of this role to whom nobody stands in any relation. */
const stranger = (role: string): Asker =>
  role === 'PERSON' || role === 'REPRESENTATIVE'
    ? {
        says: `strange ${role}`,
        kind: role,
        claims: { sub: 's', tandem_role: role, nhs_number: '9990000107' },
      }
    : {
        says: `strange ${role}`,
        kind: role as never,
        claims: { sub: 's', tandem_role: role, organisation: gone.none },
      };

/** Somebody of the other side, by a role that may give the command. */
const ofOtherSide = (side: 'NHS' | 'COUNCIL' | null, role: string): Asker => ({
  says: `other side's ${role}`,
  kind: role as never,
  claims: { sub: 'o', tandem_role: role, organisation: side === 'NHS' ? '999' : 'QWN' },
});
const teams = ['CARE_COORDINATOR', 'SOCIAL_WORKER', 'FINANCE'];

async function sampleOf(about: string | null): Promise<Sample | null> {
  const type = about === null ? null : subjects[about]!;
  if (type === null || aboutNobody.has(type)) return null;
  if (type !== 'Role' && type !== 'Link') return samples.get(type)!;
  const { rows } = await kit.database.pool.query(
    `select id, person_id from ${type === 'Role' ? 'role_on_record' : 'person_link'} order by id limit 1`,
  );
  return { id: idOf(prefixOf(type), rows[0].id), personId: rows[0].person_id, side: null };
}

/** Everybody keeps everything from the other side; and what hangs on the integrated budget is of a side too. */
const keepAll = () =>
  kit.database.pool.query(
    `update budget set kind = 'PERSONAL_HEALTH_BUDGET' where kind = 'INTEGRATED';
     update sharing_choice set shares = false;
     insert into sharing_choice (person_id, side, part, shares, legal_basis, words, said_by, recorded_by, recorded_at, valid_from)
     select p.id, s.side::side, k.part::shared_part, false, 'OBJECTION', 'x', 'PERSON', 'x', now(), '${today}'
       from person p, (values ('NHS'), ('COUNCIL')) s(side), (values ('CARE'), ('MONEY')) k(part)
     on conflict do nothing`,
  );

test('the matrix, over every root field, stream, type and command', async () => {
  const columns = askers.map(({ says }) => says);
  const table: Record<string, string[]> = {};
  for (const name of Object.keys(schema.getQueryType()!.getFields())) {
    table[`Query.${name}`] = [];
    for (const asker of askers) table[`Query.${name}`]!.push(await root(asker, name));
  }
  for (const name of Object.keys(schema.getSubscriptionType()!.getFields())) {
    table[`Subscription.${name}`] = [];
    for (const asker of askers) table[`Subscription.${name}`]!.push(await opens(asker, name));
  }
  for (const type of nodeTypes) {
    table[type] = [];
    for (const asker of askers) table[type]!.push(await look(asker, type));
  }
  const given: Record<string, string[]> = {};
  const names = Object.keys(schema.getMutationType()!.getFields()) as CommandName[];
  for (const name of names) {
    const about = subjectOf(name);
    given[name] = [about ?? '-'];
    for (const asker of roleAskers()) {
      const { code } = await give(asker, null, name, about === null ? '' : strange(subjects[about]!));
      given[name].push(code === 'FORBIDDEN' ? 'no' : 'gives');
    }
    // What is there and not to be seen looks to the last letter like what is not there.
    const sample = await sampleOf(about);
    const answers = new Set<string>();
    for (const role of sample === null ? [] : commands[name]) {
      const asker = stranger(role);
      const there = await give(asker, null, name, sample!.id);
      const nowhere = await give(asker, null, name, strange(subjects[about!]!));
      expect(there.text, `${name} by ${asker.says}`).toBe(nowhere.text);
      answers.add(notFound.includes(there.code) ? 'not found' : there.code);
    }
    given[name].push([...answers].join(' ') || '-');
  }
  await keepAll();
  await choose();
  for (const type of nodeTypes) {
    const { side } = samples.get(type)!;
    const [coordinator, finance] = ['CARE_COORDINATOR', 'FINANCE'].map((role) => ofOtherSide(side, role));
    table[type]!.push(await look(coordinator!, type), await look(finance!, type));
  }
  for (const name of names) {
    const about = subjectOf(name);
    const sample = await sampleOf(about);
    const role = teams.find((team) => (commands[name] as readonly string[]).includes(team));
    if (sample === null || role === undefined || !decisions.isSided(subjects[about!]!)) {
      given[name]!.push('-');
      continue;
    }
    const { code } = await give(ofOtherSide(sample.side, role), null, name, sample.id);
    given[name]!.push(notFound.includes(code) ? 'not found' : code);
  }
  const lines = (head: string[], rows: Record<string, string[]>) =>
    [head, ...Object.entries(rows).map(([name, cells]) => [name, ...cells])]
      .map((cells) => cells.join(','))
      .join('\n');
  for (const name of Object.keys(table)) if (name.includes('.')) table[name]!.push('-', '-');
  const kept = ['kept from a coordinator', 'kept from finance'];
  const seen = lines(['what', ...columns, ...kept], table);
  const done = lines(
    [
      'command',
      'about',
      ...roleAskers().map(roleOf),
      'about somebody not in sight',
      'about what is kept from them',
    ],
    given,
  );
  await expect(`${seen}\n\n${done}\n`).toMatchFileSnapshot('access-matrix.csv');
}, 120_000);
