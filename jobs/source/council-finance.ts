/**
 * Reads the council's finance system, for what Client Level Data does not hold: what people are eligible for, accounts
 * with what was agreed and what is in them, payments, and reviews of how the money is used. What the items say is in
 * `council-finance-item.ts`; the format: `docs/formats/council-finance.md`.
 */
import { z } from 'zod';
import { askJson, isPageGone } from './answer.ts';
import { type FinanceFeed, financeRows, stamped } from './council-finance-item.ts';
import { type Page, SourceFault } from './page.ts';

/** In this order, what a row hangs on has come before it. */
export const financeFeeds: readonly FinanceFeed[] = ['eligibilities', 'accounts', 'payments', 'reviews'];

export interface FinanceOptions {
  /** The council whose money it is: its three-digit code. */
  laCode: string;
  /** Items a page. */
  limit?: number;
  timeoutMs?: number;
  now?: () => Date;
}

export interface FinanceCursor {
  /** Changes from this instant on are asked for; null on the first run. */
  since: string | null;
  /** The source's own mark of the next page; null at the beginning of a run. */
  next: string | null;
  /** Latest change seen in this run: the next run begins there. */
  maxSeen: string | null;
}

const defaultLimit = 500;

const envelope = z.object({
  items: z.array(z.unknown()),
  next: z.string().min(1).nullable(),
  total: z.int().nonnegative(),
  asAt: z.iso.datetime({ offset: true }),
});

export async function fetchFinancePage(
  baseUrl: string,
  feed: FinanceFeed,
  cursor: FinanceCursor | null,
  options: FinanceOptions,
): Promise<Page<FinanceCursor>> {
  const { since, next, maxSeen } = cursor ?? { since: null, next: null, maxSeen: null };
  const url = new URL(feed, baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  url.searchParams.set('limit', String(options.limit ?? defaultLimit));
  if (since !== null) url.searchParams.set('since', since);
  if (next !== null) url.searchParams.set('cursor', next);
  let answer: unknown;
  try {
    answer = await askJson(url, options);
  } catch (error) {
    if (next === null || !isPageGone(error)) throw error;
    // Items come in the order of their change: what is left of this run was changed since the latest one seen.
    return fetchFinancePage(
      baseUrl,
      feed,
      { since: later(since, maxSeen), next: null, maxSeen: null },
      options,
    );
  }
  const parsed = envelope.safeParse(answer);
  if (!parsed.success) throw new SourceFault('SOURCE_ANSWER_INVALID', 'Page of items is not as agreed');
  const { items, total, next: after } = parsed.data;
  // A page that leads to itself would be read for ever.
  if (after !== null && after === next)
    throw new SourceFault('SOURCE_ANSWER_INVALID', 'Page leads to itself');

  const latest = items.reduce<string | null>((seen, item) => later(seen, changedAt(item)), maxSeen);
  return {
    rows: items.flatMap((item) => financeRows(feed, item, options.laCode)),
    cursor:
      after === null
        ? { since: later(since, latest), next: null, maxSeen: null }
        : { since, next: after, maxSeen: latest },
    done: after === null,
    total,
  };
}

/** Of the instants of a page; an item whose instant cannot be read does not move the cursor, and is a Problem. */
const changedAt = (item: unknown): string | null => stamped.safeParse(item).data?.updatedAt ?? null;
const later = (a: string | null, b: string | null): string | null =>
  a === null || (b !== null && Date.parse(b) > Date.parse(a)) ? b : a;
