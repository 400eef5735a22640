import type { Batch } from '../../core/batch.ts'
import { dedupLastWins } from '../../core/sort.ts'
import type { SeriesWriter } from '../../lake/series-writer.ts'
import type { HistorySource } from '../../sources/history.ts'
import { commitCell, refusedOf, withWriter, type CellSettlement, type StreamLake } from './cell.ts'
import type { LiveSeries } from './live-series.ts'
import type { Reconciliation } from './reconcile.ts'
import { readSession } from './rest-session.ts'
import type { SessionBook } from './session-book.ts'

export interface ReplaceOptions {
  readonly lake: StreamLake
  readonly source: HistorySource
  readonly book: SessionBook
}

/**
 * Lets REST replace the ticks of a session, page by page into the lake: nothing can be compared row by row, as live
 * ticks have other keys. Where REST has fewer than were received it is not whole yet, and what is held stays.
 *
 * @param verdictOf what the ledger says of the session when REST has replaced it
 * @throws {VendorError} when REST does not answer or refuses; nothing is replaced then
 */
export async function replaceTicks(
  series: LiveSeries,
  { lake, source, book }: ReplaceOptions,
  verdictOf: (found: Reconciliation) => CellSettlement,
  signal: AbortSignal,
): Promise<Reconciliation> {
  const pages = readSession(source, book, series, series.id.ticker, signal)
  try {
    const first = await pages.next()
    const live = series.isChanged ? await commitCell(lake, series, NOT_RECONCILED, signal) : undefined
    if (first.done) return { rest: 0, added: 0, changed: 0, unconfirmed: live ?? 0 }
    return await withWriter(lake, series, signal, async (writer) => {
      const held = live ?? writer.ledger.cells[series.date]?.rows ?? 0
      return await replace(series, writer, { first: first.value, pages, held, verdictOf })
    })
  } finally {
    await pages.return(undefined)
  }
}

const NOT_RECONCILED: CellSettlement = {
  state: 'pending',
  reason: 'recorded live, not reconciled with REST yet',
}

interface Replacing {
  readonly first: Batch
  readonly pages: AsyncGenerator<Batch>
  /** Rows that the lake holds. */
  readonly held: number
  readonly verdictOf: (found: Reconciliation) => CellSettlement
}

async function replace(
  series: LiveSeries,
  writer: SeriesWriter,
  { first, pages, held, verdictOf }: Replacing,
): Promise<Reconciliation> {
  const { date, id } = series
  const sink = writer.openSink([date])
  try {
    let rest = 0
    const write = async (page: Batch): Promise<void> => {
      rest += page.length
      await sink.write(dedupLastWins(page, id.dataset.key))
    }
    await write(first)
    for await (const page of pages) await write(page)
    const unconfirmed = Math.max(0, held - rest)
    const found = { rest, added: rest - held + unconfirmed, changed: 0, unconfirmed }
    if (unconfirmed > 0) await sink.abort()
    else await sink.commit(new Map([[date, { ...verdictOf(found), ...refusedOf(series) }]]))
    return found
  } catch (error) {
    await sink.abort()
    throw error
  }
}
