/**
 * The second lock: PostgreSQL's row security, which shows a connection of the role `tandem_reader` the rows of those
 * people only whom its viewer may see, whatever the statement asks. It knows nothing of `policy.ts`: whom a viewer may
 * see stands in the table `person_scope`, kept by triggers. A transaction that does not say who its viewer is sees
 * nobody.
 */
import type { Sql } from '../platform/database.ts';
import { isOfOrganisation, type Viewer } from './viewer.ts';

/**
 * What a viewer is called in `person_scope`.
 *
 * @param keeping what is read is of accounts that the viewer's organisation no longer operates, and must keep
 */
export function holdersOf({ role, subject, organisation, nhsNumber }: Viewer, keeping = false): string[] {
  if (isOfOrganisation(role))
    return [`ods:${organisation}`, `sub:${subject}`, ...(keeping ? [`kept:${organisation}`] : [])];
  if (role === 'PERSON') return [`self:${nhsNumber}`];
  if (role === 'REPRESENTATIVE') return [`rep:${nhsNumber}`];
  return role === 'AUDITOR' || role === 'PRIVACY_OFFICER' ? ['oversight'] : [];
}

/**
 * SQL: columns that say who the transaction's viewer is, and forget whom another saw, as functions with side effects.
 * They stand in a from-item that all that reads is joined to by `left join lateral`: PostgreSQL runs it before, and were
 * it ever to run after, nobody would be seen.
 */
export const viewerSql = (holders: string, today: string): string =>
  `set_config('tandem.holders', ${holders}::text, true), set_config('tandem.today', ${today}::text, true),
   set_config('tandem.seen', '', true)`;

/** The same for a transaction of several statements, on a connection of the worker. */
export async function readAs(sql: Sql, viewer: Viewer, today: string, keeping = false): Promise<void> {
  await sql.query('set local role tandem_reader');
  await sql.query(`select ${viewerSql('$1::text[]', '$2::date')}`, [holdersOf(viewer, keeping), today]);
}
