import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** As many as there are to make, and not to measure: what the figures are says nothing here, that they come does. */
test('the benchmark runs, compares the hub with its peers and counts its statements', async () => {
  const bench = fileURLToPath(new URL('bench/bench.ts', import.meta.url));
  const few = [
    '--people',
    '150',
    '--schedules',
    '120',
    '--streams',
    '20',
    '--seconds',
    '0.2',
    '--rounds',
    '1',
    '--no-peer',
    '--json',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', bench, ...few]);
  const figure = expect.any(Number);
  const read = {
    hubRps: figure,
    floorRps: figure,
    postgraphileRps: null,
    vsFloor: figure,
    vsPostgraphile: null,
    p50Ms: figure,
    p99Ms: figure,
    sqlPerRequest: figure,
    rssMb: figure,
  };
  const results = JSON.parse(stdout);
  expect(results).toEqual({
    record: read,
    viewers: read,
    slim: read,
    caseload: read,
    sync: {
      rowsPerS: figure,
      unchangedRowsPerS: figure,
      vsCopyMerge: figure,
      rssMb: figure,
      rssMbAtFirst: figure,
    },
    ledger: {
      hubPerS: figure,
      sqlPerS: figure,
      batchPerS: figure,
      vsSql: figure,
      vsBatch: figure,
      p50Ms: figure,
      p99Ms: figure,
      cpuMs: figure,
    },
    statement: {
      csvRowsPerS: figure,
      pagedRowsPerS: figure,
      sqlRowsPerS: figure,
      vsSql: figure,
      rssMbBefore: figure,
      rssMbMost: figure,
      rssMbAfter: figure,
    },
    balance: {
      fewP50Ms: figure,
      manyP50Ms: figure,
      manyVsFew: figure,
      sumFewP50Ms: figure,
      sumManyP50Ms: figure,
    },
    payrun: {
      schedules: 120,
      instructions: figure,
      raiseS: figure,
      sqlS: figure,
      vsSql: figure,
      rssMb: figure,
      killedAt: figure,
      resumedS: figure,
      payments: 120,
      sendS: figure,
      confirmS: figure,
      wholeS: figure,
    },
    work: {
      packages: 150,
      items: figure,
      recordP50Ms: figure,
      workListP50Ms: figure,
      packagesP50Ms: figure,
      workListVsRecord: figure,
      packagesVsRecord: figure,
    },
    live: {
      streams: 20,
      openS: figure,
      toldS: figure,
      toldWithPersonS: figure,
      rssMbBefore: figure,
      rssMb: figure,
    },
    bulk: {
      rows: 1_500,
      families: 150,
      rowsPerS: figure,
      lookedPerS: figure,
      vsMerge: figure,
      rssMb: figure,
    },
  });
  // One statement reads, or less where one viewer asks, and the audit of several requests is written together.
  for (const { sqlPerRequest } of [results.record, results.viewers, results.slim, results.caseload])
    expect(sqlPerRequest).toBeLessThanOrEqual(2);
  expect(results.record.sqlPerRequest).toBeLessThan(1);
  expect(results.viewers.sqlPerRequest).toBeGreaterThan(1);
}, 180_000);
