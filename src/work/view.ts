/** How an organisation that operates people's accounts reads what it manages, and what it has to do. */
import { ownOrganisation, partOf, peopleInScope, readsPart } from '../access/policy.ts';
import type { WorkKind } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { holdsOn } from '../platform/day.ts';
import { uuidOf } from '../platform/id.ts';
import {
  type At,
  column,
  earliestFirst,
  type Field,
  idAscending,
  many,
  one,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';

/** What an item is about, by its kind: the field of `WorkItem`, its type, and the table of that. */
const subjects = {
  RETURN_DUE: ['financialReturn', 'FinancialReturn', 'financial_return'],
  RETURN_QUERY: ['query', 'ReturnQuery', 'return_query'],
  BANK_STATEMENT: ['statement', 'BankStatement', 'bank_statement'],
  EVIDENCE: ['spend', 'Spend', 'spend'],
  PLAN_REVIEW: ['plan', 'Plan', 'plan'],
  PACKAGE_CHANGE: ['change', 'PackageChange', 'package_change'],
  COMPETENCY: ['competency', 'Competency', 'competency'],
  WORKER_DOCUMENT: ['document', 'WorkerDocument', 'worker_document'],
} as const satisfies Record<WorkKind, readonly [string, string, string]>;

/** SQL: the item is of a kind that somebody like the viewer reads anything of. */
const isReadable = (item: string, { kind }: At): string => {
  const readable = Object.entries(subjects).filter(
    ([, [field]]) => readsPart(kind, partOf('WorkItem', field)) !== false,
  );
  return `${item}.kind = any('{${readable.map(([name]) => name).join()}}'::work_kind[])`;
};

/** The table is kept in the order in which it is read, so a page costs the same whatever the number of families. */
const workList: Field = {
  is: 'connection',
  type: 'WorkItem',
  keys: earliestFirst('due_on', 'date'),
  rows: (at) => {
    const kinds = at.arg('text[]', (args) => args.kinds ?? null);
    const dueBy = at.arg('date', (args) => args.dueBy ?? null);
    const isOne = at.arg('boolean', (args) => args.personId != null);
    const personId = at.arg('uuid', (args) =>
      args.personId == null ? null : uuidOf(personPrefix, args.personId),
    );
    return `
      select w.* from work_item w
       where w.organisation_id = ${ownOrganisation(at)} and (w.due_on, w.id) > (${at.after.join(', ')})
         and (${kinds} is null or w.kind::text = any(${kinds})) and (${dueBy} is null or w.due_on <= ${dueBy})
         and (not ${isOne} or w.person_id = ${personId}) and ${isReadable('w', at)}
         and ${at.maySee('w.person_id')} and ${at.shares('w.person_id', 'EITHER')}
       order by w.due_on, w.id limit ${at.limit}`;
  },
};

/** SQL: portions of a person whose account the organisation operates today. */
const operated = (personId: string, organisationId: string, today: string) => `
  select q.* from portion q join budget b on b.id = q.budget_id and b.person_id = q.person_id
   where q.person_id = ${personId} and q.account_operator_id = ${organisationId} and ${holdsOn('q', today)}
     and b.status in ('ACTIVE', 'SUSPENDED')`;

const managedPackages: Field = {
  is: 'connection',
  type: 'ManagedPackage',
  keys: [{ column: 'sort_name', type: 'text', first: '' }, idAscending('person_id')],
  rows: (at) => {
    const dueBy = at.arg('date', (args) => args.dueBy ?? null);
    const own = ownOrganisation(at);
    return `
      select distinct on (s.sort_name, s.person_id) s.sort_name, s.person_id, ${own} as organisation_id
        from (${peopleInScope(at.kind, at, at.part)}) s
       where (s.sort_name, s.person_id) > (${at.after.join(', ')})
         and exists (${operated('s.person_id', own, at.today())})
         and (${dueBy} is null or exists (
               select from work_item w
                where w.person_id = s.person_id and w.organisation_id = ${own} and w.due_on <= ${dueBy} and ${isReadable('w', at)}))
         and ${at.shares('s.person_id', 'EITHER')}
       order by s.sort_name, s.person_id limit ${at.limit}`;
  },
};

const person: Field = one('Person', ({ parent }) => `select * from person where id = ${parent}.person_id`);

/** What an item is about, where it is of this kind. */
const subjectFields = Object.fromEntries(
  Object.entries(subjects).map(([kind, [field, type, table]]): [string, Field] => [
    field,
    one(
      type,
      ({ parent }) =>
        `select t.* from ${table} t
          where t.id = ${parent}.id and t.person_id = ${parent}.person_id and ${parent}.kind = '${kind}'`,
    ),
  ]),
);

/** SQL: something of all that is to be done for a managed package. */
const ofWork = (sql: string, at: At) =>
  `(select ${sql} from work_item w
     where w.person_id = ${at.parent}.person_id and w.organisation_id = ${at.parent}.organisation_id and ${isReadable('w', at)})`;

export const workViews: Views = {
  Query: plainView({ workList, managedPackages }),
  WorkItem: personView({
    kind: column('kind'),
    dueOn: value(({ parent }) => `nullif(${parent}.due_on, 'infinity')`),
    overdue: value((at) => `${at.parent}.due_on < ${at.today()}`),
    person,
    ...subjectFields,
  }),
  ManagedPackage: personView({
    person,
    portions: many('Portion', (at) =>
      operated(`${at.parent}.person_id`, `${at.parent}.organisation_id`, at.today()),
    ),
    // The plan may name a portion that another took the place of.
    lines: many(
      'PlanLine',
      (at) => `
        with recursive own(id, replaces_id) as (
          select o.id, o.replaces_id
            from (${operated(`${at.parent}.person_id`, `${at.parent}.organisation_id`, at.today())}) o
          union
          select q.id, q.replaces_id from own join portion q on q.id = own.replaces_id)
        select l.* from plan_line l join plan p on p.id = l.plan_id and p.person_id = l.person_id
         where l.person_id = ${at.parent}.person_id and p.status = 'AGREED' and l.portion_id in (select id from own)
         order by l.position`,
    ),
    openWork: value((at) => ofWork('count(*)::int', at)),
    nextDueOn: value((at) => ofWork(`nullif(min(w.due_on), 'infinity')`, at)),
  }),
};
