import { MS_PER_MINUTE } from '../../market/time.ts'
import { writeSocketQuote, writeSocketTrade } from '../endpoints/tick-json.ts'
import type { Bars } from '../world/bars.ts'
import type { Quotes } from '../world/quotes.ts'
import type { Ticks } from '../world/ticks.ts'
import type { SymbolDay } from './days.ts'
import type { FrameBuilder, Window } from './frames.ts'

/** Writes the trades of the minute of `row` whose SIP time lies within the window. */
export function writeTrades(frames: FrameBuilder, day: SymbolDay, row: number, ticks: Ticks, window: Window) {
  for (const index of within(ticks.offsetNs, ticks.length, day.bars.startMs[row]!, window)) {
    writeSocketTrade(frames.json, ticks, placeOf(day, row, index))
    frames.wrote()
  }
}

/** Writes the quotes of the minute of `row` whose SIP time lies within the window. */
export function writeQuotes(
  frames: FrameBuilder,
  day: SymbolDay,
  row: number,
  quotes: Quotes,
  window: Window,
) {
  for (const index of within(quotes.offsetNs, quotes.length, day.bars.startMs[row]!, window)) {
    writeSocketQuote(frames.json, quotes, placeOf(day, row, index))
    frames.wrote()
  }
}

/** Writes the values of an index within the window; the ticker stands in `T`. */
export function writeValues(frames: FrameBuilder, day: SymbolDay, values: Bars, window: Window) {
  for (let row = 0; row < values.length; row++) {
    const atMs = values.startMs[row]!
    if (atMs <= window.fromMs || atMs > window.toMs) continue
    frames.json.raw('{"ev":"V","val":').decimal(values.close[row]!, 4)
    frames.json.raw(',"T":').value(day.symbol).raw(',"t":').int(atMs).raw('},')
    frames.wrote()
  }
}

function* within(offsetNs: Float64Array, length: number, startMs: number, { fromMs, toMs }: Window) {
  const fromNs = (fromMs - startMs) * 1e6
  const toNs = (toMs - startMs) * 1e6
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (offsetNs[middle]! <= fromNs) low = middle + 1
    else high = middle
  }
  for (let i = low; i < length && offsetNs[i]! <= toNs; i++) yield i
}

function placeOf({ listing, session, bars }: SymbolDay, row: number, index: number) {
  const startMs = bars.startMs[row]!
  return {
    listing,
    startMs,
    minute: (startMs - session.extendedOpenMs) / MS_PER_MINUTE,
    index,
    extended: startMs < session.openMs || startMs >= session.closeMs,
  }
}
