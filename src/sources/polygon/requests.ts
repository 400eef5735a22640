// `import type` leaves nothing behind: the client itself (140 ms to load) is loaded by the first request.
import type { AxiosResponse } from 'axios'
import type * as Vendor from '@polygon.io/client-js'
import { ConfigError } from '../../core/errors.ts'
import { calendarOf } from '../../market/calendar/index.ts'
import { addDays, dateToDays, NEW_YORK } from '../../market/time.ts'
import type { HistoryRequest } from '../history.ts'

type Client = typeof Vendor
type Query = Readonly<Record<string, string>>

/** Most rows (bars: base aggregates) that the vendor puts on one page. */
export const PAGE_ROWS = 50_000
/** The same for splits, dividends and other reference data. */
export const REFERENCE_PAGE_ROWS = 1000

/**
 * Builds the path and query of requests with the vendor's generated client, which knows endpoints,
 * parameter names and encoding. Nothing is sent: the transport does that, for first and next pages alike.
 */
export interface RequestBuilder {
  readonly client: Client
  /** Path and query of the request that `call` makes, with `query` added. */
  readonly pathOf: (call: (api: Vendor.DefaultApi) => Promise<unknown>, query?: Query) => Promise<string>
}

export async function createRequestBuilder(): Promise<RequestBuilder> {
  const [{ default: axios }, client] = await Promise.all([import('axios'), import('@polygon.io/client-js')])
  const unsent = axios.create({
    adapter: (config) =>
      Promise.resolve({ data: '', status: 200, statusText: 'unsent', headers: {}, config }),
  })
  const api = new client.DefaultApi(new client.Configuration(), 'http://vendor', unsent)
  return {
    client,
    pathOf: async (call, query = {}) => {
      // the generated types promise the body, but a bare client resolves to the axios response
      const { config } = (await call(api)) as AxiosResponse
      const url = new URL(config.url!)
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
      return url.pathname + url.search
    },
  }
}

/**
 * Path and query of the first page of `request`. Limits are always set: the vendor's defaults are 10 to 5000.
 *
 * @throws {ConfigError} when this source does not serve the dataset
 */
export function historyPath(builder: RequestBuilder, request: HistoryRequest): Promise<string> {
  const { client } = builder
  const { ticker, from, to, dataset } = request
  const span = client.GetStocksAggregatesTimespanEnum
  const bars = (timespan: Vendor.GetStocksAggregatesTimespanEnum, range: Range = { from, to }) =>
    builder.pathOf((api) => {
      const { Asc } = client.GetStocksAggregatesSortEnum
      return api.getStocksAggregates(ticker, 1, timespan, range.from, range.to, false, Asc, PAGE_ROWS)
    })
  switch (dataset.name) {
    case 'equity_bars_1s':
      return bars(span.Second)
    case 'equity_bars_1m':
      return bars(span.Minute)
    case 'equity_bars_1h':
      return bars(span.Hour)
    case 'equity_bars_1d':
      return bars(span.Day)
    case 'option_bars_1m':
      return bars(span.Minute, sessionsMs(request))
    case 'option_bars_1d':
      return bars(span.Day)
    case 'equity_trades':
      return builder.pathOf((api) => api.getStocksTrades(ticker), ticks(from, to))
    case 'equity_quotes':
      return builder.pathOf((api) => api.getStocksQuotes(ticker), ticks(from, to))
    case 'splits':
      return builder.pathOf((api) => api.listStockSplits(ticker), events('execution_date', request))
    case 'dividends':
      return builder.pathOf((api) => api.listDividends(ticker), events('ex_dividend_date', request))
    default:
      throw new ConfigError(`the polygon source does not serve the dataset '${dataset.name}'`)
  }
}

type Range = Pick<HistoryRequest, 'from' | 'to'>

/** All hours of the sessions, in ms since the epoch, both inclusive: index options trade from the evening before. */
function sessionsMs({ dataset, from, to }: HistoryRequest): Range {
  const calendar = calendarOf(dataset.calendar)
  const first = calendar.on(from) ?? calendar.next(from)
  const last = calendar.on(to) ?? calendar.previous(to)
  return { from: String(first.extendedOpenMs), to: String(last.extendedCloseMs - 1) }
}

/** All ticks of the New York days `from` to `to`, both inclusive. */
function ticks(from: string, to: string): Query {
  return {
    'timestamp.gte': midnightNs(from),
    'timestamp.lt': midnightNs(addDays(to, 1)),
    order: 'asc',
    limit: String(PAGE_ROWS),
    sort: 'timestamp',
  }
}

/** The instant at which `date` begins in New York, nanoseconds since the epoch. */
const midnightNs = (date: string): string => `${NEW_YORK.toUtcMs(dateToDays(date), 0)}000000`

/** Events of the sessions, and of the days without one before the first: those belong to it. */
function events(dateField: string, { dataset, from, to }: HistoryRequest): Query {
  const calendar = calendarOf(dataset.calendar)
  const first = from > calendar.firstDate ? addDays(calendar.previous(from).date, 1) : from
  return {
    [`${dateField}.gte`]: first,
    [`${dateField}.lte`]: to,
    order: 'asc',
    limit: String(REFERENCE_PAGE_ROWS),
    sort: dateField,
  }
}
