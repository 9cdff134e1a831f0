/**
 * The second lock: what PostgreSQL itself shows to a connection of the reader, whatever the statement asks. Nothing
 * here filters by viewer but row security.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../prisma/migrate.ts';
import { holdersOf, readAs, viewerSql } from '../src/access/holder.ts';
import { visiblePeople } from '../src/access/scope.ts';
import { type Viewer, viewerOf } from '../src/access/viewer.ts';
import { views } from '../src/catalogue.ts';
import type { Persona } from '../src/demo/issuer.ts';
import { personas } from '../src/demo/persona.ts';
import { makePlace } from '../src/demo/place.ts';
import { mergePeople, unmergePeople } from '../src/person/merge.ts';
import { asRole, openDatabase, transaction } from '../src/platform/database.ts';
import { openPipeline } from '../src/platform/pipeline.ts';
import type { PageAt } from '../src/read/view.ts';
import { asOwner, makeDemoDatabase } from './setup/database.ts';
import { noon, today } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

// A view whose author forgot who asks.
const { caseload } = views.Query!.fields;
if (caseload?.is !== 'connection') throw new Error('the caseload is a list');
views.Query!.fields.caseload = {
  ...caseload,
  rows: ({ after, limit }: PageAt) => `
    select p.*, p.sort_name as k1, p.id as k2 from person p
     where (p.sort_name, p.id) > (${after[0]}, ${after[1]}) order by k1, k2 limit ${limit}`,
};

let kit: TestHub;
let everybody: string[];
beforeAll(async () => {
  kit = await startTestHub({ database: await makeDemoDatabase(), now: noon });
  everybody = (await kit.database.pool.query('select id from person order by id')).rows.map(({ id }) => id);
});
afterAll(() => kit.close());

const viewers: Viewer[] = [
  ...Object.values(personas(makePlace({ today }))),
  { ...coordinator, organisation: 'QWE' },
].map(
  ({ sub, tandem_role: role, nhs_number: nhsNumber, ...facts }: Persona) =>
    viewerOf({ subject: `test#${sub}`, role, nhsNumber, ...facts })!,
);

/** Whom the first lock lets a viewer see. */
async function allowed(viewer: Viewer, day: string): Promise<string[]> {
  const { text, values } = visiblePeople(viewer, day, everybody);
  return (await kit.database.pool.query(text, values)).rows.map(({ id }) => id).sort();
}

/** The answer's one column, as the reader of the viewer gets it. */
const asReader = (viewer: Viewer | null, text: string, day = today): Promise<unknown[]> =>
  transaction(kit.database.pool, async (sql) => {
    if (viewer === null) await sql.query('set local role tandem_reader');
    else await readAs(sql, viewer, day);
    return (await sql.query({ text, rowMode: 'array' })).rows.map(([value]: unknown[]) => value);
  });

const ofPeople = `
  select c.relname as name, a.attname as person
    from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
   where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
     and (a.attname = 'person_id' or c.relname = 'person' and a.attname = 'id')`;

describe('the catalogue', () => {
  test('every table of people is under row security, for its owner too', async () => {
    const { rows } = await asOwner(
      kit.database.url,
      `select t.name, c.relrowsecurity and c.relforcerowsecurity as secured,
              array(select p.polname::text from pg_policy p where p.polrelid = c.oid order by 1) as policies
         from (${ofPeople}) t join pg_class c on c.oid = t.name::regclass`,
    );
    expect(rows.length).toBeGreaterThan(40);
    const wrong = rows.filter(
      ({ secured, policies }) => !secured || policies.join() !== 'owner,reader,worker',
    );
    expect(wrong).toEqual([]);
  });

  test('of tables without a person the reader has only these', async () => {
    const { rows } = await asOwner(
      kit.database.url,
      `select c.relname as name from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and c.relname !~ '^pg_stat'
          and has_table_privilege('tandem_reader', c.oid, 'select')
          and c.relname not in (select name from (${ofPeople}) t) order by 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual([
      // Under a policy of its own.
      'audit_event',
      'audit_seal',
      // And so are these.
      'bulk_file',
      'bulk_row',
      'commissioner_policy',
      'employment_end',
      'exclusion',
      'organisation',
      'organisation_authorisation',
      'organisation_succession',
      'payment_run',
      'source_system',
      'sync_run',
    ]);
  });

  test('the roles own nothing, bypass nothing and never sign in; a view asks with the rights of who asks', async () => {
    const { rows } = await asOwner(
      kit.database.url,
      `select rolname, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin or rolreplication as mighty,
              (select count(*)::int from pg_shdepend d where d.refobjid = r.oid and d.refclassid = 'pg_authid'::regclass
                  and d.deptype = 'o') as owned
         from pg_roles r where rolname ~ '^tandem_(worker|reader)$' order by 1`,
    );
    expect(rows).toEqual([
      { rolname: 'tandem_reader', mighty: false, owned: 0 },
      { rolname: 'tandem_worker', mighty: false, owned: 0 },
    ]);
    const { rows: open } = await asOwner(
      kit.database.url,
      `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
          and relname !~ '^pg_stat' and not coalesce(reloptions @> '{security_invoker=true}', false)`,
    );
    expect(open).toEqual([]);
  });

  test('whoever signs in needs them and no more: without them the start says what to do', async () => {
    const owner = kit.database.url;
    const url = new URL(owner);
    url.username = `hub_${randomBytes(4).toString('hex')}`;
    await asOwner(owner, `create role ${url.username} login password '${url.password}'`);
    try {
      await expect(migrate(url.href)).rejects.toMatchObject({
        code: 'ROLES_MISSING',
        message: expect.stringContaining(`grant tandem_worker, tandem_reader to "${url.username}"`),
      });
      await asOwner(owner, `grant tandem_worker, tandem_reader to ${url.username}`);
      const database = openDatabase(url.href);
      const { rows } = await database.pool.query('select count(*)::int as n from person');
      await database.close();
      expect(rows).toEqual([{ n: everybody.length }]);
    } finally {
      await asOwner(owner, `drop role ${url.username}`);
    }
  });

  test('each connection of the hub has taken its role', async () => {
    const { pool, prisma, reader, watcher, recorder } = kit.database;
    const text = 'select current_user::text as role';
    expect((await pool.query(text)).rows).toEqual([{ role: 'tandem_worker' }]);
    expect(await prisma.$queryRawUnsafe(text)).toEqual([{ role: 'tandem_worker' }]);
    for (const pipeline of [watcher, recorder])
      expect(await pipeline.run({ name: 'role', text }, [])).toEqual([['tandem_worker']]);
    expect(await reader.run({ name: 'role', text }, [])).toEqual([['tandem_reader']]);
  });
});

describe('what the reader may see', () => {
  test('is the same as the policy says, of each viewer on each day', async () => {
    let seen = 0;
    for (const viewer of viewers) {
      for (const day of ['2020-01-01', today, '2040-01-01']) {
        const people = await allowed(viewer, day);
        seen += people.length;
        expect(await asReader(viewer, 'select id from person order by id', day)).toEqual(people);
        // Nobody sees by what right somebody else sees.
        const holders = await asReader(viewer, 'select distinct holder from person_scope', day);
        expect(holders.length > 0).toBe(people.length > 0);
        expect(holdersOf(viewer)).toEqual(expect.arrayContaining(holders));
      }
    }
    expect(seen).toBeGreaterThan(everybody.length);
  });

  test('of every table, is rows of those people; without a viewer nothing', async () => {
    const { rows: tables } = await asOwner(kit.database.url, `${ofPeople} and c.relname <> 'person_scope'`);
    let hidden = 0;
    for (const viewer of viewers) {
      const people = await allowed(viewer, today);
      for (const { name, person } of tables) {
        const { rows } = await kit.database.pool.query(
          `select count(*)::int as held, (count(*) filter (where ${person} = any($1)))::int as theirs from ${name}`,
          [people],
        );
        hidden += rows[0].held - rows[0].theirs;
        expect([name, ...(await asReader(viewer, `select count(*)::int from ${name}`))]).toEqual([
          name,
          rows[0].theirs,
        ]);
      }
    }
    expect(hidden).toBeGreaterThan(0);
    for (const { name } of tables) expect(await asReader(null, `select 1 from ${name}`)).toEqual([]);
  });

  test('is all that a view without a filter shows at the door', async () => {
    const names = '{ caseload(first: 100) { nodes { id budgets { id } } } }';
    const stranger = await kit.ask(names, {}, { ...coordinator, organisation: 'QWE' });
    expect(stranger.data).toEqual({ caseload: { nodes: [] } });
    const [nadia] = viewers;
    const { data } = await kit.ask(names, {}, coordinator);
    const shown: string[] = data.caseload.nodes.map(({ id }: { id: string }) => id.slice(4));
    const hers = (await allowed(nadia!, today)).map((id) => id.replaceAll('-', ''));
    expect(new Set(shown).size).toBe(Math.min(100, hers.length));
    expect(shown.filter((id) => !hers.includes(id))).toEqual([]);
    expect(hers.length).toBeLessThan(everybody.length);
  });

  test('ends with what it follows from, and goes with a merge and back', async () => {
    const { pool, prisma } = kit.database;
    const agrees = async () => {
      const { rows } = await asOwner(
        kit.database.url,
        `select count(*)::int as n from (
           (table person_scope except select person_id, holder, id, valid_from, valid_to from person_scope_source)
           union all
           (select person_id, holder, id, valid_from, valid_to from person_scope_source except table person_scope)) d`,
      );
      expect(rows).toEqual([{ n: 0 }]);
    };
    const [nadia] = viewers;
    const [id] = await allowed(nadia!, today);
    const sees = async () => (await asReader(nadia!, `select 1 from person where id = '${id}'`)).length;
    const { rows: ended } = await pool.query(
      'update role_on_record set valid_to = $2 where person_id = $1 and organisation_id is not null returning id',
      [id, today],
    );
    expect(await sees()).toBe(0);
    await agrees();
    await pool.query('update role_on_record set valid_to = null where id = any($1)', [
      ended.map(({ id }) => id),
    ]);
    expect(await sees()).toBe(1);
    await agrees();

    const { rows: two } = await pool.query(
      `select array_agg(distinct person_id) as ids from (
         select person_id from person_link l where not exists (
           select from person_link o where o.person_id = l.person_id and o.id <> l.id) order by person_id limit 2) one`,
    );
    const [fromPersonId, intoPersonId] = two[0].ids;
    const merged = await prisma.$transaction((tx) => mergePeople(tx, { fromPersonId, intoPersonId }));
    if (!merged.done) throw new Error(merged.code);
    await agrees();
    await prisma.$transaction((tx) => unmergePeople(tx, { linkId: merged.linkIds[0]! }));
    await agrees();
    await pool.query('delete from role_on_record where person_id = $1', [fromPersonId]);
    await agrees();
  });
});

test('of 500 requests of 20 viewers on two connections, some of them failing, each gets its own', async () => {
  const codes = Array.from({ length: 20 }, (_, n) => `ZB${String(n).padStart(3, '0')}`);
  await asOwner(
    kit.database.url,
    `insert into organisation (kind, name, ods_code) select 'ICB', c, c from unnest('{${codes.join()}}'::text[]) c;
     insert into person (family_name, given_name, gender, sort_name)
     select c, n::text, 'UNKNOWN', c from unnest('{${codes.join()}}'::text[]) c, generate_series(1, 5) n;
     insert into person_scope (person_id, holder, id, valid_from, valid_to)
     select id, 'ods:' || sort_name, id, '-infinity', 'infinity' from person where sort_name ~ '^ZB'`,
  );
  const lanes = openPipeline(
    { connectionString: kit.database.url, options: asRole('tandem_reader') },
    { lanes: 2, readOnly: true },
  );
  const read = (name: string, what: string) => ({
    name,
    text: `select r.names, asked.p1 from (select ${viewerSql('$1::text[]', '$2::date')}, e.*
             from unnest($3::int[]) with ordinality e(p1, n)) asked left join lateral (
             select array_agg(sort_name order by sort_name)::text as names from person, ${what}) r on true
            order by asked.n`,
    each: [2],
  });
  const whole = read('whole', '(select 1) w');
  const fails = read('fails', '(select 1 where 1 / (select 0) > 0) w');
  const sleeps = read('sleeps', 'pg_sleep(20) w');
  const nobodys = { name: 'nobodys', text: 'select count(*)::int from person' };
  let refused = 0;
  let answered = 0;
  const cancelling = setInterval(
    () =>
      void asOwner(
        kit.database.url,
        `select pg_cancel_backend(pid) from pg_stat_activity
          where datname = current_database() and query like 'select r.names%pg_sleep(20) w%' and state = 'active'`,
      ),
    100,
  );
  try {
    await Promise.all(
      Array.from({ length: 500 }, async (_, n) => {
        const code = codes[n % codes.length]!;
        const asked = n % 50 === 7 ? sleeps : n % 12 === 5 ? fails : n % 10 === 1 ? nobodys : whole;
        try {
          const [row] = await lanes.run(asked, asked === nobodys ? [] : [[`ods:${code}`], today, n]);
          expect(row).toEqual(asked === nobodys ? [0] : [`{${Array(5).fill(code).join()}}`, n]);
          expect(asked === nobodys || asked === whole).toBe(true);
          answered += 1;
        } catch (error) {
          if (!/division by zero|canceling statement/.test(String(error))) throw error;
          refused += 1;
        }
      }),
    );
  } finally {
    clearInterval(cancelling);
    await lanes.close();
  }
  expect(refused).toBeGreaterThanOrEqual(50);
  expect(answered + refused).toBe(500);
});

describe('what the roles may do', () => {
  test('the worker changes nothing of what is written for ever', async () => {
    for (const table of ['ledger_transfer', 'audit_event', 'past']) {
      for (const attack of [
        `update ${table} set recorded_at = now()`,
        `delete from ${table}`,
        `truncate ${table}`,
      ])
        await expect(kit.database.pool.query(attack)).rejects.toMatchObject({ code: '42501' });
    }
    await expect(kit.database.pool.query('delete from person_scope')).rejects.toMatchObject({
      code: '42501',
    });
    await expect(kit.database.pool.query('table _prisma_migrations')).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('the reader writes nothing, and sees nothing that a source sent', async () => {
    const { rows: tables } = await asOwner(
      kit.database.url,
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
    );
    for (const { name } of tables) {
      for (const attack of [
        `delete from ${name}`,
        `truncate ${name}`,
        `insert into ${name} default values`,
      ]) {
        await expect(asReader(viewers[0]!, attack)).rejects.toMatchObject({ code: '42501' });
      }
    }
    for (const secret of ['select raw from source_row', 'select facts from source_row', 'table outbox'])
      await expect(asReader(viewers[0]!, secret)).rejects.toMatchObject({ code: '42501' });
  });

  test('no setting is made for longer than its transaction', () => {
    const files = ['src', 'jobs', 'prisma'].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ts|sql)$/.test(name) && !name.startsWith('generated'))
        .map((name) => `${folder}/${name}`),
    );
    expect(files.length).toBeGreaterThan(100);
    const lasting =
      /set_config\((?:[^()]|\([^()]*\))*,\s*false\s*\)|['"`;]\s*(set\s+(?!local\b|constraints\b)(session\s+)?[a-z_.]+\s*(=|to\b)|set\s+(session\s+)?(role|authorization)\b|reset\s)/i;
    expect(files.filter((file) => lasting.test(readFileSync(file, 'utf8')))).toEqual([]);
  });
});
