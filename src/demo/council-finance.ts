/** The finance system's feeds, for what Client Level Data does not hold: eligibility, accounts, money and its reviews. */
import type { Management } from '../intake/submission.ts';
import type { CouncilHalf, Place } from './place.ts';

interface FinanceItem {
  id: string;
  updatedAt: string;
  version: number;
}

export interface FinanceAccount extends FinanceItem {
  /** LA Person Unique Identifier. */
  personId: string;
  status: 'indicative' | 'proposed' | 'signed-off' | 'active' | 'suspended' | 'ended';
  from: string;
  to: string | null;
  /** For one year, contribution included: pounds and pence, "1234.56". */
  agreedAnnualAmount: string;
  /** The early figure that it was planned with. */
  indicativeAnnualAmount?: string | null;
  clientContribution: string;
  /** The programme of the council's own money. */
  stream?: string | null;
  otherFunding?: { source: string; stream: string | null; amount: string }[] | null;
  currency: 'GBP';
  management: string;
  channel?: string | null;
  accountOperatorOdsCode: string | null;
  balance: { amount: string; asAt: string } | null;
}

export interface FinanceEligibility extends FinanceItem {
  personId: string;
  scheme: string;
  status: string;
  from: string;
  to: string | null;
  decidedOn: string | null;
  reviewer: string | null;
  reviewDueOn: string | null;
  withdrawn: boolean;
}

export interface FinanceReview extends FinanceItem {
  personId: string;
  kind: string;
  startedOn: string;
  heldOn: string;
  reason: string | null;
  method: string | null;
  outcome: string | null;
  withdrawn: boolean;
}

export interface FinancePayment extends FinanceItem {
  accountId: string;
  personId: string;
  kind: 'direct-payment' | 'client-contribution' | 'spending' | 'committed' | 'repayment';
  /** Whose money was spent, promised or given back; null for money coming in, where the kind says it. */
  source: string | null;
  amount: string;
  currency: 'GBP';
  date: string;
  description: string | null;
  cancelled: boolean;
}

/** "1234.56" */
export function pounds(pence: bigint): string {
  const digits = (pence < 0n ? -pence : pence).toString().padStart(3, '0');
  return `${pence < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** An item as the place or a test gives it; when it changed and how often is the system's own. */
export type Change<T extends FinanceItem> = Omit<T, 'updatedAt' | 'version'> & { id: string };

/**
 * Items in the order of their last change. Those loaded from the place are made when asked for: they were all changed
 * by last night's run, one a millisecond, so an item's number is its instant. Later changes are kept beside them.
 */
interface Feed<T extends FinanceItem> {
  loaded: { count: number; at(index: number): Change<T>; find(id: string): number };
  loadedAtMs: number;
  changed: Map<string, { item: T; index: number }>;
}

const managements: Record<Management, string> = {
  NOTIONAL: 'notional',
  THIRD_PARTY: 'third-party',
  DIRECT_PAYMENT: 'direct-payment',
  MANAGED_ACCOUNT: 'managed-account',
  INDIVIDUAL_SERVICE_FUND: 'individual-service-fund',
  COUNCIL_MANAGED: 'council-managed',
};

const schemes: Partial<Record<CouncilHalf['eligibilities'][number]['scheme'], string>> = {
  CARE_ACT: 'care-act',
  CARER_S10: 'carer',
  S117: 's117',
  EHC: 'ehc',
};

const word = (value: string): string => value.toLowerCase().replaceAll('_', '-');

/** A feed of what is there from the beginning, each with its own id. */
function feedOf<T extends FinanceItem>(items: Change<T>[], loadedAtMs: number): Feed<T> {
  return {
    loadedAtMs,
    changed: new Map(),
    loaded: {
      count: items.length,
      at: (index) => items[index]!,
      find: (id) => items.findIndex((item) => item.id === id),
    },
  };
}

export function financeFeeds(place: Place, startedAt: Date) {
  const today = startedAt.toISOString().slice(0, 10);
  const holders = place.people.flatMap(({ council }) =>
    council?.budget ? [{ personId: council.laPersonId, budget: council.budget }] : [],
  );
  /** Number of the first payment of each holder. */
  const starts = new Float64Array(holders.length + 1);
  holders.forEach(({ budget }, i) => {
    starts[i + 1] = starts[i]! + budget.payments.length;
  });
  const loadedAtMs = Date.parse(today) - 86_400_000;
  const accounts: Feed<FinanceAccount> = {
    loadedAtMs,
    changed: new Map(),
    loaded: {
      count: holders.length,
      find: (id) => holders.findIndex(({ budget }) => budget.id === id),
      at: (index) => {
        const { personId, budget } = holders[index]!;
        return {
          id: budget.id,
          personId,
          status:
            budget.stage !== null
              ? (word(budget.stage) as FinanceAccount['status'])
              : budget.to !== null && budget.to < today
                ? 'ended'
                : 'active',
          from: budget.from,
          to: budget.to,
          agreedAnnualAmount: pounds(budget.agreedPence),
          indicativeAnnualAmount: budget.indicativePence === null ? null : pounds(budget.indicativePence),
          clientContribution: pounds(budget.contributionPence),
          stream: budget.stream || null,
          otherFunding: budget.otherFunding.map(({ source, stream, pence }) => ({
            source: word(source),
            stream: stream || null,
            amount: pounds(pence),
          })),
          currency: 'GBP',
          management: managements[budget.management],
          channel: budget.channel && word(budget.channel),
          accountOperatorOdsCode: budget.accountOperatorCode,
          balance: budget.balance && { amount: pounds(budget.balance.pence), asAt: budget.balance.asAt },
        };
      },
    },
  };
  const payments: Feed<FinancePayment> = {
    loadedAtMs,
    changed: new Map(),
    loaded: {
      count: starts[holders.length]!,
      find: (id) => {
        const holder = holders.findIndex(({ budget }) =>
          budget.payments.some((payment) => payment.id === id),
        );
        if (holder < 0) return -1;
        return starts[holder]! + holders[holder]!.budget.payments.findIndex((payment) => payment.id === id);
      },
      at: (index) => {
        const holder = firstWhere(holders.length, (i) => starts[i + 1]! > index);
        const { personId, budget } = holders[holder]!;
        const payment = budget.payments[index - starts[holder]!]!;
        const fromClient = payment.source === 'CLIENT_CONTRIBUTION';
        const kinds = {
          PAID_IN: fromClient ? 'client-contribution' : 'direct-payment',
          SPENT: 'spending',
          COMMITTED: 'committed',
          REPAID: 'repayment',
        } as const;
        return {
          id: payment.id,
          accountId: budget.id,
          personId,
          kind: kinds[payment.kind],
          source: payment.kind === 'PAID_IN' ? null : payment.source.toLowerCase().replaceAll('_', '-'),
          amount: pounds(payment.pence),
          currency: 'GBP',
          date: payment.on,
          description: payment.description,
          cancelled: false,
        };
      },
    },
  };
  const halves = place.people.flatMap(({ council }) => council ?? []);
  const eligibilities = feedOf<FinanceEligibility>(
    halves.flatMap(({ laPersonId: personId, eligibilities: held }) =>
      held.map(({ scheme, status, ...said }) => ({
        ...said,
        personId,
        scheme: schemes[scheme] ?? word(scheme),
        status: word(status),
        withdrawn: false,
      })),
    ),
    loadedAtMs,
  );
  const reviews = feedOf<FinanceReview>(
    halves.flatMap(({ laPersonId: personId, moneyReviews }) =>
      moneyReviews.map(({ kind, from, to, ...said }) => ({
        ...said,
        personId,
        kind: word(kind),
        startedOn: from,
        heldOn: to,
        withdrawn: false,
      })),
    ),
    loadedAtMs,
  );
  return { eligibilities, accounts, payments, reviews };
}

/** The least number below `count` for which a condition holds that, once true, stays true; `count` if none. */
function firstWhere(count: number, holds: (i: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function change<T extends FinanceItem>(feed: Feed<T>, item: Change<T>, at: Date): void {
  const { id } = item;
  const before = feed.changed.get(id);
  const index = before?.index ?? feed.loaded.find(id);
  const version = before ? before.item.version + 1 : index < 0 ? 1 : 2;
  feed.changed.set(id, { index, item: { ...item, version, updatedAt: at.toISOString() } as T });
}

/** Where the next page begins: the number of a loaded item and, past those, the last changed item sent. */
type Position = [index: number, changed: string];

const orderOf = (item: FinanceItem) => `${item.updatedAt} ${item.id}`;

/** One page as it is sent, or what is wrong with the request. */
export function feedPage<T extends FinanceItem>(feed: Feed<T>, asked: URLSearchParams, asAt: Date) {
  const since = asked.get('since') ?? '';
  const sinceMs = since === '' ? 0 : Date.parse(since);
  const limit = Number(asked.get('limit') ?? 100);
  const position = positionOf(asked.get('cursor'));
  if (Number.isNaN(sinceMs)) return 'since is not an instant';
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) return 'limit is 1 to 1000';
  if (!position) return 'cursor is not one of ours';

  const first = Math.min(Math.max(sinceMs - feed.loadedAtMs, 0), feed.loaded.count);
  const replaced = new Set([...feed.changed.values()].map(({ index }) => index));
  const items: T[] = [];
  let index = Math.max(position[0], first);
  for (; items.length < limit && index < feed.loaded.count; index++) {
    if (replaced.has(index)) continue;
    const updatedAt = new Date(feed.loadedAtMs + index).toISOString();
    items.push({ ...feed.loaded.at(index), updatedAt, version: 1 } as T);
  }
  const changed = [...feed.changed.values()]
    .map(({ item }) => item)
    .filter((item) => Date.parse(item.updatedAt) >= sinceMs)
    .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const left = changed.filter((item) => orderOf(item) > position[1]);
  const sent = left.slice(0, limit - items.length);
  items.push(...sent);
  const next: Position = [index, sent.length > 0 ? orderOf(sent.at(-1)!) : position[1]];
  const more = index < feed.loaded.count || sent.length < left.length;
  const skipped = [...replaced].filter((i) => i >= first).length;
  return {
    items,
    next: more ? Buffer.from(JSON.stringify(next)).toString('base64url') : null,
    total: feed.loaded.count - first - skipped + changed.length,
    asAt: asAt.toISOString(),
  };
}

function positionOf(cursor: string | null): Position | null {
  if (!cursor) return [0, ''];
  try {
    const [index, changed] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Number.isInteger(index) && typeof changed === 'string' ? [index, changed] : null;
  } catch {
    return null;
  }
}
