import type { TradingSession } from '../../market/calendar/index.ts'
import { dateToDays, MS_PER_HOUR, NEW_YORK, newYorkDate } from '../../market/time.ts'
import {
  type Answer,
  beforeEndOfDay,
  bytesAnswer,
  type Call,
  jsonAnswer,
  notFound,
  outsideTimeframe,
} from '../call.ts'
import { JsonWriter } from '../json-writer.ts'
import { booleanOf, requireDate } from '../params.ts'
import { historyStartMs, statusOf } from '../plans.ts'
import { adjustBars, type Bars, PRICE_UNITS, SHARE_UNITS } from '../world/bars.ts'
import { splitFactor } from '../world/splits.ts'
import { findListing } from '../world/find-listing.ts'
import { type Listing, UNIVERSE } from '../world/universe.ts'
import { recentSessions } from '../world/world.ts'
import { writeBarJson } from './bar-json.ts'

/** GET /v2/aggs/grouped/locale/us/market/stocks/{date} */
export function grouped(call: Call): Answer {
  const date = requireDate('date', call.params['date']!)
  const adjusted = booleanOf(call.query, 'adjusted', true)
  booleanOf(call.query, 'include_otc', false)
  refuseUnentitledDay(call, date)
  const rows = new JsonWriter().raw('[')
  let count = 0
  for (const listing of UNIVERSE) {
    if (listing.market !== 'stocks') continue
    const [session] = call.world.sessions(listing, date, date)
    const day = session && dayBar(call, listing, session, adjusted)
    if (!day) continue
    writeBarJson(rows, day, 0, { listing, named: true, timeMs: fourOClockMs(date) })
    rows.raw(',')
    count++
  }
  const json = new JsonWriter()
  json.raw('{"queryCount":').int(count).raw(',"resultsCount":').int(count).raw(`,"adjusted":${adjusted}`)
  if (count > 0) json.raw(',"results":').bytes(rows.dropComma().raw(']').finish())
  json.raw(`,"status":"${statusOf(call.plan, call.nowMs, fourOClockMs(date))}"`)
  return bytesAnswer(json.raw(`,"request_id":"${call.requestId}","count":`).int(count).raw('}').finish())
}

/** GET /v2/aggs/ticker/{ticker}/prev */
export function previousClose(call: Call): Answer {
  const ticker = call.params['ticker']!
  const adjusted = booleanOf(call.query, 'adjusted', true)
  const listing = findListing(call.world, ticker)
  const found = listing && previousDay(call, listing, adjusted)
  const count = found ? 1 : 0
  const json = new JsonWriter()
  json.raw('{"ticker":').value(ticker).raw(`,"queryCount":${count},"resultsCount":${count}`)
  if (listing?.market !== 'indices') json.raw(`,"adjusted":${adjusted}`)
  if (found) {
    const timeMs = fourOClockMs(found.date)
    writeBarJson(json.raw(',"results":['), found.day, 0, { listing, named: true, timeMs })
    json.raw(']')
  }
  return bytesAnswer(json.raw(`,"status":"OK","request_id":"${call.requestId}","count":${count}}`).finish())
}

function previousDay(call: Call, listing: Listing, adjusted: boolean) {
  const today = newYorkDate(call.nowMs)
  for (const session of recentSessions(call.world, listing, call.nowMs).toReversed()) {
    const day = session.date < today ? dayBar(call, listing, session, adjusted) : undefined
    if (day) return { date: session.date, day }
  }
  return undefined
}

/** GET /v1/open-close/{ticker}/{date} */
export function openClose(call: Call): Answer {
  const ticker = call.params['ticker']!
  const date = requireDate('date', call.params['date']!)
  const adjusted = booleanOf(call.query, 'adjusted', true)
  refuseUnentitledDay(call, date)
  const listing = findListing(call.world, ticker)
  const [session] = listing ? call.world.sessions(listing, date, date) : []
  const day = listing && session && dayBar(call, listing, session, adjusted)
  if (!day) throw notFound()
  const isIndex = listing.market === 'indices'
  const price = (units: number): number => units / PRICE_UNITS
  return jsonAnswer({
    status: statusOf(call.plan, call.nowMs, fourOClockMs(date)),
    from: isIndex ? `${date}T00:00:00.000Z` : date,
    symbol: ticker,
    open: price(day.open[0]!),
    high: price(day.high[0]!),
    low: price(day.low[0]!),
    close: price(day.close[0]!),
    ...(isIndex ? {} : { volume: day.volume[0]! / SHARE_UNITS }),
    ...extendedHours(call, listing, session, adjusted),
  })
}

/** First price before the regular hours and last price after them, where there were any. */
function extendedHours(call: Call, listing: Listing, session: TradingSession, adjusted: boolean) {
  const bars = inShares(call, call.world.minutes(listing, session, call.asOfMs), listing, session, adjusted)
  const last = bars.length - 1
  return {
    ...(bars.startMs[last]! >= session.closeMs ? { afterHours: bars.close[last]! / PRICE_UNITS } : {}),
    ...(bars.startMs[0]! < session.openMs ? { preMarket: bars.open[0]! / PRICE_UNITS } : {}),
  }
}

function dayBar(call: Call, listing: Listing, session: TradingSession, adjusted: boolean): Bars | undefined {
  const day = call.world.regularHours(listing, session, call.asOfMs)
  return day.length === 0 ? undefined : inShares(call, day, listing, session, adjusted)
}

function inShares(
  call: Call,
  bars: Bars,
  listing: Listing,
  session: TradingSession,
  adjusted: boolean,
): Bars {
  return adjusted
    ? adjustBars(bars, splitFactor(listing.ticker, session.date, newYorkDate(call.nowMs)))
    : bars
}

function refuseUnentitledDay({ plan, nowMs }: Call, date: string): void {
  if (fourOClockMs(date) < historyStartMs(plan, nowMs)) throw outsideTimeframe()
  if (plan.delay === 'end-of-day' && date === newYorkDate(nowMs)) throw beforeEndOfDay()
}

/** 16:00 in New York, which is how the vendor stamps bars of these endpoints, early closes included. */
const fourOClockMs = (date: string): number => NEW_YORK.toUtcMs(dateToDays(date), 16 * MS_PER_HOUR)
