/** Lines of statements that no rule could match: somebody says what they are. */
import { transferPrefix } from '../ledger/view.ts';
import { dayOf } from '../platform/day.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, reasonOf } from '../write/subject.ts';
import { lineOf } from './input.ts';
import { bankLinePrefix, spendPrefix } from './prefix.ts';
import { lockParts, openPurse } from './purse.ts';
import { decideSpend, writeSpends } from './record.ts';
import { mustPay, visibleBankLine } from './subject.ts';

interface OfLine {
  idempotencyKey: string;
  bankLineId: string;
}

interface MatchInput extends OfLine {
  spendId?: string | null;
  transferId?: string | null;
  record?: { lineKey?: string | null; what: string; category?: string | null } | null;
}

interface LineResult {
  bankLineId: string;
  spendId?: string;
}

const notFound = (field: string) =>
  new UserFault('NOT_FOUND', 'There is no such thing, or it is not of this budget.', field);

/** A line as it stands, with its budget locked. @throws Refused WRONG_STAGE, showing it */
async function openLine(context: CommandContext, input: OfLine, states: string[]) {
  const seen = await visibleBankLine(context, uuidOf(bankLinePrefix, input.bankLineId));
  const { personId, statement } = seen;
  await mustPay(context, statement, 'bankLineId');
  const budgetIds = await lockParts(context.tx, statement.budgetId);
  const line = await context.tx.bankLine.findUniqueOrThrow({
    where: { id_personId: { id: seen.id, personId } },
  });
  if (!states.includes(line.state)) {
    const message = `It is ${line.state}. This is possible while it is ${states.join(' or ')}.`;
    throw new Refused([new UserFault('WRONG_STAGE', message, 'bankLineId')], {
      bankLineId: input.bankLineId,
    });
  }
  return { line, statement, budgetIds };
}

type Open = Awaited<ReturnType<typeof openLine>>;

const differs = (field: string) =>
  new UserFault(
    'BANK_LINE_DIFFERS',
    'The amounts are not the same: it cannot be what this line shows.',
    field,
  );

async function spendOf(context: CommandContext, { line, budgetIds }: Open, spendId: string): Promise<string> {
  const { tx } = context;
  const id = uuidOf(spendPrefix, spendId);
  const spend =
    id === null
      ? null
      : await tx.spend.findFirst({ where: { id, personId: line.personId, budgetId: { in: budgetIds } } });
  if (spend === null) throw notFound('spendId');
  // Somebody else's account shows what was paid from it.
  if (spend.portionId !== null) await mustPay(context, spend, 'spendId');
  if (!['INSIDE_PLAN', 'NEEDS_LOOK', 'ACCEPTED'].includes(spend.state) || spend.bankLineId !== null) {
    throw new UserFault('WRONG_STAGE', 'It moved no money, or another line shows it already.', 'spendId');
  }
  if (spend.pence !== -line.pence) throw differs('spendId');
  return spend.id;
}

const transferRow = `
select case when t.kind in ('PAID_IN', 'REFUNDED') then t.pence else -t.pence end as pence,
       exists (select from ledger_transfer r where r.reverses_id = t.id)
       or exists (select from bank_statement s join bank_line l on l.statement_id = s.id and l.person_id = s.person_id
                   where s.budget_id = any($3::uuid[]) and l.transfer_id = t.id) as done
  from ledger_transfer t
 where t.id = $1::uuid and t.person_id = $2::uuid and t.budget_id = any($3::uuid[]) and t.reverses_id is null
   and t.kind in ('PAID_IN', 'REFUNDED', 'REPAID', 'RECLAIMED', 'SPENT')`;

async function transferOf({ tx }: CommandContext, { line, budgetIds }: Open, given: string): Promise<string> {
  const id = uuidOf(transferPrefix, given);
  const [found] = await tx.$queryRawUnsafe<{ pence: bigint; done: boolean }[]>(
    transferRow,
    id,
    line.personId,
    budgetIds,
  );
  if (id === null || found === undefined) throw notFound('transferId');
  if (found.done)
    throw new UserFault('WRONG_STAGE', 'It was undone, or another line shows it.', 'transferId');
  if (found.pence !== line.pence) throw differs('transferId');
  return id;
}

/** Records what the line shows, by the same rules as everything that is bought. */
async function record(
  context: CommandContext,
  { line, statement }: Open,
  wanted: NonNullable<MatchInput['record']>,
) {
  if (line.pence > 0n) {
    throw new UserFault('BANK_LINE_DIFFERS', 'Money came in here: nothing was bought.', 'record');
  }
  const purse = await openPurse(context, statement.budgetId, { days: [dayOf(line.bookedOn)] });
  const decided = decideSpend(
    purse,
    {
      portionId: statement.portionId,
      lineKey: wanted.lineKey ?? null,
      pence: -line.pence,
      spentOn: dayOf(line.bookedOn),
      payee: line.party,
      what: lineOf(wanted.what, 'record.what', 200),
      category: wanted.category == null ? '' : lineOf(wanted.category, 'record.category', 60),
      clientId: context.viewer.subject,
      externalRef: null,
      bankLineId: line.id,
    },
    context.today,
  );
  const ids = await writeSpends(context, purse, [decided]);
  return { id: ids![0]!, isRefused: decided.state === 'REFUSED' };
}

export const matchBankLineCommand: Command<MatchInput, LineResult> = {
  name: 'matchBankLine',
  run: async (context, input) => {
    const { tx } = context;
    const given = [input.spendId, input.transferId, input.record].filter((one) => one != null);
    if (given.length !== 1) {
      throw new UserFault(
        'MATCH_INVALID',
        'Name one thing: a spend, a transfer, or what to record.',
        'bankLineId',
      );
    }
    const open = await openLine(context, input, ['UNMATCHED', 'SET_ASIDE']);
    const { id, personId } = open.line;
    const where = { id_personId: { id, personId } };
    let spendId: string | null = null;
    if (input.transferId != null) {
      const transferId = await transferOf(context, open, input.transferId);
      await tx.bankLine.update({ where, data: { state: 'MATCHED', transferId, note: null } });
    } else {
      const made = input.record == null ? null : await record(context, open, input.record);
      spendId = made?.id ?? (await spendOf(context, open, input.spendId!));
      // A refused one moved no money in the ledger: that it left the account all the same, somebody must deal with.
      if (made?.isRefused)
        await tx.bankLine.update({ where, data: { state: 'UNMATCHED', note: 'EXCLUDED_ITEM' } });
      else await tx.bankLine.update({ where, data: { state: 'MATCHED', spendId, note: null } });
      if (made === null) {
        const spend = { id_personId: { id: spendId, personId } };
        await tx.spend.update({ where: spend, data: { bankLineId: id } });
      }
    }
    announce(context, 'money.changed', [personId]);
    const result = {
      bankLineId: input.bankLineId,
      ...(spendId === null ? {} : { spendId: idOf(spendPrefix, spendId) }),
    };
    return { result, personIds: [personId] };
  },
};

export const setAsideBankLineCommand: Command<OfLine & { reason: string }, LineResult> = {
  name: 'setAsideBankLine',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const { line } = await openLine(context, input, ['UNMATCHED']);
    const { id, personId } = line;
    await context.tx.bankLine.update({
      where: { id_personId: { id, personId } },
      data: { state: 'SET_ASIDE', note: reason },
    });
    announce(context, 'money.changed', [personId]);
    return { result: { bankLineId: input.bankLineId }, personIds: [personId], reason };
  },
};

export const releaseBankLineCommand: Command<OfLine & { reason: string }, LineResult> = {
  name: 'releaseBankLine',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const { line } = await openLine(context, input, ['MATCHED', 'SET_ASIDE']);
    const { id, personId, spendId } = line;
    if (spendId !== null) {
      await context.tx.spend.update({
        where: { id_personId: { id: spendId, personId } },
        data: { bankLineId: null },
      });
    }
    await context.tx.bankLine.update({
      where: { id_personId: { id, personId } },
      data: { state: 'UNMATCHED', spendId: null, transferId: null, note: null },
    });
    announce(context, 'money.changed', [personId]);
    return { result: { bankLineId: input.bankLineId }, personIds: [personId], reason };
  },
};
