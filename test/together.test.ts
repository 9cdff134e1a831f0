import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlace } from '../src/demo/place.ts';
import { openDeadlines } from '../src/platform/deadline.ts';
import { openPipeline, type Pipeline, type Statement } from '../src/platform/pipeline.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { type Answer, coordinator, provider, socialWorker, startTestHub, type TestHub } from './setup/hub.ts';

let kit: TestHub;
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
});
afterAll(() => kit.close());

describe('requests of the same viewer for the same, at the same time', () => {
  const place = makePlace({ today });
  const record = `query ($nhsNumber: NHSNumber!) { person(nhsNumber: $nhsNumber) {
    id familyName identifiers { value } budgets { kind transfers(first: 3) { nodes { id } pageInfo { hasNextPage } } }
    combined { left { amount } byFunder { source left { amount } } } } }`;
  const numbers = place.people.flatMap(({ nhsNumber }) => nhsNumber ?? []).slice(0, 40);
  const viewers = [coordinator, socialWorker, provider];

  test('are answered by fewer statements, each with what it asked for, and audited each', async () => {
    const asks = numbers.flatMap((nhsNumber) => viewers.map((viewer) => ({ nhsNumber, viewer })));
    const ask = ({ nhsNumber, viewer }: (typeof asks)[number]) => kit.ask(record, { nhsNumber }, viewer);
    const alone: Answer[] = [];
    for (const one of asks) alone.push(await ask(one));
    // They differ by person, and by who asks: else nothing is tested.
    expect(alone.filter(({ data }) => data.person === null).length).toBeGreaterThan(20);
    expect(new Set(alone.map(({ data }) => data.person?.id)).size).toBeGreaterThan(20);

    const sent = kit.database.reader.sent();
    const { rows: before } = await kit.database.pool.query('select count(*)::int as n from audit_event');
    // Nothing is answered before all are there.
    const held = await kit.database.pool.connect();
    await held.query('begin; lock table person_identifier in access exclusive mode');
    const asked = asks.map(ask);
    await sleep(1_500);
    await held.query('rollback');
    held.release();
    const together = await Promise.all(asked);
    expect(together.map(({ data }) => data)).toEqual(alone.map(({ data }) => data));
    expect(kit.database.reader.sent() - sent).toBeLessThan(asks.length / 2);

    const { rows: events } = await kit.database.pool.query(
      `select subject, cardinality(person_ids) as people, person_ids[1]::text as person
         from audit_event order by id offset $1`,
      [before[0].n],
    );
    expect(events).toHaveLength(asks.length);
    const found = alone.filter(({ data }) => data.person !== null).length;
    expect(events.filter(({ people }) => people === 1)).toHaveLength(found);
    expect(events.filter(({ people }) => people > 1)).toEqual([]);
  });

  test('with different arguments on the way down keep them', async () => {
    const page = `query ($nhsNumber: NHSNumber!, $first: Int!) { person(nhsNumber: $nhsNumber) {
      budgets { transfers(first: $first) { nodes { id } pageInfo { hasNextPage } } } } }`;
    const { rows } = await kit.database.pool.query(
      `select i.value, count(*)::int as n from ledger_transfer t join person_identifier i using (person_id)
         join role_on_record r using (person_id) join organisation o on o.id = r.organisation_id and o.ods_code = 'QWN'
        where i.system = 'NHS_NUMBER' and i.status = 'CURRENT' group by i.value having count(*) > 8 limit 1`,
    );
    const nhsNumber = rows[0].value;
    const pages = await Promise.all(
      Array.from({ length: 8 }, (_, n) => kit.ask(page, { nhsNumber, first: n + 1 }, coordinator)),
    );
    for (const [n, { data }] of pages.entries()) {
      const { transfers } = data.person.budgets.find(
        (budget: { transfers: { nodes: unknown[] } }) => budget.transfers.nodes.length > 0,
      );
      expect(transfers.nodes).toHaveLength(n + 1);
    }
  });
});

describe('runs of one statement', () => {
  const twice = {
    name: 'twice',
    text: `select 60 / (e.p1 - 1), $1::text from unnest($2::int[]) with ordinality e(p1, n) order by e.n`,
    each: [1],
  };
  const slow = {
    name: 'slow',
    text: `select e.p1 from unnest($1::float[]) with ordinality e(p1, n), lateral (select pg_sleep(e.p1)) s order by e.n`,
    each: [0],
  };
  /** How long a run takes is known by then; the first ones are planned. */
  async function warm(pipeline: Pipeline, statement: Statement, values: unknown[]) {
    for (let n = 0; n < 20; n++) await pipeline.run(statement, values);
  }
  const onPipeline = (name: string, lanes: number, check: (pipeline: Pipeline) => Promise<void>) =>
    test(name, async () => {
      const pipeline = openPipeline({ connectionString: kit.database.url }, { lanes, readOnly: true });
      try {
        await check(pipeline);
      } finally {
        await pipeline.close();
      }
    });

  onPipeline(
    'go as one where all other values are the same, and each gets its own row',
    1,
    async (pipeline) => {
      await warm(pipeline, twice, ['a', 2]);
      const sent = pipeline.sent();
      const runs = Array.from({ length: 10 }, (_, n) => pipeline.run(twice, [n % 2 ? 'a' : 'b', n + 2]));
      expect(await Promise.all(runs)).toEqual(
        runs.map((_, n) => [[Math.floor(60 / (n + 1)), n % 2 ? 'a' : 'b']]),
      );
      expect(pipeline.sent() - sent).toBe(2);
    },
  );

  onPipeline('fail alone', 2, async (pipeline) => {
    await warm(pipeline, twice, ['a', 2]);
    const runs = [2, 1, 3, 4].map((n) => pipeline.run(twice, ['a', n]).catch(({ code }) => code));
    expect(await Promise.all(runs)).toEqual([[[60, 'a']], '22012', [[30, 'a']], [[20, 'a']]]);
  });

  onPipeline('are not answered by another number of rows', 1, async (pipeline) => {
    const none = { ...twice, name: 'none', text: twice.text.replace('order by', 'where e.p1 > 1 order by') };
    await warm(pipeline, none, ['a', 2]);
    const runs = [2, 0, 3].map((n) => pipeline.run(none, ['a', n]).catch(String));
    expect(await Promise.all(runs)).toEqual([
      [[60, 'a']],
      'Error: 1 runs were answered by 0 rows',
      [[30, 'a']],
    ]);
  });

  onPipeline('of one who asks for much do not keep others waiting', 1, async (pipeline) => {
    await warm(pipeline, twice, ['much', 2]);
    const order: string[] = [];
    const ask = (who: string) => pipeline.run(twice, [who, 2]).then(() => order.push(who));
    await Promise.all([...Array.from({ length: 60 }, () => ask('much')), ask('little')]);
    // Between the first that go as one and the next.
    expect(order.indexOf('little')).toBeLessThanOrEqual(16);
  });

  onPipeline('are not waited for when they are slow', 2, async (pipeline) => {
    await pipeline.run(slow, [0.1]);
    const done: string[] = [];
    const long = pipeline.run(slow, [2]).then(() => done.push('long'));
    await sleep(50);
    await pipeline.run(slow, [0]).then(() => done.push('short'));
    expect(done).toEqual(['short']);
    await long;
  });

  onPipeline('wait for what is under way, and go together then', 2, async (pipeline) => {
    await warm(pipeline, slow, [0]);
    const sent = pipeline.sent();
    const first = pipeline.run(slow, [0.012]);
    const others = [];
    for (let n = 0; n < 4; n++) {
      others.push(pipeline.run(slow, [0]));
      await new Promise(setImmediate);
    }
    await Promise.all([first, ...others]);
    expect(pipeline.sent() - sent).toBe(2);
  });

  onPipeline('end together only when nobody waits any more', 1, async (pipeline) => {
    const deadlines = openDeadlines(60_000);
    const sleeping = async () => {
      const { rows } = await asOwner(
        kit.database.url,
        `select count(*)::int as n from pg_stat_activity
          where datname = current_database() and state = 'active' and query like '%unnest($1::float[])%pg_sleep(e.p1)%'
            and pid <> pg_backend_pid()`,
      );
      return rows[0].n;
    };
    try {
      await warm(pipeline, slow, [0]);
      const [hasty, patient] = [deadlines.start(), deadlines.start()];
      const one = pipeline.run(slow, [0.3], hasty).catch(({ code }) => code);
      const other = pipeline.run(slow, [0.3], patient);
      setTimeout(hasty.pass, 30);
      expect(await one).toBe('DEADLINE');
      expect(await other).toEqual([[0.3]]);

      const both = [deadlines.start(), deadlines.start()];
      await warm(pipeline, slow, [0]);
      const runs = both.map((deadline) => pipeline.run(slow, [20], deadline).catch(({ code }) => code));
      await expect.poll(sleeping).toBe(1);
      for (const deadline of both) deadline.pass();
      expect(await Promise.all(runs)).toEqual(['DEADLINE', 'DEADLINE']);
      await expect.poll(sleeping).toBe(0);
      expect(await pipeline.run(slow, [0])).toEqual([[0]]);
    } finally {
      deadlines.close();
    }
  });
});
