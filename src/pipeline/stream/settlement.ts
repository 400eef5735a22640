import { sleep, throwIfAborted } from '../../core/abort.ts'
import { messageOf } from '../../core/errors.ts'
import { calendarOf } from '../../market/calendar/index.ts'
import { commitCell, holdCell } from './cell.ts'
import type { StreamedCell, StreamEnd, StreamOptions } from './contract.ts'
import type { HoleBook } from './hole-book.ts'
import type { LiveSeries } from './live-series.ts'
import type { MarketClock } from './market-clock.ts'
import type { SessionBook } from './session-book.ts'
import { settleFinished, type Settled } from './settle.ts'

/** The end of a stream: every session in the book is settled as well as it can be in the time there is. */
export class Settlement {
  readonly #options: StreamOptions
  readonly #book: SessionBook
  readonly #holes: HoleBook
  readonly #clock: MarketClock
  /** True once the lake holds everything that was received. */
  isWhole = true
  /** What kept rows from being committed. */
  failure: Error | undefined

  constructor(options: StreamOptions, book: SessionBook, holes: HoleBook, clock: MarketClock) {
    this.#options = options
    this.#book = book
    this.#holes = holes
    this.#clock = clock
  }

  /** @throws as soon as `immediate` aborts */
  async settle(end: StreamEnd, sessionDate: string | undefined): Promise<readonly StreamedCell[]> {
    const { times, immediate, graceful } = this.#options
    const isHurried = end !== 'session_over'
    const limitMs = (isHurried ? times.drainSeconds : times.reconcileSeconds) * 1000
    const untilTickMs = performance.now() + limitMs
    // A session that ends by itself can still be interrupted while it waits for REST.
    const patience = isHurried ? immediate : AbortSignal.any([graceful, immediate])
    await this.#holes.settled()
    const open = this.#book.all.filter((series) => !this.#isOver(series))
    if (open.length > 0) await this.#closeHoles(untilTickMs, patience)
    const cells: StreamedCell[] = []
    for (const series of this.#book.all) {
      if (!series.hasRows && series.date !== sessionDate) continue
      const settled = await this.#attempt(series, untilTickMs, patience)
      cells.push(cellOf(series, settled))
    }
    throwIfAborted(immediate)
    return cells
  }

  #isOver({ id, date }: LiveSeries): boolean {
    const session = calendarOf(id.dataset.calendar).on(date)
    return session !== undefined && this.#nowMs >= session.extendedCloseMs
  }

  /** A replayed market may be over before the clock on the wall has gone far, and the other way round. */
  get #nowMs(): number {
    const marketMs = this.#clock.nowMs()
    return Number.isFinite(marketMs) ? marketMs : this.#options.now()
  }

  async #closeHoles(untilTickMs: number, patience: AbortSignal): Promise<void> {
    const { times, immediate } = this.#options
    for (;;) {
      await this.#holes.repairNow(immediate)
      const leftMs = untilTickMs - performance.now()
      if (this.#holes.unclosed.length === 0 || leftMs <= 0 || patience.aborted) return
      await sleep(Math.min(times.repairDelayMs, leftMs), patience).catch(() => undefined)
      throwIfAborted(immediate)
    }
  }

  /** Rows that cannot be committed now stay in the journal. */
  async #attempt(series: LiveSeries, untilTickMs: number, patience: AbortSignal): Promise<Settled> {
    const { immediate, hooks } = this.#options
    try {
      return this.#isOver(series)
        ? await this.#settleFinished(series, untilTickMs, patience)
        : await this.#settlePending(series)
    } catch (error) {
      throwIfAborted(immediate)
      this.isWhole = false
      this.failure ??= error instanceof Error ? error : new Error(messageOf(error))
      hooks?.onProblem?.('commit', error)
      return { state: 'failed', reason: `not committed: ${messageOf(error)}`, retry: true, rows: 0 }
    }
  }

  async #settlePending(series: LiveSeries): Promise<Settled> {
    const { lake, immediate } = this.#options
    const reason = this.#holes.pendingReason(series.date).replace('being recorded', 'recorded')
    if (!series.isChanged && !lake.provenance()) return { state: 'pending', reason, retry: false, rows: 0 }
    const rows = await commitCell(lake, series, { state: 'pending', reason }, immediate)
    return { state: 'pending', reason, retry: false, rows }
  }

  async #settleFinished(series: LiveSeries, untilTickMs: number, patience: AbortSignal): Promise<Settled> {
    const { lake, vendor, symbols, channels, times, immediate } = this.#options
    const channel = channels.find(({ dataset }) => dataset === series.id.dataset)
    await holdCell(lake, series)
    const settling = { lake, source: vendor.history, book: this.#book, tickers: symbols }
    for (;;) {
      const settled = await settleFinished(series, settling, immediate)
      if (settled.state === 'complete' && channel)
        this.#holes.closeAll(channel, series.keepsRows ? series.rows() : undefined)
      const leftMs = untilTickMs - performance.now()
      if (!settled.retry || leftMs <= 0 || patience.aborted) return settled
      await sleep(Math.min(times.repairDelayMs, leftMs), patience).catch(() => undefined)
      throwIfAborted(immediate)
    }
  }
}

const cellOf = (series: LiveSeries, { state, reason, rows }: Settled): StreamedCell => ({
  ...{ dataset: series.id.dataset.name, ticker: series.id.ticker, date: series.date },
  ...{ state, reason, rows, received: series.received, refused: series.refusedCount },
  late: series.late,
})
