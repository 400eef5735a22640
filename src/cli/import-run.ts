import { resolve } from 'node:path'
import { EXIT, type ExitCode } from '../core/errors.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths } from '../lake/layout.ts'
import { DATASETS } from '../market/datasets/index.ts'
import { importFiles, type ImportResult, type SeriesOfImport } from '../pipeline/import/import.ts'
import type { SessionAction, SessionImport } from '../pipeline/import/import-series.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'
import { datasetCalled } from './series-flags.ts'

/** Flags of `import`. */
export interface ImportFlags {
  readonly dataset?: string
  readonly ticker?: readonly string[]
  readonly dryRun?: boolean
  readonly force?: boolean
  readonly synthetic?: boolean
  readonly wait?: number
}

/** What `import` does. */
export async function importCommand(
  context: RunContext,
  flags: ImportFlags,
  files: readonly string[],
): Promise<ExitCode> {
  const { config, terminal, telemetry } = context
  const { settings, dataDir: root } = config
  const { dryRun = false } = flags
  const tickers = flags.ticker?.flatMap((text) => text.split(',')).filter((ticker) => ticker !== '')
  const dataset = flags.dataset === undefined ? undefined : datasetCalled(flags.dataset, DATASETS)
  if (!dryRun) await checkDataDir(root, settings.disk.minFreeMb)
  const { engine: name, compression, rowGroupRows } = settings.sinks.parquet
  const engine = createEngine(name, { tempDirectory: dataPaths(root).scratch })
  // A file that is refused is no run: nothing was begun.
  const begin = async (): Promise<void> => {
    if (!dryRun) await telemetry.begin({ command: 'import', tickers: tickers ?? [] })
  }
  const watch = await ImportWatch.start(context, begin)
  try {
    const result = await importFiles({
      ...{ root, runId: context.runId, engine, compression, rowGroupRows, dataset, tickers, dryRun },
      files: files.map((file) => resolve(terminal.cwd, file)),
      provenance: flags.synthetic ? 'synthetic' : undefined,
      force: flags.force ?? false,
      lockWaitMs: (flags.wait ?? 0) * 1000,
      graceful: context.signals.graceful,
      immediate: context.signals.immediate,
      hooks: watch.hooks,
    })
    watch.stop()
    const { rows, refused } = watch
    telemetry.noteRows(rows, refused)
    return report(context, flags, files, result, watch.series)
  } finally {
    watch.stop()
    await engine.close()
  }
}

/** Shows progress, and keeps what became of each series. */
class ImportWatch {
  readonly series: SeriesOfImport[] = []
  rows = 0
  refused = 0
  readonly #context: RunContext
  readonly #begin: () => Promise<void>
  readonly #progress: Awaited<ReturnType<RunContext['progress']>>

  private constructor(
    context: RunContext,
    begin: () => Promise<void>,
    progress: Awaited<ReturnType<RunContext['progress']>>,
  ) {
    this.#context = context
    this.#begin = begin
    this.#progress = progress
  }

  static async start(context: RunContext, begin: () => Promise<void>): Promise<ImportWatch> {
    return new ImportWatch(context, begin, await context.progress({ total: 1, label: 'import' }))
  }

  readonly hooks = {
    onStaged: async (series: number): Promise<void> => {
      this.#progress.setTotal(series)
      await this.#begin()
    },
    onSeries: (one: SeriesOfImport): void => {
      this.series.push(one)
      for (const { action, rows, refused } of one.sessions) {
        if (action === 'add' || action === 'replace') this.rows += rows
        if (action !== 'keep') this.refused += refused
      }
      this.#progress.update(this.series.length, { rows: this.rows, at: one.ticker })
    },
    onMended: (note: string): void => void this.#context.logger.warn(note),
  }

  stop(): void {
    this.#progress.stop()
  }
}

/** How many sessions and rows each action concerned. */
type Sums = Readonly<Record<SessionAction, { readonly sessions: number; readonly rows: number }>>

function sumsOf(series: readonly SeriesOfImport[]): Sums {
  const all = series.flatMap(({ sessions }) => sessions)
  const sum = (action: SessionAction) => {
    const mine = all.filter((session) => session.action === action)
    return { sessions: mine.length, rows: mine.reduce((rows, session) => rows + session.rows, 0) }
  }
  return {
    ...{ add: sum('add'), same: sum('same'), keep: sum('keep') },
    ...{ replace: sum('replace'), refuse: sum('refuse') },
  }
}

/** Series listed for people; --json lists them all. */
const MAX_SERIES = 20

async function report(
  context: RunContext,
  { dryRun = false }: ImportFlags,
  files: readonly string[],
  { dataset, ignored, locked, interrupted }: ImportResult,
  unsorted: readonly SeriesOfImport[],
): Promise<ExitCode> {
  const { out, flags, config } = context
  const series = unsorted.toSorted((a, b) => (a.ticker < b.ticker ? -1 : 1))
  const sums = sumsOf(series)
  const refused = series.flatMap(({ sessions }) => sessions).reduce((sum, one) => sum + one.refused, 0)
  const problem = locked[0]
  if (flags.json && !problem) {
    out.json('tapelake.import', 1, {
      ...{ dataDir: config.dataDir, dryRun, files, dataset: dataset.name, ignored },
      ...{ rows: sums.add.rows + sums.replace.rows, refused, sums, interrupted, series },
    })
  } else if (!flags.json) await print(context, dryRun, series, sums, refused)
  if (ignored.length > 0) out.note(`Columns that nothing was taken from: ${ignored.join(', ')}.`)
  if (interrupted) out.note('Interrupted. The same import again goes on.')
  if (problem) throw problem
  const isPartial = sums.refuse.sessions > 0 || series.some(({ lost }) => lost.length > 0)
  return isPartial ? EXIT.partial : EXIT.ok
}

async function print(
  { out }: RunContext,
  dryRun: boolean,
  series: readonly SeriesOfImport[],
  sums: Sums,
  refused: number,
): Promise<void> {
  const rows = series.slice(0, MAX_SERIES).map(({ dataset, ticker, sessions }) => {
    const [first, last] = [sessions[0]?.date ?? '-', sessions.at(-1)?.date ?? '-']
    return [dataset, ticker, first, last, actionsText(sessions)]
  })
  if (rows.length > 0) await out.table(['dataset', 'ticker', 'first', 'last', 'sessions'], rows)
  if (series.length > MAX_SERIES) out.line(`and ${series.length - MAX_SERIES} more; --json lists them all`)
  const written = sums.add.rows + sums.replace.rows
  const sessions = sums.add.sessions + sums.replace.sessions
  out.line(
    `${dryRun ? 'Would import' : 'Imported'} ${formatNumber(written)} rows of ${plural(sessions, 'session')}.`,
  )
  if (sums.same.sessions > 0) out.line(`${plural(sums.same.sessions, 'session')} held already, the same.`)
  if (sums.keep.sessions > 0)
    out.line(`${plural(sums.keep.sessions, 'session')} kept as held, which differ; --force replaces them.`)
  const duplicates = series.reduce((sum, one) => sum + one.duplicates, 0)
  if (duplicates > 0) {
    const what =
      duplicates === 1 ? 'A row came twice' : `${formatNumber(duplicates)} rows came more than once`
    out.line(`${what}: of each key the last was taken.`)
  }
  if (refused > 0) out.line(`${plural(refused, 'row')} broke a rule; see tapelake quarantine list.`)
}

const WORDS: Readonly<Record<SessionAction, string>> = {
  add: 'new',
  same: 'the same',
  keep: 'kept',
  replace: 'replaced',
  refuse: 'refused',
}

function actionsText(sessions: readonly SessionImport[]): string {
  const counts = new Map<SessionAction, number>()
  for (const { action } of sessions) counts.set(action, (counts.get(action) ?? 0) + 1)
  return [...counts].map(([action, count]) => `${count} ${WORDS[action]}`).join(', ')
}
