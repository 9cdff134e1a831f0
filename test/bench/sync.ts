/** The intake beside COPY and merge, on a database of its own in the same cluster. */
import { startChild } from './child.ts';
import { withOwnDatabase } from './database.ts';
import { median, rounded } from './figure.ts';
import type { IntakeFigures } from './intake.ts';

export interface SyncFigures {
  rowsPerS: number;
  unchangedRowsPerS: number;
  vsCopyMerge: number;
  /** The most that the syncing process took, and what it took in its first round. */
  rssMb: number;
  rssMbAtFirst: number;
}

interface Options {
  url: string;
  rounds: number;
  people: number;
  tell: (line: string) => void;
}

export const measureSync = ({ url, rounds, people, tell }: Options): Promise<SyncFigures> =>
  withOwnDatabase(url, 'tandem_intake', async (own) => {
    const child = await startChild<IntakeFigures>(new URL('./intake.ts', import.meta.url), [
      own,
      String(rounds),
      String(people),
    ]);
    await child.stop();
    const { fresh, unchanged, copyMerge, rssMb } = child.hello;
    for (const [round, rate] of fresh.entries()) {
      tell(
        `  intake ${rate.toFixed(0).padStart(6)} rows/s  unchanged ${unchanged[round]!.toFixed(0)}  ` +
          `COPY and merge ${copyMerge[round]!.toFixed(0)}  ${rssMb[round]!.toFixed(0)} MB`,
      );
    }
    return {
      rowsPerS: rounded(median(fresh)),
      unchangedRowsPerS: rounded(median(unchanged)),
      vsCopyMerge: rounded(median(fresh) / median(copyMerge), 3),
      rssMb: rounded(Math.max(...rssMb)),
      rssMbAtFirst: rounded(rssMb[0]!),
    };
  });
