/**
 * A failure the hub expects. Its code and message may be shown to whoever caused it, so neither ever holds a person's
 * data; whatever is not a Fault is a bug, logged under the request's id and masked.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: string;
  /** The same request may succeed if it is simply sent again. */
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    { retryable = false, cause }: { retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.retryable = retryable;
  }
}
