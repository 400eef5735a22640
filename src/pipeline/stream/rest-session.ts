import pLimit from 'p-limit'
import { requireColumn, takeRows, type Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { seriesKeyOf } from '../../market/dataset.ts'
import { sessionDates } from '../../market/session-rows.ts'
import { US_PER_MS } from '../../market/time.ts'
import type { HistorySource } from '../../sources/history.ts'
import type { LiveSeries } from './live-series.ts'
import type { SessionBook } from './session-book.ts'

/** Requests in flight at the same time; the budget of the account still holds. */
const AT_ONCE = 4

/** What REST has of one ticker in one session. */
export interface RestAnswer {
  readonly ticker: string
  /** Rows of the session that keep the rules; undefined: none. */
  readonly rows: Batch | undefined
  /** Newest event, ms since the epoch; -Infinity: none. */
  readonly newestMs: number
}

/**
 * Fetches the session of `series` over REST: one answer for each of its tickers (an option series: its contracts).
 *
 * @throws {VendorError} what the first failed request gives
 */
export async function fetchSession(
  source: HistorySource,
  book: SessionBook,
  series: LiveSeries,
  tickers: readonly string[],
  signal: AbortSignal,
): Promise<RestAnswer[]> {
  const { dataset, ticker } = series.id
  const limit = pLimit(AT_ONCE)
  const wanted = seriesKeyOf(dataset) === 'ticker' ? [ticker] : tickers
  return await Promise.all(wanted.map((one) => limit(() => fetchOne(source, book, series, one, signal))))
}

async function fetchOne(
  source: HistorySource,
  book: SessionBook,
  series: LiveSeries,
  ticker: string,
  signal: AbortSignal,
): Promise<RestAnswer> {
  const parts: Batch[] = []
  for await (const rows of readSession(source, book, series, ticker, signal)) parts.push(rows)
  if (parts.length === 0) return { ticker, rows: undefined, newestMs: -Infinity }
  const rows = concatBatches(parts)
  return { ticker, rows, newestMs: newestOf(rows, series.id.dataset.eventColumn) }
}

/**
 * What REST has of `ticker` in the session of `series`, as far as it keeps the rules, page by page.
 *
 * @throws {VendorError}
 */
export async function* readSession(
  source: HistorySource,
  book: SessionBook,
  series: LiveSeries,
  ticker: string,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const { id, date } = series
  const request = { dataset: id.dataset, ticker, from: date, to: date }
  for await (const page of source.read(request, signal)) {
    const ours = ofSession(page, series)
    if (ours.length > 0) yield* await book.refine(series, ours)
  }
}

function ofSession(page: Batch, { id, date }: LiveSeries): Batch {
  const { dates, codes } = sessionDates(id.dataset, page)
  if (dates.length === 1 && dates[0] === date && !codes.includes(-1)) return page
  const rows: number[] = []
  codes.forEach((code, row) => {
    if (dates[code] === date) rows.push(row)
  })
  return takeRows(page, rows)
}

function newestOf(batch: Batch, eventColumn: string): number {
  let newest = -Infinity
  for (const us of requireColumn(batch, eventColumn, 'timestamp')) if (us > newest) newest = us
  return newest / US_PER_MS
}
