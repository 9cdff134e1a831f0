/**
 * The conditions under which somebody sees a record, which the read compiler puts into the statement itself: whatever
 * path leads to a row meets the same gate, and what is out of scope looks like what does not exist. What of a record
 * they see is in the one table (`table.ts`).
 *
 * An organisation sees the people it has a live role for, a person sees themself, a representative sees whom they
 * represent, and somebody of a care team who has said why sees a record in an emergency. Nobody else sees anybody.
 */
import { holdsOn } from '../platform/day.ts';
import { type CommandName, commands, fields, type Kind, type Part, parts, type SharedPart } from './table.ts';
import { isOfProvider, type ViewerRole } from './viewer.ts';

/** What a rule may put into a statement: values of the viewer and of the moment, as parameters. */
export interface PolicyParameters {
  viewer(fact: 'subject' | 'name' | 'organisation' | 'nhsNumber'): string;
  today(): string;
  now(): string;
}

type Relation = 'ORGANISATION' | 'SELF' | 'REPRESENTATIVE' | 'EMERGENCY' | 'NONE';

const relations: Record<Kind, Relation> = {
  CARE_COORDINATOR: 'ORGANISATION',
  SOCIAL_WORKER: 'ORGANISATION',
  PROVIDER: 'ORGANISATION',
  PROVIDER_WORKER: 'ORGANISATION',
  PROVIDER_FINANCE: 'ORGANISATION',
  FINANCE: 'ORGANISATION',
  PERSON: 'SELF',
  REPRESENTATIVE: 'REPRESENTATIVE',
  EMERGENCY: 'EMERGENCY',
  AUDITOR: 'NONE',
  PRIVACY_OFFICER: 'NONE',
  ADMIN: 'NONE',
};

/** Authority to decide for somebody about their care, and about their money. None of it follows from being family. */
export const decidesAboutCare = ['REPRESENTATIVE', 'LPA_HEALTH_AND_WELFARE', 'DEPUTY'] as const;
export const decidesAboutMoney = ['REPRESENTATIVE', 'LPA_PROPERTY_AND_FINANCE', 'DEPUTY', 'NOMINEE'] as const;

/** Parts on a record that carry authority. A carer or next of kin has none by being one. */
const authority: Record<'CARE' | 'MONEY' | 'ANY', readonly string[]> = {
  CARE: decidesAboutCare,
  MONEY: decidesAboutMoney,
  ANY: [...new Set([...decidesAboutCare, ...decidesAboutMoney])],
};

/** SQL: the role row `row` holds today: not ended, and not suspended. `valid_to` is the first day on which it no longer does. */
const isLive = (row: string, p: PolicyParameters): string =>
  `${holdsOn(row, p.today())} and ${row}.suspended_at is null`;

/** SQL: nobody has ended the viewer's work for the organisation they act for. */
export const employs = (p: PolicyParameters): string =>
  `not exists (select from employment_end e join organisation o on o.id = e.organisation_id
      where o.ods_code = ${p.viewer('organisation')} and e.subject = ${p.viewer('subject')})`;

/** SQL: the organisation the viewer acts for; none for whom it no longer employs, whatever their token says. */
export const ownOrganisation = (p: PolicyParameters): string =>
  `(select o.id from organisation o where o.ods_code = ${p.viewer('organisation')} and not exists (
      select from employment_end e where e.organisation_id = o.id and e.subject = ${p.viewer('subject')}))`;

/** SQL: rows of role_on_record by which the viewer represents somebody, with authority over this. */
const representing = (over: 'CARE' | 'MONEY' | 'ANY', p: PolicyParameters): string =>
  `s.individual_nhs_number = ${p.viewer('nhsNumber')}
        and s.role in (${authority[over].map((r) => `'${r}'`).join(', ')}) and ${isLive('s', p)}`;

const mayEver = (kind: Kind, part: Part): boolean => (parts[part].kinds as readonly Kind[]).includes(kind);

/** Of providers, those alone read it that operate an account of the person's, or did. */
const isForOperators = (kind: Kind, part: Part): boolean =>
  isOfProvider(kind) && ('byOperator' in parts[part] || isKept(part));

/** It is of accounts that are no longer the viewer's organisation's. */
export const isKept = (part: Part): boolean => 'afterwards' in parts[part];

/** SQL: the viewer's organisation operates an account of the person's today. */
const operates = (personId: string, p: PolicyParameters): string =>
  `exists (select from portion n where n.person_id = ${personId}
        and n.account_operator_id = ${ownOrganisation(p)} and ${holdsOn('n', p.today())})`;

/**
 * SQL: the viewer's organisation operated the account of which the row `kept` of kept_record is, and must keep what is of
 * that time. Where its role was suspended it reads nothing any more.
 */
export const keeps = (kind: Kind, kept: string, p: PolicyParameters): string =>
  !mayEver(kind, 'KEPT')
    ? 'false'
    : `(${kept}.organisation_id = ${ownOrganisation(p)} and ${kept}.valid_to <= ${p.today()} and ${kept}.keep_until > ${p.today()}
    and not exists (select from role_on_record s where s.person_id = ${kept}.person_id
      and s.organisation_id = ${kept}.organisation_id and s.suspended_at is not null))`;

/** SQL: the viewer may see this part of the person whose id is `personId`. */
export function maySeePerson(
  kind: Kind,
  personId: string,
  p: PolicyParameters,
  part: Part = 'IDENTITY',
): string {
  if (!mayEver(kind, part)) return 'false';
  switch (relations[kind]) {
    case 'ORGANISATION': {
      if (isKept(part))
        return `exists (select from kept_record k where k.person_id = ${personId} and ${keeps(kind, 'k', p)})`;
      const related = `exists (select from role_on_record s where s.person_id = ${personId}
        and s.organisation_id = ${ownOrganisation(p)} and ${isLive('s', p)})`;
      return isForOperators(kind, part) ? `(${related} and ${operates(personId, p)})` : related;
    }
    case 'SELF':
      return `${personId} = (select i.person_id from person_identifier i
        where i.system = 'NHS_NUMBER' and i.issuer = '' and i.value = ${p.viewer('nhsNumber')} and i.status = 'CURRENT')`;
    case 'REPRESENTATIVE':
      return `exists (select from role_on_record s where s.person_id = ${personId}
        and ${representing(parts[part].authority, p)})`;
    case 'EMERGENCY':
      return `exists (select from emergency_access a where a.person_id = ${personId} and a.subject = ${p.viewer('subject')}
        and a.organisation_id = ${ownOrganisation(p)} and a.opened_at <= ${p.now()} and a.closes_at > ${p.now()})`;
    case 'NONE':
      return 'false';
  }
}

/**
 * SQL: rows (`sort_name`, `person_id`) of the people of whom the viewer may see this part, found without asking of each
 * person, in the order of their names. Somebody with two roles comes twice.
 */
export function peopleInScope(kind: Kind, p: PolicyParameters, part: Part = 'IDENTITY'): string {
  const from = 'select s.sort_name, s.person_id from role_on_record s';
  const relation = mayEver(kind, part) && !isForOperators(kind, part) ? relations[kind] : 'NONE';
  switch (relation) {
    case 'ORGANISATION':
      return `${from} where s.organisation_id = ${ownOrganisation(p)} and ${isLive('s', p)}`;
    case 'REPRESENTATIVE':
      return `${from} where ${representing(parts[part].authority, p)}`;
    default:
      return `select p.sort_name, p.id as person_id from person p where ${maySeePerson(kind, 'p.id', p, part)}`;
  }
}

/**
 * Of a person whom they see: whether somebody reads a part of the record. Either it is settled by what they are, or it
 * is a condition on the person.
 */
export function readsPart(kind: Kind, part: Part): boolean | 'BY_AUTHORITY' {
  if (!mayEver(kind, part)) return false;
  const byAuthority = kind === 'REPRESENTATIVE' && parts[part].authority !== 'ANY';
  return byAuthority || isForOperators(kind, part) ? 'BY_AUTHORITY' : true;
}

const teams = new Set<Kind>(['CARE_COORDINATOR', 'SOCIAL_WORKER', 'FINANCE']);

/** SQL: on which side the viewer's organisation stands; null for a provider. */
const ownSide = (p: PolicyParameters): string =>
  `(select case o.kind when 'ICB' then 'NHS' when 'COUNCIL' then 'COUNCIL' end::side
      from organisation o where o.ods_code = ${p.viewer('organisation')})`;

/** SQL: rows of choices by which the person keeps something of a side that is not the viewer's from it, today. */
const keptFromViewer = (personId: string, p: PolicyParameters): string =>
  `sharing_choice c where c.person_id = ${personId} and not c.shares and ${holdsOn('c', p.today())} and c.side is distinct from ${ownSide(p)}`;

/** A thing is of one side (SQL of it, null for what both agreed), or may be of either. */
export type OfSide = string | 'EITHER';

/** What a person chooses of this part whether to share, where the viewer is one who is asked about. */
const choiceOf = (kind: Kind, part: Part): SharedPart | null => (teams.has(kind) ? parts[part].choice : null);

/**
 * SQL: the person shares with the viewer what `side` has of this part; null where nothing has to be asked. What may be
 * of either side is kept back as soon as one of them is.
 */
export function sharesWith(
  kind: Kind,
  part: Part,
  personId: string,
  side: OfSide,
  p: PolicyParameters,
): string | null {
  const choice = choiceOf(kind, part);
  if (choice === null) return null;
  const ofSide = side === 'EITHER' ? '' : ` and c.side = ${side}`;
  return `not exists (select from ${keptFromViewer(personId, p)} and c.part = '${choice}'${ofSide})`;
}

/**
 * SQL: an array of all that the person keeps from the viewer, for `isShared`: each part with the side, and with the
 * person's links to what tells of that side.
 */
export const keptBack = (personId: string, p: PolicyParameters): string =>
  `array(select c.part || ' ' || unnest(c.side::text || array(select pl.id::text from person_link pl
      join source_system f on f.id = pl.source_id where pl.person_id = c.person_id and f.side = c.side))
    from ${keptFromViewer(personId, p)})`;

/** The same as `sharesWith`, of a person of whom `keptBack` is known. `side` may also be SQL of a link of theirs. */
export function isShared(kind: Kind, part: Part, side: OfSide, kept: string): string | null {
  const choice = choiceOf(kind, part);
  if (choice === null) return null;
  const isKept =
    side === 'EITHER'
      ? `${kept} && array['${choice} NHS', '${choice} COUNCIL']`
      : `'${choice} ' || ${side} = any (${kept})`;
  return `(cardinality(${kept}) = 0 or (${isKept}) is not true)`;
}

/**
 * SQL: rows (`part`, `side`, `reason`) of what of the person's record is kept from the viewer. It says nothing of
 * whether there is anything, nor how much.
 */
export function withheldFrom(kind: Kind, personId: string, p: PolicyParameters): string {
  const rows: string[] = [];
  for (const part of personParts) {
    const reads = readsPart(kind, part);
    if (reads === false)
      rows.push(`select '${part}', null::side, '${kind === 'EMERGENCY' ? 'EMERGENCY' : 'ROLE'}'`);
    if (reads === 'BY_AUTHORITY')
      rows.push(
        `select '${part}', null::side, 'AUTHORITY' where not ${maySeePerson(kind, personId, p, part)}`,
      );
    const { choice } = parts[part];
    if (reads === true && choice !== null && teams.has(kind))
      rows.push(
        `select '${part}', c.side, 'NOT_SHARED' from ${keptFromViewer(personId, p)} and c.part = '${choice}'`,
      );
  }
  rows.push('select null, null::side, null where false');
  return `select w.*, ${personId} as person_id from (${rows.join(' union all ')}) w(part, side, reason)`;
}

/** The parts that a person's record has. */
const personParts = (Object.keys(parts) as Part[]).filter(
  (part) => !['OPEN', 'RUNS', 'PAYMENT_RUN', 'BULK', 'WORK', 'KEPT', 'OVERSIGHT'].includes(part),
);

const partOfField = new Map<string, Part>();
for (const [type, byPart] of Object.entries(fields)) {
  for (const [part, names] of Object.entries(byPart)) {
    for (const name of names.split(/\s+/)) partOfField.set(`${type}.${name}`, part as Part);
  }
}

/** In which part a field is. @throws where the table does not name it: nobody reads it by oversight. */
export function partOf(type: string, field: string): Part {
  const part = partOfField.get(`${type}.${field}`);
  if (part === undefined) throw new Error(`the policy table does not say who may read ${type}.${field}`);
  return part;
}

/** SQL: of what is about nobody, whoever is at work may see this part. */
const atWork = (role: ViewerRole, part: Part, p: PolicyParameters): string =>
  mayEver(role, part) ? employs(p) : 'false';

export const maySeeSync = (role: ViewerRole, p: PolicyParameters): string => atWork(role, 'RUNS', p);

/** An organisation's own list of what it pays is for those who commission, and its runs hold bank details. */
export const maySeeOwnPayments = (role: ViewerRole): boolean => teams.has(role);
export const maySeeRuns = (role: ViewerRole): boolean => mayEver(role, 'PAYMENT_RUN');

export const maySeeBulk = (role: ViewerRole): boolean => mayEver(role, 'BULK');

export const mayCommand = (role: ViewerRole, command: CommandName): boolean =>
  (commands[command] as readonly ViewerRole[]).includes(role);

/** SQL: the parts by which the viewer represents the person today, as text. */
export const authoritiesOver = (personId: string, p: PolicyParameters): string =>
  `select s.role::text from role_on_record s where s.person_id = ${personId} and ${representing('ANY', p)}`;

/** The audit of everything, and emergencies, which name people by id or not at all. */
export const maySeeOversight = (role: ViewerRole, p: PolicyParameters): string =>
  atWork(role, 'OVERSIGHT', p);
