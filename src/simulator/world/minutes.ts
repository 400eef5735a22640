import { type TradingSession } from '../../market/calendar/index.ts'
import { dateToDays, MS_PER_MINUTE } from '../../market/time.ts'
import { activityOn, FRACTIONS_START, volumeCurve } from './activity.ts'
import { type Bars, emptyBars, PRICE_UNITS, SHARE_UNITS } from './bars.ts'
import { type LogLevel } from './price-level.ts'
import { bell, createRandom, hashText, type Random } from './random.ts'
import { splitFactor } from './splits.ts'
import { type Listing } from './universe.ts'

const CENT = PRICE_UNITS / 100

/** Where on a day's stretch of the price level its regular close lies. */
export const CLOSE_OF_DAY = 0.75

/** What a session's minutes are made from. */
export interface MinutesOptions {
  readonly seed: number
  readonly listing: Listing
  readonly level: LogLevel
  readonly session: TradingSession
}

/** One minute's trades, before they are written down as a bar. */
interface Minute {
  readonly startMs: number
  /** Logarithms of the price at its start and end, in the shares of that day. */
  readonly fromLog: number
  readonly toLog: number
  /** Shares expected. */
  readonly shares: number
}

/**
 * The minute bars of one listing on one session, raw (in the shares of that day), extended hours
 * included; a minute without a trade has no bar. Depends on seed, ticker and session only.
 */
export function generateMinutes({ seed, listing, level, session }: MinutesOptions): Bars {
  const isIndex = listing.market === 'indices'
  const firstMs = isIndex ? session.openMs : session.extendedOpenMs
  const lastMs = isIndex ? session.closeMs : session.extendedCloseMs
  const minutes = (lastMs - firstMs) / MS_PER_MINUTE
  const preMinutes = (session.openMs - firstMs) / MS_PER_MINUTE
  const regularMinutes = (session.closeMs - session.openMs) / MS_PER_MINUTE
  const curve = volumeCurve(preMinutes, regularMinutes, minutes - preMinutes - regularMinutes)
  const factor = splitFactor(listing.ticker, session.date)
  const random = createRandom(hashText(`${listing.ticker} minutes ${session.date}`, seed))
  const path = pricePath(random, listing, level, session, firstMs, minutes, Math.log(factor))
  const { shares, trades } = activityOn(seed, listing, session.date, factor)
  const bars = emptyBars(minutes)
  const write = isIndex ? writeIndexBar : writeBar
  const fractions = session.date >= FRACTIONS_START
  for (let i = 0; i < minutes; i++) {
    const weight = curve[i]!
    if (!isIndex && random() < Math.exp(-trades * weight)) continue
    write(bars, random, fractions, {
      startMs: firstMs + i * MS_PER_MINUTE,
      fromLog: path[i]!,
      toLog: path[i + 1]!,
      shares: shares * weight,
    })
  }
  return bars
}

/** Log prices at the minute marks: a bridge between the levels of the session's opens and closes. */
function pricePath(
  random: Random,
  listing: Listing,
  level: LogLevel,
  session: TradingSession,
  firstMs: number,
  minutes: number,
  logFactor: number,
): Float64Array {
  const path = new Float64Array(minutes + 1)
  const day = dateToDays(session.date)
  const opens = (session.openMs - firstMs) / MS_PER_MINUTE
  const closes = (session.closeMs - firstMs) / MS_PER_MINUTE
  const calm = listing.dailyVolatility / 45
  path[0] = level(day + 0.1) + logFactor
  bridge(path, random, 0, opens, level(day + 0.3) + logFactor, calm)
  bridge(path, random, opens, closes, level(day + CLOSE_OF_DAY) + logFactor, listing.dailyVolatility / 24)
  bridge(path, random, closes, minutes, level(day + 0.9) + logFactor, calm)
  return path
}

function bridge(path: Float64Array, random: Random, from: number, to: number, target: number, step: number) {
  if (to === from) {
    path[from] = target
    return
  }
  for (let i = from; i < to; i++) {
    const left = to - i
    const drift = (target - path[i]!) / left
    path[i + 1] = path[i]! + drift + step * bell(random) * Math.sqrt((left - 1) / left)
  }
}

/** Writes the bar of a minute with at least one trade. */
function writeBar(bars: Bars, random: Random, fractions: boolean, minute: Minute): void {
  const row = bars.length++
  const shares = Math.max(1, Math.round(minute.shares * Math.exp(0.55 * bell(random) - 0.15)))
  const trades = Math.min(shares, Math.max(1, Math.round((shares / 110) * (0.7 + 0.6 * random()))))
  const close = tickPrice(random, minute.toLog)
  const open = trades === 1 ? close : tickPrice(random, minute.fromLog)
  const reach = Math.max(Math.abs(close - open), close * 0.0002) * 0.6
  const high = Math.max(open, close) + (trades > 2 ? cents(random() * reach) : 0)
  const low = Math.min(open, close) - (trades > 3 ? cents(random() * reach) : 0)
  bars.startMs[row] = minute.startMs
  bars.open[row] = open
  bars.high[row] = high
  bars.low[row] = Math.max(1, low)
  bars.close[row] = close
  bars.volume[row] = shares * SHARE_UNITS + (fractions ? Math.floor(random() * SHARE_UNITS) : 0)
  bars.vwap[row] = volumeWeighted(random, open, high, low, close, trades)
  bars.count[row] = random() < 0.002 && trades > 3 ? 0 : trades
  bars.base[row] = 1
}

/**
 * Odd lots and late prints count for the volume-weighted price but not for the range: in about one minute
 * of six it lies outside, as it does at the vendor.
 */
function volumeWeighted(
  random: Random,
  open: number,
  high: number,
  low: number,
  close: number,
  trades: number,
) {
  const inside = low + (high - low) * (0.2 + 0.6 * random())
  const luck = random()
  if (trades < 3) return Math.round((open + close) / 2)
  if (luck > 0.17) return luck > 0.999 ? 0 : Math.round(inside)
  const beyond = 1 + Math.floor(random() * random() * close * 0.0004)
  return luck < 0.085 ? high + beyond : Math.max(1, low - beyond)
}

/** An index has no trades: values only, two decimals. */
function writeIndexBar(bars: Bars, random: Random, _fractions: boolean, minute: Minute): void {
  const row = bars.length++
  const open = cents(Math.exp(minute.fromLog) * PRICE_UNITS)
  const close = cents(Math.exp(minute.toLog) * PRICE_UNITS)
  const reach = close * 0.0003
  bars.startMs[row] = minute.startMs
  bars.open[row] = open
  bars.high[row] = Math.max(open, close) + cents(random() * reach)
  bars.low[row] = Math.min(open, close) - cents(random() * reach)
  bars.close[row] = close
  bars.base[row] = 1
}

/** A price on the grid: cents, now and then a fraction of one, always below a dollar. */
function tickPrice(random: Random, logPrice: number): number {
  const exact = Math.exp(logPrice) * PRICE_UNITS
  const fine = exact < PRICE_UNITS || random() < 0.06
  return Math.max(1, fine ? Math.round(exact) : cents(exact))
}

const cents = (units: number): number => Math.round(units / CENT) * CENT
