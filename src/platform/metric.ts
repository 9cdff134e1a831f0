import { Counter, collectDefaultMetrics, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof openMetrics>;

/** The hub's own figures and those of its process. Labels come from short fixed lists, never from a request's text. */
export function openMetrics({ statementsSent }: { statementsSent: () => number }) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Counter({
    name: 'tandem_sql_statements_total',
    help: 'Statements sent to PostgreSQL by reads',
    registers,
    collect() {
      this.reset();
      this.inc(statementsSent());
    },
  });
  return {
    registry,
    refused: new Counter({
      name: 'tandem_requests_refused_total',
      help: 'Requests refused before they reached PostgreSQL, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
  };
}
