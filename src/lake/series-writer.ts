import { announceCommit, publishCommit, recoverSeries } from './commit.ts'
import type { Cell, Ledger } from './ledger.ts'
import { dataPaths, encodeTicker, type SeriesId } from './layout.ts'
import { takeLock, type Lock } from './lock.ts'
import { writeQuarantine } from './quarantine.ts'
import type { CellVerdict, CommitReceipt, Settlement, SinkHost } from './series-contract.ts'
import { SeriesSink } from './series-sink.ts'
import { setAsideDamagedLedger, viewSeries } from './series-store.ts'
import type { SegmentSettings, StagedSegment } from './stage-segment.ts'

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
  #queue: Promise<unknown> = Promise.resolve()
  #unpublished: unknown

  private constructor(options: SeriesWriterOptions, lock: Lock, ledger: Ledger) {
    this.options = options
    this.#lock = lock
    this.#ledger = ledger
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
      const aside = await setAsideDamagedLedger(root, series)
      if (await recoverSeries(root, series)) onMended?.(`finished a commit of ${name} that was cut off`)
      const { ledger, rebuilt } = await viewSeries(root, series, async () => engine)
      if (rebuilt)
        onMended?.(`the ledger of ${name} was ${aside ? 'damaged' : 'lost'}; rebuilt from its segments`)
      return new SeriesWriter(options, lock, ledger)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  /** A sink for the rows of some sessions; they become visible with its commit. */
  openSink(sessions: readonly string[]): SeriesSink {
    return new SeriesSink(this, sessions)
  }

  /** Records verdicts that bring no rows. Cells that hold rows keep them. */
  async settle(settlement: Settlement): Promise<CommitReceipt> {
    return await this.exclusively(() => this.commit(settlement, [], () => undefined))
  }

  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  async commit(
    settlement: Settlement,
    staged: readonly StagedSegment[],
    onCommitted: () => void,
  ): Promise<CommitReceipt> {
    if (this.#unpublished) throw this.#unpublished
    const { root, series } = this.options
    const cells = this.#settleCells(settlement, staged)
    const changed = [...cells].some(([date, cell]) => this.#ledger.cells[date] !== cell)
    for (const [date, { refused }] of settlement) {
      if (refused) await writeQuarantine(root, series, date, refused)
    }
    if (changed || staged.length > 0) {
      const next = this.#nextLedger(cells, staged)
      await announceCommit(root, series, next)
      onCommitted()
      this.#ledger = next
      await this.#publish(staged.map(({ segment }) => segment.path))
    }
    const rows = staged.reduce((sum, { segment }) => sum + segment.rows, 0)
    const bytes = staged.reduce((sum, { segment }) => sum + segment.bytes, 0)
    return { cells, rows, bytes }
  }

  /** Past the point of no return a failure ends this writer; the next one to open the series goes on here. */
  async #publish(paths: readonly string[]): Promise<void> {
    const { root, series } = this.options
    try {
      await publishCommit(root, series, this.#ledger, paths)
    } catch (error) {
      this.#unpublished = error
      throw error
    }
  }

  #nextLedger(cells: ReadonlyMap<string, Cell>, staged: readonly StagedSegment[]): Ledger {
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
    }
  }

  #settleCells(settlement: Settlement, staged: readonly StagedSegment[]): Map<string, Cell> {
    const content = new Map(staged.flatMap((one) => [...one.content.sessions]))
    const cells = new Map<string, Cell>()
    for (const [date, verdict] of settlement) {
      const found = content.get(date)
      cells.set(date, settleCell(this.#ledger.cells[date], verdict, found, this.options.runId))
    }
    return cells
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#lock.release()
  }
}

/**
 * The new cell of a session. Held rows are never given up for an answer without rows: the cell stays as it is.
 * A cell about which nothing changed keeps its old date and run, so that a repeated run changes nothing.
 */
function settleCell(
  held: Cell | undefined,
  { state, reason, refused }: CellVerdict,
  found: { rows: number; digest: string } | undefined,
  run: string,
): Cell {
  if (held && held.rows > 0 && !found) return held
  const cell: Cell = {
    state,
    reason,
    rows: found?.rows ?? 0,
    ...(refused && refused.length > 0 ? { quarantined: refused.length } : {}),
    ...(found ? { digest: found.digest } : {}),
    run,
    at: new Date().toISOString(),
  }
  return held && sameCell(held, cell) ? held : cell
}

const sameCell = (a: Cell, b: Cell): boolean =>
  a.state === b.state &&
  a.reason === b.reason &&
  a.rows === b.rows &&
  a.digest === b.digest &&
  (a.quarantined ?? 0) === (b.quarantined ?? 0)
