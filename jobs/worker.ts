/** A process that works off jobs. Any number may run; they need to know nothing of each other. */
import type { Registry } from 'prom-client';
import type { Anchor } from '../src/audit/anchor.ts';
import { abandonedFiles } from '../src/bulk/store.ts';
import { abandonedSources, findSources } from '../src/intake/run.ts';
import type { Database } from '../src/platform/database.ts';
import type { Files } from '../src/platform/file.ts';
import type { Log } from '../src/platform/log.ts';
import { bulk, bulkHandler } from './bulk.ts';
import { connectors as allConnectors, type Connectors } from './connector.ts';
import { nextNight, nightly, nightlyHandler, nightlySeconds } from './nightly.ts';
import { paymentDue, paymentDueHandler, paymentDueSeconds } from './payment.ts';
import { privacyAlert, privacyAlertHandler, privacyAlertSeconds } from './privacy-alert.ts';
import { handleJob, openJobQueue } from './queue.ts';
import { relayAll } from './relay.ts';
import { sealAndAnchor } from './seal.ts';
import { sync, syncHandler } from './sync.ts';

/** How soon what a command announced is brought to whoever must act on it. */
const relayMs = 250;
/** How long an event of the audit stands unsealed at most, and a little. */
const sealMs = 5_000;
/** How soon the runs and the files of a dead worker are taken up by another. */
const takeUpMs = 3_000;
/** How soon what was lost with the queue, or a new source, is scheduled. */
const scheduleMs = 30_000;

export interface Worker {
  /** Finishes the page at hand, not the run: that is taken up by another worker, or by the next start. */
  close(): Promise<void>;
}

export async function startWorker({
  database,
  files,
  redisUrl,
  privacyAlertUrl,
  log,
  now = () => new Date(),
  connectors = allConnectors,
  registry,
  anchor,
}: {
  database: Pick<Database, 'url' | 'pool'>;
  /** Where evidence and bulk files are kept. */
  files: Pick<Files, 'remove' | 'read'>;
  redisUrl: string | undefined;
  /** Where the privacy officer is told of records opened in an emergency; if not given, in the log. */
  privacyAlertUrl?: string | undefined;
  log: Log;
  now?: () => Date;
  connectors?: Connectors;
  /** Where what the nightly job found is shown, if this process shows figures. */
  registry?: Registry | undefined;
  /** Where each seal of the audit is told outside the database. */
  anchor?: Anchor | undefined;
}): Promise<Worker> {
  const { pool } = database;
  const stopping = new AbortController();
  const queue = await openJobQueue({ databaseUrl: database.url, redisUrl });

  async function takeUp(evenFailing: boolean) {
    for (const sourceId of await abandonedSources(pool, { evenFailing })) await queue.add(sync, { sourceId });
    for (const fileId of await abandonedFiles(pool, { evenRecent: evenFailing }))
      await queue.add(bulk, { fileId });
  }
  // All that is scheduled follows from `source_system`, so a queue that was emptied is made anew from there.
  async function schedule() {
    for (const { id, everySeconds, dueAt } of await findSources(pool)) {
      await queue.repeat(`sync-${id}`, { everySeconds, startAt: dueAt }, sync, { sourceId: id });
    }
    const night = { everySeconds: nightlySeconds, startAt: nextNight(now()) };
    await queue.repeat('nightly', night, nightly, {});
    const alerts = { everySeconds: privacyAlertSeconds, startAt: null };
    await queue.repeat('privacy-alert', alerts, privacyAlert, {});
    await queue.repeat('payment-due', { everySeconds: paymentDueSeconds, startAt: null }, paymentDue, {});
  }

  const raising = paymentDueHandler({ database, log, now, stopping: stopping.signal });
  const alerting = { pool, url: privacyAlertUrl, log, now, stopping: stopping.signal };
  const handlers = [
    handleJob(sync, syncHandler({ database, connectors, log, now, stopping: stopping.signal })),
    handleJob(bulk, bulkHandler({ pool, files, log, now, stopping: stopping.signal })),
    handleJob(paymentDue, raising),
    handleJob(privacyAlert, privacyAlertHandler(alerting)),
    handleJob(
      nightly,
      nightlyHandler({ pool, files, log, now, stopping: stopping.signal, registry, anchor }),
    ),
  ];
  const working = await queue.work(handlers, log);
  await takeUp(true);
  await schedule();
  const timers = [
    every(relayMs, () => relayAll(pool, queue)),
    every(takeUpMs, () => takeUp(false)),
    every(scheduleMs, schedule),
    every(sealMs, () => sealAndAnchor({ pool, log, now, anchor })),
  ];

  /** Again and again, but never twice at a time; a database or queue that is away comes back. */
  function every(ms: number, work: () => Promise<void>) {
    let busy: Promise<void> | null = null;
    const timer = setInterval(() => {
      busy ??= work()
        .catch((err: unknown) => log.warn({ err, event: 'self-check' }, 'self-check failed'))
        .finally(() => {
          busy = null;
        });
    }, ms);
    return async () => {
      clearInterval(timer);
      await busy;
    };
  }

  return {
    async close() {
      stopping.abort();
      await Promise.all(timers.map((stop) => stop()));
      await working.close();
      await queue.close();
    },
  };
}
