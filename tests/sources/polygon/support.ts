import { createRateLimiter } from '../../../src/core/rate-limit.ts'
import { retryPolicySchema } from '../../../src/core/retry.ts'
import { collect } from '../../../src/core/flow.ts'
import { rowAt } from '../../../src/core/batch.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import type { HistoryRequest, HistorySource } from '../../../src/sources/history.ts'
import { createPolygonSource, type PolygonSourceOptions } from '../../../src/sources/polygon/index.ts'

export const KEY = 'kEy_0123456789abcdef'
export const never = new AbortController().signal

/** Retries a few times, without waiting. */
export const quickRetries = retryPolicySchema.parse(
  Object.fromEntries(
    ['network', 'timeout', 'rate_limit', 'server', 'malformed'].map((category) => [
      category,
      {
        retries: 2,
        baseMs: 0,
        maxMs: 0,
        jitter: 0,
        ...(category === 'rate_limit' ? { fallback: 'none' } : {}),
      },
    ]),
  ),
)

/** Options for a source at `baseUrl` without a limit on calls, with short waits. */
export const optionsFor = (
  baseUrl: string,
  more: Partial<PolygonSourceOptions> = {},
): PolygonSourceOptions => ({
  baseUrl,
  apiKey: KEY,
  name: 'polygon',
  timeouts: { connectMs: 5000, requestMs: 10_000 },
  retryPolicy: quickRetries,
  limiter: createRateLimiter({ callsPerMinute: 0 }),
  ...more,
})

export const sourceAt = (baseUrl: string, more: Partial<PolygonSourceOptions> = {}): HistorySource =>
  createPolygonSource(optionsFor(baseUrl, more))

export const ask = (dataset: string, more: Partial<HistoryRequest> = {}): HistoryRequest => ({
  dataset: datasetNamed(dataset),
  ticker: 'SPY',
  from: '2025-01-02',
  to: '2025-01-03',
  ...more,
})

/** All rows of a request as plain objects. */
export async function rowsOf(
  source: HistorySource,
  request: HistoryRequest,
): Promise<Record<string, unknown>[]> {
  const batches = await collect(source.read(request, never))
  return batches.flatMap((batch) => Array.from({ length: batch.length }, (_, row) => rowAt(batch, row)))
}

/** A bar as the vendor writes it, starting `minute` minutes into 2025-01-02. */
export const wireBar = (minute: number): Record<string, number> => ({
  v: 1000.5 + minute,
  vw: 100.1,
  o: 100,
  c: 100.2,
  h: 100.3,
  l: 99.9,
  t: Date.UTC(2025, 0, 2, 15) + minute * 60_000,
  n: 12,
})

/** An answer of the aggregates endpoint with `bars`. */
export const aggregates = (bars: readonly object[], more: object = {}) => ({
  ticker: 'SPY',
  queryCount: bars.length,
  resultsCount: bars.length,
  adjusted: false,
  results: bars,
  status: 'OK',
  request_id: 'req-1',
  count: bars.length,
  ...more,
})
