/** A process of the bench's own that answers each message with one. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Child<Hello> {
  /** What it said when it was ready. */
  hello: Hello;
  ask<Answer>(message: object): Promise<Answer>;
  stop(): Promise<void>;
  /** At once, whatever it is at; a question that is open fails. */
  kill(): Promise<void>;
}

/** Runs `file` by this Node through tsx, or by the Node given as it is. */
export async function startChild<Hello>(
  file: URL,
  args: string[],
  { node }: { node?: string } = {},
): Promise<Child<Hello>> {
  const child = fork(fileURLToPath(file), args, {
    ...(node === undefined ? { execArgv: ['--import', 'tsx'] } : { execPath: node, execArgv: [] }),
    env: { ...process.env, NODE_ENV: 'production', GRAPHILE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return {
    hello: await nextMessage<Hello>(child, file),
    ask: (message) => {
      child.send(message);
      return nextMessage(child, file);
    },
    stop: async () => {
      if (!child.connected) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
    kill: async () => {
      if (child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function nextMessage<T>(child: ChildProcess, file: URL): Promise<T> {
  return new Promise((answered, failed) => {
    const onExit = () => failed(new Error(`${basename(file.pathname)} ended before it answered`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      answered(message as T);
    });
  });
}
