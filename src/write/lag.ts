/** How long what commands announced has been waiting for a worker: the figure to be woken by. */
import type pg from 'pg';
import { Gauge, type Registry } from 'prom-client';

const oldest = `select extract(epoch from clock_timestamp() - recorded_at)::float8 as seconds
                  from outbox where relayed_at is null order by id limit 1`;

/** Shows the age of the oldest row of the outbox that is not relayed; 0 when all are, NaN when PostgreSQL does not say. */
export function showRelayLag(registry: Registry, pool: pg.Pool): void {
  new Gauge({
    name: 'tandem_outbox_lag_seconds',
    help: 'Age of the oldest announcement that no worker has relayed',
    registers: [registry],
    async collect() {
      const seconds = await pool.query<{ seconds: number }>(oldest).then(
        ({ rows }) => rows[0]?.seconds ?? 0,
        () => Number.NaN,
      );
      this.set(Math.max(0, seconds));
    },
  });
}
