/**
 * The provider of a managed account where it may not: other families, other providers' accounts, others' versions, its
 * own changes to agree to, and after its management has ended. Whatever the way, it comes to the same.
 */
import { type GraphQLObjectType, getNamedType, isObjectType } from 'graphql';
import type { JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fields } from '../src/access/table.ts';
import { openCatalogue } from '../src/catalogue.ts';
import { idOf, uuidOf } from '../src/platform/id.ts';
import { evidencePrefix } from '../src/spending/prefix.ts';
import { csv, reference, spending } from './setup/bulk.ts';
import { today } from './setup/demo.ts';
import { coordinator, type TestHub } from './setup/hub.ts';
import { carol, gbp } from './setup/plan.ts';
import {
  agreeHourly,
  ann,
  bev,
  faultsOf,
  give,
  giveToOther,
  openProviderPlace,
  otto,
  type ProviderPlace,
} from './setup/provider-place.ts';
import { openSocket } from './setup/socket.ts';
import { key, makeBudget, type OwnBudget, payIn, pounds } from './setup/spending.ts';
import { announce, openStream } from './setup/stream.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
type Any = any;

let place: ProviderPlace;
let here: TestHub;
beforeAll(async () => {
  place = await openProviderPlace();
  here = place.own.kit;
});
afterAll(() => place.close());

const left: (() => unknown)[] = [];
afterEach(async () => {
  for (const leave of left.splice(0)) await leave();
});

const { schema } = openCatalogue();

/** Gives a command that must be done, and its object. */
async function done(command: string, input: object, claims: JWTPayload, payload: string, hub = here) {
  const answer = await give(hub, command, input, claims, payload);
  expect(faultsOf(answer), command).toEqual([]);
  const [name] = Object.keys(answer).filter((one) => one !== 'userErrors');
  return answer[name!];
}

const buy = (budget: OwnBudget, portion: 'managed' | 'own', more: object = {}) => ({
  budgetId: budget.id,
  portionId: budget[portion],
  amount: pounds('10.00'),
  spentOn: '2026-11-20',
  payee: 'Harbour Leisure',
  what: 'Swimming',
  ...more,
});
const draft = (planId: string, lineKey: string, more: object = {}) => ({
  ...{ planId, lineKey, kind: 'TERMS', quantity: '11', from: today, reason: 'More nights' },
  ...more,
});
const statement = (budget: OwnBudget, portion: 'managed' | 'own') => ({
  budgetId: budget.id,
  portionId: budget[portion],
  format: 'CSV',
  fileName: 'november.csv',
  content: `day,amount,who,balance\n2026-11-02,-10.00,CORNER SHOP ${portion},90.00\n`,
  csv: { date: 'day', amount: 'amount', party: 'who', balance: 'balance', dateFormat: 'YYYY_MM_DD' },
});

/** What is in one account of a family's, made by who may. */
async function fill(
  budget: OwnBudget,
  portion: 'managed' | 'own',
  [planId, lineKey]: [string, string],
  claims: JWTPayload,
) {
  const spend = await done('recordSpend', buy(budget, portion), claims, 'spend { id }');
  const change = await done('draftPackageChange', draft(planId, lineKey), claims, 'packageChange { id }');
  const { lines } = await done(
    'importStatement',
    statement(budget, portion),
    claims,
    'statement { lines(first: 5) { nodes { id state } } }',
  );
  const line = lines.nodes[0];
  // As it is after a night in which nobody knew what it was.
  await here.database.pool.query(
    `update bank_line set state = 'UNMATCHED', spend_id = null where replace(id::text, '-', '') = $1`,
    [line.id.slice(4)],
  );
  await here.database.pool.query(`update spend set bank_line_id = null where budget_id = $1`, [budget.uuid]);
  return { spend: spend.id as string, change: change.id as string, line: line.id as string };
}

/** Somebody who works for the person, with a week worked; and a paper of the person's. */
async function staff(personUuid: string, claims: JWTPayload) {
  const personId = idOf('per', personUuid);
  const { id, version } = await done('addWorker', { personId, name: 'Ade' }, claims, 'worker { id version }');
  const terms = {
    ...{ from: '2026-04-06', minutesPerWeek: 840, hourlyRate: gbp('13.00'), payFrequency: 'WEEKLY' },
    ...{ irregularHours: true, pensionEnrolled: true },
  };
  await done('setContract', { workerId: id, expectedVersion: version, ...terms }, claims, 'worker { id }');
  const timesheet = await done('recordHours', hours(id), claims, 'timesheet { id }');
  const { rows } = await here.database.pool.query(
    `insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, dated, uploaded_by)
     values ($1, 'RECEIPT', 'x', 'application/pdf', 1, 'receipt.pdf', $2, 'x') returning id`,
    [personUuid, today],
  );
  return { worker: id as string, timesheet: timesheet.id as string, paper: idOf(evidencePrefix, rows[0].id) };
}
const hours = (workerId: string, more: object = {}) => ({
  ...{ workerId, weekBegins: '2026-11-16', expectedVersion: 0 },
  days: [{ day: '2026-11-16', minutes: 300 }],
  ...more,
});

let mine: Awaited<ReturnType<typeof fill>>;
let beside: typeof mine;
let theirs: typeof mine;
let team: Awaited<ReturnType<typeof staff>>;
let strangeTeam: typeof team;
let files: { mine: string; theirs: string };
beforeAll(async () => {
  const { budget, planId, strange, strangePlanId, own } = place;
  mine = await fill(budget, 'managed', [planId, 'pa'], bev);
  beside = await fill(budget, 'own', [planId, 'theirs'], otto);
  theirs = await fill(strange, 'managed', [strangePlanId, 'pa'], otto);
  team = await staff(budget.personId, bev);
  strangeTeam = await staff(strange.personId, otto);
  const row = ({ id }: OwnBudget, portion: string) =>
    csv(`${spending},portion`, [[id, '2026-11-20', '1.00', 'Shop', 'Tea', reference(), portion]]);
  files = {
    mine: (await own.run(row(budget, budget.managed), {}, bev)).id,
    theirs: (await own.run(row(strange, strange.managed), {}, otto)).id,
  };
});

/** Every row that a provider's commands write. */
async function written(): Promise<Record<string, string>> {
  const tables =
    `spend ledger_transfer package_change package_change_agreement worker contract worker_document timesheet
    worked_day rota_week shift absence bank_statement bank_line evidence evidence_upload spend_evidence portion budget
    plan_line payee_account bulk_file bulk_row`.split(/\s+/);
  const sums = tables.map(
    (table) => `(select md5(string_agg(t::text, ',' order by t::text)) from ${table} t) as ${table}`,
  );
  const { rows } = await here.database.pool.query(`select ${sums.join()}`);
  return rows[0];
}

type Late = [command: string, input: object];

interface Thing {
  says: string;
  type: string;
  id: string;
  personUuid: string | null;
  /** Who of Bev, Otto and a stranger sees it. */
  seenBy: [boolean, boolean, boolean];
  /** A command about it that comes too late, and shows it as it is to whoever sees it. */
  late?: Late;
}

function things(): Thing[] {
  const { budget, strange } = place;
  const late = (command: string, name: string, id: string, more: object = {}): Late => [
    command,
    { [name]: id, expectedVersion: 99, ...more },
  ];
  const money = (says: string, of: typeof mine, personUuid: string, seenBy: Thing['seenBy']): Thing[] => [
    {
      ...{ says: `${says} spend`, type: 'Spend', id: of.spend, personUuid, seenBy },
      late: late('undoSpend', 'spendId', of.spend, { reason: 'x' }),
    },
    {
      ...{ says: `${says} package change`, type: 'PackageChange', id: of.change, personUuid, seenBy },
      late: late('withdrawPackageChange', 'packageChangeId', of.change),
    },
    { says: `${says} bank line`, type: 'BankLine', id: of.line, personUuid, seenBy },
  ];
  const people = (says: string, of: typeof team, personUuid: string, seenBy: Thing['seenBy']): Thing[] => [
    {
      ...{ says: `${says} worker`, type: 'Worker', id: of.worker, personUuid, seenBy },
      late: late('correctWorker', 'workerId', of.worker),
    },
    {
      ...{ says: `${says} timesheet`, type: 'Timesheet', id: of.timesheet, personUuid, seenBy },
      late: ['recordHours', hours(of.worker, { expectedVersion: 99 })],
    },
    { says: `${says} paper`, type: 'Evidence', id: of.paper, personUuid, seenBy },
  ];
  const file = (says: string, id: string, seenBy: Thing['seenBy']): Thing => ({
    ...{ says: `${says} bulk file`, type: 'BulkFile', id, personUuid: null, seenBy },
    late: ['applyBulkFile', { fileId: id }],
  });
  const both: Thing['seenBy'] = [true, true, false];
  const other: Thing['seenBy'] = [false, true, false];
  return [
    ...money('the family’s own', mine, budget.personId, both),
    // One who manages something of a record sees its money, and acts on its own part of it.
    ...money('the other provider’s', beside, budget.personId, both),
    ...money('a strange family’s', theirs, strange.personId, other),
    ...people('the family’s own', team, budget.personId, both),
    ...people('a strange family’s', strangeTeam, strange.personId, other),
    file('the own', files.mine, [true, false, false]),
    file('another’s', files.theirs, other),
  ];
}

/** All of a person, by the items of pages or by their edges. */
const record = (by: 'nodes' | 'edges') => {
  const page = (inner: string) => (by === 'nodes' ? `nodes { ${inner} }` : `edges { node { ${inner} } }`);
  const of = (name: string, inner = 'id') => `${name}(first: 100) { ${page(inner)} }`;
  return `id budgets { id ${of('spends')} } ${of('evidence')} ${of('bankStatements', `id ${of('lines')}`)}
    team { id ${of('timesheets')} } plans { id lines { packageChanges { id } } }`;
};

/** The object that a payload shows of what a command was about. */
const payloads: Record<string, string> = {
  undoSpend: 'spend',
  withdrawPackageChange: 'packageChange',
  correctWorker: 'worker',
  recordHours: 'timesheet',
  applyBulkFile: 'file',
};

describe('the same decision by every way', () => {
  /** What somebody is told of all of a person, by each way there is: the texts of the answers. */
  async function recordOf(personUuid: string, claims: JWTPayload): Promise<Record<string, string>> {
    const id = idOf('per', personUuid);
    const told: Record<string, string> = {};
    const ask = async (query: string) => {
      const { data, errors } = await here.ask(query, { id }, claims);
      expect(errors).toBeUndefined();
      return JSON.stringify(data);
    };
    for (const by of ['nodes', 'edges'] as const) {
      told[`by ${by}`] = await ask(`query ($id: ID!) { person(id: $id) { ${record(by)} } }`);
      told[`by an id and ${by}`] = await ask(
        `query ($id: ID!) { node(id: $id) { ... on Person { ${record(by)} } } }`,
      );
    }
    const query = `subscription ($id: ID) { changes(personId: $id) { topic person { ${record('edges')} } } }`;
    const stream = await openStream(here, query, { variables: { id }, claims });
    left.push(stream.leave);
    if (stream.status === 200) await announce(here.database.pool, 'person.changed', [personUuid]);
    else expect(stream.status).toBe(404);
    told['on a stream'] = stream.status === 200 ? JSON.stringify(await stream.next()) : '';
    return told;
  }

  async function waysTo(
    { type, id, personUuid, late }: Thing,
    claims: JWTPayload,
    known: Map<string, Record<string, string>>,
  ) {
    const holds = (text: string) => text.includes(`"${id}"`);
    const ask = async (query: string) => {
      const { data, errors } = await here.ask(query, query.includes('$id') ? { id } : {}, claims);
      expect(errors).toBeUndefined();
      return holds(JSON.stringify(data));
    };
    const found: Record<string, boolean> = {
      'by its id': await ask('query ($id: ID!) { node(id: $id) { id } }'),
      'by an interface': await ask(
        `query ($id: ID!) { node(id: $id) { ...Any } } fragment Any on Node { ... on ${type} { ...It } } fragment It on ${type} { id }`,
      ),
    };
    if (personUuid === null) {
      found['in the list, by nodes'] = await ask('{ bulkFiles(first: 100) { nodes { id } } }');
      found['in the list, by edges'] = await ask('{ bulkFiles(first: 100) { edges { node { id } } } }');
    } else {
      const told = known.get(personUuid) ?? (await recordOf(personUuid, claims));
      known.set(personUuid, told);
      for (const [way, text] of Object.entries(told)) found[`on its person, ${way}`] = holds(text);
    }
    if (late !== undefined) {
      const [command, input] = late;
      const name = payloads[command]!;
      const payload = await give(here, command, input, claims, `${name} { id }`);
      found['in a payload'] = payload[name]?.id === id;
      expect(faultsOf(payload)[0], command).toMatch(
        payload[name] === null ? /^NOT_FOUND/ : /^(CONFLICT|WRONG_STAGE)/,
      );
    }
    return found;
  }

  test.each([0, 1, 2])('for viewer %i of two providers and a stranger', async (n) => {
    const claims = [bev, otto, { ...bev, organisation: 'QWE' }][n]!;
    const known = new Map<string, Record<string, string>>();
    for (const thing of things()) {
      const seen = thing.seenBy[n];
      const found = await waysTo(thing, claims, known);
      expect(Object.keys(found).length).toBeGreaterThan(3);
      expect([thing.says, found]).toEqual([
        thing.says,
        Object.fromEntries(Object.keys(found).map((way) => [way, seen])),
      ]);
    }
  });
});

describe('what it reads', () => {
  test('is nothing clinical: those fields are null, and are named as restricted', async () => {
    const canary = 'Clinical words that only carers and clinicians read';
    const { personId: uuid } = place.budget;
    const personId = idOf('per', uuid);
    const { pool } = here.database;
    await pool.query('update plan set about_me = $2, what_matters = $2 where person_id = $1', [uuid, canary]);
    await pool.query('update plan_line set reason = $2 where person_id = $1', [uuid, canary]);
    /** Each hidden field of a type, by its own name; what it holds is of no matter. */
    const hidden = (type: string) =>
      Object.entries(fields[type]!).flatMap(([part, names]) =>
        ['CARE', 'DECISION', 'FUNDING', 'BANK', 'CONFIDENTIALITY', 'ACCESS_LOG'].includes(part)
          ? names.split(/\s+/)
          : [],
      );
    const select = (type: string, name: string) => {
      const field = (schema.getType(type) as GraphQLObjectType).getFields()[name]!;
      const page = field.args.some((arg) => arg.name === 'first') ? '(first: 1)' : '';
      return `${name}${page}${isObjectType(getNamedType(field.type)) ? ' { __typename }' : ''}`;
    };
    const all = (type: string) =>
      hidden(type)
        .map((name) => select(type, name))
        .join(' ');
    const answer: Any = await here.ask(
      `query ($id: ID!) { person(id: $id) { ${all('Person')} plans { title ${all('Plan')} lines { what ${all('PlanLine')} } }
         budgets { id ${all('Budget')} } } }`,
      { id: personId },
      bev,
    );
    expect(answer.errors).toBeUndefined();
    const { plans, budgets, ...person } = answer.data.person;
    expect(plans[0].lines.length).toBe(2);
    const nulls = (object: Any, names: string[]) =>
      expect(object).toMatchObject(Object.fromEntries(names.map((name) => [name, null])));
    nulls(person, hidden('Person'));
    for (const { lines, ...plan } of plans) {
      nulls(plan, hidden('Plan'));
      for (const line of lines) nulls(line, hidden('PlanLine'));
    }
    for (const one of budgets) nulls(one, hidden('Budget'));
    expect(JSON.stringify(answer)).not.toContain(canary);
    const under = (path: string, type: string) => hidden(type).map((name) => `${path}.${name}`);
    // The golden list: a change of it is a change of what a charity reads.
    expect([...answer.extensions.restricted].sort()).toEqual(
      [
        ...under('person', 'Person'),
        ...under('person.plans', 'Plan'),
        ...under('person.plans.lines', 'PlanLine'),
        ...under('person.budgets', 'Budget'),
      ].sort(),
    );
    expect(hidden('Person').sort()).toEqual([
      ...[
        'accessLog',
        'contacts',
        'decisions',
        'eligibilities',
        'emergencyAccesses',
        'reviews',
        'sharingChoices',
      ],
    ]);
    expect(hidden('PlanLine').sort()).toEqual(['needs', 'outcomes', 'reason']);
    expect(hidden('Budget').sort()).toEqual(['fundingSplits', 'payeeAccounts', 'statementS26']);
  });
});

describe('a change that would make something another’s', () => {
  test('is refused by what it was and by what it would be, and nothing is written', async () => {
    const { budget, planId, strange, strangePlanId } = place;
    const [personId, strangeId] = [budget.personId, strange.personId].map((id) => idOf('per', id));
    const correct = (spendId: string, portionId: string) => ({
      ...{ spendId, expectedVersion: 1, reason: 'x', portionId },
      ...{ amount: pounds('99.00'), spentOn: '2026-11-20', payee: 'x', what: 'x' },
    });
    const shift = { day: '2027-01-04', starts: '08:00', ends: '12:00', task: 'x' };
    const set = { budgetId: budget.id, portionId: budget.own, amount: pounds('5.00'), what: 'A chair' };
    await payIn(here, budget, { pence: 10_000n, portionId: uuidOf('por', budget.own) });
    const commitment = await done('commitMoney', set, otto, 'commitment { id }');
    const asked: [string, object, string][] = [
      ['recordSpend', buy(strange, 'managed', { portionId: budget.managed }), 'NOT_FOUND budgetId'],
      ['recordSpend', buy(budget, 'managed', { portionId: strange.managed }), 'NOT_FOUND portionId'],
      ['recordSpend', buy(budget, 'own'), 'NOT_YOURS portionId'],
      ['recordSpend', buy(budget, 'own', { portionId: null }), 'NOT_YOURS portionId'],
      ['correctSpend', correct(mine.spend, budget.own), 'NOT_YOURS portionId'],
      ['correctSpend', correct(mine.spend, strange.managed), 'NOT_FOUND portionId'],
      ['correctSpend', correct(beside.spend, budget.managed), 'NOT_YOURS portionId'],
      ['correctSpend', correct(theirs.spend, budget.managed), 'NOT_FOUND spendId'],
      ['undoSpend', { spendId: beside.spend, expectedVersion: 1, reason: 'x' }, 'NOT_YOURS portionId'],
      [
        'refundSpend',
        { spendId: beside.spend, expectedVersion: 1, amount: pounds('1.00'), on: today },
        'NOT_YOURS portionId',
      ],
      ['commitMoney', set, 'NOT_YOURS portionId'],
      ['releaseCommitment', { commitmentId: commitment.id, reason: 'x' }, 'NOT_YOURS portionId'],
      [
        'recordSpend',
        buy(budget, 'managed', { commitmentId: commitment.id, amount: pounds('5.00') }),
        'NOT_YOURS portionId',
      ],
      ['importStatement', statement(budget, 'own'), 'NOT_YOURS portionId'],
      ['matchBankLine', { bankLineId: mine.line, spendId: theirs.spend }, 'NOT_FOUND spendId'],
      ['matchBankLine', { bankLineId: mine.line, spendId: beside.spend }, 'NOT_YOURS portionId'],
      ['matchBankLine', { bankLineId: beside.line, spendId: mine.spend }, 'NOT_YOURS portionId'],
      ['setAsideBankLine', { bankLineId: beside.line, reason: 'x' }, 'NOT_YOURS portionId'],
      ['setAsideBankLine', { bankLineId: theirs.line, reason: 'x' }, 'NOT_FOUND bankLineId'],
      [
        'attachEvidence',
        { spendId: mine.spend, evidenceIds: [strangeTeam.paper] },
        'NOT_FOUND evidenceIds.0',
      ],
      ['attachEvidence', { spendId: beside.spend, evidenceIds: [team.paper] }, 'NOT_YOURS null'],
      ['attachEvidence', { spendId: theirs.spend, evidenceIds: [team.paper] }, 'NOT_FOUND spendId'],
      [
        'requestEvidenceUpload',
        { personId: strangeId, kind: 'RECEIPT', fileName: 'x.pdf' },
        'PERSON_NOT_FOUND personId',
      ],
      ['addWorker', { personId: strangeId, name: 'x' }, 'PERSON_NOT_FOUND personId'],
      ['addWorker', { personId, name: 'x', portionId: strange.managed }, 'NOT_FOUND portionId'],
      ['addWorker', { personId, name: 'x', portionId: budget.own }, 'NOT_YOURS portionId'],
      [
        'correctWorker',
        { workerId: strangeTeam.worker, expectedVersion: 2, name: 'x' },
        'NOT_FOUND workerId',
      ],
      ['recordHours', hours(strangeTeam.worker, { expectedVersion: 1 }), 'NOT_FOUND workerId'],
      [
        'recordWorkerDocument',
        { workerId: team.worker, kind: 'DBS', seenOn: '2026-11-01', evidenceId: strangeTeam.paper },
        'NOT_FOUND evidenceId',
      ],
      [
        'planWeek',
        {
          ...{ personId, weekBegins: '2027-01-04', expectedVersion: 0 },
          shifts: [{ ...shift, workerId: strangeTeam.worker }],
        },
        'NOT_FOUND shifts.0.workerId',
      ],
      [
        'recordAbsence',
        {
          ...{ workerId: team.worker, kind: 'HOLIDAY', from: today, to: today, fromContingency: false },
          coverId: strangeTeam.worker,
        },
        'NOT_FOUND coverId',
      ],
      ['draftPackageChange', draft(strangePlanId, 'pa'), 'NOT_FOUND planId'],
      ['draftPackageChange', draft(planId, 'theirs'), 'NOT_YOURS portionId'],
      ['submitPackageChange', { packageChangeId: beside.change, expectedVersion: 1 }, 'NOT_YOURS portionId'],
      [
        'withdrawPackageChange',
        { packageChangeId: beside.change, expectedVersion: 1 },
        'NOT_YOURS portionId',
      ],
      [
        'submitPackageChange',
        { packageChangeId: theirs.change, expectedVersion: 1 },
        'NOT_FOUND packageChangeId',
      ],
      ['applyBulkFile', { fileId: files.theirs }, 'NOT_FOUND fileId'],
      // What is not the provider's to do at all.
      ['acceptSpend', { spendId: mine.spend, expectedVersion: 1 }, 'FORBIDDEN'],
      ['agreePackageChange', { packageChangeId: mine.change, expectedVersion: 1 }, 'FORBIDDEN'],
      [
        'setPayeeAccount',
        { budgetId: budget.id, accountName: 'x', sortCode: '11-22-33', accountNumber: '12345678' },
        'FORBIDDEN',
      ],
      [
        'changePortionManagement',
        { portionId: budget.own, expectedVersion: 1, from: today, management: 'NOTIONAL', reason: 'x' },
        'FORBIDDEN',
      ],
    ];
    const before = await written();
    for (const [command, input, wanted] of asked)
      expect([command, input, faultsOf(await give(here, command, input))]).toEqual([
        command,
        input,
        [wanted],
      ]);
    expect(await written()).toEqual(before);
  });

  test('is not made by a statement either: it shows what was paid from its own account', async () => {
    const { budget } = place;
    const bought = (amount: string) => ({ amount: pounds(amount), payee: 'Lido' });
    await done('recordSpend', buy(budget, 'own', bought('7.77')), otto, 'spend { id }');
    const own = await done('recordSpend', buy(budget, 'managed', bought('8.88')), bev, 'spend { id }');
    const content = 'day,amount,who,balance\n2026-11-20,-7.77,LIDO,90.00\n2026-11-20,-8.88,LIDO,81.12\n';
    const { lines } = await done(
      'importStatement',
      { ...statement(budget, 'managed'), content },
      bev,
      'statement { lines(first: 5) { nodes { amount { amount } spend { id } } } }',
    );
    const shownBy = Object.fromEntries(lines.nodes.map(({ amount, spend }: Any) => [amount.amount, spend]));
    expect(shownBy).toEqual({ '-7.77': null, '-8.88': { id: own.id } });
  });

  test('is refused row by row in a file, and nothing of it goes in', async () => {
    const { budget, strange, own } = place;
    const paid = ['2026-11-20', '1.00', 'Shop', 'Tea'];
    const rows = [
      [strange.id, '', '', ...paid, ''],
      [strange.id, '', '', ...paid, strange.managed],
      [strange.id, '', '', ...paid, budget.managed],
      [budget.id, '', '', ...paid, budget.own],
      [budget.id, '', '', ...paid, strange.managed],
      ['', strange.nhsNumber, 'INTEGRATED', ...paid, ''],
    ];
    const { bulk_file: _, bulk_row: __, ...before } = await written();
    const headings = 'budget,nhs_number,budget_kind,spent_on,amount,payee,what,portion';
    const { problems, applied } = await own.run(csv(headings, rows), {}, bev);
    expect(applied).toBe(0);
    expect(problems.nodes.map(({ code }: Any) => code)).toEqual(rows.map(() => 'NOT_FOUND'));
    expect(new Set(problems.nodes.map(({ message }: Any) => message)).size).toBe(1);
    expect(await written()).toMatchObject({ ...before, evidence_upload: expect.any(String) });
  });
});

describe('two editors', () => {
  test('of a package change at two processes: the second is told, and sees how it is now', async () => {
    const { planId, there } = place;
    const { id } = await done('draftPackageChange', draft(planId, 'pa'), bev, 'packageChange { id }');
    const input = { packageChangeId: id, expectedVersion: 1 };
    const shown = 'packageChange { version status }';
    const [submitted, withdrawn] = await Promise.all([
      give(here, 'submitPackageChange', input, bev, shown),
      give(there, 'withdrawPackageChange', input, ann, shown),
    ]);
    const [won, lost] = faultsOf(submitted).length === 0 ? [submitted, withdrawn] : [withdrawn, submitted];
    expect([faultsOf(won), faultsOf(lost)]).toEqual([[], ['CONFLICT expectedVersion']]);
    expect(won.packageChange).toEqual({
      version: 2,
      status: won === submitted ? 'AGREED' : 'WITHDRAWN',
    });
    expect(lost.packageChange).toEqual(won.packageChange);
  });

  test('of a timesheet: what the first recorded stays', async () => {
    const { there } = place;
    const week = (minutes: number) =>
      hours(team.worker, { weekBegins: '2026-11-09', days: [{ day: '2026-11-09', minutes }] });
    const shown = 'timesheet { version worked }';
    const both = await Promise.all([
      give(here, 'recordHours', week(60), bev, shown),
      give(there, 'recordHours', week(120), ann, shown),
    ]);
    const [won] = both.filter((answer) => faultsOf(answer).length === 0);
    const [lost] = both.filter((answer) => answer !== won);
    expect(faultsOf(lost)).toEqual(['CONFLICT expectedVersion']);
    expect(won.timesheet).toEqual({ version: 1, worked: won === both[0] ? 60 : 120 });
    expect(lost.timesheet).toEqual(won.timesheet);
  });
});

describe('who drafted a change of a package', () => {
  const shown = 'packageChange { id version status agreedAt weeklyCost { amount } }';
  const proposed = async (claims: JWTPayload) => {
    const far = draft(place.planId, 'pa', { quantity: '20' });
    const { id } = await done('draftPackageChange', far, claims, shown);
    const change = await done(
      'submitPackageChange',
      { packageChangeId: id, expectedVersion: 1 },
      claims,
      shown,
    );
    expect(change).toMatchObject({ version: 2, status: 'PROPOSED' });
    return { packageChangeId: id, expectedVersion: 2 };
  };
  const agree = async (input: object, claims: JWTPayload) =>
    faultsOf(await give(here, 'agreePackageChange', input, claims, shown));

  test('does not agree to it: not themself, nor by another sign-in, nor for a funder', async () => {
    const again = ['SECOND_PERSON_NEEDED packageChangeId'];
    const byFunder = await proposed(coordinator);
    expect(await agree(byFunder, coordinator)).toEqual(again);
    expect(await agree(byFunder, { ...coordinator, sub: 'n2', name: ' NADIA ', client: 'app' })).toEqual(
      again,
    );
    expect(await agree(byFunder, { ...carol, name: 'Nadia' })).toEqual(['FORBIDDEN']);
    expect(await agree(byFunder, { ...coordinator, sub: 'ruth', name: 'Ruth' })).toEqual([]);

    const byProvider = await proposed(bev);
    expect(await agree(byProvider, { ...coordinator, sub: 'bev-2', name: 'bev  marsh' })).toEqual(again);
    const byDaughter = await proposed(carol);
    expect(await agree(byDaughter, { ...coordinator, sub: 'c', name: 'Carol Holloway' })).toEqual(again);
    expect(await agree(byDaughter, coordinator)).toEqual([]);
  });

  test('nobody edits: what was agreed is what holds, and another change must be agreed anew', async () => {
    const all = Object.keys(schema.getMutationType()!.getFields());
    const about = all.filter((name) => name.includes('PackageChange'));
    expect(about.sort()).toEqual(
      ['draft', 'submit', 'agree', 'refuse', 'withdraw'].map((verb) => `${verb}PackageChange`).sort(),
    );
    const change = await proposed(bev);
    // The council pays too, and is asked.
    for (const [n, claims] of [
      coordinator,
      { ...coordinator, sub: 'tom', name: 'Tom', tandem_role: 'SOCIAL_WORKER', organisation: '999' },
    ].entries())
      expect(await agree({ ...change, expectedVersion: 2 + n }, claims)).toEqual([]);
    const row = async () =>
      (
        await here.database.pool.query(
          'select * from package_change where replace(id::text, $$-$$, $$$$) = $1',
          [change.packageChangeId.slice(4)],
        )
      ).rows[0];
    const before = await row();
    expect(before).toMatchObject({ status: 'AGREED', version: 4 });
    for (const command of ['submitPackageChange', 'withdrawPackageChange'])
      expect(faultsOf(await give(here, command, { ...change, expectedVersion: 4 }))).toEqual([
        'WRONG_STAGE packageChangeId',
      ]);
    expect(await agree({ ...change, expectedVersion: 4 }, coordinator)).toEqual([
      'WRONG_STAGE packageChangeId',
    ]);
    expect(await row()).toEqual(before);
    // Dearer than was agreed: asked for again.
    const next = draft(place.planId, 'pa', { quantity: '21' });
    const { id } = await done('draftPackageChange', next, bev, shown);
    expect(
      await done('submitPackageChange', { packageChangeId: id, expectedVersion: 1 }, bev, shown),
    ).toMatchObject({ status: 'PROPOSED', agreedAt: null });
  });
});

describe('today its management ends', () => {
  /** Another budget of Iris's, of which the second portion is Otto's. */
  async function anotherBudget(): Promise<OwnBudget> {
    const budget = await makeBudget(here);
    await giveToOther(here, budget);
    await payIn(here, budget, { pence: 100_000n });
    await here.database.pool.query(
      `update portion set account_operator_id = null, management = 'DIRECT_PAYMENT'
        where person_id = $1 and budget_id <> $2 and account_operator_id = (select id from organisation where ods_code = 'D9H02')`,
      [budget.personId, budget.uuid],
    );
    return budget;
  }
  const bare = 'subscription ($personId: ID) { changes(personId: $personId) { topic } }';

  /** A stream of each kind about the person, at the other process than that at which it ends. */
  async function listening(personId: string, claims: JWTPayload) {
    const { there } = place;
    const stream = await openStream(there, bare, { variables: { personId }, claims });
    expect(stream.status).toBe(200);
    const socket = await openSocket(there, { claims });
    left.push(stream.leave, socket.leave);
    const following = socket.subscribe(bare, { personId });
    const first = following.next();
    await expect
      .poll(
        async () =>
          /^tandem_live_streams (\d+)$/m.exec(await (await fetch(`${there.hub.url}/metrics`)).text())![1],
      )
      .toBe('2');
    return async () => {
      const told = [(await stream.next())!, (await first)!];
      expect([await stream.next(), await following.next()]).toEqual([null, null]);
      return told.map(({ errors }) => errors![0]!.extensions.code);
    };
  }

  const sees = async (personId: string, claims: JWTPayload) =>
    Promise.all(
      [here, place.there].map(
        async (hub) =>
          (await hub.ask('query ($id: ID!) { person(id: $id) { id } }', { id: personId }, claims)).data
            .person !== null,
      ),
    );

  /** A file of one row that was looked through, and is to be applied as soon as somebody works on it. */
  async function waitingFile(budget: OwnBudget, claims: JWTPayload) {
    const { own } = place;
    const portion = claims === otto ? budget.own : budget.managed;
    const row = [budget.id, '2026-11-20', '1.00', 'Shop', 'Tea', reference(), portion];
    const { id, good } = await own.run(csv(`${spending},portion`, [row]), { dryRun: true }, claims);
    expect(good).toBe(1);
    expect(faultsOf(await own.apply(id, claims))).toEqual([]);
    return id as string;
  }

  const spends = async ({ uuid }: OwnBudget) =>
    (await here.database.pool.query('select count(*)::int as n from spend where budget_id = $1', [uuid]))
      .rows[0].n;

  const change = (budget: OwnBudget, which: 'managed' | 'own') =>
    give(
      here,
      'changePortionManagement',
      {
        portionId: budget[which],
        ...{ expectedVersion: 1, from: today, management: 'NOTIONAL', reason: 'They stop' },
      },
      coordinator,
    );

  test.each([
    ['another takes the account over', (budget: OwnBudget) => change(budget, 'own')],
    [
      'the budget ends',
      ({ id }: OwnBudget) =>
        give(here, 'endBudget', { budgetId: id, expectedVersion: 1, on: today, reason: 'Over' }, coordinator),
    ],
  ])('because %s: nothing is read, done, told or applied any more', async (_, end) => {
    const budget = await anotherBudget();
    const personId = idOf('per', budget.personId);
    const input = { idempotencyKey: key(), ...buy(budget, 'own') };
    const first = await done('recordSpend', input, otto, 'spend { id payee }');
    expect(first.payee).toBe('Harbour Leisure');
    expect(await sees(personId, otto)).toEqual([true, true]);
    const over = await listening(personId, otto);
    const fileId = await waitingFile(budget, otto);
    const before = await spends(budget);

    expect(faultsOf(await end(budget))).toEqual([]);
    expect(await sees(personId, otto)).toEqual([false, false]);
    for (const hub of [here, place.there]) {
      expect(faultsOf(await give(hub, 'recordSpend', buy(budget, 'own'), otto))).toEqual([
        'NOT_FOUND budgetId',
      ]);
      expect(faultsOf(await give(hub, 'addWorker', { personId, name: 'x' }, otto))).toEqual([
        'PERSON_NOT_FOUND personId',
      ]);
      // The answer to what was done before shows nothing that is no longer theirs.
      expect(await give(hub, 'recordSpend', input, otto, 'spend { id payee } budget { id }')).toMatchObject({
        ...{ spend: null, budget: null },
      });
    }
    expect(await over()).toEqual(['PERSON_NOT_FOUND', 'PERSON_NOT_FOUND']);
    const { own } = place;
    await own.work(fileId);
    expect(await own.file(fileId, otto)).toMatchObject({
      ...{ status: 'DONE', applied: 0, bad: 1 },
      problems: { nodes: [{ code: 'NOT_FOUND' }] },
    });
    expect(await spends(budget)).toBe(before);
  });

  test('while it has another part on the record: it still sees the person, and pays nothing from that account', async () => {
    const budget = await anotherBudget();
    const planId = await agreeHourly(here, budget);
    const { id } = await done('recordSpend', buy(budget, 'managed'), bev, 'spend { id }');
    const fileId = await waitingFile(budget, bev);
    const before = await spends(budget);
    // The same charity, on other terms, is still the one that operates the account.
    expect(
      faultsOf(
        await give(
          here,
          'changePortionManagement',
          {
            portionId: budget.managed,
            ...{
              expectedVersion: 1,
              from: today,
              management: 'MANAGED_ACCOUNT',
              operatorCode: 'D9H01',
              reason: 'x',
            },
          },
          coordinator,
        ),
      ),
    ).toEqual([]);
    const refund = { spendId: id, expectedVersion: 1, amount: pounds('1.00'), on: today };
    expect(faultsOf(await give(here, 'refundSpend', refund))).toEqual([]);

    await here.database.pool.query(
      `update portion set valid_to = $2 where budget_id = $1 and account_operator_id is not null and valid_to is null`,
      [budget.uuid, today],
    );
    expect(await sees(idOf('per', budget.personId), bev)).toEqual([true, true]);
    const undo = { spendId: id, expectedVersion: 2, reason: 'x' };
    for (const hub of [here, place.there]) {
      for (const [command, input] of [
        ['recordSpend', buy(budget, 'managed')],
        ['undoSpend', undo],
        ['importStatement', statement(budget, 'managed')],
        ['draftPackageChange', draft(planId, 'pa')],
      ] as const)
        expect([command, faultsOf(await give(hub, command, input))]).toEqual([
          command,
          ['NOT_YOURS portionId'],
        ]);
    }
    const { own } = place;
    await own.work(fileId);
    expect(await own.file(fileId)).toMatchObject({
      ...{ status: 'DONE', applied: 0, bad: 1 },
      problems: { nodes: [{ code: 'NOT_FOUND' }] },
    });
    expect(await spends(budget)).toBe(before);
  });

  test('because their role is suspended, or their work: at every process, and for whatever was begun', async () => {
    const budget = await anotherBudget();
    const personId = idOf('per', budget.personId);
    const { people } = (
      await here.ask('query ($id: ID!) { person(id: $id) { people { id organisation { code } to } } }', {
        id: personId,
      })
    ).data.person;
    const roles = people.filter(({ organisation }: Any) => organisation?.code === 'D9H02');
    expect(roles.length).toBeGreaterThan(0);
    const suspended = await listening(personId, otto);
    for (const role of roles)
      await give(here, 'suspendRole', { roleId: role.id, reason: 'A concern' }, coordinator);
    expect(await sees(personId, otto)).toEqual([false, false]);
    expect(faultsOf(await give(place.there, 'recordSpend', buy(budget, 'own'), otto))).toEqual([
      'NOT_FOUND budgetId',
    ]);
    expect(await suspended()).toEqual(['PERSON_NOT_FOUND', 'PERSON_NOT_FOUND']);
    for (const role of roles)
      await give(here, 'resumeRole', { roleId: role.id, reason: 'Unfounded' }, coordinator);
    expect(await sees(personId, otto)).toEqual([true, true]);

    const leaver = { ...otto, sub: 'leaver' };
    await expect
      .poll(async () =>
        /^tandem_live_streams 0$/m.test(await (await fetch(`${place.there.hub.url}/metrics`)).text()),
      )
      .toBe(true);
    const ended = await listening(personId, leaver);
    const look = await place.own.run(
      csv(`${spending},portion`, [[budget.id, '2026-11-20', '1.00', 'Shop', 'Tea', reference(), budget.own]]),
      { dryRun: true },
      leaver,
    );
    const work = { organisationCode: 'D9H02', subject: `${here.issuer.url}#leaver`, reason: 'Left today' };
    expect(faultsOf(await give(here, 'endEmployment', work, { sub: 'sam', tandem_role: 'ADMIN' }))).toEqual(
      [],
    );
    expect(await sees(personId, leaver)).toEqual([false, false]);
    expect(await ended()).toEqual(['PERSON_NOT_FOUND', 'PERSON_NOT_FOUND']);
    for (const hub of [here, place.there]) {
      expect(faultsOf(await give(hub, 'applyBulkFile', { fileId: look.id }, leaver))).toEqual(['FORBIDDEN']);
      expect(faultsOf(await give(hub, 'recordSpend', buy(budget, 'own'), leaver))).toEqual([
        'NOT_FOUND budgetId',
      ]);
    }
    // A colleague goes on.
    expect(faultsOf(await place.own.apply(look.id, otto))).toEqual([]);
  });
});
