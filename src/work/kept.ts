/**
 * What an organisation reads of accounts that it operated and no longer does. Each view has the fields that it may keep and
 * none that leads on to the record: whoever comes here does not see the person any more.
 */
import { keeps, ownOrganisation } from '../access/policy.ts';
import { isOfTime, keptSpends, keptStatements } from '../evidence/kept.ts';
import { evidenceViews, ofSpend, readFrom } from '../evidence/view.ts';
import { personPrefix } from '../person/view.ts';
import { uuidOf } from '../platform/id.ts';
import {
  column,
  type Field,
  globalId,
  latestPage,
  many,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { statementPrefix } from '../spending/prefix.ts';
import { statementViews } from '../spending/statement-view.ts';
import { spendingViews } from '../spending/view.ts';
import { teamViews } from '../team/view.ts';

const keptRecords = latestPage('KeptRecord', 'valid_to', 'date', (at) => {
  const isOne = at.arg('boolean', (args) => args.personId != null);
  const personId = at.arg('uuid', (args) =>
    args.personId == null ? null : uuidOf(personPrefix, args.personId),
  );
  return `
    select k.* from kept_record k
     where k.organisation_id = ${ownOrganisation(at)} and (not ${isOne} or k.person_id = ${personId})
       and ${keeps(at.kind, 'k', at)}`;
});

const spends = latestPage('KeptSpend', 'spent_on', 'date', ({ parent }) => keptSpends(parent));

const transfers = latestPage(
  'LedgerTransfer',
  'effective_on',
  'date',
  ({ parent: k }) => `
    select t.* from ledger_transfer t
     where t.budget_id = ${k}.budget_id and t.person_id = ${k}.person_id and ${isOfTime('t.effective_on', k)} and exists (
       select from ledger_account a
        where a.id in (t.from_account_id, t.to_account_id) and a.person_id = t.person_id and a.portion_id = ${k}.id)`,
);

// A statement, and who is at work, know of which time they are.
const ofTime = (k: string) => `${k}.valid_from, ${k}.valid_to`;

const statements = latestPage(
  'KeptStatement',
  'recorded_at',
  'timestamptz',
  ({ parent: k }) => `select b.*, ${ofTime(k)} from (${keptStatements(k)}) b`,
);

const lines: Field = {
  is: 'connection',
  type: 'KeptBankLine',
  keys: [{ column: 'position', type: 'integer', first: '-1' }],
  rows: ({ parent: b, after, limit }) => `
    select l.* from bank_line l
     where l.statement_id = ${b}.id and l.person_id = ${b}.person_id and l.position > ${after[0]} and ${isOfTime('l.booked_on', b)}
     order by l.position limit ${limit}`,
};

/** Whoever had terms, or worked, in that time. */
const workers: Field = many(
  'KeptWorker',
  ({ parent: k }) => `
    select w.*, ${ofTime(k)} from worker w
     where w.person_id = ${k}.person_id and w.portion_id = ${k}.id
       and exists (select from contract c where c.worker_id = w.id and c.person_id = w.person_id and c.valid_from < ${k}.valid_to)
     order by w.payroll_ref, w.id`,
);

const weeks = latestPage(
  'KeptWeek',
  'week_begins',
  'date',
  ({ parent: w }) => `
    select s.*, d.minutes from timesheet s
     cross join lateral (
       select sum(d.minutes)::int as minutes from worked_day d
        where d.timesheet_id = s.id and d.person_id = s.person_id and ${isOfTime('d.day', w)}) d
     where s.worker_id = ${w}.id and s.person_id = ${w}.person_id and d.minutes is not null`,
);

/** Fields as another view has them. */
function as(views: Views, type: string, ...names: string[]): Record<string, Field> {
  return Object.fromEntries(names.map((name) => [name, views[type]!.fields[name]!]));
}

export const keptViews: Views = {
  Query: plainView({ keptRecords }),
  KeptRecord: personView({
    id: globalId('kpt'),
    personId: globalId(personPrefix, 'person_id'),
    identifiers: many(
      'Identifier',
      ({ parent }) => `
        select * from person_identifier where person_id = ${parent}.person_id order by status, system, issuer, value`,
    ),
    budgetKind: value(
      ({ parent: k }) =>
        `(select kind from budget b where b.id = ${k}.budget_id and b.person_id = ${k}.person_id)`,
    ),
    management: value(
      ({ parent: k }) =>
        `(select management from portion q where q.id = ${k}.id and q.person_id = ${k}.person_id)`,
    ),
    from: column('valid_from'),
    to: column('valid_to'),
    keepUntil: column('keep_until'),
    spends,
    transfers,
    statements,
    workers,
  }),
  KeptSpend: personView({
    ...as(
      spendingViews,
      'Spend',
      'id',
      'category',
      'amount',
      'refunded',
      'paidBy',
      'spentOn',
      'payee',
      'what',
      'state',
      'externalRef',
      'recordedAt',
    ),
    evidence: ofSpend('KeptEvidence'),
  }),
  KeptEvidence: personView(
    as(evidenceViews, 'Evidence', 'id', 'kind', 'fileName', 'mediaType', 'sha256', 'dated', 'downloadUrl'),
  ),
  KeptStatement: personView({
    id: globalId(statementPrefix),
    ...as(statementViews, 'BankStatement', 'fileName', 'opening'),
    closing: {
      is: 'part',
      type: 'Money',
      sql: ({ parent: b }) => `
        (select ${b}.closing_pence where not exists (
           select from bank_line l where l.statement_id = ${b}.id and l.person_id = ${b}.person_id and l.booked_on >= ${b}.valid_to))`,
    },
    evidence: readFrom('KeptEvidence'),
    lines,
  }),
  KeptBankLine: personView(
    as(statementViews, 'BankLine', 'bookedOn', 'amount', 'party', 'reference', 'state', 'note'),
  ),
  KeptWorker: personView({
    ...as(teamViews, 'Worker', 'id', 'name', 'payrollRef'),
    contracts: many(
      'KeptContract',
      ({ parent: w }) => `
        select c.*, case when c.valid_to <= ${w}.valid_to then c.valid_to - 1 end as last_day from contract c
         where c.worker_id = ${w}.id and c.person_id = ${w}.person_id and c.valid_from < ${w}.valid_to
           and (c.valid_to is null or ${w}.valid_from is null or c.valid_to > ${w}.valid_from)
         order by c.number`,
    ),
    weeks,
  }),
  KeptContract: personView({
    ...as(teamViews, 'Contract', 'number', 'from', 'minutesPerWeek', 'hourlyRate', 'payFrequency'),
    to: column('last_day'),
  }),
  KeptWeek: personView({ weekBegins: column('week_begins'), worked: column('minutes') }),
};
