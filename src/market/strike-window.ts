import { UsageError } from '../core/errors.ts'

/** Strikes from `low` to `high`, both inclusive, USD: the outermost multiples of 0.001 inside the window. */
export interface StrikeWindow {
  readonly low: number
  readonly high: number
}

/** Decimal places of a strike, at most. */
const PLACES = 3

/** A decimal number, exact: `digits / 10^places`. */
interface Decimal {
  readonly digits: bigint
  readonly places: number
}

/**
 * The strikes within `ratio` of `price`, both edges included. Computed in decimals: 100 ± 10 % ends at 110 exactly,
 * not at 110.00000000000001.
 *
 * @param ratio 0.01 is ±1 %; zero or more
 * @throws {UsageError} when `price` is not above zero or `ratio` is negative, or either is not finite
 */
export function strikeWindow(price: number, ratio: number): StrikeWindow {
  if (!(price > 0 && Number.isFinite(price)))
    throw new UsageError(`a price of ${price} has no strikes around it`)
  if (!(ratio >= 0 && Number.isFinite(ratio))) {
    throw new UsageError(`a strike range of ${ratio} makes no sense`, { hint: 'Say 0.01 for ±1 %.' })
  }
  const [p, r] = [decimalOf(price), decimalOf(ratio)]
  const one = 10n ** BigInt(r.places)
  const scale = 10n ** BigInt(p.places + r.places)
  const low = p.digits * (one - r.digits) * 10n ** BigInt(PLACES)
  const high = p.digits * (one + r.digits) * 10n ** BigInt(PLACES)
  return {
    low: low <= 0n ? 0 : Number((low + scale - 1n) / scale) / 10 ** PLACES,
    high: Number(high / scale) / 10 ** PLACES,
  }
}

/** `value` as people read it: the shortest decimal that means this double. */
function decimalOf(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = String(value).split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const places = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 }
}
