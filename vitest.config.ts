import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As in Node: one copy of graphql, whoever imports it.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/setup/server.ts',
    setupFiles: 'test/setup/byproduct-watch.ts',
    reporters: ['default', './test/setup/tally.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Where nobody can look: a test of one race that met another is tried once more, and told as such.
    retry: process.env.CI === 'true' ? 1 : 0,
    // A developer's own servers are never touched: tests are given theirs by the set-up.
    env: { DATABASE_URL: '', REDIS_URL: '' },
  },
});
