/**
 * PostGraphile 5 at its best on these tables: prepared statements, answers handed through as text
 * (`outputDataAsString`), every foreign key a field (`PgIndexBehaviorsPlugin` off), no subscriptions, no explorer.
 */
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';

const [connectionString, poolSize] = process.argv.slice(2);

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  disablePlugins: ['PgIndexBehaviorsPlugin'],
  pgServices: [
    makePgService({
      connectionString,
      schemas: ['public'],
      pubsub: false,
      poolConfig: { max: Number(poolSize), options: '-c plan_cache_mode=force_generic_plan -c jit=off' },
    }),
  ],
  grafserv: {
    graphqlPath: '/graphql',
    graphiql: false,
    websockets: false,
    outputDataAsString: true,
    watch: false,
  },
  grafast: { explain: false },
});
const server = createServer();
server.on('error', (error) => {
  throw error;
});
await instance.createServ(grafserv).addTo(server);
server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.once('disconnect', () => process.exit());
