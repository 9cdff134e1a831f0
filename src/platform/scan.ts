/** A virus scanner on the network: clamd, by its INSTREAM command. Whatever is not a clean "OK" is no leave to go on. */
import { createReadStream } from 'node:fs';
import NodeClam from 'clamscan';
import { Fault } from './fault.ts';

/** @throws Fault SCANNER_UNAVAILABLE where it gives no verdict */
export type Scanner = (path: string) => Promise<'CLEAN' | 'INFECTED'>;

/** A file of 20 MB takes clamd a second or two. */
const timeoutMs = 20_000;

const unavailable = (cause: unknown) =>
  new Fault('SCANNER_UNAVAILABLE', 'The virus scanner does not answer, so nothing was kept. Try again.', {
    retryable: true,
    cause,
  });

export function openScanner({ host, port }: { host: string; port: number }): Scanner {
  return async (path) => {
    const file = createReadStream(path);
    let timer: NodeJS.Timeout | undefined;
    // The library waits for ever for a scanner that takes the file and never says anything.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no verdict in time')), timeoutMs);
    });
    try {
      const scanner = await new NodeClam().init({
        clamscan: { active: false },
        clamdscan: { host, port, path: null, timeout: timeoutMs, localFallback: false, bypassTest: true },
      });
      const { isInfected } = await Promise.race([scanner.scanStream(file), late]);
      if (typeof isInfected !== 'boolean') throw new Error('no verdict');
      return isInfected ? 'INFECTED' : 'CLEAN';
    } catch (cause) {
      throw unavailable(cause);
    } finally {
      clearTimeout(timer);
      file.destroy();
    }
  };
}
