/** What of the outbox is told to whom it concerns, and how a place in it is written down. */
import type { Part } from '../access/table.ts';

/** The values of `ChangeTopic`, and what the outbox calls them. Other topics are the hub's own business. */
export const topics = {
  PERSON_CHANGED: 'person.changed',
  ELIGIBILITY_CHANGED: 'eligibility.changed',
  PLAN_CHANGED: 'plan.changed',
  BUDGET_CHANGED: 'budget.changed',
  BUDGET_ALERT: 'budget.alert',
  REVIEW_HELD: 'review.held',
  DECISION_CHANGED: 'decision.changed',
  MONEY_CHANGED: 'money.changed',
  PAYMENT_CHANGED: 'payment.changed',
  EVIDENCE_CHANGED: 'evidence.changed',
  RECLAIM_CHANGED: 'reclaim.changed',
  RETURN_DUE: 'return.due',
  RETURN_CHANGED: 'return.changed',
  SHARING_CHANGED: 'sharing.changed',
  ROLE_CHANGED: 'role.changed',
  TEAM_CHANGED: 'team.changed',
} as const;

type Topic = (typeof topics)[keyof typeof topics];

/** In which part of the record something happened: who does not read that, or not of both sides, does not hear of it. */
const parts: Record<Topic, Part> = {
  'person.changed': 'IDENTITY',
  'eligibility.changed': 'DECISION',
  'plan.changed': 'SUPPORT',
  'budget.changed': 'MONEY',
  'budget.alert': 'MONEY',
  // When which review was held is among what is said of the next.
  'review.held': 'SUPPORT',
  'decision.changed': 'DECISION',
  'money.changed': 'MONEY',
  'payment.changed': 'MONEY',
  'evidence.changed': 'MONEY',
  'reclaim.changed': 'MONEY',
  'return.due': 'MONEY',
  'return.changed': 'MONEY',
  'sharing.changed': 'CONFIDENTIALITY',
  'role.changed': 'PEOPLE',
  'team.changed': 'TEAM',
};

export const partOfTopic = (topic: string): Part => parts[topic as Topic];

/** A row of the outbox. */
export interface Announced {
  id: number;
  topic: string;
  personIds: string[];
  /** Of a bulk file that moved. */
  fileId: string | null;
  at: Date;
}

/** One person of one row: a row is about everybody whom a transaction touched. */
export interface Place {
  id: number;
  index: number;
}

export interface Wanted {
  /** As the outbox calls them. */
  topics: ReadonlySet<string>;
  personId: string | null;
  /** The last that was told already. */
  after: Place;
}

export const cursorOf = ({ id, index }: Place): string => Buffer.from(`${id}.${index}`).toString('base64url');

/** Null for anything that is no cursor. */
export function placeOf(cursor: string): Place | null {
  const [, id, index] = /^(\d{1,15})\.(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return id === undefined ? null : { id: Number(id), index: Number(index) };
}

/** As the index of a place: behind everybody of that row. */
export const wholeRow = Number.MAX_SAFE_INTEGER;

/** The people of a row whom a stream is to hear of, by their index in it. */
export function peopleOf({ id, topic, personIds }: Announced, { topics, personId, after }: Wanted) {
  if (id < after.id || !topics.has(topic)) return [];
  return [...personIds.entries()]
    .map(([index, person]) => ({ index, personId: person }))
    .filter(
      ({ index, personId: person }) =>
        (id > after.id || index > after.index) && (personId === null || person === personId),
    );
}
