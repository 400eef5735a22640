import { EntitlementError, messageOf, VendorError } from '../../core/errors.ts'
import type { HistorySource } from '../../sources/history.ts'
import type { ChannelWatch, StreamHole } from './holes.ts'
import { rowsBetween, type LiveSeries } from './live-series.ts'
import { fetchSession, type RestAnswer } from './rest-session.ts'
import type { SessionBook } from './session-book.ts'

export interface RepairOptions {
  readonly source: HistorySource
  readonly book: SessionBook
  readonly date: string
  /** What is subscribed; of an option series the contracts. */
  readonly tickers: readonly string[]
  /** Market time, ms since the epoch. */
  readonly marketNow: () => number
  /** Market time after which REST must have what happened, if it is not behind as a whole, ms. */
  readonly publicationMs: number
  readonly onClosed: (hole: StreamHole) => void
}

/**
 * Tries once to close the holes of `watch` whose end is known: fetches the session over REST and takes the rows
 * inside the holes. A hole closes when REST is seen to have gone past it for every ticker; until then it stays,
 * with the reason. One request per ticker, however many holes there are.
 *
 * @throws what is no failure of the vendor: an abort, the disk
 */
export async function repairHoles(
  watch: ChannelWatch,
  options: RepairOptions,
  signal: AbortSignal,
): Promise<void> {
  const holes = watch.repairable
  if (holes.length === 0 || !watch.channel.sharesKeys) return
  const askedMs = options.marketNow()
  try {
    const passed = new Set(holes)
    const found = new Map<StreamHole, number>()
    for (const series of options.book.on(options.date)) {
      if (series.id.dataset !== watch.channel.dataset) continue
      const answers = await fetchSession(options.source, options.book, series, options.tickers, signal)
      for (const answer of answers) takeAnswer(answer, series, holes, { askedMs, ...options, passed, found })
    }
    for (const [hole, rows] of found) hole.rows = rows
    for (const hole of passed) {
      watch.close(hole, options.marketNow())
      options.onClosed(hole)
    }
  } catch (error) {
    if (!(error instanceof VendorError)) throw error
    const refused =
      error instanceof EntitlementError ? 'the plan does not serve it yet' : 'the request failed'
    for (const hole of holes) hole.note = `${refused}: ${messageOf(error)}`
  }
}

interface Judging extends RepairOptions {
  readonly askedMs: number
  /** Holes that REST has passed, as far as was asked. */
  readonly passed: Set<StreamHole>
  /** Rows that REST has of them. */
  readonly found: Map<StreamHole, number>
}

function takeAnswer(
  answer: RestAnswer,
  series: LiveSeries,
  holes: readonly StreamHole[],
  judging: Judging,
): void {
  const sureMs = sureUntil(answer, series, judging)
  for (const hole of holes) {
    const toMs = Math.min(hole.toMs!, sureMs)
    const { rows } = answer
    const found = rows && rowsBetween(rows, series.id.dataset.eventColumn, hole.fromMs, toMs)
    if (found && found.length > 0) {
      series.addRest(found)
      judging.found.set(hole, (judging.found.get(hole) ?? 0) + found.length)
    }
    if (sureMs >= hole.toMs!) continue
    judging.passed.delete(hole)
    hole.note = 'the vendor does not have it yet'
  }
}

/**
 * Up to where REST is known to be final, exclusive: up to its newest bar, which may still be growing. Where the
 * publication time has passed since and REST has all that was received by then, silence counts too.
 */
function sureUntil({ ticker, newestMs }: RestAnswer, series: LiveSeries, judging: Judging): number {
  const { askedMs, publicationMs } = judging
  const settledMs = askedMs - publicationMs
  const witnessMs = series.newestLiveMs(ticker, settledMs) ?? -Infinity
  return newestMs >= witnessMs ? Math.max(newestMs, settledMs) : newestMs
}
