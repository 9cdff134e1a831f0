/** The hub as a process of its own, as it runs in production: sign-in, scope and audit on. Told by `fork`'s messages. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSignIn, soleIssuer } from '../../src/access/sign-in.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { openFiles } from '../../src/platform/file.ts';
import { openLog } from '../../src/platform/log.ts';
import { openMetrics } from '../../src/platform/metric.ts';
import { startHub } from '../../src/server.ts';
import { cursorSecret } from './issuer.ts';

const [url, issuer, audience] = process.argv.slice(2) as [string, string, string];
const now = () => new Date();
const database = openDatabase(url);

const hub = await startHub(
  {
    database,
    signIn: openSignIn({ issuers: [soleIssuer(issuer, audience)], now }),
    log: openLog('error', process.stderr),
    metrics: openMetrics({ statementsSent: database.reader.sent }),
    now,
    cursorSecret,
    tools: {
      prisma: database.prisma,
      pool: database.pool,
      files: openFiles({ folder: join(tmpdir(), 'tandem-bench-files') }),
    },
    // One caller asks as fast as it can: it is counted, and not held up.
    limit: { limits: { pointsPerMinute: 1e9, lookupsPerMinute: 1e8 } },
  },
  { host: '127.0.0.1', port: 0 },
);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({
    cpuMs: (user + system) / 1000,
    statements: database.reader.sent() + database.recorder.sent(),
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  });
});
process.once('disconnect', () => process.exit());
process.send?.({ port: hub.port });
