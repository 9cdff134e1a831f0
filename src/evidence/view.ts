/** How evidence is read: the documents of a person, what each shows, and for which commissioner. */
import {
  type At,
  column,
  type Field,
  instant,
  latestPage,
  many,
  ofEitherSide,
  one,
  organisation,
  personView,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { evidencePrefix } from '../spending/prefix.ts';
import { payrollWords, rules } from './rules.ts';

/** SQL: which kind of document satisfies which requirement, and for spends of which nature. */
const satisfying = rules
  .flatMap(({ requirement, each, nature, satisfiedBy }) =>
    satisfiedBy.map((kind) => `('${kind}', '${requirement}', ${each === 'SPEND'}, ${nature === 'PAYROLL'})`),
  )
  .join(', ');

const isPayroll = (spend: string) => `${spend}.category ~* '\\m(${payrollWords})\\M'`;

/**
 * What shows a spend counts for those whose money paid it, as the transfers say, or where none was moved for all that
 * fund the budget. What is asked once for a period or year counts for all that fund a budget on the document's day.
 */
const satisfied = ({ parent }: At) => `
  select distinct f.organisation_id, r.requirement
    from (values ${satisfying}) as r(kind, requirement, of_spend, of_payroll)
    join lateral (
      select l.organisation_id
        from spend_evidence u
        join spend s on s.id = u.spend_id and s.person_id = u.person_id
        join funding_line l on l.budget_id = s.budget_id and l.person_id = s.person_id
       where r.of_spend and u.evidence_id = ${parent}.id and u.person_id = ${parent}.person_id
         and s.state <> 'UNDONE' and ${isPayroll('s')} = r.of_payroll
         and (not exists (select from ledger_transfer t where t.external_id = 'spend/' || s.id and t.budget_id = s.budget_id)
              or l.source in (select t.source from ledger_transfer t
                               where t.external_id = 'spend/' || s.id and t.budget_id = s.budget_id))
      union all
      select l.organisation_id
        from budget b join funding_line l on l.budget_id = b.id and l.person_id = b.person_id
       where not r.of_spend and b.person_id = ${parent}.person_id and b.status in ('ACTIVE', 'SUSPENDED', 'ENDED')
         and b.valid_from <= coalesce(${parent}.dated, ${parent}.recorded_at::date)
         and (b.valid_to is null or b.valid_to > coalesce(${parent}.dated, ${parent}.recorded_at::date))
    ) f on f.organisation_id is not null
   where r.kind = ${parent}.kind::text
   order by r.requirement, f.organisation_id`;

/** A person's documents, the latest first. */
const ofPerson = latestPage(
  'Evidence',
  'recorded_at',
  'timestamptz',
  ({ parent }) => `select * from evidence where person_id = ${parent}.id`,
);

/** The documents that show a spend. */
export const ofSpend = (type: string): Field =>
  many(
    type,
    ({
      parent,
    }) => `select e.* from spend_evidence u join evidence e on e.id = u.evidence_id and e.person_id = u.person_id
    where u.spend_id = ${parent}.id and u.person_id = ${parent}.person_id order by e.recorded_at, e.id`,
  );

/** The document that a statement was read from. */
export const readFrom = (type: string): Field =>
  one(
    type,
    ({ parent }) =>
      `select * from evidence where id = ${parent}.evidence_id and person_id = ${parent}.person_id`,
  );

export const evidenceViews: Views = {
  Person: { fields: { evidence: ofPerson } },
  Spend: { fields: { evidence: ofEitherSide(ofSpend('Evidence')) } },
  BankStatement: { fields: { evidence: readFrom('Evidence') } },
  Evidence: personView(
    {
      kind: column('kind'),
      fileName: column('file_name'),
      mediaType: column('media_type'),
      sizeBytes: column('size_bytes'),
      sha256: value(({ parent }) => `encode(${parent}.hash, 'hex')`),
      dated: column('dated'),
      scan: column('scan'),
      recordedAt: instant('recorded_at'),
      downloadUrl: value(
        ({ parent }) => `'/evidence/${evidencePrefix}_' || replace(${parent}.id::text, '-', '')`,
      ),
      satisfies: many('SatisfiedRequirement', satisfied),
    },
    { prefix: evidencePrefix, table: 'evidence', side: 'EITHER' },
  ),
  SatisfiedRequirement: plainView({ requirement: column('requirement'), commissioner: organisation() }),
};
