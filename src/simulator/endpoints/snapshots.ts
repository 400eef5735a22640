import { newYorkDate } from '../../market/time.ts'
import { type Answer, type Call, jsonAnswer, notFound } from '../call.ts'
import { statusOf } from '../plans.ts'
import { type Bars, emptyBars, PRICE_UNITS, SHARE_UNITS } from '../world/bars.ts'
import { presentOf } from '../world/now.ts'
import { hash32 } from '../world/random.ts'
import { type Listing, listingOf } from '../world/universe.ts'

/** Nanoseconds of an instant that lies in the millisecond before `ms`: exact, and never a round number. */
export const nanosecondsBefore = (ms: number): bigint =>
  BigInt(ms - 1) * 1_000_000n + BigInt(hash32(ms % 2 ** 31) % 1_000_000)

/** GET /v2/snapshot/locale/us/markets/stocks/tickers/{ticker} */
export function stockSnapshot(call: Call): Answer {
  const ticker = call.params['ticker']!
  const listing = listingOf(ticker)
  const present = listing?.market === 'stocks' ? presentOf(call.world, listing, call.asOfMs) : undefined
  if (!listing || !present) throw notFound(`NotFound: ${ticker}`)
  const { session, minutes, before, price } = present
  const isToday = session.date === newYorkDate(call.nowMs)
  const day = isToday ? call.world.regularHours(listing, session, call.asOfMs) : emptyBars(1)
  const previous = isToday ? before : session
  const last = previous && call.world.regularHours(listing, previous, call.asOfMs)
  const previousClose = last && last.length > 0 ? last.close[0]! / PRICE_UNITS : price
  const updated = nanosecondsBefore(present.atMs)
  const row = minutes.length - 1
  return jsonAnswer({
    ticker: {
      ticker,
      todaysChange: isToday ? price - previousClose : 0,
      todaysChangePerc: isToday ? (price / previousClose - 1) * 100 : 0,
      updated,
      day: barOf(day, 0),
      min: isToday
        ? { ...barOf(minutes, row), t: minutes.startMs[row]!, n: minutes.count[row]!, av: volumeOf(minutes) }
        : { ...barOf(emptyBars(1), 0), t: 0, n: 0, av: 0 },
      prevDay: barOf(last ?? emptyBars(1), 0),
      ...(call.plan.products.includes('trades')
        ? { lastTrade: { c: [12, 37], i: '1', p: price, s: 10, t: updated, x: 4 } }
        : {}),
    },
    status: statusOf(call.plan, call.nowMs, call.nowMs),
    request_id: call.requestId,
  })
}

/** Zeros where there is no bar, as the vendor has it between its cleaning and the first trade. */
function barOf(bars: Bars, row: number) {
  const price = (units: Float64Array): number => (bars.length > row ? units[row]! / PRICE_UNITS : 0)
  return {
    o: price(bars.open),
    h: price(bars.high),
    l: price(bars.low),
    c: price(bars.close),
    v: bars.length > row ? bars.volume[row]! / SHARE_UNITS : 0,
    vw: price(bars.vwap),
  }
}

const volumeOf = (bars: Bars): number =>
  bars.volume.subarray(0, bars.length).reduce((sum, volume) => sum + volume, 0) / SHARE_UNITS

/** GET /v3/snapshot/indices?ticker.any_of=I:SPX,…: what is not known is said item by item. */
export function indexSnapshots(call: Call): Answer {
  const names = (call.query.get('ticker.any_of') ?? call.query.get('ticker') ?? '').split(',').filter(Boolean)
  const results = names.map((ticker) => {
    const listing = listingOf(ticker)
    if (listing?.market !== 'indices') return { ticker, error: 'NOT_FOUND', message: 'Ticker not found.' }
    return indexItem(call, listing)
  })
  return jsonAnswer({ results, status: 'OK', request_id: call.requestId })
}

function indexItem(call: Call, listing: Listing) {
  const present = presentOf(call.world, listing, call.asOfMs)
  const base = { ticker: listing.ticker, name: listing.name, type: 'indices' }
  if (!present) return { ...base, error: 'NOT_FOUND', message: 'Ticker not found.' }
  const { session, price, before, atMs } = present
  const day = call.world.regularHours(listing, session, call.asOfMs)
  const previous = before && call.world.regularHours(listing, before, call.asOfMs)
  const previousClose = (previous?.close[0] ?? day.open[0]!) / PRICE_UNITS
  return {
    ...base,
    market_status: call.nowMs >= session.openMs && call.nowMs < session.closeMs ? 'open' : 'closed',
    value: price,
    last_updated: nanosecondsBefore(atMs),
    timeframe: call.plan.delay === 0 ? 'REAL-TIME' : 'DELAYED',
    session: {
      change: price - previousClose,
      change_percent: (price / previousClose - 1) * 100,
      close: price,
      high: day.high[0]! / PRICE_UNITS,
      low: day.low[0]! / PRICE_UNITS,
      open: day.open[0]! / PRICE_UNITS,
      previous_close: previousClose,
    },
  }
}
