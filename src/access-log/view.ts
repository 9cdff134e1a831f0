/** How the audit is read: by the person it is about, in plain words, and by those who audit, as it is. */

import { maySeeOversight } from '../access/policy.ts';
import { eventsIn } from '../audit/digest.ts';
import { personPrefix } from '../person/view.ts';
import { uuidOf } from '../platform/id.ts';
import {
  type At,
  column,
  derived,
  type Field,
  instant,
  one,
  type PageAt,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { type EventFacts, whatOf, whoOf, whyOf } from './rules.ts';

/** What is higher than the number of any event. */
const highest = '9223372036854775807';

/** SQL: the last seal. */
const seal = `(select top, awaited from audit_seal order by number desc limit 1) seal`;

/** SQL: ids of events that touched the record of `person`: those that are sealed are listed, and of the others all are looked through. */
const eventsOf = (person: string, before: string, limit: string): string => `
  (select a.event_id as id from audit_event_person a
    where a.person_id = ${person} and a.event_id < ${before} order by a.event_id desc limit ${limit})
  union all
  (select e.id from audit_event e
    where e.id > coalesce((select top from ${seal}), 0) and e.id < ${before} and ${person} = any(e.person_ids)
    order by e.id desc limit ${limit})
  union all
  select e.id from ${seal} cross join lateral ${eventsIn('awaited')}
   where e.id < ${before} and ${person} = any(e.person_ids)`;

/** SQL: the person, and whoever was found to be the same. */
const records = (person: string): string => `
  select ${person} as id
  union select l.merged_from_id from person_link l where l.person_id = ${person} and l.merged_from_id is not null`;

const accessLog: Field = {
  is: 'connection',
  type: 'AccessLogEntry',
  keys: [{ column: 'id', type: 'bigint', first: highest }],
  rows: (at) => {
    const { parent, after, limit } = at;
    return `
      select e.*, ${parent}.id as person_id
        from (select distinct found.id
                from (${records(`${parent}.id`)}) who cross join lateral (${eventsOf('who.id', after[0]!, limit)}) found
               where ${at.maySee(`${parent}.id`)}
               order by found.id desc limit ${limit}) page
        join audit_event e on e.id = page.id
       order by e.id desc`;
  },
};

const filterOf = (args: Record<string, unknown>) => (args.filter ?? {}) as Record<string, unknown>;
const isoOf = (at: unknown) => (at instanceof Date ? at.toISOString() : null);

function audited(at: PageAt): string {
  const given = (type: string, name: string) => at.arg(type, (args) => filterOf(args)[name] ?? null);
  const from = at.arg('timestamptz', (args) => isoOf(filterOf(args).from) ?? '-infinity');
  const to = at.arg('timestamptz', (args) => isoOf(filterOf(args).to) ?? 'infinity');
  const personIsGiven = at.arg('boolean', (args) => filterOf(args).personId != null);
  const person = at.arg('uuid', (args) => uuidOf(personPrefix, filterOf(args).personId));
  const same = (column: string, type: string, name: string) => {
    const wanted = given(type, name);
    return `(${wanted} is null or e.${column} = ${wanted})`;
  };
  const wanted = `e.at >= ${from} and e.at < ${to} and (e.at, e.id) < (${at.after[0]}, ${at.after[1]})
    and ${same('subject', 'text', 'subject')} and ${same('action', 'text', 'action')}
    and ${same('outcome', 'text', 'outcome')} and ${same('request_id', 'uuid', 'requestId')}`;
  // Of the two one is never begun. `offset 0` keeps the planner from beginning with the audit as a whole.
  return `
    select e.* from (
      (select e.* from audit_event e where not ${personIsGiven} and ${wanted} order by e.at desc, e.id desc limit ${at.limit})
      union all
      (select e.* from (select distinct found.id from (${records(person)}) who
                         cross join lateral (${eventsOf('who.id', `${highest}::bigint`, 'null')}) found
                        where ${personIsGiven}) found
         cross join lateral (select * from audit_event where id = found.id offset 0) e
        where ${wanted} order by e.at desc, e.id desc limit ${at.limit})) e
     where ${maySeeOversight(at.role, at)}
     order by e.at desc, e.id desc limit ${at.limit}`;
}

const auditEvents: Field = {
  is: 'connection',
  type: 'AuditEvent',
  keys: [
    { column: 'at', type: 'timestamptz', first: 'infinity' },
    { column: 'id', type: 'bigint', first: highest },
  ],
  rows: audited,
};

const facts = ({ parent }: At) => `
  json_build_object('role', ${parent}.role, 'name', ${parent}.name, 'purpose', ${parent}.purpose,
    'organisation', (select o.name from organisation o where o.ods_code = ${parent}.organisation),
    'action', ${parent}.action, 'object', ${parent}.object, 'parts', ${parent}.parts,
    'outcome', ${parent}.outcome, 'reason', ${parent}.reason)`;

/** SQL: a JSON array of the global ids of the people of an event. */
const peopleIds = ({ parent }: At) => `
  (select coalesce(json_agg('${personPrefix}_' || replace(p::text, '-', '')), '[]') from unnest(${parent}.person_ids) p)`;

export const accessLogViews: Views = {
  Person: { fields: { accessLog } },
  Query: { fields: { auditEvents } },
  AccessLogEntry: personView({
    at: instant('at'),
    who: derived<EventFacts>(facts, whoOf),
    what: derived<EventFacts>(facts, whatOf),
    why: derived<EventFacts>(facts, whyOf),
    organisation: one(
      'Organisation',
      ({ parent }) => `select * from organisation where ods_code = ${parent}.organisation`,
    ),
    action: column('action'),
  }),
  AuditEvent: plainView({
    number: value(({ parent }) => `${parent}.id::text`),
    at: instant('at'),
    requestId: column('request_id'),
    correlationId: column('correlation_id'),
    subject: column('subject'),
    role: value(({ parent }) => `nullif(${parent}.role, 'SYSTEM')`),
    organisation: column('organisation'),
    client: column('client'),
    purpose: column('purpose'),
    action: column('action'),
    object: column('object'),
    parts: value(({ parent }) => `array_to_json(string_to_array(coalesce(${parent}.parts, ''), ','))`),
    outcome: column('outcome'),
    reason: column('reason'),
    personIds: value(peopleIds),
    onBehalfOf: value(
      (at) => `case when ${at.parent}.role = 'REPRESENTATIVE' then ${peopleIds(at)} else '[]' end`,
    ),
  }),
};
