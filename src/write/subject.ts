/** What nearly every command asks first: whom is it about, may they, is it as they left it. In the command's transaction. */
import { type decidesAboutCare, decidesAboutMoney } from '../access/policy.ts';
import { authorities, visiblePeople, visibleRows } from '../access/scope.ts';
import type { Guarded } from '../access/side.ts';
import type { Part } from '../access/table.ts';
import { penceOfDecimal } from '../platform/money.ts';
import { type CommandContext, Refused, UserFault } from './command.ts';
import type { Statements } from './statements.ts';

export async function isVisible(
  { tx, viewer, today }: CommandContext<Statements>,
  personId: string,
  part: Part = 'IDENTITY',
): Promise<boolean> {
  const { text, values } = visiblePeople(viewer, today, [personId], part);
  return (await tx.$queryRawUnsafe<unknown[]>(text, ...values)).length === 1;
}

/**
 * The person, if the viewer may see them, and this part of their record whichever side it is of. `personId` is null where
 * the id was no person's.
 *
 * @throws UserFault PERSON_NOT_FOUND, and NOT_FOUND of somebody whose part it is that is kept from the viewer
 */
export async function visiblePerson(
  context: CommandContext,
  personId: string | null,
  field = 'personId',
  part: Part = 'IDENTITY',
): Promise<string> {
  if (personId !== null && (await isVisible(context, personId))) {
    if (part === 'IDENTITY' || (await isVisible(context, personId, part))) return personId;
    throw notFound(field);
  }
  throw new UserFault('PERSON_NOT_FOUND', 'There is no such person, or they are not yours to see.', field);
}

/**
 * Of these rows, the ids of those that the viewer sees: their person, the part of the record they are in, and what the
 * person shares of their side.
 */
export async function visibleOf(
  { tx, viewer, today }: CommandContext,
  table: Guarded,
  ids: string[],
): Promise<Set<string>> {
  const { text, values } = visibleRows(viewer, today, table, ids);
  const rows = await tx.$queryRawUnsafe<{ id: string }[]>(text, ...values);
  return new Set(rows.map(({ id }) => id));
}

/** `id` is null where the id was none of this kind. */
export const isVisibleRow = async (context: CommandContext, table: Guarded, id: string | null) =>
  id !== null && (await visibleOf(context, table, [id])).size === 1;

/** What is not there, and what is not the viewer's to see, look alike. */
export const notFound = (field: string): UserFault =>
  new UserFault('NOT_FOUND', 'There is no such thing, or it is not yours to see.', field);

/**
 * Locks a row that the viewer may see, until the transaction ends, and gives whose it is. `id` is null
 * where the id was none of this kind.
 *
 * @throws UserFault NOT_FOUND
 */
export async function lockVisible(
  context: CommandContext,
  table: Guarded,
  id: string | null,
  field: string,
): Promise<string> {
  const [row] = await context.tx.$queryRawUnsafe<{ person_id: string }[]>(
    `select person_id from ${table} where id = $1::uuid for update`,
    id,
  );
  if (row !== undefined && (await isVisibleRow(context, table, id))) return row.person_id;
  throw notFound(field);
}

/**
 * Of two who change the same thing the second must look again.
 *
 * @param changed what became different since, in words
 * @throws Refused CONFLICT, showing the present state
 */
export function expectVersion(present: number, expected: number, shown: object, changed = ''): void {
  if (present !== expected) throw new Refused([stale(present, expected, 'expectedVersion', changed)], shown);
}

/** The fault of whoever expected another version than there is. */
export function stale(present: number, expected: number, field: string, changed = ''): UserFault {
  const since = changed === '' ? '' : ` Since then: ${changed}.`;
  const message = `You expected version ${expected}, and it is at version ${present}.${since} Look at it as it is now, and send again.`;
  return new UserFault('CONFLICT', message, field);
}

/** The organisation the viewer acts for, and on which side it stands. Null for those who act for none. */
export async function actingOrganisation({ tx, viewer }: CommandContext) {
  if (viewer.organisation === null) return null;
  const found = await tx.organisation.findUnique({ where: { odsCode: viewer.organisation } });
  if (found === null) return null;
  const side = found.kind === 'ICB' ? 'NHS' : found.kind === 'COUNCIL' ? 'COUNCIL' : null;
  return { ...found, side } as const;
}

export type Authority = (typeof decidesAboutCare)[number] | 'LPA_PROPERTY_AND_FINANCE' | 'NOMINEE';

/** The parts by which the viewer represents the person today. */
export async function authoritiesOf(context: CommandContext, personId: string): Promise<Authority[]> {
  const { text, values } = authorities(context.viewer, context.today, personId);
  const rows = await context.tx.$queryRawUnsafe<{ role: Authority }[]>(text, ...values);
  return rows.map(({ role }) => role);
}

/** Whether the viewer, as a representative, may decide about the person's money today. */
export async function mayDecideAboutMoney(context: CommandContext, personId: string): Promise<boolean> {
  const held = await authoritiesOf(context, personId);
  return held.some((authority) => (decidesAboutMoney as readonly string[]).includes(authority));
}

/** Tells whoever listens that these records changed, once the transaction is done. */
export function announce(
  { announced }: Pick<CommandContext, 'announced'>,
  topic: string,
  personIds: string[],
): void {
  announced.push({ topic, personIds });
}

/** @throws UserFault TEXT_INVALID */
export function textOf(text: string, field: string, maxLength = 4_000): string {
  const words = text.trim();
  if (words.length > 0 && words.length <= maxLength) return words;
  throw new UserFault('TEXT_INVALID', `Say it in 1 to ${maxLength} characters.`, field);
}

const maxReason = 1_000;

/** @throws UserFault REASON_NEEDED */
export function reasonOf(reason: string | null | undefined, field = 'reason'): string {
  const words = reason?.trim() ?? '';
  if (words.length > 0 && words.length <= maxReason) return words;
  throw new UserFault('REASON_NEEDED', `Say why, in 1 to ${maxReason} characters.`, field);
}

/** Does something that may throw what the caller can mend, and notes that instead, so that they hear of everything at once. */
export function noting<T>(faults: UserFault[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
    faults.push(error);
    return undefined;
  }
}

/** `MoneyInput`, as it comes. */
export interface MoneyGiven {
  amount: string;
  currency: string;
}

/**
 * Pence of an amount on the way in.
 *
 * @throws UserFault CURRENCY_NOT_GBP, AMOUNT_INVALID (negative, or above 999,999,999.99)
 */
export function penceOf({ amount, currency }: MoneyGiven, field: string): bigint {
  if (currency !== 'GBP') {
    throw new UserFault('CURRENCY_NOT_GBP', 'Money must be in GBP.', `${field}.currency`);
  }
  // Minus nothing is a slip of somebody's program, not an amount.
  const pence = amount.startsWith('-') ? -1n : penceOfDecimal(amount);
  if (pence >= 0n && pence <= 99_999_999_999n) return pence;
  throw new UserFault('AMOUNT_INVALID', 'An amount is 0 to 999999999.99.', `${field}.amount`);
}
