/** Money is integer pence. */

/** Pence of a decimal text with two decimals at most, such as "-1234.5". */
export function penceOfDecimal(text: string): bigint {
  const [, sign, pounds, fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,2}))?$/.exec(text)!;
  const pence = BigInt(pounds!) * 100n + BigInt(fraction.padEnd(2, '0'));
  return sign === '-' ? -pence : pence;
}

/** As the API shows it: the same texts as PostgreSQL gives for `Money`. */
export function moneyOf(pence: bigint) {
  const size = pence < 0n ? -pence : pence;
  const sign = pence < 0n ? '-' : '';
  const pounds = String(size / 100n);
  const rest = String(size % 100n).padStart(2, '0');
  const grouped = pounds.replace(/\B(?=(\d{3})+$)/g, ',');
  return { amount: `${sign}${pounds}.${rest}`, currency: 'GBP', formatted: `${sign}£${grouped}.${rest}` };
}

/**
 * Shares of an amount by weight, in whole pence, that add up to it exactly: each gets its share rounded down, and the
 * pence left over go one each to those with the largest remainder. Of equal remainders the smaller key comes first, so
 * the order of the list does not matter.
 *
 * @throws RangeError when the amount or a weight is negative, or no weight is above zero
 */
export function apportion(pence: bigint, parties: { key: string; weight: bigint }[]): bigint[] {
  const whole = parties.reduce((sum, { weight }) => sum + weight, 0n);
  if (pence < 0n || whole <= 0n || parties.some(({ weight }) => weight < 0n)) {
    throw new RangeError('an amount and weights from zero up are needed, one weight at least above zero');
  }
  const shares = parties.map(({ weight }) => (pence * weight) / whole);
  const left = pence - shares.reduce((sum, share) => sum + share, 0n);
  const byRemainder = parties
    .map(({ key, weight }, index) => ({ key, index, remainder: (pence * weight) % whole }))
    .sort((a, b) => {
      if (a.remainder !== b.remainder) return a.remainder < b.remainder ? 1 : -1;
      return a.key < b.key ? -1 : 1;
    });
  for (const { index } of byRemainder.slice(0, Number(left))) shares[index]! += 1n;
  return shares;
}
