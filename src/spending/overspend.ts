/** Letting a budget spend a funder's money past what there is: by agreement of that funder, so far, and for so long. */
import { ownOrganisation } from '../access/policy.ts';
import { parametersOf } from '../access/scope.ts';
import { budgetPrefix } from '../budget/view.ts';
import { heirOf } from '../commissioner/succession.ts';
import type { FundingSource } from '../generated/prisma/enums.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { announce, type MoneyGiven, reasonOf } from '../write/subject.ts';
import { amountOf } from './input.ts';
import { overspendPrefix } from './prefix.ts';
import { openPurse, type Purse } from './purse.ts';

/** The viewer's organisation, where it gives this money to the budget or to what is one with it. @throws UserFault NOT_YOURS */
async function funderOf({ tx, viewer, today }: CommandContext, purse: Purse, source: FundingSource) {
  const values: unknown[] = [purse.personId, purse.budgetId, source];
  const p = parametersOf(viewer, today, values);
  const own = ownOrganisation(p);
  const [found] = await tx.$queryRawUnsafe<{ id: string }[]>(
    `select o.id::text as id from organisation o
      where o.id = ${own} and exists (
        select from budget b join funding_line f on f.budget_id = b.id and f.person_id = b.person_id
         where b.person_id = $1::uuid and f.source = $3::funding_source
           and (b.id = $2::uuid or b.part_of_id = $2::uuid
                or b.id = (select part_of_id from budget where id = $2::uuid and person_id = $1::uuid))
           and o.id in (f.organisation_id, ${heirOf('f.organisation_id', p.today())}))`,
    ...values,
  );
  if (found !== undefined) return found.id;
  throw new UserFault('NOT_YOURS', 'This is for the organisation whose money it is.', 'source');
}

export const agreeOverspendCommand: Command<
  {
    idempotencyKey: string;
    budgetId: string;
    source: FundingSource;
    amount: MoneyGiven;
    until: string;
    reason: string;
  },
  { overspendAgreementId: string; budgetId: string }
> = {
  name: 'agreeOverspend',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    // Under the lock: who spends at the same time has it all, or none of it.
    const purse = await openPurse(context, uuidOf(budgetPrefix, input.budgetId), { days: [] });
    const { personId, budgetId } = purse;
    const { source, until } = input;
    const organisationId = await funderOf(context, purse, source);
    const reason = reasonOf(input.reason);
    const pence = amountOf(input.amount);
    if (until < today) {
      throw new UserFault('DAY_INVALID', 'It holds for what is bought until today or later.', 'until');
    }
    const { id } = await tx.overspendAgreement.create({
      data: {
        personId,
        budgetId,
        source,
        organisationId,
        pence,
        until: new Date(until),
        reason,
        agreedBy: viewer.subject,
      },
      select: { id: true },
    });
    announce(context, 'money.changed', [personId]);
    const result = { overspendAgreementId: idOf(overspendPrefix, id), budgetId: input.budgetId };
    return { result, personIds: [personId], reason };
  },
};
