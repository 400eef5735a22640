import type { Journal, JournalCut } from '../../lake/journal/index.ts'
import { commitCell, type StreamLake } from './cell.ts'
import type { LiveSeries } from './live-series.ts'
import type { SessionBook } from './session-book.ts'

/** A commit rewrites whole cells: it may take one part in so many of the time. */
const REST_FACTOR = 20
/** Beyond so many times the rows of a usual commit it takes more, so that memory stays bounded. */
const MOST_FLUSHES_HELD = 10

export interface FlusherOptions {
  readonly lake: StreamLake
  readonly book: SessionBook
  readonly journal: Journal
  readonly flushRows: number
  readonly flushSeconds: number
  /** What a commit says of a cell that is not finished. */
  readonly pendingReason: (series: LiveSeries) => string
  readonly onFlushed: (event: { readonly rows: number; readonly ms: number }) => void
  /** A commit failed; the rows stay in the journal and the next one tries again. */
  readonly onProblem: (error: unknown) => void
}

/** Commits what was received to the lake by size and time, and cuts the journal behind it. */
export class Flusher {
  readonly #options: FlusherOptions
  #running: Promise<void> | undefined
  #lastTickMs = performance.now()
  #lastDurationMs = 0
  #received = 0

  constructor(options: FlusherOptions) {
    this.#options = options
  }

  noteReceived(rows: number): void {
    this.#received += rows
  }

  /** True when a flush should begin now. */
  get isDue(): boolean {
    if (this.#running || !this.#options.book.all.some(({ isChanged }) => isChanged)) return false
    const { flushRows, flushSeconds } = this.#options
    const sinceMs = performance.now() - this.#lastTickMs
    if (this.#received >= flushRows * MOST_FLUSHES_HELD) return true
    if (sinceMs < this.#lastDurationMs * REST_FACTOR) return false
    return sinceMs >= flushSeconds * 1000 || this.#received >= flushRows
  }

  /**
   * Begins a flush in the background. To be called while everything that was appended to the journal has been
   * taken into the book: the journal is cut at this very moment.
   */
  begin(signal: AbortSignal): void {
    this.#running = this.#flush(this.#options.journal.cut(), signal)
      .catch((error: unknown) => this.#options.onProblem(error))
      .finally(() => (this.#running = undefined))
  }

  /** Waits for the flush under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #flush(cutting: Promise<JournalCut>, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now()
    this.#lastTickMs = startedMs
    this.#received = 0
    const changed = this.#options.book.all.filter(({ isChanged }) => isChanged)
    const cut = await cutting
    let rows = 0
    for (const series of changed) {
      const settlement = { state: 'pending', reason: this.#options.pendingReason(series) } as const
      rows += await commitCell(this.#options.lake, series, settlement, signal)
    }
    await cut.discard()
    this.#lastDurationMs = performance.now() - startedMs
    this.#options.onFlushed({ rows, ms: this.#lastDurationMs })
  }
}
