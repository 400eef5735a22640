import { NS_NULL, type ColumnData } from '../../../core/batch.ts'
import type { DatasetDefinition } from '../../../market/dataset.ts'
import { equityBars1m, equityBars1s } from '../../../market/datasets/equity-bars.ts'
import { equityQuotes, equityTrades } from '../../../market/datasets/equity-ticks.ts'
import { optionBars1m } from '../../../market/datasets/options.ts'
import { US_PER_MS } from '../../../market/time.ts'
import type { RowMapping } from '../wire/fields.ts'
import type { WireField, WireTable } from '../wire/scan.ts'

/** What a symbol is, by its prefix: `O:…` option, `I:…` index, other prefixes `other`, none a stock. */
export type Asset = 'stock' | 'option' | 'index' | 'other'

/** One kind of event that becomes rows. */
export interface EventKind {
  readonly dataset: DatasetDefinition
  readonly mapping: RowMapping
}

const field = (name: string, type: WireField['type']): WireField => ({ name, type })
const doubles = (...names: string[]): WireField[] => names.map((name) => field(name, 'double'))
const ints = (...names: string[]): WireField[] => names.map((name) => field(name, 'int64'))

/** A and AM. The socket tells no number of trades: `trade_count` stays null until REST brings it. */
const bars: RowMapping = {
  fields: [
    field('sym', 'string'),
    ...doubles('v', 'vw', 'o', 'c', 'h', 'l'),
    field('s', 'ms'),
    field('dv', 'decimal'),
  ],
  columns: { ticker: 'sym', timestamp: 's', open: 'o', high: 'h', low: 'l', close: 'c', vwap: 'vw' },
  derived: { volume: (table) => firstPresent(table, 'dv', 'v') },
  ignored: ['ev', 'av', 'dav', 'op', 'a', 'z', 'e', 'otc'],
}

/** T. See {@link msToNs} for its times. */
const trades: RowMapping = {
  fields: [
    field('sym', 'string'),
    field('i', 'string'),
    ...doubles('p'),
    field('s', 'decimal'),
    field('ds', 'decimal'),
    ...ints('t', 'pt', 'trft', 'q', 'x', 'z', 'trfi'),
    field('c', 'int_or_list'),
  ],
  columns: {
    ticker: 'sym',
    sequence_number: 'q',
    price: 'p',
    exchange: 'x',
    conditions: 'c',
    id: 'i',
    tape: 'z',
    trf_id: 'trfi',
  },
  derived: {
    timestamp: (table) => msToUs(table, 't'),
    sip_timestamp_ns: (table) => msToNs(table, 't'),
    participant_timestamp_ns: (table) => msToNs(table, 'pt'),
    trf_timestamp_ns: (table) => msToNs(table, 'trft'),
    size: (table) => firstPresent(table, 'ds', 's'),
  },
  ignored: ['ev'],
}

/** Q. */
const quotes: RowMapping = {
  fields: [
    field('sym', 'string'),
    ...doubles('bp', 'ap', 'bs', 'as'),
    ...ints('t', 'pt', 'q', 'bx', 'ax', 'z'),
    field('c', 'int_or_list'),
    field('i', 'int_or_list'),
  ],
  columns: {
    ticker: 'sym',
    sequence_number: 'q',
    bid_price: 'bp',
    bid_size: 'bs',
    bid_exchange: 'bx',
    ask_price: 'ap',
    ask_size: 'as',
    ask_exchange: 'ax',
    conditions: 'c',
    indicators: 'i',
    tape: 'z',
  },
  derived: {
    timestamp: (table) => msToUs(table, 't'),
    sip_timestamp_ns: (table) => msToNs(table, 't'),
    participant_timestamp_ns: (table) => msToNs(table, 'pt'),
  },
  ignored: ['ev'],
}

const KINDS: Readonly<Record<string, Readonly<Partial<Record<Asset, EventKind>>>>> = {
  AM: {
    stock: { dataset: equityBars1m, mapping: bars },
    option: { dataset: optionBars1m, mapping: bars },
  },
  A: { stock: { dataset: equityBars1s, mapping: bars } },
  T: { stock: { dataset: equityTrades, mapping: trades } },
  Q: { stock: { dataset: equityQuotes, mapping: quotes } },
}

/** What events `ev` of `asset` become; undefined: no dataset holds them, they are kept as they are. */
export const eventKind = (ev: string, asset: Asset): EventKind | undefined =>
  Object.hasOwn(KINDS, ev) ? KINDS[ev]?.[asset] : undefined

/** Fractional volumes come as text beside the rounded number; older events have the number only. */
function firstPresent(table: WireTable, first: string, second: string): ColumnData {
  const fallback = table.columns.get(second) as Float64Array
  return (table.columns.get(first) as Float64Array).map((value, row) =>
    Number.isNaN(value) ? fallback[row]! : value,
  )
}

/** Later than the year 5000: not milliseconds, whatever it is. */
const MAX_MS = 1e14
const NS_PER_MS = 1_000_000n

/**
 * Times of live ticks are milliseconds; the nanoseconds come with REST. A live tick is therefore keyed by its
 * millisecond, its sequence number (trades: venue and id too), which no row of REST has: live ticks are
 * provisional, and REST replaces a stretch of them as a whole, from a millisecond (inclusive) to a millisecond
 * (exclusive), never by key. A value that cannot be milliseconds becomes null.
 */
function msToNs(table: WireTable, name: string): ColumnData {
  const values = table.columns.get(name) as Float64Array
  const out = new BigInt64Array(values.length)
  for (let row = 0; row < out.length; row++) {
    const ms = values[row]!
    out[row] = ms >= 0 && ms < MAX_MS ? BigInt(ms) * NS_PER_MS : NS_NULL
  }
  return out
}

function msToUs(table: WireTable, name: string): ColumnData {
  return (table.columns.get(name) as Float64Array).map((ms) =>
    ms >= 0 && ms < MAX_MS ? ms * US_PER_MS : NaN,
  )
}
