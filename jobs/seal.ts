/** The worker's part in keeping the audit: `src/audit/seal.ts` says what a seal is. */
import type pg from 'pg';
import type { Anchor } from '../src/audit/anchor.ts';
import { sealAudit } from '../src/audit/seal.ts';
import type { Log } from '../src/platform/log.ts';

/** Seals all of the audit that is there, link by link, and tells of each outside the database. */
export async function sealAndAnchor({
  pool,
  log,
  now,
  anchor,
}: {
  pool: pg.Pool;
  log: Log;
  now: () => Date;
  anchor: Anchor | undefined;
}): Promise<void> {
  for (let sealed = await sealAudit(pool, now()); sealed !== null; sealed = await sealAudit(pool, now())) {
    // The chain goes on all the same: the next anchor vouches for this seal too.
    await anchor?.add(sealed).catch((err: unknown) => {
      log.error({ err, event: 'audit-anchor' }, 'the seal could not be told outside the database');
    });
  }
}
