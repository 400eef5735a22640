import { systemClock } from '../../core/clock.ts'
import {
  AuthenticationError,
  EntitlementError,
  InterruptedError,
  MalformedError,
  messageOf,
} from '../../core/errors.ts'
import { addDays, newYorkDate } from '../../market/time.ts'
import { Fetcher } from './fetcher.ts'
import type { PolygonOptions } from './options.ts'
import { createRequestBuilder, type RequestBuilder } from './requests.ts'
import { parseObject } from './wire/document.ts'

/** What a plan may or may not cover. */
export const PROBES = [
  'minute_bars',
  'minute_bars_5_years_ago',
  'second_bars',
  'trades',
  'quotes',
  'snapshot',
  'option_chain',
  'index_bars',
] as const
export type ProbeName = (typeof PROBES)[number]

export interface ProbeResult {
  readonly name: ProbeName
  readonly ok: boolean
  /** True when the plan does not cover it: nothing is broken. */
  readonly notEntitled: boolean
  /** Why not, in the vendor's words; absent when ok. */
  readonly reason?: string
}

export interface VendorClock {
  /** What the vendor's clock said, UTC epoch milliseconds, cut to whole seconds. */
  readonly serverMs: number
  /** Vendor minus this machine, milliseconds, good to about a second. */
  readonly skewMs: number
  /** `open`, `closed` or `extended-hours`. */
  readonly market: string
}

/**
 * Asks the vendor for its time and the state of the market: one request.
 *
 * @throws {VendorError} as every request does
 */
export async function probeClock(options: PolygonOptions, signal: AbortSignal): Promise<VendorClock> {
  const clock = options.clock ?? systemClock
  return withFetcher(options, async (fetcher, requests) => {
    const path = await requests.pathOf((api) => api.getMarketStatus())
    const answered = await fetcher.get(
      path,
      ({ body, ms }) => ({ status: parseObject(body), midwayMs: clock.now() - ms / 2 }),
      signal,
    )
    const { serverTime, market } = answered.status
    const serverMs = typeof serverTime === 'string' ? Date.parse(serverTime) : NaN
    if (Number.isNaN(serverMs)) throw new MalformedError('the market status tells no time', { request: path })
    const skewMs = serverMs + 500 - answered.midwayMs
    return { serverMs, skewMs, market: typeof market === 'string' ? market : 'unknown' }
  })
}

/**
 * Asks for one row of each kind in `names` and tells what the key's plan covers: one request each.
 *
 * @throws {AuthenticationError} when the key itself is refused; at once when `signal` aborts
 */
export async function probePlan(
  options: PolygonOptions,
  names: readonly ProbeName[],
  signal: AbortSignal,
): Promise<ProbeResult[]> {
  const today = newYorkDate((options.clock ?? systemClock).now())
  return withFetcher(options, async (fetcher, requests) => {
    const results: ProbeResult[] = []
    for (const name of names) {
      const path = await probePath(requests, name, today)
      results.push(await probe(fetcher, name, path, signal))
    }
    return results
  })
}

async function probe(
  fetcher: Fetcher,
  name: ProbeName,
  path: string,
  signal: AbortSignal,
): Promise<ProbeResult> {
  try {
    await fetcher.get(path, ({ body }) => parseObject(body), signal)
    return { name, ok: true, notEntitled: false }
  } catch (error) {
    if (error instanceof AuthenticationError || error instanceof InterruptedError) throw error
    return { name, ok: false, notEntitled: error instanceof EntitlementError, reason: messageOf(error) }
  }
}

/** Recent dates lie a week back, where every plan has its data; closed days answer without rows, which is fine. */
function probePath({ pathOf, client }: RequestBuilder, name: ProbeName, today: string): Promise<string> {
  const span = client.GetStocksAggregatesTimespanEnum
  const weekAgo = addDays(today, -7)
  const bars = (timespan: typeof span.Minute | typeof span.Second, date: string) =>
    pathOf((api) => api.getStocksAggregates('SPY', 1, timespan, date, date), {
      adjusted: 'false',
      limit: '1',
    })
  switch (name) {
    case 'minute_bars':
      return bars(span.Minute, weekAgo)
    case 'minute_bars_5_years_ago':
      return bars(span.Minute, addDays(today, -5 * 365))
    case 'second_bars':
      return bars(span.Second, weekAgo)
    case 'trades':
      return pathOf((api) => api.getStocksTrades('SPY', weekAgo), { limit: '1' })
    case 'quotes':
      return pathOf((api) => api.getStocksQuotes('SPY', weekAgo), { limit: '1' })
    case 'snapshot':
      return pathOf((api) => api.getStocksSnapshotTicker('SPY'))
    case 'option_chain':
      return pathOf((api) => api.getOptionsChain('SPY'), { limit: '1' })
    case 'index_bars':
      return pathOf(
        (api) =>
          api.getIndicesAggregates(
            'I:SPX',
            1,
            client.GetIndicesAggregatesTimespanEnum.Minute,
            weekAgo,
            weekAgo,
          ),
        { limit: '1' },
      )
  }
}

async function withFetcher<T>(
  options: PolygonOptions,
  use: (fetcher: Fetcher, requests: RequestBuilder) => Promise<T>,
): Promise<T> {
  const fetcher = new Fetcher(options)
  try {
    return await use(fetcher, await createRequestBuilder())
  } finally {
    await fetcher.close()
  }
}
