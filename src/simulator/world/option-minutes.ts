import type { TradingSession } from '../../market/calendar/index.ts'
import { dateToDays } from '../../market/time.ts'
import { type Bars, emptyBars, PRICE_UNITS, SHARE_UNITS } from './bars.ts'
import { distanceOf, optionValue, yearsLeft } from './option-price.ts'
import { createRandom, hashText, type Random } from './random.ts'
import type { Listing, OptionTerms } from './universe.ts'

const CENT = PRICE_UNITS / 100
/** Trades a minute of the option at the money of the busiest underlying, on its last day. */
const MOST_TRADES = 45
/** Shares a day of that underlying. */
const BUSIEST_SHARES = 60e6

/** What an option's session is made from. */
export interface OptionMinutesOptions {
  readonly seed: number
  /** With `option`. */
  readonly listing: Listing
  readonly session: TradingSession
  /** Whole session of the underlying. */
  readonly underlying: Bars
}

/**
 * The minute bars of one option on one session, in the regular hours: prices follow the underlying minute by
 * minute. Most options trade in some minutes only, many not at all; a minute without a trade has no bar.
 */
export function generateOptionMinutes({ seed, listing, session, underlying }: OptionMinutesOptions): Bars {
  const terms = listing.option!
  const random = createRandom(hashText(`${listing.ticker} ${session.date}`, seed))
  const busyness = tradesAtTheMoney(terms, session)
  const bars = emptyBars(underlying.length)
  for (let i = 0; i < underlying.length; i++) {
    const startMs = underlying.startMs[i]!
    if (startMs < session.openMs || startMs >= session.closeMs) continue
    const years = yearsLeft(terms, startMs)
    const luck = random()
    const expected = busyness * interest(terms, underlying.close[i]! / PRICE_UNITS, years)
    if (luck >= 1 - Math.exp(-expected)) continue
    writeBar(bars, random, { startMs, expected, ...pricesOf(terms, underlying, i, years) })
  }
  return bars
}

/** Trades expected in a minute of the option at the money. */
function tradesAtTheMoney({ underlying, expiration }: OptionTerms, { date }: TradingSession): number {
  const share = underlying.market === 'indices' ? 0.8 : Math.min(1, underlying.dailyVolume / BUSIEST_SHARES)
  const days = dateToDays(expiration) - dateToDays(date)
  return (MOST_TRADES * share) / (1 + days)
}

/** People trade what is near the money, rather above it with calls and below it with puts; 1 at the money. */
function interest(terms: OptionTerms, spot: number, years: number): number {
  const distance = distanceOf(terms, spot, years)
  const outward = terms.type === 'call' ? distance : -distance
  return Math.exp(-0.5 * distance * distance * (outward > 0 ? 0.8 : 2.5))
}

interface Prices {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

/** Prices at the four prices of the underlying's minute, on the grid of cents. */
function pricesOf(terms: OptionTerms, underlying: Bars, i: number, years: number): Prices {
  const at = (units: number): number => {
    const { price } = optionValue(terms, units / PRICE_UNITS, years)
    return Math.max(CENT, Math.round(price * 100) * CENT)
  }
  const [open, close] = [at(underlying.open[i]!), at(underlying.close[i]!)]
  const ends = [open, close, at(underlying.high[i]!), at(underlying.low[i]!)]
  return { open, close, high: Math.max(...ends), low: Math.min(...ends) }
}

interface Minute extends Prices {
  readonly startMs: number
  readonly expected: number
}

function writeBar(bars: Bars, random: Random, { startMs, expected, ...prices }: Minute): void {
  const row = bars.length++
  const trades = Math.max(1, Math.round(expected * (0.5 + random())))
  const alone = trades === 1
  const { close } = prices
  const high = alone ? close : prices.high
  const low = alone ? close : prices.low
  bars.startMs[row] = startMs
  bars.open[row] = alone ? close : prices.open
  bars.high[row] = high
  bars.low[row] = low
  bars.close[row] = close
  bars.volume[row] = trades * (1 + Math.floor(random() * 9)) * SHARE_UNITS
  bars.vwap[row] = Math.round(low + (high - low) * random())
  bars.count[row] = trades
  bars.base[row] = 1
}
