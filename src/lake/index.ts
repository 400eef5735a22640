import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DATASETS } from '../market/datasets/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { seriesAsOf, type LakePart } from './as-of.ts'
import type { ParquetEngine } from './engine.ts'
import { createEngine } from './engines/index.ts'
import { dataPaths, decodeTicker, encodeTicker, type SeriesId } from './layout.ts'
import { viewSeries, type SeriesView } from './series-store.ts'
import { readStamp, type LakeStamp } from './stamp.ts'
import { statusAsOf, statusOf, type SeriesStatus } from './status.ts'
import { strayFiles } from './strays.ts'
import { verifySeries, type VerifiedSeries, type VerifyOptions } from './verify.ts'

/** Which series are meant; nothing given means all. */
export interface SeriesFilter {
  readonly datasets?: readonly string[]
  readonly tickers?: readonly string[]
}

/** Which files are meant: those with rows of any session from `from` to `to` (YYYY-MM-DD, both inclusive). */
export interface FilesFilter extends SeriesFilter, MomentFilter {
  readonly from?: string
  readonly to?: string
}

/** When: the lake as it stood at an instant, ISO 8601 in UTC as `Date.toISOString` writes it; default: as it is. */
export interface MomentFilter {
  readonly asOf?: string | undefined
}

/** The files of a dataset. */
export interface DatasetFiles {
  readonly dataset: DatasetDefinition
  /** Files of which every row counts, absolute. */
  readonly files: readonly string[]
  /** Of earlier instants: files of which some sessions count. */
  readonly parts?: readonly LakePart[]
}

/** The lake below a data directory, for readers. It changes nothing on the disk. */
export interface Lake {
  readonly root: string
  readonly stamp: LakeStamp | undefined
  /** Every series that has a ledger or segments, by dataset and ticker. */
  series(filter?: SeriesFilter): Promise<readonly SeriesId[]>
  view(series: SeriesId): Promise<SeriesView>
  /**
   * Live files per dataset, for {@link openReader}; datasets without files are listed too. Whoever asks about a few
   * days says so here: DuckDB opens every file it is given, the ledger knows which ones can hold the days. With `asOf`
   * all days are given.
   *
   * @throws {LakeError} when versions of `asOf` are not kept any more
   */
  files(filter?: FilesFilter): Promise<readonly DatasetFiles[]>
  /** @throws {LakeError} see `files` */
  status(filter?: SeriesFilter & MomentFilter): AsyncGenerator<SeriesStatus>
  verify(filter?: SeriesFilter, options?: VerifyOptions): AsyncGenerator<VerifiedSeries>
  /** Parquet files below `lake/` that lie in no series' folder, relative to `root`. */
  strays(): Promise<readonly string[]>
  close(): Promise<void>
}

/**
 * Opens the lake below `root`; a folder without one is an empty lake.
 *
 * @throws {LakeMismatchError} when a newer tapelake made it
 */
export async function openLake(root: string): Promise<Lake> {
  const stamp = await readStamp(root)
  let opened: ParquetEngine | undefined
  const engine = async (): Promise<ParquetEngine> =>
    (opened ??= createEngine('duckdb', { tempDirectory: dataPaths(root).scratch }))
  const lake: Lake = {
    root,
    stamp,
    series: (filter = {}) => listSeries(root, filter),
    view: (series) => viewSeries(root, series, engine),
    files: async (filter = {}) => {
      const views = await Promise.all((await lake.series(filter)).map((series) => lake.view(series)))
      if (filter.asOf !== undefined) return await filesAsOf(root, views, filter.asOf)
      return DATASETS.map((dataset) => ({
        dataset,
        files: views
          .filter((view) => view.series.dataset === dataset)
          .flatMap((view) => filesWithin(view, filter)),
      }))
    },
    async *status(filter = {}) {
      for (const series of await lake.series(filter)) {
        const view = await lake.view(series)
        if (filter.asOf === undefined) yield statusOf(view)
        else yield statusAsOf(view, await seriesAsOf(root, view, filter.asOf), filter.asOf)
      }
    },
    async *verify(filter = {}, options = {}) {
      for (const series of await lake.series(filter)) yield await verifySeries(root, series, engine, options)
    },
    strays: async () => await strayFiles(root, await lake.series()),
    close: async () => await opened?.close(),
  }
  return lake
}

async function filesAsOf(
  root: string,
  views: readonly SeriesView[],
  asOf: string,
): Promise<readonly DatasetFiles[]> {
  const series = await Promise.all(views.map((view) => seriesAsOf(root, view, asOf)))
  return DATASETS.map((dataset) => {
    const all = series.filter((one) => one.series.dataset === dataset).flatMap(({ parts }) => parts)
    const files = all.filter(({ dates }) => !dates).map(({ file }) => file)
    return { dataset, files, parts: all.filter(({ dates }) => dates) }
  })
}

function filesWithin({ ledger, files }: SeriesView, { from, to }: FilesFilter): string[] {
  return files.filter((_, i) => {
    const { first, last } = ledger.segments[i]!
    return (from === undefined || last >= from) && (to === undefined || first <= to)
  })
}

async function listSeries(root: string, { datasets, tickers }: SeriesFilter): Promise<SeriesId[]> {
  const found: SeriesId[] = []
  for (const dataset of DATASETS) {
    if (datasets && !datasets.includes(dataset.name)) continue
    for (const ticker of await tickersOf(root, dataset)) {
      if (!tickers || tickers.includes(ticker)) found.push({ dataset, ticker })
    }
  }
  return found
}

async function tickersOf(root: string, dataset: DatasetDefinition): Promise<string[]> {
  const ledgers = await readdir(join(dataPaths(root).ledger, dataset.name)).catch(() => [])
  const folders = await readdir(join(dataPaths(root).lake, dataset.name)).catch(() => [])
  const prefix = `${seriesKeyOf(dataset)}=`
  const names = [
    ...ledgers.flatMap((name) => /^(.+)\.(?:json|next)$/.exec(name)?.[1] ?? []),
    ...folders.flatMap((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : [])),
  ]
  return [...new Set(names.filter(isTicker).map(decodeTicker))].sort()
}

/** False for names that tapelake does not give: somebody else's folder is not a series. */
function isTicker(component: string): boolean {
  try {
    return component !== '' && encodeTicker(decodeTicker(component)) === component
  } catch {
    return false
  }
}
