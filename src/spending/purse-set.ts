/** The purses of many budgets, for what is recorded for many people at once: the same as one by one, in four statements. */
import { maySeeRow, parametersOf } from '../access/scope.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import type { CommandContext } from '../write/command.ts';
import type { Statements } from '../write/statements.ts';
import { list, type Purse, type PurseFacts, purseFacts, purseOf } from './purse.ts';
import { paysFrom } from './subject.ts';
import { type ExclusionRow, exclusionsOf } from './terms.ts';

export interface Wanted {
  budgetId: string;
  /** Those on which something was bought. */
  days: string[];
  /** Those from which it is to be paid; null for the budget as a whole. */
  portionIds: (string | null)[];
}

export interface PurseOfSet extends Purse {
  /** Of the portions that were named, those from which the viewer pays. */
  payable: Set<string | null>;
}

/** In the order in which everybody locks them: a budget before its parts. */
const lockSet = `
select b.id::text as id, b.part_of_id::text as "partOfId" from budget b
 where b.id in (select id from budget where id = any($1::uuid[])
                union all
                select c.id from budget w join budget c on c.person_id = w.person_id and c.part_of_id = w.id
                 where w.id = any($1::uuid[]))
 order by coalesce(b.part_of_id, b.id), b.part_of_id is not null, b.id for update`;

const exclusionsOfSet = exclusionsOf(
  `select * from json_to_recordset($1::json) as a(organisation_id uuid, source funding_source, day date)`,
  `distinct q.day::text as day, q.organisation_id::text as "organisationId", q.source::text as source`,
);

interface Funder {
  organisationId: string;
  source: FundingSource;
}

interface Facts extends PurseFacts {
  id: string;
  funders: Funder[];
  payable: (string | null)[];
}

/**
 * Locks budgets, with their parts, and reads them. Those that are not there, and those that are not the viewer's to see,
 * are not among what is given.
 */
export async function openPurses(
  context: Pick<CommandContext<Statements>, 'tx' | 'viewer' | 'today'>,
  wanted: Wanted[],
): Promise<Map<string, PurseOfSet>> {
  const { tx } = context;
  const locked = await tx.$queryRawUnsafe<{ id: string; partOfId: string | null }[]>(
    lockSet,
    wanted.map(({ budgetId }) => budgetId),
  );
  const owned = new Map(locked.map(({ id }) => [id, [id]]));
  for (const { id, partOfId } of locked) if (partOfId !== null) owned.get(partOfId)?.push(id);
  const byBudget = new Map(wanted.map((ask) => [ask.budgetId, ask]));
  const asked = locked.flatMap(({ id, partOfId }) => {
    const ask = byBudget.get(id);
    if (ask === undefined) return [];
    const own = owned.get(id)!;
    return [{ ...ask, own, agreed: partOfId === null ? own : [...own, partOfId] }];
  });
  const facts = await readFacts(context, asked);
  const exclusions = await readExclusions(tx, asked, facts);
  return new Map(
    asked.flatMap(({ budgetId, own }) => {
      const found = facts.get(budgetId);
      if (found === undefined) return [];
      const excluded = (day: string) => {
        const all = found.funders.flatMap((funder) => exclusions.get(placeOf(funder, day)) ?? []);
        // Two funders may go by one list.
        return [...new Map(all.map((row) => [`${row.source} ${row.listId} ${row.position}`, row])).values()];
      };
      const purse = purseOf({ id: budgetId, budgetIds: own }, found, excluded);
      return [[budgetId, { ...purse, payable: new Set(found.payable) }] as const];
    }),
  );
}

interface Asked extends Wanted {
  own: string[];
  agreed: string[];
}

async function readFacts(
  { tx, viewer, today }: Pick<CommandContext<Statements>, 'tx' | 'viewer' | 'today'>,
  asked: Asked[],
): Promise<Map<string, Facts>> {
  const given = asked.map(({ budgetId, own, agreed, portionIds }) => ({
    budget: budgetId,
    own,
    agreed_in: agreed,
    portions: portionIds,
  }));
  const values: unknown[] = [JSON.stringify(given)];
  const p = parametersOf(viewer, today, values);
  const place = { personId: 'b.person_id', budgetId: 'b.id', portionId: 'g.portion_id' };
  const text = `
select json_build_object('id', b.id, ${purseFacts('a.own', 'a.agreed_in')},
  'funders', ${list(`select distinct organisation_id as "organisationId", source from funding_line
                      where budget_id = any(a.agreed_in) and person_id = b.person_id and organisation_id is not null`)},
  'payable', (select coalesce(json_agg(g.portion_id), '[]') from unnest(a.portions) as g(portion_id)
               where ${paysFrom(viewer.role, place, p)}))::text as facts
  from json_to_recordset($1::json) as a(budget uuid, own uuid[], agreed_in uuid[], portions uuid[])
  join budget b on b.id = a.budget
 where ${maySeeRow(viewer.role, 'budget', 'b', p)}`;
  const rows = await tx.$queryRawUnsafe<{ facts: string }[]>(text, ...values);
  return new Map(
    rows.map(({ facts }) => {
      const read = JSON.parse(facts) as Facts;
      return [read.id, read];
    }),
  );
}

const placeOf = ({ organisationId, source }: Funder, day: string) => `${organisationId} ${source} ${day}`;

/** Many budgets have few funders: what each goes by on a day is asked once. */
async function readExclusions(
  tx: Statements,
  asked: Asked[],
  facts: Map<string, Facts>,
): Promise<Map<string, ExclusionRow[]>> {
  const places = new Map<string, Funder & { day: string }>();
  for (const { budgetId, days } of asked) {
    for (const funder of facts.get(budgetId)?.funders ?? []) {
      for (const day of days) places.set(placeOf(funder, day), { ...funder, day });
    }
  }
  const found = new Map<string, ExclusionRow[]>();
  if (places.size === 0) return found;
  const given = [...places.values()].map(({ organisationId, source, day }) => ({
    organisation_id: organisationId,
    source,
    day,
  }));
  const rows = await tx.$queryRawUnsafe<(ExclusionRow & Funder)[]>(exclusionsOfSet, JSON.stringify(given));
  for (const { organisationId, ...row } of rows) {
    const place = placeOf({ organisationId, source: row.source }, row.day);
    const before = found.get(place);
    if (before === undefined) found.set(place, [row]);
    else before.push(row);
  }
  return found;
}
