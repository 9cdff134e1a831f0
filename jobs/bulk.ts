/** Reads a bulk file that an organisation sent, and records what is in it. */
import { z } from 'zod';
import { type Worked, type Working, workOff } from '../src/bulk/run.ts';
import { Fault } from '../src/platform/fault.ts';
import type { Log } from '../src/platform/log.ts';
import { defineJob, JobFault } from './queue.ts';

export const bulk = defineJob({
  name: 'bulk',
  input: z.object({ fileId: z.uuid() }),
  /** LEFT: somebody else is at it, or nothing is left to do. STOPPED: this process ends; the file goes on in another. */
  output: z.object({ outcome: z.enum(['DONE', 'LEFT', 'STOPPED']) }),
});

export const bulkHandler =
  ({ log, ...working }: Working & { log: Log }) =>
  async ({ fileId }: { fileId: string }): Promise<{ outcome: Worked }> => {
    const startedAt = performance.now();
    try {
      const outcome = await workOff(working, fileId);
      const durationMs = Math.round(performance.now() - startedAt);
      log.info({ file: fileId, outcome, durationMs }, 'bulk file');
      return { outcome };
    } catch (error) {
      if (error instanceof Fault) throw new JobFault(error.code);
      throw error;
    }
  };
