import type { JsonWriter } from '../json-writer.ts'
import type { Bars } from '../world/bars.ts'
import type { Listing } from '../world/universe.ts'

/** What differs between the places where the vendor writes a bar. */
export interface BarJsonOptions {
  readonly listing: Listing
  /** Adds the ticker as `T`. */
  readonly named?: boolean
  /** Overrides the bar's start as `t`, ms since the epoch. */
  readonly timeMs?: number
}

/** Writes bar `row` as the vendor does; an index has only its values. */
export function writeBarJson(json: JsonWriter, bars: Bars, row: number, options: BarJsonOptions): void {
  const { listing, named, timeMs } = options
  json.raw('{')
  if (named === true) json.raw('"T":').value(listing.ticker).raw(',')
  if (listing.market !== 'indices') {
    json.raw('"v":').decimal(bars.volume[row]!, 6)
    if (bars.vwap[row]! > 0) json.raw(',"vw":').decimal(bars.vwap[row]!, 4)
    json.raw(',')
  }
  json.raw('"o":').decimal(bars.open[row]!, 4)
  json.raw(',"c":').decimal(bars.close[row]!, 4)
  json.raw(',"h":').decimal(bars.high[row]!, 4)
  json.raw(',"l":').decimal(bars.low[row]!, 4)
  json.raw(',"t":').int(timeMs ?? bars.startMs[row]!)
  if (bars.count[row]! > 0) json.raw(',"n":').int(bars.count[row]!)
  json.raw('}')
}
