/** How people and what hangs on them are read. */
import { maySeePerson, peopleInScope, readsPart, sharesWith } from '../access/policy.ts';
import { budgetSide } from '../access/side.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import { parseNhsNumber } from '../platform/nhs-number.ts';
import {
  type At,
  column,
  type Field,
  globalId,
  idAscending,
  instant,
  many,
  ofPerson,
  one,
  organisation,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';

export const personPrefix = 'per';
export const linkPrefix = 'lnk';
export const rolePrefix = 'rol';

/** One row for each system that knows the person, and for a side of which none does, one that says so. */
const sources = ({ parent }: At) => `
  select side.side, l.id, l.method as matched_by, l.source_name, l.organisation_id,
         case when l.id is null then case when side.down then 'SOURCE_DOWN' else 'NONE' end
              when l.down then 'SOURCE_DOWN' else 'AVAILABLE' end as availability,
         l.as_at, ${parent}.id as person_id
    from (select side, bool_or(last_succeeded_at is null or last_failed_at > last_succeeded_at) as down
            from source_system group by side) side
    left join lateral (
      select l.id, l.method, s.name as source_name, s.organisation_id,
             coalesce(s.last_failed_at > coalesce(s.last_succeeded_at, '-infinity'), false) as down,
             greatest(s.last_succeeded_at, l.received_at) as as_at
        from person_link l join source_system s on s.id = l.source_id
       where l.person_id = ${parent}.id and s.side = side.side) l on true
   order by side.side, l.source_name`;

/** Both systems may name the same organisation in the same part: it is shown once, from the earliest day. */
const people = ({ parent }: At) => `
  select distinct on (role, organisation_id, individual_name, relationship) * from role_on_record
   where person_id = ${parent}.id
   order by role, organisation_id, individual_name, relationship, valid_from nulls first, id`;

/** Exactly one of the two arguments says who is meant. */
function oneArgument<T>(args: Record<string, unknown>, given: T): T {
  if ((args.nhsNumber == null) === (args.id == null)) {
    throw new Fault('BAD_USER_INPUT', 'Give exactly one of "nhsNumber" and "id".');
  }
  return given;
}

const person: Field = one('Person', (at) => {
  const id = at.arg('uuid', (args) => oneArgument(args, uuidOf(personPrefix, args.id)));
  const nhsNumber = at.arg('text', (args) =>
    args.nhsNumber == null ? null : parseNhsNumber(String(args.nhsNumber)),
  );
  // By union, not by `coalesce`: row security looks for a row by index only where nothing in the condition could leak.
  return `select p.* from person p
    where p.id = (select ${id} where ${id} is not null
                   union all
                  select i.person_id from person_identifier i
                   where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = ${nhsNumber})
      and ${at.maySee('p.id')}`;
});

const filterOf = (args: Record<string, unknown>) => (args.filter ?? {}) as Record<string, unknown>;

const caseload: Field = {
  is: 'connection',
  type: 'Person',
  keys: [{ column: 'k1', type: 'text', first: '' }, idAscending('k2')],
  rows: (at) => {
    const { after, limit } = at;
    const knownToBoth = at.arg('boolean', (args) => filterOf(args).knownToBoth ?? null);
    const budget = at.arg('budget_kind', (args) => filterOf(args).budget ?? null);
    // By what is kept from the viewer nobody is found.
    const readsMoney =
      readsPart(at.kind, 'MONEY') === true ? 'true' : maySeePerson(at.kind, 's.person_id', at, 'MONEY');
    const shares = sharesWith(at.kind, 'MONEY', 's.person_id', budgetSide('b'), at) ?? 'true';
    return `select p.*, k.sort_name as k1, k.person_id as k2
      from (select distinct on (s.sort_name, s.person_id) s.sort_name, s.person_id
              from (${peopleInScope(at.kind, at, at.part)}) s
             where (s.sort_name, s.person_id) > (${after[0]}, ${after[1]})
               and (${knownToBoth} is null or ${knownToBoth} = (
                     select count(distinct y.side) > 1 from person_link l join source_system y on y.id = l.source_id
                      where l.person_id = s.person_id))
               and (${budget} is null or exists (
                     select from budget b where b.person_id = s.person_id and b.kind = ${budget}
                        and b.status in ('ACTIVE', 'SUSPENDED') and ${readsMoney} and ${shares}))
             order by s.sort_name, s.person_id limit ${limit}) k
      join person p on p.id = k.person_id
      order by k1, k2`;
  },
};

const me: Field = one(
  'Viewer',
  (at) => `select ${at.viewer('name')} as name, '${at.role}'::text as role,
    (select o.id from organisation o where o.ods_code = ${at.viewer('organisation')}) as organisation_id`,
);

export const personViews: Views = {
  Query: plainView({ me, person, caseload, node: { is: 'node' } }),
  Viewer: plainView({ name: column('name'), role: column('role'), organisation: organisation() }),
  Person: {
    ...personView(
      {
        familyName: column('family_name'),
        givenName: column('given_name'),
        birthDate: column('birth_date'),
        deathDate: column('death_date'),
        gender: column('gender'),
        postcode: column('postcode'),
        restricted: column('restricted'),
        identifiers: ofPerson('Identifier', 'person_identifier', 'status, system, issuer, value'),
        sources: many('PersonSource', sources),
        differences: ofPerson('Difference', 'difference', 'field'),
        people: many('RoleOnRecord', people),
      },
      { prefix: personPrefix, table: 'person' },
    ),
    person: (row) => `${row}.id`,
    node: {
      prefix: personPrefix,
      rows: (at, uuid) => `select p.* from person p where p.id = ${uuid} and ${at.maySee('p.id')}`,
    },
  },
  Identifier: personView({
    system: column('system'),
    value: column('value'),
    issuer: value(({ parent }) => `nullif(${parent}.issuer, '')`),
    status: column('status'),
  }),
  PersonSource: personView({
    id: globalId(linkPrefix),
    side: column('side'),
    availability: column('availability'),
    asAt: instant('as_at'),
    system: column('source_name'),
    organisation: organisation(),
    matchedBy: column('matched_by'),
  }),
  Difference: personView(
    {
      field: column('field'),
      nhs: column('nhs'),
      council: column('council'),
      since: instant('since'),
    },
    { prefix: 'dif', table: 'difference' },
  ),
  RoleOnRecord: personView({
    id: globalId(rolePrefix),
    role: column('role'),
    organisation: organisation(),
    individualName: column('individual_name'),
    relationship: column('relationship'),
    from: column('valid_from'),
    to: column('valid_to'),
    suspendedAt: instant('suspended_at'),
  }),
  Organisation: plainView({
    code: column('ods_code'),
    name: column('name'),
    kind: column('kind'),
    from: column('valid_from'),
    to: column('valid_to'),
    successors: many(
      'Organisation',
      ({ parent }) =>
        `select o.* from organisation o join organisation_succession s on s.to_id = o.id
          where s.from_id = ${parent}.id order by o.ods_code`,
    ),
  }),
};
