/**
 * What is done once a night: whether the ledger fits and the audit is whole, which budgets cross a threshold, which
 * returns are due, what can go.
 */
import type pg from 'pg';
import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import type { Anchor } from '../src/audit/anchor.ts';
import { jobRan } from '../src/audit/store.ts';
import { verifyAudit } from '../src/audit/verify.ts';
import { cleanUploads } from '../src/evidence/clean.ts';
import { verifyLedger } from '../src/ledger/verify.ts';
import { londonDay } from '../src/platform/day.ts';
import type { Files } from '../src/platform/file.ts';
import type { Log } from '../src/platform/log.ts';
import { openDueReturns } from '../src/return/due.ts';
import { raiseAlerts } from '../src/surplus/alert.ts';
import { defineJob } from './queue.ts';

export const nightly = defineJob({
  name: 'nightly',
  input: z.object({}),
  /** LEFT: another worker is at it. */
  output: z.object({
    outcome: z.enum(['DONE', 'LEFT']),
    alerts: z.number(),
    returns: z.number(),
    uploads: z.number(),
  }),
});

export const nightlySeconds = 24 * 3_600;

/** The next time it is two in the morning in UTC: nobody works then, and no clock change leaves it out. */
export function nextNight(now: Date): Date {
  const night = new Date(now);
  night.setUTCHours(2, 0, 0, 0);
  if (night <= now) night.setUTCDate(night.getUTCDate() + 1);
  return night;
}

export interface Night {
  pool: pg.Pool;
  files: Pick<Files, 'remove'>;
  log: Log;
  now: () => Date;
  stopping: AbortSignal;
  /** Where the gauge is shown, if anywhere. */
  registry?: Registry | undefined;
  anchor?: Anchor | undefined;
}

export function nightlyHandler({ pool, files, log, now, stopping, registry, anchor }: Night) {
  const registers = registry === undefined ? [] : [registry];
  const whole = new Gauge({
    name: 'tandem_audit_verified',
    help: 'Whether every event of the audit was as it was sealed when it was looked at last: 1 or 0',
    registers,
  });
  const verified = new Gauge({
    name: 'tandem_ledger_verified',
    help: 'Whether the whole ledger fitted when it was recomputed last: 1 or 0',
    registers,
  });

  async function verifyChain(): Promise<void> {
    const { row, seals, events, anchors } = await verifyAudit(pool, anchor?.read());
    whole.set(row === null ? 1 : 0);
    const counts = { seals: Number(seals), events: Number(events), anchors: Number(anchors) };
    if (row === null) return log.info({ event: 'audit-verify', counts }, 'the audit is whole');
    log.error({ event: 'audit-verify', counts, kind: row.table, reason: row.id }, 'the audit is not whole');
  }

  async function verify(): Promise<void> {
    const { row, transfers, accounts } = await verifyLedger(pool);
    verified.set(row === null ? 1 : 0);
    const counts = { transfers: Number(transfers), accounts: Number(accounts) };
    if (row === null) return log.info({ event: 'ledger-verify', counts }, 'the ledger fits');
    log.error({ event: 'ledger-verify', counts, kind: row.table, reason: row.id }, 'the ledger does not fit');
  }

  return async () => {
    const guard = await pool.connect();
    try {
      const { rows } = await guard.query(`select pg_try_advisory_lock(hashtext('tandem.nightly')) as mine`);
      if (!rows[0].mine) return { outcome: 'LEFT' as const, alerts: 0, returns: 0, uploads: 0 };
      await verify();
      await verifyChain();
      const today = londonDay(now());
      const alerts = await raiseAlerts(pool, today, stopping);
      const returns = await openDueReturns(pool, today);
      const { uploads, contents } = await cleanUploads({ pool, files }, now(), stopping);
      await pool.query(jobRan(nightly.name, now()));
      const counts = { alerts, returns, uploads, contents };
      log.info({ event: 'nightly', counts }, 'the night is done');
      return { outcome: 'DONE' as const, alerts, returns, uploads };
    } finally {
      // The lock goes with its connection, whatever happened to it; given back first, the next need not wait for that.
      await guard.query(`select pg_advisory_unlock_all()`).catch(() => {});
      guard.release(true);
    }
  };
}
