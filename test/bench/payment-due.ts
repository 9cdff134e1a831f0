/** The job that raises due payments, as a process of its own, which can be killed. Told by `fork`'s messages. */
import { raiseAllDue } from '../../jobs/payment.ts';
import { openDatabase } from '../../src/platform/database.ts';

export interface Raise {
  /** The instant it is to take for now. */
  at: string;
  /** Schedules to a transaction; the job's own number where absent. */
  size?: number;
}

export interface Raised {
  instructions: number;
  seconds: number;
  rssMb: number;
}

const [url] = process.argv.slice(2) as [string];
const database = openDatabase(url);

process.on('message', async ({ at, size }: Raise) => {
  const begin = performance.now();
  const instructions = await raiseAllDue({
    pool: database.pool,
    now: () => new Date(at),
    stopping: new AbortController().signal,
    ...(size === undefined ? {} : { size }),
  });
  const raised: Raised = {
    instructions,
    seconds: (performance.now() - begin) / 1000,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
  process.send?.(raised);
});
process.once('disconnect', () => process.exit());
process.send?.({});
