/**
 * Who sees what, decided a second time: slowly, in plain words, over plain rows. It takes nothing from `policy.ts`; of the
 * policy table it takes what a privacy officer reads there, the parts and which field is in which.
 */
import type { JWTPayload } from 'jose';
import type pg from 'pg';
import { fields, type Kind, type Part, parts } from '../../src/access/table.ts';
import { views } from '../../src/catalogue.ts';
import { uuidOf } from '../../src/platform/id.ts';

// biome-ignore lint/suspicious/noExplicitAny: rows as they come
type Row = any;
type Side = 'NHS' | 'COUNCIL';

export interface Asker {
  says: string;
  claims: JWTPayload & { sub: string; tandem_role: string };
  /** What they are for the record: their role, or one who opened it in an emergency. */
  kind: Kind;
}

const partOfField = new Map<string, Part>();
for (const [type, byPart] of Object.entries(fields))
  for (const [part, names] of Object.entries(byPart))
    for (const name of names.split(/\s+/)) partOfField.set(`${type}.${name}`, part as Part);

export const partOf = (type: string, field: string): Part => partOfField.get(`${type}.${field}`)!;

/** Of which side the rows of a type are: by the system that keeps them, or by the budget they hang on. */
const sided: Record<string, [table: string, by: string]> = {
  Plan: ['plan', 'link'],
  Eligibility: ['eligibility', 'link'],
  Review: ['review', 'link'],
  Contact: ['contact', 'link'],
  Package: ['package', 'link'],
  Outcome: ['outcome', 'plan'],
  Concern: ['concern', 'plan'],
  Decision: ['decision', 'organisation'],
  Budget: ['budget', 'kind'],
  FundingLine: ['funding_line', 'budget'],
  FundingSplit: ['funding_split', 'budget'],
  Portion: ['portion', 'budget'],
  LedgerTransfer: ['ledger_transfer', 'budget'],
  Spend: ['spend', 'budget'],
  PaymentSchedule: ['payment_schedule', 'budget'],
  Commitment: [
    `(select distinct on (external_id) split_part(external_id, '/', 2)::uuid as id, person_id, budget_id
        from ledger_transfer where external_id like 'commitment/%' order by external_id, budget_id)`,
    'budget',
  ],
  PaymentInstruction: ['payment_instruction', 'schedule'],
  PayeeAccount: ['payee_account', 'budget'],
  Reclaim: ['reclaim', 'budget'],
  OverspendAgreement: ['overspend_agreement', 'budget'],
};

/** Types of which nobody can tell which side a row is of. */
const ofEither = new Set([
  'Evidence',
  'BankStatement',
  'BankLine',
  'FinancialReturn',
  'ReturnQuery',
  'Worker',
  'Contract',
  'WorkerDocument',
  'DelegatedTask',
  'Competency',
  'RotaWeek',
  'Shift',
  'Absence',
  'Timesheet',
]);
/** Made of what both sides have. */
const madeOfBoth = new Set([
  'Person.statement',
  'Person.nextReviews',
  'Person.payPeriod',
  'Worker.birthDate',
  'Worker.payrollRef',
  'Absence.kind',
]);

const careAuthority = ['REPRESENTATIVE', 'LPA_HEALTH_AND_WELFARE', 'DEPUTY'];
const moneyAuthority = ['REPRESENTATIVE', 'LPA_PROPERTY_AND_FINANCE', 'DEPUTY', 'NOMINEE'];
const teams = ['CARE_COORDINATOR', 'SOCIAL_WORKER', 'FINANCE'];

/** Everything that decides, as it stands in the database now. */
export async function openDecisions(
  pool: Pick<pg.Pool, 'query'>,
  { today, now, issuer }: { today: string; now: Date; issuer: string },
) {
  const all = async (table: string): Promise<Row[]> =>
    (await pool.query(`select to_jsonb(t) as row from ${table} t`)).rows.map(({ row }) => row);
  const organisations = await all('organisation');
  const roles = await all('role_on_record');
  const numbers = await all('person_identifier');
  const choices = await all('sharing_choice');
  const ended = await all('employment_end');
  const emergencies = await all('emergency_access');
  const systems = new Map((await all('source_system')).map((s) => [s.id, s.side]));
  const links = new Map((await all('person_link')).map((l) => [l.id, systems.get(l.source_id)]));
  const portions = await all('portion');
  const byId = new Map<string, Map<string, Row>>();
  for (const [table] of Object.values(sided))
    byId.set(table, new Map((await all(table)).map((row) => [row.id, row])));

  const holds = ({ valid_from, valid_to }: Row) =>
    (valid_from === null || valid_from <= today) && (valid_to === null || valid_to > today);

  function organisationOf({ claims }: Asker): Row {
    const found = organisations.find((o) => o.ods_code === claims.organisation);
    const subject = `${issuer}#${claims.sub}`;
    return ended.some((e) => e.organisation_id === found?.id && e.subject === subject) ? undefined : found;
  }

  const rolesOf = (asker: Asker, personId: string) =>
    roles.filter(
      (r) =>
        r.person_id === personId &&
        r.suspended_at === null &&
        holds(r) &&
        (asker.kind === 'REPRESENTATIVE'
          ? r.individual_nhs_number === asker.claims.nhs_number
          : r.organisation_id !== null && r.organisation_id === organisationOf(asker)?.id),
    );

  /** Whether they see anything of the person. */
  function sees(asker: Asker, personId: string): boolean {
    switch (asker.kind) {
      case 'PERSON':
        return numbers.some(
          (n) =>
            n.person_id === personId &&
            n.system === 'NHS_NUMBER' &&
            n.status === 'CURRENT' &&
            n.value === asker.claims.nhs_number,
        );
      case 'REPRESENTATIVE':
        return rolesOf(asker, personId).some((r) => [...careAuthority, ...moneyAuthority].includes(r.role));
      case 'EMERGENCY':
        return emergencies.some(
          (e) =>
            e.person_id === personId &&
            e.subject === `${issuer}#${asker.claims.sub}` &&
            e.organisation_id === organisationOf(asker)?.id &&
            new Date(e.opened_at) <= now &&
            new Date(e.closes_at) > now,
        );
      case 'AUDITOR':
      case 'PRIVACY_OFFICER':
      case 'ADMIN':
        return false;
      default:
        return rolesOf(asker, personId).length > 0;
    }
  }

  /** Whether they read this part of the record of a person whom they see. */
  function reads(asker: Asker, personId: string, part: Part): boolean {
    const { kinds, authority } = parts[part];
    if (!(kinds as readonly Kind[]).includes(asker.kind)) return false;
    // Who works for somebody is the business of the provider that runs the money, not of every provider.
    if (asker.kind.startsWith('PROVIDER') && ['TEAM', 'WAGES'].includes(part)) {
      const own = organisationOf(asker)?.id;
      return portions.some((o) => o.person_id === personId && o.account_operator_id === own && holds(o));
    }
    if (asker.kind !== 'REPRESENTATIVE' || authority === 'ANY') return true;
    const wanted = authority === 'CARE' ? careAuthority : moneyAuthority;
    return rolesOf(asker, personId).some((r) => wanted.includes(r.role));
  }

  /** The sides whose care, or whose money, the person keeps from them. */
  function kept(asker: Asker, personId: string, part: Part): Side[] {
    const { choice } = parts[part];
    if (choice === null || !teams.includes(asker.kind)) return [];
    const kindOf = organisationOf(asker)?.kind;
    const own = kindOf === 'ICB' ? 'NHS' : kindOf;
    return choices
      .filter((c) => c.person_id === personId && c.part === choice && !c.shares && holds(c))
      .map(({ side }) => side)
      .filter((side) => side !== own);
  }

  function sideOf(type: string, uuid: string): Side | null {
    const [table, by] = sided[type]!;
    const row = byId.get(table)!.get(uuid);
    if (row === undefined) throw new Error(`no ${type} of that id`);
    switch (by) {
      case 'link':
        return links.get(row.link_id) ?? null;
      case 'plan':
        return sideOf('Plan', row.plan_id);
      case 'budget':
        return sideOf('Budget', row.budget_id);
      case 'schedule':
        return sideOf('PaymentSchedule', row.schedule_id);
      case 'organisation': {
        const { kind } = organisations.find((o) => o.id === row.organisation_id);
        return kind === 'ICB' ? 'NHS' : kind === 'COUNCIL' ? 'COUNCIL' : null;
      }
      default:
        return row.kind === 'PERSONAL_HEALTH_BUDGET'
          ? 'NHS'
          : row.kind === 'PERSONAL_BUDGET'
            ? 'COUNCIL'
            : null;
    }
  }

  return {
    sees,
    reads,
    kept,
    /** Whether a field is kept back as a whole, for what it is made of may be of a side that is kept. */
    isKeptWhole: (asker: Asker, personId: string, type: string, field: string, holdsType: string) =>
      (madeOfBoth.has(`${type}.${field}`) || ofEither.has(holdsType)) &&
      kept(asker, personId, partOf(type, field)).length > 0,
    /** Whether an object is kept from them, by what side it is of. */
    isKept(asker: Asker, personId: string, type: string, id: string): boolean {
      const sides = kept(asker, personId, partOf(type, 'id'));
      if (sides.length === 0) return false;
      if (ofEither.has(type)) return true;
      if (sided[type] === undefined) return false;
      const side = sideOf(type, uuidOf(views[type]!.node!.prefix, id)!);
      return side !== null && sides.includes(side);
    },
    /** Null for what is of neither side, or may be of either. */
    sideOfId: (type: string, uuid: string) => (sided[type] === undefined ? null : sideOf(type, uuid)),
    isSided: (type: string) => type in sided || ofEither.has(type),
    tables: Object.entries(sided).map(([type, [table]]) => ({ type, table })),
  };
}

export type Decisions = Awaited<ReturnType<typeof openDecisions>>;
