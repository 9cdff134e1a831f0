/** Who may spend a person's money or account for it, and who decides about it for a funder. */
import {
  authoritiesOver,
  decidesAboutMoney,
  ownOrganisation,
  type PolicyParameters,
} from '../access/policy.ts';
import { parametersOf } from '../access/scope.ts';
import { isOfProvider, type ViewerRole } from '../access/viewer.ts';
import { holdsOn } from '../platform/day.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import type { Statements } from '../write/statements.ts';
import { isVisibleRow, notFound } from '../write/subject.ts';

export interface Place {
  personId: string;
  budgetId: string;
  portionId: string | null;
}

/** The same, as SQL. */
type PlaceSql = { [Part in keyof Place]: string };

/** A funder of a budget gives money to it, to one it is part of or that is part of it, or keeps it in its own system. */
const funds = ({ personId, budgetId }: PlaceSql, p: PolicyParameters) => `
  exists (
    select from budget b
     where b.person_id = ${personId}
       and (b.id = ${budgetId} or b.part_of_id = ${budgetId}
            or b.id = (select part_of_id from budget where id = ${budgetId} and person_id = ${personId}))
       and (exists (select from funding_line f where f.budget_id = b.id and f.person_id = b.person_id
                       and f.organisation_id = ${ownOrganisation(p)})
            or exists (select from person_link l join source_system s on s.id = l.source_id
                        where l.id = b.link_id and s.organisation_id = ${ownOrganisation(p)})))`;

/**
 * The viewer's organisation operates the portion's account today, or that of the portion that has taken its place: from
 * the day on which somebody else does it pays nothing more, not even for the days before.
 */
const operatesAccount = ({ personId, portionId }: PlaceSql, p: PolicyParameters) => {
  const operated = (portion: string, where: string) =>
    `exists (select from ${portion} where ${where} and o.account_operator_id = ${ownOrganisation(p)} and ${holdsOn('o', p.today())})`;
  return `(${operated('portion o', `o.id = ${portionId} and o.person_id = ${personId}`)}
    or ${operated(
      `(with recursive later as (
          select n.id, n.account_operator_id, n.valid_from, n.valid_to from portion n
           where n.replaces_id = ${portionId} and n.person_id = ${personId}
          union all
          select n.id, n.account_operator_id, n.valid_from, n.valid_to from portion n join later l on n.replaces_id = l.id
           where n.person_id = ${personId}) select * from later) o`,
      'true',
    )})`;
};

/**
 * SQL: whether the viewer pays from this place. The person does; a representative with authority over money; whoever
 * operates the portion's account, for that portion; a funder.
 */
export function paysFrom(role: ViewerRole, place: PlaceSql, p: PolicyParameters): string {
  const { personId } = place;
  switch (role) {
    case 'PERSON':
      return 'true';
    case 'REPRESENTATIVE':
      return `exists (select from (${authoritiesOver(personId, p)}) held(role)
        where role in (${decidesAboutMoney.map((authority) => `'${authority}'`).join()}))`;
    case 'PROVIDER':
    case 'PROVIDER_WORKER':
    case 'PROVIDER_FINANCE':
      return operatesAccount(place, p);
    default:
      return funds(place, p);
  }
}

const given: PlaceSql = { personId: '$1::uuid', budgetId: '$2::uuid', portionId: '$3::uuid' };

async function holds(
  { tx, viewer, today }: CommandContext<Statements>,
  { personId, budgetId, portionId }: Place,
  condition: (p: PolicyParameters) => string,
): Promise<boolean> {
  const values: unknown[] = [personId, budgetId, portionId];
  const text = `select ${condition(parametersOf(viewer, today, values))} as holds
    from (values (${given.personId}, ${given.budgetId}, ${given.portionId})) as place`;
  const [row] = await tx.$queryRawUnsafe<{ holds: boolean }[]>(text, ...values);
  return row!.holds;
}

/** @throws UserFault NOT_YOURS */
export async function mustFund(context: CommandContext, place: Place, field: string): Promise<void> {
  if (!(await holds(context, place, (p) => funds(given, p)))) throw notFunder(field);
}

const notFunder = (field: string) =>
  new UserFault('NOT_YOURS', 'This is for an organisation that funds the budget.', field);

/** @throws UserFault NOT_YOURS where the viewer does not pay from there, see `paysFrom` */
export async function mustPay(
  context: CommandContext<Statements>,
  place: Place,
  field: string,
): Promise<void> {
  const { role } = context.viewer;
  if (!(await holds(context, place, (p) => paysFrom(role, given, p)))) throw notPayer(role, field);
}

/** The same for money that was set aside, which may be in no portion: then any account of the budget is enough. */
export async function mustLetGo(
  context: CommandContext<Statements>,
  place: Place,
  field: string,
): Promise<void> {
  const { role } = context.viewer;
  if (place.portionId !== null || !isOfProvider(role)) return mustPay(context, place, field);
  const fromAny = (p: PolicyParameters) => `exists (
    select from portion q join budget b on b.id = ${given.budgetId} and b.person_id = q.person_id
     where q.person_id = ${given.personId} and q.budget_id in (b.id, b.part_of_id)
       and ${paysFrom(role, { ...given, portionId: 'q.id' }, p)})`;
  if (!(await holds(context, place, fromAny))) throw notPayer(role, field);
}

/** The fault of whoever does not pay from a place. */
export function notPayer(role: ViewerRole, field: string): UserFault {
  if (role === 'REPRESENTATIVE') {
    const message = 'This is for the person, or for somebody with authority over their money.';
    return new UserFault('NOT_YOURS', message, field);
  }
  if (!isOfProvider(role)) return notFunder(field);
  const message = 'Name the portion whose account you operate: you act for that one alone.';
  return new UserFault('NOT_YOURS', message, 'portionId');
}

/** A spend of a person whom the viewer may see. @throws UserFault NOT_FOUND */
export async function visibleSpend(context: CommandContext, id: string | null, field = 'spendId') {
  const spend = id === null ? null : await context.tx.spend.findFirst({ where: { id } });
  if (spend === null || !(await isVisibleRow(context, 'spend', id))) throw notFound(field);
  return spend;
}

/** A line of a statement, with its statement. @throws UserFault NOT_FOUND */
export async function visibleBankLine(context: CommandContext, id: string | null) {
  const line =
    id === null ? null : await context.tx.bankLine.findFirst({ where: { id }, include: { statement: true } });
  if (line === null || !(await isVisibleRow(context, 'bank_line', id))) throw notFound('bankLineId');
  return line;
}
