/** An event of the audit in words for the person whose record it touched. */

export interface EventFacts {
  role: string;
  name: string | null;
  /** Name of the organisation for which it was done. */
  organisation: string | null;
  purpose: string | null;
  action: string;
  object: string;
  parts: string | null;
  outcome: string;
  reason: string | null;
}

const roles: Record<string, string> = {
  CARE_COORDINATOR: 'care co-ordinator',
  SOCIAL_WORKER: 'social worker',
  PROVIDER: 'provider',
  PROVIDER_WORKER: 'provider',
  PROVIDER_FINANCE: 'finance of a provider',
  FINANCE: 'finance',
  AUDITOR: 'auditor',
  PRIVACY_OFFICER: 'privacy officer',
  ADMIN: 'runs the hub',
};

/** `RoleOnRecord` is "role on record", `recordSpend` is "record spend", `DIRECT_CARE` is "direct care". */
const plain = (name: string): string =>
  name
    .replaceAll('_', ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();

/** Such as "Nadia Osei, care co-ordinator, Wenshire ICB". */
export function whoOf({ role, name, organisation }: EventFacts): string {
  if (role === 'PERSON') return 'The person';
  if (role === 'SYSTEM') return 'The hub, by itself';
  if (role === 'REPRESENTATIVE') return `${name ?? 'Somebody'}, who acts for the person`;
  return [name ?? 'Somebody', roles[role] ?? plain(role), organisation]
    .filter((part) => part !== null)
    .join(', ');
}

const named: Record<string, string> = {
  Person: 'who the person is',
  PersonSource: 'which systems hold a record',
  RoleOnRecord: 'who has a part in the care',
  AccessLogEntry: 'who looked at the record',
};

/** Parts of an answer that are told of with the thing they are part of. */
const isWrapping = (type: string): boolean => /(Connection|Edge)$/.test(type) || type === 'Organisation';

/** Beyond these the rest is counted. */
const maxParts = 6;

function partsOf(parts: string | null): string {
  const types = (parts ?? '').split(',').filter((type) => type !== '' && !isWrapping(type));
  const words = types.map((type) => named[type] ?? plain(type));
  if (words.length === 0) return 'that there is a record';
  const rest = words.length - maxParts;
  return words.slice(0, maxParts).join(', ') + (rest > 0 ? `, and ${rest} more` : '');
}

/** Such as "Looked at: who the person is, plan". */
export function whatOf({ action, object, parts, outcome }: EventFacts): string {
  const done = outcome === 'DONE' || outcome === 'FOUND';
  switch (action) {
    case 'READ':
      return object === 'changes' ? 'Asked to be told of changes' : `Looked at: ${partsOf(parts)}`;
    case 'CHANGE':
      return done ? `Changed the record: ${plain(object)}` : `Tried to change the record: ${plain(object)}`;
    case 'EXPORT':
      return object === 'evidence' ? 'Opened a document' : `Took a copy: ${plain(object)}`;
    case 'JOB':
      return object.includes('/')
        ? `Took in what a system says: ${object.split('/')[0]}`
        : `Regular work: ${plain(object.replaceAll('.', ' '))}`;
    case 'BREAK_GLASS':
      return 'Opened the record in an emergency';
    default:
      return done ? plain(object) : `Was refused: ${plain(object)}`;
  }
}

/** What for, and the reason where one was given; null for what the hub does by itself. */
export function whyOf({ role, purpose, reason }: EventFacts): string | null {
  const given = [role === 'PERSON' ? null : purpose && plain(purpose), reason].filter(
    (part) => part !== null && part !== '',
  );
  if (given.length === 0) return null;
  const [first, ...rest] = given.join(': ');
  return first!.toUpperCase() + rest.join('');
}
