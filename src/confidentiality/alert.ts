/** What the privacy officer is told of a record opened in an emergency: enough to look for it here, nothing of anybody. */
import type pg from 'pg';
import { Gauge, type Registry } from 'prom-client';
import { jobEvent } from '../audit/store.ts';
import { idOf } from '../platform/id.ts';
import { noticePrefix } from './emergency.ts';

/** Neither whose record it is, nor who opened it, nor their words: the notice itself has those, for who may read it. */
export interface PrivacyAlert {
  /** Of the `EmergencyNotice`. */
  emergencyId: string;
  openedAt: string;
  /** The ODS code of the organisation for which it was opened. */
  organisation: string;
  role: string;
  reason: string;
}

/** The accesses of which nobody has been told, in the order of their ids, behind the one given. */
export async function untoldAccesses(
  pool: pg.Pool,
  { after, size }: { after: string; size: number },
): Promise<{ id: string; alert: PrivacyAlert }[]> {
  const { rows } = await pool.query<{ id: string; opened_at: Date } & Omit<PrivacyAlert, 'openedAt'>>(
    `select e.id, e.opened_at, o.ods_code as organisation, e.role, e.reason
       from emergency_access e join organisation o on o.id = e.organisation_id
      where e.alerted_at is null and e.id > $1 order by e.id limit $2`,
    [after, size],
  );
  return rows.map(({ id, opened_at, organisation, role, reason }) => ({
    id,
    alert: {
      emergencyId: idOf(noticePrefix, id),
      openedAt: opened_at.toISOString(),
      organisation,
      role,
      reason,
    },
  }));
}

/** Accounts for it too; of two who tell the same the first does. */
export async function markTold(pool: pg.Pool, id: string, now: Date): Promise<void> {
  await pool.query(
    `with told as (
       update emergency_access set alerted_at = $2 where id = $1 and alerted_at is null returning person_id)
     ${jobEvent(`'privacy.officer.told'`, 'array(select person_id from told)')}`,
    [id, now],
  );
}

/** Shows how many accesses nobody has been told of; NaN when PostgreSQL does not say. */
export function showUntoldAccesses(registry: Registry, pool: pg.Pool): void {
  new Gauge({
    name: 'tandem_privacy_alerts_waiting',
    help: 'Records opened in an emergency of which the privacy officer has not been told',
    registers: [registry],
    async collect() {
      const waiting = await pool
        .query<{ n: number }>('select count(*)::int as n from emergency_access where alerted_at is null')
        .then(
          ({ rows }) => rows[0]!.n,
          () => Number.NaN,
        );
      this.set(waiting);
    },
  });
}
