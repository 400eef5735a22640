import type { TradingSession } from '../../market/calendar/index.ts'
import { dateToDays, MS_PER_MINUTE } from '../../market/time.ts'
import { activityOn, FRACTIONS_START, volumeCurve } from './activity.ts'
import { type Bars, emptyBars, PRICE_UNITS, SHARE_UNITS } from './bars.ts'
import type { LogLevel } from './price-level.ts'
import { bell, createRandom, hashText, type Random } from './random.ts'
import { splitFactor } from './splits.ts'
import type { Listing } from './universe.ts'

const CENT = PRICE_UNITS / 100

/** A minute that expects this many trades has one. */
const CERTAIN_TRADES = 30

/** Where on a day's stretch of the price level its regular close lies. */
export const CLOSE_OF_DAY = 0.75

/** What a session's minutes are made from. */
export interface MinutesOptions {
  readonly seed: number
  readonly listing: Listing
  readonly level: LogLevel
  readonly session: TradingSession
}

/** A stretch of a session: before, within or after its regular hours. Each is made by itself. */
interface Stretch {
  readonly name: 'pre' | 'regular' | 'post'
  readonly startMs: number
  readonly minutes: number
  /** Logarithms of the price at its start and end, in the shares of the day. */
  readonly fromLog: number
  readonly toLog: number
  /** Typical change of the logarithm in a minute. */
  readonly step: number
  /** Share of the day's volume that falls on each minute. */
  readonly curve: Float64Array
}

/** One minute's trades, before they are written down as a bar. */
interface Minute {
  readonly startMs: number
  /** Exact prices at its start and end, in price units. */
  readonly from: number
  readonly to: number
  /** Shares expected. */
  readonly shares: number
  /** Whether the tape carries fractions of a share. */
  readonly fractions: boolean
}

/**
 * The minute bars of one listing on one session, raw (in the shares of that day), extended hours
 * included; a minute without a trade has no bar. Depends on seed, ticker and session only.
 */
export function generateMinutes(options: MinutesOptions): Bars {
  const stretches = stretchesOf(options)
  const bars = emptyBars(stretches.reduce((sum, { minutes }) => sum + minutes, 0))
  for (const stretch of stretches) writeStretch(bars, options, stretch)
  return bars
}

/** The part of {@link generateMinutes} within the regular hours. */
export function generateRegularMinutes(options: MinutesOptions): Bars {
  const regular = stretchesOf(options).find(({ name }) => name === 'regular')!
  const bars = emptyBars(regular.minutes)
  writeStretch(bars, options, regular)
  return bars
}

/** An index has values in the regular hours only. */
function stretchesOf({ listing, level, session }: MinutesOptions): Stretch[] {
  const day = dateToDays(session.date)
  const logFactor = Math.log(splitFactor(listing.ticker, session.date))
  const at = (fraction: number): number => level(day + fraction) + logFactor
  const minutes = (fromMs: number, toMs: number): number => (toMs - fromMs) / MS_PER_MINUTE
  const pre = minutes(session.extendedOpenMs, session.openMs)
  const within = minutes(session.openMs, session.closeMs)
  const post = minutes(session.closeMs, session.extendedCloseMs)
  const curve = volumeCurve(pre, within, post)
  const lively = listing.dailyVolatility / 24
  const calm = listing.dailyVolatility / 45
  const [opens, closes] = [at(0.3), at(CLOSE_OF_DAY)]
  const stretch = (
    name: Stretch['name'],
    startMs: number,
    from: number,
    length: number,
    rest: Pick<Stretch, 'fromLog' | 'toLog' | 'step'>,
  ): Stretch => ({
    name,
    startMs,
    minutes: length,
    curve: curve.subarray(from, from + length),
    ...rest,
  })
  const regular = stretch('regular', session.openMs, pre, within, {
    fromLog: opens,
    toLog: closes,
    step: lively,
  })
  if (listing.market === 'indices') return [regular]
  return [
    stretch('pre', session.extendedOpenMs, 0, pre, { fromLog: at(0.1), toLog: opens, step: calm }),
    regular,
    stretch('post', session.closeMs, pre + within, post, { fromLog: closes, toLog: at(0.9), step: calm }),
  ]
}

function writeStretch(bars: Bars, { seed, listing, session }: MinutesOptions, stretch: Stretch): void {
  const isIndex = listing.market === 'indices'
  const random = createRandom(hashText(`${listing.ticker} ${stretch.name} ${session.date}`, seed))
  const factor = splitFactor(listing.ticker, session.date)
  const { shares, trades } = activityOn(seed, listing, session.date, factor)
  const marks = priceMarks(random, stretch)
  const write = isIndex ? writeIndexBar : writeBar
  const fractions = session.date >= FRACTIONS_START
  for (let i = 0; i < stretch.minutes; i++) {
    const weight = stretch.curve[i]!
    if (!isIndex && trades * weight < CERTAIN_TRADES && random() < Math.exp(-trades * weight)) continue
    write(bars, random, {
      startMs: stretch.startMs + i * MS_PER_MINUTE,
      from: marks[i]!,
      to: marks[i + 1]!,
      shares: shares * weight,
      fractions,
    })
  }
}

/** Prices at the minute marks of a stretch, in price units: a bridge from its first to its last. */
function priceMarks(random: Random, { minutes, fromLog, toLog, step }: Stretch): Float64Array {
  const marks = new Float64Array(minutes + 1)
  let log = fromLog
  marks[0] = Math.exp(log) * PRICE_UNITS
  for (let i = 0; i < minutes; i++) {
    const left = minutes - i
    log += (toLog - log) / left + step * bell(random) * Math.sqrt((left - 1) / left)
    marks[i + 1] = Math.exp(log) * PRICE_UNITS
  }
  return marks
}

/** Writes the bar of a minute with at least one trade. */
function writeBar(bars: Bars, random: Random, minute: Minute): void {
  const row = bars.length++
  const shares = Math.max(1, Math.round(minute.shares * Math.exp(0.55 * bell(random) - 0.15)))
  const trades = Math.min(shares, Math.max(1, Math.round((shares / 110) * (0.7 + 0.6 * random()))))
  const close = tickPrice(random, minute.to)
  const open = trades === 1 ? close : tickPrice(random, minute.from)
  const reach = Math.max(Math.abs(close - open), close * 0.0002) * 0.6
  const high = Math.max(open, close) + (trades > 2 ? cents(random() * reach) : 0)
  const low = Math.min(open, close) - (trades > 3 ? cents(random() * reach) : 0)
  bars.startMs[row] = minute.startMs
  bars.open[row] = open
  bars.high[row] = high
  bars.low[row] = Math.max(1, low)
  bars.close[row] = close
  bars.volume[row] = shares * SHARE_UNITS + (minute.fractions ? Math.floor(random() * SHARE_UNITS) : 0)
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
function writeIndexBar(bars: Bars, random: Random, minute: Minute): void {
  const row = bars.length++
  const open = cents(minute.from)
  const close = cents(minute.to)
  const reach = close * 0.0003
  bars.startMs[row] = minute.startMs
  bars.open[row] = open
  bars.high[row] = Math.max(open, close) + cents(random() * reach)
  bars.low[row] = Math.min(open, close) - cents(random() * reach)
  bars.close[row] = close
  bars.base[row] = 1
}

/** A price on the grid: cents, now and then a fraction of one, always below a dollar. */
function tickPrice(random: Random, exact: number): number {
  const fine = exact < PRICE_UNITS || random() < 0.06
  return Math.max(1, fine ? Math.round(exact) : cents(exact))
}

const cents = (units: number): number => Math.round(units / CENT) * CENT
