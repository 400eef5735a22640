import { type Bars, PRICE_UNITS } from './bars.ts'
import { minuteRandom, MINUTE_NS } from './ticks.ts'
import type { Listing } from './universe.ts'

/** Quotes of one minute as columns, ascending in time; no two share an instant. */
export interface Quotes {
  readonly length: number
  /** Nanoseconds after the start of the minute, whole. */
  readonly offsetNs: Float64Array
  /** In 1/10,000 USD; 0 = no bid or no offer. */
  readonly bid: Float64Array
  readonly ask: Float64Array
  /** Whole shares, round lots. */
  readonly bidSize: Float64Array
  readonly askSize: Float64Array
}

const CENT = PRICE_UNITS / 100
const MOST_QUOTES = 4000

/** The best bids and offers around the trades of bar `row`; minutes without trades have none. */
export function generateQuotes(seed: number, listing: Listing, bars: Bars, row: number): Quotes {
  const random = minuteRandom(seed, 'quotes', listing, bars.startMs[row]!)
  const length = Math.min(MOST_QUOTES, 2 + Math.floor((bars.count[row]! || 4) * (1 + random())))
  const column = () => new Float64Array(length)
  const quotes = {
    length,
    offsetNs: column(),
    bid: column(),
    ask: column(),
    bidSize: column(),
    askSize: column(),
  }
  const open = bars.open[row]!
  const move = bars.close[row]! - open
  const halfSpread = spreadOf(listing, open) / 2
  for (let i = 0; i < length; i++) {
    quotes.offsetNs[i] = Math.floor(((i + random() * 0.98) * MINUTE_NS) / length)
    const middle = open + (move * i) / length + (random() - 0.5) * halfSpread
    const bid = Math.max(1, Math.floor((middle - halfSpread) / CENT) * CENT)
    const oneSided = random()
    quotes.bid[i] = oneSided < 0.0003 ? 0 : bid
    quotes.ask[i] = oneSided > 0.9997 ? 0 : bid + Math.max(CENT, Math.round((halfSpread * 2) / CENT) * CENT)
    quotes.bidSize[i] = quotes.bid[i] === 0 ? 0 : 100 * (1 + Math.floor(random() * random() * 20))
    quotes.askSize[i] = quotes.ask[i] === 0 ? 0 : 100 * (1 + Math.floor(random() * random() * 20))
  }
  return quotes
}

/** A cent for what trades millions of shares, up to half a percent of the price for what hardly trades. */
function spreadOf(listing: Listing, price: number): number {
  const scarcity = Math.min(1, 20_000 / Math.max(1, listing.dailyVolume))
  return CENT + price * 0.005 * scarcity
}
