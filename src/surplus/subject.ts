/** Who may speak for a person about their money, and for whose money an organisation speaks. */
import { isOfProvider } from '../access/viewer.ts';
import { type CommandContext, UserFault } from '../write/command.ts';
import { actingOrganisation, mayDecideAboutMoney } from '../write/subject.ts';

/** Days on which a portion must have been the provider's to operate: any of them is enough. */
interface Span {
  from: string;
  to: string;
}

/**
 * The person; a representative with authority over money; a provider that operated the account of one of the person's
 * portions on one of the days, on the person's instruction. Everybody else is let through: the policy has spoken.
 *
 * @param budgetId only portions of this budget, and of the one it is part of; null for all of the person
 * @throws UserFault NOT_YOURS
 */
export async function mustAnswerFor(
  context: CommandContext,
  { personId, budgetId, days }: { personId: string; budgetId: string | null; days: Span },
  field: string,
): Promise<void> {
  const { viewer, tx } = context;
  if (viewer.role === 'REPRESENTATIVE') {
    if (await mayDecideAboutMoney(context, personId)) return;
    const message = 'This is for the person, or for somebody with authority over their money.';
    throw new UserFault('NOT_YOURS', message, field);
  }
  if (!isOfProvider(viewer.role)) return;
  const organisation = await actingOrganisation(context);
  const operated = await tx.$queryRawUnsafe<unknown[]>(
    `select 1 from portion p
      where p.person_id = $1::uuid and p.account_operator_id = $2::uuid
        and ($3::uuid is null or p.budget_id = $3::uuid
             or p.budget_id = (select part_of_id from budget where id = $3::uuid and person_id = $1::uuid))
        and (p.valid_from is null or p.valid_from <= $5::date) and (p.valid_to is null or p.valid_to > $4::date) limit 1`,
    personId,
    organisation?.id ?? null,
    budgetId,
    days.from,
    days.to,
  );
  if (operated.length > 0) return;
  throw new UserFault('NOT_YOURS', 'Only the provider that operates the account may do this.', field);
}
