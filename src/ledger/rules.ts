/** Which transfers a payment makes, and what becomes of those it made before. */

export type AccountKind = 'ALLOTMENT' | 'ALLOCATED' | 'FUNDER' | 'HELD' | 'COMMITTED' | 'SPENT';
export type TransferKind =
  | 'ALLOCATED'
  | 'PAID_IN'
  | 'SPENT'
  | 'REFUNDED'
  | 'COMMITTED'
  | 'RELEASED'
  | 'MOVED'
  | 'REPAID'
  | 'RECLAIMED';

/** Between which accounts of one source of money in one budget each kind of transfer moves it. */
export const legs: Record<TransferKind, { from: AccountKind; to: AccountKind }> = {
  ALLOCATED: { from: 'ALLOTMENT', to: 'ALLOCATED' },
  PAID_IN: { from: 'FUNDER', to: 'HELD' },
  SPENT: { from: 'HELD', to: 'SPENT' },
  REFUNDED: { from: 'SPENT', to: 'HELD' },
  COMMITTED: { from: 'HELD', to: 'COMMITTED' },
  RELEASED: { from: 'COMMITTED', to: 'HELD' },
  // Between two portions.
  MOVED: { from: 'HELD', to: 'HELD' },
  REPAID: { from: 'HELD', to: 'FUNDER' },
  RECLAIMED: { from: 'HELD', to: 'FUNDER' },
};

/** What a payment is, as far as the ledger cares; a description alone moves no money. */
export interface Posting {
  budgetId: string;
  kind: TransferKind;
  source: string;
  pence: bigint;
  effectiveOn: string;
}

/**
 * `standing` is the transfer that the payment made last and nothing has reversed. The ledger is append-only: a
 * corrected payment reverses it and posts anew (so does one that was committed and is now spent), a cancelled one, or
 * one of nothing, only reverses it, and the same payment again does nothing.
 */
export function decideTransfers(
  standing: Posting | null,
  payment: Posting & { cancelled: boolean },
): { reverse: boolean; post: boolean } {
  const wanted = !payment.cancelled && payment.pence !== 0n;
  const stands =
    standing !== null &&
    standing.budgetId === payment.budgetId &&
    standing.kind === payment.kind &&
    standing.source === payment.source &&
    standing.pence === payment.pence &&
    standing.effectiveOn === payment.effectiveOn;
  return { reverse: standing !== null && !(wanted && stands), post: wanted && !stands };
}
