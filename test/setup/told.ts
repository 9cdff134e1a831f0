/** The demo place with something of every type in it. */
import { personas } from '../../src/demo/persona.ts';
import { makePlace, wenshire } from '../../src/demo/place.ts';
import { tellStory } from '../../src/demo/story.ts';
import { post } from '../../src/ledger/post.ts';
import { today } from './demo.ts';
import type { TestHub } from './hub.ts';
import { daniel, done, gbp, personIdOf } from './plan.ts';

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
