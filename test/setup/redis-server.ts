import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { freePort } from '../../src/platform/embedded.ts';
import { keepRedis } from './byproduct.ts';

/** The first of these programs on the path. */
function findProgram(...names: string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

export interface RedisServer {
  url: string;
  port: number;
  /** It keeps nothing: what it held is lost. */
  stop: () => Promise<void>;
}

/** A Redis of one's own that keeps nothing on disk, on a free port or a given one; undefined where none is installed. */
export async function startRedis(givenPort?: number): Promise<RedisServer | undefined> {
  const program = findProgram('redis-server', 'valkey-server');
  if (!program) return undefined;
  const port = givenPort ?? (await freePort());
  const settings = {
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    bind: '127.0.0.1',
    dir: '/tmp',
  };
  const flags = Object.entries({ ...settings, port }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const server = spawn(program, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((ready, failed) => {
    server.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes('Ready to accept connections')) ready();
    });
    server.once('exit', (code) =>
      failed(new Error(`${program} ended with code ${code} before it was ready`)),
    );
  });
  const url = `redis://127.0.0.1:${port}`;
  return {
    url,
    port,
    stop: async () => {
      await keepRedis(url);
      const gone = once(server, 'exit');
      server.kill();
      await gone;
    },
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
