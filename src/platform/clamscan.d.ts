/** What the hub uses of `clamscan`, which brings no types. */
declare module 'clamscan' {
  interface Settings {
    clamscan: { active: boolean };
    clamdscan: {
      host: string;
      port: number;
      path: null;
      timeout: number;
      localFallback: boolean;
      bypassTest: boolean;
    };
  }
  export default class NodeClam {
    init(settings: Settings): Promise<this>;
    /** `isInfected` is null where the scanner gave no verdict. */
    scanStream(stream: import('node:stream').Readable): Promise<{ isInfected: boolean | null }>;
  }
}
