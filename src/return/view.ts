/** How financial returns are read. Their figures are drawn from the ledger as it was known when the return was sent. */
import { peopleInScope } from '../access/policy.ts';
import { policyRows } from '../commissioner/policy.ts';
import { type Missing, missingEvidence, type ShownDocument, type ShownSpend } from '../evidence/rules.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { figures } from '../ledger/statement.ts';
import { idOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import {
  type At,
  children,
  column,
  derived,
  earliestFirst,
  type Field,
  instant,
  latestPage,
  many,
  one,
  organisation,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { spendPrefix } from '../spending/prefix.ts';

export const returnPrefix = 'ret';
export const queryPrefix = 'rtq';

/** SQL: the statement that the return `r` stands for; before it is sent, as it would be now. */
const statementOf = (r: string) => `
  select ${r}.person_id, null::uuid as budget_id, ${r}.period_from as day_from, ${r}.period_to as day_to,
         null::funding_source as only_source, ${r}.sent_at as known_at`;

/** SQL: whose money a receiver gives. */
const sourcesOf = (receiver: string) => `
  select l.source from funding_line l
   where l.person_id = ${receiver}.person_id and l.organisation_id = ${receiver}.organisation_id`;

const late = (r: string) => `
  select t.* from budget b join ledger_transfer t on t.budget_id = b.id and t.person_id = b.person_id
   where b.person_id = ${r}.person_id and t.effective_on <= ${r}.period_to and t.recorded_at > ${r}.sent_at`;

const changedSinceSent: Field = {
  is: 'connection',
  type: 'LedgerTransfer',
  keys: earliestFirst('effective_on', 'date'),
  rows: ({ parent, after, limit }) => `
    ${late(parent)} and (t.effective_on, t.id) > (${after[0]}, ${after[1]}) order by t.effective_on, t.id limit ${limit}`,
};

interface MissingFacts {
  from: string;
  to: string;
  spends: (ShownSpend & { what: string; spentOn: string; pence: string })[];
  documents: ShownDocument[];
  policies: { organisationId: string; source: FundingSource; evidenceDueDays: number | null }[];
  receivers: { id: string; code: string; name: string }[];
}

// What a funder paid is known by the transfers the spend made; where it made none, by who funds the budget.
const missingFacts = ({ parent: r }: At) => `
  json_build_object('from', ${r}.period_from, 'to', ${r}.period_to,
    'spends', (select coalesce(json_agg(json_build_object(
        'id', s.id, 'category', s.category, 'what', s.what, 'spentOn', s.spent_on, 'pence', s.pence::text,
        'organisationIds', (select coalesce(json_agg(distinct l.organisation_id), '[]')
            from funding_line l join budget b on b.id = s.budget_id and b.person_id = s.person_id
           where l.person_id = s.person_id and l.budget_id in (b.id, b.part_of_id) and l.organisation_id is not null
             and (l.source in (select t.source from ledger_transfer t where t.external_id = 'spend/' || s.id)
                  or not exists (select from ledger_transfer t where t.external_id = 'spend/' || s.id))),
        'evidence', (select coalesce(json_agg(e.kind), '[]') from spend_evidence u
            join evidence e on e.id = u.evidence_id and e.person_id = u.person_id
           where u.spend_id = s.id and u.person_id = s.person_id)) order by s.spent_on, s.id), '[]')
      from budget g join spend s on s.budget_id = g.id and s.person_id = g.person_id
     where g.person_id = ${r}.person_id and s.spent_on between ${r}.period_from and ${r}.period_to
       and s.state in ('INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED')),
    'documents', (select coalesce(json_agg(json_build_object('kind', e.kind, 'dated', coalesce(e.dated, e.recorded_at::date))), '[]')
      from evidence e where e.person_id = ${r}.person_id),
    'policies', (select coalesce(json_agg(distinct jsonb_build_object('organisationId', v.organisation_id,
          'evidenceDueDays', p.evidence_due_days)), '[]')
      from return_receiver v join funding_line l on l.person_id = v.person_id and l.organisation_id = v.organisation_id
      left join lateral (${policyRows('l.organisation_id', 'l.source', `${r}.period_to`)}) p on true
     where v.return_id = ${r}.id and v.person_id = ${r}.person_id),
    'receivers', (select json_agg(json_build_object('id', o.id, 'code', o.ods_code, 'name', o.name))
      from return_receiver v join organisation o on o.id = v.organisation_id
     where v.return_id = ${r}.id and v.person_id = ${r}.person_id))`;

function missing({ from, to, spends, documents, policies, receivers }: MissingFacts) {
  const tell = ({ organisationId, requirement, spendId, satisfiedBy, dueOn }: Missing) => {
    const receiver = receivers.find(({ id }) => id === organisationId);
    if (receiver === undefined) return [];
    const spend = spends.find(({ id }) => id === spendId);
    return [
      {
        organisationCode: receiver.code,
        organisationName: receiver.name,
        requirement,
        satisfiedBy,
        dueOn,
        spendId: spendId === null ? null : idOf(spendPrefix, spendId),
        spentOn: spend?.spentOn ?? null,
        what: spend?.what ?? null,
        amount: spend === undefined ? null : moneyOf(BigInt(spend.pence)),
      },
    ];
  };
  return missingEvidence({ from, to }, spends, documents, policies).flatMap(tell);
}

/** What a receiver has not accepted yet, of the people in scope, the longest due first. */
const returnsToLookAt: Field = {
  is: 'connection',
  type: 'FinancialReturn',
  keys: earliestFirst('due_on', 'date'),
  rows: (at) => `
    select r.* from financial_return r
      join return_receiver v on v.return_id = r.id and v.person_id = r.person_id and v.accepted_at is null
      join organisation o on o.id = v.organisation_id and o.ods_code = ${at.viewer('organisation')}
     where r.status in ('SENT', 'QUERIED') and (r.due_on, r.id) > (${at.after[0]}, ${at.after[1]})
       and r.person_id in (select k.person_id from (${peopleInScope(at.kind, at, at.part)}) k)
       and ${at.shares('r.person_id', 'EITHER')}
     order by r.due_on, r.id limit ${at.limit}`,
};

/** A person's returns, the latest period first. */
const returns = latestPage(
  'FinancialReturn',
  'period_to',
  'date',
  ({ parent }) => `select * from financial_return where person_id = ${parent}.id`,
);

const openQueries = (v: string) => `
  (select count(*)::int from return_query q where q.return_id = ${v}.return_id and q.person_id = ${v}.person_id
      and q.organisation_id = ${v}.organisation_id and q.answered_at is null)`;

export const returnViews: Views = {
  Query: plainView({ returnsToLookAt }),
  Person: { fields: { returns } },
  FinancialReturn: personView(
    {
      person: one('Person', ({ parent }) => `select * from person where id = ${parent}.person_id`),
      from: column('period_from'),
      to: column('period_to'),
      dueOn: column('due_on'),
      status: column('status'),
      sentAt: instant('sent_at'),
      statement: one('Statement', ({ parent }) => statementOf(parent)),
      receivers: children('ReturnReceiver', 'return_receiver', 'return_id', 'organisation_id'),
      queries: children('ReturnQuery', 'return_query', 'return_id', 'asked_at, id'),
      missingEvidence: derived(missingFacts, missing),
      hasChangedSinceSent: value(({ parent }) => `exists (${late(parent)})`),
      changedSinceSent,
      version: column('version'),
    },
    { prefix: returnPrefix, table: 'financial_return', side: 'EITHER' },
  ),
  ReturnReceiver: personView({
    organisation: organisation(),
    acceptedAt: instant('accepted_at'),
    openQueries: value(({ parent }) => openQueries(parent)),
    sources: many(
      'SourceStatement',
      ({ parent: v }) => `
        select f.* from financial_return r cross join lateral (${statementOf('r')}) w cross join lateral (${figures('w')}) f
         where r.id = ${v}.return_id and r.person_id = ${v}.person_id and f.source in (${sourcesOf(v)})
         order by f.source`,
    ),
  }),
  ReturnQuery: personView(
    {
      organisation: organisation(),
      transfer: one(
        'LedgerTransfer',
        ({ parent: q }) =>
          `select * from ledger_transfer where id = ${q}.transfer_id and person_id = ${q}.person_id`,
      ),
      text: column('text'),
      askedAt: instant('asked_at'),
      answer: column('answer'),
      answeredAt: instant('answered_at'),
    },
    { prefix: queryPrefix, table: 'return_query', side: 'EITHER' },
  ),
};
