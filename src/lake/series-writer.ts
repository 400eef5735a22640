import { messageOf } from '../core/errors.ts'
import { announceCommit, publishCommit } from './commit.ts'
import type { Cell, Ledger, Version } from './ledger.ts'
import { dataPaths, encodeTicker, type SeriesId } from './layout.ts'
import { takeLock, type Lock } from './lock.ts'
import { growQuarantine } from './quarantine.ts'
import { recoverSeries } from './recovery.ts'
import {
  LOST,
  NO_ROWS,
  type CommitReceipt,
  type LostSession,
  type ReceivedRows,
  type Restatement,
  type Settlement,
  type SinkHost,
} from './series-contract.ts'
import { SeriesSink } from './series-sink.ts'
import { viewSeries } from './series-store.ts'
import { refusedRows, settleCells } from './settle-cells.ts'
import type { SegmentSettings, StagedSegment } from './stage-segment.ts'
import { supersede } from './versions.ts'

export interface SeriesWriterOptions extends SegmentSettings {
  readonly root: string
  readonly series: SeriesId
  readonly runId: string
  readonly provenance: () => 'real' | 'synthetic'
  /** How long to wait for another writer, in milliseconds; 0 refuses at once. */
  readonly waitMs: number
  /** What this writer does, for the message to whoever is refused. */
  readonly purpose: string
  /** Called when something had to be mended while opening, with a sentence about it. */
  readonly onMended?: (note: string) => void
}

/**
 * The one writer of a series. Opening it locks the series, finishes a commit that a crash cut off and removes
 * temporary files; commits are made one after the other, however many sinks are open.
 */
export class SeriesWriter implements SinkHost {
  readonly options: SeriesWriterOptions
  readonly #lock: Lock
  #ledger: Ledger
  /** The ledger as the disk has it; no one else writes there. */
  #published: Ledger
  #queue: Promise<unknown> = Promise.resolve()
  readonly #lost = new Set<string>()
  /** What cut off the last commit behind its point of no return. */
  #unpublished: Error | undefined

  private constructor(options: SeriesWriterOptions, lock: Lock, ledger: Ledger) {
    this.options = options
    this.#lock = lock
    this.#ledger = ledger
    this.#published = ledger
  }

  /**
   * @throws {LockedError} when another process writes the series
   * @throws {LakeMismatchError} when a newer tapelake wrote it
   */
  static async open(options: SeriesWriterOptions, signal: AbortSignal): Promise<SeriesWriter> {
    const { root, series, engine, purpose, waitMs, onMended } = options
    const name = `${series.dataset.name}/${encodeTicker(series.ticker)}`
    const lock = await takeLock({ folder: dataPaths(root).locks, name, purpose, waitMs }, signal)
    try {
      const notes = await recoverSeries(root, series)
      const { ledger, rebuilt } = await viewSeries(root, series, async () => engine)
      for (const note of notes) onMended?.(`${name}: ${note}`)
      if (rebuilt) await saveRebuilt(root, series, ledger)
      if (rebuilt && notes.length === 0)
        onMended?.(`${name}: the ledger was lost; it was rebuilt from the segments`)
      return new SeriesWriter(options, lock, ledger)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  /** Sessions whose rows this writer had to give up, and that were not recorded since, in order of date. */
  get lost(): readonly string[] {
    return [...this.#lost].filter((date) => this.#ledger.cells[date]?.reason === LOST).sort()
  }

  /**
   * A sink for the rows of some sessions; they become visible with its commit.
   *
   * @param unfinished the sessions go on; to be known at once, since rows of ticks are written as they come
   */
  openSink(sessions: Iterable<string>, unfinished = false): SeriesSink {
    return new SeriesSink(this, sessions, unfinished)
  }

  /** Records verdicts that bring no rows. Cells that hold rows keep them. */
  async settle(settlement: Settlement): Promise<CommitReceipt> {
    return await this.exclusively(() => this.commit(settlement, NO_ROWS, () => undefined))
  }

  /** Notes what the vendor confirmed of cells (see the ledger's `confirmed`), by session. Unknown cells are left out. */
  async confirm(confirmed: ReadonlyMap<string, string>): Promise<void> {
    await this.exclusively(async () => {
      this.assertOpen()
      const { root, series } = this.options
      const cells = new Map<string, Cell>()
      for (const [date, places] of confirmed) {
        const held = this.#ledger.cells[date]
        if (held && held.confirmed !== places) cells.set(date, { ...held, confirmed: places })
      }
      if (cells.size === 0) return
      const next = this.#nextLedger(cells, [])
      await announceCommit(root, series, next)
      this.#ledger = next
      await this.#publish([])
    })
  }

  /** Replaces the history of the series; its new files lie under temporary names. What nobody names any more goes. */
  async replaceHistory(change: Pick<Ledger, 'history' | 'forgottenBefore'>): Promise<void> {
    this.assertOpen()
    const { root, series } = this.options
    const { history: _old, ...rest } = this.#ledger
    const next: Ledger = { ...rest, ...change, updatedAt: new Date().toISOString() }
    await announceCommit(root, series, next)
    this.#ledger = next
    await this.#publish([])
  }

  assertOpen(): void {
    if (this.#unpublished) throw this.#unpublished
  }

  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  async commit(
    settlement: Settlement,
    received: ReceivedRows,
    onCommitted: () => void,
  ): Promise<CommitReceipt> {
    this.assertOpen()
    const { root, series } = this.options
    const { staged } = received
    const cells = settleCells(settlement, received, this.#ledger, this.options.runId)
    const changed = [...cells].some(([date, cell]) => this.#ledger.cells[date] !== cell)
    const leave = await growQuarantine(root, series, refusedRows(settlement, cells))
    let restated: readonly Restatement[] = []
    if (changed || staged.length > 0) {
      const superseded = await supersede(this, cells, staged)
      const next = this.#nextLedger(cells, staged, superseded.history)
      await announceCommit(root, series, next).catch(async (error: unknown) => {
        await superseded.discard()
        throw error
      })
      restated = superseded.restated
      this.#tellLost(received.lost)
      onCommitted()
      this.#ledger = next
      await this.#publish(staged.map(({ segment }) => segment.path))
    }
    await leave()
    const rows = staged.reduce((sum, { segment }) => sum + segment.rows, 0)
    const bytes = staged.reduce((sum, { segment }) => sum + segment.bytes, 0)
    return { cells, rows, bytes, restated }
  }

  /** Past the point of no return a failure ends this writer; the next one to open the series goes on here. */
  async #publish(paths: readonly string[]): Promise<void> {
    const { root, series } = this.options
    try {
      await publishCommit(root, series, this.#ledger, paths, this.#published)
      this.#published = this.#ledger
    } catch (error) {
      this.#unpublished = error instanceof Error ? error : new Error(messageOf(error))
      throw error
    }
  }

  #tellLost(lost: readonly LostSession[]): void {
    if (lost.length === 0) return
    const { series, onMended } = this.options
    const dates = lost.map(({ date }) => date).sort()
    for (const date of dates) this.#lost.add(date)
    const aside = [...new Set(lost.map((one) => one.aside))].filter((path) => path !== undefined)
    const kept = aside.length > 0 ? `; the damaged file is kept as ${aside.join(', ')}` : ''
    onMended?.(
      `${series.dataset.name}/${encodeTicker(series.ticker)}: the file was damaged, and what was recorded of ` +
        `${lost.length} other sessions (${dates[0]} to ${dates.at(-1)}) is lost: record them again${kept}`,
    )
  }

  #nextLedger(
    cells: ReadonlyMap<string, Cell>,
    staged: readonly StagedSegment[],
    history: readonly Version[] = this.#ledger.history ?? [],
  ): Ledger {
    const replaced = new Set(staged.map(({ segment }) => segment.path))
    const segments = [
      ...this.#ledger.segments.filter((segment) => !replaced.has(segment.path)),
      ...staged.map(({ segment }) => segment),
    ].sort((a, b) => (a.partition < b.partition ? -1 : 1))
    return {
      ...this.#ledger,
      datasetVersion: this.options.series.dataset.version,
      updatedAt: new Date().toISOString(),
      segments,
      cells: { ...this.#ledger.cells, ...Object.fromEntries(cells) },
      ...(history.length > 0 ? { history: [...history] } : {}),
    }
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#lock.release()
  }
}

/** So that the lake is whole again even where the run finds nothing to record. */
async function saveRebuilt(root: string, series: SeriesId, ledger: Ledger): Promise<void> {
  await announceCommit(root, series, ledger)
  await publishCommit(root, series, ledger, [])
}
