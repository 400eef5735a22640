import { NEW_YORK, newYorkDate } from '../../market/time.ts'
import {
  type Answer,
  badRequest,
  beforeEndOfDay,
  bytesAnswer,
  type Call,
  notEntitled,
  outsideTimeframe,
} from '../call.ts'
import { JsonWriter } from '../json-writer.ts'
import { booleanOf, limitOf, nextUrl, oneOf, spanOf } from '../params.ts'
import { historyStartMs, statusOf } from '../plans.ts'
import { findListing } from '../world/find-listing.ts'
import { barPieces, type BarsQuery, nextWindowMs, type Timespan, TIMESPANS } from '../world/windows.ts'
import { writeBarJson } from './bar-json.ts'

const DEFAULT_LIMIT = 5000
const MAX_LIMIT = 50_000

interface Request {
  readonly multiplier: number
  readonly timespan: Timespan
  readonly fromMs: number
  readonly toMs: number
  readonly adjusted: boolean
  readonly order: 'asc' | 'desc'
  /** Base aggregates a page may hold. */
  readonly limit: number
}

/** GET /v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to} */
export function aggregates(call: Call): Answer {
  const request = readRequest(call)
  const fromMs = entitledFromMs(call, request)
  const ticker = call.params['ticker']!
  const listing = findListing(call.world, ticker)
  const page = new JsonWriter().raw('[')
  let bars = 0
  let base = 0
  let next: string | undefined
  if (listing) {
    const query: BarsQuery = {
      ...request,
      fromMs,
      listing,
      asOfMs: call.asOfMs,
      ...adjustment(call, request),
    }
    const lastMs = fillPage(call, query, request.limit, page, (count) => {
      bars++
      base += count
    })
    if (lastMs !== undefined) next = followingPage(call, query, request, lastMs)
  }
  const json = new JsonWriter()
  json.raw('{"ticker":').value(ticker).raw(',"queryCount":').int(base).raw(',"resultsCount":').int(bars)
  if (listing?.market !== 'indices') json.raw(`,"adjusted":${request.adjusted}`)
  if (bars > 0) json.raw(',"results":').bytes(page.dropComma().raw(']').finish())
  json.raw(`,"status":"${statusOf(call.plan, call.nowMs, request.toMs)}","request_id":"${call.requestId}"`)
  json.raw(',"count":').int(bars)
  if (next !== undefined) json.raw(',"next_url":').value(next)
  return bytesAnswer(json.raw('}').finish())
}

/** Writes bars until the limit; the start of the last bar where there is more, undefined at the end. */
function fillPage(
  call: Call,
  query: BarsQuery,
  limit: number,
  page: JsonWriter,
  onBar: (base: number) => void,
): number | undefined {
  let used = 0
  let lastMs: number | undefined
  for (const bars of barPieces(call.world, query)) {
    for (let i = 0; i < bars.length; i++) {
      const row = query.order === 'asc' ? i : bars.length - 1 - i
      const base = bars.base[row]!
      // At least one bar a page, whole, or a long bar at a small limit would never come.
      if (lastMs !== undefined && used + base > limit) return lastMs
      used += base
      lastMs = bars.startMs[row]!
      onBar(base)
      writeBarJson(page, bars, row, query)
      page.raw(',')
    }
  }
  return undefined
}

function readRequest({ params, query }: Call): Request {
  const multiplier = Number(params['multiplier'])
  if (!Number.isInteger(multiplier) || multiplier < 1) {
    throw badRequest("The parameter 'multiplier' must be a positive integer")
  }
  const timespan = TIMESPANS.find((name) => name === params['timespan'])
  if (!timespan) throw badRequest(`The parameter 'timespan' is invalid: '${params['timespan']}'`)
  const fromMs = spanOf('from', params['from']!).firstMs
  const toMs = spanOf('to', params['to']!).lastMs
  if (toMs < fromMs) throw badRequest("The parameter 'to' cannot be a time that occurs before 'from'")
  return {
    multiplier,
    timespan,
    fromMs,
    toMs,
    adjusted: booleanOf(query, 'adjusted', true),
    order: oneOf(query, 'sort', ['asc', 'desc'], 'asc'),
    limit: limitOf(query, DEFAULT_LIMIT, MAX_LIMIT),
  }
}

/** Where the plan lets the range begin: a range that only overlaps the history is cut without a word. */
function entitledFromMs({ plan, nowMs }: Call, { fromMs, toMs, timespan }: Request): number {
  if (timespan === 'second' && !plan.products.includes('second_bars')) throw notEntitled()
  const startMs = historyStartMs(plan, nowMs)
  if (toMs < startMs) throw outsideTimeframe()
  const todayMs = NEW_YORK.toUtcMs(NEW_YORK.daysAt(nowMs), 0)
  if (plan.delay === 'end-of-day' && fromMs >= todayMs && fromMs <= nowMs) throw beforeEndOfDay()
  return Math.max(fromMs, startMs)
}

const adjustment = (call: Call, { adjusted }: Request): { readonly adjustTo?: string } =>
  adjusted ? { adjustTo: newYorkDate(call.nowMs) } : {}

function followingPage(call: Call, query: BarsQuery, request: Request, lastMs: number): string {
  const { params } = call
  const from = request.order === 'asc' ? String(nextWindowMs(query, lastMs)) : params['from']!
  const to = request.order === 'asc' ? params['to']! : String(lastMs - 1)
  const ticker = encodeURIComponent(params['ticker']!).replaceAll('%3A', ':')
  const path = `/v2/aggs/ticker/${ticker}/range/${request.multiplier}/${request.timespan}/${from}/${to}`
  const cursor = new URLSearchParams({ limit: String(request.limit), sort: request.order })
  if (!request.adjusted) cursor.set('adjusted', 'false')
  return nextUrl(call, path, cursor)
}
