import { bell, createRandom, hashText } from './random.ts'
import type { Listing } from './universe.ts'

/** From this session on the tape carries fractions of shares. */
export const FRACTIONS_START = '2026-02-23'

const EXTENDED_SHARE = 0.035
const AVERAGE_TRADE_SHARES = 110

/** How one listing trades on one session. */
export interface Activity {
  /** Shares traded in regular hours, expected. */
  readonly shares: number
  /** Trades in regular hours, expected. */
  readonly trades: number
}

/** Volume of `date` around the listing's usual one, in the shares of that day (`factor` of today's). */
export function activityOn(seed: number, listing: Listing, date: string, factor: number): Activity {
  const random = createRandom(hashText(`${listing.ticker} volume ${date}`, seed))
  const shares = (listing.dailyVolume / factor) * Math.exp(0.28 * bell(random))
  return { shares, trades: shares / AVERAGE_TRADE_SHARES }
}

/**
 * The share of a day's volume that falls on each minute of a session of `preMinutes` + `regularMinutes` +
 * `postMinutes`: a U over the regular hours with a closing spike, thin and uneven tails around it.
 * The regular minutes sum to 1.
 */
export function volumeCurve(preMinutes: number, regularMinutes: number, postMinutes: number): Float64Array {
  const key = `${preMinutes}/${regularMinutes}/${postMinutes}`
  const known = curves.get(key)
  if (known) return known
  const curve = new Float64Array(preMinutes + regularMinutes + postMinutes)
  const regular = curve.subarray(preMinutes, preMinutes + regularMinutes)
  for (let i = 0; i < regularMinutes; i++) {
    const left = regularMinutes - 1 - i
    regular[i] = 0.62 + 2.4 * Math.exp(-i / 14) + 0.7 * Math.exp(-i / 60) + 1.5 * Math.exp(-left / 18)
  }
  scaleTo(regular, 1)
  const pre = curve.subarray(0, preMinutes)
  for (let i = 0; i < preMinutes; i++) pre[i] = 0.15 + Math.exp((i - preMinutes) / 70)
  scaleTo(pre, EXTENDED_SHARE * 0.55)
  const post = curve.subarray(preMinutes + regularMinutes)
  for (let i = 0; i < postMinutes; i++) post[i] = 0.12 + Math.exp(-i / 25)
  scaleTo(post, EXTENDED_SHARE * 0.45)
  curves.set(key, curve)
  return curve
}

/** Whole days and early closes: a handful of shapes, computed once each. */
const curves = new Map<string, Float64Array>()

function scaleTo(part: Float64Array, total: number): void {
  const sum = part.reduce((a, b) => a + b, 0)
  for (let i = 0; i < part.length; i++) part[i] = (part[i]! * total) / sum
}
