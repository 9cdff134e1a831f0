/** The end of a request's time: it has taken too long, or whoever asked has gone. */
import { Fault } from './fault.ts';

export interface Deadline {
  isOver(): boolean;
  /** Calls once when it is over, at once if it is already. Gives the function that takes the call back. */
  whenOver(call: () => void): () => void;
  /** The time is over. */
  pass(): void;
  /** Everything was done in time. */
  close(): void;
}

export const tooLate = () =>
  new Fault(
    'DEADLINE',
    'This took too long and was stopped. Ask for less; send a command again with the same idempotencyKey.',
    { retryable: true },
  );

export function startDeadline(ms: number): Deadline {
  const calls = new Set<() => void>();
  let over = false;
  const timer = setTimeout(pass, ms);

  function pass() {
    if (over) return;
    over = true;
    clearTimeout(timer);
    for (const call of calls) call();
    calls.clear();
  }

  return {
    isOver: () => over,
    whenOver(call) {
      if (over) call();
      else calls.add(call);
      return () => void calls.delete(call);
    },
    pass,
    close() {
      clearTimeout(timer);
      calls.clear();
    },
  };
}

/** What is promised, or DEADLINE as soon as that passes; `then` is done besides. @throws Fault DEADLINE */
export function inTime<T>(promised: Promise<T>, deadline: Deadline, then?: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const takeBack = deadline.whenOver(() => {
      reject(tooLate());
      then?.();
    });
    promised.finally(takeBack).then(resolve, reject);
  });
}
