import type { Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { dedupLastWins, rowComparator } from '../../core/sort.ts'
import type { HistorySource } from '../../sources/history.ts'
import { rowsDiffer } from './row-difference.ts'
import type { LiveSeries } from './live-series.ts'
import { fetchSession } from './rest-session.ts'
import type { SessionBook } from './session-book.ts'

/** How what was recorded live compares to what REST has of the session. Counts of rows. */
export interface Reconciliation {
  readonly rest: number
  /** Only REST has them. */
  readonly added: number
  /** Both have them, with other values; REST wins. A trade count, which the socket never tells, is no difference. */
  readonly changed: number
  /** Only the recording has them: REST is not whole yet, or never will be. They are kept. */
  readonly unconfirmed: number
}

/**
 * Fetches the session over REST and lets it win over what was received. Not for ticks: see replace-ticks.ts.
 *
 * @throws {VendorError} when REST does not answer or refuses
 */
export async function reconcile(
  source: HistorySource,
  book: SessionBook,
  series: LiveSeries,
  tickers: readonly string[],
  signal: AbortSignal,
): Promise<Reconciliation> {
  const answers = await fetchSession(source, book, series, tickers, signal)
  const batches = answers.flatMap(({ rows }) => (rows && rows.length > 0 ? [rows] : []))
  const live = series.rows()
  if (batches.length === 0) return { rest: 0, added: 0, changed: 0, unconfirmed: live?.length ?? 0 }
  const rest = dedupLastWins(concatBatches(batches), series.id.dataset.key)
  const counts = compare(live, rest, series.id.dataset.key)
  if (counts.unconfirmed === 0) series.replaceAll(joinOrigins(rest, batches))
  else for (const batch of batches) series.addRest(batch)
  return counts
}

/** The first request stands for all of an option series: 200 of them would drown the ledger. */
const joinOrigins = (rest: Batch, batches: readonly Batch[]): Batch => {
  const [first] = batches
  if (!first?.origin || batches.length === 1) return rest
  const request = `${first.origin.request} and ${batches.length - 1} more`
  return { ...rest, origin: { source: first.origin.source, request } }
}

/** Walks both, sorted by key. */
function compare(live: Batch | undefined, rest: Batch, key: readonly string[]): Reconciliation {
  if (!live) return { rest: rest.length, added: rest.length, changed: 0, unconfirmed: 0 }
  const order = rowComparator(live, rest, key)
  let [added, changed, unconfirmed] = [0, 0, 0]
  for (let a = 0, b = 0; a < live.length || b < rest.length;) {
    const next = a === live.length ? 1 : b === rest.length ? -1 : order(a, b)
    if (next === 0 && rowsDiffer(live, a, rest, b)) changed++
    if (next > 0) added++
    if (next < 0) unconfirmed++
    if (next <= 0) a++
    if (next >= 0) b++
  }
  return { rest: rest.length, added, changed, unconfirmed }
}
