/** The end of a request's time: it has taken too long, or whoever asked has gone. */
import { Fault } from './fault.ts';

export interface Deadline {
  isOver(): boolean;
  /** Calls once when it is over, at once if it is already. */
  whenOver(call: () => void): void;
  /** The time is over. */
  pass(): void;
  /** Everything was done in time. */
  close(): void;
}

export interface Deadlines {
  start(): Deadline;
  close(): void;
}

export const tooLate = () =>
  new Fault(
    'DEADLINE',
    'This took too long and was stopped. Ask for less; send a command again with the same idempotencyKey.',
    { retryable: true },
  );

/** How often is looked for what is over: one clock for all costs less than one for each. */
const lookMs = 50;

export function openDeadlines(ms: number): Deadlines {
  /**
   * The oldest first. One that is closed is let go of at once, and its place when it is looked at next: a Map that much
   * goes in and out of keeps what was in it, for V8 has each of its tables hold the one that took its place.
   */
  let open: { end: number; deadline: Deadline | undefined }[] = [];
  const clock = setInterval(() => {
    const now = performance.now();
    for (const { end, deadline } of open) {
      if (end > now) break;
      deadline?.pass();
    }
    open = open.filter(({ deadline }) => deadline !== undefined);
  }, lookMs).unref();

  return {
    start() {
      let over = false;
      let calls: (() => void)[] | undefined;
      const deadline: Deadline = {
        isOver: () => over,
        whenOver(call) {
          if (over) call();
          else if (calls === undefined) calls = [call];
          else calls.push(call);
        },
        pass() {
          if (place.deadline === undefined) return;
          place.deadline = undefined;
          over = true;
          for (const call of calls ?? []) call();
        },
        close: () => {
          place.deadline = undefined;
        },
      };
      const place: (typeof open)[number] = { end: performance.now() + ms, deadline };
      open.push(place);
      return deadline;
    },
    close: () => clearInterval(clock),
  };
}

/** What is promised, or DEADLINE as soon as that passes; `then` is done besides. @throws Fault DEADLINE */
export function inTime<T>(promised: Promise<T>, deadline: Deadline, then?: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    promised.then(resolve, reject);
    deadline.whenOver(() => {
      reject(tooLate());
      then?.();
    });
  });
}
