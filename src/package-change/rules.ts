/** Whether a change of a managed package takes effect at once, and what it leaves. */
import { forecast, type Outlook } from '../surplus/forecast.ts';

export interface Limit {
  organisationId: string;
  /** How far above the planned cost of a line its manager may go without asking; null: not at all. */
  percent: number | null;
}

/**
 * Who must agree before the change takes effect: nobody where the line costs no more than was planned; whoever allows
 * less, or said nothing; and everybody who pays where the money would not last to the year's end. It is held against
 * the plan, not against what was changed before, so many small changes go no further than one.
 */
export function mustAgree<Funder extends Limit>(
  funders: Funder[],
  cost: { planned: bigint; weekly: bigint; leftAfter: bigint | null },
): Funder[] {
  const { planned, weekly, leftAfter } = cost;
  if (weekly <= planned) return [];
  const runsOut = leftAfter !== null && leftAfter < 0n;
  return funders.filter(
    ({ percent }) => runsOut || percent === null || weekly * 100n > planned * BigInt(100 + percent),
  );
}

/** What is left when the year ends, without so much more and with it; null where nothing is known of spending. */
export function leftAtEnd(
  outlook: Omit<Outlook, 'end'>,
  extra: bigint,
  end: string,
): { before: bigint; after: bigint } | null {
  const { leftAtEnd: before } = forecast({ ...outlook, end });
  return before === null ? null : { before, after: before - extra };
}
