/** Days in Europe/London, as `YYYY-MM-DD`. */

const london = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/London', dateStyle: 'short' });

const minuteMs = 60_000;
let last = { minute: Number.NaN, day: '' };

/** The day it is in London at this instant. A day begins with a minute, so within one minute it is not worked out twice. */
export function londonDay(instant: Date): string {
  const minute = Math.floor(instant.getTime() / minuteMs);
  if (minute !== last.minute) last = { minute, day: london.format(instant) };
  return last.day;
}
