/** What a funder lets one person decide about its payments, and what takes a second. */

/**
 * Whether an instruction that a schedule gives goes without a further approval: the budget behind it was signed off by
 * its funders, and the account it goes to was approved by a second person. Above what the funder's policy says,
 * somebody other than who set the schedule looks at each payment; where it says nothing, at every one.
 *
 * @param thresholdPence as the policy of the funder has it on the day the payment is raised
 */
export const isWithinThreshold = (pence: bigint, thresholdPence: bigint | null): boolean =>
  thresholdPence !== null && pence <= thresholdPence;

/** Where no funder says how long. The hub's own figure, of no council: never none, for the reason below. */
const leastKnownDays = 3;

/**
 * Days between the request to pay into another account and its approval, so that the person and those who act for them
 * hear of it before money goes there: a swapped account is the commonest fraud in payment runs. One account serves all
 * funders of the money, so the longest that one of them wants counts.
 *
 * @param said by the policy of each funder; null where it does not say
 */
export function coolingOffDays(said: (number | null)[]): number {
  const known = said.filter((days) => days !== null);
  return known.length === 0 ? leastKnownDays : Math.max(...known);
}
