import { basename } from 'node:path'
import { throwIfAborted } from '../../core/abort.ts'
import type { Batch } from '../../core/batch.ts'
import { LockedError, messageOf, UsageError } from '../../core/errors.ts'
import { inspectFile } from '../../lake/import/import-file.ts'
import { dataPaths, type SeriesId } from '../../lake/layout.ts'
import { SeriesWriter } from '../../lake/series-writer.ts'
import { viewSeries } from '../../lake/series-store.ts'
import type { SegmentSettings } from '../../lake/stage-segment.ts'
import { claimProvenance, readStamp, type LakeStamp } from '../../lake/stamp.ts'
import { calendarOf } from '../../market/calendar/index.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import { openImportRows, type ImportRows } from './import-rows.ts'
import { importSeries, type SessionImport } from './import-series.ts'

export interface ImportOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly files: readonly string[]
  /** Undefined: found out from the files. */
  readonly dataset: DatasetDefinition | undefined
  /** Undefined: all that the files hold. */
  readonly tickers: readonly string[] | undefined
  /** Undefined: what the files say; real where they say nothing. */
  readonly provenance: 'synthetic' | undefined
  /** Change nothing, only tell. */
  readonly dryRun: boolean
  /** Rows of the files take the place of those that the lake holds. */
  readonly force: boolean
  readonly lockWaitMs: number
  /** Ask for this to stop: series in hand are finished, no new one starts. */
  readonly graceful: AbortSignal
  readonly immediate: AbortSignal
  readonly hooks?: ImportHooks
}

export interface ImportHooks {
  /** All files are read and in order. */
  onStaged?(series: number): Promise<void>
  onSeries?(series: SeriesOfImport): void
  onMended?(note: string): void
}

/** What became of one series of the files. */
export interface SeriesOfImport {
  readonly dataset: string
  readonly ticker: string
  readonly sessions: readonly SessionImport[]
  readonly duplicates: number
  /** Other sessions whose rows turned out to be damaged, and were given up. */
  readonly lost: readonly string[]
}

export interface ImportResult {
  readonly dataset: DatasetDefinition
  /** Columns of the files that nothing was taken from. */
  readonly ignored: readonly string[]
  /** Series that were left out since another process writes them. */
  readonly locked: readonly LockedError[]
  readonly interrupted: boolean
}

/** Series in hand at the same time: a commit mostly waits for the disk. */
const SERIES_AT_ONCE = 8
/** Rows of a series that are held so that several series can be in hand; a longer one goes through by itself. */
const HELD_ROWS = 100_000

/**
 * Imports files. All of them are read to their ends before anything changes; then each series is swapped in by one
 * commit. What a crash or an error cuts off is finished by the same import again: sessions that are in already are
 * the same and stay.
 *
 * @throws {ImportRefusedError} naming file and line of what cannot be read; then nothing was changed
 * @throws {LakeMismatchError} when the lake holds data of the other provenance
 */
export async function importFiles(options: ImportOptions): Promise<ImportResult> {
  const { immediate, dataset, tickers, root } = options
  const files = []
  for (const path of options.files) files.push(await inspectFile(path, immediate))
  const scratch = dataPaths(root).scratch
  const rows = await openImportRows(files, { dataset, tickers, scratch, signal: immediate })
  try {
    await options.hooks?.onStaged?.(rows.series.length)
    const provenance = provenanceOf(rows, options)
    options.engine.assertCanHold(rows.dataset, options.compression)
    if (rows.series.length > 0) await assertFits(options, provenance)
    return await new ImportRun(options, rows, provenance).execute()
  } finally {
    await rows.close()
  }
}

function provenanceOf(
  { provenance: told }: ImportRows,
  { provenance: said }: ImportOptions,
): LakeStamp['provenance'] {
  if (told === 'real' && said === 'synthetic')
    throw new UsageError('the file says that it holds real data, --synthetic that it does not')
  return told ?? said ?? 'real'
}

async function assertFits(
  { root, dryRun }: ImportOptions,
  provenance: LakeStamp['provenance'],
): Promise<void> {
  if (!dryRun || (await readStamp(root))) await claimProvenance(root, provenance)
}

class ImportRun {
  readonly #options: ImportOptions
  readonly #rows: ImportRows
  readonly #provenance: LakeStamp['provenance']
  readonly #sessions: ReadonlySet<string>
  readonly #from: string
  readonly #active = new Set<Promise<void>>()
  readonly #locked: LockedError[] = []
  #failure: Error | undefined

  constructor(options: ImportOptions, rows: ImportRows, provenance: LakeStamp['provenance']) {
    this.#options = options
    this.#rows = rows
    this.#provenance = provenance
    const calendar = calendarOf(rows.dataset.calendar)
    const all = calendar.between(calendar.firstDate, calendar.lastDate)
    this.#sessions = new Set(all.map(({ date }) => date))
    const names = options.files.map((path) => basename(path))
    this.#from = names.length === 1 ? names[0]! : `${names[0]} and ${names.length - 1} more files`
  }

  async execute(): Promise<ImportResult> {
    const { graceful } = this.#options
    try {
      for await (const { ticker, batches } of bySeries(this.#rows.rows())) {
        if (this.#failure !== undefined || graceful.aborted) break
        await this.#start(ticker, batches)
      }
    } finally {
      await Promise.all(this.#active)
    }
    if (this.#failure !== undefined) throw this.#failure
    const { dataset, ignored } = this.#rows
    return { dataset, ignored, locked: this.#locked, interrupted: graceful.aborted }
  }

  /** A short series goes on beside others; a long one passes by itself, in bounded memory. */
  async #start(ticker: string, batches: AsyncGenerator<Batch>): Promise<void> {
    const held: Batch[] = []
    let rows = 0
    while (rows < HELD_ROWS) {
      const next = await batches.next()
      if (next.done) return await this.#beside(this.#import(ticker, each(held)))
      held.push(next.value)
      rows += next.value.length
    }
    await this.#import(ticker, chain(held, batches))
    if (this.#failure !== undefined) throw this.#failure
  }

  async #beside(work: Promise<void>): Promise<void> {
    const task = work.finally(() => this.#active.delete(task))
    this.#active.add(task)
    if (this.#active.size >= SERIES_AT_ONCE) await Promise.race(this.#active)
  }

  /** Never rejects: what went wrong is kept, and ends the run. */
  async #import(ticker: string, batches: AsyncIterable<Batch>): Promise<void> {
    try {
      throwIfAborted(this.#options.immediate)
      const series: SeriesId = { dataset: this.#rows.dataset, ticker }
      const found = this.#options.dryRun
        ? await this.#look(series, batches)
        : await this.#write(series, batches)
      this.#options.hooks?.onSeries?.({ dataset: series.dataset.name, ticker, ...found })
    } catch (error) {
      if (error instanceof LockedError) this.#locked.push(error)
      else this.#failure ??= error instanceof Error ? error : new Error(messageOf(error))
    }
  }

  async #look(series: SeriesId, batches: AsyncIterable<Batch>) {
    const { root, engine, force, runId } = this.#options
    const { ledger } = await viewSeries(root, series, async () => engine)
    return await importSeries(batches, {
      ...series,
      ledger,
      force,
      runId,
      from: this.#from,
      sessions: this.#sessions,
    })
  }

  async #write(series: SeriesId, batches: AsyncIterable<Batch>) {
    const { force, runId, lockWaitMs, immediate, hooks } = this.#options
    const writer = await SeriesWriter.open(
      {
        ...this.#options,
        series,
        provenance: () => this.#provenance,
        waitMs: lockWaitMs,
        purpose: `import of ${series.ticker} ${series.dataset.name}`,
        ...(hooks?.onMended && { onMended: (note: string) => hooks.onMended?.(note) }),
      },
      immediate,
    )
    try {
      const { ledger } = writer
      const from = this.#from
      return await importSeries(batches, {
        ...series,
        ledger,
        writer,
        force,
        runId,
        from,
        sessions: this.#sessions,
      })
    } finally {
      await writer.close()
    }
  }
}

/** Cuts a flow of rows, series after series, into one flow per series. */
async function* bySeries(
  rows: AsyncGenerator<{ readonly series: string; readonly batch: Batch }>,
): AsyncGenerator<{ readonly ticker: string; readonly batches: AsyncGenerator<Batch> }> {
  let next = await rows.next()
  async function* own(ticker: string): AsyncGenerator<Batch> {
    while (!next.done && next.value.series === ticker) {
      const { batch } = next.value
      next = await rows.next()
      yield batch
    }
  }
  try {
    while (!next.done) {
      const ticker: string = next.value.series
      const batches = own(ticker)
      yield { ticker, batches }
      while (!(await batches.next()).done); // what nobody wanted
    }
  } finally {
    await rows.return(undefined)
  }
}

async function* each(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches
}

async function* chain(first: readonly Batch[], rest: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  yield* first
  yield* rest
}
