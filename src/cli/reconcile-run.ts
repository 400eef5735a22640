import { resolve } from 'node:path'
import { UsageError } from '../core/errors.ts'
import type { ParquetEngine } from '../lake/engine.ts'
import { createEngine } from '../lake/engines/index.ts'
import { openLake } from '../lake/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { reconcileRows, type Reconciliation, type RowPair } from '../lake/reconcile.ts'
import type { SeriesView } from '../lake/series-store.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { openHistorySource, type SourceName } from '../pipeline/open-source.ts'
import { isServed, pairsWithSource, partitionRows, partitionsOf } from '../pipeline/reconcile.ts'
import type { RunContext } from './context.ts'
import { seriesFilter, type SeriesFlags } from './series-flags.ts'
import { sourceLog } from './source-log.ts'

export interface ReconcileFlags extends SeriesFlags {
  readonly against: string
  readonly from?: string
  readonly to?: string
  readonly tolerance?: ReadonlyMap<string, number>
}

/** Two vendors agree on a price when they differ by no more than this part of it. */
const PRICE_TOLERANCE = 0.005

export interface ComparedSeries {
  readonly dataset: string
  readonly ticker: string
  /** First and last session compared. */
  readonly from: string
  readonly to: string
  readonly sessions: number
  readonly found: Reconciliation
}

/** What the rows held are compared with: those of the same sessions, as somebody else has them. */
interface OtherSide {
  /** Sessions of `held` that it may have, in order. */
  shared(view: SeriesView, held: readonly string[]): Promise<readonly string[]>
  pairs(view: SeriesView, dates: readonly string[], engine: ParquetEngine): AsyncIterable<RowPair>
  close(): Promise<void>
}

/** Names that `--against` takes for a source; a folder called so is `./polygon`. */
const SOURCES: readonly string[] = ['polygon', 'simulator'] satisfies SourceName[]

/**
 * Compares every series with another lake, over the sessions of which both hold rows, or with what a source says of
 * the sessions held.
 *
 * @throws {UsageError} for a tolerance of a column that no dataset has
 */
export async function reconcileAll(
  context: RunContext,
  flags: ReconcileFlags,
): Promise<readonly ComparedSeries[]> {
  const { config, signals } = context
  const here = await openLake(config.dataDir)
  const other = SOURCES.includes(flags.against)
    ? await sourceSide(context, flags.against as SourceName)
    : await lakeSide(context, flags.against)
  const engine = createEngine('duckdb', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const compared: ComparedSeries[] = []
    const held = await here.series(await seriesFilter(flags))
    assertColumns(held, flags)
    for (const series of held) {
      signals.immediate.throwIfAborted()
      const view = await here.view(series)
      const dates = await other.shared(view, heldDates(view, flags))
      if (dates.length === 0) continue
      const { dataset, ticker } = series
      const found = await reconcileRows(
        dataset,
        other.pairs(view, dates, engine),
        toleranceOf(dataset, flags),
      )
      const range = { from: dates[0]!, to: dates.at(-1)!, sessions: dates.length }
      compared.push({ dataset: dataset.name, ticker, ...range, found })
    }
    return compared
  } finally {
    await engine.close()
    await here.close()
    await other.close()
  }
}

async function lakeSide({ terminal }: RunContext, folder: string): Promise<OtherSide> {
  const there = await openLake(resolve(terminal.cwd, folder))
  return {
    async shared({ series }, held) {
      const { cells } = (await there.view(series)).ledger
      return held.filter((date) => (cells[date]?.rows ?? 0) > 0)
    },
    async *pairs(view, dates, engine) {
      const other = await there.view(view.series)
      for (const partition of partitionsOf(view, dates))
        yield {
          left: partitionRows(view, partition, dates, engine),
          right: partitionRows(other, partition, dates, engine),
        }
    },
    close: () => there.close(),
  }
}

async function sourceSide(context: RunContext, kind: SourceName): Promise<OtherSide> {
  const { config, now, logger, signals } = context
  const opened = await openHistorySource({
    ...{ kind, settings: config.settings, secrets: config.secrets, now },
    ...{ events: sourceLog(logger), patience: signals.graceful },
    caller: { label: 'reconcile', priority: 'history' },
    onProblem: (text) => logger.warn(text),
  })
  return {
    shared: ({ series }, held) => Promise.resolve(isServed(series.dataset) ? held : []),
    pairs: (view, dates, engine) =>
      pairsWithSource(view, dates, { engine, source: opened.source, signal: signals.immediate }),
    close: () => opened.close(),
  }
}

/** Sessions held with rows, in order. */
const heldDates = ({ ledger }: SeriesView, { from, to }: ReconcileFlags): string[] =>
  Object.keys(ledger.cells)
    .filter((date) => (ledger.cells[date]?.rows ?? 0) > 0)
    .filter((date) => (from === undefined || date >= from) && (to === undefined || date <= to))
    .sort()

function assertColumns(all: readonly SeriesId[], { tolerance = new Map() }: ReconcileFlags): void {
  const columns = new Set(all.flatMap(({ dataset }) => dataset.columns.map(({ name }) => name)))
  const unknown = [...tolerance.keys()].find((name) => name !== 'prices' && !columns.has(name))
  if (unknown === undefined) return
  throw new UsageError(`--tolerance ${unknown}: no dataset that is held has such a column`, {
    hint: `They have: ${[...columns].join(', ')}; prices means all in USD.`,
  })
}

function toleranceOf(
  { columns }: DatasetDefinition,
  { tolerance = new Map() }: ReconcileFlags,
): (column: string) => number {
  const prices = new Set(
    columns.filter(({ unit }) => /^(USD|index points)/.test(unit ?? '')).map(({ name }) => name),
  )
  return (name) =>
    tolerance.get(name) ?? (prices.has(name) ? (tolerance.get('prices') ?? PRICE_TOLERANCE) : 0)
}
