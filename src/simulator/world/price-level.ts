import { hashText, valueNoise } from './random.ts'
import type { Listing } from './universe.ts'

/** Day on which listings quote their `price`: 2025-01-02, in days since the epoch. */
const REFERENCE_DAY = 20_090
const DAYS_A_YEAR = 365.25

/** Swings by length in days; the shortest lives inside a day, the longest spans a decade. */
const SWING_DAYS = [4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0.5] as const
/** A mean-reverting index keeps only the shorter swings. */
const LONGEST_REVERTING_DAYS = 64
/** Longer swings do not grow further, so that decades stay within a plausible range. */
const WIDEST_SWING_DAYS = 128
/** Makes one day's change of {@link wander} about 1; measured. */
const SCALE = 0.84

/**
 * The logarithm of a listing's price at any instant, in today's shares, in constant time: growth plus
 * smooth swings of many lengths, shared with the market to the degree the listing says. Knowing any day
 * needs no other day, which is what lets the simulator answer any range without memory.
 */
export type LogLevel = (days: number) => number

/** The {@link LogLevel} of `listing`; `days` are days since the epoch, fractions allowed. */
export function createLogLevel(seed: number, listing: Listing): LogLevel {
  const reverting = listing.ticker === 'I:VIX'
  const swings = reverting ? SWING_DAYS.filter((days) => days <= LONGEST_REVERTING_DAYS) : SWING_DAYS
  const marketSeed = hashText('the market', seed)
  const ownSeed = hashText(listing.ticker, seed)
  const { marketShare: share, dailyVolatility, yearlyDrift } = listing
  const ownShare = Math.sqrt(1 - share * share)
  const logPrice = Math.log(listing.price)
  return (days) => {
    const swing = share * wander(marketSeed, swings, days) + ownShare * wander(ownSeed, swings, days)
    return logPrice + (yearlyDrift * (days - REFERENCE_DAY)) / DAYS_A_YEAR + dailyVolatility * swing
  }
}

function wander(seed: number, swings: readonly number[], days: number): number {
  let sum = 0
  swings.forEach((length, octave) => {
    const height = Math.sqrt(Math.min(length, WIDEST_SWING_DAYS))
    sum += height * valueNoise(seed + octave, days / length + octave * 0.37)
  })
  return SCALE * sum
}
