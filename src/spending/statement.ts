/** Taking in a bank's or a card's statement, and matching its lines to what the hub knows of. */

import { budgetPrefix } from '../budget/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, isVisibleRow, type MoneyGiven, notFound, penceOf } from '../write/subject.ts';
import { readCamt } from './camt.ts';
import { type CsvMapping, readCsv } from './csv.ts';
import { lineOf, portionIn } from './input.ts';
import { evidencePrefix, statementPrefix } from './prefix.ts';
import { openPurse } from './purse.ts';
import {
  fileProblem,
  hashOf,
  invalid,
  NotText,
  type Problem,
  type Reading,
  type ReadStatement,
  textOf,
} from './statement-line.ts';
import { mustPay } from './subject.ts';
import { newLines, takeIn } from './take-in.ts';

type Tx = CommandContext['tx'];

interface StatementResult {
  statementId: string;
  budgetId: string;
  alreadyImported: boolean;
  newLines: number;
  knownLines: number;
}

type Delimiter = 'COMMA' | 'SEMICOLON' | 'TAB' | 'PIPE';
const delimiters: Record<Delimiter, string> = { COMMA: ',', SEMICOLON: ';', TAB: '\t', PIPE: '|' };

interface ImportInput {
  idempotencyKey: string;
  budgetId: string;
  portionId?: string | null;
  format: 'CSV' | 'CAMT_053';
  fileName: string;
  content?: string | null;
  evidenceId?: string | null;
  csv?: (Omit<CsvMapping, 'delimiter'> & { delimiter: Delimiter }) | null;
  opening?: MoneyGiven | null;
  closing?: MoneyGiven | null;
}

/** So many are told at once: whoever has more has named the wrong columns. */
const maxTold = 100;

/** The file: sent with the request, or uploaded before. */
interface Source {
  hash: Uint8Array<ArrayBuffer>;
  evidenceId: string | null;
  /** What of the input to mend where it cannot be read. */
  field: 'content' | 'evidenceId';
  content: () => Promise<string | AsyncIterable<string>>;
}

async function sourceOf(
  context: CommandContext,
  { content, evidenceId }: ImportInput,
  personId: string,
): Promise<Source> {
  if ((content == null) === (evidenceId == null)) {
    const message = 'Send the text of the file, or name the evidence it was uploaded as: one of them.';
    throw new UserFault('STATEMENT_INVALID', message, 'content');
  }
  if (content != null) {
    const unreadable = fileProblem(content);
    if (unreadable !== null) throw refusedFor([unreadable], 'content');
    return { hash: hashOf(content), evidenceId: null, field: 'content', content: async () => content };
  }
  const { tx, files } = context;
  const id = uuidOf(evidencePrefix, evidenceId);
  const found = id === null ? null : await tx.evidence.findFirst({ where: { id, personId } });
  if (found === null || !(await isVisibleRow(context, 'evidence', id))) throw notFound('evidenceId');
  const hash = found.hash;
  return {
    hash,
    evidenceId: found.id,
    field: 'evidenceId',
    content: async () => textOf(await files.read(Buffer.from(hash), Number(found.sizeBytes))),
  };
}

async function whole(content: string | AsyncIterable<string>): Promise<string> {
  if (typeof content === 'string') return content;
  const pieces: string[] = [];
  for await (const piece of content) pieces.push(piece);
  return pieces.join('');
}

async function read(input: ImportInput, { content }: Source, today: string): Promise<Reading> {
  try {
    return await readAs(input, await content(), today);
  } catch (error) {
    if (error instanceof NotText) return { statement: null, problems: [error.problem] };
    throw error;
  }
}

async function readAs(
  input: ImportInput,
  content: string | AsyncIterable<string>,
  today: string,
): Promise<Reading> {
  if (input.format === 'CAMT_053') return readCamt((await whole(content)).replace(/^\ufeff/, ''), today);
  const { csv } = input;
  const isMapped = csv != null && (csv.amount != null || (csv.moneyIn != null && csv.moneyOut != null));
  if (!isMapped || (csv.amount != null && (csv.moneyIn != null || csv.moneyOut != null))) {
    const message = 'Name the columns in "csv": either "amount", or both "moneyIn" and "moneyOut".';
    throw new UserFault('MAPPING_INVALID', message, 'csv');
  }
  const balance = (given: MoneyGiven | null | undefined, field: string) =>
    given == null ? null : penceOf(given, field);
  const given = {
    openingPence: balance(input.opening, 'opening'),
    closingPence: balance(input.closing, 'closing'),
  };
  return readCsv(content, { ...csv, delimiter: delimiters[csv.delimiter] }, given, today);
}

function refusedFor(problems: Problem[], field: Source['field']): Refused {
  const told = problems.slice(0, maxTold);
  const more = problems.length - told.length;
  if (more > 0)
    told.push(invalid(`${more} more lines cannot be read. Mend these first, or look at the columns.`));
  return new Refused(told.map(({ code, message }) => new UserFault(code, message, field)));
}

export const importStatementCommand: Command<ImportInput, StatementResult> = {
  name: 'importStatement',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const id = uuidOf(budgetPrefix, input.budgetId);
    const budget = id === null ? null : await tx.budget.findFirst({ where: { id } });
    if (budget === null || !(await isVisibleRow(context, 'budget', id))) {
      throw notFound('budgetId');
    }
    const { personId, id: budgetId } = budget;
    const fileName = lineOf(input.fileName, 'fileName', 200);
    // Before the lock, for nobody should wait for it.
    const source = await sourceOf(context, input, personId);
    const reading = await read(input, source, today);
    const purse = await openPurse(context, budgetId, { days: daysOf(reading) });
    const portionId = portionIn(purse, input.portionId);
    await mustPay(context, { personId, budgetId, portionId }, 'budgetId');

    const { hash, evidenceId, field } = source;
    const before = await tx.bankStatement.findUnique({
      where: { budgetId_hash: { budgetId, hash } },
      include: { _count: { select: { lines: true } } },
    });
    const ids = (statementId: string) => ({
      statementId: idOf(statementPrefix, statementId),
      budgetId: input.budgetId,
    });
    if (before !== null) {
      const result = {
        ...ids(before.id),
        alreadyImported: true,
        newLines: 0,
        knownLines: before._count.lines,
      };
      return { result, personIds: [personId] };
    }
    if (reading.statement === null) throw refusedFor(reading.problems, field);
    const { statement } = reading;
    await refuseOtherAccount(tx, { budgetId, portionId }, statement, field);

    const { openingPence, closingPence } = statement;
    const { id: statementId } = await tx.bankStatement.create({
      data: {
        personId,
        budgetId,
        portionId,
        format: input.format,
        hash,
        fileName,
        evidenceId,
        openingPence,
        closingPence,
        importedBy: viewer.subject,
      },
      select: { id: true },
    });
    const fresh = await newLines(tx, budgetId, statement.lines);
    await takeIn(context, purse, { statementId, portionId }, fresh);
    announce(context, 'money.changed', [personId]);
    const result = {
      ...ids(statementId),
      alreadyImported: false,
      newLines: fresh.length,
      knownLines: statement.lines.length - fresh.length,
    };
    return { result, personIds: [personId] };
  },
};

const daysOf = ({ statement }: Reading) => [
  ...new Set((statement?.lines ?? []).map(({ bookedOn }) => bookedOn)),
];

/** Where the hub knows to which account the money is paid, a statement that names another is somebody else's. */
async function refuseOtherAccount(
  tx: Tx,
  { budgetId, portionId }: { budgetId: string; portionId: string | null },
  { account }: ReadStatement,
  field: Source['field'],
): Promise<void> {
  if (account === null) return;
  const known = await tx.payeeAccount.findFirst({
    where: { budgetId, portionId, endedAt: null, approvedBy: { not: null } },
  });
  if (known === null) return;
  const digits = (text: string) => text.replace(/\D/g, '');
  if (digits(account).endsWith(digits(known.sortCode) + digits(known.accountNumber))) return;
  const message =
    'This statement is of another account than the one this money is paid to. Nothing was taken in.';
  throw new UserFault('STATEMENT_OF_OTHER_ACCOUNT', message, field);
}
