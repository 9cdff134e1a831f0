/** Who may spend a person's money or account for it, and who decides about it for a funder. */
import { type CommandContext, UserFault } from '../write/command.ts';
import { actingOrganisation, isVisibleRow, mayDecideAboutMoney, notFound } from '../write/subject.ts';

export interface Place {
  personId: string;
  budgetId: string;
  portionId: string | null;
}

/** A funder of a budget gives money to it, to one it is part of or that is part of it, or keeps it in its own system. */
const funds = `
select 1 from budget b
 where b.person_id = $1::uuid
   and (b.id = $2::uuid or b.part_of_id = $2::uuid
        or b.id = (select part_of_id from budget where id = $2::uuid and person_id = $1::uuid))
   and (exists (select from funding_line f where f.budget_id = b.id and f.person_id = b.person_id
                   and f.organisation_id = $3::uuid)
        or exists (select from person_link l join source_system s on s.id = l.source_id
                    where l.id = b.link_id and s.organisation_id = $3::uuid))
 limit 1`;

async function isFunder(context: CommandContext, { personId, budgetId }: Place): Promise<boolean> {
  const organisation = await actingOrganisation(context);
  if (organisation === null) return false;
  const found = await context.tx.$queryRawUnsafe<unknown[]>(funds, personId, budgetId, organisation.id);
  return found.length > 0;
}

/** @throws UserFault NOT_YOURS */
export async function mustFund(context: CommandContext, place: Place, field: string): Promise<void> {
  if (await isFunder(context, place)) return;
  throw new UserFault('NOT_YOURS', 'This is for an organisation that funds the budget.', field);
}

/**
 * The person; a representative with authority over money; whoever operates the portion's account, for that portion; a
 * funder.
 *
 * @throws UserFault NOT_YOURS
 */
export async function mustPay(context: CommandContext, place: Place, field: string): Promise<void> {
  const { viewer, tx } = context;
  if (viewer.role === 'PERSON') return;
  if (viewer.role === 'REPRESENTATIVE') {
    if (await mayDecideAboutMoney(context, place.personId)) return;
    const message = 'This is for the person, or for somebody with authority over their money.';
    throw new UserFault('NOT_YOURS', message, field);
  }
  if (viewer.role !== 'PROVIDER') return mustFund(context, place, field);
  const organisation = await actingOrganisation(context);
  const { personId, portionId: id } = place;
  const portion =
    id === null || organisation === null
      ? null
      : await tx.portion.findFirst({ where: { id, personId, accountOperatorId: organisation.id } });
  if (portion === null) {
    const message = 'Name the portion whose account you operate: you act for that one alone.';
    throw new UserFault('NOT_YOURS', message, 'portionId');
  }
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
