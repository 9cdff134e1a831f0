/**
 * Two records that turn out to be one person are made one by a person's decision, and it can be undone. What moves is
 * the links, with all that hangs on them; the emptied record stays, seen by nobody, to take its own back.
 */
import type { Prisma } from '../generated/prisma/client.ts';
import { derive, matchingLock } from './store.ts';

export type MergeRefusal =
  /** From and into are one record. */
  | 'SAME_PERSON'
  | 'PERSON_NOT_FOUND'
  /** One of the two has no links: it was merged already. */
  | 'RECORD_EMPTY'
  /** The record to be merged holds another that was merged into it; undo that first, or merge the other way round. */
  | 'HOLDS_MERGED_RECORD'
  /** Something was agreed in the hub on the record to be merged: merge the other way round. */
  | 'HOLDS_OWN_RECORDS';

export type MergeResult = { done: true; linkIds: string[] } | { done: false; code: MergeRefusal };

export async function mergePeople(
  tx: Prisma.TransactionClient,
  { fromPersonId, intoPersonId }: { fromPersonId: string; intoPersonId: string },
): Promise<MergeResult> {
  const refuse = (code: MergeRefusal): MergeResult => ({ done: false, code });
  if (fromPersonId === intoPersonId) return refuse('SAME_PERSON');
  if ((await lockPeople(tx, [fromPersonId, intoPersonId])) < 2) return refuse('PERSON_NOT_FOUND');
  const links = await tx.personLink.findMany({ where: { personId: { in: [fromPersonId, intoPersonId] } } });
  const moving = links.filter((link) => link.personId === fromPersonId);
  if (moving.length === 0 || moving.length === links.length) return refuse('RECORD_EMPTY');
  if (moving.some((link) => link.mergedFromId !== null)) return refuse('HOLDS_MERGED_RECORD');
  const own = { where: { personId: fromPersonId, linkId: null } };
  const held =
    (await tx.plan.count(own)) +
    (await tx.budget.count(own)) +
    (await tx.eligibility.count(own)) +
    (await tx.review.count(own)) +
    (await tx.decision.count({ where: { personId: fromPersonId } })) +
    (await tx.spend.count({ where: { personId: fromPersonId } })) +
    (await tx.bankStatement.count({ where: { personId: fromPersonId } })) +
    (await tx.evidence.count({ where: { personId: fromPersonId } })) +
    (await tx.paymentSchedule.count({ where: { personId: fromPersonId } })) +
    (await tx.reclaim.count({ where: { personId: fromPersonId } })) +
    (await tx.financialReturn.count({ where: { personId: fromPersonId } })) +
    (await tx.sharingChoice.count({ where: { personId: fromPersonId } })) +
    (await tx.worker.count({ where: { personId: fromPersonId } })) +
    (await tx.delegatedTask.count({ where: { personId: fromPersonId } }));
  if (held > 0) return refuse('HOLDS_OWN_RECORDS');
  await tx.$executeRaw`set constraints all deferred`;
  const moved = { personId: intoPersonId, mergedFromId: fromPersonId };
  await tx.personLink.updateMany({ where: { personId: fromPersonId }, data: moved });
  await tx.personIdentifier.updateMany({ where: { personId: fromPersonId }, data: moved });
  await settle(tx, [intoPersonId, fromPersonId]);
  return { done: true, linkIds: moving.map((link) => link.id) };
}

export type UnmergeResult =
  | { done: true; linkIds: string[]; personId: string; fromPersonId: string }
  | { done: false; code: 'NOT_MERGED' | 'BUILT_UPON' };

/**
 * Undoes the merge that brought a link to the person it is on: every link of that merge goes back, with what arrived
 * under it since, and with links that were matched by an NHS number which the merge had brought.
 */
export async function unmergePeople(
  tx: Prisma.TransactionClient,
  { linkId }: { linkId: string },
): Promise<UnmergeResult> {
  await tx.$executeRaw`select pg_advisory_xact_lock(${matchingLock})`;
  const link = await tx.personLink.findFirst({ where: { id: linkId } });
  if (!link?.mergedFromId) return { done: false, code: 'NOT_MERGED' };
  const { personId, mergedFromId } = link;
  await lockPeople(tx, [personId, mergedFromId]);
  const moving = await tx.personLink.findMany({ where: { personId, mergedFromId } });
  const brought = { linkId: { in: moving.map(({ id }) => id) } };
  const builtUpon =
    (await tx.budget.count({ where: { ...brought, partOfId: { not: null } } })) +
    (await tx.planLine.count({ where: { portion: { budget: brought } } }));
  if (builtUpon > 0) return { done: false, code: 'BUILT_UPON' };
  await tx.$executeRaw`set constraints all deferred`;
  const restored = { personId: mergedFromId, mergedFromId: null };
  await tx.personLink.updateMany({ where: { personId, mergedFromId }, data: restored });
  await tx.personIdentifier.updateMany({ where: { personId, mergedFromId }, data: restored });
  await tx.$executeRaw`
    update person_identifier i set person_id = ${mergedFromId}::uuid
      from person_link l
      join source_system s on s.id = l.source_id
      join organisation o on o.id = s.organisation_id
     where l.person_id = ${mergedFromId}::uuid and i.person_id = ${personId}::uuid
       and (i.system = 'COUNCIL_ID' and i.issuer = o.ods_code and i.value = l.external_id
            or i.system = 'NHS_NUMBER' and i.value = l.nhs_number and not exists (
              select from person_link other where other.person_id = i.person_id and other.nhs_number = i.value))`;
  await settle(tx, [personId, mergedFromId]);
  return { done: true, linkIds: moving.map(({ id }) => id), personId, fromPersonId: mergedFromId };
}

/** Locks the records in the order of their ids, so that two merges cannot wait for each other; how many there are. */
async function lockPeople(tx: Prisma.TransactionClient, ids: string[]): Promise<number> {
  await tx.$executeRaw`select pg_advisory_xact_lock(${matchingLock})`;
  const rows = await tx.$queryRaw<unknown[]>`
    select id from person where id = any(${ids}::uuid[]) order by id for update`;
  return rows.length;
}

/** Works out anew what the records show, and tells of it. */
async function settle(tx: Prisma.TransactionClient, personIds: string[]): Promise<void> {
  await tx.$executeRaw`set constraints all immediate`;
  for (const statement of Object.values(derive)) await tx.$executeRawUnsafe(statement, personIds);
  await tx.$executeRaw`
    update role_on_record r set sort_name = p.sort_name from person p
     where p.id = r.person_id and r.sort_name <> p.sort_name and r.person_id = any(${personIds}::uuid[])`;
  await tx.outbox.create({ data: { topic: 'person.changed', payload: { personIds } } });
}
