import type { Batch } from '../../core/batch.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE, US_PER_MS } from '../../market/time.ts'

/** Bars of the regular hours of one session, in order of time; parallel arrays. */
export interface RegularBars {
  /** Start, UTC milliseconds. */
  readonly ms: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
  /** NaN where not known. */
  readonly trades: Float64Array
}

/** What the bars of one session say, as far as scoring goes. */
export interface SessionFacts {
  readonly date: string
  /** Bars of the regular hours; 0: the rest means nothing. */
  readonly bars: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** Volume of the regular hours, and of all rows. */
  readonly regularVolume: number
  readonly volume: number
  /** Volume by half hour from the open; of a daily bar, one value. */
  readonly halfHours: Float64Array
  /** Bars that stand out and at once fall back: start, and by how much as a share. */
  readonly spikes: readonly Move[]
  /** Bars that do nothing but repeat. */
  readonly staleBars: number
}

/** A move of the price to the bar that starts at `ms`: 0.1 is 10 % up. */
export interface Move {
  readonly ms: number
  readonly share: number
}

export interface FactOptions {
  /** Smallest move of a minute that may be called a spike, as a share. */
  readonly spikeShare: number
  /** How many times the typical move of a minute a spike is at least. */
  readonly spikeMoves: number
  /** Bars in a row with one and the same price that count as stale. */
  readonly staleBars: number
}

const HALF_HOUR_MS = 30 * MS_PER_MINUTE

/** The facts of a session from all of its rows. @param isDay the rows are daily bars: they count as regular hours */
export function factsOf(
  session: TradingSession,
  rows: Batch,
  isDay: boolean,
  options: FactOptions,
): SessionFacts {
  const bars = regularBars(session, rows, isDay)
  const count = bars.ms.length
  const volumes = rows.columns['volume'] as Float64Array
  return {
    date: session.date,
    bars: count,
    open: bars.open[0] ?? NaN,
    high: bars.high.reduce((a, b) => Math.max(a, b), -Infinity),
    low: bars.low.reduce((a, b) => Math.min(a, b), Infinity),
    close: bars.close[count - 1] ?? NaN,
    regularVolume: sumOf(bars.volume),
    volume: sumOf(volumes),
    halfHours: isDay ? Float64Array.of(sumOf(bars.volume)) : halfHoursOf(session, bars),
    spikes: spikesIn(bars, options),
    staleBars: staleIn(bars, options.staleBars),
  }
}

function regularBars({ openMs, closeMs }: TradingSession, rows: Batch, isDay: boolean): RegularBars {
  const events = rows.columns['timestamp'] as Float64Array
  let first = 0
  let last = rows.length
  if (!isDay) {
    while (first < last && events[first]! < openMs * US_PER_MS) first++
    while (last > first && events[last - 1]! >= closeMs * US_PER_MS) last--
  }
  const column = (name: string): Float64Array => (rows.columns[name] as Float64Array).subarray(first, last)
  return {
    ms: events.subarray(first, last).map((us) => us / US_PER_MS),
    ...{ open: column('open'), high: column('high'), low: column('low'), close: column('close') },
    ...{ volume: column('volume'), trades: column('trade_count') },
  }
}

const sumOf = (values: Float64Array): number =>
  values.reduce((sum, value) => sum + (value > 0 ? value : 0), 0)

function halfHoursOf({ openMs, closeMs }: TradingSession, { ms, volume }: RegularBars): Float64Array {
  const sums = new Float64Array(Math.ceil((closeMs - openMs) / HALF_HOUR_MS))
  for (let bar = 0; bar < ms.length; bar++) {
    const place = Math.floor((ms[bar]! - openMs) / HALF_HOUR_MS)
    if (place >= 0 && place < sums.length) sums[place]! += volume[bar]!
  }
  return sums
}

/**
 * Bars whose close, high or low stands out from the bar before and the bar after alike: a price that comes and goes
 * within a minute is a bad print, one that stays is news.
 */
function spikesIn({ ms, open, high, low, close }: RegularBars, options: FactOptions): Move[] {
  const least = Math.max(options.spikeShare, options.spikeMoves * typicalMove(close))
  const spikes: Move[] = []
  for (let bar = 1; bar + 1 < ms.length; bar++) {
    const [before, after] = [close[bar - 1]!, open[bar + 1]!]
    const [lower, upper] = [Math.min(before, after), Math.max(before, after)]
    if (upper / lower - 1 > least / 2) continue // the price moved on
    const up = high[bar]! / upper - 1
    const down = 1 - low[bar]! / lower
    const minutes = Math.sqrt(Math.max(1, (ms[bar + 1]! - ms[bar - 1]!) / (2 * MS_PER_MINUTE)))
    if (Math.max(up, down) > least * minutes) spikes.push({ ms: ms[bar]!, share: up > down ? up : -down })
  }
  return spikes
}

/** The median change from one close to the next, as a share. */
function typicalMove(close: Float64Array): number {
  const moves = new Float64Array(Math.max(0, close.length - 1))
  for (let bar = 1; bar < close.length; bar++) moves[bar - 1] = Math.abs(close[bar]! / close[bar - 1]! - 1)
  moves.sort()
  return moves[moves.length >> 1] ?? 0
}

/** A bar repeated in all of its values: no market does that so often. */
const REPEATS = 5
/** A flat price is natural where little trades. */
const BUSY_TRADES = 10

/** Bars in runs that repeat whole, or in long runs of one price while much is traded. */
function staleIn({ open, high, low, close, volume, trades }: RegularBars, longest: number): number {
  let stale = 0
  const count = close.length
  for (let first = 0; first < count;) {
    let last = first
    let same = first
    const flat = open[first] === close[first] && high[first] === low[first]
    while (flat && last + 1 < count && isFlatAt(last + 1, close[first]!)) last++
    while (same + 1 < count && repeats(same + 1)) same++
    const busy = (volume[first] ?? 0) > 0 && (trades[first] ?? 0) >= BUSY_TRADES
    const flatRun = flat && busy && last - first + 1 >= longest ? last - first + 1 : 0
    const sameRun = same - first + 1 >= REPEATS ? same - first + 1 : 0
    stale += Math.max(flatRun, sameRun)
    first += Math.max(1, flatRun, sameRun)
  }
  return stale

  function isFlatAt(bar: number, price: number): boolean {
    return open[bar] === price && high[bar] === price && low[bar] === price && close[bar] === price
  }

  function repeats(bar: number): boolean {
    const before = bar - 1
    return (
      (volume[bar]! >= STALE_SHARES || high[bar] !== low[bar]) &&
      volume[bar] === volume[before] &&
      open[bar] === open[before] &&
      high[bar] === high[before] &&
      low[bar] === low[before] &&
      close[bar] === close[before]
    )
  }
}

/** Round lots repeat by themselves; larger volumes do not. */
const STALE_SHARES = 1000
