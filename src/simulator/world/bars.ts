/** Prices are whole numbers of this fraction of a dollar (or index point). */
export const PRICE_UNITS = 10_000
/** Volumes are whole numbers of this fraction of a share. */
export const SHARE_UNITS = 1_000_000

/**
 * Bars as columns, ascending by start. Whole numbers throughout, so that sums are exact and text is the
 * same on every machine.
 */
export interface Bars {
  length: number
  /** Start of the bar, ms since the epoch. */
  readonly startMs: Float64Array
  /** Prices in 1/{@link PRICE_UNITS} USD. */
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  /** In 1/{@link SHARE_UNITS} shares. */
  readonly volume: Float64Array
  /** In 1/{@link PRICE_UNITS} USD; 0 = the vendor leaves it out. */
  readonly vwap: Float64Array
  /** Number of trades; 0 = the vendor leaves it out. */
  readonly count: Float64Array
  /** Base aggregates that went into the bar. */
  readonly base: Float64Array
}

const COLUMNS = ['startMs', 'open', 'high', 'low', 'close', 'volume', 'vwap', 'count', 'base'] as const

/** No bars yet, with room for `capacity` of them. */
export function emptyBars(capacity: number): Bars {
  const column = () => new Float64Array(capacity)
  return {
    length: 0,
    startMs: column(),
    open: column(),
    high: column(),
    low: column(),
    close: column(),
    volume: column(),
    vwap: column(),
    count: column(),
    base: column(),
  }
}

/** The bars [from, to) as a view. */
export function sliceBars(bars: Bars, from: number, to: number): Bars {
  if (from === 0 && to === bars.length) return bars
  const view = { length: Math.max(0, to - from) } as Record<string, unknown>
  for (const name of COLUMNS) view[name] = bars[name].subarray(from, Math.max(from, to))
  return view as unknown as Bars
}

/** The bars whose start lies in [fromMs, untilMs), as a view. */
export function barsBetween(bars: Bars, fromMs: number, untilMs: number): Bars {
  return sliceBars(bars, firstAtOrAfter(bars, fromMs), firstAtOrAfter(bars, untilMs))
}

function firstAtOrAfter(bars: Bars, ms: number): number {
  let low = 0
  let high = bars.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bars.startMs[middle]! < ms) low = middle + 1
    else high = middle
  }
  return low
}

/** `bars` in shares of which there are `factor` times as many: prices divided, volumes multiplied. */
export function adjustBars(bars: Bars, factor: number): Bars {
  if (factor === 1) return bars
  const out = emptyBars(bars.length)
  out.length = bars.length
  for (let i = 0; i < bars.length; i++) {
    out.startMs[i] = bars.startMs[i]!
    out.open[i] = Math.round(bars.open[i]! / factor)
    out.high[i] = Math.round(bars.high[i]! / factor)
    out.low[i] = Math.round(bars.low[i]! / factor)
    out.close[i] = Math.round(bars.close[i]! / factor)
    out.volume[i] = Math.round(bars.volume[i]! * factor)
    out.vwap[i] = Math.round(bars.vwap[i]! / factor)
    out.count[i] = bars.count[i]!
    out.base[i] = bars.base[i]!
  }
  return out
}

/** Joins bars into windows: consecutive bars with the same `windowMs[i]` become one. */
export function joinBars(bars: Bars, windowMs: ArrayLike<number>): Bars {
  const out = emptyBars(bars.length)
  let turnover = 0
  let known = 0
  let row = -1
  for (let i = 0; i < bars.length; i++) {
    const startMs = windowMs[i]!
    if (row < 0 || out.startMs[row] !== startMs) {
      row++
      startWindow(out, row, startMs, bars, i)
      turnover = known = 0
    }
    out.high[row] = Math.max(out.high[row]!, bars.high[i]!)
    out.low[row] = Math.min(out.low[row]!, bars.low[i]!)
    out.close[row] = bars.close[i]!
    out.volume[row]! += bars.volume[i]!
    out.count[row]! += bars.count[i]!
    out.base[row]! += bars.base[i]!
    if (bars.vwap[i]! > 0) {
      turnover += bars.vwap[i]! * bars.volume[i]!
      known += bars.volume[i]!
      out.vwap[row] = Math.round(turnover / known)
    }
  }
  out.length = row + 1
  return out
}

function startWindow(out: Bars, row: number, startMs: number, bars: Bars, i: number): void {
  out.startMs[row] = startMs
  out.open[row] = bars.open[i]!
  out.high[row] = bars.high[i]!
  out.low[row] = bars.low[i]!
}
