import { calendarOf } from '../../src/market/calendar/index.ts'
import {
  startVendorServer,
  type ReceivedRequest,
  type ScriptedAnswer,
  type VendorServer,
} from './vendor-server.ts'

/** One bar as the vendor writes it. */
export type WireBar = Readonly<Record<string, number | string | null>>

/** A request for bars, understood. */
export interface BarRequest extends ReceivedRequest {
  readonly ticker: string
  readonly timespan: string
  /** New York dates, inclusive. */
  readonly from: string
  readonly to: string
  /** How many requests for bars of this timespan came before. */
  readonly index: number
}

export interface BarVendorOptions {
  /** Minute bars of a session; default: {@link minuteBars}. None: the session is silent. */
  readonly bars?: (date: string, request: BarRequest) => readonly WireBar[]
  /** Sessions with a daily bar; default: those whose minute bars are not none. */
  readonly hasDailyBar?: (date: string) => boolean
  /** The daily bar of a session that has one; default: the same for all. */
  readonly dailyBar?: (date: string) => WireBar
  /** Answers requests that are not for bars, where it returns something. */
  readonly other?: (url: string) => ScriptedAnswer | undefined
  /** Answers instead of the data where it returns something. */
  readonly instead?: (request: BarRequest) => ScriptedAnswer | undefined
  /** Whether the vendor knows a ticker; default: all but NOPE. Undefined: it answers with a fault of its own. */
  readonly knows?: (ticker: string, date: string | undefined) => boolean | undefined
}

const ROUTE = /^\/v2\/aggs\/ticker\/([^/]+)\/range\/1\/(\w+)\/([\d-]+)\/([\d-]+)/

/** A real HTTP server that answers for bars like the vendor, over data that the test chooses; nothing says "simulator". */
export async function startBarVendor(options: BarVendorOptions = {}): Promise<VendorServer> {
  const counts = new Map<string, number>()
  return await startVendorServer((received) => {
    const match = ROUTE.exec(received.url)
    if (!match) return options.other?.(received.url) ?? tickerAnswer(received.url, options)
    const [ticker, timespan, from, to] = match.slice(1).map(decodeURIComponent) as [
      string,
      string,
      string,
      string,
    ]
    const index = counts.get(timespan) ?? 0
    counts.set(timespan, index + 1)
    const request = { ...received, ticker, timespan, from, to, index }
    return options.instead?.(request) ?? barsAnswer(request, options)
  })
}

function barsAnswer(
  request: BarRequest,
  { bars = minuteBars, hasDailyBar, dailyBar = usualDailyBar }: BarVendorOptions,
): ScriptedAnswer {
  const dates = calendarOf('XNYS')
    .between(request.from, request.to)
    .map(({ date }) => date)
  const traded = hasDailyBar ?? ((date: string) => bars(date, request).length > 0)
  const results =
    request.timespan === 'day'
      ? dates.filter(traded).map(dailyBar)
      : dates.flatMap((date) => bars(date, request))
  return { body: envelope(request.ticker, results) }
}

/** The body of an answer with `results`; absent when there are none, as the vendor does it. */
export function envelope(ticker: string, results: readonly WireBar[], more: object = {}): object {
  const count = { queryCount: results.length, resultsCount: results.length, count: results.length }
  const rows = results.length > 0 ? { results } : {}
  return { ticker, ...count, adjusted: false, ...rows, status: 'OK', request_id: 'vendor-request-1', ...more }
}

function tickerAnswer(
  url: string,
  { knows = (ticker) => ticker !== 'NOPE' }: BarVendorOptions,
): ScriptedAnswer {
  const { pathname, searchParams } = new URL(url, 'http://vendor')
  const one = /^\/v3\/reference\/tickers\/(.+)$/.exec(pathname)?.[1]
  if (one === undefined) return { body: { results: [], status: 'OK', request_id: 'vendor-list-1', count: 0 } }
  const ticker = decodeURIComponent(one)
  const known = knows(ticker, searchParams.get('date') ?? undefined)
  if (known === undefined) return { status: 500, body: { status: 'ERROR', error: 'internal' } }
  if (known) return { body: { results: { ticker }, status: 'OK' } }
  return {
    status: 404,
    body: { status: 'NOT_FOUND', message: 'Ticker not found.', request_id: 'vendor-404' },
  }
}

/** Bars of the first `count` regular minutes of a session; the same numbers for the same minute, always. */
export function minuteBars(date: string, _request?: unknown, count = 3): WireBar[] {
  const openMs = calendarOf('XNYS').on(date)!.openMs
  return Array.from({ length: count }, (_, minute) => {
    const price = 100 + ((openMs / 60_000 + minute) % 997) / 100
    return bar(openMs + minute * 60_000, price)
  })
}

const usualDailyBar = (date: string): WireBar =>
  bar(Date.parse(`${date}T${isSummer(date) ? '04' : '05'}:00:00Z`), 100)
const isSummer = (date: string): boolean =>
  new Date(`${date}T12:00:00Z`)
    .toLocaleString('en-US', { timeZone: 'America/New_York', timeZoneName: 'short' })
    .endsWith('EDT')

const bar = (t: number, price: number): WireBar => ({
  t,
  o: price,
  h: price + 1,
  l: price - 1,
  c: price + 0.5,
  v: 100.5,
  vw: price + 0.1,
  n: 7,
})

/** A bar that breaks a rule: its high is below its low. */
export const invalid = (one: WireBar): WireBar => ({ ...one, h: 1, l: 2 })

/** The vendor's refusals, in its own words. */
export const REFUSALS = {
  timeframe: {
    status: 403,
    body: {
      status: 'NOT_AUTHORIZED',
      request_id: 'vendor-403',
      message:
        "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing",
    },
  },
  endOfDay: {
    status: 403,
    body: {
      status: 'NOT_AUTHORIZED',
      request_id: 'vendor-403',
      message:
        "Attempted to request today's data before end of day. Please upgrade your plan at https://polygon.io/pricing",
    },
  },
  key: { status: 401, body: { status: 'ERROR', request_id: 'vendor-401', error: 'Unknown API Key' } },
} as const
