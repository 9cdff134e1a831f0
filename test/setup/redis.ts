import { describe, inject } from 'vitest';

/**
 * `describe` for tests that need Redis: not run, and counted so, where there is none; in CI they fail instead. The
 * server is shared, so every test takes a key prefix of its own.
 */
export const describeWithRedis = describe.skipIf(!inject('redisUrl') && process.env.CI !== 'true');

export function redisUrl(): string {
  const url = inject('redisUrl');
  if (!url) throw new Error('This test needs Redis: set REDIS_URL, or install redis-server or valkey-server');
  return url;
}
