/** A process of the bench's own that answers each message with one. */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Child<Hello> {
  /** What it said when it was ready. */
  hello: Hello;
  ask<Answer>(message: object): Promise<Answer>;
  stop(): Promise<void>;
  /** At once, whatever it is at; a question that is open fails. */
  kill(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles what is measured: production runs what was built, and not TypeScript through tsx. */
export const build = () =>
  promisify(execFile)('npm', ['run', 'build'], { cwd: root, shell: process.platform === 'win32' });

/** Runs what `file` of this folder was built into by this Node, or the file as it is by the Node given. */
export async function startChild<Hello>(
  file: URL,
  args: string[],
  { node }: { node?: string } = {},
): Promise<Child<Hello>> {
  const built = new URL(`../../dist/test/bench/${basename(file.pathname, '.ts')}.js`, import.meta.url);
  const child = fork(fileURLToPath(node === undefined ? built : file), args, {
    ...(node === undefined ? {} : { execPath: node }),
    execArgv: [],
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
