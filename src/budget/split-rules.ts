/** Who pays which share of a budget, and from when to when. */
import type { FundingSource, SplitBasis } from '../generated/prisma/enums.ts';
import { apportion } from '../platform/money.ts';
import { type Finding, isPublic } from './rules.ts';

export interface Share {
  source: FundingSource;
  organisationCode: string | null;
  /** Hundredths of a percent. */
  basisPoints: bigint | null;
  pence: bigint | null;
  /** The plan's money line it pays. */
  lineKey: string | null;
}

/** What is to be shared out: the public money of the budget, and what the adult pays of the council's part. */
export interface Whole {
  publicPence: bigint;
  contributionPence: bigint;
  /** The money lines of the plan that this budget pays, by key; of no matter unless shared by line. */
  lines: Map<string, bigint>;
}

const allOf100 = 10_000n;

/**
 * What each share comes to, in the order given: together the public money of the budget, to the penny.
 *
 * There is no national formula for the split of a joint or section 117 package: a panel decides (NHS England; FOI 1666
 * of Derbyshire). By percent and by line the panel divides what the care costs, so what the adult pays is taken off
 * the council's shares: it is never set against NHS money. Fixed amounts are what each body pays itself.
 */
export function shareOut(
  basis: SplitBasis,
  shares: Share[],
  whole: Whole,
): { pence: bigint[]; findings: [] } | { pence: null; findings: Finding[] } {
  const refuse = (...findings: Finding[]) => ({ pence: null, findings });
  const wrong = shares.flatMap((share, i) => judgeShare(basis, share, i, shares, whole));
  if (wrong.length > 0) return refuse(...wrong);
  const gross = grossOf(basis, shares, whole);
  if (gross === null) return refuse(notAddingUp(basis));
  if (basis === 'FIXED_AMOUNT') return { pence: gross, findings: [] };
  const net = lessContribution(shares, gross, whole.contributionPence);
  return net === null
    ? refuse({
        code: 'CONTRIBUTION_AGAINST_NHS',
        message:
          'What the adult pays is more than the council’s shares, so it would be set against NHS money. Raise the council’s shares, or lessen the contribution.',
        field: 'shares',
      })
    : { pence: net, findings: [] };
}

function judgeShare(basis: SplitBasis, share: Share, i: number, shares: Share[], whole: Whole): Finding[] {
  const at = `shares.${i}`;
  const findings: Finding[] = [];
  const sayOnly = (field: string, message: string) =>
    findings.push({ code: 'SHARE_INVALID', message, field: `${at}.${field}` });
  if (!isPublic(share.source)) sayOnly('source', 'A split divides public money. Leave the person’s own out.');
  if ((share.basisPoints !== null) !== (basis === 'PERCENT')) {
    sayOnly('percent', 'Give a percent for each share of a split by percent, and for no other.');
  } else if (share.basisPoints !== null && (share.basisPoints < 0n || share.basisPoints > allOf100)) {
    sayOnly('percent', 'A percent is 0 to 100.');
  }
  if ((share.pence !== null) !== (basis === 'FIXED_AMOUNT')) {
    sayOnly('amount', 'Give an amount for each share of a split by fixed amount, and for no other.');
  }
  const { lineKey } = share;
  if (lineKey !== null && basis !== 'PER_SERVICE_LINE') {
    sayOnly('lineKey', 'Name a line in a split by line only.');
  } else if (lineKey !== null && !whole.lines.has(lineKey)) {
    const message = 'The plan has no such line that this budget pays. Look at the lines of the plan.';
    findings.push({ code: 'LINE_NOT_KNOWN', message, field: `${at}.lineKey` });
  }
  const isTwin = (other: Share) =>
    basis === 'PER_SERVICE_LINE'
      ? other.lineKey === lineKey
      : other.source === share.source && other.organisationCode === share.organisationCode;
  if (shares.findIndex(isTwin) < i) {
    const [field, what] = basis === 'PER_SERVICE_LINE' ? ['lineKey', 'line'] : ['source', 'funder'];
    findings.push({ code: 'LINE_TWICE', message: `Name each ${what} once.`, field: `${at}.${field}` });
  }
  return findings;
}

const sumOf = (pence: bigint[]) => pence.reduce((sum, each) => sum + each, 0n);

/** What each share is of the whole before the adult's own part is taken off; null where they do not add up to it. */
function grossOf(basis: SplitBasis, shares: Share[], whole: Whole): bigint[] | null {
  const cost = whole.publicPence + whole.contributionPence;
  if (basis === 'FIXED_AMOUNT') {
    const given = shares.map(({ pence }) => pence!);
    return sumOf(given) === whole.publicPence ? given : null;
  }
  if (basis === 'PERCENT') {
    if (sumOf(shares.map(({ basisPoints }) => basisPoints!)) !== allOf100) return null;
    const parties = shares.map((share) => ({
      key: `${share.source} ${share.organisationCode}`,
      weight: share.basisPoints!,
    }));
    return apportion(cost, parties);
  }
  const named = new Set(shares.map(({ lineKey }) => lineKey));
  const rest = cost - sumOf([...whole.lines.values()]);
  if (rest < 0n || [...whole.lines.keys()].some((key) => !named.has(key))) return null;
  // What no line uses is somebody's too.
  if (rest > 0n && !named.has(null)) return null;
  return shares.map(({ lineKey }) => (lineKey === null ? rest : whole.lines.get(lineKey)!));
}

const notAddingUp = (basis: SplitBasis): Finding => ({
  code: 'SPLIT_DOES_NOT_ADD_UP',
  message: {
    PERCENT: 'The percents must add up to 100 exactly.',
    FIXED_AMOUNT: 'The amounts must add up to the public money of the budget exactly, to the penny.',
    PER_SERVICE_LINE:
      'The lines must come to what the budget holds. Name each line of the plan that this budget pays, and for what no line uses a share without a line.',
  }[basis],
  field: 'shares',
});

/** Takes what the adult pays off the council's shares, and off those of a pool only where the council has none. */
function lessContribution(shares: Share[], gross: bigint[], contribution: bigint): bigint[] | null {
  if (contribution === 0n) return gross;
  const bearers = (['COUNCIL', 'S75_POOL'] as const)
    .map((source) => shares.map((share, i) => (share.source === source ? gross[i]! : 0n)))
    .find((amounts) => sumOf(amounts) > 0n);
  if (bearers === undefined || sumOf(bearers) < contribution) return null;
  const off = apportion(
    contribution,
    bearers.map((weight, i) => ({ key: keyOf(shares[i]!), weight })),
  );
  return gross.map((pence, i) => pence - off[i]!);
}

const keyOf = ({ source, organisationCode, lineKey }: Share) => `${source} ${organisationCode} ${lineKey}`;

/** Days from `from` on, up to but without `to`; null is without end. */
export interface Period {
  from: string | null;
  to: string | null;
}

/** What is left of a period when another takes days out of it: what stays before, and what goes on after. */
export function without(period: Period, taken: { from: string; to: string | null }): Period[] {
  const before = {
    from: period.from,
    to: period.to !== null && period.to < taken.from ? period.to : taken.from,
  };
  const after = {
    from: period.from !== null && taken.to !== null && period.from > taken.to ? period.from : taken.to,
    to: period.to,
  };
  return [
    ...(period.from === null || period.from < taken.from ? [before] : []),
    ...(taken.to !== null && (period.to === null || period.to > taken.to) ? [after] : []),
  ].filter(({ from, to }) => from === null || to === null || from < to);
}

export const holdsOn = ({ from, to }: Period, day: string): boolean =>
  (from === null || from <= day) && (to === null || to > day);
