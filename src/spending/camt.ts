/** Reading a statement in ISO 20022 camt.053, versions 02 to 08, as UK banks and card programmes send it. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { penceOfDecimal } from '../platform/money.ts';
import {
  countProblem,
  dayProblem,
  invalid,
  type Problem,
  type Reading,
  realDay,
  repeatedRefs,
  type StatementLine,
  textIn,
  totalsProblem,
} from './statement-line.ts';

/** A statement is a dozen elements deep, with some thirty for a line; what goes far beyond was made to hurt a parser. */
const maxDepth = 40;
const maxTags = 400_000;
const maxTagLength = 1_000;
const tagShape = /^<\/?[A-Za-z][^<>]*>?/;

/** What may repeat is a list even when it comes once. */
const repeated = new Set(['Stmt', 'Bal', 'Ntry', 'NtryDtls', 'TxDtls', 'Ustrd']);

// Entities are not expanded at all: with them a few lines can grow to gigabytes, or read a file of this machine.
const parser = new XMLParser({
  processEntities: false,
  htmlEntities: false,
  removeNSPrefix: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: true,
  isArray: (name) => repeated.has(name),
});

type Node = { [name: string]: Node | Node[] | string | undefined } | string | undefined;

/** What stands at a path of elements; undefined where nothing does. */
function at(node: Node | Node[], ...path: string[]): Node {
  let found: Node | Node[] = node;
  for (const name of path) {
    const one: Node = Array.isArray(found) ? found[0] : found;
    if (typeof one !== 'object') return undefined;
    found = one[name];
  }
  return Array.isArray(found) ? found[0] : found;
}

function all(node: Node, name: string): Node[] {
  if (typeof node !== 'object') return [];
  const found = node[name];
  return found === undefined ? [] : Array.isArray(found) ? found : [found];
}

const predefined: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text of an element: the five entities that XML itself has, and characters by number. */
function text(node: Node): string {
  const raw = typeof node === 'object' ? node['#text'] : node;
  if (typeof raw !== 'string') return '';
  return raw.replace(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi,
    (whole, name, dec, hex) => {
      if (name !== undefined) return predefined[name.toLowerCase()]!;
      const code = dec === undefined ? Number.parseInt(hex, 16) : Number(dec);
      return code >= 0x20 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
        ? String.fromCodePoint(code)
        : whole;
    },
  );
}

/** What a file may have that a statement never needs, told from the text alone, before anything is built of it. */
function isHurtful(content: string): boolean {
  let depth = 0;
  let tags = 0;
  let from = -1;
  for (;;) {
    from = content.indexOf('<', from + 1);
    if (from === -1) return false;
    tags += 1;
    if (tags > maxTags) return true;
    const [tag] = tagShape.exec(content.slice(from, from + maxTagLength + 1)) ?? [''];
    if (tag.startsWith('</')) depth -= 1;
    else if (tag.startsWith('<') && !tag.endsWith('/>')) depth += 1;
    if (depth > maxDepth || tag.length > maxTagLength) return true;
  }
}

const refuse = (...problems: Problem[]): Reading => ({ statement: null, problems });

const amountShape = /^\d{1,12}(\.\d{1,5})?$/;

/** Pence of an amount with its direction; null where it is not one in pounds, or is finer than a penny. */
function penceOf(node: Node, direction: Node): bigint | null {
  const amount = text(node).replace(/(\.\d{2})0+$/, '$1');
  const way = text(direction);
  if (!amountShape.test(amount) || /\.\d{3}/.test(amount) || (way !== 'CRDT' && way !== 'DBIT')) return null;
  if (text(at(node, '@Ccy')) !== 'GBP') return null;
  const pence = penceOfDecimal(amount);
  return way === 'CRDT' ? pence : -pence;
}

function dayOf(node: Node): string | null {
  const said = text(at(node, 'Dt')) || text(at(node, 'DtTm'));
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})(?:$|[TZ+-])/.exec(said) ?? [];
  return year === undefined ? null : realDay(year, month!, day!);
}

/** The other party: whoever was paid where money went out, whoever paid where it came in. */
function partyOf(details: Node, entry: Node, out: boolean): string {
  const parties = at(details, 'RltdPties');
  const other = at(parties, out ? 'Cdtr' : 'Dbtr');
  return (
    text(at(other, 'Nm')) || text(at(other, 'Pty', 'Nm')) || text(at(entry, 'AddtlNtryInf')) || 'Not named'
  );
}

export function readCamt(content: string, today: string): Reading {
  if (/<!(DOCTYPE|ENTITY)/i.test(content)) {
    return refuse(invalid('A statement declares no document type and no entities. Export it anew.'));
  }
  if (isHurtful(content))
    return refuse(invalid('The elements are too many, too deep or too long for a statement.'));
  const validity = XMLValidator.validate(content);
  if (validity !== true) return refuse(invalid(`Line ${validity.err.line}: this is not well-formed XML.`));
  const statements = all(at(parser.parse(content) as Node, 'Document', 'BkToCstmrStmt'), 'Stmt');
  if (statements.length === 0)
    return refuse(invalid('There is no statement in it. camt.053 is what is read here.'));
  const tooMany = countProblem(statements.reduce<number>((sum, one) => sum + all(one, 'Ntry').length, 0));
  if (tooMany !== null) return refuse(tooMany);

  const problems: Problem[] = [];
  const lines: StatementLine[] = [];
  const accounts = new Set<string>();
  let openingPence: bigint | null = null;
  let closingPence: bigint | null = null;
  for (const statement of statements) {
    const account = at(statement, 'Acct', 'Id');
    accounts.add((text(at(account, 'IBAN')) || text(at(account, 'Othr', 'Id'))).replace(/\s/g, ''));
    const own = entriesOf(statement, lines.length, today, problems);
    lines.push(...own);
    const opening = balanceOf(statement, ['OPBD', 'PRCD'], problems);
    const closing = balanceOf(statement, ['CLBD'], problems);
    if (opening === null || closing === null) {
      problems.push(invalid('A statement names what it opened with (OPBD or PRCD) and closed with (CLBD).'));
      continue;
    }
    // One statement a day: each goes on where the one before closed.
    const disagree =
      (closingPence !== null && totalsProblem(closingPence, [], opening)) ||
      totalsProblem(opening, own, closing) ||
      footerProblem(statement, own);
    if (disagree && problems.length === 0) problems.push(disagree);
    openingPence ??= opening;
    closingPence = closing;
  }
  if (accounts.size > 1)
    problems.push(invalid('It holds more than one account. Send one account at a time.'));
  problems.push(...repeatedRefs(lines));
  if (problems.length > 0) return refuse(...problems);
  const [account = ''] = accounts;
  return { statement: { lines, openingPence, closingPence, account: account || null }, problems: [] };
}

function balanceOf(statement: Node, codes: string[], problems: Problem[]): bigint | null {
  for (const code of codes) {
    const balance = all(statement, 'Bal').find((b) => text(at(b, 'Tp', 'CdOrPrtry', 'Cd')) === code);
    if (balance === undefined) continue;
    const pence = penceOf(at(balance, 'Amt'), at(balance, 'CdtDbtInd'));
    if (pence === null) problems.push(invalid(`The balance ${code} is not an amount in GBP.`));
    return pence ?? 0n;
  }
  return null;
}

/** Entries that are booked; what is pending moves no money yet. */
function entriesOf(statement: Node, before: number, today: string, problems: Problem[]): StatementLine[] {
  const booked = all(statement, 'Ntry').filter((entry) => {
    const status = at(entry, 'Sts');
    return (text(at(status, 'Cd')) || text(status)) === 'BOOK';
  });
  return booked.map((entry, index) => {
    const n = before + index + 1;
    const pence = penceOf(at(entry, 'Amt'), at(entry, 'CdtDbtInd'));
    if (pence === null || pence === 0n)
      problems.push(invalid(`Entry ${n}: its amount is not one in GBP above zero.`));
    const day = dayOf(at(entry, 'BookgDt'));
    const misdated = dayProblem(day, today, n);
    if (misdated !== null) problems.push(misdated);
    const details = at(all(entry, 'NtryDtls')[0], 'TxDtls');
    const said = [
      ...all(at(details, 'RmtInf'), 'Ustrd').map(text),
      text(at(details, 'Refs', 'EndToEndId')).replace(/^NOTPROVIDED$/, ''),
    ];
    return {
      at: n,
      bookedOn: day ?? '',
      pence: pence ?? 0n,
      party: textIn(partyOf(details, entry, (pence ?? 0n) < 0n)),
      reference: textIn(said.filter((part) => part !== '').join(' ') || text(at(entry, 'AddtlNtryInf'))),
      bankRef: text(at(entry, 'AcctSvcrRef')) || null,
    };
  });
}

/** The count and sum at the foot, where the bank gives them, against the entries that came. */
function footerProblem(statement: Node, lines: StatementLine[]): Problem | null {
  const total = at(statement, 'TxsSummry', 'TtlNtries');
  const count = text(at(total, 'NbOfNtries'));
  const sum = text(at(total, 'Sum'));
  const moved = lines.reduce((all, { pence }) => all + (pence < 0n ? -pence : pence), 0n);
  const wrongSum = sum !== '' && (!/^\d{1,12}(\.\d{1,2})?$/.test(sum) || penceOfDecimal(sum) !== moved);
  if ((count === '' || Number(count) === lines.length) && !wrongSum) return null;
  const message = `The foot of the statement counts other entries or another sum than the ${lines.length} that came.`;
  return { code: 'STATEMENT_TOTALS_DISAGREE', message };
}
