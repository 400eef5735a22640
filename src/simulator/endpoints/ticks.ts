import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE, newYorkDate } from '../../market/time.ts'
import { type Answer, bytesAnswer, type Call, notFound, outsideTimeframe } from '../call.ts'
import { JsonWriter } from '../json-writer.ts'
import { limitOf, nextUrl, oneOf } from '../params.ts'
import { historyStartMs, statusOf } from '../plans.ts'
import type { Bars } from '../world/bars.ts'
import { generateQuotes, type Quotes } from '../world/quotes.ts'
import { generateTrades, type Ticks } from '../world/ticks.ts'
import { type Listing, listingOf } from '../world/universe.ts'
import { recentSessions } from '../world/world.ts'
import {
  type TickPlace,
  writeLastQuoteJson,
  writeLastTradeJson,
  writeQuoteJson,
  writeTradeJson,
} from './tick-json.ts'
import { instantNs, offsetsWithin, type TimeFilter, timeFilterOf } from './time-filter.ts'

/** What differs between trades and quotes. */
interface TickKind<T extends { readonly length: number; readonly offsetNs: Float64Array }> {
  readonly path: string
  readonly generate: (seed: number, listing: Listing, bars: Bars, row: number) => T
  readonly write: (json: JsonWriter, ticks: T, place: TickPlace) => void
  readonly writeLast: (json: JsonWriter, ticks: T, place: TickPlace) => void
}

const TRADES: TickKind<Ticks> = {
  path: '/v3/trades',
  generate: generateTrades,
  write: writeTradeJson,
  writeLast: writeLastTradeJson,
}
const QUOTES: TickKind<Quotes> = {
  path: '/v3/quotes',
  generate: generateQuotes,
  write: writeQuoteJson,
  writeLast: writeLastQuoteJson,
}

/** GET /v3/trades/{ticker} */
export const trades = (call: Call): Answer => tickPage(call, TRADES)
/** GET /v3/quotes/{ticker} */
export const quotes = (call: Call): Answer => tickPage(call, QUOTES)
/** GET /v2/last/trade/{ticker} */
export const lastTrade = (call: Call): Answer => lastTick(call, TRADES)
/** GET /v2/last/nbbo/{ticker} */
export const lastQuote = (call: Call): Answer => lastTick(call, QUOTES)

type AnyTicks = { readonly length: number; readonly offsetNs: Float64Array }

function tickPage<T extends AnyTicks>(call: Call, kind: TickKind<T>): Answer {
  const order = oneOf(call.query, 'order', ['asc', 'desc'], 'desc')
  oneOf(call.query, 'sort', ['timestamp'], 'timestamp')
  const limit = limitOf(call.query, 1000, 50_000)
  const filter = entitledFilter(call)
  const listing = listingOf(call.params['ticker']!)
  const json = new JsonWriter().raw('{"results":[')
  let rows = 0
  let lastNs: bigint | undefined
  let more = false
  if (listing && listing.market !== 'indices') {
    for (const { ticks, place, instant } of ticksIn(call, listing, filter, order, kind)) {
      if (rows === limit) {
        more = true
        break
      }
      kind.write(json, ticks, place)
      json.raw(',')
      rows++
      if (rows === limit) lastNs = instant()
    }
  }
  const status = statusOf(call.plan, call.nowMs, Number(filter.untilNs / 1_000_000n))
  json.dropComma().raw(`],"status":"${status}","request_id":"${call.requestId}"`)
  if (more && lastNs !== undefined) {
    json.raw(',"next_url":').value(followingPage(call, kind.path, { order, limit, filter, lastNs }))
  }
  return bytesAnswer(json.raw('}').finish())
}

function entitledFilter(call: Call): TimeFilter {
  const filter = timeFilterOf(call.query, call.asOfMs)
  const startMs = historyStartMs(call.plan, call.nowMs)
  if (startMs === -Infinity) return filter
  const startNs = BigInt(startMs) * 1_000_000n
  if (filter.untilNs <= startNs) throw outsideTimeframe()
  return { ...filter, fromNs: filter.fromNs > startNs ? filter.fromNs : startNs }
}

/** Ticks that pass the filter, in the order asked; made minute by minute, as far as the reader goes. */
function* ticksIn<T extends AnyTicks>(
  call: Call,
  listing: Listing,
  filter: TimeFilter,
  order: 'asc' | 'desc',
  kind: TickKind<T>,
) {
  for (const { session, bars, row } of minutesIn(call, listing, filter, order)) {
    const startMs = bars.startMs[row]!
    const { fromNs, untilNs } = offsetsWithin(filter, startMs)
    if (fromNs === Infinity || untilNs === 0) continue
    const ticks = kind.generate(call.world.seed, listing, bars, row)
    for (let i = 0; i < ticks.length; i++) {
      const index = order === 'asc' ? i : ticks.length - 1 - i
      const offsetNs = ticks.offsetNs[index]!
      if (offsetNs < fromNs || offsetNs >= untilNs) continue
      const place = placeOf(listing, session, startMs, index)
      yield { ticks, place, instant: () => instantNs(startMs, offsetNs) }
    }
  }
}

function* minutesIn(call: Call, listing: Listing, { fromNs, untilNs }: TimeFilter, order: 'asc' | 'desc') {
  if (untilNs <= fromNs) return
  const from = newYorkDate(Number(fromNs / 1_000_000n))
  const to = newYorkDate(Number((untilNs - 1n) / 1_000_000n))
  const sessions = call.world.sessions(listing, from, to)
  for (const session of order === 'asc' ? sessions : sessions.toReversed()) {
    const bars = call.world.minutes(listing, session, call.asOfMs)
    for (let i = 0; i < bars.length; i++) {
      yield { session, bars, row: order === 'asc' ? i : bars.length - 1 - i }
    }
  }
}

function placeOf(listing: Listing, session: TradingSession, startMs: number, index: number): TickPlace {
  return {
    listing,
    startMs,
    minute: (startMs - session.extendedOpenMs) / MS_PER_MINUTE,
    index,
    extended: startMs < session.openMs || startMs >= session.closeMs,
  }
}

interface Position {
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly filter: TimeFilter
  /** The last tick of this page; the next one begins behind it. */
  readonly lastNs: bigint
}

function followingPage(call: Call, path: string, { order, limit, filter, lastNs }: Position): string {
  const from = order === 'asc' ? lastNs + 1n : filter.fromNs
  const until = order === 'asc' ? filter.untilNs : lastNs
  const cursor = new URLSearchParams({
    limit: String(limit),
    order,
    sort: 'timestamp',
    'timestamp.gte': String(from),
    'timestamp.lt': String(until),
  })
  return nextUrl(call, `${path}/${call.path.split('/')[3]!}`, cursor)
}

function lastTick<T extends AnyTicks>(call: Call, kind: TickKind<T>): Answer {
  const listing = listingOf(call.params['ticker']!)
  if (!listing || listing.market === 'indices') throw notFound()
  for (const session of recentSessions(call.world, listing, call.asOfMs).toReversed()) {
    const bars = call.world.minutes(listing, session, call.asOfMs)
    const row = bars.length - 1
    if (row < 0) continue
    const ticks = kind.generate(call.world.seed, listing, bars, row)
    const place = placeOf(listing, session, bars.startMs[row]!, ticks.length - 1)
    const json = new JsonWriter().raw('{"results":')
    kind.writeLast(json, ticks, place)
    return bytesAnswer(json.raw(`,"status":"OK","request_id":"${call.requestId}"}`).finish())
  }
  throw notFound()
}
