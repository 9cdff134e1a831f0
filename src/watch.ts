/** Shows in a terminal how sync runs go on, until they are over. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Progress, readProgress } from './intake/progress.ts';

const width = 24;

/** A bar where the screen can be written over, and one line at the end in any case. */
export async function watchSync(
  pool: pg.Pool,
  {
    sources,
    since,
    say,
    timeoutMs,
  }: { sources: string[]; since: Date; say: (line: string) => void; timeoutMs: number },
): Promise<Progress[]> {
  const until = Date.now() + timeoutMs;
  const screen = process.stdout.isTTY ? process.stdout : null;
  for (;;) {
    const runs = (await readProgress(pool, since)).filter(({ source }) => sources.includes(source));
    const over = runs.length === sources.length && runs.every(({ status }) => status !== 'RUNNING');
    if (over || Date.now() > until) {
      screen?.write('\r\x1b[K');
      for (const run of runs) say(summary(run));
      return runs;
    }
    screen?.write(`\r\x1b[K${runs.map(bar).join('   ')}`);
    await sleep(200);
  }
}

function bar({ source, received, expected }: Progress): string {
  const share = expected === 0 ? 0 : Math.min(1, received / expected);
  const done = Math.round(share * width);
  return `${source} [${'#'.repeat(done)}${'.'.repeat(width - done)}] ${Math.round(share * 100)} %`;
}

function summary({
  source,
  status,
  received,
  created,
  changed,
  unchanged,
  waiting,
  error,
}: Progress): string {
  const count = (n: number) => n.toLocaleString('en-GB');
  const news =
    created + changed === 0
      ? `nothing new in ${count(received)} rows`
      : `${count(received)} rows: ${count(created)} new, ${count(changed)} changed, ${count(unchanged)} unchanged`;
  const waits = waiting === 0 ? '' : `; ${count(waiting)} wait to be mended (ask for waitingRows)`;
  if (status === 'FAILED')
    return `  ${source} failed: ${error ?? 'no reason given'}. What was read stays; the next run goes on.`;
  return `  ${source} ${status === 'RUNNING' ? 'still going on: ' : ''}${news}${waits}`;
}
