import { fileURLToPath } from 'node:url';
import { connectors } from '../../jobs/connector.ts';
import { syncHandler } from '../../jobs/sync.ts';
import { loadOrganisations } from '../../prisma/reference.ts';
import { loadPolicy } from '../../src/commissioner/load.ts';
import { startDemo } from '../../src/demo/demo.ts';
import { putOrganisation, putSource } from '../../src/intake/source.ts';
import { type Database, openDatabase } from '../../src/platform/database.ts';
import { openLog } from '../../src/platform/log.ts';
import { keptLog } from './byproduct.ts';

export type Demo = Awaited<ReturnType<typeof startDemo>>;

/** The day on which the tests' demo place is made, and on which the hub under test believes to be. */
export const today = '2026-11-21';
export const noon = () => new Date(`${today}T12:00:00Z`);

const folderOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Tells the database of the demo's organisations and sources, as a start of the hub does. */
export async function introduce(database: Pick<Database, 'pool'>, demo: Demo): Promise<string[]> {
  for (const organisation of demo.organisations) await putOrganisation(database.pool, organisation);
  await loadPolicy(database.pool, folderOf('../../src/demo/policy/'));
  return Promise.all(demo.sources.map((source) => putSource(database.pool, source)));
}

/** One run of each source, without a queue. */
export async function syncOnce(database: Database, sourceIds: string[]): Promise<void> {
  const sync = syncHandler({
    database,
    connectors,
    log: openLog('trace', keptLog()),
    now: noon,
    stopping: new AbortController().signal,
  });
  for (const sourceId of sourceIds) await sync({ sourceId }, { askedAt: new Date(), last: true });
}

/** Fills a migrated database with the whole made-up place, synced from both systems. */
export async function fillWithDemo(url: string): Promise<void> {
  const database = openDatabase(url);
  const demo = await startDemo({ today, now: noon, ports: { nhs: 0, council: 0 } });
  try {
    await loadOrganisations(database.pool);
    await loadPolicy(database.pool, folderOf('../../prisma/reference/policy/'));
    await syncOnce(database, await introduce(database, demo));
  } finally {
    await demo.close();
    await database.close();
  }
}
