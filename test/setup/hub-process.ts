import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import type { JWTPayload } from 'jose';
import { afterAll } from 'vitest';
import type { HubProcessSettings } from '../fixture/hub.ts';
import { keep, keepFaults } from './byproduct.ts';
import { noon } from './demo.ts';
import { type Answer, coordinator, generous, type TestHub } from './hub.ts';
import { audience } from './issuer.ts';

export interface HubProcess {
  port: number;
  /** As whoever the claims describe, who signed in just now. Rejects when the connection breaks before the answer. */
  ask(operation: string, variables?: Record<string, unknown>, claims?: JWTPayload): Promise<Answer>;
  metrics(): Promise<string>;
  /** SIGKILL: it gets to say and do nothing more. */
  kill(): Promise<void>;
  /** SIGTERM, at once; gives its exit code. */
  end(): Promise<number | null>;
  /** The same when it has said its metrics. */
  stop(): Promise<number | null>;
}

const running = new Set<ChildProcess>();

/** For a file whose tests start hubs: none of them outlives it. */
export function leaveNoHub() {
  afterAll(() => {
    for (const child of running) child.kill('SIGKILL');
  });
}

/** A hub of its own process, on the database and with the issuer of `kit`; its files are in `folder`. */
export async function startHubProcess(
  kit: Pick<TestHub, 'database' | 'issuer'> & { folder?: string },
  worker: HubProcessSettings['worker'] = null,
  now = noon().toISOString(),
): Promise<HubProcess> {
  const settings: HubProcessSettings = {
    databaseUrl: kit.database.url,
    issuer: kit.issuer.url,
    audience,
    now,
    filesFolder: kit.folder ?? tmpdir(),
    limits: generous,
    worker,
  };
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/fixture/hub.ts'], {
    env: { ...process.env, HUB_SETTINGS: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Its log is kept by itself; what else it says last, as it breaks down, comes by here.
  child.stderr.on('data', (chunk: Buffer) => {
    keep('log', String(chunk));
    process.stderr.write(chunk);
  });
  running.add(child);
  const gone = once(child, 'exit').then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const port = await Promise.race([
    once(child.stdout, 'data').then(([chunk]) => Number(chunk)),
    gone.then((code) => Promise.reject(new Error(`the hub ended with code ${code} before it was up`))),
  ]);
  const end = () => {
    child.kill('SIGTERM');
    return gone;
  };
  const url = `http://127.0.0.1:${port}`;
  return {
    port,
    async ask(query, variables = {}, claims = coordinator) {
      const auth_time = Math.floor(Date.parse(now) / 1000);
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${await kit.issuer.token({ auth_time, ...claims })}`,
        },
        body: JSON.stringify({ query, variables }),
      });
      const answer = (await response.json()) as Answer;
      keepFaults(answer);
      return answer;
    },
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    end,
    async stop() {
      keep('metrics', await (await fetch(`${url}/metrics`)).text());
      return end();
    },
  };
}
