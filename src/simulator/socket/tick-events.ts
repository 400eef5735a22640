import { MS_PER_MINUTE } from '../../market/time.ts'
import { sequenceOf, writeSocketQuote, writeSocketTrade } from '../endpoints/tick-json.ts'
import type { JsonWriter } from '../json-writer.ts'
import type { Bars } from '../world/bars.ts'
import type { Quotes } from '../world/quotes.ts'
import type { Ticks } from '../world/ticks.ts'
import type { SymbolDay } from './days.ts'
import type { FrameBuilder, Window } from './frames.ts'

/** Writes the trades of the minute of `row` whose SIP time lies within the window. */
export function writeTrades(frames: FrameBuilder, day: SymbolDay, row: number, ticks: Ticks, window: Window) {
  for (const index of within(ticks.offsetNs, ticks.length, day.bars.startMs[row]!, window)) {
    if (day.cluster === 'options') writeOptionTrade(frames.json, ticks, day, row, index)
    else writeSocketTrade(frames.json, ticks, placeOf(day, row, index))
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
    if (day.cluster === 'options') writeOptionQuote(frames.json, quotes, day, row, index)
    else writeSocketQuote(frames.json, quotes, placeOf(day, row, index))
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

/** Trades and quotes of options have fewer fields; sizes are contracts. */
function writeOptionTrade(json: JsonWriter, ticks: Ticks, day: SymbolDay, row: number, index: number): void {
  json.raw('{"ev":"T","sym":').value(day.symbol).raw(`,"x":${OPTION_VENUE},"p":`)
  json.decimal(ticks.price[index]!, 4).raw(',"s":').decimal(ticks.size[index]!, 6).raw(',"c":[227]')
  writeOptionTail(json, ticks.offsetNs[index]!, day, row, index)
}

function writeOptionQuote(
  json: JsonWriter,
  quotes: Quotes,
  day: SymbolDay,
  row: number,
  index: number,
): void {
  json.raw('{"ev":"Q","sym":').value(day.symbol).raw(`,"bx":${OPTION_VENUE},"ax":${OPTION_VENUE},"bp":`)
  json.decimal(quotes.bid[index]!, 4).raw(',"ap":').decimal(quotes.ask[index]!, 4)
  json
    .raw(',"bs":')
    .int(quotes.bidSize[index]! / 100)
    .raw(',"as":')
    .int(quotes.askSize[index]! / 100)
  writeOptionTail(json, quotes.offsetNs[index]!, day, row, index)
}

function writeOptionTail(
  json: JsonWriter,
  offsetNs: number,
  day: SymbolDay,
  row: number,
  index: number,
): void {
  json.raw(',"t":').int(day.bars.startMs[row]! + Math.floor(offsetNs / 1e6))
  json
    .raw(',"q":')
    .int(sequenceOf(placeOf(day, row, index)))
    .raw('},')
}

/** The code of an options exchange. */
const OPTION_VENUE = 302

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
