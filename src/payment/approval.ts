/** Who may let money go: never one human alone. Whether two are one: `../access/signature.ts`. */

/**
 * An instruction that a schedule gives for up to this much goes without a further approval: the budget behind it was
 * signed off by its funders, and the account it goes to was approved by a second person. Above it, somebody other than
 * who set the schedule looks at each payment. A figure of this project, not of any law.
 */
export const approvalThresholdPence = 250_000n;

export const isWithinThreshold = (pence: bigint): boolean => pence <= approvalThresholdPence;

/**
 * Days between the request to pay into another account and the first payment into it. Three days, so that the person
 * and those who act for them hear of it before money goes there: a swapped account is the commonest fraud in payment
 * runs. A figure of this project.
 */
export const coolingOffDays = 3;
