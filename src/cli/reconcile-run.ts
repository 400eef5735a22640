import { resolve } from 'node:path'
import { UsageError } from '../core/errors.ts'
import type { ParquetEngine } from '../lake/engine.ts'
import { createEngine } from '../lake/engines/index.ts'
import { openLake } from '../lake/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { reconcileRows, type Reconciliation } from '../lake/reconcile.ts'
import { seriesKeyOf } from '../market/dataset.ts'
import { rowsOfSessions } from '../lake/row-diff.ts'
import type { SeriesView } from '../lake/series-store.ts'
import type { RunContext } from './context.ts'
import { seriesFilter, type SeriesFlags } from './series-flags.ts'

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

/**
 * Compares every series of one ticker that both lakes hold, over the sessions of which both hold rows.
 *
 * @throws {UsageError} for a tolerance of a column that no dataset has
 */
export async function reconcileLakes(
  { config, terminal }: RunContext,
  flags: ReconcileFlags,
): Promise<readonly ComparedSeries[]> {
  const here = await openLake(config.dataDir)
  const there = await openLake(resolve(terminal.cwd, flags.against))
  const engine = createEngine('duckdb', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const compared: ComparedSeries[] = []
    const held = await here.series(await seriesFilter(flags))
    assertColumns(held, flags)
    for (const series of held) {
      if (seriesKeyOf(series.dataset) !== 'ticker') continue // rows of many tickers do not follow each other in time
      const views = [await here.view(series), await there.view(series)] as const
      const dates = sharedDates(views, flags)
      if (dates.length === 0) continue
      const found = await compare(series, views, new Set(dates), flags, engine)
      const { dataset, ticker } = series
      compared.push({
        ...{
          dataset: dataset.name,
          ticker,
          from: dates[0]!,
          to: dates.at(-1)!,
          sessions: dates.length,
          found,
        },
      })
    }
    return compared
  } finally {
    await engine.close()
    await here.close()
    await there.close()
  }
}

function assertColumns(all: readonly SeriesId[], { tolerance = new Map() }: ReconcileFlags): void {
  const columns = new Set(all.flatMap(({ dataset }) => dataset.columns.map(({ name }) => name)))
  const unknown = [...tolerance.keys()].find((name) => name !== 'prices' && !columns.has(name))
  if (unknown === undefined) return
  throw new UsageError(`--tolerance ${unknown}: no dataset that is held has such a column`, {
    hint: `They have: ${[...columns].join(', ')}; prices means all in USD.`,
  })
}

/** Sessions of which both lakes hold rows, in order. */
function sharedDates(
  [here, there]: readonly [SeriesView, SeriesView],
  { from, to }: ReconcileFlags,
): string[] {
  return Object.keys(here.ledger.cells)
    .filter((date) => (here.ledger.cells[date]?.rows ?? 0) > 0 && (there.ledger.cells[date]?.rows ?? 0) > 0)
    .filter((date) => (from === undefined || date >= from) && (to === undefined || date <= to))
    .sort()
}

async function compare(
  { dataset }: SeriesId,
  [here, there]: readonly [SeriesView, SeriesView],
  dates: ReadonlySet<string>,
  { tolerance = new Map() }: ReconcileFlags,
  engine: ParquetEngine,
): Promise<Reconciliation> {
  const prices = new Set(
    dataset.columns.filter(({ unit }) => unit?.startsWith('USD')).map(({ name }) => name),
  )
  const toleranceOf = (name: string): number =>
    tolerance.get(name) ?? (prices.has(name) ? (tolerance.get('prices') ?? PRICE_TOLERANCE) : 0)
  const rows = ({ files }: SeriesView) => rowsOfSessions(dataset, inOrder(dataset, files, engine), dates)
  return await reconcileRows(dataset, rows(here), rows(there), toleranceOf)
}

/** File after file: segments of a series follow each other in time, and with it in the order of the key. */
async function* inOrder(dataset: SeriesId['dataset'], files: readonly string[], engine: ParquetEngine) {
  for (const file of files) yield* engine.read(dataset, [file])
}
