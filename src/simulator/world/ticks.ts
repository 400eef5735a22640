import { type Bars, PRICE_UNITS, SHARE_UNITS } from './bars.ts'
import { createRandom, hashText, type Random } from './random.ts'
import type { Listing } from './universe.ts'

/** Ticks of one minute as columns, ascending in time; no two share an instant. */
export interface Ticks {
  readonly length: number
  /** Nanoseconds after the start of the minute, whole. */
  readonly offsetNs: Float64Array
  /** In 1/10,000 USD. */
  readonly price: Float64Array
  /** In millionths of a share. */
  readonly size: Float64Array
  /** 1 where the print counts for volume but not for open, high, low and close. */
  readonly outside: Uint8Array
}

/** Nanoseconds of a minute. */
export const MINUTE_NS = 60_000_000_000
const CENT = PRICE_UNITS / 100

/** The random numbers of one minute, whatever else was made before. */
export function minuteRandom(seed: number, what: string, listing: Listing, startMs: number): Random {
  return createRandom(hashText(`${listing.ticker} ${what} ${startMs}`, seed))
}

/**
 * The trades behind bar `row` of a session's raw minutes: first and last trade are its open and close,
 * high and low are reached, sizes sum to its volume, and a print beyond the range pulls the
 * volume-weighted price to where the bar says it is.
 */
export function generateTrades(seed: number, listing: Listing, bars: Bars, row: number): Ticks {
  const random = minuteRandom(seed, 'trades', listing, bars.startMs[row]!)
  const length = tradesIn(bars, row)
  const ticks = {
    length,
    offsetNs: evenlySpread(random, length),
    price: walk(random, bars, row, length),
    size: new Float64Array(length),
    outside: new Uint8Array(length),
  }
  spreadVolume(random, ticks.size, bars.volume[row]!)
  const vwap = bars.vwap[row]!
  if (length > 4 && (vwap > bars.high[row]! || (vwap > 0 && vwap < bars.low[row]!))) placePrint(ticks, vwap)
  return ticks
}

/** Trades of a bar, also where the bar does not say. */
function tradesIn(bars: Bars, row: number): number {
  return bars.count[row]! || Math.max(4, Math.round(bars.volume[row]! / SHARE_UNITS / 110))
}

/** Strictly rising instants within the minute. Even numbers, so that a print fits right behind any. */
function evenlySpread(random: Random, length: number): Float64Array {
  const offsetNs = new Float64Array(length)
  const slotNs = MINUTE_NS / length
  for (let i = 0; i < length; i++) offsetNs[i] = Math.floor((i + random() * 0.98) * (slotNs / 2)) * 2
  return offsetNs
}

function walk(random: Random, bars: Bars, row: number, length: number): Float64Array {
  const open = bars.open[row]!
  const close = bars.close[row]!
  const high = bars.high[row]!
  const low = bars.low[row]!
  const price = new Float64Array(length)
  for (let i = 0; i < length; i++) {
    const between = open + ((close - open) * i) / length + (random() - 0.5) * (high - low)
    price[i] = Math.min(high, Math.max(low, Math.round(between / CENT) * CENT))
  }
  price[0] = open
  price[length - 1] = close
  if (length > 2 && high > Math.max(open, close)) price[1] = high
  if (length > 3 && low < Math.min(open, close)) price[length - 2] = low
  return price
}

/** Splits `volume` into sizes: whole shares, the fraction of a share in the first. */
function spreadVolume(random: Random, size: Float64Array, volume: number): void {
  const shares = Math.floor(volume / SHARE_UNITS)
  let weights = 0
  for (let i = 0; i < size.length; i++) weights += size[i] = 0.05 + fourthPower(random())
  let reached = 0
  let given = 0
  const spare = shares - size.length
  for (let i = 0; i < size.length; i++) {
    reached += size[i]!
    const upTo = i === size.length - 1 ? spare : Math.floor((spare * reached) / weights)
    size[i] = (1 + upTo - given) * SHARE_UNITS
    given = upTo
  }
  size[0]! += volume - shares * SHARE_UNITS
}

/** Turns the largest inner trade into a late print at a price that brings the average to `vwap`. */
function placePrint(ticks: Ticks, vwap: number): void {
  let largest = 2
  for (let i = 2; i < ticks.length - 2; i++) if (ticks.size[i]! > ticks.size[largest]!) largest = i
  let others = 0
  let turnover = 0
  for (let i = 0; i < ticks.length; i++) {
    if (i === largest) continue
    others += ticks.size[i]!
    turnover += ticks.size[i]! * ticks.price[i]!
  }
  const price = (vwap * (others + ticks.size[largest]!) - turnover) / ticks.size[largest]!
  ticks.price[largest] = Math.max(1, Math.round(price))
  ticks.outside[largest] = 1
  ticks.offsetNs[largest] = ticks.offsetNs[largest - 1]! + 1
}

const fourthPower = (x: number): number => x * x * x * x
