/** Days in Europe/London, as `YYYY-MM-DD`. */

const london = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/London', dateStyle: 'short' });

/** The day it is in London at this instant. */
export const londonDay = (instant: Date): string => london.format(instant);
