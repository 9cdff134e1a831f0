/** The demo place with something of every type in it. */
import { personas } from '../../src/demo/persona.ts';
import { makePlace, wenshire } from '../../src/demo/place.ts';
import { tellStory } from '../../src/demo/story.ts';
import { post } from '../../src/ledger/post.ts';
import { today } from './demo.ts';
import type { TestHub } from './hub.ts';
import { daniel, done, gbp, iris, personIdOf } from './plan.ts';

const place = makePlace({ today });

/** What is agreed in the hub itself: a plan with signatures, an integrated budget, a decision, and what follows. */
export async function tellAll(kit: TestHub): Promise<void> {
  await tellStory({
    place,
    today,
    ask: async (as, operation, variables) =>
      (await kit.ask(operation, variables, { ...personas(place)[as] })).data,
  });
  // And a draft by which somebody pays for what is free, so that a plan with a warning is there.
  const draft = await done(kit, 'draftPlan', {
    personId: await personIdOf(kit, daniel.nhsNumber),
    title: 'Aftercare',
  });
  await done(kit, 'editPlan', {
    planId: draft.id,
    expectedVersion: draft.version,
    needs: [{ key: 'n1', text: 'To be among people', scheme: 'S117' }],
    outcomes: [{ key: 'o1', text: 'Play basketball', status: 'ACTIVE' }],
    lines: [
      {
        key: 'club',
        kind: 'SERVICE',
        what: 'The club',
        quantity: '1',
        unitCost: gbp('20.00'),
        frequency: 'WEEKLY',
        outcomeKeys: ['o1'],
        needKeys: ['n1'],
        source: 'CLIENT_CONTRIBUTION',
      },
    ],
  });
  await addWhatComesLater(kit);
  await addTeam(kit);
  await addKept(kit);
}

/** Something of each kind that the charity keeps of an account which it no longer operates. */
async function addKept({ database: { pool } }: TestHub) {
  const { rows } = await pool.query(
    `select k.id, k.person_id, k.budget_id, (k.valid_to - 1)::text as day
       from kept_record k join organisation o on o.id = k.organisation_id
      where o.ods_code = $1 and k.valid_to <= $2 order by k.valid_to desc, k.id desc limit 1`,
    [wenshire.charity.code, today],
  );
  const [{ id, person_id, budget_id, day }] = rows;
  const place = [person_id, budget_id, id, day];
  await pool.query(
    `with document as (
       insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, uploaded_by)
       values ($1, 'RECEIPT', 'kept', 'application/pdf', 1, 'kept.pdf', 'x') returning id, person_id),
     bought as (
       insert into spend (person_id, budget_id, portion_id, pence, spent_on, payee, what, state, client_id, recorded_by)
       values ($1, $2, $3, 100, $4, 'x', 'x', 'INSIDE_PLAN', 'x', 'x') returning id, person_id),
     proved as (
       insert into spend_evidence (spend_id, evidence_id, person_id) select b.id, d.id, d.person_id from bought b, document d),
     statement as (
       insert into bank_statement (person_id, budget_id, portion_id, format, hash, file_name, imported_by)
       values ($1, $2, $3, 'CSV', 'kept', 'kept.csv', 'x') returning id, person_id)
     insert into bank_line (statement_id, person_id, line_ref, position, booked_on, pence, party, reference, state)
     select id, person_id, 'x', 1, $4, 100, 'x', 'x', 'UNMATCHED' from statement`,
    place,
  );
  await pool.query(
    `with worker as (
       insert into worker (person_id, name, payroll_ref, portion_id) values ($1, 'Di Earle', 'PA9', $2) returning id, person_id),
     terms as (
       insert into contract (worker_id, person_id, number, valid_from, minutes_per_week, hourly_pence, pay_frequency, irregular, pension, agreed_by)
       select id, person_id, 1, $3, 840, 1300, 'WEEKLY', false, false, 'x' from worker),
     sheet as (
       insert into timesheet (worker_id, person_id, week_begins, version, recorded_by)
       select id, person_id, date_trunc('week', $3::date)::date, 1, 'x' from worker returning id, person_id)
     insert into worked_day (timesheet_id, person_id, day, minutes) select id, person_id, $3, 60 from sheet`,
    [person_id, id, day],
  );
}

/** Two who work for Iris, one of them away in a week in which the other comes instead. */
async function addTeam({ database: { pool } }: TestHub) {
  const { rows } = await pool.query(
    `with her as (select person_id from person_identifier where value = $1 and system = 'NHS_NUMBER'),
     team as (
       insert into worker (person_id, name, birth_date, payroll_ref, portion_id)
       select person_id, name, born::date, ref,
              (select p.id from portion p where p.person_id = d.person_id order by p.id limit 1)
         from her d, (values ('Ade Bello', '1990-05-05', 'PA1'), ('Bryn Price', null, 'PA2')) w(name, born, ref)
       returning id, person_id, payroll_ref)
     select * from team order by payroll_ref`,
    [iris.nhsNumber],
  );
  const [ade, bryn] = rows;
  const own = [ade.person_id, ade.id];
  const worker = '(worker_id, person_id';
  await pool.query(
    `insert into contract ${worker}, number, valid_from, minutes_per_week, hourly_pence, pay_frequency, irregular, pension, agreed_by)
     select id, person_id, 1, '2026-04-06', 840, 1300, 'WEEKLY', true, true, 'x' from worker`,
  );
  await pool.query(
    `with task as (
       insert into delegated_task (person_id, what, instructions, delegated_by, recorded_by)
       values ($1, 'Stoma care', 'As taught', 'Sister Amin', 'x') returning id, person_id),
     able as (
       insert into competency ${worker}, task_id, clinician, signed_off_on, expires_on, recorded_by)
       select $2, person_id, id, 'Sister Amin', '2026-06-01', '2027-06-01', 'x' from task),
     week as (
       insert into rota_week (person_id, week_begins, version, planned_by)
       values ($1, '2026-11-16', 1, 'x') returning id, person_id)
     insert into shift (rota_id, ${worker.slice(1)}, position, day, starts, ends, task, task_ids)
     select w.id, $2, w.person_id, n, '2026-11-16'::date + n, '22:00', '06:00', 'A night', array[t.id]
       from week w, task t, generate_series(0, 2) n`,
    own,
  );
  await pool.query(
    `insert into absence ${worker}, kind, first_day, last_day, cover_id, from_contingency, recorded_by)
     values ($2, $1, 'HOLIDAY', '2026-11-17', '2026-11-17', $3, true, 'x')`,
    [...own, bryn.id],
  );
  await pool.query(
    `insert into worker_document ${worker}, kind, seen_on, expires_on, evidence_id, recorded_by)
     select $2, $1, 'DBS', '2026-04-01', '2029-04-01',
            (select id from evidence where person_id = $1 order by id limit 1), 'x'`,
    own,
  );
  await pool.query(
    `with sheet as (
       insert into timesheet ${worker}, week_begins, version, recorded_by)
       values ($2, $1, '2026-11-16', 1, 'x') returning id, person_id)
     insert into worked_day (timesheet_id, person_id, day, minutes)
     select id, person_id, d.day, 500 from sheet, (values (date '2026-11-16'), ('${today}')) d(day)`,
    own,
  );
}

/** What the story does not live to see: evidence, a run of payments, a reclaim, a question about a return, money set
 * aside, a file of many rows. */
async function addWhatComesLater(kit: TestHub) {
  const { pool, prisma } = kit.database;
  const board = `(select id from organisation where ods_code = '${wenshire.icb.code}')`;
  await pool.query(`
    with document as (
      insert into evidence (person_id, kind, hash, media_type, size_bytes, file_name, dated, uploaded_by)
      select person_id, 'RECEIPT', 'x', 'application/pdf', 1, 'receipt.pdf', '${today}', 'x' from spend limit 1
      returning id, person_id
    ) insert into spend_evidence (spend_id, evidence_id, person_id)
      select s.id, d.id, d.person_id from document d join spend s using (person_id) limit 1;
    insert into payment_run (organisation_id, due_on, count, pence, created_by)
      values (${board}, '${today}', 0, 0, 'x');
    insert into overspend_agreement (person_id, budget_id, source, organisation_id, pence, until, reason, agreed_by)
      select person_id, budget_id, source, organisation_id, 100, '${today}', 'x', 'x' from funding_line
       where organisation_id is not null limit 1;
    insert into reclaim (person_id, budget_id, source, organisation_id, ground, reasons, pence, notice_on, pay_by, payer, created_by)
      select person_id, id, 'ICB', ${board}, 'CIRCUMSTANCES_CHANGED', 'x', 100, '${today}', '2026-12-21', 'x', 'x'
        from budget where kind = 'INTEGRATED' limit 1;
    with line as (
      select l.* from plan_line l join plan p on p.id = l.plan_id and p.person_id = l.person_id
       where p.status = 'AGREED' and p.number is not null and l.portion_id is not null and l.weekly_pence is not null limit 1
    ), change as (
      insert into package_change (person_id, plan_id, line_key, kind, weekly_pence, valid_from, reason, status, drafted_by)
      select person_id, plan_id, key, 'PAUSE', 0, '${today}', 'x', 'PROPOSED', 'x' from line returning id, person_id
    ) insert into package_change_agreement (change_id, person_id, organisation_id, decider)
      select id, person_id, ${board}, 'CARE_TEAM' from change;
    with file as (
      insert into bulk_file (organisation_id, kind, format, file_name, hash, size_bytes, status, is_read, dry_run, sent_by,
                             sent_by_role, rows, bad)
      values (${board}, 'SPENDING', 'CSV', 'november.csv', 'x', 1, 'DONE', true, false, 'x', 'FINANCE', 1, 1) returning id
    ) insert into bulk_row (file_id, number, code, message) select id, 1, 'ROW_INVALID', 'x' from file;
    insert into return_query (return_id, person_id, organisation_id, text, asked_by, asked_at)
      select id, person_id, ${board}, 'x', 'x', now() from financial_return limit 1`);
  const { rows } = await pool.query(
    `select id as "budgetId", person_id as "personId" from budget where kind = 'INTEGRATED' limit 1`,
  );
  const setAside = {
    kind: 'COMMITTED',
    source: 'ICB',
    pence: 100n,
    effectiveOn: today,
    portionId: null,
    description: 'Wages that are due',
    cause: `commitment/${crypto.randomUUID()}`,
  } as const;
  await prisma.$transaction((tx) => post(tx, rows[0], [setAside]));
}
