/** A process of the bench's own that answers each message with one. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Child<Hello> {
  /** What it said when it was ready. */
  hello: Hello;
  ask<Answer>(message: object): Promise<Answer>;
  stop(): Promise<void>;
}

/** `file` is relative to this folder. It runs by this Node through tsx, or by the Node given as it is. */
export async function startChild<Hello>(
  file: string,
  args: string[],
  { node, silent = false }: { node?: string; silent?: boolean } = {},
): Promise<Child<Hello>> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    ...(node === undefined ? { execArgv: ['--import', 'tsx'] } : { execPath: node, execArgv: [] }),
    env: { ...process.env, NODE_ENV: 'production', GRAPHILE_ENV: 'production' },
    stdio: ['ignore', silent ? 'ignore' : 'inherit', 'inherit', 'ipc'],
  });
  return {
    hello: await nextMessage<Hello>(child, file),
    ask: (message) => {
      child.send(message);
      return nextMessage(child, file);
    },
    stop: async () => {
      if (child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

function nextMessage<T>(child: ChildProcess, file: string): Promise<T> {
  return new Promise((answered, failed) => {
    const onExit = () => failed(new Error(`${file} ended before it answered`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      answered(message as T);
    });
  });
}
