/** What every connector hands over: one page of a feed, and where to go on once that page is applied. */
import type { Problem, Submission } from '../../src/intake/submission.ts';

export interface Page<C> {
  rows: (Submission | Problem)[];
  /** Where to go on after this page is applied; to be stored in the same transaction as its rows. */
  cursor: C;
  /** True when this was the last page of the feed's run. */
  done: boolean;
  /** Rows expected in this feed's run, if the source says. */
  total: number | null;
  /**
   * Set on the last page of a file that tells everything anew: the `version` of the problems found in it, which begins
   * with the feed's name. Problems of earlier files that were not found again are answered by it.
   */
  endsFile?: string;
}

/**
 * SOURCE_DOWN: no answer, or one that says the source is broken; worth trying again.
 * SOURCE_BUSY: the source asks us to come back later.
 * SOURCE_ANSWER_INVALID: it answered, but nothing of the answer may be used.
 */
export type SourceFaultCode = 'SOURCE_DOWN' | 'SOURCE_BUSY' | 'SOURCE_ANSWER_INVALID';

/** A page could not be had. The message is safe to log: a status or a class of fault, never a body. */
export class SourceFault extends Error {
  readonly code: SourceFaultCode;
  readonly retryAfterMs: number | null;

  constructor(code: SourceFaultCode, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.name = 'SourceFault';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}
