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
  /** The oldest first, and each with its end. */
  const open = new Map<Deadline, number>();
  const clock = setInterval(() => {
    const now = performance.now();
    for (const [deadline, end] of open) {
      if (end > now) return;
      deadline.pass();
    }
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
          if (!open.delete(deadline)) return;
          over = true;
          for (const call of calls ?? []) call();
        },
        close: () => void open.delete(deadline),
      };
      open.set(deadline, performance.now() + ms);
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
