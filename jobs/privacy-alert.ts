/** Tells the privacy officer of every record opened in an emergency, until they have been told. */
import type pg from 'pg';
import { z } from 'zod';
import { markTold, type PrivacyAlert, untoldAccesses } from '../src/confidentiality/alert.ts';
import { lowestId } from '../src/platform/id.ts';
import type { Log } from '../src/platform/log.ts';
import { ComeBackLater, defineJob, JobFault } from './queue.ts';

/**
 * Names no access: what is to be told is known from PostgreSQL, so that an alert outlives its job, the queue and every
 * retry.
 */
export const privacyAlert = defineJob({
  name: 'privacy.alert',
  input: z.object({}),
  output: z.object({ told: z.number() }),
});

/** How soon whoever could not be told, after all retries, is told again. */
export const privacyAlertSeconds = 300;

const timeoutMs = 5_000;
/** Told at a time. */
const batchSize = 20;
/** When to look again, where another worker is at it: it may have looked before the latest access was there. */
const busyMs = 1_000;

export interface Alerting {
  pool: pg.Pool;
  /** To where alerts are posted; where there is none they are written to the log. */
  url: string | undefined;
  log: Log;
  now: () => Date;
  stopping: AbortSignal;
}

/**
 * Told is told once, but for a worker that dies between the answer and its note: the receiver then sees the same
 * `emergencyId` again.
 */
export const privacyAlertHandler =
  ({ pool, url, log, now, stopping }: Alerting) =>
  async (): Promise<{ told: number }> => {
    const guard = await pool.connect();
    try {
      const { rows } = await guard.query(
        `select pg_try_advisory_lock(hashtext('tandem.privacy-alert')) as mine`,
      );
      if (!rows[0].mine) throw new ComeBackLater(busyMs);
      let [told, untold] = [0, 0];
      for (let after: string | undefined = lowestId; after !== undefined && !stopping.aborted; ) {
        const batch = await untoldAccesses(pool, { after, size: batchSize });
        after = batch.at(-1)?.id;
        const sent = await Promise.all(
          batch.map(async ({ id, alert }) => {
            const taken = url === undefined ? tellLog(log, alert) : await post(url, alert, log);
            if (taken) await markTold(pool, id, now());
            return taken;
          }),
        );
        told += sent.filter((taken) => taken).length;
        untold += sent.filter((taken) => !taken).length;
      }
      if (untold > 0) throw new JobFault('ALERT_NOT_TAKEN: The receiver of alerts did not take all of them.');
      return { told };
    } finally {
      // The lock goes with its connection, whatever happened to it.
      guard.release(true);
    }
  };

function tellLog(log: Log, { emergencyId, organisation, role, reason }: PrivacyAlert): boolean {
  log.warn(
    { event: 'privacy-alert', emergencyId, organisation, role, reason },
    'a record was opened in an emergency',
  );
  return true;
}

/** Whether the receiver took it. Its address may hold a secret, and its answer anything: neither is logged. */
async function post(url: string, alert: PrivacyAlert, log: Log): Promise<boolean> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alert),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.body?.cancel();
    if (!answer.ok)
      log.warn({ event: 'privacy-alert', status: answer.status }, 'the receiver refused an alert');
    return answer.ok;
  } catch (err) {
    log.warn({ event: 'privacy-alert', err }, 'the receiver of alerts does not answer');
    return false;
  }
}
