import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof openMetrics>;

/** The hub's own figures and those of its process. Labels come from short fixed lists, never from a request's text. */
export function openMetrics({ statementsSent }: { statementsSent: () => number }) {
  const registry = new Registry();
  const registers = [registry];
  // From an answer out of memory to a statement that runs into its time limit.
  const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
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
    httpRequest: new Histogram({
      name: 'tandem_http_request_seconds',
      help: 'Time from a request to the end of its answer',
      labelNames: ['method', 'route', 'status'] as const,
      buckets,
      registers,
    }),
    graphqlOperation: new Histogram({
      name: 'tandem_graphql_operation_seconds',
      help: 'Time to execute a GraphQL operation, by its type and the code of its first error',
      labelNames: ['type', 'outcome'] as const,
      buckets,
      registers,
    }),
    refused: new Counter({
      name: 'tandem_requests_refused_total',
      help: 'Requests refused before they reached PostgreSQL, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
  };
}
