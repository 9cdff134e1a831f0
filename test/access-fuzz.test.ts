/**
 * Random operations as random viewers, over a place with every relation there is. Each field and each null of the answer
 * is compared with what the person themself reads, cut down by a second, slow decision about who sees what.
 */
import { collectSubFields } from '@graphql-tools/utils';
import fc from 'fast-check';
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  validate,
  visit,
} from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCatalogue, views } from '../src/catalogue.ts';
import { idOf } from '../src/platform/id.ts';
import { makeDemoDatabase } from './setup/database.ts';
import { type Asker, type Decisions, openDecisions, partOf } from './setup/decide.ts';
import { noon, today } from './setup/demo.ts';
import { startTestHub, type TestHub } from './setup/hub.ts';
import { everyEdge, objectsOf, selectionOf } from './setup/operation.ts';
import { daniel, iris } from './setup/plan.ts';
import { askersOf, relate } from './setup/relation.ts';
import { tellAll } from './setup/told.ts';

const { schema } = openCatalogue();

let kit: TestHub;
let decisions: Decisions;
let askers: Asker[];
/** Whose records are read, as UUIDs, with the NHS number of each. */
let people: { id: string; nhsNumber: string }[];
/** Something of each type that has a side, found by its id. */
let nodes: { type: string; id: string; personId: string }[];

beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  await tellAll(kit);
  const { pool } = kit.database;
  const { rows } = await pool.query(
    `select distinct on (p.id) p.id, i.value as "nhsNumber", i.value = any($1) as told from person p
       join person_identifier i on i.person_id = p.id and i.system = 'NHS_NUMBER' and i.status = 'CURRENT'
      where (select count(distinct s.side) from person_link l join source_system s on s.id = l.source_id where l.person_id = p.id) = 2
      order by p.id`,
    [[iris.nhsNumber, daniel.nhsNumber]],
  );
  people = rows.sort((a, b) => Number(b.told) - Number(a.told)).slice(0, 6);
  await relate(
    pool,
    people.map(({ id }) => id),
    kit.issuer.url,
  );
  // Those with the fullest records keep something back of each side; one keeps nothing, one all.
  const keeps = [
    ['NHS MONEY', 'COUNCIL CARE'],
    ['COUNCIL MONEY', 'NHS CARE'],
    [],
    ['NHS MONEY'],
    ['NHS CARE'],
    ['NHS MONEY', 'NHS CARE', 'COUNCIL MONEY', 'COUNCIL CARE'],
  ];
  for (const [n, { id }] of people.entries())
    for (const kept of keeps[n]!)
      await pool.query(
        `insert into sharing_choice (person_id, side, part, shares, legal_basis, words, said_by, recorded_by, recorded_at, valid_from)
         values ($1, $2, $3, false, 'OBJECTION', 'x', 'PERSON', 'x', now(), $4)`,
        [id, ...kept.split(' '), today],
      );
  decisions = await openDecisions(pool, { today, now: noon(), issuer: kit.issuer.url });
  askers = askersOf(people[1]!.nhsNumber);
  nodes = [];
  for (const { type, table } of decisions.tables) {
    const { rows: some } = await pool.query(
      `select distinct on (person_id) id, person_id from ${table} where person_id = any($1) order by person_id, id`,
      [people.map(({ id }) => id)],
    );
    for (const { id, person_id } of some)
      nodes.push({ type, id: idOf(views[type]!.node!.prefix, id), personId: person_id });
  }
  expect(new Set(nodes.map(({ type }) => type)).size).toBeGreaterThan(14);
});
afterAll(() => kit.close());

/** Different for each viewer by what they are for: what is kept from them, and who looked. */
const ownWords = new Set(['Person.withheld', 'Person.accessLog']);
/** Totals over all that is in sight: told apart only where something is not. */
const totals = new Set(['Person.combined']);

const variables = { yes: true, no: false };

interface Met {
  seen: number;
  restricted: number;
  kept: number;
}

/** Compares an object's fields. `mine` and `whole` have the same keys; pages of `whole` are as long as can be. */
function comparison(
  asker: Asker,
  personId: string,
  fragments: Record<string, FragmentDefinitionNode>,
  met: Met,
) {
  const isKept = (type: string, whole: { itself?: string }) =>
    decisions.isSided(type) &&
    whole.itself !== undefined &&
    decisions.isKept(asker, personId, type, whole.itself);

  function object(
    type: GraphQLObjectType,
    selections: FieldNode[],
    mine: never,
    whole: never,
    path: string,
  ): void {
    const { fields } = collectSubFields(schema, fragments, variables, type, selections);
    expect(Object.keys(mine), path).toEqual([...fields.keys()]);
    for (const [key, same] of fields) {
      const name = same[0]!.name.value;
      if (name === '__typename') {
        expect(mine[key], path).toBe(type.name);
        continue;
      }
      field(type, name, same, mine[key], whole[key], `${path}.${key}`);
    }
  }

  function field(
    type: GraphQLObjectType,
    name: string,
    same: FieldNode[],
    mine: never,
    whole: never,
    path: string,
  ) {
    const def = type.getFields()[name]!;
    const named = getNamedType(def.type);
    const where = `${asker.says}: ${path} (${type.name}.${name})`;
    if (!decisions.reads(asker, personId, partOf(type.name, name))) {
      met.restricted += 1;
      return expect(mine, where).toBeNull();
    }
    const held =
      isObjectType(named) && 'nodes' in named.getFields()
        ? getNamedType(named.getFields().nodes!.type).name
        : named.name;
    if (decisions.isKeptWhole(asker, personId, type.name, name, held)) {
      met.kept += 1;
      return expect(mine, where).toBeNull();
    }
    if (ownWords.has(`${type.name}.${name}`)) return;
    if (totals.has(`${type.name}.${name}`) && decisions.kept(asker, personId, 'MONEY').length > 0)
      return expect(mine, where).not.toBeNull();
    value(def.type, named as GraphQLObjectType, same, mine, whole, where);
  }

  function value(
    type: GraphQLOutputType,
    named: GraphQLObjectType,
    same: FieldNode[],
    mine: never,
    whole: never,
    path: string,
  ): unknown {
    if (isLeafType(named)) {
      met.seen += 1;
      return expect(mine, path).toEqual(whole);
    }
    if (whole === null) return expect(mine, path).toBeNull();
    if (named.name.endsWith('Connection')) return page(named, same, mine, whole, path);
    const inner = isNonNullType(type) ? type.ofType : type;
    if (isListType(inner)) return list(named, same, mine, whole, path);
    if (isKept(named.name, whole)) {
      met.kept += 1;
      return expect(mine, path).toBeNull();
    }
    expect(mine, path).not.toBeNull();
    object(named, same, mine, whole, path);
  }

  function list(
    named: GraphQLObjectType,
    same: FieldNode[],
    mine: never[],
    whole: never[],
    path: string,
    most = 1e9,
  ): void {
    const visible = whole.filter((item) => !isKept(named.name, item));
    met.kept += whole.length - visible.length;
    expect(mine.length, path).toBe(Math.min(most, visible.length));
    for (const [n, item] of mine.entries()) object(named, same, item, visible[n]!, `${path}.${n}`);
  }

  function page(connection: GraphQLObjectType, same: FieldNode[], mine: never, whole: never, path: string) {
    const node = getNamedType(connection.getFields().nodes!.type) as GraphQLObjectType;
    const { fields } = collectSubFields(schema, fragments, variables, connection, same);
    const first = same[0]!.arguments!.find((a) => a.name.value === 'first')!.value;
    const most = first.kind === Kind.INT ? Number(first.value) : 0;
    for (const [key, below] of fields) {
      if (below[0]!.name.value === 'nodes') list(node, below, mine[key], whole[key], `${path}.${key}`, most);
      if (below[0]!.name.value === 'edges')
        expect((mine[key] as never[]).length, path).toBeLessThanOrEqual(most);
    }
  }

  return { object, isKept };
}

/** The operation with pages as long as they can be. */
const whole = (document: ReturnType<typeof parse>) =>
  print(
    visit(document, {
      enter: (node) =>
        node.kind === Kind.ARGUMENT && node.name.value === 'first'
          ? { ...node, value: { kind: Kind.INT, value: '100' } }
          : undefined,
    }),
  );

const header = 'query ($yes: Boolean!, $no: Boolean!, $id: ID!, $number: NHSNumber!)';
const used = 'u: __typename @skip(if: $yes) @include(if: $no)';

async function compare(
  asker: Asker,
  person: { id: string; nhsNumber: string },
  root: string,
  emergencyRoot: string,
  variablesOf: object,
  node: { type: string; id: string } | null,
  met: Met,
) {
  const document = parse(`${header} { ${root} ${used} other: person(nhsNumber: $number) { id } }`);
  const isAllowed = document.tokenCount! <= 4_000 && directivesIn(document) <= 100;
  if (!isAllowed || validate(schema, document).length > 0) return false;
  const given = { ...variables, ...variablesOf };
  const self = { sub: 'self', tandem_role: 'PERSON', nhs_number: person.nhsNumber };
  const asked =
    asker.kind === 'EMERGENCY'
      ? `${header} { ${emergencyRoot} ${used} other: person(id: $id) { id } }`
      : print(document);
  const [mine, all] = await Promise.all([
    kit.ask(asked, given, asker.claims),
    kit.ask(whole(document), given, self),
  ]);
  expect(mine.errors, asked).toBeUndefined();
  expect(all.errors).toBeUndefined();
  const operation = document.definitions[0] as OperationDefinitionNode;
  const rootNode = operation.selectionSet.selections[0] as FieldNode;
  const typeName = node?.type ?? 'Person';
  const type = schema.getType(typeName) as GraphQLObjectType;
  const { object, isKept } = comparison(asker, person.id, {}, met);
  const where = `${asker.says}: ${asked}`;
  expect(all.data.root, where).not.toBeNull();
  const isSeen =
    decisions.sees(asker, person.id) &&
    decisions.reads(asker, person.id, partOf(typeName, 'id')) &&
    !isKept(typeName, all.data.root as never);
  if (!isSeen) {
    expect(mine.data.root, where).toBeNull();
    return true;
  }
  expect(mine.data.root, where).not.toBeNull();
  object(type, [rootNode], mine.data.root as never, all.data.root as never, 'root');
  return true;
}

const directivesIn = (document: ReturnType<typeof parse>) =>
  print(document).match(/@(skip|include)\b/g)?.length ?? 0;

/** What hangs on something may be of another side than that is: each is asked for by its id too. */
test('what a spend moved, of whichever side its budget is, is what its id shows', async () => {
  const moved = '{ nodes { transfers { id } } }';
  let kept = 0;
  for (const asker of askers.filter(({ kind }) => kind === 'FINANCE')) {
    for (const { id, nhsNumber } of people) {
      const ask = async (claims: Asker['claims']) => {
        const { data } = await kit.ask(
          `query ($id: ID!) { person(id: $id) { budgets { spends(first: 50) ${moved} } } }`,
          { id: idOf('per', id) },
          claims,
        );
        // biome-ignore lint/suspicious/noExplicitAny: as it comes
        const spends = (data.person?.budgets ?? []).flatMap((budget: any) => budget.spends.nodes);
        // biome-ignore lint/suspicious/noExplicitAny: as it comes
        return spends.flatMap((spend: any) => spend.transfers.map((transfer: any) => transfer.id));
      };
      const all: string[] = await ask({ sub: 'self', tandem_role: 'PERSON', nhs_number: nhsNumber });
      const nested = new Set(await ask(asker.claims));
      for (const transfer of all) {
        const { data } = await kit.ask(
          'query ($id: ID!) { node(id: $id) { id } }',
          { id: transfer },
          asker.claims,
        );
        if (data.node === null) kept += 1;
        expect(nested.has(transfer), `${asker.says}: ${transfer}`).toBe(data.node !== null);
      }
    }
  }
  expect(kept).toBeGreaterThan(0);
});

/** As often one of those who see as one of those who do not. */
const anyAsker = fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 1_000 }));
const runs = 90;

test('what a record shows is what a slow reading of the rules shows', async () => {
  const met: Met = { seen: 0, restricted: 0, kept: 0 };
  let compared = 0;
  const selections = fc.oneof(
    selectionOf('Person', 3, 'always: __typename', true),
    // Wide besides deep: all that hangs on one field.
    fc
      .tuple(fc.constantFrom(...objectsOf('Person')), fc.nat({ max: 2 }))
      .map(([name, n]) => `{ always: __typename ${everyEdge('Person', name, n, 'itself: id')} }`),
  );
  const cases = fc.tuple(anyAsker, fc.nat({ max: 5 }), selections);
  await fc.assert(
    fc.asyncProperty(cases, async ([n, p, selection]) => {
      const asker = askers[n % askers.length]!;
      const person = people[p]!;
      const done = await compare(
        asker,
        person,
        `root: person(id: $id) ${selection}`,
        `root: emergencyRecord(nhsNumber: $number) ${selection}`,
        { id: idOf('per', person.id), number: person.nhsNumber },
        null,
        met,
      );
      if (done) compared += 1;
    }),
    { numRuns: runs, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(compared).toBeGreaterThan(runs * 0.8);
  expect(Math.min(met.seen, met.restricted, met.kept), JSON.stringify(met)).toBeGreaterThan(4);
}, 120_000);

test('and so by the id of anything in it', async () => {
  const met: Met = { seen: 0, restricted: 0, kept: 0 };
  let compared = 0;
  const cases = fc.tuple(anyAsker, fc.nat()).chain(([n, i]) => {
    const node = nodes[i % nodes.length]!;
    return fc.tuple(fc.constant(n), fc.constant(node), selectionOf(node.type, 2, 'always: __typename', true));
  });
  await fc.assert(
    fc.asyncProperty(cases, async ([n, node, selection]) => {
      const asker = askers.filter(({ kind }) => kind !== 'EMERGENCY')[n % (askers.length - 1)]!;
      const person = people.find(({ id }) => id === node.personId)!;
      const root = `root: node(id: $id) { ... on ${node.type} ${selection} }`;
      if (await compare(asker, person, root, root, { id: node.id, number: person.nhsNumber }, node, met))
        compared += 1;
    }),
    { numRuns: runs, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(compared).toBeGreaterThan(runs * 0.8);
}, 120_000);
