/** The team as its commands find it: of somebody the viewer may see, and nobody else's to change meanwhile. */
import { personPrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { mustAnswerFor } from '../surplus/subject.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { isVisibleRow, notFound, visiblePerson } from '../write/subject.ts';
import { workerPrefix } from './view.ts';

/**
 * One change of a team at a time: whether somebody may be put on a shift follows from many rows of it. Whatever is
 * read is read behind it.
 */
async function lockTeam({ tx }: CommandContext, personId: string): Promise<void> {
  await tx.$queryRawUnsafe('select id from person where id = $1::uuid for no key update', personId);
}

/** A person's team, to be changed by whoever employs it, or does so for them. @throws UserFault NOT_FOUND, NOT_YOURS */
export async function openTeam(
  context: CommandContext,
  id: string,
  part: 'TEAM' | 'WAGES' = 'TEAM',
): Promise<string> {
  const personId = await visiblePerson(context, uuidOf(personPrefix, id), 'personId', part);
  await mustEmploy(context, personId, 'personId');
  await lockTeam(context, personId);
  return personId;
}

/** The person, a representative with authority over money, or the provider that operates an account of theirs today. */
async function mustEmploy(context: CommandContext, personId: string, field: string): Promise<void> {
  const { today } = context;
  await mustAnswerFor(context, { personId, budgetId: null, days: { from: today, to: today } }, field);
}

async function teamOfRow(
  context: CommandContext,
  table: 'worker' | 'delegated_task' | 'absence',
  id: string | null,
  field: string,
): Promise<string> {
  if (!(await isVisibleRow(context, table, id))) throw notFound(field);
  const [row] = await context.tx.$queryRawUnsafe<{ person_id: string }[]>(
    `select person_id from ${table} where id = $1::uuid`,
    id,
  );
  const personId = row!.person_id;
  await mustEmploy(context, personId, field);
  await lockTeam(context, personId);
  return personId;
}

/** Somebody of a team, with their contracts in order. Care teams pass: the policy says what they may do. */
export async function openWorker(context: CommandContext, id: string, field = 'workerId') {
  const uuid = uuidOf(workerPrefix, id);
  const personId = await teamOfRow(context, 'worker', uuid, field);
  return context.tx.worker.findUniqueOrThrow({
    where: { id_personId: { id: uuid!, personId } },
    include: { contracts: { orderBy: { number: 'asc' } } },
  });
}

export type OpenWorker = Awaited<ReturnType<typeof openWorker>>;

/** Somebody of the same team. @throws UserFault NOT_FOUND */
export async function workerOf({ tx }: CommandContext, personId: string, id: string, field: string) {
  const uuid = uuidOf(workerPrefix, id);
  const worker = uuid === null ? null : await tx.worker.findFirst({ where: { id: uuid, personId } });
  if (worker === null) throw notFound(field);
  return worker;
}

/** An absence, with the lock of its team. @throws UserFault NOT_FOUND, NOT_YOURS */
export async function openAbsence(context: CommandContext, id: string | null) {
  const personId = await teamOfRow(context, 'absence', id, 'absenceId');
  return context.tx.absence.findUniqueOrThrow({ where: { id_personId: { id: id!, personId } } });
}

export interface WorkerResult {
  workerId: string;
}

export const workerResult = ({ id }: { id: string }): WorkerResult => ({ workerId: idOf(workerPrefix, id) });

/** What changed about somebody is one version more. */
export async function keepWorker({ tx }: CommandContext, { id, personId }: OpenWorker): Promise<void> {
  await tx.worker.update({ where: { id_personId: { id, personId } }, data: { version: { increment: 1 } } });
}

/** @throws UserFault DAY_INVALID */
export function dayFault(message: string, field: string): UserFault {
  return new UserFault('DAY_INVALID', message, field);
}
