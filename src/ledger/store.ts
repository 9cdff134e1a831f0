/** Posts payments to the ledger. Balances follow by trigger, in the same transaction. */
import { budgetOfRow } from '../budget/store.ts';
import { type Apply, linkOfRow, run, type Verdict } from '../person/store.ts';
import { decideTransfers, legs, type Posting, type TransferKind } from './rules.ts';

// A payment belongs to its source, not to a budget: one that was filed under the wrong budget, or the wrong person,
// still finds the transfer it made there.
const findStanding = `
with row as (
  select * from json_to_recordset($2::json) as t(n int, "externalId" text, "personId" text, "budgetId" text)
)
select row.n, l.person_id, b.id,
       case when l.id is null then 'PERSON_NOT_KNOWN_YET' when b.id is null then 'BUDGET_NOT_KNOWN_YET' end,
       s.id, s.budget_id, s.kind, s.source, s.pence, s.effective_on
  from row${linkOfRow}${budgetOfRow}
  left join lateral (
    select t.*
      from (select * from ledger_transfer where external_id = row."externalId" and reverses_id is null offset 0) t
     where not exists (select from ledger_transfer r where r.reverses_id = t.id)
       and exists (select from budget tb join person_link tl on tl.id = tb.link_id
                    where tb.id = t.budget_id and tl.source_id = $1)
  ) s on true`;

type Found = [
  n: number,
  personId: string | null,
  budgetId: string | null,
  waits: string | null,
  standingId: string | null,
  ...standing: [budgetId: string, kind: TransferKind, source: string, pence: bigint, effectiveOn: string],
];

const reverseTransfers = `
insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                             description, reverses_id, external_id)
select person_id, budget_id, to_account_id, from_account_id, kind, source, pence, effective_on, description, id,
       external_id
  from ledger_transfer where id = any($1::uuid[])`;

// Whose money it is that the funder pays: the organisation on the budget's own line, else the one that sent the row.
const openAccounts = `
insert into ledger_account (person_id, budget_id, source, kind, organisation_id)
select distinct row.person, row.budget, row.source, leg.kind,
       case when leg.kind = 'FUNDER' then coalesce(f.organisation_id, $2::uuid) end
  from json_to_recordset($1::json) as row(
         person uuid, budget uuid, source funding_source, "from" ledger_account_kind, "to" ledger_account_kind)
 cross join lateral (values (row."from"), (row."to")) as leg(kind)
  left join lateral (select organisation_id from funding_line
                      where budget_id = row.budget and person_id = row.person and source = row.source
                      order by organisation_id limit 1) f on true
on conflict (budget_id, source, kind, portion_id, category) do nothing`;

const postTransfers = `
insert into ledger_transfer (person_id, budget_id, from_account_id, to_account_id, kind, source, pence, effective_on,
                             description, external_id)
select row.person, row.budget, a.id, b.id, row.kind, row.source, row.pence, row."effectiveOn", row.description,
       row."externalId"
  from json_to_recordset($1::json) as row(
         person uuid, budget uuid, source funding_source, "from" ledger_account_kind, "to" ledger_account_kind,
         kind transfer_kind, pence bigint, "effectiveOn" date, description text, "externalId" text)
  join ledger_account a on a.budget_id = row.budget and a.source = row.source and a.kind = row."from"
                       and a.portion_id is null and a.category = ''
  join ledger_account b on b.budget_id = row.budget and b.source = row.source and b.kind = row."to"
                       and b.portion_id is null and b.category = ''`;

interface PaymentRow {
  n: number;
  externalId: string;
  kind: TransferKind;
  source: string;
  pence: string;
  effectiveOn: string;
  description: string | null;
  cancelled: boolean;
}

export const applyPayments: Apply = async (sql, source, rows) => {
  const payments = new Map((JSON.parse(rows) as PaymentRow[]).map((row) => [row.n, row]));
  const reversed: string[] = [];
  const posted: unknown[] = [];
  const verdicts: Verdict[] = [];
  for (const found of await run<Found>(sql, 'find-standing', findStanding, [source.id, rows])) {
    const [n, person, budget, waits, standingId, budgetId, kind, fundingSource, pence, effectiveOn] = found;
    verdicts.push([n, person, waits]);
    if (waits !== null) continue;
    const row = payments.get(n)!;
    const standing: Posting | null =
      standingId === null ? null : { budgetId, kind, source: fundingSource, pence, effectiveOn };
    const { reverse, post } = decideTransfers(standing, {
      ...row,
      budgetId: budget!,
      pence: BigInt(row.pence),
    });
    if (reverse) reversed.push(standingId!);
    if (post) posted.push({ ...row, ...legs[row.kind], person, budget });
  }
  if (reversed.length > 0) await run(sql, 'reverse-transfers', reverseTransfers, [reversed]);
  if (posted.length > 0) {
    const toPost = JSON.stringify(posted);
    await run(sql, 'open-accounts', openAccounts, [toPost, source.organisationId]);
    await run(sql, 'post-transfers', postTransfers, [toPost]);
  }
  return verdicts;
};
